/** vacuum-relstats.ts — what VACUUM and ANALYZE write down of a relation, in its pg_class row where it stands, and the
 *  horizons of a database and of the cluster that follow from these rows.
 *
 *  The rows are changed in place: the facts hold for everybody, whatever snapshot they have and whether or not this
 *  transaction commits.
 *  Counterpart: vac_update_relstats(), vac_update_datfrozenxid(), vac_truncate_clog() of src/backend/commands/vacuum.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { RelStats } from '#access/heap/vacuum-state.ts';
import type { MultiXactId, Oid, TransactionId } from '#base/ids.ts';
import { FIRST_MULTIXACT, multiPrecedes, xidIsNormal, xidPrecedes } from '#base/xid.ts';
import { catalogInplaceUpdate } from '#catalog/inplace.ts';
import { RELATION } from '#catalog/oids.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { findCatalogTuples, systableBeginScan } from '#catalog/systable.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { lockDatabaseFrozenIds } from '#storage/lmgr/lmgr.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { truncateClog } from '#transam/clog.ts';
import { advanceOldestCommitTsXid, truncateCommitTs } from '#transam/commit-ts.ts';
import { getOldestMultiXactId, readNextMultiXactId } from '#transam/multixact.ts';
import { setMultiXactIdLimit, truncateMultiXact } from '#transam/multixact-limits.ts';
import { getOldestNonRemovableTransactionId } from '#transam/proc-array.ts';
import { forceTransactionIdLimitUpdate, readNextTransactionId, setTransactionIdLimit } from '#transam/xid-generator.ts';

const CLASS_OID_INDEX = 2662 as Oid;
const DATABASE_OID_INDEX = 2672 as Oid;
/** datconnlimit of a database whose DROP was cut short. */
const INVALID_DATABASE = -2;

const multiIsValid = (multi: MultiXactId): boolean => multi >= FIRST_MULTIXACT;

/** Which of the two horizons to write: a newer one, or a sane one over one from the future. */
function advanced<T extends number>(
  old: T,
  wanted: T,
  precedes: (a: T, b: T) => boolean,
  next: T,
): 'no' | 'yes' | 'future' {
  if (wanted === old) return 'no';
  if (precedes(old, wanted)) return 'yes';
  return precedes(next, old) ? 'future' : 'no';
}

/** vac_update_relstats(). In a transaction block of the user's, what an abort would make wrong is left alone. */
export function updateRelStats(
  rel: Relation,
  stats: RelStats,
  inOuterXact: boolean,
): { frozenXidUpdated: boolean; minMultiUpdated: boolean } {
  const pgClass = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.class, pgClass, CLASS_OID_INDEX, [{ attnum: 1, value: rel.oid }]);
  if (found === undefined) {
    report('ERROR', { message: `pg_class entry for relid ${rel.oid} vanished during vacuuming` });
  }
  const { row } = found;
  const changes: Record<string, number | boolean> = {};
  if (row.relpages !== stats.pages) changes['relpages'] = stats.pages;
  const tuples = Math.fround(stats.tuples);
  if (row.reltuples !== tuples) changes['reltuples'] = tuples;
  if (row.relallvisible !== stats.allVisible) changes['relallvisible'] = stats.allVisible;
  if (!inOuterXact) {
    if (row.relhasindex && !stats.hasIndex) changes['relhasindex'] = false;
    if (row.relhasrules && store.rewrite.by('ev_class', rel.oid).length === 0) changes['relhasrules'] = false;
    if (row.relhastriggers && store.trigger.by('tgrelid', rel.oid).length === 0) changes['relhastriggers'] = false;
  }
  const oldXid = row.relfrozenxid as TransactionId;
  let xid: 'no' | 'yes' | 'future' = 'no';
  if (xidIsNormal(stats.frozenXid)) {
    xid = advanced(oldXid, stats.frozenXid, xidPrecedes, readNextTransactionId());
    if (xid !== 'no') changes['relfrozenxid'] = stats.frozenXid;
  }
  const oldMulti = row.relminmxid as unknown as MultiXactId;
  let multi: 'no' | 'yes' | 'future' = 'no';
  if (multiIsValid(stats.minMulti)) {
    multi = advanced(oldMulti, stats.minMulti, multiPrecedes, readNextMultiXactId());
    if (multi !== 'no') changes['relminmxid'] = stats.minMulti;
  }
  if (Object.keys(changes).length > 0) catalogInplaceUpdate(pgClass, found.tid, changes);
  relationClose(pgClass, LOCK.rowExclusive);
  const overwrote = (what: string, old: number, by: number): void =>
    report('WARNING', {
      code: SQLSTATE.dataCorrupted,
      message: `overwrote invalid ${what} value ${old} with new value ${by} for table "${rel.name}"`,
    });
  if (xid === 'future') overwrote('relfrozenxid', oldXid, stats.frozenXid);
  if (multi === 'future') overwrote('relminmxid', oldMulti, stats.minMulti);
  return { frozenXidUpdated: xid !== 'no', minMultiUpdated: multi !== 'no' };
}

