/** required-parameters.ts — a standby must be able to hold what its primary could have running.
 *  Counterpart: CheckRequiredParameterValues(), RecoveryRequiresIntParameter() of src/backend/access/transam/xlog.c */
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { recoveryPausesHere, standbyTriggered } from '#recovery/pause.ts';
import { recovery } from '#recovery/recovery-vars.ts';
import { controlFile } from '#wal/control-file.ts';
import { replay, setRecoveryPause } from '#wal/recovery-state.ts';

function requires(name: string, current: number, minimum: number): void {
  if (current >= minimum) return;
  const detail = `${name} = ${current} is a lower setting than on the primary server, where its value was ${minimum}.`;
  if (!recovery.hotStandbyActive)
    report('FATAL', {
      code: SQLSTATE.invalidParameterValue,
      message: 'recovery aborted because of insufficient parameter settings',
      detail,
      hint: 'You can restart the server after making the necessary configuration changes.',
    });
  // Sessions are being served: let the administrator choose when to restart.
  report('WARNING', {
    code: SQLSTATE.invalidParameterValue,
    message: 'hot standby is not possible because of insufficient parameter settings',
    detail,
  });
  setRecoveryPause(true);
  report('LOG', {
    message: 'recovery has paused',
    detail: `If recovery is unpaused, the server will shut down.`,
    hint: 'You can then restart the server after making the necessary configuration changes.',
  });
  checkForInterrupts();
  if (!standbyTriggered()) recoveryPausesHere(false);
  report('FATAL', {
    code: SQLSTATE.invalidParameterValue,
    message: 'recovery aborted because of insufficient parameter settings',
    detail,
    hint: 'You can restart the server after making the necessary configuration changes.',
  });
}

export function checkRequiredParameters(): void {
  // With wal_level minimal whole tables may have been written without a word in the log.
  if (replay.archiveRecoveryRequested && controlFile.walLevel === 0)
    report('FATAL', {
      code: SQLSTATE.objectNotInPrerequisiteState,
      message: 'WAL was generated with wal_level=minimal, cannot continue recovering',
      detail: 'This happens if you temporarily set wal_level=minimal on the server.',
      hint: 'Use a backup taken after setting wal_level to higher than minimal.',
    });
  if (!replay.archiveRecoveryRequested || !settings.hot_standby) return;
  const s = settings;
  requires('max_connections', s.max_connections, controlFile.maxConnections);
  requires('max_worker_processes', s.max_worker_processes, controlFile.maxWorkerProcesses);
  requires('max_wal_senders', s.max_wal_senders, controlFile.maxWalSenders);
  requires('max_prepared_transactions', s.max_prepared_transactions, controlFile.maxPreparedXacts);
  requires('max_locks_per_transaction', s.max_locks_per_transaction, controlFile.maxLocksPerXact);
}
