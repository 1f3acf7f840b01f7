/** permissions.ts — may this user read these relations and call these functions?
 *
 *  Relations are checked each time a plan starts, because a cached plan may meet another role. A function is only
 *  looked at if it has an access list of its own, which few have; then every call is checked.
 *  Counterpart: ExecCheckRTPerms() of src/backend/executor/execMain.c, object_aclcheck() calls of execExpr.c */
import type { Oid } from '#base/ids.ts';
import { hasRight } from '#catalog/acl.ts';
import { checkRangeTablePermissions } from '#catalog/acl-check.ts';
import { isTempNamespace } from '#catalog/creation-namespace.ts';
import type { ProcRow } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { classRow } from '#catalog/syscache.ts';
import { ACL_SELECT, type RangeTblEntry } from '#nodes/parse-nodes.ts';
import type { PlannedStmt } from '#nodes/plan-nodes.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const NO_OID = 0 as Oid;
const NOTHING: readonly RangeTblEntry[] = [];
const guardedRelations = new WeakMap<PlannedStmt, readonly RangeTblEntry[]>();

/** Most plans read no relation at all; what is to be asked is found once per plan. */
export function checkRelationPermissions(stmt: PlannedStmt): void {
  let relations = guardedRelations.get(stmt);
  if (relations === undefined) {
    relations = stmt.rtable.length === 0 ? NOTHING : stmt.rtable.filter((rte) => rte.requiredPerms !== 0);
    guardedRelations.set(stmt, relations);
  }
  if (relations.length > 0) checkRangeTablePermissions(relations);
}

const LOCK_TAGS: Readonly<Record<string, string>> = {
  forkeyshare: 'SELECT FOR KEY SHARE',
  forshare: 'SELECT FOR SHARE',
  fornokeyupdate: 'SELECT FOR NO KEY UPDATE',
  forupdate: 'SELECT FOR UPDATE',
};
/** ExecCheckXactReadOnly(): a read-only transaction changes temporary tables only. */
export function checkReadOnly(stmt: PlannedStmt): void {
  for (const rte of stmt.rtable) {
    if (rte.rtekind !== 'relation' || (rte.requiredPerms & ~ACL_SELECT) === 0) continue;
    if (isTempNamespace(classRow(rte.relid)?.relnamespace ?? NO_OID)) continue;
    const tag = LOCK_TAGS[stmt.rowMarks[0]?.strength ?? ''] ?? stmt.commandType.toUpperCase();
    report('ERROR', {
      code: SQLSTATE.readOnlySqlTransaction,
      message: `cannot execute ${tag} in a read-only transaction`,
    });
  }
}

/** A check to run before each call of the function, or null if everybody may call it. */
export function functionGuard(proc: ProcRow): (() => void) | null {
  const acl = proc.proacl;
  if (acl === null) return null;
  return () => {
    if (hasRight({ letter: 'f', owner: proc.proowner, acl }, sessionIdentity.userOid, 'X', false)) return;
    report('ERROR', {
      code: SQLSTATE.insufficientPrivilege,
      message: `permission denied for function ${proc.proname}`,
    });
  };
}
