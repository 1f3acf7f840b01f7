/** pg-type.ts — rows of pg_type: making, renaming and removing types, and what they depend on.
 *  Counterpart: src/backend/catalog/pg_type.c, RemoveTypeById() of commands/typecmds.c */
import type { Oid } from '#base/ids.ts';
import { aclArray, type AclItem } from '#catalog/acl.ts';
import { type ObjectAddress, objectAddress } from '#catalog/object-address.ts';
import { catalogDelete, catalogInsert, catalogUpdateColumns, catalogValues } from '#catalog/indexing.ts';
import { getNewOidWithIndex } from '#catalog/new-oid.ts';
import { makeArrayTypeName } from '#catalog/object-name.ts';
import { COLLATION, RELATION, TYPE } from '#catalog/oids.ts';
import { recordDependencyOn, recordMultipleDependencies } from '#catalog/pg-depend.ts';
import { recordDependencyOnOwner } from '#catalog/pg-shdepend.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { typeByName, typeRow } from '#catalog/syscache.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

const TYPE_OID_INDEX = 2703 as Oid;
const TYPE_NAME_INDEX = 2704 as Oid;

/** What is not said has the value that most types have. */
export interface NewType {
  /** 0: a new number. */
  readonly oid: Oid;
  readonly name: string;
  readonly namespace: Oid;
  /** The relation whose rows it describes, and that relation's kind. */
  readonly relid?: Oid;
  readonly relkind?: string;
  readonly owner: Oid;
  readonly length: number;
  readonly type: 'b' | 'c' | 'd' | 'e' | 'm' | 'p' | 'r';
  readonly category: string;
  readonly preferred?: boolean;
  readonly delimiter?: string;
  readonly input: Oid;
  readonly output: Oid;
  readonly receive?: Oid;
  readonly send?: Oid;
  readonly typmodIn?: Oid;
  readonly typmodOut?: Oid;
  readonly analyze?: Oid;
  readonly subscript?: Oid;
  readonly element?: Oid;
  readonly isImplicitArray?: boolean;
  readonly array?: Oid;
  readonly baseType?: Oid;
  readonly defaultText?: string | null;
  readonly defaultBin?: string | null;
  readonly byValue?: boolean;
  readonly align: 'c' | 's' | 'i' | 'd';
  readonly storage: 'p' | 'e' | 'm' | 'x';
  readonly typmod?: number;
  readonly dimensions?: number;
  readonly notNull?: boolean;
  readonly collation?: Oid;
  readonly acl?: readonly AclItem[] | null;
  /** Objects that a default expression (a domain's) mentions. */
  readonly defaultReferences?: readonly ObjectAddress[];
}

const NO_OID = 0 as Oid;
const PROC = (oid: Oid): ObjectAddress => objectAddress(RELATION.pgProc, oid);

/** TypeCreate(). */
export function typeCreate(type: NewType): ObjectAddress {
  const rel = tableOpen(RELATION.pgType, LOCK.rowExclusive);
  const row = {
    typname: type.name,
    typnamespace: type.namespace,
    typowner: type.owner,
    typlen: type.length,
    typbyval: type.byValue ?? false,
    typtype: type.type,
    typcategory: type.category,
    typispreferred: type.preferred ?? false,
    typisdefined: true,
    typdelim: type.delimiter ?? ',',
    typrelid: type.relid ?? NO_OID,
    typsubscript: type.subscript ?? NO_OID,
    typelem: type.element ?? NO_OID,
    typarray: type.array ?? NO_OID,
    typinput: type.input,
    typoutput: type.output,
    typreceive: type.receive ?? NO_OID,
    typsend: type.send ?? NO_OID,
    typmodin: type.typmodIn ?? NO_OID,
    typmodout: type.typmodOut ?? NO_OID,
    typanalyze: type.analyze ?? NO_OID,
    typalign: type.align,
    typstorage: type.storage,
    typnotnull: type.notNull ?? false,
    typbasetype: type.baseType ?? NO_OID,
    typtypmod: type.typmod ?? -1,
    typndims: type.dimensions ?? 0,
    typcollation: type.collation ?? NO_OID,
    typdefaultbin: type.defaultBin ?? null,
    typdefault: type.defaultText ?? null,
    typacl: type.acl == null ? null : aclArray(type.acl),
  };
  const [shell] = findCatalogTuples(store.type, rel, TYPE_NAME_INDEX, [
    { attnum: 2, value: type.name },
    { attnum: 3, value: type.namespace },
  ]);
  let oid = type.oid;
  if (shell !== undefined) {
    if (shell.row.typisdefined) {
      report('ERROR', { code: SQLSTATE.duplicateObject, message: `type "${type.name}" already exists` });
    }
    oid = shell.row.oid;
    catalogUpdateColumns(rel, shell.tid, row);
  } else {
    if (oid === 0) oid = getNewOidWithIndex(rel, TYPE_OID_INDEX);
    catalogInsert(rel, catalogValues(rel, { oid, ...row }));
  }
  generateTypeDependencies(oid, type);
  relationClose(rel, LOCK.rowExclusive);
  return objectAddress(RELATION.pgType, oid);
}

