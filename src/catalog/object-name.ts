/** object-name.ts — names that the system makes up: `t_a_key`, `t_pkey`, `_t`.
 *  Counterpart: makeObjectName(), ChooseRelationName() of src/backend/commands/indexcmds.c, makeArrayTypeName() */
import type { Oid } from '#base/ids.ts';
import { store } from '#catalog/rows.ts';
import { classByName, typeByName } from '#catalog/syscache.ts';

const MAX_NAME_BYTES = 63;
const bytesOf = (text: string): number => Buffer.byteLength(text);

/** At most that many bytes, without cutting a character. */
export function clipName(text: string, limit: number = MAX_NAME_BYTES): string {
  if (bytesOf(text) <= limit) return text;
  let out = '';
  let length = 0;
  for (const character of text) {
    length += bytesOf(character);
    if (length > limit) break;
    out += character;
  }
  return out;
}

/** name1_name2_label; the names are cut, the longer one first, so that the label stays whole. */
export function makeObjectName(name1: string, name2: string | null, label: string | null): string {
  let overhead = 0;
  if (name2 !== null) overhead++;
  if (label !== null) overhead += bytesOf(label) + 1;
  const room = MAX_NAME_BYTES - overhead;
  let length1 = bytesOf(name1);
  let length2 = name2 === null ? 0 : bytesOf(name2);
  while (length1 + length2 > room) {
    if (length1 > length2) length1--;
    else length2--;
  }
  let name = clipName(name1, length1);
  if (name2 !== null) name += `_${clipName(name2, length2)}`;
  if (label !== null) name += `_${label}`;
  return name;
}

export const constraintNameExists = (name: string, namespace: Oid): boolean =>
  store.constraint.by('conname', name).some((row) => row.connamespace === namespace);

/** A name that no relation of the schema has; with `isConstraint` no constraint either. */
export function chooseRelationName(
  name1: string,
  name2: string | null,
  label: string,
  namespace: Oid,
  isConstraint: boolean,
): string {
  let tried = label;
  for (let pass = 1; ; pass++) {
    const name = makeObjectName(name1, name2, tried);
    if (classByName(name, namespace) === undefined && !(isConstraint && constraintNameExists(name, namespace))) {
      return name;
    }
    tried = `${label}${pass}`;
  }
}

/** ChooseConstraintName(): neither in the schema nor among names that the same command gives. */
export function chooseConstraintName(
  name1: string,
  name2: string | null,
  label: string,
  namespace: Oid,
  others: readonly string[],
): string {
  let tried = label;
  for (let pass = 1; ; pass++) {
    const name = makeObjectName(name1, name2, tried);
    if (!others.includes(name) && !constraintNameExists(name, namespace)) return name;
    tried = `${label}${pass}`;
  }
}

/** Per old tradition an underscore in front. */
export function makeArrayTypeName(typeName: string, namespace: Oid): string {
  for (let pass = 0; ; pass++) {
    // makeObjectName() puts the underscore between an empty first name and the type's.
    const name = makeObjectName('', typeName, pass === 0 ? null : String(pass));
    if (typeByName(name, namespace) === undefined) return name;
  }
}
