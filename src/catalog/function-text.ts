/** function-text.ts — functions, indexes and constraints as SQL writes them.
 *  Counterpart: src/backend/utils/adt/ruleutils.c (pg_get_function_arguments, pg_get_indexdef …) */
import type { Oid } from '#base/ids.ts';
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
import { showProc } from '#catalog/reg-types.ts';
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
  index.indkey.forEach((attnum, i) => {
    if (column !== 0 && column !== i + 1) return;
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
  return `CREATE ${index.indisunique ? 'UNIQUE ' : ''}INDEX ${quoteIdentifier(relation.relname)} ON ${table} USING ${am} (${keys.join(', ')})${include}`;
}

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

export function constraintDefinition(oid: Oid): string | null {
  const c = constraintRow(oid);
  if (c === undefined) return null;
  if (c.contypid !== 0) return domainConstraintText(oid) ?? null;
  const names = (c.conkey ?? []).map((n) => quoteIdentifier(attributes(c.conrelid)[n - 1]?.attname ?? ''));
  const kind = c.contype === 'p' ? 'PRIMARY KEY' : 'UNIQUE';
  const deferral = `${c.condeferrable ? ' DEFERRABLE' : ''}${c.condeferred ? ' INITIALLY DEFERRED' : ''}`;
  return `${kind} (${names.join(', ')})${deferral}`;
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
