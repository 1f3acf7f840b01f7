/** control-file.ts — pg_control (bodies follow). */
import type { ShmemSubsystem } from '#shm/subsystem.ts';
export const controlFileShmem: ShmemSubsystem = { name: 'Control File', request() {}, init() {} };
