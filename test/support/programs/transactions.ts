/** transactions.ts — transactions of real processes on one segment, one WAL, one CLOG.
 *
 *  argv: one of the scenario names, its size. Prints one JSON line. */
import { mkdirSync } from 'node:fs';
import type { TransactionId } from '#base/ids.ts';
import { monotonicMs } from '#platform/clock.ts';
import { native, SIGNAL } from '#platform/native.ts';
import { reportHooks } from '#runtime/error/report.ts';
import { exitProcess, resetExitCallbacks } from '#runtime/exit-callbacks.ts';
import { setConfigOption } from '#runtime/guc/guc.ts';
import { clearInterruptPending, setInterruptHandler, takeSignal, useSignalWords } from '#runtime/interrupts.ts';
import { becomeProcess, myProcess } from '#runtime/my-process.ts';
import { handleTimeouts, initializeTimeouts } from '#runtime/timeouts.ts';
import { forgetLatch } from '#shm/latch.ts';
import { mapSegment, mem } from '#shm/memory.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { initProcess, procAt } from '#shm/proc.ts';
import { VariableCache } from '#transam/transam-layout.ts';
import { variableCacheAt } from '#transam/variable-cache.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import { initWaiting } from '#shm/wait-event-set.ts';
import { backendStatusShmem } from '#stats/backend-status.ts';
import { takeBackendId } from '#storage/ipc/backend-ids.ts';
import { procSignalInit, procSignalShmem } from '#storage/ipc/proc-signal.ts';
import { joinProcArray, transactionIdIsInProgress } from '#transam/proc-array.ts';
import { procArrayCount } from '#transam/proc-array-layout.ts';
import {
  getTransactionSnapshot,
  popActiveSnapshot,
  pushActiveSnapshot,
  getActiveSnapshot,
  type Snapshot,
  xidInMvccSnapshot,
} from '#transam/snapshot.ts';
import {
  bootStrapTransam,
  finishStartupTransam,
  loadCheckPointCounters,
  startupTransam,
  startupTransamLogs,
} from '#transam/startup.ts';
import { transactionIdDidAbort, transactionIdDidCommit } from '#transam/transam.ts';
import {
  beginTransactionBlock,
  defineSavepoint,
  endTransactionBlock,
  rollbackToSavepoint,
  userAbortTransactionBlock,
} from '#transam/xact-block.ts';
import {
  commitTransactionCommand,
  getCurrentTransactionId,
  setStatementTimestamp,
  startTransactionCommand,
} from '#transam/xact.ts';
import { xactLockTableWait } from '#transam/xact-wait.ts';
import { readNextTransactionId } from '#transam/xid-generator.ts';
import { controlFile } from '#wal/control-file.ts';
import { TRANSAM_FOLDERS, TRANSAM_TEST_SUBSYSTEMS } from '../transam-cluster.ts';
import { openWalCluster } from '../wal-cluster.ts';

const PROCESSES = 12;
const AREA = 1 << 20;
let area = 0;
const areaShmem: ShmemSubsystem = {
  name: 'area',
  request: () => requestShmemSpace(AREA),
  init() {
    area = shmemInitStruct('area', AREA).at;
  },
};
useSignalWords(new Int32Array(native.signalWords()));
reportHooks.exitProcess = exitProcess;
reportHooks.emit = (level, fields) => {
  if (!level.startsWith('DEBUG')) process.stderr.write(`${level}: ${fields.message}\n`);
};
const cluster = openWalCluster({
  segmentSize: 1 << 22,
  clients: PROCESSES,
  settings: { synchronous_commit: 'on' },
  subsystems: [procSignalShmem, backendStatusShmem, ...TRANSAM_TEST_SUBSYSTEMS, areaShmem].sort((a, b) =>
    // Backend ids come before what is indexed by them.
    a.name === 'Backend Ids' ? -1 : b.name === 'Backend Ids' ? 1 : 0,
  ),
  map: (bytes) => mapSegment(native.createSegment('transactions', bytes), bytes),
});
for (const folder of TRANSAM_FOLDERS) mkdirSync(folder);

