/** checkpoint-mailbox.ts — how anyone asks the checkpointer for a checkpoint and learns that it was done; and the queue of
 *  fsync requests that all other processes leave for it.
 *
 *  K1. A requester ORs its flags in under the spinlock and remembers started and failed.
 *  K2. The checkpointer takes and clears the flags, raises started, broadcasts; after the work it sets done = started,
 *      counts failed, and broadcasts again.
 *  K3. A waiting requester first waits until started has moved (its flags were seen), then until done has reached that.
 *
 *  The queue: whoever wrote to a relation's file adds a request under CheckpointerCommLock; when the queue is full, its
 *  duplicates are removed, and if there were none the caller must fsync by itself. A request is numbers only, since the
 *  names of files belong to a higher layer.
 *  Counterpart: CheckpointerShmemStruct of src/backend/postmaster/checkpointer.c */
import { atomic32, bytes, i16, i32, Memory, struct, u32 } from '#base/struct.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { report } from '#runtime/error/report.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { settings } from '#runtime/guc/guc.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { myProcess } from '#runtime/my-process.ts';
import {
  conditionVariableBroadcast,
  conditionVariableCancelSleep,
  conditionVariableSleep,
  initConditionVariable,
} from '#shm/condition-variable.ts';
import { resetLatch, setLatch } from '#shm/latch.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { mem } from '#shm/memory.ts';
import { roleLatch } from '#shm/proc.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import { spinAcquire, spinRelease } from '#shm/spinlock.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import { waitLatch } from '#shm/wait-event-set.ts';

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

const Mailbox = struct('CheckpointerShmem', 80, {
  lock: atomic32(),
  started: i32(),
  done: i32(),
  failed: i32(),
  flags: i32(),
  pad0: bytes(4),
  startCv: bytes(16),
  doneCv: bytes(16),
  // Guarded by CheckpointerCommLock:
  /** Pages that backends wrote, and fsyncs that they had to do, since the checkpointer last looked. */
  backendWrites: u32(),
  backendFsyncs: u32(),
  requests: i32(),
  maxRequests: i32(),
  pad: bytes(8),
});
/** CheckpointerRequest: type and FileTag. */
const Request = struct('CheckpointerRequest', 24, {
  type: i32(),
  handler: i16(),
  fork: i16(),
  spcNode: u32(),
  dbNode: u32(),
  relNode: u32(),
  segment: u32(),
});
const requestAt = (i: number): number => at + Mailbox.SIZE + i * Request.SIZE;
/** As many as there are buffers: more different files can hardly be written between two looks. */
const queueLength = (): number => settings.shared_buffers;
const shmemSize = (): number => Mailbox.SIZE + queueLength() * Request.SIZE;
let at = -1;
export const checkpointerShmem: ShmemSubsystem = {
  name: 'Checkpointer Data',
  request: () => requestShmemSpace(shmemSize()),
  init() {
    const found = shmemInitStruct('Checkpointer Data', shmemSize());
    at = found.at;
    if (found.found) return;
    Mailbox.maxRequests.set(mem, at, queueLength());
    initConditionVariable(at + Mailbox.startCv.offset);
    initConditionVariable(at + Mailbox.doneCv.offset);
  },
};

/** Without a postmaster there is nobody to ask: the process makes its checkpoint itself. */
let ownCheckpoint: ((flags: number) => void) | null = null;
export function setOwnCheckpoint(make: ((flags: number) => void) | null): void {
  ownCheckpoint = make;
}

/** How often, and after how many milliseconds, a waiter looks for a checkpointer that is not there yet. */
const MAX_SIGNAL_TRIES = 600;
const SIGNAL_RETRY_MS = 100;

/** Sets the checkpointer's latch; with `wait` it gives a missing checkpointer a minute to appear. */
function wakeCheckpointer(wait: boolean): void {
  for (let tries = 0; ; tries++) {
    const latch = roleLatch('checkpointerProc');
    if (latch >= 0) {
      setLatch(latch);
      return;
    }
    if (tries >= MAX_SIGNAL_TRIES || !wait) {
      report(wait ? 'ERROR' : 'LOG', {
        message: 'could not signal for checkpoint: checkpointer is not running',
      });
      return;
    }
    checkForInterrupts();
    waitLatch({ timeoutMs: SIGNAL_RETRY_MS }, WAIT_EVENT.CheckpointStart);
    resetLatch();
  }
}

