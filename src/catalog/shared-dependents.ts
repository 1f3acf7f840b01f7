/** shared-dependents.ts — what depends on a role or tablespace, for the message that it cannot be dropped.
 *
 *  Objects of this database and shared ones are described, those of other databases counted.
 *  Counterpart: checkSharedDependencies() of src/backend/catalog/pg_shdepend.c */
import type { Oid } from '#base/ids.ts';
import { isPinnedObject, objectAddress } from '#catalog/object-address.ts';
import { objectDescription } from '#catalog/object-description.ts';
import { sharedDependents } from '#catalog/pg-shdepend.ts';
import { RELATION } from '#catalog/oids.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const MAX_REPORTED = 100;
const WORDS: Readonly<Record<string, string>> = {
  o: 'owner of',
  a: 'privileges for',
  r: 'target of',
  t: 'tablespace for',
};

export interface DependentsText {
  readonly detail: string;
  readonly detailLog: string;
}
/** null if nothing depends on it. */
export function checkSharedDependencies(classId: Oid, objectId: Oid): DependentsText | null {
  if (isPinnedObject(classId, objectId)) {
    report('ERROR', {
      code: SQLSTATE.dependentObjectsStillExist,
      message: `cannot drop ${objectDescription(objectAddress(classId, objectId))} because it is required by the database system`,
    });
  }
  const rows = sharedDependents(classId, objectId);
  const near = rows
    .filter((row) => row.dbid === 0 || row.dbid === sessionIdentity.databaseOid)
    .sort(
      (a, b) =>
        a.objid - b.objid ||
        a.classid - b.classid ||
        (a.objsubid >>> 0) - (b.objsubid >>> 0) ||
        (a.deptype < b.deptype ? -1 : 1),
    );
  const far = new Map<Oid, number>();
  for (const row of rows) {
    if (row.dbid !== 0 && row.dbid !== sessionIdentity.databaseOid) far.set(row.dbid, (far.get(row.dbid) ?? 0) + 1);
  }
  if (near.length + far.size === 0) return null;
  const lines: string[] = [];
  for (const row of near) {
    const text = objectDescription(objectAddress(row.classid, row.objid, row.objsubid));
    // An object may go while we look.
    if (text !== null) lines.push(`${WORDS[row.deptype] ?? row.deptype} ${text}`);
  }
  const farLines: string[] = [];
  for (const [database, count] of far) {
    const text = objectDescription(objectAddress(RELATION.pgDatabase, database));
    if (text !== null) farLines.push(`${count} ${count === 1 ? 'object' : 'objects'} in ${text}`);
  }
  const shown = [...lines.slice(0, MAX_REPORTED), ...farLines.slice(0, Math.max(0, MAX_REPORTED - lines.length))];
  const hidden = Math.max(0, lines.length - MAX_REPORTED);
  const hiddenFar = farLines.length + Math.min(lines.length, MAX_REPORTED) - shown.length;
  let detail = shown.join('\n');
  if (hidden > 0) {
    detail += `\nand ${hidden} other ${hidden === 1 ? 'object' : 'objects'} (see server log for list)`;
  }
  if (hiddenFar > 0) {
    detail += `\nand objects in ${hiddenFar} other ${hiddenFar === 1 ? 'database' : 'databases'} (see server log for list)`;
  }
  return { detail, detailLog: [...lines, ...farLines].join('\n') };
}
