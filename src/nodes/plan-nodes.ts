/** plan-nodes.ts — what the planner makes and the executor runs: a tree of immutable nodes, reusable and shareable.
 *
 *  No node carries execution state, so a cached plan may run in several portals at once. Expressions refer to the
 *  output of the children by Vars with varno OUTER_VAR (lefttree) and INNER_VAR (righttree), to a scanned relation by
 *  its range table index. `qual` is an implicit AND list.
 *  Counterpart: src/include/nodes/plannodes.h */
import type { Oid } from '#base/ids.ts';
import type {
  CommandType,
  FrameOptions,
  RangeTblEntry,
  RangeTblFunction,
  RowMarkClause,
  SetOperation,
  WithCheckOption,
} from '#nodes/parse-nodes.ts';
import type { Aggref, Expr, JoinType, Param, SubPlan, TargetEntry, Var, WindowFunc } from '#nodes/primitives.ts';

export interface PlannedStmt {
  kind: 'PlannedStmt';
  commandType: CommandType;
  hasReturning: boolean;
  hasModifyingCTE: boolean;
  canSetTag: boolean;
  /** The plan depends on the values of parameters or on the current role. */
  transientPlan: boolean;
  dependsOnRole: boolean;
  planTree: Plan;
  /** Flattened over all query levels. */
  rtable: RangeTblEntry[];
  resultRelations: number[];
  /** SubPlan.planId - 1 indexes this. */
  subplans: Plan[];
  /** Of subplans: names as EXPLAIN prints them ("InitPlan 1 (returns $0)" without the prefix). */
  rewindPlanIds: number[];
  rowMarks: RowMarkClause[];
  relationOids: Oid[];
  /** Number of exec params. */
  paramExecTypes: Oid[];
  utilityStmt: unknown;
  stmtLocation: number;
  stmtLen: number;
}

export interface PlanFields {
  startupCost: number;
  totalCost: number;
  planRows: number;
  planWidth: number;
  planNodeId: number;
  targetlist: TargetEntry[];
  qual: Expr[];
  lefttree: Plan | null;
  righttree: Plan | null;
  /** Uncorrelated sub-selects computed on demand at this node. */
  initPlan: SubPlan[];
  /** All exec params that this subtree's result depends on: a change of one means rescan. */
  allParam: readonly number[];
}

export interface Result extends PlanFields {
  kind: 'Result';
  /** One-time qualification (implicit AND). */
  resconstantqual: Expr[];
}
/** Set-returning functions in a target list. */
export interface ProjectSet extends PlanFields {
  kind: 'ProjectSet';
}
export interface Append extends PlanFields {
  kind: 'Append';
  appendplans: Plan[];
}
export interface SortColumns {
  sortColIdx: number[];
  /** The < or > operators. */
  sortOperators: Oid[];
  collations: Oid[];
  nullsFirst: boolean[];
}
export interface MergeAppend extends PlanFields, SortColumns {
  kind: 'MergeAppend';
  mergeplans: Plan[];
}
export interface RecursiveUnion extends PlanFields {
  kind: 'RecursiveUnion';
  /** Exec param that identifies the work table. */
  wtParam: number;
  /** Columns compared for UNION; empty for UNION ALL. */
  dupColIdx: number[];
  dupOperators: Oid[];
  dupCollations: Oid[];
  numGroups: number;
}

