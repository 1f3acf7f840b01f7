/** signal-functions.ts — pg_cancel_backend, pg_terminate_backend, pg_reload_conf and whatever else sends a signal.
 *  Counterpart: src/backend/storage/ipc/signalfuncs.c, pg_log_backend_memory_contexts() of mcxtfuncs.c */
import { registerBuiltins } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { hasPrivilegesOfRole, isSuperuser, isSuperuserOid, roleByName } from '#catalog/roles.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { monotonicMs } from '#platform/clock.ts';
import { native, osError, SIGNAL } from '#platform/native.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { myProcess } from '#runtime/my-process.ts';
import { resetLatch } from '#shm/latch.ts';
import { procOfPid } from '#shm/proc.ts';
import { waitLatch } from '#shm/wait-event-set.ts';
import { readBackendStatuses } from '#stats/backend-status.ts';
import { sendProcSignal } from '#storage/ipc/proc-signal.ts';

type Outcome = 'sent' | 'failed' | 'needs superuser' | 'needs role';

function signalBackend(pid: number, signal: number): Outcome {
  // The process may end, and its pid be given to a stranger, between this look and the kill; PostgreSQL accepts that.
  if (procOfPid(pid) < 0) {
    report('WARNING', { message: `PID ${pid} is not a PostgreSQL backend process` });
    return 'failed';
  }
  const owner = (readBackendStatuses().find((one) => one.pid === pid)?.userId ?? 0) as Oid;
  if (!isSuperuser() && (owner === 0 || isSuperuserOid(owner))) return 'needs superuser';
  const helpers = roleByName('pg_signal_backend');
  const me = sessionIdentity.userOid;
  if (!hasPrivilegesOfRole(me, owner) && !(helpers !== undefined && hasPrivilegesOfRole(me, helpers.oid)))
    return 'needs role';
  const result = native.kill(pid, signal);
  if (result < 0) {
    report('WARNING', { message: `could not send signal to process ${pid}: ${osError(result)}` });
    return 'failed';
  }
  return 'sent';
}

function need(outcome: Outcome, superuserText: string, roleText: string): boolean {
  if (outcome === 'needs superuser') report('ERROR', { code: SQLSTATE.insufficientPrivilege, message: superuserText });
  if (outcome === 'needs role') report('ERROR', { code: SQLSTATE.insufficientPrivilege, message: roleText });
  return outcome === 'sent';
}

const cancelBackend = (pid: number): boolean =>
  need(
    signalBackend(pid, SIGNAL.INT),
    'must be a superuser to cancel superuser query',
    'must be a member of the role whose query is being canceled or member of pg_signal_backend',
  );

const WAIT_STEP_MS = 100;

/** Waits until the process is gone. */
function waitUntilTerminated(pid: number, timeoutMs: number): boolean {
  const deadline = monotonicMs() + timeoutMs;
  for (;;) {
    if (native.kill(pid, 0) === -native.ERRNO.ESRCH) return true;
    const left = deadline - monotonicMs();
    if (left <= 0) break;
    waitLatch({ timeoutMs: Math.min(left, WAIT_STEP_MS) }, WAIT_EVENT.BackendTermination);
    resetLatch();
    checkForInterrupts();
  }
  report('WARNING', { message: `backend with PID ${pid} did not terminate within ${timeoutMs} milliseconds` });
  return false;
}

function terminateBackend(pid: number, timeout: number | bigint): boolean {
  const timeoutMs = Number(timeout);
  if (timeoutMs < 0)
    report('ERROR', {
      code: SQLSTATE.numericValueOutOfRange,
      message: '"timeout" must not be negative',
    });
  const sent = need(
    signalBackend(pid, SIGNAL.TERM),
    'must be a superuser to terminate superuser process',
    'must be a member of the role whose process is being terminated or member of pg_signal_backend',
  );
  return sent && timeoutMs > 0 ? waitUntilTerminated(pid, timeoutMs) : sent;
}

function reloadConfiguration(): boolean {
  const result = native.kill(myProcess.postmasterPid, SIGNAL.HUP);
  if (result >= 0) return true;
  report('WARNING', { message: `failed to send signal to postmaster: ${osError(result)}` });
  return false;
}

function logMemoryContexts(pid: number): boolean {
  if (procOfPid(pid) < 0) {
    report('WARNING', { message: `PID ${pid} is not a PostgreSQL server process` });
    return false;
  }
  if (sendProcSignal(pid, 'logMemoryContext') < 0) {
    report('WARNING', { message: `could not send signal to process ${pid}` });
    return false;
  }
  return true;
}

registerBuiltins({
  pg_cancel_backend: cancelBackend,
  pg_terminate_backend: terminateBackend,
  pg_reload_conf: reloadConfiguration,
  pg_log_backend_memory_contexts: logMemoryContexts,
});
