/** proc-signal.ts — one signal, many reasons: SIGUSR1 plus a flag in the receiver's slot; and barriers.
 *
 *  A process owns the slot of its backend id (auxiliary processes follow after MaxBackends). The sender checks the pid in
 *  the slot, sets the flag and signals; the receiver exchanges its flags when it looks at interrupts.
 *  Barriers: everybody must have acted on something before the emitter goes on. Emit raises the generation and marks all
 *  slots; each process absorbs at its next interrupt check and publishes the generation it has reached.
 *  Counterpart: src/backend/storage/ipc/procsignal.c */
import { array, atomic32, bytes, struct } from '#base/struct.ts';
import { monotonicMs } from '#platform/clock.ts';
import { native, SIGNAL } from '#platform/native.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { report } from '#runtime/error/report.ts';
import { onShmemExit } from '#runtime/exit-callbacks.ts';
import { raiseInterrupt } from '#runtime/interrupts.ts';
import { myProcess } from '#runtime/my-process.ts';
import {
  conditionVariableBroadcast,
  conditionVariableCancelSleep,
  conditionVariableTimedSleep,
  initConditionVariable,
} from '#shm/condition-variable.ts';
import { mem } from '#shm/memory.ts';
import { maxBackends } from '#shm/proc.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';

export const PROC_SIGNAL = {
  catchupInterrupt: 0,
  notifyInterrupt: 1,
  parallelMessage: 2,
  walsndInitStopping: 3,
  barrier: 4,
  logMemoryContext: 5,
  recoveryConflictDatabase: 6,
  recoveryConflictTablespace: 7,
  recoveryConflictLock: 8,
  recoveryConflictSnapshot: 9,
  recoveryConflictBufferPin: 10,
  recoveryConflictStartupDeadlock: 11,
} as const satisfies Record<string, number>;
export type ProcSignalReason = keyof typeof PROC_SIGNAL;
const REASON_COUNT = 12;

/** What a barrier asks of each process. smgrRelease is PostgreSQL 15's only one. */
export const BARRIER = { smgrRelease: 0 } as const satisfies Record<string, number>;
export type BarrierType = keyof typeof BARRIER;

const Slot = struct('ProcSignalSlot', 96, {
  pid: atomic32(),
  flags: array(REASON_COUNT, 4, 4),
  /** Generation this process has absorbed; -1 while the slot is unused, so that nobody waits for it. */
  barrierGeneration: atomic32(),
  barrierCheckMask: atomic32(),
  barrierCv: bytes(16),
  /** Low half of a cancel key lives beside the pid so that a cancel needs no other structure. */
  cancelKey: atomic32(),
  pad: bytes(16),
});
const Header = struct('ProcSignalHeader', 64, { barrierGeneration: atomic32(), pad: bytes(60) });
const NUM_AUXILIARY_SLOTS = 16;
const UNUSED_GENERATION = -1;

let headerAt = -1;
const slotCount = (): number => maxBackends() + NUM_AUXILIARY_SLOTS;
const slotAt = (backendId: number): number => headerAt + Header.SIZE + (backendId - 1) * Slot.SIZE;
const size = (): number => Header.SIZE + slotCount() * Slot.SIZE;

export const procSignalShmem: ShmemSubsystem = {
  name: 'ProcSignal',
  request: () => requestShmemSpace(size()),
  init() {
    const found = shmemInitStruct('ProcSignal', size());
    headerAt = found.at;
    if (found.found) return;
    for (let id = 1; id <= slotCount(); id++) {
      Slot.barrierGeneration.store(mem, slotAt(id), UNUSED_GENERATION);
      initConditionVariable(slotAt(id) + Slot.barrierCv.offset);
    }
  },
};
export const procSignalSlotCount = slotCount;

/** Takes the slot of this process's backend id. */
export function procSignalInit(): void {
  const at = slotAt(myProcess.backendId);
  for (let reason = 0; reason < REASON_COUNT; reason++) Atomics.store(mem.i32, Slot.flags.at(at, reason) >>> 2, 0);
  Slot.barrierCheckMask.store(mem, at, 0);
  // A new process has seen nothing that a barrier could be about.
  Slot.barrierGeneration.store(mem, at, Header.barrierGeneration.load(mem, headerAt));
  Slot.cancelKey.store(mem, at, myProcess.cancelKey);
  Slot.pid.store(mem, at, myProcess.pid);
  onShmemExit(() => {
    Slot.pid.store(mem, at, 0);
    Slot.barrierGeneration.store(mem, at, UNUSED_GENERATION);
    conditionVariableBroadcast(at + Slot.barrierCv.offset);
  });
}

