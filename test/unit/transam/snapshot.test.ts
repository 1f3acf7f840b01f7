import { readdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TransactionId } from '#base/ids.ts';
import { settings } from '#runtime/guc/guc.ts';
import { setConfigOption } from '#runtime/guc/guc.ts';
import { myProcess } from '#runtime/my-process.ts';
import { mem } from '#shm/memory.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { procAt } from '#shm/proc.ts';
import {
  getOldestActiveTransactionId,
  getOldestNonRemovableTransactionId,
  globalVisTestFor,
  globalVisTestIsRemovableXid,
  transactionIdIsInProgress,
} from '#transam/proc-array.ts';
import { exportSnapshot, importSnapshot } from '#transam/snapshot-export.ts';
import {
  getActiveSnapshot,
  getCatalogSnapshot,
  getLatestSnapshot,
  getTransactionSnapshot,
  popActiveSnapshot,
  pushActiveSnapshot,
  registerSnapshot,
  unregisterSnapshot,
  xidInMvccSnapshot,
} from '#transam/snapshot.ts';
import { copySnapshot } from '#transam/snapshot-data.ts';
import { subTransSetParent } from '#transam/subtrans.ts';
import { beginTransactionBlock, defineSavepoint, endTransactionBlock } from '#transam/xact-block.ts';
import {
  abortCurrentTransaction,
  abortOutOfAnyTransaction,
  commitTransactionCommand,
  getCurrentTransactionId,
  setStatementTimestamp,
  startTransactionCommand,
} from '#transam/xact.ts';
import { OtherSession, openTransamCluster } from '../../support/transam-cluster.ts';
import type { WalCluster } from '../../support/wal-cluster.ts';

