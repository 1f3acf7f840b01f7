/** lwlock.ts — reader/writer locks for structures in shared memory.
 *
 *  Promises: an exclusive holder is alone; waiters are woken in arrival order; all locks of a process are released after
 *            an error by lwLockReleaseAll().
 *  Does not: detect deadlock, time out, recurse. Interrupts are held off while a lock is held.
 *  Cost: uncontended acquire or release = one CAS, no system call (test/bench/micro/shm/lwlock.bench.ts).
 *
 *  W1. A process that failed to get the lock queues itself and tries once more before it sleeps, because the holder may
 *      have released in between without seeing it.
 *  W2. A releaser wakes, it does not grant: the woken process competes again. A hand-off would cost a process switch per
 *      acquire, while a running holder usually takes and drops the same lock many times within its slice.
 *  W3. RELEASE_OK is cleared when somebody was chosen and set again when that one runs, so that a busy lock does not
 *      wake a second waiter for nothing.
 *  Counterpart: src/backend/storage/lmgr/lwlock.c */
import { futexWait, mem } from '#shm/memory.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { report } from '#runtime/error/report.ts';
import { holdInterrupts, resumeInterrupts } from '#runtime/interrupts.ts';
import { lwLockWaitEvent } from '#runtime/activity/wait-events.ts';
import { waitEnd, waitStart } from '#runtime/activity/wait-report.ts';
import { myProcess } from '#runtime/my-process.ts';

import {
  LW_FLAG_HAS_WAITERS,
  LW_FLAG_LOCKED,
  LW_FLAG_RELEASE_OK,
  LW_LOCK_MASK,
  LW_VAL_EXCLUSIVE,
  LW_VAL_SHARED,
  LWLock,
} from '#shm/lwlock-layout.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { procAt } from '#shm/proc.ts';
import { semaphoreDown, semaphoreUp } from '#shm/semaphore.ts';

export type LWLockMode = 'exclusive' | 'shared';
const MODE_EXCLUSIVE = 0;
const MODE_SHARED = 1;
const MODE_WAIT_UNTIL_FREE = 2;
const MAX_SIMUL_LWLOCKS = 200;

const NOT_WAITING = 0;
const WAITING = 1;
const PENDING_WAKEUP = 2;

/** What this process holds, in order of acquisition. Unsigned: offsets reach 4 GiB. */
const heldLocks = new Uint32Array(MAX_SIMUL_LWLOCKS);
const heldModes = new Uint8Array(MAX_SIMUL_LWLOCKS);
let heldCount = 0;

const STATE = LWLock.state.offset;

export function initializeLWLock(lock: number, tranche: number): void {
  LWLock.tranche.set(mem, lock, tranche);
  LWLock.state.store(mem, lock, LW_FLAG_RELEASE_OK);
  LWLock.waitHead.set(mem, lock, -1);
  LWLock.waitTail.set(mem, lock, -1);
}

/** A forked child holds none of its parent's locks (its parent, the postmaster, holds none either). */
export function forgetHeldLWLocks(): void {
  heldCount = 0;
}

/** True if the lock could not be had. */
function attempt(lock: number, mode: number): boolean {
  const { i32 } = mem;
  const word = (lock + STATE) >>> 2;
  const busy = mode === MODE_EXCLUSIVE ? LW_LOCK_MASK : LW_VAL_EXCLUSIVE;
  const share = mode === MODE_EXCLUSIVE ? LW_VAL_EXCLUSIVE : LW_VAL_SHARED;
  // A plain read (an atomic one costs ten times as much) is a guess that the exchange proves. Only "busy" must be a fact.
  let old = i32[word]!;
  if ((old & busy) !== 0) old = Atomics.load(i32, word);
  while ((old & busy) === 0) {
    const seen = Atomics.compareExchange(i32, word, old, old + share);
    if (seen === old) return false;
    old = seen;
  }
  return true;
}

function remember(lock: number, mode: number): void {
  heldLocks[heldCount] = lock;
  heldModes[heldCount++] = mode;
}

/** The wait list's spinlock is a bit of the state word. It is held for a few instructions; a holder that was stopped
 *  there keeps others spinning, so they yield the processor after a while. */
