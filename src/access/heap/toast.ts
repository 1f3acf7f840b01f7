/** toast.ts — values that are too large for their row: compressed, or moved into the TOAST table in pieces.
 *
 *  When a row is larger than 2032 bytes its largest columns are compressed and then moved out, extended and external ones
 *  first, main ones only if the row does not fit a page otherwise. An update keeps the pointers of unchanged columns and
 *  deletes the chunks of changed ones. A chunk holds at most 1996 bytes; (chunk_id, chunk_seq) is unique.
 *  Counterpart: src/backend/access/heap/heaptoast.c, src/backend/access/table/toast_helper.c,
 *  src/backend/access/common/toast_internals.c, detoast.c */
import {
  fillTuple,
  filledMask,
  heapFormTuple,
  heapStoredAddresses,
  heapTupleLength,
  scratchAt,
} from '#access/common/heap-tuple.ts';
import {
  HEAP_HASEXTERNAL,
  HEAP_HASNULL,
  HEAP_HASVARWIDTH,
  SIZEOF_HEAP_TUPLE_HEADER,
  setTupleInfomask,
  setTupleInfomask2,
  tupleInfomask,
  tupleInfomask2,
} from '#access/common/heap-tuple-layout.ts';
import { indexBeginScan, indexEndScan, indexGetNext, indexInsert } from '#access/common/index-access.ts';
import { UNIQUE_CHECK } from '#access/common/index-am.ts';
import type { Relation, TupleDesc } from '#access/common/relation-descriptor.ts';
import { BT_STRATEGY, makeScanKey, type ScanKey } from '#access/common/scan-key.ts';
import { toastCompressDatum } from '#access/common/toast-compress.ts';
import {
  compressedRawSize,
  compressionMethod,
  decompressInline,
  detoastPacked,
  setDetoaster,
  setVarSize,
  toastExtSize,
  toastIsCompressed,
  toastRelId,
  toastValueId,
  TOAST_POINTER_SIZE,
  VARHDRSZ,
  varDataAt,
  varDataLen,
  varIsCompressed,
  varIsExternal,
  varIsShort,
  varSize,
  writeToastPointer,
} from '#access/common/varlena.ts';
import { relationAccess } from '#access/heap/heap-hooks.ts';
import type { HeapTuple } from '#access/heap/heap-insert.ts';
import { heapAbortSpeculative, heapInsert } from '#access/heap/heap-insert.ts';
import { simpleHeapDelete } from '#access/heap/heap-delete.ts';
import { HEAP_INSERT } from '#access/heap/heap-types.ts';
import type { Datum } from '#adt/datum.ts';
import type { ItemPointer, Oid } from '#base/ids.ts';
import { pglzDecompress } from '#base/pglz.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { mem } from '#shm/memory.ts';
import { privateAlloc, privateFree, Workspace } from '#shm/private-memory.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { newSnapshot, SNAPSHOT_ANY, type Snapshot } from '#transam/snapshot.ts';
import { getCurrentCommandId } from '#transam/xact.ts';
import { getNewObjectId } from '#transam/xid-generator.ts';

export const TOAST_TUPLE_THRESHOLD = 2032;
export const TOAST_TUPLE_TARGET = 2032;
const TOAST_TUPLE_TARGET_MAIN = 8160;
export const TOAST_MAX_CHUNK_SIZE = 1996;
const F_OIDEQ = 184 as Oid;
const F_INT4LE = 149 as Oid;
const F_INT4GE = 150 as Oid;
const F_INT4EQ = 65 as Oid;

// ---- columns of one row

const IGNORE = 1;
const INCOMPRESSIBLE = 2;
const NEEDS_DELETE_OLD = 4;

