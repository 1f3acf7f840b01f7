/** fast-path.ts — weak relation locks without the shared table.
 *
 *  Modes up to RowExclusive never exclude each other, so a process notes them in sixteen slots of its own PGPROC under its
 *  own LWLock. Whoever wants a mode that could conflict (above ShareUpdateExclusive) first raises the counter of the
 *  relation's hash, which stops new fast-path locks, then moves those that exist into the table, on their holders' behalf.
 *  The counter is read while holding the own LWLock: if we read zero, the strong locker has not yet scanned our slots.
 *  A transaction's lock on its own virtual xid lives here too; who wants to wait for it moves it to the table first.
 *  Counterpart: the FastPath functions of src/backend/storage/lmgr/lock.c */
import { assert } from '#base/assert.ts';
import { myProcess } from '#runtime/my-process.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { procAt, totalProcs } from '#shm/proc.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { spinAcquire, spinRelease } from '#shm/spinlock.ts';
import type { LocalLock } from '#storage/lmgr/local-lock.ts';
import { FAST_PATH_SLOTS, FAST_PATH_STRONG_PARTITIONS, FastPathStrong } from '#storage/lmgr/lock-layout.ts';
import { LOCK, LOCK_METHOD } from '#storage/lmgr/lock-modes.ts';
import { grantLock, setUpLockInTable } from '#storage/lmgr/lock-queue.ts';
import { fastPathStrongAt, findLock, findProcLock, partitionLock } from '#storage/lmgr/lock-table.ts';
import { LOCK_TAG, type LockTag } from '#storage/lmgr/lock-tag.ts';
import { ProcLock } from '#storage/lmgr/lock-layout.ts';

/** Slots of ours in use, or more: others may have emptied some. */
let slotsUsed = 0;
/** The strong lock whose counter we raised and which is not granted yet. */
let strongInProgress: LocalLock | null = null;

const FP_LOCK = PgProc.fpInfoLock.offset;
const MODES = PgProc.fpModes.offset;
const RELATIONS = PgProc.fpRelIds.offset;

export const fpInfoLockOf = (proc: number): number => procAt(proc) + FP_LOCK;
export const fastPathHasSlots = (): boolean => slotsUsed < FAST_PATH_SLOTS;
export const fastPathInUse = (): boolean => slotsUsed > 0;

export const eligibleForFastPath = (tag: LockTag, mode: number): boolean =>
  tag.method === LOCK_METHOD.default &&
  tag.type === LOCK_TAG.relation &&
  mode < LOCK.shareUpdateExclusive &&
  tag.field1 === myProcess.databaseId &&
  tag.field1 !== 0;
export const conflictsWithFastPath = (tag: LockTag, mode: number): boolean =>
  tag.method === LOCK_METHOD.default &&
  tag.type === LOCK_TAG.relation &&
  tag.field1 !== 0 &&
  mode > LOCK.shareUpdateExclusive;

const counterWord = (hash: number): number =>
  (fastPathStrongAt + FastPathStrong.counts.offset + 4 * ((hash >>> 4) & (FAST_PATH_STRONG_PARTITIONS - 1))) >>> 2;

/** True if the lock is noted in a slot of ours. */
export function fastPathAcquire(relation: number, mode: number, hash: number): boolean {
  const me = procAt(myProcess.procNumber);
  lwLockAcquire(me + FP_LOCK, 'exclusive');
  const granted = Atomics.load(mem.i32, counterWord(hash)) === 0 && noteInSlot(me, relation, mode);
  lwLockRelease(me + FP_LOCK);
  return granted;
}
function noteInSlot(me: number, relation: number, mode: number): boolean {
  const { u8, view } = mem;
  let unused = -1;
  // No more than `slotsUsed` are occupied: behind the last of these there is nothing to find.
  let occupied = slotsUsed;
  for (let slot = 0; slot < FAST_PATH_SLOTS; slot++) {
    const modes = u8[me + MODES + slot]!;
    if (modes === 0) {
      if (unused < 0) unused = slot;
      if (occupied === 0) break;
      continue;
    }
    occupied--;
    if (view.getUint32(me + RELATIONS + 4 * slot, true) !== relation) continue;
    u8[me + MODES + slot] = modes | (1 << (mode - 1));
    return true;
  }
  if (unused < 0) return false;
  view.setUint32(me + RELATIONS + 4 * unused, relation, true);
  u8[me + MODES + unused] = 1 << (mode - 1);
  slotsUsed++;
  return true;
}

/** True if it was in a slot; false if somebody moved it to the table. */
export function fastPathRelease(relation: number, mode: number): boolean {
  const me = procAt(myProcess.procNumber);
  lwLockAcquire(me + FP_LOCK, 'exclusive');
  const released = clearSlot(me, relation, mode);
  lwLockRelease(me + FP_LOCK);
  return released;
}
/** The caller holds our fpInfoLock. */
export function clearSlot(me: number, relation: number, mode: number): boolean {
  const { u8, view } = mem;
  const bit = 1 << (mode - 1);
  let used = 0;
  for (let slot = 0; slot < FAST_PATH_SLOTS; slot++) {
    const modes = u8[me + MODES + slot]!;
    if (modes === 0) continue;
    used++;
    if ((modes & bit) === 0 || view.getUint32(me + RELATIONS + 4 * slot, true) !== relation) continue;
    u8[me + MODES + slot] = modes & ~bit;
    if (modes === bit) slotsUsed--;
    return true;
  }
  // Somebody moved it, and emptied the slot: now we know how many are left.
  slotsUsed = used;
  return false;
}

