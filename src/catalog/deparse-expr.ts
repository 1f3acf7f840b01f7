/** deparse-expr.ts — expressions of stored trees as SQL text.
 *  Counterpart: get_rule_expr() and its helpers in src/backend/utils/adt/ruleutils.c */
import { typeInfo } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import type { DeparseContext } from '#catalog/deparse-context.ts';
import { INDENT } from '#catalog/deparse-context.ts';
import { deparseQuery, orderByText, windowText } from '#catalog/deparse-query.ts';
import { formatTypeWithTypmod } from '#catalog/format-type.ts';
import { functionIsVisible, operatorIsVisible, relationIsVisible, searchPath } from '#catalog/namespace.ts';
import { TYPE } from '#catalog/oids.ts';
import { quoteIdentifier, quoteLiteral, quoteQualified } from '#catalog/quote.ts';
import { showRelation } from '#catalog/reg-types.ts';
import {
  attributes,
  classRow,
  collationRow,
  isComposite,
  namespaceRow,
  operatorRow,
  procRow,
  systemAttributes,
  typeCollation,
  typeRelid,
} from '#catalog/syscache.ts';
import { exprType, exprTypmod, lengthCoercionTypmod } from '#nodes/node-funcs.ts';
import type * as nodes from '#nodes/primitives.ts';
import type { Expr, Var } from '#nodes/primitives.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

type Context = DeparseContext;

// ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────

export function operatorText(oid: Oid): string {
  const row = operatorRow(oid);
  if (row === undefined) return report('ERROR', { message: `cache lookup failed for operator ${oid}` });
  if (operatorIsVisible(oid)) return row.oprname;
  return `OPERATOR(${quoteIdentifier(namespaceRow(row.oprnamespace)?.nspname ?? '')}.${row.oprname})`;
}
function functionText(oid: Oid): string {
  const row = procRow(oid);
  if (row === undefined) return report('ERROR', { message: `cache lookup failed for function ${oid}` });
  return quoteQualified(functionIsVisible(oid) ? null : (namespaceRow(row.pronamespace)?.nspname ?? ''), row.proname);
}
/** Qualified if the path does not find it, or if a WITH query of the same name would be found instead. */
export function relationText(c: Context, oid: Oid): string {
  const row = classRow(oid);
  if (row === undefined) return report('ERROR', { message: `cache lookup failed for relation ${oid}` });
  const hidden = !relationIsVisible(oid) || c.levels.some((level) => level.ctes.includes(row.relname));
  return quoteQualified(hidden ? (namespaceRow(row.relnamespace)?.nspname ?? '') : null, row.relname);
}
export function collationText(oid: Oid): string {
  const row = collationRow(oid);
  if (row === undefined) return report('ERROR', { message: `cache lookup failed for collation ${oid}` });
  const visible = searchPath().includes(row.collnamespace);
  return quoteQualified(visible ? null : (namespaceRow(row.collnamespace)?.nspname ?? ''), row.collname);
}

// ── leaves ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** get_const_expr(): `show` -1 without type, 0 with it if needed, 1 with it. */
export function constText(node: nodes.Const, show: number): string {
  const type = (): string => `::${formatTypeWithTypmod(node.consttype, node.consttypmod)}`;
  if (node.constisnull) return show < 0 ? 'NULL' : `NULL${type()}${constCollation(node)}`;
  const text = typeInfo(node.consttype).output(node.constvalue);
  let body: string;
  let needsLabel = true;
  switch (node.consttype) {
    case TYPE.int4:
      needsLabel = text.startsWith('-');
      body = needsLabel ? `'${text}'` : text;
      break;
    case TYPE.numeric: {
      const plain = /^\d/.test(text) && /[eE.]/.test(text);
      body = plain ? text : `'${text}'`;
      needsLabel = !plain || node.consttypmod >= 0;
      break;
    }
    case TYPE.bool:
      body = text === 't' ? 'true' : 'false';
      needsLabel = false;
      break;
    default:
      // Backslashes stand for themselves: never E''.
      body = `'${text.replaceAll("'", "''")}'`;
      needsLabel = node.consttype !== TYPE.unknown;
  }
  if (show < 0) return body;
  return `${body}${needsLabel || show > 0 ? type() : ''}${constCollation(node)}`;
}
const constCollation = (node: nodes.Const): string =>
  node.constcollid !== 0 && node.constcollid !== typeCollation(node.consttype)
    ? ` COLLATE ${collationText(node.constcollid)}`
    : '';

