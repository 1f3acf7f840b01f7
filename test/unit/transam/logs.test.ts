/** CLOG, SUBTRANS, multixacts and commit timestamps on disk, in the WAL and after a replay. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FullTransactionId, Lsn, MultiXactId, Oid, TransactionId } from '#base/ids.ts';
import { mem } from '#shm/memory.ts';
import {
  checkPointClog,
  clogRmgr,
  clogStatusLsn,
  extendClog,
  transactionIdGetStatus,
  transactionIdSetTreeStatus,
  truncateClog,
  XID_STATUS,
} from '#transam/clog.ts';
import { commitTsRmgr, getLatestCommitTsData, transactionIdGetCommitTsData } from '#transam/commit-ts.ts';
import {
  getMultiXactIdMembers,
  getOldestMultiXactId,
  MULTIXACT_STATUS,
  multiXactIdCreate,
  multiXactIdCreateFromMembers,
  multiXactIdExpand,
  multiXactIdIsRunning,
  multiXactIdSetOldestMember,
  readNextMultiXactId,
} from '#transam/multixact.ts';
import { offsetWouldWrap, truncateMultiXact } from '#transam/multixact-limits.ts';
import { checkPointMultiXact, multixactRmgr } from '#transam/multixact-redo.ts';
import { memberPageOf, MEMBERS_PER_PAGE } from '#transam/multixact-state.ts';
import { standbyRmgr } from '#transam/standby.ts';
import {
  extendSubtrans,
  subTransGetParent,
  subTransGetTopmostTransaction,
  subTransSetParent,
} from '#transam/subtrans.ts';
import { setTransactionClock } from '#transam/timestamps.ts';
import { transactionIdDidAbort, transactionIdDidCommit } from '#transam/transam.ts';
import { VariableCache } from '#transam/transam-layout.ts';
import { nextFullXidUnlocked, variableCacheAt } from '#transam/variable-cache.ts';
import { beginTransactionBlock, endTransactionBlock } from '#transam/xact-block.ts';
import { xactRmgr } from '#transam/xact-redo.ts';
import {
  abortOutOfAnyTransaction,
  commitTransactionCommand,
  getCurrentTransactionId,
  setStatementTimestamp,
  startTransactionCommand,
} from '#transam/xact.ts';
import { getNewTransactionId, readNextTransactionId, setTransactionIdLimit } from '#transam/xid-generator.ts';
import { xmins } from '#transam/xmins.ts';
import { controlFile } from '#wal/control-file.ts';
import { FileWalSource } from '#wal/file-source.ts';
import { getXLogInsertRecPtr, xlogFlush } from '#wal/insert.ts';
import { WalReader } from '#wal/reader.ts';
import { replay } from '#wal/recovery-state.ts';
import type { RmgrRow } from '#wal/rmgr.ts';
import { RM } from '#wal/rmgr-ids.ts';
import { openTransamCluster, OtherSession } from '../../support/transam-cluster.ts';
import type { WalCluster } from '../../support/wal-cluster.ts';

const WALDUMP = '/usr/lib/postgresql/15/bin/pg_waldump';
const RMGRS: Readonly<Record<number, RmgrRow>> = {
  [RM.xact]: xactRmgr,
  [RM.clog]: clogRmgr,
  [RM.commitTs]: commitTsRmgr,
  [RM.multixact]: multixactRmgr,
  [RM.standby]: standbyRmgr,
};
let cluster: WalCluster | undefined;
let start: Lsn;
function open(settings: Record<string, string> = {}): void {
  cluster = openTransamCluster({ track_commit_timestamp: 'off', ...settings });
  start = getXLogInsertRecPtr();
}
beforeEach(() => setTransactionClock(() => 768_294_489_012_345));
afterEach(() => {
  abortOutOfAnyTransaction();
  cluster?.remove();
  cluster = undefined;
});
const command = <T>(work: () => T): T => {
  setStatementTimestamp();
  startTransactionCommand();
  const result = work();
  commitTransactionCommand();
  return result;
};
const xid = (n: number): TransactionId => n as TransactionId;
const NO_LSN = 0 as Lsn;

function eachRecord(see: (rmgr: RmgrRow, reader: WalReader) => void): void {
  const reader = new WalReader(new FileWalSource(1), controlFile.systemIdentifier);
  reader.beginRead(start);
  for (let record = reader.read(); record !== null; record = reader.read()) {
    const rmgr = RMGRS[record.rmid];
    if (rmgr !== undefined) see(rmgr, reader);
  }
}
function descriptions(): string[] {
  xlogFlush(getXLogInsertRecPtr());
  const lines: string[] = [];
  eachRecord((rmgr, { record }) => {
    lines.push(`${rmgr.name} ${rmgr.identify(record.info)} ${rmgr.describe(record)}`);
  });
  if (existsSync(WALDUMP)) {
    let text: string;
    try {
      text = execFileSync(WALDUMP, ['-p', 'pg_wal', '-s', `0/${start.toString(16)}`], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    } catch (caught) {
      text = (caught as { stdout: string }).stdout;
    }
    const theirs = [...text.matchAll(/^rmgr: (\w+) .* desc: (.*)$/gm)].map((match) => `${match[1]} ${match[2]}`);
    expect(lines).toEqual(theirs.filter((line) => Object.values(RMGRS).some((one) => line.startsWith(`${one.name} `))));
  }
  return lines;
}
function advanceTo(next: number): void {
  VariableCache.nextXid.set(mem, variableCacheAt(), next);
}

describe('CLOG', () => {
  it('is two bits per xid, lowest first', () => {
    open();
    extendClog(xid(3));
    transactionIdSetTreeStatus(xid(3), [], XID_STATUS.committed, NO_LSN);
    transactionIdSetTreeStatus(xid(4), [], XID_STATUS.aborted, NO_LSN);
    transactionIdSetTreeStatus(xid(6), [xid(7)], XID_STATUS.committed, NO_LSN);
    checkPointClog();
    const bytes = readFileSync('pg_xact/0000');
    expect(bytes[0]).toBe(0b01_00_00_00);
    expect(bytes[1]).toBe(0b01_01_00_10);
    expect(transactionIdGetStatus(xid(5))).toBe(XID_STATUS.inProgress);
  });

  it('commits a tree over several pages, children on other pages by way of “sub-committed”', () => {
    open();
    const page = 32768;
    advanceTo(page * 3);
    for (let i = 0; i < 3; i++) extendClog(xid(page * i || 3));
    const children = [page + 1, page + 2, 2 * page + 7].map(xid);
    transactionIdSetTreeStatus(xid(page - 1), children, XID_STATUS.committed, NO_LSN);
    for (const one of [page - 1, ...children]) expect(transactionIdDidCommit(xid(one))).toBe(true);
    checkPointClog();
    expect(statSync('pg_xact/0000').size).toBe(3 * 8192);
  });

  it('remembers where the WAL of an asynchronous commit ends, for its group of 32', () => {
    open();
    extendClog(xid(3));
    transactionIdSetTreeStatus(xid(40), [], XID_STATUS.committed, 777 as Lsn);
    transactionIdGetStatus(xid(63));
    expect(clogStatusLsn()).toBe(777);
    transactionIdGetStatus(xid(31));
    expect(clogStatusLsn()).toBe(0);
  });

  it('keeps no more pages than it has buffers, and reads them back', () => {
    open({ shared_buffers: '16' });
    const page = 32768;
    for (let i = 0; i < 12; i++) {
      extendClog(xid(page * i || 3));
      transactionIdSetTreeStatus(xid(page * i + 5), [], XID_STATUS.committed, NO_LSN);
    }
    for (let i = 0; i < 12; i++) {
      expect(transactionIdGetStatus(xid(page * i + 5))).toBe(XID_STATUS.committed);
      expect(transactionIdGetStatus(xid(page * i + 6))).toBe(XID_STATUS.inProgress);
    }
  });

  it('is truncated by whole segments, with a record', () => {
    open();
    const segment = 32 * 32768;
    advanceTo(segment * 2 + 100);
    for (let i = 0; i < 65; i++) extendClog(xid(i * 32768 || 3));
    checkPointClog();
    expect(readdirSync('pg_xact').sort()).toEqual(['0000', '0001', '0002']);
    truncateClog(xid(segment + 5), 1 as Oid);
    expect(readdirSync('pg_xact').sort()).toEqual(['0001', '0002']);
    expect(descriptions().at(-1)).toBe(`CLOG TRUNCATE page 32; oldestXact ${segment + 5}`);
  });

  it('refuses a truncation that would cut off the end of the log', () => {
    open();
    truncateClog(xid(5_000_000), 1 as Oid);
    expect(readdirSync('pg_xact')).toEqual(['0000']);
  });
});

describe('pg_subtrans', () => {
  it('leads to the top', () => {
    open();
    for (let i = 0; i < 10; i++) getNewTransactionId(false);
    xmins.transaction = xid(3);
    subTransSetParent(xid(7), xid(5));
    subTransSetParent(xid(8), xid(7));
    expect(subTransGetParent(xid(8))).toBe(7);
    expect(subTransGetParent(xid(5))).toBe(0);
    expect(subTransGetTopmostTransaction(xid(8))).toBe(5);
    // An ancestor that is older than every snapshot is as good as the top.
    xmins.transaction = xid(8);
    expect(subTransGetTopmostTransaction(xid(8))).toBe(7);
  });
  it('crosses pages', () => {
    open();
    advanceTo(2050);
    extendSubtrans(xid(2048));
    xmins.transaction = xid(3);
    subTransSetParent(xid(2049), xid(2047));
    expect(subTransGetTopmostTransaction(xid(2049))).toBe(2047);
  });
});

describe('xids', () => {
  it('near wraparound are refused in PostgreSQL’s words, from 3000000 before it', () => {
    open();
    setTransactionIdLimit(xid(3), 5 as Oid);
    const cache = variableCacheAt();
    expect(VariableCache.xidWrapLimit.get(mem, cache)).toBe(3 + 0x7fff_ffff);
    expect(VariableCache.xidStopLimit.get(mem, cache)).toBe(3 + 0x7fff_ffff - 3_000_000);
    expect(VariableCache.xidWarnLimit.get(mem, cache)).toBe(3 + 0x7fff_ffff - 40_000_000);
    expect(VariableCache.xidVacLimit.get(mem, cache)).toBe(200_000_003);
  });
  it('go on in the next epoch', () => {
    open();
    advanceTo(0xffff_ffff);
    extendClog(xid(0xffff_8000));
    expect(getNewTransactionId(false)).toBe(0xffff_ffff);
    expect(nextFullXidUnlocked()).toBe(0x1_0000_0003);
    expect(readNextTransactionId()).toBe(3);
    expect(getNewTransactionId(false)).toBe(0x1_0000_0003 as FullTransactionId);
  });
});

describe('commit timestamps', () => {
  it('are kept for each xid of a transaction, and after a restart', () => {
    open({ track_commit_timestamp: 'on' });
    const first = command(getCurrentTransactionId);
    expect(transactionIdGetCommitTsData(first)).toEqual({ time: 768_294_489_012_345, node: 0 });
    expect(getLatestCommitTsData().xid).toBe(first);
    command(getCurrentTransactionId);
    expect(transactionIdGetCommitTsData(first)).toEqual({ time: 768_294_489_012_345, node: 0 });
    expect(transactionIdGetCommitTsData(xid(first + 5))).toBeNull();
    expect(transactionIdGetCommitTsData(xid(2))).toBeNull();
  });
  it('are refused while nobody keeps them', () => {
    open();
    expect(() => transactionIdGetCommitTsData(xid(3))).toThrow('could not get commit timestamp data');
  });
});

describe('multixacts', () => {
  const S = MULTIXACT_STATUS;
  it('have members, sorted by xid, the same id for the same members', () => {
    open();
    const other = new OtherSession();
    const theirs = other.begin();
    command(beginTransactionBlock);
    const mine = command(getCurrentTransactionId);
    command(() => {
      multiXactIdSetOldestMember();
      const multi = multiXactIdCreate(mine, S.noKeyUpdate, theirs, S.forKeyShare);
      expect(multi).toBe(1);
      expect(multiXactIdCreate(theirs, S.forKeyShare, mine, S.noKeyUpdate)).toBe(multi);
      expect(getMultiXactIdMembers(multi, false, false)).toEqual([
        { xid: theirs, status: S.forKeyShare },
        { xid: mine, status: S.noKeyUpdate },
      ]);
      expect(multiXactIdIsRunning(multi, false)).toBe(true);
      expect(getOldestMultiXactId()).toBe(1);
      expect(() => multiXactIdExpand(multi, theirs, S.update)).toThrow('more than one updating member');
    });
    expect(readNextMultiXactId()).toBe(2);
  });

  it('are read back from the log by another transaction, and drop lockers that ended', () => {
    open();
    const other = new OtherSession();
    const theirs = other.begin();
    const mine = command(getCurrentTransactionId);
    const multi = command(() => {
      multiXactIdSetOldestMember();
      return multiXactIdCreate(mine, S.forShare, theirs, S.forShare);
    });
    other.commit(theirs);
    command(() => {
      expect(multiXactIdIsRunning(multi, false)).toBe(false);
      expect(getMultiXactIdMembers(multi, false, false)!.map((one) => one.xid)).toEqual([theirs, mine]);
      // Only lockers, all from before anybody: not even looked up.
      expect(getMultiXactIdMembers(multi, false, true)).not.toBeNull();
      multiXactIdSetOldestMember();
      const next = multiXactIdExpand(multi, getCurrentTransactionId(), S.forUpdate);
      expect(getMultiXactIdMembers(next, false, false)).toHaveLength(1);
    });
    const lines = descriptions().filter((line) => line.startsWith('MultiXact'));
    expect(lines).toEqual([
      'MultiXact ZERO_MEM_PAGE 0',
      `MultiXact CREATE_ID 1 offset 1 nmembers 2: ${theirs} (sh) ${mine} (sh) `,
      `MultiXact CREATE_ID 2 offset 3 nmembers 1: ${mine + 1} (forupd) `,
    ]);
  });

  it('fill pages of members in groups of four, 1636 a page', () => {
    open();
    command(() => {
      multiXactIdSetOldestMember();
      const big = Array.from({ length: 1000 }, (_, i) => ({ xid: xid(1000 + i), status: S.forShare }));
      const ids = [0, 1, 2].map((n) =>
        multiXactIdCreateFromMembers(big.map((one) => ({ ...one, xid: xid(one.xid + n) }))),
      );
      expect(ids).toEqual([1, 2, 3]);
    });
    command(() =>
      [1, 2, 3].forEach((id, n) => {
        const members = getMultiXactIdMembers(id as MultiXactId, false, false)!;
        expect(members).toHaveLength(1000);
        expect(members[0]!.xid).toBe(1000 + n);
        expect(members[999]!.xid).toBe(1999 + n);
      }),
    );
    checkPointMultiXact();
    const bytes = readFileSync('pg_multixact/members/0000');
    // Offset 0 is not used; the first group has members at 1, 2, 3.
    expect([...bytes.subarray(0, 4)]).toEqual([0, 1, 1, 1]);
    expect(bytes.readUInt32LE(8)).toBe(1000);
    expect(memberPageOf(3001)).toBe(1);
    expect(MEMBERS_PER_PAGE).toBe(1636);
    expect(readFileSync('pg_multixact/offsets/0000').readUInt32LE(8)).toBe(1001);
  });

  it('are cut off behind the oldest that is needed', () => {
    open();
    command(() => {
      multiXactIdSetOldestMember();
      const members = (n: number) => Array.from({ length: 40 }, (_, i) => ({ xid: xid(10 + i), status: (n % 3) as 0 }));
      for (let i = 0; i < 1400; i++)
        multiXactIdCreateFromMembers([...members(i), { xid: xid(5000 + i), status: S.forShare }]);
    });
    checkPointMultiXact();
    expect(readdirSync('pg_multixact/members').sort()).toEqual(['0000', '0001']);
    truncateMultiXact(1350 as MultiXactId, 1 as Oid);
    expect(readdirSync('pg_multixact/members')).toEqual(['0001']);
    expect(() => command(() => getMultiXactIdMembers(1 as MultiXactId, false, false))).toThrow(
      'MultiXactId 1 does no longer exist -- apparent wraparound',
    );
    abortOutOfAnyTransaction();
    expect(descriptions().at(-1)).toMatch(/^MultiXact TRUNCATE_ID offsets \[1, 1350\), members \[1, \d+\)$/);
  });

  it('see a wrap of the member space before it happens', () => {
    expect(offsetWouldWrap(1000, 10, 5)).toBe(false);
    expect(offsetWouldWrap(1000, 990, 10)).toBe(true);
    expect(offsetWouldWrap(1000, 0xffff_fff0, 100)).toBe(false);
    expect(offsetWouldWrap(1000, 0xffff_fff0, 2000)).toBe(true);
  });
});

describe('replay', () => {
  it('of everything makes the same logs again', () => {
    open({ track_commit_timestamp: 'on' });
    const results: [TransactionId, boolean][] = [];
    for (let i = 0; i < 20; i++) {
      command(beginTransactionBlock);
      const one = command(getCurrentTransactionId);
      if (i === 7)
        command(() => {
          multiXactIdSetOldestMember();
          multiXactIdCreateFromMembers([{ xid: one, status: MULTIXACT_STATUS.update }]);
        });
      if (i % 3 === 0) abortOutOfAnyTransaction();
      else command(() => endTransactionBlock(false));
      results.push([one, i % 3 !== 0]);
    }
    xlogFlush(getXLogInsertRecPtr());
    const wal = readFileSync('pg_wal/000000010000000000000001');
    const from = start;
    cluster!.remove();
    cluster = openTransamCluster({ track_commit_timestamp: 'on' });
    writeFileSync('pg_wal/000000010000000000000001', wal);
    start = from;
    replay.inRecovery = true;
    eachRecord((rmgr, { record }) => rmgr.redo(record));
    replay.inRecovery = false;
    for (const [one, committed] of results) {
      expect(transactionIdDidCommit(one)).toBe(committed);
      expect(transactionIdDidAbort(one)).toBe(!committed);
    }
    expect(readNextTransactionId()).toBe(results.at(-1)![0] + 1);
    expect(readNextMultiXactId()).toBe(2);
    command(() => expect(getMultiXactIdMembers(1 as MultiXactId, false, false)).toHaveLength(1));
    expect(transactionIdGetCommitTsData(results[1]![0])).toEqual({ time: 768_294_489_012_345, node: 0 });
  });
});
