/** subselect.ts — sub-selects in expressions become sub-plans and init plans; WITH queries become CTE plans.
 *  Counterpart: src/backend/optimizer/plan/subselect.c */
import type { Oid } from '#base/ids.ts';
import { TYPE } from '#catalog/oids.ts';
import { hashOpclass, operatorRow, procRow } from '#catalog/syscache.ts';
import { exprCollation, exprType, exprTypmod, makeConst, promotedArrayType } from '#nodes/node-funcs.ts';
import type { CommonTableExpr, Query } from '#nodes/parse-nodes.ts';
import type { Plan } from '#nodes/plan-nodes.ts';
import type { Aggref, Expr, GroupingFunc, OpExpr, Param, SubLink, SubPlan } from '#nodes/primitives.ts';
import { mapChildren, rewriteExpr, rewriteQueryExprs, walkQuery } from '#nodes/visit.ts';
import { clampRows, cpuOperatorCost, exprCost, relationBytes } from '#optimizer/cost.ts';
import { shiftExprLevels, shiftQueryLevels } from '#optimizer/levels.ts';
import { makeMaterial } from '#optimizer/plan-make.ts';
import { newExecParam, paramForItem, type PlannerInfo } from '#optimizer/planner-info.ts';
import { simplifyExists } from '#optimizer/prep.ts';
import { planSubquery } from '#optimizer/subquery-planner.ts';
import { queryContainsVolatile } from '#optimizer/volatility.ts';
import { settings } from '#runtime/guc/guc.ts';

/** Variables, aggregates and grouping functions of outer levels become exec params. */
export function replaceOuterReferences(root: PlannerInfo, expr: Expr): Expr {
  switch (expr.kind) {
    case 'Var':
      return expr.varlevelsup > 0 ? outerParam(root, expr, expr.varlevelsup) : expr;
    case 'Aggref':
    case 'GroupingFunc':
      if (expr.agglevelsup > 0) return outerParam(root, expr, expr.agglevelsup);
      break;
    default:
  }
  return mapChildren(expr, (child) => replaceOuterReferences(root, child));
}
function outerParam(root: PlannerInfo, item: Expr, levels: number): Param {
  let owner: PlannerInfo | null = root;
  for (let i = 0; i < levels; i++) owner = owner?.parent ?? null;
  if (owner === null) throw new Error('variable refers to a query level that does not exist');
  return paramForItem(owner, shiftExprLevels(item as Aggref | GroupingFunc, -levels, levels));
}

/** Replaces each SubLink of an expression. `top` says that NULL counts as FALSE there. */
export function processSubLinks(root: PlannerInfo, expr: Expr, top: boolean): Expr {
  if (expr.kind === 'SubLink') {
    const test = expr.testexpr === null ? null : processSubLinks(root, expr.testexpr, false);
    return makeSubPlan(root, { ...expr, testexpr: test }, top);
  }
  // The contents of an outer level's aggregate belong to that level.
  if (expr.kind === 'Aggref' && expr.agglevelsup > 0) return expr;
  const passes = top && expr.kind === 'BoolExpr' && expr.boolop !== 'not';
  return mapChildren(expr, (child) => processSubLinks(root, child, passes));
}

function makeSubPlan(root: PlannerInfo, link: SubLink, top: boolean): Expr {
  let subquery = link.subselect;
  if (link.subLinkType === 'exists') subquery = simplifyExists(subquery) ?? subquery;
  const fraction =
    link.subLinkType === 'exists' ? 1 : link.subLinkType === 'any' || link.subLinkType === 'all' ? 0.5 : 0;
  const saved = root.planParams;
  root.planParams = [];
  const { plan, root: subroot } = planSubquery(root.glob, subquery, root, fraction);
  const params = root.planParams;
  root.planParams = saved;
  return buildSubPlan(root, link, plan, subroot, params, top);
}

function addSubplan(root: PlannerInfo, plan: Plan, subroot: PlannerInfo): number {
  root.glob.subplans.push(plan);
  root.glob.subroots.push(subroot);
  return root.glob.subplans.length;
}

