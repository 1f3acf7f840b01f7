/** storage-hooks.ts — what the access methods below ask of the catalog, installed when this module is loaded.
 *  Counterpart: the calls that access/ makes into utils/cache/ */
import { setRoleNames } from '#access/common/codec-acl.ts';
import { setCodecTypeLookup } from '#access/common/datum-codec.ts';
import { setNamespaceNameLookup } from '#access/common/namespace-name.ts';
import type { Relation } from '#access/common/relation-descriptor.ts';
import {
  setCollationIsByteOrder,
  setCollationIsDeterministic,
  setSupportFunctionLookup,
  type SupportFunction,
} from '#access/common/support-functions.ts';
import {
  type IndexAttrs,
  setHeapTupleInvalidator,
  setIndexAttrLookup,
  setRelationAccess,
  setRelcacheInvalidator,
} from '#access/heap/heap-hooks.ts';
import type { Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { cacheInvalidateHeapTuple, cacheInvalidateRelcache } from '#catalog/inval.ts';
import { COLLATION, NAMESPACE } from '#catalog/oids.ts';
import { type RelationData, relationGetIndexList, relationGetReplicaIndex } from '#catalog/relcache.ts';
import { indexOpen, relationClose, relationOpen } from '#catalog/relation.ts';
import { isSuperuser, roleByName, roleByOid } from '#catalog/roles.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import {
  collationRow,
  databaseRow,
  familyProc,
  isArrayRow,
  namespaceRow,
  procRow,
  typeRow,
} from '#catalog/syscache.ts';
import { collatedCall } from '#catalog/type-cache.ts';
import '#catalog/const-bytes.ts';
import '#catalog/table-rows.ts';
import { LOCK, type LockMode } from '#storage/lmgr/lock-modes.ts';
import { registerXactHooks } from '#transam/xact-hooks.ts';
import { setDatabaseNameLookup } from '#transam/xid-generator.ts';

setRoleNames({ nameOf: (oid) => roleByOid(oid)?.name, oidOf: (name) => roleByName(name)?.oid });

setNamespaceNameLookup((oid) => namespaceRow(oid)?.nspname);

setCodecTypeLookup((type) => {
  const row = typeRow(type);
  if (row === undefined) throw new Error(`type ${type} has no row in pg_type`);
  return { typtype: row.typtype, baseType: row.typbasetype, elementType: isArrayRow(row) ? row.typelem : (0 as Oid) };
});

const supports = new Map<string, SupportFunction | null>();
setSupportFunctionLookup((family, left, right, number) => {
  const key = `${family}/${left}/${right}/${number}`;
  let found = supports.get(key);
  if (found === undefined) {
    const procOid = familyProc(family, left, right, number);
    const row = procOid === 0 ? undefined : procRow(procOid);
    found = null;
    if (row !== undefined) {
      const call = collatedCall(procOid, left);
      found = { procOid, prosrc: row.prosrc, call: (a: Datum, b: Datum, collation: Oid) => call(a, b, collation) };
    }
    // Families of users may change.
    if (family < 16384) supports.set(key, found);
  }
  return found;
});

const isByteOrderLocale = (locale: string | null): boolean => locale === 'C' || locale === 'POSIX';
/** Every locale that databases may have here orders by code point, which is the order of UTF-8's bytes. */
const isCodePointOrder = (locale: string | null): boolean =>
  isByteOrderLocale(locale) || /^C\.utf-?8$/i.test(locale ?? '');
setCollationIsByteOrder((collation) => {
  if (collation === COLLATION.c || collation === COLLATION.posix || collation === 0) return true;
  if (collation === COLLATION.default) {
    const row = databaseRow(sessionIdentity.databaseOid);
    return row === undefined || isCodePointOrder(row.datcollate);
  }
  return isCodePointOrder(collationRow(collation)?.collcollate ?? null);
});
setCollationIsDeterministic((collation) => collationRow(collation)?.collisdeterministic ?? true);

registerXactHooks({
  databaseTablespace: () => sessionIdentity.databaseTablespace,
  userId: () => sessionIdentity.userOid,
  isSuperuser,
  roleName: (role) => roleByOid(role)?.name ?? null,
  databaseName: (database) => databaseRow(database)?.datname ?? null,
});
setDatabaseNameLookup((database) => databaseRow(database)?.datname ?? null);

// ── the heap ─────────────────────────────────────────────────────────────────────────────────────────────────────

setRelationAccess({
  open: (oid, mode) => relationOpen(oid, mode as LockMode),
  close: (rel, mode) => relationClose(rel, mode as LockMode),
  indexes: (rel) => relationGetIndexList(rel),
});
setHeapTupleInvalidator((rel, tupleAt, _tid, newTupleAt) => {
  if (rel.namespace === NAMESPACE.pgToast) return;
  cacheInvalidateHeapTuple(rel.oid, tupleAt, newTupleAt);
});
setRelcacheInvalidator((rel) => cacheInvalidateRelcache(rel.oid, rel.isShared));

/** Columns that an expression or a predicate of an index mentions: its trees speak of the table as variable 1. */
function mentioned(text: string | null, into: Set<number>): void {
  if (text === null) return;
  for (const match of text.matchAll(/\{VAR :varno 1 :varattno (-?\d+)/g)) into.add(Number(match[1]));
}
const INDEX_ATTRS = 'index attributes';
/** RelationGetIndexAttrBitmap(). */
setIndexAttrLookup((relation: Relation): IndexAttrs => {
  const rel = relation as RelationData;
  const known = rel.memo.get(INDEX_ATTRS) as IndexAttrs | undefined;
  if (known !== undefined) return known;
  const hot = new Set<number>();
  const key = new Set<number>();
  const identity = new Set<number>();
  const oids = relationGetIndexList(rel);
  const replica = relationGetReplicaIndex(rel);
  for (const oid of oids) {
    const index = indexOpen(oid, LOCK.accessShare);
    const desc = index.index!;
    const isKey = desc.unique && desc.exprsText === null && desc.predText === null;
    desc.keys.forEach((attnum, i) => {
      if (attnum === 0) return;
      hot.add(attnum);
      if (i >= desc.nKeyAtts) return;
      if (isKey) key.add(attnum);
      if (oid === replica) identity.add(attnum);
    });
    mentioned(desc.exprsText, hot);
    mentioned(desc.predText, hot);
    relationClose(index, LOCK.accessShare);
  }
  const found: IndexAttrs = { hot: [...hot], key: [...key], identity: [...identity] };
  // The list may have been thrown away while the indexes were opened.
  if (rel.indexOids === oids) rel.memo.set(INDEX_ATTRS, found);
  return found;
});
