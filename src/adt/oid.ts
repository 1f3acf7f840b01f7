/** oid.ts — identifiers that are unsigned numbers: oid, xid, xid8, cid; and tid, a place in a table.
 *  Counterpart: src/backend/utils/adt/oid.c, xid.c, tid.c */
import type { ArrayDatum, Tid } from '#adt/datum.ts';
import { canonicalInt8 } from '#adt/datum.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import { compareNumbers, int2In } from '#adt/int.ts';
import type { Int8 } from '#adt/int8.ts';
import { compareInt8 } from '#adt/int8.ts';
import { inputOutOfRange, invalidInput, outOfRange } from '#adt/value-errors.ts';
import { expectLength, receiveInt2, receiveUint4, receiveUint8, sendInt2, sendInt4, sendInt8 } from '#adt/wire.ts';
import type { Oid } from '#base/ids.ts';

const OID_TYPE = 26 as Oid;
const INT2_TYPE = 21 as Oid;

/** Value within uint32, or a negative int4 taken modulo 2^32, as casts between C integers make it. */
export function oidIn(text: string): number {
  const match = /^[ \t-\r]*([+-]?[0-9]+)[ \t-\r]*$/.exec(text);
  if (match === null) {
    const prefix = /^[ \t-\r]*([+-]?[0-9]+)/.exec(text);
    if (prefix !== null && prefix[1]!.length > 20) inputOutOfRange('oid', text);
    invalidInput('oid', text);
  }
  const value = Number(match[1]);
  if (value > 4294967295 || value < -2147483648) inputOutOfRange('oid', text);
  return value >>> 0;
}

/** strtoull(text, NULL, 0): hexadecimal and octal prefixes, no complaint about garbage, saturating. */
function lenientUnsigned(text: string): bigint {
  const match = /^[ \t-\r]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)/.exec(text);
  if (match === null) return 0n;
  const digits = match[2]!;
  const isOctal = digits.length > 1 && digits[0] === '0' && !/^0[xX]/.test(digits);
  const value = BigInt(isOctal ? `0o${digits.slice(1)}` : digits);
  if (value > 0xffff_ffff_ffff_ffffn) return 0xffff_ffff_ffff_ffffn;
  return BigInt.asUintN(64, match[1] === '-' ? -value : value);
}
const xidIn = (text: string): number => Number(lenientUnsigned(text) & 0xffff_ffffn);

function tidIn(text: string): Tid {
  const match = /^[^(]*\(([^,]*),([^)]*)\)/.exec(text);
  const parts = match === null ? null : ([match[1]!, match[2]!] as const);
  if (parts === null || !/^[ \t-\r]*[+-]?[0-9]+$/.test(parts[0]) || !/^[ \t-\r]*\+?[0-9]+$/.test(parts[1]))
    invalidInput('tid', text);
  const block = Number(parts[0]);
  const offset = Number(parts[1]);
  if (block > 4294967295 || block < -2147483648 || offset > 65535) invalidInput('tid', text);
  return { kind: 'tid', block: block >>> 0, offset };
}
export function compareTids(a: Tid, b: Tid): number {
  return a.block !== b.block ? (a.block < b.block ? -1 : 1) : compareNumbers(a.offset, b.offset);
}

const array = (elementType: Oid, elements: readonly number[]): ArrayDatum => ({
  kind: 'array',
  elementType,
  dims: [elements.length],
  lowerBounds: [0],
  elements,
});
const words = (text: string): string[] => text.split(/[ \t-\r]+/).filter((word) => word !== '');

/** oidvectors order by length first. */
export function compareOidVectors(a: ArrayDatum, b: ArrayDatum): number {
  if (a.elements.length !== b.elements.length) return a.elements.length - b.elements.length;
  for (let i = 0; i < a.elements.length; i++) {
    const order = compareNumbers(a.elements[i] as number, b.elements[i] as number);
    if (order !== 0) return order;
  }
  return 0;
}

function vectorSend(value: ArrayDatum, send: (element: number) => Uint8Array): Uint8Array {
  const parts = [sendInt4(1), sendInt4(0), sendInt4(value.elementType), sendInt4(value.elements.length), sendInt4(0)];
  for (const element of value.elements) {
    const payload = send(element as number);
    parts.push(sendInt4(payload.length), payload);
  }
  return Buffer.concat(parts);
}
/** The array wire format, restricted to one dimension from 0 without nulls. */
function vectorReceive(
  bytes: Uint8Array,
  elementType: Oid,
  typeName: string,
  receive: (payload: Uint8Array) => number,
): ArrayDatum {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12) expectLength(bytes, 12);
  const elements: number[] = [];
  if (view.getInt32(0) === 1 && view.getInt32(4) === 0 && view.getUint32(8) === elementType && bytes.length >= 20) {
    const count = view.getInt32(12);
    let at = 20;
    for (let i = 0; i < count && view.getInt32(16) === 0; i++) {
      if (at + 4 > bytes.length) expectLength(bytes, at + 4);
      const length = view.getInt32(at);
      at += 4;
      elements.push(receive(bytes.subarray(at, at + length)));
      at += length;
    }
    if (elements.length === count) return array(elementType, elements);
  }
  return invalidInput(typeName, 'binary value');
}