function lockWaitList(lock: number): void {
  let spins = 0;
  while ((LWLock.state.or(mem, lock, LW_FLAG_LOCKED) & LW_FLAG_LOCKED) !== 0) {
    for (let now = LWLock.state.load(mem, lock); (now & LW_FLAG_LOCKED) !== 0; now = LWLock.state.load(mem, lock)) {
      // Nobody wakes this futex: it only gives the processor away for a moment.
      if (++spins % 64 === 0) futexWait(lock + STATE, now, Math.min(spins / 640, 10));
    }
  }
}
function unlockWaitList(lock: number): void {
  LWLock.state.and(mem, lock, ~LW_FLAG_LOCKED);
}

function pushTail(lock: number, proc: number): void {
  const at = procAt(proc);
  const tail = LWLock.waitTail.get(mem, lock);
  PgProc.lwWaitNext.set(mem, at, -1);
  PgProc.lwWaitPrev.set(mem, at, tail);
  if (tail < 0) LWLock.waitHead.set(mem, lock, proc);
  else PgProc.lwWaitNext.set(mem, procAt(tail), proc);
  LWLock.waitTail.set(mem, lock, proc);
}
function pushHead(lock: number, proc: number): void {
  const at = procAt(proc);
  const head = LWLock.waitHead.get(mem, lock);
  PgProc.lwWaitPrev.set(mem, at, -1);
  PgProc.lwWaitNext.set(mem, at, head);
  if (head < 0) LWLock.waitTail.set(mem, lock, proc);
  else PgProc.lwWaitPrev.set(mem, procAt(head), proc);
  LWLock.waitHead.set(mem, lock, proc);
}
function unlink(lock: number, proc: number): void {
  const at = procAt(proc);
  const next = PgProc.lwWaitNext.get(mem, at);
  const prev = PgProc.lwWaitPrev.get(mem, at);
  if (prev < 0) LWLock.waitHead.set(mem, lock, next);
  else PgProc.lwWaitNext.set(mem, procAt(prev), next);
  if (next < 0) LWLock.waitTail.set(mem, lock, prev);
  else PgProc.lwWaitPrev.set(mem, procAt(next), prev);
}

function queueSelf(lock: number, mode: number): void {
  const me = myProcess.procNumber;
  if (me < 0) report('PANIC', { code: SQLSTATE.internalError, message: 'cannot wait without a PGPROC structure' });
  const at = procAt(me);
  if (PgProc.lwWaiting.load(mem, at) !== NOT_WAITING)
    report('PANIC', { code: SQLSTATE.internalError, message: 'queueing for lock while waiting on another one' });
  lockWaitList(lock);
  LWLock.state.or(mem, lock, LW_FLAG_HAS_WAITERS);
  PgProc.lwWaiting.store(mem, at, WAITING);
  PgProc.lwWaitMode.set(mem, at, mode);
  if (mode === MODE_WAIT_UNTIL_FREE) pushHead(lock, me);
  else pushTail(lock, me);
  unlockWaitList(lock);
}

/** Leaves the queue after the second attempt succeeded. */
function dequeueSelf(lock: number): void {
  const at = procAt(myProcess.procNumber);
  lockWaitList(lock);
  const stillQueued = PgProc.lwWaiting.load(mem, at) === WAITING;
  if (stillQueued) unlink(lock, myProcess.procNumber);
  if (LWLock.waitHead.get(mem, lock) < 0) LWLock.state.and(mem, lock, ~LW_FLAG_HAS_WAITERS);
  unlockWaitList(lock);
  if (stillQueued) {
    PgProc.lwWaiting.store(mem, at, NOT_WAITING);
    return;
  }
  // A waker already took us off the list: its wake-up is on the way. It cleared RELEASE_OK for us, so set it again, and
  // absorb the wake-up, or the next wait on this semaphore would end for nothing.
  LWLock.state.or(mem, lock, LW_FLAG_RELEASE_OK);
  absorbWakeups(at);
}

/** Sleeps until lwWaiting is cleared; semaphore counts that were meant for something else are given back. */
function absorbWakeups(at: number): void {
  let extra = 0;
  for (;;) {
    semaphoreDown(at);
    if (PgProc.lwWaiting.load(mem, at) === NOT_WAITING) break;
    extra++;
  }
  while (extra-- > 0) semaphoreUp(at);
}

function sleepOn(lock: number): void {
  const at = procAt(myProcess.procNumber);
  waitStart(lwLockWaitEvent(LWLock.tranche.get(mem, lock)));
  absorbWakeups(at);
  waitEnd();
}

