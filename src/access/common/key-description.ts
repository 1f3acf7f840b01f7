/** key-description.ts — “(a, b)=(1, 2)”: the key that an error about uniqueness shows.
 *
 *  Above, commands know of privileges and of expressions in indexes; they install their own description.
 *  Counterpart: BuildIndexValueDescription() of src/backend/access/index/genam.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { Datum } from '#adt/datum.ts';
import { typeInfo } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';

/** null: the user may not see the key. */
export type KeyDescriber = (index: Relation, values: readonly Datum[]) => string | null;

/** Column names and values as text. `name` is stored as cstring, whose text is the same. */
export const plainKeyDescription: KeyDescriber = (index, values) => {
  const keys = index.index!.nKeyAtts;
  const names: string[] = [];
  const texts: string[] = [];
  for (let i = 0; i < keys; i++) {
    const attr = index.tupleDesc.attrs[i]!;
    names.push(attr.name);
    const value = values[i]!;
    texts.push(value === null ? 'null' : typeof value === 'string' ? value : textOf(attr.typeId, value));
  }
  return `(${names.join(', ')})=(${texts.join(', ')})`;
};
const textOf = (type: Oid, value: Datum): string =>
  typeof value === 'number' && PLAIN_NUMBERS.has(type) ? String(value) : typeInfo(type).output(value);
const PLAIN_NUMBERS: ReadonlySet<number> = new Set([20, 21, 23, 26]);

let describer: KeyDescriber = plainKeyDescription;
export function setKeyDescriber(by: KeyDescriber): void {
  describer = by;
}
export const buildIndexValueDescription: KeyDescriber = (index, values) => describer(index, values);