function join(): void {
  becomeProcess('test', 'test');
  initWaiting(-1);
  for (const signal of [SIGNAL.ALRM, SIGNAL.USR1, SIGNAL.INT]) native.signalAction(signal, native.SIG_ACTION.WORD);
  native.signalAction(SIGNAL.URG, native.SIG_ACTION.WAKE);
  initializeTimeouts({ now: monotonicMs, setAlarm: (ms) => void native.setAlarm(ms) });
  setInterruptHandler(() => {
    clearInterruptPending();
    if (takeSignal(SIGNAL.ALRM)) handleTimeouts();
  });
  initProcess('client');
  takeBackendId();
  procSignalInit();
  myProcess.databaseId = 5;
  PgProc.databaseId.set(mem, procAt(myProcess.procNumber), 5);
  joinProcArray();
}
join();
loadCheckPointCounters(controlFile.checkPointCopy);
bootStrapTransam();
startupTransamLogs(false);
startupTransam();
finishStartupTransam();

const word = (i: number): number => (area + 4 * i) >>> 2;
const get = (i: number): number => Atomics.load(mem.i32, word(i));
const put = (i: number, value: number): void => void Atomics.store(mem.i32, word(i), value);
const add = (i: number, delta = 1): number => Atomics.add(mem.i32, word(i), delta);

function child(work: () => void): number {
  const pid = native.fork();
  if (pid !== 0) return pid;
  resetExitCallbacks();
  forgetLatch();
  native.parentDeathSignal(SIGNAL.KILL);
  join();
  work();
  return exitProcess(0);
}
function reap(pids: readonly number[]): string[] {
  const out = new Int32Array(2);
  return pids.flatMap((pid) => {
    native.waitpid(pid, true, out);
    return out[1] === 0 ? [] : [`process ${pid} ended with status ${out[1]}`];
  });
}
const pause = new Int32Array(new SharedArrayBuffer(4));
function until(condition: () => boolean): void {
  const deadline = monotonicMs() + 20_000;
  while (!condition()) {
    if (monotonicMs() > deadline) throw new Error('waited for 20 s');
    Atomics.wait(pause, 0, 0, 1);
  }
}
const command = <T>(work: () => T): T => {
  setStatementTimestamp();
  startTransactionCommand();
  const result = work();
  commitTransactionCommand();
  return result;
};

/** A log of pairs of xids for each writer: words [count, a0, b0, outcome0, a1, …]. Outcome: 0 unknown, 1 commit, 2 abort. */
const LOG_WORDS = 20_000;
const logOf = (writer: number): number => 100 + writer * LOG_WORDS;

function writer(index: number, transactions: number): void {
  if (index % 2 === 1) setConfigOption('synchronous_commit', 'off', 'user', 'session');
  let state = 77 + index * 7919;
  const random = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 0x1_0000_0000) * below);
  };
  const log = logOf(index);
  for (let n = 0; n < transactions; n++) {
    command(beginTransactionBlock);
    const a = command(getCurrentTransactionId);
    let b = a;
    const levels = random(4) === 0 ? 1 + random(3) : 0;
    for (let level = 0; level < levels; level++) {
      command(() => defineSavepoint(`s${level}`));
      b = command(getCurrentTransactionId);
    }
    if (levels > 0 && random(3) === 0) {
      command(() => rollbackToSavepoint('s0'));
      b = a;
    }
    const commits = random(5) > 0;
    put(log + 1 + 3 * n, a);
    put(log + 2 + 3 * n, b);
    put(log + 3 + 3 * n, commits ? 1 : 2);
    put(log, n + 1);
    command(() => (commits ? endTransactionBlock(false) : userAbortTransactionBlock(false)));
  }
  add(0);
}

const visible = (xid: number, snapshot: Snapshot): boolean =>
  !xidInMvccSnapshot(xid as TransactionId, snapshot) && transactionIdDidCommit(xid as TransactionId);

/** Looks again and again; every look must be consistent in itself and not older than the one before. */
function reader(writers: number): void {
  const WINDOW = 40;
  let rounds = 0;
  const newest = new Int32Array(writers).fill(-1);
  while (get(0) < writers) {
    startTransactionCommand();
    pushActiveSnapshot(getTransactionSnapshot());
    const snapshot = getActiveSnapshot();
    const seen: boolean[] = [];
    const look = (check: boolean): void => {
      let at = 0;
      for (let w = 0; w < writers; w++) {
        const count = check ? get(logOf(w)) : 0;
        const upTo = check ? count : lengths[w]!;
        if (check) lengths[w] = count;
        for (let n = Math.max(0, upTo - WINDOW); n < upTo; n++) {
          const a = get(logOf(w) + 1 + 3 * n);
          const b = get(logOf(w) + 2 + 3 * n);
          const seesA = visible(a, snapshot);
          // Both or none. [1]
          if (seesA !== visible(b, snapshot)) add(1);
          if (!check) {
            // The same answer as before. [2]
            if (seen[at++] !== seesA) add(2);
          } else {
            seen.push(seesA);
            if (seesA && n > newest[w]!) newest[w] = n;
            // What an older snapshot saw a younger one sees, too: all commits of this writer up to there. [3]
            if (!seesA && n <= newest[w]! && get(logOf(w) + 3 + 3 * n) === 1) add(3);
          }
        }
      }
    };
    const lengths = new Int32Array(writers);
    look(true);
    look(false);
    popActiveSnapshot();
    commitTransactionCommand();
    rounds++;
  }
  add(4, rounds > 0 ? 1 : 0);
}

