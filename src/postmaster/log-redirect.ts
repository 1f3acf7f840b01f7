/** log-redirect.ts — from here on everything that the server's processes write to stdout and stderr goes to the logger.
 *  Counterpart: SysLogger_Start() of src/backend/postmaster/syslogger.c */
import { native } from '#platform/native.ts';
import { logContext } from '#runtime/error/log-context.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { serverFacts } from '#runtime/server-facts.ts';
import { pm } from '#postmaster/pm-state.ts';

export function redirectStderrToLogger(): void {
  report('LOG', {
    message: 'redirecting log output to logging collector process',
    hint: `Future log output will appear in directory "${settings.log_directory}".`,
  });
  // Kept above the standard descriptors for a logger that has to be started again.
  pm.originalStderr = native.dup2(2, 60);
  native.setCloseOnExec(60, true);
  native.dup2(pm.logPipeWrite, 1);
  native.dup2(pm.logPipeWrite, 2);
  serverFacts.logPipeWrite = pm.logPipeWrite;
  logContext.redirected = true;
}
