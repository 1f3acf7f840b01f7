/** parse-nodes.ts — the Query tree: what parse analysis makes of a statement, the rewriter changes and the planner reads.
 *
 *  Same conventions as primitives.ts. A utility statement is a Query whose utilityStmt is the grammar's own node.
 *  Counterpart: src/include/nodes/parsenodes.h */
import type { Oid } from '#base/ids.ts';
import type { Alias, Expr, FromExpr, JoinType, SortGroupClause, TargetEntry } from '#nodes/primitives.ts';

export type { Alias, SortGroupClause };

export type CommandType = 'unknown' | 'select' | 'update' | 'insert' | 'delete' | 'merge' | 'utility' | 'nothing';

export interface Query {
  kind: 'Query';
  commandType: CommandType;
  querySource: 'original' | 'instead_rule' | 'qual_instead_rule' | 'non_instead_rule';
  canSetTag: boolean;
  /** The grammar's statement node when commandType is utility. */
  utilityStmt: unknown;
  /** Range table index of the target of INSERT/UPDATE/DELETE, else 0. */
  resultRelation: number;
  hasAggs: boolean;
  hasWindowFuncs: boolean;
  hasTargetSRFs: boolean;
  hasSubLinks: boolean;
  hasDistinctOn: boolean;
  hasRecursive: boolean;
  hasModifyingCTE: boolean;
  hasForUpdate: boolean;
  hasRowSecurity: boolean;
  isReturn: boolean;
  cteList: CommonTableExpr[];
  rtable: RangeTblEntry[];
  jointree: FromExpr;
  targetList: TargetEntry[];
  override: 'not_set' | 'user_value' | 'system_value';
  onConflict: OnConflictExpr | null;
  returningList: TargetEntry[];
  groupClause: SortGroupClause[];
  groupDistinct: boolean;
  groupingSets: GroupingSet[];
  havingQual: Expr | null;
  windowClause: WindowClause[];
  distinctClause: SortGroupClause[];
  sortClause: SortGroupClause[];
  limitOffset: Expr | null;
  limitCount: Expr | null;
  limitOption: 'count' | 'with_ties';
  rowMarks: RowMarkClause[];
  setOperations: SetOperationStmt | null;
  constraintDeps: Oid[];
  /** Checks of updatable views and row security, added by the rewriter. */
  withCheckOptions: WithCheckOption[];
  mergeActionList: MergeAction[];
  mergeUseOuterJoin: boolean;
  stmtLocation: number;
  stmtLen: number;
}

/** A Query with everything empty; the analyzer fills in what the statement has. */
export function makeQuery(commandType: CommandType): Query {
  return {
    kind: 'Query',
    commandType,
    querySource: 'original',
    canSetTag: true,
    utilityStmt: null,
    resultRelation: 0,
    hasAggs: false,
    hasWindowFuncs: false,
    hasTargetSRFs: false,
    hasSubLinks: false,
    hasDistinctOn: false,
    hasRecursive: false,
    hasModifyingCTE: false,
    hasForUpdate: false,
    hasRowSecurity: false,
    isReturn: false,
    cteList: [],
    rtable: [],
    jointree: { kind: 'FromExpr', fromlist: [], quals: null },
    targetList: [],
    override: 'not_set',
    onConflict: null,
    returningList: [],
    groupClause: [],
    groupDistinct: false,
    groupingSets: [],
    havingQual: null,
    windowClause: [],
    distinctClause: [],
    sortClause: [],
    limitOffset: null,
    limitCount: null,
    limitOption: 'count',
    rowMarks: [],
    setOperations: null,
    constraintDeps: [],
    withCheckOptions: [],
    mergeActionList: [],
    mergeUseOuterJoin: false,
    stmtLocation: -1,
    stmtLen: 0,
  };
}

/** Fields that every kind of range table entry has. */
interface RteCommon {
  kind: 'RangeTblEntry';
  alias: Alias | null;
  /** Reference name and names of all columns. */
  eref: Alias;
  lateral: boolean;
  inh: boolean;
  inFromCl: boolean;
  requiredPerms: number;
  checkAsUser: Oid;
  /** Columns read, given a value by INSERT, changed by UPDATE (attribute numbers), for permission checks. */
  selectedCols: number[];
  insertedCols: number[];
  updatedCols: number[];
  /** Generated columns that an UPDATE changes with them. */
  extraUpdatedCols: number[];
  securityQuals: Expr[];
}
/** Of an entry that asks for no privilege. */
export const noPrivileges = (): Pick<
  RteCommon,
  | 'requiredPerms'
  | 'checkAsUser'
  | 'selectedCols'
  | 'insertedCols'
  | 'updatedCols'
  | 'extraUpdatedCols'
  | 'securityQuals'
