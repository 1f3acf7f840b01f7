/** relcache.ts — the descriptors of relations, made of catalog rows and kept until an invalidation.
 *
 *  An entry with references stays the same object when its relation changes: it is filled anew. pg_class and its index
 *  over oid are nailed: made from the facts and the relation map, because everything else is read through them. Before a
 *  database was chosen only shared catalogs can be opened, and they are made the same way; afterwards pg_class tells
 *  what the facts cannot know.
 *  Counterpart: src/backend/utils/cache/relcache.c */
import type { IndexInfoDesc } from '#access/common/relation-descriptor.ts';
import { type Attribute, type Relation, TupleDesc } from '#access/common/relation-descriptor.ts';
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import type { Oid, RelFileNode, TransactionId } from '#base/ids.ts';
import {
  attributeOfRow,
  catalogIndexDesc,
  catalogTupleDesc,
  indexOfRow,
  isBuiltinRelation,
} from '#catalog/catalog-desc.ts';
import { CatalogScan } from '#catalog/catalog-scan.ts';
import { NO_CONSTRAINTS, type RelationConstraints } from '#catalog/constraints.ts';
import { registerCatalogCaches } from '#catalog/inval.ts';
import { RELATION, TYPE } from '#catalog/oids.ts';
import { RelationData } from '#catalog/relation-data.ts';
import { relationMapInvalidate, relationMapOidToFilenode, relationMapUpdateMap } from '#catalog/relmap.ts';
import { parseRelOptions } from '#catalog/reloptions.ts';
import {
  type AttributeRow,
  type ClassRow,
  factStore,
  type IndexRow,
  ROW_SOURCE,
  rowSourceOf,
  store,
} from '#catalog/rows.ts';
import { databaseAccess, sessionIdentity } from '#catalog/session-identity.ts';
import { BT_STRATEGY } from '#access/common/scan-key.ts';
import { myProcess } from '#runtime/my-process.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { currentResourceOwner, type ResourceKind } from '#runtime/resource-owner.ts';
import { smgrClose } from '#storage/smgr/smgr.ts';
import { registerXactParticipant, XACT_RANK } from '#transam/xact-callbacks.ts';
import { getCurrentSubTransactionId, isTransactionState } from '#transam/xact.ts';

export { RelationData };

const PG_CLASS_OID_INDEX = 2662 as Oid;
const PG_ATTRIBUTE_RELID_ATTNUM_INDEX = 2659 as Oid;
const PG_INDEX_INDEXRELID_INDEX = 2679 as Oid;
const PG_INDEX_INDRELID_INDEX = 2678 as Oid;
const PG_CONSTRAINT_CONRELID_INDEX = 2665 as Oid;
const PG_ATTRDEF_INDEX = 2656 as Oid;
const GLOBAL_TABLESPACE = 1664 as Oid;
const DEFAULT_TABLESPACE = 1663 as Oid;
const PG_TOAST_PREFIX = 'pg_toast_temp_';
const PG_TEMP_PREFIX = 'pg_temp_';
/** Catalogs' OIDs are below: FirstUnpinnedObjectId. */
const FIRST_UNPINNED_OID = 12000;

const relations = new Map<Oid, RelationData>();
/** Relations made or given a new file by this transaction. */
const touched = new Set<RelationData>();

// ── references ───────────────────────────────────────────────────────────────────────────────────────────────────

const reference: ResourceKind = {
  name: 'relcache reference',
  phase: 'beforeLocks',
  priority: 200,
  release: (_, extra) => closeReference(extra as RelationData),
  describeLeak: (_, extra) => `relcache reference leak: relation "${(extra as RelationData).name}" not closed`,
};
function closeReference(rel: RelationData): void {
  rel.refCount--;
  if (rel.refCount === 0 && !rel.isValid && !rel.isNailed) clearRelation(rel);
}
export function relationIncrementReferenceCount(rel: RelationData): void {
  rel.refCount++;
  currentResourceOwner().remember(reference, rel.oid, rel);
}
export function relationDecrementReferenceCount(rel: RelationData): void {
  currentResourceOwner().forget(reference, rel.oid);
  closeReference(rel);
}

