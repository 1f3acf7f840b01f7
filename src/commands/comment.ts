/** comment.ts — COMMENT ON: a row of pg_description, or of pg_shdescription for what all databases share.
 *  Counterpart: CommentObject() of src/backend/commands/comment.c */
import type { CommentStmt } from '@pgsql/types';
import { createComment, createSharedComment } from '#catalog/object-notes.ts';
import { RELATION } from '#catalog/oids.ts';
import { isSuperuser, isMemberOfRole } from '#catalog/roles.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { classRow } from '#catalog/syscache.ts';
import { checkObjectOwnership, getObjectAddress } from '#commands/object-lookup.ts';
import { stringOf } from '#parser/ast.ts';
import { databaseByName } from '#catalog/syscache.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';

const COMMENTED_KINDS = 'rvmcfp';
const NOT_SUPPORTED_FOR: Readonly<Record<string, string>> = {
  i: 'indexes',
  I: 'partitioned indexes',
  S: 'sequences',
  t: 'TOAST tables',
};

export function commentObject(stmt: CommentStmt): void {
  const type = stmt.objtype!;
  const comment = stmt.comment ?? null;
  if (type === 'OBJECT_DATABASE' && databaseByName(stringOf(stmt.object)) === undefined) {
    // A dump that is restored into another database must not fail because of this.
    report('WARNING', {
      code: SQLSTATE.invalidCatalogName,
      message: `database "${stringOf(stmt.object)}" does not exist`,
    });
    return;
  }
  const address = getObjectAddress(type, stmt.object, LOCK.shareUpdateExclusive)!;
  if (address.classId === RELATION.pgAuthid) {
    if (!isSuperuser() && !isMemberOfRole(sessionIdentity.userOid, address.objectId)) {
      report('ERROR', {
        code: SQLSTATE.insufficientPrivilege,
        message: `must be member of role "${stringOf(stmt.object)}"`,
      });
    }
  } else checkObjectOwnership(address);
  if (type === 'OBJECT_COLUMN') {
    const row = classRow(address.objectId)!;
    if (!COMMENTED_KINDS.includes(row.relkind)) {
      report('ERROR', {
        code: SQLSTATE.wrongObjectType,
        message: `cannot set comment on relation "${row.relname}"`,
        detail: `This operation is not supported for ${NOT_SUPPORTED_FOR[row.relkind] ?? 'this relation'}.`,
      });
    }
  }
  if (type === 'OBJECT_DATABASE' || type === 'OBJECT_TABLESPACE' || type === 'OBJECT_ROLE') {
    createSharedComment(address.classId, address.objectId, comment);
  } else createComment(address, comment);
}
