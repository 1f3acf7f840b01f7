/** flush.ts — making WAL durable: at commit, in the background, before a dirty page goes out.
 *
 *  Group commit: whoever gets WALWriteLock flushes for all that have finished inserting; those who waited for the lock
 *  find their work done (lwLockAcquireOrWait returns without it).
 *  In recovery nothing is written; a page that goes out moves minRecoveryPoint instead, and that is on disk first.
 *  Counterpart: XLogFlush(), XLogBackgroundFlush(), XLogNeedsFlush(), UpdateMinRecoveryPoint() of
 *  src/backend/access/transam/xlog.c */
import type { Lsn } from '#base/ids.ts';
import { currentTimestamp } from '#platform/clock.ts';
import { beginCritical, endCritical } from '#runtime/interrupts.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { setLatch } from '#shm/latch.ts';
import { lwLockAcquire, lwLockAcquireOrWait, lwLockConditionalAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { futexWait, mem } from '#shm/memory.ts';
import { latchAt, procHeaderAt } from '#shm/proc.ts';
import { ProcHeader } from '#shm/proc-layout.ts';
import { spinAcquire, spinRelease } from '#shm/spinlock.ts';
import { controlFile, controlFileLock, updateControlFile } from '#wal/control-file.ts';
import { waitForInsertions } from '#wal/insert-locks.ts';
import { getCurrentReplayRecPtr, recoveryInProgress, replay, xlogInsertAllowed } from '#wal/recovery-state.ts';
import { advanceInsertBuffer, closeWalFile, openWalSegment, walWriteLock, xlogWrite } from '#wal/wal-buffers.ts';
import { bytePosToRecPtr, isInPreviousSegment, lsnText, pageOffset, XLOG_BLCKSZ } from '#wal/wal-format.ts';
import { WalCtl } from '#wal/wal-layout.ts';
import {
  copyWriteResult,
  localFlush,
  localRedo,
  localWrite,
  lockInfo,
  refreshWriteResult,
  setLocalRedo,
  unlockInfo,
  walAt,
} from '#wal/wal-shmem.ts';

let minimumActiveBackends: (siblings: number) => boolean = () => false;
/** proc-array answers whether at least so many other transactions are active (commit_siblings). */
export function setMinimumActiveBackends(answer: (siblings: number) => boolean): void {
  minimumActiveBackends = answer;
}
let afterFlush: () => void = () => {};
/** Wakes walsenders, outside every lock. */
export function setAfterFlushHook(hook: () => void): void {
  afterFlush = hook;
}

/** Microseconds that do not end early: nobody changes this word. */
function sleepMicroseconds(us: number): void {
  const word = walAt.ctl + WalCtl.bufferCount.offset;
  futexWait(word, WalCtl.bufferCount.get(mem, walAt.ctl), us / 1000);
}

/** Returns when everything before `lsn` is on disk. */
export function xlogFlush(lsn: Lsn): void {
  if (!xlogInsertAllowed()) {
    updateMinRecoveryPoint(lsn, false);
    return;
  }
  if (lsn <= localFlush()) return;
  beginCritical();
  let upTo: Lsn = lsn;
  const timeline = WalCtl.insertTimeline.get(mem, walAt.ctl);
  for (;;) {
    lockInfo();
    const requested = WalCtl.requestWrite.get(mem, walAt.ctl);
    if (upTo < requested) upTo = requested as Lsn;
    copyWriteResult();
    unlockInfo();
    if (lsn <= localFlush()) break;
    // Before the lock: what is copied while we wait for it is flushed with ours.
    let inserted = waitForInsertions(upTo);
    const lock = walWriteLock();
    if (!lwLockAcquireOrWait(lock, 'exclusive')) continue;
    copyWriteResult();
    if (lsn <= localFlush()) {
      lwLockRelease(lock);
      break;
    }
    if (settings.commit_delay > 0 && settings.fsync && minimumActiveBackends(settings.commit_siblings)) {
      sleepMicroseconds(settings.commit_delay);
      inserted = waitForInsertions(inserted);
    }
    xlogWrite(inserted, inserted, timeline, false);
    lwLockRelease(lock);
    break;
  }
  endCritical();
  afterFlush();
  // A page with an LSN from the future: the page is damaged, or WAL was lost.
  if (localFlush() < lsn)
    report('ERROR', {
      message: `xlog flush request ${lsnText(lsn)} is not satisfied --- flushed only to ${lsnText(localFlush())}`,
    });
}

export function xlogNeedsFlush(lsn: Lsn): boolean {
  if (recoveryInProgress()) {
    if (minRecovery[POINT] === 0 && replay.inRecovery) updateAllowed = false;
    if (lsn <= minRecovery[POINT]! || !updateAllowed) return false;
    if (!lwLockConditionalAcquire(controlFileLock(), 'shared')) return true;
    copyMinRecoveryPoint();
    lwLockRelease(controlFileLock());
    if (minRecovery[POINT] === 0) updateAllowed = false;
    return lsn > minRecovery[POINT]! && updateAllowed;
  }
  if (lsn <= localFlush()) return false;
  refreshWriteResult();
  return lsn > localFlush();
}

/** TimestampTz of the last background flush of this process. */
const lastBackgroundFlush = new Float64Array(1);

/** WAL writer: whole pages, or else what asynchronous commits left. True if there was something to do. */
export function xlogBackgroundFlush(): boolean {
  if (recoveryInProgress()) return false;
  const timeline = WalCtl.insertTimeline.get(mem, walAt.ctl);
  lockInfo();
  copyWriteResult();
  let write = WalCtl.requestWrite.get(mem, walAt.ctl);
  const asyncLsn = WalCtl.asyncXactLsn.get(mem, walAt.ctl);
  unlockInfo();
  let flexible = true;
  write -= pageOffset(write);
  if (write <= localFlush()) {
    write = asyncLsn;
    flexible = false;
  }
  if (write <= localFlush()) {
    // Nothing to do: give the file back, if the log has moved on.
    if (openWalSegment() >= 0 && !isInPreviousSegment(localWrite(), openWalSegment())) closeWalFile();
    return false;
  }
  const now = currentTimestamp();
  const pages = Math.floor(write / XLOG_BLCKSZ) - Math.floor(localFlush() / XLOG_BLCKSZ);
  const due =
    settings.wal_writer_flush_after === 0 ||
    lastBackgroundFlush[0] === 0 ||
    now - lastBackgroundFlush[0]! >= settings.wal_writer_delay * 1000 ||
    pages >= settings.wal_writer_flush_after;
  if (due) lastBackgroundFlush[0] = now;
  const flush = due ? write : 0;
  beginCritical();
  waitForInsertions(write as Lsn);
  const lock = walWriteLock();
  lwLockAcquire(lock, 'exclusive');
  copyWriteResult();
  if (write > localWrite() || flush > localFlush()) xlogWrite(write as Lsn, flush as Lsn, timeline, flexible);
  lwLockRelease(lock);
  endCritical();
  afterFlush();
  // With time at hand, make pages ready that inserters would have to make themselves.
  advanceInsertBuffer(0, timeline, true);
  return true;
}

/** An asynchronous commit: the WAL writer is to flush this before long. */
export function xlogSetAsyncXactLsn(lsn: Lsn): void {
  lockInfo();
  copyWriteResult();
  const sleeping = WalCtl.walWriterSleeping.get(mem, walAt.ctl) !== 0;
  if (WalCtl.asyncXactLsn.get(mem, walAt.ctl) < lsn) WalCtl.asyncXactLsn.set(mem, walAt.ctl, lsn);
  unlockInfo();
  // A writer that is awake comes by anyway; it is woken early only for whole pages.
  if (!sleeping && lsn - pageOffset(lsn) <= localFlush()) return;
  const proc = ProcHeader.walWriterProc.load(mem, procHeaderAt());
  if (proc >= 0) setLatch(latchAt(proc));
}
export function setWalWriterSleeping(sleeping: boolean): void {
  lockInfo();
  WalCtl.walWriterSleeping.set(mem, walAt.ctl, sleeping ? 1 : 0);
  unlockInfo();
}

// ── positions ──────────────────────────────────────────────────────────────────────────────────────────────────────
/** Where the next record will begin (reserved, perhaps not yet copied). */
export function getXLogInsertRecPtr(): Lsn {
  spinAcquire(walAt.ctl + WalCtl.insertPosLock.offset);
  const bytePos = WalCtl.currBytePos.get(mem, walAt.ctl);
  spinRelease(walAt.ctl + WalCtl.insertPosLock.offset);
  return bytePosToRecPtr(bytePos);
}
export function getXLogWriteRecPtr(): Lsn {
  refreshWriteResult();
  return localWrite();
}
export function getFlushRecPtr(): Lsn {
  refreshWriteResult();
  return localFlush();
}
/** The redo pointer that decides about page images; never older than the caller's copy. */
export function getRedoRecPtr(): Lsn {
  lockInfo();
  const redo = WalCtl.infoRedoRecPtr.get(mem, walAt.ctl);
  unlockInfo();
  if (localRedo() < redo) setLocalRedo(redo as Lsn);
  return localRedo();
}
export const getInsertTimeline = (): number => WalCtl.insertTimeline.get(mem, walAt.ctl);
export const getPrevTimeline = (): number => WalCtl.prevTimeline.get(mem, walAt.ctl);

/** LSNs of pages of unlogged relations: unique, rising, from nowhere in WAL. */
export function getFakeLsnForUnlogged(): Lsn {
  spinAcquire(walAt.ctl + WalCtl.ulsnLock.offset);
  const lsn = WalCtl.unloggedLsn.get(mem, walAt.ctl);
  WalCtl.unloggedLsn.set(mem, walAt.ctl, lsn + 1);
  spinRelease(walAt.ctl + WalCtl.ulsnLock.offset);
  return lsn as Lsn;
}

// ── minRecoveryPoint ───────────────────────────────────────────────────────────────────────────────────────────────
const POINT = 0;
const TIMELINE = 1;
/** This process's copy, which may be behind. */
const minRecovery = new Float64Array(2);
/** False in crash recovery, where the whole log must be replayed anyway. */
let updateAllowed = true;

function copyMinRecoveryPoint(): void {
  minRecovery[POINT] = controlFile.minRecoveryPoint;
  minRecovery[TIMELINE] = controlFile.minRecoveryPointTli;
}
export const localMinRecoveryPoint = (): Lsn => minRecovery[POINT]! as Lsn;
export const localMinRecoveryTimeline = (): number => minRecovery[TIMELINE]!;
export function setLocalMinRecoveryPoint(lsn: number, timeline: number): void {
  minRecovery[POINT] = lsn;
  minRecovery[TIMELINE] = timeline;
}
export function allowMinRecoveryPointUpdates(): void {
  updateAllowed = true;
}

/** A page with this LSN goes out during recovery: from now on replay is consistent only behind it. */
export function updateMinRecoveryPoint(lsn: Lsn, force: boolean): void {
  if (!updateAllowed || (!force && lsn <= minRecovery[POINT]!)) return;
  if (minRecovery[POINT] === 0 && replay.inRecovery) {
    updateAllowed = false;
    return;
  }
  lwLockAcquire(controlFileLock(), 'exclusive');
  copyMinRecoveryPoint();
  if (minRecovery[POINT] === 0) updateAllowed = false;
  else if (force || minRecovery[POINT]! < lsn) {
    // Farther than asked for, to where replay is now: fewer writes of the file.
    const now = getCurrentReplayRecPtr();
    if (!force && now.lsn < lsn)
      report('WARNING', {
        message: `xlog min recovery request ${lsnText(lsn)} is past current point ${lsnText(now.lsn)}`,
      });
    if (controlFile.minRecoveryPoint < now.lsn) {
      controlFile.minRecoveryPoint = now.lsn;
      controlFile.minRecoveryPointTli = now.timeline;
      updateControlFile();
      copyMinRecoveryPoint();
      report('DEBUG2', {
        message: `updated min recovery point to ${lsnText(now.lsn)} on timeline ${now.timeline}`,
      });
    }
  }
  lwLockRelease(controlFileLock());
}
