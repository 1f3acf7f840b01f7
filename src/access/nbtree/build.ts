/** build.ts — building an index from a table: sort all entries, then write pages from left to right, level by level.
 *
 *  Pages are made in private memory and written past the buffer pool; each full page's separator goes to the page being
 *  filled one level up. WAL gets full pages. The meta page is written last: until then the index is not one.
 *  Counterpart: src/backend/access/nbtree/nbtsort.c */
import type { IndexBuildResult, IndexInfo } from '#access/common/index-am.ts';
import {
  relationFillFactor,
  relationNblocks,
  relationNeedsWal,
  relationSmgr,
  type Relation,
} from '#access/common/relation-descriptor.ts';
import { tableAm } from '#access/common/table-am.ts';
import { IndexTupleSort } from '#access/common/tuplesort-index.ts';
import { DedupState } from '#access/nbtree/dedup.ts';
import { type BtIndexState, btState, indexAllEqualImage } from '#access/nbtree/index-state.ts';
import {
  addBtFlags,
  BT_MAX_ITEM_SIZE,
  BTP,
  BTREE_DEFAULT_FILLFACTOR,
  BTREE_METAPAGE,
  BTREE_NONLEAF_FILLFACTOR,
  btPageInit,
  initMetaPage,
  maxAlign,
  maxAlignDown,
  P_FIRSTKEY,
  P_HIKEY,
  P_NONE,
  setBtNext,
  setBtOpaque,
  setBtPrev,
} from '#access/nbtree/nbtree-layout.ts';
import { formPosting } from '#access/nbtree/posting.ts';
import { enterScratch, leaveScratch } from '#access/nbtree/scratch.ts';
import { addTuple } from '#access/nbtree/split.ts';
import { checkThirdPage, keepNAttsFast, truncateTuple } from '#access/nbtree/truncate.ts';
import { copyTuple, postingOffset, setDownlink, setTupleNAtts, setTupleSize, tupleSize } from '#access/nbtree/tuple.ts';
import { BLCKSZ, type BlockNumber, FORK, type OffsetNumber } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { mem } from '#shm/memory.ts';
import { privateAlloc, privateFree } from '#shm/private-memory.ts';
import {
  itemAt,
  itemIdWord,
  itemLength,
  pageFreeSpace,
  pageLower,
  pageMaxOffset,
  pageSetLower,
  setItemIdWord,
} from '#storage/page/page.ts';
import { pageSetChecksum } from '#storage/page/page-checksum.ts';
import { pageIndexTupleOverwrite } from '#storage/page/page-compact.ts';
import { smgrExtend, smgrImmedSync, smgrWrite } from '#storage/smgr/smgr.ts';
import { logNewpage } from '#wal/insert.ts';

/** The page being filled on one level (BTPageState). */
class LevelPage {
  page: number;
  block: BlockNumber;
  /** Lower bound of the page: its key in the parent. 0 until the first item. Private memory. */
  lowKey = 0;
  lastOffset: OffsetNumber = P_HIKEY;
  /** Bytes of the last item that truncation will take off (its posting list). */
  lastExtra = 0;
  /** Less free space than this means full. */
  readonly full: number;
  parent: LevelPage | null = null;
  constructor(
    writer: IndexWriter,
    readonly level: number,
  ) {
    this.page = newPage(level);
    this.block = writer.allocated++;
    const fillFactor = level > 0 ? BTREE_NONLEAF_FILLFACTOR : relationFillFactor(writer.rel, BTREE_DEFAULT_FILLFACTOR);
    this.full = Math.trunc((BLCKSZ * (100 - fillFactor)) / 100);
  }
}

/** An empty page with the line pointer of its high key set aside. */
function newPage(level: number): number {
  const page = privateAlloc(BLCKSZ);
  btPageInit(page);
  setBtOpaque(page, P_NONE, P_NONE, level, level > 0 ? 0 : BTP.leaf);
  pageSetLower(page, pageLower(page) + 4);
  return page;
}
/** A rightmost page has no high key: its items move up by one line pointer. */
function slideLeft(page: number): void {
  const max = pageMaxOffset(page);
  for (let offset = P_FIRSTKEY; offset <= max; offset++) setItemIdWord(page, offset - 1, itemIdWord(page, offset));
  // The last line pointer's bytes stay behind in the hole, as PostgreSQL leaves them.
  pageSetLower(page, pageLower(page) - 4);
}

/** Writes an index from sorted tuples. */
export class IndexWriter {
  /** Next block that no page has yet; the meta page is written last. */
  allocated: BlockNumber = BTREE_METAPAGE + 1;
  /** Blocks in the file. */
  private written: BlockNumber = 0;
  private leaf: LevelPage | null = null;
  private dedup: DedupState | null = null;
  private zeroPage = 0;
  private readonly state: BtIndexState;
  private readonly allEqualImage: boolean;
  private readonly useWal: boolean;
  private readonly outer = enterScratch();
  constructor(
    readonly rel: Relation,
    private readonly heap: Relation | null,
    private readonly deduplicate: boolean,
  ) {
    this.state = btState(rel);
    this.allEqualImage = indexAllEqualImage(rel);
    this.useWal = relationNeedsWal(rel);
  }

