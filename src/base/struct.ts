/** struct.ts — binary layouts, declared once: sized, gap-free, type-checked.
 *
 *  A field's offset becomes a literal in its accessors' closures, so after JIT a read costs what a hand-written
 *  DataView read costs. No object is made per record: accessors take (memory, byte offset of the record).
 *  Padding must be spelled (`pad: bytes(3)`), because a silent gap is where two programs disagree about a format. */
import type { Brand } from '#base/ids.ts';

/** One mapping seen as bytes, as a view, and as 32-bit words for Atomics. At most 4 GiB: word index is `at >>> 2`. */
export class Memory {
  readonly view: DataView;
  readonly i32: Int32Array;
  readonly u8: Uint8Array;
  constructor(readonly buffer: ArrayBufferLike) {
    if (buffer.byteLength > 0xffff_ffff) throw new RangeError('Memory is limited to 4 GiB');
    this.view = new DataView(buffer);
    this.i32 = new Int32Array(buffer, 0, buffer.byteLength >>> 2);
    this.u8 = new Uint8Array(buffer);
  }
}

export interface Field<T> {
  readonly offset: number;
  readonly size: number;
  get(memory: Memory, at: number): T;
  set(memory: Memory, at: number, value: T): void;
}
/** A word that several processes touch: only atomic access exists. */
export interface AtomicField {
  readonly offset: number;
  readonly size: number;
  load(memory: Memory, at: number): number;
  store(memory: Memory, at: number, value: number): void;
  /** Returns the value before the addition. */
  add(memory: Memory, at: number, delta: number): number;
  or(memory: Memory, at: number, bits: number): number;
  and(memory: Memory, at: number, bits: number): number;
  exchange(memory: Memory, at: number, value: number): number;
  /** Returns the value that was there; the exchange happened if that equals `expected`. */
  compareExchange(memory: Memory, at: number, expected: number, next: number): number;
}
/** `count` items of `stride` bytes; `at(base, i)` is the byte offset of item i. */
export interface ArrayField {
  readonly offset: number;
  readonly size: number;
  readonly count: number;
  readonly stride: number;
  at(base: number, index: number): number;
}
export interface Kind<A> {
  readonly size: number;
  readonly align: number;
  at(offset: number): A;
}

const plain = <T>(
  size: number,
  get: (view: DataView, at: number) => T,
  set: (view: DataView, at: number, value: T) => void,
): Kind<Field<T>> => ({
  size,
  align: size,
  at: (o) => ({ offset: o, size, get: (m, at) => get(m.view, at + o), set: (m, at, v) => set(m.view, at + o, v) }),
});

export const u8 = <T extends number = number>(): Kind<Field<T>> =>
  plain<T>(
    1,
    (v, at) => v.getUint8(at) as T,
    (v, at, x) => v.setUint8(at, x),
  );
export const u16 = <T extends number = number>(): Kind<Field<T>> =>
  plain<T>(
    2,
    (v, at) => v.getUint16(at, true) as T,
    (v, at, x) => v.setUint16(at, x, true),
  );
export const i16 = <T extends number = number>(): Kind<Field<T>> =>
  plain<T>(
    2,
    (v, at) => v.getInt16(at, true) as T,
    (v, at, x) => v.setInt16(at, x, true),
  );
export const u32 = <T extends number = number>(): Kind<Field<T>> =>
  plain<T>(
    4,
    (v, at) => v.getUint32(at, true) as T,
    (v, at, x) => v.setUint32(at, x, true),
  );
export const i32 = <T extends number = number>(): Kind<Field<T>> =>
  plain<T>(
    4,
    (v, at) => v.getInt32(at, true) as T,
    (v, at, x) => v.setInt32(at, x, true),
  );
export const f64 = <T extends number = number>(): Kind<Field<T>> =>
  plain<T>(
    8,
    (v, at) => v.getFloat64(at, true) as T,
    (v, at, x) => v.setFloat64(at, x, true),
  );
/** Unsigned 64 bits as a Number, low word first; values stay below 2^53. */
export const u64 = <T extends number = number>(): Kind<Field<T>> =>
  plain<T>(
    8,
    (v, at) => (v.getUint32(at + 4, true) * 0x1_0000_0000 + v.getUint32(at, true)) as T,
    (v, at, x) => {
      v.setUint32(at, x >>> 0, true);
      v.setUint32(at + 4, Math.floor(x / 0x1_0000_0000), true);
    },
  );