let cluster: WalCluster;
let other: OtherSession;
beforeEach(() => {
  cluster = openTransamCluster();
  other = new OtherSession();
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
const myXmin = (): number => PgProc.xmin.get(mem, procAt(myProcess.procNumber));
const xid = (n: number): TransactionId => n as TransactionId;

describe('a snapshot', () => {
  it('has running transactions in it, and not those that ended before', () => {
    const first = other.begin();
    const ended = command(getCurrentTransactionId);
    command(beginTransactionBlock);
    const mine = command(getCurrentTransactionId);
    command(() => {
      const snapshot = getTransactionSnapshot();
      expect(xidInMvccSnapshot(ended, snapshot)).toBe(false);
      expect([...snapshot.xip.subarray(0, snapshot.xcnt)]).toEqual([first]);
      expect(snapshot.xmin).toBe(first);
      expect(xidInMvccSnapshot(first, snapshot)).toBe(true);
      expect(xidInMvccSnapshot(mine, snapshot)).toBe(true);
      other.commit(first);
      expect(xidInMvccSnapshot(first, snapshot)).toBe(true);
      expect(xidInMvccSnapshot(first, getTransactionSnapshot())).toBe(false);
    });
  });

  it('sees a running transaction’s subtransactions as running', () => {
    const top = other.begin();
    const sub = other.beginSub();
    const later = other.beginSub();
    command(getCurrentTransactionId);
    command(() => {
      const snapshot = getTransactionSnapshot();
      expect([...snapshot.subxip.subarray(0, snapshot.subxcnt)]).toEqual([sub, later]);
      expect(xidInMvccSnapshot(sub, snapshot)).toBe(true);
      expect(transactionIdIsInProgress(sub)).toBe(true);
    });
    other.commit(top, sub, later);
    command(() => {
      expect(xidInMvccSnapshot(sub, getTransactionSnapshot())).toBe(false);
      expect(transactionIdIsInProgress(sub)).toBe(false);
    });
  });

  it('looks in pg_subtrans when there are more than 64 of them', () => {
    const top = other.begin();
    const subs = Array.from({ length: 70 }, () => other.beginSub());
    for (const sub of subs) subTransSetParent(sub, top);
    const after = command(() => {
      // Somebody later, so that the subtransactions are before xmax.
      const newer = getCurrentTransactionId();
      return newer;
    });
    command(() => {
      const snapshot = getTransactionSnapshot();
      expect(snapshot.suboverflowed).toBe(true);
      for (const sub of subs) expect(xidInMvccSnapshot(sub, snapshot)).toBe(true);
      expect(xidInMvccSnapshot(after, snapshot)).toBe(false);
      for (const sub of subs) expect(transactionIdIsInProgress(sub)).toBe(true);
    });
  });

  it('is the same one while nothing with an xid has ended', () => {
    command(() => {
      const a = getTransactionSnapshot().completionCount;
      const running = other.begin();
      expect(getTransactionSnapshot().completionCount).toBe(a);
      expect(xidInMvccSnapshot(running, getTransactionSnapshot())).toBe(true);
      other.commit(running);
      expect(getTransactionSnapshot().completionCount).toBe(a + 1);
    });
  });

  it('of REPEATABLE READ stays; the latest moves on', () => {
    command(beginTransactionBlock);
    command(() => setConfigOption('transaction_isolation', 'repeatable read', 'user', 'session'));
    expect(settings.transaction_isolation).toBe('repeatable read');
    const running = other.begin();
    command(() => getTransactionSnapshot());
    other.commit(running);
    command(() => {
      expect(xidInMvccSnapshot(running, getTransactionSnapshot())).toBe(true);
      expect(xidInMvccSnapshot(running, getLatestSnapshot())).toBe(false);
    });
    command(() => endTransactionBlock(false));
    expect(myXmin()).toBe(0);
  });
});

describe('my xmin', () => {
  it('is held while a snapshot is active or registered, and follows the oldest', () => {
    command(() => {
      const old = registerSnapshot(getTransactionSnapshot());
      const held = myXmin();
      expect(held).toBe(old.xmin);
      other.commit(other.begin());
      pushActiveSnapshot(getTransactionSnapshot());
      expect(myXmin()).toBe(held);
      unregisterSnapshot(old);
      expect(getActiveSnapshot().xmin).toBeGreaterThan(held);
      popActiveSnapshot();
      expect(myXmin()).toBe(0);
    });
  });
  it('is not held by a savepoint’s snapshots after its rollback', () => {
    command(beginTransactionBlock);
    command(() => defineSavepoint('a'));
    setStatementTimestamp();
    startTransactionCommand();
    pushActiveSnapshot(getTransactionSnapshot());
    expect(myXmin()).not.toBe(0);
    abortCurrentTransaction();
    expect(myXmin()).toBe(0);
  });
  it('is held by the catalog snapshot until it is invalidated', () => {
    command(() => {
      getCatalogSnapshot(1259 as never);
      expect(myXmin()).not.toBe(0);
    });
    expect(myXmin()).toBe(0);
  });
});

describe('horizons', () => {
  it('stop at the oldest snapshot of my database', () => {
    other.commit(other.begin());
    const running = other.begin();
    command(() => {
      getTransactionSnapshot();
      expect(getOldestNonRemovableTransactionId('data')).toBe(running);
      expect(getOldestActiveTransactionId()).toBe(running);
      expect(globalVisTestIsRemovableXid(globalVisTestFor('data'), xid(running - 1))).toBe(true);
      expect(globalVisTestIsRemovableXid(globalVisTestFor('data'), running)).toBe(false);
    });
    PgProc.databaseId.set(mem, procAt(other.procNumber), 77);
    command(() => {
      getTransactionSnapshot();
      expect(getOldestNonRemovableTransactionId('shared')).toBe(running);
      // My own snapshot’s xmin holds it back here.
      expect(getOldestNonRemovableTransactionId('data')).toBe(running);
    });
    command(() => expect(getOldestNonRemovableTransactionId('data')).toBe(running + 1 - 1 + 0 || running));
  });
});

describe('export', () => {
  it('writes PostgreSQL’s file, which goes with the transaction', () => {
    const running = other.begin();
    command(beginTransactionBlock);
    const mine = command(getCurrentTransactionId);
    // A later end, so that my own xid is before xmax.
    const id = command(() => {
      const snapshot = copySnapshot(getTransactionSnapshot());
      snapshot.xmax = xid(mine + 1);
      return exportSnapshot(snapshot);
    });
    expect(id).toMatch(/^[0-9A-F]{8}-[0-9A-F]{8}-1$/);
    expect(readdirSync('pg_snapshots')).toEqual([id]);
    expect(() => command(() => importSnapshot(id))).toThrow('SET TRANSACTION SNAPSHOT must be called before any query');
    abortCurrentTransaction();
    command(() => endTransactionBlock(false));
    expect(readdirSync('pg_snapshots')).toEqual([]);
    other.commit(running);
  });
  it('refuses identifiers that could leave the folder', () => {
    command(beginTransactionBlock);
    command(() => setConfigOption('transaction_isolation', 'repeatable read', 'user', 'session'));
    expect(() => command(() => importSnapshot('../global/pg_control'))).toThrow(
      'invalid snapshot identifier: "../global/pg_control"',
    );
  });
});
