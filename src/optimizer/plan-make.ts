/** plan-make.ts — making plan nodes on top of others, with their costs; remembering what order rows come in.
 *  Counterpart: src/backend/optimizer/util/pathnode.c, plan/createplan.c */
import type { Oid } from '#base/ids.ts';
import { equal, exprCollation } from '#nodes/node-funcs.ts';
import type { Plan, PlanFields, SortColumns } from '#nodes/plan-nodes.ts';
import type { Aggref, Expr, SortGroupClause, TargetEntry } from '#nodes/primitives.ts';
import { aggregateCosts, clampRows, cpuOperatorCost, cpuTupleCost, exprCost, sortCost } from '#optimizer/cost.ts';
import { targetsWidth } from '#optimizer/planner-info.ts';

/** One column that rows are ordered by. */
export interface SortKey {
  readonly expr: Expr;
  readonly sortop: Oid;
  readonly nullsFirst: boolean;
}
const orders = new WeakMap<Plan, readonly SortKey[]>();
export const orderOf = (plan: Plan): readonly SortKey[] => orders.get(plan) ?? [];
export function setOrder<P extends Plan>(plan: P, keys: readonly SortKey[]): P {
  if (keys.length > 0) orders.set(plan, keys);
  return plan;
}
export const sameKey = (a: SortKey, b: SortKey): boolean =>
  a.sortop === b.sortop && a.nullsFirst === b.nullsFirst && equal(a.expr, b.expr);

/** Drops keys that repeat an earlier one or are constants. */
export function usefulKeys(keys: readonly SortKey[]): SortKey[] {
  const out: SortKey[] = [];
  for (const key of keys) {
    if (key.expr.kind === 'Const' || out.some((known) => equal(known.expr, key.expr))) continue;
    out.push(key);
  }
  return out;
}
/** Do rows ordered by `have` satisfy `want`? */
export function satisfies(have: readonly SortKey[], want: readonly SortKey[]): boolean {
  const needed = usefulKeys(want);
  return needed.length <= have.length && needed.every((key, i) => sameKey(key, have[i]!));
}

export function baseFields(
  targetlist: TargetEntry[],
  lefttree: Plan | null = null,
  righttree: Plan | null = null,
): PlanFields {
  return {
    startupCost: lefttree?.startupCost ?? 0,
    totalCost: lefttree?.totalCost ?? 0,
    planRows: lefttree?.planRows ?? 1,
    planWidth: targetsWidth(targetlist),
    planNodeId: 0,
    targetlist,
    qual: [],
    lefttree,
    righttree,
    initPlan: [],
    allParam: [],
  };
}

/** A fresh list with the same expressions, for nodes that pass rows on as they are. */
export const passTargets = (plan: Plan): TargetEntry[] => plan.targetlist.map((entry) => ({ ...entry }));

/** Position (1-based) of an expression in a plan's output. */
export function findTarget(plan: Plan, expr: Expr): number {
  const index = plan.targetlist.findIndex((entry) => equal(entry.expr, expr));
  if (index < 0) throw new Error('sort or group expression is not in the target list below');
  return index + 1;
}

export function sortColumns(plan: Plan, keys: readonly SortKey[]): SortColumns {
  return {
    sortColIdx: keys.map((key) => findTarget(plan, key.expr)),
    sortOperators: keys.map((key) => key.sortop),
    collations: keys.map((key) => exprCollation(key.expr)),
    nullsFirst: keys.map((key) => key.nullsFirst),
  };
}

export function makeSort(child: Plan, wanted: readonly SortKey[], limitTuples = -1): Plan {
  const keys = usefulKeys(wanted);
  if (keys.length === 0 || satisfies(orderOf(child), keys)) return child;
  const cost = sortCost(child.totalCost, child.planRows, child.planWidth, limitTuples);
  const sort: Plan = {
    kind: 'Sort',
    ...baseFields(passTargets(child), child),
    planWidth: child.planWidth,
    startupCost: cost.startup,
    totalCost: cost.total,
    ...sortColumns(child, keys),
    boundHint: limitTuples,
  };
  return setOrder(sort, keys);
}

export function makeMaterial(child: Plan): Plan {
  const material: Plan = { kind: 'Material', ...baseFields(passTargets(child), child), planWidth: child.planWidth };
  material.totalCost = child.totalCost + 2 * cpuOperatorCost() * child.planRows;
  return setOrder(material, orderOf(child));
}

/** Nodes whose output is whatever is in their target list. */
function canProject(plan: Plan): boolean {
  switch (plan.kind) {
    case 'Hash':
    case 'Material':
    case 'Memoize':
    case 'Sort':
    case 'IncrementalSort':
    case 'Unique':
    case 'SetOp':
    case 'LockRows':
    case 'Limit':
    case 'Append':
    case 'MergeAppend':
    case 'RecursiveUnion':
    case 'ProjectSet':
      return false;
    default:
      return true;
  }
}

function sameTargets(plan: Plan, targets: readonly TargetEntry[]): boolean {
  return (
    plan.targetlist.length === targets.length &&
    targets.every((entry, i) => equal(entry.expr, plan.targetlist[i]!.expr))
  );
}
/** Names and marks of `targets` on the columns of a plan that already gives them. */
function relabel(plan: Plan, targets: readonly TargetEntry[]): Plan {
  const named = { ...plan, targetlist: plan.targetlist.map((entry, i) => ({ ...targets[i]!, expr: entry.expr })) };
  return setOrder(named, orderOf(plan));
}

