/** set-ops.ts — UNION, INTERSECT, EXCEPT and the recursive union.
 *
 *  Every branch is planned as a sub-select and brought to the types of the whole; INTERSECT and EXCEPT append both
 *  sides with a flag column and count.
 *  Counterpart: src/backend/optimizer/prep/prepunion.c */
import type { Oid } from '#base/ids.ts';
import { TYPE } from '#catalog/oids.ts';
import { exprCollation, exprType, makeConst, makeTargetEntry, makeVar } from '#nodes/node-funcs.ts';
import type { RteSubquery, SetOperationArg, SetOperationStmt } from '#nodes/parse-nodes.ts';
import type { Plan, SetOp } from '#nodes/plan-nodes.ts';
import type { SortGroupClause, TargetEntry } from '#nodes/primitives.ts';
import { clampRows, cpuOperatorCost, cpuTupleCost, relationBytes } from '#optimizer/cost.ts';
import { coerceTarget } from '#optimizer/coerce-target.ts';
import { baseFields, makeAgg, makeSort, makeUnique, project, type SortKey } from '#optimizer/plan-make.ts';
import { newExecParam, type PlannerInfo } from '#optimizer/planner-info.ts';
import { planSubquery } from '#optimizer/subquery-planner.ts';
import { settings } from '#runtime/guc/guc.ts';

export function planSetOperations(root: PlannerInfo, recursive: boolean): Plan {
  const top = root.query.setOperations!;
  const plan = recursive ? planRecursion(root, top) : top.op === 'union' ? planUnion(root, top) : planSetOp(root, top);
  // The query's own target list names the columns by the leftmost branch.
  return project(plan, finalTargets(root, plan));
}

/** The query's targets as the set operation's columns, in order; ORDER BY refers to these. */
function finalTargets(root: PlannerInfo, plan: Plan): TargetEntry[] {
  const visible = plan.targetlist.filter((entry) => !entry.resjunk);
  const targets = root.query.targetList.map((entry, i) => ({ ...entry, expr: visible[i]?.expr ?? entry.expr }));
  // The flag of INTERSECT and EXCEPT stays as a column that nobody sees.
  for (const entry of plan.targetlist) if (entry.resjunk) targets.push({ ...entry, resno: targets.length + 1 });
  root.query.targetList = targets;
  return targets;
}

interface Columns {
  readonly colTypes: Oid[];
  readonly colTypmods: number[];
  readonly colCollations: Oid[];
}

/** Output column i of a set operation: a Var of no relation (varno 0), which only position identifies. */
function outputTargets(columns: Columns, flag: boolean): TargetEntry[] {
  const targets = columns.colTypes.map((type, i) =>
    makeTargetEntry(makeVar(0, i + 1, type, columns.colTypmods[i]!, columns.colCollations[i]!), i + 1, null),
  );
  if (flag) {
    const column = targets.length + 1;
    targets.push(makeTargetEntry(makeVar(0, column, TYPE.int4, -1, 0 as Oid), column, 'flag', true));
  }
  return targets;
}

/** A branch, giving the columns that `wanted` declares, with a constant flag column if asked. */
function planArg(root: PlannerInfo, node: SetOperationArg, wanted: Columns, flag = -1): Plan {
  if (node.kind === 'SetOperationStmt') {
    const plan = node.op === 'union' ? planUnion(root, node) : planSetOp(root, node);
    return convert(plan, wanted, flag);
  }
  const rte = root.query.rtable[node.rtindex - 1] as RteSubquery;
  const { plan: subplan, root: subroot } = planSubquery(root.glob, rte.subquery, root, 0);
  const visible = subplan.targetlist.filter((entry) => !entry.resjunk);
  const targets = visible.map((entry, i) => {
    const v = makeVar(
      node.rtindex,
      entry.resno,
      exprType(entry.expr),
      wanted.colTypmods[i] ?? -1,
      exprCollation(entry.expr),
    );
    return makeTargetEntry(
      coerceTarget(v, wanted.colTypes[i]!, wanted.colTypmods[i]!, wanted.colCollations[i]!),
      i + 1,
      entry.resname,
    );
  });
  if (flag >= 0)
    targets.push(makeTargetEntry(makeConst(TYPE.int4, -1, 0 as Oid, flag), targets.length + 1, 'flag', true));
  const scan: Plan = {
    kind: 'SubqueryScan',
    ...baseFields(targets),
    startupCost: subplan.startupCost,
    totalCost: subplan.totalCost + cpuTupleCost() * subplan.planRows,
    planRows: subplan.planRows,
    scanrelid: node.rtindex,
    subplan,
  };
  root.glob.scanRoots.set(subplan, subroot);
  return scan;
}

/** A nested set operation's output brought to the outer one's types. */
function convert(plan: Plan, wanted: Columns, flag: number): Plan {
  const visible = plan.targetlist.filter((entry) => !entry.resjunk);
  const same =
    flag < 0 &&
    plan.targetlist.length === visible.length &&
    visible.every((entry, i) => exprType(entry.expr) === wanted.colTypes[i]);
  if (same) return plan;
  const targets = visible.map((entry, i) =>
    makeTargetEntry(
      coerceTarget(entry.expr, wanted.colTypes[i]!, wanted.colTypmods[i]!, wanted.colCollations[i]!),
      i + 1,
      null,
    ),
  );
  if (flag >= 0)
    targets.push(makeTargetEntry(makeConst(TYPE.int4, -1, 0 as Oid, flag), targets.length + 1, 'flag', true));
  return project(plan, targets, false);
}

