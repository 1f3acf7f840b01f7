/** relation.ts — opening and closing relations: the lock first, then the descriptor.
 *
 *  Closing with mode 0 keeps the lock until the transaction ends, as most callers must.
 *  Counterpart: src/backend/access/common/relation.c, src/backend/access/table/table.c, index_open() of indexam.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { Oid } from '#base/ids.ts';
import { type RelationData, relationDecrementReferenceCount, relationIdGetRelation } from '#catalog/relcache.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { lockRelationOid, unlockRelationOid } from '#storage/lmgr/lmgr.ts';
import { LOCK, type LockMode } from '#storage/lmgr/lock-modes.ts';
import { xactFlags } from '#transam/xact.ts';

/** `mode` 0: the caller has a lock already. */
export function relationOpen(relid: Oid, mode: LockMode | 0): RelationData {
  return tryRelationOpen(relid, mode) ?? report('ERROR', { message: `could not open relation with OID ${relid}` });
}
/** null if there is no such relation; then no lock is kept. */
export function tryRelationOpen(relid: Oid, mode: LockMode | 0): RelationData | null {
  if (mode !== LOCK.none) lockRelationOid(relid, mode as LockMode);
  const rel = relationIdGetRelation(relid);
  if (rel === null) {
    if (mode !== LOCK.none) unlockRelationOid(relid, mode as LockMode);
    return null;
  }
  // A transaction that has touched temporary objects cannot be prepared.
  if (rel.isLocalTemp) xactFlags.accessedTempNamespace = true;
  return rel;
}
export function relationClose(rel: Relation, mode: LockMode | 0): void {
  const { oid } = rel;
  relationDecrementReferenceCount(rel as RelationData);
  if (mode !== LOCK.none) unlockRelationOid(oid, mode as LockMode);
}

const NOT_TABLES: Readonly<Record<string, string>> = { i: 'an index', I: 'an index', c: 'a composite type' };
/** As relationOpen, but refuses indexes and composite types. */
export function tableOpen(relid: Oid, mode: LockMode | 0): RelationData {
  const rel = relationOpen(relid, mode);
  const what = NOT_TABLES[rel.kind];
  if (what !== undefined) report('ERROR', { code: SQLSTATE.wrongObjectType, message: `"${rel.name}" is ${what}` });
  return rel;
}
export const tableClose = relationClose;
export function indexOpen(relid: Oid, mode: LockMode | 0): RelationData {
  const rel = relationOpen(relid, mode);
  if (rel.kind !== 'i' && rel.kind !== 'I')
    report('ERROR', { code: SQLSTATE.wrongObjectType, message: `"${rel.name}" is not an index` });
  return rel;
}
export const indexClose = relationClose;
