/** from.ts — FROM: tables, sub-selects, functions, joins with ON, USING and NATURAL, LATERAL scope.
 *
 *  While a list is being worked through, the items to the left are in the namespace as "lateral only": a LATERAL item
 *  may use them, a plain one may not. Under a JOIN the left side is visible so to the right side.
 *  Counterpart: src/backend/parser/parse_clause.c (transformFromClause …) */
import type { ColumnDef, JoinExpr as RawJoin, Node, RangeFunction, RangeSubselect, RangeVar } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { formatType } from '#catalog/format-type.ts';
import { TYPE } from '#catalog/oids.ts';
import { typeRow } from '#catalog/syscache.ts';
import { exprCollation, exprType, exprTypmod } from '#nodes/node-funcs.ts';
import type { RteRelation } from '#nodes/parse-nodes.ts';
import type { Alias, Expr, FromNode, JoinExpr, JoinType } from '#nodes/primitives.ts';
import { anyExpr } from '#nodes/visit.ts';
import { analyzeSubquery } from '#parser/analyze.ts';
import { bodyOf, listItems, rawLocation, stringsOf, tagOf } from '#parser/ast.ts';
import { transformWhere } from '#parser/clause.ts';
import { coerceToBoolean, coerceType, selectCommonType, selectCommonTypmod } from '#parser/coerce.ts';
import { assignExprCollations } from '#parser/collate.ts';
import { transformExpr } from '#parser/expr.ts';
import { makeRelabel } from '#parser/make-nodes.ts';
import { makeOp } from '#parser/oper.ts';
import { fail, type NsColumn, type NsItem, type ParseState } from '#parser/parse-state.ts';
import {
  addCte,
  addFunctions,
  addJoin,
  addRelation,
  addSubquery,
  checkNameConflicts,
  type ColumnDefinitions,
  findCte,
  makeAlias,
  makeItem,
  openRangeVar,
  refuseDefinitions,
  varOfColumn,
} from '#parser/relation.ts';
import { columnName } from '#parser/target.ts';
import { resolveCollation, resolveTypeName } from '#parser/type-name.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';

const INVALID = 0 as Oid;

export function transformFrom(p: ParseState, list: readonly Node[]): void {
  for (const node of list) {
    const { fromNode, items } = fromItem(p, node);
    checkNameConflicts(p, p.namespace, items);
    setLateral(items, true, true);
    p.joinlist.push(fromNode);
    p.namespace = p.namespace.length === 0 ? items : [...p.namespace, ...items];
  }
  setLateral(p.namespace, false, true);
}
function setLateral(items: readonly NsItem[], lateralOnly: boolean, lateralOk: boolean): void {
  for (const item of items) {
    item.lateralOnly = lateralOnly;
    item.lateralOk = lateralOk;
  }
}

interface FromResult {
  fromNode: FromNode;
  /** The item for the whole of this FROM node. */
  top: NsItem;
  /** What it adds to the namespace. */
  items: NsItem[];
}
const simple = (item: NsItem): FromResult => ({
  fromNode: { kind: 'RangeTblRef', rtindex: item.rtindex },
  top: item,
  items: [item],
});

const aliasOf = (alias: { aliasname?: string; colnames?: Node[] } | undefined): Alias | null =>
  alias === undefined ? null : makeAlias(alias.aliasname!, stringsOf(alias.colnames));

function fromItem(p: ParseState, node: Node): FromResult {
  switch (tagOf(node)) {
    case 'RangeVar':
      return simple(rangeVar(p, bodyOf(node, 'RangeVar')));
    case 'RangeSubselect':
      return simple(rangeSubselect(p, bodyOf(node, 'RangeSubselect')));
    case 'RangeFunction':
      return simple(rangeFunction(p, bodyOf(node, 'RangeFunction')));
    case 'JoinExpr':
      return join(p, bodyOf(node, 'JoinExpr'));
    case 'RangeTableSample':
      return fail(p, SQLSTATE.featureNotSupported, 'TABLESAMPLE is not implemented', rawLocation(node));
    case 'RangeTableFunc':
      return fail(
        p,
        SQLSTATE.featureNotSupported,
        'unsupported XML feature',
        bodyOf(node, 'RangeTableFunc').location ?? 0,
        {
          detail: 'This functionality requires the server to be built with libxml support.',
        },
      );
    default:
      return fail(p, SQLSTATE.featureNotSupported, `unrecognized node type: ${tagOf(node)}`);
  }
}

