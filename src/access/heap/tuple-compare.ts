/** tuple-compare.ts — which columns an update changes, and the part of the old tuple that identifies it.
 *  Counterpart: HeapDetermineColumnsInfo(), ExtractReplicaIdentity() of src/backend/access/heap/heapam.c */
import {
  heapAttrAddress,
  heapFormTupleStored,
  heapStoredAddresses,
  heapTupleLength,
} from '#access/common/heap-tuple.ts';
import { HEAP_HASEXTERNAL, tupleInfomask } from '#access/common/heap-tuple-layout.ts';
import { type Relation, relationIsLogicallyLogged, type TupleDesc } from '#access/common/relation-descriptor.ts';
import { detoastPacked, varIsExternal, varSize } from '#access/common/varlena.ts';
import type { IndexAttrs } from '#access/heap/heap-hooks.ts';
import type { Datum } from '#adt/datum.ts';
import { mem } from '#shm/memory.ts';
import { privateFree, Workspace } from '#shm/private-memory.ts';

/** Result of determineColumns(). */
export const changed = { key: false, hot: false, identity: false, identityHasExternal: false };

function sameBytes(a: number, b: number, length: number): boolean {
  const u8 = mem.u8;
  for (let i = 0; i < length; i++) if (u8[a + i] !== u8[b + i]) return false;
  return true;
}
function storedSize(desc: TupleDesc, i: number, at: number): number {
  const length = desc.lengths[i]!;
  if (length > 0) return length;
  if (length === -1) return varSize(at);
  let end = at;
  while (mem.u8[end] !== 0) end++;
  return end + 1 - at;
}
/** heap_attr_equals(): the stored bytes are the same. */
function columnEquals(desc: TupleDesc, oldAt: number, newAt: number, attnum: number): boolean {
  const a = heapAttrAddress(desc, oldAt, attnum);
  const b = heapAttrAddress(desc, newAt, attnum);
  if (a === 0 || b === 0) {
    if (a !== b) return false;
    // Both null, unless one tuple is from before the column was added with a default.
    const natts = (at: number): number => mem.view.getUint16(at + 18, true) & 0x7ff;
    const missing = desc.attrs[attnum - 1]!.hasMissing;
    return !missing || natts(oldAt) >= attnum === natts(newAt) >= attnum;
  }
  const size = storedSize(desc, attnum - 1, a);
  return size === storedSize(desc, attnum - 1, b) && sameBytes(a, b, size);
}

function anyChanged(desc: TupleDesc, attnums: readonly number[], oldAt: number, newAt: number): boolean {
  for (const attnum of attnums) {
    // A whole-row reference, and system columns except tableoid (-6), count as changed.
    if (attnum === 0 || (attnum < 0 && attnum !== -6)) return true;
    if (attnum > 0 && !columnEquals(desc, oldAt, newAt, attnum)) return true;
  }
  return false;
}

/** Which of the interesting column sets the update touches; into `changed`. */
export function determineColumns(desc: TupleDesc, attrs: IndexAttrs, oldAt: number, newAt: number): void {
  changed.hot = anyChanged(desc, attrs.hot, oldAt, newAt);
  changed.key = anyChanged(desc, attrs.key, oldAt, newAt);
  changed.identity = anyChanged(desc, attrs.identity, oldAt, newAt);
  changed.identityHasExternal = false;
  for (const attnum of attrs.identity) {
    if (attnum <= 0 || desc.lengths[attnum - 1] !== -1) continue;
    const at = heapAttrAddress(desc, oldAt, attnum);
    if (at !== 0 && varIsExternal(at)) changed.identityHasExternal = true;
  }
}

/** Result of extractReplicaIdentity(): address 0 if nothing is to be logged. */
export const identityTuple = { at: 0, length: 0, space: null as Workspace | null };
export function freeIdentityTuple(): void {
  identityTuple.space?.free();
  identityTuple.space = null;
  identityTuple.at = 0;
}

/** ExtractReplicaIdentity(): for logical decoding, the old tuple or its key. Before the critical section. */
export function extractReplicaIdentity(
  rel: Relation,
  tupleAt: number,
  tupleLen: number,
  attrs: IndexAttrs,
  keyRequired: boolean,
): void {
  identityTuple.at = 0;
  identityTuple.space = null;
  if (!relationIsLogicallyLogged(rel) || rel.replicaIdentity === 'n') return;
  const full = rel.replicaIdentity === 'f';
  if (full && (tupleInfomask(tupleAt) & HEAP_HASEXTERNAL) === 0) {
    identityTuple.at = tupleAt;
    identityTuple.length = tupleLen;
    return;
  }
  if (!full && (!keyRequired || attrs.identity.length === 0)) return;
  const desc = rel.tupleDesc;
  const stored = new Float64Array(desc.natts);
  heapStoredAddresses(desc, tupleAt, stored);
  const wanted = new Set(attrs.identity);
  const fetched: number[] = [];
  const nulls: Datum[] = [];
  for (let i = 0; i < desc.natts; i++) {
    nulls.push(null);
    const at = stored[i]!;
    if (!full && !wanted.has(i + 1)) stored[i] = 0;
    else if (at !== 0 && desc.lengths[i] === -1 && varIsExternal(at)) {
      const plain = detoastPacked(at);
      fetched.push(plain);
      stored[i] = plain;
    }
  }
  const space = new Workspace();
  identityTuple.at = heapFormTupleStored(desc, nulls, stored, space);
  identityTuple.length = heapTupleLength();
  identityTuple.space = space;
  for (const block of fetched) privateFree(block);
}
