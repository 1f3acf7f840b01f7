/** acl-update.ts — changing access lists: who grants, what he may, what else goes when something is taken back.
 *
 *  Here rights are bits, in the order of aclitem's letters; a grantor's own right to grant limits what he gives, and when
 *  it is taken from him, what he gave goes too (CASCADE) or the change is refused (RESTRICT).
 *  Counterpart: aclupdate(), check_circularity(), recursive_revoke(), aclmask(), select_best_grantor() of
 *  src/backend/utils/adt/acl.c, merge_acl_with_grant() of catalog/aclchk.c */
import type { Oid } from '#base/ids.ts';
import { type AclItem, RIGHTS } from '#catalog/acl.ts';
import { hasPrivilegesOfRole, isSuperuserOid, rolesOf } from '#catalog/roles.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const LETTERS = Object.values(RIGHTS).join('');
export const rightBits = (letters: string): number => {
  let bits = 0;
  for (const letter of letters) bits |= 1 << LETTERS.indexOf(letter);
  return bits;
};
const lettersOf = (bits: number): string => [...LETTERS].filter((_, i) => (bits & (1 << i)) !== 0).join('');

export interface Grant {
  readonly grantee: Oid;
  readonly grantor: Oid;
  readonly rights: number;
  /** Rights that may be granted on. */
  readonly options: number;
}
export const grantOf = (item: AclItem): Grant => ({
  grantee: item.grantee,
  grantor: item.grantor,
  rights: rightBits(item.rights),
  options: rightBits(item.grantable),
});
export const aclItemOf = (grant: Grant): AclItem => ({
  grantee: grant.grantee,
  grantor: grant.grantor,
  rights: lettersOf(grant.rights),
  grantable: lettersOf(grant.options),
});

export type Behavior = 'restrict' | 'cascade';

/** aclmask() of grant options: those that the role has, by itself or through others. */
function optionsOfRole(acl: readonly Grant[], role: Oid, owner: Oid, mask: number): number {
  if (mask === 0) return 0;
  // An owner may always grant.
  if (hasPrivilegesOfRole(role, owner)) return mask;
  let found = 0;
  for (const item of acl) {
    if ((item.options & mask) === 0) continue;
    if (item.grantee === 0 || item.grantee === role || hasPrivilegesOfRole(role, item.grantee)) found |= item.options;
  }
  return found & mask;
}
/** Has the role any of these rights, or may grant any? */
export function hasAnyOf(acl: readonly Grant[], role: Oid, owner: Oid, mask: number): boolean {
  if (isSuperuserOid(role) || hasPrivilegesOfRole(role, owner)) return true;
  return acl.some(
    (item) =>
      ((item.rights | item.options) & mask) !== 0 &&
      (item.grantee === 0 || item.grantee === role || hasPrivilegesOfRole(role, item.grantee)),
  );
}

/** Nobody may give his own grantor the right back that he has from him, or it could never be taken away. */
function checkCircularity(acl: readonly Grant[], change: Grant, owner: Oid): void {
  if (change.grantor === owner) return;
  let rest = acl;
  for (;;) {
    const item = rest.find((one) => one.grantee === change.grantee && one.options !== 0);
    if (item === undefined) break;
    rest = aclUpdate(rest, item, 'remove', owner, 'cascade');
  }
  const own = optionsOfRole(rest, change.grantor, owner, change.options);
  if ((change.options & ~own) !== 0) {
    report('ERROR', {
      code: SQLSTATE.invalidGrantOperation,
      message: 'grant options cannot be granted back to your own grantor',
    });
  }
}

function recursiveRevoke(
  acl: readonly Grant[],
  grantee: Oid,
  lost: number,
  owner: Oid,
  behavior: Behavior,
): readonly Grant[] {
  if (grantee === owner) return acl;
  const revoke = lost & ~optionsOfRole(acl, grantee, owner, lost);
  if (revoke === 0) return acl;
  let list = acl;
  for (;;) {
    const given = list.find((item) => item.grantor === grantee && (item.rights & revoke) !== 0);
    if (given === undefined) return list;
    if (behavior === 'restrict') {
      report('ERROR', {
        code: SQLSTATE.dependentObjectsStillExist,
        message: 'dependent privileges exist',
        hint: 'Use CASCADE to revoke them too.',
      });
    }
    const change = { grantee: given.grantee, grantor: grantee, rights: revoke, options: revoke };
    list = aclUpdate(list, change, 'remove', owner, behavior);
  }
}

