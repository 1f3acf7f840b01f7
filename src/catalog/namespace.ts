/** namespace.ts — finding what a possibly qualified name means: schemas, search_path, visibility.
 *
 *  The path that counts is search_path with pg_catalog implicitly in front (unless it is listed) and before it the
 *  session's temporary schema. Schemas that do not exist are silently skipped in the path, but not in a qualified name.
 *  Counterpart: src/backend/catalog/namespace.c */
import type { Oid } from '#base/ids.ts';
import { forgetOnChange } from '#catalog/catalog-change.ts';
import { NAMESPACE, RELATION } from '#catalog/oids.ts';
import {
  type ClassRow,
  type CollationRow,
  type OperatorRow,
  type ProcRow,
  store,
  type TypeRow,
} from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import {
  classByName,
  classRow,
  collationByName,
  namespaceByName,
  operatorRow,
  operatorsByName,
  procRow,
  procsByName,
  typeByName,
  typeRow,
} from '#catalog/syscache.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';

/** Splits a list of identifiers at commas, folding unquoted ones; undefined if it is malformed. */
export function splitIdentifiers(text: string): string[] | undefined {
  const out: string[] = [];
  const pattern = /\s*(?:"((?:[^"]|"")*)"|([^\s,"]+))\s*(,|$)/y;
  if (text.trim() === '') return out;
  for (;;) {
    const match = pattern.exec(text);
    if (match === null) return undefined;
    out.push(match[1] !== undefined ? match[1].replaceAll('""', '"') : match[2]!.toLowerCase());
    if (match[3] === '') return out;
  }
}

interface ActivePath {
  readonly text: string;
  readonly user: Oid;
  readonly temp: Oid;
  /** All schemas looked at, in order. */
  readonly schemas: readonly Oid[];
  /** The same without the implicit ones. */
  readonly explicit: readonly Oid[];
}
let active: ActivePath | undefined;
forgetOnChange([RELATION.pgNamespace, RELATION.pgAuthid], () => {
  active = undefined;
});

let override: ActivePath | undefined;
/** Runs `work` with a path of its own (`implicit` schemas are searched before it), as a view's text or a function with SET search_path wants. */
export function withSearchPath<T>(schemas: readonly Oid[], work: () => T, implicit: readonly Oid[] = []): T {
  const saved = override;
  override = { text: '', user: 0 as Oid, temp: 0 as Oid, schemas: [...implicit, ...schemas], explicit: schemas };
  try {
    return work();
  } finally {
    override = saved;
  }
}

function activePath(): ActivePath {
  if (override !== undefined) return override;
  const text = settings.search_path;
  const { userOid: user, tempNamespace: temp } = sessionIdentity;
  if (active !== undefined && active.text === text && active.user === user && active.temp === temp) return active;
  const explicit: Oid[] = [];
  let tempListed = false;
  for (const name of splitIdentifiers(text) ?? []) {
    let oid: Oid;
    if (name === '$user') oid = namespaceByName(sessionIdentity.userName)?.oid ?? (0 as Oid);
    else if (name === 'pg_temp') {
      oid = temp;
      tempListed = true;
    } else oid = namespaceByName(name)?.oid ?? (0 as Oid);
    if (oid !== 0 && !explicit.includes(oid)) explicit.push(oid);
  }
  const schemas = [...explicit];
  if (!schemas.includes(NAMESPACE.pgCatalog)) schemas.unshift(NAMESPACE.pgCatalog);
  if (temp !== 0 && !tempListed) schemas.unshift(temp);
  active = { text, user, temp, schemas, explicit };
  return active;
}

/** Schemas to search, in order, implicit ones included. */
export const searchPath = (): readonly Oid[] => activePath().schemas;
/** What current_schemas(false) shows. */
export const explicitSearchPath = (): readonly Oid[] => activePath().explicit;

