/** modify.ts — analysis of INSERT, UPDATE and DELETE: their target, what is assigned to which column, RETURNING.
 *
 *  The target list of a Query that modifies has the columns that the statement names; what it leaves out (defaults,
 *  generated columns, their order) is the rewriter's business (rewrite/target-list.ts).
 *  Counterpart: transformInsertStmt, transformUpdateStmt, transformDeleteStmt of src/backend/parser/analyze.c,
 *  setTargetTable of parse_clause.c, checkInsertTargets of parse_target.c */
import type {
  DeleteStmt,
  InsertStmt,
  Node,
  RangeVar,
  ResTarget,
  ReturningClause,
  SelectStmt,
  UpdateStmt,
} from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import type { AttributeRow, ClassRow } from '#catalog/rows.ts';
import { attributes, systemAttributes } from '#catalog/syscache.ts';
import { TYPE } from '#catalog/oids.ts';
import { exprCollation, exprLocation, exprType, exprTypmod } from '#nodes/node-funcs.ts';
import { ACL_DELETE, ACL_INSERT, ACL_UPDATE, makeQuery, type Query, type RteRelation } from '#nodes/parse-nodes.ts';
import type { Expr, TargetEntry } from '#nodes/primitives.ts';
import { anyExpr } from '#nodes/visit.ts';
import { checkAggregates } from '#parser/agg.ts';
import { analyzeSubquery } from '#parser/analyze.ts';
import { transformAssignedExpr } from '#parser/assign.ts';
import { bodyOf, isTag, listItems, rawLocation } from '#parser/ast.ts';
import { transformWhere } from '#parser/clause.ts';
import { assignListCollations, assignQueryCollations } from '#parser/collate.ts';
import { transformWith } from '#parser/cte.ts';
import { transformExpr } from '#parser/expr.ts';
import { transformFrom } from '#parser/from.ts';
import { makeTargetEntry, makeVar } from '#parser/make-nodes.ts';
import { transformOnConflict } from '#parser/on-conflict.ts';
import { type ExprKind, fail, type NsItem, type ParseState } from '#parser/parse-state.ts';
import { addRelation, addSubquery, addValues, makeAlias, openRangeVar } from '#parser/relation.ts';
import {
  makeDefault,
  markTargetOrigins,
  resolveTargetUnknowns,
  transformExpressionList,
  transformTargetList,
} from '#parser/target.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';

/** RowExclusiveLock, which every modified table is locked in. */
const ROW_EXCLUSIVE = LOCK.rowExclusive;

/** A column that a statement assigns to. */
interface InsertTarget {
  readonly column: AttributeRow;
  readonly indirection: readonly Node[];
  readonly location: number;
}

// ── the target ───────────────────────────────────────────────────────────────────────────────────────────────────

function setTarget(p: ParseState, relation: RangeVar, asSource: boolean, perms: number): ClassRow {
  const row = openRangeVar(p, relation, ROW_EXCLUSIVE);
  const alias = relation.alias === undefined ? null : makeAlias(relation.alias.aliasname!);
  // INSERT puts rows into the table that it names; only UPDATE and DELETE go on to its children.
  const inh = asSource && relation.inh === true;
  const item = addRelation(p, row, alias, inh, false);
  const rte = item.rte as RteRelation;
  rte.rellockmode = ROW_EXCLUSIVE;
  // A mere mention reads nothing: what is read is noted as the columns are met.
  rte.requiredPerms = perms;
  p.targetItem = item;
  p.targetRow = row;
  if (asSource) {
    p.joinlist.push({ kind: 'RangeTblRef', rtindex: item.rtindex });
    p.namespace = [...p.namespace, item];
  }
  return row;
}
const targetRte = (p: ParseState): RteRelation => p.targetItem!.rte as RteRelation;

function noteAssigned(list: number[], attnum: number): void {
  if (!list.includes(attnum)) list.push(attnum);
}

/** The column an assignment names. */
function targetColumn(p: ParseState, row: ClassRow, name: string, location: number): AttributeRow {
  const column = attributes(row.oid).find((a) => a.attname === name && !a.attisdropped);
  if (column !== undefined) return column;
  if (systemAttributes(row.oid).some((a) => a.attname === name))
    fail(p, SQLSTATE.featureNotSupported, `cannot assign to system column "${name}"`, location);
  return fail(p, SQLSTATE.undefinedColumn, `column "${name}" of relation "${row.relname}" does not exist`, location);
}

// ── INSERT ───────────────────────────────────────────────────────────────────────────────────────────────────────

