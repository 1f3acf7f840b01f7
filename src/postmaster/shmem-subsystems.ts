/** shmem-subsystems.ts — the ordered TABLE of what lies in the shared segment.
 *
 *  Order matters where one part finds another's size or place at init. Extensions come last: their request hooks run
 *  while sizes are collected, their startup hooks after everything of ours exists.
 *  Counterpart: src/backend/storage/ipc/ipci.c */
import { syncScanShmem } from '#access/heap/sync-scan.ts';
import { btreeVacuumShmem } from '#access/nbtree/cycle-id.ts';
import { backgroundWorkerShmem } from '#bgworker/registry.ts';
import { catalogStateShmem } from '#catalog/catalog-state.ts';
import { lwLockShmem } from '#shm/lwlock-array.ts';
import { procShmem } from '#shm/proc.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import { dsmShmem } from '#storage/ipc/dsm.ts';
import { autovacuumShmem } from '#storage/ipc/autovacuum-mailbox.ts';
import { checkpointerShmem } from '#storage/ipc/checkpoint-mailbox.ts';
import { archiverShmem } from '#storage/ipc/archive-mailbox.ts';
import { backendIdShmem } from '#storage/ipc/backend-ids.ts';
import { sinvalShmem } from '#storage/ipc/sinval.ts';
import { lockShmem } from '#storage/lmgr/lock-table.ts';
import { serialShmem } from '#storage/lmgr/predicate-serial.ts';
import { predicateShmem } from '#storage/lmgr/predicate-table.ts';
import { pmSignalShmem } from '#storage/ipc/pm-signal.ts';
import { procSignalShmem } from '#storage/ipc/proc-signal.ts';
import { bufferShmem } from '#storage/buffer/buffer-pool.ts';
import { controlFileShmem } from '#wal/control-file.ts';
import { walShmem } from '#wal/wal-shmem.ts';
import { walStatsShmem } from '#wal/wal-stats.ts';
import { TRANSAM_SHMEM } from '#transam/shmem.ts';
import { backendStatusShmem } from '#stats/backend-status.ts';
import { bgwriterStatsShmem } from '#stats/bgwriter-stats.ts';

export const SHMEM_SUBSYSTEMS: readonly ShmemSubsystem[] = [
  lwLockShmem,
  dsmShmem,
  procShmem,
  controlFileShmem,
  walShmem,
  walStatsShmem,
  bufferShmem,
  backendIdShmem,
  sinvalShmem,
  lockShmem,
  predicateShmem,
  serialShmem,
  ...TRANSAM_SHMEM,
  procSignalShmem,
  backendStatusShmem,
  bgwriterStatsShmem,
  backgroundWorkerShmem,
  pmSignalShmem,
  checkpointerShmem,
  autovacuumShmem,
  archiverShmem,
  catalogStateShmem,
  btreeVacuumShmem,
  syncScanShmem,
];