function checkRoom(): void {
  if (heldCount >= MAX_SIMUL_LWLOCKS) report('ERROR', { message: 'too many LWLocks taken' });
}

/** Sleeps until it has the lock. Returns true if it had not to wait. */
export function lwLockAcquire(lock: number, mode: LWLockMode): boolean {
  checkRoom();
  const wanted = mode === 'exclusive' ? MODE_EXCLUSIVE : MODE_SHARED;
  holdInterrupts();
  if (!attempt(lock, wanted)) {
    remember(lock, wanted);
    return true;
  }
  let atOnce = true;
  for (;;) {
    queueSelf(lock, wanted); // [W1]
    if (!attempt(lock, wanted)) {
      dequeueSelf(lock);
      break;
    }
    sleepOn(lock);
    LWLock.state.or(mem, lock, LW_FLAG_RELEASE_OK); // [W3]
    atOnce = false;
    if (!attempt(lock, wanted)) break;
  }
  remember(lock, wanted);
  return atOnce;
}

/** Takes the lock only if it is free at once. */
export function lwLockConditionalAcquire(lock: number, mode: LWLockMode): boolean {
  checkRoom();
  const wanted = mode === 'exclusive' ? MODE_EXCLUSIVE : MODE_SHARED;
  holdInterrupts();
  if (attempt(lock, wanted)) {
    resumeInterrupts();
    return false;
  }
  remember(lock, wanted);
  return true;
}

/** Takes the lock if it is free; else waits until it becomes free and returns false WITHOUT the lock: for work that the
 *  previous holder may have done for us (group commit). */
export function lwLockAcquireOrWait(lock: number, mode: LWLockMode): boolean {
  checkRoom();
  const wanted = mode === 'exclusive' ? MODE_EXCLUSIVE : MODE_SHARED;
  holdInterrupts();
  let failed = attempt(lock, wanted);
  if (failed) {
    queueSelf(lock, MODE_WAIT_UNTIL_FREE);
    failed = attempt(lock, wanted);
    if (failed) sleepOn(lock);
    else dequeueSelf(lock);
  }
  if (failed) {
    resumeInterrupts();
    return false;
  }
  remember(lock, wanted);
  return true;
}

function forget(lock: number): number {
  // Mostly the latest.
  if (heldCount > 0 && heldLocks[heldCount - 1] === lock) return heldModes[--heldCount]!;
  for (let i = heldCount - 2; i >= 0; i--) {
    if (heldLocks[i] !== lock) continue;
    const mode = heldModes[i]!;
    heldCount--;
    for (; i < heldCount; i++) {
      heldLocks[i] = heldLocks[i + 1]!;
      heldModes[i] = heldModes[i + 1]!;
    }
    return mode;
  }
  return report('ERROR', { message: `lock at ${lock} is not held` });
}

export function lwLockRelease(lock: number): void {
  const mode = forget(lock);
  const delta = mode === MODE_EXCLUSIVE ? LW_VAL_EXCLUSIVE : LW_VAL_SHARED;
  const now = Atomics.sub(mem.i32, (lock + STATE) >>> 2, delta) - delta;
  const wakeable = LW_FLAG_HAS_WAITERS | LW_FLAG_RELEASE_OK;
  if ((now & wakeable) === wakeable && (now & LW_LOCK_MASK) === 0) wakeUp(lock);
  resumeInterrupts();
}

/** After an error: interrupts were held once per lock and are resumed the same way. */
export function lwLockReleaseAll(): void {
  while (heldCount > 0) {
    holdInterrupts();
    lwLockRelease(heldLocks[heldCount - 1]!);
    resumeInterrupts();
  }
}

export function lwLockHeldByMe(lock: number, mode?: LWLockMode): boolean {
  for (let i = 0; i < heldCount; i++) {
    if (heldLocks[i] !== lock) continue;
    if (mode === undefined || heldModes[i] === (mode === 'exclusive' ? MODE_EXCLUSIVE : MODE_SHARED)) return true;
  }
  return false;
}

/** Chosen waiters; a release wakes at most all sharers at the front of the queue. */
const chosen: number[] = [];

