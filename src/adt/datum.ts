/** datum.ts — what an SQL value is in JavaScript while it is being computed with.
 *
 *  | SQL type                         | Datum                                                                     |
 *  |----------------------------------|---------------------------------------------------------------------------|
 *  | any NULL                         | null                                                                      |
 *  | bool                             | boolean                                                                   |
 *  | int2 int4 oid xid cid reg* date  | number (date: days since 2000-01-01; ±infinity as INT32 max/min)          |
 *  | int8 xid8 money                  | number if safe integer, else bigint (CANONICAL: never a bigint that is    |
 *  |                                  | safe, so === is equality and < works across both)                         |
 *  | timestamp timestamptz time       | as int8: microseconds (since 2000-01-01 00:00 [UTC]; infinity = ±2^63 end) |
 *  | pg_lsn                           | number                                                                    |
 *  | float4 float8                    | number (float4 rounded with Math.fround)                                  |
 *  | numeric                          | Numeric                                                                   |
 *  | text varchar bpchar name char json xml unknown cstring | string                                              |
 *  | bytea uuid                       | Uint8Array                                                                |
 *  | interval                         | Interval                                                                  |
 *  | timetz                           | TimeTz                                                                    |
 *  | tid                              | Tid                                                                       |
 *  | arrays, int2vector, oidvector    | ArrayDatum                                                                |
 *  | composite, record                | RecordDatum                                                               |
 *  | inet cidr                        | Inet                                                                      |
 *  | jsonb                            | Jsonb                                                                     |
 *  | internal (aggregate states)      | object owned by the functions that pass it                                |
 *
 *  Datums are immutable: a function never changes its arguments (aggregate states excepted). */
import type { Oid } from '#base/ids.ts';

/** value = unscaled / 10^scale with display scale `scale`; specials carry NaN or ±Infinity in `special` instead. */
export interface Numeric {
  readonly kind: 'numeric';
  readonly unscaled: bigint;
  readonly scale: number;
  readonly special: 0 | 1 | -1 | 2; // 0 finite, ±1 infinities, 2 NaN
}
export interface Interval {
  readonly kind: 'interval';
  readonly months: number;
  readonly days: number;
  /** Microseconds, canonical int8. */
  readonly micros: number | bigint;
}
export interface TimeTz {
  readonly kind: 'timetz';
  readonly micros: number;
  /** Seconds WEST of UTC, as PostgreSQL stores it. */
  readonly zone: number;
}
export interface Tid {
  readonly kind: 'tid';
  readonly block: number;
  readonly offset: number;
}
export interface ArrayDatum {
  readonly kind: 'array';
  readonly elementType: Oid;
  /** Lengths of the dimensions; [] is the empty array. */
  readonly dims: readonly number[];
  readonly lowerBounds: readonly number[];
  /** Row-major. */
  readonly elements: readonly Datum[];
}
export interface RecordDatum {
  readonly kind: 'record';
  readonly types: readonly Oid[];
  readonly typmods: readonly number[];
  readonly names: readonly string[];
  readonly values: readonly Datum[];
}
export interface Inet {
  readonly kind: 'inet';
  readonly family: 4 | 6;
  /** 4 or 16 bytes. */
  readonly address: Uint8Array;
  readonly bits: number;
  readonly isCidr: boolean;
}
export interface Jsonb {
  readonly kind: 'jsonb';
  readonly value: JsonbValue;
}
export type JsonbValue = null | boolean | string | Numeric | readonly JsonbValue[] | ReadonlyMap<string, JsonbValue>;

/** State of an aggregate or another thing of pseudo-type internal. */
export interface Internal {
  readonly kind: 'internal';
}

export type Datum =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Numeric
  | Interval
  | TimeTz
  | Tid
  | ArrayDatum
  | RecordDatum
  | Inet
  | Jsonb
  | Internal;

/** The canonical int8: a Number where that is exact. */
export const canonicalInt8 = (value: bigint): number | bigint =>
  value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : value;