/** get_variable(): writes it and returns the column's name, null for a whole row. */
export function putVariable(c: Context, node: Var, levelsUp: number, isTop: boolean): string | null {
  const level = c.levels[node.varlevelsup + levelsUp];
  if (level === undefined)
    return report('ERROR', { message: `bogus varlevelsup: ${node.varlevelsup} offset ${levelsUp}` });
  const varno = node.varnosyn > 0 ? node.varnosyn : node.varno;
  const attnum = node.varnosyn > 0 ? node.varattnosyn : node.varattno;
  const rte = level.rtable[varno - 1];
  if (rte === undefined) return report('ERROR', { message: `bogus varno: ${varno}` });
  let refname = level.names[varno - 1] ?? null;
  if (rte.rtekind === 'join' && rte.alias === null) {
    // A merged column of USING has no table; others are the column under the join.
    const alias = attnum > 0 ? rte.joinaliasvars[attnum - 1] : undefined;
    if (alias !== undefined && alias.kind === 'Var') return putVariable(c, alias, node.varlevelsup + levelsUp, isTop);
    refname = null;
  }
  let name: string | null = null;
  if (attnum > 0) name = level.columns[varno - 1]?.[attnum - 1] ?? null;
  else if (attnum < 0 && rte.rtekind === 'relation') {
    name = systemAttributes(rte.relid).find((row) => row.attnum === attnum)?.attname ?? null;
  }
  if (refname !== null && (c.prefix || name === null)) c.put(`${quoteIdentifier(refname)}.`);
  if (name !== null) c.put(quoteIdentifier(name));
  else {
    c.put('*');
    if (isTop) c.put(`::${formatTypeWithTypmod(node.vartype, node.vartypmod)}`);
  }
  return name;
}

// ── parentheses ──────────────────────────────────────────────────────────────────────────────────────────────────

