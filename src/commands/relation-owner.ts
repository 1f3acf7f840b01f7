/** relation-owner.ts — ALTER … OWNER TO of a relation: its access lists, row type, indexes, toast table and sequences.
 *  Counterpart: ATExecChangeOwner() … of src/backend/commands/tablecmds.c, AlterTypeOwnerInternal() of typecmds.c,
 *  aclnewowner() of utils/adt/acl.c */
import type { Oid } from '#base/ids.ts';
import { aclArray, type AclItem, parseAclItem } from '#catalog/acl.ts';
import { catalogUpdateColumns } from '#catalog/indexing.ts';
import { checkRelationOwner, mayUseNamespace, permissionDenied } from '#catalog/object-rights.ts';
import { RELATION } from '#catalog/oids.ts';
import { ownedSequences } from '#catalog/pg-depend.ts';
import { changeDependencyOnOwner } from '#catalog/pg-shdepend.ts';
import { relationGetIndexList } from '#catalog/relcache.ts';
import { relationClose, relationOpen, tableOpen } from '#catalog/relation.ts';
import { isMemberOfRole, isSuperuser, roleByOid } from '#catalog/roles.ts';
import { store } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { namespaceRow } from '#catalog/syscache.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { NOT_SUPPORTED_FOR } from '#commands/alter-relation-check.ts';
import { refuseOwnedSequence } from '#commands/relation-schema.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK, type LockMode } from '#storage/lmgr/lock-modes.ts';

/** aclnewowner(): the new owner takes the old one's place; what both had becomes one entry. */
export function aclOfNewOwner(acl: readonly AclItem[], from: Oid, to: Oid): AclItem[] {
  const renamed = acl.map((item) => ({
    ...item,
    grantor: item.grantor === from ? to : item.grantor,
    grantee: item.grantee === from ? to : item.grantee,
  }));
  const out: AclItem[] = [];
  const union = (a: string, b: string): string => a + [...b].filter((letter) => !a.includes(letter)).join('');
  for (const item of renamed) {
    const at = out.findIndex((other) => other.grantee === item.grantee && other.grantor === item.grantor);
    if (at < 0) out.push(item);
    else {
      const other = out[at]!;
      out[at] = {
        ...other,
        rights: union(other.rights, item.rights),
        grantable: union(other.grantable, item.grantable),
      };
    }
  }
  return out;
}
const newOwnerAcl = (acl: readonly string[] | null, from: Oid, to: Oid): ReturnType<typeof aclArray> | null =>
  acl === null ? null : aclArray(aclOfNewOwner(acl.map(parseAclItem), from, to));

function mayGive(relid: Oid, namespace: Oid, newOwner: Oid): void {
  if (isSuperuser()) return;
  checkRelationOwner(relid);
  if (!isMemberOfRole(sessionIdentity.userOid, newOwner)) {
    report('ERROR', {
      code: SQLSTATE.insufficientPrivilege,
      message: `must be member of role "${roleByOid(newOwner)?.name ?? String(newOwner)}"`,
    });
  }
  // Who could not create it there must not get it there.
  if (!mayUseNamespace(namespace, 'CREATE', newOwner)) {
    permissionDenied('schema', namespaceRow(namespace)?.nspname ?? '');
  }
}

/** ATExecChangeOwner(). `recursing`: it follows its table. */
export function changeRelationOwner(relid: Oid, wantedOwner: Oid, recursing: boolean, lock: LockMode | 0): void {
  const rel = relationOpen(relid, lock);
  let newOwner = wantedOwner;
  const { kind, owner, name } = rel;
  const isIndex = kind === 'i' || kind === 'I';
  if (isIndex && !recursing) {
    // Dumps of old versions say this; an index is always its table's owner's.
    if (owner !== newOwner) {
      report('WARNING', {
        code: SQLSTATE.wrongObjectType,
        message: `cannot change owner of index "${name}"`,
        hint: "Change the ownership of the index's table, instead.",
      });
    }
    newOwner = owner;
  } else if (kind === 'S' && !recursing && owner !== newOwner) {
    refuseOwnedSequence(relid, `cannot change owner of sequence "${name}"`);
  } else if ((kind === 't' || kind === 'c') && !recursing) {
    report('ERROR', {
      code: SQLSTATE.wrongObjectType,
      message: kind === 'c' ? `"${name}" is a composite type` : `cannot change owner of relation "${name}"`,
      ...(kind === 'c' ? { hint: 'Use ALTER TYPE instead.' } : { detail: NOT_SUPPORTED_FOR[kind]! }),
    });
  }
  if (owner !== newOwner) {
    if (!recursing) mayGive(relid, rel.namespace, newOwner);
    const pgClass = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
    const [found] = findCatalogTuples(store.class, pgClass, 2662 as Oid, [{ attnum: 1, value: relid }]);
    if (found === undefined) report('ERROR', { message: `cache lookup failed for relation ${relid}` });
    const acl = newOwnerAcl(found.row.relacl, owner, newOwner);
    catalogUpdateColumns(pgClass, found.tid, { relowner: newOwner, ...(acl === null ? {} : { relacl: acl }) });
    relationClose(pgClass, LOCK.rowExclusive);
    fixColumnAcls(relid, owner, newOwner);
    if (rel.typeId !== 0) changeTypeOwner(rel.typeId, owner, newOwner);
    if (!isIndex && kind !== 'c' && kind !== 't') changeDependencyOnOwner(RELATION.pgClass, relid, newOwner);
    if ('rpmt'.includes(kind)) {
      for (const index of relationGetIndexList(rel)) changeRelationOwner(index, newOwner, true, lock);
    }
    if (rel.toastRelid !== 0) changeRelationOwner(rel.toastRelid, newOwner, true, lock);
    for (const sequence of ownedSequences(relid)) changeRelationOwner(sequence, newOwner, true, LOCK.accessExclusive);
  }
  relationClose(rel, LOCK.none);
}
/** change_owner_fix_column_acls(). */
function fixColumnAcls(relid: Oid, from: Oid, to: Oid): void {
  const pgAttribute = tableOpen(RELATION.pgAttribute, LOCK.rowExclusive);
  for (const { tid, row } of findCatalogTuples(store.attribute, pgAttribute, 2659 as Oid, [
    { attnum: 1, value: relid },
  ])) {
    if (row.attisdropped || row.attacl === null) continue;
    catalogUpdateColumns(pgAttribute, tid, { attacl: newOwnerAcl(row.attacl, from, to) });
  }
  relationClose(pgAttribute, LOCK.rowExclusive);
}
/** AlterTypeOwnerInternal() of a row type and its array type; the table has the dependency. */
function changeTypeOwner(oid: Oid, from: Oid, to: Oid): void {
  const pgType = tableOpen(RELATION.pgType, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.type, pgType, 2703 as Oid, [{ attnum: 1, value: oid }]);
  if (found === undefined) report('ERROR', { message: `cache lookup failed for type ${oid}` });
  const acl = newOwnerAcl(found.row.typacl, from, to);
  catalogUpdateColumns(pgType, found.tid, { typowner: to, ...(acl === null ? {} : { typacl: acl }) });
  relationClose(pgType, LOCK.rowExclusive);
  if (found.row.typarray !== 0) changeTypeOwner(found.row.typarray, from, to);
}
