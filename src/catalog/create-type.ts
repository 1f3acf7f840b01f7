/** create-type.ts — rows of pg_type with what they depend on.
 *  Counterpart: src/backend/catalog/pg_type.c */
import type { Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { catalogInsert, catalogUpdateColumns, catalogValues } from '#catalog/indexing.ts';
import { getNewOidWithIndex } from '#catalog/new-oid.ts';
import { type ObjectAddress, objectAddress } from '#catalog/object-address.ts';
import { COLLATION, RELATION } from '#catalog/oids.ts';
import { recordDependencyOn, recordMultipleDependencies } from '#catalog/pg-depend.ts';
import { recordDependencyOnOwner } from '#catalog/pg-shdepend.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { typeByName } from '#catalog/syscache.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';

const TYPE_OID_INDEX = 2703 as Oid;
const TYPE_NAME_INDEX = 2704 as Oid;
const NONE = 0 as Oid;

/** Everything of a pg_type row; what is left out has the value of a plain base type. */
export interface NewType {
  /** 0: choose one. */
  readonly oid?: Oid;
  readonly name: string;
  readonly namespace: Oid;
  readonly owner: Oid;
  readonly length: number;
  readonly byValue: boolean;
  readonly typtype: 'b' | 'c' | 'd' | 'e' | 'p' | 'r' | 'm';
  readonly category: string;
  readonly isPreferred?: boolean;
  readonly delimiter?: string;
  /** Relation of a composite type, and its kind. */
  readonly relid?: Oid;
  readonly relkind?: string;
  readonly subscript?: Oid;
  readonly element?: Oid;
  readonly isImplicitArray?: boolean;
  readonly array?: Oid;
  readonly input: Oid;
  readonly output: Oid;
  readonly receive?: Oid;
  readonly send?: Oid;
  readonly typmodIn?: Oid;
  readonly typmodOut?: Oid;
  readonly analyze?: Oid;
  readonly align: 'c' | 's' | 'i' | 'd';
  readonly storage: 'p' | 'e' | 'm' | 'x';
  readonly notNull?: boolean;
  readonly baseType?: Oid;
  readonly typmod?: number;
  readonly ndims?: number;
  readonly collation?: Oid;
  readonly defaultBin?: string | null;
  readonly default?: string | null;
  readonly acl?: Datum;
}

function refuseImpossibleSizes(type: NewType): void {
  const fail = (message: string): never => report('ERROR', { code: SQLSTATE.invalidObjectDefinition, message });
  if (!(type.length > 0 || type.length === -1 || type.length === -2)) fail(`invalid type internal size ${type.length}`);
  if (type.byValue) {
    const fitting: Readonly<Record<number, string>> = { 1: 'c', 2: 's', 4: 'i', 8: 'd' };
    const align = fitting[type.length];
    if (align === undefined) fail(`internal size ${type.length} is invalid for passed-by-value type`);
    if (align !== type.align) {
      fail(`alignment "${type.align}" is invalid for passed-by-value type of size ${type.length}`);
    }
  } else if (type.length === -1 && type.align !== 'i' && type.align !== 'd') {
    fail(`alignment "${type.align}" is invalid for variable-length type`);
  } else if (type.length === -2 && type.align !== 'c') {
    fail(`alignment "${type.align}" is invalid for variable-length type`);
  }
  if (type.storage !== 'p' && type.length !== -1) fail('fixed-size types must have storage PLAIN');
}
/** Row types of relations and the array types that come along go when their owner goes. */
const isDependent = (type: NewType): boolean =>
  type.isImplicitArray === true || ((type.relid ?? NONE) !== 0 && type.relkind !== 'c');

function rowOf(type: NewType): Record<string, Datum> {
  return {
    typname: type.name,
    typnamespace: type.namespace,
    typowner: type.owner,
    typlen: type.length,
    typbyval: type.byValue,
    typtype: type.typtype,
    typcategory: type.category,
    typispreferred: type.isPreferred ?? false,
    typisdefined: true,
    typdelim: type.delimiter ?? ',',
    typrelid: type.relid ?? NONE,
    typsubscript: type.subscript ?? NONE,
    typelem: type.element ?? NONE,
    typarray: type.array ?? NONE,
    typinput: type.input,
    typoutput: type.output,
    typreceive: type.receive ?? NONE,
    typsend: type.send ?? NONE,
    typmodin: type.typmodIn ?? NONE,
    typmodout: type.typmodOut ?? NONE,
    typanalyze: type.analyze ?? NONE,
    typalign: type.align,
    typstorage: type.storage,
    typnotnull: type.notNull ?? false,
    typbasetype: type.baseType ?? NONE,
    typtypmod: type.typmod ?? -1,
    typndims: type.ndims ?? 0,
    typcollation: type.collation ?? NONE,
    typdefaultbin: type.defaultBin ?? null,
    typdefault: type.default ?? null,
    typacl: type.acl ?? null,
  };
}

/** TypeCreate(): inserts the row, or fills in the shell type of the same name. */
export function createType(type: NewType): ObjectAddress {
  refuseImpossibleSizes(type);
  const rel = tableOpen(RELATION.pgType, LOCK.rowExclusive);
  const row = rowOf(type);
  const [existing] = findCatalogTuples(store.type, rel, TYPE_NAME_INDEX, [
    { attnum: 2, value: type.name },
    { attnum: 3, value: type.namespace },
  ]);
  let oid: Oid;
  if (existing !== undefined) {
    if (existing.row.typisdefined) {
      report('ERROR', { code: SQLSTATE.duplicateObject, message: `type "${type.name}" already exists` });
    }
    oid = existing.row.oid;
    catalogUpdateColumns(rel, existing.tid, row);
  } else {
    oid = type.oid !== undefined && type.oid !== 0 ? type.oid : getNewOidWithIndex(rel, TYPE_OID_INDEX, 1);
    catalogInsert(rel, catalogValues(rel, { oid, ...row }));
  }
  recordTypeDependencies(oid, type);
  relationClose(rel, LOCK.rowExclusive);
  return objectAddress(RELATION.pgType, oid);
}
/** Names of array types, of a name and of a schema for the row type of a new relation. */
function recordTypeDependencies(oid: Oid, type: NewType): void {
  const myself = objectAddress(RELATION.pgType, oid);
  const normal: ObjectAddress[] = [];
  if (!isDependent(type)) {
    normal.push(objectAddress(RELATION.pgNamespace, type.namespace));
    recordDependencyOnOwner(RELATION.pgType, oid, type.owner);
  }
  const functions = [
    type.input,
    type.output,
    type.receive,
    type.send,
    type.typmodIn,
    type.typmodOut,
    type.analyze,
    type.subscript,
  ];
  for (const proc of functions) {
    if (proc !== undefined && proc !== 0) normal.push(objectAddress(RELATION.pgProc, proc));
  }
  const { element = NONE, baseType = NONE, collation = NONE, relid = NONE } = type;
  if (element !== 0 && type.isImplicitArray !== true) normal.push(objectAddress(RELATION.pgType, element));
  if (baseType !== 0) normal.push(objectAddress(RELATION.pgType, baseType));
  if (collation !== 0 && collation !== COLLATION.default) normal.push(objectAddress(RELATION.pgCollation, collation));
  recordMultipleDependencies(myself, normal, 'n');
  if (relid !== 0) {
    const relation = objectAddress(RELATION.pgClass, relid);
    // The relation of a stand-alone composite type belongs to the type; all other row types to their relation.
    if (type.relkind === 'c') recordDependencyOn(relation, myself, 'i');
    else recordDependencyOn(myself, relation, 'i');
  }
  if (element !== 0 && type.isImplicitArray === true) {
    recordDependencyOn(myself, objectAddress(RELATION.pgType, element), 'i');
  }
}

/** An OID for the array type of a type that is about to be made. */
export function assignTypeArrayOid(): Oid {
  const rel = tableOpen(RELATION.pgType, LOCK.accessShare);
  const oid = getNewOidWithIndex(rel, TYPE_OID_INDEX, 1);
  relationClose(rel, LOCK.accessShare);
  return oid;
}

const NAME_LIMIT = 63;
/** Cuts a name to so many bytes at a character. */
export function cutToBytes(name: string, limit: number): string {
  const bytes = Buffer.from(name, 'utf8');
  if (bytes.length <= limit) return name;
  let end = limit;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}
/** makeArrayTypeName(): `_name`, with more underscores or a number where that is taken. */
export function makeArrayTypeName(typeName: string, namespace: Oid): string {
  const first = cutToBytes(`_${typeName}`, NAME_LIMIT);
  if (typeByName(first, namespace) === undefined) return first;
  for (let pass = 1; ; pass++) {
    const suffix = `_${pass}`;
    const candidate = cutToBytes(`_${typeName}`, NAME_LIMIT - suffix.length) + suffix;
    if (typeByName(candidate, namespace) === undefined) return candidate;
  }
}

const FUNCTION = {
  recordIn: 2290,
  recordOut: 2291,
  recordRecv: 2402,
  recordSend: 2403,
  arrayIn: 750,
  arrayOut: 751,
  arrayRecv: 2400,
  arraySend: 2401,
  arrayTypanalyze: 3816,
  arraySubscript: 6179,
} as const;
const proc = (oid: number): Oid => oid as Oid;

/** The row type of a relation and its array type; the row type's OID. */
export function createRowType(of: {
  readonly name: string;
  readonly namespace: Oid;
  readonly relid: Oid;
  readonly relkind: string;
  readonly owner: Oid;
  readonly oid?: Oid | undefined;
}): Oid {
  const array = assignTypeArrayOid();
  const { objectId } = createType({
    oid: of.oid ?? NONE,
    name: of.name,
    namespace: of.namespace,
    owner: of.owner,
    length: -1,
    byValue: false,
    typtype: 'c',
    category: 'C',
    relid: of.relid,
    relkind: of.relkind,
    array,
    input: proc(FUNCTION.recordIn),
    output: proc(FUNCTION.recordOut),
    receive: proc(FUNCTION.recordRecv),
    send: proc(FUNCTION.recordSend),
    align: 'd',
    storage: 'x',
  });
  createArrayType({
    oid: array,
    element: objectId,
    name: of.name,
    namespace: of.namespace,
    owner: of.owner,
    align: 'd',
  });
  return objectId;
}
export function createArrayType(of: {
  readonly oid: Oid;
  readonly element: Oid;
  /** Of the element type. */
  readonly name: string;
  readonly namespace: Oid;
  readonly owner: Oid;
  readonly align: 'i' | 'd';
  readonly delimiter?: string;
  readonly typmodIn?: Oid;
  readonly typmodOut?: Oid;
  readonly collation?: Oid;
}): void {
  createType({
    oid: of.oid,
    name: makeArrayTypeName(of.name, of.namespace),
    namespace: of.namespace,
    owner: of.owner,
    length: -1,
    byValue: false,
    typtype: 'b',
    category: 'A',
    delimiter: of.delimiter ?? ',',
    subscript: proc(FUNCTION.arraySubscript),
    element: of.element,
    isImplicitArray: true,
    input: proc(FUNCTION.arrayIn),
    output: proc(FUNCTION.arrayOut),
    receive: proc(FUNCTION.arrayRecv),
    send: proc(FUNCTION.arraySend),
    typmodIn: of.typmodIn ?? NONE,
    typmodOut: of.typmodOut ?? NONE,
    analyze: proc(FUNCTION.arrayTypanalyze),
    align: of.align,
    storage: 'x',
    collation: of.collation ?? NONE,
  });
}