/** The row while it is being toasted: its columns as addresses of stored values. */
class ToastRow {
  readonly stored: Float64Array;
  readonly flags: Uint8Array;
  readonly sizes: Float64Array;
  /** Pointers that a column had before its value was fetched back, for a rewrite to keep its value id. */
  readonly oldExternal: Float64Array;
  /** Blocks to free afterwards. */
  readonly blocks: number[] = [];
  hasNulls = false;
  hasChanged = false;
  constructor(
    readonly desc: TupleDesc,
    tupleAt: number,
    readonly oldStored: Float64Array | null,
  ) {
    const { natts } = desc;
    this.stored = new Float64Array(natts);
    this.flags = new Uint8Array(natts);
    this.sizes = new Float64Array(natts);
    this.oldExternal = new Float64Array(natts);
    heapStoredAddresses(desc, tupleAt, this.stored);
    for (let i = 0; i < natts; i++) this.init(i);
  }
  private init(i: number): void {
    const value = this.stored[i]!;
    const isVarlena = this.desc.lengths[i] === -1;
    const old = this.oldStored === null ? 0 : this.oldStored[i]!;
    if (isVarlena && old !== 0 && varIsExternal(old)) {
      if (value === 0 || !varIsExternal(value) || !samePointer(old, value)) {
        this.flags[i] = NEEDS_DELETE_OLD;
      } else {
        this.flags[i] = IGNORE;
        return;
      }
    }
    if (value === 0) {
      this.flags[i]! |= IGNORE;
      this.hasNulls = true;
      return;
    }
    if (!isVarlena) {
      this.flags[i]! |= IGNORE;
      return;
    }
    const isPlain = this.desc.attrs[i]!.storage === 'p';
    if (isPlain) this.flags[i]! |= IGNORE;
    if (varIsExternal(value)) {
      // Somebody else's value: it needs a copy of its own.
      this.oldExternal[i] = value;
      this.replace(i, isPlain ? detoastPacked(value) : toastFetchDatum(value));
    }
    this.sizes[i] = varSize(this.stored[i]!);
  }
  replace(i: number, block: number): void {
    this.blocks.push(block);
    this.stored[i] = block;
    this.sizes[i] = varSize(block);
    this.hasChanged = true;
  }
  /** heap_compute_data_size() of the stored values. */
  dataSize(): number {
    const { lengths, aligns, packable, natts } = this.desc;
    let size = 0;
    for (let i = 0; i < natts; i++) {
      const at = this.stored[i]!;
      if (at === 0) continue;
      const align = aligns[i]!;
      const length = lengths[i]!;
      if (length > 0) size = ((size + align - 1) & -align) + length;
      else if (length === -1) {
        const bytes = varSize(at);
        const first = mem.u8[at]!;
        if ((first & 1) === 1) size += bytes;
        else if ((first & 3) === 0 && packable[i] === 1 && bytes - 3 <= 127) size += bytes - 3;
        else size = ((size + align - 1) & -align) + bytes;
      } else {
        let end = at;
        while (mem.u8[end] !== 0) end++;
        size += end + 1 - at;
      }
    }
    return size;
  }
  /** toast_tuple_find_biggest_attribute(). */
  biggest(forCompression: boolean, main: boolean): number {
    let found = -1;
    let biggest = (TOAST_POINTER_SIZE + 7) & ~7;
    const skip = IGNORE | (forCompression ? INCOMPRESSIBLE : 0);
    for (let i = 0; i < this.desc.natts; i++) {
      if ((this.flags[i]! & skip) !== 0) continue;
      const at = this.stored[i]!;
      if (varIsExternal(at) || (forCompression && varIsCompressed(at))) continue;
      const { storage } = this.desc.attrs[i]!;
      if (main ? storage !== 'm' : storage !== 'x' && storage !== 'e') continue;
      if (this.sizes[i]! > biggest) {
        found = i;
        biggest = this.sizes[i]!;
      }
    }
    return found;
  }
  tryCompression(i: number): void {
    const block = toastCompressDatum(this.stored[i]!, this.desc.attrs[i]!.compression);
    if (block === 0) this.flags[i]! |= INCOMPRESSIBLE;
    else this.replace(i, block);
  }
  externalize(rel: Relation, i: number, options: number): void {
    this.flags[i]! |= IGNORE;
    this.replace(i, toastSaveDatum(rel, this.stored[i]!, this.oldExternal[i]!, options));
  }
}
function samePointer(a: number, b: number): boolean {
  for (let i = 0; i < TOAST_POINTER_SIZE; i++) if (mem.u8[a + i] !== mem.u8[b + i]) return false;
  return true;
}

