/** default-privileges.ts — ALTER DEFAULT PRIVILEGES: the access lists that objects made later start with.
 *
 *  A row without schema replaces the built-in default, one with a schema is added to it; a list that says nothing else
 *  than the default has no row.
 *  Counterpart: ExecAlterDefaultPrivilegesStmt(), SetDefaultACL() of src/backend/catalog/aclchk.c */
import type { AlterDefaultPrivilegesStmt, GrantStmt, Node } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import {
  aclMembers,
  type Grant,
  grantOf,
  type GrantWish,
  mergeAclWithGrant,
  rightBits,
  sortedGrants,
} from '#catalog/acl-update.ts';
import { parseAclItem } from '#catalog/acl.ts';
import { performDeletion, registerObjectDropper } from '#catalog/dependency.ts';
import { catalogDelete, catalogInsert, catalogUpdateColumns, catalogValues } from '#catalog/indexing.ts';
import { namespaceOid } from '#catalog/namespace.ts';
import { getNewOidWithIndex } from '#catalog/new-oid.ts';
import { objectAddress } from '#catalog/object-address.ts';
import { RELATION } from '#catalog/oids.ts';
import { recordDependencyOn } from '#catalog/pg-depend.ts';
import { recordDependencyOnOwner, updateAclDependencies } from '#catalog/pg-shdepend.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { checkMemberOf } from '#commands/database.ts';
import { defElems } from '#commands/def-elem.ts';
import { privilegeBit, privilegeWord } from '#commands/grant-target.ts';
import { arrayOfGrants, behaviorOf, defaultGrants, granteesOf } from '#commands/grant.ts';
import { roleSpecsOf } from '#commands/role-names.ts';
import { roleSpecOid } from '#commands/role-spec.ts';
import { listItems, stringOf } from '#parser/ast.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

const ROLE_NAMESPACE_TYPE_INDEX = 827 as Oid;
const OID_INDEX = 828 as Oid;

/** Object type of the grammar → defaclobjtype, its letter of acldefault(), rights, word in errors. */
const KINDS: Readonly<Record<string, readonly [type: string, letter: string, rights: string, word: string]>> = {
  OBJECT_TABLE: ['r', 'r', 'arwdDxt', 'relation'],
  OBJECT_SEQUENCE: ['S', 's', 'rwU', 'sequence'],
  OBJECT_FUNCTION: ['f', 'f', 'X', 'function'],
  OBJECT_PROCEDURE: ['f', 'f', 'X', 'procedure'],
  OBJECT_ROUTINE: ['f', 'f', 'X', 'routine'],
  OBJECT_TYPE: ['T', 'T', 'U', 'type'],
  OBJECT_SCHEMA: ['n', 'n', 'UC', 'schema'],
};

const refuse = (message: string): never => report('ERROR', { code: SQLSTATE.invalidGrantOperation, message });

function privilegesOf(nodes: readonly Node[] | undefined, whole: number, word: string): number {
  if (nodes === undefined || nodes.length === 0) return whole;
  let bits = 0;
  for (const node of nodes) {
    const one = 'AccessPriv' in node ? node.AccessPriv : {};
    if ((one.cols?.length ?? 0) > 0) refuse('default privileges cannot be set for columns');
    const bit = privilegeBit(one.priv_name ?? '');
    if ((bit & ~whole) !== 0) refuse(`invalid privilege type ${privilegeWord(bit)} for ${word}`);
    bits |= bit;
  }
  return bits;
}

export function alterDefaultPrivileges(stmt: AlterDefaultPrivilegesStmt): void {
  const options = defElems(stmt.options);
  const itemsOf = (name: string): Node[] => {
    const found = options.filter((option) => option.defname === name);
    if (found.length > 1) {
      report('ERROR', { code: SQLSTATE.syntaxError, message: 'conflicting or redundant options' });
    }
    return listItems(found[0]?.arg);
  };
  const schemas = itemsOf('schemas').map(stringOf);
  const roles = roleSpecsOf(itemsOf('roles'));
  const action: GrantStmt = stmt.action ?? {};
  const wish: GrantWish = {
    isGrant: action.is_grant === true,
    grantOption: action.grant_option === true,
    behavior: behaviorOf(action.behavior),
    grantees: granteesOf(action.grantees),
  };
  const kind = KINDS[action.objtype ?? 'OBJECT_TABLE'];
  if (kind === undefined) report('ERROR', { message: `unrecognized GrantStmt.objtype: ${action.objtype}` });
  const privileges = privilegesOf(action.privileges, rightBits(kind![2]), kind![3]);
  const targets = roles.length === 0 ? [sessionIdentity.userOid] : roles.map(roleSpecOid);
  for (const role of targets) {
    if (roles.length > 0) checkMemberOf(role);
    if (schemas.length === 0) setDefaultAcl(role, 0 as Oid, kind![0], kind![1], wish, privileges);
    for (const schema of schemas) {
      const namespace = namespaceOid(schema);
      if (kind![0] === 'n') refuse('cannot use IN SCHEMA clause when using GRANT/REVOKE ON SCHEMAS');
      setDefaultAcl(role, namespace, kind![0], kind![1], wish, privileges);
    }
  }
}