/** Unsigned 64 bits stored high word first, as pd_lsn is. */
export const u64hi = <T extends number = number>(): Kind<Field<T>> =>
  plain<T>(
    8,
    (v, at) => (v.getUint32(at, true) * 0x1_0000_0000 + v.getUint32(at + 4, true)) as T,
    (v, at, x) => {
      v.setUint32(at, Math.floor(x / 0x1_0000_0000), true);
      v.setUint32(at + 4, x >>> 0, true);
    },
  );
/** Signed 64 bits as a Number within ±2^53. */
export const i64 = <T extends number = number>(): Kind<Field<T>> =>
  plain<T>(
    8,
    (v, at) => (v.getInt32(at + 4, true) * 0x1_0000_0000 + v.getUint32(at, true)) as T,
    (v, at, x) => {
      v.setUint32(at, x >>> 0, true);
      v.setInt32(at + 4, Math.floor(x / 0x1_0000_0000), true);
    },
  );
export const bool8 = (): Kind<Field<boolean>> =>
  plain<boolean>(
    1,
    (v, at) => v.getUint8(at) !== 0,
    (v, at, x) => v.setUint8(at, x ? 1 : 0),
  );

export const atomic32 = (): Kind<AtomicField> => ({
  size: 4,
  align: 4,
  at: (o) => ({
    offset: o,
    size: 4,
    load: (m, at) => Atomics.load(m.i32, (at + o) >>> 2),
    store: (m, at, v) => {
      Atomics.store(m.i32, (at + o) >>> 2, v);
    },
    add: (m, at, d) => Atomics.add(m.i32, (at + o) >>> 2, d),
    or: (m, at, d) => Atomics.or(m.i32, (at + o) >>> 2, d),
    and: (m, at, d) => Atomics.and(m.i32, (at + o) >>> 2, d),
    exchange: (m, at, v) => Atomics.exchange(m.i32, (at + o) >>> 2, v),
    compareExchange: (m, at, e, n) => Atomics.compareExchange(m.i32, (at + o) >>> 2, e, n),
  }),
});

/** Raw bytes: padding, or space that the owner reads in its own way. */
export const bytes = (size: number): Kind<ArrayField> => array(size, 1);

export const array = (count: number, stride: number, align = Math.min(stride, 8)): Kind<ArrayField> => ({
  size: count * stride,
  align,
  at: (o) => ({ offset: o, size: count * stride, count, stride, at: (base, i) => base + o + i * stride }),
});

/** A NUL-terminated UTF-8 string of at most size-1 bytes; longer values are cut at a character border. */
export const cstring = (size: number): Kind<Field<string>> => ({
  size,
  align: 1,
  at: (o) => ({
    offset: o,
    size,
    get: (m, at) => {
      const start = at + o;
      let end = start;
      while (end < start + size && m.u8[end] !== 0) end++;
      return Buffer.from(m.u8.buffer, start, end - start).toString('utf8');
    },
    set: (m, at, value) => {
      const start = at + o;
      const encoded = Buffer.from(value, 'utf8');
      let length = Math.min(encoded.length, size - 1);
      while (length > 0 && length < encoded.length && (encoded[length]! & 0xc0) === 0x80) length--;
      m.u8.set(encoded.subarray(0, length), start);
      m.u8.fill(0, start + length, start + size);
    },
  }),
});

type Shape = Readonly<Record<string, Kind<unknown>>>;
export type Struct<S extends Shape> = {
  readonly [K in keyof S]: S[K] extends Kind<infer A> ? A : never;
} & { readonly SIZE: number; readonly NAME: string };

/** Every layout made, by name: the golden test prints them. */
export const ALL_STRUCTS = new Map<string, { size: number; fields: [string, number, number][] }>();

export function struct<S extends Shape>(name: string, expectedSize: number, shape: S): Struct<S> {
  let offset = 0;
  const out: Record<string, unknown> = {};
  const fields: [string, number, number][] = [];
  for (const [key, kind] of Object.entries(shape)) {
    if (offset % kind.align !== 0) throw new Error(`${name}.${key} is misaligned at ${offset}: declare the padding`);
    out[key] = Object.freeze(kind.at(offset) as object);
    fields.push([key, offset, kind.size]);
    offset += kind.size;
  }
  if (offset !== expectedSize) throw new Error(`${name} is ${offset} bytes, declared ${expectedSize}`);
  ALL_STRUCTS.set(name, { size: offset, fields });
  return Object.freeze({ ...out, SIZE: offset, NAME: name }) as unknown as Struct<S>;
}

export type { Brand };