  /** The next tuple in order. */
  add(tup: number): void {
    if (!this.deduplicate || !this.allEqualImage) {
      this.leaf ??= new LevelPage(this, 0);
      this.addToLevel(this.leaf, tup, 0);
      return;
    }
    if (this.leaf === null) {
      this.leaf = new LevelPage(this, 0);
      // A tenth of a page, which is what the default fill factor leaves free.
      this.dedup = new DedupState(maxAlignDown(Math.trunc((BLCKSZ * 10) / 100)) - 4, BT_MAX_ITEM_SIZE);
      this.dedupStart(tup);
      return;
    }
    const dedup = this.dedup!;
    if (keepNAttsFast(this.state, dedup.base, tup) > this.state.nkeyatts && dedup.add(tup)) return;
    this.dedupFinish();
    this.dedupStart(tup);
  }
  private dedupStart(tup: number): void {
    const size = tupleSize(tup);
    const copy = privateAlloc(size);
    copyTuple(tup, copy, size);
    this.dedup!.start(copy, 0);
  }
  private dedupFinish(): void {
    const dedup = this.dedup!;
    // The posting list is made in scratch memory, which would grow for ever.
    const outer = enterScratch();
    if (dedup.itemCount === 1) this.addToLevel(this.leaf!, dedup.base, 0);
    else {
      const posting = formPosting(dedup.base, dedup.tids, dedup.tidCount);
      this.addToLevel(this.leaf!, posting, tupleSize(posting) - postingOffset(posting));
    }
    leaveScratch(outer);
    privateFree(dedup.base);
    dedup.maxItems = 0;
    dedup.clear();
  }

  private addToLevel(level: LevelPage, tup: number, extra: number): void {
    checkForInterrupts();
    const leaf = level.level === 0;
    const lastExtra = level.lastExtra;
    level.lastExtra = extra;
    const free = pageFreeSpace(level.page);
    const size = maxAlign(tupleSize(tup));
    if (size > BT_MAX_ITEM_SIZE) checkThirdPage(this.rel, this.heap, level.page, tup);
    if (free < size + (leaf ? 8 : 0) || (free + lastExtra < level.full && level.lastOffset > P_FIRSTKEY))
      this.finishPage(level, leaf);
    if (level.lastOffset === P_HIKEY) {
      // The first page of a level: its lower bound is minus infinity.
      const low = privateAlloc(8);
      mem.u8.fill(0, low, low + 8);
      setTupleSize(low, 8);
      setTupleNAtts(low, 0, false);
      level.lowKey = low;
    }
    level.lastOffset++;
    this.addItem(level.page, size, tup, level.lastOffset, !leaf && level.lastOffset === P_FIRSTKEY);
  }
  private addItem(page: number, size: number, tup: number, offset: OffsetNumber, firstOfInternal: boolean): void {
    const outer = enterScratch();
    if (!addTuple(page, size, tup, offset, firstOfInternal))
      report('ERROR', { message: 'failed to add item to the index page' });
    leaveScratch(outer);
  }

  /** Writes the level's page out and begins a new one with its last item, of which the old page's high key is made. */
  private finishPage(level: LevelPage, leaf: boolean): void {
    const old = level.page;
    const oldBlock = level.block;
    const page = newPage(level.level);
    const block = this.allocated++;
    const last = level.lastOffset;
    this.addItem(page, itemLength(old, last), itemAt(old, last), P_FIRSTKEY, !leaf);
    setItemIdWord(old, P_HIKEY, itemIdWord(old, last));
    setItemIdWord(old, last, 0);
    pageSetLower(old, pageLower(old) - 4);
    if (leaf) {
      const outer = enterScratch();
      const key = truncateTuple(this.state, itemAt(old, last - 1), itemAt(old, P_HIKEY), null);
      if (!pageIndexTupleOverwrite(old, P_HIKEY, key, tupleSize(key)))
        report('ERROR', { message: 'failed to add high key to the index page' });
      leaveScratch(outer);
    }
    level.parent ??= new LevelPage(this, level.level + 1);
    setDownlink(level.lowKey, oldBlock);
    this.addToLevel(level.parent, level.lowKey, 0);
    privateFree(level.lowKey);
    const highKey = itemAt(old, P_HIKEY);
    const size = tupleSize(highKey);
    level.lowKey = privateAlloc(size);
    copyTuple(highKey, level.lowKey, size);
    setBtNext(old, block);
    setBtPrev(page, oldBlock);
    setBtNext(page, P_NONE);
    this.writePage(old, oldBlock);
    level.page = page;
    level.block = block;
    level.lastOffset = P_FIRSTKEY;
  }

