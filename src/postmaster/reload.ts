/** reload.ts — SIGHUP: the configuration files again, in the postmaster and in each child's own time. */
import { currentTimestamp } from '#platform/clock.ts';
import { processConfigFile } from '#runtime/guc/guc-file.ts';
import { report } from '#runtime/error/report.ts';
import { serverFacts } from '#runtime/server-facts.ts';
import { loadHba } from '#tcop/hba.ts';
import { loadIdent } from '#tcop/ident.ts';

export function reloadConfiguration(): void {
  processConfigFile('sighup');
  serverFacts.configLoadTime = currentTimestamp();
  if (!loadHba()) report('LOG', { message: 'pg_hba.conf was not reloaded' });
  if (!loadIdent()) report('LOG', { message: 'pg_ident.conf was not reloaded' });
}
