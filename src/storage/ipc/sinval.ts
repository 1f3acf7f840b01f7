/** sinval.ts — shared invalidation messages: “what you cached about this is no longer true”.
 *
 *  A ring of 4096 messages that all sessions read, each at its own pace. A sender never waits for a reader: whoever is
 *  more than a ring behind has lost messages and must forget everything it cached (reset). Before that happens, the one
 *  who is furthest behind is asked to catch up (ProcSignal), and when it has, it asks the next one.
 *  Promises: a message sent before a reader looks is read by it, or it is told to reset; messages come in order.
 *  SInvalWrite is held by who adds, SInvalRead in shared mode by who reads, both by who cleans up. maxMsgNum is moved
 *  under a spinlock of its own, because readers look at it while a writer writes.
 *  Counterpart: src/backend/storage/ipc/sinval.c, sinvaladt.c */
import { assert } from '#base/assert.ts';
import { atomic32, bytes, i32, struct } from '#base/struct.ts';
import { report } from '#runtime/error/report.ts';
import { raiseInterrupt } from '#runtime/interrupts.ts';
import { myProcess } from '#runtime/my-process.ts';
import { setMyLatch } from '#shm/latch.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { mem, onNewPrivateWindow } from '#shm/memory.ts';
import { privateAlloc } from '#shm/private-memory.ts';
import { maxBackends } from '#shm/proc.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import { spinAcquire, spinRelease } from '#shm/spinlock.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import { sendProcSignal } from '#storage/ipc/proc-signal.ts';

export const SINVAL_MESSAGE_SIZE = 16;
export const SINVAL_RING = 4096;
/** Message numbers are moved back by this much before they grow too large; a multiple of the ring. */
const WRAPAROUND = SINVAL_RING * 262_144;
/** The queue is cleaned when it is this full, then again for each quantum more. */
const CLEANUP_MIN = SINVAL_RING / 2;
const CLEANUP_QUANTUM = SINVAL_RING / 16;
/** Who is further behind than this is asked to catch up. */
const SIGNAL_THRESHOLD = SINVAL_RING / 2;
/** Messages added or read per lock acquisition. */
const WRITE_QUANTUM = 64;
const READ_QUANTUM = 32;

const Ring = struct('SInvalRing', 64, {
  /** Oldest message still needed, next message to be written. */
  minMsgNum: i32(),
  maxMsgNum: i32(),
  nextThreshold: i32(),
  /** Highest backend id in use. */
  lastBackend: i32(),
  msgNumLock: atomic32(),
  pad: bytes(44),
});
const Reader = struct('SInvalReader', 32, {
  /** 0 in an unused slot. */
  pid: atomic32(),
  nextMsgNum: i32(),
  resetState: i32(),
  signaled: i32(),
  hasMessages: atomic32(),
  sendOnly: i32(),
  pad: bytes(8),
});

let ringAt = -1;
let readersAt = -1;
let messagesAt = -1;
const readerAt = (backendId: number): number => readersAt + (backendId - 1) * Reader.SIZE;
const ringSize = (): number => Ring.SIZE + maxBackends() * Reader.SIZE + SINVAL_RING * SINVAL_MESSAGE_SIZE;

export const sinvalShmem: ShmemSubsystem = {
  name: 'shmInvalBuffer',
  request: () => requestShmemSpace(ringSize()),
  init() {
    const { at, found } = shmemInitStruct('shmInvalBuffer', ringSize());
    ringAt = at;
    readersAt = at + Ring.SIZE;
    messagesAt = readersAt + maxBackends() * Reader.SIZE;
    if (!found) Ring.nextThreshold.set(mem, ringAt, CLEANUP_MIN);
  },
};

/** Next message to be read in private memory, and those read but not handled: a handler may call us again. */
let pendingAt = -1;
let pendingNext = 0;
let pendingCount = 0;
/** A message is handed out as a copy, one place per depth of recursion. */
let copiesAt = -1;
const MAX_DEPTH = 64;
let depth = 0;
let catchupPending = false;
let messageCounter = 0;
let amReader = false;

onNewPrivateWindow(() => {
  pendingAt = -1;
  pendingNext = 0;
  pendingCount = 0;
});

/** Takes part as a reader (or, for the startup process, as a sender only) under this process's backend id. Messages sent
 *  before concern it not: it has cached nothing yet. */