const ALWAYS_SIMPLE: ReadonlySet<string> = new Set([
  'Var',
  'Const',
  'Param',
  'CoerceToDomainValue',
  'SetToDefault',
  'CurrentOfExpr',
  'SubscriptingRef',
  'ArrayExpr',
  'RowExpr',
  'CoalesceExpr',
  'MinMaxExpr',
  'SQLValueFunction',
  'XmlExpr',
  'NextValueExpr',
  'NullIfExpr',
  'Aggref',
  'GroupingFunc',
  'WindowFunc',
  'FuncExpr',
  'CaseExpr',
]);
const ENCLOSING: ReadonlySet<string> = new Set([
  'SubscriptingRef',
  'ArrayExpr',
  'RowExpr',
  'CoalesceExpr',
  'MinMaxExpr',
  'XmlExpr',
  'NullIfExpr',
  'Aggref',
  'GroupingFunc',
  'WindowFunc',
  'CaseExpr',
]);
const binaryOperator = (node: Expr): string | null => {
  if (node.kind !== 'OpExpr' || node.args.length !== 2) return null;
  const text = operatorText(node.opno);
  return text.length === 1 ? text : null;
};
/** Is the node unambiguous below its parent without parentheses? */
function isSimple(node: Expr, parent: Expr): boolean {
  if (ALWAYS_SIMPLE.has(node.kind)) return true;
  const inCall = (): boolean => parent.kind === 'FuncExpr' && parent.funcformat === 'explicit_call';
  switch (node.kind) {
    case 'FieldSelect':
      return parent.kind !== 'FieldSelect';
    case 'FieldStore':
      return parent.kind !== 'FieldStore';
    case 'CoerceToDomain':
    case 'RelabelType':
    case 'CoerceViaIO':
    case 'ArrayCoerceExpr':
    case 'ConvertRowtypeExpr':
      return isSimple(node.arg, node);
    case 'OpExpr': {
      if (parent.kind !== 'OpExpr') return inCall() || parent.kind === 'BoolExpr' || ENCLOSING.has(parent.kind);
      const own = binaryOperator(node);
      const above = binaryOperator(parent);
      if (own === null || above === null) return false;
      const rank = (op: string): number => ('+-'.includes(op) ? 1 : '*/%'.includes(op) ? 2 : 0);
      if (rank(own) === 0 || rank(above) === 0) return false;
      if (rank(own) !== rank(above)) return rank(own) > rank(above);
      return parent.args[0] === node;
    }
    case 'SubLink':
    case 'NullTest':
    case 'BooleanTest':
    case 'DistinctExpr':
      return inCall() || parent.kind === 'BoolExpr' || ENCLOSING.has(parent.kind);
    case 'BoolExpr':
      if (parent.kind === 'BoolExpr') {
        return node.boolop === 'or' ? parent.boolop === 'or' : parent.boolop !== 'not';
      }
      return inCall() || ENCLOSING.has(parent.kind);
    default:
      return false;
  }
}
function putWithin(c: Context, node: Expr, showImplicit: boolean, parent: Expr): void {
  const parens = c.prettyParens && !isSimple(node, parent);
  if (parens) c.put('(');
  putExpr(c, node, showImplicit);
  if (parens) c.put(')');
}
/** Parentheses that only pretty printing leaves out. */
function enclosed(c: Context, work: () => void): void {
  if (!c.prettyParens) c.put('(');
  work();
  if (!c.prettyParens) c.put(')');
}

// ── expressions ──────────────────────────────────────────────────────────────────────────────────────────────────

