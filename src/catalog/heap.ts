/** heap.ts — a new relation: its file, its rows in pg_class, pg_attribute and pg_type, and what it depends on.
 *  Counterpart: src/backend/catalog/heap.c */
import { type Attribute, attribute, type IndexInfoDesc, type TupleDesc } from '#access/common/relation-descriptor.ts';
import type { ArrayDatum } from '#adt/datum.ts';
import { FORK, type Oid } from '#base/ids.ts';
import { aclArray, type AclItem, parseAclItem } from '#catalog/acl.ts';
import { userDefaultAcl } from '#catalog/default-acl.ts';
import { CatalogIndexes, catalogInsert, catalogValues } from '#catalog/indexing.ts';
import {
  assignTypeArrayOid,
  arrayTypeOf,
  moveArrayTypeName,
  type NewType,
  ROW_TYPE,
  typeCreate,
} from '#catalog/pg-type.ts';
import { getNewOidWithIndex, getNewRelFileNode } from '#catalog/new-oid.ts';
import { makeArrayTypeName } from '#catalog/object-name.ts';
import { type ObjectAddress, objectAddress } from '#catalog/object-address.ts';
import { ACCESS_METHOD, COLLATION, NAMESPACE, RELATION, TYPE } from '#catalog/oids.ts';
import { recordDependencyOn, recordMultipleDependencies } from '#catalog/pg-depend.ts';
import { recordDependencyOnOwner, recordDependencyOnTablespace, updateAclDependencies } from '#catalog/pg-shdepend.ts';
import { type RelationData, relationBuildLocalRelation } from '#catalog/relcache.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { logSmgrCreate, relationCreateStorage } from '#catalog/storage.ts';
import { classByName, typeByName, typeRow } from '#catalog/syscache.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { lockRelationOid } from '#storage/lmgr/lmgr.ts';
import { smgrCreate, smgrImmedSync } from '#storage/smgr/smgr.ts';
import { getOldestMultiXactId } from '#transam/multixact.ts';
import { recentXmin } from '#transam/snapshot.ts';
import { checkAttributeNamesTypes } from '#catalog/attribute-checks.ts';

export type RelKind = RelationData['kind'];
const NO_OID = 0 as Oid;
const GLOBAL_TABLESPACE = 1664 as Oid;
const HAS_STORAGE = 'rimtS';
const HAS_TABLE_AM = 'rmt';
export const relkindHasStorage = (kind: string): boolean => HAS_STORAGE.includes(kind);

export interface NewRelation {
  readonly name: string;
  readonly namespace: Oid;
  readonly tablespace: Oid;
  readonly kind: RelKind;
  readonly persistence: 'p' | 'u' | 't';
  readonly accessMethod: Oid;
  readonly desc: TupleDesc;
  readonly owner: Oid;
  readonly isShared?: boolean;
  readonly isMapped?: boolean;
  readonly options?: readonly string[] | null;
  readonly index?: IndexInfoDesc | null;
  /** A number chosen already, and a file that exists already (ALTER TABLE keeps an index's). */
  readonly oid?: Oid;
  readonly relfilenode?: Oid;
  readonly allowSystemTableMods?: boolean;
}