export function sharedInvalBackendInit(sendOnly: boolean): void {
  if (ringAt < 0) return;
  const id = myProcess.backendId;
  const lock = mainLWLock('SInvalWrite');
  lwLockAcquire(lock, 'exclusive');
  const at = readerAt(id);
  if (id > Ring.lastBackend.get(mem, ringAt)) Ring.lastBackend.set(mem, ringAt, id);
  Reader.pid.store(mem, at, myProcess.pid);
  Reader.nextMsgNum.set(mem, at, Ring.maxMsgNum.get(mem, ringAt));
  Reader.resetState.set(mem, at, 0);
  Reader.signaled.set(mem, at, 0);
  Reader.hasMessages.store(mem, at, 0);
  Reader.sendOnly.set(mem, at, sendOnly ? 1 : 0);
  lwLockRelease(lock);
  amReader = !sendOnly;
  catchupPending = false;
  messageCounter = 0;
  depth = 0;
  pendingNext = 0;
  pendingCount = 0;
}
/** At the process's exit. */
export function sharedInvalBackendCleanup(): void {
  if (ringAt < 0) return;
  const id = myProcess.backendId;
  const lock = mainLWLock('SInvalWrite');
  lwLockAcquire(lock, 'exclusive');
  const at = readerAt(id);
  Reader.pid.store(mem, at, 0);
  Reader.nextMsgNum.set(mem, at, 0);
  Reader.resetState.set(mem, at, 0);
  Reader.signaled.set(mem, at, 0);
  let last = Ring.lastBackend.get(mem, ringAt);
  while (last > 0 && Reader.pid.load(mem, readerAt(last)) === 0) last--;
  Ring.lastBackend.set(mem, ringAt, last);
  lwLockRelease(lock);
  amReader = false;
}

/** Counts messages handled and resets: whoever read a catalog can see whether something came in between. */
export const sharedInvalidMessageCounter = (): number => messageCounter;

/** Sends `count` messages of 16 bytes that lie at `at` in `mem`. */
export function sendSharedInvalidMessages(at: number, count: number): void {
  const write = mainLWLock('SInvalWrite');
  let from = at;
  for (let left = count; left > 0; ) {
    const now = Math.min(left, WRITE_QUANTUM);
    left -= now;
    lwLockAcquire(write, 'exclusive');
    for (;;) {
      const queued = Ring.maxMsgNum.get(mem, ringAt) - Ring.minMsgNum.get(mem, ringAt);
      if (queued + now <= SINVAL_RING && queued < Ring.nextThreshold.get(mem, ringAt)) break;
      cleanUpQueue(true, now);
    }
    let max = Ring.maxMsgNum.get(mem, ringAt);
    for (let i = 0; i < now; i++, max++, from += SINVAL_MESSAGE_SIZE)
      mem.u8.copyWithin(messageAt(max), from, from + SINVAL_MESSAGE_SIZE);
    spinAcquire(ringAt + Ring.msgNumLock.offset);
    Ring.maxMsgNum.set(mem, ringAt, max);
    spinRelease(ringAt + Ring.msgNumLock.offset);
    const last = Ring.lastBackend.get(mem, ringAt);
    for (let id = 1; id <= last; id++) Reader.hasMessages.store(mem, readerAt(id), 1);
    lwLockRelease(write);
  }
}
const messageAt = (number: number): number => messagesAt + (number % SINVAL_RING) * SINVAL_MESSAGE_SIZE;

/** Copies unread messages to `to`: how many, or -1 if messages were lost. */
function getEntries(to: number, room: number): number {
  const me = readerAt(myProcess.backendId);
  // Without a lock: a message that is being added now need not be seen now.
  if (Reader.hasMessages.load(mem, me) === 0) return 0;
  // Cleared before we look at maxMsgNum: what comes after sets it again.
  Reader.hasMessages.store(mem, me, 0);
  const read = mainLWLock('SInvalRead');
  lwLockAcquire(read, 'shared');
  spinAcquire(ringAt + Ring.msgNumLock.offset);
  const max = Ring.maxMsgNum.get(mem, ringAt);
  spinRelease(ringAt + Ring.msgNumLock.offset);
  if (Reader.resetState.get(mem, me) !== 0) {
    Reader.nextMsgNum.set(mem, me, max);
    Reader.resetState.set(mem, me, 0);
    Reader.signaled.set(mem, me, 0);
    lwLockRelease(read);
    return -1;
  }
  let next = Reader.nextMsgNum.get(mem, me);
  let count = 0;
  for (; count < room && next < max; count++, next++) {
    const from = messageAt(next);
    mem.u8.copyWithin(to + count * SINVAL_MESSAGE_SIZE, from, from + SINVAL_MESSAGE_SIZE);
  }
  Reader.nextMsgNum.set(mem, me, next);
  if (next >= max) Reader.signaled.set(mem, me, 0);
  else Reader.hasMessages.store(mem, me, 1);
  lwLockRelease(read);
  return count;
}

/** Frees what everybody has read, marks those who are too far behind for `minFree` new messages, and asks the slowest of
 *  the rest to hurry. SInvalWrite may be released and taken again in between. */
