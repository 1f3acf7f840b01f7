/** wal.ts — several processes write WAL at once through a small ring, flush as commits do, and switch segments; the parent
 *  stops and continues them at random, then reads the whole log back and compares it with what each says it wrote.
 *
 *  argv: processes, records per process, seed, 'stop'. Runs in a folder of its own. Prints one JSON line. */
import { readdirSync } from 'node:fs';
import type { Lsn } from '#base/ids.ts';
import { monotonicMs } from '#platform/clock.ts';
import { native, SIGNAL } from '#platform/native.ts';
import { PgError, reportHooks } from '#runtime/error/report.ts';
import { exitProcess, resetExitCallbacks } from '#runtime/exit-callbacks.ts';
import { useSignalWords } from '#runtime/interrupts.ts';
import { becomeProcess } from '#runtime/my-process.ts';
import { mapSegment, mem } from '#shm/memory.ts';
import { initProcess } from '#shm/proc.ts';
import { initWaiting } from '#shm/wait-event-set.ts';
import { controlFile } from '#wal/control-file.ts';
import { FileWalSource } from '#wal/file-source.ts';
import {
  getFlushRecPtr,
  getXLogInsertRecPtr,
  requestXLogSwitch,
  walScratch,
  xlogBackgroundFlush,
  xlogBeginInsert,
  xlogFlush,
  xlogInsert,
  xlogRegisterData,
} from '#wal/insert.ts';
import { WalReader } from '#wal/reader.ts';
import { RM } from '#wal/rmgr-ids.ts';
import { XLOG } from '#wal/wal-format.ts';
import { reportWalStats, readWalStats } from '#wal/wal-stats.ts';
import { openWalCluster } from '../wal-cluster.ts';

const [processes, records, seed] = process.argv.slice(2, 5).map(Number) as [number, number, number];
const stops = process.argv[5] === 'stop';

useSignalWords(new Int32Array(native.signalWords()));
reportHooks.exitProcess = exitProcess;
reportHooks.emit = (level, fields) => {
  if (level === 'PANIC' || level === 'FATAL' || level === 'ERROR' || level === 'LOG')
    process.stderr.write(`${level}: ${fields.message}\n`);
};
becomeProcess('test', 'test');
const cluster = openWalCluster({
  clients: processes + 1,
  map: (bytes) => mapSegment(native.createSegment('wal', bytes), bytes),
  settings: { wal_buffers: '8', wal_recycle: 'off' },
});
const first = getXLogInsertRecPtr();

let state = seed;
function random(below: number): number {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0;
  return Math.floor((state / 0x1_0000_0000) * below);
}
/** Byte i of record n of process p. */
const pattern = (p: number, n: number, i: number): number => (p * 37 + n * 11 + i) & 0xff;

function writeOne(p: number, n: number): Lsn {
  const body = random(8) === 0 ? random(30_000) : random(300);
  const length = body + 8;
  xlogBeginInsert();
  const at = walScratch(length);
  mem.view.setUint32(at, p, true);
  mem.view.setUint32(at + 4, n, true);
  for (let i = 0; i < body; i++) mem.u8[at + 8 + i] = pattern(p, n, i);
  xlogRegisterData(at, length);
  return xlogInsert(RM.xlog, XLOG.noop);
}

function work(p: number): void {
  for (let n = 0; n < records; n++) {
    const end = writeOne(p, n);
    const what = random(20);
    if (what < 4) {
      xlogFlush(end);
      if (getFlushRecPtr() < end) throw new Error(`not flushed: ${end}`);
    } else if (what === 4) xlogBackgroundFlush();
    else if (what === 5 && random(20) === 0) requestXLogSwitch(false);
  }
  xlogFlush(getXLogInsertRecPtr() < 0 ? (0 as Lsn) : writeOne(p, records));
  reportWalStats();
}

const live = new Set<number>();
for (let child = 0; child < processes; child++) {
  const pid = native.fork();
  if (pid === 0) {
    resetExitCallbacks();
    becomeProcess('test', 'test');
    initWaiting(-1);
    native.signalAction(SIGNAL.URG, native.SIG_ACTION.WAKE);
    native.parentDeathSignal(SIGNAL.KILL);
    state = seed + child * 7919;
    initProcess('client');
    try {
      work(child);
    } catch (caught) {
      process.stderr.write(`${caught instanceof PgError ? caught.fields.message : (caught as Error).stack}\n`);
      exitProcess(1);
    }
    exitProcess(0);
  }
  live.add(pid);
}

const out = new Int32Array(2);
const failures: string[] = [];
const pause = new Int32Array(new SharedArrayBuffer(4));
const started = monotonicMs();
while (live.size > 0) {
  while (native.waitpid(-1, false, out) === 1) {
    live.delete(out[0]!);
    if (out[1] !== 0) failures.push(`process ${out[0]} ended with status ${out[1]}`);
  }
  if (stops && live.size > 0) {
    const victim = [...live][random(live.size)]!;
    native.kill(victim, SIGNAL.STOP);
    Atomics.wait(pause, 0, 0, 1 + random(5));
    native.kill(victim, SIGNAL.CONT);
  } else Atomics.wait(pause, 0, 0, 5);
  if (monotonicMs() - started > 50_000) {
    for (const pid of live) native.kill(pid, SIGNAL.KILL);
    failures.push(`${live.size} processes hang`);
    break;
  }
}

const seen = Array.from({ length: processes }, () => 0);
const wrong: string[] = [];
const reader = new WalReader(new FileWalSource(1), controlFile.systemIdentifier);
reader.beginRead(first);
for (let record = reader.read(); record !== null && wrong.length < 5; record = reader.read()) {
  if (record.mainLength === 0) continue;
  const p = mem.view.getUint32(record.mainAt, true);
  const n = mem.view.getUint32(record.mainAt + 4, true);
  // Each process's own records stand in its order, and none is missing.
  if (seen[p] !== n) wrong.push(`process ${p}: record ${n} after ${seen[p]! - 1}`);
  seen[p] = n + 1;
  for (let i = 0; i < record.mainLength - 8; i++) {
    if (mem.u8[record.mainAt + 8 + i] === pattern(p, n, i)) continue;
    wrong.push(`process ${p} record ${n}: byte ${i}`);
    break;
  }
}
const stats = readWalStats();
process.stdout.write(
  `${JSON.stringify({
    failures,
    wrong,
    seen,
    end: reader.errorMessage,
    segments: readdirSync('pg_wal').filter((name) => /^[0-9A-F]{24}$/.test(name)).length,
    records: stats.records,
    buffersFull: stats.buffersFull,
  })}\n`,
);
cluster.remove();
