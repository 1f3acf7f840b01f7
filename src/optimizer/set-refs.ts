/** set-refs.ts — the last pass: expressions refer to the columns of the nodes below, range tables become one, and each
 *  node learns which parameters it depends on.
 *
 *  An upper node finds each expression, or failing that its parts, in the target list of its child.
 *  Counterpart: src/backend/optimizer/plan/setrefs.c, SS_finalize_plan() of plan/subselect.c */
import { equal, exprCollation, exprType, exprTypmod, makeVar } from '#nodes/node-funcs.ts';
import type { IndexOnlyScan, ModifyTable, Plan, PlanRowMark } from '#nodes/plan-nodes.ts';
import {
  type Expr,
  INDEX_VAR,
  INNER_VAR,
  OUTER_VAR,
  type TargetEntry,
  type Var,
  type WindowFunc,
} from '#nodes/primitives.ts';
import { forEachChild, mapChildren, mapTargets } from '#nodes/visit.ts';
import type { PlannerGlobal, PlannerInfo } from '#optimizer/planner-info.ts';

interface Pass {
  readonly glob: PlannerGlobal;
  readonly offset: number;
}

/** Finishes the plan of one query level and of everything below it. */
export function setPlanReferences(root: PlannerInfo, plan: Plan): Plan {
  const { glob } = root;
  const offset = glob.finalRtable.length;
  for (const rte of root.query.rtable) {
    glob.finalRtable.push(rte);
    if (rte.rtekind === 'relation') glob.relationOids.push(rte.relid);
  }
  return setRefs(plan, { glob, offset });
}

const scanExpr =
  (pass: Pass) =>
  (expr: Expr): Expr => {
    if (expr.kind === 'Var') {
      if (expr.varno <= 0 || pass.offset === 0) return expr;
      const syn = expr.varnosyn > 0 ? expr.varnosyn + pass.offset : expr.varnosyn;
      return { ...expr, varno: expr.varno + pass.offset, varnosyn: syn };
    }
    return mapChildren(expr, scanExpr(pass));
  };

/** A reference to column `position` of a child. */
function childVar(varno: number, entry: TargetEntry, position: number, pass: Pass): Var {
  const { expr } = entry;
  const v = makeVar(varno, position, exprType(expr), exprTypmod(expr), exprCollation(expr));
  if (expr.kind === 'Var' && expr.varno > 0) {
    v.varnosyn = expr.varnosyn > 0 ? expr.varnosyn + pass.offset : 0;
    v.varattnosyn = expr.varattnosyn;
  } else {
    v.varnosyn = 0;
    v.varattnosyn = 0;
  }
  return v;
}
function findIn(list: readonly TargetEntry[], expr: Expr, varno: number, pass: Pass): Var | null {
  const index = list.findIndex((entry) => equal(entry.expr, expr));
  return index < 0 ? null : childVar(varno, list[index]!, index + 1, pass);
}

type Fix = (expr: Expr) => Expr;
function upperExpr(outer: readonly TargetEntry[], inner: readonly TargetEntry[] | null, pass: Pass): Fix {
  const fix: Fix = (expr) => {
    if (expr.kind === 'Const' || (expr.kind === 'Param' && !outer.some((entry) => entry.expr.kind === 'Param')))
      return expr;
    const found =
      findIn(outer, expr, OUTER_VAR, pass) ?? (inner === null ? null : findIn(inner, expr, INNER_VAR, pass));
    if (found !== null) return found;
    if (expr.kind === 'Var')
      throw new Error(`variable ${expr.varno}.${expr.varattno} not found in subplan target lists`);
    return mapChildren(expr, fix);
  };
  return fix;
}
/** Nodes that pass rows on: each column is the child's column. */
const passThrough = (targets: TargetEntry[], child: Plan, pass: Pass): TargetEntry[] =>
  targets.map((entry, i) => ({ ...entry, expr: childVar(OUTER_VAR, child.targetlist[i] ?? entry, i + 1, pass) }));

