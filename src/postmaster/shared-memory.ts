/** shared-memory.ts — making the segment, and making it again after a crash.
 *  Counterpart: CreateSharedMemoryAndSemaphores() of src/backend/storage/ipc/ipci.c */
import { native } from '#platform/native.ts';
import { statFile } from '#platform/file-system.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { myProcess } from '#runtime/my-process.ts';
import { setTrancheRequestsOpen } from '#shm/lwlock-array.ts';
import { mapSegment, mem, replaceSegment, segmentFd } from '#shm/memory.ts';
import { setProcCounts, totalProcs } from '#shm/proc.ts';
import { initShmemHeader, requestedShmemSize, resetShmemRequests } from '#shm/shmem.ts';
import { ShmemHeader } from '#shm/shm-layout.ts';
import { AUXILIARY_SLOT } from '#storage/ipc/backend-ids.ts';
import { setChildFlagCount } from '#storage/ipc/pm-signal.ts';
import { extensionHooks } from '#bgworker/hooks.ts';
import { setPidFileShmem } from '#postmaster/lock-files.ts';
import { pm } from '#postmaster/pm-state.ts';
import { SHMEM_SUBSYSTEMS } from '#postmaster/shmem-subsystems.ts';

const MAX_BACKENDS = 0x3ffff;

/** Children that may exist at once: twice the PGPROCs, because refused connections need a process, too. */
export function maxLiveChildren(): number {
  const s = settings;
  return 2 * (s.max_connections + s.autovacuum_max_workers + 1 + s.max_wal_senders + s.max_worker_processes);
}

/** Numbers of processes follow from the GUCs; the same in every process. */
export function sizeProcessTables(): void {
  const s = settings;
  const total = s.max_connections + s.autovacuum_max_workers + 1 + s.max_worker_processes + s.max_wal_senders;
  if (total > MAX_BACKENDS) report('ERROR', { message: 'too many backends configured' });
  setProcCounts({
    client: s.max_connections,
    autovacuum: s.autovacuum_max_workers + 1,
    bgworker: s.max_worker_processes,
    walsender: s.max_wal_senders,
    auxiliary: Object.keys(AUXILIARY_SLOT).length,
    prepared: s.max_prepared_transactions,
  });
  setChildFlagCount(maxLiveChildren());
}

function makeSegment(size: number): number {
  const fd = native.createSegment('nodegres', size, settings.huge_pages === 'on');
  if (fd < 0)
    report('FATAL', {
      message: `could not create shared memory segment: ${native.errorMessage(-fd)}`,
      detail: `Failed system call was memfd_create(${size} bytes).`,
    });
  return fd;
}

function initializeAll(): void {
  initShmemHeader(pm.segmentSize, myProcess.pid, ++pm.generation);
  for (const subsystem of SHMEM_SUBSYSTEMS) subsystem.init();
  for (const startup of extensionHooks.shmemStartup) startup();
  ShmemHeader.ready.store(mem, 0, 1);
}

export function createSharedMemory(): void {
  resetShmemRequests();
  setTrancheRequestsOpen(true);
  for (const request of extensionHooks.shmemRequest) request();
  setTrancheRequestsOpen(false);
  for (const subsystem of SHMEM_SUBSYSTEMS) subsystem.request();
  pm.segmentSize = requestedShmemSize();
  mapSegment(makeSegment(pm.segmentSize), pm.segmentSize);
  initializeAll();
  setPidFileShmem(statFile('.').inode, segmentFd);
  report('DEBUG3', { message: `shared memory: ${pm.segmentSize} bytes for ${totalProcs()} processes` });
}

/** After a crash, when every child is gone: the same address, nothing of the old contents. */
export function recreateSharedMemory(): void {
  replaceSegment(makeSegment(pm.segmentSize));
  initializeAll();
}
