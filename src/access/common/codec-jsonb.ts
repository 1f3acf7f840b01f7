/** codec-jsonb.ts — jsonb's containers.
 *
 *  A container is u32 header (count, 0x10000000 scalar, 0x20000000 object, 0x40000000 array), u32 entries (length or, every
 *  32nd, end offset with 0x80000000; type in 0x70000000), then the data: of an object all keys, then all values. Numbers
 *  and containers are aligned to 4, with the padding counted into their length. A scalar is an array of one element.
 *  Counterpart: src/include/utils/jsonb.h, convertToJsonb() of src/backend/utils/adt/jsonb_util.c */

import { decodeNumeric, numericCodec } from '#access/common/codec-numeric.ts';
import type { DatumCodec } from '#access/common/datum-codec.ts';
import { readText, writeText } from '#access/common/text-bytes.ts';
import { setVarSize, varDataAt, varDataLen, withPlainBytes } from '#access/common/varlena.ts';
import type { Jsonb, JsonbValue, Numeric } from '#adt/datum.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { mem, onNewPrivateWindow } from '#shm/memory.ts';
import { privateAlloc } from '#shm/private-memory.ts';

const OFFLEN_MASK = 0x0fff_ffff;
const HAS_OFFSET = 0x8000_0000;
const TYPE = {
  string: 0,
  numeric: 0x1000_0000,
  false: 0x2000_0000,
  true: 0x3000_0000,
  null: 0x4000_0000,
  container: 0x5000_0000,
} as const;
const SCALAR = 0x1000_0000;
const OBJECT = 0x2000_0000;
const ARRAY = 0x4000_0000;
const STRIDE = 32;

// ---- reading

/** The value of entry `entry` whose data is [at, at + length); `dataAt` is where the container's data begins. */
function decodeEntry(entry: number, at: number, length: number): JsonbValue {
  switch (entry & 0x7000_0000) {
    case TYPE.string:
      return readText(at, length);
    case TYPE.numeric: {
      const value = (at + 3) & ~3;
      return decodeNumeric(varDataAt(value), varDataLen(value));
    }
    case TYPE.true:
      return true;
    case TYPE.false:
      return false;
    case TYPE.null:
      return null;
    default:
      return decodeContainer((at + 3) & ~3);
  }
}
/** Alignment is counted in the address: `copyAligned` has seen to it that containers begin at multiples of 4. */
function decodeContainer(at: number): JsonbValue {
  const view = mem.view;
  const header = view.getUint32(at, true);
  const count = header & OFFLEN_MASK;
  const isObject = (header & OBJECT) !== 0;
  const entries = isObject ? count * 2 : count;
  const dataAt = at + 4 + 4 * entries;
  const values: JsonbValue[] = new Array<JsonbValue>(entries);
  let offset = 0;
  for (let i = 0; i < entries; i++) {
    const entry = view.getUint32(at + 4 + 4 * i, true);
    const end = (entry & HAS_OFFSET) !== 0 ? entry & OFFLEN_MASK : offset + (entry & OFFLEN_MASK);
    values[i] = decodeEntry(entry, dataAt + offset, end - offset);
    offset = end;
  }
  if (isObject) {
    const map = new Map<string, JsonbValue>();
    for (let i = 0; i < count; i++) map.set(values[i] as string, values[count + i]!);
    return map;
  }
  return (header & SCALAR) !== 0 ? values[0]! : values;
}

// ---- writing

const alignUp = (at: number): number => {
  let to = at;
  while ((to & 3) !== 0) mem.u8[to++] = 0;
  return to;
};
function tooLong(what: string): never {
  report('ERROR', {
    code: SQLSTATE.programLimitExceeded,
    message: `total size of jsonb ${what} elements exceeds the maximum of ${OFFLEN_MASK} bytes`,
  });
}
const isNumber = (value: JsonbValue): value is Numeric =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Map);

