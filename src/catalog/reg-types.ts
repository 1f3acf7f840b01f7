/** reg-types.ts — regclass, regproc, regtype …: object identifiers that read and print as names.
 *
 *  Reading takes digits as the OID itself and `-` as 0; a name is looked up as a query would. Printing qualifies only
 *  what the search path does not show. A type's name is SQL (`integer`, `numeric(5,2)[]`), so its reader is the parser,
 *  which registers itself here.
 *  Counterpart: src/backend/utils/adt/regproc.c */
import type { Datum } from '#adt/datum.ts';
import { type BuiltinFunction, registerBuiltins } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { formatType, formatTypeExtended } from '#catalog/format-type.ts';
import {
  deconstructQualifiedName,
  findCollation,
  findRelation,
  functionCandidates,
  functionIsVisible,
  namespaceOid,
  operatorCandidates,
  operatorIsVisible,
  relationIsVisible,
  searchPath,
} from '#catalog/namespace.ts';
import { quoteIdentifier, quoteQualified } from '#catalog/quote.ts';
import { roleByName, roleByOid } from '#catalog/roles.ts';
import { store } from '#catalog/rows.ts';
import { classRow, collationRow, namespaceByName, namespaceRow, operatorRow, procRow } from '#catalog/syscache.ts';
import { PgError, report } from '#runtime/error/report.ts';
import { SQLSTATE, type SqlState } from '#runtime/error/sqlstate.ts';

const INVALID = 0 as Oid;

let typeTextParser: (text: string) => { type: Oid; typmod: number } = () => {
  throw new Error('no parser of type names was registered');
};
export function setTypeTextParser(parse: typeof typeTextParser): void {
  typeTextParser = parse;
}
/** The type that an SQL text names. */
export const parseTypeText = (text: string): { type: Oid; typmod: number } => typeTextParser(text);

const missing = (code: SqlState, message: string): never => report('ERROR', { code, message });

/** `a."B c".d` → its parts, folded. */
export function parseQualifiedName(text: string): string[] {
  const parts: string[] = [];
  const pattern = /\s*(?:"((?:[^"]|"")+)"|([^\s".]+))\s*(\.|$)/y;
  for (;;) {
    const match = pattern.exec(text);
    if (match === null) return missing(SQLSTATE.invalidName, 'invalid name syntax');
    parts.push(match[1] !== undefined ? match[1].replaceAll('""', '"') : match[2]!.toLowerCase());
    if (match[3] === '') return parts;
  }
}

/** Digits or `-`; undefined for a name. */
const asNumber = (text: string): Oid | undefined => {
  if (text === '-') return INVALID;
  return /^[0-9]+$/.test(text) ? ((Number(text) >>> 0) as Oid) : undefined;
};

// ---- finding

export function findRelationByText(text: string): Oid {
  const names = parseQualifiedName(text);
  if (names.length > 3) {
    missing(SQLSTATE.syntaxError, `improper relation name (too many dotted names): ${names.join('.')}`);
  }
  const [name, schema, catalog] = [...names].reverse();
  if (schema !== undefined && catalog === undefined) namespaceOid(schema);
  const found = findRelation({ name: name!, schema, catalog });
  return found?.oid ?? missing(SQLSTATE.undefinedTable, `relation "${names.join('.')}" does not exist`);
}

function findProc(text: string): Oid {
  const names = parseQualifiedName(text);
  const found = functionCandidates(names, -1, [], false, false);
  if (found.length === 0) return missing(SQLSTATE.undefinedFunction, `function "${text}" does not exist`);
  if (found.length > 1) return missing(SQLSTATE.ambiguousFunction, `more than one function named "${text}"`);
  return found[0]!.row.oid;
}

