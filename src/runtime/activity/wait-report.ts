/** wait-report.ts — publishes what this process is waiting for, with one plain store.
 *
 *  Until the process owns a PGPROC the word is private; shm/proc.ts points it at PGPROC.waitEventInfo. Readers take it
 *  without a lock: a word cannot be torn, and a stale value is only stale.
 *  Counterpart: src/include/utils/wait_event.h */
let words: Int32Array = new Int32Array(1);
let index = 0;

export function setWaitEventStorage(i32: Int32Array, word: number): void {
  words = i32;
  index = word;
}
export function resetWaitEventStorage(): void {
  words = new Int32Array(1);
  index = 0;
}
export function waitStart(waitEventInfo: number): void {
  words[index] = waitEventInfo;
}
export function waitEnd(): void {
  words[index] = 0;
}
