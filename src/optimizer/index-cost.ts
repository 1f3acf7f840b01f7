/** index-cost.ts — what it costs to look something up in an index and to fetch the rows found.
 *  Counterpart: cost_index(), index_pages_fetched(), cost_bitmap_heap_scan() of src/backend/optimizer/path/costsize.c,
 *  genericcostestimate(), btcostestimate() of utils/adt/selfuncs.c */
import type { ArrayDatum } from '#adt/datum.ts';
import { BTREE_AM_OID } from '#access/nbtree/nbtree-layout.ts';
import type { Expr } from '#nodes/primitives.ts';
import { clampRows, cpuOperatorCost, cpuTupleCost, exprCost, roundEven } from '#optimizer/cost.ts';
import { type IndexClause, strategyIn } from '#optimizer/index-match.ts';
import { equal } from '#nodes/node-funcs.ts';
import { predicateImpliedBy } from '#optimizer/predicate-test.ts';
import type { IndexOptInfo, RelationInfo } from '#optimizer/relation-info.ts';
import { clauseListSelectivity, type StatsOf } from '#optimizer/selectivity.ts';
import { columnStatistics, STATISTIC_KIND, statisticSlot } from '#optimizer/statistics.ts';
import type { Oid } from '#base/ids.ts';
import { settings } from '#runtime/guc/guc.ts';

const DISABLED = 1.0e10;
const BT_EQUAL = 3;

/** Distinct pages that `tuples` random fetches read, with a cache of effective_cache_size (Mackert and Lohman). */
export function indexPagesFetched(tuples: number, pages: number, indexPages: number, totalPages: number): number {
  const size = Math.max(1, pages);
  const total = Math.max(1, totalPages + indexPages);
  let cache = (settings.effective_cache_size * size) / total;
  cache = cache <= 1 ? 1 : Math.ceil(cache);
  if (size <= cache) {
    const fetched = (2 * size * tuples) / (2 * size + tuples);
    return fetched >= size ? size : Math.ceil(fetched);
  }
  const limit = (2 * size * cache) / (2 * size - cache);
  const fetched =
    tuples <= limit ? (2 * size * tuples) / (2 * size + tuples) : cache + ((tuples - limit) * (size - cache)) / size;
  return Math.ceil(fetched);
}

export interface IndexAccessCost {
  readonly startup: number;
  readonly total: number;
  readonly selectivity: number;
  readonly correlation: number;
  readonly indexPages: number;
}
export interface IndexCostJob {
  readonly index: IndexOptInfo;
  readonly info: RelationInfo;
  readonly relid: Oid;
  readonly clauses: readonly IndexClause[];
  readonly loopCount: number;
  readonly totalPages: number;
  readonly stats: StatsOf;
}

function arrayLength(array: Expr): number {
  if (array.kind === 'Const' && !array.constisnull) return (array.constvalue as ArrayDatum).elements.length;
  if (array.kind === 'ArrayExpr' && !array.multidims) return array.elements.length;
  return 10;
}
/** A partial index's predicate counts too, unless the conditions say the same already. */
function withPredicate(index: IndexOptInfo, quals: readonly Expr[]): readonly Expr[] {
  if (index.predicate.length === 0) return quals;
  const more = index.predicate.filter((expr) => !predicateImpliedBy([expr], quals));
  return [...more, ...quals];
}
/** Evaluating the values that the column is compared with. */
function operandCost(quals: readonly Expr[]): number {
  let cost = 0;
  for (const qual of quals) {
    if (qual.kind === 'OpExpr' || qual.kind === 'ScalarArrayOpExpr') {
      const each = exprCost([qual.args[1]!]);
      cost += each.startup + each.perTuple;
    } else if (qual.kind === 'RowCompareExpr') {
      const each = exprCost(qual.rargs);
      cost += each.startup + each.perTuple;
    }
  }
  return cost;
}

/** The leading conditions, by which the scan's boundaries are found; `exact`: at most one entry can match. */
function boundaryQuals(index: IndexOptInfo, clauses: readonly IndexClause[]): { quals: Expr[]; exact: boolean } {
  const quals: Expr[] = [];
  let equality = false;
  let hasArray = false;
  let hasNull = false;
  let column = 0;
  for (const clause of clauses) {
    if (clause.column !== column) {
      if (!equality) break;
      equality = false;
      column++;
      if (clause.column !== column) break;
    }
    for (const qual of clause.quals) {
      if (qual.kind === 'NullTest') {
        if (qual.nulltesttype === 'is_null') {
          hasNull = true;
          equality = true;
        }
      } else if (qual.kind === 'ScalarArrayOpExpr') {
        hasArray = true;
        if (strategyIn(qual.opno, index.families[column]!) === BT_EQUAL) equality = true;
      } else if (qual.kind === 'OpExpr' && strategyIn(qual.opno, index.families[column]!) === BT_EQUAL) equality = true;
      quals.push(qual);
    }
  }
  const exact = index.unique && column === index.nKeys - 1 && equality && !hasArray && !hasNull;
  return { quals, exact };
}

