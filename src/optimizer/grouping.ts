/** grouping.ts — everything above FROM and WHERE, bottom up: grouping, windows, DISTINCT, sets in the target list,
 *  ORDER BY, row locks, LIMIT.
 *
 *  Each stage gets the plan so far and returns a larger one; expressions computed below are found again by equality
 *  when references are fixed at the end.
 *  Counterpart: grouping_planner() of src/backend/optimizer/plan/planner.c */
import type { Oid } from '#base/ids.ts';
import { resolveTransType } from '#executor/agg-code.ts';
import { aggregateRow } from '#catalog/syscache.ts';
import { equal, exprCollation, implicitAnd } from '#nodes/node-funcs.ts';
import type { Query, WindowClause } from '#nodes/parse-nodes.ts';
import type { Limit, Plan, WindowAgg } from '#nodes/plan-nodes.ts';
import type { Aggref, Expr, GroupingFunc, SortGroupClause, TargetEntry, WindowFunc } from '#nodes/primitives.ts';
import { anyExpr, mapChildren, mapTargets, walkExpr } from '#nodes/visit.ts';
import { clampRows, cpuOperatorCost, cpuTupleCost, exprCost } from '#optimizer/cost.ts';
import { functionRows } from '#optimizer/base-rel.ts';
import { expandGroupingSets } from '#optimizer/grouping-sets.ts';
import { JoinPlanner } from '#optimizer/join-search.ts';
import { cheapestOf } from '#optimizer/path.ts';
import {
  baseFields,
  findTarget,
  gate,
  makeAgg,
  makeGroup,
  makeSort,
  makeUnique,
  orderOf,
  passTargets,
  project,
  satisfies,
  setOrder,
  type SortKey,
  usefulKeys,
} from '#optimizer/plan-make.ts';
import { type PlannerInfo, targetsOf } from '#optimizer/planner-info.ts';
import { clauseListSelectivity, estimateGroups, type StatsOf } from '#optimizer/selectivity.ts';
import { projectSets } from '#optimizer/target-sets.ts';
import { containsSet, containsVolatile, pullVars } from '#optimizer/volatility.ts';

const exprOf = (targets: readonly TargetEntry[], clause: SortGroupClause): Expr => {
  const entry = targets.find((target) => target.ressortgroupref === clause.tleSortGroupRef);
  if (entry === undefined) throw new Error('ORDER/GROUP BY expression not found in targetlist');
  return entry.expr;
};
export const sortKeys = (targets: readonly TargetEntry[], clauses: readonly SortGroupClause[]): SortKey[] =>
  clauses.map((clause) => ({ expr: exprOf(targets, clause), sortop: clause.sortop, nullsFirst: clause.nullsFirst }));

/** State of planning above FROM. */
class Upper {
  readonly query: Query;
  targets: TargetEntry[];
  having: Expr[];
  readonly aggs: Aggref[] = [];
  stats: StatsOf = () => undefined;
  constructor(readonly root: PlannerInfo) {
    this.query = root.query;
    this.targets = root.query.targetList;
    this.having = implicitAnd(root.query.havingQual);
  }
  /** A copy for the stages that change it. */
  fork(): Upper {
    const copy = new Upper(this.root);
    copy.targets = this.targets;
    copy.having = this.having;
    copy.aggs.push(...this.aggs);
    copy.stats = this.stats;
    return copy;
  }
}

/** Rows that LIMIT and OFFSET let through, if constant: for the sort below. */
function limitTuples(query: Query): number {
  if (query.limitCount === null || query.limitOption === 'with_ties') return -1;
  const count = constantNumber(query.limitCount);
  const offset = query.limitOffset === null ? 0 : constantNumber(query.limitOffset);
  return count === null || offset === null ? -1 : count + offset;
}
function constantNumber(expr: Expr): number | null {
  if (expr.kind !== 'Const') return null;
  return expr.constisnull ? null : Number(expr.constvalue);
}

/** Grouping sets null one column and keep another, even if both are the same expression or a constant: such columns
 *  are wrapped, so that matching expressions by equality cannot take one for the other. */