/** heap_create(): the relation cache's entry and the file; no catalog rows yet. The result is referenced. */
export function heapCreate(of: NewRelation & { readonly oid: Oid }): RelationData {
  if (of.namespace === NAMESPACE.pgCatalog && of.oid >= 16384 && of.allowSystemTableMods !== true)
    refuseSystemSchema(of);
  const hasStorage = HAS_STORAGE.includes(of.kind);
  let { tablespace } = of;
  if (!hasStorage && of.kind !== 'p' && of.kind !== 'I') tablespace = NO_OID;
  // Zero stands for the database's own, so that a copy of the database is right wherever it is.
  if (tablespace === sessionIdentity.databaseTablespace) tablespace = NO_OID;
  const reuse = of.relfilenode !== undefined && of.relfilenode !== 0;
  const rel = relationBuildLocalRelation({
    oid: of.oid,
    name: of.name,
    namespace: of.namespace,
    desc: of.desc,
    kind: of.kind,
    persistence: of.persistence,
    amOid: of.accessMethod,
    owner: of.owner,
    tablespace,
    relfilenode: hasStorage ? (reuse ? of.relfilenode! : of.oid) : NO_OID,
    isShared: of.isShared ?? false,
    isMapped: of.isMapped ?? false,
    index: of.index ?? null,
    options: of.options ?? null,
  });
  rel.isPopulated = of.kind !== 'm';
  const isUserTable = !isCatalogNamespace(of.namespace) && (of.kind === 'r' || of.kind === 'm' || of.kind === 'p');
  rel.replicaIdentity = isUserTable ? 'd' : 'n';
  if (hasStorage && !reuse) setNewFileNode(rel);
  if (!hasStorage && tablespace !== 0) recordDependencyOnTablespace(RELATION.pgClass, of.oid, tablespace);
  return rel;
}
/** table_relation_set_new_filenode(), or plain storage for what is no table. */
export function setNewFileNode(rel: RelationData): void {
  rel.frozenXid = 0 as RelationData['frozenXid'];
  rel.minMxid = 0;
  if (HAS_TABLE_AM.includes(rel.kind)) {
    rel.frozenXid = recentXmin();
    rel.minMxid = getOldestMultiXactId();
  }
  const smgr = relationCreateStorage(rel.rnode, rel.persistence, true);
  if (rel.persistence === 'u' && HAS_TABLE_AM.includes(rel.kind)) {
    // Logged and synced: after a crash the empty init fork is what the table begins with.
    smgrCreate(smgr, FORK.init, false);
    logSmgrCreate(rel.rnode, FORK.init);
    smgrImmedSync(smgr, FORK.init);
  }
}
const isCatalogNamespace = (namespace: Oid): boolean =>
  namespace === NAMESPACE.pgCatalog || namespace === NAMESPACE.pgToast;
function refuseSystemSchema(of: NewRelation): never {
  report('ERROR', {
    code: SQLSTATE.insufficientPrivilege,
    message: `permission denied to create "pg_catalog.${of.name}"`,
    detail: 'System catalog modifications are currently disallowed.',
  });
}

const textArray = (elements: readonly string[] | null | undefined): ArrayDatum | null =>
  elements == null || elements.length === 0
    ? null
    : { kind: 'array', elementType: TYPE.text, dims: [elements.length], lowerBounds: [1], elements };

/** InsertPgClassTuple(). */
export function insertPgClassTuple(
  rel: RelationData,
  acl: readonly AclItem[] | null,
  options: readonly string[] | null | undefined,
  sizes: { readonly pages: number; readonly tuples: number },
): void {
  const pgClass = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
  catalogInsert(
    pgClass,
    catalogValues(pgClass, {
      oid: rel.oid,
      relname: rel.name,
      relnamespace: rel.namespace,
      reltype: rel.typeId,
      reloftype: rel.ofType,
      relowner: rel.owner,
      relam: rel.amOid,
      relfilenode: rel.relfilenode,
      reltablespace: rel.tablespace,
      relpages: sizes.pages,
      reltuples: sizes.tuples,
      relallvisible: 0,
      reltoastrelid: rel.toastRelid,
      relhasindex: rel.hasIndex,
      relisshared: rel.isShared,
      relpersistence: rel.persistence,
      relkind: rel.kind,
      relnatts: rel.tupleDesc.natts,
      relchecks: rel.checks,
      relhasrules: rel.hasRules,
      relhastriggers: rel.hasTriggers,
      relhassubclass: rel.hasSubclass,
      relrowsecurity: rel.rowSecurity,
      relforcerowsecurity: rel.forceRowSecurity,
      relispopulated: rel.isPopulated,
      relreplident: rel.replicaIdentity,
      relispartition: rel.isPartition,
      relrewrite: NO_OID,
      relfrozenxid: rel.frozenXid,
      relminmxid: rel.minMxid,
      relacl: acl === null ? null : aclArray(acl),
      reloptions: textArray(options),
      relpartbound: null,
    }),
  );
  relationClose(pgClass, LOCK.rowExclusive);
}

