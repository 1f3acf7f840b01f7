/** index.ts — a new index: its file, its rows, what it depends on, and its first contents.
 *  Counterpart: index_create(), index_build(), index_update_stats(), index_constraint_create() … of
 *  src/backend/catalog/index.c */
import { indexBuild as amIndexBuild, indexBuildEmpty } from '#access/common/index-access.ts';
import type { IndexInfo } from '#access/common/index-am.ts';
import {
  attribute,
  type Attribute,
  type IndexInfoDesc,
  type Relation,
  relationNblocks,
  relationSmgr,
  TupleDesc,
} from '#access/common/relation-descriptor.ts';
import { visibilityMapCount } from '#access/heap/visibility-map.ts';
import type { ArrayDatum } from '#adt/datum.ts';
import { FORK, type Oid } from '#base/ids.ts';
import { recordDependencyOnSingleRelExpr } from '#catalog/expr-dependencies.ts';
import { heapCreate, insertPgAttributeTuples, insertPgClassTuple } from '#catalog/heap.ts';
import {
  CatalogIndexes,
  catalogInsert,
  catalogUpdateColumns,
  catalogValues,
  plainIndexInfo,
} from '#catalog/indexing.ts';
import { catalogInplaceUpdate } from '#catalog/inplace.ts';
import { cacheInvalidateRelcache } from '#catalog/inval.ts';
import { getNewRelFileNode } from '#catalog/new-oid.ts';
import { type ObjectAddress, objectAddress } from '#catalog/object-address.ts';
import { COLLATION, RELATION, TYPE } from '#catalog/oids.ts';
import { createConstraintEntry } from '#catalog/pg-constraint.ts';
import { deleteDependencyRecordsForClass, recordDependencyOn, recordMultipleDependencies } from '#catalog/pg-depend.ts';
import type { RelationData } from '#catalog/relcache.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { opclassRow, typeRow } from '#catalog/syscache.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { explicitAnd, exprType, exprTypmod } from '#nodes/node-funcs.ts';
import { nodeToString } from '#nodes/node-text.ts';
import type { Expr } from '#nodes/primitives.ts';
import { classByName } from '#catalog/syscache.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { lockRelationOid } from '#storage/lmgr/lmgr.ts';
import { smgrCreate } from '#storage/smgr/smgr.ts';
import { commandCounterIncrement, getTopTransactionId } from '#transam/xact.ts';
import { logSmgrCreate } from '#catalog/storage.ts';

const NO_OID = 0 as Oid;
const CLASS_OID_INDEX = 2662 as Oid;
const INDEX_OID_INDEX = 2679 as Oid;
const INDEX_MAX_KEYS = 32;

/** One column of a new index. */
export interface NewIndexColumn {
  readonly name: string;
  /** Column of the table, 0 for an expression. */
  readonly attnum: number;
  readonly expr: Expr | null;
  readonly collation: Oid;
  readonly opclass: Oid;
  /** indoption. */
  readonly option: number;
}
export interface NewIndex {
  readonly name: string;
  readonly oid?: Oid;
  readonly relfilenode?: Oid;
  readonly columns: readonly NewIndexColumn[];
  readonly keyCount: number;
  /** Conditions of a partial index, implicitly ANDed. */
  readonly predicate: readonly Expr[];
  readonly accessMethod: Oid;
  readonly tablespace: Oid;
  readonly options?: readonly string[] | null;
  readonly unique: boolean;
  readonly nullsNotDistinct?: boolean;
  readonly primary?: boolean;
  readonly exclusionOperators?: readonly Oid[];
  readonly skipBuild?: boolean;
  readonly concurrent?: boolean;
  readonly isInternal?: boolean;
  /** Made for a constraint. */
  readonly constraint?: {
    readonly deferrable: boolean;
    readonly deferred: boolean;
    readonly noInherit?: boolean;
    readonly parent?: Oid;
  };
}
export interface CreatedIndex {
  readonly oid: Oid;
  readonly constraint: Oid;
}

/** How entries are made of a table's rows: with the expressions and the predicate that the executor compiles. */
let infoOf = (_heap: Relation, index: Relation): IndexInfo => plainIndexInfo(index);
export function setIndexInfoMaker(make: (heap: Relation, index: Relation) => IndexInfo): void {
  infoOf = make;
}
export const buildIndexInfo = (heap: Relation, index: Relation): IndexInfo => infoOf(heap, index);

