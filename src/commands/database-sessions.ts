/** database-sessions.ts — ending the other sessions of a database: DROP DATABASE … WITH (FORCE).
 *  Counterpart: TerminateOtherDBBackends() of src/backend/storage/ipc/procarray.c */
import type { Oid } from '#base/ids.ts';
import { hasPrivilegesOfRole, isSuperuser, isSuperuserOid } from '#catalog/roles.ts';
import { store } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { native, SIGNAL } from '#platform/native.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { otherSessionsOf } from '#transam/proc-array.ts';

const SIGNAL_BACKEND = 4200 as Oid;

export function terminateOtherSessions(database: Oid): void {
  const { sessions, prepared } = otherSessionsOf(database);
  if (prepared > 0) {
    report('ERROR', {
      code: SQLSTATE.objectInUse,
      message: `database "${store.database.byOid(database)?.datname ?? database}" is being used by prepared transactions`,
      detail:
        prepared === 1
          ? 'There is 1 prepared transaction using the database.'
          : `There are ${prepared} prepared transactions using the database.`,
    });
  }
  // All or none: rights are checked before the first signal.
  for (const { role } of sessions) {
    if (isSuperuserOid(role) && !isSuperuser()) {
      report('ERROR', {
        code: SQLSTATE.insufficientPrivilege,
        message: 'must be a superuser to terminate superuser process',
      });
    }
    const me = sessionIdentity.userOid;
    if (!hasPrivilegesOfRole(me, role) && !hasPrivilegesOfRole(me, SIGNAL_BACKEND)) {
      report('ERROR', {
        code: SQLSTATE.insufficientPrivilege,
        message: 'must be a member of the role whose process is being terminated or member of pg_signal_backend',
      });
    }
  }
  for (const { pid } of sessions) native.kill(pid, SIGNAL.TERM);
}
