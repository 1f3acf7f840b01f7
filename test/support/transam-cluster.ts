/** transam-cluster.ts — a WAL cluster in which this process can run transactions; a second PGPROC plays another session. */
import { mkdirSync } from 'node:fs';
import type { TransactionId } from '#base/ids.ts';
import { xidOfFull } from '#base/xid.ts';
import { resetInterruptHoldoffs } from '#runtime/interrupts.ts';
import { followLogTimeZone } from '#runtime/error/log-time.ts';
import { myProcess } from '#runtime/my-process.ts';
import { resetExitCallbacks } from '#runtime/exit-callbacks.ts';
import { forgetLatch } from '#shm/latch.ts';
import { mem } from '#shm/memory.ts';
import { initProcess, procAt } from '#shm/proc.ts';
import { PgProc } from '#shm/proc-layout.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import { backendIdShmem, takeBackendId } from '#storage/ipc/backend-ids.ts';
import { lockShmem } from '#storage/lmgr/lock-table.ts';
import { serialShmem } from '#storage/lmgr/predicate-serial.ts';
import { predicateShmem } from '#storage/lmgr/predicate-table.ts';
import { joinProcArray, procArrayAdd } from '#transam/proc-array.ts';
import { procArrayEndTransaction } from '#transam/proc-array-end.ts';
import { TRANSAM_SHMEM } from '#transam/shmem.ts';
import {
  bootStrapTransam,
  finishStartupTransam,
  loadCheckPointCounters,
  startupTransam,
  startupTransamLogs,
} from '#transam/startup.ts';
import { transactionIdAbortTree, transactionIdCommitTree } from '#transam/transam.ts';
import { getNewTransactionId } from '#transam/xid-generator.ts';
import { controlFile } from '#wal/control-file.ts';
import { openWalCluster, type WalCluster } from './wal-cluster.ts';

export const TRANSAM_TEST_SUBSYSTEMS = [backendIdShmem, lockShmem, predicateShmem, serialShmem, ...TRANSAM_SHMEM];
export const TRANSAM_FOLDERS = [
  'pg_multixact',
  'pg_multixact/offsets',
  'pg_multixact/members',
  'pg_commit_ts',
  'pg_twophase',
  'pg_snapshots',
  'pg_serial',
];

export function openTransamCluster(
  settings: Record<string, string> = {},
  clients = 2,
  more: readonly ShmemSubsystem[] = [],
): WalCluster {
  const cluster = openWalCluster({ settings, subsystems: [...TRANSAM_TEST_SUBSYSTEMS, ...more], clients });
  for (const folder of TRANSAM_FOLDERS) mkdirSync(folder);
  // pg_waldump, which some tests ask, is run in UTC too.
  followLogTimeZone('UTC');
  resetExitCallbacks();
  resetInterruptHoldoffs();
  forgetLatch();
  myProcess.procNumber = -1;
  myProcess.databaseId = 5;
  initProcess('client');
  takeBackendId();
  PgProc.databaseId.set(mem, procAt(myProcess.procNumber), 5);
  loadCheckPointCounters(controlFile.checkPointCopy);
  bootStrapTransam();
  startupTransamLogs(false);
  startupTransam();
  finishStartupTransam();
  joinProcArray();
  return cluster;
}

/** Another session with its own PGPROC, moved by this process. */
export class OtherSession {
  readonly procNumber: number;
  readonly backendId: number;
  constructor() {
    const [proc, id] = [myProcess.procNumber, myProcess.backendId];
    forgetLatch();
    initProcess('client');
    takeBackendId();
    procArrayAdd(myProcess.procNumber);
    this.procNumber = myProcess.procNumber;
    this.backendId = myProcess.backendId;
    myProcess.procNumber = proc;
    myProcess.backendId = id;
  }
  run<T>(work: () => T): T {
    const [proc, id] = [myProcess.procNumber, myProcess.backendId];
    myProcess.procNumber = this.procNumber;
    myProcess.backendId = this.backendId;
    try {
      return work();
    } finally {
      myProcess.procNumber = proc;
      myProcess.backendId = id;
    }
  }
  begin(): TransactionId {
    return this.run(() => xidOfFull(getNewTransactionId(false)));
  }
  beginSub(): TransactionId {
    return this.run(() => xidOfFull(getNewTransactionId(true)));
  }
  commit(xid: TransactionId, ...children: TransactionId[]): void {
    transactionIdCommitTree(xid, children);
    this.run(() => procArrayEndTransaction(children.at(-1) ?? xid));
  }
  abort(xid: TransactionId, ...children: TransactionId[]): void {
    transactionIdAbortTree(xid, children);
    this.run(() => procArrayEndTransaction(children.at(-1) ?? xid));
  }
}
