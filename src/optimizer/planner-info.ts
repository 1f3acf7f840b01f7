/** planner-info.ts — what planning one statement (PlannerGlobal) and one query level (PlannerInfo) keeps in hand.
 *  Counterpart: src/include/nodes/pathnodes.h */
import type { Oid } from '#base/ids.ts';
import { TYPE } from '#catalog/oids.ts';
import { typeRow } from '#catalog/syscache.ts';
import type { BoundParams } from '#nodes/exec-nodes.ts';
import { equal, exprCollation, exprType, exprTypmod, makeTargetEntry } from '#nodes/node-funcs.ts';
import type { Query, RangeTblEntry } from '#nodes/parse-nodes.ts';
import type { Plan, PlanRowMark } from '#nodes/plan-nodes.ts';
import type { Aggref, Expr, GroupingFunc, Param, SubPlan, TargetEntry, Var } from '#nodes/primitives.ts';

export interface PlannerGlobal {
  readonly params: BoundParams | null;
  readonly subplans: Plan[];
  readonly subroots: PlannerInfo[];
  readonly paramExecTypes: Oid[];
  /** Planner info of the sub-select below each SubqueryScan. */
  readonly scanRoots: Map<Plan, PlannerInfo>;
  readonly finalRtable: RangeTblEntry[];
  readonly relationOids: Oid[];
}

/** A value of an outer level (or of the other side of a nested loop) that is passed in by an exec param. */
export interface PlanParam {
  readonly item: Var | Aggref | GroupingFunc | Expr;
  readonly paramId: number;
}

export interface PlannerInfo {
  readonly glob: PlannerGlobal;
  readonly parent: PlannerInfo | null;
  readonly level: number;
  query: Query;
  /** Params that this level must supply to whatever is being planned below it. */
  planParams: PlanParam[];
  initPlans: SubPlan[];
  /** By CTE: planId, 0 if it was inlined or is not used. */
  ctePlanIds: number[];
  wtParam: number;
  nonRecursivePlan: Plan | null;
  /** Fraction or count of rows wanted: 0 all, < 1 fraction, else rows. */
  tupleFraction: number;
  limitTuples: number;
  /** Of a level that changes or locks rows (optimizer/modify.ts). */
  rowMarks: PlanRowMark[];
  updateColnos: number[];
  ctidColumn: number;
  /** Of UPDATE … SET (a, b) = (SELECT …): by number of the sub-select, the params of its columns. */
  multiExprParams: Param[][];
}

export function makeRoot(glob: PlannerGlobal, query: Query, parent: PlannerInfo | null): PlannerInfo {
  return {
    glob,
    parent,
    level: parent === null ? 1 : parent.level + 1,
    query,
    planParams: [],
    initPlans: [],
    ctePlanIds: [],
    wtParam: -1,
    nonRecursivePlan: null,
    tupleFraction: 0,
    limitTuples: -1,
    rowMarks: [],
    updateColnos: [],
    ctidColumn: -1,
    multiExprParams: [],
  };
}

export function newExecParam(root: PlannerInfo, type: Oid, typmod = -1, collation = 0 as Oid): Param {
  const paramid = root.glob.paramExecTypes.length;
  root.glob.paramExecTypes.push(type);
  return {
    kind: 'Param',
    paramkind: 'exec',
    paramid,
    paramtype: type,
    paramtypmod: typmod,
    paramcollid: collation,
    location: -1,
  };
}

/** The param by which an expression of `owner`'s level reaches the level being planned. */
export function paramForItem(owner: PlannerInfo, item: Expr): Param {
  const found = owner.planParams.find((known) => equal(known.item, item));
  const type = exprType(item);
  if (found !== undefined) {
    return {
      kind: 'Param',
      paramkind: 'exec',
      paramid: found.paramId,
      paramtype: type,
      paramtypmod: exprTypmod(item),
      paramcollid: exprCollation(item),
      location: -1,
    };
  }
  const param = newExecParam(owner, type, exprTypmod(item), exprCollation(item));
  owner.planParams.push({ item, paramId: param.paramid });
  return param;
}

/** Average width of a value of a type, without statistics. */
export function typeWidth(type: Oid, typmod: number): number {
  const row = typeRow(type);
  if (row === undefined) return 32;
  if (row.typlen > 0) return row.typlen;
  if (typmod >= 4 && (type === TYPE.bpchar || type === TYPE.varchar)) {
    const longest = typmod - 4;
    if (type === TYPE.bpchar || longest <= 32) return Math.max(longest, 1) + 4;
    return longest < 1000 ? 32 + Math.floor((longest - 32) / 2) : 32 + Math.floor((1000 - 32) / 2);
  }
  return 32;
}
export const exprWidth = (expr: Expr): number => typeWidth(exprType(expr), exprTypmod(expr));
export const targetsWidth = (targets: readonly TargetEntry[]): number =>
  targets.reduce((sum, entry) => sum + exprWidth(entry.expr), 0);

/** A target list of bare expressions, each once. */
export function targetsOf(exprs: readonly Expr[]): TargetEntry[] {
  const out: TargetEntry[] = [];
  for (const expr of exprs) {
    if (!out.some((entry) => equal(entry.expr, expr))) out.push(makeTargetEntry(expr, out.length + 1, null));
  }
  return out;
}