function generateTypeDependencies(oid: Oid, type: NewType): void {
  const myself = objectAddress(RELATION.pgType, oid);
  const relid = type.relid ?? NO_OID;
  const isRowType = relid !== 0 && type.relkind !== 'c';
  const isDependent = type.isImplicitArray === true || isRowType;
  const normal: ObjectAddress[] = [];
  if (!isDependent) {
    normal.push(objectAddress(RELATION.pgNamespace, type.namespace));
    recordDependencyOnOwner(RELATION.pgType, oid, type.owner);
  }
  for (const proc of [
    type.input,
    type.output,
    type.receive,
    type.send,
    type.typmodIn,
    type.typmodOut,
    type.analyze,
    type.subscript,
  ]) {
    if (proc !== undefined && proc !== 0) normal.push(PROC(proc));
  }
  if (type.baseType !== undefined && type.baseType !== 0) normal.push(objectAddress(RELATION.pgType, type.baseType));
  if (type.collation !== undefined && type.collation !== 0 && type.collation !== COLLATION.default) {
    normal.push(objectAddress(RELATION.pgCollation, type.collation));
  }
  recordMultipleDependencies(myself, normal, 'n');
  if (type.defaultReferences !== undefined) recordMultipleDependencies(myself, type.defaultReferences, 'n');
  if (relid !== 0) {
    const relation = objectAddress(RELATION.pgClass, relid);
    if (isRowType) recordDependencyOn(myself, relation, 'i');
    else recordDependencyOn(relation, myself, 'i');
  }
  if (type.element !== undefined && type.element !== 0) {
    const element = objectAddress(RELATION.pgType, type.element);
    recordDependencyOn(myself, element, type.isImplicitArray === true ? 'i' : 'n');
  }
}

/** The array type of a type that users make. */
export function arrayTypeOf(element: NewType, elementOid: Oid, arrayOid: Oid, name: string): NewType {
  return {
    oid: arrayOid,
    name,
    namespace: element.namespace,
    owner: element.owner,
    length: -1,
    type: 'b',
    category: 'A',
    delimiter: element.delimiter ?? ',',
    input: 750 as Oid,
    output: 751 as Oid,
    receive: 2400 as Oid,
    send: 2401 as Oid,
    typmodIn: element.typmodIn ?? NO_OID,
    typmodOut: element.typmodOut ?? NO_OID,
    analyze: 3816 as Oid,
    subscript: 6179 as Oid,
    element: elementOid,
    isImplicitArray: true,
    align: element.align === 'd' ? 'd' : 'i',
    storage: 'x',
    collation: element.collation ?? NO_OID,
  };
}

/** AssignTypeArrayOid(). */
export function assignTypeArrayOid(): Oid {
  const rel = tableOpen(RELATION.pgType, LOCK.accessShare);
  const oid = getNewOidWithIndex(rel, TYPE_OID_INDEX);
  relationClose(rel, LOCK.accessShare);
  return oid;
}

/** RenameTypeInternal(): the type and, behind it, its array type. */
export function renameType(oid: Oid, newName: string, namespace: Oid): void {
  const rel = tableOpen(RELATION.pgType, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.type, rel, TYPE_OID_INDEX, [{ attnum: 1, value: oid }]);
  if (found === undefined) report('ERROR', { message: `cache lookup failed for type ${oid}` });
  const other = typeByName(newName, namespace);
  if (other !== undefined) {
    if (!other.typisdefined || !moveArrayTypeName(other.oid, newName, namespace)) {
      report('ERROR', { code: SQLSTATE.duplicateObject, message: `type "${newName}" already exists` });
    }
  }
  catalogUpdateColumns(rel, found.tid, { typname: newName });
  relationClose(rel, LOCK.rowExclusive);
  const array = found.row.typarray;
  const arrayRow = array === 0 ? undefined : typeRow(array);
  if (arrayRow === undefined) return;
  commandCounterIncrement();
  // It may have the name already, if it had to make way before.
  const wanted = makeArrayTypeName(newName, namespace);
  renameType(array, wanted, namespace);
}

/** moveArrayTypeName(): an automatic array type gives up its name to a type that wants it. False: it is none. */
export function moveArrayTypeName(oid: Oid, name: string, namespace: Oid): boolean {
  const row = typeRow(oid);
  if (row === undefined || !row.typisdefined) return row !== undefined;
  const element = row.typelem === 0 ? undefined : typeRow(row.typelem);
  if (row.typcategory !== 'A' || element === undefined || element.typarray !== oid) return false;
  renameType(oid, makeArrayTypeName(name, namespace), namespace);
  commandCounterIncrement();
  return true;
}

/** RemoveTypeById(), without what an enum's or range's catalogs have besides (their droppers add that). */
export function removeTypeById(oid: Oid): void {
  const rel = tableOpen(RELATION.pgType, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.type, rel, TYPE_OID_INDEX, [{ attnum: 1, value: oid }]);
  if (found === undefined) report('ERROR', { message: `cache lookup failed for type ${oid}` });
  catalogDelete(rel, found.tid);
  if (found.row.typtype === 'e') {
    const enums = tableOpen(RELATION.pgEnum, LOCK.rowExclusive);
    for (const { tid } of findCatalogTuples(store.enum, enums, 3503 as Oid, [{ attnum: 2, value: oid }])) {
      catalogDelete(enums, tid);
    }
    relationClose(enums, LOCK.rowExclusive);
  }
  if (found.row.typtype === 'r') {
    const ranges = tableOpen(RELATION.pgRange, LOCK.rowExclusive);
    for (const { tid } of findCatalogTuples(store.range, ranges, 3542 as Oid, [{ attnum: 1, value: oid }])) {
      catalogDelete(ranges, tid);
    }
    relationClose(ranges, LOCK.rowExclusive);
  }
  relationClose(rel, LOCK.rowExclusive);
}

/** What a composite type's pg_type row says besides name, place and owner. */
export const ROW_TYPE = {
  length: -1,
  type: 'c',
  category: 'C',
  input: 2290 as Oid,
  output: 2291 as Oid,
  receive: 2402 as Oid,
  send: 2403 as Oid,
  align: 'd',
  storage: 'x',
} as const;
/** Rows and arrays of pseudo-types make no columns. */
export const RECORD_TYPES: ReadonlySet<Oid> = new Set([TYPE.record, TYPE.recordArray]);
