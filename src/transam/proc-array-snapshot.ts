/** proc-array-snapshot.ts — taking a snapshot: which transactions run at this moment?
 *
 *  Under ProcArrayLock shared, so that no xid can end while the list is made. If no transaction with an xid has ended
 *  since the snapshot was last filled (the completion counter is unchanged), its contents are still right: newer xids are
 *  beyond its xmax, and only an end makes something visible.
 *  Promises: my PGPROC's xmin is set before the lock is released, so no horizon passes what this snapshot can see.
 *  Cost: reuse 100 ns; else about 20 ns a member (test/bench/micro/transam/snapshot.bench.ts).
 *  Counterpart: GetSnapshotData() of src/backend/storage/ipc/procarray.c */
import type { TransactionId } from '#base/ids.ts';
import { FIRST_NORMAL_XID } from '#base/xid.ts';
import { settings } from '#runtime/guc/guc.ts';
import { myProcess } from '#runtime/my-process.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { procAt } from '#shm/proc.ts';
import { maintainGlobalVis } from '#transam/global-vis-horizons.ts';
import { knownAssignedXidsGetAndSetXmin } from '#transam/known-assigned-xids.ts';
import { MAX_CACHED_SUBXIDS, maxProcArrayEntries, procArray } from '#transam/proc-array-layout.ts';
import { PROC_IN_LOGICAL_DECODING, PROC_IN_VACUUM } from '#transam/proc-flags.ts';
import type { Snapshot } from '#transam/snapshot-data.ts';
import { ProcArrayHeader, VariableCache } from '#transam/transam-layout.ts';
import { variableCacheAt } from '#transam/variable-cache.ts';
import { xactStack } from '#transam/xact-stack.ts';
import { xmins } from '#transam/xmins.ts';
import { getXLogInsertRecPtr } from '#wal/insert.ts';
import { recoveryInProgress } from '#wal/recovery-state.ts';

const NOT_MY_CONCERN = PROC_IN_LOGICAL_DECODING | PROC_IN_VACUUM;
/** ms of old_snapshot_threshold are minutes there; snapshots are stamped only if it is on. */
const oldSnapshotsExpire = (): boolean => settings.old_snapshot_threshold >= 0;

let now: () => number = () => 0;
export function setSnapshotClock(clock: () => number): void {
  now = clock;
}

function makeRoom(snapshot: Snapshot): void {
  const max = maxProcArrayEntries();
  snapshot.xip = new Uint32Array(max);
  // Every cached subxid of everybody; on a standby top-level xids as well.
  snapshot.subxip = new Uint32Array((MAX_CACHED_SUBXIDS + 1) * max);
}

/** A program that takes part in no ProcArray (the postmaster before its first fork, a tool) sees what has always been. */
function snapshotOfNobody(snapshot: Snapshot): Snapshot {
  snapshot.xmin = FIRST_NORMAL_XID;
  snapshot.xmax = FIRST_NORMAL_XID;
  finish(snapshot, FIRST_NORMAL_XID);
  return snapshot;
}

/** Fills a static snapshot. */
export function getSnapshotData(snapshot: Snapshot): Snapshot {
  if (myProcess.procNumber < 0) return snapshotOfNobody(snapshot);
  if (snapshot.xip.length === 0) makeRoom(snapshot);
  const cache = variableCacheAt();
  const lock = mainLWLock('ProcArray');
  const me = procAt(myProcess.procNumber);
  const words = mem.i32;
  lwLockAcquire(lock, 'shared');
  const completionCount = VariableCache.completionCount.get(mem, cache);
  if (snapshot.completionCount === completionCount) {
    const { xmin } = snapshot;
    if (PgProc.xmin.get(mem, me) === 0) {
      PgProc.xmin.set(mem, me, xmin);
      xmins.transaction = xmin;
    }
    lwLockRelease(lock);
    finish(snapshot, xmin);
    return snapshot;
  }
  const latestCompleted = VariableCache.latestCompletedXid.get(mem, cache);
  let xmax = (latestCompleted + 1) % 0x1_0000_0000;
  if (xmax < 3) xmax = 3;
  const myPlace = PgProc.xactOffset.get(mem, me);
  const myXid = PgProc.xid.get(mem, me);
  let xmin = xmax;
  if (myXid >= 3 && ((myXid - xmin) | 0) < 0) xmin = myXid;
  let count = 0;
  let subCount = 0;
  let overflowed = false;
  const inRecovery = recoveryInProgress();
  if (!inRecovery) {
    const { xip, subxip } = snapshot;
    const members = ProcArrayHeader.procCount.get(mem, procArray.at);
    const firstXid = procArray.xids >>> 2;
    for (let place = 0; place < members; place++) {
      const xid = words[firstXid + place]! >>> 0;
      if (xid === 0 || place === myPlace || ((xid - xmax) | 0) >= 0) continue;
      if ((mem.u8[procArray.flags + place]! & NOT_MY_CONCERN) !== 0) continue;
      if (((xid - xmin) | 0) < 0) xmin = xid;
      xip[count++] = xid;
      if (overflowed) continue;
      if (mem.u8[procArray.subxids + 2 * place + 1] !== 0) {
        overflowed = true;
        continue;
      }
      const children = mem.u8[procArray.subxids + 2 * place]!;
      if (children === 0) continue;
      const from = PgProc.subxids.at(procAt(words[(procArray.procs >>> 2) + place]!), 0) >>> 2;
      for (let i = 0; i < children; i++) subxip[subCount++] = words[from + i]! >>> 0;
    }
  } else {
    const found = knownAssignedXidsGetAndSetXmin(snapshot.subxip, xmin as TransactionId, xmax as TransactionId);
    subCount = found.count;
    xmin = found.xmin;
    const last = ProcArrayHeader.lastOverflowedXid.get(mem, procArray.at);
    overflowed = last !== 0 && ((xmin - last) | 0) <= 0;
  }
  const slotXmin = ProcArrayHeader.replicationSlotXmin.get(mem, procArray.at);
  const slotCatalogXmin = ProcArrayHeader.replicationSlotCatalogXmin.get(mem, procArray.at);
  if (PgProc.xmin.get(mem, me) === 0) {
    PgProc.xmin.set(mem, me, xmin);
    xmins.transaction = xmin as TransactionId;
  }
  lwLockRelease(lock);
  maintainGlobalVis(latestCompleted, xmin, myXid, slotXmin, slotCatalogXmin);
  snapshot.xmin = xmin as TransactionId;
  snapshot.xmax = xmax as TransactionId;
  snapshot.xcnt = count;
  snapshot.subxcnt = subCount;
  snapshot.suboverflowed = overflowed;
  snapshot.takenDuringRecovery = inRecovery;
  snapshot.completionCount = completionCount;
  finish(snapshot, xmin as TransactionId);
  return snapshot;
}

function finish(snapshot: Snapshot, xmin: TransactionId): void {
  xmins.recent = xmin;
  snapshot.curcid = xactStack.commandId;
  snapshot.activeCount = 0;
  snapshot.regdCount = 0;
  snapshot.copied = false;
  if (!oldSnapshotsExpire() || myProcess.procNumber < 0) return;
  snapshot.lsn = getXLogInsertRecPtr();
  snapshot.whenTaken = now();
}