/** ConstructTupleDescriptor(). */
function indexTupleDesc(heap: Relation, of: NewIndex): TupleDesc {
  const columns = of.columns.map((column, i): Attribute => {
    const opclass = i < of.keyCount ? opclassRow(column.opclass) : undefined;
    const source = column.attnum === 0 ? null : heap.tupleDesc.attrs[column.attnum - 1]!;
    const type = source?.typeId ?? exprType(column.expr!);
    const typmod = source?.typmod ?? exprTypmod(column.expr!);
    const row = typeRow(type);
    if (row === undefined) report('ERROR', { message: `cache lookup failed for type ${type}` });
    let made = attribute(
      {
        name: column.name,
        typeId: type,
        length: source?.length ?? row.typlen,
        byValue: source?.byValue ?? row.typbyval,
        align: source?.align ?? (row.typalign as Attribute['align']),
        storage: source?.storage ?? (row.typstorage as Attribute['storage']),
        compression: source?.compression ?? '',
        collation: i < of.keyCount ? column.collation : NO_OID,
        typmod,
        ndims: source?.ndims ?? 0,
      },
      i + 1,
    );
    // Some classes store another type than they index (name as cstring).
    let keyType = opclass?.opckeytype ?? NO_OID;
    if (keyType === TYPE.anyelement && opclass!.opcintype === TYPE.anyarray) keyType = typeRow(type)?.typelem ?? NO_OID;
    if (keyType !== 0 && keyType !== type) {
      const key = typeRow(keyType);
      if (key === undefined) report('ERROR', { message: `cache lookup failed for type ${keyType}` });
      made = {
        ...made,
        typeId: keyType,
        typmod: -1,
        length: key.typlen,
        byValue: key.typbyval,
        align: key.typalign as Attribute['align'],
        storage: key.typstorage as Attribute['storage'],
        compression: '',
      };
    }
    return made;
  });
  return new TupleDesc(columns);
}

const vector = (elementType: Oid, elements: readonly number[]): ArrayDatum => ({
  kind: 'array',
  elementType,
  dims: elements.length === 0 ? [] : [elements.length],
  lowerBounds: elements.length === 0 ? [] : [0],
  elements,
});
const exprsText = (columns: readonly NewIndexColumn[]): string | null => {
  const exprs = columns.flatMap((column) => (column.expr === null ? [] : [column.expr]));
  return exprs.length === 0 ? null : nodeToString(exprs);
};
const predicateText = (predicate: readonly Expr[]): string | null =>
  predicate.length === 0 ? null : nodeToString(explicitAnd([...predicate]));

function indexDescOf(heapOid: Oid, oid: Oid, of: NewIndex): IndexInfoDesc {
  const keys = of.columns.slice(0, of.keyCount);
  const classes = keys.map((column) => opclassRow(column.opclass));
  return {
    indexRelid: oid,
    heapRelid: heapOid,
    nAtts: of.columns.length,
    nKeyAtts: of.keyCount,
    unique: of.unique,
    nullsNotDistinct: of.nullsNotDistinct ?? false,
    primary: of.primary ?? false,
    exclusion: of.exclusionOperators !== undefined,
    immediate: of.constraint?.deferrable !== true,
    valid: of.concurrent !== true,
    ready: of.concurrent !== true,
    live: true,
    checkXmin: false,
    isClustered: false,
    isReplIdent: false,
    keys: of.columns.map((column) => column.attnum),
    collations: keys.map((column) => column.collation),
    opclasses: keys.map((column) => column.opclass),
    opfamilies: classes.map((row) => row?.opcfamily ?? NO_OID),
    opcInTypes: classes.map((row) => row?.opcintype ?? NO_OID),
    options: keys.map((column) => column.option),
    exprsText: exprsText(of.columns),
    predText: predicateText(of.predicate),
  };
}

/** UpdateIndexRelation(). */
function insertPgIndexTuple(desc: IndexInfoDesc): void {
  const pgIndex = tableOpen(RELATION.pgIndex, LOCK.rowExclusive);
  catalogInsert(
    pgIndex,
    catalogValues(pgIndex, {
      indexrelid: desc.indexRelid,
      indrelid: desc.heapRelid,
      indnatts: desc.nAtts,
      indnkeyatts: desc.nKeyAtts,
      indisunique: desc.unique,
      indnullsnotdistinct: desc.nullsNotDistinct,
      indisprimary: desc.primary,
      indisexclusion: desc.exclusion,
      indimmediate: desc.immediate,
      indisclustered: false,
      indisvalid: desc.valid,
      indcheckxmin: false,
      indisready: desc.ready,
      indislive: true,
      indisreplident: false,
      indkey: vector(TYPE.int2, desc.keys),
      indcollation: vector(TYPE.oid, desc.collations),
      indclass: vector(TYPE.oid, desc.opclasses),
      indoption: vector(TYPE.int2, desc.options),
      indexprs: desc.exprsText,
      indpred: desc.predText,
    }),
  );
  relationClose(pgIndex, LOCK.rowExclusive);
}