function rangeVar(p: ParseState, r: RangeVar): NsItem {
  const alias = aliasOf(r.alias);
  if (r.schemaname === undefined) {
    const found = findCte(p, r.relname!);
    if (found !== null) return addCte(p, found.cte, found.levelsUp, alias, true);
  }
  const mode = isLockedName(p, alias?.aliasname ?? r.relname!) ? LOCK.rowShare : LOCK.accessShare;
  const row = openRangeVar(p, r, mode);
  if (row.relkind === 'i' || row.relkind === 'I') {
    fail(p, SQLSTATE.wrongObjectType, `"${row.relname}" is an index`, r.location ?? 0);
  }
  if (row.relkind === 'c') {
    fail(p, SQLSTATE.wrongObjectType, `"${row.relname}" is a composite type`, r.location ?? 0);
  }
  const item = addRelation(p, row, alias, r.inh === true, true);
  (item.rte as RteRelation).rellockmode = mode;
  return item;
}
/** Does FOR UPDATE or SHARE, here or around us, cover the item of this name? */
function isLockedName(p: ParseState, name: string): boolean {
  if (p.lockedFromParent) return true;
  return p.lockedNames !== null && (p.lockedNames.length === 0 || p.lockedNames.includes(name));
}

function rangeSubselect(p: ParseState, r: RangeSubselect): NsItem {
  const savedKind = p.exprKind;
  p.exprKind = 'from_subselect';
  p.lateralActive = r.lateral === true;
  const locked = isLockedName(p, r.alias?.aliasname ?? '');
  const query = analyzeSubquery(p, r.subquery!, null, true, locked);
  p.lateralActive = false;
  p.exprKind = savedKind;
  return addSubquery(p, query, aliasOf(r.alias), r.lateral === true, true);
}

function rangeFunction(p: ParseState, r: RangeFunction): NsItem {
  const lateral = r.lateral === true;
  p.lateralActive = true;
  const names: string[] = [];
  const exprs: Expr[] = [];
  const definitions: (ColumnDefinitions | null)[] = [];
  const locations: number[] = [];
  const definitionAt: number[] = [];
  const alias = aliasOf(r.alias);
  for (const pair of r.functions!) {
    const [raw, list] = listItems(pair) as [Node, Node | undefined];
    for (const node of unnestArguments(raw)) {
      const lastSrf = p.lastSrf;
      const expr = transformExpr(p, node, 'from_function');
      if (p.lastSrf !== lastSrf && p.lastSrf !== expr) {
        fail(
          p,
          SQLSTATE.featureNotSupported,
          'set-returning functions must appear at top level of FROM',
          srfLocation(p.lastSrf),
        );
      }
      names.push(columnName(node));
      exprs.push(expr);
      locations.push(rawLocation(node));
      const defined = listItems(list);
      definitionAt.push(rawLocation(defined[0]));
      if (defined.length > 0) refuseDefinitions(p, expr, rawLocation(defined[0]));
      definitions.push(defined.length === 0 ? null : columnDefinitions(p, defined));
    }
  }
  p.lateralActive = false;
  for (const expr of exprs) assignExprCollations(p, expr);
  if (r.coldeflist !== undefined) {
    const at = rawLocation(r.coldeflist[0]);
    if (exprs.length !== 1) {
      fail(
        p,
        SQLSTATE.syntaxError,
        r.is_rowsfrom === true
          ? 'ROWS FROM() with multiple functions cannot have a column definition list'
          : 'UNNEST() with multiple arguments cannot have a column definition list',
        at,
        r.is_rowsfrom === true
          ? { hint: 'Put a separate column definition list for each function inside ROWS FROM().' }
          : {
              hint: 'Use separate UNNEST() calls inside ROWS FROM(), and attach a column definition list to each one.',
            },
      );
    }
    if (r.ordinality === true) {
      fail(p, SQLSTATE.syntaxError, 'WITH ORDINALITY cannot be used with a column definition list', at, {
        hint: 'Put the column definition list inside ROWS FROM().',
      });
    }
    refuseDefinitions(p, exprs[0]!, at);
    definitions[0] = columnDefinitions(p, r.coldeflist);
    definitionAt[0] = at;
  }
  const isLateral = lateral || exprs.some((e) => anyExpr(e, (x) => x.kind === 'Var' && x.varlevelsup === 0));
  return addFunctions(p, names, exprs, definitions, alias, r.ordinality === true, isLateral, locations, definitionAt);
}
const srfLocation = (e: Expr | null): number => (e !== null && 'location' in e ? e.location : -1);

/** unnest(a, b) is ROWS FROM (unnest(a), unnest(b)). */
function unnestArguments(node: Node): Node[] {
  if (!('FuncCall' in node)) return [node];
  const f = node.FuncCall;
  const names = stringsOf(f.funcname);
  const plain =
    names[names.length - 1] === 'unnest' &&
    (names.length === 1 || (names.length === 2 && names[0] === 'pg_catalog')) &&
    (f.args?.length ?? 0) > 1 &&
    f.agg_order === undefined &&
    f.agg_filter === undefined &&
    f.over === undefined &&
    f.agg_star !== true &&
    f.agg_distinct !== true &&
    f.func_variadic !== true;
  if (!plain) return [node];
  return f.args!.map((arg) => ({
    FuncCall: { ...f, funcname: [{ String: { sval: 'pg_catalog' } }, { String: { sval: 'unnest' } }], args: [arg] },
  }));
}