function setRefs(plan: Plan, pass: Pass): Plan {
  switch (plan.kind) {
    case 'SeqScan':
    case 'SampleScan':
    case 'CteScan':
    case 'WorkTableScan':
    case 'TableFuncScan':
    case 'NamedTuplestoreScan': {
      const fix = scanExpr(pass);
      return {
        ...plan,
        scanrelid: plan.scanrelid + pass.offset,
        targetlist: mapTargets(plan.targetlist, fix),
        qual: plan.qual.map(fix),
      };
    }
    case 'IndexScan': {
      const fix = scanExpr(pass);
      return {
        ...plan,
        scanrelid: plan.scanrelid + pass.offset,
        targetlist: mapTargets(plan.targetlist, fix),
        qual: plan.qual.map(fix),
        indexqual: plan.indexqual.map(fix),
        indexqualorig: plan.indexqualorig.map(fix),
      };
    }
    case 'BitmapIndexScan': {
      const fix = scanExpr(pass);
      return {
        ...plan,
        scanrelid: plan.scanrelid + pass.offset,
        indexqual: plan.indexqual.map(fix),
        indexqualorig: plan.indexqualorig.map(fix),
      };
    }
    case 'BitmapAnd':
    case 'BitmapOr':
      return { ...plan, bitmapplans: plan.bitmapplans.map((child) => setRefs(child, pass)) };
    case 'BitmapHeapScan': {
      const fix = scanExpr(pass);
      return {
        ...plan,
        scanrelid: plan.scanrelid + pass.offset,
        targetlist: mapTargets(plan.targetlist, fix),
        qual: plan.qual.map(fix),
        bitmapqualorig: plan.bitmapqualorig.map(fix),
        lefttree: setRefs(plan.lefttree!, pass),
      };
    }
    case 'IndexOnlyScan':
      return indexOnlyRefs(plan, pass);
    case 'FunctionScan': {
      const fix = scanExpr(pass);
      return {
        ...plan,
        scanrelid: plan.scanrelid + pass.offset,
        targetlist: mapTargets(plan.targetlist, fix),
        qual: plan.qual.map(fix),
        functions: plan.functions.map((fn) => ({ ...fn, funcexpr: fix(fn.funcexpr) })),
      };
    }
    case 'ValuesScan': {
      const fix = scanExpr(pass);
      return {
        ...plan,
        scanrelid: plan.scanrelid + pass.offset,
        targetlist: mapTargets(plan.targetlist, fix),
        qual: plan.qual.map(fix),
        valuesLists: plan.valuesLists.map((list) => list.map(fix)),
      };
    }
    case 'SubqueryScan':
      return subqueryRefs(plan, pass);
    case 'Append':
      return {
        ...plan,
        targetlist: passThrough(plan.targetlist, plan.appendplans[0]!, pass),
        appendplans: plan.appendplans.map((child) => setRefs(child, pass)),
      };
    case 'MergeAppend':
      return {
        ...plan,
        targetlist: passThrough(plan.targetlist, plan.mergeplans[0]!, pass),
        mergeplans: plan.mergeplans.map((child) => setRefs(child, pass)),
      };
    case 'RecursiveUnion':
      return {
        ...plan,
        targetlist: passThrough(plan.targetlist, plan.lefttree!, pass),
        lefttree: setRefs(plan.lefttree!, pass),
        righttree: setRefs(plan.righttree!, pass),
      };
    case 'Sort':
    case 'IncrementalSort':
    case 'Material':
    case 'Unique':
    case 'SetOp':
      return {
        ...plan,
        targetlist: passThrough(plan.targetlist, plan.lefttree!, pass),
        lefttree: setRefs(plan.lefttree!, pass),
      };
    case 'LockRows':
      return {
        ...plan,
        targetlist: passThrough(plan.targetlist, plan.lefttree!, pass),
        rowMarks: shiftMarks(plan.rowMarks, pass),
        lefttree: setRefs(plan.lefttree!, pass),
      };
    case 'ModifyTable':
      return modifyRefs(plan, pass);
    case 'Limit':
      return {
        ...plan,
        targetlist: passThrough(plan.targetlist, plan.lefttree!, pass),
        lefttree: setRefs(plan.lefttree!, pass),
      };
    case 'Hash': {
      const fix = upperExpr(plan.lefttree!.targetlist, null, pass);
      return {
        ...plan,
        targetlist: passThrough(plan.targetlist, plan.lefttree!, pass),
        hashkeys: plan.hashkeys.map(fix),
        lefttree: setRefs(plan.lefttree!, pass),
      };
    }
    case 'NestLoop':
    case 'HashJoin':
    case 'MergeJoin':
      return joinRefs(plan, pass);
    case 'Result':
      return resultRefs(plan, pass);
    case 'ProjectSet':
    case 'Group': {
      const fix = upperExpr(plan.lefttree!.targetlist, null, pass);
      return {
        ...plan,
        targetlist: mapTargets(plan.targetlist, fix),
        qual: plan.qual.map(fix),
        lefttree: setRefs(plan.lefttree!, pass),
      };
    }
    case 'Agg': {
      const fix = upperExpr(plan.lefttree!.targetlist, null, pass);
      return {
        ...plan,
        targetlist: mapTargets(plan.targetlist, fix),
        qual: plan.qual.map(fix),
        aggs: plan.aggs.map((agg) => mapChildren(agg, fix) as typeof agg),
        lefttree: setRefs(plan.lefttree!, pass),
      };
    }
    case 'WindowAgg':
      return windowRefs(plan, pass);
    default:
      throw new Error(`references of a ${plan.kind} cannot be set`);
  }
}

