import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Lsn, Oid, TransactionId } from '#base/ids.ts';
import { mem } from '#shm/memory.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { procAt } from '#shm/proc.ts';
import { myProcess } from '#runtime/my-process.ts';
import { commitTsRmgr } from '#transam/commit-ts.ts';
import { clogRmgr, transactionIdGetStatus, XID_STATUS } from '#transam/clog.ts';
import { transactionIdIsInProgress } from '#transam/proc-array.ts';
import { standbyRmgr } from '#transam/standby.ts';
import { logStandbySnapshot } from '#transam/standby-log.ts';
import { multixactRmgr } from '#transam/multixact-redo.ts';
import { setTransactionClock } from '#transam/timestamps.ts';
import { transactionIdDidAbort, transactionIdDidCommit } from '#transam/transam.ts';
import {
  beginTransactionBlock,
  defineSavepoint,
  endTransactionBlock,
  releaseSavepoint,
  rollbackToSavepoint,
  userAbortTransactionBlock,
} from '#transam/xact-block.ts';
import { xactHooks } from '#transam/xact-hooks.ts';
import { xactRmgr } from '#transam/xact-redo.ts';
import {
  abortOutOfAnyTransaction,
  commitTransactionCommand,
  forceSyncCommit,
  getCurrentTransactionId,
  getCurrentTransactionIdIfAny,
  getTopTransactionIdIfAny,
  setStatementTimestamp,
  startTransactionCommand,
  transactionIdIsCurrentTransactionId,
} from '#transam/xact.ts';
import { controlFile } from '#wal/control-file.ts';
import { FileWalSource } from '#wal/file-source.ts';
import { getXLogInsertRecPtr, xlogFlush } from '#wal/insert.ts';
import { WalReader } from '#wal/reader.ts';
import type { RmgrRow } from '#wal/rmgr.ts';
import { RM } from '#wal/rmgr-ids.ts';
import { openTransamCluster } from '../../support/transam-cluster.ts';
import type { WalCluster } from '../../support/wal-cluster.ts';

const WALDUMP = '/usr/lib/postgresql/15/bin/pg_waldump';
const havePostgres = existsSync(WALDUMP);
const RMGRS: Readonly<Record<number, RmgrRow>> = {
  [RM.xact]: xactRmgr,
  [RM.clog]: clogRmgr,
  [RM.commitTs]: commitTsRmgr,
  [RM.multixact]: multixactRmgr,
  [RM.standby]: standbyRmgr,
};

let cluster: WalCluster;
let start: Lsn;
const open = (settings: Record<string, string> = {}): void => {
  cluster?.remove();
  cluster = openTransamCluster(settings);
  start = getXLogInsertRecPtr();
};
beforeEach(() => {
  // 2024-05-06 07:08:09.012345 UTC
  setTransactionClock(() => 768_294_489_012_345);
  open();
});
afterEach(() => {
  abortOutOfAnyTransaction();
  cluster.remove();
  cluster = undefined as unknown as WalCluster;
});

const command = (work: () => unknown): void => {
  setStatementTimestamp();
  startTransactionCommand();
  work();
  commitTransactionCommand();
};
/** [rmgr, length, xid, description] of every record since `start`, by our own reader. */
function records(): string[] {
  xlogFlush(getXLogInsertRecPtr());
  const reader = new WalReader(new FileWalSource(1), controlFile.systemIdentifier);
  reader.beginRead(start);
  const lines: string[] = [];
  for (let record = reader.read(); record !== null; record = reader.read()) {
    const rmgr = RMGRS[record.rmid];
    if (rmgr === undefined) continue;
    lines.push(
      `${rmgr.name} ${record.totalLength} ${record.xid} ${rmgr.identify(record.info)} ${rmgr.describe(record)}`.trimEnd(),
    );
  }
  return lines;
}
/** The same by PostgreSQL's tool. */
function waldump(): string[] {
  let text: string;
  const at = `${Math.floor(start / 2 ** 32).toString(16)}/${(start % 2 ** 32).toString(16)}`;
  try {
    text = execFileSync(WALDUMP, ['-p', 'pg_wal', '-s', at], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TZ: process.env['TZ'] ?? 'UTC' },
    });
  } catch (caught) {
    text = (caught as { stdout: string }).stdout;
  }
  return text
    .split('\n')
    .map((line) => /^rmgr: (\w+) +len \(rec\/tot\): +\d+\/ *(\d+), tx: +(\d+), .* desc: (.*)$/.exec(line))
    .filter((match) => match !== null && Object.values(RMGRS).some((one) => one.name === match[1]))
    .map((match) => `${match![1]} ${match![2]} ${match![3]} ${match![4]}`.trimEnd());
}
function expectSameAsPostgres(): string[] {
  const ours = records();
  if (havePostgres) expect(ours).toEqual(waldump());
  return ours;
}

