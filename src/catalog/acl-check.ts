/** acl-check.ts — may this role read or change that relation? Asked once per range table entry when a query starts.
 *
 *  A right on the table is enough; else every column that is read must be granted by itself (any column, if the query
 *  reads none). Views are checked themselves, and what they read with their owner's rights (checkAsUser).
 *  Counterpart: ExecCheckRTPerms of src/backend/executor/execMain.c, aclcheck_error of catalog/aclchk.c */
import type { Oid } from '#base/ids.ts';
import { hasRight } from '#catalog/acl.ts';
import { hasPrivilegesOfRole, isSuperuserOid } from '#catalog/roles.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import type { ClassRow } from '#catalog/rows.ts';
import { isCatalogRelationOid } from '#catalog/oids.ts';
import { attributes, classRow, systemAttributes } from '#catalog/syscache.ts';
import {
  ACL_DELETE,
  ACL_INSERT,
  ACL_REFERENCES,
  ACL_SELECT,
  ACL_TRIGGER,
  ACL_TRUNCATE,
  ACL_UPDATE,
  type RangeTblEntry,
} from '#nodes/parse-nodes.ts';
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

const READ_ALL_DATA = 6181 as Oid;
const WRITE_ALL_DATA = 6182 as Oid;
const WRITING = 'awdDU';

/** pg_class_aclcheck(): has the role this right (a letter) on the whole relation? */
export function mayOnWholeRelation(row: ClassRow, role: Oid, right: string): boolean {
  if (isSuperuserOid(role)) return true;
  // Nobody else changes catalogs by hand, whatever their lists say.
  if (WRITING.includes(right) && isCatalogRelationOid(row.oid) && row.relkind !== 'v') return false;
  const table = { letter: row.relkind === 'S' ? 's' : 'r', owner: row.relowner, acl: row.relacl };
  if (hasRight(table, role, right, false)) return true;
  if (right === 'r') return hasPrivilegesOfRole(role, READ_ALL_DATA);
  return 'awd'.includes(right) && hasPrivilegesOfRole(role, WRITE_ALL_DATA);
}
/** The right on all these columns by themselves (attribute numbers, 0 the whole row; none: on any column). */
export function mayOnColumns(
  row: ClassRow,
  role: Oid,
  right: string,
  columns: readonly number[],
  withGrant = false,
): boolean {
  const list = attributes(row.oid);
  const granted = (attnum: number): boolean => {
    const attribute = attnum > 0 ? list[attnum - 1] : systemAttributes(row.oid).find((a) => a.attnum === attnum);
    return (
      attribute?.attacl != null &&
      !attribute.attisdropped &&
      hasRight({ letter: 'c', owner: row.relowner, acl: attribute.attacl }, role, right, withGrant)
    );
  };
  const present = list.filter((a) => !a.attisdropped);
  if (columns.length === 0) return present.some((a) => granted(a.attnum));
  return columns.every((attnum) => (attnum === 0 ? present.every((a) => granted(a.attnum)) : granted(attnum)));
}

/** May `role` read these columns (attribute numbers, 0 the whole row) of the relation? */
export function mayReadRelation(relid: Oid, role: Oid, columns: readonly number[]): boolean {
  if (isSuperuserOid(role)) return true;
  const row = classRow(relid);
  if (row === undefined) return false;
  return mayOnWholeRelation(row, role, 'r') || mayOnColumns(row, role, 'r', columns);
}

/** Bits of requiredPerms with their letters; those that columns can have by themselves first. */
const REQUIRED: readonly (readonly [bit: number, right: string])[] = [
  [ACL_SELECT, 'r'],
  [ACL_INSERT, 'a'],
  [ACL_UPDATE, 'w'],
  [ACL_DELETE, 'd'],
  [ACL_TRUNCATE, 'D'],
  [ACL_REFERENCES, 'x'],
  [ACL_TRIGGER, 't'],
];
/** ExecCheckRTEPerms(). */
function mayDoAll(rte: RangeTblEntry, relid: Oid, role: Oid): boolean {
  if (isSuperuserOid(role)) return true;
  const row = classRow(relid);
  if (row === undefined) return false;
  const lacking = REQUIRED.filter(
    ([bit, right]) => (rte.requiredPerms & bit) !== 0 && !mayOnWholeRelation(row, role, right),
  );
  return lacking.every(([bit, right]) => {
    if (bit === ACL_SELECT) return mayOnColumns(row, role, right, rte.selectedCols);
    if (bit === ACL_INSERT) return mayOnColumns(row, role, right, rte.insertedCols);
    return bit === ACL_UPDATE && mayOnColumns(row, role, right, rte.updatedCols);
  });
}

/** 42501 for the first relation of the range table that the user may not use like that. */
export function checkRangeTablePermissions(rtable: readonly RangeTblEntry[]): void {
  for (const rte of rtable) {
    if (rte.requiredPerms === 0) continue;
    // An expanded view is a sub-select that remembers which relation it was.
    const relid = rte.rtekind === 'relation' || rte.rtekind === 'subquery' ? rte.relid : (0 as Oid);
    if (relid === 0) continue;
    const role = rte.checkAsUser !== 0 ? rte.checkAsUser : sessionIdentity.userOid;
    if (mayDoAll(rte, relid, role)) continue;
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