const oidEqual = (a: number, b: number): boolean => a === b;
const oidNotEqual = (a: number, b: number): boolean => a !== b;
const largeEqual = (a: Int8, b: Int8): boolean => a === b;

registerBuiltins({
  oidin: oidIn,
  oidout: (value: number) => String(value),
  oidrecv: receiveUint4,
  oidsend: sendInt4,
  oideq: oidEqual,
  oidne: oidNotEqual,
  oidlt: (a: number, b: number) => a < b,
  oidle: (a: number, b: number) => a <= b,
  oidgt: (a: number, b: number) => a > b,
  oidge: (a: number, b: number) => a >= b,
  btoidcmp: compareNumbers,
  oidlarger: (a: number, b: number) => Math.max(a, b),
  oidsmaller: (a: number, b: number) => Math.min(a, b),
  oidtoi8: (value: number) => value,
  i8tooid: (value: Int8) => {
    if (value < 0 || value > 4294967295) outOfRange('OID');
    return Number(value);
  },

  xidin: xidIn,
  xidout: (value: number) => String(value),
  xidrecv: receiveUint4,
  xidsend: sendInt4,
  // xid = integer shares these: the integer is taken modulo 2^32.
  xideq: (a: number, b: number) => a >>> 0 === b >>> 0,
  xidneq: (a: number, b: number) => a >>> 0 !== b >>> 0,
  cidin: xidIn,
  cidout: (value: number) => String(value),
  cidrecv: receiveUint4,
  cidsend: sendInt4,
  cideq: oidEqual,

  xid8in: (text: string) => canonicalInt8(lenientUnsigned(text)),
  xid8out: (value: Int8) => String(value),
  xid8recv: receiveUint8,
  xid8send: sendInt8,
  xid8eq: largeEqual,
  xid8ne: (a: Int8, b: Int8) => a !== b,
  xid8lt: (a: Int8, b: Int8) => a < b,
  xid8le: (a: Int8, b: Int8) => a <= b,
  xid8gt: (a: Int8, b: Int8) => a > b,
  xid8ge: (a: Int8, b: Int8) => a >= b,
  xid8cmp: compareInt8,
  xid8_larger: (a: Int8, b: Int8) => (a > b ? a : b),
  xid8_smaller: (a: Int8, b: Int8) => (a < b ? a : b),
  xid8toxid: (value: Int8) => Number(BigInt(value) & 0xffff_ffffn),

  tidin: tidIn,
  tidout: (value: Tid) => `(${value.block},${value.offset})`,
  tidrecv: (bytes: Uint8Array) => {
    expectLength(bytes, 6);
    const view = new DataView(bytes.buffer, bytes.byteOffset, 6);
    return { kind: 'tid', block: view.getUint32(0), offset: view.getUint16(4) };
  },
  tidsend: (value: Tid) => Buffer.concat([sendInt4(value.block), sendInt2(value.offset)]),
  tideq: (a: Tid, b: Tid) => a.block === b.block && a.offset === b.offset,
  tidne: (a: Tid, b: Tid) => a.block !== b.block || a.offset !== b.offset,
  tidlt: (a: Tid, b: Tid) => compareTids(a, b) < 0,
  tidle: (a: Tid, b: Tid) => compareTids(a, b) <= 0,
  tidgt: (a: Tid, b: Tid) => compareTids(a, b) > 0,
  tidge: (a: Tid, b: Tid) => compareTids(a, b) >= 0,
  bttidcmp: compareTids,
  tidlarger: (a: Tid, b: Tid) => (compareTids(a, b) >= 0 ? a : b),
  tidsmaller: (a: Tid, b: Tid) => (compareTids(a, b) <= 0 ? a : b),

  oidvectorin: (text: string) => array(OID_TYPE, words(text).map(oidIn)),
  oidvectorout: (value: ArrayDatum) => value.elements.join(' '),
  oidvectorsend: (value: ArrayDatum) => vectorSend(value, sendInt4),
  oidvectorrecv: (bytes: Uint8Array) => vectorReceive(bytes, OID_TYPE, 'oidvector', receiveUint4),
  int2vectorin: (text: string) => array(INT2_TYPE, words(text).map(int2In)),
  int2vectorout: (value: ArrayDatum) => value.elements.join(' '),
  int2vectorsend: (value: ArrayDatum) => vectorSend(value, sendInt2),
  int2vectorrecv: (bytes: Uint8Array) => vectorReceive(bytes, INT2_TYPE, 'int2vector', receiveInt2),
  oidvectoreq: (a: ArrayDatum, b: ArrayDatum) => compareOidVectors(a, b) === 0,
  oidvectorne: (a: ArrayDatum, b: ArrayDatum) => compareOidVectors(a, b) !== 0,
  oidvectorlt: (a: ArrayDatum, b: ArrayDatum) => compareOidVectors(a, b) < 0,
  oidvectorle: (a: ArrayDatum, b: ArrayDatum) => compareOidVectors(a, b) <= 0,
  oidvectorgt: (a: ArrayDatum, b: ArrayDatum) => compareOidVectors(a, b) > 0,
  oidvectorge: (a: ArrayDatum, b: ArrayDatum) => compareOidVectors(a, b) >= 0,
  btoidvectorcmp: compareOidVectors,
});
