/** launch.ts — making a process: by fork, or by spawning a fresh node that re-attaches everything.
 *
 *  Code above this file cannot tell the two apart, except that a fork is cheaper.
 *  F1. fork only from a shallow stack and with signals blocked (native-shm does the latter).
 *  F2. the child never returns into the postmaster's frames: runChild ends in _exit.
 *  Counterpart: fork_process() and internal_forkexec() of src/backend/postmaster */
import { native, packageRoot } from '#platform/native.ts';
import { report } from '#runtime/error/report.ts';
import type { LaunchRecord } from '#runtime/launch-record.ts';
import { myProcess } from '#runtime/my-process.ts';
import { serverFacts } from '#runtime/server-facts.ts';
import { segmentFd } from '#shm/memory.ts';
import { CHILD_FDS, encodeLaunch } from '#postmaster/launch-encoding.ts';
import { pm } from '#postmaster/pm-state.ts';
import { closeListenSockets } from '#postmaster/listen.ts';
import { PROCESS_KINDS, type ProcessKindName } from '#postmaster/process-kinds.ts';
import { clearReady, readyIndexOfSingle } from '#storage/ipc/pm-signal.ts';

/** How a child starts running: installed by child-entry.ts, which imports what this file must not. */
let runChild: (record: LaunchRecord) => never = () => native.exitNow(1);
export function setChildEntry(entry: (record: LaunchRecord) => never): void {
  runChild = entry;
}

export type LaunchOptions = Partial<
  Pick<LaunchRecord, 'childSlot' | 'cancelKey' | 'socket' | 'admission' | 'workerSlot' | 'spareChannel'>
> & {
  /** Spawn a fresh process even in fork mode (async background workers). */
  readonly alwaysSpawn?: boolean;
};

/** Which readiness word a child uses. */
function readyIndexOf(kind: ProcessKindName, options: LaunchOptions): number {
  if (!PROCESS_KINDS[kind].attachesShmem || (options.admission !== undefined && options.admission !== 'ok')) return -1;
  if (options.childSlot !== undefined && options.childSlot > 0) return options.childSlot;
  return readyIndexOfSingle(Object.keys(PROCESS_KINDS).indexOf(kind));
}

function recordFor(kind: ProcessKindName, options: LaunchOptions, isForked: boolean): LaunchRecord {
  return {
    kind,
    childSlot: options.childSlot ?? 0,
    cancelKey: options.cancelKey ?? 0,
    socket: options.socket ?? -1,
    admission: options.admission ?? 'ok',
    workerSlot: options.workerSlot ?? -1,
    spareChannel: options.spareChannel ?? -1,
    postmasterPid: myProcess.pid,
    postmasterStartTime: serverFacts.postmasterStartTime,
    dataDirectory: myProcess.dataDirectory,
    deathPipe: pm.deathPipeRead,
    segmentFd,
    segmentSize: pm.segmentSize,
    interlockFd: pm.interlockFd,
    logPipeRead: kind === 'logger' ? pm.logPipeRead : -1,
    logPipeWrite: pm.logPipeWrite,
    statsSocket: pm.statsSocket,
    readyIndex: isForked ? -1 : readyIndexOf(kind, options),
    isForked,
  };
}

/** pid, or 0 after a failure that was logged. */
export function launchProcess(kind: ProcessKindName, options: LaunchOptions, what: string): number {
  const forks = pm.forkMode && options.alwaysSpawn !== true;
  const record = recordFor(kind, options, forks);
  if (record.readyIndex >= 0) clearReady(record.readyIndex);
  const pid = forks ? forkChild(record) : spawnChild(record);
  // Node gives a fresh process default actions for all signals: until ours are there they must wait.
  if (pid > 0 && record.readyIndex >= 0) pm.unready.set(pid, { index: record.readyIndex, signals: [] });
  if (pid > 0) return pid;
  report('LOG', { message: `could not fork ${what}: ${native.errorMessage(-pid)}` });
  return 0;
}

function forkChild(record: LaunchRecord): number {
  const pid = native.fork(); // [launch F1]
  if (pid !== 0) return pid;
  closeWhatIsThePostmasters();
  return runChild(record); // [launch F2]
}

function closeWhatIsThePostmasters(): void {
  native.closeFd(pm.deathPipeWrite);
  closeListenSockets();
  for (const backend of pm.backends.values()) if (backend.spareChannel >= 0) native.closeFd(backend.spareChannel);
}

/** Flags that every node of ours runs with; bin/postgres names the same. */
export const NODE_FLAGS: readonly string[] = [
  '--single-threaded',
  '--v8-pool-size=0',
  '--liftoff-only',
  '--max-semi-space-size=2',
  '--no-warnings',
  '--no-flush-bytecode',
  '--expose-gc',
  '--stack-size=3900',
];

function spawnChild(record: LaunchRecord): number {
  const made = native.pipe(false);
  if (typeof made === 'number') return made;
  const [readEnd, writeEnd] = made;
  const bytes = encodeLaunch(record);
  // The record is far smaller than a pipe's buffer, so this cannot block.
  native.writeBytes(writeEnd, bytes, 0, bytes.length);
  native.closeFd(writeEnd);
  const fds: [number, number][] = [[readEnd, CHILD_FDS.record]];
  const pass = (fd: number, there: number): void => {
    if (fd >= 0) fds.push([fd, there]);
  };
  pass(segmentFd, CHILD_FDS.segment);
  pass(pm.deathPipeRead, CHILD_FDS.deathPipe);
  pass(pm.interlockFd, CHILD_FDS.interlock);
  pass(record.socket, CHILD_FDS.socket);
  pass(record.statsSocket, CHILD_FDS.statsSocket);
  pass(record.logPipeRead, CHILD_FDS.logPipeRead);
  pass(record.logPipeWrite, CHILD_FDS.logPipeWrite);
  pass(record.spareChannel, CHILD_FDS.spareChannel);
  if (record.kind === 'logger' && pm.originalStderr >= 0) fds.push([pm.originalStderr, 2]);
  const env = Object.entries(process.env).map(([key, value]) => `${key}=${value ?? ''}`);
  const asynchronous = record.kind === 'background-worker' && record.workerSlot >= 0 && record.isForked === false;
  const flags = asynchronous && pm.forkMode ? NODE_FLAGS.filter((flag) => flag !== '--single-threaded') : NODE_FLAGS;
  const argv = [process.execPath, ...flags, `${packageRoot}/bin/postgres`, '--forkchild', record.kind, TITLE_ROOM];
  const pid = native.spawnProcess(process.execPath, argv, env, [[0, 0], [1, 1], [2, 2], ...fds]);
  native.closeFd(readEnd);
  return pid;
}

/** ps can show only as much as argv and environ had room for; a bare environment has little. */
const TITLE_ROOM = ' '.repeat(256);