function tellGroupColumnsApart(query: Query): TargetEntry[] {
  const seen: Expr[] = [];
  return query.targetList.map((entry) => {
    const grouped = query.groupClause.some((clause) => clause.tleSortGroupRef === entry.ressortgroupref);
    if (!grouped || entry.ressortgroupref === 0) return entry;
    const ambiguous = entry.expr.kind === 'Const' || seen.some((known) => equal(known, entry.expr));
    seen.push(entry.expr);
    if (!ambiguous) return entry;
    const expr: Expr = {
      kind: 'NamedArgExpr',
      arg: entry.expr,
      name: '',
      argnumber: entry.ressortgroupref,
      location: -1,
    };
    return { ...entry, expr };
  });
}

export function planUpper(root: PlannerInfo, setOperation: Plan | null): Plan {
  if (root.query.groupingSets.length > 0) {
    root.query = { ...root.query, targetList: tellGroupColumnsApart(root.query) };
  }
  const upper = new Upper(root);
  root.limitTuples = limitTuples(root.query);
  if (setOperation !== null) return finishStages(upper, setOperation);
  prepareAggs(upper);
  const grouped = isGrouped(upper.query) || upper.aggs.length > 0 || upper.having.length > 0;
  const windows = upper.query.hasWindowFuncs ? activeWindows(upper) : [];
  const input = inputTargets(upper, grouped, windows);
  // The cheapest way to get the rows may be a dear one to get them sorted: each is followed to the end.
  const candidates = planFrom(upper, input, grouped, windows).map((from) => {
    const own = upper.fork();
    let plan = from;
    if (grouped) plan = groupStage(own, plan, windows.length > 0);
    if (windows.length > 0) plan = windowStage(own, plan, windows);
    return finishStages(own, plan);
  });
  return candidates.length === 1 ? candidates[0]! : cheapestForFraction(root, candidates);
}

/** The best plan if only a part of its rows will be read. */
function cheapestForFraction(root: PlannerInfo, candidates: Plan[]): Plan {
  const wanted = root.tupleFraction;
  const cost = (plan: Plan): number => {
    if (wanted <= 0) return plan.totalCost;
    const fraction = wanted >= 1 ? Math.min(1, wanted / Math.max(1, plan.planRows)) : wanted;
    return plan.startupCost + fraction * (plan.totalCost - plan.startupCost);
  };
  return candidates.reduce((best, plan) => (cost(plan) < cost(best) ? plan : best));
}

/** Orders of the input that would save a sort above. */
function wantedOrders(upper: Upper, windows: WindowClause[]): SortKey[][] {
  const { query } = upper;
  const orders: SortKey[][] = [];
  const add = (targets: readonly TargetEntry[], clauses: readonly SortGroupClause[]): void => {
    if (clauses.length > 0 && clauses.every((clause) => clause.sortop !== 0)) orders.push(sortKeys(targets, clauses));
  };
  if (query.groupClause.length > 0 && query.groupingSets.length === 0) add(query.targetList, orderedGroupClause(upper));
  for (const clause of windows) add(upper.targets, uniqueItems([...clause.partitionClause, ...clause.orderClause]));
  add(upper.targets, query.distinctClause);
  add(upper.targets, query.sortClause);
  return orders.map(usefulKeys);
}
const isGrouped = (query: Query): boolean =>
  query.hasAggs || query.groupClause.length > 0 || query.groupingSets.length > 0;

/** Numbers the aggregates of this level; equal ones are computed once. */
function prepareAggs(upper: Upper): void {
  if (!upper.query.hasAggs) return;
  const number = (expr: Expr): Expr => {
    if (expr.kind === 'Aggref' && expr.agglevelsup === 0) {
      const known = upper.aggs.findIndex((agg) => equal({ ...agg, aggtranstype: 0 }, { ...expr, aggtranstype: 0 }));
      if (known >= 0 && !containsVolatile(expr)) return upper.aggs[known]!;
      const row = aggregateRow(expr.aggfnoid);
      const declared = row?.aggtranstype ?? (0 as Oid);
      const types = expr.aggargtypes.slice(expr.aggdirectargs.length);
      const agg: Aggref = {
        ...expr,
        aggtranstype: resolveTransType(declared, types, expr.aggtype),
        aggno: upper.aggs.length,
        aggtransno: upper.aggs.length,
      };
      upper.aggs.push(agg);
      return agg;
    }
    return mapChildren(expr, number);
  };
  upper.targets = mapTargets(upper.targets, number);
  upper.having = upper.having.map(number);
  for (const clause of upper.query.windowClause) {
    if (clause.startOffset !== null) clause.startOffset = number(clause.startOffset);
    if (clause.endOffset !== null) clause.endOffset = number(clause.endOffset);
  }
}