/** heap_toast_insert_or_update(): the row as it is to be stored; the same tuple if nothing had to change, else one in `space`.
 *  `oldAt`: the version that is being replaced, 0 for an insertion. */
export function toastInsertOrUpdate(
  rel: Relation,
  tupleAt: number,
  len: number,
  oldAt: number,
  space: Workspace,
  insertOptions: number,
): HeapTuple {
  // Chunks of a speculative row are inserted, and deleted, like any others.
  const options = insertOptions & ~HEAP_INSERT.speculative;
  const desc = rel.tupleDesc;
  let oldStored: Float64Array | null = null;
  if (oldAt !== 0) {
    oldStored = new Float64Array(desc.natts);
    heapStoredAddresses(desc, oldAt, oldStored);
  }
  const row = new ToastRow(desc, tupleAt, oldStored);
  const hoff = (SIZEOF_HEAP_TUPLE_HEADER + (row.hasNulls ? (desc.natts + 7) >> 3 : 0) + 7) & ~7;
  const target = rel.options['toast_tuple_target'];
  const hasToastTable = rel.toastRelid !== 0;
  let most = (typeof target === 'number' ? target : TOAST_TUPLE_TARGET) - hoff;
  while (row.dataSize() > most) {
    const i = row.biggest(true, false);
    if (i < 0) break;
    if (desc.attrs[i]!.storage === 'x') row.tryCompression(i);
    else row.flags[i]! |= INCOMPRESSIBLE;
    // One value alone is too much: out with it, before others are compressed for nothing.
    if (row.sizes[i]! > most && hasToastTable) row.externalize(rel, i, options);
  }
  while (hasToastTable && row.dataSize() > most) {
    const i = row.biggest(false, false);
    if (i < 0) break;
    row.externalize(rel, i, options);
  }
  while (row.dataSize() > most) {
    const i = row.biggest(true, true);
    if (i < 0) break;
    row.tryCompression(i);
  }
  most = TOAST_TUPLE_TARGET_MAIN - hoff;
  while (hasToastTable && row.dataSize() > most) {
    const i = row.biggest(false, true);
    if (i < 0) break;
    row.externalize(rel, i, options);
  }
  const result = row.hasChanged ? rebuild(row, tupleAt, hoff, space) : { at: tupleAt, len };
  for (const block of row.blocks) privateFree(block);
  for (let i = 0; i < desc.natts; i++)
    if ((row.flags[i]! & NEEDS_DELETE_OLD) !== 0) toastDeleteDatum(rel, oldStored![i]!, false);
  return result;
}

/** The tuple with its header kept and its columns replaced. */
function rebuild(row: ToastRow, tupleAt: number, hoff: number, space: Workspace): HeapTuple {
  const { desc } = row;
  const nulls: Datum[] = new Array<Datum>(desc.natts).fill(null);
  const start = scratchAt();
  mem.u8.fill(0, start, start + hoff);
  const length = fillTuple(desc, nulls, row.stored, hoff, row.hasNulls ? SIZEOF_HEAP_TUPLE_HEADER : 0);
  const mask = filledMask();
  const base = scratchAt();
  mem.u8.copyWithin(base, tupleAt, tupleAt + SIZEOF_HEAP_TUPLE_HEADER);
  const kept = tupleInfomask(base) & ~(HEAP_HASNULL | HEAP_HASVARWIDTH | HEAP_HASEXTERNAL);
  setTupleInfomask(base, kept | mask | (row.hasNulls ? HEAP_HASNULL : 0));
  setTupleInfomask2(base, (tupleInfomask2(base) & ~0x07ff) | desc.natts);
  mem.u8[base + 22] = hoff;
  const at = space.alloc(length);
  mem.u8.copyWithin(at, base, base + length);
  return { at, len: length };
}

