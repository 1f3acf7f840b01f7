/** pm-signal.ts — how children tell the postmaster something, and how it knows who left without saying goodbye.
 *
 *  A request is a flag plus SIGUSR1. The postmaster only ever exchanges words here and takes no lock, so a crashed child
 *  cannot stop it. Each child with shared memory has a child flag: ASSIGNED by the postmaster before the fork, ACTIVE
 *  while it uses shared memory, back to ASSIGNED when it has cleaned up. A child that ends while ACTIVE is a crash.
 *  Counterpart: src/backend/storage/ipc/pmsignal.c */
import { array, atomic32, bytes, i32, struct } from '#base/struct.ts';
import { native, SIGNAL } from '#platform/native.ts';
import { myProcess } from '#runtime/my-process.ts';
import { onShmemExit } from '#runtime/exit-callbacks.ts';
import { mem, segmentId } from '#shm/memory.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';

/** In the order in which the postmaster looks at them. */
export const PM_SIGNAL = {
  recoveryStarted: 0,
  beginHotStandby: 1,
  rotateLogfile: 2,
  startAutovacLauncher: 3,
  startAutovacWorker: 4,
  backgroundWorkerChange: 5,
  startWalreceiver: 6,
  advanceStateMachine: 7,
} as const satisfies Record<string, number>;
export type PmSignalReason = keyof typeof PM_SIGNAL;

export const QUIT_REASON = { notSent: 0, crash: 1, stop: 2 } as const;

const UNUSED = 0;
const ASSIGNED = 1;
const ACTIVE = 2;

const PmSignalState = struct('PMSignalState', 64, {
  flags: array(8, 4),
  sigquitReason: atomic32(),
  childFlagCount: i32(),
  nextChildFlag: i32(),
  pad: bytes(20),
});

let stateAt = -1;
let childFlags = 0;

/** Twice the processes that can hold a PGPROC: connections that will be refused need a slot, too. */
export function setChildFlagCount(count: number): void {
  childFlags = count;
}
/** Kinds of which there is one have their readiness words after those of the child slots. */
const SINGLE_WORDS = 16;
const stateSize = (): number => PmSignalState.SIZE + 4 * (2 * (childFlags + 1) + SINGLE_WORDS);

export const pmSignalShmem: ShmemSubsystem = {
  name: 'PMSignalState',
  request: () => requestShmemSpace(stateSize()),
  init() {
    const state = shmemInitStruct('PMSignalState', stateSize());
    stateAt = state.at;
    if (!state.found) PmSignalState.childFlagCount.set(mem, stateAt, childFlags);
  },
};

const flagWord = (reason: number): number => PmSignalState.flags.at(stateAt, reason) >>> 2;
/** Index of a readiness word: a child slot, or (after these) a kind's number. */
export const readyIndexOfSingle = (kindNumber: number): number => childFlags + 1 + kindNumber;
const readyWord = (index: number): number => (stateAt + PmSignalState.SIZE + 4 * (childFlags + 1 + index)) >>> 2;
/** Postmaster, before the launch. */
export const clearReady = (index: number): void => void Atomics.store(mem.i32, readyWord(index), 0);
export const isReady = (index: number): boolean => Atomics.load(mem.i32, readyWord(index)) !== 0;
/** Spawned child: its handlers are installed, signals may come. */
export function announceReady(index: number): void {
  Atomics.store(mem.i32, readyWord(index), 1);
  native.kill(myProcess.postmasterPid, SIGNAL.USR1);
}

const childWord = (slot: number): number => (stateAt + PmSignalState.SIZE + 4 * slot) >>> 2;

export function sendPostmasterSignal(reason: PmSignalReason): void {
  Atomics.store(mem.i32, flagWord(PM_SIGNAL[reason]), 1);
  native.kill(myProcess.postmasterPid, SIGNAL.USR1);
}
/** Postmaster: true once per batch of requests. */
export function checkPostmasterSignal(reason: PmSignalReason): boolean {
  return Atomics.exchange(mem.i32, flagWord(PM_SIGNAL[reason]), 0) !== 0;
}

/** Postmaster, before it sends SIGQUIT: what the victims tell their clients. */
export function setQuitReason(reason: keyof typeof QUIT_REASON): void {
  PmSignalState.sigquitReason.store(mem, stateAt, QUIT_REASON[reason]);
}
/** Where native-shm's SIGQUIT handler finds the reason. */
export const quitReasonAt = (): { segment: number; at: number } => ({
  segment: segmentId,
  at: stateAt + PmSignalState.sigquitReason.offset,
});

/** Postmaster: a free slot (1-based), or 0. Only the postmaster assigns and releases, so no lock. */
export function assignChildSlot(): number {
  let slot = PmSignalState.nextChildFlag.get(mem, stateAt);
  for (let n = childFlags; n > 0; n--) {
    if (--slot <= 0) slot = childFlags;
    if (Atomics.load(mem.i32, childWord(slot)) !== UNUSED) continue;
    Atomics.store(mem.i32, childWord(slot), ASSIGNED);
    PmSignalState.nextChildFlag.set(mem, stateAt, slot);
    return slot;
  }
  return 0;
}
/** Postmaster: gives the slot back; false if its child had not cleaned up. */
export function releaseChildSlot(slot: number): boolean {
  return Atomics.exchange(mem.i32, childWord(slot), UNUSED) === ASSIGNED;
}

/** Child: from here on my death without cleaning up is a crash. */
export function markChildActive(): void {
  if (myProcess.childSlot === 0) return;
  Atomics.store(mem.i32, childWord(myProcess.childSlot), ACTIVE);
  onShmemExit(() => Atomics.store(mem.i32, childWord(myProcess.childSlot), ASSIGNED));
}
