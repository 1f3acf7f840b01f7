/** heap-concurrency.ts — processes that update and lock the same rows. argv: scenario, size. Prints one JSON line. */
import { mkdirSync } from 'node:fs';
import { heapGetAttr } from '#access/common/heap-tuple.ts';
import { heapDelete } from '#access/heap/heap-delete.ts';
import { newHeapFetchResult, releaseHeapFetch } from '#access/heap/heap-fetch.ts';
import { heapLockLatestTuple, heapLockTuple } from '#access/heap/heap-lock.ts';
import { heapBeginScan } from '#access/heap/heap-scan.ts';
import type { LockTupleMode } from '#access/heap/heap-types.ts';
import type { Relation } from '#access/common/relation-descriptor.ts';
import { monotonicMs } from '#platform/clock.ts';
import { native, SIGNAL } from '#platform/native.ts';
import { reportHooks } from '#runtime/error/report.ts';
import { exitProcess, resetExitCallbacks } from '#runtime/exit-callbacks.ts';
import { clearInterruptPending, setInterruptHandler, takeSignal, useSignalWords } from '#runtime/interrupts.ts';
import { becomeProcess, myProcess } from '#runtime/my-process.ts';
import { handleTimeouts, initializeTimeouts } from '#runtime/timeouts.ts';
import { forgetLatch } from '#shm/latch.ts';
import { mapSegment, mem } from '#shm/memory.ts';
import { initProcess, procAt } from '#shm/proc.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import { initWaiting } from '#shm/wait-event-set.ts';
import { backendStatusShmem } from '#stats/backend-status.ts';
import { forgetPins } from '#storage/buffer/pin.ts';
import { takeBackendId } from '#storage/ipc/backend-ids.ts';
import { procSignalInit, procSignalShmem } from '#storage/ipc/proc-signal.ts';
import { smgrReleaseAll } from '#storage/smgr/smgr.ts';
import { joinProcArray } from '#transam/proc-array.ts';
import type { Snapshot } from '#transam/snapshot.ts';
import {
  bootStrapTransam,
  finishStartupTransam,
  loadCheckPointCounters,
  startupTransam,
  startupTransamLogs,
} from '#transam/startup.ts';
import { abortCurrentTransaction, getCurrentCommandId } from '#transam/xact.ts';
import { controlFile } from '#wal/control-file.ts';
import {
  HEAP_TEST_SUBSYSTEMS,
  INT4,
  insertRow,
  installHeapHooks,
  installVacuumHost,
  makeTable,
  makeTableIndex,
  nextCommand,
  scanRows,
  transaction,
  updateRow,
  VACUUM_DEFAULTS,
} from '../heap-fixture.ts';
import { lazyVacuum } from '#access/heap/vacuum.ts';
import { TRANSAM_FOLDERS, TRANSAM_TEST_SUBSYSTEMS } from '../transam-cluster.ts';
import { openWalCluster } from '../wal-cluster.ts';

const PROCESSES = 8;
let area = 0;
const areaShmem: ShmemSubsystem = {
  name: 'area',
  request: () => requestShmemSpace(4096),
  init() {
    area = shmemInitStruct('area', 4096).at;
  },
};
useSignalWords(new Int32Array(native.signalWords()));
reportHooks.exitProcess = exitProcess;
reportHooks.emit = (level, fields) => {
  if (!level.startsWith('DEBUG')) process.stderr.write(`${level}: ${fields.message}\n`);
};
const cluster = openWalCluster({
  segmentSize: 1 << 24,
  clients: PROCESSES,
  settings: { shared_buffers: '200', synchronous_commit: 'off' },
  subsystems: [
    procSignalShmem,
    backendStatusShmem,
    ...TRANSAM_TEST_SUBSYSTEMS,
    ...HEAP_TEST_SUBSYSTEMS,
    areaShmem,
  ].sort((a, b) => (a.name === 'Backend Ids' ? -1 : b.name === 'Backend Ids' ? 1 : 0)),
  map: (bytes) => mapSegment(native.createSegment('heap', bytes), bytes),
});
for (const folder of TRANSAM_FOLDERS) mkdirSync(folder);
mkdirSync('base/5', { recursive: true });

function join(): void {
  becomeProcess('test', 'test');
  forgetPins();
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
  installHeapHooks();
}
join();
loadCheckPointCounters(controlFile.checkPointCopy);
bootStrapTransam();
startupTransamLogs(false);
startupTransam();
finishStartupTransam();

