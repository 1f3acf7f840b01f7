/** interrupts.ts — the cheap question “did a signal ask something of me?”, and the ways to postpone the answer.
 *
 *  C handlers in native-shm set word 0 of the signal words; `checkForInterrupts()` costs one atomic load when nothing
 *  happened. It must be called in every loop that can run long, and never while a spinlock is held. What is done about
 *  an interrupt is registered by the kind of process that runs (`setInterruptHandler`).
 *  Counterpart: src/include/miscadmin.h, ProcessInterrupts() of src/backend/tcop/postgres.c */

/** Word 0 is the pending flag, word s the count of signal s. Replaced by the real signal words at process start. */
export let signalWords: Int32Array = new Int32Array(new SharedArrayBuffer(256));
let handler: () => void = () => {};
let holdoffCount = 0;
let criticalCount = 0;
let queryCancelHoldoffCount = 0;

export function useSignalWords(words: Int32Array): void {
  signalWords = words;
}
export function setInterruptHandler(processInterrupts: () => void): void {
  handler = processInterrupts;
}

/** Acts on pending cancel, termination, timeouts, barriers: may throw ERROR or end the process. */
export function checkForInterrupts(): void {
  if (Atomics.load(signalWords, 0) === 0) return;
  if (Atomics.load(signalWords, POSTMASTER_DEATH_SIGNAL) !== 0) postmasterDied();
  if (holdoffCount === 0 && criticalCount === 0) handler();
}

/** SIGPWR, which the kernel sends when the parent dies (shm/blocked-exit.ts asks for it). */
const POSTMASTER_DEATH_SIGNAL = 30;
let postmasterDied: () => void = () => {};
/** What a process in the middle of its work does when it learns that its postmaster is gone. */
export function setPostmasterDeathHandler(leave: () => void): void {
  postmasterDied = leave;
}

/** True once for each batch of deliveries of `signal`. */
export function takeSignal(signal: number): boolean {
  return Atomics.exchange(signalWords, signal, 0) !== 0;
}
export function signalPending(signal: number): boolean {
  return Atomics.load(signalWords, signal) !== 0;
}
/** Re-raises the pending flag, for something that must be looked at again later. */
export function raiseInterrupt(): void {
  Atomics.store(signalWords, 0, 1);
}
export function clearInterruptPending(): void {
  Atomics.store(signalWords, 0, 0);
}

export function holdInterrupts(): void {
  holdoffCount++;
}
export function resumeInterrupts(): void {
  holdoffCount--;
}
export function holdCancelInterrupts(): void {
  queryCancelHoldoffCount++;
}
export function resumeCancelInterrupts(): void {
  queryCancelHoldoffCount--;
}
export const cancelHeldOff = (): boolean => queryCancelHoldoffCount > 0;
export const interruptsCanBeProcessed = (): boolean => holdoffCount === 0 && criticalCount === 0;

export function beginCritical(): void {
  criticalCount++;
}
export function endCritical(): void {
  criticalCount--;
}
export const inCriticalSection = (): boolean => criticalCount > 0;

/** After an error was caught at top level everything that held interrupts off is gone. */
export function resetInterruptHoldoffs(): void {
  holdoffCount = 0;
  criticalCount = 0;
  queryCancelHoldoffCount = 0;
}
