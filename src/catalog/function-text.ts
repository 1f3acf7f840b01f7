/** function-text.ts — functions, indexes and constraints as SQL writes them.
 *  Counterpart: src/backend/utils/adt/ruleutils.c (pg_get_function_arguments, pg_get_indexdef …) */
import type { Oid } from '#base/ids.ts';
import { deparseStoredExpr, storedExprText } from '#catalog/deparse.ts';
import { formatType } from '#catalog/format-type.ts';
import { relationIsVisible, searchPath } from '#catalog/namespace.ts';
import { quoteIdentifier, quoteLiteral, quoteQualified } from '#catalog/quote.ts';
import type { ProcRow } from '#catalog/rows.ts';
import { store } from '#catalog/rows.ts';
import {
  aggregateRow,
  attributes,
  classRow,
  collationRow,
  constraintRow,
  defaultOpclass,
  domainConstraintText,
  functionArgumentDefault,
  indexRow,
  languageRow,
  namespaceRow,
  opclassRow,
  procRow,
  sqlFunctionBody,
} from '#catalog/syscache.ts';
import { showProc, showRelation } from '#catalog/reg-types.ts';
import { exprCollation, exprType } from '#nodes/node-funcs.ts';
import { stringToNode } from '#nodes/node-text.ts';
import type { Expr } from '#nodes/primitives.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

interface Argument {
  readonly name: string;
  readonly mode: string;
  readonly type: Oid;
}
function argumentsOf(proc: ProcRow): Argument[] {
  const types = proc.proallargtypes ?? proc.proargtypes;
  return types.map((type, i) => ({
    name: proc.proargnames?.[i] ?? '',
    mode: proc.proargmodes?.[i] ?? 'i',
    type,
  }));
}

const MODES: Readonly<Record<string, string>> = { b: 'INOUT ', o: 'OUT ', v: 'VARIADIC ' };

function argumentText(a: Argument, isProcedure: boolean): string {
  const mode = a.mode === 'i' ? (isProcedure ? 'IN ' : '') : (MODES[a.mode] ?? '');
  return `${mode}${a.name === '' ? '' : `${quoteIdentifier(a.name)} `}${formatType(a.type)}`;
}

function printArguments(proc: ProcRow, withDefaults: boolean): string {
  const list = argumentsOf(proc);
  const aggregate = proc.prokind === 'a' ? aggregateRow(proc.oid) : undefined;
  const orderAt = aggregate !== undefined && aggregate.aggkind !== 'n' ? aggregate.aggnumdirectargs : -1;
  let out = '';
  let printed = 0;
  for (let i = 0; i < list.length; i++) {
    const a = list[i]!;
    if (a.mode === 't') continue;
    if (printed === orderAt) out += `${printed > 0 ? ' ' : ''}ORDER BY `;
    else if (printed > 0) out += ', ';
    out += argumentText(a, proc.prokind === 'p');
    if (withDefaults && 'ibv'.includes(a.mode)) {
      const text = functionArgumentDefault(proc.oid, i + 1);
      if (text !== undefined) out += ` DEFAULT ${text}`;
    }
    printed++;
    // A variadic last direct argument is also what is ordered by.
    if (printed === orderAt && i === list.length - 1) i--;
  }
  return out;
}
export const functionArguments = (oid: Oid): string | null => {
  const proc = procRow(oid);
  return proc === undefined ? null : printArguments(proc, true);
};
export const functionIdentityArguments = (oid: Oid): string | null => {
  const proc = procRow(oid);
  return proc === undefined ? null : printArguments(proc, false);
};
export function functionResultText(oid: Oid): string | null {
  const proc = procRow(oid);
  if (proc === undefined || proc.prokind === 'p') return null;
  const table = argumentsOf(proc).filter((a) => a.mode === 't');
  if (table.length > 0) return `TABLE(${table.map((a) => argumentText(a, false)).join(', ')})`;
  return `${proc.proretset ? 'SETOF ' : ''}${formatType(proc.prorettype)}`;
}

