/** delete-items.ts — taking items off a leaf: for VACUUM, and to make room before a split.
 *
 *  Posting lists of which only some TIDs go are replaced by shorter ones in the same record. Deletion outside of VACUUM
 *  must say up to which xid rows were removed, since a standby's snapshots may still need them.
 *  Counterpart: _bt_delitems_vacuum(), _bt_delitems_delete(), _bt_delitems_delete_check() of nbtpage.c,
 *  _bt_simpledel_pass() of nbtinsert.c */
import { relationNeedsWal, type Relation } from '#access/common/relation-descriptor.ts';
import { type IndexDelete, type IndexDeleteOp, type IndexDeleteStatus, tableAm } from '#access/common/table-am.ts';
import { BTP, clearBtFlags, setBtCycleId } from '#access/nbtree/nbtree-layout.ts';
import { withoutTids } from '#access/nbtree/posting.ts';
import { scratch } from '#access/nbtree/scratch.ts';
import { isPosting, nthTid, postingCount, postingTid, readTid, tidCount, tupleSize } from '#access/nbtree/tuple.ts';
import { XLOG_BTREE } from '#access/nbtree/wal-records.ts';
import { type Buffer, type ItemPointer, type OffsetNumber, tidBlock, type TransactionId } from '#base/ids.ts';
import { assert } from '#base/assert.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { report } from '#runtime/error/report.ts';
import { mem } from '#shm/memory.ts';
import { bufferBlock, bufferPage } from '#storage/buffer/buffer-pool.ts';
import { xlogRegisterBuffer } from '#storage/buffer/buffer-wal.ts';
import { markBufferDirty } from '#storage/buffer/dirty.ts';
import { itemAt, itemFlags, pageSetLsn } from '#storage/page/page.ts';
import { pageIndexMultiDelete, pageIndexTupleOverwrite } from '#storage/page/page-compact.ts';
import { REGBUF, walScratch, xlogBeginInsert, xlogInsert, xlogRegisterBufData, xlogRegisterData } from '#wal/insert.ts';
import { RM } from '#wal/rmgr-ids.ts';

const LP_DEAD = 3;
export const itemIsDead = (page: number, offset: OffsetNumber): boolean => itemFlags(page, offset) === LP_DEAD;

/** A posting list tuple that loses some of its TIDs (BTVacuumPosting). */
export interface PostingUpdate {
  readonly offset: OffsetNumber;
  readonly tuple: number;
  /** Indexes into the posting list, ascending. */
  readonly deleted: number[];
}

/** Bytes of xl_btree_update[] in scratch memory; length beside it. */
function encodeUpdates(updates: readonly PostingUpdate[]): { offsetsAt: number; at: number; length: number } {
  let length = 0;
  for (const update of updates) length += 2 + update.deleted.length * 2;
  const offsetsAt = scratch(updates.length * 2);
  const at = scratch(length);
  const { view } = mem;
  let out = at;
  updates.forEach((update, i) => {
    view.setUint16(offsetsAt + i * 2, update.offset, true);
    view.setUint16(out, update.deleted.length, true);
    out += 2;
    for (const index of update.deleted) {
      view.setUint16(out, index, true);
      out += 2;
    }
  });
  return { offsetsAt, at, length };
}
function encodeOffsets(offsets: readonly OffsetNumber[]): number {
  const at = scratch(offsets.length * 2);
  for (let i = 0; i < offsets.length; i++) mem.view.setUint16(at + i * 2, offsets[i]!, true);
  return at;
}

/** The change itself: shorter posting lists first, while the offsets are still right, then the deletions. */
function applyToPage(
  rel: Relation,
  buffer: Buffer,
  deleted: readonly OffsetNumber[],
  updates: readonly PostingUpdate[],
  made: readonly number[],
): void {
  const page = bufferPage(buffer);
  updates.forEach((update, i) => {
    const tup = made[i]!;
    if (!pageIndexTupleOverwrite(page, update.offset, tup, tupleSize(tup)))
      report('PANIC', {
        message: `failed to update partially dead item in block ${bufferBlock(buffer)} of index "${rel.name}"`,
      });
  });
  if (deleted.length > 0) pageIndexMultiDelete(page, deleted);
}
function registerItems(
  deleted: readonly OffsetNumber[],
  updates: readonly PostingUpdate[],
  deletedAt: number,
  encoded: ReturnType<typeof encodeUpdates> | null,
): void {
  if (deleted.length > 0) xlogRegisterBufData(0, deletedAt, deleted.length * 2);
  if (encoded !== null) {
    xlogRegisterBufData(0, encoded.offsetsAt, updates.length * 2);
    xlogRegisterBufData(0, encoded.at, encoded.length);
  }
}

/** VACUUM's deletion. The caller holds a cleanup lock. */
export function deleteItemsForVacuum(
  rel: Relation,
  buffer: Buffer,
  deleted: readonly OffsetNumber[],
  updates: readonly PostingUpdate[],
): void {
  const page = bufferPage(buffer);
  const needsWal = relationNeedsWal(rel);
  const made = updates.map((update) => withoutTids(update.tuple, update.deleted, update.deleted.length));
  const encoded = updates.length > 0 ? encodeUpdates(updates) : null;
  const deletedAt = encodeOffsets(deleted);
  beginCritical();
  applyToPage(rel, buffer, deleted, updates, made);
  // The page was vacuumed after any split of this cycle, and has no dead items left.
  setBtCycleId(page, 0);
  clearBtFlags(page, BTP.hasGarbage);
  markBufferDirty(buffer);
  if (needsWal) {
    xlogBeginInsert();
    xlogRegisterBuffer(0, buffer, REGBUF.standard);
    const at = walScratch(4);
    mem.view.setUint16(at, deleted.length, true);
    mem.view.setUint16(at + 2, updates.length, true);
    xlogRegisterData(at, 4);
    registerItems(deleted, updates, deletedAt, encoded);
    pageSetLsn(page, xlogInsert(RM.btree, XLOG_BTREE.vacuum));
  }
  endCritical();
}