export function lookupNamespace(name: string): Oid {
  if (name === 'pg_temp') {
    if (sessionIdentity.tempNamespace !== 0) return sessionIdentity.tempNamespace;
  }
  return namespaceByName(name)?.oid ?? (0 as Oid);
}
export function namespaceOid(name: string, position?: number): Oid {
  const oid = lookupNamespace(name);
  if (oid === 0) {
    report('ERROR', { code: SQLSTATE.undefinedSchema, message: `schema "${name}" does not exist`, position });
  }
  return oid;
}

export interface QualifiedName {
  readonly schema: string | null;
  readonly name: string;
}
export function deconstructQualifiedName(names: readonly string[]): QualifiedName {
  if (names.length === 1) return { schema: null, name: names[0]! };
  if (names.length === 2) return { schema: names[0]!, name: names[1]! };
  if (names.length === 3) {
    if (names[0] !== sessionIdentity.databaseName) {
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: `cross-database references are not implemented: ${names.join('.')}`,
      });
    }
    return { schema: names[1]!, name: names[2]! };
  }
  report('ERROR', {
    code: SQLSTATE.syntaxError,
    message: `improper qualified name (too many dotted names): ${names.join('.')}`,
  });
}

export interface RelationName {
  readonly catalog?: string | undefined;
  readonly schema?: string | undefined;
  readonly name: string;
}
/** The relation that a name in FROM means, or undefined. A missing schema is undefined too; the caller reports. */
export function findRelation(name: RelationName, position?: number): ClassRow | undefined {
  if (name.catalog !== undefined && name.catalog !== sessionIdentity.databaseName) {
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: `cross-database references are not implemented: "${name.catalog}.${name.schema ?? ''}.${name.name}"`,
      position,
    });
  }
  if (name.schema !== undefined) {
    const namespace = lookupNamespace(name.schema);
    return namespace === 0 ? undefined : classByName(name.name, namespace);
  }
  for (const namespace of searchPath()) {
    const found = classByName(name.name, namespace);
    if (found !== undefined) return found;
  }
  return undefined;
}

export function findType(names: readonly string[]): TypeRow | undefined {
  const { schema, name } = deconstructQualifiedName(names);
  if (schema !== null) {
    const namespace = lookupNamespace(schema);
    return namespace === 0 ? undefined : typeByName(name, namespace);
  }
  for (const namespace of searchPath()) {
    const found = typeByName(name, namespace);
    if (found !== undefined) return found;
  }
  return undefined;
}

