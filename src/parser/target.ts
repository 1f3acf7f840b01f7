/** target.ts — the target list: `*`, `t.*`, `(row).*`, and the names that columns get.
 *  Counterpart: src/backend/parser/parse_target.c */
import type { ColumnRef, Node, ResTarget } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { TYPE } from '#catalog/oids.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { exprLocation, exprType } from '#nodes/node-funcs.ts';
import type { Expr, FieldSelect, SetToDefault, TargetEntry } from '#nodes/primitives.ts';
import { bodyOf, isTag, stringOf, stringsOf, tagOf } from '#parser/ast.ts';
import { coerceType } from '#parser/coerce.ts';
import { transformExpr } from '#parser/expr.ts';
import { formatType } from '#catalog/format-type.ts';
import { makeTargetEntry } from '#parser/make-nodes.ts';
import { missingFromItem } from '#parser/missing.ts';
import { type ExprKind, fail, type ParseState } from '#parser/parse-state.ts';
import { recordColumns } from '#parser/record-columns.ts';
import { ancestor, expandItem, expressionResult, findNsItem } from '#parser/relation.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export function transformTargetList(p: ParseState, list: readonly Node[], kind: ExprKind): TargetEntry[] {
  const out: TargetEntry[] = [];
  const saved = p.exprKind;
  for (const node of list) {
    const target = bodyOf(node, 'ResTarget');
    const val = target.val!;
    p.exprKind = kind;
    const expanded = expandStar(p, val);
    p.exprKind = saved;
    if (expanded !== null) {
      for (const column of expanded) out.push(makeTargetEntry(column.expr, p.nextResno++, column.name, false));
      continue;
    }
    out.push(transformTargetEntry(p, target, kind));
  }
  return out;
}

function transformTargetEntry(p: ParseState, target: ResTarget, kind: ExprKind): TargetEntry {
  const expr = transformExpr(p, target.val!, kind);
  return makeTargetEntry(expr, p.nextResno++, target.name ?? columnName(target.val!), false);
}

/** A list of expressions where `t.*` may stand, as in ROW(…) and VALUES. */
export function transformExpressionList(
  p: ParseState,
  list: readonly Node[],
  kind: ExprKind,
  allowDefault = false,
): Expr[] {
  const out: Expr[] = [];
  for (const node of list) {
    if (allowDefault && isTag(node, 'SetToDefault')) {
      out.push(makeDefault(node));
      continue;
    }
    const expanded = expandStar(p, node);
    if (expanded !== null) for (const column of expanded) out.push(column.expr);
    else out.push(transformExpr(p, node, kind));
  }
  return out;
}

/** DEFAULT as a value; its type is that of the column it is for. */
export const makeDefault = (node: Node): SetToDefault => ({
  kind: 'SetToDefault',
  typeId: 0 as Oid,
  typeMod: -1,
  collation: 0 as Oid,
  location: bodyOf(node, 'SetToDefault').location ?? 0,
});

interface Column {
  name: string;
  expr: Expr;
}

/** The columns of `*`, `t.*` or `(expr).*`; null for anything else. */
function expandStar(p: ParseState, node: Node): Column[] | null {
  if (isTag(node, 'ColumnRef')) {
    const ref = bodyOf(node, 'ColumnRef');
    return 'A_Star' in ref.fields![ref.fields!.length - 1]! ? expandColumnRefStar(p, ref) : null;
  }
  if (isTag(node, 'A_Indirection')) {
    const body = bodyOf(node, 'A_Indirection');
    const steps = body.indirection!;
    if (!('A_Star' in steps[steps.length - 1]!)) return null;
    const inner: Node =
      steps.length === 1 ? body.arg! : ({ A_Indirection: { ...body, indirection: steps.slice(0, -1) } } as Node);
    return expandRow(p, transformExpr(p, inner, p.exprKind));
  }
  return null;
}