/** Deletion before an insertion. The cycle id stays: a VACUUM under way must still see what was split. */
function deleteItems(
  rel: Relation,
  buffer: Buffer,
  latestRemovedXid: TransactionId,
  deleted: readonly OffsetNumber[],
  updates: readonly PostingUpdate[],
): void {
  const page = bufferPage(buffer);
  const needsWal = relationNeedsWal(rel);
  const made = updates.map((update) => withoutTids(update.tuple, update.deleted, update.deleted.length));
  const encoded = updates.length > 0 ? encodeUpdates(updates) : null;
  const deletedAt = encodeOffsets(deleted);
  beginCritical();
  applyToPage(rel, buffer, deleted, updates, made);
  clearBtFlags(page, BTP.hasGarbage);
  markBufferDirty(buffer);
  if (needsWal) {
    xlogBeginInsert();
    xlogRegisterBuffer(0, buffer, REGBUF.standard);
    const at = walScratch(8);
    mem.view.setUint32(at, latestRemovedXid, true);
    mem.view.setUint16(at + 4, deleted.length, true);
    mem.view.setUint16(at + 6, updates.length, true);
    xlogRegisterData(at, 8);
    registerItems(deleted, updates, deletedAt, encoded);
    pageSetLsn(page, xlogInsert(RM.btree, XLOG_BTREE.delete));
  }
  endCritical();
}

/** Asks the table which of the candidates may go, and deletes those. */
export function deleteWhatTableAllows(rel: Relation, buffer: Buffer, heap: Relation, op: IndexDeleteOp): void {
  const latestRemovedXid = tableAm(heap).indexDeleteTuples(heap, op);
  // Nothing found worth it, which only bottom-up deletion may say.
  if (op.deletes.length === 0) return;
  const page = bufferPage(buffer);
  const deletes = op.deletes;
  // Back into the order of the page, which the table did not keep.
  deletes.sort((a, b) => a.id - b.id);
  const deleted: OffsetNumber[] = [];
  const updates: PostingUpdate[] = [];
  let posting = 0;
  for (let i = 0; i < deletes.length; i++) {
    const status = op.status[deletes[i]!.id]!;
    const offset = status.indexOffset;
    if (offset === posting) continue;
    const tup = itemAt(page, offset);
    if (!isPosting(tup)) {
      if (status.knownDeletable) deleted.push(offset);
      continue;
    }
    posting = offset;
    const indexes = deletablePostingTids(op, deletes, i, offset, tup);
    if (indexes.length === 0) continue;
    if (indexes.length === postingCount(tup)) deleted.push(offset);
    else updates.push({ offset, tuple: tup, deleted: indexes });
  }
  if (deleted.length > 0 || updates.length > 0) deleteItems(rel, buffer, latestRemovedXid, deleted, updates);
}
/** Which TIDs of the posting list at `offset` are among the deletable ones: both lists ascend. */
function deletablePostingTids(
  op: IndexDeleteOp,
  deletes: readonly IndexDelete[],
  from: number,
  offset: OffsetNumber,
  tup: number,
): number[] {
  const indexes: number[] = [];
  const count = postingCount(tup);
  let next = from;
  for (let p = 0; p < count; p++) {
    const tid = postingTid(tup, p);
    let order = -1;
    for (; next < deletes.length; next++) {
      const candidate = deletes[next]!;
      const status = op.status[candidate.id]!;
      if (status.indexOffset !== offset) break;
      if (!status.knownDeletable) continue;
      order = candidate.tid - tid;
      if (order >= 0) break;
    }
    if (order === 0) indexes.push(p);
  }
  return indexes;
}

/** Deletes items whose line pointers are marked dead, and those other items whose rows are in the same table blocks and
 *  turn out to be dead too: their blocks are visited anyway. */
export function simpleDeletion(
  rel: Relation,
  buffer: Buffer,
  heap: Relation,
  dead: readonly OffsetNumber[],
  newItem: number,
  minOffset: OffsetNumber,
  maxOffset: OffsetNumber,
): void {
  const page = bufferPage(buffer);
  // The new row's block is in memory as well.
  const blocks = new Set<number>([tidBlock(readTid(newItem))]);
  for (const offset of dead) {
    const tup = itemAt(page, offset);
    const count = tidCount(tup);
    for (let i = 0; i < count; i++) blocks.add(tidBlock(nthTid(tup, i)));
  }
  const deletes: IndexDelete[] = [];
  const status: IndexDeleteStatus[] = [];
  for (let offset = minOffset; offset <= maxOffset; offset++) {
    const tup = itemAt(page, offset);
    const count = tidCount(tup);
    const known = itemIsDead(page, offset);
    for (let i = 0; i < count; i++) {
      const tid: ItemPointer = nthTid(tup, i);
      if (!blocks.has(tidBlock(tid))) continue;
      deletes.push({ tid, id: deletes.length });
      status.push({ indexOffset: offset, knownDeletable: known, promising: false, freeSpace: 0 });
    }
  }
  assert(deletes.length >= dead.length, 'the dead items are among the candidates');
  deleteWhatTableAllows(rel, buffer, heap, {
    index: rel,
    indexBlock: bufferBlock(buffer),
    bottomUp: false,
    bottomUpFreeSpace: 0,
    deletes,
    status,
  });
}
