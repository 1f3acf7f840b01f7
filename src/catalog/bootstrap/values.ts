/** values.ts — a field of a catalog's facts (PostgreSQL's text output) as the bytes of its Datum.
 *
 *  Only the types that catalogs have. Varlena values come with their four-byte header; the tuple former shortens it.
 *  No memory of the server is needed, so that initdb works without the addon.
 *  Counterpart: the input functions that bootstrap.c's InsertOneValue() calls, aclitemin(), array_in() */
import type { Oid } from '#base/ids.ts';
import { parseSimpleArray } from '#catalog/facts.ts';
import { TYPE } from '#catalog/oids.ts';
import { store } from '#catalog/rows.ts';

export type Encoder = (text: string) => Uint8Array;

const fixed = (size: number, put: (view: DataView, text: string) => void): Encoder => {
  return (text) => {
    const bytes = new Uint8Array(size);
    put(new DataView(bytes.buffer), text);
    return bytes;
  };
};

/** A varlena with its four-byte header. */
export function varlena(data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + data.length);
  new DataView(bytes.buffer).setUint32(0, bytes.length << 2, true);
  bytes.set(data, 4);
  return bytes;
}
const text: Encoder = (value) => varlena(Buffer.from(value, 'utf8'));
const oid = fixed(4, (view, value) => view.setUint32(0, Number(value), true));
const int2 = fixed(2, (view, value) => view.setInt16(0, Number(value), true));

const NAME_LENGTH = 64;
const name: Encoder = (value) => {
  const bytes = new Uint8Array(NAME_LENGTH);
  bytes.set(Buffer.from(value, 'utf8').subarray(0, NAME_LENGTH - 1));
  return bytes;
};
const charType: Encoder = (value) => {
  const octal = /^\\([0-7]{3})$/.exec(value);
  return Uint8Array.of(octal === null ? (Buffer.from(value, 'utf8')[0] ?? 0) : Number.parseInt(octal[1]!, 8));
};

/** PostgreSQL's MicrosecondsSince2000 of `YYYY-MM-DD HH:MM:SS+00`. */
const timestamptz = fixed(8, (view, value) => {
  view.setBigInt64(0, BigInt(Date.parse(value.replace(' ', 'T')) - Date.UTC(2000, 0, 1)) * 1000n, true);
});

/** Privilege letters by bit, ACL_INSERT first. */
const PRIVILEGES = 'arwdDxtXUCTcsA';
const BOOTSTRAP_SUPERUSER = 10;
const roleOid = (role: string): number => {
  if (role === '') return 0;
  const row = store.authid.by('rolname', role)[0];
  if (row === undefined) throw new Error(`role "${role}" in an access privilege is unknown`);
  return row.oid;
};
/** `grantee=privileges/grantor`. */
export const aclitem = fixed(12, (view, value) => {
  const match = /^([^=]*)=([A-Za-z*]*)\/(.+)$/.exec(value);
  if (match === null) throw new Error(`access privilege "${value}" is malformed`);
  let privileges = 0;
  for (const [, letter, star] of match[2]!.matchAll(/([A-Za-z])(\*?)/g)) {
    const bit = 1 << PRIVILEGES.indexOf(letter!);
    privileges |= star === '*' ? bit | (bit << 16) : bit;
  }
  view.setUint32(0, roleOid(match[1]!), true);
  view.setUint32(4, roleOid(match[3]!), true);
  view.setUint32(8, privileges >>> 0, true);
});
export { BOOTSTRAP_SUPERUSER };

const alignUp = (at: number, to: number): number => (at + to - 1) & -to;

/** One dimension without nulls. */
function arrayBytes(elementType: Oid, lowerBound: number, align: number, elements: readonly Uint8Array[]): Uint8Array {
  let size = 24;
  for (const element of elements) size = alignUp(size, align) + element.length;
  const data = new Uint8Array(size - 4);
  const view = new DataView(data.buffer);
  view.setInt32(0, 1, true);
  view.setInt32(4, 0, true);
  view.setUint32(8, elementType, true);
  view.setInt32(12, elements.length, true);
  view.setInt32(16, lowerBound, true);
  let at = 24;
  for (const element of elements) {
    at = alignUp(at, align);
    data.set(element, at - 4);
    at += element.length;
  }
  return varlena(data);
}
const emptyArray = (elementType: Oid): Uint8Array => {
  const data = new Uint8Array(12);
  new DataView(data.buffer).setUint32(8, elementType, true);
  return varlena(data);
};
const vector =
  (elementType: Oid, size: number, element: Encoder): Encoder =>
  (value) =>
    arrayBytes(elementType, 0, size, value === '' ? [] : value.split(' ').map(element));

const ALIGNMENT: Readonly<Record<string, number>> = { c: 1, s: 2, i: 4, d: 8 };
export const alignmentOf = (code: string): number => ALIGNMENT[code]!;

const SCALARS: ReadonlyMap<Oid, Encoder> = new Map([
  [TYPE.bool, fixed(1, (view, value) => view.setUint8(0, value === 't' ? 1 : 0))],
  [TYPE.char, charType],
  [TYPE.name, name],
  [TYPE.cstring, (value: string) => Buffer.from(`${value}\0`, 'utf8')],
  [TYPE.int2, int2],
  [TYPE.int4, fixed(4, (view, value) => view.setInt32(0, Number(value), true))],
  [TYPE.int8, fixed(8, (view, value) => view.setBigInt64(0, BigInt(value), true))],
  [TYPE.float4, fixed(4, (view, value) => view.setFloat32(0, Number(value), true))],
  [TYPE.oid, oid],
  [TYPE.regproc, oid],
  [TYPE.xid, oid],
  [TYPE.text, text],
  [TYPE.varchar, text],
  [TYPE.pgNodeTree, text],
  [TYPE.timestamptz, timestamptz],
  [TYPE.aclitem, aclitem],
  [TYPE.oidvector, vector(TYPE.oid, 4, oid)],
  [TYPE.int2vector, vector(TYPE.int2, 2, int2)],
]);

/** The encoder of a type, found through domains and arrays. */
export function encoderFor(type: Oid): Encoder {
  const scalar = SCALARS.get(type);
  if (scalar !== undefined) return scalar;
  const row = store.type.byOid(type);
  if (row?.typtype === 'd') return encoderFor(row.typbasetype);
  if (row?.typcategory !== 'A' || row.typelem === 0) {
    return () => {
      throw new Error(`no catalog was expected to have a value of type ${row?.typname ?? type}`);
    };
  }
  const element = encoderFor(row.typelem);
  const align = alignmentOf(store.type.byOid(row.typelem)!.typalign);
  return (value) => {
    const elements = parseSimpleArray(value);
    return elements.length === 0 ? emptyArray(row.typelem) : arrayBytes(row.typelem, 1, align, elements.map(element));
  };
}