/** What FROM must deliver to the first stage above it. */
function inputTargets(upper: Upper, grouped: boolean, windows: WindowClause[]): TargetEntry[] {
  const { query, targets } = upper;
  if (grouped) {
    const exprs: Expr[] = query.groupClause.map((clause) => exprOf(query.targetList, clause));
    const addVars = (expr: Expr): void => {
      if (exprs.some((known) => equal(known, expr))) return;
      if (expr.kind === 'Var') {
        exprs.push(expr);
        return;
      }
      if (expr.kind === 'GroupingFunc') return;
      mapChildren(expr, (child) => {
        addVars(child);
        return child;
      });
    };
    for (const entry of targets) addVars(entry.expr);
    for (const qual of upper.having) addVars(qual);
    for (const clause of query.windowClause) {
      if (clause.startOffset !== null) addVars(clause.startOffset);
      if (clause.endOffset !== null) addVars(clause.endOffset);
    }
    return targetsOf(exprs);
  }
  if (windows.length > 0) return windowInput(upper, windows);
  if (targets.some((entry) => containsSet(entry.expr))) return targetsOf(setInputs(targets));
  return targets;
}

/** Parts of a target list that can be computed below its set-returning functions. */
function setInputs(targets: readonly TargetEntry[]): Expr[] {
  const out: Expr[] = [];
  for (const { expr } of targets) {
    if (!containsSet(expr)) out.push(expr);
    else for (const v of pullVars(expr)) out.push(v);
  }
  return out;
}

function windowInput(upper: Upper, windows: WindowClause[]): TargetEntry[] {
  const exprs: Expr[] = [];
  const add = (expr: Expr): void => {
    if (!exprs.some((known) => equal(known, expr))) exprs.push(expr);
  };
  // What windows or groups are made by is computed below as a whole, anything else from its parts.
  const refs = new Set(upper.query.groupClause.map((clause) => clause.tleSortGroupRef));
  for (const clause of windows) {
    for (const item of [...clause.partitionClause, ...clause.orderClause]) refs.add(item.tleSortGroupRef);
  }
  for (const entry of upper.targets) {
    const whole = entry.ressortgroupref !== 0 && refs.has(entry.ressortgroupref);
    if (whole && !anyExpr(entry.expr, (node) => node.kind === 'WindowFunc')) add(entry.expr);
  }
  const addParts = (expr: Expr): void => {
    if (exprs.some((known) => equal(known, expr))) return;
    if (expr.kind === 'Var' || expr.kind === 'Aggref' || expr.kind === 'GroupingFunc') {
      exprs.push(expr);
      return;
    }
    mapChildren(expr, (child) => {
      addParts(child);
      return child;
    });
  };
  for (const entry of upper.targets) addParts(entry.expr);
  for (const clause of windows) {
    if (clause.startOffset !== null) addParts(clause.startOffset);
    if (clause.endOffset !== null) addParts(clause.endOffset);
  }
  return targetsOf(exprs);
}

function planFrom(upper: Upper, input: TargetEntry[], grouped: boolean, windows: WindowClause[]): Plan[] {
  const { root, query } = upper;
  if (query.jointree.fromlist.length === 0) {
    const quals = implicitAnd(query.jointree.quals);
    const result: Plan = { kind: 'Result', ...baseFields(input), totalCost: cpuTupleCost(), resconstantqual: quals };
    const cost = exprCost(input.map((entry) => entry.expr));
    result.startupCost = cost.startup;
    result.totalCost += cost.startup + cost.perTuple;
    const gateCost = exprCost(quals);
    result.startupCost += gateCost.startup + gateCost.perTuple;
    result.totalCost += gateCost.startup + gateCost.perTuple;
    if (quals.some((qual) => qual.kind === 'Const')) {
      return [{ ...result, startupCost: 0, totalCost: 0, planRows: 0 }];
    }
    return [result];
  }
  const wanted = wantedOrders(upper, windows);
  const startupMatters = root.tupleFraction > 0 || query.limitCount !== null;
  const planner = new JoinPlanner(
    root,
    query.jointree,
    input.map((entry) => entry.expr),
    wanted,
    startupMatters,
  );
  const { rel, constantQuals } = planner.plan();
  upper.stats = planner.stats;
  const paths = rel.paths.filter((path) => path.requiredRelids === 0n);
  if (paths.length === 0) throw new Error('a lateral reference was left without its relation');
  const impossible = constantQuals.find((qual) => qual.kind === 'Const');
  if (impossible !== undefined) {
    // WHERE false: nothing is read at all.
    return [{ kind: 'Result', ...baseFields(input), planRows: 0, totalCost: 0, resconstantqual: [impossible] }];
  }
  const cheapest = cheapestOf(paths)!;
  const plainVars = grouped && input.every((entry) => entry.expr.kind === 'Var');
  const sortsInput = query.groupClause.length > 0 || query.groupingSets.length > 0;
  const loose = plainVars && !sortsInput && query.jointree.fromlist.length === 1;
  return paths
    .filter((path) => path === cheapest || startupMatters || (path.order.length > 0 && wanted.length > 0))
    .map((path) => gate(loose ? path.make('any') : project(path.make('exact'), input), constantQuals));
}

