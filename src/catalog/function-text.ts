/** function-text.ts — functions, indexes and constraints as SQL writes them.
 *  Counterpart: src/backend/utils/adt/ruleutils.c (pg_get_function_arguments, pg_get_indexdef …) */
import type { Oid } from '#base/ids.ts';
import { formatType } from '#catalog/format-type.ts';
import { relationIsVisible, searchPath } from '#catalog/namespace.ts';
import { quoteIdentifier, quoteQualified } from '#catalog/quote.ts';
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
  namespaceRow,
  opclassRow,
  procRow,
} from '#catalog/syscache.ts';

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

function printArguments(proc: ProcRow, withDefaults: boolean, identity: boolean): string {
  const list = argumentsOf(proc);
  const aggregate = proc.prokind === 'a' ? aggregateRow(proc.oid) : undefined;
  const orderAt = aggregate !== undefined && aggregate.aggkind !== 'n' ? aggregate.aggnumdirectargs : -1;
  let out = '';
  let printed = 0;
  for (let i = 0; i < list.length; i++) {
    const a = list[i]!;
    if (a.mode === 't' || (identity && a.mode === 'o')) continue;
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
  return proc === undefined ? null : printArguments(proc, true, false);
};
export const functionIdentityArguments = (oid: Oid): string | null => {
  const proc = procRow(oid);
  return proc === undefined ? null : printArguments(proc, false, true);
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