/** What an index-only scan gives is computed of the index's columns. */
function indexOnlyRefs(plan: IndexOnlyScan, pass: Pass): Plan {
  const shift = scanExpr(pass);
  const columns = plan.indextlist;
  const fix: Fix = (expr) => {
    if (expr.kind === 'Const') return expr;
    const at = columns.findIndex((entry) => !entry.resjunk && equal(entry.expr, expr));
    if (at >= 0) return childVar(INDEX_VAR, columns[at]!, at + 1, pass);
    if (expr.kind === 'Var' && expr.varno > 0)
      throw new Error(`variable ${expr.varno}.${expr.varattno} not found in the index's columns`);
    return mapChildren(expr, fix);
  };
  return {
    ...plan,
    scanrelid: plan.scanrelid + pass.offset,
    targetlist: mapTargets(plan.targetlist, fix),
    qual: plan.qual.map(fix),
    recheckqual: plan.recheckqual.map(fix),
    indexqual: plan.indexqual.map(shift),
    indextlist: mapTargets(columns, shift),
  };
}

const shiftMarks = (marks: readonly PlanRowMark[], pass: Pass): PlanRowMark[] =>
  marks.map((mark) => ({ ...mark, rti: mark.rti + pass.offset }));

/** RETURNING and ON CONFLICT see the target's row as a scan row; `excluded` is the inner row, and what else RETURNING
 *  mentions comes from the subplan. */
function modifyRefs(plan: ModifyTable, pass: Pass): Plan {
  const child = plan.lefttree!;
  const rest = upperExpr(child.targetlist, null, pass);
  const shift = scanExpr(pass);
  const fix: Fix = (expr) => {
    if (expr.kind !== 'Var') return expr.kind === 'Const' ? expr : mapChildren(expr, fix);
    if (expr.varno === plan.resultRelation) return shift(expr);
    if (expr.varno === plan.excludedRelation) return { ...expr, varno: INNER_VAR };
    return rest(expr);
  };
  return {
    ...plan,
    resultRelation: plan.resultRelation + pass.offset,
    excludedRelation: plan.excludedRelation === 0 ? 0 : plan.excludedRelation + pass.offset,
    targetlist: mapTargets(plan.targetlist, fix),
    returningList: mapTargets(plan.returningList, fix),
    onConflictSet: mapTargets(plan.onConflictSet, fix),
    onConflictWhere: plan.onConflictWhere.map(fix),
    withCheckOptions: plan.withCheckOptions.map((option) => ({
      ...option,
      qual: option.qual === null ? null : fix(option.qual),
    })),
    rowMarks: shiftMarks(plan.rowMarks, pass),
    lefttree: setRefs(child, pass),
  };
}

function resultRefs(plan: Extract<Plan, { kind: 'Result' }>, pass: Pass): Plan {
  const fix = plan.lefttree === null ? scanExpr(pass) : upperExpr(plan.lefttree.targetlist, null, pass);
  return {
    ...plan,
    targetlist: mapTargets(plan.targetlist, fix),
    qual: plan.qual.map(fix),
    resconstantqual: plan.resconstantqual.map(scanExpr(pass)),
    lefttree: plan.lefttree === null ? null : setRefs(plan.lefttree, pass),
  };
}

