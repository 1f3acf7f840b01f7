/** object-description.ts — what messages call an object: `table t`, `column a of table t`, `function f(integer)`.
 *
 *  Names are qualified where the search path does not find them. An object that is gone describes itself as null, because
 *  what depends on it may be described while it is being dropped.
 *  Counterpart: getObjectDescription() of src/backend/catalog/objectaddress.c */
import type { Oid } from '#base/ids.ts';
import { formatType } from '#catalog/format-type.ts';
import { functionIsVisible, relationIsVisible, typeIsVisible } from '#catalog/namespace.ts';
import { NAMESPACE, RELATION } from '#catalog/oids.ts';
import type { ObjectAddress } from '#catalog/object-address.ts';
import { quoteQualified } from '#catalog/quote.ts';
import { showOperatorSignature, showProcedure } from '#catalog/reg-types.ts';
import { type ClassRow, store } from '#catalog/rows.ts';
import { attributes } from '#catalog/syscache.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { report } from '#runtime/error/report.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';

const KINDS: Readonly<Record<string, string>> = {
  r: 'table',
  p: 'table',
  i: 'index',
  I: 'index',
  S: 'sequence',
  t: 'toast table',
  v: 'view',
  m: 'materialized view',
  c: 'composite type',
  f: 'foreign table',
};
const schemaName = (oid: Oid): string => store.namespace.byOid(oid)?.nspname ?? String(oid);
/** Qualified unless the path finds it. */
const nameIn = (namespace: Oid, name: string, isVisible: boolean): string =>
  quoteQualified(isVisible ? null : schemaName(namespace), name);

export function relationDescription(row: ClassRow): string {
  const name = nameIn(row.relnamespace, row.relname, relationIsVisible(row.oid));
  return `${KINDS[row.relkind] ?? 'relation'} ${name}`;
}
function describeRelation(relid: Oid): string | null {
  const row = store.class.byOid(relid);
  return row === undefined ? null : relationDescription(row);
}
function describeColumn(relid: Oid, attnum: number): string | null {
  const relation = describeRelation(relid);
  const column = attributes(relid)[attnum - 1];
  return relation === null || column === undefined ? null : `column ${column.attname} of ${relation}`;
}

type Describer = (oid: Oid) => string | null;
const named =
  <T>(what: string, find: (oid: Oid) => T | undefined, name: (row: T) => string): Describer =>
  (oid) => {
    const row = find(oid);
    return row === undefined ? null : `${what} ${name(row)}`;
  };
/** Part of a relation, or something by itself. */
const partOf = (what: string, name: string, relid: Oid): string => {
  const relation = describeRelation(relid);
  return relation === null ? `${what} ${name}` : `${what} ${name} on ${relation}`;
};

const isPlainlyVisible = (namespace: Oid): boolean => namespace === NAMESPACE.pgCatalog;

const DEFAULT_ACL_OBJECTS: Readonly<Record<string, string>> = {
  r: 'relations',
  S: 'sequences',
  f: 'functions',
  T: 'types',
  n: 'schemas',
};

