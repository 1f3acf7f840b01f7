/** pause.ts — standing still during recovery, and the signal that ends it: promotion.
 *  Counterpart: recoveryPausesHere(), CheckForStandbyTrigger() of src/backend/access/transam/xlogrecovery.c */
import { existsPath, unlinkPath } from '#platform/raw-files.ts';
import { SIGNAL } from '#platform/native.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { checkForInterrupts, takeSignal } from '#runtime/interrupts.ts';
import { conditionVariableCancelSleep, conditionVariableTimedSleep } from '#shm/condition-variable.ts';
import { recovery } from '#recovery/recovery-vars.ts';
import {
  confirmRecoveryPaused,
  getRecoveryPauseState,
  RECOVERY_PAUSE,
  recoveryPauseCv,
  setPromoteIsTriggered,
} from '#wal/recovery-state.ts';

const PROMOTE_FILE = 'promote';
let triggered = false;

/** True once somebody asked for promotion: by pg_ctl or pg_promote() (file and SIGUSR2), or by promote_trigger_file. */
export function standbyTriggered(): boolean {
  if (triggered) return true;
  if (takeSignal(SIGNAL.USR2) && existsPath(PROMOTE_FILE)) {
    report('LOG', { message: 'received promote request' });
    unlinkPath(PROMOTE_FILE);
    return trigger();
  }
  const file = settings.promote_trigger_file;
  if (file === '' || !existsPath(file)) return false;
  report('LOG', { message: `promote trigger file found: ${file}` });
  unlinkPath(file);
  return trigger();
}
function trigger(): true {
  triggered = true;
  setPromoteIsTriggered();
  return true;
}
export const localPromoteIsTriggered = (): boolean => triggered;

/** Waits while a pause is asked for, if there is anybody who could ask to go on: sessions. */
export function recoveryPausesHere(atEnd: boolean): void {
  if (!recovery.hotStandbyActive || triggered) return;
  if (atEnd)
    report('LOG', {
      message: 'pausing at the end of recovery',
      hint: 'Execute pg_wal_replay_resume() to promote.',
    });
  else report('LOG', { message: 'recovery has paused', hint: 'Execute pg_wal_replay_resume() to continue.' });
  while (getRecoveryPauseState() !== RECOVERY_PAUSE.notPaused) {
    checkForInterrupts();
    if (standbyTriggered()) break;
    confirmRecoveryPaused();
    // A second at most: the trigger file wakes nobody.
    conditionVariableTimedSleep(recoveryPauseCv(), 1000, WAIT_EVENT.RecoveryPause);
  }
  conditionVariableCancelSleep();
}
