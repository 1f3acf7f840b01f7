/** lock-wait.ts — the sleep in a lock's queue: where to stand, when to look for a deadlock, how to leave.
 *
 *  A waiter stands at the end, unless it already holds what somebody in the queue waits for: then it goes before that one,
 *  because behind it there would be a deadlock. After deadlock_timeout the process looks for cycles (deadlock.ts). An
 *  error (cancel, lock_timeout) leaves the queue before it goes on.
 *  Counterpart: ProcSleep(), LockErrorCleanup(), CheckDeadLock() of src/backend/storage/lmgr/proc.c, WaitOnLock() */
import { assert } from '#base/assert.ts';
import { currentTimestamp } from '#platform/clock.ts';
import { native, osError, SIGNAL } from '#platform/native.ts';
import { setPsSuffix } from '#runtime/activity/ps-title.ts';
import { WAIT_CLASS } from '#runtime/activity/wait-events.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import {
  checkForInterrupts,
  holdInterrupts,
  raiseInterrupt,
  resumeInterrupts,
  signalPending,
  takeSignal,
} from '#runtime/interrupts.ts';
import { myProcess } from '#runtime/my-process.ts';
import type { ResourceOwner } from '#runtime/resource-owner.ts';
import {
  disableTimeout,
  enableTimeoutAfter,
  enableTimeouts,
  handleTimeouts,
  registerTimeout,
  TIMEOUT,
} from '#runtime/timeouts.ts';
import { resetLatch, setMyLatch } from '#shm/latch.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { mem } from '#shm/memory.ts';
import { procAt } from '#shm/proc.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { waitLatch } from '#shm/wait-event-set.ts';
import {
  blockingAutovacuumProc,
  deadLockCheck,
  deadLockReport,
  type DeadLockState,
  rememberSimpleDeadLock,
} from '#storage/lmgr/deadlock.ts';
import { abortStrongLock } from '#storage/lmgr/fast-path.ts';
import { grantLocally, type LocalLock } from '#storage/lmgr/local-lock.ts';
import { Lock, LOCK_PARTITIONS, ProcLock } from '#storage/lmgr/lock-layout.ts';
import { LOCK_CONFLICTS, lockModeName } from '#storage/lmgr/lock-modes.ts';
import {
  grantLock,
  insertWaiter,
  lockCheckConflicts,
  removeFromWaitQueue,
  WAIT_STATUS,
} from '#storage/lmgr/lock-queue.ts';
import { findLock, partitionLock, partitionLockOfIndex } from '#storage/lmgr/lock-table.ts';
import { describeLockTag, type LockTag } from '#storage/lmgr/lock-tag.ts';
import { inHotStandby } from '#wal/recovery-state.ts';

/** What we wait for, from the decision to wait until the grant is noted locally. */
let awaited: LocalLock | null = null;
let awaitedOwner: ResourceOwner | null = null;
/** We may stand in the queue of this lock. */
let queuedFor: LocalLock | null = null;
let deadlockTimeoutFired = false;
let deadlockState: DeadLockState = 'notYetChecked';

/** On a standby the startup process replays locks: it does not look for deadlocks but cancels, in the end, whoever holds
 *  what it needs. Waits once, for its latch or a timeout. */
export type StandbyLockWait = (tag: LockTag, waitEvent: number) => void;
let standbyWait: StandbyLockWait | null = null;
export function setStandbyLockWait(wait: StandbyLockWait | null): void {
  standbyWait = wait;
}

/** PROC_FLAG bits of PGPROC.statusFlags. */
const IS_AUTOVACUUM = 0x01;
const VACUUM_FOR_WRAPAROUND = 0x08;

/** The caller holds the partition and has set heldLocks; so it is when this returns with the lock granted. */
export function waitOnLock(local: LocalLock, owner: ResourceOwner | null): void {
  awaited = local;
  awaitedOwner = owner;
  setPsSuffix(' waiting');
  let status: number;
  try {
    status = procSleep(local);
    if (status !== WAIT_STATUS.ok) {
      awaited = null;
      lwLockRelease(partitionLock(local.hash));
      deadLockReport();
    }
    awaited = null;
  } catch (error) {
    lockErrorCleanup();
    throw error;
  } finally {
    setPsSuffix('');
  }
}

function grantAwaitedLock(): void {
  if (awaited !== null) grantLocally(awaited, awaitedOwner);
}