/** index_create(). The caller holds the lock on the table that suits it. */
export function indexCreate(heap: RelationData, of: NewIndex): CreatedIndex {
  if (of.columns.length > INDEX_MAX_KEYS) {
    report('ERROR', {
      code: SQLSTATE.tooManyColumns,
      message: `cannot use more than ${INDEX_MAX_KEYS} columns in an index`,
    });
  }
  if (heap.isShared) {
    report('ERROR', {
      code: SQLSTATE.objectNotInPrerequisiteState,
      message: 'shared indexes cannot be created after initdb',
    });
  }
  const pgClass = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
  if (classByName(of.name, heap.namespace) !== undefined) {
    report('ERROR', { code: SQLSTATE.duplicateTable, message: `relation "${of.name}" already exists` });
  }
  if (of.constraint !== undefined && constraintOnRelation(heap.oid, of.name)) {
    report('ERROR', {
      code: SQLSTATE.duplicateObject,
      message: `constraint "${of.name}" for relation "${heap.name}" already exists`,
    });
  }
  const oid = of.oid ?? getNewRelFileNode(of.tablespace, pgClass, heap.persistence);
  const desc = indexDescOf(heap.oid, oid, of);
  const index = heapCreate({
    oid,
    name: of.name,
    namespace: heap.namespace,
    tablespace: of.tablespace,
    kind: 'i',
    persistence: heap.persistence,
    accessMethod: of.accessMethod,
    desc: indexTupleDesc(heap, of),
    owner: heap.owner,
    index: desc,
    isMapped: heap.isMapped,
    options: of.options ?? null,
    ...(of.relfilenode !== undefined ? { relfilenode: of.relfilenode } : {}),
  });
  lockRelationOid(oid, LOCK.accessExclusive);
  insertPgClassTuple(index, null, of.options, { pages: 0, tuples: 0 });
  relationClose(pgClass, LOCK.rowExclusive);
  const pgAttribute = tableOpen(RELATION.pgAttribute, LOCK.rowExclusive);
  const indexes = new CatalogIndexes(pgAttribute);
  insertPgAttributeTuples(pgAttribute, oid, index.tupleDesc.attrs, indexes);
  indexes.close();
  relationClose(pgAttribute, LOCK.rowExclusive);
  insertPgIndexTuple(desc);
  cacheInvalidateRelcache(heap.oid);
  const constraint = recordIndexDependencies(heap, oid, of);
  // The rows become visible, the entry is read again from them.
  commandCounterIncrement();
  if (of.skipBuild === true) indexUpdateStats(heap, true, -1);
  else if (of.relfilenode === undefined || of.relfilenode === 0) indexBuild(heap, index, of.concurrent === true);
  else indexUpdateStats(heap, true, -1);
  relationClose(index, LOCK.none);
  return { oid, constraint };
}

function constraintOnRelation(relid: Oid, name: string): boolean {
  return store.constraint.by('conrelid', relid).some((row) => row.conname === name);
}

function recordIndexDependencies(heap: RelationData, oid: Oid, of: NewIndex): Oid {
  const myself = objectAddress(RELATION.pgClass, oid);
  let constraint = NO_OID;
  if (of.constraint !== undefined) {
    constraint = indexConstraintCreate(heap, oid, of);
  } else {
    const columns: ObjectAddress[] = of.columns.flatMap((column) =>
      column.attnum === 0 ? [] : [objectAddress(RELATION.pgClass, heap.oid, column.attnum)],
    );
    const hasVars = columns.length > 0;
    // Of expressions alone it hangs by what they mention, and by the table at least.
    if (!hasVars) columns.push(objectAddress(RELATION.pgClass, heap.oid));
    recordMultipleDependencies(myself, columns, 'a');
  }
  const keys = of.columns.slice(0, of.keyCount);
  recordMultipleDependencies(
    myself,
    keys
      .filter(({ collation }) => collation !== 0 && collation !== COLLATION.default)
      .map(({ collation }) => objectAddress(RELATION.pgCollation, collation)),
    'n',
  );
  recordMultipleDependencies(
    myself,
    keys.map(({ opclass }) => objectAddress(RELATION.pgOpclass, opclass)),
    'n',
  );
  const exprs = of.columns.flatMap((column) => (column.expr === null ? [] : [column.expr]));
  if (exprs.length > 0) recordDependencyOnSingleRelExpr(myself, exprs, heap.oid, 'n', 'a');
  if (of.predicate.length > 0) recordDependencyOnSingleRelExpr(myself, of.predicate, heap.oid, 'n', 'a');
  return constraint;
}

/** index_constraint_create(): the pg_constraint row whose work the index does. Deferrable ones also have a trigger, which
 *  the caller makes (commands/). */