  /** All tuples were added: writes the rightmost pages, the root among them, and the meta page. */
  finish(): void {
    if (this.dedup !== null) this.dedupFinish();
    let root: BlockNumber = P_NONE;
    let rootLevel = 0;
    for (let level = this.leaf; level !== null; level = level.parent) {
      if (level.parent === null) {
        addBtFlags(level.page, BTP.root);
        root = level.block;
        rootLevel = level.level;
      } else {
        setDownlink(level.lowKey, level.block);
        this.addToLevel(level.parent, level.lowKey, 0);
      }
      privateFree(level.lowKey);
      slideLeft(level.page);
      this.writePage(level.page, level.block);
    }
    const meta = privateAlloc(BLCKSZ);
    initMetaPage(meta, root, rootLevel, this.allEqualImage);
    this.writePage(meta, BTREE_METAPAGE);
    // The pages are in no checkpoint's list of buffers: only a sync now makes them safe.
    if (this.useWal) smgrImmedSync(relationSmgr(this.rel), FORK.main);
  }
  /** Gives memory back, also after an error. */
  end(): void {
    if (this.zeroPage !== 0) privateFree(this.zeroPage);
    this.zeroPage = 0;
    leaveScratch(this.outer);
  }

  /** Frees the page. */
  private writePage(page: number, block: BlockNumber): void {
    const smgr = relationSmgr(this.rel);
    if (this.useWal) logNewpage(this.rel.rnode, FORK.main, block, page, true);
    // Levels above are filled later, but have their place already.
    while (block > this.written) {
      if (this.zeroPage === 0) {
        this.zeroPage = privateAlloc(BLCKSZ);
        mem.u8.fill(0, this.zeroPage, this.zeroPage + BLCKSZ);
      }
      smgrExtend(smgr, FORK.main, this.written++, this.zeroPage, true);
    }
    pageSetChecksum(page, block);
    if (block === this.written) {
      smgrExtend(smgr, FORK.main, block, page, true);
      this.written++;
    } else smgrWrite(smgr, FORK.main, block, page, true);
    privateFree(page);
  }
}

/** Builds the index of an existing table. */
export function btBuild(heap: Relation, index: Relation, info: IndexInfo): IndexBuildResult {
  if (relationNblocks(index) !== 0) report('ERROR', { message: `index "${index.name}" already contains data` });
  const state = btState(index);
  const options = { unique: info.unique, nullsNotDistinct: info.nullsNotDistinct };
  const live = new IndexTupleSort(heap, index, state.columns, { ...options, workMem: settings.maintenance_work_mem });
  // Rows that are dead but may still be seen must be in the index, but are no violation of uniqueness.
  const dead = info.unique
    ? new IndexTupleSort(heap, index, state.columns, { ...options, unique: false, workMem: settings.work_mem })
    : null;
  let indexTuples = 0;
  let haveDead = false;
  try {
    const heapTuples = tableAm(heap).indexBuildScan(heap, index, info, true, false, (tid, values, alive) => {
      if (alive || dead === null) live.put(values, tid);
      else {
        dead.put(values, tid);
        haveDead = true;
      }
      indexTuples++;
    });
    live.performSort();
    if (haveDead) dead!.performSort();
    writeSorted(heap, index, info, live, haveDead ? dead : null);
    return { heapTuples, indexTuples };
  } finally {
    live.end();
    dead?.end();
  }
}
function writeSorted(
  heap: Relation,
  index: Relation,
  info: IndexInfo,
  live: IndexTupleSort,
  dead: IndexTupleSort | null,
): void {
  const deduplicate = dead === null && !info.unique && index.options['deduplicate_items'] !== false;
  const writer = new IndexWriter(index, heap, deduplicate);
  try {
    let a = live.next();
    let b = dead === null ? 0 : dead.next();
    while (a !== 0 || b !== 0) {
      // dead's comparison, for the live one's would take equal keys for a violation.
      if (b === 0 || (a !== 0 && dead!.compareTuples(a, b) <= 0)) {
        writer.add(a);
        a = live.next();
      } else {
        writer.add(b);
        b = dead!.next();
      }
    }
    writer.finish();
  } finally {
    writer.end();
  }
}

/** The init fork of an unlogged index: a meta page without root. */
export function btBuildEmpty(index: Relation): void {
  const smgr = relationSmgr(index);
  const page = privateAlloc(BLCKSZ);
  initMetaPage(page, P_NONE, 0, indexAllEqualImage(index));
  pageSetChecksum(page, BTREE_METAPAGE);
  smgrExtend(smgr, FORK.init, BTREE_METAPAGE, page, true);
  // Logged even if wal_level is minimal: replay of the database's creation may remove what was written.
  logNewpage(index.rnode, FORK.init, BTREE_METAPAGE, page, true);
  smgrImmedSync(smgr, FORK.init);
  privateFree(page);
}