/** The whole CREATE INDEX, or one column of it (1-based). */
export function indexDefinition(oid: Oid, column: number, pretty: boolean): string | null {
  const index = indexRow(oid);
  const relation = classRow(oid);
  if (index === undefined || relation === undefined) return null;
  const heap = classRow(index.indrelid)!;
  const columns = attributes(index.indrelid);
  const keys: string[] = [];
  const included: string[] = [];
  const expressions = index.indexprs === null ? [] : (stringToNode(index.indexprs) as Expr[]);
  let nextExpression = 0;
  index.indkey.forEach((attnum, i) => {
    const expression = attnum === 0 ? expressions[nextExpression++]! : null;
    if (column !== 0 && column !== i + 1) return;
    if (expression !== null) {
      const plain = deparseStoredExpr(expression, index.indrelid, pretty);
      let text = looksLikeFunction(expression) ? plain : `(${plain})`;
      if (column === 0) text += keyOptions(index, i, exprType(expression), exprCollation(expression));
      keys.push(text);
      return;
    }
    const attribute = columns[attnum - 1]!;
    let text = quoteIdentifier(attribute.attname);
    if (i >= index.indnkeyatts) {
      (column === 0 ? included : keys).push(text);
      return;
    }
    if (column === 0) text += keyOptions(index, i, attribute.atttypid, attribute.attcollation);
    keys.push(text);
  });
  if (column !== 0) return keys.join('');
  const am = store.am.byOid(relation.relam)?.amname ?? '';
  const table = quoteQualified(
    pretty && relationIsVisible(heap.oid) ? null : (namespaceRow(heap.relnamespace)?.nspname ?? ''),
    heap.relname,
  );
  const include = included.length > 0 ? ` INCLUDE (${included.join(', ')})` : '';
  const distinct = index.indnullsnotdistinct ? ' NULLS NOT DISTINCT' : '';
  const options = (relation.reloptions ?? []).map(optionText).join(', ');
  const storage = options === '' ? '' : ` WITH (${options})`;
  const predicate =
    index.indpred === null ? '' : ` WHERE ${storedExprText(index.indpred, index.indrelid, pretty) ?? ''}`;
  return `CREATE ${index.indisunique ? 'UNIQUE ' : ''}INDEX ${quoteIdentifier(relation.relname)} ON ${table} USING ${am} (${keys.join(', ')})${include}${distinct}${storage}${predicate}`;
}
const optionText = (option: string): string => {
  const at = option.indexOf('=');
  const value = option.slice(at + 1);
  return `${quoteIdentifier(option.slice(0, at))}=${quoteIdentifier(value) === value ? value : quoteLiteral(value)}`;
};
/** looks_like_function(): needs no parentheses in an index definition. */
const looksLikeFunction = (expr: Expr): boolean =>
  expr.kind === 'FuncExpr'
    ? expr.funcformat === 'explicit_call' || expr.funcformat === 'sql_syntax'
    : ['CoalesceExpr', 'MinMaxExpr', 'NullIfExpr', 'SQLValueFunction', 'XmlExpr'].includes(expr.kind);

function keyOptions(index: NonNullable<ReturnType<typeof indexRow>>, i: number, type: Oid, collation: Oid): string {
  let out = '';
  const indexCollation = index.indcollation[i]!;
  if (indexCollation !== 0 && indexCollation !== collation) {
    out += ` COLLATE ${quoteIdentifier(collationRow(indexCollation)?.collname ?? '')}`;
  }
  const opclass = opclassRow(index.indclass[i]!);
  if (opclass !== undefined && defaultOpclass(type, opclass.opcmethod)?.oid !== opclass.oid) {
    const visible = searchPath().includes(opclass.opcnamespace);
    out += ` ${quoteQualified(visible ? null : (namespaceRow(opclass.opcnamespace)?.nspname ?? ''), opclass.opcname)}`;
  }
  const option = index.indoption[i]!;
  if ((option & 1) !== 0) out += (option & 2) !== 0 ? ' DESC' : ' DESC NULLS LAST';
  else if ((option & 2) !== 0) out += ' NULLS FIRST';
  return out;
}

