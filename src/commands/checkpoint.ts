/** checkpoint.ts — CHECKPOINT: asks the checkpointer and waits.
 *  Counterpart: the T_CheckPointStmt case of src/backend/tcop/utility.c */
import { isSuperuser, hasPrivilegesOfRole, roleByName } from '#catalog/roles.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** Returns when the checkpoint is done; installed by the owner of the checkpointer's mailbox. */
export const checkpointHooks: { requestCheckpoint: (() => void) | undefined } = { requestCheckpoint: undefined };

export function checkpointStatement(): void {
  const allowed = roleByName('pg_checkpoint');
  if (!isSuperuser() && !(allowed !== undefined && hasPrivilegesOfRole(sessionIdentity.userOid, allowed.oid)))
    report('ERROR', {
      code: SQLSTATE.insufficientPrivilege,
      message: 'must be superuser or have privileges of pg_checkpoint to do CHECKPOINT',
    });
  if (checkpointHooks.requestCheckpoint === undefined)
    report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'CHECKPOINT is not supported yet' });
  else checkpointHooks.requestCheckpoint();
}