function wakeUp(lock: number): void {
  chosen.length = 0;
  let releaseOk = true;
  let wokeSomebody = false;
  lockWaitList(lock);
  for (let proc = LWLock.waitHead.get(mem, lock); proc >= 0; ) {
    const at = procAt(proc);
    const next = PgProc.lwWaitNext.get(mem, at);
    const mode = PgProc.lwWaitMode.get(mem, at);
    if (wokeSomebody && mode === MODE_EXCLUSIVE) {
      proc = next;
      continue;
    }
    unlink(lock, proc);
    chosen.push(proc);
    if (mode !== MODE_WAIT_UNTIL_FREE) {
      releaseOk = false;
      wokeSomebody = true;
    }
    PgProc.lwWaiting.store(mem, at, PENDING_WAKEUP);
    if (mode === MODE_EXCLUSIVE) break;
    proc = next;
  }
  const empty = LWLock.waitHead.get(mem, lock) < 0;
  for (let old = LWLock.state.load(mem, lock); ; ) {
    let next = releaseOk ? old | LW_FLAG_RELEASE_OK : old & ~LW_FLAG_RELEASE_OK;
    if (empty) next &= ~LW_FLAG_HAS_WAITERS;
    next &= ~LW_FLAG_LOCKED;
    const seen = LWLock.state.compareExchange(mem, lock, old, next);
    if (seen === old) break;
    old = seen;
  }
  for (let i = 0; i < chosen.length; i++) {
    const at = procAt(chosen[i]!);
    PgProc.lwWaiting.store(mem, at, NOT_WAITING);
    semaphoreUp(at);
  }
}

/** Words that a lock protects for waitForVar: the caller's 8 bytes at `variable` (as u64), e.g. a WAL position. */
function readVariable(variable: number): number {
  return Atomics.load(mem.i32, (variable + 4) >>> 2) * 0x1_0000_0000 + (Atomics.load(mem.i32, variable >>> 2) >>> 0);
}

/** Waits until the lock is free (returns true) or the variable differs from `old` (returns false and puts the new value
 *  into `result[0]`). The caller never holds the lock afterwards. */
export function lwLockWaitForVar(lock: number, variable: number, old: number, result: Float64Array): boolean {
  holdInterrupts();
  let free = false;
  const conflict = (): boolean => {
    if ((LWLock.state.load(mem, lock) & LW_VAL_EXCLUSIVE) === 0) {
      free = true;
      return false;
    }
    lockWaitList(lock);
    const value = readVariable(variable);
    unlockWaitList(lock);
    if (value === old) return true;
    result[0] = value;
    return false;
  };
  while (conflict()) {
    queueSelf(lock, MODE_WAIT_UNTIL_FREE);
    LWLock.state.or(mem, lock, LW_FLAG_RELEASE_OK);
    if (!conflict()) {
      dequeueSelf(lock);
      break;
    }
    sleepOn(lock);
  }
  resumeInterrupts();
  return free;
}

/** Holder only: changes the variable and wakes those who wait for that. */
export function lwLockUpdateVar(lock: number, variable: number, value: number): void {
  chosen.length = 0;
  lockWaitList(lock);
  Atomics.store(mem.i32, variable >>> 2, value | 0);
  Atomics.store(mem.i32, (variable + 4) >>> 2, Math.floor(value / 0x1_0000_0000) | 0);
  for (let proc = LWLock.waitHead.get(mem, lock); proc >= 0; ) {
    const at = procAt(proc);
    if (PgProc.lwWaitMode.get(mem, at) !== MODE_WAIT_UNTIL_FREE) break;
    const next = PgProc.lwWaitNext.get(mem, at);
    unlink(lock, proc);
    PgProc.lwWaiting.store(mem, at, PENDING_WAKEUP);
    chosen.push(proc);
    proc = next;
  }
  unlockWaitList(lock);
  for (let i = 0; i < chosen.length; i++) {
    const at = procAt(chosen[i]!);
    PgProc.lwWaiting.store(mem, at, NOT_WAITING);
    semaphoreUp(at);
  }
}
export function lwLockReleaseClearVar(lock: number, variable: number, value: number): void {
  lockWaitList(lock);
  Atomics.store(mem.i32, variable >>> 2, value | 0);
  Atomics.store(mem.i32, (variable + 4) >>> 2, Math.floor(value / 0x1_0000_0000) | 0);
  unlockWaitList(lock);
  lwLockRelease(lock);
}