function cleanUpQueue(hasWriteLock: boolean, minFree: number): void {
  const write = mainLWLock('SInvalWrite');
  const read = mainLWLock('SInvalRead');
  if (!hasWriteLock) lwLockAcquire(write, 'exclusive');
  lwLockAcquire(read, 'exclusive');
  const max = Ring.maxMsgNum.get(mem, ringAt);
  let min = max;
  let slowest = min - SIGNAL_THRESHOLD;
  const lowBound = min - SINVAL_RING + minFree;
  let toSignal = 0;
  const last = Ring.lastBackend.get(mem, ringAt);
  for (let id = 1; id <= last; id++) {
    const at = readerAt(id);
    if (Reader.pid.load(mem, at) === 0 || Reader.resetState.get(mem, at) !== 0 || Reader.sendOnly.get(mem, at) !== 0)
      continue;
    const next = Reader.nextMsgNum.get(mem, at);
    if (next < lowBound) {
      Reader.resetState.set(mem, at, 1);
      continue;
    }
    if (next < min) min = next;
    if (next < slowest && Reader.signaled.get(mem, at) === 0) {
      slowest = next;
      toSignal = id;
    }
  }
  Ring.minMsgNum.set(mem, ringAt, min);
  if (min >= WRAPAROUND) moveNumbersBack(last);
  const queued = Ring.maxMsgNum.get(mem, ringAt) - Ring.minMsgNum.get(mem, ringAt);
  Ring.nextThreshold.set(
    mem,
    ringAt,
    queued < CLEANUP_MIN ? CLEANUP_MIN : (Math.floor(queued / CLEANUP_QUANTUM) + 1) * CLEANUP_QUANTUM,
  );
  let pid = 0;
  if (toSignal > 0) {
    pid = Reader.pid.load(mem, readerAt(toSignal));
    Reader.signaled.set(mem, readerAt(toSignal), 1);
  }
  lwLockRelease(read);
  if (pid !== 0) {
    lwLockRelease(write);
    report('DEBUG4', { message: `sending sinval catchup signal to PID ${pid}` });
    sendProcSignal(pid, 'catchupInterrupt', toSignal);
    if (hasWriteLock) lwLockAcquire(write, 'exclusive');
  } else if (!hasWriteLock) lwLockRelease(write);
}
function moveNumbersBack(last: number): void {
  Ring.minMsgNum.set(mem, ringAt, Ring.minMsgNum.get(mem, ringAt) - WRAPAROUND);
  Ring.maxMsgNum.set(mem, ringAt, Ring.maxMsgNum.get(mem, ringAt) - WRAPAROUND);
  for (let id = 1; id <= last; id++)
    Reader.nextMsgNum.set(mem, readerAt(id), Reader.nextMsgNum.get(mem, readerAt(id)) - WRAPAROUND);
}

/** Hands each unread message (its address, valid during the call) to `handler`; calls `reset` when messages were lost.
 *  May be called from within a handler: the inner call then takes the outer one's messages first. */
export function receiveSharedInvalidMessages(handler: (at: number) => void, reset: () => void): void {
  if (ringAt < 0 || !amReader) return;
  if (pendingAt < 0) {
    pendingAt = privateAlloc(READ_QUANTUM * SINVAL_MESSAGE_SIZE);
    copiesAt = privateAlloc(MAX_DEPTH * SINVAL_MESSAGE_SIZE);
  }
  handlePending(handler);
  do {
    // Two steps, so that an inner call started by a handler finds a consistent state.
    pendingNext = 0;
    pendingCount = 0;
    const got = getEntries(pendingAt, READ_QUANTUM);
    if (got < 0) {
      report('DEBUG4', { message: 'cache state reset' });
      messageCounter++;
      reset();
      break;
    }
    pendingNext = 0;
    pendingCount = got;
    handlePending(handler);
  } while (pendingCount === READ_QUANTUM);
  // Whoever caught up helps the next one.
  if (catchupPending) {
    catchupPending = false;
    report('DEBUG4', { message: 'sinval catchup complete, cleaning queue' });
    cleanUpQueue(false, 0);
  }
}
function handlePending(handler: (at: number) => void): void {
  while (pendingNext < pendingCount) {
    assert(depth < MAX_DEPTH, 'invalidation handlers do not recurse for ever');
    const from = pendingAt + pendingNext++ * SINVAL_MESSAGE_SIZE;
    const copy = copiesAt + depth * SINVAL_MESSAGE_SIZE;
    mem.u8.copyWithin(copy, from, from + SINVAL_MESSAGE_SIZE);
    messageCounter++;
    depth++;
    try {
      handler(copy);
    } finally {
      depth--;
    }
  }
}

/** ProcSignal 'catchupInterrupt' has arrived. */
export function handleCatchupInterrupt(): void {
  catchupPending = true;
  raiseInterrupt();
  setMyLatch();
}
/** An idle session must start and end a transaction now (or, inside one, accept messages), which reads the queue. */
export const catchupInterruptPending = (): boolean => catchupPending;