export function findCollation(names: readonly string[]): CollationRow | undefined {
  const { schema, name } = deconstructQualifiedName(names);
  if (schema !== null) return collationByName(name, namespaceOid(schema));
  for (const namespace of searchPath()) {
    const found = collationByName(name, namespace);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Operators of that name that could be meant, most visible first; qualified names look into one schema. */
export function operatorCandidates(names: readonly string[], kind: 'b' | 'l'): OperatorRow[] {
  const { schema, name } = deconstructQualifiedName(names);
  const all = operatorsByName(name).filter((o) => o.oprkind === kind);
  if (schema !== null) {
    const namespace = namespaceOid(schema);
    return all.filter((o) => o.oprnamespace === namespace);
  }
  const path = searchPath();
  const found = all.filter((o) => path.includes(o.oprnamespace) && o.oprnamespace !== sessionIdentity.tempNamespace);
  if (found.length < 2 || found.every((o) => o.oprnamespace === found[0]!.oprnamespace)) return found;
  found.sort((a, b) => path.indexOf(a.oprnamespace) - path.indexOf(b.oprnamespace));
  return found.filter(
    (o, i) => !found.slice(0, i).some((earlier) => earlier.oprleft === o.oprleft && earlier.oprright === o.oprright),
  );
}

const visible = (namespace: Oid): number => searchPath().indexOf(namespace);

export function relationIsVisible(relid: Oid): boolean {
  const row = classRow(relid);
  return row !== undefined && visible(row.relnamespace) >= 0 && findRelation({ name: row.relname })?.oid === relid;
}
export function typeIsVisible(oid: Oid): boolean {
  const row = typeRow(oid);
  return row !== undefined && visible(row.typnamespace) >= 0 && findType([row.typname])?.oid === oid;
}
export function functionIsVisible(oid: Oid): boolean {
  const row = procRow(oid);
  if (row === undefined) return false;
  const at = visible(row.pronamespace);
  if (at < 0) return false;
  const sameArguments = (other: ProcRow): boolean => other.proargtypes.join() === row.proargtypes.join();
  return !procsByName(row.proname).some((p) => {
    const where = visible(p.pronamespace);
    return where >= 0 && where < at && sameArguments(p);
  });
}
export function operatorIsVisible(oid: Oid): boolean {
  const row = operatorRow(oid);
  if (row === undefined) return false;
  const at = visible(row.oprnamespace);
  if (at < 0) return false;
  return !operatorsByName(row.oprname).some((o) => {
    const where = visible(o.oprnamespace);
    return where >= 0 && where < at && o.oprleft === row.oprleft && o.oprright === row.oprright;
  });
}

export interface FunctionCandidate {
  readonly row: ProcRow;
  /** Position in the search path, for name hiding. */
  readonly pathPosition: number;
  /** Types of the arguments as matched to the call: variadic array expanded, in call order. */
  readonly args: readonly Oid[];
  /** Number of variadic elements expanded; 0 if not variadic. */
  readonly variadicCount: number;
  /** Trailing (or, with named notation, missing) arguments to be filled with defaults. */
  readonly defaultCount: number;
  /** With named notation: index of the function's argument for each call argument, then those taken by default. */
  readonly argNumbers: readonly number[] | null;
}

/** Functions of a name that accept so many arguments. `argNames` are the names of the trailing named arguments;
 *  `count` -1 means any number. */
export function functionCandidates(
  names: readonly string[],
  count: number,
  argNames: readonly string[],
  expandVariadic: boolean,
  expandDefaults: boolean,
): FunctionCandidate[] {
  const { schema, name } = deconstructQualifiedName(names);
  const namespace = schema === null ? (0 as Oid) : namespaceOid(schema);
  const path = searchPath();
  const out: FunctionCandidate[] = [];
  for (const row of procsByName(name)) {
    let pathPosition = 0;
    if (namespace !== 0) {
      if (row.pronamespace !== namespace) continue;
    } else {
      if (row.pronamespace === sessionIdentity.tempNamespace) continue;
      pathPosition = path.indexOf(row.pronamespace);
      if (pathPosition < 0) continue;
    }
    const candidate = candidateFor(row, pathPosition, count, argNames, expandVariadic, expandDefaults);
    if (candidate === undefined) continue;
    addCandidate(out, candidate, namespace !== 0);
  }
  return out;
}

function candidateFor(
  row: ProcRow,
  pathPosition: number,
  count: number,
  argNames: readonly string[],
  expandVariadic: boolean,
  expandDefaults: boolean,
): FunctionCandidate | undefined {
  const total = row.pronargs;
  let argNumbers: number[] | null = null;
  let variadicCount = 0;
  let useDefaults = false;
  if (argNames.length > 0) {
    if (row.provariadic !== 0 && expandVariadic) return undefined;
    if (total > count && expandDefaults) {
      if (count + row.pronargdefaults < total) return undefined;
      useDefaults = true;
    }
    if (total !== count && !useDefaults) return undefined;
    argNumbers = matchNamedCall(row, count, argNames) ?? null;
    if (argNumbers === null) return undefined;
  } else {
    const isVariadic = row.provariadic !== 0 && expandVariadic;
    if (isVariadic && total <= count) variadicCount = count - total + 1;
    else if (total > count && expandDefaults && count >= 0) {
      if (count + row.pronargdefaults < total) return undefined;
      useDefaults = true;
      if (isVariadic) variadicCount = 0;
    }
    if (count >= 0 && total !== count && variadicCount === 0 && !useDefaults) return undefined;
  }
  let args: readonly Oid[];
  if (argNumbers !== null) {
    const declared = row.proallargtypes === null ? row.proargtypes : inputTypes(row);
    args = argNumbers.map((i) => declared[i]!);
  } else if (variadicCount > 0) {
    args = [...row.proargtypes.slice(0, total - 1), ...new Array<Oid>(variadicCount).fill(row.provariadic)];
  } else args = row.proargtypes;
  return { row, pathPosition, args, variadicCount, defaultCount: useDefaults ? total - count : 0, argNumbers };
}

const inputTypes = (row: ProcRow): readonly Oid[] => row.proargtypes;

/** Names of the input arguments, '' where unnamed. */
export function inputArgumentNames(row: ProcRow): string[] {
  if (row.proargnames === null) return [];
  if (row.proargmodes === null) return [...row.proargnames];
  return row.proargnames.filter((_, i) => 'ibv'.includes(row.proargmodes![i]!));
}

/** Which argument of the function each call argument is, followed by the arguments left to their defaults. */
function matchNamedCall(row: ProcRow, count: number, argNames: readonly string[]): number[] | undefined {
  const names = inputArgumentNames(row);
  if (names.length === 0) return undefined;
  const numbers: number[] = [];
  const given = new Set<number>();
  const positional = count - argNames.length;
  for (let i = 0; i < positional; i++) {
    numbers.push(i);
    given.add(i);
  }
  for (const name of argNames) {
    const at = names.indexOf(name);
    if (at < 0 || given.has(at)) return undefined;
    given.add(at);
    numbers.push(at);
  }
  if (row.pronargs > count) {
    const firstDefault = row.pronargs - row.pronargdefaults;
    for (let i = positional; i < row.pronargs; i++) {
      if (given.has(i)) continue;
      if (i < firstDefault) return undefined;
      numbers.push(i);
    }
  }
  return numbers;
}

/** Of candidates with the same effective arguments only the most visible stays; without variadic before with. */
function addCandidate(out: FunctionCandidate[], made: FunctionCandidate, oneSchema: boolean): void {
  const effective = (c: FunctionCandidate): number => c.args.length - (c.argNumbers === null ? c.defaultCount : 0);
  for (let i = 0; i < out.length; i++) {
    const old = out[i]!;
    const size = effective(made) - (made.argNumbers === null ? 0 : made.defaultCount);
    const oldSize = effective(old) - (old.argNumbers === null ? 0 : old.defaultCount);
    if (size !== oldSize) continue;
    let same = true;
    for (let k = 0; k < size && same; k++) same = old.args[k] === made.args[k];
    if (!same) continue;
    if (!oneSchema && made.pathPosition !== old.pathPosition) {
      if (made.pathPosition < old.pathPosition) out[i] = made;
      return;
    }
    if (made.variadicCount !== old.variadicCount) {
      if (old.variadicCount > 0 && made.variadicCount === 0) out[i] = made;
      return;
    }
    if (made.defaultCount !== old.defaultCount) {
      if (old.defaultCount > made.defaultCount) out[i] = made;
      return;
    }
  }
  out.push(made);
}

/** An operator class by its possibly qualified name, visible ones in path order. */
export function opclassOid(method: Oid, names: readonly string[]): Oid {
  const name = names[names.length - 1]!;
  const classes = store.opclass.by('opcname', name).filter((row) => row.opcmethod === method);
  const schemas = names.length > 1 ? [namespaceOid(names[names.length - 2]!)] : searchPath();
  for (const schema of schemas) {
    const found = classes.find((row) => row.opcnamespace === schema);
    if (found !== undefined) return found.oid;
  }
  report('ERROR', {
    code: SQLSTATE.undefinedObject,
    message: `operator class "${names.join('.')}" does not exist for access method "${store.am.byOid(method)?.amname ?? method}"`,
  });
}
