/** proc-flags.ts — bits of statusFlags and delayChkptFlags in a PGPROC, and their setters.
 *  Counterpart: src/include/storage/proc.h */
import { myProcess } from '#runtime/my-process.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { procAt } from '#shm/proc.ts';
import { procArray } from '#transam/proc-array-layout.ts';

export const PROC_IS_AUTOVACUUM = 0x01;
/** Runs a lazy VACUUM: its snapshot is nobody's concern. */
export const PROC_IN_VACUUM = 0x02;
/** Runs CREATE INDEX CONCURRENTLY without expressions or a predicate. */
export const PROC_IN_SAFE_IC = 0x04;
export const PROC_VACUUM_FOR_WRAPAROUND = 0x08;
export const PROC_IN_LOGICAL_DECODING = 0x10;
/** Its xmin holds back all databases (walsender with feedback). */
export const PROC_AFFECTS_ALL_HORIZONS = 0x20;
/** What ends with the transaction. */
export const PROC_VACUUM_STATE_MASK = PROC_IN_VACUUM | PROC_IN_SAFE_IC | PROC_VACUUM_FOR_WRAPAROUND;

/** Between WAL and what it describes: a checkpoint must not begin, … */
export const DELAY_CHKPT_START = 1;
/** … must not end. */
export const DELAY_CHKPT_COMPLETE = 2;

/** Sets bits of my status flags, in my PGPROC and in the dense array. */
export function setMyStatusFlags(bits: number): void {
  changeMyStatusFlags(bits, 0);
}
export function changeMyStatusFlags(set: number, clear: number): void {
  const proc = procAt(myProcess.procNumber);
  const lock = mainLWLock('ProcArray');
  lwLockAcquire(lock, 'exclusive');
  const flags = (PgProc.statusFlags.get(mem, proc) | set) & ~clear;
  PgProc.statusFlags.set(mem, proc, flags);
  const place = PgProc.xactOffset.get(mem, proc);
  if (place >= 0) mem.u8[procArray.flags + place] = flags;
  lwLockRelease(lock);
}
export const myStatusFlags = (): number =>
  myProcess.procNumber < 0 ? 0 : PgProc.statusFlags.get(mem, procAt(myProcess.procNumber));

export function setMyDelayChkptFlags(bits: number): void {
  if (myProcess.procNumber >= 0) PgProc.delayChkptFlags.or(mem, procAt(myProcess.procNumber), bits);
}
export function clearMyDelayChkptFlags(bits: number): void {
  if (myProcess.procNumber >= 0) PgProc.delayChkptFlags.and(mem, procAt(myProcess.procNumber), ~bits);
}
