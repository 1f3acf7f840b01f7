/** proc-array-layout.ts — who is in the ProcArray: the dense arrays that a snapshot reads.
 *
 *  Entries are ordered by PGPROC number. xids, subxid states and status flags of the PGPROCs are repeated in dense arrays,
 *  because a snapshot looks at all of them and at little else. Members are added and removed with ProcArrayLock and
 *  XidGenLock held exclusively; so my own place (xactOffset) is stable while I hold either.
 *  Counterpart: ProcArrayStruct of procarray.c, PROC_HDR of src/include/storage/proc.h */
import type { TransactionId } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { maxBackends, procAt } from '#shm/proc.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import { ProcArrayHeader, VariableCache } from '#transam/transam-layout.ts';
import { variableCacheAt } from '#transam/variable-cache.ts';

export const MAX_CACHED_SUBXIDS = 64;

/** Byte offsets; the array fields are indexed by place in the ProcArray. */
export const procArray = {
  at: -1,
  /** i32: PGPROC number. */
  procs: 0,
  /** u32. */
  xids: 0,
  /** u8 count and u8 overflowed, two bytes a place. */
  subxids: 0,
  /** u8. */
  flags: 0,
  /** u32 by backend id: the local transaction id that was used last. */
  localXids: 0,
};

export const maxProcArrayEntries = (): number => maxBackends() + settings.max_prepared_transactions;

function layout(): number {
  const max = Math.ceil(maxProcArrayEntries() / 8) * 8;
  let next = procArray.at + ProcArrayHeader.SIZE;
  procArray.procs = next;
  next += 4 * max;
  procArray.xids = next;
  next += 4 * max;
  procArray.localXids = next;
  next += 4 * Math.ceil((maxBackends() + 1) / 2) * 2;
  procArray.subxids = next;
  next += 2 * max;
  procArray.flags = next;
  return next + max - procArray.at;
}

export const procArrayShmem: ShmemSubsystem = {
  name: 'Proc Array',
  request: () => requestShmemSpace(layout()),
  init() {
    const size = layout();
    const found = shmemInitStruct('Proc Array', size);
    procArray.at = found.at;
    layout();
    if (found.found) return;
    ProcArrayHeader.maxProcs.set(mem, procArray.at, maxProcArrayEntries());
  },
};

export const procArrayCount = (): number => ProcArrayHeader.procCount.get(mem, procArray.at);
/** PGPROC number at a place. */
export const procNumberAt = (place: number): number => mem.i32[(procArray.procs + 4 * place) >>> 2]!;

// ── membership ───────────────────────────────────────────────────────────────────────────────────────────────────

function moveEntries(from: number, to: number, count: number): void {
  if (count <= 0) return;
  mem.u8.copyWithin(procArray.procs + 4 * to, procArray.procs + 4 * from, procArray.procs + 4 * (from + count));
  mem.u8.copyWithin(procArray.xids + 4 * to, procArray.xids + 4 * from, procArray.xids + 4 * (from + count));
  mem.u8.copyWithin(procArray.subxids + 2 * to, procArray.subxids + 2 * from, procArray.subxids + 2 * (from + count));
  mem.u8.copyWithin(procArray.flags + to, procArray.flags + from, procArray.flags + from + count);
}
function renumber(from: number, count: number): void {
  for (let place = from; place < count; place++) PgProc.xactOffset.set(mem, procAt(procNumberAt(place)), place);
}

