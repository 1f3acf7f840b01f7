/** relation.ts — the range table and the names in scope: making entries and finding columns by name.
 *
 *  A NsItem is what a FROM item looks like by name; its columns tell which Var a name makes, so that a column of a
 *  join becomes a Var of the table under it. Scope goes outward through ParseState.parent, counting levels.
 *  Counterpart: src/backend/parser/parse_relation.c */
import type { RangeVar } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { functionResult, relationColumns, typeResult, type FunctionResult } from '#catalog/function-result.ts';
import { findRelation, lookupNamespace } from '#catalog/namespace.ts';
import { forgetOnChange } from '#catalog/catalog-change.ts';
import { RELATION, TYPE } from '#catalog/oids.ts';
import { rangeVarGetRelid } from '#catalog/range-var.ts';
import type { ClassRow } from '#catalog/rows.ts';
import { classRow, procRow, systemAttributes, typeCollation, typeRelid, typeRow } from '#catalog/syscache.ts';
import { exprCollation, exprType, exprTypmod } from '#nodes/node-funcs.ts';
import { ACL_SELECT, type CommonTableExpr, noPrivileges, type Query, type RangeTblEntry } from '#nodes/parse-nodes.ts';
import type { Alias, Expr, JoinType, TargetEntry, Var } from '#nodes/primitives.ts';
import { makeVar } from '#parser/make-nodes.ts';
import { missingRelation } from '#parser/missing.ts';
import { fail, type NsColumn, type NsItem, type ParseState, positionOf } from '#parser/parse-state.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK, type LockMode } from '#storage/lmgr/lock-modes.ts';

const INVALID = 0 as Oid;
/** AccessShareLock. */
const ACCESS_SHARE = 1;

export const makeAlias = (aliasname: string, colnames: string[] = []): Alias => ({
  kind: 'Alias',
  aliasname,
  colnames,
});

/** The p levels up. */
export function ancestor(p: ParseState, levelsUp: number): ParseState {
  let at = p;
  for (let i = 0; i < levelsUp; i++) at = at.parent!;
  return at;
}
export const rteOfVar = (p: ParseState, v: Var): RangeTblEntry => ancestor(p, v.varlevelsup).rtable[v.varno - 1]!;

/** Finds the FROM item that a qualifier names, looking outward. A schema-qualified name must be that relation. */
export function findNsItem(
  p: ParseState,
  schema: string | null,
  name: string,
  location: number,
): { item: NsItem; levelsUp: number } | null {
  let relid = INVALID;
  if (schema !== null) {
    const namespace = lookupNamespace(schema);
    if (namespace === 0) return null;
    relid = findRelation({ schema, name })?.oid ?? INVALID;
    if (relid === 0) return null;
  }
  let levelsUp = 0;
  for (let at: ParseState | null = p; at !== null; at = at.parent, levelsUp++) {
    let found: NsItem | null = null;
    for (const item of at.namespace) {
      if (!item.relVisible) continue;
      if (item.lateralOnly && !at.lateralActive) continue;
      const matches =
        relid !== 0
          ? item.rte.rtekind === 'relation' && item.rte.relid === relid && item.rte.alias === null
          : item.names.aliasname === name;
      if (!matches) continue;
      if (found !== null) {
        fail(
          p,
          SQLSTATE.ambiguousAlias,
          relid !== 0 ? `table reference ${relid} is ambiguous` : `table reference "${name}" is ambiguous`,
          location,
        );
      }
      checkLateral(p, item, location);
      found = item;
    }
    if (found !== null) return { item: found, levelsUp };
  }
  return null;
}

function checkLateral(p: ParseState, item: NsItem, location: number): void {
  if (!item.lateralOnly || item.lateralOk) return;
  fail(
    p,
    SQLSTATE.invalidColumnReference,
    `invalid reference to FROM-clause entry for table "${item.names.aliasname}"`,
    location,
    { detail: 'The combining JOIN type must be INNER or LEFT for a LATERAL reference.' },
  );
}

