/** rewrite.ts — copying a table into a new file: CLUSTER, VACUUM FULL and the rewrites of ALTER TABLE.
 *
 *  Pages are filled in private memory and appended to the file; with WAL each page is one full image. Update chains of
 *  recently dead tuples must stay connected: a tuple whose successor's place is not known yet waits for it, a successor
 *  seen first leaves its new place behind, both under (xmin of the successor, old place of the successor).
 *  Counterpart: src/backend/access/heap/rewriteheap.c, heapam_relation_copy_for_cluster() of heapam_handler.c */
import { heapModifyTuple, heapTupleLength } from '#access/common/heap-tuple.ts';
import {
  HEAP2_XACT_MASK,
  HEAP_HASEXTERNAL,
  HEAP_UPDATED,
  HEAP_XACT_MASK,
  HEAP_XMAX_INVALID,
  MAX_HEAP_TUPLE_SIZE,
  setTupleCtid,
  setTupleInfomask,
  setTupleInfomask2,
  tupleCtid,
  tupleCtidOffset,
  tupleIndicatesMovedPartitions,
  tupleInfomask,
  tupleInfomask2,
  tupleXmin,
} from '#access/common/heap-tuple-layout.ts';
import { indexBeginScan, indexEndScan, indexGetNext } from '#access/common/index-access.ts';
import {
  type Relation,
  relationIsAccessibleInLogicalDecoding,
  relationNeedsWal,
  relationSmgr,
  relationTargetPageFreeSpace,
} from '#access/common/relation-descriptor.ts';
import { type FreezeState, freezeTupleInMemory } from '#access/heap/freeze.ts';
import { heapBeginScan } from '#access/heap/heap-scan.ts';
import { HEAP_INSERT, HTSV } from '#access/heap/heap-types.ts';
import { TOAST_TUPLE_THRESHOLD, toastInsertOrUpdate } from '#access/heap/toast.ts';
import { heapTupleSatisfiesVacuum, tupleIsOnlyLocked, tupleUpdateXid } from '#access/heap/visibility.ts';
import type { Datum } from '#adt/datum.ts';
import {
  BLCKSZ,
  type BlockNumber,
  type Buffer,
  FORK,
  INVALID_TID,
  type ItemPointer,
  makeTid,
  type MultiXactId,
  type TransactionId,
} from '#base/ids.ts';
import { xidPrecedes } from '#base/xid.ts';
import { native } from '#platform/native.ts';
import { OPEN, openFd, writeAt } from '#platform/raw-files.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { mem } from '#shm/memory.ts';
import { privateAlloc, privateFree, Workspace } from '#shm/private-memory.ts';
import { BUFFER_LOCK } from '#storage/buffer/buffer-layout.ts';
import { lockBuffer } from '#storage/buffer/buffer-lock.ts';
import { itemAt, pageAddItem, pageHeapFreeSpace, pageInit } from '#storage/page/page.ts';
import { pageSetChecksum } from '#storage/page/page-checksum.ts';
import { smgrExtend, smgrImmedSync } from '#storage/smgr/smgr.ts';
import { getReplicationHorizons } from '#transam/proc-array.ts';
import { SNAPSHOT_ANY } from '#transam/snapshot.ts';
import { transactionIdIsCurrentTransactionId } from '#transam/xact.ts';
import type { DecodedRecord } from '#wal/decoded-record.ts';
import { logNewpage } from '#wal/insert.ts';

interface Unresolved {
  readonly oldTid: ItemPointer;
  /** A private copy of the new tuple. */
  readonly at: number;
  readonly len: number;
}

/** What stays of a chain is found by this: the successor's xmin and the place it had. */
const chainKey = (xmin: TransactionId, tid: ItemPointer): string => `${xmin}/${tid}`;

