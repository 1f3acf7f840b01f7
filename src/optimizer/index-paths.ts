/** index-paths.ts — the ways to read a table through its indexes.
 *
 *  Conditions are matched to the columns of each index once; conditions that mention other relations make paths which
 *  need these relations' values and fit inside of a nested loop only.
 *  Counterpart: src/backend/optimizer/path/indxpath.c */
import { BTREE_AM_OID } from '#access/nbtree/nbtree-layout.ts';
import type { Oid } from '#base/ids.ts';
import { BT } from '#catalog/oids.ts';
import { familyMember } from '#catalog/syscache.ts';
import { equal, exprCollation } from '#nodes/node-funcs.ts';
import type { Expr, TargetEntry } from '#nodes/primitives.ts';
import {
  indexAccessCost,
  type IndexAccessCost,
  type IndexCostJob,
  indexScanCost,
  type ScanCost,
  unenforcedQuals,
} from '#optimizer/index-cost.ts';
import { type IndexClause, matchClause } from '#optimizer/index-match.ts';
import { predicateImpliedBy } from '#optimizer/predicate-test.ts';
import type { SortKey } from '#optimizer/plan-make.ts';
import type { IndexOptInfo, RelationInfo } from '#optimizer/relation-info.ts';
import type { StatsOf } from '#optimizer/selectivity.ts';
import { containsVolatile, pullVars, relidsOf } from '#optimizer/volatility.ts';
import { settings } from '#runtime/guc/guc.ts';

export interface IndexPathJob {
  readonly rtindex: number;
  readonly relid: Oid;
  readonly info: RelationInfo;
  /** Conditions on this relation alone. */
  readonly quals: readonly Expr[];
  /** Conditions that mention other relations too. */
  readonly joinQuals: readonly Expr[];
  readonly targets: readonly TargetEntry[];
  readonly stats: StatsOf;
  readonly totalPages: number;
  /** Orders that something above has a use for. */
  readonly wanted: readonly (readonly SortKey[])[];
  /** Rows may be locked and checked again: what a partial index's predicate says must then be checked too. */
  readonly keepPredicate: boolean;
  rowsOf(relids: bigint): number;
}

/** One way; `clauses` by index column. */
export interface IndexPath {
  readonly index: IndexOptInfo;
  readonly clauses: readonly IndexClause[];
  /** All join conditions that can be checked with the outer values at hand. */
  readonly outerClauses: readonly Expr[];
  readonly outerRelids: bigint;
  readonly order: readonly SortKey[];
  readonly backward: boolean;
  readonly indexOnly: boolean;
  /** Conditions to be checked on the rows. */
  readonly filters: readonly Expr[];
  readonly cost: ScanCost;
  readonly access: IndexAccessCost;
  readonly job: IndexCostJob;
}

export function indexPaths(job: IndexPathJob): { scans: IndexPath[]; bitmaps: IndexPath[] } {
  const scans: IndexPath[] = [];
  const bitmaps: IndexPath[] = [];
  for (const index of job.info.indexes) {
    if (index.predicate.length > 0 && !predicateImpliedBy(index.predicate, job.quals)) continue;
    const own = matchAll(index, job.quals, job.rtindex);
    addPaths(job, index, own, [], 0n, scans, bitmaps);
    for (const { clauses, outer, relids } of joinSets(index, job)) {
      addPaths(job, index, [...own, ...clauses], outer, relids, scans, bitmaps);
    }
  }
  return { scans, bitmaps };
}

/** For one arm of an OR: index paths that use at least one of its conditions, and what else helps. */
export function pathsForArm(job: IndexPathJob, clauses: readonly Expr[], others: readonly Expr[]): IndexPath[] {
  const out: IndexPath[] = [];
  for (const index of job.info.indexes) {
    const fits = index.predicate.length === 0 || predicateImpliedBy(index.predicate, [...clauses, ...others]);
    if (!fits) continue;
    const own = matchAll(index, clauses, job.rtindex);
    if (own.length === 0) continue;
    addPaths(job, index, [...own, ...matchAll(index, others, job.rtindex)], [], 0n, [], out);
  }
  return out;
}

