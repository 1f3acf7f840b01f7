/** shmem.ts — the shared memory of transactions, in the order in which it must be made. */
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import { clogShmem } from '#transam/clog.ts';
import { commitTsShmem, commitTsSlruShmem } from '#transam/commit-ts.ts';
import { knownAssignedShmem } from '#transam/known-assigned-xids.ts';
import { members, multiXactShmem, offsets } from '#transam/multixact-state.ts';
import { procArrayShmem } from '#transam/proc-array-layout.ts';
import { subtransShmem } from '#transam/subtrans.ts';
import { twoPhaseShmem } from '#transam/two-phase-state.ts';
import { variableCacheShmem } from '#transam/variable-cache.ts';

export const TRANSAM_SHMEM: readonly ShmemSubsystem[] = [
  variableCacheShmem,
  procArrayShmem,
  knownAssignedShmem,
  clogShmem,
  commitTsSlruShmem,
  commitTsShmem,
  subtransShmem,
  offsets.shmem,
  members.shmem,
  multiXactShmem,
  twoPhaseShmem,
];
