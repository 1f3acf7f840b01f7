/** datetime-hash.ts — hash functions of date/time types, through those of integers, so that equal values hash alike.
 *  Counterpart: timestamp_hash(), interval_hash(), timetz_hash() of src/backend/utils/adt/timestamp.c, date.c */
import type { Micros } from '#adt/datetime-calendar.ts';
import { canonicalInt8, type Interval, type TimeTz } from '#adt/datum.ts';
import { builtin, registerBuiltins } from '#adt/fmgr.ts';
import { hashUint32, hashUint32Extended } from '#adt/hash-bytes.ts';
import { intervalSpan } from '#adt/interval.ts';

type Int8 = number | bigint;
function plain(name: string, ...args: Int8[]): Int8 {
  const found = builtin(name);
  if (found?.style !== 'plain') throw new Error(`function ${name} is not registered`);
  return found.call(...args) as Int8;
}
const hash = (t: Micros): number => plain('hashint8', t) as number;
const hashExtended = (t: Micros, seed: Int8): Int8 => plain('hashint8extended', t, seed);
const span = (v: Interval): Int8 => canonicalInt8(BigInt.asIntN(64, intervalSpan(v)));

registerBuiltins({
  timestamp_hash: hash,
  timestamp_hash_extended: hashExtended,
  time_hash: hash,
  time_hash_extended: hashExtended,
  interval_hash: (v: Interval) => hash(span(v)),
  interval_hash_extended: (v: Interval, seed: Int8) => hashExtended(span(v), seed),
  timetz_hash: (t: TimeTz) => (hash(t.micros) ^ hashUint32(t.zone)) | 0,
  timetz_hash_extended: (t: TimeTz, seed: Int8) =>
    canonicalInt8(BigInt.asIntN(64, BigInt(hashExtended(t.micros, seed)) ^ BigInt(hashUint32Extended(t.zone, seed)))),
});