/** 0, or -1 if no such process has a slot. `backendId` 0 searches all slots. */
export function sendProcSignal(pid: number, reason: ProcSignalReason, backendId = 0): number {
  const first = backendId > 0 ? backendId : slotCount();
  const last = backendId > 0 ? backendId : 1;
  for (let id = first; id >= last; id--) {
    const at = slotAt(id);
    if (Slot.pid.load(mem, at) !== pid) continue;
    Atomics.store(mem.i32, Slot.flags.at(at, PROC_SIGNAL[reason]) >>> 2, 1);
    return native.kill(pid, SIGNAL.USR1) < 0 ? -1 : 0;
  }
  return -1;
}
/** Receiver: true once per batch. */
export function takeProcSignal(reason: ProcSignalReason): boolean {
  if (myProcess.backendId === 0) return false;
  const word = Slot.flags.at(slotAt(myProcess.backendId), PROC_SIGNAL[reason]) >>> 2;
  return Atomics.load(mem.i32, word) !== 0 && Atomics.exchange(mem.i32, word, 0) !== 0;
}

/** What a cancel request does: SIGINT to the pid whose key matches. */
export function cancelByKey(pid: number, key: number): 'sent' | 'wrong-key' | 'unknown' {
  for (let id = 1; id <= slotCount(); id++) {
    const at = slotAt(id);
    if (Slot.pid.load(mem, at) !== pid) continue;
    if (Slot.cancelKey.load(mem, at) !== (key | 0)) return 'wrong-key';
    native.kill(pid, SIGNAL.INT);
    return 'sent';
  }
  return 'unknown';
}

/** Asks every process to do `type`; returns the generation to wait for. */
export function emitProcSignalBarrier(type: BarrierType): number {
  for (let id = 1; id <= slotCount(); id++) Slot.barrierCheckMask.or(mem, slotAt(id), 1 << BARRIER[type]);
  const generation = Header.barrierGeneration.add(mem, headerAt, 1) + 1;
  for (let id = slotCount(); id >= 1; id--) {
    const at = slotAt(id);
    const pid = Slot.pid.load(mem, at);
    if (pid === 0) continue;
    Atomics.store(mem.i32, Slot.flags.at(at, PROC_SIGNAL.barrier) >>> 2, 1);
    native.kill(pid, SIGNAL.USR1);
  }
  return generation;
}

const barrierHandlers: Record<BarrierType, () => boolean> = { smgrRelease: () => true };
/** The layer that owns the action registers it; false means “not now, ask again”. */
export function setBarrierHandler(type: BarrierType, handler: () => boolean): void {
  barrierHandlers[type] = handler;
}

/** At interrupt checks and in the loops of auxiliary processes. */
export function processProcSignalBarrier(): void {
  if (!takeProcSignal('barrier')) return;
  const at = slotAt(myProcess.backendId);
  const generation = Header.barrierGeneration.load(mem, headerAt);
  if (Slot.barrierGeneration.load(mem, at) === generation) return;
  let mask = Slot.barrierCheckMask.exchange(mem, at, 0);
  try {
    for (const [type, bit] of Object.entries(BARRIER))
      if (mask & (1 << bit) && barrierHandlers[type as BarrierType]()) mask &= ~(1 << bit);
  } finally {
    if (mask !== 0) {
      // What failed or was refused stays pending; our generation stays behind until it is done.
      Slot.barrierCheckMask.or(mem, at, mask);
      Atomics.store(mem.i32, Slot.flags.at(at, PROC_SIGNAL.barrier) >>> 2, 1);
      raiseInterrupt();
    }
  }
  if (mask !== 0) return;
  Slot.barrierGeneration.store(mem, at, generation);
  conditionVariableBroadcast(at + Slot.barrierCv.offset);
}

/** Sleeps until every process has absorbed `generation`. */
export function waitForProcSignalBarrier(generation: number): void {
  for (let id = 1; id <= slotCount(); id++) {
    const at = slotAt(id);
    const behind = (): boolean => {
      const reached = Slot.barrierGeneration.load(mem, at);
      return reached !== UNUSED_GENERATION && reached - generation < 0;
    };
    let next = monotonicMs() + 5000;
    while (behind()) {
      const timeoutMs = Math.max(0, next - monotonicMs());
      if (!conditionVariableTimedSleep(at + Slot.barrierCv.offset, timeoutMs, WAIT_EVENT.ProcSignalBarrier)) continue;
      next = monotonicMs() + 5000;
      report('LOG', {
        message: `still waiting for backend with PID ${Slot.pid.load(mem, at)} to accept ProcSignalBarrier`,
      });
    }
    conditionVariableCancelSleep();
  }
}