/** The Var of a column of this item, or null. */
export function columnOfItem(
  p: ParseState,
  item: NsItem,
  levelsUp: number,
  name: string,
  location: number,
): Var | null {
  let at = -1;
  const names = item.names.colnames;
  for (let i = 0; i < names.length; i++) {
    if (names[i] !== name || item.columns[i]?.varno === 0) continue;
    if (at >= 0) fail(p, SQLSTATE.ambiguousColumn, `column reference "${name}" is ambiguous`, location);
    at = i;
  }
  if (at >= 0) return varOfColumn(p, item, at, levelsUp, location);
  if (item.rte.rtekind === 'relation') {
    const system = systemAttributes(item.rte.relid).find((a) => a.attname === name);
    if (system !== undefined) {
      const made = makeVar(
        item.rtindex,
        system.attnum,
        system.atttypid,
        system.atttypmod,
        system.attcollation,
        levelsUp,
      );
      made.location = location;
      markSelected(p, made);
      return made;
    }
  }
  return null;
}

export function varOfColumn(p: ParseState, item: NsItem, index: number, levelsUp: number, location: number): Var {
  const c = item.columns[index]!;
  const made: Var = {
    kind: 'Var',
    varno: c.varno,
    varattno: c.varattno,
    vartype: c.vartype,
    vartypmod: c.vartypmod,
    varcollid: c.varcollid,
    varlevelsup: levelsUp,
    varnosyn: c.varnosyn,
    varattnosyn: c.varattnosyn,
    location,
  };
  markSelected(p, made);
  return made;
}

/** Notes that a column is read, for permission checks. */
export function markSelected(p: ParseState, v: Var): void {
  const rte = rteOfVar(p, v);
  if (rte.rtekind === 'relation') {
    rte.requiredPerms |= ACL_SELECT;
    if (!rte.selectedCols.includes(v.varattno)) rte.selectedCols.push(v.varattno);
  }
}

/** An unqualified column name, looking outward; null if there is none. */
export function columnByName(p: ParseState, name: string, localOnly: boolean, location: number): Var | null {
  let levelsUp = 0;
  for (let at: ParseState | null = p; at !== null; at = at.parent, levelsUp++) {
    let found: Var | null = null;
    for (const item of at.namespace) {
      if (!item.colsVisible) continue;
      if (item.lateralOnly && !at.lateralActive) continue;
      const here = columnOfItem(p, item, levelsUp, name, location);
      if (here === null) continue;
      if (found !== null) fail(p, SQLSTATE.ambiguousColumn, `column reference "${name}" is ambiguous`, location);
      checkLateral(p, item, location);
      found = here;
    }
    if (found !== null || localOnly) return found;
  }
  return null;
}

/** A CTE by name, looking outward. */
export function findCte(p: ParseState, name: string): { cte: CommonTableExpr; levelsUp: number } | null {
  let levelsUp = 0;
  for (let at: ParseState | null = p; at !== null; at = at.parent, levelsUp++) {
    const cte = at.ctes.find((c) => c.ctename === name);
    if (cte !== undefined) return { cte, levelsUp };
  }
  return null;
}
export const isFutureCte = (p: ParseState, name: string): boolean => {
  for (let at: ParseState | null = p; at !== null; at = at.parent) {
    if (at.futureCtes.some((c) => c.ctename === name)) return true;
  }
  return false;
};

/** Locks the relation that a RangeVar names, until the transaction ends, or says that it does not exist. */
export function openRangeVar(p: ParseState, relation: RangeVar, lockMode: LockMode = LOCK.accessShare): ClassRow {
  const location = relation.location ?? 0;
  const relid = rangeVarGetRelid(
    { catalog: relation.catalogname, schema: relation.schemaname, name: relation.relname! },
    lockMode,
    { missingOk: true, position: positionOf(p, location) },
  );
  return (relid === 0 ? undefined : classRow(relid)) ?? missingRelation(p, relation, location);
}

export interface AliasNode {
  aliasname?: string;
  colnames?: string[];
}

/** eref: the alias with its column names completed from the underlying columns. */
function completeAlias(
  p: ParseState,
  alias: Alias | null,
  name: string,
  columns: readonly string[],
  what: 'table' | 'join expression',
): Alias {
  const given = alias?.colnames ?? [];
  if (given.length > columns.length) {
    fail(
      p,
      SQLSTATE.invalidColumnReference,
      `${what} "${alias!.aliasname}" has ${columns.length} columns available but ${given.length} columns specified`,
    );
  }
  return makeAlias(
    alias?.aliasname ?? name,
    given.length === 0 ? (columns as string[]) : [...given, ...columns.slice(given.length)],
  );
}