const DESCRIBERS: Readonly<Record<number, Describer>> = {
  [RELATION.pgProc]: (oid) => {
    const row = store.proc.byOid(oid);
    if (row === undefined) return null;
    const text = showProcedure(oid);
    const qualified = functionIsVisible(oid) || text.includes('.') ? text : `${schemaName(row.pronamespace)}.${text}`;
    return `function ${qualified}`;
  },
  [RELATION.pgType]: (oid) => {
    const row = store.type.byOid(oid);
    if (row === undefined) return null;
    return `type ${typeIsVisible(oid) ? formatType(oid) : quoteQualified(schemaName(row.typnamespace), row.typname)}`;
  },
  [RELATION.pgCast]: (oid) => {
    const row = store.cast.byOid(oid);
    return row === undefined ? null : `cast from ${formatType(row.castsource)} to ${formatType(row.casttarget)}`;
  },
  [RELATION.pgCollation]: (oid) => {
    const row = store.collation.byOid(oid);
    if (row === undefined) return null;
    return `collation ${nameIn(row.collnamespace, row.collname, isPlainlyVisible(row.collnamespace))}`;
  },
  [RELATION.pgConstraint]: (oid) => {
    const row = store.constraint.byOid(oid);
    if (row === undefined) return null;
    return row.conrelid !== 0 ? partOf('constraint', row.conname, row.conrelid) : `constraint ${row.conname}`;
  },
  [RELATION.pgConversion]: named(
    'conversion',
    (oid) => store.conversion.byOid(oid),
    (row) => nameIn(row.connamespace, row.conname, isPlainlyVisible(row.connamespace)),
  ),
  [RELATION.pgAttrdef]: (oid) => {
    const row = store.attrdef.byOid(oid);
    if (row === undefined) return null;
    return `default value for ${describeColumn(row.adrelid, row.adnum) ?? 'column'}`;
  },
  [RELATION.pgLanguage]: named(
    'language',
    (oid) => store.language.byOid(oid),
    (row) => row.lanname,
  ),
  [RELATION.pgLargeobject]: (oid) => `large object ${oid}`,
  [RELATION.pgOperator]: (oid) =>
    store.operator.byOid(oid) === undefined ? null : `operator ${showOperatorSignature(oid)}`,
  [RELATION.pgOpclass]: (oid) => {
    const row = store.opclass.byOid(oid);
    if (row === undefined) return null;
    const name = nameIn(row.opcnamespace, row.opcname, isPlainlyVisible(row.opcnamespace));
    return `operator class ${name} for access method ${store.am.byOid(row.opcmethod)?.amname ?? row.opcmethod}`;
  },
  [RELATION.pgOpfamily]: (oid) => {
    const row = store.opfamily.byOid(oid);
    if (row === undefined) return null;
    const name = nameIn(row.opfnamespace, row.opfname, isPlainlyVisible(row.opfnamespace));
    return `operator family ${name} for access method ${store.am.byOid(row.opfmethod)?.amname ?? row.opfmethod}`;
  },
  [RELATION.pgAm]: named(
    'access method',
    (oid) => store.am.byOid(oid),
    (row) => row.amname,
  ),
  [RELATION.pgRewrite]: (oid) => {
    const row = store.rewrite.byOid(oid);
    return row === undefined ? null : partOf('rule', row.rulename, row.ev_class);
  },
  [RELATION.pgTrigger]: (oid) => {
    const row = store.trigger.byOid(oid);
    return row === undefined ? null : partOf('trigger', row.tgname, row.tgrelid);
  },
  [RELATION.pgNamespace]: named(
    'schema',
    (oid) => store.namespace.byOid(oid),
    (row) => row.nspname,
  ),
  [RELATION.pgAuthid]: named(
    'role',
    (oid) => store.authid.byOid(oid),
    (row) => row.rolname,
  ),
  [RELATION.pgDefaultAcl]: (oid) => {
    const row = store.defaultAcl.byOid(oid);
    if (row === undefined) return null;
    const what = DEFAULT_ACL_OBJECTS[row.defaclobjtype];
    const role = store.authid.byOid(row.defaclrole)?.rolname ?? String(row.defaclrole);
    const of = what === undefined ? '' : ` on new ${what}`;
    const where = row.defaclnamespace === 0 ? '' : ` in schema ${schemaName(row.defaclnamespace)}`;
    return `default privileges${of} belonging to role ${role}${where}`;
  },
  [RELATION.pgDatabase]: named(
    'database',
    (oid) => store.database.byOid(oid),
    (row) => row.datname,
  ),
  [RELATION.pgTablespace]: named(
    'tablespace',
    (oid) => store.tablespace.byOid(oid),
    (row) => row.spcname,
  ),
  [RELATION.pgExtension]: named(
    'extension',
    (oid) => store.extension.byOid(oid),
    (row) => row.extname,
  ),
  [RELATION.pgEventTrigger]: named(
    'event trigger',
    (oid) => store.eventTrigger.byOid(oid),
    (row) => row.evtname,
  ),
  [RELATION.pgTsParser]: named(
    'text search parser',
    (oid) => store.tsParser.byOid(oid),
    (row) => row.prsname,
  ),
  [RELATION.pgTsDict]: named(
    'text search dictionary',
    (oid) => store.tsDict.byOid(oid),
    (row) => row.dictname,
  ),
  [RELATION.pgTsTemplate]: named(
    'text search template',
    (oid) => store.tsTemplate.byOid(oid),
    (row) => row.tmplname,
  ),
  [RELATION.pgTsConfig]: named(
    'text search configuration',
    (oid) => store.tsConfig.byOid(oid),
    (row) => row.cfgname,
  ),
  [RELATION.pgPolicy]: (oid) =>
    describeByColumns(RELATION.pgPolicy, oid, (v) => partOf('policy', v[1] as string, v[2] as Oid)),
  [RELATION.pgPublication]: (oid) => describeByColumns(RELATION.pgPublication, oid, (v) => `publication ${v[1]}`),
  [RELATION.pgSubscription]: (oid) => describeByColumns(RELATION.pgSubscription, oid, (v) => `subscription ${v[2]}`),
  [RELATION.pgStatisticExt]: (oid) =>
    describeByColumns(RELATION.pgStatisticExt, oid, (v) => `statistics object ${v[2] as string}`),
  [RELATION.pgForeignDataWrapper]: (oid) =>
    describeByColumns(RELATION.pgForeignDataWrapper, oid, (v) => `foreign-data wrapper ${v[1]}`),
  [RELATION.pgForeignServer]: (oid) => describeByColumns(RELATION.pgForeignServer, oid, (v) => `server ${v[1]}`),
};

/** For catalogs without objects of their own in the store: the row by its OID (column 1). */
function describeByColumns(catalog: Oid, oid: Oid, describe: (values: readonly unknown[]) => string): string | null {
  const rel = tableOpen(catalog, LOCK.accessShare);
  const none = { names: [] as readonly string[], fromDatums: () => null };
  const found = findCatalogTuples(none as never, rel, 0, [{ attnum: 1, value: oid }]);
  relationClose(rel, LOCK.accessShare);
  return found[0] === undefined ? null : describe(found[0].values);
}

/** null if the object does not exist (any more). */
export function objectDescription(object: ObjectAddress): string | null {
  if (object.classId === RELATION.pgClass) {
    return object.objectSubId === 0
      ? describeRelation(object.objectId)
      : describeColumn(object.objectId, object.objectSubId);
  }
  const describe = DESCRIBERS[object.classId];
  if (describe === undefined) return report('ERROR', { message: `unsupported object class: ${object.classId}` });
  return describe(object.objectId);
}