function windowRefs(plan: Extract<Plan, { kind: 'WindowAgg' }>, pass: Pass): Plan {
  const child = plan.lefttree!;
  const below = upperExpr(child.targetlist, null, pass);
  const windowFuncs = plan.windowFuncs.map((fn) => mapChildren(fn, below) as WindowFunc);
  // The executor finds a function's value by identity.
  const fix: Fix = (expr) => {
    if (expr.kind === 'WindowFunc' && expr.winref === plan.winref) {
      const index = plan.windowFuncs.findIndex((fn) => equal(fn, expr));
      if (index >= 0) return windowFuncs[index]!;
    }
    if (expr.kind === 'Const') return expr;
    const found = findIn(child.targetlist, expr, OUTER_VAR, pass);
    if (found !== null) return found;
    if (expr.kind === 'Var')
      throw new Error(`variable ${expr.varno}.${expr.varattno} not found in subplan target lists`);
    return mapChildren(expr, fix);
  };
  return {
    ...plan,
    targetlist: mapTargets(plan.targetlist, fix),
    qual: plan.qual.map(fix),
    startOffset: plan.startOffset === null ? null : below(plan.startOffset),
    endOffset: plan.endOffset === null ? null : below(plan.endOffset),
    windowFuncs,
    lefttree: setRefs(child, pass),
  };
}

function joinRefs(plan: Extract<Plan, { kind: 'NestLoop' | 'HashJoin' | 'MergeJoin' }>, pass: Pass): Plan {
  const outer = plan.lefttree!;
  const inner = plan.righttree!;
  const fix = upperExpr(outer.targetlist, inner.targetlist, pass);
  const common = {
    targetlist: mapTargets(plan.targetlist, fix),
    qual: plan.qual.map(fix),
    joinqual: plan.joinqual.map(fix),
    lefttree: setRefs(outer, pass),
    righttree: setRefs(inner, pass),
  };
  switch (plan.kind) {
    case 'NestLoop': {
      const outerFix = upperExpr(outer.targetlist, null, pass);
      const nestParams = plan.nestParams.map((param) => ({ ...param, paramval: outerFix(param.paramval) }));
      return { ...plan, ...common, nestParams };
    }
    case 'HashJoin': {
      const outerFix = upperExpr(outer.targetlist, null, pass);
      return { ...plan, ...common, hashclauses: plan.hashclauses.map(fix), hashkeys: plan.hashkeys.map(outerFix) };
    }
    case 'MergeJoin':
      return { ...plan, ...common, mergeclauses: plan.mergeclauses.map(fix) };
  }
}

function subqueryRefs(plan: Extract<Plan, { kind: 'SubqueryScan' }>, pass: Pass): Plan {
  const subroot = pass.glob.scanRoots.get(plan.subplan);
  if (subroot === undefined) throw new Error('sub-select without planner info');
  const subplan = setPlanReferences(subroot, plan.subplan);
  const trivial =
    plan.qual.length === 0 &&
    plan.targetlist.length === subplan.targetlist.length &&
    plan.targetlist.every(({ expr, resjunk }, i) => {
      const below = subplan.targetlist[i]!;
      if (resjunk !== below.resjunk) return false;
      if (expr.kind === 'Const') return equal(expr, below.expr);
      return expr.kind === 'Var' && expr.varattno === below.resno;
    });
  if (trivial) {
    const targetlist = subplan.targetlist.map((entry, i) => ({ ...plan.targetlist[i]!, expr: entry.expr }));
    return { ...subplan, targetlist, initPlan: [...plan.initPlan, ...subplan.initPlan] };
  }
  const fix = scanExpr(pass);
  return {
    ...plan,
    scanrelid: plan.scanrelid + pass.offset,
    targetlist: mapTargets(plan.targetlist, fix),
    qual: plan.qual.map(fix),
    subplan,
  };
}

// ---------------------------------------------------------------- parameters and numbers

