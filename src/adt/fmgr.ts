/** fmgr.ts — the table from pg_proc.prosrc of an internal function to the code that computes it.
 *
 *  Each file of adt/ and functions/ registers its own functions at load time, keyed by prosrc exactly as in pg_proc
 *  ('int4pl', 'texteq'), so a function exists as soon as its row (a fact of the catalog) and its code exist.
 *  Strictness is the caller's business: a function marked proisstrict never sees a null.
 *  Counterpart: src/backend/utils/fmgr/fmgr.c, fmgrtab.c */
import type { Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';

/** What a polymorphic or variadic function wants to know of its call. */
export interface CallInfo {
  readonly functionOid: Oid;
  readonly argTypes: readonly Oid[];
  readonly resultType: Oid;
  readonly collation: Oid;
  /** The call was written with VARIADIC array. */
  readonly variadic: boolean;
  /** Typmods of the arguments, -1 where unknown. */
  readonly argTypmods?: readonly number[];
  /** Columns that the query wants of a function returning record: its column definition list, or its OUT columns. */
  readonly resultColumns?: {
    readonly names: readonly string[];
    readonly types: readonly Oid[];
    readonly typmods: readonly number[];
  };
}

/** Arguments in order. Typed loosely on purpose: pg_proc, not TypeScript, says what arrives. */
// biome-ignore lint/suspicious/noExplicitAny: the catalog types these calls
export type BuiltinFunction = (...args: any[]) => Datum;
// biome-ignore lint/suspicious/noExplicitAny: as above
export type CallInfoFunction = (info: CallInfo, ...args: any[]) => Datum;

/** Iterator of a set-returning function. `next` returns false at the end; else `value` is the row: the Datum, or an
 *  array of Datums when the function returns several columns. */
export interface SetIterator {
  next(): boolean;
  value: Datum | readonly Datum[];
}
// biome-ignore lint/suspicious/noExplicitAny: as above
export type SetFunction = (info: CallInfo, ...args: any[]) => SetIterator;

export type Builtin =
  | { readonly style: 'plain'; readonly call: BuiltinFunction }
  | { readonly style: 'callinfo'; readonly call: CallInfoFunction }
  | { readonly style: 'set'; readonly call: SetFunction };

const builtins = new Map<string, Builtin>();

function add(prosrc: string, builtin: Builtin): void {
  if (builtins.has(prosrc)) throw new Error(`function ${prosrc} is registered twice`);
  builtins.set(prosrc, builtin);
}

export function registerBuiltins(table: Readonly<Record<string, BuiltinFunction>>): void {
  for (const [prosrc, call] of Object.entries(table)) add(prosrc, { style: 'plain', call });
}
export function registerCallInfoBuiltins(table: Readonly<Record<string, CallInfoFunction>>): void {
  for (const [prosrc, call] of Object.entries(table)) add(prosrc, { style: 'callinfo', call });
}
export function registerSetBuiltins(table: Readonly<Record<string, SetFunction>>): void {
  for (const [prosrc, call] of Object.entries(table)) add(prosrc, { style: 'set', call });
}
export function builtin(prosrc: string): Builtin | undefined {
  return builtins.get(prosrc);
}
export function builtinNames(): Iterable<string> {
  return builtins.keys();
}

/** What generic code (arrays, records, to_json, format, concat) needs of the catalog, passed in from above by
 *  catalog/type-cache.ts so that adt/ never looks upward. */
export interface TypeInfo {
  readonly oid: Oid;
  readonly name: string;
  readonly length: number;
  readonly byValue: boolean;
  readonly align: 'c' | 's' | 'i' | 'd';
  readonly delimiter: string;
  readonly category: string;
  readonly typtype: string;
  readonly elementType: Oid;
  readonly arrayType: Oid;
  readonly ioParam: Oid;
  input(text: string, typmod: number): Datum;
  output(value: Datum): string;
  receive(bytes: Uint8Array, typmod: number): Datum;
  send(value: Datum): Uint8Array;
  /** btree comparison and equality of the type's default operator class; undefined where it has none. */
  readonly compare: ((a: Datum, b: Datum, collation: Oid) => number) | undefined;
  readonly equals: ((a: Datum, b: Datum, collation: Oid) => boolean) | undefined;
  readonly hash: ((a: Datum, collation: Oid) => number | string) | undefined;
}
let lookup: ((oid: Oid) => TypeInfo) | undefined;
export function setTypeInfoLookup(by: (oid: Oid) => TypeInfo): void {
  lookup = by;
}
export function typeInfo(oid: Oid): TypeInfo {
  if (lookup === undefined) throw new Error('no type cache was installed');
  return lookup(oid);
}