function buildSubPlan(
  root: PlannerInfo,
  link: SubLink,
  original: Plan,
  subroot: PlannerInfo,
  params: PlannerInfo['planParams'],
  top: boolean,
): Expr {
  let plan = original;
  const first = plan.targetlist.find((entry) => !entry.resjunk);
  const node: SubPlan = {
    kind: 'SubPlan',
    subLinkType: link.subLinkType,
    testexpr: null,
    paramIds: [],
    planId: 0,
    planName: '',
    firstColType: first === undefined ? TYPE.void : exprType(first.expr),
    firstColTypmod: first === undefined ? -1 : exprTypmod(first.expr),
    firstColCollation: first === undefined ? (0 as Oid) : exprCollation(first.expr),
    useHashTable: false,
    unknownEqFalse: top,
    parallelSafe: false,
    setParam: [],
    parParam: params.map((param) => param.paramId),
    args: params.map((param) => {
      // The item may itself reach further out, or hold sub-selects (an aggregate's argument).
      const item = param.item;
      return item.kind === 'Var' ? item : processSubLinks(root, replaceOuterReferences(root, item), false);
    }),
    startupCost: 0,
    perCallCost: 0,
  };
  if (link.subLinkType === 'multiexpr') return multiExprPlan(root, link, node, plan, subroot);
  const uncorrelated = params.length === 0;
  const asInitPlan = uncorrelated && ['exists', 'expr', 'array', 'rowcompare'].includes(link.subLinkType);
  if (asInitPlan) return initPlan(root, link, node, plan, subroot);

  if (link.testexpr !== null) {
    const columns = plan.targetlist.filter((entry) => !entry.resjunk);
    const ids = columns.map((entry) =>
      newExecParam(root, exprType(entry.expr), exprTypmod(entry.expr), exprCollation(entry.expr)),
    );
    node.paramIds = ids.map((param) => param.paramid);
    node.testexpr = rewriteExpr(link.testexpr, (expr) =>
      expr.kind === 'Param' && expr.paramkind === 'sublink' ? ids[expr.paramid - 1]! : expr,
    );
  }
  if (link.subLinkType === 'any' && uncorrelated && canHash(node.testexpr!) && fitsMemory(plan)) {
    node.useHashTable = true;
  } else if (uncorrelated && !keepsRows(plan) && settings.enable_material) {
    plan = makeMaterial(plan);
  }
  node.planId = addSubplan(root, plan, subroot);
  node.planName = `SubPlan ${node.planId}`;
  costSubPlan(node, plan);
  return node;
}

/** One sub-select for several columns of UPDATE: params take its columns. What it depends on is known before the target
 *  list is computed, and so is its result: the node's own value is null. */
function multiExprPlan(root: PlannerInfo, link: SubLink, node: SubPlan, plan: Plan, subroot: PlannerInfo): Expr {
  const columns = plan.targetlist.filter((entry) => !entry.resjunk);
  const ids = columns.map((entry) =>
    newExecParam(root, exprType(entry.expr), exprTypmod(entry.expr), exprCollation(entry.expr)),
  );
  root.multiExprParams[link.subLinkId - 1] = ids;
  node.setParam = ids.map((param) => param.paramid);
  const uncorrelated = node.parParam.length === 0;
  node.planId = addSubplan(root, plan, subroot);
  node.planName = uncorrelated
    ? `InitPlan ${node.planId} (returns ${node.setParam.map((id) => `$${id}`).join(',')})`
    : `SubPlan ${node.planId} (returns ${node.setParam.map((id) => `$${id}`).join(',')})`;
  costSubPlan(node, plan);
  if (!uncorrelated) return node;
  root.initPlans.push(node);
  return makeConst(TYPE.record, -1, 0 as Oid, null);
}

function initPlan(root: PlannerInfo, link: SubLink, node: SubPlan, plan: Plan, subroot: PlannerInfo): Expr {
  let result: Expr;
  if (link.subLinkType === 'rowcompare') {
    const columns = plan.targetlist.filter((entry) => !entry.resjunk);
    const ids = columns.map((entry) =>
      newExecParam(root, exprType(entry.expr), exprTypmod(entry.expr), exprCollation(entry.expr)),
    );
    node.setParam = ids.map((param) => param.paramid);
    result = rewriteExpr(link.testexpr!, (expr) =>
      expr.kind === 'Param' && expr.paramkind === 'sublink' ? ids[expr.paramid - 1]! : expr,
    );
  } else {
    const type =
      link.subLinkType === 'exists'
        ? TYPE.bool
        : link.subLinkType === 'array'
          ? promotedArrayType(node.firstColType)
          : node.firstColType;
    const plain = link.subLinkType !== 'exists';
    const param = newExecParam(
      root,
      type,
      plain ? node.firstColTypmod : -1,
      plain ? node.firstColCollation : (0 as Oid),
    );
    node.setParam = [param.paramid];
    result = param;
  }
  node.planId = addSubplan(root, plan, subroot);
  node.planName = `InitPlan ${node.planId} (returns ${node.setParam.map((id) => `$${id}`).join(',')})`;
  costSubPlan(node, plan);
  root.initPlans.push(node);
  return result;
}

function keepsRows(plan: Plan): boolean {
  return ['Material', 'FunctionScan', 'CteScan', 'WorkTableScan', 'Sort'].includes(plan.kind);
}
const fitsMemory = (plan: Plan): boolean =>
  relationBytes(plan.planRows, plan.planWidth) <= settings.work_mem * 1024 * settings.hash_mem_multiplier;