function makeAppend(children: Plan[], targets: TargetEntry[]): Plan {
  const append: Plan = {
    kind: 'Append',
    ...baseFields(targets),
    startupCost: children[0]?.startupCost ?? 0,
    totalCost: children.reduce((sum, child) => sum + child.totalCost, 0),
    planRows: children.reduce((sum, child) => sum + child.planRows, 0),
    appendplans: children,
  };
  append.totalCost += cpuTupleCost() * 0.5 * append.planRows;
  return append;
}

/** Branches of nested unions that can be appended together. */
function unionBranches(node: SetOperationArg, top: SetOperationStmt): SetOperationArg[] {
  if (
    node.kind === 'SetOperationStmt' &&
    node.op === 'union' &&
    (node.all === top.all || node.all) &&
    node.colTypes.every((type, i) => type === top.colTypes[i])
  ) {
    return [...unionBranches(node.larg, top), ...unionBranches(node.rarg, top)];
  }
  return [node];
}

function planUnion(root: PlannerInfo, node: SetOperationStmt): Plan {
  const branches = [...unionBranches(node.larg, node), ...unionBranches(node.rarg, node)];
  const children = branches.map((branch) => planArg(root, branch, node));
  const targets = outputTargets(node, false);
  const plan = makeAppend(children, targets);
  return node.all ? plan : distinctRows(plan, node.groupClauses);
}

const keysOf = (plan: Plan, clauses: readonly SortGroupClause[]): SortKey[] =>
  clauses.map((clause, i) => ({
    expr: plan.targetlist[i]!.expr,
    sortop: clause.sortop,
    nullsFirst: clause.nullsFirst,
  }));

function distinctRows(plan: Plan, clauses: SortGroupClause[]): Plan {
  if (clauses.length === 0) return plan;
  const exprs = clauses.map((_, i) => plan.targetlist[i]!.expr);
  const rows = plan.planRows;
  const candidates: Plan[] = [];
  if (clauses.every((clause) => clause.hashable)) {
    candidates.push(
      makeAgg(
        plan,
        plan.targetlist.map((entry) => ({ ...entry })),
        {
          strategy: 'hashed',
          clauses,
          exprs,
          groups: rows,
          aggs: [],
          quals: [],
          groupingSets: null,
          havingSelectivity: 1,
        },
      ),
    );
  }
  if (clauses.every((clause) => clause.sortop !== 0)) {
    candidates.push(
      makeUnique(
        makeSort(plan, keysOf(plan, clauses)),
        exprs,
        clauses.map((clause) => clause.eqop),
        rows,
      ),
    );
  }
  return candidates.reduce((best, candidate) => (candidate.totalCost < best.totalCost ? candidate : best));
}

function planSetOp(root: PlannerInfo, node: SetOperationStmt): Plan {
  let first = planArg(root, node.larg, node, 0);
  let second = planArg(root, node.rarg, node, 1);
  const leftRows = first.planRows;
  const rightRows = second.planRows;
  const leftGroups = clampRows(leftRows);
  const rightGroups = clampRows(rightRows);
  const except = node.op === 'except';
  // INTERSECT does not care which side is hashed first: the smaller one.
  const swap = !except && leftGroups > rightGroups;
  if (swap) [first, second] = [second, first];
  const groups = except ? leftGroups : Math.min(leftGroups, rightGroups);
  const rows = node.all ? Math.min(leftRows, except ? leftRows : rightRows) : groups;
  const append = makeAppend([first, second], outputTargets(node, true));
  const clauses = node.groupClauses;
  const hash =
    clauses.every((clause) => clause.hashable) &&
    relationBytes(groups, append.planWidth) <= settings.work_mem * 1024 * settings.hash_mem_multiplier;
  const sortable = clauses.every((clause) => clause.sortop !== 0);
  const input = hash || !sortable ? append : makeSort(append, keysOf(append, clauses));
  const plan: SetOp = {
    kind: 'SetOp',
    ...baseFields(
      input.targetlist.map((entry) => ({ ...entry })),
      input,
    ),
    totalCost: input.totalCost + cpuOperatorCost() * input.planRows * clauses.length,
    planRows: rows,
    cmd: node.op as SetOp['cmd'],
    all: node.all,
    strategy: hash || !sortable ? 'hashed' : 'sorted',
    dupColIdx: clauses.map((_, i) => i + 1),
    dupOperators: clauses.map((clause) => clause.eqop),
    dupCollations: clauses.map((_, i) => node.colCollations[i]!),
    flagColIdx: node.colTypes.length + 1,
    firstFlag: swap ? 1 : 0,
    numGroups: groups,
  };
  return plan;
}

/** WITH RECURSIVE … UNION [ALL] …: the right branch reads what the left one and earlier rounds gave. */
function planRecursion(root: PlannerInfo, node: SetOperationStmt): Plan {
  const left = planArg(root, node.larg, node);
  root.wtParam = newExecParam(root, TYPE.internal).paramid;
  root.nonRecursivePlan = left;
  const right = planArg(root, node.rarg, node);
  root.nonRecursivePlan = null;
  const targets = outputTargets(node, false);
  const clauses = node.all ? [] : node.groupClauses;
  const rows = clampRows(left.planRows + 10 * right.planRows);
  return {
    kind: 'RecursiveUnion',
    ...baseFields(targets, left, right),
    startupCost: left.startupCost,
    totalCost: left.totalCost + 10 * right.totalCost + cpuTupleCost() * rows,
    planRows: rows,
    wtParam: root.wtParam,
    dupColIdx: clauses.map((_, i) => i + 1),
    dupOperators: clauses.map((clause) => clause.eqop),
    dupCollations: clauses.map((_, i) => node.colCollations[i]!),
    numGroups: rows,
  };
}
