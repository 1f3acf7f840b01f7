/** codec-acl.ts — aclitem: u32 grantee, u32 grantor, u32 rights (low 16 bits) and grant options (high 16).
 *
 *  Its Datum is text with role names, so the catalog must say what roles are called (setRoleNames).
 *  Counterpart: src/include/utils/acl.h, aclitemin()/aclitemout() of src/backend/utils/adt/acl.c */
import type { DatumCodec } from '#access/common/datum-codec.ts';
import type { Oid } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { mem } from '#shm/memory.ts';

/** Bit i of the rights is the i-th letter. */
const LETTERS = 'arwdDxtXUCTcsA';

export interface RoleNames {
  /** undefined: no such role (its OID is shown). */
  nameOf(oid: Oid): string | undefined;
  oidOf(name: string): Oid | undefined;
}
let roles: RoleNames = { nameOf: () => undefined, oidOf: () => undefined };
export function setRoleNames(names: RoleNames): void {
  roles = names;
}

const quoted = (name: string): string => (/^[A-Za-z0-9_]+$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`);
const roleText = (oid: Oid): string => (oid === 0 ? '' : quoted(roles.nameOf(oid) ?? String(oid)));

function invalid(text: string): never {
  report('ERROR', { code: SQLSTATE.invalidTextRepresentation, message: `invalid aclitem: "${text}"` });
}
function roleOf(name: string): Oid {
  const found = roles.oidOf(name) ?? (/^[0-9]+$/.test(name) ? (Number(name) as Oid) : undefined);
  if (found === undefined)
    report('ERROR', { code: SQLSTATE.undefinedObject, message: `role "${name}" does not exist` });
  return found;
}
/** A name from `at`, quotes undone; [name, position after it]. */
function takeName(text: string, start: number): [string, number] {
  let at = start;
  let name = '';
  let inQuotes = false;
  for (; at < text.length; at++) {
    const c = text[at]!;
    if (c === '"') {
      if (inQuotes && text[at + 1] === '"') {
        name += '"';
        at++;
      } else inQuotes = !inQuotes;
    } else if (!inQuotes && (c === '=' || c === '/')) break;
    else name += c;
  }
  return [name, at];
}

export const aclItemCodec: DatumCodec = {
  read(at) {
    const view = mem.view;
    const rights = view.getUint32(at + 8, true);
    let letters = '';
    for (let i = 0; i < LETTERS.length; i++) {
      if ((rights & (1 << i)) === 0) continue;
      letters += LETTERS[i]!;
      if ((rights & (1 << (i + 16))) !== 0) letters += '*';
    }
    const grantee = roleText(view.getUint32(at, true) as Oid);
    return `${grantee}=${letters}/${roleText(view.getUint32(at + 4, true) as Oid)}`;
  },
  size: () => 12,
  bound: () => 12,
  write(at, value) {
    const text = value as string;
    const [grantee, equals] = takeName(text, 0);
    if (text[equals] !== '=') invalid(text);
    let bits = 0;
    let i = equals + 1;
    for (; i < text.length && text[i] !== '/'; i++) {
      const bit = LETTERS.indexOf(text[i]!);
      if (bit < 0) invalid(text);
      bits |= 1 << bit;
      if (text[i + 1] === '*') {
        bits |= 1 << (bit + 16);
        i++;
      }
    }
    if (text[i] !== '/') invalid(text);
    const [grantor] = takeName(text, i + 1);
    mem.view.setUint32(at, grantee === '' ? 0 : roleOf(grantee), true);
    mem.view.setUint32(at + 4, roleOf(grantor), true);
    mem.view.setUint32(at + 8, bits >>> 0, true);
    return 12;
  },
};