/** The columns that every table has before its own. */
const SYSTEM_COLUMNS: readonly Attribute[] = [
  { name: 'ctid', typeId: TYPE.tid, length: 6, byValue: false, align: 's' as const, number: -1 },
  { name: 'xmin', typeId: TYPE.xid, length: 4, byValue: true, align: 'i' as const, number: -2 },
  { name: 'cmin', typeId: TYPE.cid, length: 4, byValue: true, align: 'i' as const, number: -3 },
  { name: 'xmax', typeId: TYPE.xid, length: 4, byValue: true, align: 'i' as const, number: -4 },
  { name: 'cmax', typeId: TYPE.cid, length: 4, byValue: true, align: 'i' as const, number: -5 },
  { name: 'tableoid', typeId: TYPE.oid, length: 4, byValue: true, align: 'i' as const, number: -6 },
].map((column) => attribute({ ...column, notNull: true }, column.number));

/** InsertPgAttributeTuples(). */
export function insertPgAttributeTuples(
  pgAttribute: RelationData,
  relid: Oid,
  columns: readonly Attribute[],
  indexes: CatalogIndexes,
  options: readonly (readonly string[] | null)[] | null = null,
): void {
  columns.forEach((column, i) => {
    const values = catalogValues(pgAttribute, {
      attrelid: relid,
      attname: column.name,
      atttypid: column.typeId,
      attstattarget: column.number < 0 ? 0 : -1,
      attlen: column.length,
      attnum: column.number,
      attndims: column.ndims,
      attcacheoff: -1,
      atttypmod: column.typmod,
      attbyval: column.byValue,
      attalign: column.align,
      attstorage: column.storage,
      attcompression: column.compression,
      attnotnull: column.notNull,
      atthasdef: column.hasDef,
      atthasmissing: column.hasMissing,
      attidentity: column.identity,
      attgenerated: column.generated,
      attisdropped: column.isDropped,
      attislocal: column.isLocal,
      attinhcount: column.inhCount,
      attcollation: column.collation,
      attacl: null,
      attoptions: textArray(options?.[i]),
      attfdwoptions: null,
      attmissingval: null,
    });
    catalogInsert(pgAttribute, values, indexes);
  });
}

/** AddNewAttributeTuples(). */
function addNewAttributeTuples(relid: Oid, desc: TupleDesc, kind: RelKind): void {
  const pgAttribute = tableOpen(RELATION.pgAttribute, LOCK.rowExclusive);
  const indexes = new CatalogIndexes(pgAttribute);
  insertPgAttributeTuples(pgAttribute, relid, desc.attrs, indexes);
  for (const column of desc.attrs) recordColumnDependencies(relid, column);
  if (kind !== 'v' && kind !== 'c') insertPgAttributeTuples(pgAttribute, relid, SYSTEM_COLUMNS, indexes);
  indexes.close();
  relationClose(pgAttribute, LOCK.rowExclusive);
}
/** A column depends on its type and on a collation that is not the default. */
export function recordColumnDependencies(relid: Oid, column: Attribute): void {
  const myself = objectAddress(RELATION.pgClass, relid, column.number);
  recordDependencyOn(myself, objectAddress(RELATION.pgType, column.typeId), 'n');
  if (column.collation !== 0 && column.collation !== COLLATION.default) {
    recordDependencyOn(myself, objectAddress(RELATION.pgCollation, column.collation), 'n');
  }
}

export interface NewHeap extends NewRelation {
  readonly ofType?: Oid;
  /** Consult default privileges. */
  readonly useUserAcl?: boolean;
  readonly isInternal?: boolean;
}
export interface CreatedHeap {
  readonly oid: Oid;
  readonly typeAddress: ObjectAddress | null;
}

const RELATION_TYPE_HINT =
  "A relation has an associated type of the same name, so you must use a name that doesn't conflict with any existing type.";