const common = (alias: Alias | null, eref: Alias, lateral: boolean, inFromCl: boolean) => ({
  kind: 'RangeTblEntry' as const,
  alias,
  eref,
  lateral,
  inh: false,
  inFromCl,
  ...noPrivileges(),
});

/** Adds an entry and makes the item that names it. */
function enter(
  p: ParseState,
  rte: RangeTblEntry,
  types: readonly Oid[],
  typmods: readonly number[],
  collations: readonly Oid[],
): NsItem {
  p.rtable.push(rte);
  const rtindex = p.rtable.length;
  return makeItem(rte, rtindex, makeNsColumns(rtindex, types, typmods, collations));
}
export const makeItem = (rte: RangeTblEntry, rtindex: number, columns: NsColumn[]): NsItem => ({
  names: rte.eref,
  rte,
  rtindex,
  columns,
  relVisible: true,
  colsVisible: true,
  lateralOnly: false,
  lateralOk: true,
});

export function addRelation(
  p: ParseState,
  row: ClassRow,
  alias: Alias | null,
  inh: boolean,
  inFromCl: boolean,
): NsItem {
  const columns = relationColumns(row.oid);
  const eref = completeAlias(p, alias, row.relname, columns.names, 'table');
  const rte: RangeTblEntry = {
    ...common(alias, eref, false, inFromCl),
    rtekind: 'relation',
    relid: row.oid,
    relkind: row.relkind,
    rellockmode: ACCESS_SHARE,
    tablesample: null,
  };
  rte.inh = inh;
  rte.requiredPerms = ACL_SELECT;
  p.rtable.push(rte);
  const rtindex = p.rtable.length;
  return makeItem(rte, rtindex, relationNsColumns(row.oid, rtindex));
}

/** Column lists of relations by place in the range table: making one for each mention would cost more than the rest of
 *  analysing a point query. */
const nsColumnCache = new Map<Oid, NsColumn[][]>();
forgetOnChange([RELATION.pgAttribute], () => nsColumnCache.clear());
function relationNsColumns(relid: Oid, rtindex: number): NsColumn[] {
  let lists = nsColumnCache.get(relid);
  if (lists === undefined) {
    lists = [];
    nsColumnCache.set(relid, lists);
  }
  const cached = lists[rtindex];
  if (cached !== undefined) return cached;
  const { types, typmods, collations } = relationColumns(relid);
  const made = makeNsColumns(rtindex, types, typmods, collations);
  if (rtindex <= 8) lists[rtindex] = made;
  return made;
}
function makeNsColumns(
  rtindex: number,
  types: readonly Oid[],
  typmods: readonly number[],
  collations: readonly Oid[],
): NsColumn[] {
  const columns: NsColumn[] = new Array(types.length);
  for (let i = 0; i < types.length; i++) {
    columns[i] = {
      // A dropped column keeps its place, but nothing can name it.
      varno: types[i] === INVALID ? 0 : rtindex,
      varattno: i + 1,
      vartype: types[i]!,
      vartypmod: typmods[i]!,
      varcollid: collations[i]!,
      varnosyn: rtindex,
      varattnosyn: i + 1,
      dontexpand: false,
    };
  }
  return columns;
}

export function addSubquery(
  p: ParseState,
  subquery: Query,
  alias: Alias | null,
  lateral: boolean,
  inFromCl: boolean,
): NsItem {
  const targets = subquery.targetList.filter((t) => !t.resjunk);
  const eref = completeAlias(
    p,
    alias,
    'unnamed_subquery',
    targets.map((t) => t.resname ?? '?column?'),
    'table',
  );
  const rte: RangeTblEntry = {
    ...common(alias, eref, lateral, inFromCl),
    rtekind: 'subquery',
    subquery,
    securityBarrier: false,
    relid: INVALID,
  };
  return enter(
    p,
    rte,
    targets.map((t) => exprType(t.expr)),
    targets.map((t) => exprTypmod(t.expr)),
    targets.map((t) => exprCollation(t.expr)),
  );
}

export interface ColumnDefinitions {
  names: string[];
  types: Oid[];
  typmods: number[];
  collations: Oid[];
}

