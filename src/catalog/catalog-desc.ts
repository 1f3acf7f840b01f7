/** catalog-desc.ts — descriptors of catalogs from the facts, for reading the catalogs themselves.
 *
 *  PostgreSQL compiles the columns of its nailed catalogs in and reads those of the others from pg_attribute; here all
 *  catalogs' columns are compiled in, as the layout of a catalog is fixed by the catalog version of pg_control.
 *  Counterpart: Desc_pg_class and its like, formrdesc() of src/backend/utils/cache/relcache.c */
import { type Attribute, attribute, type IndexInfoDesc, TupleDesc } from '#access/common/relation-descriptor.ts';
import type { Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { factStore } from '#catalog/rows.ts';
import type { AttributeRow, ClassRow, IndexRow } from '#catalog/rows.ts';

/** A pg_attribute row as the descriptor has it. */
export function attributeOfRow(row: AttributeRow, missingValue?: Datum): Attribute {
  const made = attribute(
    {
      name: row.attname,
      typeId: row.atttypid,
      length: row.attlen,
      byValue: row.attbyval,
      align: row.attalign as Attribute['align'],
      storage: row.attstorage as Attribute['storage'],
      compression: row.attcompression as Attribute['compression'],
      notNull: row.attnotnull,
      hasDef: row.atthasdef,
      hasMissing: row.atthasmissing,
      identity: row.attidentity as Attribute['identity'],
      generated: row.attgenerated as Attribute['generated'],
      isDropped: row.attisdropped,
      isLocal: row.attislocal,
      inhCount: row.attinhcount,
      collation: row.attcollation,
      typmod: row.atttypmod,
      ndims: row.attndims,
    },
    row.attnum,
  );
  return missingValue === undefined ? made : { ...made, missingValue };
}

const descriptors = new Map<Oid, TupleDesc>();
/** Columns of a relation that initdb made. */
export function catalogTupleDesc(relid: Oid): TupleDesc {
  let desc = descriptors.get(relid);
  if (desc === undefined) {
    const columns = factStore.attribute
      .by('attrelid', relid)
      .filter((a) => a.attnum > 0)
      .sort((a, b) => a.attnum - b.attnum);
    desc = new TupleDesc(
      columns.map((row) => attributeOfRow(row)),
      factStore.class.byOid(relid)?.reltype,
    );
    descriptors.set(relid, desc);
  }
  return desc;
}
/** Describes all catalogs and their indexes, before the postmaster forks. */
export function warmDescriptors(): void {
  for (const row of factStore.index.all()) {
    const table = factStore.class.byOid(row.indrelid);
    if (table === undefined || table.relkind !== 'r') continue;
    factStore.index.by('indrelid', row.indrelid);
    catalogTupleDesc(row.indrelid);
    catalogTupleDesc(row.indexrelid);
    catalogIndexDesc(row.indexrelid);
  }
}
/** Was the relation made by initdb, so that its columns are compiled in? */
export const isBuiltinRelation = (relid: Oid): boolean => factStore.class.byOid(relid) !== undefined;
export const builtinClassRow = (relid: Oid): ClassRow | undefined => factStore.class.byOid(relid);

export interface OpclassFacts {
  readonly opcfamily: Oid;
  readonly opcintype: Oid;
}
/** A pg_index row as the descriptor has it. */
export function indexOfRow(
  row: IndexRow,
  opclass: (oid: Oid) => OpclassFacts | undefined,
  exprsText: string | null,
  predText: string | null,
): IndexInfoDesc {
  const classes = row.indclass.map(opclass);
  return {
    indexRelid: row.indexrelid,
    heapRelid: row.indrelid,
    nAtts: row.indnatts,
    nKeyAtts: row.indnkeyatts,
    unique: row.indisunique,
    nullsNotDistinct: row.indnullsnotdistinct,
    primary: row.indisprimary,
    exclusion: row.indisexclusion,
    immediate: row.indimmediate,
    valid: row.indisvalid,
    ready: row.indisready,
    live: row.indislive,
    checkXmin: row.indcheckxmin,
    isClustered: row.indisclustered,
    isReplIdent: row.indisreplident,
    keys: row.indkey,
    collations: row.indcollation,
    opclasses: row.indclass,
    opfamilies: classes.map((c) => c?.opcfamily ?? (0 as Oid)),
    opcInTypes: classes.map((c) => c?.opcintype ?? (0 as Oid)),
    options: row.indoption,
    exprsText,
    predText,
  };
}
const indexes = new Map<Oid, IndexInfoDesc>();
/** What pg_index says of an index that initdb made. */
export function catalogIndexDesc(indexRelid: Oid): IndexInfoDesc | null {
  let desc = indexes.get(indexRelid);
  if (desc === undefined) {
    const row = factStore.index.byOid(indexRelid, 'indexrelid');
    if (row === undefined) return null;
    desc = indexOfRow(row, (oid) => factStore.opclass.byOid(oid), null, null);
    indexes.set(indexRelid, desc);
  }
  return desc;
}
