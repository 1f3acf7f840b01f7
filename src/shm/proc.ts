/** proc.ts — the PGPROC array: how a process takes part in shared memory, and how it leaves.
 *
 *  A slot is taken from the free list of the process's class and given back by an exit callback. A process that dies
 *  without running it leaves its slot taken: the postmaster sees that from PMSignal's flags and resets everything.
 *  Counterpart: src/backend/storage/lmgr/proc.c */
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { report } from '#runtime/error/report.ts';
import { onShmemExit } from '#runtime/exit-callbacks.ts';
import { myProcess } from '#runtime/my-process.ts';
import { resetWaitEventStorage, setWaitEventStorage } from '#runtime/activity/wait-report.ts';
import { disownLatch, ownLatch } from '#shm/latch.ts';
import { mem, segmentId } from '#shm/memory.ts';
import { PgProc, PROC_CLASSES, type ProcClass, ProcHeader } from '#shm/proc-layout.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import { semaphoreReset } from '#shm/semaphore.ts';
import { spinAcquire, spinRelease } from '#shm/spinlock.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';

/** Slots per class, decided by the postmaster from the GUCs. */
export interface ProcCounts {
  readonly client: number;
  readonly autovacuum: number;
  readonly bgworker: number;
  readonly walsender: number;
  readonly auxiliary: number;
  /** Slots without a process, one for each transaction that may be prepared. */
  readonly prepared?: number;
}
let counts: ProcCounts = { client: 0, autovacuum: 0, bgworker: 0, walsender: 0, auxiliary: 0 };
let headerAt = -1;
let arrayAt = -1;

export function setProcCounts(next: ProcCounts): void {
  counts = next;
}
export const totalProcs = (): number => PROC_CLASSES.reduce((sum, name) => sum + counts[name], 0);
/** Slots that stand for prepared transactions; they follow those of processes. */
export const preparedProcs = (): number => counts.prepared ?? 0;
/** Processes and prepared transactions. */
export const allProcs = (): number => totalProcs() + preparedProcs();
/** Processes with a backend id of their own; auxiliary ones are counted after these. */
export const maxBackends = (): number => totalProcs() - counts.auxiliary;

const FREE_LIST = {
  client: ProcHeader.freeClient,
  autovacuum: ProcHeader.freeAutovacuum,
  bgworker: ProcHeader.freeBgworker,
  walsender: ProcHeader.freeWalsender,
  auxiliary: ProcHeader.freeAuxiliary,
} as const;
const classIndex = (name: ProcClass): number => PROC_CLASSES.indexOf(name);

export const procAt = (procNumber: number): number => arrayAt + procNumber * PgProc.SIZE;
export const procHeaderAt = (): number => headerAt;
export const latchAt = (procNumber: number): number => procAt(procNumber) + PgProc.latch.offset;

export const procShmem: ShmemSubsystem = {
  name: 'ProcGlobal',
  request() {
    requestShmemSpace(ProcHeader.SIZE);
    requestShmemSpace(allProcs() * PgProc.SIZE);
  },
  init() {
    const header = shmemInitStruct('Proc Header', ProcHeader.SIZE);
    headerAt = header.at;
    arrayAt = shmemInitStruct('Proc Array Slots', allProcs() * PgProc.SIZE).at;
    if (!header.found) buildFreeLists();
  },
};

function buildFreeLists(): void {
  ProcHeader.procCount.set(mem, headerAt, totalProcs());
  for (const role of ROLE_FIELDS) ProcHeader[role].store(mem, headerAt, -1);
  let next = 0;
  for (const name of PROC_CLASSES) {
    const first = next;
    next += counts[name];
    FREE_LIST[name].set(mem, headerAt, counts[name] > 0 ? first : -1);
    for (let i = first; i < next; i++) {
      const at = procAt(i);
      PgProc.procNumber.set(mem, at, i);
      PgProc.processClass.set(mem, at, classIndex(name));
      PgProc.freeNext.set(mem, at, i + 1 < next ? i + 1 : -1);
      PgProc.cvWaitNext.set(mem, at, -1);
      PgProc.cvWaitPrev.set(mem, at, -1);
      PgProc.lockGroupLeader.set(mem, at, -1);
    }
  }
  for (let i = 0; i < allProcs(); i++) {
    const at = procAt(i);
    PgProc.procNumber.set(mem, at, i);
    PgProc.xactOffset.set(mem, at, -1);
    PgProc.procArrayGroupNext.store(mem, at, -1);
    PgProc.clogGroupNext.store(mem, at, -1);
  }
}