function insertTargets(p: ParseState, row: ClassRow, columns: readonly Node[] | undefined): InsertTarget[] {
  if (columns === undefined) {
    return attributes(row.oid)
      .filter((column) => !column.attisdropped)
      .map((column) => ({ column, indirection: [], location: -1 }));
  }
  const whole = new Set<number>();
  const partial = new Set<number>();
  return columns.map((node) => {
    const target = bodyOf(node, 'ResTarget');
    const location = target.location ?? 0;
    const column = targetColumn(p, row, target.name!, location);
    const indirection = target.indirection ?? [];
    const again = whole.has(column.attnum) || (indirection.length === 0 && partial.has(column.attnum));
    if (again) fail(p, SQLSTATE.duplicateColumn, `column "${target.name!}" specified more than once`, location);
    (indirection.length === 0 ? whole : partial).add(column.attnum);
    return { column, indirection, location };
  });
}

/** Matches one row of values with the columns it is for. */
function insertRow(
  p: ParseState,
  exprs: readonly Expr[],
  targets: readonly InsertTarget[],
  columnsGiven: boolean,
): Expr[] {
  if (exprs.length > targets.length) {
    fail(
      p,
      SQLSTATE.syntaxError,
      'INSERT has more expressions than target columns',
      exprLocation(exprs[targets.length]!),
    );
  }
  if (columnsGiven && exprs.length < targets.length) {
    // A parenthesised list is one row-valued expression: the usual slip.
    const only = exprs[0];
    const isRow =
      exprs.length === 1 && only !== undefined && only.kind === 'RowExpr' && only.args.length === targets.length;
    fail(
      p,
      SQLSTATE.syntaxError,
      'INSERT has more target columns than expressions',
      targets[exprs.length]!.location,
      isRow
        ? {
            hint: 'The insertion source is a row expression containing the same number of columns expected by the INSERT. Did you accidentally use extra parentheses?',
          }
        : {},
    );
  }
  return exprs.map((expr, i) => {
    const { column, indirection, location } = targets[i]!;
    return transformAssignedExpr(p, expr, 'insert_target', column, indirection, location);
  });
}

/** Only what the statement itself says counts: a sub-select with its own clauses is a general one. */
const isGeneralSelect = (select: SelectStmt): boolean =>
  select.valuesLists === undefined ||
  select.sortClause !== undefined ||
  select.limitOffset !== undefined ||
  select.limitCount !== undefined ||
  select.lockingClause !== undefined ||
  select.withClause !== undefined;

const OVERRIDES: Readonly<Record<string, Query['override']>> = {
  OVERRIDING_USER_VALUE: 'user_value',
  OVERRIDING_SYSTEM_VALUE: 'system_value',
};

export function transformInsert(p: ParseState, s: InsertStmt): Query {
  const query = makeQuery('insert');
  if (s.withClause !== undefined) {
    query.hasRecursive = s.withClause.recursive === true;
    query.cteList = transformWith(p, s.withClause);
    query.hasModifyingCTE = p.hasModifyingCTE;
  }
  query.override = OVERRIDES[s.override ?? ''] ?? 'not_set';
  const isUpdate = s.onConflictClause?.action === 'ONCONFLICT_UPDATE';
  const row = setTarget(p, s.relation!, false, ACL_INSERT | (isUpdate ? ACL_UPDATE : 0));
  query.resultRelation = p.targetItem!.rtindex;
  const targets = insertTargets(p, row, s.cols);
  const columnsGiven = s.cols !== undefined;
  const select = s.selectStmt === undefined ? undefined : bodyOf(s.selectStmt, 'SelectStmt');
  let exprs: Expr[];
  if (select === undefined) exprs = [];
  else if (isGeneralSelect(select)) exprs = insertSelect(p, s.selectStmt!, targets, columnsGiven);
  else if (select.valuesLists!.length > 1) exprs = insertRows(p, select, targets, columnsGiven);
  else {
    const saved = p.exprKind;
    p.exprKind = 'values_single';
    const list = transformExpressionList(p, listItems(select.valuesLists![0]!), 'values_single', true);
    p.exprKind = saved;
    exprs = insertRow(p, list, targets, columnsGiven);
  }
  const rte = targetRte(p);
  exprs.forEach((expr, i) => {
    const { column } = targets[i]!;
    query.targetList.push(makeTargetEntry(expr, column.attnum, column.attname, false));
    noteAssigned(rte.insertedCols, column.attnum);
  });
  if (s.onConflictClause !== undefined || s.returningClause !== undefined) {
    // Neither sees what the source of the rows read.
    p.namespace = [p.targetItem!];
  }
  if (s.onConflictClause !== undefined) query.onConflict = transformOnConflict(p, s.onConflictClause, row);
  if (s.returningClause !== undefined) query.returningList = transformReturning(p, s.returningClause);
  finish(p, query, null);
  return query;
}

