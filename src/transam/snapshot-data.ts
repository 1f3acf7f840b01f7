/** snapshot-data.ts — what a snapshot is: which transactions were running when it was taken.
 *
 *  MVCC snapshots see what was committed before them. The other kinds carry no list of transactions: they only tell the
 *  visibility code which rule to apply. The arrays of a static snapshot are as long as the ProcArray could ever need and
 *  are filled again and again; a copy has exactly what it needs.
 *  Counterpart: src/include/utils/snapshot.h */
import type { CommandId, TransactionId } from '#base/ids.ts';
import type { GlobalVisState } from '#transam/global-vis.ts';

export type SnapshotKind = 'mvcc' | 'self' | 'any' | 'toast' | 'dirty' | 'historicMvcc' | 'nonVacuumable';

export interface Snapshot {
  kind: SnapshotKind;
  /** All xids before this one are finished. */
  xmin: TransactionId;
  /** All xids from this one on have not begun. A dirty snapshot returns the xmax that is in progress here. */
  xmax: TransactionId;
  /** Running top-level transactions in [xmin, xmax): the first `xcnt` of `xip`. */
  xcnt: number;
  xip: Uint32Array;
  /** Running subtransactions, complete unless `suboverflowed`; on a standby all running transactions are here. */
  subxcnt: number;
  subxip: Uint32Array;
  suboverflowed: boolean;
  takenDuringRecovery: boolean;
  /** False for a static snapshot, whose contents the next one overwrites. */
  copied: boolean;
  /** In my transaction, commands before this one are visible. */
  curcid: CommandId;
  /** Out of a dirty snapshot: the speculative insertion that was met. */
  speculativeToken: number;
  /** Of a nonVacuumable snapshot. */
  vistest: GlobalVisState | null;
  activeCount: number;
  regdCount: number;
  /** Position in the WAL and time when taken, for old_snapshot_threshold. */
  lsn: number;
  whenTaken: number;
  /** Value of the completion counter: an equal one means that nothing has ended since. */
  completionCount: number;
  /** Number by which a resource owner knows it, 0 while none does. */
  id: number;
}

const NO_XIDS = new Uint32Array(0);

export function newSnapshot(kind: SnapshotKind): Snapshot {
  return {
    kind,
    xmin: 0 as TransactionId,
    xmax: 0 as TransactionId,
    xcnt: 0,
    xip: NO_XIDS,
    subxcnt: 0,
    subxip: NO_XIDS,
    suboverflowed: false,
    takenDuringRecovery: false,
    copied: false,
    curcid: 0 as CommandId,
    speculativeToken: 0,
    vistest: null,
    activeCount: 0,
    regdCount: 0,
    lsn: 0,
    whenTaken: 0,
    completionCount: 0,
    id: 0,
  };
}

/** A snapshot of its own arrays, with no references yet. */
export function copySnapshot(from: Snapshot): Snapshot {
  const copy = newSnapshot(from.kind);
  copy.xmin = from.xmin;
  copy.xmax = from.xmax;
  copy.xcnt = from.xcnt;
  copy.xip = from.xcnt > 0 ? from.xip.slice(0, from.xcnt) : NO_XIDS;
  copy.suboverflowed = from.suboverflowed;
  copy.takenDuringRecovery = from.takenDuringRecovery;
  // An overflowed list is not consulted, except on a standby, where it holds the top-level transactions, too.
  copy.subxcnt = from.subxcnt;
  if (from.subxcnt > 0 && (!from.suboverflowed || from.takenDuringRecovery))
    copy.subxip = from.subxip.slice(0, from.subxcnt);
  copy.copied = true;
  copy.curcid = from.curcid;
  copy.speculativeToken = from.speculativeToken;
  copy.vistest = from.vistest;
  copy.lsn = from.lsn;
  copy.whenTaken = from.whenTaken;
  return copy;
}