const ROLE_FIELDS = [
  'walWriterProc',
  'checkpointerProc',
  'archiverProc',
  'startupProc',
  'backgroundWriterProc',
] as const;
export type AdvertisedRole = (typeof ROLE_FIELDS)[number];
/** Publishes this process under a role, so that others find its latch. */
export function advertiseRole(role: AdvertisedRole): void {
  ProcHeader[role].store(mem, headerAt, myProcess.procNumber);
}
export function withdrawRole(role: AdvertisedRole): void {
  ProcHeader[role].compareExchange(mem, headerAt, myProcess.procNumber, -1);
}
/** Latch of whoever advertises the role, -1 if nobody. */
export function roleLatch(role: AdvertisedRole): number {
  const proc = ProcHeader[role].load(mem, headerAt);
  return proc < 0 ? -1 : latchAt(proc);
}

/** Takes the fixed PGPROC of an auxiliary process. Its earlier owner is gone: the postmaster starts one of a kind. */
export function initAuxiliaryProcess(slot: number): void {
  takeProc(maxBackends() + slot);
}

/** Takes a PGPROC for this process; its latch becomes the process's latch. */
export function initProcess(processClass: Exclude<ProcClass, 'auxiliary'>): void {
  const list = FREE_LIST[processClass];
  spinAcquire(headerAt + ProcHeader.lock.offset);
  const proc = list.get(mem, headerAt);
  if (proc >= 0) list.set(mem, headerAt, PgProc.freeNext.get(mem, procAt(proc)));
  spinRelease(headerAt + ProcHeader.lock.offset);
  if (proc < 0) {
    if (processClass === 'walsender')
      report('FATAL', {
        code: SQLSTATE.tooManyConnections,
        message: `number of requested standby connections exceeds max_wal_senders (currently ${counts.walsender})`,
      });
    report('FATAL', { code: SQLSTATE.tooManyConnections, message: 'sorry, too many clients already' });
  }
  takeProc(proc);
  PgProc.isBackgroundWorker.set(mem, procAt(proc), processClass === 'bgworker' ? 1 : 0);
}

function takeProc(proc: number): void {
  const at = procAt(proc);
  PgProc.pid.store(mem, at, myProcess.pid);
  PgProc.backendId.set(mem, at, 0);
  PgProc.databaseId.set(mem, at, 0);
  PgProc.roleId.set(mem, at, 0);
  PgProc.statusFlags.set(mem, at, 0);
  PgProc.xid.set(mem, at, 0);
  PgProc.xmin.set(mem, at, 0);
  PgProc.localTransactionId.set(mem, at, 0);
  PgProc.tempNamespaceId.set(mem, at, 0);
  PgProc.recoveryConflictPending.set(mem, at, 0);
  PgProc.delayChkptFlags.store(mem, at, 0);
  PgProc.subxidCount.set(mem, at, 0);
  PgProc.subxidOverflowed.set(mem, at, 0);
  PgProc.lwWaiting.store(mem, at, 0);
  PgProc.cvWaiting.set(mem, at, 0);
  PgProc.waitEventInfo.store(mem, at, 0);
  semaphoreReset(at);
  myProcess.procNumber = proc;
  ownLatch(segmentId, at + PgProc.latch.offset);
  setWaitEventStorage(mem.i32, (at + PgProc.waitEventInfo.offset) >>> 2);
  onShmemExit(releaseProcess);
}

function releaseProcess(): void {
  const proc = myProcess.procNumber;
  const at = procAt(proc);
  resetWaitEventStorage();
  disownLatch();
  PgProc.waitEventInfo.store(mem, at, 0);
  PgProc.pid.store(mem, at, 0);
  PgProc.backendId.set(mem, at, 0);
  myProcess.procNumber = -1;
  if (proc >= maxBackends()) return;
  const list = FREE_LIST[PROC_CLASSES[PgProc.processClass.get(mem, at)]!];
  spinAcquire(headerAt + ProcHeader.lock.offset);
  PgProc.freeNext.set(mem, at, list.get(mem, headerAt));
  list.set(mem, headerAt, proc);
  spinRelease(headerAt + ProcHeader.lock.offset);
}

/** True if at least `wanted` client slots are free. */
export function haveFreeClientProcs(wanted: number): boolean {
  spinAcquire(headerAt + ProcHeader.lock.offset);
  let free = 0;
  for (let proc = ProcHeader.freeClient.get(mem, headerAt); proc >= 0 && free < wanted; free++)
    proc = PgProc.freeNext.get(mem, procAt(proc));
  spinRelease(headerAt + ProcHeader.lock.offset);
  return free >= wanted;
}

/** PGPROC number of a live process, -1 if no slot has that pid. */
export function procOfPid(pid: number): number {
  if (pid === 0) return -1;
  for (let i = 0; i < totalProcs(); i++) if (PgProc.pid.load(mem, procAt(i)) === pid) return i;
  return -1;
}
