/** insert-locks.ts — the eight locks under which records are copied into the WAL buffers.
 *
 *  I1. Whoever reserves room holds an insertion lock from before the reservation until the bytes are copied, so that
 *      waiting for all locks means waiting for all reserved bytes.
 *  I2. A holder that must wait for somebody else's page first publishes how far it is (insertingAt): without that two
 *      inserters could wait for each other.
 *  I3. What all inserters must agree on (redo pointer, full page writes) changes only with all eight locks held.
 *  Counterpart: WALInsertLockAcquire(), WaitXLogInsertionsToFinish() of src/backend/access/transam/xlog.c */
import type { Lsn } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { myProcess } from '#runtime/my-process.ts';
import { LW_VAL_EXCLUSIVE, LWLock } from '#shm/lwlock-layout.ts';
import { lwLockAcquire, lwLockReleaseClearVar, lwLockUpdateVar, lwLockWaitForVar } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { spinAcquire, spinRelease } from '#shm/spinlock.ts';
import { bytePosToEndRecPtr, lsnText } from '#wal/wal-format.ts';
import { NUM_INSERT_LOCKS, WalCtl, WalInsertLock } from '#wal/wal-layout.ts';
import { INSERTING_AT, insertLockAt, walAt } from '#wal/wal-shmem.ts';

let myLock = -1;
let lockToTry = -1;
let holdingAll = false;
/** Larger than every position; 2^64-1 is no exact Number. */
const FAR_AHEAD = Number.MAX_SAFE_INTEGER;

export function acquireInsertLock(): void {
  if (lockToTry < 0) lockToTry = Math.max(0, myProcess.procNumber) % NUM_INSERT_LOCKS;
  myLock = lockToTry;
  // After contention another lock is tried next time: the processes spread themselves.
  if (!lwLockAcquire(insertLockAt(myLock), 'exclusive')) lockToTry = (lockToTry + 1) % NUM_INSERT_LOCKS;
}
/** All of them, in order; the last one's insertingAt stands for all. */
export function acquireAllInsertLocks(): void {
  for (let i = 0; i < NUM_INSERT_LOCKS; i++) {
    lwLockAcquire(insertLockAt(i), 'exclusive');
    if (i < NUM_INSERT_LOCKS - 1) lwLockUpdateVar(insertLockAt(i), insertLockAt(i) + INSERTING_AT, FAR_AHEAD);
  }
  holdingAll = true;
}
export function releaseInsertLock(): void {
  if (!holdingAll) {
    lwLockReleaseClearVar(insertLockAt(myLock), insertLockAt(myLock) + INSERTING_AT, 0);
    return;
  }
  for (let i = 0; i < NUM_INSERT_LOCKS; i++) lwLockReleaseClearVar(insertLockAt(i), insertLockAt(i) + INSERTING_AT, 0);
  holdingAll = false;
}
/** I have copied everything before `position`. [wal I2] */
export function updateInsertingAt(position: number): void {
  const lock = insertLockAt(holdingAll ? NUM_INSERT_LOCKS - 1 : myLock);
  lwLockUpdateVar(lock, lock + INSERTING_AT, position);
}
/** Holder: this record matters (it is not marked unimportant). */
export function noteImportant(start: Lsn): void {
  WalInsertLock.lastImportantAt.set(mem, insertLockAt(holdingAll ? 0 : myLock), start);
}
/** Start of the newest record that matters. */
export function getLastImportantRecPtr(): Lsn {
  let newest = 0;
  for (let i = 0; i < NUM_INSERT_LOCKS; i++) {
    // The lock makes sure that a record whose bytes are there is counted.
    lwLockAcquire(insertLockAt(i), 'exclusive');
    newest = Math.max(newest, WalInsertLock.lastImportantAt.get(mem, insertLockAt(i)));
    lwLockReleaseClearVar(insertLockAt(i), insertLockAt(i) + INSERTING_AT, 0);
  }
  return newest as Lsn;
}
/** The locks were given back by lwLockReleaseAll() after an error. */
export function forgetInsertLocks(): void {
  holdingAll = false;
}

const position = new Float64Array(1);

/** Waits until everything before `upTo` is copied; returns how far it is copied, which may be farther. [wal I1] */
export function waitForInsertions(upTo: Lsn): Lsn {
  spinAcquire(walAt.ctl + WalCtl.insertPosLock.offset);
  const bytePos = WalCtl.currBytePos.get(mem, walAt.ctl);
  spinRelease(walAt.ctl + WalCtl.insertPosLock.offset);
  const reserved = bytePosToEndRecPtr(bytePos);
  if (upTo > reserved) {
    report('LOG', {
      message: `request to flush past end of generated WAL; request ${lsnText(upTo)}, current position ${lsnText(reserved)}`,
    });
    upTo = reserved;
  }
  let finished: number = reserved;
  for (let i = 0; i < NUM_INSERT_LOCKS; i++) {
    const lock = insertLockAt(i);
    if ((LWLock.state.load(mem, lock) & LW_VAL_EXCLUSIVE) === 0) continue;
    position[0] = 0;
    let isFree: boolean;
    do {
      isFree = lwLockWaitForVar(lock, lock + INSERTING_AT, position[0]!, position);
    } while (!isFree && position[0]! < upTo);
    if (!isFree && position[0]! < finished) finished = position[0]!;
  }
  return finished as Lsn;
}
