/** subsystem.ts — one row of postmaster/shmem-subsystems.ts: how a part of the server gets its shared memory. */
export interface ShmemSubsystem {
  readonly name: string;
  /** Announces its size; runs in the postmaster once the GUCs are known. */
  request(): void;
  /** Finds or makes its structures (shmemInitStruct) and remembers where they are; runs in the postmaster after the
   *  segment was made, again after every crash, and in every spawned child. */
  init(): void;
}
