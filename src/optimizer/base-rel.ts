/** base-rel.ts — one relation of FROM: how many rows it gives, what it costs, which outer values it needs.
 *
 *  A reference to a sibling (LATERAL) becomes an exec param that a nested loop above must supply: `required`.
 *  Counterpart: src/backend/optimizer/path/allpaths.c, util/relnode.c, util/plancat.c */
import type { ArrayDatum } from '#adt/datum.ts';
import { procRow } from '#catalog/syscache.ts';
import { rteColumns } from '#executor/rte-columns.ts';
import { explicitAnd, implicitAnd, makeTargetEntry, makeVar } from '#nodes/node-funcs.ts';
import type { Query, RangeTblEntry, RteRelation, RteSubquery, SetOperationArg } from '#nodes/parse-nodes.ts';
import type { Plan } from '#nodes/plan-nodes.ts';
import type { Expr, TargetEntry, Var } from '#nodes/primitives.ts';
import { mapChildren, mapRangeTblEntry, rewriteExpr, walkQuery } from '#nodes/visit.ts';
import { clampRows, cpuOperatorCost, cpuTupleCost, exprCost, relationBytes } from '#optimizer/cost.ts';
import { baseFields, makeSort, orderOf, setOrder, type SortKey } from '#optimizer/plan-make.ts';
import { bitmapPaths } from '#optimizer/bitmap-paths.ts';
import type { ScanCost } from '#optimizer/index-cost.ts';
import { type IndexPathJob, indexPaths } from '#optimizer/index-paths.ts';
import { makeBitmapScan, makeIndexScan } from '#optimizer/index-plan.ts';
import { addPath, relidsOfParams, type RelPath, type TargetFlags } from '#optimizer/path.ts';
import { exprWidth, paramForItem, type PlannerInfo, type PlanParam, targetsWidth } from '#optimizer/planner-info.ts';
import { type RelationInfo, relationInfo } from '#optimizer/relation-info.ts';
import { columnStatistics } from '#optimizer/statistics.ts';
import { clauseListSelectivity, type RelStats, type StatsOf } from '#optimizer/selectivity.ts';
import { planSubquery } from '#optimizer/subquery-planner.ts';
import { containsSet, containsSubPlan, containsVolatile, pullVars } from '#optimizer/volatility.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';

interface Scan {
  /** With the costs of opening the relation and of its pages; what each row costs comes on top. */
  readonly plan: Plan;
  readonly perTuple: number;
  readonly tuples: number;
  readonly required: PlanParam[];
  readonly keepsRows: boolean;
}

/** A unique index over this column alone. */
const isUniqueColumn = (info: RelationInfo, column: number): boolean =>
  info.indexes.some(
    (index) =>
      index.unique &&
      index.immediate &&
      index.nKeys === 1 &&
      index.columns[0] === column &&
      index.predicate.length === 0,
  );

/** A way through indexes. */
interface LookupPath {
  readonly outerRelids: bigint;
  readonly outerClauses: readonly Expr[];
  readonly order: readonly SortKey[];
  readonly cost: ScanCost;
  make(targets: TargetEntry[], fix: (expr: Expr) => Expr): Plan;
}

/** What the search for joins knows about a relation's surroundings. */
export interface BasePathJob {
  readonly targets: TargetEntry[];
  readonly stats: StatsOf;
  /** Conditions that mention this relation and others. */
  readonly joinQuals: readonly Expr[];
  readonly totalPages: number;
  readonly wanted: readonly (readonly SortKey[])[];
  readonly startupMatters: boolean;
  rowsOf(relids: bigint): number;
}