// ---------------------------------------------------------------- grouping

const hashable = (clauses: readonly SortGroupClause[]): boolean => clauses.every((clause) => clause.hashable);
const sortable = (clauses: readonly SortGroupClause[]): boolean => clauses.every((clause) => clause.sortop !== 0);

/** GROUP BY columns in the order ORDER BY wants them, where that is a matter of taste. */
function orderedGroupClause(upper: Upper): SortGroupClause[] {
  const { groupClause, sortClause } = upper.query;
  const ordered: SortGroupClause[] = [];
  for (const wanted of sortClause) {
    const clause = groupClause.find((item) => item.tleSortGroupRef === wanted.tleSortGroupRef);
    if (clause === undefined) break;
    ordered.push({ ...wanted, hashable: clause.hashable });
  }
  if (ordered.length > 0 && ordered.length < groupClause.length && ordered.length < sortClause.length) {
    return groupClause;
  }
  for (const clause of groupClause) {
    if (!ordered.some((item) => item.tleSortGroupRef === clause.tleSortGroupRef)) ordered.push(clause);
  }
  return ordered;
}

function groupStage(upper: Upper, input: Plan, beforeWindows: boolean): Plan {
  const { query, aggs, having } = upper;
  const targets = groupOutput(upper, beforeWindows);
  const havingSelectivity = clauseListSelectivity(having, upper.stats);
  if (query.groupingSets.length > 0) return groupingSetsStage(upper, input, targets, havingSelectivity);
  const clauses = orderedGroupClause(upper);
  const exprs = clauses.map((clause) => exprOf(query.targetList, clause));
  if (clauses.length === 0) {
    if (!query.hasAggs && aggs.length === 0) {
      // HAVING without aggregates or GROUP BY: one row, if the condition holds.
      return { kind: 'Result', ...baseFields(targets), totalCost: cpuTupleCost(), resconstantqual: having };
    }
    return makeAgg(input, targets, {
      strategy: 'plain',
      clauses,
      exprs,
      groups: 1,
      aggs,
      quals: having,
      groupingSets: null,
      havingSelectivity,
    });
  }
  const groups = estimateGroups(exprs, input.planRows, upper.stats);
  const options = { clauses, exprs, groups, aggs, quals: having, groupingSets: null, havingSelectivity };
  const candidates: Plan[] = [];
  if (sortable(clauses)) {
    const sorted = makeSort(input, sortKeys(query.targetList, clauses));
    candidates.push(
      query.hasAggs
        ? makeAgg(sorted, targets, { ...options, strategy: 'sorted' })
        : makeGroup(sorted, targets, clauses, exprs, groups, having, havingSelectivity),
    );
  }
  const ordered = aggs.some((agg) => agg.aggdistinct.length > 0 || agg.aggorder.length > 0);
  if (hashable(clauses) && !ordered) candidates.push(makeAgg(input, targets, { ...options, strategy: 'hashed' }));
  if (candidates.length === 0) throw new Error('could not implement GROUP BY');
  return cheapestWithOrder(upper, candidates);
}

