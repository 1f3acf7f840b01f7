/** support-functions.ts — how access methods find the support functions of an operator family without the catalog.
 *
 *  catalog/ (above) installs the lookup; the families of fixed types have comparators of their own that need none
 *  (access/common/key-compare.ts), so that the catalog's own indexes work while the catalog is being made. */
import type { Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';

export interface SupportFunction {
  readonly procOid: Oid;
  /** pg_proc.prosrc, e.g. 'numeric_cmp'. */
  readonly prosrc: string;
  call(a: Datum, b: Datum, collation: Oid): Datum;
}
/** Support function `procNumber` of the family for (leftType, rightType); null if the family has none. */
export type SupportFunctionLookup = (
  opfamily: Oid,
  leftType: Oid,
  rightType: Oid,
  procNumber: number,
) => SupportFunction | null;
let lookup: SupportFunctionLookup | null = null;
export function setSupportFunctionLookup(by: SupportFunctionLookup): void {
  lookup = by;
}
export function supportFunction(
  opfamily: Oid,
  leftType: Oid,
  rightType: Oid,
  procNumber: number,
): SupportFunction | null {
  if (lookup === null) throw new Error(`no support function lookup was installed (family ${opfamily})`);
  return lookup(opfamily, leftType, rightType, procNumber);
}

/** Does this collation order text by its bytes (C, POSIX, or a default that is one of these)? */
let isByteOrder: (collation: Oid) => boolean = () => true;
export function setCollationIsByteOrder(by: (collation: Oid) => boolean): void {
  isByteOrder = by;
}
export const collationIsByteOrder = (collation: Oid): boolean => isByteOrder(collation);
let isDeterministic: (collation: Oid) => boolean = () => true;
export function setCollationIsDeterministic(by: (collation: Oid) => boolean): void {
  isDeterministic = by;
}
export const collationIsDeterministic = (collation: Oid): boolean => isDeterministic(collation);