export function indexConstraintCreate(heap: RelationData, indexOid: Oid, of: NewIndex): Oid {
  const { deferrable, deferred, noInherit, parent } = of.constraint!;
  const type = of.primary === true ? 'p' : of.exclusionOperators !== undefined ? 'x' : 'u';
  const constraint = createConstraintEntry({
    name: of.name,
    namespace: heap.namespace,
    type,
    deferrable,
    deferred,
    validated: true,
    parent: parent ?? NO_OID,
    relid: heap.oid,
    columns: of.columns.map((column) => column.attnum),
    keyCount: of.keyCount,
    index: indexOid,
    ...(of.exclusionOperators !== undefined ? { exclusionOperators: of.exclusionOperators } : {}),
    isLocal: true,
    inheritCount: 0,
    // A key does not hold for children.
    noInherit: noInherit ?? true,
  });
  recordDependencyOn(objectAddress(RELATION.pgClass, indexOid), objectAddress(RELATION.pgConstraint, constraint), 'i');
  return constraint;
}
/** The index existed before (ADD CONSTRAINT USING INDEX): it now lives as long as its constraint. */
export function removeOldIndexDependencies(indexOid: Oid): void {
  deleteDependencyRecordsForClass(RELATION.pgClass, indexOid, RELATION.pgClass, 'a');
}

// ── contents ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** index_build(): fills an empty index from its table, and writes down how large both are. */
export function indexBuild(heap: RelationData, index: RelationData, concurrent: boolean, isReindex = false): void {
  const info = { ...infoOf(heap, index), concurrent };
  const stats = amIndexBuild(heap, index, info);
  if (index.persistence === 'u') {
    const smgr = relationSmgr(index);
    smgrCreate(smgr, FORK.init, false);
    logSmgrCreate(index.rnode, FORK.init);
    indexBuildEmpty(index);
  }
  // Transactions older than this one may see rows whose newer versions the index has under the same root.
  if (info.brokenHotChain && !isReindex && !concurrent && index.index!.heapRelid !== 0) {
    getTopTransactionId();
    const pgIndex = tableOpen(RELATION.pgIndex, LOCK.rowExclusive);
    const [row] = findCatalogTuples(store.index, pgIndex, INDEX_OID_INDEX, [{ attnum: 1, value: index.oid }]);
    if (row === undefined) report('ERROR', { message: `cache lookup failed for index ${index.oid}` });
    catalogUpdateColumns(pgIndex, row.tid, { indcheckxmin: true });
    relationClose(pgIndex, LOCK.rowExclusive);
  }
  indexUpdateStats(heap, true, stats.heapTuples);
  indexUpdateStats(index, false, stats.indexTuples);
  commandCounterIncrement();
}

/** index_update_stats(): relhasindex and sizes, in place. `tuples` < 0: leave the sizes. */
export function indexUpdateStats(rel: RelationData, hasIndex: boolean, tuples: number): void {
  const pgClass = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.class, pgClass, CLASS_OID_INDEX, [{ attnum: 1, value: rel.oid }]);
  if (found === undefined) report('ERROR', { message: `could not find tuple for relation ${rel.oid}` });
  const { row } = found;
  const changes: Record<string, number | boolean> = {};
  if (row.relhasindex !== hasIndex) changes['relhasindex'] = hasIndex;
  // An empty table that nobody has counted keeps saying so.
  const count = tuples === 0 && row.reltuples < 0 ? -1 : tuples;
  if (count >= 0) {
    const pages = relationNblocks(rel);
    const allVisible = rel.kind === 'i' ? 0 : visibilityMapCount(rel).allVisible;
    if (row.relpages !== pages) changes['relpages'] = pages;
    if (row.reltuples !== Math.fround(count)) changes['reltuples'] = Math.fround(count);
    if (row.relallvisible !== allVisible) changes['relallvisible'] = allVisible;
  }
  if (Object.keys(changes).length > 0) catalogInplaceUpdate(pgClass, found.tid, changes);
  else cacheInvalidateRelcache(rel.oid);
  relationClose(pgClass, LOCK.rowExclusive);
}

/** index_set_state_flags(): how far a concurrent build or drop has come. */
export function indexSetStateFlags(indexOid: Oid, changes: Readonly<Record<string, boolean>>): void {
  const pgIndex = tableOpen(RELATION.pgIndex, LOCK.rowExclusive);
  const [row] = findCatalogTuples(store.index, pgIndex, INDEX_OID_INDEX, [{ attnum: 1, value: indexOid }]);
  if (row === undefined) report('ERROR', { message: `cache lookup failed for index ${indexOid}` });
  catalogUpdateColumns(pgIndex, row.tid, changes);
  relationClose(pgIndex, LOCK.rowExclusive);
}