function columnDefinitions(p: ParseState, list: readonly Node[]): ColumnDefinitions {
  const out: ColumnDefinitions = { names: [], types: [], typmods: [], collations: [] };
  for (const node of list) {
    const c: ColumnDef = bodyOf(node, 'ColumnDef');
    const location = c.location ?? 0;
    if (c.typeName!.setof === true) {
      fail(p, SQLSTATE.invalidTableDefinition, `column "${c.colname}" cannot be declared SETOF`, location);
    }
    const { type, typmod } = resolveTypeName(p, c.typeName!);
    if (out.names.includes(c.colname!)) {
      fail(p, SQLSTATE.duplicateColumn, `column name "${c.colname}" specified more than once`, location);
    }
    const row = typeRow(type)!;
    if (row.typtype === 'p' && type !== TYPE.record && type !== TYPE.recordArray) {
      fail(p, SQLSTATE.invalidTableDefinition, `column "${c.colname}" has pseudo-type ${formatType(type)}`, location);
    }
    out.names.push(c.colname!);
    out.types.push(type);
    out.typmods.push(typmod);
    out.collations.push(
      c.collClause === undefined
        ? row.typcollation
        : resolveCollation(p, stringsOf(c.collClause.collname), c.collClause.location ?? 0),
    );
  }
  return out;
}

// ---- joins

const JOIN_TYPES: Readonly<Record<string, JoinType>> = {
  JOIN_INNER: 'inner',
  JOIN_LEFT: 'left',
  JOIN_FULL: 'full',
  JOIN_RIGHT: 'right',
};

interface JoinBuild {
  names: string[];
  columns: NsColumn[];
  vars: Expr[];
  left: number[];
  right: number[];
}

function join(p: ParseState, j: RawJoin): FromResult {
  const jointype = JOIN_TYPES[j.jointype!]!;
  const left = fromItem(p, j.larg!);
  const lateralOk = jointype === 'inner' || jointype === 'left';
  setLateral(left.items, true, lateralOk);
  const savedNamespace = p.namespace;
  p.namespace = [...p.namespace, ...left.items];
  const right = fromItem(p, j.rarg!);
  p.namespace = savedNamespace;
  checkNameConflicts(p, left.items, right.items);
  const inner = [...left.items, ...right.items];

  const usingClause = j.isNatural === true ? commonColumns(left.top, right.top) : stringsOf(j.usingClause);
  const isUsing = usingClause.length > 0;
  const rtindexOfJoin = (): number => p.rtable.length + 1;
  const build: JoinBuild = { names: [], columns: [], vars: [], left: [], right: [] };
  let quals: Expr | null = null;
  if (isUsing) quals = usingColumns(p, usingClause, left.top, right.top, jointype, build, rtindexOfJoin());
  else if (j.quals !== undefined) quals = onClause(p, j.quals, inner);
  remainingColumns(p, left.top, build, build.left, 'left');
  remainingColumns(p, right.top, build, build.right, 'right');

  const alias = aliasOf(j.alias);
  const usingAliasName = j.join_using_alias;
  const merged = usingClause.length;
  const usingAlias: Alias | null =
    usingAliasName === undefined ? null : makeAlias(usingAliasName.aliasname!, build.names.slice(0, merged));
  if (alias !== null) {
    const rtindex = rtindexOfJoin();
    build.columns = build.columns.map((c, i) => ({ ...c, varnosyn: rtindex, varattnosyn: i + 1 }));
  }
  const item = addJoin(
    p,
    build.names,
    build.columns,
    jointype,
    merged,
    build.vars,
    build.left,
    build.right,
    usingAlias,
    alias,
  );
  const node: JoinExpr = {
    kind: 'JoinExpr',
    jointype,
    isNatural: j.isNatural === true,
    larg: left.fromNode,
    rarg: right.fromNode,
    usingClause,
    joinUsingAlias: usingAlias,
    quals,
    alias,
    rtindex: item.rtindex,
  };
  const visible: NsItem[] = [];
  if (alias === null) {
    for (const i of inner) visible.push({ ...i, colsVisible: false });
  }
  if (usingAlias !== null) {
    const aliasItem = makeItem(item.rte, item.rtindex, build.columns.slice(0, merged));
    aliasItem.names = usingAlias;
    aliasItem.colsVisible = false;
    checkNameConflicts(p, [aliasItem], visible);
    visible.push(aliasItem);
  }
  const top: NsItem = { ...item, relVisible: alias !== null };
  return { fromNode: node, top, items: [...visible, top] };
}

