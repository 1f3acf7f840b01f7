/** children.ts — starting each kind of child, and signalling them.
 *  Counterpart: StartChildProcess(), BackendStartup(), SignalSomeChildren() of src/backend/postmaster/postmaster.c */
import { statIfExists, writeFile } from '#platform/file-system.ts';
import { native, SIGNAL } from '#platform/native.ts';
import { monotonicMs } from '#platform/clock.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { setAutovacuumForkFailed } from '#storage/ipc/autovacuum-mailbox.ts';
import { assignChildSlot, isReady, releaseChildSlot } from '#storage/ipc/pm-signal.ts';
import { launchProcess } from '#postmaster/launch.ts';
import { type Backend, pm, type PmWorker } from '#postmaster/pm-state.ts';
import { PROCESS_KINDS, type SingleKind } from '#postmaster/process-kinds.ts';
import { currentAdmission } from '#postmaster/admission.ts';

const random = new Uint8Array(4);
function newCancelKey(): number {
  native.randomFill(random);
  return Buffer.from(random).readInt32LE(0);
}

/** Starts the one process of its kind unless it runs already. */
export function startSingle(kind: Exclude<SingleKind, 'wal-receiver'>): boolean {
  if (pm.single[kind] !== 0) return true;
  pm.lastStartMs[kind] = monotonicMs();
  const pid = launchProcess(kind, {}, PROCESS_KINDS[kind].logName);
  if (pid === 0) {
    // Without a startup process there is no server; everything else is tried again by the server loop.
    if (kind === 'startup') report('FATAL', { message: 'could not start the startup process' });
    return false;
  }
  pm.single[kind] = pid;
  countStart(PROCESS_KINDS[kind].backendType);
  return true;
}

/** Starts so far, by backend type or worker name. */
const starts = new Map<string, number>();
const RESTART_FILE = 'pg_stat_tmp/restarts';
/** `nodegres ps` shows how often each process was started again; it reads that here, one `count name` a line. */
function countStart(name: string): void {
  const count = (starts.get(name) ?? 0) + 1;
  starts.set(name, count);
  if (count === 1 || statIfExists('pg_stat_tmp') === undefined) return;
  const lines = [...starts].filter(([, n]) => n > 1).map(([who, n]) => `${n - 1} ${who}\n`);
  writeFile(RESTART_FILE, lines.join(''));
}

function addBackend(backend: Backend): void {
  pm.backends.set(backend.pid, backend);
}

function refuseFork(socket: number, errno: number): void {
  // The old-style message is all that can be said: no process exists that could speak the protocol.
  const text = Buffer.from(`Ecould not fork new process for connection: ${native.errorMessage(errno)}\n\0`);
  native.send(socket, text, 0, text.length);
}

/** A process for an accepted connection. The descriptor is the child's from here on. */
export function startBackend(socket: number): void {
  const admission = currentAdmission();
  const deadEnd = admission !== 'ok';
  if (!deadEnd && !pm.forkMode && handToSpare(socket)) return;
  const slot = deadEnd ? 0 : assignChildSlot();
  const cancelKey = newCancelKey();
  const pid = launchProcess(
    'client-backend',
    { socket, admission, childSlot: slot, cancelKey },
    'new process for connection',
  );
  if (pid === 0) {
    if (slot !== 0) releaseChildSlot(slot);
    refuseFork(socket, native.ERRNO.EAGAIN);
  } else {
    addBackend({
      pid,
      kind: 'client-backend',
      slot,
      cancelKey,
      deadEnd,
      spareChannel: -1,
      bgworkerNotify: false,
      worker: undefined,
    });
  }
  native.closeFd(socket);
}

/** Spawn mode: a spare backend that waits already gets the descriptor. */
function handToSpare(socket: number): boolean {
  for (const backend of pm.backends.values()) {
    if (backend.spareChannel < 0) continue;
    const sent = native.sendFd(backend.spareChannel, socket, new Uint8Array([1]));
    native.closeFd(backend.spareChannel);
    backend.spareChannel = -1;
    if (sent < 0) continue; // it died; the reaper will hear of it
    native.closeFd(socket);
    return true;
  }
  return false;
}