export class BaseRelation {
  #tuples = 1000;
  #unique = false;
  #prepared: Scan | null = null;
  #info: RelationInfo | null = null;
  /** After prepare(): rows that pass the relation's own conditions. */
  rows = 1;
  readonly rte: RangeTblEntry;
  constructor(
    readonly root: PlannerInfo,
    readonly rtindex: number,
  ) {
    this.rte = root.query.rtable[rtindex - 1]!;
  }
  stats(v: Var): RelStats {
    const rte = this.rte;
    if (rte.rtekind !== 'relation')
      return { tuples: this.#tuples, unique: this.#unique, rows: this.rows, column: undefined };
    return {
      tuples: this.#tuples,
      rows: this.rows,
      unique: this.#info !== null && isUniqueColumn(this.#info, v.varattno),
      column: v.varattno > 0 ? columnStatistics(rte.relid, v.varattno) : undefined,
    };
  }
  /** Does some unique index make sure that at most one row has given values in these columns? */
  isUniqueOver(columns: ReadonlySet<number>): boolean {
    return (
      this.#info?.indexes.some(
        (index) =>
          index.unique &&
          index.immediate &&
          index.predicate.length === 0 &&
          index.columns.slice(0, index.nKeys).every((column) => column > 0 && columns.has(column)),
      ) === true
    );
  }
  /** Average width of a column, if statistics or the type tell. */
  columnWidth(column: number): number | undefined {
    return column > 0 ? this.#info?.widths[column - 1] : undefined;
  }
  get pages(): number {
    return this.#info?.pages ?? 0;
  }

  /** Variables of siblings that this relation needs. */
  lateralVars(): Var[] {
    const rte = this.rte;
    const found: Var[] = [];
    if (rte.rtekind === 'subquery') {
      walkQuery(rte.subquery, (node, depth) => {
        if (node.kind === 'Var' && node.varlevelsup === depth + 1) found.push({ ...node, varlevelsup: 0 });
      });
    } else {
      mapRangeTblEntry(rte, (expr) => {
        if (rte.rtekind !== 'join') pullVars(expr, 0, found);
        return expr;
      });
    }
    return found;
  }

  /** Reads catalog facts, or plans what is below, and estimates how many rows the relation gives. */
  prepare(quals: Expr[], stats: StatsOf): void {
    const scan = this.#scan(quals);
    this.#tuples = scan.tuples;
    this.#prepared = scan;
    const { plan } = scan;
    plan.planRows = clampRows(scan.tuples * clauseListSelectivity(quals, stats));
    this.rows = plan.planRows;
  }

  paths(job: BasePathJob): RelPath[] {
    const { targets } = job;
    const scan = this.#prepared!;
    const { plan } = scan;
    const qualCost = exprCost(plan.qual);
    const run = plan.totalCost - plan.startupCost + (scan.perTuple + qualCost.perTuple) * scan.tuples;
    plan.startupCost += qualCost.startup;
    plan.totalCost = plan.startupCost + run;
    plan.planWidth = this.#width(targets);
    const paths: RelPath[] = [this.#scanPath(scan, targets)];
    if (this.#info !== null) this.#addIndexPaths(this.#info, job, paths);
    return paths;
  }

  #width(targets: TargetEntry[]): number {
    const widths = this.#info?.widths;
    if (widths === undefined) return targetsWidth(targets);
    return targets.reduce((sum, { expr }) => {
      const known = expr.kind === 'Var' && expr.varattno > 0 ? widths[expr.varattno - 1] : undefined;
      return sum + (known ?? exprWidth(expr));
    }, 0);
  }

  #scanPath(scan: Scan, targets: TargetEntry[]): RelPath {
    const { plan } = scan;
    const { startupCost: startup, totalCost: total, planRows: rows, planWidth: width } = plan;
    const make = (flags: TargetFlags): Plan => {
      const physical =
        flags === 'any' && targets.every((entry) => entry.expr.kind === 'Var' && entry.expr.varattno > 0);
      const list = physical ? this.#physicalTargets() : targets.map((entry) => ({ ...entry }));
      return setOrder({ ...plan, targetlist: list }, orderOf(plan));
    };
    return {
      relids: 1n << BigInt(this.rtindex),
      rows,
      width,
      startup,
      total,
      order: orderOf(plan),
      required: scan.required,
      requiredRelids: relidsOfParams(scan.required),
      enforced: [],
      keepsRows: scan.keepsRows,
      make,
      rescan: () => this.#rescan(plan),
      sorted: (keys) => {
        const sort = makeSort(make('small'), keys);
        return { startup: sort.startupCost, total: sort.totalCost };
      },
    };
  }

