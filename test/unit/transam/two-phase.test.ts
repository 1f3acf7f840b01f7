import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Lsn, TransactionId } from '#base/ids.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { conditionalLockRelationOid, lockRelationOid } from '#storage/lmgr/lmgr.ts';
import { setTransactionClock } from '#transam/timestamps.ts';
import { transactionIdIsInProgress } from '#transam/proc-array.ts';
import { loadCheckPointCounters, startupTransam, startupTransamLogs } from '#transam/startup.ts';
import { getTransactionSnapshot, xidInMvccSnapshot } from '#transam/snapshot.ts';
import { transactionIdDidAbort, transactionIdDidCommit } from '#transam/transam.ts';
import {
  checkPointTwoPhase,
  finishPreparedTransaction,
  preparedTransactions,
  recoverPreparedTransactions,
  restoreTwoPhaseData,
} from '#transam/two-phase.ts';
import { beginTransactionBlock, defineSavepoint, prepareTransactionBlock } from '#transam/xact-block.ts';
import { xactHooks } from '#transam/xact-hooks.ts';
import { xactRmgr } from '#transam/xact-redo.ts';
import {
  abortCurrentTransaction,
  abortOutOfAnyTransaction,
  commitTransactionCommand,
  getCurrentTransactionId,
  setStatementTimestamp,
  startTransactionCommand,
} from '#transam/xact.ts';
import { readNextFullTransactionId } from '#transam/xid-generator.ts';
import { controlFile } from '#wal/control-file.ts';
import { FileWalSource } from '#wal/file-source.ts';
import { getXLogInsertRecPtr, xlogFlush } from '#wal/insert.ts';
import { WalReader } from '#wal/reader.ts';
import { replay } from '#wal/recovery-state.ts';
import { RM } from '#wal/rmgr-ids.ts';
import { openTransamCluster } from '../../support/transam-cluster.ts';
import type { WalCluster } from '../../support/wal-cluster.ts';

const WALDUMP = '/usr/lib/postgresql/15/bin/pg_waldump';
let cluster: WalCluster;
let start: Lsn;
beforeEach(() => {
  setTransactionClock(() => 768_294_489_012_345);
  cluster = openTransamCluster({ max_prepared_transactions: '4' });
  start = getXLogInsertRecPtr();
});
afterEach(() => {
  abortOutOfAnyTransaction();
  cluster.remove();
});
const command = <T>(work: () => T): T => {
  setStatementTimestamp();
  startTransactionCommand();
  const result = work();
  commitTransactionCommand();
  return result;
};
function prepare(gid: string): TransactionId {
  command(beginTransactionBlock);
  const xid = command(getCurrentTransactionId);
  command(() => lockRelationOid(16384, LOCK.accessExclusive));
  command(() => defineSavepoint('a'));
  command(getCurrentTransactionId);
  command(() => prepareTransactionBlock(gid));
  return xid;
}
const sub = (xid: TransactionId): TransactionId => (xid + 1) as TransactionId;

