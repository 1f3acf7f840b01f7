/** subquery-planner.ts — one query level from Query to Plan: simplify, plan FROM, then everything above it.
 *  Counterpart: subquery_planner(), grouping_planner() of src/backend/optimizer/plan/planner.c */
import type { Query } from '#nodes/parse-nodes.ts';
import type { Plan } from '#nodes/plan-nodes.ts';
import { equal as same, explicitAnd, implicitAnd } from '#nodes/node-funcs.ts';
import type { Expr, FromNode } from '#nodes/primitives.ts';
import { mapChildren, mapQuery, mapRangeTblEntry, mapTargets } from '#nodes/visit.ts';
import { type FoldScope, foldExpr } from '#optimizer/const-fold.ts';
import { planUpper } from '#optimizer/grouping.ts';
import { addRowIdentity, makeModifyTable } from '#optimizer/modify.ts';
import { makeRoot, type PlannerGlobal, type PlannerInfo } from '#optimizer/planner-info.ts';
import {
  flattenJoinAliases,
  inlineFunctionRtes,
  pullUpSubLinks,
  pullUpSubqueries,
  reduceOuterJoins,
} from '#optimizer/prep.ts';
import { planSetOperations } from '#optimizer/set-ops.ts';
import { processCtes, processSubLinks, replaceOuterReferences } from '#optimizer/subselect.ts';
import { containsAgg, containsSubLink, containsVolatile } from '#optimizer/volatility.ts';

export function planSubquery(
  glob: PlannerGlobal,
  query: Query,
  parent: PlannerInfo | null,
  tupleFraction: number,
  recursive = false,
): { plan: Plan; root: PlannerInfo } {
  const root = makeRoot(glob, query, parent);
  root.tupleFraction = tupleFraction;
  processCtes(root);
  if (root.query.setOperations === null) {
    root.query = pullUpSubLinks(flattenJoinAliases(inlineFunctionRtes(root.query)));
    root.query = pullUpSubqueries(root.query);
  }
  root.query = preprocess(root, root.query);
  if (root.multiExprParams.length > 0) root.query = setMultiExprParams(root, root.query);
  root.query = moveHaving(root.query);
  if (root.query.setOperations === null) root.query = reduceOuterJoins(root.query);
  if (root.query.commandType !== 'select' || root.query.rowMarks.length > 0) addRowIdentity(root);
  let plan =
    root.query.setOperations === null ? planUpper(root, null) : planUpper(root, planSetOperations(root, recursive));
  if (root.query.commandType !== 'select') plan = makeModifyTable(root, plan);
  if (root.initPlans.length > 0) {
    plan = { ...plan, initPlan: [...plan.initPlan, ...root.initPlans] };
    for (const initPlan of root.initPlans) {
      const cost = initPlan.startupCost + initPlan.perCallCost;
      plan.startupCost += cost;
      plan.totalCost += cost;
    }
  }
  return { plan, root };
}

/** Folds constants, plans sub-selects and resolves outer references in every expression of the level. */
function preprocess(root: PlannerInfo, query: Query): Query {
  const scope: FoldScope = { params: root.glob.params, subquery: (sub) => sub, depth: 0 };
  const prepare = (expr: Expr, qual: boolean): Expr => {
    let out = foldExpr(expr, scope);
    if (qual) out = canonicalQual(out);
    if (containsSubLink(out)) out = processSubLinks(root, out, qual);
    return root.parent === null ? out : replaceOuterReferences(root, out);
  };
  const from = (node: FromNode): FromNode => {
    switch (node.kind) {
      case 'RangeTblRef':
        return node;
      case 'FromExpr':
        return {
          ...node,
          fromlist: node.fromlist.map(from),
          quals: node.quals === null ? null : prepare(node.quals, true),
        };
      case 'JoinExpr':
        return {
          ...node,
          larg: from(node.larg),
          rarg: from(node.rarg),
          quals: node.quals === null ? null : prepare(node.quals, true),
        };
    }
  };
  const withoutFrom: Query = {
    ...query,
    jointree: { kind: 'FromExpr', fromlist: [], quals: null },
    rtable: [],
    havingQual: null,
  };
  const mapped = mapQuery(
    withoutFrom,
    (expr) => prepare(expr, false),
    (sub) => sub,
  );
  return {
    ...mapped,
    cteList: query.cteList,
    jointree: from(query.jointree) as Query['jointree'],
    havingQual: query.havingQual === null ? null : prepare(query.havingQual, true),
    rtable: query.rtable.map((rte) =>
      rte.rtekind === 'join' ? rte : mapRangeTblEntry(rte, (expr) => prepare(expr, false)),
    ),
  };
}

/** The columns of sub-selects that give several become the params that these fill. */
function setMultiExprParams(root: PlannerInfo, query: Query): Query {
  const fix = (expr: Expr): Expr => {
    if (expr.kind !== 'Param' || expr.paramkind !== 'multiexpr') return mapChildren(expr, fix);
    return root.multiExprParams[(expr.paramid >> 16) - 1]![(expr.paramid & 0xffff) - 1]!;
  };
  const conflict = query.onConflict;
  return {
    ...query,
    targetList: mapTargets(query.targetList, fix),
    onConflict: conflict === null ? null : { ...conflict, onConflictSet: mapTargets(conflict.onConflictSet, fix) },
  };
}

/** (a AND b) OR (a AND c) is a AND (b OR c): the common part can be pushed down or joined by. */
function canonicalQual(expr: Expr): Expr {
  if (expr.kind !== 'BoolExpr') return expr;
  if (expr.boolop === 'and') {
    const args = expr.args.flatMap((arg) => implicitAnd(canonicalQual(arg)));
    return explicitAnd(args) ?? expr;
  }
  if (expr.boolop !== 'or') return expr;
  const branches = expr.args.map((arg) => implicitAnd(canonicalQual(arg)));
  const first = branches[0]!;
  const common = first.filter((item) => branches.every((branch) => branch.some((other) => same(item, other))));
  if (common.length === 0) return expr;
  const rests = branches.map((branch) => branch.filter((item) => !common.some((shared) => same(item, shared))));
  if (rests.some((rest) => rest.length === 0)) return explicitAnd(common)!;
  const or: Expr = { ...expr, args: rests.map((rest) => explicitAnd(rest)!) };
  return explicitAnd([...common, or])!;
}

/** A HAVING condition without aggregates filters rows before grouping instead. */
function moveHaving(query: Query): Query {
  if (query.havingQual === null) return query;
  const stay: Expr[] = [];
  const move: Expr[] = [];
  for (const qual of implicitAnd(query.havingQual)) {
    const keep =
      containsAgg(qual) || containsVolatile(qual) || query.groupingSets.length > 0 || query.groupClause.length === 0;
    if (keep) stay.push(qual);
    else move.push(qual);
  }
  if (move.length === 0) return query;
  const quals = explicitAnd([...implicitAnd(query.jointree.quals), ...move]);
  return { ...query, jointree: { ...query.jointree, quals }, havingQual: explicitAnd(stay) };
}