interface ScanFields extends PlanFields {
  scanrelid: number;
}
export interface SeqScan extends ScanFields {
  kind: 'SeqScan';
}
export interface SampleScan extends ScanFields {
  kind: 'SampleScan';
}
export interface IndexScan extends ScanFields {
  kind: 'IndexScan';
  indexid: Oid;
  indexqual: Expr[];
  indexqualorig: Expr[];
  indexorderby: Expr[];
  indexorderbyorig: Expr[];
  indexorderdir: 'forward' | 'backward';
}
export interface IndexOnlyScan extends ScanFields {
  kind: 'IndexOnlyScan';
  indexid: Oid;
  indexqual: Expr[];
  recheckqual: Expr[];
  indexorderby: Expr[];
  indextlist: TargetEntry[];
  indexorderdir: 'forward' | 'backward';
}
export interface BitmapIndexScan extends ScanFields {
  kind: 'BitmapIndexScan';
  indexid: Oid;
  indexqual: Expr[];
  indexqualorig: Expr[];
}
/** Sets of places, combined. */
export interface BitmapAnd extends PlanFields {
  kind: 'BitmapAnd';
  bitmapplans: Plan[];
}
export interface BitmapOr extends PlanFields {
  kind: 'BitmapOr';
  bitmapplans: Plan[];
}
export interface BitmapHeapScan extends ScanFields {
  kind: 'BitmapHeapScan';
  bitmapqualorig: Expr[];
}
export interface TidScan extends ScanFields {
  kind: 'TidScan';
  tidquals: Expr[];
}
export interface FunctionScan extends ScanFields {
  kind: 'FunctionScan';
  functions: RangeTblFunction[];
  funcordinality: boolean;
}
export interface TableFuncScan extends ScanFields {
  kind: 'TableFuncScan';
}
export interface ValuesScan extends ScanFields {
  kind: 'ValuesScan';
  valuesLists: Expr[][];
}
export interface SubqueryScan extends ScanFields {
  kind: 'SubqueryScan';
  subplan: Plan;
}
export interface CteScan extends ScanFields {
  kind: 'CteScan';
  /** 1-based index into PlannedStmt.subplans. */
  ctePlanId: number;
  cteParam: number;
}
export interface NamedTuplestoreScan extends ScanFields {
  kind: 'NamedTuplestoreScan';
  enrname: string;
}
export interface WorkTableScan extends ScanFields {
  kind: 'WorkTableScan';
  wtParam: number;
}

interface JoinFields extends PlanFields {
  jointype: JoinType;
  /** At most one inner row can match: stop after it. */
  innerUnique: boolean;
  joinqual: Expr[];
}
export interface NestLoopParam {
  paramno: number;
  paramval: Var | Param | Expr;
}
export interface NestLoop extends JoinFields {
  kind: 'NestLoop';
  nestParams: NestLoopParam[];
}
export interface MergeJoin extends JoinFields {
  kind: 'MergeJoin';
  mergeclauses: Expr[];
  /** Per clause: the < operator of the ordering, collation, nulls first. */
  mergeOperators: Oid[];
  mergeCollations: Oid[];
  mergeNullsFirst: boolean[];
}
export interface HashJoin extends JoinFields {
  kind: 'HashJoin';
  hashclauses: Expr[];
  hashoperators: Oid[];
  hashcollations: Oid[];
  /** Outer keys; the inner ones are in the Hash node. */
  hashkeys: Expr[];
}
export interface Hash extends PlanFields {
  kind: 'Hash';
  hashkeys: Expr[];
  rowsTotal: number;
}

export interface Material extends PlanFields {
  kind: 'Material';
}
export interface Memoize extends PlanFields {
  kind: 'Memoize';
  hashOperators: Oid[];
  collations: Oid[];
  paramExprs: Expr[];
  singlerow: boolean;
  binaryMode: boolean;
  estEntries: number;
  keyparamids: number[];
}
export interface Sort extends PlanFields, SortColumns {
  kind: 'Sort';
  /** Rows needed at most, when a LIMIT above is known at plan time; -1 otherwise. */
  boundHint: number;
}
export interface IncrementalSort extends PlanFields, SortColumns {
  kind: 'IncrementalSort';
  nPresortedCols: number;
}
export interface Group extends PlanFields {
  kind: 'Group';
  grpColIdx: number[];
  grpOperators: Oid[];
  grpCollations: Oid[];
}
export type AggStrategy = 'plain' | 'sorted' | 'hashed' | 'mixed';
export interface Agg extends PlanFields {
  kind: 'Agg';
  aggstrategy: AggStrategy;
  grpColIdx: number[];
  /** Equality operators. */
  grpOperators: Oid[];
  grpCollations: Oid[];
  numGroups: number;
  /** Each set lists positions in grpColIdx; null for plain GROUP BY. */
  groupingSets: number[][] | null;
  /** Further phases of a grouping-sets computation: each sorts (or hashes) again. */
  chain: Agg[];
  /** For a phase of a chain: how to sort its input; null if hashed or already sorted. */
  sort: SortColumns | null;
  aggs: Aggref[];
}
export interface WindowAgg extends PlanFields {
  kind: 'WindowAgg';
  winref: number;
  partColIdx: number[];
  partOperators: Oid[];
  partCollations: Oid[];
  ordColIdx: number[];
  ordOperators: Oid[];
  ordCollations: Oid[];
  frameOptions: FrameOptions;
  startOffset: Expr | null;
  endOffset: Expr | null;
  startInRangeFunc: Oid;
  endInRangeFunc: Oid;
  inRangeColl: Oid;
  inRangeAsc: boolean;
  inRangeNullsFirst: boolean;
  runCondition: Expr[];
  windowFuncs: WindowFunc[];
}
export interface Unique extends PlanFields {
  kind: 'Unique';
  uniqColIdx: number[];
  uniqOperators: Oid[];
  uniqCollations: Oid[];
}
export interface SetOp extends PlanFields {
  kind: 'SetOp';
  cmd: Exclude<SetOperation, 'union'>;
  all: boolean;
  strategy: 'sorted' | 'hashed';
  dupColIdx: number[];
  dupOperators: Oid[];
  dupCollations: Oid[];
  /** 1-based column that tells the branches apart (0 left, 1 right). */
  flagColIdx: number;
  firstFlag: number;
  numGroups: number;
}
/** How a relation of a modifying or locking query is found again when its target row turns out to have changed. */
export interface PlanRowMark {
  kind: 'PlanRowMark';
  rti: number;
  /** The four lock strengths; 'reference': fetch the same version again by ctid; 'copy': the row is carried along. */
  markType: 'exclusive' | 'noKeyExclusive' | 'share' | 'keyShare' | 'reference' | 'copy';
  waitPolicy: 'block' | 'skip' | 'error';
  /** Columns (from 0) of the subplan's rows with the ctid, or for 'copy' the whole row. */
  junkColumn: number;
}
export interface LockRows extends PlanFields {
  kind: 'LockRows';
  rowMarks: PlanRowMark[];
}
/** INSERT, UPDATE, DELETE. `lefttree` gives, for INSERT, the new rows with all columns of the table in order; for
 *  UPDATE the new values of `updateColnos` and the row's ctid; for DELETE the ctid. */