/** heap_create_with_catalog(): everything but defaults and constraints. The new relation stays locked. */
export function heapCreateWithCatalog(of: NewHeap): CreatedHeap {
  const pgClass = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
  checkAttributeNamesTypes(of.desc, of.kind, of.allowSystemTableMods);
  if (classByName(of.name, of.namespace) !== undefined) {
    report('ERROR', { code: SQLSTATE.duplicateTable, message: `relation "${of.name}" already exists` });
  }
  // Its row type needs the name, too.
  const oldType = typeByName(of.name, of.namespace);
  if (oldType !== undefined && !moveArrayTypeName(oldType.oid, of.name, of.namespace)) {
    report('ERROR', {
      code: SQLSTATE.duplicateObject,
      message: `type "${of.name}" already exists`,
      hint: RELATION_TYPE_HINT,
    });
  }
  if (of.isShared === true && of.tablespace !== GLOBAL_TABLESPACE) {
    report('ERROR', { message: 'shared relations must be placed in pg_global tablespace' });
  }
  const oid =
    of.oid ??
    (HAS_STORAGE.includes(of.kind)
      ? getNewRelFileNode(of.tablespace, pgClass, of.persistence)
      : getNewOidWithIndex(pgClass, 2662 as Oid));
  // Nobody can see it yet, but whoever looks into pg_class with a dirty eye must wait.
  lockRelationOid(oid, LOCK.accessExclusive);
  const acl = of.useUserAcl === true ? userDefaultAcl(of.kind === 'S' ? 'S' : 'r', of.owner, of.namespace) : null;
  const rel = heapCreate({ ...of, oid });
  let typeAddress: ObjectAddress | null = null;
  if (!'SitI'.includes(of.kind)) {
    const arrayOid = assignTypeArrayOid();
    const rowType: NewType = {
      ...ROW_TYPE,
      oid: NO_OID,
      name: of.name,
      namespace: of.namespace,
      relid: oid,
      relkind: of.kind,
      owner: of.owner,
      array: arrayOid,
    };
    typeAddress = typeCreate(rowType);
    typeCreate(arrayTypeOf(rowType, typeAddress.objectId, arrayOid, makeArrayTypeName(of.name, of.namespace)));
    rel.typeId = typeAddress.objectId;
  }
  rel.ofType = of.ofType ?? NO_OID;
  // A sequence has one page and one row from the beginning.
  insertPgClassTuple(rel, acl, of.options, of.kind === 'S' ? { pages: 1, tuples: 1 } : { pages: 0, tuples: -1 });
  addNewAttributeTuples(oid, of.desc, of.kind);
  if (of.kind !== 'c' && of.kind !== 't') {
    const myself = objectAddress(RELATION.pgClass, oid);
    recordDependencyOnOwner(RELATION.pgClass, oid, of.owner);
    if (acl !== null) updateAclDependencies(myself, of.owner, [], aclMembers(acl));
    const references = [objectAddress(RELATION.pgNamespace, of.namespace)];
    if (of.ofType !== undefined && of.ofType !== 0) references.push(objectAddress(RELATION.pgType, of.ofType));
    if ((of.kind === 'r' || of.kind === 'm') && of.accessMethod !== ACCESS_METHOD.heap) {
      references.push(objectAddress(RELATION.pgAm, of.accessMethod));
    }
    recordMultipleDependencies(myself, references, 'n');
  }
  relationClose(rel, LOCK.none);
  relationClose(pgClass, LOCK.rowExclusive);
  return { oid, typeAddress };
}
/** Roles that an access list names. */
export const aclMembers = (acl: readonly AclItem[]): Oid[] => [
  ...new Set(acl.flatMap((item) => [item.grantee, item.grantor]).filter((oid) => oid !== 0)),
];
export const parseAcl = (acl: readonly string[]): AclItem[] => acl.map(parseAclItem);

/** A descriptor's column of a type: length, alignment and storage come from the type. */
export function columnOfType(
  name: string,
  number: number,
  type: Oid,
  typmod: number,
  ndims: number,
  more: Partial<Attribute> = {},
): Attribute {
  const row = typeRow(type);
  if (row === undefined) report('ERROR', { message: `cache lookup failed for type ${type}` });
  return attribute(
    {
      name,
      typeId: type,
      length: row.typlen,
      byValue: row.typbyval,
      align: row.typalign as Attribute['align'],
      storage: row.typstorage as Attribute['storage'],
      collation: row.typcollation,
      typmod,
      ndims,
      ...more,
    },
    number,
  );
}