/** Enters the queue, sleeps until it is granted or refused. Holds the partition at entry and exit. */
function procSleep(local: LocalLock): number {
  const { lock, procLock, mode, hash } = local;
  const me = myProcess.procNumber;
  const at = procAt(me);
  const partition = partitionLock(hash);
  const place = findPlace(local, me);
  if (place === GRANTED) return WAIT_STATUS.ok;
  const deadlocked = place === DEADLOCKED;
  insertWaiter(lock, me, deadlocked ? -1 : place);
  Lock.waitMask.set(mem, lock, Lock.waitMask.get(mem, lock) | (1 << mode));
  PgProc.waitLock.set(mem, at, lock);
  PgProc.waitProcLock.set(mem, at, procLock);
  PgProc.waitLockMode.set(mem, at, mode);
  PgProc.waitStatus.store(mem, at, WAIT_STATUS.waiting);
  if (deadlocked) {
    removeFromWaitQueue(me);
    return WAIT_STATUS.error;
  }
  queuedFor = local;
  lwLockRelease(partition);
  const standby = inHotStandby() ? standbyWait : null;
  if (standby === null) armTimeouts(at);
  const start = currentTimestamp();
  const event = (WAIT_CLASS.Lock << 24) | local.tag.type;
  let mayCancelAutovacuum = true;
  let status: number;
  do {
    if (standby !== null) {
      standby(local.tag, event);
      status = PgProc.waitStatus.load(mem, at);
      continue;
    }
    waitLatch(undefined, event);
    resetLatch();
    // The alarm is looked at here, too, because interrupts may be held off by whoever waits.
    if (signalPending(SIGNAL.ALRM) && takeSignal(SIGNAL.ALRM)) {
      handleTimeouts();
      raiseInterrupt();
    }
    if (deadlockTimeoutFired) {
      deadlockTimeoutFired = false;
      checkDeadLock();
    }
    checkForInterrupts();
    if (deadlockTimeoutFired) {
      // It was checkForInterrupts() that fired the timeout.
      deadlockTimeoutFired = false;
      checkDeadLock();
    }
    status = PgProc.waitStatus.load(mem, at);
    if (deadlockState === 'blockedByAutovacuum' && mayCancelAutovacuum) {
      cancelAutovacuum(local);
      mayCancelAutovacuum = false;
    }
    if (settings.log_lock_waits && deadlockState !== 'notYetChecked') {
      logLockWait(local, status, start);
      deadlockState = 'noDeadlock';
    }
  } while (status === WAIT_STATUS.waiting);
  if (standby === null) disableWaitTimeouts();
  lwLockAcquire(partition, 'exclusive');
  queuedFor = null;
  if (PgProc.waitStatus.load(mem, at) === WAIT_STATUS.ok) grantAwaitedLock();
  return PgProc.waitStatus.load(mem, at);
}

const GRANTED = -2;
const DEADLOCKED = -3;

/** Before whom to stand: a PGPROC number, -1 for the end, GRANTED or DEADLOCKED. */
function findPlace(local: LocalLock, me: number): number {
  const { lock, procLock, mode } = local;
  const leader = PgProc.lockGroupLeader.get(mem, procAt(me));
  let held = PgProc.heldLocks.get(mem, procAt(me));
  if (leader >= 0)
    for (let other = Lock.procLockFirst.get(mem, lock); other !== 0; other = ProcLock.lockNext.get(mem, other))
      if (ProcLock.groupLeader.get(mem, other) === leader) held |= ProcLock.holdMask.get(mem, other);
  if (held === 0) return -1;
  let ahead = 0;
  for (let proc = Lock.waitFirst.get(mem, lock); proc >= 0; proc = PgProc.waitNext.get(mem, procAt(proc))) {
    const at = procAt(proc);
    if (leader >= 0 && leader === PgProc.lockGroupLeader.get(mem, at)) continue;
    const wanted = PgProc.waitLockMode.get(mem, at);
    if ((LOCK_CONFLICTS[wanted]! & held) !== 0) {
      // It waits for us. If we would wait for it as well, nobody could ever go on.
      if ((LOCK_CONFLICTS[mode]! & PgProc.heldLocks.get(mem, at)) !== 0) {
        rememberSimpleDeadLock(me, mode, lock, proc);
        return DEADLOCKED;
      }
      if ((LOCK_CONFLICTS[mode]! & ahead) === 0 && !lockCheckConflicts(mode, lock, procLock)) {
        grantLock(lock, procLock, mode);
        grantAwaitedLock();
        return GRANTED;
      }
      return proc;
    }
    ahead |= 1 << wanted;
  }
  return -1;
}

function armTimeouts(at: number): void {
  deadlockState = 'notYetChecked';
  deadlockTimeoutFired = false;
  registerTimeout(TIMEOUT.deadlock, noteDeadlockTimeout);
  if (settings.lock_timeout > 0)
    enableTimeouts([
      [TIMEOUT.deadlock, settings.deadlock_timeout],
      [TIMEOUT.lock, settings.lock_timeout],
    ]);
  else enableTimeoutAfter(TIMEOUT.deadlock, settings.deadlock_timeout);
  PgProc.waitStart.set(mem, at, currentTimestamp());
}
function noteDeadlockTimeout(): void {
  deadlockTimeoutFired = true;
  setMyLatch();
}
function disableWaitTimeouts(): void {
  disableTimeout(TIMEOUT.deadlock);
  if (settings.lock_timeout > 0) disableTimeout(TIMEOUT.lock);
}