export interface ModifyTable extends PlanFields {
  kind: 'ModifyTable';
  operation: 'insert' | 'update' | 'delete';
  canSetTag: boolean;
  /** Range table index of the target. */
  resultRelation: number;
  /** UPDATE: column numbers by position in the subplan's rows. */
  updateColnos: number[];
  /** Column (from 0) of the subplan's rows that holds the ctid; -1 for INSERT. */
  ctidColumn: number;
  /** Over the new row (scan) and the subplan's row (outer); empty without RETURNING. */
  returningList: TargetEntry[];
  rowMarks: PlanRowMark[];
  onConflictAction: 'none' | 'nothing' | 'update';
  /** Unique indexes that decide; empty for all. */
  arbiterIndexes: Oid[];
  /** Over the existing row (scan) and the excluded one (inner). */
  onConflictSet: TargetEntry[];
  onConflictCols: number[];
  onConflictWhere: Expr[];
  /** Range table index of `excluded`, 0 if there is none. */
  excludedRelation: number;
  withCheckOptions: WithCheckOption[];
}
export interface Limit extends PlanFields {
  kind: 'Limit';
  limitOffset: Expr | null;
  limitCount: Expr | null;
  limitOption: 'count' | 'with_ties';
  uniqColIdx: number[];
  uniqOperators: Oid[];
  uniqCollations: Oid[];
}

export type Plan =
  | Result
  | ProjectSet
  | Append
  | MergeAppend
  | RecursiveUnion
  | SeqScan
  | SampleScan
  | IndexScan
  | IndexOnlyScan
  | BitmapIndexScan
  | BitmapAnd
  | BitmapOr
  | BitmapHeapScan
  | TidScan
  | FunctionScan
  | TableFuncScan
  | ValuesScan
  | SubqueryScan
  | CteScan
  | NamedTuplestoreScan
  | WorkTableScan
  | NestLoop
  | MergeJoin
  | HashJoin
  | Hash
  | Material
  | Memoize
  | Sort
  | IncrementalSort
  | Group
  | Agg
  | WindowAgg
  | Unique
  | SetOp
  | LockRows
  | ModifyTable
  | Limit;
export type PlanKind = Plan['kind'];
export type ScanPlan = Extract<Plan, { scanrelid: number }>;

/** The sub-nodes of a plan in the order EXPLAIN shows them (without init plans and sub-plans). */
export function planChildren(plan: Plan): Plan[] {
  switch (plan.kind) {
    case 'Append':
      return plan.appendplans;
    case 'MergeAppend':
      return plan.mergeplans;
    case 'BitmapAnd':
    case 'BitmapOr':
      return plan.bitmapplans;
    case 'SubqueryScan':
      return [plan.subplan];
    default: {
      const children: Plan[] = [];
      if (plan.lefttree !== null) children.push(plan.lefttree);
      if (plan.righttree !== null) children.push(plan.righttree);
      return children;
    }
  }
}