// ── lookup ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** The relation, referenced; null if there is none. The caller holds a lock on it. */
export function relationIdGetRelation(relid: Oid): RelationData | null {
  let rel = relations.get(relid);
  if (rel !== undefined) {
    if (rel.droppedSubid !== 0) return null;
    relationIncrementReferenceCount(rel);
    if (isOutdated(rel)) rebuild(rel);
    return rel;
  }
  const built = buildFresh(relid);
  if (built === null) return null;
  // Reading the catalogs may have opened the same relation.
  rel = relations.get(relid);
  if (rel === undefined) {
    rel = built;
    relations.set(relid, rel);
  } else rel.assign(built);
  relationIncrementReferenceCount(rel);
  if (isOutdated(rel)) rebuild(rel);
  return rel;
}
const isOutdated = (rel: RelationData): boolean => !rel.isValid || (rel.isProvisional && databaseAccess.database);
/** The entry as it is, without a reference; undefined if the cache has none. */
export const cachedRelation = (relid: Oid): RelationData | undefined => relations.get(relid);

const rebuilding = new Set<Oid>();
/** Reads the relation's rows again, into the same object. */
function rebuild(rel: RelationData): void {
  if (!isTransactionState() || rebuilding.has(rel.oid)) return;
  rebuilding.add(rel.oid);
  try {
    const built = buildFresh(rel.oid);
    if (built === null) {
      // Dropped while open: only a transaction that made or dropped it may still look at what it was.
      if (rel.createSubid !== 0 || rel.droppedSubid !== 0) return;
      report('ERROR', { code: SQLSTATE.internalError, message: `relation ${rel.oid} deleted while still in use` });
    }
    const { smgr, rnode } = rel;
    rel.assign(built);
    if (smgr !== null && rel.rnode !== rnode && rel.smgr === null) smgrClose(smgr);
  } finally {
    rebuilding.delete(rel.oid);
  }
}

// ── reading the catalogs ─────────────────────────────────────────────────────────────────────────────────────────

/** Runs over the rows of a catalog with the relations it needs held open. */
function scanCatalog(
  catalog: Oid,
  indexOid: Oid,
  keys: ConstructorParameters<typeof CatalogScan>[2],
  visit: (scan: CatalogScan) => boolean | undefined,
): void {
  const rel = relationIdGetRelation(catalog)!;
  const index = mayUseIndexes() ? relationIdGetRelation(indexOid) : null;
  const scan = new CatalogScan(rel, index, keys);
  while (scan.next()) if (visit(scan) === false) break;
  scan.end();
  if (index !== null) relationDecrementReferenceCount(index);
  relationDecrementReferenceCount(rel);
}
let ignoreSystemIndexes = (): boolean => false;
/** REINDEX of a catalog, ignore_system_indexes. */
export function setIgnoreSystemIndexes(question: () => boolean): void {
  ignoreSystemIndexes = question;
}
export const mayUseIndexes = (): boolean => !ignoreSystemIndexes();