function insertSelect(p: ParseState, node: Node, targets: readonly InsertTarget[], columnsGiven: boolean): Expr[] {
  const query = analyzeSubquery(p, node, null, false);
  if (query.commandType !== 'select') throw new Error('unexpected non-SELECT command in INSERT ... SELECT');
  const item = addSubquery(p, query, makeAlias('*SELECT*'), false, false);
  p.joinlist.push({ kind: 'RangeTblRef', rtindex: item.rtindex });
  const list: Expr[] = [];
  for (const target of query.targetList) {
    if (target.resjunk) continue;
    const { expr } = target;
    // A literal whose type is still open becomes what the column wants.
    if (expr.kind === 'Const' && exprType(expr) === TYPE.unknown) list.push(expr);
    else {
      const made = makeVar(item.rtindex, target.resno, exprType(expr), exprTypmod(expr), exprCollation(expr), 0);
      made.location = exprLocation(expr);
      list.push(made);
    }
  }
  return insertRow(p, list, targets, columnsGiven);
}

function insertRows(
  p: ParseState,
  select: SelectStmt,
  targets: readonly InsertTarget[],
  columnsGiven: boolean,
): Expr[] {
  const lists: Expr[][] = [];
  let width = -1;
  const saved = p.exprKind;
  p.exprKind = 'values';
  for (const valuesRow of select.valuesLists!) {
    const nodes = listItems(valuesRow);
    const list = transformExpressionList(p, nodes, 'values', true);
    if (width < 0) width = list.length;
    else if (width !== list.length) {
      fail(p, SQLSTATE.syntaxError, 'VALUES lists must all be the same length', exprLocation(list[0]!));
    }
    const assigned = insertRow(p, list, targets, columnsGiven);
    assignListCollations(p, assigned);
    lists.push(assigned);
  }
  p.exprKind = saved;
  const first = lists[0]!;
  const types = first.map((_, i) => targets[i]!.column.atttypid);
  // A column whose rows disagree about the typmod has none; a part of a column has the type of the whole.
  const typmods = first.map((expr, i) => {
    const typmod = exprTypmod(expr);
    return lists.every((list) => exprTypmod(list[i]!) === typmod) ? typmod : -1;
  });
  const collations = types.map(() => 0 as Oid);
  const isLateral =
    p.rtable.length > 1 &&
    lists.some((list) => list.some((e) => anyExpr(e, (x) => x.kind === 'Var' && x.varlevelsup === 0)));
  const item = addValues(p, lists, types, typmods, collations, null, isLateral, true);
  p.joinlist.push({ kind: 'RangeTblRef', rtindex: item.rtindex });
  return first.map((expr, i) => makeVar(item.rtindex, i + 1, exprType(expr), typmods[i]!, 0 as Oid, 0));
}

// ── UPDATE, DELETE ───────────────────────────────────────────────────────────────────────────────────────────────

export function transformUpdate(p: ParseState, s: UpdateStmt): Query {
  const query = makeQuery('update');
  if (s.withClause !== undefined) {
    query.hasRecursive = s.withClause.recursive === true;
    query.cteList = transformWith(p, s.withClause);
    query.hasModifyingCTE = p.hasModifyingCTE;
  }
  const row = setTarget(p, s.relation!, true, ACL_UPDATE);
  query.resultRelation = p.targetItem!.rtindex;
  const target = p.targetItem!;
  // FROM items must not see the target by LATERAL, nor be confused with it.
  withoutLateral(target, () => transformFrom(p, s.fromClause ?? []));
  query.targetList = transformUpdateTargets(p, row, s.targetList ?? []);
  const quals = transformWhere(p, s.whereClause, 'where', 'WHERE');
  if (s.returningClause !== undefined) query.returningList = transformReturning(p, s.returningClause);
  finish(p, query, quals);
  return query;
}

export function transformDelete(p: ParseState, s: DeleteStmt): Query {
  const query = makeQuery('delete');
  if (s.withClause !== undefined) {
    query.hasRecursive = s.withClause.recursive === true;
    query.cteList = transformWith(p, s.withClause);
    query.hasModifyingCTE = p.hasModifyingCTE;
  }
  setTarget(p, s.relation!, true, ACL_DELETE);
  query.resultRelation = p.targetItem!.rtindex;
  withoutLateral(p.targetItem!, () => transformFrom(p, s.usingClause ?? []));
  const quals = transformWhere(p, s.whereClause, 'where', 'WHERE');
  if (s.returningClause !== undefined) query.returningList = transformReturning(p, s.returningClause);
  finish(p, query, quals);
  return query;
}

function withoutLateral(target: NsItem, work: () => void): void {
  target.lateralOnly = true;
  target.lateralOk = false;
  work();
  target.lateralOnly = false;
  target.lateralOk = true;
}