/** The candidate that is cheapest once ORDER BY has been paid for. */
function cheapestWithOrder(upper: Upper, candidates: Plan[]): Plan {
  const { query } = upper;
  const wanted = query.sortClause.length > 0 && !query.hasWindowFuncs && query.distinctClause.length === 0;
  let best: Plan | null = null;
  let bestCost = Infinity;
  for (const plan of candidates) {
    let cost = plan.totalCost;
    if (wanted) {
      const keys = sortKeys(upper.targets, query.sortClause);
      const reachable = keys.every((key) => plan.targetlist.some((entry) => equal(entry.expr, key.expr)));
      if (reachable) cost = makeSort(plan, keys, upper.root.limitTuples).totalCost;
    }
    if (cost < bestCost * 0.99999 || best === null) {
      best = plan;
      bestCost = cost;
    }
  }
  return best!;
}

/** What the grouping node gives: the final targets, or the inputs of windows and sets above it. */
function groupOutput(upper: Upper, beforeWindows: boolean): TargetEntry[] {
  if (beforeWindows) return windowInput(upper, activeWindows(upper));
  if (upper.targets.some((entry) => containsSet(entry.expr))) {
    const exprs: Expr[] = [];
    for (const { expr } of upper.targets) {
      if (!containsSet(expr)) exprs.push(expr);
      else {
        walkExpr(expr, (node) => {
          const grouped = upper.query.groupClause.some((clause) => equal(exprOf(upper.query.targetList, clause), node));
          if (!grouped && node.kind !== 'Var' && node.kind !== 'Aggref' && node.kind !== 'GroupingFunc') return true;
          exprs.push(node);
          return false;
        });
      }
    }
    return targetsOf(exprs);
  }
  return upper.targets;
}

function groupingSetsStage(upper: Upper, input: Plan, targets: TargetEntry[], havingSelectivity: number): Plan {
  const { query, aggs, having } = upper;
  const sets = expandGroupingSets(query.groupingSets, query.groupDistinct);
  const clauses = query.groupClause;
  const refs = clauses.map((clause) => clause.tleSortGroupRef);
  const exprs = clauses.map((clause) => exprOf(query.targetList, clause));
  const positions = sets.map((set) => set.map((ref) => refs.indexOf(ref)));
  const columns = new Map(refs.map((ref, i) => [ref, findTarget(input, exprs[i]!)]));
  const number = (expr: Expr): Expr => {
    if (expr.kind === 'GroupingFunc') {
      const node: GroupingFunc = { ...expr, cols: expr.refs.map((ref) => columns.get(ref)!) };
      return node;
    }
    return mapChildren(expr, number);
  };
  upper.targets = mapTargets(upper.targets, number);
  const groups = positions.reduce(
    (sum, set) =>
      sum +
      estimateGroups(
        set.map((position) => exprs[position]!),
        input.planRows,
        upper.stats,
      ),
    0,
  );
  return makeAgg(input, mapTargets(targets, number), {
    strategy: positions.every((set) => set.length === 0)
      ? 'plain'
      : positions.some((set) => set.length === 0)
        ? 'mixed'
        : 'hashed',
    clauses,
    exprs,
    groups,
    aggs,
    quals: having.map(number),
    groupingSets: positions,
    havingSelectivity,
  });
}

// ---------------------------------------------------------------- windows

/** Windows in use, those with the most demanding order first, so that later ones may reuse a sort. */
function activeWindows(upper: Upper): WindowClause[] {
  const used = new Set<number>();
  for (const entry of upper.targets) {
    walkExpr(entry.expr, (node) => {
      if (node.kind === 'WindowFunc') used.add(node.winref);
      return true;
    });
  }
  const windows = upper.query.windowClause.filter((clause) => used.has(clause.winref));
  const keysOf = (clause: WindowClause): SortGroupClause[] =>
    uniqueItems([...clause.partitionClause, ...clause.orderClause]);
  return windows
    .map((clause, i) => ({ clause, keys: keysOf(clause), i }))
    .sort((a, b) => {
      const shared = Math.min(a.keys.length, b.keys.length);
      for (let k = 0; k < shared; k++) {
        const x = a.keys[k]!;
        const y = b.keys[k]!;
        if (x.tleSortGroupRef !== y.tleSortGroupRef) return y.tleSortGroupRef - x.tleSortGroupRef;
        if (x.sortop !== y.sortop) return y.sortop - x.sortop;
        if (x.nullsFirst !== y.nullsFirst) return x.nullsFirst ? -1 : 1;
      }
      return b.keys.length - a.keys.length || a.i - b.i;
    })
    .map(({ clause }) => clause);
}
function uniqueItems(items: SortGroupClause[]): SortGroupClause[] {
  return items.filter((item, i) => items.findIndex((other) => other.tleSortGroupRef === item.tleSortGroupRef) === i);
}

