/** truncate.ts — short separators: which key columns a pivot tuple needs to tell two leaf tuples apart.
 *  Counterpart: _bt_truncate(), _bt_keep_natts(), _bt_keep_natts_fast(), _bt_check_third_page() of nbtutils.c */
import { indexAttribute, storedLength } from '#access/common/index-attribute.ts';
import { compareKey } from '#access/common/key-compare.ts';
import type { Relation } from '#access/common/relation-descriptor.ts';
import { varDataAt, varDataLen, varIsExtended, varIsShort } from '#access/common/varlena.ts';
import type { BtIndexState } from '#access/nbtree/index-state.ts';
import { type InsertKey, keyOfTuple } from '#access/nbtree/insert-key.ts';
import { BT_MAX_ITEM_SIZE, BT_MAX_ITEM_SIZE_NO_HEAP_TID, isLeaf, maxAlign } from '#access/nbtree/nbtree-layout.ts';
import { scratch } from '#access/nbtree/scratch.ts';
import {
  copyTuple,
  INDEX_NULL_MASK,
  INDEX_VAR_MASK,
  isPosting,
  postingOffset,
  setTupleNAtts,
  setTupleSize,
  tupleHasNulls,
  tupleHeapTid,
  tupleMaxHeapTid,
  tupleSize,
  writeTid,
} from '#access/nbtree/tuple.ts';
import { tidBlock, tidOffset } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { mem } from '#shm/memory.ts';

/** Columns that a separator between the two leaf tuples must have; one more than there are keys if only their heap
 *  TIDs differ. `key`, if given, is the key of `firstRight`. */
export function keepNAtts(state: BtIndexState, lastLeft: number, firstRight: number, key: InsertKey | null): number {
  const arguments_ = (key ?? keyOfTuple(state, firstRight, false)).args;
  let keep = 1;
  for (let i = 1; i <= state.nkeyatts; i++) {
    const left = indexAttribute(state.desc, lastLeft, i);
    const right = indexAttribute(state.desc, firstRight, i);
    if ((left === 0) !== (right === 0)) break;
    if (left !== 0) {
      const arg = arguments_[i - 1]!;
      arg.setStored(right);
      if (compareKey(arg, left) !== 0) break;
    }
    keep++;
  }
  if (key === null) for (const arg of arguments_) arg.release();
  return keep;
}

/** Are the bytes of the two stored values the same (datum_image_eq)? Headers of different length do not count. */
function imageEqual(state: BtIndexState, column: number, a: number, b: number): boolean {
  const { u8 } = mem;
  const length = state.desc.lengths[column]!;
  if (length === -1) {
    const aPlain = varIsShort(a) || !varIsExtended(a);
    const bPlain = varIsShort(b) || !varIsExtended(b);
    if (aPlain && bPlain) return sameBytes(varDataAt(a), varDataLen(a), varDataAt(b), varDataLen(b));
    // A compressed value: equal if compressed alike, else let the values decide.
    if (!aPlain && !bPlain && sameBytes(a, storedLength(-1, a), b, storedLength(-1, b))) return true;
    return sameValue(state, column, a, b);
  }
  const size = storedLength(length, a);
  if (length === -2 && size !== storedLength(length, b)) return false;
  for (let i = 0; i < size; i++) if (u8[a + i] !== u8[b + i]) return false;
  return true;
}
function sameBytes(a: number, aLength: number, b: number, bLength: number): boolean {
  if (aLength !== bLength) return false;
  const { u8 } = mem;
  for (let i = 0; i < aLength; i++) if (u8[a + i] !== u8[b + i]) return false;
  return true;
}
function sameValue(state: BtIndexState, column: number, a: number, b: number): boolean {
  const codec = state.desc.codecs[column]!;
  const left = codec.read(a);
  const right = codec.read(b);
  if (typeof left === 'string' || typeof right === 'string') return left === right;
  if (left instanceof Uint8Array && right instanceof Uint8Array) return Buffer.compare(left, right) === 0;
  return JSON.stringify(left, bigintText) === JSON.stringify(right, bigintText);
}
const bigintText = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value);

/** As keepNAtts, by equality of bytes: cheap, and right wherever the index may deduplicate; an estimate elsewhere. */
export function keepNAttsFast(state: BtIndexState, lastLeft: number, firstRight: number): number {
  let keep = 1;
  for (let i = 1; i <= state.nkeyatts; i++) {
    const left = indexAttribute(state.desc, lastLeft, i);
    const right = indexAttribute(state.desc, firstRight, i);
    if ((left === 0) !== (right === 0)) break;
    if (left !== 0 && !imageEqual(state, i - 1, left, right)) break;
    keep++;
  }
  return keep;
}