/** What an expression in FROM gives as columns. */
export function expressionResult(e: Expr): FunctionResult {
  if (e.kind === 'FuncExpr') {
    const proc = procRow(e.funcid)!;
    return functionResult(
      proc,
      e.args.map((a) => exprType(a.kind === 'NamedArgExpr' ? a.arg : a)),
      e.funcresulttype,
    );
  }
  if (e.kind === 'RowExpr' && e.rowTypeid === TYPE.record) {
    return {
      kind: 'composite',
      type: TYPE.record,
      columns: {
        names: e.args.map((_, i) => e.colnames[i] ?? `f${i + 1}`),
        types: e.args.map((a) => exprType(a)),
        typmods: e.args.map((a) => exprTypmod(a)),
        collations: e.args.map((a) => exprCollation(a)),
      },
    };
  }
  return typeResult(exprType(e));
}

export function addFunctions(
  p: ParseState,
  names: readonly string[],
  exprs: readonly Expr[],
  definitions: readonly (ColumnDefinitions | null)[],
  alias: Alias | null,
  ordinality: boolean,
  lateral: boolean,
  locations: readonly number[],
  definitionLocations: readonly number[],
): NsItem {
  const all: ColumnDefinitions = { names: [], types: [], typmods: [], collations: [] };
  const functions = exprs.map((expr, i) => {
    const made = functionColumns(
      p,
      names[i]!,
      expr,
      definitions[i] ?? null,
      alias,
      exprs.length,
      definitions[i] == null ? locations[i]! : definitionLocations[i]!,
    );
    all.names.push(...made.columns.names);
    all.types.push(...made.columns.types);
    all.typmods.push(...made.columns.typmods);
    all.collations.push(...made.columns.collations);
    const defined = definitions[i];
    return {
      kind: 'RangeTblFunction' as const,
      funcexpr: expr,
      funccolcount: made.columns.names.length,
      funccolnames: defined?.names ?? [],
      funccoltypes: defined?.types ?? [],
      funccoltypmods: defined?.typmods ?? [],
      funccolcollations: defined?.collations ?? [],
    };
  });
  if (ordinality) {
    all.names.push('ordinality');
    all.types.push(TYPE.int8);
    all.typmods.push(-1);
    all.collations.push(INVALID);
  }
  const eref = completeAlias(p, alias, alias?.aliasname ?? names[0]!, all.names, 'table');
  const rte: RangeTblEntry = {
    ...common(alias, eref, lateral, true),
    rtekind: 'function',
    functions,
    funcordinality: ordinality,
  };
  return enter(p, rte, all.types, all.typmods, all.collations);
}

/** Only a function whose columns nobody else tells may have a column definition list. */
export function refuseDefinitions(p: ParseState, expr: Expr, location: number): void {
  const result = expressionResult(expr);
  if (result.kind === 'record') return;
  let message = 'a column definition list is only allowed for functions returning "record"';
  if (result.kind === 'composite') {
    message = `a column definition list is redundant for a function ${result.type === TYPE.record ? 'with OUT parameters' : 'returning a named composite type'}`;
  }
  fail(p, SQLSTATE.syntaxError, message, location);
}

function functionColumns(
  p: ParseState,
  name: string,
  expr: Expr,
  defined: ColumnDefinitions | null,
  alias: Alias | null,
  count: number,
  location: number,
): { columns: ColumnDefinitions } {
  const result = expressionResult(expr);
  if (defined !== null) {
    return { columns: defined };
  }
  if (result.kind === 'record') {
    fail(p, SQLSTATE.syntaxError, 'a column definition list is required for functions returning "record"', location);
  }
  if (result.kind === 'composite') {
    const c = result.columns;
    return {
      columns: { names: [...c.names], types: [...c.types], typmods: [...c.typmods], collations: [...c.collations] },
    };
  }
  if (result.kind === 'scalar') {
    return {
      columns: {
        names: [scalarColumnName(expr, name, alias, count)],
        types: [result.type],
        typmods: [exprTypmod(expr)],
        collations: [exprCollation(expr) || typeCollation(result.type)],
      },
    };
  }
  fail(
    p,
    SQLSTATE.datatypeMismatch,
    `function "${name}" in FROM has unsupported return type ${typeRow(exprType(expr))?.typname ?? ''}`,
    location,
  );
}
/** The column of a scalar function: its OUT argument's name, else the alias (if it is the only function), else its own name. */
function scalarColumnName(expr: Expr, name: string, alias: Alias | null, count: number): string {
  if (expr.kind === 'FuncExpr') {
    const proc = procRow(expr.funcid)!;
    if (proc.proargmodes !== null && proc.proargnames !== null) {
      const out = proc.proargmodes.map((m, i) => ({ m, i })).filter(({ m }) => m === 'o' || m === 'b' || m === 't');
      const outName = out.length === 1 ? proc.proargnames[out[0]!.i]! : '';
      if (outName !== '') return outName;
    }
  }
  if (count === 1 && alias !== null) return alias.aliasname;
  return name;
}