/** The plan with `targets` as its output. `extraCost` charges their evaluation. */
export function project(plan: Plan, targets: TargetEntry[], replaceable = true): Plan {
  if (sameTargets(plan, targets)) return relabel(plan, targets);
  if (canProject(plan) && replaceable) {
    const before = exprCost(plan.targetlist.map((entry) => entry.expr));
    const after = exprCost(targets.map((entry) => entry.expr));
    const startup = plan.startupCost + after.startup - before.startup;
    const total = plan.totalCost + after.startup - before.startup + (after.perTuple - before.perTuple) * plan.planRows;
    const changed = {
      ...plan,
      targetlist: targets,
      startupCost: startup,
      totalCost: total,
      planWidth: targetsWidth(targets),
    };
    return setOrder(changed, orderOf(plan));
  }
  const cost = exprCost(targets.map((entry) => entry.expr));
  const result: Plan = {
    kind: 'Result',
    ...baseFields(targets, plan),
    startupCost: plan.startupCost + cost.startup,
    totalCost: plan.totalCost + cost.startup + (cpuTupleCost() + cost.perTuple) * plan.planRows,
    resconstantqual: [],
  };
  return setOrder(result, orderOf(plan));
}

/** A condition without variables decides once whether the plan runs at all. */
export function gate(plan: Plan, quals: Expr[]): Plan {
  if (quals.length === 0) return plan;
  const result: Plan = {
    kind: 'Result',
    ...baseFields(passTargets(plan), plan),
    planWidth: plan.planWidth,
    resconstantqual: quals,
  };
  const cost = exprCost(quals);
  result.startupCost += cost.startup + cost.perTuple;
  result.totalCost += cost.startup + cost.perTuple;
  return setOrder(result, orderOf(plan));
}

export interface AggOptions {
  readonly strategy: 'plain' | 'sorted' | 'hashed' | 'mixed';
  readonly clauses: readonly SortGroupClause[];
  readonly exprs: readonly Expr[];
  readonly groups: number;
  readonly aggs: Aggref[];
  readonly quals: Expr[];
  readonly groupingSets: number[][] | null;
  /** Share of groups that pass HAVING. */
  readonly havingSelectivity: number;
}
export function makeAgg(child: Plan, targets: TargetEntry[], options: AggOptions): Plan {
  const { strategy, clauses, exprs, groups, aggs } = options;
  const { trans, final } = aggregateCosts(aggs);
  const rows = child.planRows;
  const op = cpuOperatorCost();
  const tuple = cpuTupleCost();
  let startup: number;
  let total: number;
  if (strategy === 'plain') {
    startup = child.totalCost + trans.startup + trans.perTuple * rows + final.startup + final.perTuple;
    total = startup + tuple;
  } else if (strategy === 'sorted') {
    startup = child.startupCost;
    total = child.totalCost + trans.startup + trans.perTuple * rows + op * clauses.length * rows;
    total += final.startup + final.perTuple * groups + tuple * groups;
  } else {
    startup = child.totalCost + trans.startup + trans.perTuple * rows + op * clauses.length * rows + final.startup;
    total = startup + final.perTuple * groups + tuple * groups;
  }
  const having = exprCost(options.quals);
  if (options.quals.length > 0) {
    startup += having.startup;
    total += having.startup + having.perTuple * groups;
  }
  const outputRows = options.quals.length > 0 ? clampRows(groups * options.havingSelectivity) : groups;
  const targetCost = exprCost(targets.map((entry) => entry.expr));
  const agg: Plan = {
    kind: 'Agg',
    ...baseFields(targets, child),
    startupCost: startup + targetCost.startup,
    totalCost: total + targetCost.startup + targetCost.perTuple * outputRows,
    planRows: outputRows,
    qual: options.quals,
    aggstrategy: strategy,
    grpColIdx: exprs.map((expr) => findTarget(child, expr)),
    grpOperators: clauses.map((clause) => clause.eqop),
    grpCollations: exprs.map(exprCollation),
    numGroups: groups,
    groupingSets: options.groupingSets,
    chain: [],
    sort: null,
    aggs,
  };
  return strategy === 'sorted' && options.groupingSets === null ? setOrder(agg, orderOf(child)) : agg;
}

export function makeGroup(
  child: Plan,
  targets: TargetEntry[],
  clauses: readonly SortGroupClause[],
  exprs: readonly Expr[],
  groups: number,
  quals: Expr[],
  havingSelectivity: number,
): Plan {
  const op = cpuOperatorCost();
  const having = exprCost(quals);
  const outputRows = quals.length > 0 ? clampRows(groups * havingSelectivity) : groups;
  const targetCost = exprCost(targets.map((entry) => entry.expr));
  const total = child.totalCost + op * child.planRows * clauses.length + having.startup + having.perTuple * groups;
  const group: Plan = {
    kind: 'Group',
    ...baseFields(targets, child),
    startupCost: child.startupCost + having.startup + targetCost.startup,
    totalCost: total + targetCost.startup + targetCost.perTuple * outputRows,
    planRows: outputRows,
    qual: quals,
    grpColIdx: exprs.map((expr) => findTarget(child, expr)),
    grpOperators: clauses.map((clause) => clause.eqop),
    grpCollations: exprs.map(exprCollation),
  };
  return setOrder(group, orderOf(child));
}

export function makeUnique(child: Plan, exprs: readonly Expr[], operators: readonly Oid[], rows: number): Plan {
  const unique: Plan = {
    kind: 'Unique',
    ...baseFields(passTargets(child), child),
    planWidth: child.planWidth,
    planRows: rows,
    totalCost: child.totalCost + cpuOperatorCost() * child.planRows * exprs.length,
    uniqColIdx: exprs.map((expr) => findTarget(child, expr)),
    uniqOperators: [...operators],
    uniqCollations: exprs.map(exprCollation),
  };
  return setOrder(unique, orderOf(child));
}
