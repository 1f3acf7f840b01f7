/** as-owner.ts — maintenance with the rights of a table's owner: functions of its indexes run as his.
 *  Counterpart: SetUserIdAndSecContext(… SECURITY_RESTRICTED_OPERATION) around vacuum, analyze, cluster, reindex */
import type { Oid } from '#base/ids.ts';
import { roleByOid } from '#catalog/roles.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { atEoxactGuc, newGucNestLevel } from '#runtime/guc/guc-stack.ts';

/** Settings that the work changes end with it. */
export function asOwner(owner: Oid, work: () => void): void {
  const { userOid, userName } = sessionIdentity;
  const level = newGucNestLevel();
  sessionIdentity.userOid = owner;
  sessionIdentity.userName = roleByOid(owner)?.name ?? userName;
  try {
    work();
    atEoxactGuc(false, level);
  } finally {
    sessionIdentity.userOid = userOid;
    sessionIdentity.userName = userName;
  }
}
