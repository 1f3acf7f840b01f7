/** pg-lsn.ts — positions in the write-ahead log, 64 bits, a canonical int8 as datum.
 *  Counterpart: src/backend/utils/adt/pg_lsn.c */
import type { Numeric } from '#adt/datum.ts';
import { canonicalInt8 } from '#adt/datum.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import type { Int8 } from '#adt/int8.ts';
import { compareInt8 } from '#adt/int8.ts';
import { addNumerics, negate, numericFromInt, shiftRightRounded } from '#adt/numeric.ts';
import { invalidInput, invalidParameter, notSupported } from '#adt/value-errors.ts';
import { receiveUint8, sendInt8 } from '#adt/wire.ts';

export function lsnIn(text: string): Int8 {
  const match = /^([0-9a-fA-F]{1,8})\/([0-9a-fA-F]{1,8})$/.exec(text);
  if (match === null) invalidInput('pg_lsn', text);
  return canonicalInt8((BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`));
}
export function lsnOut(value: Int8): string {
  const wide = BigInt(value);
  return `${(wide >> 32n).toString(16).toUpperCase()}/${(wide & 0xffffffffn).toString(16).toUpperCase()}`;
}
function fromNumeric(value: Numeric): Int8 {
  if (value.special !== 0) notSupported(`cannot convert ${value.special === 2 ? 'NaN' : 'infinity'} to pg_lsn`);
  const whole = shiftRightRounded(value.unscaled, value.scale);
  if (whole < 0n || whole > 0xffff_ffff_ffff_ffffn) invalidParameter('pg_lsn out of range');
  return canonicalInt8(whole);
}
function moved(lsn: Int8, distance: Numeric, verb: string): Int8 {
  if (distance.special === 2) notSupported(`cannot ${verb} pg_lsn`);
  return fromNumeric(addNumerics(numericFromInt(lsn), distance));
}

registerBuiltins({
  pg_lsn_in: lsnIn,
  pg_lsn_out: lsnOut,
  pg_lsn_recv: receiveUint8,
  pg_lsn_send: sendInt8,
  pg_lsn_eq: (a: Int8, b: Int8) => a === b,
  pg_lsn_ne: (a: Int8, b: Int8) => a !== b,
  pg_lsn_lt: (a: Int8, b: Int8) => a < b,
  pg_lsn_le: (a: Int8, b: Int8) => a <= b,
  pg_lsn_gt: (a: Int8, b: Int8) => a > b,
  pg_lsn_ge: (a: Int8, b: Int8) => a >= b,
  pg_lsn_cmp: compareInt8,
  pg_lsn_larger: (a: Int8, b: Int8) => (a > b ? a : b),
  pg_lsn_smaller: (a: Int8, b: Int8) => (a < b ? a : b),
  numeric_pg_lsn: fromNumeric,
  pg_lsn_mi: (a: Int8, b: Int8) => numericFromInt(BigInt(a) - BigInt(b)),
  pg_wal_lsn_diff: (a: Int8, b: Int8) => numericFromInt(BigInt(a) - BigInt(b)),
  pg_lsn_pli: (lsn: Int8, distance: Numeric) => moved(lsn, distance, 'add NaN to'),
  pg_lsn_mii: (lsn: Int8, distance: Numeric) => moved(lsn, negate(distance), 'subtract NaN from'),
});