/** The SET list of UPDATE and of ON CONFLICT DO UPDATE. */
export function transformUpdateTargets(p: ParseState, row: ClassRow, list: readonly Node[]): TargetEntry[] {
  const rte = targetRte(p);
  const saved = p.exprKind;
  const targets = list.map((node) => {
    const target = bodyOf(node, 'ResTarget');
    const expr = updateSource(p, target);
    return { target, expr };
  });
  p.exprKind = saved;
  return targets.map(({ target, expr }) => {
    const location = target.location ?? 0;
    const column = targetColumn(p, row, target.name!, location);
    const value = transformAssignedExpr(p, expr, 'update_target', column, target.indirection ?? [], location);
    noteAssigned(rte.updatedCols, column.attnum);
    return makeTargetEntry(value, column.attnum, column.attname, false);
  });
}

/** The value of one SET item; `(a, b) = ROW(…)` gives each column its own. */
function updateSource(p: ParseState, target: ResTarget): Expr {
  const value = target.val!;
  const kind: ExprKind = 'update_source';
  if (isTag(value, 'SetToDefault')) return makeDefault(value);
  if (!isTag(value, 'MultiAssignRef')) return transformExpr(p, value, kind);
  const reference = bodyOf(value, 'MultiAssignRef');
  const source = reference.source!;
  const ncolumns = reference.ncolumns!;
  // The grammar repeats the source for each column: the first one's is analysed.
  if (reference.colno === 1) p.multiAssign = multiAssignSource(p, source, ncolumns, kind);
  return p.multiAssign![reference.colno! - 1]!;
}

function multiAssignSource(p: ParseState, source: Node, ncolumns: number, kind: ExprKind): Expr[] {
  if (isTag(source, 'RowExpr')) {
    const args = bodyOf(source, 'RowExpr').args ?? [];
    if (args.length !== ncolumns) {
      fail(
        p,
        SQLSTATE.syntaxError,
        'number of columns does not match number of values',
        rawLocation(args[0] ?? source),
      );
    }
    return args.map((arg) => (isTag(arg, 'SetToDefault') ? makeDefault(arg) : transformExpr(p, arg, kind)));
  }
  if (isTag(source, 'SubLink') && bodyOf(source, 'SubLink').subLinkType === 'EXPR_SUBLINK') {
    const body = bodyOf(source, 'SubLink');
    const query = analyzeSubquery(p, body.subselect!, null, true);
    const columns = query.targetList.filter((t) => !t.resjunk);
    if (columns.length !== ncolumns) {
      fail(p, SQLSTATE.syntaxError, 'number of columns does not match number of values', body.location ?? 0);
    }
    p.hasSubLinks = true;
    // One sub-select gives all the columns: params of kind multiexpr stand for them.
    p.multiExprs.push(
      makeTargetEntry(
        {
          kind: 'SubLink',
          subLinkType: 'multiexpr',
          subLinkId: p.multiExprs.length + 1,
          testexpr: null,
          operName: [],
          subselect: query,
          location: body.location ?? 0,
        },
        0,
        null,
        true,
      ),
    );
    const id = p.multiExprs.length;
    return columns.map((column, i) => ({
      kind: 'Param',
      paramkind: 'multiexpr',
      paramid: (id << 16) | (i + 1),
      paramtype: exprType(column.expr),
      paramtypmod: exprTypmod(column.expr),
      paramcollid: exprCollation(column.expr),
      location: exprLocation(column.expr),
    }));
  }
  return fail(
    p,
    SQLSTATE.featureNotSupported,
    'source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression',
    rawLocation(source),
  );
}

// ── what they share ──────────────────────────────────────────────────────────────────────────────────────────────

function transformReturning(p: ParseState, clause: ReturningClause): TargetEntry[] {
  const list = clause.exprs ?? [];
  const saved = p.nextResno;
  p.nextResno = 1;
  const targets = transformTargetList(p, list, 'returning');
  if (targets.length === 0)
    fail(p, SQLSTATE.syntaxError, 'RETURNING must have at least one column', rawLocation(list[0]));
  markTargetOrigins(p, targets);
  if (p.resolveUnknowns) resolveTargetUnknowns(p, targets);
  p.nextResno = saved;
  return targets;
}

function finish(p: ParseState, query: Query, quals: Expr | null): void {
  query.rtable = p.rtable;
  query.jointree = { kind: 'FromExpr', fromlist: p.joinlist, quals };
  query.hasTargetSRFs = p.hasTargetSRFs;
  query.hasSubLinks = p.hasSubLinks;
  // The sub-selects of multiple assignments follow the columns as entries that are not stored.
  let resno = query.targetList.reduce((most, target) => Math.max(most, target.resno), 0);
  for (const entry of p.multiExprs) {
    entry.resno = ++resno;
    query.targetList.push(entry);
  }
  assignQueryCollations(p, query);
  if (p.hasAggs) checkAggregates(p, query);
}