/** Spawn mode: keeps `spare_backends` processes waiting for a connection, one new one per call. */
export function maintainSpares(): void {
  if (pm.forkMode) return;
  let spares = 0;
  for (const backend of pm.backends.values()) if (backend.spareChannel >= 0) spares++;
  while (spares++ < settings.spare_backends) if (!startSpare()) return;
}
function startSpare(): boolean {
  const pair = native.socketPair('seqpacket');
  if (typeof pair === 'number') return false;
  const slot = assignChildSlot();
  const cancelKey = newCancelKey();
  const pid =
    slot === 0
      ? 0
      : launchProcess('client-backend', { childSlot: slot, cancelKey, spareChannel: pair[1] }, 'spare backend');
  native.closeFd(pair[1]);
  if (pid === 0) {
    if (slot !== 0) releaseChildSlot(slot);
    native.closeFd(pair[0]);
    return false;
  }
  addBackend({
    pid,
    kind: 'client-backend',
    slot,
    cancelKey,
    deadEnd: false,
    spareChannel: pair[0],
    bgworkerNotify: false,
    worker: undefined,
  });
  return true;
}
/** Spares hold no session: they leave when the server stops. */
export function dismissSpares(): void {
  for (const backend of pm.backends.values()) {
    if (backend.spareChannel < 0) continue;
    native.closeFd(backend.spareChannel);
    backend.spareChannel = -1;
  }
}

export function startAutovacuumWorker(): void {
  if (currentAdmission() === 'ok') {
    const slot = assignChildSlot();
    if (slot !== 0) {
      const cancelKey = newCancelKey();
      const pid = launchProcess('autovacuum-worker', { childSlot: slot, cancelKey }, 'autovacuum worker process');
      if (pid !== 0) {
        addBackend({
          pid,
          kind: 'autovacuum-worker',
          slot,
          cancelKey,
          deadEnd: false,
          spareChannel: -1,
          bgworkerNotify: false,
          worker: undefined,
        });
        return;
      }
      releaseChildSlot(slot);
    }
  }
  // The launcher learns it and tries again; at once would only spin.
  setAutovacuumForkFailed();
  if (pm.single['autovacuum-launcher'] !== 0) pm.autovacLauncherSignal = true;
}

/** Process for a background worker; false if none could be made. */
export function startWorkerProcess(worker: PmWorker): boolean {
  const slot = assignChildSlot();
  if (slot === 0) return false;
  const cancelKey = newCancelKey();
  report('DEBUG1', { message: `starting background worker process "${worker.worker.name}"` });
  const pid = launchProcess(
    'background-worker',
    { childSlot: slot, cancelKey, workerSlot: worker.slot, alwaysSpawn: worker.worker.isAsync === true },
    'worker process',
  );
  if (pid === 0) {
    releaseChildSlot(slot);
    return false;
  }
  const backend: Backend = {
    pid,
    kind: 'background-worker',
    slot,
    cancelKey,
    deadEnd: false,
    spareChannel: -1,
    bgworkerNotify: false,
    worker,
  };
  addBackend(backend);
  worker.pid = pid;
  countStart(worker.worker.name);
  worker.backend = backend;
  return true;
}

export type BackendClass = 'normal' | 'autovacuum' | 'bgworker' | 'deadEnd';
export function classOf(backend: Backend): BackendClass {
  if (backend.deadEnd) return 'deadEnd';
  if (backend.kind === 'autovacuum-worker') return 'autovacuum';
  return backend.kind === 'background-worker' ? 'bgworker' : 'normal';
}
export function countBackends(classes: readonly BackendClass[]): number {
  let count = 0;
  for (const backend of pm.backends.values())
    if (backend.spareChannel < 0 && classes.includes(classOf(backend))) count++;
  return count;
}
export function signalBackends(signal: number, classes: readonly BackendClass[]): boolean {
  let any = false;
  for (const backend of pm.backends.values()) {
    if (!classes.includes(classOf(backend))) continue;
    signalChild(backend.pid, signal);
    any = true;
  }
  return any;
}

function releaseSignals(pid: number): void {
  const waiting = pm.unready.get(pid);
  pm.unready.delete(pid);
  for (const signal of waiting?.signals ?? []) native.kill(pid, signal);
}
/** Some spawned child said that it is ready. */
export function releaseWaitingSignals(): void {
  for (const [pid, { index }] of [...pm.unready]) if (isReady(index)) releaseSignals(pid);
}

/** Children are session leaders; whatever they started (archive_command) gets the hard signals, too. */
export function signalChild(pid: number, signal: number): void {
  if (pid === 0) return;
  const unready = pm.unready.get(pid);
  if (unready !== undefined && signal !== SIGNAL.QUIT && signal !== SIGNAL.KILL) {
    if (isReady(unready.index)) releaseSignals(pid);
    else {
      unready.signals.push(signal);
      return;
    }
  }
  native.kill(pid, signal);
  const hard: readonly number[] = [SIGNAL.INT, SIGNAL.TERM, SIGNAL.QUIT, SIGNAL.STOP, SIGNAL.KILL];
  if (hard.includes(signal)) native.kill(-pid, signal);
}
export function signalSingle(kind: SingleKind, signal: number): void {
  signalChild(pm.single[kind], signal);
}
/** SIGKILL to everybody but the logger. */
export function signalEverybody(signal: number): void {
  for (const pid of pm.backends.keys()) signalChild(pid, signal);
  for (const [kind, pid] of Object.entries(pm.single)) if (kind !== 'logger') signalChild(pid, signal);
}