/** The pg_class row as the catalog snapshot sees it. */
function readClassRow(relid: Oid): ClassRow | null {
  let found: ClassRow | null = null;
  scanCatalog(RELATION.pgClass, PG_CLASS_OID_INDEX, [{ attnum: 1, value: relid }], (scan) => {
    found = bareRow(store.class, scan);
    return false;
  });
  return found;
}
/** Which columns of a catalog a store's objects have, as deform wants to know it. */
interface RowPlan {
  readonly positions: readonly number[];
  readonly all: Uint8Array;
  readonly withoutAccessLists: Uint8Array;
}
interface RowMaker<T> {
  readonly names: readonly string[];
  fromDatums(values: readonly Datum[]): T;
}
const plans = new WeakMap<object, RowPlan>();
function planOf(of: RowMaker<unknown>, rel: Relation): RowPlan {
  let plan = plans.get(of);
  if (plan === undefined) {
    const positions = of.names.map((name) => rel.tupleDesc.attributeIndex(name));
    const all = Uint8Array.from(rel.tupleDesc.attrs, (_, i) => (positions.includes(i) ? 1 : 0));
    const withoutAccessLists = all.map((bit, i) => (rel.tupleDesc.attrs[i]!.typeId === TYPE.aclitemArray ? 0 : bit));
    plan = { positions, all, withoutAccessLists };
    plans.set(of, plan);
  }
  return plan;
}
const rowValues: Datum[] = [];
/** The row under a scan as the store's objects are. */
export function rowOf<T>(of: RowMaker<T>, scan: CatalogScan, withAccessLists = true): T {
  const { positions, all, withoutAccessLists } = planOf(of, scan.rel);
  rowValues.length = scan.rel.tupleDesc.natts;
  rowValues.fill(null);
  const values = scan.values(rowValues, withAccessLists ? all : withoutAccessLists);
  return of.fromDatums(positions.map((at) => values[at]!));
}
/** The same for relations that are being opened: the text of an access list needs role names, which need relations. */
const bareRow = <T>(of: RowMaker<T>, scan: CatalogScan): T => rowOf(of, scan, false);

const MISSING_VALUE = 'attmissingval';
function readAttributes(relid: Oid, count: number): Attribute[] {
  const attrs: Attribute[] = new Array<Attribute>(count);
  const columns = catalogTupleDesc(RELATION.pgAttribute).attrs.map((a) => a.name);
  const missing = columns.indexOf(MISSING_VALUE) + 1;
  let found = 0;
  scanCatalog(
    RELATION.pgAttribute,
    PG_ATTRIBUTE_RELID_ATTNUM_INDEX,
    [
      { attnum: 1, value: relid },
      { attnum: columns.indexOf('attnum') + 1, value: 0, strategy: BT_STRATEGY.greater },
    ],
    (scan) => {
      const row: AttributeRow = bareRow(store.attribute, scan);
      const value = row.atthasmissing ? ((scan.value(missing) as ArrayDatum | null)?.elements[0] ?? null) : null;
      attrs[row.attnum - 1] = attributeOfRow(row, value ?? undefined);
      return ++found < count;
    },
  );
  if (found !== count)
    report('ERROR', {
      message: `pg_attribute catalog is missing ${count - found} attribute(s) for relation OID ${relid}`,
    });
  return attrs;
}

function readConstraints(row: ClassRow, attrs: readonly Attribute[]): RelationConstraints {
  const hasDefaults = attrs.some((a) => a.hasDef);
  if (!hasDefaults && row.relchecks === 0) return NO_CONSTRAINTS;
  const defaults = new Map<number, string>();
  if (hasDefaults) {
    scanCatalog(RELATION.pgAttrdef, PG_ATTRDEF_INDEX, [{ attnum: 2, value: row.oid }], (scan) => {
      const found = rowOf(store.attrdef, scan);
      defaults.set(found.adnum, found.adbin);
      return undefined;
    });
  }
  const checks: RelationConstraints['checks'][number][] = [];
  if (row.relchecks > 0) {
    scanCatalog(RELATION.pgConstraint, PG_CONSTRAINT_CONRELID_INDEX, [{ attnum: 8, value: row.oid }], (scan) => {
      const found = rowOf(store.constraint, scan);
      if (found.contype !== 'c') return undefined;
      checks.push({
        name: found.conname,
        text: found.conbin ?? '',
        validated: found.convalidated,
        noInherit: found.connoinherit,
      });
      return undefined;
    });
    checks.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  }
  return { defaults, checks };
}

