/** checkpoint.ts — CHECKPOINT: asks the checkpointer and waits.
 *  Counterpart: the T_CheckPointStmt case of src/backend/tcop/utility.c */
import { hasPrivilegesOfRole, roleByName } from '#catalog/roles.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { CHECKPOINT, requestCheckpoint } from '#storage/ipc/checkpoint-mailbox.ts';
import { recoveryInProgress } from '#wal/recovery-state.ts';

export function checkpointStatement(): void {
  const allowed = roleByName('pg_checkpoint');
  if (allowed === undefined || !hasPrivilegesOfRole(sessionIdentity.userOid, allowed.oid))
    report('ERROR', {
      code: SQLSTATE.insufficientPrivilege,
      message: 'must be superuser or have privileges of pg_checkpoint to do CHECKPOINT',
    });
  // A restartpoint cannot be forced: it needs a new checkpoint record.
  requestCheckpoint(CHECKPOINT.immediate | CHECKPOINT.wait | (recoveryInProgress() ? 0 : CHECKPOINT.force));
}