> => ({
  requiredPerms: 0,
  checkAsUser: 0 as Oid,
  selectedCols: [],
  insertedCols: [],
  updatedCols: [],
  extraUpdatedCols: [],
  securityQuals: [],
});
export interface RteRelation extends RteCommon {
  rtekind: 'relation';
  relid: Oid;
  /** pg_class.relkind. */
  relkind: string;
  rellockmode: number;
  tablesample: TableSampleClause | null;
}
export interface RteSubquery extends RteCommon {
  rtekind: 'subquery';
  subquery: Query;
  securityBarrier: boolean;
  /** The view this was expanded from, or 0. */
  relid: Oid;
}
export interface RteJoin extends RteCommon {
  rtekind: 'join';
  jointype: JoinType;
  /** Number of merged (USING) columns. */
  joinmergedcols: number;
  /** One expression per output column, over the joined relations. */
  joinaliasvars: Expr[];
  joinleftcols: number[];
  joinrightcols: number[];
  joinUsingAlias: Alias | null;
}
export interface RteFunction extends RteCommon {
  rtekind: 'function';
  functions: RangeTblFunction[];
  funcordinality: boolean;
}
export interface RteTableFunc extends RteCommon {
  rtekind: 'tablefunc';
  tablefunc: TableFunc;
}
export interface RteValues extends RteCommon {
  rtekind: 'values';
  valuesLists: Expr[][];
  coltypes: Oid[];
  coltypmods: number[];
  colcollations: Oid[];
}
export interface RteCte extends RteCommon {
  rtekind: 'cte';
  ctename: string;
  ctelevelsup: number;
  /** Reference to the CTE from within itself. */
  selfReference: boolean;
  coltypes: Oid[];
  coltypmods: number[];
  colcollations: Oid[];
}
export interface RteNamedTuplestore extends RteCommon {
  rtekind: 'namedtuplestore';
  enrname: string;
  enrtuples: number;
  relid: Oid;
  coltypes: Oid[];
  coltypmods: number[];
  colcollations: Oid[];
}
/** A RTE without columns: FROM-less queries after planning. */
export interface RteResult extends RteCommon {
  rtekind: 'result';
}
export type RangeTblEntry =
  | RteRelation
  | RteSubquery
  | RteJoin
  | RteFunction
  | RteTableFunc
  | RteValues
  | RteCte
  | RteNamedTuplestore
  | RteResult;
export type RteKind = RangeTblEntry['rtekind'];

/** Privilege bits of RangeTblEntry.requiredPerms. */
export const ACL_INSERT = 1 << 0;
export const ACL_SELECT = 1 << 1;
export const ACL_UPDATE = 1 << 2;
export const ACL_DELETE = 1 << 3;
export const ACL_TRUNCATE = 1 << 4;
export const ACL_REFERENCES = 1 << 5;
export const ACL_TRIGGER = 1 << 6;

export interface RangeTblFunction {
  kind: 'RangeTblFunction';
  funcexpr: Expr;
  /** Columns this function gives (without ordinality). */
  funccolcount: number;
  /** Column definition list, empty if none was written. */
  funccolnames: string[];
  funccoltypes: Oid[];
  funccoltypmods: number[];
  funccolcollations: Oid[];
}

/** XMLTABLE. */
export interface TableFunc {
  kind: 'TableFunc';
  nsUris: Expr[];
  nsNames: (string | null)[];
  docexpr: Expr;
  rowexpr: Expr;
  colnames: string[];
  coltypes: Oid[];
  coltypmods: number[];
  colcollations: Oid[];
  colexprs: (Expr | null)[];
  coldefexprs: (Expr | null)[];
  notnulls: boolean[];
  ordinalitycol: number;
  location: number;
}

export interface TableSampleClause {
  kind: 'TableSampleClause';
  tsmhandler: Oid;
  args: Expr[];
  repeatable: Expr | null;
}

export type GroupingSetKind = 'empty' | 'simple' | 'rollup' | 'cube' | 'sets';
export interface GroupingSet {
  kind: 'GroupingSet';
  setKind: GroupingSetKind;
  /** For simple: ressortgrouprefs. */
  refs: number[];
  /** For rollup, cube and sets. */
  content: GroupingSet[];
  location: number;
}

