/** by-value.ts — types passed by value whose Datum is not extended by its sign: numbers of objects and transactions.
 *  Counterpart: the conversions ObjectIdGetDatum() … of src/include/postgres.h */
import type { Oid } from '#base/ids.ts';
import { TYPE } from '#catalog/oids.ts';
import { typeRow } from '#catalog/syscache.ts';

const UNSIGNED: ReadonlySet<Oid> = new Set([
  TYPE.bool,
  TYPE.oid,
  TYPE.xid,
  TYPE.cid,
  TYPE.regproc,
  TYPE.regprocedure,
  TYPE.regoper,
  TYPE.regoperator,
  TYPE.regclass,
  TYPE.regtype,
  TYPE.regrole,
  TYPE.regnamespace,
  TYPE.regconfig,
  TYPE.regdictionary,
  TYPE.regcollation,
]);
export const isUnsignedByValue = (type: Oid): boolean => UNSIGNED.has(type) || typeRow(type)?.typtype === 'e';