const scenarios: Record<string, () => object> = {
  torture() {
    const transactions = Number(process.argv[3] ?? 300);
    const WRITERS = 4;
    const pids = Array.from({ length: WRITERS }, (_, i) => child(() => writer(i, transactions)));
    for (let i = 0; i < 2; i++) pids.push(child(() => reader(WRITERS)));
    const failures = reap(pids);
    let wrong = 0;
    for (let w = 0; w < WRITERS; w++)
      for (let n = 0; n < transactions; n++) {
        const [a, b] = [1, 2].map((i) => (get(logOf(w) + i + 3 * n) >>> 0) as TransactionId) as [
          TransactionId,
          TransactionId,
        ];
        const committed = get(logOf(w) + 3 + 3 * n) === 1;
        for (const xid of [a, b]) {
          if (transactionIdDidCommit(xid) !== committed || transactionIdDidAbort(xid) === committed) wrong++;
          if (transactionIdIsInProgress(xid)) wrong++;
        }
      }
    return {
      failures,
      torn: get(1),
      changed: get(2),
      lost: get(3),
      readers: get(4),
      wrong,
      members: procArrayCount(),
      enough: readNextTransactionId() > transactions * WRITERS,
    };
  },

  /** Somebody keeps taking the locks of the CLOG and the ProcArray, so that commits gather behind a leader. */
  group() {
    const transactions = Number(process.argv[3] ?? 200);
    const WRITERS = 6;
    const hog = child(() => {
      while (get(0) < WRITERS)
        for (const name of ['ProcArray', 'XactSLRU'] as const) {
          lwLockAcquire(mainLWLock(name), 'exclusive');
          Atomics.wait(pause, 0, 0, 1);
          lwLockRelease(mainLWLock(name));
        }
    });
    const pids = Array.from({ length: WRITERS }, (_, i) =>
      child(() => {
        setConfigOption('synchronous_commit', 'off', 'user', 'session');
        for (let n = 0; n < transactions; n++) put(logOf(i) + n, command(getCurrentTransactionId));
        add(0);
      }),
    );
    const failures = reap([...pids, hog]);
    let committed = 0;
    for (let w = 0; w < WRITERS; w++)
      for (let n = 0; n < transactions; n++)
        if (transactionIdDidCommit((get(logOf(w) + n) >>> 0) as TransactionId)) committed++;
    const idle = [VariableCache.clogGroupFirst, VariableCache.procArrayGroupFirst].every(
      (list) => list.load(mem, variableCacheAt()) === -1,
    );
    return { failures, committed, idle, completed: VariableCache.latestCompletedXid.get(mem, variableCacheAt()) };
  },

  /** Waiting for a transaction: the waiter goes on when it is over for everybody. */
  wait() {
    const holder = child(() => {
      command(beginTransactionBlock);
      put(0, command(getCurrentTransactionId));
      command(() => defineSavepoint('a'));
      put(1, command(getCurrentTransactionId));
      until(() => get(2) === 2);
      command(() => endTransactionBlock(false));
    });
    const waiter = (which: number) =>
      child(() => {
        until(() => get(1) !== 0);
        const xid = get(which) as TransactionId;
        command(() => {
          if (transactionIdIsInProgress(xid)) add(2);
          xactLockTableWait(xid);
          if (!transactionIdIsInProgress(xid) && transactionIdDidCommit(xid)) add(3);
        });
      });
    return { failures: reap([holder, waiter(0), waiter(1)]), waited: get(2), sawCommit: get(3) };
  },
};

const result = scenarios[process.argv[2] ?? '']!();
process.stdout.write(`${JSON.stringify(result)}\n`);
cluster.remove();
exitProcess(0);