  #addIndexPaths(info: RelationInfo, job: BasePathJob, paths: RelPath[]): void {
    if (info.indexes.length === 0) return;
    const rte = this.rte as RteRelation;
    const indexJob: IndexPathJob = {
      rtindex: this.rtindex,
      relid: rte.relid,
      info,
      quals: this.#prepared!.plan.qual,
      joinQuals: job.joinQuals,
      targets: job.targets,
      stats: job.stats,
      totalPages: job.totalPages,
      wanted: job.wanted,
      keepPredicate: this.#isRechecked(),
      rowsOf: job.rowsOf,
    };
    const { scans, bitmaps } = indexPaths(indexJob);
    for (const scan of scans) {
      const make = (list: TargetEntry[], fix: (expr: Expr) => Expr) => makeIndexScan(scan, this.rtindex, list, fix);
      addPath(paths, this.#indexPath({ ...scan, make }, job), job.startupMatters);
    }
    for (const bitmap of bitmapPaths(indexJob, bitmaps, this.rows)) {
      const quals = [...indexJob.quals, ...bitmap.outerClauses];
      const make = (list: TargetEntry[], fix: (expr: Expr) => Expr) =>
        makeBitmapScan(bitmap, this.rtindex, list, quals, { tuples: info.tuples, rows: this.rows }, fix);
      addPath(paths, this.#indexPath({ ...bitmap, order: [], make }, job), job.startupMatters);
    }
  }

  #isRechecked(): boolean {
    const { query } = this.root;
    return query.resultRelation === this.rtindex || query.rowMarks.some((mark) => mark.rti === this.rtindex);
  }

  #indexPath(path: LookupPath, job: BasePathJob): RelPath {
    const { targets, stats } = job;
    const required: PlanParam[] = [];
    const width = this.#width(targets);
    const rows =
      path.outerRelids === 0n
        ? this.rows
        : clampRows(this.#tuples * clauseListSelectivity([...this.#prepared!.plan.qual, ...path.outerClauses], stats));
    // The params are made now: whoever joins must know which values are needed.
    const fix = (expr: Expr): Expr => (path.outerRelids === 0n ? expr : this.#parameterise(expr, required, true));
    for (const clause of path.outerClauses) fix(clause);
    const { startup, total } = path.cost;
    const make = (): Plan => {
      const list = targets.map((entry) => ({ ...entry }));
      const plan = path.make(list, fix);
      Object.assign(plan, { startupCost: startup, totalCost: total, planRows: rows, planWidth: width });
      return setOrder(plan, path.order);
    };
    return {
      relids: 1n << BigInt(this.rtindex),
      rows,
      width,
      startup,
      total,
      order: path.order,
      required,
      requiredRelids: path.outerRelids,
      enforced: path.outerClauses,
      keepsRows: false,
      make,
      rescan: () => ({ startup, total }),
      sorted: (keys) => {
        const sort = makeSort(make(), keys);
        return { startup: sort.startupCost, total: sort.totalCost };
      },
    };
  }

  #rescan(plan: Plan): { startup: number; total: number } {
    if (plan.kind === 'FunctionScan') return { startup: 0, total: plan.totalCost - plan.startupCost };
    if (plan.kind === 'CteScan' || plan.kind === 'WorkTableScan') {
      const bytes = relationBytes(plan.planRows, plan.planWidth);
      const io = bytes > settings.work_mem * 1024 ? settings.seq_page_cost * Math.ceil(bytes / 8192) : 0;
      return { startup: 0, total: cpuTupleCost() * plan.planRows + io };
    }
    return { startup: plan.startupCost, total: plan.totalCost };
  }

