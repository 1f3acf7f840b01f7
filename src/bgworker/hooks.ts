/** hooks.ts — where extensions hang their functions. Chains run in the order of registration. */
export const extensionHooks: {
  /** While sizes are collected: requestShmemSpace, requestNamedLWLockTranche. */
  readonly shmemRequest: (() => void)[];
  /** When the segment exists: shmemInitStruct. In the postmaster, after each crash, and in spawned children. */
  readonly shmemStartup: (() => void)[];
} = { shmemRequest: [], shmemStartup: [] };
