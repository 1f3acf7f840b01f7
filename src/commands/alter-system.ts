/** alter-system.ts — ALTER SYSTEM: a setting for postgresql.auto.conf, checked now, effective at the next reload.
 *
 *  Counterpart: AlterSystemSetConfigFile() of src/backend/utils/misc/guc.c */
import type { AlterSystemStmt } from '@pgsql/types';
import { setArgumentsText } from '#commands/variable-set.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { isSuperuser } from '#catalog/roles.ts';
import { findOption, parseAndValidate } from '#runtime/guc/guc.ts';
import { rewriteAutoConf } from '#runtime/guc/guc-file.ts';
import { gucEnvironment } from '#runtime/guc/hooks.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { preventInTransactionBlock } from '#transam/xact-block.ts';

/** Two sessions must not rewrite the file from the same old contents. */
function underAutoFileLock(work: () => void): void {
  const lock = mainLWLock('AutoFile');
  lwLockAcquire(lock, 'exclusive');
  try {
    work();
  } finally {
    lwLockRelease(lock);
  }
}

export function alterSystem(
  { setstmt }: AlterSystemStmt,
  isTopLevel: boolean,
  locked: (work: () => void) => void = underAutoFileLock,
): void {
  preventInTransactionBlock(isTopLevel, 'ALTER SYSTEM');
  if (setstmt?.kind === 'VAR_RESET_ALL') {
    if (!isSuperuser()) {
      report('ERROR', {
        code: SQLSTATE.insufficientPrivilege,
        message: 'permission denied to perform ALTER SYSTEM RESET ALL',
      });
    }
    locked(() => rewriteAutoConf('reset all'));
    return;
  }
  const name = setstmt?.name ?? '';
  if (!isSuperuser() && !gucEnvironment.mayManage(name, 'ALTER SYSTEM')) {
    report('ERROR', {
      code: SQLSTATE.insufficientPrivilege,
      message: `permission denied to set parameter "${name}"`,
    });
  }
  const value = setstmt?.kind === 'VAR_SET_VALUE' ? setArgumentsText(name, setstmt.args) : null;
  checkSetting(name, value);
  locked(() => rewriteAutoConf({ name, value }));
}

/** A value that the next start would refuse must not get into the file. */
function checkSetting(name: string, value: string | null): void {
  const parameter = findOption(name, false, 'ERROR')!;
  if (parameter.context === 'internal' || parameter.has('DISALLOW_IN_FILE') || parameter.has('DISALLOW_IN_AUTO_FILE')) {
    report('ERROR', {
      code: SQLSTATE.cantChangeRuntimeParam,
      message: `parameter "${name}" cannot be changed`,
    });
  }
  if (value === null) return;
  parseAndValidate(parameter, name, value, 'file', 'ERROR');
  if (value.includes('\n')) {
    report('ERROR', {
      code: SQLSTATE.invalidParameterValue,
      message: 'parameter value for ALTER SYSTEM must not contain a newline',
    });
  }
}