const commonColumns = (left: NsItem, right: NsItem): string[] =>
  left.names.colnames.filter((name, i) => left.columns[i]!.varno !== 0 && right.names.colnames.includes(name));

function usingColumns(
  p: ParseState,
  names: readonly string[],
  left: NsItem,
  right: NsItem,
  jointype: JoinType,
  build: JoinBuild,
  joinIndex: number,
): Expr {
  const pairs: (readonly [Expr, Expr])[] = [];
  names.forEach((name, position) => {
    if (names.indexOf(name) !== position) {
      fail(p, SQLSTATE.duplicateColumn, `column name "${name}" appears more than once in USING clause`);
    }
    const l = usingColumn(p, left, name, 'left');
    const r = usingColumn(p, right, name, 'right');
    const leftVar = varOfColumn(p, left, l, 0, -1);
    const rightVar = varOfColumn(p, right, r, 0, -1);
    build.left.push(l + 1);
    build.right.push(r + 1);
    build.names.push(name);
    pairs.push([{ ...leftVar }, { ...rightVar }]);
    const mergedVar = mergeVars(p, jointype, leftVar, rightVar);
    build.vars.push(mergedVar);
    if (mergedVar === leftVar) build.columns.push(left.columns[l]!);
    else if (mergedVar === rightVar) build.columns.push(right.columns[r]!);
    else {
      build.columns.push({
        varno: joinIndex,
        varattno: build.vars.length,
        vartype: exprType(mergedVar),
        vartypmod: exprTypmod(mergedVar),
        varcollid: collationOf(p, mergedVar),
        varnosyn: joinIndex,
        varattnosyn: build.vars.length,
        dontexpand: false,
      });
    }
  });
  const conditions = pairs.map(([l, r]) => makeOp(p, ['='], l, r, -1));
  const all: Expr =
    conditions.length === 1 ? conditions[0]! : { kind: 'BoolExpr', boolop: 'and', args: conditions, location: -1 };
  return coerceToBoolean(p, all, 'JOIN/USING');
}
function collationOf(p: ParseState, e: Expr): Oid {
  assignExprCollations(p, e);
  return exprCollation(e);
}

function usingColumn(p: ParseState, item: NsItem, name: string, side: 'left' | 'right'): number {
  const all = item.names.colnames
    .map((n, i) => (n === name && item.columns[i]!.varno !== 0 ? i : -1))
    .filter((i) => i >= 0);
  if (all.length > 1) {
    fail(p, SQLSTATE.ambiguousColumn, `common column name "${name}" appears more than once in ${side} table`);
  }
  if (all.length === 0) {
    fail(p, SQLSTATE.undefinedColumn, `column "${name}" specified in USING clause does not exist in ${side} table`);
  }
  return all[0]!;
}

/** The one value of a USING column: from the side that cannot be null, or from whichever is not. */
function mergeVars(p: ParseState, jointype: JoinType, left: Expr, right: Expr): Expr {
  const type = selectCommonType(p, [left, right], 'JOIN/USING').type;
  const typmod = selectCommonTypmod([left, right], type);
  const adapt = (v: Expr): Expr => {
    if (exprType(v) !== type) return coerceType(p, v, exprType(v), type, typmod, 'implicit', 'implicit_cast', -1);
    return exprTypmod(v) !== typmod ? makeRelabel(v, type, typmod, 'implicit_cast', -1) : v;
  };
  const l = adapt(left);
  const r = adapt(right);
  switch (jointype) {
    case 'left':
      return l;
    case 'right':
      return r;
    case 'full':
      return { kind: 'CoalesceExpr', coalescetype: type, coalescecollid: INVALID, args: [l, r], location: -1 };
    default:
      return l.kind === 'Var' ? l : r.kind === 'Var' ? r : l;
  }
}

/** Columns that USING did not merge. */
function remainingColumns(
  p: ParseState,
  item: NsItem,
  build: JoinBuild,
  taken: number[],
  side: 'left' | 'right',
): void {
  const mergedHere = new Set(taken);
  item.columns.forEach((c, i) => {
    if (c.varno === 0 || mergedHere.has(i + 1)) return;
    build.names.push(item.names.colnames[i]!);
    build.columns.push(c);
    build.vars.push(varOfColumn(p, item, i, 0, -1));
    (side === 'left' ? build.left : build.right).push(i + 1);
  });
}

function onClause(p: ParseState, quals: Node, items: NsItem[]): Expr | null {
  setLateral(items, false, true);
  const saved = p.namespace;
  p.namespace = items;
  const result = transformWhere(p, quals, 'join_on', 'JOIN/ON');
  p.namespace = saved;
  return result;
}