describe('PREPARE TRANSACTION', () => {
  it('leaves a transaction that runs without a session, with its locks', () => {
    const xid = prepare('one');
    expect(preparedTransactions()).toEqual([
      { xid, gid: 'one', preparedAt: 768_294_489_012_345, owner: xactHooks.userId(), databaseId: 5 },
    ]);
    expect(transactionIdIsInProgress(xid)).toBe(true);
    expect(transactionIdIsInProgress(sub(xid))).toBe(true);
    command(() => {
      expect(conditionalLockRelationOid(16384, LOCK.accessShare)).toBe(false);
      const snapshot = getTransactionSnapshot();
      expect(xidInMvccSnapshot(xid, snapshot)).toBe(true);
      expect(xidInMvccSnapshot(sub(xid), snapshot)).toBe(true);
    });
    command(() => finishPreparedTransaction('one', true));
    expect(transactionIdDidCommit(xid)).toBe(true);
    expect(transactionIdDidCommit(sub(xid))).toBe(true);
    expect(transactionIdIsInProgress(xid)).toBe(false);
    expect(preparedTransactions()).toEqual([]);
    command(() => expect(conditionalLockRelationOid(16384, LOCK.accessExclusive)).toBe(true));
  });

  it('may be rolled back', () => {
    const xid = prepare('two');
    command(() => finishPreparedTransaction('two', false));
    expect(transactionIdDidAbort(xid)).toBe(true);
    expect(transactionIdDidAbort(sub(xid))).toBe(true);
  });

  it('writes the record that PostgreSQL reads', () => {
    const xid = prepare("it's me");
    command(() => finishPreparedTransaction("it's me", true));
    xlogFlush(getXLogInsertRecPtr());
    const reader = new WalReader(new FileWalSource(1), controlFile.systemIdentifier);
    reader.beginRead(start);
    const ours: string[] = [];
    for (let record = reader.read(); record !== null; record = reader.read())
      if (record.rmid === RM.xact)
        ours.push(`${record.xid} ${xactRmgr.identify(record.info)} ${xactRmgr.describe(record)}`);
    expect(ours[0]).toMatch(new RegExp(`^${xid} PREPARE gid it's me: 2024-05-06 .*; subxacts: ${sub(xid)}$`));
    expect(ours[1]).toMatch(new RegExp(`^0 COMMIT_PREPARED ${xid}: 2024-05-06 .*; subxacts: ${sub(xid)}$`));
    if (!existsSync(WALDUMP)) return;
    let text: string;
    try {
      text = execFileSync(WALDUMP, ['-p', 'pg_wal', '-s', `0/${start.toString(16)}`, '-r', 'Transaction'], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    } catch (caught) {
      text = (caught as { stdout: string }).stdout;
    }
    const theirs = [...text.matchAll(/tx: +(\d+), .* desc: (.*)/g)].map((match) => `${match[1]} ${match[2]}`);
    expect(ours).toEqual(theirs);
  });

  it('refuses a name that is taken, too long, or not there', () => {
    prepare('same');
    expect(() => prepareUnlocked('same')).toThrow('transaction identifier "same" is already in use');
    abortCurrentTransaction();
    expect(() => prepareUnlocked('x'.repeat(200))).toThrow(/^transaction identifier "x+" is too long$/);
    abortCurrentTransaction();
    expect(() => command(() => finishPreparedTransaction('other', true))).toThrow(
      'prepared transaction with identifier "other" does not exist',
    );
    abortCurrentTransaction();
    command(() => finishPreparedTransaction('same', true));
  });

  it('outside a block only warns', () => {
    command(() => expect(prepareTransactionBlock('none')).toBe(false));
    expect(preparedTransactions()).toEqual([]);
  });

  it('is one too many for max_prepared_transactions', () => {
    for (const gid of ['a', 'b', 'c', 'd']) {
      command(beginTransactionBlock);
      command(getCurrentTransactionId);
      command(() => prepareTransactionBlock(gid));
    }
    command(beginTransactionBlock);
    expect(() => command(() => prepareTransactionBlock('e'))).toThrow(
      'maximum number of prepared transactions reached',
    );
    abortCurrentTransaction();
    for (const gid of ['c', 'a', 'd', 'b']) command(() => finishPreparedTransaction(gid, true));
    expect(preparedTransactions()).toEqual([]);
  });
});

describe('a checkpoint', () => {
  it('writes state files of older prepared transactions, which outlive a restart', () => {
    const xid = prepare('kept');
    const younger = prepareUnlocked('young');
    checkPointTwoPhase(getXLogInsertRecPtr());
    const name = (one: number): string => one.toString(16).toUpperCase().padStart(8, '0');
    expect(readdirSync('pg_twophase').sort()).toEqual([name(xid), name(younger)].sort());
    const bytes = readFileSync(`pg_twophase/${name(xid)}`);
    expect(bytes.readUInt32LE(0)).toBe(0x57f94534);
    expect(bytes.readUInt32LE(4)).toBe(bytes.length);

    restart();
    expect(
      preparedTransactions()
        .map((one) => one.gid)
        .sort(),
    ).toEqual(['kept', 'young']);
    expect(transactionIdIsInProgress(xid)).toBe(true);
    expect(transactionIdIsInProgress(sub(xid))).toBe(true);
    command(() => expect(conditionalLockRelationOid(16384, LOCK.accessShare)).toBe(false));
    command(() => finishPreparedTransaction('kept', true));
    command(() => finishPreparedTransaction('young', false));
    expect(transactionIdDidCommit(xid)).toBe(true);
    expect(transactionIdDidAbort(younger)).toBe(true);
    expect(readdirSync('pg_twophase')).toEqual([]);
    command(() => expect(conditionalLockRelationOid(16384, LOCK.accessExclusive)).toBe(true));
  });
});

function prepareUnlocked(gid: string): TransactionId {
  command(beginTransactionBlock);
  const xid = command(getCurrentTransactionId);
  command(() => prepareTransactionBlock(gid));
  return xid;
}

/** A new server finds the state files and the CLOG of the old one. */
function restart(): void {
  const nextXid = readNextFullTransactionId();
  const kept = new Map(readdirSync('pg_twophase').map((name) => [name, readFileSync(`pg_twophase/${name}`)]));
  cluster.remove();
  cluster = openTransamCluster({ max_prepared_transactions: '4' });
  for (const [name, bytes] of kept) writeFileSync(`pg_twophase/${name}`, bytes);
  loadCheckPointCounters({ ...controlFile.checkPointCopy, nextXid });
  startupTransamLogs(false);
  replay.inRecovery = true;
  restoreTwoPhaseData();
  replay.inRecovery = false;
  startupTransam();
  recoverPreparedTransactions();
}
