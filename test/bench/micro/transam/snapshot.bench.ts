/** snapshot.bench.ts — what a snapshot costs with eight other sessions: reused, and made anew; a transaction that reads. */
import { exitProcess } from '#runtime/exit-callbacks.ts';
import { reportHooks } from '#runtime/error/report.ts';
import { mem } from '#shm/memory.ts';
import { getSnapshotData } from '#transam/proc-array-snapshot.ts';
import { newSnapshot } from '#transam/snapshot-data.ts';
import { getTransactionSnapshot, popActiveSnapshot, pushActiveSnapshot, xidInMvccSnapshot } from '#transam/snapshot.ts';
import { VariableCache } from '#transam/transam-layout.ts';
import { variableCacheAt } from '#transam/variable-cache.ts';
import {
  commitTransactionCommand,
  getCurrentTransactionId,
  setStatementTimestamp,
  startTransactionCommand,
} from '#transam/xact.ts';
import type { TransactionId } from '#base/ids.ts';
import { OtherSession, openTransamCluster } from '../../../support/transam-cluster.ts';

const quick = process.argv.includes('--quick');
const TIMES = quick ? 20_000 : 300_000;
reportHooks.exitProcess = exitProcess;
reportHooks.emit = () => {};
const cluster = openTransamCluster({ fsync: 'off', synchronous_commit: 'off' }, 12);
const others = Array.from({ length: 8 }, () => new OtherSession());

/** Processor time, so that a busy machine does not count. */
const cpuNs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
};
function nanoseconds(times: number, work: (times: number) => void): number {
  work(times);
  const batches: number[] = [];
  for (let n = 0; n < 9; n++) {
    const began = cpuNs();
    work(times);
    batches.push((cpuNs() - began) / times);
  }
  return Math.round(batches.sort((a, b) => a - b)[4]!);
}
const cache = variableCacheAt();
/** As if a transaction had ended. */
const forget = (): void =>
  VariableCache.completionCount.set(mem, cache, VariableCache.completionCount.get(mem, cache) + 1);

startTransactionCommand();
const snapshot = newSnapshot('mvcc');
const reused = nanoseconds(TIMES, (times) => {
  for (let n = 0; n < times; n++) getSnapshotData(snapshot);
});
const idle = nanoseconds(TIMES, (times) => {
  for (let n = 0; n < times; n++) {
    forget();
    getSnapshotData(snapshot);
  }
});
const xids = others.map((one) => one.begin());
getCurrentTransactionId();
const running = nanoseconds(TIMES, (times) => {
  for (let n = 0; n < times; n++) {
    forget();
    getSnapshotData(snapshot);
  }
});
const statement = nanoseconds(TIMES, (times) => {
  for (let n = 0; n < times; n++) {
    pushActiveSnapshot(getTransactionSnapshot());
    popActiveSnapshot();
  }
});
let found = 0;
const lookup = nanoseconds(TIMES, (times) => {
  for (let n = 0; n < times; n++) if (xidInMvccSnapshot(xids[n & 7] as TransactionId, snapshot)) found++;
});
commitTransactionCommand();
const readOnly = nanoseconds(TIMES / 10, (times) => {
  for (let n = 0; n < times; n++) {
    setStatementTimestamp();
    startTransactionCommand();
    pushActiveSnapshot(getTransactionSnapshot());
    popActiveSnapshot();
    commitTransactionCommand();
  }
});
const writing = nanoseconds(TIMES / 30, (times) => {
  for (let n = 0; n < times; n++) {
    setStatementTimestamp();
    startTransactionCommand();
    getCurrentTransactionId();
    commitTransactionCommand();
  }
});
cluster.remove();
const unit = 'ns';
process.stdout.write(
  JSON.stringify([
    { name: 'snapshot reused', value: reused, unit, note: 'nothing has ended since' },
    { name: 'snapshot, 8 idle sessions', value: idle, unit, note: 'made anew' },
    { name: 'snapshot, 8 running transactions', value: running, unit, note: 'made anew' },
    { name: 'snapshot taken, pushed and popped', value: statement, unit, note: 'what a statement pays' },
    { name: 'xid looked up in a snapshot', value: lookup, unit, note: `8 running${found < 0 ? '!' : ''}` },
    { name: 'read-only transaction', value: readOnly, unit, note: 'begin, snapshot, commit' },
    { name: 'transaction with an xid', value: writing, unit, note: 'commit record, CLOG, no flush' },
  ]),
);
exitProcess(0);