const sameList = (a: readonly Grant[], b: readonly Grant[]): boolean =>
  a.length === b.length &&
  a.every((x, i) => {
    const y = b[i]!;
    return x.grantee === y.grantee && x.grantor === y.grantor && x.rights === y.rights && x.options === y.options;
  });

function setDefaultAcl(
  role: Oid,
  namespace: Oid,
  type: string,
  letter: string,
  wish: GrantWish,
  privileges: number,
): void {
  const rel = tableOpen(RELATION.pgDefaultAcl, LOCK.rowExclusive);
  const fallback = namespace === 0 ? defaultGrants(letter, role) : [];
  const [old] = findCatalogTuples(store.defaultAcl, rel, ROLE_NAMESPACE_TYPE_INDEX, [
    { attnum: 2, value: role },
    { attnum: 3, value: namespace },
    { attnum: 4, value: type },
  ]);
  const before = old?.row.defaclacl?.map((item) => grantOf(parseAclItem(item))) ?? null;
  const after = sortedGrants(mergeAclWithGrant(before ?? fallback, wish, privileges, role, role));
  if (sameList(after, sortedGrants(fallback))) {
    if (old !== undefined) performDeletion(objectAddress(RELATION.pgDefaultAcl, old.row.oid), 'restrict');
    relationClose(rel, LOCK.rowExclusive);
    commandCounterIncrement();
    return;
  }
  let oid: Oid;
  if (old === undefined) {
    oid = getNewOidWithIndex(rel, OID_INDEX);
    const values = {
      oid,
      defaclrole: role,
      defaclnamespace: namespace,
      defaclobjtype: type,
      defaclacl: arrayOfGrants(after),
    };
    catalogInsert(rel, catalogValues(rel, values));
    recordDependencyOnOwner(RELATION.pgDefaultAcl, oid, role);
    if (namespace !== 0) {
      const schema = objectAddress(RELATION.pgNamespace, namespace);
      recordDependencyOn(objectAddress(RELATION.pgDefaultAcl, oid), schema, 'a');
    }
  } else {
    ({ oid } = old.row);
    catalogUpdateColumns(rel, old.tid, { defaclacl: arrayOfGrants(after) });
  }
  const members = before === null ? [] : aclMembers(before);
  updateAclDependencies(objectAddress(RELATION.pgDefaultAcl, oid), role, members, aclMembers(after));
  relationClose(rel, LOCK.rowExclusive);
  commandCounterIncrement();
}

/** DROP OWNED: the role leaves the default privileges of somebody else. */
export function revokeDefaultPrivileges(role: Oid, defaultAcl: Oid): void {
  const row = store.defaultAcl.byOid(defaultAcl);
  if (row === undefined) return;
  const kind = Object.values(KINDS).find(([type]) => type === row.defaclobjtype)!;
  const wish: GrantWish = { isGrant: false, grantOption: false, behavior: 'cascade', grantees: [role] };
  setDefaultAcl(row.defaclrole, row.defaclnamespace, kind[0], kind[1], wish, rightBits(kind[2]));
}

registerObjectDropper(RELATION.pgDefaultAcl, ({ objectId }) => {
  const rel = tableOpen(RELATION.pgDefaultAcl, LOCK.rowExclusive);
  const [tuple] = findCatalogTuples(store.defaultAcl, rel, OID_INDEX, [{ attnum: 1, value: objectId }]);
  if (tuple === undefined) report('ERROR', { message: `could not find tuple for default ACL ${objectId}` });
  catalogDelete(rel, tuple!.tid);
  relationClose(rel, LOCK.rowExclusive);
});
