/** primitives.ts — the nodes expressions are made of, after parse analysis: what both Query and Plan trees contain.
 *
 *  A discriminated union on `kind`; the field names are PostgreSQL's in camelCase; a list is an array, a missing node
 *  is null, an enum is a union of strings. Lists that C keeps NIL are empty arrays here, never null. `location` is the
 *  character offset in the source text, -1 where unknown. Trees are shared freely: whoever changes a tree copies it
 *  first (visit.ts, mutateExpr), except that the analyzer may finish nodes it has just made.
 *  Counterpart: src/include/nodes/primnodes.h */
import type { Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import type { Query } from '#nodes/parse-nodes.ts';

/** Special varno values of Vars in finished plans. */
export const INNER_VAR = -1;
export const OUTER_VAR = -2;
export const INDEX_VAR = -3;
export const ROWID_VAR = -4;

/** Attribute numbers of system columns, and of the whole row. */
export const WHOLE_ROW_ATTNO = 0;

export interface Var {
  kind: 'Var';
  /** Range table index (1-based), or one of INNER_VAR, OUTER_VAR, INDEX_VAR. */
  varno: number;
  /** Column (1-based), 0 for the whole row, negative for a system column. */
  varattno: number;
  vartype: Oid;
  vartypmod: number;
  varcollid: Oid;
  /** 0 = this query level, n = the n-th enclosing query. */
  varlevelsup: number;
  /** What the user wrote, for deparsing; equals varno/varattno until the planner changes those. */
  varnosyn: number;
  varattnosyn: number;
  location: number;
}

export interface Const {
  kind: 'Const';
  consttype: Oid;
  consttypmod: number;
  constcollid: Oid;
  constlen: number;
  /** null iff constisnull. */
  constvalue: Datum;
  constisnull: boolean;
  constbyval: boolean;
  location: number;
}

export type ParamKind = 'extern' | 'exec' | 'sublink' | 'multiexpr';
export interface Param {
  kind: 'Param';
  paramkind: ParamKind;
  /** extern: 1-based $n; exec: index into the plan's exec parameters; sublink: column of the sub-select. */
  paramid: number;
  paramtype: Oid;
  paramtypmod: number;
  paramcollid: Oid;
  location: number;
}

export type AggKind = 'n' | 'o' | 'h';
export type AggSplit = 'simple';
export interface Aggref {
  kind: 'Aggref';
  aggfnoid: Oid;
  aggtype: Oid;
  aggcollid: Oid;
  inputcollid: Oid;
  /** Actual type of the transition state; 0 until planned. */
  aggtranstype: Oid;
  /** Types of direct and aggregated arguments. */
  aggargtypes: Oid[];
  aggdirectargs: Expr[];
  /** Aggregated arguments and ORDER BY expressions (the latter resjunk). */
  args: TargetEntry[];
  aggorder: SortGroupClause[];
  aggdistinct: SortGroupClause[];
  aggfilter: Expr | null;
  aggstar: boolean;
  aggvariadic: boolean;
  aggkind: AggKind;
  agglevelsup: number;
  aggsplit: AggSplit;
  /** Index of the aggregate within its Agg node; -1 until planned. */
  aggno: number;
  aggtransno: number;
  location: number;
}

export interface GroupingFunc {
  kind: 'GroupingFunc';
  args: Expr[];
  /** ressortgrouprefs of the arguments. */
  refs: number[];
  /** Target-list columns of the refs, set by the planner. */
  cols: number[];
  agglevelsup: number;
  location: number;
}

export interface WindowFunc {
  kind: 'WindowFunc';
  winfnoid: Oid;
  wintype: Oid;
  wincollid: Oid;
  inputcollid: Oid;
  args: Expr[];
  aggfilter: Expr | null;
  /** Index of the WindowClause (winref). */
  winref: number;
  winstar: boolean;
  /** The function is a plain aggregate. */
  winagg: boolean;
  location: number;
}

export interface SubscriptingRef {
  kind: 'SubscriptingRef';
  refcontainertype: Oid;
  refelemtype: Oid;
  refrestype: Oid;
  reftypmod: number;
  refcollid: Oid;
  refupperindexpr: (Expr | null)[];
  /** Empty for a plain subscript; same length as upper for a slice (null = omitted bound). */
  reflowerindexpr: (Expr | null)[];
  refexpr: Expr;
  /** null for a fetch. */
  refassgnexpr: Expr | null;
}

/** How a function call or coercion was written. */
export type CoercionForm = 'explicit_call' | 'explicit_cast' | 'implicit_cast' | 'sql_syntax';
export type CoercionContext = 'implicit' | 'assignment' | 'plpgsql' | 'explicit';

export interface FuncExpr {
  kind: 'FuncExpr';
  funcid: Oid;
  funcresulttype: Oid;
  funcretset: boolean;
  funcvariadic: boolean;
  funcformat: CoercionForm;
  funccollid: Oid;
  inputcollid: Oid;
  args: Expr[];
  location: number;
}

export interface NamedArgExpr {
  kind: 'NamedArgExpr';
  arg: Expr;
  name: string;
  /** Position of the argument (0-based). */
  argnumber: number;
  location: number;
}

interface OperatorFields {
  opno: Oid;
  /** pg_operator.oprcode. */
  opfuncid: Oid;
  opresulttype: Oid;
  opretset: boolean;
  opcollid: Oid;
  inputcollid: Oid;
  args: Expr[];
  location: number;
}
export interface OpExpr extends OperatorFields {
  kind: 'OpExpr';
}
/** x IS DISTINCT FROM y; opno is the = operator. */
export interface DistinctExpr extends OperatorFields {
  kind: 'DistinctExpr';
}
export interface NullIfExpr extends OperatorFields {
  kind: 'NullIfExpr';
}

export interface ScalarArrayOpExpr {
  kind: 'ScalarArrayOpExpr';
  opno: Oid;
  opfuncid: Oid;
  /** true for ANY, false for ALL. */
  useOr: boolean;
  inputcollid: Oid;
  /** The scalar and the array. */
  args: Expr[];
  location: number;
}

export interface BoolExpr {
  kind: 'BoolExpr';
  boolop: 'and' | 'or' | 'not';
  args: Expr[];
  location: number;
}

export type SubLinkType = 'exists' | 'all' | 'any' | 'rowcompare' | 'expr' | 'multiexpr' | 'array' | 'cte';
export interface SubLink {
  kind: 'SubLink';
  subLinkType: SubLinkType;
  subLinkId: number;
  /** Comparison of outer values with Params of kind sublink, for all, any and rowcompare; else null. */
  testexpr: Expr | null;
  /** The operator name as written ([] = IN). */
  operName: string[];
  subselect: Query;
  location: number;
}

/** A planned SubLink: calls plan number plan_id of PlannedStmt.subplans. */
export interface SubPlan {
  kind: 'SubPlan';
  subLinkType: SubLinkType;
  testexpr: Expr | null;
  /** Exec params that the test expression reads the sub-select's columns from. */
  paramIds: number[];
  /** 1-based index into PlannedStmt.subplans. */
  planId: number;
  planName: string;
  firstColType: Oid;
  firstColTypmod: number;
  firstColCollation: Oid;
  useHashTable: boolean;
  /** NULL and FALSE need not be told apart. */
  unknownEqFalse: boolean;
  parallelSafe: boolean;
  /** Exec params that this init plan sets. */
  setParam: number[];
  /** Exec params to pass in, and the expressions of the outer level that give them. */
  parParam: number[];
  args: Expr[];
  startupCost: number;
  perCallCost: number;
}

export interface AlternativeSubPlan {
  kind: 'AlternativeSubPlan';
  subplans: SubPlan[];
}

export interface FieldSelect {
  kind: 'FieldSelect';
  arg: Expr;
  /** 1-based. */
  fieldnum: number;
  resulttype: Oid;
  resulttypmod: number;
  resultcollid: Oid;
}

export interface FieldStore {
  kind: 'FieldStore';
  arg: Expr;
  newvals: Expr[];
  fieldnums: number[];
  resulttype: Oid;
}

export interface RelabelType {
  kind: 'RelabelType';
  arg: Expr;
  resulttype: Oid;
  resulttypmod: number;
  resultcollid: Oid;
  relabelformat: CoercionForm;
  location: number;
}

export interface CoerceViaIO {
  kind: 'CoerceViaIO';
  arg: Expr;
  resulttype: Oid;
  resultcollid: Oid;
  coerceformat: CoercionForm;
  location: number;
}

export interface ArrayCoerceExpr {
  kind: 'ArrayCoerceExpr';
  arg: Expr;
  /** Coercion of one element, over a CaseTestExpr. */
  elemexpr: Expr;
  resulttype: Oid;
  resulttypmod: number;
  resultcollid: Oid;
  coerceformat: CoercionForm;
  location: number;
}

export interface ConvertRowtypeExpr {
  kind: 'ConvertRowtypeExpr';
  arg: Expr;
  resulttype: Oid;
  convertformat: CoercionForm;
  location: number;
}

/** Dropped by the planner (eval_const_expressions). */
export interface CollateExpr {
  kind: 'CollateExpr';
  arg: Expr;
  collOid: Oid;
  location: number;
}

export interface CaseExpr {
  kind: 'CaseExpr';
  casetype: Oid;
  casecollid: Oid;
  /** The implicit test value, or null. */
  arg: Expr | null;
  args: CaseWhen[];
  defresult: Expr | null;
  location: number;
}
export interface CaseWhen {
  kind: 'CaseWhen';
  expr: Expr;
  result: Expr;
  location: number;
}
/** Placeholder for the value being tested (CASE arg) or coerced (array element, domain). */
export interface CaseTestExpr {
  kind: 'CaseTestExpr';
  typeId: Oid;
  typeMod: number;
  collation: Oid;
}

export interface ArrayExpr {
  kind: 'ArrayExpr';
  arrayTypeid: Oid;
  arrayCollid: Oid;
  elementTypeid: Oid;
  elements: Expr[];
  /** The elements are sub-arrays. */
  multidims: boolean;
  location: number;
}

export interface RowExpr {
  kind: 'RowExpr';
  args: Expr[];
  /** RECORDOID or a composite type. */
  rowTypeid: Oid;
  rowFormat: CoercionForm;
  /** Field names for RECORD, or empty. */
  colnames: string[];
  location: number;
}

export type RowCompareType = 'lt' | 'le' | 'eq' | 'ge' | 'gt' | 'ne';
export interface RowCompareExpr {
  kind: 'RowCompareExpr';
  rctype: RowCompareType;
  opnos: Oid[];
  opfamilies: Oid[];
  inputcollids: Oid[];
  largs: Expr[];
  rargs: Expr[];
}

export interface CoalesceExpr {
  kind: 'CoalesceExpr';
  coalescetype: Oid;
  coalescecollid: Oid;
  args: Expr[];
  location: number;
}

export interface MinMaxExpr {
  kind: 'MinMaxExpr';
  minmaxtype: Oid;
  minmaxcollid: Oid;
  inputcollid: Oid;
  op: 'greatest' | 'least';
  args: Expr[];
  location: number;
}

export type SQLValueFunctionOp =
  | 'current_date'
  | 'current_time'
  | 'current_time_n'
  | 'current_timestamp'
  | 'current_timestamp_n'
  | 'localtime'
  | 'localtime_n'
  | 'localtimestamp'
  | 'localtimestamp_n'
  | 'current_role'
  | 'current_user'
  | 'user'
  | 'session_user'
  | 'current_catalog'
  | 'current_schema';
export interface SQLValueFunction {
  kind: 'SQLValueFunction';
  op: SQLValueFunctionOp;
  type: Oid;
  typmod: number;
  location: number;
}

export type XmlExprOp =
  | 'xmlconcat'
  | 'xmlelement'
  | 'xmlforest'
  | 'xmlparse'
  | 'xmlpi'
  | 'xmlroot'
  | 'xmlserialize'
  | 'document';
export interface XmlExpr {
  kind: 'XmlExpr';
  op: XmlExprOp;
  name: string | null;
  namedArgs: Expr[];
  argNames: string[];
  args: Expr[];
  xmloption: 'document' | 'content';
  type: Oid;
  typmod: number;
  location: number;
}

export interface NullTest {
  kind: 'NullTest';
  arg: Expr;
  nulltesttype: 'is_null' | 'is_not_null';
  /** Row semantics: test the fields. */
  argisrow: boolean;
  location: number;
}

export interface BooleanTest {
  kind: 'BooleanTest';
  arg: Expr;
  booltesttype: 'is_true' | 'is_not_true' | 'is_false' | 'is_not_false' | 'is_unknown' | 'is_not_unknown';
  location: number;
}

export interface CoerceToDomain {
  kind: 'CoerceToDomain';
  arg: Expr;
  resulttype: Oid;
  resulttypmod: number;
  resultcollid: Oid;
  coercionformat: CoercionForm;
  location: number;
}
export interface CoerceToDomainValue {
  kind: 'CoerceToDomainValue';
  typeId: Oid;
  typeMod: number;
  collation: Oid;
  location: number;
}

export interface SetToDefault {
  kind: 'SetToDefault';
  typeId: Oid;
  typeMod: number;
  collation: Oid;
  location: number;
}

export interface CurrentOfExpr {
  kind: 'CurrentOfExpr';
  cvarno: number;
  cursorName: string | null;
  cursorParam: number;
}

export interface NextValueExpr {
  kind: 'NextValueExpr';
  seqid: Oid;
  typeId: Oid;
}

/** An expression or column of an ON CONFLICT inference list. */
export interface InferenceElem {
  kind: 'InferenceElem';
  expr: Expr;
  /** 0 if none was asked for. */
  infercollid: Oid;
  inferopclass: Oid;
}

export interface TargetEntry {
  kind: 'TargetEntry';
  expr: Expr;
  /** 1-based. */
  resno: number;
  resname: string | null;
  /** Nonzero if a SortGroupClause refers to it. */
  ressortgroupref: number;
  resorigtbl: Oid;
  resorigcol: number;
  /** Not delivered to the client. */
  resjunk: boolean;
}

/** ORDER BY, GROUP BY, PARTITION BY, DISTINCT item. */
export interface SortGroupClause {
  kind: 'SortGroupClause';
  tleSortGroupRef: number;
  eqop: Oid;
  /** The < or > operator, 0 if the type can only be hashed. */
  sortop: Oid;
  nullsFirst: boolean;
  hashable: boolean;
}

export type JoinType = 'inner' | 'left' | 'full' | 'right' | 'semi' | 'anti' | 'right_anti';

export interface RangeTblRef {
  kind: 'RangeTblRef';
  rtindex: number;
}
export interface JoinExpr {
  kind: 'JoinExpr';
  jointype: JoinType;
  isNatural: boolean;
  larg: FromNode;
  rarg: FromNode;
  usingClause: string[];
  joinUsingAlias: Alias | null;
  quals: Expr | null;
  alias: Alias | null;
  /** Range table index of the join itself; 0 for joins the planner makes. */
  rtindex: number;
}
export interface FromExpr {
  kind: 'FromExpr';
  fromlist: FromNode[];
  quals: Expr | null;
}
export type FromNode = RangeTblRef | JoinExpr | FromExpr;

export interface Alias {
  kind: 'Alias';
  aliasname: string;
  colnames: string[];
}

export type Expr =
  | Var
  | Const
  | Param
  | Aggref
  | GroupingFunc
  | WindowFunc
  | SubscriptingRef
  | FuncExpr
  | NamedArgExpr
  | OpExpr
  | DistinctExpr
  | NullIfExpr
  | ScalarArrayOpExpr
  | BoolExpr
  | SubLink
  | SubPlan
  | AlternativeSubPlan
  | FieldSelect
  | FieldStore
  | RelabelType
  | CoerceViaIO
  | ArrayCoerceExpr
  | ConvertRowtypeExpr
  | CollateExpr
  | CaseExpr
  | CaseTestExpr
  | ArrayExpr
  | RowExpr
  | RowCompareExpr
  | CoalesceExpr
  | MinMaxExpr
  | SQLValueFunction
  | XmlExpr
  | NullTest
  | BooleanTest
  | CoerceToDomain
  | CoerceToDomainValue
  | SetToDefault
  | CurrentOfExpr
  | NextValueExpr
  | InferenceElem;