const ACTIONS: Readonly<Record<string, string>> = { r: 'RESTRICT', c: 'CASCADE', n: 'SET NULL', d: 'SET DEFAULT' };
/** The constraint as in CREATE TABLE, without its name. */
export function constraintDefinition(oid: Oid, pretty = false): string | null {
  const c = constraintRow(oid);
  if (c === undefined) return null;
  const columnsOf = (relid: Oid, numbers: readonly number[] | null): string =>
    (numbers ?? []).map((n) => quoteIdentifier(attributes(relid)[n - 1]?.attname ?? '')).join(', ');
  let out: string;
  switch (c.contype) {
    case 'f': {
      const match = c.confmatchtype === 'f' ? ' MATCH FULL' : c.confmatchtype === 'p' ? ' MATCH PARTIAL' : '';
      const target = `${showRelation(c.confrelid)}(${columnsOf(c.confrelid, c.confkey)})`;
      out = `FOREIGN KEY (${columnsOf(c.conrelid, c.conkey)}) REFERENCES ${target}${match}`;
      if (ACTIONS[c.confupdtype] !== undefined) out += ` ON UPDATE ${ACTIONS[c.confupdtype]}`;
      if (ACTIONS[c.confdeltype] !== undefined) out += ` ON DELETE ${ACTIONS[c.confdeltype]}`;
      if (c.confdelsetcols !== null) out += ` (${columnsOf(c.conrelid, c.confdelsetcols)})`;
      break;
    }
    case 'p':
    case 'u': {
      const index = indexRow(c.conindid);
      const distinct = index?.indnullsnotdistinct === true ? ' NULLS NOT DISTINCT' : '';
      out = `${c.contype === 'p' ? 'PRIMARY KEY' : `UNIQUE${distinct}`} (${columnsOf(c.conrelid, c.conkey)})`;
      const included = index === undefined ? [] : index.indkey.slice(index.indnkeyatts);
      if (included.length > 0) out += ` INCLUDE (${columnsOf(c.conrelid, included)})`;
      break;
    }
    case 'c': {
      const known = c.contypid === 0 ? undefined : domainConstraintText(oid);
      if (known !== undefined) return known;
      out = `CHECK (${storedExprText(c.conbin ?? '', c.conrelid, pretty) ?? ''})${c.connoinherit ? ' NO INHERIT' : ''}`;
      break;
    }
    case 't':
      out = 'TRIGGER';
      break;
    default:
      return report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: `showing a constraint of type "${c.contype}" is not supported yet`,
      });
  }
  if (c.condeferrable) out += ' DEFERRABLE';
  if (c.condeferred) out += ' INITIALLY DEFERRED';
  if (!c.convalidated) out += ' NOT VALID';
  return out;
}

const VOLATILITY: Readonly<Record<string, string>> = { i: ' IMMUTABLE', s: ' STABLE', v: '' };
const PARALLEL: Readonly<Record<string, string>> = { s: ' PARALLEL SAFE', r: ' PARALLEL RESTRICTED', u: '' };

/** The whole CREATE FUNCTION. */
export function functionDefinition(oid: Oid): string | null {
  const proc = procRow(oid);
  if (proc === undefined) return null;
  if (proc.prokind === 'a') {
    report('ERROR', {
      code: SQLSTATE.wrongObjectType,
      message: `"${proc.proname}" is an aggregate function`,
    });
  }
  const language = languageRow(proc.prolang)?.lanname ?? '';
  const isProcedure = proc.prokind === 'p';
  const name = quoteQualified(namespaceRow(proc.pronamespace)?.nspname ?? '', proc.proname);
  let out = `CREATE OR REPLACE ${isProcedure ? 'PROCEDURE' : 'FUNCTION'} ${name}(${printArguments(proc, true)})\n`;
  if (!isProcedure) out += ` RETURNS ${functionResultText(oid)}\n`;
  out += ` LANGUAGE ${quoteIdentifier(language)}\n`;
  const internal = language === 'internal' || language === 'c';
  let attributes = `${proc.prokind === 'w' ? ' WINDOW' : ''}${VOLATILITY[proc.provolatile] ?? ''}${PARALLEL[proc.proparallel] ?? ''}`;
  if (proc.proisstrict) attributes += ' STRICT';
  if (proc.prosecdef) attributes += ' SECURITY DEFINER';
  if (proc.proleakproof) attributes += ' LEAKPROOF';
  const defaultCost = internal ? 1 : 100;
  if (proc.procost !== defaultCost) attributes += ` COST ${proc.procost}`;
  if (proc.proretset && proc.prorows !== 1000 && proc.prorows > 0) attributes += ` ROWS ${proc.prorows}`;
  if (proc.prosupport !== 0) attributes += ` SUPPORT ${showProc(proc.prosupport)}`;
  if (attributes !== '') out += `${attributes}\n`;
  for (const setting of proc.proconfig ?? []) {
    const at = setting.indexOf('=');
    out += ` SET ${quoteIdentifier(setting.slice(0, at))} TO ${quoteLiteral(setting.slice(at + 1))}\n`;
  }
  const body = sqlFunctionBody(oid);
  if (body !== undefined) return `${out}${body}\n`;
  if (language === 'c') return `${out}AS ${quoteLiteral(proc.probin ?? '')}, ${quoteLiteral(proc.prosrc)}\n`;
  let tag = `$${isProcedure ? 'procedure' : 'function'}$`;
  while (proc.prosrc.includes(tag.slice(0, -1))) tag = `${tag.slice(0, -1)}x$`;
  return `${out}AS ${tag}${proc.prosrc}${tag}\n`;
}