let entryType = 0;
/** Writes a value's data and leaves the type of its entry in entryType; returns where it ends. */
function encodeValue(at: number, value: JsonbValue): number {
  if (value === null || typeof value === 'boolean') {
    entryType = value === null ? TYPE.null : value ? TYPE.true : TYPE.false;
    return at;
  }
  if (typeof value === 'string') {
    const end = at + writeText(at, value);
    entryType = TYPE.string;
    return end;
  }
  if (isNumber(value)) {
    const to = alignUp(at);
    const end = to + numericCodec.write(to, value);
    entryType = TYPE.numeric;
    return end;
  }
  const end = value instanceof Map ? encodeObject(at, value) : encodeArray(at, value as readonly JsonbValue[], 0);
  entryType = TYPE.container;
  return end;
}
function setEntry(at: number, index: number, length: number, end: number, what: string): void {
  if (length > OFFLEN_MASK || end > OFFLEN_MASK) tooLong(what);
  const offlen = index % STRIDE === 0 ? HAS_OFFSET | end : length;
  mem.view.setUint32(at + 4 + 4 * index, (entryType | offlen) >>> 0, true);
}
function encodeArray(start: number, values: readonly JsonbValue[], flag: number): number {
  const at = alignUp(start);
  mem.view.setUint32(at, values.length | ARRAY | flag, true);
  const dataAt = at + 4 + 4 * values.length;
  let to = dataAt;
  for (let i = 0; i < values.length; i++) {
    const end = encodeValue(to, values[i]!);
    setEntry(at, i, end - to, end - dataAt, 'array');
    to = end;
  }
  return to;
}
function encodeObject(start: number, map: ReadonlyMap<string, JsonbValue>): number {
  const at = alignUp(start);
  const count = map.size;
  mem.view.setUint32(at, count | OBJECT, true);
  const dataAt = at + 4 + 8 * count;
  let to = dataAt;
  let i = 0;
  for (const key of map.keys()) {
    const end = to + writeText(to, key);
    entryType = TYPE.string;
    setEntry(at, i++, end - to, end - dataAt, 'object');
    to = end;
  }
  for (const value of map.values()) {
    const end = encodeValue(to, value);
    setEntry(at, i++, end - to, end - dataAt, 'object');
    to = end;
  }
  return to;
}

const bound = (value: JsonbValue): number => {
  if (value === null || typeof value === 'boolean') return 4;
  if (typeof value === 'string') return 4 + value.length * 3;
  if (isNumber(value)) return 8 + numericCodec.bound(value);
  let size = 12;
  if (value instanceof Map) for (const [key, item] of value) size += 4 + key.length * 3 + bound(item);
  else for (const item of value as readonly JsonbValue[]) size += bound(item);
  return size;
};
/** Bytes of a value from an offset whose alignment counts. */
function measure(offset: number, value: JsonbValue): number {
  if (value === null || typeof value === 'boolean') return offset;
  if (typeof value === 'string') return offset + Buffer.byteLength(value);
  const at = (offset + 3) & ~3;
  if (isNumber(value)) return at + numericCodec.size(value);
  let to: number;
  if (value instanceof Map) {
    to = at + 4 + 8 * value.size;
    for (const key of value.keys()) to += Buffer.byteLength(key);
    for (const item of value.values()) to = measure(to, item);
  } else {
    const items = value as readonly JsonbValue[];
    to = at + 4 + 4 * items.length;
    for (const item of items) to = measure(to, item);
  }
  return to;
}
const isContainer = (value: JsonbValue): boolean => Array.isArray(value) || value instanceof Map;

/** Decodes data that may lie behind a 1-byte header, where alignment counts from the data's own start. */
function decodeRoot(at: number, length: number): Jsonb {
  if ((at & 3) === 0) return { kind: 'jsonb', value: decodeContainer(at) };
  const copy = alignedScratch(length);
  mem.u8.copyWithin(copy, at, at + length);
  return { kind: 'jsonb', value: decodeContainer(copy) };
}
let scratch = 0;
onNewPrivateWindow(() => {
  scratch = 0;
});
/** Only values behind a short header come here: at most 126 bytes. */
function alignedScratch(length: number): number {
  if (length > 128) throw new Error('a long jsonb is aligned');
  if (scratch === 0) scratch = privateAlloc(128);
  return scratch;
}

export const jsonbCodec: DatumCodec = {
  read: (at) => withPlainBytes(at, decodeRoot),
  size(datum) {
    const value = (datum as Jsonb).value;
    return measure(4, isContainer(value) ? value : [value]);
  },
  bound: (datum) => 16 + bound((datum as Jsonb).value),
  write(at, datum) {
    const value = (datum as Jsonb).value;
    const end =
      value instanceof Map
        ? encodeObject(at + 4, value)
        : Array.isArray(value)
          ? encodeArray(at + 4, value as readonly JsonbValue[], 0)
          : encodeArray(at + 4, [value], SCALAR);
    setVarSize(at, end - at);
    return end - at;
  },
};
