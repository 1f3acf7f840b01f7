/** backend-ids.ts — the small numbers that name a process in per-process arrays: ProcSignal, activity, sinval.
 *
 *  Processes with a session take the lowest free id up to MaxBackends; auxiliary processes have fixed ids after these.
 *  Counterpart: SharedInvalBackendInit() of src/backend/storage/ipc/sinvaladt.c */
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { report } from '#runtime/error/report.ts';
import { onShmemExit } from '#runtime/exit-callbacks.ts';
import { myProcess } from '#runtime/my-process.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { mem } from '#shm/memory.ts';
import { maxBackends, procAt } from '#shm/proc.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import { sharedInvalBackendCleanup, sharedInvalBackendInit } from '#storage/ipc/sinval.ts';

/** Fixed slots after MaxBackends. 0-based. */
export const AUXILIARY_SLOT = {
  startup: 0,
  'background-writer': 1,
  archiver: 2,
  checkpointer: 3,
  'wal-writer': 4,
  'wal-receiver': 5,
  'wal-summarizer': 6,
  'stats-collector': 7,
} as const satisfies Record<string, number>;
export type AuxiliaryKind = keyof typeof AUXILIARY_SLOT;

let idsAt = -1;
export const backendIdShmem: ShmemSubsystem = {
  name: 'Backend Ids',
  request: () => requestShmemSpace(4 * (maxBackends() + 1)),
  init() {
    idsAt = shmemInitStruct('Backend Ids', 4 * (maxBackends() + 1)).at;
  },
};
const word = (id: number): number => (idsAt + 4 * id) >>> 2;

export function takeBackendId(): void {
  const lock = mainLWLock('SInvalWrite');
  lwLockAcquire(lock, 'exclusive');
  let id = 1;
  while (id <= maxBackends() && mem.i32[word(id)] !== 0) id++;
  if (id <= maxBackends()) mem.i32[word(id)] = myProcess.pid;
  lwLockRelease(lock);
  if (id > maxBackends())
    report('FATAL', { code: SQLSTATE.tooManyConnections, message: 'sorry, too many clients already' });
  adopt(id);
  sharedInvalBackendInit(false);
  onShmemExit(() => {
    sharedInvalBackendCleanup();
    lwLockAcquire(lock, 'exclusive');
    mem.i32[word(id)] = 0;
    lwLockRelease(lock);
  });
}
export function takeAuxiliaryId(kind: AuxiliaryKind): void {
  adopt(maxBackends() + AUXILIARY_SLOT[kind] + 1);
}
function adopt(id: number): void {
  myProcess.backendId = id;
  PgProc.backendId.set(mem, procAt(myProcess.procNumber), id);
}