export type FrameBound =
  | 'unbounded_preceding'
  | 'offset_preceding'
  | 'current_row'
  | 'offset_following'
  | 'unbounded_following';
export interface FrameOptions {
  nondefault: boolean;
  mode: 'range' | 'rows' | 'groups';
  /** BETWEEN was written. */
  between: boolean;
  start: FrameBound;
  end: FrameBound;
  exclusion: 'none' | 'current_row' | 'group' | 'ties';
}
export const DEFAULT_FRAME: FrameOptions = {
  nondefault: false,
  mode: 'range',
  between: false,
  start: 'unbounded_preceding',
  end: 'current_row',
  exclusion: 'none',
};

export interface WindowClause {
  kind: 'WindowClause';
  name: string | null;
  refname: string | null;
  partitionClause: SortGroupClause[];
  orderClause: SortGroupClause[];
  frameOptions: FrameOptions;
  startOffset: Expr | null;
  endOffset: Expr | null;
  /** in_range function of RANGE offsets, or 0. */
  startInRangeFunc: Oid;
  endInRangeFunc: Oid;
  inRangeColl: Oid;
  inRangeAsc: boolean;
  inRangeNullsFirst: boolean;
  winref: number;
  copiedOrder: boolean;
}

export interface RowMarkClause {
  kind: 'RowMarkClause';
  rti: number;
  strength: 'none' | 'forkeyshare' | 'forshare' | 'fornokeyupdate' | 'forupdate';
  waitPolicy: 'block' | 'skip' | 'error';
  pushedDown: boolean;
}

export interface CommonTableExpr {
  kind: 'CommonTableExpr';
  ctename: string;
  aliascolnames: string[];
  ctematerialized: 'default' | 'always' | 'never';
  ctequery: Query;
  searchClause: CteSearchClause | null;
  cycleClause: CteCycleClause | null;
  location: number;
  cterecursive: boolean;
  /** References, not counting the recursive one. */
  cterefcount: number;
  ctecolnames: string[];
  ctecoltypes: Oid[];
  ctecoltypmods: number[];
  ctecolcollations: Oid[];
}
export interface CteSearchClause {
  kind: 'CteSearchClause';
  searchColList: string[];
  searchBreadthFirst: boolean;
  searchSeqColumn: string;
  location: number;
}
export interface CteCycleClause {
  kind: 'CteCycleClause';
  cycleColList: string[];
  cycleMarkColumn: string;
  cycleMarkValue: Expr;
  cycleMarkDefault: Expr;
  cyclePathColumn: string;
  cycleMarkType: Oid;
  cycleMarkTypmod: number;
  cycleMarkCollation: Oid;
  cycleMarkNeop: Oid;
  location: number;
}

export type SetOperation = 'union' | 'intersect' | 'except';
export type SetOperationArg = SetOperationStmt | { kind: 'RangeTblRef'; rtindex: number };
export interface SetOperationStmt {
  kind: 'SetOperationStmt';
  op: SetOperation;
  all: boolean;
  larg: SetOperationArg;
  rarg: SetOperationArg;
  colTypes: Oid[];
  colTypmods: number[];
  colCollations: Oid[];
  /** Semantics of the columns' equality and order; tleSortGroupRef is meaningless. Empty for UNION ALL. */
  groupClauses: SortGroupClause[];
}

export interface OnConflictExpr {
  kind: 'OnConflictExpr';
  action: 'nothing' | 'update';
  arbiterElems: Expr[];
  arbiterWhere: Expr | null;
  constraint: Oid;
  onConflictSet: TargetEntry[];
  onConflictWhere: Expr | null;
  exclRelIndex: number;
  exclRelTlist: TargetEntry[];
}

/** A condition that new rows of a relation must meet. */
export interface WithCheckOption {
  kind: 'WithCheckOption';
  wcoKind: 'view' | 'rls_insert' | 'rls_update' | 'rls_conflict' | 'rls_merge_update' | 'rls_merge_delete';
  relname: string;
  polname: string | null;
  qual: Expr | null;
  cascaded: boolean;
}
export interface MergeAction {
  kind: 'MergeAction';
  matched: boolean;
  commandType: CommandType;
  override: 'not_set' | 'user_value' | 'system_value';
  qual: Expr | null;
  targetList: TargetEntry[];
  /** Target columns of an UPDATE action. */
  updateColnos: number[];
}