export function addValues(
  p: ParseState,
  lists: Expr[][],
  types: Oid[],
  typmods: number[],
  collations: Oid[],
  alias: Alias | null,
  lateral: boolean,
  inFromCl: boolean,
): NsItem {
  const eref = completeAlias(
    p,
    alias,
    '*VALUES*',
    types.map((_, i) => `column${i + 1}`),
    'table',
  );
  const rte: RangeTblEntry = {
    ...common(alias, eref, lateral, inFromCl),
    rtekind: 'values',
    valuesLists: lists,
    coltypes: types,
    coltypmods: typmods,
    colcollations: collations,
  };
  return enter(p, rte, types, typmods, collations);
}

export function addCte(
  p: ParseState,
  cte: CommonTableExpr,
  levelsUp: number,
  alias: Alias | null,
  inFromCl: boolean,
): NsItem {
  const selfReference = cte.ctequery === null || (cte.ctequery as { kind?: string }).kind !== 'Query';
  if (!selfReference) cte.cterefcount++;
  else cte.cterecursive = true;
  const eref = completeAlias(p, alias, cte.ctename, cte.ctecolnames, 'table');
  const rte: RangeTblEntry = {
    ...common(alias, eref, false, inFromCl),
    rtekind: 'cte',
    ctename: cte.ctename,
    ctelevelsup: levelsUp,
    selfReference,
    coltypes: [...cte.ctecoltypes],
    coltypmods: [...cte.ctecoltypmods],
    colcollations: [...cte.ctecolcollations],
  };
  return enter(p, rte, rte.coltypes, rte.coltypmods, rte.colcollations);
}

export function addJoin(
  p: ParseState,
  columnNames: readonly string[],
  columns: NsColumn[],
  jointype: JoinType,
  merged: number,
  aliasVars: Expr[],
  leftColumns: number[],
  rightColumns: number[],
  usingAlias: Alias | null,
  alias: Alias | null,
): NsItem {
  const eref = completeAlias(p, alias, 'unnamed_join', columnNames, 'join expression');
  const rte: RangeTblEntry = {
    ...common(alias, eref, false, true),
    rtekind: 'join',
    jointype,
    joinmergedcols: merged,
    joinaliasvars: aliasVars,
    joinleftcols: leftColumns,
    joinrightcols: rightColumns,
    joinUsingAlias: usingAlias,
  };
  p.rtable.push(rte);
  return makeItem(rte, p.rtable.length, columns);
}

/** Two items of one FROM must not answer to the same name. */
export function checkNameConflicts(p: ParseState, left: readonly NsItem[], right: readonly NsItem[]): void {
  for (const a of left) {
    if (!a.relVisible) continue;
    for (const b of right) {
      if (!b.relVisible || a.names.aliasname !== b.names.aliasname) continue;
      const different =
        a.rte.rtekind === 'relation' &&
        a.rte.alias === null &&
        b.rte.rtekind === 'relation' &&
        b.rte.alias === null &&
        a.rte.relid !== b.rte.relid;
      if (different) continue;
      fail(p, SQLSTATE.duplicateAlias, `table name "${b.names.aliasname}" specified more than once`);
    }
  }
}

/** `item.*` as Vars with their names. */
export function expandItem(
  p: ParseState,
  item: NsItem,
  levelsUp: number,
  location: number,
): { name: string; expr: Var }[] {
  const out: { name: string; expr: Var }[] = [];
  for (let i = 0; i < item.columns.length; i++) {
    const c = item.columns[i]!;
    if (c.varno === 0 || c.dontexpand) continue;
    out.push({ name: item.names.colnames[i]!, expr: varOfColumn(p, item, i, levelsUp, location) });
  }
  return out;
}

/** The fields of a whole-row Var. */
export function expandRowColumns(p: ParseState, v: Var): Expr[] {
  const rte = rteOfVar(p, v);
  const item = ancestor(p, v.varlevelsup).namespace.find((n) => n.rtindex === v.varno) ?? null;
  if (item !== null) return expandItem(p, item, v.varlevelsup, v.location).map((c) => c.expr);
  return rteColumns(rte, v.varno).map((c) => ({
    ...makeVar(v.varno, c.varattno, c.vartype, c.vartypmod, c.varcollid, v.varlevelsup),
    location: v.location,
  }));
}

