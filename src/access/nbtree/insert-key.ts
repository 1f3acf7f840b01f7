/** insert-key.ts — a key to descend the tree with, and its comparison with the items of a page.
 *
 *  The order of the tree is (key columns, heap TID). A pivot tuple may have lost columns to truncation: what is missing
 *  counts as minus infinity. `scanTid` NO_TID means that the search is for the key columns alone.
 *  nextKey false: find the first item >= key; true: the first item > key.
 *  pivotSearch: the key is a high key (page deletion, verification) and must find itself, missing columns included.
 *  Counterpart: BTScanInsertData, _bt_mkscankey(), _bt_compare() */
import { indexAttribute } from '#access/common/index-attribute.ts';
import { compareKey, KeyArgument } from '#access/common/key-compare.ts';
import type { BtIndexState } from '#access/nbtree/index-state.ts';
import { isLeaf, firstDataKey } from '#access/nbtree/nbtree-layout.ts';
import { isPosting, NO_TID, tupleHeapTid, tupleMaxHeapTid, tupleNAtts } from '#access/nbtree/tuple.ts';
import type { ItemPointer, OffsetNumber } from '#base/ids.ts';
import { itemAt } from '#storage/page/page.ts';

/** indoption: INDOPTION_DESC, INDOPTION_NULLS_FIRST. */
const DESC = 1;
const NULLS_FIRST = 2;

export class InsertKey {
  allEqualImage = false;
  /** Some key column is NULL (and NULLs are distinct): such a key never violates uniqueness. */
  anyNullKeys = false;
  nextKey = false;
  pivotSearch = false;
  scanTid: ItemPointer = NO_TID;
  keySize = 0;
  constructor(
    readonly state: BtIndexState,
    readonly args: readonly KeyArgument[],
  ) {}
  release(): void {
    for (let i = 0; i < this.args.length; i++) this.args[i]!.release();
  }
}

/** An argument for a key column (from 0), knowing its order. */
export function columnArgument(state: BtIndexState, column: number): KeyArgument {
  const arg = new KeyArgument(state.columns[column]!);
  arg.option = state.index.options[column] ?? 0;
  return arg;
}

/** Key of a leaf or pivot tuple; the tuple must stay where it is while the key is used. */
export function keyOfTuple(state: BtIndexState, tup: number, allEqualImage: boolean): InsertKey {
  const args: KeyArgument[] = [];
  for (let i = 0; i < state.nkeyatts; i++) args.push(columnArgument(state, i));
  const key = new InsertKey(state, args);
  key.allEqualImage = allEqualImage;
  const natts = tupleNAtts(tup, state.natts);
  key.keySize = Math.min(state.nkeyatts, natts);
  key.scanTid = tupleHeapTid(tup);
  for (let i = 0; i < state.nkeyatts; i++) {
    const arg = args[i]!;
    const at = i < natts ? indexAttribute(state.desc, tup, i + 1) : 0;
    if (at === 0) {
      arg.setNull();
      key.anyNullKeys = true;
    } else arg.setStored(at);
  }
  // With NULLS NOT DISTINCT a NULL violates uniqueness like any other value.
  if (state.index.nullsNotDistinct) key.anyNullKeys = false;
  return key;
}

/** <0, 0, >0: the key sorts before, with, after the item. */
export function compareWithItem(key: InsertKey, page: number, offset: OffsetNumber): number {
  // The first item of an internal page is minus infinity, whatever bytes it has.
  if (!isLeaf(page) && offset === firstDataKey(page)) return 1;
  return compareWithTuple(key, itemAt(page, offset));
}

export function compareWithTuple(key: InsertKey, tup: number): number {
  const { state, args, keySize } = key;
  const natts = tupleNAtts(tup, state.natts);
  const columns = Math.min(natts, keySize);
  for (let i = 0; i < columns; i++) {
    const arg = args[i]!;
    const at = indexAttribute(state.desc, tup, i + 1);
    let order: number;
    if (arg.isNull) {
      if (at === 0) continue;
      order = (arg.option & NULLS_FIRST) !== 0 ? -1 : 1;
    } else if (at === 0) order = (arg.option & NULLS_FIRST) !== 0 ? 1 : -1;
    else {
      order = compareKey(arg, at);
      if ((arg.option & DESC) === 0) order = -order;
    }
    if (order !== 0) return order;
  }
  // Columns that truncation took are minus infinity, so the key is greater.
  if (keySize > natts) return 1;
  const tid = tupleHeapTid(tup);
  if (key.scanTid === NO_TID) {
    // Without a TID the search need not visit a page whose high key equals it but for the truncated TID: everything
    // equal to the key is to the right. A pivot search must, as it looks for that very high key.
    return !key.pivotSearch && keySize === natts && tid === NO_TID ? 1 : 0;
  }
  if (tid === NO_TID) return 1;
  if (key.scanTid <= tid) return key.scanTid < tid ? -1 : 0;
  if (!isPosting(tup)) return 1;
  // Within a posting list's range counts as equal: the caller finds the place in the list.
  return key.scanTid > tupleMaxHeapTid(tup) ? 1 : 0;
}