function aclUpdate(
  acl: readonly Grant[],
  change: Grant,
  mode: 'add' | 'remove',
  owner: Oid,
  behavior: Behavior,
): readonly Grant[] {
  if (mode === 'add' && change.options !== 0) checkCircularity(acl, change, owner);
  const at = acl.findIndex((item) => item.grantee === change.grantee && item.grantor === change.grantor);
  const old = acl[at] ?? { ...change, rights: 0, options: 0 };
  const rights = mode === 'add' ? old.rights | change.rights : old.rights & ~change.rights;
  const options = mode === 'add' ? old.options | change.options : old.options & ~change.options;
  const item: Grant = { grantee: change.grantee, grantor: change.grantor, rights, options };
  const list = at < 0 ? [...acl, item] : acl.with(at, item);
  const left = rights === 0 && options === 0 ? list.filter((one) => one !== item) : list;
  const lost = old.options & ~options;
  return lost === 0 ? left : recursiveRevoke(left, change.grantee, lost, owner, behavior);
}

export interface GrantWish {
  readonly isGrant: boolean;
  /** WITH GRANT OPTION, or GRANT OPTION FOR. */
  readonly grantOption: boolean;
  readonly behavior: Behavior;
  /** 0 is PUBLIC. */
  readonly grantees: readonly Oid[];
}
export function mergeAclWithGrant(
  acl: readonly Grant[],
  wish: GrantWish,
  privileges: number,
  grantor: Oid,
  owner: Oid,
): readonly Grant[] {
  let list = acl;
  for (const grantee of wish.grantees) {
    if (wish.isGrant && wish.grantOption && grantee === 0) {
      report('ERROR', {
        code: SQLSTATE.invalidGrantOperation,
        message: 'grant options can only be granted to roles',
      });
    }
    // A plain REVOKE takes the right and its option, REVOKE GRANT OPTION the option only.
    const rights = wish.isGrant || !wish.grantOption ? privileges : 0;
    const options = !wish.isGrant || wish.grantOption ? privileges : 0;
    const change = { grantee, grantor, rights, options };
    list = aclUpdate(list, change, wish.isGrant ? 'add' : 'remove', owner, wish.behavior);
  }
  return list;
}

function countBits(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}
/** As whom the role grants: the owner if it may be him, else the role among its own that may grant most of these. */
export function selectBestGrantor(
  role: Oid,
  privileges: number,
  acl: readonly Grant[],
  owner: Oid,
): { readonly grantor: Oid; readonly options: number } {
  if (role === owner || isSuperuserOid(role)) return { grantor: owner, options: privileges };
  let best = { grantor: role, options: 0 };
  for (const candidate of rolesOf(role, true)) {
    let options = candidate === owner ? privileges : 0;
    for (const item of acl) if (item.grantee === candidate) options |= item.options & privileges;
    if (options === privileges) return { grantor: candidate, options };
    if (countBits(options) > countBits(best.options)) best = { grantor: candidate, options };
  }
  return best;
}

/** aclmembers(): everybody the list names. */
export function aclMembers(acl: readonly Grant[]): Oid[] {
  const found = new Set<Oid>();
  for (const { grantee, grantor } of acl) {
    if (grantee !== 0) found.add(grantee);
    found.add(grantor);
  }
  return [...found].sort((a, b) => a - b);
}
/** aclitemsort(). */
export const sortedGrants = (acl: readonly Grant[]): Grant[] =>
  [...acl].sort(
    (a, b) => a.grantee - b.grantee || a.grantor - b.grantor || a.options - b.options || a.rights - b.rights,
  );