function readIndex(relid: Oid): IndexInfoDesc {
  let found: IndexRow | undefined;
  scanCatalog(RELATION.pgIndex, PG_INDEX_INDEXRELID_INDEX, [{ attnum: 1, value: relid }], (scan) => {
    found = rowOf(store.index, scan);
    return false;
  });
  if (found === undefined) report('ERROR', { message: `cache lookup failed for index ${relid}` });
  return indexOfRow(found, (oid) => store.opclass.byOid(oid), found.indexprs, found.indpred);
}

// ── building ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** Which relations can and must be made without pg_class? */
function isMadeOfFacts(relid: Oid): boolean {
  if (relid === RELATION.pgClass || relid === PG_CLASS_OID_INDEX) return !relations.has(relid);
  if (databaseAccess.database) return false;
  return factStore.class.byOid(relid)?.relisshared === true;
}

/** Relations whose rows are being read, and whether they changed meanwhile. */
const inProgress: { readonly relid: Oid; invalidated: boolean }[] = [];
function buildFresh(relid: Oid): RelationData | null {
  for (;;) {
    const state = { relid, invalidated: false };
    inProgress.push(state);
    try {
      const built = buildRelation(relid);
      if (!state.invalidated) return built;
    } finally {
      inProgress.splice(inProgress.indexOf(state), 1);
    }
  }
}
/** Catalogs, their indexes and TOAST tables have OIDs assigned by hand. */
const FIRST_GENBKI_OID = 10000;
const isCatalog = (relid: Oid): boolean => relid < FIRST_GENBKI_OID && isBuiltinRelation(relid);
function buildRelation(relid: Oid): RelationData | null {
  const fromFacts = isMadeOfFacts(relid);
  const row = fromFacts ? factStore.class.byOid(relid)! : readClassRow(relid);
  if (row === null) return null;
  // The catalogs themselves are always as the facts say (their layout is that of the catalog version); views and
  // information_schema's tables only as long as nobody changed them.
  const columnsAreFacts =
    isCatalog(relid) || (isBuiltinRelation(relid) && rowSourceOf(RELATION.pgAttribute) !== ROW_SOURCE.table);
  const rel = new RelationData(relid, columnsAreFacts ? catalogTupleDesc(relid) : describe(row));
  fillFromClass(rel, row);
  if (rel.kind === 'i' || rel.kind === 'I') {
    const indexIsFact =
      isCatalog(relid) || (isBuiltinRelation(relid) && rowSourceOf(RELATION.pgIndex) !== ROW_SOURCE.table);
    rel.index = (indexIsFact ? catalogIndexDesc(relid) : null) ?? readIndex(relid);
  }
  initPhysicalAddress(rel);
  rel.isProvisional = fromFacts;
  rel.isNailed = relid === RELATION.pgClass || relid === PG_CLASS_OID_INDEX;
  return rel;
}

function describe(row: ClassRow): TupleDesc {
  const attrs = readAttributes(row.oid, row.relnatts);
  return new TupleDesc(attrs, row.reltype === 0 ? TYPE.record : row.reltype, -1, readConstraints(row, attrs));
}

function fillFromClass(rel: RelationData, row: ClassRow): void {
  rel.name = row.relname;
  rel.namespace = row.relnamespace;
  rel.kind = row.relkind as Relation['kind'];
  rel.persistence = row.relpersistence as Relation['persistence'];
  rel.owner = row.relowner;
  rel.amOid = row.relam;
  rel.isShared = row.relisshared;
  rel.isSystem = rel.oid < FIRST_UNPINNED_OID;
  rel.toastRelid = row.reltoastrelid;
  rel.hasIndex = row.relhasindex;
  rel.hasTriggers = row.relhastriggers;
  rel.hasRules = row.relhasrules;
  rel.rowSecurity = row.relrowsecurity;
  rel.forceRowSecurity = row.relforcerowsecurity;
  rel.hasSubclass = row.relhassubclass;
  rel.isPartition = row.relispartition;
  rel.isPopulated = row.relispopulated;
  rel.pages = row.relpages;
  rel.tuples = row.reltuples;
  rel.allVisible = row.relallvisible;
  rel.frozenXid = row.relfrozenxid as TransactionId;
  rel.minMxid = row.relminmxid;
  rel.options = parseRelOptions(row.reloptions);
  rel.replicaIdentity = row.relreplident as Relation['replicaIdentity'];
  rel.typeId = row.reltype;
  rel.ofType = row.reloftype;
  rel.tablespace = row.reltablespace;
  rel.relfilenode = row.relfilenode;
  rel.checks = row.relchecks;
  if (rel.persistence === 't') setTemporary(rel);
}