const counter = (i: number): number => (area + 4 * i) >>> 2;
function child(work: () => void): number {
  const pid = native.fork();
  if (pid !== 0) return pid;
  resetExitCallbacks();
  forgetLatch();
  native.parentDeathSignal(SIGNAL.KILL);
  smgrReleaseAll();
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
let random = 1;
const next = (below: number): number => {
  random = (Math.imul(random, 1103515245) + 12345) & 0x7fffffff;
  return (random >>> 8) % below;
};

/** Place of the row with this key in the snapshot. */
function placeOf(table: Relation, snapshot: Snapshot, key: number): number {
  const scan = heapBeginScan(table, snapshot);
  let tid = -1;
  while (scan.next()) if (heapGetAttr(table.tupleDesc, scan.tupleAt, 1) === key) tid = scan.tid;
  scan.end();
  return tid;
}
const out = newHeapFetchResult();
/** value = value + 1 of one row, as READ COMMITTED does it: lock the newest version, add, update. */
function increment(table: Relation, key: number): void {
  transaction((snapshot) => {
    const tid = placeOf(table, snapshot, key);
    const result = heapLockLatestTuple(table, tid, getCurrentCommandId(true), 'noKeyExclusive', 'block', false, out);
    if (result !== 'ok') throw new Error(`lock: ${result}`);
    const value = heapGetAttr(table.tupleDesc, out.tupleAt, 2) as number;
    const at = out.tid;
    releaseHeapFetch(out);
    nextCommand();
    const updated = updateRow(table, at, [key, value + 1]);
    if (updated !== 'ok') throw new Error(`update: ${updated}`);
  });
}
const MODES: readonly LockTupleMode[] = ['keyShare', 'share', 'noKeyExclusive', 'exclusive'];
/** Locks a row in some mode, often beside others. */
function lockSome(table: Relation, key: number): void {
  transaction((snapshot) => {
    const tid = placeOf(table, snapshot, key);
    const mode = MODES[next(100) < 70 ? 0 : next(4)]!;
    const result = heapLockTuple(table, tid, getCurrentCommandId(true), mode, 'block', true, out);
    if (result !== 'ok' && result !== 'updated') throw new Error(`lock: ${result}`);
    releaseHeapFetch(out);
    Atomics.add(mem.i32, counter(1), 1);
  });
}

function counters(rounds: number): Record<string, unknown> {
  const ROWS = 4;
  const table = makeTable([INT4, INT4]);
  makeTableIndex(table, [1], true);
  transaction(() => {
    for (let key = 0; key < ROWS; key++) insertRow(table, [key, 0]);
  });
  const workers = Array.from({ length: 4 }, (_, w) =>
    child(() => {
      random = w + 1;
      for (let i = 0; i < rounds; i++) {
        increment(table, next(ROWS));
        Atomics.add(mem.i32, counter(0), 1);
      }
    }),
  );
  const lockers = Array.from({ length: 2 }, (_, w) =>
    child(() => {
      random = 100 + w;
      for (let i = 0; i < rounds; i++) lockSome(table, next(ROWS));
    }),
  );
  const vacuumer = child(() => {
    installVacuumHost();
    for (let i = 0; i < 20; i++)
      transaction(() => lazyVacuum(table, { ...VACUUM_DEFAULTS, truncate: 'disabled' }, null));
  });
  const failures = reap([...workers, ...lockers, vacuumer]);
  const rows = transaction((snapshot) => scanRows(table, snapshot));
  return {
    failures,
    keys: rows.map((row) => row[0]).sort(),
    sum: rows.reduce((sum, row) => sum + (row[1] as number), 0),
    done: Atomics.load(mem.i32, counter(0)),
    locks: Atomics.load(mem.i32, counter(1)),
  };
}

/** Many insert into one table at the same time; some roll back, some delete again. */
function inserts(rounds: number): Record<string, unknown> {
  const table = makeTable([INT4, INT4]);
  const workers = Array.from({ length: 5 }, (_, w) =>
    child(() => {
      random = w + 7;
      for (let i = 0; i < rounds; i++) {
        try {
          transaction(() => {
            const tid = insertRow(table, [w, i]);
            nextCommand();
            if (i % 5 === 3) heapDelete(table, tid, getCurrentCommandId(true), null, true);
            if (i % 5 === 4) throw new Error('roll back');
          });
        } catch (caught) {
          if ((caught as Error).message !== 'roll back') throw caught;
          abortCurrentTransaction();
        }
      }
    }),
  );
  const failures = reap(workers);
  const rows = transaction((snapshot) => scanRows(table, snapshot));
  const kept = new Set(rows.map((row) => `${row[0]}/${row[1]}`));
  let expected = 0;
  let missing = 0;
  for (let w = 0; w < 5; w++)
    for (let i = 0; i < rounds; i++) {
      if (i % 5 >= 3) continue;
      expected++;
      if (!kept.has(`${w}/${i}`)) missing++;
    }
  return { failures, extra: rows.length - expected, missing };
}

const size = Number(process.argv[3] ?? '50');
const scenarios: Readonly<Record<string, (size: number) => Record<string, unknown>>> = { counters, inserts };
const result = scenarios[process.argv[2] ?? 'counters']!(size);
cluster.remove();
process.stdout.write(`${JSON.stringify(result)}\n`);
exitProcess(0);