function expandColumnRefStar(p: ParseState, ref: ColumnRef): Column[] {
  const location = ref.location ?? 0;
  const names = ref.fields!.slice(0, -1).map(stringOf);
  if (names.length === 0) {
    const out: Column[] = [];
    let seen = false;
    for (const item of p.namespace) {
      if (!item.colsVisible) continue;
      seen = true;
      out.push(...expandItem(p, item, 0, location));
    }
    if (!seen) fail(p, SQLSTATE.syntaxError, 'SELECT * with no tables specified is not valid', location);
    return out;
  }
  if (names.length > 3) {
    fail(p, SQLSTATE.syntaxError, `improper qualified name (too many dotted names): ${names.join('.')}.*`, location);
  }
  if (names.length === 3 && names[0] !== sessionIdentity.databaseName) {
    fail(
      p,
      SQLSTATE.featureNotSupported,
      `cross-database references are not implemented: ${names.join('.')}.*`,
      location,
    );
  }
  const table = names[names.length - 1]!;
  const found = findNsItem(p, names.length > 1 ? names[names.length - 2]! : null, table, location);
  if (found === null) return missingFromItem(p, table, location);
  return expandItem(p, found.item, found.levelsUp, location);
}

function expandRow(p: ParseState, expr: Expr): Column[] {
  if (expr.kind === 'Var' && expr.varattno === 0) {
    const item = ancestor(p, expr.varlevelsup).namespace.find((n) => n.rtindex === expr.varno);
    if (item !== undefined) return expandItem(p, item, expr.varlevelsup, exprLocation(expr));
  }
  const result = expr.kind === 'Var' && expr.vartype === TYPE.record ? recordColumns(p, expr) : expressionResult(expr);
  if (result === null || result.kind === 'record') {
    fail(p, SQLSTATE.wrongObjectType, 'record type has not been registered', exprLocation(expr));
  }
  if (result.kind !== 'composite') {
    fail(p, SQLSTATE.wrongObjectType, `type ${formatType(exprType(expr))} is not composite`, exprLocation(expr));
  }
  const { names, types, typmods, collations } = result.columns;
  const out: Column[] = [];
  for (let i = 0; i < names.length; i++) {
    if (types[i] === 0) continue;
    const field: FieldSelect = {
      kind: 'FieldSelect',
      arg: expr,
      fieldnum: i + 1,
      resulttype: types[i]!,
      resulttypmod: typmods[i]!,
      resultcollid: collations[i]!,
    };
    out.push({ name: names[i]!, expr: field });
  }
  return out;
}

/** Where each column of the result comes from, for RowDescription. */
export function markTargetOrigins(p: ParseState, list: readonly TargetEntry[]): void {
  for (const entry of list) {
    const v = entry.expr;
    if (v.kind !== 'Var') continue;
    markOrigin(p, entry, v.varno, v.varattno, v.varlevelsup);
  }
}
function markOrigin(p: ParseState, entry: TargetEntry, varno: number, attno: number, levelsUp: number): void {
  const state = ancestor(p, levelsUp);
  const rte = state.rtable[varno - 1];
  if (rte === undefined) return;
  if (rte.rtekind === 'relation') {
    entry.resorigtbl = rte.relid;
    entry.resorigcol = attno;
  } else if (rte.rtekind === 'subquery') {
    const source = rte.subquery.targetList.find((t) => t.resno === attno && !t.resjunk);
    if (source !== undefined) {
      entry.resorigtbl = source.resorigtbl;
      entry.resorigcol = source.resorigcol;
    }
  } else if (rte.rtekind === 'cte' && !rte.selfReference) {
    const cte = ancestor(state, rte.ctelevelsup).ctes.find((c) => c.ctename === rte.ctename);
    const source = cte?.ctequery.targetList.find((t) => t.resno === attno && !t.resjunk);
    if (source !== undefined) {
      entry.resorigtbl = source.resorigtbl;
      entry.resorigcol = source.resorigcol;
    }
  }
}

/** Literals of unknown type that are left become text. */
export function resolveTargetUnknowns(p: ParseState, list: readonly TargetEntry[]): void {
  for (const entry of list) {
    if (exprType(entry.expr) === TYPE.unknown) {
      entry.expr = coerceType(p, entry.expr, TYPE.unknown, TYPE.text, -1, 'implicit', 'implicit_cast', -1);
    }
  }
}

/** The name that a column without AS gets. */
export const columnName = (node: Node): string => guessName(node)?.name ?? '?column?';

/** A weak name gives way to an outer one. */
interface Guess {
  name: string;
  strong: boolean;
}
const strong = (name: string): Guess => ({ name, strong: true });