/** heap_toast_delete(): the chunks of a row that is being deleted. */
export function heapToastDelete(rel: Relation, tupleAt: number, _len: number, isSpeculative: boolean): void {
  const desc = rel.tupleDesc;
  const stored = new Float64Array(desc.natts);
  heapStoredAddresses(desc, tupleAt, stored);
  for (let i = 0; i < desc.natts; i++) {
    const at = stored[i]!;
    if (at !== 0 && desc.lengths[i] === -1 && varIsExternal(at)) toastDeleteDatum(rel, at, isSpeculative);
  }
}

// ---- the TOAST table

/** During a rewrite: the TOAST table's final OID, which goes into the pointers, by the OID of the table being filled. */
const finalToastOids = new Map<number, Oid>();
/** rd_toastoid: while the table `rel` is rewritten, pointers name `toastOid` and keep their value ids. */
export function setRewriteToastOid(rel: Relation, toastOid: Oid | null): void {
  if (toastOid === null) finalToastOids.delete(rel.oid);
  else finalToastOids.set(rel.oid, toastOid);
}

const compareNumbers = (a: Datum, b: Datum): number => (a as number) - (b as number);
const key = (attno: number, strategy: number, proc: Oid, value: number): ScanKey =>
  makeScanKey(attno, strategy, proc, value, {
    compare: compareNumbers,
    test: (a, b) => {
      const order = compareNumbers(a, b);
      return strategy === BT_STRATEGY.equal
        ? order === 0
        : strategy === BT_STRATEGY.lessEqual
          ? order <= 0
          : order >= 0;
    },
  });
const SNAPSHOT_TOAST: Snapshot = newSnapshot('toast');

/** Calls back for each chunk tuple that the index finds, in order; false ends the scan. */
function forEachChunk(
  toastRel: Relation,
  index: Relation,
  keys: readonly ScanKey[],
  snapshot: Snapshot,
  each: (tupleAt: number, tid: ItemPointer) => boolean,
): void {
  const scan = indexBeginScan(toastRel, index, snapshot, keys);
  try {
    while (indexGetNext(scan, 1)) if (!each(scan.fetch!.tupleAt, scan.fetch!.tid)) return;
  } finally {
    indexEndScan(scan);
  }
}

function valueIdExists(toastRel: Relation, index: Relation, valueId: number): boolean {
  let exists = false;
  forEachChunk(toastRel, index, [key(1, BT_STRATEGY.equal, F_OIDEQ, valueId)], SNAPSHOT_ANY, () => {
    exists = true;
    return false;
  });
  return exists;
}
function newValueId(toastRel: Relation, index: Relation): Oid {
  for (;;) {
    checkForInterrupts();
    const oid = getNewObjectId();
    if (!valueIdExists(toastRel, index, oid)) return oid;
  }
}
function openIndexes(toastRel: Relation, lock: number): { all: Relation[]; valid: Relation } {
  const access = relationAccess();
  const all = access.indexes(toastRel).map((oid) => access.open(oid, lock));
  const valid = all.find((index) => index.index?.valid === true);
  if (valid === undefined)
    report('ERROR', {
      code: SQLSTATE.internalError,
      message: `no valid index found for toast relation with Oid ${toastRel.oid}`,
    });
  return { all, valid };
}