// ── strong locks ─────────────────────────────────────────────────────────────────────────────────────────────────

function addToCounter(hash: number, delta: number): void {
  spinAcquire(fastPathStrongAt + FastPathStrong.mutex.offset);
  Atomics.add(mem.i32, counterWord(hash), delta);
  spinRelease(fastPathStrongAt + FastPathStrong.mutex.offset);
}
/** Raises the counter; an error until finishStrongLock() must lower it again (abortStrongLock). */
export function beginStrongLock(local: LocalLock): void {
  assert(strongInProgress === null, 'one strong lock at a time is being acquired');
  assert(!local.holdsStrongCount, 'the counter was not raised for it yet');
  addToCounter(local.hash, 1);
  local.holdsStrongCount = true;
  strongInProgress = local;
}
export function finishStrongLock(): void {
  strongInProgress = null;
}
export function abortStrongLock(): void {
  const local = strongInProgress;
  if (local === null) return;
  strongInProgress = null;
  addToCounter(local.hash, -1);
  local.holdsStrongCount = false;
}
export function lowerStrongCount(local: LocalLock): void {
  if (!local.holdsStrongCount) return;
  addToCounter(local.hash, -1);
  local.holdsStrongCount = false;
}
/** A lock that comes back from a two-phase state file has its count, too. */
export function raiseStrongCount(hash: number): void {
  addToCounter(hash, 1);
}
export function lowerStrongCountOf(hash: number): void {
  addToCounter(hash, -1);
}

/** Moves everybody's fast-path locks on the relation into the table. False when the table is full. */
export function fastPathTransfer(tag: LockTag, hash: number): boolean {
  const relation = tag.field2;
  const partition = partitionLock(hash);
  const total = totalProcs();
  for (let proc = 0; proc < total; proc++) {
    const at = procAt(proc);
    // Slots tell the relation only: its database is the process's. Looked at without its LWLock: whoever has noted a lock
    // read the counter as zero, before we raised it, and had set its database before that.
    if (PgProc.databaseId.get(mem, at) !== tag.field1 || PgProc.pid.load(mem, at) === 0) continue;
    lwLockAcquire(at + FP_LOCK, 'exclusive');
    for (let slot = 0; slot < FAST_PATH_SLOTS; slot++) {
      const modes = mem.u8[at + MODES + slot]!;
      if (modes === 0 || mem.view.getUint32(at + RELATIONS + 4 * slot, true) !== relation) continue;
      lwLockAcquire(partition, 'exclusive');
      for (let mode = 1; mode <= 3; mode++) {
        if ((modes & (1 << (mode - 1))) === 0) continue;
        const procLock = setUpLockInTable(proc, tag, hash, mode);
        if (procLock === 0) {
          lwLockRelease(partition);
          lwLockRelease(at + FP_LOCK);
          return false;
        }
        grantLock(ProcLock.lock.get(mem, procLock), procLock, mode);
        mem.u8[at + MODES + slot] = mem.u8[at + MODES + slot]! & ~(1 << (mode - 1));
      }
      lwLockRelease(partition);
      break;
    }
    lwLockRelease(at + FP_LOCK);
  }
  return true;
}

/** The PROCLOCK of a lock that we got by the fast path, moved to the table if it is not there yet (for PREPARE).
 *  0 when the table is full. */
export function fastPathToTable(local: LocalLock): number {
  const { tag, mode, hash } = local;
  const me = procAt(myProcess.procNumber);
  const partition = partitionLock(hash);
  lwLockAcquire(me + FP_LOCK, 'exclusive');
  for (let slot = 0; slot < FAST_PATH_SLOTS; slot++) {
    const modes = mem.u8[me + MODES + slot]!;
    if ((modes & (1 << (mode - 1))) === 0) continue;
    if (mem.view.getUint32(me + RELATIONS + 4 * slot, true) !== tag.field2) continue;
    lwLockAcquire(partition, 'exclusive');
    const procLock = setUpLockInTable(myProcess.procNumber, tag, hash, mode);
    if (procLock !== 0) {
      grantLock(ProcLock.lock.get(mem, procLock), procLock, mode);
      clearSlot(me, tag.field2, mode);
    }
    lwLockRelease(partition);
    lwLockRelease(me + FP_LOCK);
    return procLock;
  }
  lwLockRelease(me + FP_LOCK);
  // Somebody moved it already.
  lwLockAcquire(partition, 'shared');
  const lock = findLock(tag, hash);
  assert(lock !== 0, 'failed to re-find shared lock object');
  const procLock = findProcLock(lock, myProcess.procNumber);
  assert(procLock !== 0, 'failed to re-find shared proclock object');
  lwLockRelease(partition);
  return procLock;
}

/** What a process notes in its slots; for pg_locks and waitForLockers. The caller holds its fpInfoLock. */
export function forEachFastPathLock(proc: number, see: (relation: number, modes: number) => void): void {
  const at = procAt(proc);
  for (let slot = 0; slot < FAST_PATH_SLOTS; slot++) {
    const modes = mem.u8[at + MODES + slot]!;
    if (modes !== 0) see(mem.view.getUint32(at + RELATIONS + 4 * slot, true), modes);
  }
}