/** Numbers the nodes and computes allParam bottom-up. Sub-plans must have been finished before. */
export function finishPlan(plan: Plan, subplans: readonly Plan[], nextId: { value: number }): void {
  plan.planNodeId = nextId.value++;
  const params = new Set<number>();
  const children: Plan[] = [];
  if (plan.lefttree !== null) children.push(plan.lefttree);
  if (plan.righttree !== null) children.push(plan.righttree);
  if (plan.kind === 'Append') children.push(...plan.appendplans);
  if (plan.kind === 'MergeAppend') children.push(...plan.mergeplans);
  if (plan.kind === 'SubqueryScan') children.push(plan.subplan);
  if (plan.kind === 'BitmapAnd' || plan.kind === 'BitmapOr') children.push(...plan.bitmapplans);
  for (const child of children) {
    finishPlan(child, subplans, nextId);
    for (const id of child.allParam) params.add(id);
  }
  forEachPlanExpr(plan, (expr) => collectParams(expr, params, subplans));
  if (plan.kind === 'NestLoop') for (const param of plan.nestParams) params.delete(param.paramno);
  if (plan.kind === 'RecursiveUnion') params.delete(plan.wtParam);
  if (plan.kind === 'WorkTableScan') params.add(plan.wtParam);
  if (plan.kind === 'CteScan') for (const id of subplans[plan.ctePlanId - 1]?.allParam ?? []) params.add(id);
  for (const initPlan of plan.initPlan) {
    for (const id of subplans[initPlan.planId - 1]?.allParam ?? []) params.add(id);
    for (const id of initPlan.setParam) params.delete(id);
  }
  plan.allParam = [...params];
}

function collectParams(expr: Expr, params: Set<number>, subplans: readonly Plan[]): void {
  if (expr.kind === 'Param' && expr.paramkind === 'exec') params.add(expr.paramid);
  if (expr.kind === 'SubPlan') {
    const own = new Set([...expr.parParam, ...expr.paramIds]);
    for (const id of subplans[expr.planId - 1]?.allParam ?? []) if (!own.has(id)) params.add(id);
    const test = new Set<number>();
    if (expr.testexpr !== null) collectParams(expr.testexpr, test, subplans);
    for (const id of test) if (!own.has(id)) params.add(id);
    for (const arg of expr.args) collectParams(arg, params, subplans);
    return;
  }
  forEachChild(expr, (child) => collectParams(child, params, subplans));
}

/** Every expression of one node. */
export function forEachPlanExpr(plan: Plan, f: (expr: Expr) => void): void {
  for (const entry of plan.targetlist) f(entry.expr);
  plan.qual.forEach(f);
  switch (plan.kind) {
    case 'Result':
      plan.resconstantqual.forEach(f);
      return;
    case 'IndexScan':
    case 'BitmapIndexScan':
      plan.indexqual.forEach(f);
      return;
    case 'BitmapHeapScan':
      plan.bitmapqualorig.forEach(f);
      return;
    case 'IndexOnlyScan':
      plan.indexqual.forEach(f);
      plan.recheckqual.forEach(f);
      return;
    case 'FunctionScan':
      for (const fn of plan.functions) f(fn.funcexpr);
      return;
    case 'ValuesScan':
      for (const list of plan.valuesLists) list.forEach(f);
      return;
    case 'NestLoop':
      plan.joinqual.forEach(f);
      for (const param of plan.nestParams) f(param.paramval);
      return;
    case 'HashJoin':
      plan.joinqual.forEach(f);
      plan.hashkeys.forEach(f);
      return;
    case 'MergeJoin':
      plan.joinqual.forEach(f);
      plan.mergeclauses.forEach(f);
      return;
    case 'Hash':
      plan.hashkeys.forEach(f);
      return;
    case 'Agg':
      plan.aggs.forEach(f);
      return;
    case 'WindowAgg':
      plan.windowFuncs.forEach(f);
      if (plan.startOffset !== null) f(plan.startOffset);
      if (plan.endOffset !== null) f(plan.endOffset);
      return;
    case 'ModifyTable':
      for (const entry of plan.onConflictSet) f(entry.expr);
      plan.onConflictWhere.forEach(f);
      for (const option of plan.withCheckOptions) if (option.qual !== null) f(option.qual);
      return;
    case 'Limit':
      if (plan.limitOffset !== null) f(plan.limitOffset);
      if (plan.limitCount !== null) f(plan.limitCount);
      return;
    default:
  }
}
