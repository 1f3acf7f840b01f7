/** analyze-sample.ts — a random sample of a table's rows in two stages: blocks, then rows of these blocks.
 *
 *  Blocks are chosen by Knuth's algorithm S, so that they are read in order; of their rows a reservoir of fixed size is
 *  kept by Vitter's algorithm Z. Rows are copied, stored bytes as they are: values out of line are fetched only if
 *  somebody looks at them.
 *  Counterpart: acquire_sample_rows(), acquire_inherited_sample_rows() of src/backend/commands/analyze.c,
 *  src/backend/utils/misc/sampling.c, heapam_scan_analyze_next_tuple() of heapam_handler.c */
import { tupleXmin } from '#access/common/heap-tuple-layout.ts';
import { heapDeform, heapFormTuple, heapTupleLength } from '#access/common/heap-tuple.ts';
import { type Relation, relationNblocks, relReadBuffer, type TupleDesc } from '#access/common/relation-descriptor.ts';
import { HTSV } from '#access/heap/heap-types.ts';
import { horizonKindOf } from '#access/heap/horizon.ts';
import { heapTupleSatisfiesVacuum, tupleUpdateXid } from '#access/heap/visibility.ts';
import type { Datum } from '#adt/datum.ts';
import { type ItemPointer, makeTid, type TransactionId } from '#base/ids.ts';
import { delayPoint } from '#commands/vacuum-host.ts';
import { type Level, report } from '#runtime/error/report.ts';
import { mem } from '#shm/memory.ts';
import { privateAlloc, privateFree, Workspace } from '#shm/private-memory.ts';
import { pgstatProgressUpdateParam } from '#stats/backend-status.ts';
import { BUFFER_LOCK, RBM } from '#storage/buffer/buffer-layout.ts';
import { lockBuffer, unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferPage } from '#storage/buffer/buffer-pool.ts';
import type { AccessStrategy } from '#storage/buffer/ring-strategy.ts';
import { itemIdWord, lpFlags, lpLength, lpOffset, pageMaxOffset } from '#storage/page/page.ts';
import { getOldestNonRemovableTransactionId } from '#transam/proc-array.ts';
import { transactionIdIsCurrentTransactionId } from '#transam/xact.ts';

/** PROGRESS_ANALYZE_*. */
export const ANALYZE_PROGRESS = {
  phase: 0,
  blocksTotal: 1,
  blocksDone: 2,
  childTablesTotal: 5,
  childTablesDone: 6,
  currentChildTable: 7,
} as const;
export const ANALYZE_PHASE = {
  acquireSampleRows: 1,
  acquireSampleRowsInherited: 2,
  computeStats: 3,
  finalizeAnalyze: 5,
} as const;

const LP_NORMAL = 1;
const LP_DEAD = 3;

export interface Sample {
  /** Addresses of private copies of the rows, in physical order. */
  readonly rows: number[];
  totalRows: number;
  totalDeadRows: number;
}

/** A number in (0, 1). */
function fraction(): number {
  for (;;) {
    const drawn = Math.random();
    if (drawn > 0) return drawn;
  }
}

/** Algorithm S: `wanted` of `total` blocks, ascending. */
export class BlockSampler {
  #next = 0;
  #chosen = 0;
  constructor(
    readonly total: number,
    readonly wanted: number,
  ) {}
  get chosen(): number {
    return this.#chosen;
  }
  get hasMore(): boolean {
    return this.#next < this.total && this.#chosen < this.wanted;
  }
  next(): number {
    let left = this.total - this.#next;
    const need = this.wanted - this.#chosen;
    this.#chosen++;
    if (need >= left) return this.#next++;
    const v = fraction();
    let p = 1 - need / left;
    while (v < p) {
      this.#next++;
      left--;
      p *= 1 - need / left;
    }
    return this.#next++;
  }
}