/** toast_save_datum(): stores the value in chunks; a block with the pointer to it. */
function toastSaveDatum(rel: Relation, at: number, oldExternal: number, options: number): number {
  const access = relationAccess();
  const toastRel = access.open(rel.toastRelid, LOCK.rowExclusive);
  const { all, valid } = openIndexes(toastRel, LOCK.rowExclusive);
  const cid = getCurrentCommandId(true);
  let dataAt: number;
  let todo: number;
  let rawSize: number;
  let extInfo: number;
  if (varIsCompressed(at)) {
    dataAt = at + VARHDRSZ;
    todo = varSize(at) - VARHDRSZ;
    rawSize = compressedRawSize(at) + VARHDRSZ;
    extInfo = (todo | (compressionMethod(at) << 30)) >>> 0;
  } else {
    dataAt = varDataAt(at);
    todo = varDataLen(at);
    rawSize = todo + VARHDRSZ;
    extInfo = todo;
  }
  const finalOid = finalToastOids.get(rel.oid);
  let valueId = 0;
  if (finalOid === undefined) valueId = newValueId(toastRel, valid);
  else {
    if (oldExternal !== 0 && toastRelId(oldExternal) === finalOid) {
      valueId = toastValueId(oldExternal);
      // Another version of the row had the same value: it is there already.
      if (valueIdExists(toastRel, valid, valueId)) todo = 0;
    }
    if (valueId === 0) valueId = newValueIdForRewrite(toastRel, valid, finalOid);
  }
  const pointer = privateAlloc(TOAST_POINTER_SIZE);
  writeToastPointer(pointer, rawSize, extInfo, valueId, finalOid ?? toastRel.oid);
  insertChunks(toastRel, all, valueId, dataAt, todo, cid, options);
  // Locks are kept until the end of the transaction.
  for (const index of all) access.close(index, 0);
  access.close(toastRel, 0);
  return pointer;
}
/** Free in the new TOAST table and in the one it will replace. */
function newValueIdForRewrite(toastRel: Relation, valid: Relation, finalOid: Oid): number {
  const access = relationAccess();
  const old = access.open(finalOid, LOCK.accessShare);
  const indexes = openIndexes(old, LOCK.accessShare);
  let valueId: number;
  do valueId = newValueId(toastRel, valid);
  while (valueIdExists(old, indexes.valid, valueId));
  for (const index of indexes.all) access.close(index, 0);
  access.close(old, LOCK.accessShare);
  return valueId;
}
function insertChunks(
  toastRel: Relation,
  indexes: readonly Relation[],
  valueId: number,
  from: number,
  length: number,
  cid: number,
  options: number,
): void {
  const space = new Workspace();
  try {
    for (let seq = 0, done = 0; done < length; seq++) {
      checkForInterrupts();
      const size = Math.min(TOAST_MAX_CHUNK_SIZE, length - done);
      const values: Datum[] = [valueId, seq, mem.u8.subarray(from + done, from + done + size)];
      const at = heapFormTuple(toastRel.tupleDesc, values, space);
      const tid = heapInsert(toastRel, at, heapTupleLength(), cid, options);
      for (const index of indexes) {
        const desc = index.index!;
        if (!desc.ready) continue;
        const check = desc.unique ? UNIQUE_CHECK.yes : UNIQUE_CHECK.no;
        indexInsert(index, [valueId, seq], tid, toastRel, check, false);
      }
      done += size;
      space.reset();
    }
  } finally {
    space.free();
  }
}

/** toast_delete_datum(): deletes the chunks of the value that the pointer points to. */
function toastDeleteDatum(_rel: Relation, pointer: number, isSpeculative: boolean): void {
  if (!varIsExternal(pointer)) return;
  const access = relationAccess();
  const toastRel = access.open(toastRelId(pointer) as Oid, LOCK.rowExclusive);
  const { all, valid } = openIndexes(toastRel, LOCK.rowExclusive);
  const cid = getCurrentCommandId(true);
  const found = [key(1, BT_STRATEGY.equal, F_OIDEQ, toastValueId(pointer))];
  forEachChunk(toastRel, valid, found, SNAPSHOT_TOAST, (_at, tid) => {
    if (isSpeculative) heapAbortSpeculative(toastRel, tid);
    else simpleHeapDelete(toastRel, tid, cid);
    return true;
  });
  for (const index of all) access.close(index, 0);
  access.close(toastRel, 0);
}