/** get_rule_expr_toplevel(): a whole row says so. */
export function putTopExpr(c: Context, node: Expr, showImplicit: boolean): void {
  if (node.kind === 'Var') putVariable(c, node, 0, true);
  else putExpr(c, node, showImplicit);
}
export function putList(c: Context, list: readonly Expr[], showImplicit: boolean): void {
  list.forEach((item, i) => {
    if (i > 0) c.put(', ');
    putTopExpr(c, item, showImplicit);
  });
}
export function putExpr(c: Context, node: Expr, showImplicit: boolean): void {
  switch (node.kind) {
    case 'Var':
      putVariable(c, node, 0, false);
      return;
    case 'Const':
      c.put(constText(node, 0));
      return;
    case 'Param': {
      const name = c.argumentNames[node.paramid - 1] ?? '';
      c.put(node.paramkind === 'extern' && name !== '' ? quoteIdentifier(name) : `$${node.paramid}`);
      return;
    }
    case 'Aggref':
      putAggregate(c, node);
      return;
    case 'GroupingFunc':
      c.put('GROUPING(');
      putList(c, node.args, true);
      c.put(')');
      return;
    case 'WindowFunc':
      putWindowFunction(c, node);
      return;
    case 'SubscriptingRef':
      putSubscript(c, node);
      return;
    case 'FuncExpr':
      putFunction(c, node, showImplicit);
      return;
    case 'NamedArgExpr':
      c.put(`${quoteIdentifier(node.name)} => `);
      putExpr(c, node.arg, showImplicit);
      return;
    case 'OpExpr':
      enclosed(c, () => {
        const name = operatorText(node.opno);
        if (node.args.length === 2) {
          putWithin(c, node.args[0]!, true, node);
          c.put(` ${name} `);
          putWithin(c, node.args[1]!, true, node);
        } else {
          c.put(`${name} `);
          putWithin(c, node.args[0]!, true, node);
        }
      });
      return;
    case 'DistinctExpr':
      enclosed(c, () => {
        putWithin(c, node.args[0]!, true, node);
        c.put(' IS DISTINCT FROM ');
        putWithin(c, node.args[1]!, true, node);
      });
      return;
    case 'NullIfExpr':
      c.put('NULLIF(');
      putList(c, node.args, true);
      c.put(')');
      return;
    case 'ScalarArrayOpExpr':
      enclosed(c, () => {
        const [left, right] = node.args as [Expr, Expr];
        putWithin(c, left, true, node);
        c.put(` ${operatorText(node.opno)} ${node.useOr ? 'ANY' : 'ALL'} (`);
        putWithin(c, right, true, node);
        // A plain sub-select here would be taken for ANY (SELECT …).
        if (right.kind === 'SubLink' && right.subLinkType === 'expr') {
          c.put(`::${formatTypeWithTypmod(exprType(right), exprTypmod(right))}`);
        }
        c.put(')');
      });
      return;
    case 'BoolExpr':
      enclosed(c, () => {
        if (node.boolop === 'not') c.put('NOT ');
        node.args.forEach((arg, i) => {
          if (i > 0) c.put(node.boolop === 'and' ? ' AND ' : ' OR ');
          putWithin(c, arg, false, node);
        });
      });
      return;
    case 'SubLink':
      putSubLink(c, node);
      return;
    case 'FieldSelect': {
      const parens = node.arg.kind !== 'SubscriptingRef' && node.arg.kind !== 'FieldSelect';
      if (parens) c.put('(');
      putExpr(c, node.arg, true);
      if (parens) c.put(')');
      c.put(`.${quoteIdentifier(fieldName(c, node))}`);
      return;
    }
    case 'FieldStore':
      putExpr(c, node.arg, showImplicit);
      return;
    case 'RelabelType':
      putCoercion(c, node, node.relabelformat, node.arg, node.resulttype, node.resulttypmod, showImplicit);
      return;
    case 'CoerceViaIO':
      putCoercion(c, node, node.coerceformat, node.arg, node.resulttype, -1, showImplicit);
      return;
    case 'ArrayCoerceExpr':
      putCoercion(c, node, node.coerceformat, node.arg, node.resulttype, node.resulttypmod, showImplicit);
      return;
    case 'ConvertRowtypeExpr':
      putCoercion(c, node, node.convertformat, node.arg, node.resulttype, -1, showImplicit);
      return;
    case 'CoerceToDomain':
      putCoercion(c, node, node.coercionformat, node.arg, node.resulttype, node.resulttypmod, showImplicit);
      return;
    case 'CollateExpr':
      enclosed(c, () => {
        putWithin(c, node.arg, showImplicit, node);
        c.put(` COLLATE ${collationText(node.collOid)}`);
      });
      return;
    case 'CaseExpr':
      putCase(c, node);
      return;
    case 'CaseTestExpr':
      c.put('CASE_TEST_EXPR');
      return;
    case 'ArrayExpr':
      c.put('ARRAY[');
      putList(c, node.elements, true);
      c.put(']');
      if (node.elements.length === 0) c.put(`::${formatTypeWithTypmod(node.arrayTypeid, -1)}`);
      return;
    case 'RowExpr':
      c.put('ROW(');
      putList(c, node.args, true);
      c.put(')');
      if (node.rowFormat === 'explicit_cast') c.put(`::${formatTypeWithTypmod(node.rowTypeid, -1)}`);
      return;
    case 'RowCompareExpr':
      c.put('(ROW(');
      putList(c, node.largs, true);
      c.put(`) ${operatorText(node.opnos[0]!)} ROW(`);
      putList(c, node.rargs, true);
      c.put('))');
      return;
    case 'CoalesceExpr':
      c.put('COALESCE(');
      putList(c, node.args, true);
      c.put(')');
      return;
    case 'MinMaxExpr':
      c.put(node.op === 'greatest' ? 'GREATEST(' : 'LEAST(');
      putList(c, node.args, true);
      c.put(')');
      return;
    case 'SQLValueFunction': {
      const isPrecise = node.op.endsWith('_n');
      const word = (isPrecise ? node.op.slice(0, -2) : node.op).toUpperCase();
      c.put(isPrecise ? `${word}(${node.typmod})` : word);
      return;
    }
    case 'NullTest':
      enclosed(c, () => {
        putWithin(c, node.arg, true, node);
        const isNull = node.nulltesttype === 'is_null';
        // For a row that is tested as a value, IS NULL would mean something else.
        if (node.argisrow || !isRowType(exprType(node.arg))) c.put(isNull ? ' IS NULL' : ' IS NOT NULL');
        else c.put(isNull ? ' IS NOT DISTINCT FROM NULL' : ' IS DISTINCT FROM NULL');
      });
      return;
    case 'BooleanTest':
      enclosed(c, () => {
        putWithin(c, node.arg, false, node);
        c.put(` ${node.booltesttype.replaceAll('_', ' ').toUpperCase()}`);
      });
      return;
    case 'CoerceToDomainValue':
      c.put('VALUE');
      return;
    case 'SetToDefault':
      c.put('DEFAULT');
      return;
    case 'NextValueExpr':
      c.put(`nextval(${quoteLiteral(showRelation(node.seqid))}::regclass)`);
      return;
    case 'InferenceElem':
      putExpr(c, node.expr, false);
      return;
    default:
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: `showing a ${node.kind} as text is not supported yet`,
      });
  }
}
const isRowType = (type: Oid): boolean => type === TYPE.record || isComposite(type);

