/** index-scan.ts — the object of one index scan, made by the access method's beginScan.
 *  Counterpart: IndexScanDescData of src/include/access/relscan.h, RelationGetIndexScan() of genam.c */
import type { IndexScan } from '#access/common/index-am.ts';
import type { Relation, TupleDesc } from '#access/common/relation-descriptor.ts';
import type { ScanKey } from '#access/common/scan-key.ts';
import type { IndexFetch } from '#access/common/table-am.ts';
import { INVALID_TID, type ItemPointer } from '#base/ids.ts';
import type { Snapshot } from '#transam/snapshot.ts';

/** 1 forward, -1 backward. */
export type ScanDirection = 1 | -1;

export class IndexScanState implements IndexScan {
  keys: readonly ScanKey[];
  orderBys: readonly ScanKey[];
  wantTuple = false;
  killPriorTuple = false;
  ignoreKilledTuples = true;
  /** A standby must not set hints about dead entries: its snapshots may be older than its primary's horizon. */
  xactStartedInRecovery = false;
  heapTid: ItemPointer = INVALID_TID;
  recheck = false;
  itupAt = 0;
  itupDesc: TupleDesc | null = null;
  opaque: unknown = null;
  /** State of following TIDs into the heap; its result is the row found (index-access.ts). */
  fetch: IndexFetch | null = null;
  /** The last TID's chain has more versions for this snapshot. */
  heapContinue = false;
  constructor(
    readonly heap: Relation | null,
    readonly index: Relation,
    readonly snapshot: Snapshot | null,
    keys: readonly ScanKey[],
    orderBys: readonly ScanKey[],
  ) {
    this.keys = keys;
    this.orderBys = orderBys;
  }
}