export function indexAccessCost(job: IndexCostJob): IndexAccessCost {
  const { index, info, clauses, stats } = job;
  const op = cpuOperatorCost();
  const quals = clauses.flatMap((clause) => clause.quals);
  const selectivity = clauseListSelectivity(withPredicate(index, quals), stats);
  let arrayScans = 1;
  for (const qual of quals) {
    if (qual.kind !== 'ScalarArrayOpExpr') continue;
    const length = arrayLength(qual.args[1]!);
    if (length > 1) arrayScans *= length;
  }
  let entries: number;
  if (index.amOid === BTREE_AM_OID) {
    const boundary = boundaryQuals(index, clauses);
    entries = boundary.exact
      ? 1
      : roundEven((clauseListSelectivity(withPredicate(index, boundary.quals), stats) * info.tuples) / arrayScans);
  } else entries = 0;
  if (entries <= 0) entries = roundEven((selectivity * info.tuples) / arrayScans);
  entries = Math.max(1, Math.min(entries, index.tuples));
  const indexPages = index.pages > 1 && index.tuples > 1 ? Math.ceil((entries * index.pages) / index.tuples) : 1;
  const scans = arrayScans * job.loopCount;
  let total =
    scans > 1
      ? (indexPagesFetched(indexPages * scans, index.pages, index.pages, job.totalPages) * settings.random_page_cost) /
        job.loopCount
      : indexPages * settings.random_page_cost;
  const operands = operandCost(quals);
  let startup = operands;
  total += operands + entries * arrayScans * (settings.cpu_index_tuple_cost + op * quals.length);
  let correlation = 0;
  if (index.amOid === BTREE_AM_OID) {
    if (index.tuples > 1) {
      const descent = Math.ceil(Math.log2(index.tuples)) * op;
      startup += descent;
      total += arrayScans * descent;
    }
    const pages = (index.treeHeight + 1) * 50 * op;
    startup += pages;
    total += arrayScans * pages;
    correlation = correlationOf(job);
  }
  return { startup, total, selectivity, correlation, indexPages };
}

/** How well the order of the index agrees with the order of the table. */
function correlationOf({ index, relid }: IndexCostJob): number {
  const column = index.columns[0]!;
  const statistics = column !== 0 ? columnStatistics(relid, column) : columnStatistics(index.oid, 1);
  const slot = statistics === undefined ? undefined : statisticSlot(statistics, STATISTIC_KIND.correlation);
  if (slot === undefined) return 0;
  let correlation = slot.numbers[0] ?? 0;
  if (index.descending[0] === true) correlation = -correlation;
  return index.nKeys > 1 ? correlation * 0.75 : correlation;
}

export interface ScanCost {
  readonly startup: number;
  readonly total: number;
}
/** An index scan whose rows are checked by `filters` as well. */
export function indexScanCost(
  job: IndexCostJob,
  access: IndexAccessCost,
  filters: readonly Expr[],
  indexOnly: boolean,
): ScanCost {
  const { info, index, loopCount, totalPages } = job;
  const random = settings.random_page_cost;
  const seen = (pages: number): number => (indexOnly ? Math.ceil(pages * (1 - info.allVisibleFraction)) : pages);
  const tuples = clampRows(access.selectivity * info.tuples);
  let most: number;
  let least: number;
  if (loopCount > 1) {
    most = (seen(indexPagesFetched(tuples * loopCount, info.pages, index.pages, totalPages)) * random) / loopCount;
    const pages = Math.ceil(access.selectivity * info.pages);
    least = (seen(indexPagesFetched(pages * loopCount, info.pages, index.pages, totalPages)) * random) / loopCount;
  } else {
    most = seen(indexPagesFetched(tuples, info.pages, index.pages, totalPages)) * random;
    const pages = seen(Math.ceil(access.selectivity * info.pages));
    least = pages > 0 ? random + (pages - 1) * settings.seq_page_cost : 0;
  }
  const squared = access.correlation * access.correlation;
  const filter = exprCost(filters);
  let startup = access.startup + filter.startup;
  if (!settings.enable_indexscan) startup += DISABLED;
  const run =
    access.total - access.startup + most + squared * (least - most) + (cpuTupleCost() + filter.perTuple) * tuples;
  return { startup, total: startup + run };
}

/** Conditions that the index does not enforce by itself, nor the others taken together. */
export function unenforcedQuals(quals: readonly Expr[], clauses: readonly IndexClause[]): Expr[] {
  return quals.filter((qual) => !clauses.some((clause) => !clause.lossy && equal(clause.clause, qual)));
}
