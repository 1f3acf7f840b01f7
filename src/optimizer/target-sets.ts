/** target-sets.ts — set-returning functions in a target list: one ProjectSet per depth of nesting.
 *
 *  The innermost sets run first, all of one depth in step; what contains them is computed above.
 *  Counterpart: split_pathtarget_at_srfs() of src/backend/optimizer/util/tlist.c */
import { equal } from '#nodes/node-funcs.ts';
import type { Plan } from '#nodes/plan-nodes.ts';
import type { Expr, TargetEntry } from '#nodes/primitives.ts';
import { forEachChild } from '#nodes/visit.ts';
import { clampRows, cpuTupleCost, exprCost } from '#optimizer/cost.ts';
import { baseFields, orderOf, project, setOrder } from '#optimizer/plan-make.ts';
import { targetsOf } from '#optimizer/planner-info.ts';
import { containsSet, isSetReturning } from '#optimizer/volatility.ts';

/** Sets without another set inside that the plan has not computed yet. */
function innermost(plan: Plan, expr: Expr, out: Expr[]): void {
  if (provided(plan, expr)) return;
  let deeper = false;
  forEachChild(expr, (child) => {
    if (hasPendingSet(plan, child)) deeper = true;
    innermost(plan, child, out);
  });
  if (!deeper && isSetReturning(expr) && !out.some((known) => equal(known, expr))) out.push(expr);
}
const provided = (plan: Plan, expr: Expr): boolean => plan.targetlist.some((entry) => equal(entry.expr, expr));
function hasPendingSet(plan: Plan, expr: Expr): boolean {
  if (provided(plan, expr) || !containsSet(expr)) return false;
  if (isSetReturning(expr)) return true;
  let found = false;
  forEachChild(expr, (child) => {
    if (hasPendingSet(plan, child)) found = true;
  });
  return found;
}

export function projectSets(input: Plan, targets: TargetEntry[], rowsOf: (expr: Expr) => number): Plan {
  let plan = input;
  for (;;) {
    const sets: Expr[] = [];
    for (const entry of targets) innermost(plan, entry.expr, sets);
    if (sets.length === 0) return project(plan, targets);
    const direct = targets.every(
      (entry) => !hasPendingSet(plan, entry.expr) || sets.some((set) => equal(set, entry.expr)),
    );
    const list = direct ? targets : targetsOf([...plan.targetlist.map((entry) => entry.expr), ...sets]);
    plan = projectSet(plan, list, Math.max(1, ...sets.map(rowsOf)));
    if (direct) return plan;
  }
}

function projectSet(child: Plan, targets: TargetEntry[], rowsPerInput: number): Plan {
  const rows = clampRows(child.planRows * rowsPerInput);
  const cost = exprCost(targets.map((entry) => entry.expr).filter((expr) => !provided(child, expr)));
  const plan: Plan = {
    kind: 'ProjectSet',
    ...baseFields(targets, child),
    startupCost: child.startupCost + cost.startup,
    totalCost:
      child.totalCost +
      cost.startup +
      (cpuTupleCost() + cost.perTuple) * child.planRows +
      ((rows - child.planRows) * cpuTupleCost()) / 2,
    planRows: rows,
  };
  return setOrder(plan, orderOf(child));
}
