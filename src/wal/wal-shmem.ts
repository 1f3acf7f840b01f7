/** wal-shmem.ts — XLogCtl in the shared segment (layout follows). */
import type { ShmemSubsystem } from '#shm/subsystem.ts';
export const walShmem: ShmemSubsystem = { name: 'XLOG Ctl', request() {}, init() {} };