function setTemporary(rel: RelationData): void {
  const schema = store.namespace.byOid(rel.namespace)?.nspname ?? '';
  const prefix = schema.startsWith(PG_TOAST_PREFIX) ? PG_TOAST_PREFIX : PG_TEMP_PREFIX;
  const backend = schema.startsWith(prefix) ? Number(schema.slice(prefix.length)) : -1;
  rel.backend = backend;
  rel.isLocalTemp = backend === myProcess.backendId;
}

const HAS_STORAGE = 'rimtS';
/** RelationInitPhysicalAddr(): where the relation's file is. */
function initPhysicalAddress(rel: RelationData): void {
  rel.isMapped = rel.relfilenode === 0 && HAS_STORAGE.includes(rel.kind);
  if (!HAS_STORAGE.includes(rel.kind)) return;
  const relNode = rel.isMapped ? relationMapOidToFilenode(rel.oid, rel.isShared) : rel.relfilenode;
  if (relNode === 0)
    report('ERROR', { message: `could not find relation mapping for relation "${rel.name}", OID ${rel.oid}` });
  rel.rnode = relFileNode(rel.tablespace, rel.isShared, relNode as Oid);
}
export function relFileNode(tablespace: Oid, isShared: boolean, relNode: Oid): RelFileNode {
  const own = isShared ? GLOBAL_TABLESPACE : sessionIdentity.databaseTablespace;
  const spcNode = tablespace !== 0 ? tablespace : own === 0 ? DEFAULT_TABLESPACE : own;
  return { spcNode, dbNode: spcNode === GLOBAL_TABLESPACE ? (0 as Oid) : sessionIdentity.databaseOid, relNode };
}

// ── indexes of a relation ────────────────────────────────────────────────────────────────────────────────────────

/** RelationGetIndexList(): OIDs of the live indexes, ascending, so that everybody locks them in the same order. */
export function relationGetIndexList(relation: Relation): readonly Oid[] {
  const rel = relation as RelationData;
  if (rel.indexOids !== null) return rel.indexOids;
  const rows = rel.isProvisional ? factStore.index.by('indrelid', rel.oid) : readIndexRows(rel.oid);
  const live = rows.filter((row) => row.indislive);
  const usable = live.filter((row) => row.indisvalid && row.indisunique && row.indimmediate && row.indpred === null);
  rel.primaryKeyIndex = usable.find((row) => row.indisprimary)?.indexrelid ?? (0 as Oid);
  const identity = usable.find((row) => row.indisreplident)?.indexrelid ?? (0 as Oid);
  rel.replicaIndex =
    rel.replicaIdentity === 'd' ? rel.primaryKeyIndex : rel.replicaIdentity === 'i' ? identity : (0 as Oid);
  rel.indexOids = live.map((row) => row.indexrelid).sort((a, b) => a - b);
  return rel.indexOids;
}
function readIndexRows(relid: Oid): IndexRow[] {
  const rows: IndexRow[] = [];
  scanCatalog(RELATION.pgIndex, PG_INDEX_INDRELID_INDEX, [{ attnum: 2, value: relid }], (scan) => {
    rows.push(rowOf(store.index, scan));
    return undefined;
  });
  return rows;
}
export function relationGetPrimaryKeyIndex(rel: Relation): Oid {
  relationGetIndexList(rel);
  return (rel as RelationData).primaryKeyIndex;
}
export function relationGetReplicaIndex(rel: Relation): Oid {
  relationGetIndexList(rel);
  return (rel as RelationData).replicaIndex;
}