/** `name(type, …)` → name and types; NONE is allowed for operators. */
function parseSignature(text: string, allowNone: boolean): { names: string[]; types: Oid[] } {
  const open = text.search(/\((?=(?:[^"]*"[^"]*")*[^"]*$)/);
  if (open < 0) missing(SQLSTATE.invalidTextRepresentation, 'expected a left parenthesis');
  if (!/\)\s*$/.test(text)) missing(SQLSTATE.invalidTextRepresentation, 'expected a right parenthesis');
  const inside = text.slice(open + 1, text.lastIndexOf(')'));
  const types: Oid[] = [];
  if (inside.trim() !== '') {
    let depth = 0;
    let word = '';
    const flush = (): void => {
      if (word.trim() === '') missing(SQLSTATE.invalidTextRepresentation, 'expected a type name');
      types.push(allowNone && /^\s*none\s*$/i.test(word) ? INVALID : parseTypeText(word.trim()).type);
      word = '';
    };
    for (const c of inside) {
      if (c === '(' || c === '[') depth++;
      if (c === ')' || c === ']') depth--;
      if (c === ',' && depth === 0) flush();
      else word += c;
    }
    flush();
  }
  return { names: parseQualifiedName(text.slice(0, open)), types };
}

export function findProcedureByText(text: string): Oid {
  const { names, types } = parseSignature(text, false);
  const found = functionCandidates(names, types.length, [], false, false).find((c) =>
    c.row.proargtypes.every((t, i) => t === types[i]),
  );
  return found?.row.oid ?? missing(SQLSTATE.undefinedFunction, `function "${text}" does not exist`);
}

/** Operator names are no identifiers: only the schema before the last dot is. */
function operatorNames(text: string): string[] {
  const dot = text.lastIndexOf('.');
  return dot < 0 ? [text.trim()] : [...parseQualifiedName(text.slice(0, dot)), text.slice(dot + 1).trim()];
}
function findOperator(text: string): Oid {
  const names = operatorNames(text);
  const found = [...operatorCandidates(names, 'b'), ...operatorCandidates(names, 'l')];
  if (found.length === 0) return missing(SQLSTATE.undefinedFunction, `operator does not exist: ${text}`);
  if (found.length > 1) return missing(SQLSTATE.ambiguousFunction, `more than one operator named ${text}`);
  return found[0]!.oid;
}
function findOperatorBySignature(text: string): Oid {
  const open = text.indexOf('(');
  if (open < 0) missing(SQLSTATE.invalidTextRepresentation, 'expected a left parenthesis');
  const { types } = parseSignature(`x${text.slice(open)}`, true);
  if (types.length === 1) {
    report('ERROR', {
      code: SQLSTATE.undefinedParameter,
      message: 'missing argument',
      hint: 'Use NONE to denote the missing argument of a unary operator.',
    });
  }
  if (types.length !== 2) {
    report('ERROR', {
      code: SQLSTATE.tooManyArguments,
      message: 'too many arguments',
      hint: 'Provide two argument types for operator.',
    });
  }
  const names = operatorNames(text.slice(0, open));
  const found = operatorCandidates(names, types[0] === 0 ? 'l' : 'b').find(
    (o) => o.oprleft === types[0] && o.oprright === types[1],
  );
  return found?.oid ?? missing(SQLSTATE.undefinedFunction, `operator does not exist: ${text}`);
}
function findCollationByText(text: string): Oid {
  const names = parseQualifiedName(text);
  return (
    findCollation(names)?.oid ??
    missing(SQLSTATE.undefinedObject, `collation "${names.join('.')}" for encoding "UTF8" does not exist`)
  );
}
function findTextSearch(
  what: 'configuration' | 'dictionary',
  rows: () => { oid: Oid; name: string; namespace: Oid }[],
): (text: string) => Oid {
  return (text) => {
    const names = parseQualifiedName(text);
    const { schema, name } = deconstructQualifiedName(names);
    const schemas = schema === null ? searchPath() : [namespaceOid(schema)];
    for (const namespace of schemas) {
      const found = rows().find((r) => r.name === name && r.namespace === namespace);
      if (found !== undefined) return found.oid;
    }
    return missing(SQLSTATE.undefinedObject, `text search ${what} "${names.join('.')}" does not exist`);
  };
}
const configs = () => store.tsConfig.all().map((r) => ({ oid: r.oid, name: r.cfgname, namespace: r.cfgnamespace }));
const dictionaries = () =>
  store.tsDict.all().map((r) => ({ oid: r.oid, name: r.dictname, namespace: r.dictnamespace }));

const oneName = (text: string): string => {
  const names = parseQualifiedName(text);
  if (names.length !== 1) missing(SQLSTATE.syntaxError, 'invalid name syntax');
  return names[0]!;
};
function findNamespace(text: string): Oid {
  const name = oneName(text);
  return namespaceByName(name)?.oid ?? missing(SQLSTATE.undefinedSchema, `schema "${name}" does not exist`);
}
function findRole(text: string): Oid {
  const name = oneName(text);
  return roleByName(name)?.oid ?? missing(SQLSTATE.undefinedObject, `role "${name}" does not exist`);
}

// ---- printing

const schemaUnless = (visible: boolean, namespace: Oid): string | null =>
  visible ? null : (namespaceRow(namespace)?.nspname ?? '');

export function showRelation(oid: Oid): string {
  const row = classRow(oid);
  return row === undefined
    ? String(oid)
    : quoteQualified(schemaUnless(relationIsVisible(oid), row.relnamespace), row.relname);
}
export function showProc(oid: Oid): string {
  const row = procRow(oid);
  if (row === undefined) return String(oid);
  // A name alone must mean this function and no other.
  const only = functionCandidates([row.proname], -1, [], false, false);
  const visible = only.length === 1 && only[0]!.row.oid === oid;
  return quoteQualified(schemaUnless(visible, row.pronamespace), row.proname);
}
export function showProcedure(oid: Oid): string {
  const row = procRow(oid);
  if (row === undefined) return String(oid);
  const name = quoteQualified(schemaUnless(functionIsVisible(oid), row.pronamespace), row.proname);
  return `${name}(${row.proargtypes.map((t) => formatType(t)).join(',')})`;
}
function showOperator(oid: Oid): string {
  const row = operatorRow(oid);
  if (row === undefined) return String(oid);
  const named = [...operatorCandidates([row.oprname], 'b'), ...operatorCandidates([row.oprname], 'l')];
  if (named.length === 1 && named[0]!.oid === oid) return row.oprname;
  return `${quoteIdentifier(namespaceRow(row.oprnamespace)?.nspname ?? '')}.${row.oprname}`;
}
export function showOperatorSignature(oid: Oid): string {
  const row = operatorRow(oid);
  if (row === undefined) return String(oid);
  const schema = operatorIsVisible(oid) ? '' : `${quoteIdentifier(namespaceRow(row.oprnamespace)?.nspname ?? '')}.`;
  const type = (t: Oid): string => (t === 0 ? 'NONE' : formatType(t));
  return `${schema}${row.oprname}(${type(row.oprleft)},${type(row.oprright)})`;
}
const showType = (oid: Oid): string => {
  const text = formatTypeExtended(oid, {});
  return text === '???' ? String(oid) : text;
};
const showCollation = (oid: Oid): string => {
  const row = collationRow(oid);
  return row === undefined
    ? String(oid)
    : quoteQualified(schemaUnless(searchPath().includes(row.collnamespace), row.collnamespace), row.collname);
};
const showListed =
  (rows: () => { oid: Oid; name: string; namespace: Oid }[]) =>
  (oid: Oid): string => {
    const row = rows().find((r) => r.oid === oid);
    return row === undefined
      ? String(oid)
      : quoteQualified(schemaUnless(searchPath().includes(row.namespace), row.namespace), row.name);
  };
const showNamespace = (oid: Oid): string => {
  const row = namespaceRow(oid);
  return row === undefined ? String(oid) : quoteIdentifier(row.nspname);
};
const showRole = (oid: Oid): string => {
  const row = roleByOid(oid);
  return row === undefined ? String(oid) : quoteIdentifier(row.name);
};

// ---- registration

interface RegType {
  readonly find: (text: string) => Oid;
  readonly show: (oid: Oid) => string;
  /** An operator may be spelled with digits nowhere, but "0" is its zero. */
  readonly zero?: string;
}
const REG_TYPES: Readonly<Record<string, RegType>> = {
  regproc: { find: findProc, show: showProc },
  regprocedure: { find: findProcedureByText, show: showProcedure },
  regoper: { find: findOperator, show: showOperator, zero: '0' },
  regoperator: { find: findOperatorBySignature, show: showOperatorSignature, zero: '0' },
  regclass: { find: findRelationByText, show: showRelation },
  regcollation: { find: findCollationByText, show: showCollation },
  regtype: { find: (text) => parseTypeText(text).type, show: showType },
  regconfig: { find: findTextSearch('configuration', configs), show: showListed(configs) },
  regdictionary: { find: findTextSearch('dictionary', dictionaries), show: showListed(dictionaries) },
  regnamespace: { find: findNamespace, show: showNamespace },
  regrole: { find: findRole, show: showRole },
};

/** Errors that to_reg*() answers with null. */
const LENIENT: ReadonlySet<string> = new Set([
  SQLSTATE.undefinedTable,
  SQLSTATE.undefinedFunction,
  SQLSTATE.ambiguousFunction,
  SQLSTATE.undefinedObject,
  SQLSTATE.undefinedSchema,
]);

function quiet(find: (text: string) => Oid): (text: string) => Datum {
  return (text) => {
    try {
      return find(text);
    } catch (caught) {
      if (caught instanceof PgError && LENIENT.has(caught.code)) return null;
      throw caught;
    }
  };
}

const table: Record<string, BuiltinFunction> = {
  text_regclass: findRelationByText,
};
for (const [name, { find, show, zero }] of Object.entries(REG_TYPES)) {
  const read = (text: string): Oid => {
    if (zero !== undefined) return text === zero ? INVALID : (asOperatorNumber(text) ?? find(text));
    return asNumber(text) ?? find(text);
  };
  table[`${name}in`] = read;
  table[`${name}out`] = (oid: Oid) => (oid === 0 ? (zero ?? '-') : show(oid));
  table[`${name}recv`] = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
  table[`${name}send`] = (oid: Oid) => {
    const out = new Uint8Array(4);
    new DataView(out.buffer).setUint32(0, oid);
    return out;
  };
  if (name !== 'regconfig' && name !== 'regdictionary') table[`to_${name}`] = quiet(find);
}
function asOperatorNumber(text: string): Oid | undefined {
  return /^[0-9]+$/.test(text) ? (Number(text) as Oid) : undefined;
}
registerBuiltins(table);
