/** log-functions.ts — the log as SQL sees it: which file is in use, and a request to begin a new one.
 *  Counterpart: pg_current_logfile() of src/backend/utils/adt/misc.c, pg_rotate_logfile of storage/ipc/signalfuncs.c */
import type { Datum } from '#adt/datum.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import { FileError, readTextFile } from '#platform/file-system.ts';
import { currentLogFile, METAINFO_FILE } from '#runtime/error/current-log-files.ts';
import { LOG_DESTINATIONS } from '#runtime/error/log-pipe.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { gucEnvironment } from '#runtime/guc/hooks.ts';
import { settings } from '#runtime/guc/guc.ts';
import { sendPostmasterSignal } from '#storage/ipc/pm-signal.ts';

/** The file that the logger names, null where there is none. */
function pgCurrentLogfile(format: string | null): Datum {
  if (format !== null && !LOG_DESTINATIONS.some((known) => known === format)) {
    report('ERROR', {
      code: SQLSTATE.invalidParameterValue,
      message: `log format "${format}" is not supported`,
      hint: 'The supported log formats are "stderr", "csvlog", and "jsonlog".',
    });
  }
  let text: string;
  try {
    text = readTextFile(METAINFO_FILE);
  } catch (caught) {
    if (!(caught instanceof FileError)) throw caught;
    if (caught.code === 'ENOENT') return null;
    report('ERROR', { message: `could not read file "${METAINFO_FILE}": ${caught.reason}` });
  }
  return currentLogFile(text, format ?? undefined) ?? null;
}

function requestRotation(): boolean {
  if (!settings.logging_collector) {
    report('WARNING', { message: 'rotation not possible because log collection not active' });
    return false;
  }
  sendPostmasterSignal('rotateLogfile');
  return true;
}

/** The function of adminpack 1.0: kept for databases that still have it. */
function rotateAsSuperuser(): boolean {
  if (!gucEnvironment.isSuperuser()) {
    report('ERROR', {
      code: SQLSTATE.insufficientPrivilege,
      message: 'must be superuser to rotate log files with adminpack 1.0',
      hint: 'Consider using pg_logfile_rotate(), which is part of core, instead.',
    });
  }
  return requestRotation();
}

registerBuiltins({
  pg_current_logfile: () => pgCurrentLogfile(null),
  pg_current_logfile_1arg: pgCurrentLogfile,
  pg_rotate_logfile: rotateAsSuperuser,
  pg_rotate_logfile_v2: requestRotation,
});
