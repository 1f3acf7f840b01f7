/** autovacuum-mailbox.ts — what launcher, workers and postmaster tell each other.
 *
 *  The launcher fills `starting` and signals the postmaster; the worker takes it over, or the postmaster sets forkFailed.
 *  Work entries of running workers join in 3/4 with the real scheduling.
 *  Counterpart: AutoVacuumShmemStruct of src/backend/postmaster/autovacuum.c */
import { atomic32, bytes, f64, i32, struct, u32 } from '#base/struct.ts';
import { mem } from '#shm/memory.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';

const Mailbox = struct('AutoVacuumData', 128, {
  launcherPid: atomic32(),
  forkFailed: atomic32(),
  rebalance: atomic32(),
  /** 0 none, 1 a worker is being started, 2 it has taken over. */
  startingState: atomic32(),
  startingDatabase: u32(),
  startingPid: i32(),
  startingSince: f64(),
  pad: bytes(96),
});
let at = -1;
export const autovacuumShmem: ShmemSubsystem = {
  name: 'AutoVacuum Data',
  request: () => requestShmemSpace(Mailbox.SIZE),
  init() {
    at = shmemInitStruct('AutoVacuum Data', Mailbox.SIZE).at;
  },
};

export const setLauncherPid = (pid: number): void => Mailbox.launcherPid.store(mem, at, pid);
export const launcherPid = (): number => Mailbox.launcherPid.load(mem, at);
/** Postmaster: the worker that the launcher asked for could not be started. */
export const setAutovacuumForkFailed = (): void => Mailbox.forkFailed.store(mem, at, 1);
export const takeAutovacuumForkFailed = (): boolean => Mailbox.forkFailed.exchange(mem, at, 0) !== 0;

/** Launcher: asks for a worker for a database; false while another one is still starting. */
export function announceStartingWorker(databaseId: number, now: number): boolean {
  if (Mailbox.startingState.load(mem, at) !== 0) return false;
  Mailbox.startingDatabase.set(mem, at, databaseId);
  Mailbox.startingSince.set(mem, at, now);
  Mailbox.startingState.store(mem, at, 1);
  return true;
}
export const startingSince = (): number =>
  Mailbox.startingState.load(mem, at) === 1 ? Mailbox.startingSince.get(mem, at) : 0;
export const clearStartingWorker = (): void => Mailbox.startingState.store(mem, at, 0);
/** Worker: the database it was started for, 0 if there is no request (any more). */
export function takeStartingWorker(pid: number): number {
  if (Mailbox.startingState.compareExchange(mem, at, 1, 2) !== 1) return 0;
  const database = Mailbox.startingDatabase.get(mem, at);
  Mailbox.startingPid.set(mem, at, pid);
  Mailbox.startingState.store(mem, at, 0);
  return database;
}