function windowStage(upper: Upper, input: Plan, windows: WindowClause[]): Plan {
  let plan = input;
  windows.forEach((clause, i) => {
    const keys = sortKeys(upper.targets, uniqueItems([...clause.partitionClause, ...clause.orderClause]));
    plan = makeSort(plan, keys);
    const last = i === windows.length - 1;
    plan = makeWindowAgg(upper, plan, clause, last);
  });
  return plan;
}

function makeWindowAgg(upper: Upper, child: Plan, clause: WindowClause, last: boolean): Plan {
  const windowFuncs: WindowFunc[] = [];
  for (const entry of upper.targets) {
    walkExpr(entry.expr, (node) => {
      if (node.kind === 'WindowFunc' && node.winref === clause.winref && !windowFuncs.some((fn) => equal(fn, node))) {
        windowFuncs.push(node);
      }
      return true;
    });
  }
  const withSets = upper.targets.some((entry) => containsSet(entry.expr));
  const targets =
    last && !withSets ? upper.targets : targetsOf([...child.targetlist.map((entry) => entry.expr), ...windowFuncs]);
  const parts = uniqueItems(clause.partitionClause);
  const orders = uniqueItems(clause.orderClause);
  const partExprs = parts.map((item) => exprOf(upper.targets, item));
  const orderExprs = orders.map((item) => exprOf(upper.targets, item));
  const funcCost = windowFuncs.reduce(
    (sum, fn) =>
      sum + cpuOperatorCost() + exprCost(fn.aggfilter === null ? fn.args : [...fn.args, fn.aggfilter]).perTuple,
    0,
  );
  const columnCost = cpuOperatorCost() * (parts.length + orders.length);
  const targetCost = exprCost(targets.map((entry) => entry.expr));
  const plan: WindowAgg = {
    kind: 'WindowAgg',
    ...baseFields(targets, child),
    totalCost: child.totalCost + (funcCost + columnCost + cpuTupleCost() + targetCost.perTuple) * child.planRows,
    winref: clause.winref,
    partColIdx: partExprs.map((expr) => findTarget(child, expr)),
    partOperators: parts.map((item) => item.eqop),
    partCollations: partExprs.map(exprCollation),
    ordColIdx: orderExprs.map((expr) => findTarget(child, expr)),
    ordOperators: orders.map((item) => item.eqop),
    ordCollations: orderExprs.map(exprCollation),
    frameOptions: clause.frameOptions,
    startOffset: clause.startOffset,
    endOffset: clause.endOffset,
    startInRangeFunc: clause.startInRangeFunc,
    endInRangeFunc: clause.endInRangeFunc,
    inRangeColl: clause.inRangeColl,
    inRangeAsc: clause.inRangeAsc,
    inRangeNullsFirst: clause.inRangeNullsFirst,
    runCondition: [],
    windowFuncs,
  };
  return setOrder(plan, orderOf(child));
}

// ---------------------------------------------------------------- above grouping

