/** xid-functions.ts — transaction ids, snapshots, commit timestamps, multixacts and prepared transactions for SQL.
 *  Counterpart: src/backend/utils/adt/xid8funcs.c, xid.c (ages), the SQL functions of commit_ts.c, multixact.c,
 *  twophase.c and snapmgr.c */
import { canonicalInt8, type Datum, type RecordDatum } from '#adt/datum.ts';
import { registerBuiltins, registerSetBuiltins } from '#adt/fmgr.ts';
import { encodeSnapshot } from '#adt/pg-snapshot.ts';
import { invalidParameter } from '#adt/value-errors.ts';
import type { FullTransactionId, MultiXactId, Oid, TransactionId } from '#base/ids.ts';
import { xidIsNormal } from '#base/xid.ts';
import { rowIterator } from '#functions/set-iterator.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { getLatestCommitTsData, transactionIdGetCommitTsData } from '#transam/commit-ts.ts';
import { fullXidRelativeTo } from '#transam/global-vis-horizons.ts';
import { getMultiXactIdMembers, multiXactStatusName, readNextMultiXactId } from '#transam/multixact.ts';
import { transactionIdIsInProgress } from '#transam/proc-array.ts';
import { activeSnapshotSet, getActiveSnapshot, getTransactionSnapshot, type Snapshot } from '#transam/snapshot.ts';
import { exportSnapshot } from '#transam/snapshot-export.ts';
import { transactionIdDidCommit } from '#transam/transam.ts';
import { preparedTransactions } from '#transam/two-phase.ts';
import { transamAttached } from '#transam/variable-cache.ts';
import { getTopFullTransactionId, getTopFullTransactionIdIfAny, myLocalTransactionId } from '#transam/xact.ts';
import { readNextFullTransactionId, readNextTransactionId, xidIsBeforeOldestClog } from '#transam/xid-generator.ts';
import { recoveryInProgress } from '#wal/recovery-state.ts';

const TYPE = { xid: 28, oid: 26, timestamptz: 1184 };
const INT_MAX = 0x7fff_ffff;

/** What the running query sees. */
const currentSnapshot = (): Snapshot => (activeSnapshotSet() ? getActiveSnapshot() : getTransactionSnapshot());

function record(columns: readonly (readonly [name: string, type: number, value: Datum])[]): RecordDatum {
  return {
    kind: 'record',
    names: columns.map(([name]) => name),
    types: columns.map(([, type]) => type as Oid),
    typmods: columns.map(() => -1),
    values: columns.map(([, , value]) => value),
  };
}

function currentXact(): number {
  if (transamAttached() && recoveryInProgress())
    report('ERROR', {
      code: SQLSTATE.readOnlySqlTransaction,
      message: 'cannot execute pg_current_xact_id() during recovery',
    });
  return getTopFullTransactionId();
}

function snapshotValue(): Uint8Array {
  const snapshot = currentSnapshot();
  const next = readNextFullTransactionId();
  const widen = (xid: number): bigint => BigInt(fullXidRelativeTo(next, xid));
  // On a standby all running transactions are among the subtransactions, which this type does not show.
  const xip = [...snapshot.xip.subarray(0, snapshot.xcnt)].map(widen).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return encodeSnapshot({
    xmin: widen(snapshot.xmin),
    xmax: widen(snapshot.xmax),
    xip: xip.filter((xid, i) => xid !== xip[i - 1]),
  });
}

/** null: so long ago that nobody knows. */
function xactStatus(full: FullTransactionId): string | null {
  const xid = (full % 0x1_0000_0000) as TransactionId;
  if (xid === 0) return null;
  const lock = mainLWLock('XactTruncation');
  // Nobody may cut the CLOG between the check and the look.
  lwLockAcquire(lock, 'shared');
  try {
    if (xidIsNormal(xid)) {
      const next = readNextFullTransactionId();
      if (full >= next) invalidParameter(`transaction ID ${full} is in the future`);
      if (next - full > INT_MAX || xidIsBeforeOldestClog(xid)) return null;
    }
    if (transactionIdIsInProgress(xid)) return 'in progress';
    return transactionIdDidCommit(xid) ? 'committed' : 'aborted';
  } finally {
    lwLockRelease(lock);
  }
}

let agesOf = -1;
let agesFrom = 0 as TransactionId;
/** The same "now" for all of a transaction. */
function stableLatestXid(): TransactionId {
  const lxid = myLocalTransactionId();
  if (agesOf !== lxid) {
    agesOf = lxid;
    const mine = getTopFullTransactionIdIfAny() % 0x1_0000_0000;
    agesFrom = mine !== 0 ? (mine as TransactionId) : readNextTransactionId();
  }
  return agesFrom;
}

registerBuiltins({
  pg_current_xact_id: () => currentXact(),
  pg_current_xact_id_if_assigned: () => getTopFullTransactionIdIfAny() || null,
  pg_current_snapshot: () => snapshotValue(),
  pg_xact_status: (full: number | bigint) => xactStatus(Number(full) as FullTransactionId),
  pg_export_snapshot: () => exportSnapshot(currentSnapshot()),
  xid_age: (xid: number) => (xidIsNormal(xid as TransactionId) ? (stableLatestXid() - xid) | 0 : INT_MAX),
  mxid_age: (multi: number) => (multi === 0 ? INT_MAX : (readNextMultiXactId() - multi) | 0),
  pg_xact_commit_timestamp(xid: number) {
    const found = transactionIdGetCommitTsData(xid as TransactionId);
    return found === null ? null : canonicalInt8(BigInt(found.time));
  },
  pg_xact_commit_timestamp_origin(xid: number) {
    const found = transactionIdGetCommitTsData(xid as TransactionId);
    return record([
      ['timestamp', TYPE.timestamptz, found?.time ?? null],
      ['roident', TYPE.oid, found?.node ?? null],
    ]);
  },
  pg_last_committed_xact() {
    const last = getLatestCommitTsData();
    const known = xidIsNormal(last.xid);
    return record([
      ['xid', TYPE.xid, known ? last.xid : null],
      ['timestamp', TYPE.timestamptz, known ? last.time : null],
      ['roident', TYPE.oid, known ? last.node : null],
    ]);
  },
});

registerSetBuiltins({
  pg_prepared_xact: () =>
    rowIterator(preparedTransactions().map((one) => [one.xid, one.gid, one.preparedAt, one.owner, one.databaseId])),
  pg_get_multixact_members(_info, multi: number) {
    if (multi < 1) invalidParameter(`invalid MultiXactId: ${multi}`);
    const members = getMultiXactIdMembers(multi as MultiXactId, false, false) ?? [];
    return rowIterator(members.map((one) => [one.xid, multiXactStatusName(one.status)]));
  },
});