function matchAll(index: IndexOptInfo, quals: readonly Expr[], rtindex: number): IndexClause[] {
  const out: IndexClause[] = [];
  for (const qual of quals) {
    for (let column = 0; column < index.nKeys; column++) {
      const found = matchClause(index, column, qual, rtindex);
      if (found === null) continue;
      out.push(found);
      break;
    }
  }
  return out;
}

interface JoinSet {
  readonly clauses: IndexClause[];
  readonly outer: Expr[];
  readonly relids: bigint;
}
/** For each set of other relations whose values would help: the conditions of theirs. */
function joinSets(index: IndexOptInfo, job: IndexPathJob): JoinSet[] {
  const own = 1n << BigInt(job.rtindex);
  const usable = job.joinQuals.filter((qual) => (relidsOf(qual) & own) !== 0n && !containsVolatile(qual));
  if (usable.length === 0) return [];
  const matched = matchAll(index, usable, job.rtindex);
  if (matched.length === 0) return [];
  const sets = new Set<bigint>();
  for (const { clause } of matched) {
    const relids = relidsOf(clause) & ~own;
    for (const known of [...sets]) if (sets.size < 16) sets.add(known | relids);
    sets.add(relids);
  }
  return [...sets].map((relids) => {
    const outer = usable.filter((qual) => (relidsOf(qual) & ~own & ~relids) === 0n);
    return { relids, outer, clauses: matched.filter(({ clause }) => outer.includes(clause)) };
  });
}

function addPaths(
  job: IndexPathJob,
  index: IndexOptInfo,
  matched: readonly IndexClause[],
  outerClauses: readonly Expr[],
  outerRelids: bigint,
  scans: IndexPath[],
  bitmaps: IndexPath[],
): void {
  const sorted = matched.toSorted((a, b) => a.column - b.column);
  const lowerArray = sorted.some((clause) => clause.column > 0 && clause.clause.kind === 'ScalarArrayOpExpr');
  if (lowerArray) {
    // An array of a later column spoils the order: both ways are tried.
    const without = sorted.filter(({ column, clause }) => column === 0 || clause.kind !== 'ScalarArrayOpExpr');
    build(job, index, without, outerClauses, outerRelids, true, scans, null);
  }
  build(job, index, sorted, outerClauses, outerRelids, !lowerArray, scans, bitmaps);
}

function build(
  job: IndexPathJob,
  index: IndexOptInfo,
  clauses: readonly IndexClause[],
  outerClauses: readonly Expr[],
  outerRelids: bigint,
  ordered: boolean,
  scans: IndexPath[],
  bitmaps: IndexPath[] | null,
): void {
  if (!index.optionalKey && !clauses.some((clause) => clause.column === 0)) return;
  const loopCount = outerRelids === 0n ? 1 : Math.max(1, job.rowsOf(outerRelids));
  const costJob: IndexCostJob = {
    index,
    info: job.info,
    relid: job.relid,
    clauses,
    loopCount,
    totalPages: job.totalPages,
    stats: job.stats,
  };
  const forward = ordered && index.canOrder ? indexOrder(index, false) : [];
  const useful = usefulPrefix(forward, job.wanted);
  const indexOnly = canIndexOnly(job, index);
  const usefulPredicate = index.predicate.length > 0;
  const partialOnly = clauses.length === 0 && useful.length === 0 && !usefulPredicate && !indexOnly;
  const all = [...job.quals, ...outerClauses];
  const filters = unenforcedQuals(all, clauses).filter(
    (qual) =>
      !predicateImpliedBy(
        [qual],
        clauses.flatMap((clause) => (clause.lossy ? [] : clause.quals)),
      ) &&
      (job.keepPredicate || index.predicate.length === 0 || !predicateImpliedBy([qual], index.predicate)),
  );
  let access: IndexAccessCost | null = null;
  const path = (order: readonly SortKey[], backward: boolean): IndexPath => {
    access ??= indexAccessCost(costJob);
    const cost = indexScanCost(costJob, access, filters, indexOnly);
    return {
      index,
      clauses,
      outerClauses,
      outerRelids,
      order,
      backward,
      indexOnly,
      filters,
      cost,
      access,
      job: costJob,
    };
  };
  if (!partialOnly) {
    const made = path(useful, false);
    scans.push(made);
    if (bitmaps !== null && (clauses.length > 0 || usefulPredicate)) bitmaps.push(made);
  }
  if (!ordered || !index.canOrder) return;
  const reversed = usefulPrefix(indexOrder(index, true), job.wanted);
  if (reversed.length > 0) scans.push(path(reversed, true));
}