  #physicalTargets(): TargetEntry[] {
    return rteColumns(this.rte).map((column, i) =>
      makeTargetEntry(makeVar(this.rtindex, i + 1, column.type, column.typmod, column.collation), i + 1, null),
    );
  }

  #scan(quals: Expr[]): Scan {
    const rte = this.rte;
    switch (rte.rtekind) {
      case 'relation':
        if (rte.tablesample !== null) {
          return report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'TABLESAMPLE is not supported' });
        }
        return this.#seqScan(quals);
      case 'tablefunc':
        return report('ERROR', {
          code: SQLSTATE.featureNotSupported,
          message: 'unsupported XML feature',
          detail: 'This functionality requires the server to be built with libxml support.',
        });
      case 'function':
        return this.#functionScan(quals);
      case 'values':
        return this.#valuesScan(quals);
      case 'subquery':
        return this.#subqueryScan(rte, quals);
      case 'cte':
        return this.#cteScan(quals);
      default:
        throw new Error(`cannot scan a range table entry of kind ${rte.rtekind}`);
    }
  }

  #fields(quals: Expr[], startup: number, total: number) {
    return { ...baseFields([]), qual: quals, startupCost: startup, totalCost: total, scanrelid: this.rtindex };
  }

  /** The expression with siblings' variables as params; `keepOwn`: those of this relation stay. */
  #parameterise(expr: Expr, required: PlanParam[], keepOwn = false): Expr {
    return rewriteExpr(expr, (node, level) => {
      if (node.kind !== 'Var' || node.varlevelsup !== level) return node;
      if (keepOwn && node.varno === this.rtindex) return node;
      const item: Var = { ...node, varlevelsup: 0 };
      const saved = this.root.planParams;
      this.root.planParams = required as PlanParam[];
      const param = paramForItem(this.root, item);
      this.root.planParams = saved;
      return param;
    });
  }

  #seqScan(quals: Expr[]): Scan {
    const rte = this.rte as RteRelation;
    const info = relationInfo(rte, this.rtindex);
    this.#info = info;
    this.#tuples = info.tuples;
    const startup = settings.enable_seqscan ? 0 : 1.0e10;
    const cost = startup + settings.seq_page_cost * info.pages;
    const plan: Plan = { kind: 'SeqScan', ...this.#fields(quals, startup, cost) };
    return { plan, perTuple: cpuTupleCost(), tuples: info.tuples, required: [], keepsRows: false };
  }

  #functionScan(quals: Expr[]): Scan {
    const rte = this.rte as Extract<RangeTblEntry, { rtekind: 'function' }>;
    const required: PlanParam[] = [];
    const tuples = Math.max(1, ...rte.functions.map((fn) => functionRows(fn.funcexpr)));
    const functions = rte.functions.map((fn) => ({ ...fn, funcexpr: this.#parameterise(fn.funcexpr, required) }));
    const cost = exprCost(functions.map((fn) => fn.funcexpr));
    const startup = cost.startup + cost.perTuple;
    const plan: Plan = {
      kind: 'FunctionScan',
      ...this.#fields(quals, startup, startup),
      functions,
      funcordinality: rte.funcordinality,
    };
    this.#tuples = tuples;
    return { plan, perTuple: cpuTupleCost(), tuples, required, keepsRows: true };
  }

  #valuesScan(quals: Expr[]): Scan {
    const rte = this.rte as Extract<RangeTblEntry, { rtekind: 'values' }>;
    const required: PlanParam[] = [];
    const valuesLists = rte.valuesLists.map((list) => list.map((expr) => this.#parameterise(expr, required)));
    const tuples = valuesLists.length;
    this.#tuples = tuples;
    this.#unique = true;
    return {
      plan: { kind: 'ValuesScan', ...this.#fields(quals, 0, 0), valuesLists },
      perTuple: cpuOperatorCost() + cpuTupleCost(),
      tuples,
      required,
      keepsRows: false,
    };
  }

  #cteScan(quals: Expr[]): Scan {
    const rte = this.rte as Extract<RangeTblEntry, { rtekind: 'cte' }>;
    let owner: PlannerInfo | null = this.root;
    const levels = rte.selfReference ? rte.ctelevelsup - 1 : rte.ctelevelsup;
    for (let i = 0; i < levels; i++) owner = owner?.parent ?? null;
    if (owner === null) throw new Error(`bad levelsup for CTE "${rte.ctename}"`);
    if (rte.selfReference) {
      const start = owner.nonRecursivePlan;
      if (start === null) throw new Error(`could not find plan for CTE "${rte.ctename}"`);
      const tuples = clampRows(start.planRows * 10);
      this.#tuples = tuples;
      const plan: Plan = { kind: 'WorkTableScan', ...this.#fields(quals, 0, 0), wtParam: owner.wtParam };
      return { plan, perTuple: 2 * cpuTupleCost(), tuples, required: [], keepsRows: true };
    }
    const index = owner.query.cteList.findIndex((cte) => cte.ctename === rte.ctename);
    const planId = owner.ctePlanIds[index] ?? 0;
    const subplan = owner.glob.subplans[planId - 1];
    if (subplan === undefined) throw new Error(`no plan was made for CTE "${rte.ctename}"`);
    const tuples = subplan.planRows;
    this.#tuples = tuples;
    const initPlan = owner.initPlans.find((candidate) => candidate.planId === planId);
    const plan: Plan = {
      kind: 'CteScan',
      ...this.#fields(quals, 0, 0),
      ctePlanId: planId,
      cteParam: initPlan?.setParam[0] ?? 0,
    };
    return { plan, perTuple: 2 * cpuTupleCost(), tuples, required: [], keepsRows: true };
  }

  #subqueryScan(rte: RteSubquery, quals: Expr[]): Scan {
    const { query, left } = pushQuals(rte, this.rtindex, quals);
    const saved = this.root.planParams;
    this.root.planParams = [];
    const { plan: subplan, root: subroot } = planSubquery(this.root.glob, query, this.root, 0);
    const required = this.root.planParams;
    this.root.planParams = saved;
    const tuples = subplan.planRows;
    this.#tuples = tuples;
    this.#unique =
      query.distinctClause.length === 1 || (query.groupClause.length === 1 && query.targetList.length >= 1);
    const plan: Plan = {
      kind: 'SubqueryScan',
      ...this.#fields(left, subplan.startupCost, subplan.totalCost),
      subplan,
    };
    this.root.glob.scanRoots.set(subplan, subroot);
    const visible = query.targetList.filter((entry) => !entry.resjunk);
    const keys: SortKey[] = [];
    for (const key of orderOf(subplan)) {
      const column = visible.findIndex((entry) =>
        subplan.targetlist.some((t) => t.resno === entry.resno && t.expr === key.expr),
      );
      if (column < 0) break;
      const target = rteColumns({ ...rte, subquery: query })[column]!;
      keys.push({ ...key, expr: makeVar(this.rtindex, column + 1, target.type, target.typmod, target.collation) });
    }
    setOrder(plan, keys);
    return { plan, perTuple: cpuTupleCost(), tuples, required, keepsRows: false };
  }
}

/** Rows a function in FROM will give: exact for series and arrays of constants. */
export function functionRows(expr: Expr): number {
  if (expr.kind !== 'FuncExpr' || !expr.funcretset) return 1;
  const proc = procRow(expr.funcid);
  if (proc === undefined) return 1000;
  const values = expr.args.map((arg) => (arg.kind === 'Const' && !arg.constisnull ? arg.constvalue : undefined));
  if (proc.prosrc.startsWith('generate_series_') && /int[48]/.test(proc.prosrc)) {
    if (expr.args.some((arg) => arg.kind === 'Const' && arg.constisnull)) return 1;
    const [from, to, step] = values;
    if (from !== undefined && to !== undefined && (expr.args.length < 3 || step !== undefined)) {
      const by = step === undefined ? 1 : Number(step);
      if (by !== 0) return clampRows(Math.floor((Number(to) - Number(from) + by) / by));
    }
  }
  if (proc.prosrc === 'array_unnest') {
    const arg = expr.args[0]!;
    if (arg.kind === 'Const' && !arg.constisnull) return clampRows((arg.constvalue as ArrayDatum).elements.length);
    if (arg.kind === 'ArrayExpr' && !arg.multidims) return clampRows(arg.elements.length);
    return 10;
  }
  return proc.prorows > 0 ? proc.prorows : 1;
}

// ---------------------------------------------------------------- conditions pushed into sub-selects

/** Columns of a sub-select that a condition may refer to from outside. */
function pushableColumns(query: Query, column: number): boolean {
  const entry = query.targetList.find((target) => !target.resjunk && target.resno === column);
  if (entry === undefined || containsSet(entry.expr) || containsVolatile(entry.expr)) return false;
  const inClauses = (clauses: Query['distinctClause']): boolean =>
    clauses.some((clause) => clause.tleSortGroupRef === entry.ressortgroupref && entry.ressortgroupref !== 0);
  if (query.hasDistinctOn && !inClauses(query.distinctClause)) return false;
  if (query.hasWindowFuncs && !query.windowClause.every((clause) => inClauses(clause.partitionClause))) return false;
  return true;
}
function pushdownSafe(query: Query, columns: number[]): boolean {
  if (query.limitCount !== null || query.limitOffset !== null) return false;
  if (query.groupClause.length > 0 && query.groupingSets.length > 0) return false;
  if (query.setOperations !== null) {
    return leavesSafe(query, query.setOperations, columns);
  }
  return columns.every((column) => pushableColumns(query, column));
}
function leavesSafe(query: Query, node: SetOperationArg, columns: number[]): boolean {
  if (node.kind === 'SetOperationStmt') {
    if (node.op === 'except') return false;
    return leavesSafe(query, node.larg, columns) && leavesSafe(query, node.rarg, columns);
  }
  const rte = query.rtable[node.rtindex - 1]!;
  if (rte.rtekind !== 'subquery') return false;
  // A branch that converts types on the way up would compare another type.
  return pushdownSafe(rte.subquery, columns);
}

function pushQuals(rte: RteSubquery, rtindex: number, quals: Expr[]): { query: Query; left: Expr[] } {
  const left: Expr[] = [];
  let query = rte.subquery;
  for (const qual of quals) {
    const vars = pullVars(qual);
    const columns = [...new Set(vars.map((v) => v.varattno))];
    const safe =
      !rte.securityBarrier &&
      !containsVolatile(qual) &&
      !containsSubPlan(qual) &&
      columns.every((column) => column > 0) &&
      vars.every((v) => v.varno === rtindex) &&
      pushdownSafe(query, columns) &&
      typesAgree(query, vars);
    if (safe) query = pushInto(query, rtindex, qual);
    else left.push(qual);
  }
  return { query, left };
}
function typesAgree(query: Query, vars: Var[]): boolean {
  if (query.setOperations === null) return true;
  const agree = (node: SetOperationArg): boolean => {
    if (node.kind === 'SetOperationStmt') return agree(node.larg) && agree(node.rarg);
    const rte = query.rtable[node.rtindex - 1] as RteSubquery;
    const columns = rteColumns(rte);
    if (rte.subquery.setOperations !== null && !agreeBelow(rte.subquery, vars)) return false;
    return vars.every((v) => columns[v.varattno - 1]?.type === v.vartype);
  };
  return agree(query.setOperations);
}
const agreeBelow = (query: Query, vars: Var[]): boolean => typesAgree(query, vars);

function pushInto(query: Query, rtindex: number, qual: Expr): Query {
  if (query.setOperations !== null) {
    const rtable = query.rtable.slice();
    const visit = (node: SetOperationArg): void => {
      if (node.kind === 'SetOperationStmt') {
        visit(node.larg);
        visit(node.rarg);
        return;
      }
      const rte = rtable[node.rtindex - 1] as RteSubquery;
      rtable[node.rtindex - 1] = { ...rte, subquery: pushInto(rte.subquery, rtindex, qual) };
    };
    visit(query.setOperations);
    return { ...query, rtable };
  }
  const replace = (node: Expr): Expr => {
    if (node.kind === 'Var' && node.varlevelsup === 0 && node.varno === rtindex) {
      return query.targetList.find((entry) => !entry.resjunk && entry.resno === node.varattno)!.expr;
    }
    return mapChildren(node, replace);
  };
  const moved = replace(qual);
  if (query.hasAggs || query.groupClause.length > 0 || query.groupingSets.length > 0 || query.havingQual !== null) {
    return { ...query, havingQual: explicitAnd([...implicitAnd(query.havingQual), moved]) };
  }
  return {
    ...query,
    jointree: { ...query.jointree, quals: explicitAnd([...implicitAnd(query.jointree.quals), moved]) },
  };
}