// ---- fetching

function corrupt(message: string): never {
  report('ERROR', { code: SQLSTATE.dataCorrupted, message });
}

/** heap_fetch_toast_slice(): bytes [offset, offset + length) of the stored value of `total` bytes to `to`. */
function fetchSlice(
  toastRel: Relation,
  valueId: number,
  total: number,
  offset: number,
  length: number,
  to: number,
): void {
  const access = relationAccess();
  const { all, valid } = openIndexes(toastRel, LOCK.accessShare);
  const chunks = Math.floor((total - 1) / TOAST_MAX_CHUNK_SIZE) + 1;
  const first = Math.floor(offset / TOAST_MAX_CHUNK_SIZE);
  const last = Math.floor((offset + length - 1) / TOAST_MAX_CHUNK_SIZE);
  const keys = [key(1, BT_STRATEGY.equal, F_OIDEQ, valueId)];
  if (first === last && chunks > 1) keys.push(key(2, BT_STRATEGY.equal, F_INT4EQ, first));
  else if (first !== 0 || last !== chunks - 1) {
    keys.push(key(2, BT_STRATEGY.greaterEqual, F_INT4GE, first));
    keys.push(key(2, BT_STRATEGY.lessEqual, F_INT4LE, last));
  }
  const desc = toastRel.tupleDesc;
  const stored = new Float64Array(desc.natts);
  let expected = first;
  forEachChunk(toastRel, valid, keys, SNAPSHOT_TOAST, (tupleAt) => {
    heapStoredAddresses(desc, tupleAt, stored);
    const seq = mem.view.getInt32(stored[1]!, true);
    const chunk = stored[2]!;
    if (varIsExternal(chunk) || varIsCompressed(chunk))
      corrupt(`found toasted toast chunk for toast value ${valueId} in ${toastRel.name}`);
    const size = varDataLen(chunk);
    if (seq !== expected)
      corrupt(`unexpected chunk number ${seq} (expected ${expected}) for toast value ${valueId} in ${toastRel.name}`);
    if (seq > last)
      corrupt(
        `unexpected chunk number ${seq} (out of range ${first}..${last}) for toast value ${valueId} in ${toastRel.name}`,
      );
    const wanted = seq < chunks - 1 ? TOAST_MAX_CHUNK_SIZE : total - (chunks - 1) * TOAST_MAX_CHUNK_SIZE;
    if (size !== wanted)
      corrupt(
        `unexpected chunk size ${size} (expected ${wanted}) in chunk ${seq} of ${chunks} for toast value ${valueId} in ${toastRel.name}`,
      );
    const begin = seq === first ? offset % TOAST_MAX_CHUNK_SIZE : 0;
    const end = seq === last ? ((offset + length - 1) % TOAST_MAX_CHUNK_SIZE) + 1 : size;
    const from = varDataAt(chunk);
    mem.u8.copyWithin(to + seq * TOAST_MAX_CHUNK_SIZE - offset + begin, from + begin, from + end);
    expected++;
    return true;
  });
  if (expected !== last + 1) corrupt(`missing chunk number ${expected} for toast value ${valueId} in ${toastRel.name}`);
  for (const index of all) access.close(index, LOCK.accessShare);
}

/** toast_fetch_datum(): a block with the value as it was moved out, compressed or not, behind a 4-byte header. */
export function toastFetchDatum(pointer: number): number {
  const size = toastExtSize(pointer);
  const compressed = toastIsCompressed(pointer);
  const valueId = toastValueId(pointer);
  const relid = toastRelId(pointer) as Oid;
  const block = privateAlloc(size + VARHDRSZ);
  setVarSize(block, size + VARHDRSZ);
  if (compressed) mem.u8[block] = mem.u8[block]! | 2;
  if (size === 0) return block;
  const access = relationAccess();
  const toastRel = access.open(relid, LOCK.accessShare);
  fetchSlice(toastRel, valueId, size, 0, size, block + VARHDRSZ);
  access.close(toastRel, LOCK.accessShare);
  return block;
}
setDetoaster(toastFetchDatum);