function putCoercion(
  c: Context,
  node: Expr,
  form: nodes.CoercionForm,
  arg: Expr,
  type: Oid,
  typmod: number,
  showImplicit: boolean,
): void {
  if (form === 'implicit_cast' && !showImplicit) {
    putWithin(c, arg, false, node);
    return;
  }
  // As a literal with its type already.
  if (arg.kind === 'Const' && arg.consttype === type && arg.consttypmod === -1) c.put(constText(arg, -1));
  else enclosed(c, () => putWithin(c, arg, false, node));
  c.put(`::${formatTypeWithTypmod(type, typmod)}`);
}

function putFunction(c: Context, node: nodes.FuncExpr, showImplicit: boolean): void {
  if (node.funcformat === 'implicit_cast' && !showImplicit) {
    putWithin(c, node.args[0]!, false, node);
    return;
  }
  if (node.funcformat === 'implicit_cast' || node.funcformat === 'explicit_cast') {
    putCoercion(c, node, node.funcformat, node.args[0]!, node.funcresulttype, lengthCoercionTypmod(node), true);
    return;
  }
  if (node.funcformat === 'sql_syntax' && putSqlSyntax(c, node)) return;
  c.put(`${functionText(node.funcid)}(`);
  node.args.forEach((arg, i) => {
    if (i > 0) c.put(', ');
    if (node.funcvariadic && i === node.args.length - 1) c.put('VARIADIC ');
    putExpr(c, arg, true);
  });
  c.put(')');
}
/** get_func_sql_syntax(): functions that SQL writes with words. */
function putSqlSyntax(c: Context, node: nodes.FuncExpr): boolean {
  const name = procRow(node.funcid)?.proname ?? '';
  const { args } = node;
  const arg = (i: number): void => putExpr(c, args[i]!, false);
  const words = (...parts: (string | number)[]): true => {
    for (const part of parts) {
      if (typeof part === 'number') arg(part);
      else c.put(part);
    }
    return true;
  };
  const third = (word: string): (string | number)[] => (args.length === 3 ? [word, 2] : []);
  switch (name) {
    case 'timezone':
      return words('(', 1, ' AT TIME ZONE ', 0, ')');
    case 'overlaps':
      return words('((', 0, ', ', 1, ') OVERLAPS (', 2, ', ', 3, '))');
    case 'extract': {
      const field = args[0]!;
      c.put('EXTRACT(');
      c.put(field.kind === 'Const' ? String(field.constvalue) : '');
      return words(' FROM ', 1, ')');
    }
    case 'is_normalized':
      return words('((', 0, ') IS', ...(args.length === 2 ? [` ${constWord(args[1]!)}`] : []), ' NORMALIZED)');
    case 'pg_collation_for':
      return words('COLLATION FOR (', 0, ')');
    case 'normalize':
      return words('NORMALIZE(', 0, ...(args.length === 2 ? [`, ${constWord(args[1]!)}`] : []), ')');
    case 'overlay':
      return words('OVERLAY(', 0, ' PLACING ', 1, ' FROM ', 2, ...(args.length === 4 ? [' FOR ', 3] : []), ')');
    case 'position':
      return words('POSITION((', 1, ') IN (', 0, '))');
    case 'substring':
      if (args.length === 2 && exprType(args[1]!) === TYPE.text) return false;
      if (args.length === 3 && exprType(args[1]!) === TYPE.text) {
        return words('SUBSTRING(', 0, ' SIMILAR ', 1, ' ESCAPE ', 2, ')');
      }
      return words('SUBSTRING(', 0, ' FROM ', 1, ...third(' FOR '), ')');
    case 'btrim':
    case 'ltrim':
    case 'rtrim': {
      const side = name === 'btrim' ? 'BOTH' : name === 'ltrim' ? 'LEADING' : 'TRAILING';
      return words(`TRIM(${side}`, ...(args.length === 2 ? [' ', 1] : []), ' FROM ', 0, ')');
    }
    case 'system_user':
      return words('SYSTEM_USER');
    case 'xmlexists':
      return words('XMLEXISTS((', 0, ') PASSING (', 1, '))');
    default:
      return false;
  }
}
const constWord = (node: Expr): string => (node.kind === 'Const' ? String(node.constvalue) : '');