/** Only strict hashable equalities `outer = column` can be looked up. */
function canHash(test: Expr): boolean {
  const hashable = (node: Expr): boolean => {
    if (node.kind !== 'OpExpr' || node.args.length !== 2) return false;
    const op: OpExpr = node;
    const operator = operatorRow(op.opno);
    if (operator?.oprcanhash !== true || procRow(operator.oprcode)?.proisstrict !== true) return false;
    if (hashOpclass(exprType(op.args[0]!)) === undefined) return false;
    let right = op.args[1]!;
    while (right.kind === 'RelabelType') right = right.arg;
    return right.kind === 'Param' && right.paramkind === 'exec';
  };
  if (test.kind === 'BoolExpr') return test.boolop === 'and' && test.args.every(hashable);
  return hashable(test);
}

function costSubPlan(node: SubPlan, plan: Plan): void {
  const test = exprCost(node.testexpr === null ? [] : [node.testexpr]);
  if (node.useHashTable) {
    node.startupCost = plan.totalCost + cpuOperatorCost() * plan.planRows + test.startup;
    node.perCallCost = test.perTuple;
    return;
  }
  const run = plan.totalCost - plan.startupCost;
  let perCall: number;
  if (node.subLinkType === 'exists') perCall = run / clampRows(plan.planRows);
  else if (node.subLinkType === 'all' || node.subLinkType === 'any') {
    perCall = 0.5 * run + 0.5 * plan.planRows * (test.perTuple + cpuOperatorCost());
  } else perCall = run;
  node.startupCost = test.startup;
  if (node.parParam.length === 0 && keepsRows(plan)) node.startupCost += plan.startupCost;
  else perCall += plan.startupCost;
  node.perCallCost = perCall;
}

// ---------------------------------------------------------------- WITH

/** Plans the WITH list of a query; simple ones used once are put where they are used. */
export function processCtes(root: PlannerInfo): void {
  for (let index = 0; index < root.query.cteList.length; index++) {
    // Inlining one changes the definitions of those after it: the list is read anew each time.
    const cte = root.query.cteList[index]!;
    root.ctePlanIds[index] = 0;
    if (cte.cterefcount === 0 && cte.ctequery.commandType === 'select') continue;
    if (canInline(cte)) root.query = inlineCte(root.query, cte);
    else planCte(root, cte, index);
  }
}

function canInline(cte: CommonTableExpr): boolean {
  if (cte.ctematerialized === 'always' || cte.cterecursive || cte.ctequery.commandType !== 'select') return false;
  if (cte.ctematerialized === 'default' && cte.cterefcount > 1) return false;
  if (cte.ctequery.hasForUpdate || queryContainsVolatile(cte.ctequery)) return false;
  // Inside a recursive query a reference may be evaluated in another context.
  if (cte.cterefcount > 1 && refersOutward(cte.ctequery)) return false;
  return true;
}
function refersOutward(query: Query): boolean {
  let found = false;
  walkQuery(query, (node, depth) => {
    if (node.kind === 'Var' && node.varlevelsup > depth) found = true;
  });
  return found;
}

function inlineCte(query: Query, cte: CommonTableExpr): Query {
  return rewriteQueryExprs(
    query,
    (node) => node,
    0,
    (rte, level) => {
      if (rte.rtekind !== 'cte' || rte.ctename !== cte.ctename || rte.ctelevelsup !== level || rte.selfReference)
        return rte;
      const {
        ctename: _n,
        ctelevelsup: _l,
        selfReference: _s,
        coltypes: _t,
        coltypmods: _m,
        colcollations: _c,
        ...common
      } = rte;
      return {
        ...common,
        rtekind: 'subquery',
        // The definition stood one level below the WITH query; so does a sub-select at level 0.
        subquery: level === 0 ? cte.ctequery : shiftQueryLevels(cte.ctequery, level, 1),
        securityBarrier: false,
        relid: 0 as Oid,
      };
    },
  );
}

function planCte(root: PlannerInfo, cte: CommonTableExpr, index: number): void {
  const saved = root.planParams;
  root.planParams = [];
  const { plan, root: subroot } = planSubquery(root.glob, cte.ctequery, root, 0, cte.cterecursive);
  if (root.planParams.length > 0) throw new Error('unexpected outer reference in CTE query');
  root.planParams = saved;
  const param = newExecParam(root, TYPE.internal);
  const planId = addSubplan(root, plan, subroot);
  root.ctePlanIds[index] = planId;
  root.initPlans.push({
    kind: 'SubPlan',
    subLinkType: 'cte',
    testexpr: null,
    paramIds: [],
    planId,
    planName: `CTE ${cte.ctename}`,
    firstColType: TYPE.void,
    firstColTypmod: -1,
    firstColCollation: 0 as Oid,
    useHashTable: false,
    unknownEqFalse: false,
    parallelSafe: false,
    setParam: [param.paramid],
    parParam: [],
    args: [],
    startupCost: plan.startupCost,
    perCallCost: plan.totalCost - plan.startupCost,
  });
}