export class HeapRewrite {
  readonly #page = privateAlloc(BLCKSZ + 8);
  #pageInUse = false;
  #block: BlockNumber = 0;
  readonly #unresolved = new Map<string, Unresolved>();
  readonly #newTids = new Map<string, ItemPointer>();
  readonly #freeze: FreezeState;
  readonly #needsWal: boolean;
  readonly #space = new Workspace();

  constructor(
    readonly oldHeap: Relation,
    readonly newHeap: Relation,
    readonly oldestXmin: TransactionId,
    freezeLimit: TransactionId,
    multiXactCutoff: MultiXactId,
  ) {
    if (relationIsAccessibleInLogicalDecoding(oldHeap) && getReplicationHorizons().catalogXmin !== 0)
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'rewriting a catalog for logical replication slots is not supported',
      });
    this.#freeze = {
      relfrozenxid: oldHeap.frozenXid,
      relminmxid: oldHeap.minMxid as MultiXactId,
      freezeLimit,
      multiXactCutoff,
      newRelfrozenXid: freezeLimit,
      newRelminMxid: multiXactCutoff,
    };
    this.#needsWal = relationNeedsWal(newHeap);
  }

  /** rewrite_heap_tuple(): `newAt` is the reformed copy of the tuple at `oldAt`, which was in place `oldTid`. */
  writeTuple(oldAt: number, oldTid: ItemPointer, newAt: number, newLen: number): void {
    mem.u8.copyWithin(newAt, oldAt, oldAt + 12);
    setTupleInfomask2(newAt, tupleInfomask2(newAt) & ~HEAP2_XACT_MASK);
    setTupleInfomask(newAt, (tupleInfomask(newAt) & ~HEAP_XACT_MASK) | (tupleInfomask(oldAt) & HEAP_XACT_MASK));
    freezeTupleInMemory(newAt, this.#freeze);
    setTupleCtid(newAt, INVALID_TID);
    const updated =
      (tupleInfomask(oldAt) & HEAP_XMAX_INVALID) === 0 &&
      !tupleIsOnlyLocked(oldAt) &&
      !tupleIndicatesMovedPartitions(oldAt) &&
      tupleCtid(oldAt) !== oldTid;
    if (updated) {
      const key = chainKey(tupleUpdateXid(oldAt), tupleCtid(oldAt));
      const newTid = this.#newTids.get(key);
      if (newTid === undefined) {
        const copy = privateAlloc(newLen);
        mem.u8.copyWithin(copy, newAt, newAt + newLen);
        this.#unresolved.set(key, { oldTid, at: copy, len: newLen });
        return;
      }
      setTupleCtid(newAt, newTid);
      this.#newTids.delete(key);
    }
    this.#insertChain(oldTid, newAt, newLen);
  }
  /** Inserts the tuple, and then whatever was waiting to know its place. */
  #insertChain(startTid: ItemPointer, startAt: number, startLen: number): void {
    let oldTid = startTid;
    let at = startAt;
    let len = startLen;
    let copy = 0;
    for (;;) {
      const newTid = this.#insert(at, len);
      const isSuccessor = (tupleInfomask(at) & HEAP_UPDATED) !== 0 && !xidPrecedes(tupleXmin(at), this.oldestXmin);
      const key = isSuccessor ? chainKey(tupleXmin(at), oldTid) : '';
      if (copy !== 0) privateFree(copy);
      if (!isSuccessor) return;
      const waiting = this.#unresolved.get(key);
      if (waiting === undefined) {
        this.#newTids.set(key, newTid);
        return;
      }
      this.#unresolved.delete(key);
      ({ oldTid, at, len } = waiting);
      copy = at;
      setTupleCtid(at, newTid);
    }
  }

  /** rewrite_heap_dead_tuple(): the tuple will not be copied. True if a version of it was waiting, which is dead, too. */
  skipDeadTuple(oldAt: number, oldTid: ItemPointer): boolean {
    const key = chainKey(tupleXmin(oldAt), oldTid);
    const waiting = this.#unresolved.get(key);
    if (waiting === undefined) return false;
    privateFree(waiting.at);
    this.#unresolved.delete(key);
    return true;
  }

  /** raw_heap_insert(). */
  #insert(at: number, len: number): ItemPointer {
    let tuple = { at, len };
    const rel = this.newHeap;
    const mayToast = rel.kind !== 't';
    if (mayToast && ((tupleInfomask(at) & HEAP_HASEXTERNAL) !== 0 || len > TOAST_TUPLE_THRESHOLD))
      tuple = toastInsertOrUpdate(rel, at, len, 0, this.#space, HEAP_INSERT.skipFsm | HEAP_INSERT.noLogical);
    const size = (tuple.len + 7) & ~7;
    if (size > MAX_HEAP_TUPLE_SIZE)
      report('ERROR', {
        code: SQLSTATE.programLimitExceeded,
        message: `row is too big: size ${size}, maximum size ${MAX_HEAP_TUPLE_SIZE}`,
      });
    const page = this.#page;
    if (this.#pageInUse && size + relationTargetPageFreeSpace(rel, 100) > pageHeapFreeSpace(page)) this.#writePage();
    if (!this.#pageInUse) {
      pageInit(page, 0);
      this.#pageInUse = true;
    }
    const offset = pageAddItem(page, tuple.at, tuple.len, 0, false, true);
    if (offset === 0) report('ERROR', { code: SQLSTATE.internalError, message: 'failed to add tuple' });
    const tid = makeTid(this.#block, offset);
    if (tupleCtidOffset(tuple.at) === 0) setTupleCtid(itemAt(page, offset), tid);
    this.#space.reset();
    return tid;
  }
  #writePage(): void {
    const { rnode } = this.newHeap;
    if (this.#needsWal) logNewpage(rnode, FORK.main, this.#block, this.#page, true);
    pageSetChecksum(this.#page, this.#block);
    smgrExtend(relationSmgr(this.newHeap), FORK.main, this.#block, this.#page, true);
    this.#block++;
    this.#pageInUse = false;
  }

  /** end_heap_rewrite(): writes what still waits, and makes the file durable. Returns the number of pages. */
  end(): BlockNumber {
    // Their successors were dead and not copied, or the chain was broken: they end here.
    for (const { at, len } of this.#unresolved.values()) {
      setTupleCtid(at, INVALID_TID);
      this.#insert(at, len);
      privateFree(at);
    }
    this.#unresolved.clear();
    if (this.#pageInUse) this.#writePage();
    // The pages went past the buffer pool, so no checkpoint knows of them.
    if (this.#needsWal) smgrImmedSync(relationSmgr(this.newHeap), FORK.main);
    privateFree(this.#page);
    this.#space.free();
    return this.#block;
  }
}

export interface CopyResult {
  tuples: number;
  vacuumed: number;
  recentlyDead: number;
  blocks: BlockNumber;
}
function concurrent(what: 'insert' | 'delete', rel: Relation): void {
  report('WARNING', { message: `concurrent ${what} in progress within table "${rel.name}"` });
}

/** heapam_relation_copy_for_cluster(): all tuples that somebody may still need, in the order of the index or of the table.
 *  Columns that were dropped become null. The caller holds both tables exclusively. */
export function heapCopyForCluster(
  oldHeap: Relation,
  newHeap: Relation,
  oldIndex: Relation | null,
  oldestXmin: TransactionId,
  freezeLimit: TransactionId,
  multiXactCutoff: MultiXactId,
): CopyResult {
  const rewrite = new HeapRewrite(oldHeap, newHeap, oldestXmin, freezeLimit, multiXactCutoff);
  const result: CopyResult = { tuples: 0, vacuumed: 0, recentlyDead: 0, blocks: 0 };
  const space = new Workspace();
  const oldDesc = oldHeap.tupleDesc;
  const nulls: Datum[] = new Array<Datum>(oldDesc.natts).fill(null);
  const dropped = Uint8Array.from(oldDesc.attrs, (attr) => (attr.isDropped ? 1 : 0));
  const copy = (at: number, tid: ItemPointer, buffer: Buffer): void => {
    checkForInterrupts();
    let isDead = false;
    lockBuffer(buffer, BUFFER_LOCK.share);
    const state = heapTupleSatisfiesVacuum(at, oldestXmin, buffer);
    lockBuffer(buffer, BUFFER_LOCK.unlock);
    if (state === HTSV.dead) isDead = true;
    else if (state === HTSV.recentlyDead) result.recentlyDead++;
    else if (state === HTSV.insertInProgress) {
      if (!oldHeap.isSystem && !transactionIdIsCurrentTransactionId(tupleXmin(at))) concurrent('insert', oldHeap);
    } else if (state === HTSV.deleteInProgress) {
      if (!oldHeap.isSystem && !transactionIdIsCurrentTransactionId(tupleUpdateXid(at))) concurrent('delete', oldHeap);
      result.recentlyDead++;
    }
    if (isDead) {
      result.vacuumed++;
      if (rewrite.skipDeadTuple(at, tid)) {
        result.vacuumed++;
        result.recentlyDead--;
      }
      return;
    }
    result.tuples++;
    // Stored bytes are copied as they are: TOAST pointers lead the toaster to the values they had.
    const formed = heapModifyTuple(oldDesc, at, nulls, dropped, space);
    rewrite.writeTuple(at, tid, formed, heapTupleLength());
    space.reset();
  };
  if (oldIndex !== null) {
    const scan = indexBeginScan(oldHeap, oldIndex, SNAPSHOT_ANY, []);
    while (indexGetNext(scan, 1)) {
      const fetch = scan.fetch!;
      copy(fetch.tupleAt, fetch.tid, fetch.buffer);
    }
    indexEndScan(scan);
  } else {
    const scan = heapBeginScan(oldHeap, SNAPSHOT_ANY, [], { allowSync: false });
    while (scan.next()) copy(scan.tupleAt, scan.tid, scan.buffer);
    scan.end();
  }
  result.blocks = rewrite.end();
  space.free();
  return result;
}

// ---- logical rewrite mappings, as far as replay is concerned

/** XLOG_HEAP2_REWRITE: mappings of catalog tuples that a primary with logical decoding wrote. */
export function heapRewriteRedo(record: DecodedRecord): void {
  const { view } = mem;
  const at = record.mainAt;
  const mappedXid = view.getUint32(at, true);
  const database = view.getUint32(at + 4, true);
  const relation = view.getUint32(at + 8, true);
  const offset = view.getUint32(at + 16, true) + view.getUint32(at + 20, true) * 0x1_0000_0000;
  const count = view.getUint32(at + 24, true);
  const lsnLow = view.getUint32(at + 32, true);
  const lsnHigh = view.getUint32(at + 36, true);
  const hex = (n: number): string => n.toString(16);
  const lsn = `${hex(lsnHigh).toUpperCase()}_${hex(lsnLow).toUpperCase()}`;
  const path = `pg_logical/mappings/map-${hex(database)}-${hex(relation)}-${lsn}-${hex(mappedXid)}-${hex(record.xid)}`;
  const bytes = Buffer.from(mem.u8.slice(at + 40, at + 40 + count * 36));
  const fd = openFd(path, OPEN.create | OPEN.writeOnly);
  const failed = (what: string, errno: number): never =>
    report('ERROR', { message: `could not ${what} file "${path}": ${native.errorMessage(-errno)}` });
  if (fd < 0) failed('create', fd);
  try {
    // What lies behind was written by a replay that went further and will be written again.
    const truncated = native.truncateFile(fd, offset);
    if (truncated < 0) failed('truncate', truncated);
    const written = writeAt(fd, bytes, bytes.length, offset);
    if (written < 0) failed('write to', written);
    const synced = native.fsync(fd);
    if (synced < 0) failed('fsync', synced);
  } finally {
    native.closeFd(fd);
  }
}