/** Asks for a checkpoint; with CHECKPOINT.wait sleeps until one that began after the request is done. */
export function requestCheckpoint(flags: number): void {
  if (ownCheckpoint !== null && !myProcess.isUnderPostmaster) {
    ownCheckpoint(flags | CHECKPOINT.immediate);
    return;
  }
  spinAcquire(at + Mailbox.lock.offset);
  const oldFailed = Mailbox.failed.get(mem, at);
  const oldStarted = Mailbox.started.get(mem, at);
  Mailbox.flags.set(mem, at, Mailbox.flags.get(mem, at) | flags | CHECKPOINT.requested); // [checkpoint K1]
  spinRelease(at + Mailbox.lock.offset);
  wakeCheckpointer((flags & CHECKPOINT.wait) !== 0);
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
/** Is somebody waiting for a checkpoint at full speed? Unlocked: a request that is seen late is seen soon. */
export const immediateCheckpointRequested = (): boolean => (Mailbox.flags.get(mem, at) & CHECKPOINT.immediate) !== 0;

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

let lastDoneSeen = 0;
/** True once for each checkpoint that was completed since the last call in this process. */
export function firstCallSinceLastCheckpoint(): boolean {
  spinAcquire(at + Mailbox.lock.offset);
  const done = Mailbox.done.get(mem, at);
  spinRelease(at + Mailbox.lock.offset);
  const isNew = done !== lastDoneSeen;
  lastDoneSeen = done;
  return isNew;
}

/** Leaves an fsync request with the checkpointer. False if the queue is full: the caller does it alone. */
export function forwardSyncRequest(
  type: number,
  handler: number,
  fork: number,
  spcNode: number,
  dbNode: number,
  relNode: number,
  segment: number,
): boolean {
  const isBackend = myProcess.kind !== 'background-writer';
  const lock = mainLWLock('CheckpointerComm');
  lwLockAcquire(lock, 'exclusive');
  // A page was written, or there would be no request.
  if (isBackend) Mailbox.backendWrites.set(mem, at, (Mailbox.backendWrites.get(mem, at) + 1) >>> 0);
  const latch = roleLatch('checkpointerProc');
  const max = Mailbox.maxRequests.get(mem, at);
  if (latch < 0 || (Mailbox.requests.get(mem, at) >= max && !compactRequests())) {
    // A backend's own fsync hurts, so it is counted; the background writer's is part of its work.
    if (isBackend) Mailbox.backendFsyncs.set(mem, at, (Mailbox.backendFsyncs.get(mem, at) + 1) >>> 0);
    lwLockRelease(lock);
    return false;
  }
  const count = Mailbox.requests.get(mem, at);
  const request = requestAt(count);
  Request.type.set(mem, request, type);
  Request.handler.set(mem, request, handler);
  Request.fork.set(mem, request, fork);
  Request.spcNode.set(mem, request, spcNode);
  Request.dbNode.set(mem, request, dbNode);
  Request.relNode.set(mem, request, relNode);
  Request.segment.set(mem, request, segment);
  Mailbox.requests.set(mem, at, count + 1);
  const tooFull = count + 1 >= max / 2;
  lwLockRelease(lock);
  if (tooFull) setLatch(latch);
  return true;
}

/** Removes all but the last of equal requests: the order matters only between different types, and an early fsync request
 *  before a later equal one says nothing. Under CheckpointerCommLock. */
function compactRequests(): boolean {
  const count = Mailbox.requests.get(mem, at);
  const last = new Map<string, number>();
  const skip = new Uint8Array(count);
  let skipped = 0;
  for (let i = 0; i < count; i++) {
    const request = requestAt(i);
    const key = Buffer.from(mem.u8.buffer, request, Request.SIZE).toString('latin1');
    const earlier = last.get(key);
    if (earlier !== undefined) {
      skip[earlier] = 1;
      skipped++;
    }
    last.set(key, i);
  }
  if (skipped === 0) return false;
  let kept = 0;
  for (let i = 0; i < count; i++) {
    if (skip[i] === 1) continue;
    if (kept !== i) mem.u8.copyWithin(requestAt(kept), requestAt(i), requestAt(i) + Request.SIZE);
    kept++;
  }
  report('DEBUG1', { message: `compacted fsync request queue from ${count} entries to ${kept} entries` });
  Mailbox.requests.set(mem, at, kept);
  return true;
}

/** One request, as the checkpointer takes it over. */
export type TakeSyncRequest = (
  type: number,
  handler: number,
  fork: number,
  spcNode: number,
  dbNode: number,
  relNode: number,
  segment: number,
) => void;

/** Checkpointer: empties the queue into `take`, and tells what backends wrote and fsynced themselves meanwhile. */
export function absorbSyncRequests(take: TakeSyncRequest, counts: (writes: number, fsyncs: number) => void): void {
  const lock = mainLWLock('CheckpointerComm');
  lwLockAcquire(lock, 'exclusive');
  const writes = Mailbox.backendWrites.get(mem, at);
  const fsyncs = Mailbox.backendFsyncs.get(mem, at);
  Mailbox.backendWrites.set(mem, at, 0);
  Mailbox.backendFsyncs.set(mem, at, 0);
  const count = Mailbox.requests.get(mem, at);
  // Copied, so that the lock is not held while they are filed.
  const copy = mem.view.buffer.slice(requestAt(0), requestAt(count));
  // From here on the requests exist only in this process: losing one to an error would lose an fsync.
  beginCritical();
  Mailbox.requests.set(mem, at, 0);
  lwLockRelease(lock);
  const taken = new Memory(copy);
  for (let i = 0; i < count; i++) {
    const request = i * Request.SIZE;
    take(
      Request.type.get(taken, request),
      Request.handler.get(taken, request),
      Request.fork.get(taken, request),
      Request.spcNode.get(taken, request),
      Request.dbNode.get(taken, request),
      Request.relNode.get(taken, request),
      Request.segment.get(taken, request),
    );
  }
  endCritical();
  counts(writes, fsyncs);
}