/** Looks for a cycle with the whole lock table standing still. */
function checkDeadLock(): void {
  const me = myProcess.procNumber;
  for (let i = 0; i < LOCK_PARTITIONS; i++) lwLockAcquire(partitionLockOfIndex(i), 'exclusive');
  try {
    // Granted or refused meanwhile: nothing to look for.
    if (PgProc.waitQueued.get(mem, procAt(me)) === 0) return;
    deadlockState = deadLockCheck(me);
    if (deadlockState === 'hard') removeFromWaitQueue(me);
  } finally {
    for (let i = LOCK_PARTITIONS; --i >= 0; ) lwLockRelease(partitionLockOfIndex(i));
  }
}

/** Out of the queue, on the way out of an error. Also called where a wait may have been cut off: at an abort, before a
 *  process dies. A lock that was granted meanwhile is noted, so that the abort releases it. */
export function lockErrorCleanup(): void {
  holdInterrupts();
  abortStrongLock();
  const local = queuedFor;
  if (local === null) {
    awaited = null;
    resumeInterrupts();
    return;
  }
  disableTimeout(TIMEOUT.deadlock);
  // The indicator tells processInterrupts() why the query is canceled.
  disableTimeout(TIMEOUT.lock, true);
  const partition = partitionLock(local.hash);
  lwLockAcquire(partition, 'exclusive');
  const at = procAt(myProcess.procNumber);
  if (PgProc.waitQueued.get(mem, at) !== 0) removeFromWaitQueue(myProcess.procNumber);
  else if (PgProc.waitStatus.load(mem, at) === WAIT_STATUS.ok) grantAwaitedLock();
  queuedFor = null;
  awaited = null;
  lwLockRelease(partition);
  resumeInterrupts();
}

/** An autovacuum that nobody is in need of gives way. */
function cancelAutovacuum(local: LocalLock): void {
  const proc = blockingAutovacuumProc();
  assert(proc >= 0, 'the detector named the worker');
  const at = procAt(proc);
  const lock = mainLWLock('ProcArray');
  lwLockAcquire(lock, 'exclusive');
  const flags = PgProc.statusFlags.get(mem, at);
  const pid = PgProc.pid.load(mem, at);
  lwLockRelease(lock);
  if ((flags & IS_AUTOVACUUM) === 0 || (flags & VACUUM_FOR_WRAPAROUND) !== 0) return;
  report('DEBUG1', {
    message: `sending cancel to blocking autovacuum PID ${pid}`,
    detailLog: `Process ${myProcess.pid} waits for ${lockModeName(local.mode)} on ${describeLockTag(local.tag)}.`,
  });
  const result = native.kill(pid, SIGNAL.INT);
  // A worker that has just ended is no news.
  if (result < 0 && result !== -native.ERRNO.ESRCH)
    report('WARNING', { message: `could not send signal to process ${pid}: ${osError(result)}` });
}

/** log_lock_waits. */
function logLockWait(local: LocalLock, status: number, start: number): void {
  const what = `${lockModeName(local.mode)} on ${describeLockTag(local.tag)}`;
  const micros = Math.max(0, currentTimestamp() - start);
  const after = `after ${Math.floor(micros / 1000)}.${String(Math.floor(micros % 1000)).padStart(3, '0')} ms`;
  const detailLog = holdersAndWaiters(local);
  const pid = myProcess.pid;
  if (deadlockState === 'soft')
    report('LOG', {
      message: `process ${pid} avoided deadlock for ${what} by rearranging queue order ${after}`,
      detailLog,
    });
  else if (deadlockState === 'hard')
    report('LOG', { message: `process ${pid} detected deadlock while waiting for ${what} ${after}`, detailLog });
  if (status === WAIT_STATUS.waiting)
    report('LOG', { message: `process ${pid} still waiting for ${what} ${after}`, detailLog });
  else if (status === WAIT_STATUS.ok) report('LOG', { message: `process ${pid} acquired ${what} ${after}` });
  else if (deadlockState !== 'hard')
    report('LOG', { message: `process ${pid} failed to acquire ${what} ${after}`, detailLog });
}

function holdersAndWaiters(local: LocalLock): string {
  const holders: number[] = [];
  const waiters: number[] = [];
  const partition = partitionLock(local.hash);
  lwLockAcquire(partition, 'shared');
  // After a refusal nothing of ours keeps the LOCK in the table: find it again.
  const lock = findLock(local.tag, local.hash);
  let one = lock === 0 ? 0 : Lock.procLockFirst.get(mem, lock);
  for (; one !== 0; one = ProcLock.lockNext.get(mem, one)) {
    const at = procAt(ProcLock.proc.get(mem, one));
    (PgProc.waitProcLock.get(mem, at) === one ? waiters : holders).push(PgProc.pid.load(mem, at));
  }
  lwLockRelease(partition);
  const noun = holders.length === 1 ? 'Process holding the lock' : 'Processes holding the lock';
  return `${noun}: ${holders.join(', ')}. Wait queue: ${waiters.join(', ')}.`;
}
