/** parse-state.ts — what analysis of one query level knows: its range table, what names are visible, what was seen.
 *
 *  Locations are byte offsets in the source text, as the grammar gives them; `positionOf` makes the 1-based character
 *  position of the protocol out of one, only when an error is really reported.
 *  Counterpart: src/include/parser/parse_node.h, src/backend/parser/parse_node.c */
import type { Node } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import type { ClassRow } from '#catalog/rows.ts';
import type { CommonTableExpr, RangeTblEntry } from '#nodes/parse-nodes.ts';
import type { Alias, Expr, FromNode, TargetEntry } from '#nodes/primitives.ts';
import { characterPosition } from '#parser/parse.ts';
import { PgError, report } from '#runtime/error/report.ts';
import type { SqlState } from '#runtime/error/sqlstate.ts';

/** Where an expression stands; decides what may be in it. */
export type ExprKind =
  | 'none'
  | 'other'
  | 'join_on'
  | 'join_using'
  | 'from_subselect'
  | 'from_function'
  | 'where'
  | 'policy'
  | 'having'
  | 'filter'
  | 'window_partition'
  | 'window_order'
  | 'window_frame_range'
  | 'window_frame_rows'
  | 'window_frame_groups'
  | 'select_target'
  | 'insert_target'
  | 'update_source'
  | 'update_target'
  | 'group_by'
  | 'order_by'
  | 'distinct_on'
  | 'limit'
  | 'offset'
  | 'returning'
  | 'values'
  | 'values_single'
  | 'check_constraint'
  | 'column_default'
  | 'index_expression'
  | 'index_predicate'
  | 'generated_column'
  | 'alter_col_transform'
  | 'trigger_when'
  | 'copy_where'
  | 'function_default'
  | 'execute_parameter'
  | 'call_argument'
  | 'cycle_mark';

/** Types of $1 … $n: fixed, or (variable) 0 = unknown, filled in from the first use. */
export interface ParamContext {
  types: Oid[];
  variable: boolean;
}

/** A column as a name in scope means it: the Var to make. */
export interface NsColumn {
  varno: number;
  varattno: number;
  vartype: Oid;
  vartypmod: number;
  varcollid: Oid;
  varnosyn: number;
  varattnosyn: number;
  /** Left out of `*`. */
  dontexpand: boolean;
}
export interface NsItem {
  /** Names to see: alias (or eref) and columns. */
  names: Alias;
  rte: RangeTblEntry;
  rtindex: number;
  columns: NsColumn[];
  relVisible: boolean;
  colsVisible: boolean;
  lateralOnly: boolean;
  lateralOk: boolean;
}

export interface ParseState {
  parent: ParseState | null;
  readonly sourceText: string;
  readonly params: ParamContext | null;
  rtable: RangeTblEntry[];
  joinlist: FromNode[];
  namespace: NsItem[];
  lateralActive: boolean;
  /** CTEs in scope, and those that a non-recursive WITH does not let be seen yet. */
  ctes: CommonTableExpr[];
  futureCtes: { ctename: string }[];
  parentCte: CommonTableExpr | null;
  windowDefs: WindowDefinition[];
  exprKind: ExprKind;
  nextResno: number;
  hasAggs: boolean;
  hasWindowFuncs: boolean;
  hasTargetSRFs: boolean;
  hasSubLinks: boolean;
  hasModifyingCTE: boolean;
  /** Unknown literals in the target list become text. */
  resolveUnknowns: boolean;
  /** The most recent set-returning function, to find nesting where it is not allowed. */
  lastSrf: Expr | null;
  /** FOR UPDATE or SHARE of an outer query covers all of this one. */
  lockedFromParent: boolean;
  /** Names that this query's own FOR UPDATE or SHARE covers; null for none, empty for all. */
  lockedNames: readonly string[] | null;
  /** pstate of a $n hook for SQL functions: names of arguments. */
  argumentNames: readonly string[];
  /** What the statement modifies. */
  targetItem: NsItem | null;
  targetRow: ClassRow | null;
  /** Values of the multiple assignment that is being worked through, and the sub-selects of all of them. */
  multiAssign: Expr[] | null;
  multiExprs: TargetEntry[];
}
export interface WindowDefinition {
  name?: string;
  refname?: string;
  partitionClause?: Node[];
  orderClause?: Node[];
  frameOptions?: number;
  startOffset?: Node;
  endOffset?: Node;
  location?: number;
}

export function makeParseState(
  parent: ParseState | null,
  sourceText = '',
  params: ParamContext | null = null,
): ParseState {
  return {
    parent,
    sourceText: parent === null ? sourceText : parent.sourceText,
    params: parent === null ? params : parent.params,
    rtable: [],
    joinlist: [],
    namespace: [],
    lateralActive: false,
    ctes: [],
    futureCtes: [],
    parentCte: null,
    windowDefs: [],
    exprKind: 'none',
    nextResno: 1,
    hasAggs: false,
    hasWindowFuncs: false,
    hasTargetSRFs: false,
    hasSubLinks: false,
    hasModifyingCTE: false,
    resolveUnknowns: true,
    lastSrf: null,
    lockedFromParent: false,
    lockedNames: null,
    argumentNames: parent === null ? [] : parent.argumentNames,
    targetItem: null,
    targetRow: null,
    multiAssign: null,
    multiExprs: [],
  };
}

export function positionOf(p: ParseState | null, location: number | undefined): number | undefined {
  if (p === null || location === undefined || location < 0 || p.sourceText === '') return undefined;
  return characterPosition(p.sourceText, location);
}

/** Reports a parse-analysis error at a location of the grammar. */
export function fail(
  p: ParseState | null,
  code: SqlState,
  message: string,
  location?: number,
  more?: { detail?: string | undefined; hint?: string | undefined },
): never {
  report('ERROR', { code, message, position: positionOf(p, location), ...more });
}

/** Runs `work`; an error in it that has no position gets that of `location` (setup_parser_errposition_callback). */
export function withPosition<T>(p: ParseState | null, location: number, work: () => T): T {
  try {
    return work();
  } catch (caught) {
    if (caught instanceof PgError && caught.fields.position === undefined && caught.code !== '57014') {
      const position = positionOf(p, location);
      if (position !== undefined) throw new PgError('ERROR', { ...caught.fields, position });
    }
    throw caught;
  }
}
