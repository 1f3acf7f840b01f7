/** recovery-state.ts — is this server recovering, and how far is it? Read by every layer above.
 *
 *  Shared: the stage of recovery (leaves 'crash'/'archive' once, never returns), the replay position, pause and promote.
 *  Private to the process that replays: `inRecovery`, `reachedConsistency`, `standbyState`.
 *  Counterpart: RecoveryInProgress() of xlog.c; GetXLogReplayRecPtr(), SetRecoveryPause() … of xlogrecovery.c */
import type { Lsn } from '#base/ids.ts';
import { conditionVariableBroadcast } from '#shm/condition-variable.ts';
import { latchAt } from '#shm/proc.ts';
import { setLatch } from '#shm/latch.ts';
import { mem } from '#shm/memory.ts';
import { myProcess } from '#runtime/my-process.ts';
import { spinAcquire, spinRelease } from '#shm/spinlock.ts';
import { RecoveryCtl as R, WalCtl } from '#wal/wal-layout.ts';
import { walAt } from '#wal/wal-shmem.ts';

export const RECOVERY_STATE = { crash: 0, archive: 1, done: 2 } as const;

let localRecoveryInProgress = true;
/** -1: ask recoveryInProgress(); 0/1: decided for this process. */
let localInsertAllowed = -1;

/** True until the startup process has opened the log for writing. A full barrier stands between the answer "no" and what
 *  the caller reads next. */
export function recoveryInProgress(): boolean {
  // A program without shared memory has no log to recover.
  if (!localRecoveryInProgress || walAt.ctl < 0) return false;
  localRecoveryInProgress = WalCtl.recoveryState.load(mem, walAt.ctl) !== RECOVERY_STATE.done;
  return localRecoveryInProgress;
}
export const recoveryState = (): number => WalCtl.recoveryState.load(mem, walAt.ctl);
export function setRecoveryState(state: number): void {
  WalCtl.recoveryState.store(mem, walAt.ctl, state);
}
/** After a crash cycle or in a test: nothing is known any more. */
export function forgetRecoveryState(): void {
  localRecoveryInProgress = true;
  localInsertAllowed = -1;
}

export function xlogInsertAllowed(): boolean {
  if (localInsertAllowed >= 0) return localInsertAllowed === 1;
  if (recoveryInProgress()) return false;
  localInsertAllowed = 1;
  return true;
}
/** Lets this process write WAL before recovery has ended; returns what to give back to `restoreInsertAllowed`. */
export function allowInsertHere(): number {
  const before = localInsertAllowed;
  localInsertAllowed = 1;
  return before;
}
export function restoreInsertAllowed(before: number): void {
  localInsertAllowed = before;
}
/** Nobody may write WAL any more: the end of the shutdown checkpoint. */
export function forbidInsert(): void {
  localInsertAllowed = 0;
}

export const STANDBY = { disabled: 0, initialized: 1, snapshotPending: 2, snapshotReady: 3 } as const;
export type StandbyState = (typeof STANDBY)[keyof typeof STANDBY];
/** Of the process that replays. */
export const replay = {
  /** InRecovery: records are being applied here, or state is being brought up for that. */
  inRecovery: false,
  archiveRecoveryRequested: false,
  inArchiveRecovery: false,
  standbyModeRequested: false,
  standbyMode: false,
  /** All pages are as new as the newest that was flushed. */
  reachedConsistency: false,
  standbyState: STANDBY.disabled as StandbyState,
  /** An invalid page is an error already (past consistency). */
  ignoreInvalidPages: false,
};
export const inRecovery = (): boolean => replay.inRecovery;
export const inHotStandby = (): boolean => replay.standbyState >= STANDBY.snapshotPending;

const at = (): number => walAt.recovery;
const lock = (): void => spinAcquire(at() + R.infoLock.offset);
const unlock = (): void => spinRelease(at() + R.infoLock.offset);

