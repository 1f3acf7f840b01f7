/** checkpoint-mailbox.ts — how anyone asks the checkpointer for a checkpoint and learns that it was done.
 *
 *  K1. A requester ORs its flags in under the spinlock and remembers started and failed.
 *  K2. The checkpointer takes and clears the flags, raises started, broadcasts; after the work it sets done = started,
 *      counts failed, and broadcasts again.
 *  K3. A waiting requester first waits until started has moved (its flags were seen), then until done has reached that.
 *  Counterpart: CheckpointerShmemStruct of src/backend/postmaster/checkpointer.c */
import { atomic32, bytes, i32, struct } from '#base/struct.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { report } from '#runtime/error/report.ts';
import {
  conditionVariableBroadcast,
  conditionVariableCancelSleep,
  conditionVariableSleep,
  initConditionVariable,
} from '#shm/condition-variable.ts';
import { setLatch } from '#shm/latch.ts';
import { mem } from '#shm/memory.ts';
import { roleLatch } from '#shm/proc.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import { spinAcquire, spinRelease } from '#shm/spinlock.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';

/** CHECKPOINT_* of xlog.h. */
export const CHECKPOINT = {
  isShutdown: 0x0001,
  endOfRecovery: 0x0002,
  immediate: 0x0004,
  force: 0x0008,
  flushAll: 0x0010,
  wait: 0x0020,
  requested: 0x0040,
  causeXlog: 0x0080,
  causeTime: 0x0100,
} as const;

const Mailbox = struct('CheckpointerShmem', 64, {
  lock: atomic32(),
  started: i32(),
  done: i32(),
  failed: i32(),
  flags: i32(),
  pad0: bytes(4),
  startCv: bytes(16),
  doneCv: bytes(16),
  pad: bytes(8),
});
let at = -1;
export const checkpointerShmem: ShmemSubsystem = {
  name: 'Checkpointer Data',
  request: () => requestShmemSpace(Mailbox.SIZE),
  init() {
    const found = shmemInitStruct('Checkpointer Data', Mailbox.SIZE);
    at = found.at;
    if (found.found) return;
    initConditionVariable(at + Mailbox.startCv.offset);
    initConditionVariable(at + Mailbox.doneCv.offset);
  },
};

/** Asks for a checkpoint; with CHECKPOINT.wait sleeps until one that began after the request is done. */
export function requestCheckpoint(flags: number): void {
  spinAcquire(at + Mailbox.lock.offset);
  const oldFailed = Mailbox.failed.get(mem, at);
  const oldStarted = Mailbox.started.get(mem, at);
  Mailbox.flags.set(mem, at, Mailbox.flags.get(mem, at) | flags | CHECKPOINT.requested); // [checkpoint K1]
  spinRelease(at + Mailbox.lock.offset);
  const latch = roleLatch('checkpointerProc');
  if (latch >= 0) setLatch(latch);
  if ((flags & CHECKPOINT.wait) === 0) return;
  const read = (): { started: number; done: number; failed: number } => {
    spinAcquire(at + Mailbox.lock.offset);
    const now = {
      started: Mailbox.started.get(mem, at),
      done: Mailbox.done.get(mem, at),
      failed: Mailbox.failed.get(mem, at),
    };
    spinRelease(at + Mailbox.lock.offset);
    return now;
  };
  let now = read();
  while (now.started === oldStarted) {
    conditionVariableSleep(at + Mailbox.startCv.offset, WAIT_EVENT.CheckpointStart); // [checkpoint K3]
    now = read();
  }
  conditionVariableCancelSleep();
  const wanted = now.started;
  while (now.done - wanted < 0) {
    conditionVariableSleep(at + Mailbox.doneCv.offset, WAIT_EVENT.CheckpointDone);
    now = read();
  }
  conditionVariableCancelSleep();
  if (now.failed !== oldFailed)
    report('ERROR', {
      message: 'checkpoint request failed',
      hint: 'Consult recent messages in the server log for details.',
    });
}

/** Checkpointer: true if somebody asked. */
export const checkpointRequested = (): boolean => Mailbox.flags.get(mem, at) !== 0;
/** Checkpointer: takes the flags; from here on the checkpoint counts as started. [checkpoint K2] */
export function beginCheckpoint(): number {
  spinAcquire(at + Mailbox.lock.offset);
  const flags = Mailbox.flags.get(mem, at);
  Mailbox.flags.set(mem, at, 0);
  Mailbox.started.set(mem, at, Mailbox.started.get(mem, at) + 1);
  spinRelease(at + Mailbox.lock.offset);
  conditionVariableBroadcast(at + Mailbox.startCv.offset);
  return flags;
}
/** Checkpointer: the checkpoint that began is over, well or not. */
export function endCheckpoint(failed: boolean): void {
  spinAcquire(at + Mailbox.lock.offset);
  Mailbox.done.set(mem, at, Mailbox.started.get(mem, at));
  if (failed) Mailbox.failed.set(mem, at, Mailbox.failed.get(mem, at) + 1);
  spinRelease(at + Mailbox.lock.offset);
  conditionVariableBroadcast(at + Mailbox.doneCv.offset);
}
