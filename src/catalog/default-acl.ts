/** default-acl.ts — the access list that a new object gets because of ALTER DEFAULT PRIVILEGES, null for none.
 *  Counterpart: get_user_default_acl() of src/backend/catalog/aclchk.c */
import type { Oid } from '#base/ids.ts';
import { type AclItem, defaultAcl, parseAclItem } from '#catalog/acl.ts';
import { store } from '#catalog/rows.ts';

/** pg_default_acl.defaclobjtype → the letter of acldefault(). */
const ACL_LETTER: Readonly<Record<string, string>> = { r: 'r', S: 's', f: 'f', T: 'T', n: 'n' };

function merge(items: readonly AclItem[]): AclItem[] {
  const out: AclItem[] = [];
  const union = (a: string, b: string): string => a + [...b].filter((letter) => !a.includes(letter)).join('');
  for (const item of items) {
    const at = out.findIndex((other) => other.grantee === item.grantee && other.grantor === item.grantor);
    if (at < 0) out.push(item);
    else {
      const old = out[at]!;
      out[at] = { ...old, rights: union(old.rights, item.rights), grantable: union(old.grantable, item.grantable) };
    }
  }
  return out;
}
const canonical = (items: readonly AclItem[]): string =>
  items
    .map((i) => `${i.grantee}/${i.grantor}/${[...i.rights].sort().join('')}/${[...i.grantable].sort().join('')}`)
    .sort()
    .join();

export function userDefaultAcl(objectType: 'r' | 'S' | 'f' | 'T' | 'n', owner: Oid, namespace: Oid): AclItem[] | null {
  const rows = store.defaultAcl
    .by('defaclrole', owner)
    .filter(
      (row) => row.defaclobjtype === objectType && (row.defaclnamespace === 0 || row.defaclnamespace === namespace),
    );
  const global = rows.find((row) => row.defaclnamespace === 0)?.defaclacl ?? null;
  const local = namespace === 0 ? null : (rows.find((row) => row.defaclnamespace === namespace)?.defaclacl ?? null);
  if (global === null && local === null) return null;
  const builtin = defaultAcl(ACL_LETTER[objectType]!, owner);
  const base = global === null ? builtin : global.map(parseAclItem);
  const result = merge([...base, ...(local ?? []).map(parseAclItem)]);
  return canonical(result) === canonical(builtin) ? null : result;
}