function guessName(node: Node | undefined): Guess | null {
  if (node === undefined) return null;
  const tag = tagOf(node);
  switch (tag) {
    case 'ColumnRef': {
      const fields = bodyOf(node, 'ColumnRef').fields!;
      for (let i = fields.length - 1; i >= 0; i--) {
        if ('String' in fields[i]!) return strong(stringOf(fields[i]));
      }
      return null;
    }
    case 'A_Indirection': {
      const body = bodyOf(node, 'A_Indirection');
      for (let i = body.indirection!.length - 1; i >= 0; i--) {
        if ('String' in body.indirection![i]!) return strong(stringOf(body.indirection![i]));
      }
      return guessName(body.arg);
    }
    case 'FuncCall': {
      const names = stringsOf(bodyOf(node, 'FuncCall').funcname);
      return strong(names[names.length - 1]!);
    }
    case 'A_Expr':
      return bodyOf(node, 'A_Expr').kind === 'AEXPR_NULLIF' ? strong('nullif') : null;
    case 'TypeCast': {
      const body = bodyOf(node, 'TypeCast');
      const inner = guessName(body.arg);
      if (inner?.strong === true) return inner;
      const names = stringsOf(body.typeName?.names);
      return names.length > 0 ? { name: names[names.length - 1]!, strong: false } : inner;
    }
    case 'CollateClause':
      return guessName(bodyOf(node, 'CollateClause').arg);
    case 'GroupingFunc':
      return strong('grouping');
    case 'SubLink': {
      const body = bodyOf(node, 'SubLink');
      if (body.subLinkType === 'EXISTS_SUBLINK') return strong('exists');
      if (body.subLinkType === 'ARRAY_SUBLINK') return strong('array');
      if (body.subLinkType !== 'EXPR_SUBLINK') return null;
      let select = bodyOf(body.subselect!, 'SelectStmt');
      while (select.larg !== undefined) select = select.larg;
      const first = select.targetList?.[0];
      if (first === undefined) return select.valuesLists !== undefined ? strong('column1') : null;
      const target = bodyOf(first, 'ResTarget');
      if (target.name !== undefined) return strong(target.name);
      return guessName(target.val);
    }
    case 'CaseExpr': {
      const inner = guessName(bodyOf(node, 'CaseExpr').defresult);
      return inner?.strong === true ? inner : { name: 'case', strong: false };
    }
    case 'A_ArrayExpr':
      return strong('array');
    case 'RowExpr':
      return strong('row');
    case 'CoalesceExpr':
      return strong('coalesce');
    case 'MinMaxExpr':
      return strong(bodyOf(node, 'MinMaxExpr').op === 'IS_GREATEST' ? 'greatest' : 'least');
    case 'SQLValueFunction':
      return strong(VALUE_FUNCTION_NAMES[bodyOf(node, 'SQLValueFunction').op!] ?? '?column?');
    case 'XmlExpr':
      return strong(bodyOf(node, 'XmlExpr').op?.replace('IS_', '').toLowerCase() ?? 'xml');
    case 'XmlSerialize':
      return strong('xmlserialize');
    default:
      return null;
  }
}
const VALUE_FUNCTION_NAMES: Readonly<Record<string, string>> = {
  SVFOP_CURRENT_DATE: 'current_date',
  SVFOP_CURRENT_TIME: 'current_time',
  SVFOP_CURRENT_TIME_N: 'current_time',
  SVFOP_CURRENT_TIMESTAMP: 'current_timestamp',
  SVFOP_CURRENT_TIMESTAMP_N: 'current_timestamp',
  SVFOP_LOCALTIME: 'localtime',
  SVFOP_LOCALTIME_N: 'localtime',
  SVFOP_LOCALTIMESTAMP: 'localtimestamp',
  SVFOP_LOCALTIMESTAMP_N: 'localtimestamp',
  SVFOP_CURRENT_ROLE: 'current_role',
  SVFOP_CURRENT_USER: 'current_user',
  SVFOP_USER: 'user',
  SVFOP_SESSION_USER: 'session_user',
  SVFOP_CURRENT_CATALOG: 'current_catalog',
  SVFOP_CURRENT_SCHEMA: 'current_schema',
};
