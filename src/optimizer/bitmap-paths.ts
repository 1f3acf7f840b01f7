/** bitmap-paths.ts — collecting row places from indexes first and reading the table in its own order then.
 *
 *  Several indexes combine: AND for conditions on different columns, OR for the arms of a disjunction.
 *  Counterpart: choose_bitmap_and(), generate_bitmap_or_paths() of src/backend/optimizer/path/indxpath.c,
 *  cost_bitmap_heap_scan() of costsize.c */
import { maxBitmapPages } from '#executor/tid-bitmap.ts';
import { equal, explicitAnd, implicitAnd } from '#nodes/node-funcs.ts';
import type { Expr } from '#nodes/primitives.ts';
import { clampRows, cpuOperatorCost, cpuTupleCost, exprCost } from '#optimizer/cost.ts';
import { indexPagesFetched, type ScanCost } from '#optimizer/index-cost.ts';
import { type IndexPath, type IndexPathJob, pathsForArm } from '#optimizer/index-paths.ts';
import { settings } from '#runtime/guc/guc.ts';

export type BitmapTree =
  | { readonly kind: 'index'; readonly path: IndexPath }
  | { readonly kind: 'and' | 'or'; readonly inputs: readonly BitmapTree[] };

export interface BitmapPath {
  readonly tree: BitmapTree;
  readonly cost: ScanCost;
  readonly outerRelids: bigint;
  /** Join conditions checked with the outer values at hand. */
  readonly outerClauses: readonly Expr[];
}

interface TreeCost {
  readonly total: number;
  readonly selectivity: number;
  readonly indexPages: number;
}
export function treeCost(tree: BitmapTree, rows: number): TreeCost {
  const op = cpuOperatorCost();
  if (tree.kind === 'index') {
    const { access, index } = tree.path;
    // Each entry costs a little for its place in the bitmap.
    return { total: access.total + 0.1 * op * rows, selectivity: access.selectivity, indexPages: index.pages };
  }
  let total = 0;
  let indexPages = 0;
  let selectivity = tree.kind === 'and' ? 1 : 0;
  tree.inputs.forEach((input, i) => {
    const one = treeCost(input, rows);
    total += one.total;
    indexPages += one.indexPages;
    if (tree.kind === 'and') selectivity *= one.selectivity;
    else selectivity += one.selectivity;
    // Combining costs; a plain index below OR adds to the same bitmap.
    if (i > 0 && (tree.kind === 'and' || input.kind !== 'index')) total += 100 * op;
  });
  return { total, selectivity: Math.min(1, selectivity), indexPages };
}

export function bitmapCost(
  job: IndexPathJob,
  tree: BitmapTree,
  quals: readonly Expr[],
  rows: number,
  loopCount: number,
): ScanCost {
  const { info } = job;
  const { total, selectivity, indexPages } = treeCost(tree, rows);
  let tuples = clampRows(selectivity * info.tuples);
  const size = Math.max(1, info.pages);
  let pages = (2 * size * tuples) / (2 * size + tuples);
  const heapPages = Math.min(pages, info.pages);
  const limit = maxBitmapPages();
  if (loopCount > 1) pages = indexPagesFetched(tuples * loopCount, info.pages, indexPages, job.totalPages) / loopCount;
  pages = pages >= size ? size : Math.ceil(pages);
  if (limit < heapPages) {
    const lossy = Math.max(0, heapPages - limit / 2);
    const exact = heapPages - lossy;
    if (lossy > 0)
      tuples = clampRows(selectivity * (exact / heapPages) * info.tuples + (lossy / heapPages) * info.tuples);
  }
  const { random_page_cost: random, seq_page_cost: seq } = settings;
  const perPage = pages >= 2 ? random - (random - seq) * Math.sqrt(pages / size) : random;
  const filter = exprCost(quals);
  const startup = total + filter.startup + (settings.enable_bitmapscan ? 0 : 1.0e10);
  return { startup, total: startup + pages * perPage + (cpuTupleCost() + filter.perTuple) * tuples };
}

export function bitmapPaths(job: IndexPathJob, candidates: readonly IndexPath[], rows: number): BitmapPath[] {
  const out: BitmapPath[] = [];
  const own: BitmapTree[] = candidates
    .filter((path) => path.outerRelids === 0n)
    .map((path): BitmapTree => ({ kind: 'index', path }));
  own.push(...orTrees(job, job.quals, rows));
  const best = chooseAnd(job, own, rows, job.quals);
  if (best !== null) {
    const cost = bitmapCost(job, best, job.quals, rows, 1);
    out.push({ tree: best, cost, outerRelids: 0n, outerClauses: [] });
  }
  const sets = new Map<bigint, IndexPath[]>();
  for (const path of candidates) {
    if (path.outerRelids === 0n) continue;
    const known = sets.get(path.outerRelids);
    if (known === undefined) sets.set(path.outerRelids, [path]);
    else known.push(path);
  }
  for (const [relids, paths] of sets) {
    const { outerClauses, job: costJob } = paths[0]!;
    const quals = [...job.quals, ...outerClauses];
    const trees = paths.map((path): BitmapTree => ({ kind: 'index', path }));
    const tree = chooseAnd(job, trees, rows, quals);
    if (tree === null) continue;
    const cost = bitmapCost(job, tree, quals, rows, costJob.loopCount);
    out.push({ tree, cost, outerRelids: relids, outerClauses });
  }
  return out;
}

