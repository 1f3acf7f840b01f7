/** exit-callbacks.ts — what a process must undo before it ends, in three lists, each run last-in first-out.
 *
 *  Order: before_shmem_exit (still a working process: abort the transaction, flush statistics), on_shmem_exit (give back
 *  what it holds in shared memory), on_proc_exit (sockets, files, the postmaster's lock files); then _exit. A callback
 *  that fails is reported and the next one runs. A process that is killed runs none of this, which is why the postmaster
 *  treats such a death as a crash.
 *  Counterpart: src/backend/storage/ipc/ipc.c */
import { native } from '#platform/native.ts';
import { reportHooks, toPgError } from '#runtime/error/report.ts';
import { resetInterruptHoldoffs, holdInterrupts } from '#runtime/interrupts.ts';

export type ExitCallback = (code: number) => void;
const beforeShmem: ExitCallback[] = [];
const onShmem: ExitCallback[] = [];
const onProc: ExitCallback[] = [];
let exiting = false;

export const beforeShmemExit = (callback: ExitCallback): void => void beforeShmem.push(callback);
export const onShmemExit = (callback: ExitCallback): void => void onShmem.push(callback);
export const onProcExit = (callback: ExitCallback): void => void onProc.push(callback);
export const exitInProgress = (): boolean => exiting;
/** Takes the callback off again; it must be the latest of its list. */
export function cancelBeforeShmemExit(callback: ExitCallback): void {
  if (beforeShmem.at(-1) === callback) beforeShmem.pop();
}

/** A forked child owns none of its parent's duties. */
export function resetExitCallbacks(): void {
  beforeShmem.length = 0;
  onShmem.length = 0;
  onProc.length = 0;
  exiting = false;
}

function runAll(list: ExitCallback[], code: number): void {
  for (let callback = list.pop(); callback !== undefined; callback = list.pop()) {
    try {
      callback(code);
    } catch (caught) {
      // Popped before it ran, so a callback that fails is not tried again and cannot loop.
      const error = toPgError(caught);
      reportHooks.emit('LOG', error.fields);
    }
  }
}

/** Runs the callbacks of shared memory only: the postmaster's crash cycle. */
export function runShmemExit(code: number): void {
  runAll(beforeShmem, code);
  runAll(onShmem, code);
}

export function exitProcess(code: number): never {
  exiting = true;
  resetInterruptHoldoffs();
  holdInterrupts();
  runShmemExit(code);
  runAll(onProc, code);
  return native.exitNow(code);
}
