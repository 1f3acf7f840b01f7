/** semaphore.ts — a process's own counting semaphore: a futex word in its PGPROC.
 *
 *  Only the owner goes down; anyone may go up. Signals end the sleep but not the wait: the loop looks again.
 *  Counterpart: src/backend/port/posix_sema.c */
import { futexWait, futexWake, mem } from '#shm/memory.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { checkPostmasterWhileBlocked } from '#shm/blocked-exit.ts';

export function semaphoreDown(procAt: number): void {
  for (;;) {
    const count = PgProc.semaphore.load(mem, procAt);
    if (count > 0) {
      if (PgProc.semaphore.compareExchange(mem, procAt, count, count - 1) === count) return;
      continue;
    }
    futexWait(procAt + PgProc.semaphore.offset, 0, 1000);
    checkPostmasterWhileBlocked();
  }
}

export function semaphoreUp(procAt: number): void {
  PgProc.semaphore.add(mem, procAt, 1);
  futexWake(procAt + PgProc.semaphore.offset, 1);
}
export function semaphoreReset(procAt: number): void {
  PgProc.semaphore.store(mem, procAt, 0);
}
