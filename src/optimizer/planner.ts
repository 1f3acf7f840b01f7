/** planner.ts — a Query becomes a PlannedStmt that can be kept and run any number of times.
 *
 *  With `params` the plan may rely on these values ($n become constants); without, it serves all values.
 *  Counterpart: planner(), standard_planner() of src/backend/optimizer/plan/planner.c */
import { setExpressionPlanner } from '#executor/stored-expr.ts';
import { foldExpr } from '#optimizer/const-fold.ts';
import type { BoundParams } from '#nodes/exec-nodes.ts';
import type { Query } from '#nodes/parse-nodes.ts';
import type { Plan, PlannedStmt } from '#nodes/plan-nodes.ts';
import type { PlannerGlobal } from '#optimizer/planner-info.ts';
import { finishPlan, setPlanReferences } from '#optimizer/set-refs.ts';
import { planSubquery } from '#optimizer/subquery-planner.ts';

/** Expressions that the catalog keeps are simplified like those of queries before they are compiled or compared. */
setExpressionPlanner((expr) => foldExpr(expr, { params: null, subquery: (query) => query, depth: 0 }));

export type Planner = (query: Query, params: BoundParams | null) => PlannedStmt;

let current: Planner = standardPlanner;
/** Puts `wrap(previous)` in the planner's place. */
export function addPlannerHook(wrap: (previous: Planner) => Planner): void {
  current = wrap(current);
}
export function planQuery(query: Query, params: BoundParams | null = null): PlannedStmt {
  return current(query, params);
}

export function standardPlanner(query: Query, params: BoundParams | null): PlannedStmt {
  const glob: PlannerGlobal = {
    params,
    subplans: [],
    subroots: [],
    paramExecTypes: [],
    scanRoots: new Map(),
    finalRtable: [],
    relationOids: [],
  };
  const { plan, root } = planSubquery(glob, query, null, 0);
  const planTree = setPlanReferences(root, plan);
  const subplans: Plan[] = glob.subplans.map((subplan, i) => setPlanReferences(glob.subroots[i]!, subplan));
  const nextId = { value: 0 };
  // A sub-plan is always made before the plan that uses it: dependencies point backwards.
  for (const subplan of subplans) finishPlan(subplan, subplans, nextId);
  nextId.value = 0;
  finishPlan(planTree, subplans, nextId);
  return {
    kind: 'PlannedStmt',
    commandType: query.commandType,
    hasReturning: query.returningList.length > 0,
    hasModifyingCTE: query.hasModifyingCTE,
    canSetTag: query.canSetTag,
    transientPlan: params !== null,
    dependsOnRole: false,
    planTree,
    rtable: glob.finalRtable,
    resultRelations: query.resultRelation > 0 ? [query.resultRelation] : [],
    subplans,
    rewindPlanIds: [],
    rowMarks: query.rowMarks,
    relationOids: glob.relationOids,
    paramExecTypes: glob.paramExecTypes,
    utilityStmt: null,
    stmtLocation: query.stmtLocation,
    stmtLen: query.stmtLen,
  };
}