/** Adds a process, or the dummy of a prepared transaction whose xid and subxids are set. */
export function procArrayAdd(procNumber: number): void {
  const lock = mainLWLock('ProcArray');
  const genLock = mainLWLock('XidGen');
  lwLockAcquire(lock, 'exclusive');
  lwLockAcquire(genLock, 'exclusive');
  const count = procArrayCount();
  if (count >= ProcArrayHeader.maxProcs.get(mem, procArray.at)) {
    lwLockRelease(genLock);
    lwLockRelease(lock);
    report('FATAL', { code: SQLSTATE.tooManyConnections, message: 'sorry, too many clients already' });
  }
  let place = 0;
  while (place < count && procNumberAt(place) < procNumber) place++;
  moveEntries(place, place + 1, count - place);
  const at = procAt(procNumber);
  mem.i32[(procArray.procs + 4 * place) >>> 2] = procNumber;
  mem.view.setUint32(procArray.xids + 4 * place, PgProc.xid.get(mem, at), true);
  mem.u8[procArray.subxids + 2 * place] = PgProc.subxidCount.get(mem, at);
  mem.u8[procArray.subxids + 2 * place + 1] = PgProc.subxidOverflowed.get(mem, at);
  mem.u8[procArray.flags + place] = PgProc.statusFlags.get(mem, at);
  ProcArrayHeader.procCount.set(mem, procArray.at, count + 1);
  renumber(place, count + 1);
  lwLockRelease(genLock);
  lwLockRelease(lock);
}

/** Takes an entry off. `latestXid`: of a prepared transaction, whose xids end with this; 0 for a process. */
export function procArrayRemove(procNumber: number, latestXid: TransactionId): void {
  const lock = mainLWLock('ProcArray');
  const genLock = mainLWLock('XidGen');
  lwLockAcquire(lock, 'exclusive');
  lwLockAcquire(genLock, 'exclusive');
  const count = procArrayCount();
  const place = PgProc.xactOffset.get(mem, procAt(procNumber));
  if (latestXid !== 0) maintainLatestCompletedXid(latestXid);
  moveEntries(place + 1, place, count - place - 1);
  PgProc.xactOffset.set(mem, procAt(procNumber), -1);
  mem.i32[(procArray.procs + 4 * (count - 1)) >>> 2] = -1;
  ProcArrayHeader.procCount.set(mem, procArray.at, count - 1);
  renumber(place, count - 1);
  lwLockRelease(genLock);
  lwLockRelease(lock);
}

// ── publishing ───────────────────────────────────────────────────────────────────────────────────────────────────

/** With XidGenLock: the new top-level xid of the process at `proc`. */
export function publishXid(proc: number, xid: TransactionId): void {
  PgProc.xid.set(mem, proc, xid);
  const place = PgProc.xactOffset.get(mem, proc);
  // An atomic store: a snapshot may be reading.
  if (place >= 0) Atomics.store(mem.i32, (procArray.xids + 4 * place) >>> 2, xid | 0);
}
/** With XidGenLock: one more subtransaction of it. */
export function publishSubXid(proc: number, xid: TransactionId): void {
  const place = PgProc.xactOffset.get(mem, proc);
  const count = PgProc.subxidCount.get(mem, proc);
  if (count < MAX_CACHED_SUBXIDS) {
    // The xid is there before the count says so.
    Atomics.store(mem.i32, PgProc.subxids.at(proc, count) >>> 2, xid | 0);
    PgProc.subxidCount.set(mem, proc, count + 1);
    if (place >= 0) mem.u8[procArray.subxids + 2 * place] = count + 1;
  } else {
    PgProc.subxidOverflowed.set(mem, proc, 1);
    if (place >= 0) mem.u8[procArray.subxids + 2 * place + 1] = 1;
  }
}
/** With ProcArrayLock: forgets all subxids of the process. */
export function clearSubXids(proc: number): void {
  const place = PgProc.xactOffset.get(mem, proc);
  PgProc.subxidCount.set(mem, proc, 0);
  PgProc.subxidOverflowed.set(mem, proc, 0);
  if (place < 0) return;
  mem.u8[procArray.subxids + 2 * place] = 0;
  mem.u8[procArray.subxids + 2 * place + 1] = 0;
}

/** With ProcArrayLock exclusively: xids up to `latest` have ended, and every cached snapshot is out of date. */
export function maintainLatestCompletedXid(latest: TransactionId): void {
  const cache = variableCacheAt();
  const current = VariableCache.latestCompletedXid.get(mem, cache);
  const steps = (latest - (current % 0x1_0000_0000)) | 0;
  if (steps > 0) VariableCache.latestCompletedXid.set(mem, cache, current + steps);
  VariableCache.completionCount.set(mem, cache, VariableCache.completionCount.get(mem, cache) + 1);
}