/** Columns of a range table entry by position. */
export function rteColumns(rte: RangeTblEntry, rtindex: number): NsColumn[] {
  const from = (types: readonly Oid[], typmods: readonly number[], collations: readonly Oid[]): NsColumn[] =>
    types.map((t, i) => ({
      varno: t === INVALID ? 0 : rtindex,
      varattno: i + 1,
      vartype: t,
      vartypmod: typmods[i]!,
      varcollid: collations[i]!,
      varnosyn: rtindex,
      varattnosyn: i + 1,
      dontexpand: false,
    }));
  const fromTargets = (targets: readonly TargetEntry[]): NsColumn[] => {
    const list = targets.filter((t) => !t.resjunk);
    return from(
      list.map((t) => exprType(t.expr)),
      list.map((t) => exprTypmod(t.expr)),
      list.map((t) => exprCollation(t.expr)),
    );
  };
  switch (rte.rtekind) {
    case 'relation': {
      const c = relationColumns(rte.relid);
      return from(c.types, c.typmods, c.collations);
    }
    case 'subquery':
      return fromTargets(rte.subquery.targetList);
    case 'values':
    case 'cte':
    case 'namedtuplestore':
      return from(rte.coltypes, rte.coltypmods, rte.colcollations);
    case 'join':
      return from(
        rte.joinaliasvars.map((e) => exprType(e)),
        rte.joinaliasvars.map((e) => exprTypmod(e)),
        rte.joinaliasvars.map((e) => exprCollation(e)),
      );
    case 'function': {
      const types: Oid[] = [];
      const typmods: number[] = [];
      const collations: Oid[] = [];
      for (const f of rte.functions) {
        if (f.funccoltypes.length > 0) {
          types.push(...f.funccoltypes);
          typmods.push(...f.funccoltypmods);
          collations.push(...f.funccolcollations);
          continue;
        }
        const result = expressionResult(f.funcexpr);
        if (result.kind === 'composite') {
          types.push(...result.columns.types);
          typmods.push(...result.columns.typmods);
          collations.push(...result.columns.collations);
        } else {
          const type = exprType(f.funcexpr);
          types.push(type);
          typmods.push(exprTypmod(f.funcexpr));
          collations.push(exprCollation(f.funcexpr) || typeCollation(type));
        }
      }
      if (rte.funcordinality) {
        types.push(TYPE.int8);
        typmods.push(-1);
        collations.push(INVALID);
      }
      return from(types, typmods, collations);
    }
    case 'tablefunc':
      return from(rte.tablefunc.coltypes, rte.tablefunc.coltypmods, rte.tablefunc.colcollations);
    default:
      return [];
  }
}

/** The row of an item as one value. */
export function wholeRowVar(p: ParseState, item: NsItem, levelsUp: number, location: number): Expr {
  const rte = item.rte;
  if (item.columns.length > 0 && rte.rtekind === 'join') {
    // A join has no row type of its own.
    const columns = expandItem(p, item, levelsUp, location);
    return {
      kind: 'RowExpr',
      args: columns.map((c) => c.expr),
      rowTypeid: TYPE.record,
      rowFormat: 'implicit_cast',
      colnames: columns.map((c) => c.name),
      location,
    };
  }
  let type: Oid = TYPE.record;
  if (rte.rtekind === 'relation') type = typeOfRelation(rte.relid);
  else if (rte.rtekind === 'function' && rte.functions.length === 1 && !rte.funcordinality) {
    const expr = rte.functions[0]!.funcexpr;
    const result = exprType(expr);
    if (typeRelid(result) !== 0) type = result;
    else if (expressionResult(expr).kind === 'scalar') {
      const c = item.columns[0]!;
      const scalar = makeVar(item.rtindex, 1, c.vartype, c.vartypmod, c.varcollid, levelsUp);
      scalar.location = location;
      return scalar;
    }
  }
  const made = makeVar(item.rtindex, 0, type, -1, INVALID, levelsUp);
  made.location = location;
  markSelected(p, made);
  return made;
}
const typeOfRelation = (relid: Oid): Oid => classRow(relid)?.reltype ?? TYPE.record;
