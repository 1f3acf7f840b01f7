/** vacuum-relations.ts — which relations VACUUM and ANALYZE work on: names, partitions, the whole database; who may; how
 *  they are opened when they may have gone meanwhile.
 *  Counterpart: expand_vacuum_rel(), get_all_vacuum_rels(), vacuum_is_relation_owner(), vacuum_open_relation() of
 *  src/backend/commands/vacuum.c */
import type { RangeVar, VacuumRelation } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { allInheritors } from '#catalog/inheritors.ts';
import { ownsObject } from '#catalog/object-rights.ts';
import { RELATION } from '#catalog/oids.ts';
import { rangeVarGetRelid } from '#catalog/range-var.ts';
import type { RelationData } from '#catalog/relcache.ts';
import { relationClose, tableOpen, tryRelationOpen } from '#catalog/relation.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { classRow, databaseRow } from '#catalog/syscache.ts';
import { systableBeginScan } from '#catalog/systable.ts';
import { stringsOf } from '#parser/ast.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { conditionalLockRelationOid, unlockRelationOid } from '#storage/lmgr/lmgr.ts';
import { LOCK, type LockMode } from '#storage/lmgr/lock-modes.ts';

/** One relation to process. `name`: as the user wrote it, null if he did not name it. */
export interface VacuumTarget {
  readonly oid: Oid;
  readonly name: RangeVar | null;
  readonly columns: readonly string[];
}
/** Parts of an answer to “what may be done to it”. */
interface Subject {
  readonly name: string;
  readonly owner: Oid;
  readonly isShared: boolean;
  readonly namespace: Oid;
}
type Work = 'vacuum' | 'analyze';

const PG_CATALOG = 11 as Oid;

/** vacuum_is_relation_owner(): warns if not. */
export function mayVacuum(subject: Subject, work: Work): boolean {
  if (ownsObject(subject.owner)) return true;
  const database = databaseRow(sessionIdentity.databaseOid);
  if (!subject.isShared && database !== undefined && ownsObject(database.datdba)) return true;
  const who = subject.isShared
    ? 'only superuser'
    : subject.namespace === PG_CATALOG
      ? 'only superuser or database owner'
      : 'only table or database owner';
  report('WARNING', { message: `skipping "${subject.name}" --- ${who} can ${work} it` });
  return false;
}
export const mayVacuumRelation = (rel: RelationData, work: Work): boolean => mayVacuum(rel, work);

/** expand_vacuum_rel(). */
export function expandTarget(node: VacuumRelation, isVacuum: boolean, skipLocked: boolean): VacuumTarget[] {
  const name = node.relation!;
  const columns = stringsOf(node.va_cols);
  const { catalogname, schemaname, relname } = name;
  // A lock is needed only while the catalogs are looked at: processing takes its own.
  const oid = rangeVarGetRelid({ catalog: catalogname, schema: schemaname, name: relname! }, LOCK.accessShare, {
    skipLocked,
  });
  if (oid === 0) {
    warnSkipped(isVacuum ? 'vacuum' : 'analyze', relname!, true);
    return [];
  }
  const row = classRow(oid);
  if (row === undefined) report('ERROR', { message: `cache lookup failed for relation ${oid}` });
  const targets: VacuumTarget[] = [];
  const subject = {
    name: row.relname,
    owner: row.relowner,
    isShared: row.relisshared,
    namespace: row.relnamespace,
  };
  if (mayVacuum(subject, isVacuum ? 'vacuum' : 'analyze')) targets.push({ oid, name, columns });
  if (row.relkind === 'p') {
    // Theirs are looked at when they are processed.
    for (const part of allInheritors(oid, LOCK.none)) targets.push({ oid: part, name: null, columns });
  }
  unlockRelationOid(oid, LOCK.accessShare);
  return targets;
}

/** get_all_vacuum_rels(). */
export function allTargets(isVacuum: boolean): VacuumTarget[] {
  const targets: VacuumTarget[] = [];
  const pgClass = tableOpen(RELATION.pgClass, LOCK.accessShare);
  const at = (name: string): number => pgClass.tupleDesc.attributeIndex(name) + 1;
  const [oidAt, nameAt, ownerAt, sharedAt, namespaceAt, kindAt] = [
    at('oid'),
    at('relname'),
    at('relowner'),
    at('relisshared'),
    at('relnamespace'),
    at('relkind'),
  ];
  const scan = systableBeginScan(pgClass, 0, false, []);
  while (scan.next()) {
    const subject = {
      name: scan.value(nameAt!) as string,
      owner: scan.value(ownerAt!) as Oid,
      isShared: scan.value(sharedAt!) as boolean,
      namespace: scan.value(namespaceAt!) as Oid,
    };
    if (!mayVacuum(subject, isVacuum ? 'vacuum' : 'analyze')) continue;
    const kind = scan.value(kindAt!) as string;
    if (kind !== 'r' && kind !== 'm' && kind !== 'p') continue;
    targets.push({ oid: scan.value(oidAt!) as Oid, name: null, columns: [] });
  }
  scan.end();
  relationClose(pgClass, LOCK.accessShare);
  return targets;
}

function warnSkipped(work: Work, name: string, isLocked: boolean): void {
  report('WARNING', {
    code: isLocked ? SQLSTATE.lockNotAvailable : SQLSTATE.undefinedTable,
    message: `skipping ${work} of "${name}" --- ${isLocked ? 'lock not available' : 'relation no longer exists'}`,
  });
}

/** vacuum_open_relation(): null if it is gone, or locked and the user does not want to wait. */
export function openTarget(
  oid: Oid,
  name: RangeVar | null,
  work: Work,
  skipLocked: boolean,
  mode: LockMode,
): RelationData | null {
  let isLocked = false;
  let rel: RelationData | null = null;
  if (!skipLocked) rel = tryRelationOpen(oid, mode);
  else if (conditionalLockRelationOid(oid, mode)) rel = tryRelationOpen(oid, LOCK.none);
  else isLocked = true;
  // Nobody misses a relation that he did not name.
  if (rel === null && name !== null) warnSkipped(work, name.relname ?? '', isLocked);
  return rel;
}