/** index_truncate_tuple(): a copy of the tuple with its first columns only. The kept bytes do not move, relative to the
 *  start of the data, so they need not be formed again. */
function truncatedCopy(state: BtIndexState, source: number, keep: number): number {
  if (keep === state.natts) {
    const size = tupleSize(source);
    const copy = scratch(size + 8);
    copyTuple(source, copy, size);
    return copy;
  }
  const { u8, view } = mem;
  const hadNulls = tupleHasNulls(source);
  const from = source + (hadNulls ? 16 : 8);
  let nulls = false;
  let variable = false;
  let end = from;
  for (let i = 1; i <= keep; i++) {
    const at = indexAttribute(state.desc, source, i);
    if (at === 0) {
      nulls = true;
      continue;
    }
    const length = state.desc.lengths[i - 1]!;
    if (length < 0) variable = true;
    end = at + storedLength(length, at);
  }
  const header = nulls ? 16 : 8;
  const dataSize = end - from;
  const size = maxAlign(header + dataSize);
  const made = scratch(size + 8);
  u8.fill(0, made, made + size);
  u8.copyWithin(made, source, source + 6);
  view.setUint16(made + 6, size | (nulls ? INDEX_NULL_MASK : 0) | (variable ? INDEX_VAR_MASK : 0), true);
  if (nulls)
    for (let i = 0; i < keep; i++) {
      const bit = 1 << (i & 7);
      if ((u8[source + 8 + (i >> 3)]! & bit) !== 0) u8[made + 8 + (i >> 3)]! |= bit;
    }
  u8.copyWithin(made + header, from, from + dataSize);
  return made;
}

/** The new high key between two neighbours on a leaf: columns that do not help to separate them are dropped, and a heap
 *  TID is added when the columns are equal. The result has no downlink yet. */
export function truncateTuple(
  state: BtIndexState,
  lastLeft: number,
  firstRight: number,
  key: InsertKey | null,
): number {
  const { nkeyatts } = state;
  const keep = keepNAtts(state, lastLeft, firstRight, key);
  let pivot = truncatedCopy(state, firstRight, Math.min(keep, nkeyatts));
  // A plain copy of a posting list tuple still has its list.
  if (isPosting(pivot)) setTupleSize(pivot, maxAlign(postingOffset(firstRight)));
  if (keep <= nkeyatts) {
    setTupleNAtts(pivot, keep, false);
    return pivot;
  }
  const size = maxAlign(tupleSize(pivot));
  const grown = scratch(size + 8);
  copyTuple(pivot, grown, size);
  pivot = grown;
  mem.u8.fill(0, pivot + size, pivot + size + 8);
  setTupleSize(pivot, size + 8);
  setTupleNAtts(pivot, nkeyatts, true);
  // Any TID from the left's highest up to below the right's lowest will do; the highest of the left keeps with
  // “items are <= their high key” and lets the right side's first tuple be inserted before.
  writeTid(pivot + size + 2, tupleMaxHeapTid(lastLeft));
  return pivot;
}

/** Three items must fit on a page. Reported when an item does not; `needHeapTid`: the page is a leaf's parent-to-be. */
export function checkThirdPage(rel: Relation, heap: Relation | null, page: number, tup: number): void {
  const size = maxAlign(tupleSize(tup));
  if (size <= BT_MAX_ITEM_SIZE) return;
  // Internal pages hold pivot tuples that may have got a heap TID.
  if (size <= BT_MAX_ITEM_SIZE_NO_HEAP_TID && !isLeaf(page)) return;
  if (!isLeaf(page))
    report('ERROR', {
      message: `cannot insert oversized tuple of size ${size} on internal page of index "${rel.name}"`,
    });
  const tid = tupleHeapTid(tup);
  report('ERROR', {
    code: SQLSTATE.programLimitExceeded,
    message: `index row size ${size} exceeds btree version 4 maximum ${BT_MAX_ITEM_SIZE} for index "${rel.name}"`,
    detail: `Index row references tuple (${tidBlock(tid)},${tidOffset(tid)}) in relation "${heap?.name ?? ''}".`,
    hint:
      'Values larger than 1/3 of a buffer page cannot be indexed.\n' +
      'Consider a function index of an MD5 hash of the value, or use full text indexing.',
    table: heap?.name,
    constraint: rel.name,
  });
}
