/** acl.ts — access control lists: the text of an aclitem, the rights that objects start with, and who may do what.
 *
 *  An aclitem Datum is its text, `grantee=rights/grantor` (an empty grantee is PUBLIC, `*` after a letter is the right
 *  to grant it on), which is also how the catalogs' facts hold it.
 *  Counterpart: src/backend/utils/adt/acl.c, catalog/aclchk.c */
import type { ArrayDatum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { TYPE } from '#catalog/oids.ts';
import { isSuperuserOid, roleByName, roleByOid, rolesOf } from '#catalog/roles.ts';
import { OID_MARK } from '#catalog/rows.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** Letters of the rights, in the order that aclitem shows them. */
export const RIGHTS = {
  INSERT: 'a',
  SELECT: 'r',
  UPDATE: 'w',
  DELETE: 'd',
  TRUNCATE: 'D',
  REFERENCES: 'x',
  TRIGGER: 't',
  EXECUTE: 'X',
  USAGE: 'U',
  CREATE: 'C',
  TEMPORARY: 'T',
  CONNECT: 'c',
  SET: 's',
  'ALTER SYSTEM': 'A',
} as const satisfies Record<string, string>;
const ALL_LETTERS = Object.values(RIGHTS).join('');
const NAME_OF_LETTER = new Map(Object.entries(RIGHTS).map(([name, letter]) => [letter as string, name]));

/** acldefault()'s object letters → [rights of PUBLIC, rights of the owner]. */
const DEFAULTS: Readonly<Record<string, readonly [string, string]>> = {
  c: ['', ''],
  r: ['', 'arwdDxt'],
  s: ['', 'rwU'],
  d: ['Tc', 'CTc'],
  f: ['X', 'X'],
  l: ['U', 'U'],
  L: ['', 'rw'],
  n: ['', 'UC'],
  p: ['', 'sA'],
  t: ['', 'C'],
  F: ['', 'U'],
  S: ['', 'U'],
  T: ['U', 'U'],
};

export interface AclItem {
  /** 0 is PUBLIC. */
  readonly grantee: Oid;
  readonly grantor: Oid;
  readonly rights: string;
  /** Rights that may be granted on. */
  readonly grantable: string;
}

const roleText = (oid: Oid): string => {
  if (oid === 0) return '';
  const name = roleByOid(oid)?.name ?? String(oid);
  return /^[A-Za-z0-9_]+$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
};
export function formatAclItem(item: AclItem): string {
  let letters = '';
  for (const letter of ALL_LETTERS) {
    if (item.rights.includes(letter)) letters += item.grantable.includes(letter) ? `${letter}*` : letter;
  }
  return `${roleText(item.grantee)}=${letters}/${roleText(item.grantor)}`;
}

const BOOTSTRAP = 10 as Oid;
export function parseAclItem(text: string): AclItem {
  const match =
    /^\s*(?:(?:group|user)\s+)?("(?:[^"]|"")*"|\u0001?[A-Za-z0-9_\u0080-\uffff]*)\s*=([^/]*)(?:\/("(?:[^"]|"")*"|\S+))?\s*$/.exec(
      text,
    );
  if (match === null) {
    return report('ERROR', { code: SQLSTATE.invalidTextRepresentation, message: 'missing "=" sign' });
  }
  const role = (word: string): Oid => {
    if (word.startsWith(OID_MARK)) return Number(word.slice(1)) as Oid;
    const name = word.startsWith('"') ? word.slice(1, -1).replaceAll('""', '"') : word;
    const found = roleByName(name);
    if (found === undefined) {
      report('ERROR', { code: SQLSTATE.undefinedObject, message: `role "${name}" does not exist` });
    }
    return found.oid;
  };
  let rights = '';
  let grantable = '';
  for (const c of match[2]!.trim()) {
    if (c === '*') grantable += rights.slice(-1);
    else if (ALL_LETTERS.includes(c)) rights += c;
    else {
      report('ERROR', {
        code: SQLSTATE.invalidTextRepresentation,
        message: `invalid mode character: must be one of "${ALL_LETTERS}"`,
      });
    }
  }
  return {
    grantee: match[1] === '' ? (0 as Oid) : role(match[1]!),
    grantor: match[3] === undefined ? BOOTSTRAP : role(match[3]),
    rights,
    grantable,
  };
}

/** The rights that an object without a list of its own has. */
export function defaultAcl(objectLetter: string, owner: Oid): AclItem[] {
  const found = DEFAULTS[objectLetter];
  if (found === undefined) {
    report('ERROR', {
      code: SQLSTATE.internalError,
      message: `unrecognized object type abbreviation: ${objectLetter}`,
    });
  }
  const [world, own] = found;
  const out: AclItem[] = [];
  if (world !== '') out.push({ grantee: 0 as Oid, grantor: owner, rights: world, grantable: '' });
  if (own !== '') out.push({ grantee: owner, grantor: owner, rights: own, grantable: '' });
  return out;
}

export const aclArray = (items: readonly AclItem[]): ArrayDatum => ({
  kind: 'array',
  elementType: TYPE.aclitem,
  dims: items.length === 0 ? [] : [items.length],
  lowerBounds: items.length === 0 ? [] : [1],
  elements: items.map(formatAclItem),
});

export interface ProtectedObject {
  readonly letter: string;
  readonly owner: Oid;
  readonly acl: readonly string[] | null;
}

/** May the role do any of these (letters; with `*` only if it may grant it on)? */
export function hasRight(object: ProtectedObject, role: Oid, right: string, withGrant: boolean): boolean {
  if (isSuperuserOid(role)) return true;
  const mine = rolesOf(role, true);
  // An owner may always grant, whatever the list says.
  if (withGrant && mine.has(object.owner)) return true;
  const items = object.acl === null ? defaultAcl(object.letter, object.owner) : object.acl.map(parseAclItem);
  return items.some((item) => {
    if (item.grantee !== 0 && !mine.has(item.grantee)) return false;
    return (withGrant ? item.grantable : item.rights).includes(right);
  });
}

/** `SELECT, UPDATE WITH GRANT OPTION` → letters. Names allowed depend on the kind of object. */
export function parsePrivileges(text: string, allowed: readonly string[]): { right: string; withGrant: boolean }[] {
  return text.split(',').map((part) => {
    const word = part.trim().replace(/\s+/g, ' ').toUpperCase();
    const withGrant = / WITH GRANT OPTION$/.test(word);
    let name = word.replace(/ WITH GRANT OPTION$/, '');
    if (name === 'TEMP') name = 'TEMPORARY';
    if (!allowed.includes(name)) {
      report('ERROR', {
        code: SQLSTATE.invalidParameterValue,
        message: `unrecognized privilege type: "${part.trim()}"`,
      });
    }
    return { right: RIGHTS[name as keyof typeof RIGHTS], withGrant };
  });
}
export const rightName = (letter: string): string => NAME_OF_LETTER.get(letter) ?? letter;