function finishStages(upper: Upper, input: Plan): Plan {
  const { query, root } = upper;
  const targets = upper.targets;
  let plan = input;
  const sets = targets.some((entry) => containsSet(entry.expr)) && query.setOperations === null;
  const sortsSets = query.sortClause
    .concat(query.distinctClause)
    .some((clause) => containsSet(exprOf(targets, clause)));
  const early = !sets || sortsSets || query.distinctClause.length > 0;
  if (sets && early) plan = projectSets(plan, targets, functionRows);
  else if (!sets) plan = project(plan, targets);
  if (query.distinctClause.length > 0) plan = distinctStage(upper, plan, targets);
  if (query.sortClause.length > 0) {
    const keys = sortKeys(targets, query.sortClause);
    plan = makeSort(plan, keys, sets && !early ? -1 : root.limitTuples);
  }
  // A set that ORDER BY does not mention is expanded after sorting.
  if (sets && !early) plan = projectSets(plan, targets, functionRows);
  if (query.rowMarks.length > 0) {
    plan = setOrder(
      { kind: 'LockRows', ...baseFields(passTargets(plan), plan), planWidth: plan.planWidth, rowMarks: root.rowMarks },
      orderOf(plan),
    );
    plan.totalCost += cpuTupleCost() * plan.planRows;
  }
  if (query.limitCount !== null || query.limitOffset !== null) plan = limitStage(upper, plan);
  return plan;
}
function distinctStage(upper: Upper, input: Plan, targets: TargetEntry[]): Plan {
  const { query } = upper;
  const clauses = query.distinctClause;
  const exprs = clauses.map((clause) => exprOf(targets, clause));
  const groups =
    upper.query.groupClause.length > 0 || query.hasAggs
      ? input.planRows
      : estimateGroups(exprs, input.planRows, upper.stats);
  const keys = sortKeys(targets, clauses);
  const operators = clauses.map((clause) => clause.eqop);
  if (query.hasDistinctOn) {
    const order = sortKeys(targets, query.sortClause);
    const needed = order.length > keys.length ? order : satisfies(order, keys) ? order : keys;
    const sorted = makeSort(input, needed.length >= keys.length ? needed : keys);
    return makeUnique(sorted, exprs, operators, groups);
  }
  const candidates: Plan[] = [];
  if (sortable(clauses)) {
    const order = sortKeys(targets, query.sortClause);
    const start = order.every((key) => keys.some((other) => equal(other.expr, key.expr))) ? order : [];
    const full = [...start, ...keys.filter((key) => !start.some((other) => equal(other.expr, key.expr)))];
    candidates.push(makeUnique(makeSort(input, full), exprs, operators, groups));
  }
  if (hashable(clauses)) {
    candidates.push(
      makeAgg(input, passTargets(input), {
        strategy: 'hashed',
        clauses,
        exprs,
        groups,
        aggs: [],
        quals: [],
        groupingSets: null,
        havingSelectivity: 1,
      }),
    );
  }
  if (candidates.length === 0) throw new Error('could not implement DISTINCT');
  const cost = (plan: Plan): number =>
    query.sortClause.length === 0 ? plan.totalCost : makeSort(plan, sortKeys(targets, query.sortClause)).totalCost;
  return candidates.reduce((best, plan) => (cost(plan) < cost(best) ? plan : best));
}

function limitStage(upper: Upper, child: Plan): Plan {
  const { query } = upper;
  const count = query.limitCount === null ? null : constantNumber(query.limitCount);
  const offset = query.limitOffset === null ? 0 : constantNumber(query.limitOffset);
  const isNullLimit = query.limitCount?.kind === 'Const' && query.limitCount.constisnull;
  const noOffset =
    query.limitOffset === null ||
    (query.limitOffset.kind === 'Const' && (query.limitOffset.constisnull || offset === 0));
  if ((query.limitCount === null || isNullLimit) && noOffset) return child;
  const run = child.totalCost - child.startupCost;
  let rows = child.planRows;
  let startup = child.startupCost;
  let total = child.totalCost;
  if (query.limitOffset !== null) {
    const skipped = Math.min(rows, offset ?? clampRows(rows * 0.1));
    if (child.planRows > 0) startup += (run * skipped) / child.planRows;
    rows = Math.max(1, rows - skipped);
  }
  if (query.limitCount !== null && !isNullLimit) {
    const wanted = Math.min(rows, count ?? clampRows(child.planRows * 0.1));
    if (child.planRows > 0) total = startup + (run * wanted) / child.planRows;
    rows = Math.max(1, wanted);
  }
  const ties = query.limitOption === 'with_ties' ? sortKeys(upper.targets, query.sortClause) : [];
  const tieClauses = query.limitOption === 'with_ties' ? query.sortClause : [];
  const plan: Limit = {
    kind: 'Limit',
    ...baseFields(passTargets(child), child),
    planWidth: child.planWidth,
    startupCost: startup,
    totalCost: total,
    planRows: rows,
    limitOffset: query.limitOffset,
    limitCount: query.limitCount,
    limitOption: query.limitOption,
    uniqColIdx: ties.map((key) => findTarget(child, key.expr)),
    uniqOperators: tieClauses.map((clause) => clause.eqop),
    uniqCollations: ties.map((key) => exprCollation(key.expr)),
  };
  return setOrder(plan, orderOf(child));
}