describe('commit', () => {
  it('of a transaction that writes nothing leaves no trace: no xid, no WAL', () => {
    const before = getXLogInsertRecPtr();
    command(() => expect(getCurrentTransactionIdIfAny()).toBe(0));
    expect(getXLogInsertRecPtr()).toBe(before);
    expect(PgProc.xid.get(mem, procAt(myProcess.procNumber))).toBe(0);
  });

  it('writes the simple record of 34 bytes, sets the CLOG and leaves the ProcArray', () => {
    let xid = 0 as TransactionId;
    command(() => {
      xid = getCurrentTransactionId();
      expect(xid).toBe(3);
      expect(transactionIdIsInProgress(xid)).toBe(true);
      expect(transactionIdIsCurrentTransactionId(xid)).toBe(true);
      expect(transactionIdGetStatus(xid)).toBe(XID_STATUS.inProgress);
    });
    expect(transactionIdDidCommit(xid)).toBe(true);
    expect(transactionIdIsInProgress(xid)).toBe(false);
    expect(transactionIdIsCurrentTransactionId(xid)).toBe(false);
    const lines = expectSameAsPostgres().filter((line) => line.startsWith('Transaction'));
    expect(lines).toEqual(['Transaction 34 3 COMMIT 2024-05-06 07:08:09.012345 UTC'.replace('UTC', zone())]);
  });

  it('says what was done: files, dropped statistics, invalidations, subtransactions, sync', () => {
    const files = [{ spcNode: 1663 as Oid, dbNode: 5 as Oid, relNode: 16385 as Oid }];
    const messages = new Uint8Array(32);
    const view = new DataView(messages.buffer);
    view.setInt8(0, 50);
    view.setUint32(4, 5, true);
    view.setInt8(16, -2);
    view.setUint32(20, 5, true);
    view.setUint32(24, 16384, true);
    const saved = { ...xactHooks };
    Object.assign(xactHooks, {
      pendingDeletes: () => files,
      droppedStats: () => [{ kind: 2, databaseId: 5 as Oid, objectId: 16385 as Oid }],
      committedInvalidations: () => ({ messages, count: 2, relcacheInitFileInval: true }),
    });
    try {
      command(beginTransactionBlock);
      command(getCurrentTransactionId);
      for (const name of ['a', 'b']) {
        command(() => defineSavepoint(name));
        command(getCurrentTransactionId);
      }
      command(() => forceSyncCommit());
      command(() => endTransactionBlock(false));
    } finally {
      Object.assign(xactHooks, saved);
    }
    for (const xid of [3, 4, 5]) expect(transactionIdDidCommit(xid as TransactionId)).toBe(true);
    const commit = expectSameAsPostgres().find((line) => line.includes('COMMIT'));
    expect(commit).toBe(
      `Transaction 126 3 COMMIT 2024-05-06 07:08:09.012345 ${zone()}; rels: base/5/16385; subxacts: 4 5; dropped stats: 2/5/16385; relcache init file inval dbid 5 tsid 1663; inval msgs: catcache 50 relcache 16384; sync`,
    );
  });

  it('of a transaction with rolled back savepoints commits only the others', () => {
    command(beginTransactionBlock);
    command(getCurrentTransactionId);
    command(() => defineSavepoint('a'));
    command(getCurrentTransactionId);
    command(() => rollbackToSavepoint('a'));
    expect(transactionIdDidAbort(4 as TransactionId)).toBe(true);
    expect(transactionIdIsInProgress(4 as TransactionId)).toBe(false);
    expect(transactionIdIsCurrentTransactionId(4 as TransactionId)).toBe(false);
    command(getCurrentTransactionId);
    command(() => releaseSavepoint('a'));
    expect(transactionIdIsCurrentTransactionId(5 as TransactionId)).toBe(true);
    expect(transactionIdIsInProgress(5 as TransactionId)).toBe(true);
    command(() => endTransactionBlock(false));
    const lines = expectSameAsPostgres().filter((line) => line.startsWith('Transaction'));
    expect(lines.map((line) => line.replace(/2024.*?(?=;|$)/, ''))).toEqual([
      'Transaction 34 4 ABORT ',
      'Transaction 46 3 COMMIT ; subxacts: 5',
    ]);
    expect([3, 4, 5].map((xid) => transactionIdDidCommit(xid as TransactionId))).toEqual([true, false, true]);
  });

  it('reports every 64 subtransactions and gives parents the older xids', () => {
    command(beginTransactionBlock);
    for (let i = 0; i < 70; i++) command(() => defineSavepoint(`s${i}`));
    command(() => expect(getCurrentTransactionId()).toBe(73));
    expect(getTopTransactionIdIfAny()).toBe(3);
    command(() => endTransactionBlock(false));
    const lines = expectSameAsPostgres().filter((line) => line.startsWith('Transaction'));
    expect(lines[0]).toMatch(/^Transaction \d+ 0 ASSIGNMENT xtop 3: subxacts: 4 5 .* 67$/);
    expect(lines[1]).toMatch(/COMMIT .*; subxacts: 4 .* 73$/);
    for (let xid = 3; xid <= 73; xid++) expect(transactionIdDidCommit(xid as TransactionId)).toBe(true);
  });

  it('with synchronous_commit off comes back before the record is on disk, and the CLOG knows the position', () => {
    open({ synchronous_commit: 'off' });
    command(getCurrentTransactionId);
    expect(transactionIdDidCommit(3 as TransactionId)).toBe(true);
    expect(transactionIdIsInProgress(3 as TransactionId)).toBe(false);
  });

  it('rolls back on request with an ABORT record', () => {
    command(beginTransactionBlock);
    command(getCurrentTransactionId);
    command(() => userAbortTransactionBlock(false));
    expect(transactionIdDidAbort(3 as TransactionId)).toBe(true);
    expect(expectSameAsPostgres().at(-1)).toMatch(/^Transaction 34 3 ABORT 2024/);
  });

  it('tells standbys who runs', () => {
    command(beginTransactionBlock);
    command(getCurrentTransactionId);
    command(() => defineSavepoint('a'));
    command(getCurrentTransactionId);
    logStandbySnapshot();
    // The record stands under the xid of whoever takes the snapshot.
    expect(expectSameAsPostgres().at(-1)).toBe(
      'Standby 58 4 RUNNING_XACTS nextXid 5 latestCompletedXid 2 oldestRunningXid 3; 1 xacts: 3',
    );
  });
});

const zone = (): string =>
  new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' })
    .formatToParts(new Date())
    .find((part) => part.type === 'timeZoneName')!.value;