/** Algorithm Z: how many rows to pass over before the next one replaces one of the `n` in the reservoir. */
export class Reservoir {
  #w: number;
  constructor(readonly n: number) {
    this.#w = Math.exp(-Math.log(fraction()) / n);
  }
  /** `seen` rows were looked at so far. */
  skip(seen: number): number {
    const { n } = this;
    let t = seen;
    // Early on it is cheaper to draw for each row (algorithm X).
    if (t <= 22 * n) {
      const v = fraction();
      let s = 0;
      t += 1;
      let quotient = (t - n) / t;
      while (quotient > v) {
        s += 1;
        t += 1;
        quotient *= (t - n) / t;
      }
      return s;
    }
    const term = t - n + 1;
    for (;;) {
      const u = fraction();
      const x = t * (this.#w - 1);
      const s = Math.floor(x);
      const factor = (t + 1) / term;
      const left = Math.exp(Math.log((u * factor * factor * (term + s)) / (t + x)) / n);
      const right = (((t + x) / (term + s)) * term) / t;
      if (left <= right) {
        this.#w = right / left;
        return s;
      }
      let y = (((u * (t + 1)) / term) * (t + s + 1)) / (t + x);
      let denominator = n < s ? t : t - n + s;
      const limit = n < s ? term + s : t + 1;
      for (let numerator = t + s; numerator >= limit; numerator -= 1) {
        y *= numerator / denominator;
        denominator -= 1;
      }
      this.#w = Math.exp(-Math.log(fraction()) / n);
      if (Math.exp(Math.log(y) / n) <= (t + x) / t) return s;
    }
  }
}

/** Is the row part of the sample? Counts live and dead ones on the way. */
class Judge {
  live = 0;
  dead = 0;
  constructor(readonly oldestXmin: TransactionId) {}
  wants(at: number, buffer: number): boolean {
    switch (heapTupleSatisfiesVacuum(at, this.oldestXmin, buffer as never)) {
      case HTSV.live:
        this.live++;
        return true;
      case HTSV.dead:
      case HTSV.recentlyDead:
        this.dead++;
        return false;
      case HTSV.insertInProgress:
        // Others' rows will be counted when they commit.
        if (!transactionIdIsCurrentTransactionId(tupleXmin(at))) return false;
        this.live++;
        return true;
      default:
        if (transactionIdIsCurrentTransactionId(tupleUpdateXid(at))) {
          this.dead++;
          return false;
        }
        this.live++;
        return true;
    }
  }
}

interface Row {
  at: number;
  tid: ItemPointer;
}
function copyRow(at: number, length: number): number {
  const copy = privateAlloc(length);
  mem.u8.copyWithin(copy, at, at + length);
  return copy;
}

/** acquire_sample_rows(). */
export function acquireSampleRows(
  rel: Relation,
  wanted: number,
  strategy: AccessStrategy | null,
  level: Level,
): Sample {
  const totalBlocks = relationNblocks(rel);
  const judge = new Judge(getOldestNonRemovableTransactionId(horizonKindOf(rel)));
  const blocks = new BlockSampler(totalBlocks, wanted);
  const reservoir = new Reservoir(wanted);
  const rows: Row[] = [];
  let seen = 0;
  let toSkip = -1;
  pgstatProgressUpdateParam(ANALYZE_PROGRESS.blocksTotal, Math.min(totalBlocks, wanted));
  while (blocks.hasMore) {
    const block = blocks.next();
    delayPoint();
    const buffer = relReadBuffer(rel, block, RBM.normal, strategy);
    lockBuffer(buffer, BUFFER_LOCK.share);
    const page = bufferPage(buffer);
    const last = pageMaxOffset(page);
    for (let offset = 1; offset <= last; offset++) {
      const word = itemIdWord(page, offset);
      if (lpFlags(word) !== LP_NORMAL) {
        if (lpFlags(word) === LP_DEAD) judge.dead++;
        continue;
      }
      const at = page + lpOffset(word);
      if (!judge.wants(at, buffer)) continue;
      if (rows.length < wanted) rows.push({ at: copyRow(at, lpLength(word)), tid: makeTid(block, offset) });
      else {
        if (toSkip < 0) toSkip = reservoir.skip(seen);
        if (toSkip <= 0) {
          const victim = rows[Math.floor(wanted * fraction())]!;
          privateFree(victim.at);
          victim.at = copyRow(at, lpLength(word));
          victim.tid = makeTid(block, offset);
        }
        toSkip--;
      }
      seen++;
    }
    unlockReleaseBuffer(buffer);
    pgstatProgressUpdateParam(ANALYZE_PROGRESS.blocksDone, blocks.chosen);
  }
  // The correlation of values with their place needs the order of places.
  if (rows.length === wanted) rows.sort((a, b) => a.tid - b.tid);
  const scale = (count: number): number =>
    blocks.chosen > 0 ? Math.floor((count / blocks.chosen) * totalBlocks + 0.5) : 0;
  const sample: Sample = {
    rows: rows.map((row) => row.at),
    totalRows: scale(judge.live),
    totalDeadRows: blocks.chosen > 0 ? scale(judge.dead) : 0,
  };
  report(level, {
    message:
      `"${rel.name}": scanned ${blocks.chosen} of ${totalBlocks} pages, ` +
      `containing ${judge.live} live rows and ${judge.dead} dead rows; ` +
      `${rows.length} rows in sample, ${sample.totalRows} estimated total rows`,
  });
  return sample;
}

/** For each column of `to` the column of `from` with its name, -1 for dropped ones; null if the layouts agree. */
function columnMap(from: TupleDesc, to: TupleDesc): number[] | null {
  const map = to.attrs.map((attr) => (attr.isDropped ? -1 : from.attributeIndex(attr.name)));
  const agrees =
    from.natts === to.natts && map.every((source, i) => source === i || (source < 0 && from.attrs[i]!.isDropped));
  return agrees ? null : map;
}

/** Rows of a child in the shape of its parent's. */
export function convertRows(rows: number[], from: TupleDesc, to: TupleDesc): void {
  const map = columnMap(from, to);
  if (map === null) return;
  const space = new Workspace();
  const values: Datum[] = [];
  for (let i = 0; i < rows.length; i++) {
    heapDeform(from, rows[i]!, from.natts, values);
    space.reset();
    const formed = heapFormTuple(
      to,
      map.map((source) => (source < 0 ? null : values[source]!)),
      space,
    );
    const copy = copyRow(formed, heapTupleLength());
    privateFree(rows[i]!);
    rows[i] = copy;
  }
  space.free();
}
export function freeSample(sample: Sample): void {
  for (const at of sample.rows) privateFree(at);
  sample.rows.length = 0;
}