interface IndexKey extends SortKey {
  readonly collation: Oid;
}
/** The order in which the index gives rows. */
function indexOrder(index: IndexOptInfo, backward: boolean): IndexKey[] {
  if (index.amOid !== BTREE_AM_OID) return [];
  const keys: IndexKey[] = [];
  for (let column = 0; column < index.nKeys; column++) {
    const type = index.inputTypes[column]!;
    const descending = index.descending[column]! !== backward;
    const sortop = familyMember(index.families[column]!, type, type, descending ? BT.greater : BT.less);
    const expr = index.operands[column]!;
    keys.push({
      expr,
      sortop,
      nullsFirst: index.nullsFirst[column]! !== backward,
      collation: index.collations[column]!,
    });
  }
  return keys;
}
/** The longest beginning of an order that somebody wants. */
function usefulPrefix(order: readonly IndexKey[], wanted: readonly (readonly SortKey[])[]): readonly SortKey[] {
  let longest = 0;
  for (const keys of wanted) {
    let length = 0;
    while (length < order.length && length < keys.length && matches(order[length]!, keys[length]!)) length++;
    if (length > longest) longest = length;
  }
  // A longer order than the one wanted is still that order.
  return longest === 0 ? [] : order.slice(0, longest).map((key, i) => canonical(key, wanted, i));
}
/** The same column, perhaps relabelled: varchar sorts by text's operators. */
const bare = (expr: Expr): Expr => (expr.kind === 'RelabelType' || expr.kind === 'CollateExpr' ? bare(expr.arg) : expr);
const matches = (have: IndexKey, want: SortKey): boolean =>
  have.sortop === want.sortop &&
  have.nullsFirst === want.nullsFirst &&
  (have.collation === 0 || have.collation === exprCollation(want.expr)) &&
  equal(bare(have.expr), bare(want.expr));
/** Orders are compared by expression: speak of it as whoever wants it does. */
function canonical(key: IndexKey, wanted: readonly (readonly SortKey[])[], position: number): SortKey {
  for (const keys of wanted) {
    const want = keys[position];
    if (want !== undefined && matches(key, want)) return want;
  }
  return key;
}

/** Does the index hold every column that the query reads of the table? */
function canIndexOnly(job: IndexPathJob, index: IndexOptInfo): boolean {
  if (!settings.enable_indexonlyscan) return false;
  const columns = new Set<number>();
  const note = (expr: Expr): void => {
    for (const v of pullVars(expr)) if (v.varno === job.rtindex) columns.add(v.varattno);
  };
  for (const { expr } of job.targets) note(expr);
  for (const qual of [...job.quals, ...job.joinQuals]) {
    // What the predicate says already need not be checked.
    if (index.predicate.length > 0 && predicateImpliedBy([qual], index.predicate)) continue;
    note(qual);
  }
  for (const column of columns) {
    if (column <= 0) return false;
    const at = index.columns.indexOf(column);
    if (at < 0 || index.canReturn[at] !== true) return false;
  }
  return true;
}