// ── new relations and new files ──────────────────────────────────────────────────────────────────────────────────

export interface LocalRelation {
  readonly oid: Oid;
  readonly name: string;
  readonly namespace: Oid;
  readonly desc: TupleDesc;
  readonly kind: Relation['kind'];
  readonly persistence: Relation['persistence'];
  readonly amOid: Oid;
  readonly owner: Oid;
  readonly tablespace: Oid;
  readonly relfilenode: Oid;
  readonly isShared: boolean;
  readonly isMapped: boolean;
  readonly index: IndexInfoDesc | null;
  readonly options: readonly string[] | null;
}
/** RelationBuildLocalRelation(): the entry of a relation whose catalog rows are about to be written; referenced. */
export function relationBuildLocalRelation(of: LocalRelation): RelationData {
  const rel = new RelationData(of.oid, of.desc);
  rel.name = of.name;
  rel.namespace = of.namespace;
  rel.kind = of.kind;
  rel.persistence = of.persistence;
  rel.amOid = of.amOid;
  rel.owner = of.owner;
  rel.isShared = of.isShared;
  rel.isSystem = of.oid < FIRST_UNPINNED_OID;
  rel.tablespace = of.tablespace;
  rel.index = of.index;
  rel.options = parseRelOptions(of.options);
  if (of.persistence === 't') {
    rel.backend = myProcess.backendId;
    rel.isLocalTemp = true;
  }
  rel.relfilenode = of.isMapped ? (0 as Oid) : of.relfilenode;
  if (of.isMapped) relationMapUpdateMap(of.oid, of.relfilenode, of.isShared, true);
  initPhysicalAddress(rel);
  rel.createSubid = getCurrentSubTransactionId();
  touched.add(rel);
  relations.set(of.oid, rel);
  relationIncrementReferenceCount(rel);
  return rel;
}

/** RelationAssumeNewRelfilenode(): this transaction gave the relation a new file. */
export function relationAssumeNewRelfilenode(relation: Relation): void {
  const rel = relation as RelationData;
  rel.newRelfilenodeSubid = getCurrentSubTransactionId();
  if (rel.firstRelfilenodeSubid === 0) rel.firstRelfilenodeSubid = rel.newRelfilenodeSubid;
  touched.add(rel);
}
/** RelationForgetRelation(): its rows are gone; whoever made it in this transaction must not find it any more. */
export function relationForgetRelation(relid: Oid): void {
  const rel = relations.get(relid);
  if (rel === undefined) return;
  if (rel.refCount > 0) report('ERROR', { message: `relation ${relid} is still open` });
  if (rel.createSubid !== 0 || rel.firstRelfilenodeSubid !== 0) {
    // Kept, so that an aborted subtransaction can bring it back.
    rel.droppedSubid = getCurrentSubTransactionId();
    touched.add(rel);
    return;
  }
  clearRelation(rel);
}

// ── invalidation ─────────────────────────────────────────────────────────────────────────────────────────────────