/** The oldest ids that tables of this database may hold; null if a row cannot be believed. */
function oldestInDatabase(
  sane: TransactionId,
  saneMulti: MultiXactId,
): { xid: TransactionId; multi: MultiXactId } | null {
  let xid = getOldestNonRemovableTransactionId('shared');
  let multi = getOldestMultiXactId();
  let isBogus = false;
  const pgClass = tableOpen(RELATION.pgClass, LOCK.accessShare);
  const kindAt = pgClass.tupleDesc.attributeIndex('relkind') + 1;
  const xidAt = pgClass.tupleDesc.attributeIndex('relfrozenxid') + 1;
  const multiAt = pgClass.tupleDesc.attributeIndex('relminmxid') + 1;
  const scan = systableBeginScan(pgClass, 0, false, []);
  while (scan.next()) {
    const kind = scan.value(kindAt) as string;
    if (kind !== 'r' && kind !== 'm' && kind !== 't') continue;
    const relXid = scan.value(xidAt) as TransactionId;
    const relMulti = scan.value(multiAt) as MultiXactId;
    if (relXid !== 0) {
      if (xidPrecedes(sane, relXid)) {
        isBogus = true;
        break;
      }
      if (xidPrecedes(relXid, xid)) xid = relXid;
    }
    if (relMulti !== 0) {
      if (multiPrecedes(saneMulti, relMulti)) {
        isBogus = true;
        break;
      }
      if (multiPrecedes(relMulti, multi)) multi = relMulti;
    }
  }
  scan.end();
  relationClose(pgClass, LOCK.accessShare);
  return isBogus ? null : { xid, multi };
}

/** vac_update_datfrozenxid(). */
export function updateDatFrozenXid(): void {
  lockDatabaseFrozenIds(LOCK.exclusive);
  const saneXid = readNextTransactionId();
  const saneMulti = readNextMultiXactId();
  const oldest = oldestInDatabase(saneXid, saneMulti);
  if (oldest === null) return;
  const pgDatabase = tableOpen(RELATION.pgDatabase, LOCK.rowExclusive);
  const desc = pgDatabase.tupleDesc;
  const scan = systableBeginScan(pgDatabase, DATABASE_OID_INDEX, true, [
    { attnum: 1, value: sessionIdentity.databaseOid },
  ]);
  if (!scan.next()) {
    report('ERROR', { message: `could not find tuple for database ${sessionIdentity.databaseOid}` });
  }
  const { tid } = scan;
  const oldXid = scan.value(desc.attributeIndex('datfrozenxid') + 1) as TransactionId;
  const oldMulti = scan.value(desc.attributeIndex('datminmxid') + 1) as MultiXactId;
  scan.end();
  const changes: Record<string, number> = {};
  if (advanced(oldXid, oldest.xid, xidPrecedes, saneXid) !== 'no') changes['datfrozenxid'] = oldest.xid;
  else oldest.xid = oldXid;
  if (advanced(oldMulti, oldest.multi, multiPrecedes, saneMulti) !== 'no') changes['datminmxid'] = oldest.multi;
  else oldest.multi = oldMulti;
  const isDirty = Object.keys(changes).length > 0;
  if (isDirty) catalogInplaceUpdate(pgDatabase, tid, changes);
  relationClose(pgDatabase, LOCK.rowExclusive);
  if (isDirty || forceTransactionIdLimitUpdate()) truncateForOldest(oldest.xid, oldest.multi, saneXid, saneMulti);
}

/** vac_truncate_clog(): statuses that no database can ask for any more go. */
function truncateForOldest(
  startXid: TransactionId,
  startMulti: MultiXactId,
  saneXid: TransactionId,
  saneMulti: MultiXactId,
): void {
  const nextXid = readNextTransactionId();
  const lock = mainLWLock('WrapLimitsVacuum');
  // One at a time: a slower one must not bring older limits back.
  lwLockAcquire(lock, 'exclusive');
  let xid = startXid;
  let multi = startMulti;
  let xidDb = sessionIdentity.databaseOid;
  let multiDb = sessionIdentity.databaseOid;
  let isBogus = false;
  let hasWrapped = false;
  const pgDatabase = tableOpen(RELATION.pgDatabase, LOCK.accessShare);
  const at = (name: string): number => pgDatabase.tupleDesc.attributeIndex(name) + 1;
  const scan = systableBeginScan(pgDatabase, 0, false, []);
  while (scan.next()) {
    const datXid = scan.value(at('datfrozenxid')) as TransactionId;
    const datMulti = scan.value(at('datminmxid')) as MultiXactId;
    if (scan.value(at('datconnlimit')) === INVALID_DATABASE) {
      report('DEBUG2', {
        message: `skipping invalid database "${scan.value(at('datname')) as string}" while computing relfrozenxid`,
      });
      continue;
    }
    const oid = scan.value(at('oid')) as Oid;
    if (xidPrecedes(saneXid, datXid) || multiPrecedes(saneMulti, datMulti)) isBogus = true;
    if (xidPrecedes(nextXid, datXid)) hasWrapped = true;
    else if (xidPrecedes(datXid, xid)) {
      xid = datXid;
      xidDb = oid;
    }
    if (multiPrecedes(datMulti, multi)) {
      multi = datMulti;
      multiDb = oid;
    }
  }
  scan.end();
  relationClose(pgDatabase, LOCK.accessShare);
  if (hasWrapped) {
    report('WARNING', {
      message: 'some databases have not been vacuumed in over 2 billion transactions',
      detail: 'You might have already suffered transaction-wraparound data loss.',
    });
  } else if (!isBogus) {
    advanceOldestCommitTsXid(xid);
    truncateClog(xid, xidDb);
    truncateCommitTs(xid);
    truncateMultiXact(multi, multiDb);
    setTransactionIdLimit(xid, xidDb);
    setMultiXactIdLimit(multi, multiDb, false);
  }
  lwLockRelease(lock);
}