/** Disjunctions of which every arm can use an index. */
function orTrees(job: IndexPathJob, quals: readonly Expr[], rows: number): BitmapTree[] {
  const out: BitmapTree[] = [];
  for (const qual of quals) {
    if (qual.kind !== 'BoolExpr' || qual.boolop !== 'or') continue;
    const others = quals.filter((other) => other !== qual);
    const inputs: BitmapTree[] = [];
    for (const arm of qual.args) {
      const clauses = implicitAnd(arm);
      const trees = pathsForArm(job, clauses, others).map((path): BitmapTree => ({ kind: 'index', path }));
      if (clauses.length > 1) trees.push(...orTrees(job, clauses, rows));
      const best = chooseAnd(job, trees, rows, [...clauses, ...others]);
      if (best === null) break;
      inputs.push(best);
    }
    if (inputs.length === qual.args.length) out.push({ kind: 'or', inputs });
  }
  return out;
}

/** The conditions of the query that a tree takes care of. */
function clausesOf(tree: BitmapTree): Expr[] {
  switch (tree.kind) {
    case 'index':
      return [...tree.path.clauses.map((clause) => clause.clause), ...tree.path.index.predicate];
    case 'and':
      return tree.inputs.flatMap(clausesOf);
    case 'or':
      return [conditionOf(tree)].filter((expr) => expr !== null);
  }
}
/** What is true of the rows at the tree's places, as long as the bitmap is exact. */
export function conditionOf(tree: BitmapTree): Expr | null {
  switch (tree.kind) {
    case 'index':
      return explicitAnd([...tree.path.clauses.flatMap((clause) => clause.quals), ...tree.path.index.predicate]);
    case 'and':
      return explicitAnd(tree.inputs.flatMap((input) => implicitAnd(conditionOf(input))));
    case 'or': {
      const arms = tree.inputs.map(conditionOf);
      if (arms.some((arm) => arm === null)) return null;
      return { kind: 'BoolExpr', boolop: 'or', args: arms as Expr[], location: -1 };
    }
  }
}

/** The best single input, or several that together cost less. */
function chooseAnd(
  job: IndexPathJob,
  trees: readonly BitmapTree[],
  rows: number,
  quals: readonly Expr[],
): BitmapTree | null {
  if (trees.length === 0) return null;
  if (trees.length === 1) return trees[0]!;
  const infos = trees.map((tree) => ({ tree, clauses: clausesOf(tree), cost: treeCost(tree, rows) }));
  // Of those with the same conditions the cheapest is enough.
  const distinct: typeof infos = [];
  for (const info of infos) {
    const at = distinct.findIndex((known) => sameClauses(known.clauses, info.clauses));
    if (at < 0) distinct.push(info);
    else if (info.cost.total < distinct[at]!.cost.total) distinct[at] = info;
  }
  distinct.sort((a, b) => a.cost.total - b.cost.total || a.cost.selectivity - b.cost.selectivity);
  const costOf = (list: readonly BitmapTree[]): number =>
    bitmapCost(job, list.length === 1 ? list[0]! : { kind: 'and', inputs: list }, quals, rows, 1).total;
  let best: readonly BitmapTree[] = [];
  let bestCost = Infinity;
  for (let i = 0; i < distinct.length; i++) {
    let chosen: readonly BitmapTree[] = [distinct[i]!.tree];
    let used = distinct[i]!.clauses;
    let cost = costOf(chosen);
    for (let j = i + 1; j < distinct.length; j++) {
      const next = distinct[j]!;
      if (next.clauses.some((clause) => used.some((known) => equal(known, clause)))) continue;
      const together = [...chosen, next.tree];
      const both = costOf(together);
      if (both >= cost) continue;
      chosen = together;
      used = [...used, ...next.clauses];
      cost = both;
    }
    if (cost < bestCost) {
      best = chosen;
      bestCost = cost;
    }
  }
  return best.length === 1 ? best[0]! : { kind: 'and', inputs: best };
}
const sameClauses = (a: readonly Expr[], b: readonly Expr[]): boolean =>
  a.length === b.length && a.every((clause) => b.some((other) => equal(other, clause)));