function putAggregate(c: Context, node: nodes.Aggref): void {
  const isOrderedSet = node.aggkind !== 'n';
  c.put(`${functionText(node.aggfnoid)}(${node.aggdistinct.length > 0 ? 'DISTINCT ' : ''}`);
  if (isOrderedSet) {
    node.aggdirectargs.forEach((arg, i) => {
      if (i > 0) c.put(', ');
      if (node.aggvariadic && i === node.aggdirectargs.length - 1) c.put('VARIADIC ');
      putExpr(c, arg, true);
    });
    c.put(') WITHIN GROUP (');
    orderByText(c, node.aggorder, node.args, false);
  } else {
    if (node.aggstar) c.put('*');
    const args = node.args.filter((target) => !target.resjunk);
    args.forEach((target, i) => {
      if (i > 0) c.put(', ');
      if (node.aggvariadic && i === args.length - 1) c.put('VARIADIC ');
      putExpr(c, target.expr, true);
    });
    if (node.aggorder.length > 0) {
      c.put(' ORDER BY ');
      orderByText(c, node.aggorder, node.args, false);
    }
  }
  if (node.aggfilter !== null) {
    c.put(') FILTER (WHERE ');
    putExpr(c, node.aggfilter, false);
  }
  c.put(')');
}
function putWindowFunction(c: Context, node: nodes.WindowFunc): void {
  c.put(`${functionText(node.winfnoid)}(`);
  if (node.winstar) c.put('*');
  else putList(c, node.args, true);
  if (node.aggfilter !== null) {
    c.put(') FILTER (WHERE ');
    putExpr(c, node.aggfilter, false);
  }
  c.put(') OVER ');
  const window = c.windows.find((one) => one.winref === node.winref);
  if (window === undefined) c.put('(?)');
  else if (window.name !== null) c.put(quoteIdentifier(window.name));
  else windowText(c, window, c.windowTargets);
}
function putSubscript(c: Context, node: nodes.SubscriptingRef): void {
  const parens = node.refexpr.kind !== 'Var' && node.refexpr.kind !== 'FieldSelect';
  if (parens) c.put('(');
  putExpr(c, node.refexpr, true);
  if (parens) c.put(')');
  node.refupperindexpr.forEach((upper, i) => {
    c.put('[');
    if (node.reflowerindexpr.length > 0) {
      const lower = node.reflowerindexpr[i] ?? null;
      if (lower !== null) putExpr(c, lower, false);
      c.put(':');
    }
    if (upper !== null) putExpr(c, upper, false);
    c.put(']');
  });
}
function putCase(c: Context, node: nodes.CaseExpr): void {
  c.keyword('CASE', 0, INDENT.var, 0);
  if (node.arg !== null) {
    c.put(' ');
    putExpr(c, node.arg, true);
  }
  for (const when of node.args) {
    let condition = when.expr;
    // CASE x WHEN y: the comparison with the placeholder is not written.
    if (node.arg !== null && condition.kind === 'OpExpr' && condition.args.length === 2) condition = condition.args[1]!;
    if (!c.prettyIndent) c.put(' ');
    c.keyword('WHEN ', 0, 0, 0);
    putExpr(c, condition, false);
    c.put(' THEN ');
    putExpr(c, when.result, true);
  }
  if (!c.prettyIndent) c.put(' ');
  c.keyword('ELSE ', 0, 0, 0);
  if (node.defresult !== null) putExpr(c, node.defresult, true);
  else c.put('NULL');
  if (!c.prettyIndent) c.put(' ');
  c.keyword('END', -INDENT.var, 0, 0);
}
function putSubLink(c: Context, node: nodes.SubLink): void {
  c.put(node.subLinkType === 'array' ? 'ARRAY(' : '(');
  let operator: string | null = null;
  const { testexpr } = node;
  if (testexpr !== null) {
    if (testexpr.kind === 'OpExpr') {
      putExpr(c, testexpr.args[0]!, true);
      operator = operatorText(testexpr.opno);
    } else if (testexpr.kind === 'BoolExpr') {
      c.put('(');
      testexpr.args.forEach((arg, i) => {
        if (arg.kind !== 'OpExpr') return;
        if (i > 0) c.put(', ');
        putExpr(c, arg.args[0]!, true);
        operator ??= operatorText(arg.opno);
      });
      c.put(')');
    } else if (testexpr.kind === 'RowCompareExpr') {
      c.put('(');
      putList(c, testexpr.largs, true);
      operator = operatorText(testexpr.opnos[0]!);
      c.put(')');
    }
  }
  let parens = true;
  switch (node.subLinkType) {
    case 'exists':
      c.put('EXISTS ');
      break;
    case 'any':
      c.put(operator === '=' ? ' IN ' : ` ${operator} ANY `);
      break;
    case 'all':
      c.put(` ${operator} ALL `);
      break;
    case 'rowcompare':
      c.put(` ${operator} `);
      break;
    default:
      parens = false;
  }
  if (parens) c.put('(');
  deparseQuery(c, node.subselect, null, false);
  c.put(parens ? '))' : ')');
}
/** Of a named composite type; rows without a type have their columns' names only where they are made. */
function fieldName(c: Context, node: nodes.FieldSelect): string {
  const relid = typeRelid(exprType(node.arg));
  if (relid !== 0) return attributes(relid)[node.fieldnum - 1]?.attname ?? `f${node.fieldnum}`;
  const { arg } = node;
  if (arg.kind === 'RowExpr' && arg.colnames.length >= node.fieldnum) return arg.colnames[node.fieldnum - 1]!;
  if (arg.kind === 'Var' && arg.varattno === 0) {
    const level = c.levels[arg.varlevelsup];
    return level?.columns[arg.varno - 1]?.[node.fieldnum - 1] ?? `f${node.fieldnum}`;
  }
  return `f${node.fieldnum}`;
}