export interface TimelinePosition {
  readonly lsn: Lsn;
  readonly timeline: number;
}
/** End of the last record that was replayed. */
export function getXLogReplayRecPtr(): TimelinePosition {
  lock();
  const result = {
    lsn: R.lastReplayedEndRecPtr.get(mem, at()) as Lsn,
    timeline: R.lastReplayedTimeline.get(mem, at()),
  };
  unlock();
  return result;
}
/** Start of the last record that was replayed. */
export function getLastReplayedRecord(): Lsn {
  lock();
  const lsn = R.lastReplayedReadRecPtr.get(mem, at());
  unlock();
  return lsn as Lsn;
}
/** The same as getXLogReplayRecPtr, but including the record that is being replayed now. */
export function getCurrentReplayRecPtr(): TimelinePosition {
  lock();
  const result = { lsn: R.replayEndRecPtr.get(mem, at()) as Lsn, timeline: R.replayEndTimeline.get(mem, at()) };
  unlock();
  return result;
}
/** Before a record is applied: its end, so that pages it dirties can move minRecoveryPoint. */
export function setReplayEnd(end: Lsn, timeline: number): void {
  lock();
  R.replayEndRecPtr.set(mem, at(), end);
  R.replayEndTimeline.set(mem, at(), timeline);
  unlock();
}
export function setLastReplayed(start: Lsn, end: Lsn, timeline: number): void {
  lock();
  R.lastReplayedReadRecPtr.set(mem, at(), start);
  R.lastReplayedEndRecPtr.set(mem, at(), end);
  R.lastReplayedTimeline.set(mem, at(), timeline);
  unlock();
}
export function getLatestXTime(): number {
  lock();
  const time = R.recoveryLastXTime.get(mem, at());
  unlock();
  return time;
}
export function setLatestXTime(time: number): void {
  lock();
  R.recoveryLastXTime.set(mem, at(), time);
  unlock();
}
export function getCurrentChunkStartTime(): number {
  lock();
  const time = R.currentChunkStartTime.get(mem, at());
  unlock();
  return time;
}
export function setCurrentChunkStartTime(time: number): void {
  lock();
  R.currentChunkStartTime.set(mem, at(), time);
  unlock();
}

export const RECOVERY_PAUSE = { notPaused: 0, pauseRequested: 1, paused: 2 } as const;
export const recoveryPauseCv = (): number => at() + R.notPausedCv.offset;
export function getRecoveryPauseState(): number {
  lock();
  const state = R.pauseState.get(mem, at());
  unlock();
  return state;
}
export function setRecoveryPause(pause: boolean): void {
  lock();
  if (!pause) R.pauseState.set(mem, at(), RECOVERY_PAUSE.notPaused);
  else if (R.pauseState.get(mem, at()) === RECOVERY_PAUSE.notPaused)
    R.pauseState.set(mem, at(), RECOVERY_PAUSE.pauseRequested);
  unlock();
  if (!pause) conditionVariableBroadcast(recoveryPauseCv());
}
/** Startup process: it really stands still now. */
export function confirmRecoveryPaused(): void {
  lock();
  if (R.pauseState.get(mem, at()) === RECOVERY_PAUSE.pauseRequested) R.pauseState.set(mem, at(), RECOVERY_PAUSE.paused);
  unlock();
}

export const hotStandbyActive = (): boolean => R.hotStandbyActive.load(mem, at()) !== 0;
export function setHotStandbyActive(): void {
  R.hotStandbyActive.store(mem, at(), 1);
}
export const promoteIsTriggered = (): boolean => R.promoteIsTriggered.load(mem, at()) !== 0;
export function setPromoteIsTriggered(): void {
  R.promoteIsTriggered.store(mem, at(), 1);
  // A promotion ends a pause, too: nobody would resume a server that has left recovery.
  setRecoveryPause(false);
}

/** The startup process says whom to wake when WAL or a promotion arrives. */
export function ownRecoveryWakeup(): void {
  R.wakeupProc.set(mem, at(), myProcess.procNumber);
}
export function disownRecoveryWakeup(): void {
  R.wakeupProc.set(mem, at(), -1);
}
export function wakeupRecovery(): void {
  const proc = R.wakeupProc.get(mem, at());
  if (proc >= 0) setLatch(latchAt(proc));
}