function clearRelation(rel: RelationData): void {
  relations.delete(rel.oid);
  touched.delete(rel);
  rel.isValid = false;
  if (rel.smgr !== null) {
    smgrClose(rel.smgr);
    rel.smgr = null;
  }
}
/** RelationFlushRelation(). */
function flush(rel: RelationData): void {
  rel.indexOids = null;
  rel.memo.clear();
  if (rel.isNailed) {
    rel.isProvisional = true;
    if (rel.isMapped) initPhysicalAddress(rel);
    return;
  }
  const isNew = rel.createSubid !== 0 || rel.firstRelfilenodeSubid !== 0;
  if (rel.refCount === 0 && !isNew) {
    clearRelation(rel);
    return;
  }
  if (rel.droppedSubid !== 0) return;
  rel.isValid = false;
  // Whoever holds it open keeps using the object: it must be true again before anything else happens.
  if (rel.refCount > 0 && isTransactionState() && databaseAccess.database) {
    rel.refCount++;
    try {
      rebuild(rel);
    } finally {
      rel.refCount--;
    }
  }
}
function mapChanged(shared: boolean): void {
  relationMapInvalidate(shared);
  for (const rel of relations.values()) {
    if (!rel.isMapped || rel.isShared !== shared) continue;
    const before = rel.rnode.relNode;
    initPhysicalAddress(rel);
    if (rel.rnode.relNode === before || rel.smgr === null) continue;
    smgrClose(rel.smgr);
    rel.smgr = null;
  }
}
registerCatalogCaches({
  relationChanged(relid) {
    for (const state of inProgress) if (state.relid === relid) state.invalidated = true;
    const rel = relations.get(relid);
    if (rel !== undefined) flush(rel);
    // A table's list of indexes depends on rows that do not name it.
    else for (const other of relations.values()) if (other.indexOids?.includes(relid)) other.indexOids = null;
  },
  allRelationsChanged() {
    for (const state of inProgress) state.invalidated = true;
    mapChanged(true);
    if (databaseAccess.database) mapChanged(false);
    // pg_class first: the others are read through it.
    const all = [...relations.values()].sort((a, b) => Number(b.isNailed) - Number(a.isNailed));
    for (const rel of all) {
      if (rel.smgr !== null) {
        smgrClose(rel.smgr);
        rel.smgr = null;
      }
      flush(rel);
    }
  },
  relationMapChanged: mapChanged,
});

/** What was made of facts before the database was known is read properly at the next use. */
export function relationCacheDatabaseChosen(): void {
  for (const rel of [...relations.values()]) if (!rel.isNailed) flush(rel);
}

// ── ends of transactions ─────────────────────────────────────────────────────────────────────────────────────────

function atEnd(isCommit: boolean): void {
  for (const rel of [...touched]) {
    const gone = isCommit ? rel.droppedSubid !== 0 : rel.createSubid !== 0;
    rel.createSubid = 0;
    rel.newRelfilenodeSubid = 0;
    rel.firstRelfilenodeSubid = 0;
    rel.droppedSubid = 0;
    if (!gone) continue;
    if (rel.refCount === 0) clearRelation(rel);
    else
      report('WARNING', { message: `cannot remove relcache entry for "${rel.name}" because it has nonzero refcount` });
  }
  touched.clear();
}
function atSubEnd(isCommit: boolean, subId: number, parentId: number): void {
  for (const rel of [...touched]) {
    if (rel.createSubid === subId && (!isCommit || rel.droppedSubid !== 0)) {
      rel.createSubid = 0;
      rel.newRelfilenodeSubid = 0;
      rel.firstRelfilenodeSubid = 0;
      rel.droppedSubid = 0;
      if (rel.refCount === 0) clearRelation(rel);
      continue;
    }
    const moved = isCommit ? parentId : 0;
    if (rel.createSubid === subId) rel.createSubid = moved;
    if (rel.newRelfilenodeSubid === subId) rel.newRelfilenodeSubid = moved;
    if (rel.firstRelfilenodeSubid === subId) rel.firstRelfilenodeSubid = moved;
    if (rel.droppedSubid === subId) rel.droppedSubid = moved;
  }
}
registerXactParticipant({
  name: 'relation cache',
  rank: XACT_RANK.relationCache,
  atCommit: () => atEnd(true),
  atAbort: () => atEnd(false),
  atPrepare: () => atEnd(true),
  atSubCommit: (subId, parentId) => atSubEnd(true, subId, parentId),
  atSubAbort: (subId, parentId) => atSubEnd(false, subId, parentId),
});