/** detoast_attr_slice(): bytes [offset, offset + length) of the plain value, as a block with a 4-byte header; a negative length
 *  means to the end. A plain external value is read only as far as needed. */
export function detoastSlice(at: number, offset: number, wanted: number): number {
  if (varIsExternal(at) && !toastIsCompressed(at)) {
    const total = toastExtSize(at);
    const begin = Math.min(offset, total);
    const length = wanted < 0 ? total - begin : Math.min(wanted, total - begin);
    const block = privateAlloc(length + VARHDRSZ);
    setVarSize(block, length + VARHDRSZ);
    if (length === 0) return block;
    const access = relationAccess();
    const toastRel = access.open(toastRelId(at) as Oid, LOCK.accessShare);
    fetchSlice(toastRel, toastValueId(at), total, begin, length, block + VARHDRSZ);
    access.close(toastRel, LOCK.accessShare);
    return block;
  }
  const fetched = varIsExternal(at) ? toastFetchDatum(at) : at;
  const plain = varIsCompressed(fetched) ? decompressPrefix(fetched, wanted < 0 ? -1 : offset + wanted) : fetched;
  const size = varDataLen(plain);
  const begin = Math.min(offset, size);
  const length = wanted < 0 ? size - begin : Math.min(wanted, size - begin);
  const block = privateAlloc(length + VARHDRSZ);
  setVarSize(block, length + VARHDRSZ);
  const from = varDataAt(plain) + begin;
  mem.u8.copyWithin(block + VARHDRSZ, from, from + length);
  if (plain !== fetched) privateFree(plain);
  if (fetched !== at) privateFree(fetched);
  return block;
}
/** The first `length` bytes of a compressed value, all of it with -1. */
function decompressPrefix(at: number, length: number): number {
  const raw = compressedRawSize(at);
  if (length < 0 || length >= raw || compressionMethod(at) !== 0) return decompressInline(at);
  const block = privateAlloc(length + VARHDRSZ);
  const done = pglzDecompress(mem.u8, at + 8, varSize(at) - 8, mem.u8, block + VARHDRSZ, length, false);
  if (done < 0) corrupt('compressed pglz data is corrupt');
  setVarSize(block, done + VARHDRSZ);
  return block;
}
/** toast_raw_datum_size(): bytes of the plain value with its 4-byte header, without fetching it. */
export function toastRawDatumSize(at: number): number {
  if (varIsExternal(at)) return mem.view.getInt32(at + 2, true);
  if (varIsCompressed(at)) return compressedRawSize(at) + VARHDRSZ;
  return varIsShort(at) ? varSize(at) - 1 + VARHDRSZ : varSize(at);
}
/** toast_datum_size(): bytes that the value occupies, moved out or not. */
export const toastDatumSize = (at: number): number => (varIsExternal(at) ? toastExtSize(at) : varSize(at));

/** toast_flatten_tuple(): a copy of the tuple without external values, for a syscache. */
export function toastFlattenTuple(desc: TupleDesc, tupleAt: number, len: number, space: Workspace): HeapTuple {
  if ((tupleInfomask(tupleAt) & HEAP_HASEXTERNAL) === 0) {
    const at = space.alloc(len);
    mem.u8.copyWithin(at, tupleAt, tupleAt + len);
    return { at, len };
  }
  const row = new ToastRow(desc, tupleAt, null);
  const hoff = (SIZEOF_HEAP_TUPLE_HEADER + (row.hasNulls ? (desc.natts + 7) >> 3 : 0) + 7) & ~7;
  const result = rebuild(row, tupleAt, hoff, space);
  for (const block of row.blocks) privateFree(block);
  return result;
}
