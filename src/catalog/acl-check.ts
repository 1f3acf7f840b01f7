/** acl-check.ts — may this role read that relation? Asked once per range table entry when a query starts.
 *
 *  A right on the table is enough; else every column that is read must be granted by itself (any column, if the query
 *  reads none). Views are checked themselves, and what they read with their owner's rights (checkAsUser).
 *  Counterpart: ExecCheckRTPerms of src/backend/executor/execMain.c, aclcheck_error of catalog/aclchk.c */
import type { Oid } from '#base/ids.ts';
import { hasRight } from '#catalog/acl.ts';
import { isSuperuserOid } from '#catalog/roles.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { attributes, classRow, systemAttributes } from '#catalog/syscache.ts';
import { ACL_SELECT, type RangeTblEntry } from '#nodes/parse-nodes.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const KIND_NAMES: Readonly<Record<string, string>> = {
  r: 'table',
  p: 'table',
  t: 'table',
  v: 'view',
  m: 'materialized view',
  i: 'index',
  I: 'index',
  S: 'sequence',
  f: 'foreign table',
};

/** May `role` read these columns (attribute numbers, 0 the whole row) of the relation? */
export function mayReadRelation(relid: Oid, role: Oid, columns: readonly number[]): boolean {
  if (isSuperuserOid(role)) return true;
  const row = classRow(relid);
  if (row === undefined) return false;
  const table = { letter: 'r', owner: row.relowner, acl: row.relacl };
  if (hasRight(table, role, 'r', false)) return true;
  const list = attributes(relid);
  const granted = (attnum: number): boolean => {
    const attribute = attnum > 0 ? list[attnum - 1] : systemAttributes(relid).find((a) => a.attnum === attnum);
    return (
      attribute?.attacl != null &&
      hasRight({ letter: 'c', owner: row.relowner, acl: attribute.attacl }, role, 'r', false)
    );
  };
  if (columns.length === 0) return list.some((a) => granted(a.attnum));
  return columns.every((attnum) => (attnum === 0 ? list.every((a) => granted(a.attnum)) : granted(attnum)));
}

/** 42501 for the first relation of the range table that the user may not read. */
export function checkRangeTablePermissions(rtable: readonly RangeTblEntry[]): void {
  for (const rte of rtable) {
    if ((rte.requiredPerms & ACL_SELECT) === 0) continue;
    // An expanded view is a sub-select that remembers which relation it was.
    const relid = rte.rtekind === 'relation' || rte.rtekind === 'subquery' ? rte.relid : (0 as Oid);
    if (relid === 0) continue;
    const role = rte.checkAsUser !== 0 ? rte.checkAsUser : sessionIdentity.userOid;
    if (mayReadRelation(relid, role, rte.selectedCols)) continue;
    const row = classRow(relid);
    report('ERROR', {
      code: SQLSTATE.insufficientPrivilege,
      message: `permission denied for ${KIND_NAMES[row?.relkind ?? 'r'] ?? 'table'} ${row?.relname ?? relid}`,
    });
  }
}

/** Which of these columns the current user may read, one by one. */
export function mayReadColumns(relid: Oid, columns: readonly number[]): boolean[] {
  const role = sessionIdentity.userOid;
  if (mayReadRelation(relid, role, [0])) return columns.map(() => true);
  return columns.map((column) => mayReadRelation(relid, role, [column]));
}
