/** pg-snapshot.ts — the types pg_snapshot and txid_snapshot: xmin:xmax:running, with 64-bit ids that never wrap.
 *
 *  A Datum is the value's bytes as they are on disk behind the length word: u32 count, u64 xmin, u64 xmax, u64 xip….
 *  Counterpart: the type functions of src/backend/utils/adt/xid8funcs.c */
import { canonicalInt8, type Datum } from '#adt/datum.ts';
import { registerBuiltins, registerSetBuiltins } from '#adt/fmgr.ts';
import { invalidInput } from '#adt/value-errors.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export interface SnapshotValue {
  readonly xmin: bigint;
  readonly xmax: bigint;
  /** Ascending, without duplicates. */
  readonly xip: readonly bigint[];
}
const HEADER = 20;
const MAX_XIPS = Math.floor((0x3fff_ffff - 24) / 8);

export function encodeSnapshot({ xmin, xmax, xip }: SnapshotValue): Uint8Array {
  const bytes = new Uint8Array(HEADER + 8 * xip.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, xip.length, true);
  view.setBigUint64(4, xmin, true);
  view.setBigUint64(12, xmax, true);
  xip.forEach((xid, i) => {
    view.setBigUint64(HEADER + 8 * i, xid, true);
  });
  return bytes;
}
export function decodeSnapshot(bytes: Uint8Array): SnapshotValue {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const xip: bigint[] = [];
  for (let i = 0; i < view.getUint32(0, true); i++) xip.push(view.getBigUint64(HEADER + 8 * i, true));
  return { xmin: view.getBigUint64(4, true), xmax: view.getBigUint64(12, true), xip };
}

const isUnsigned = (text: string): boolean => /^\d+$/.test(text);

function parse(text: string): SnapshotValue {
  const bad = (): never => invalidInput('pg_snapshot', text);
  const parts = text.split(':');
  if (parts.length !== 3 || !isUnsigned(parts[0]!) || !isUnsigned(parts[1]!)) bad();
  const xmin = BigInt.asUintN(64, BigInt(parts[0]!));
  const xmax = BigInt.asUintN(64, BigInt(parts[1]!));
  if (xmin === 0n || xmax === 0n || xmax < xmin) bad();
  const xip: bigint[] = [];
  let last = 0n;
  for (const item of parts[2] === '' ? [] : parts[2]!.split(',')) {
    // As PostgreSQL, a comma at the end is let pass.
    if (item === '' && parts[2]!.endsWith(',')) continue;
    if (!isUnsigned(item)) bad();
    const xid = BigInt(item);
    // In order and within the bounds; the same one twice counts once.
    if (xid < xmin || xid >= xmax || xid < last) bad();
    if (xid !== last) xip.push(xid);
    last = xid;
  }
  return { xmin, xmax, xip };
}

function receive(bytes: Uint8Array): Uint8Array {
  const bad = (): never =>
    report('ERROR', { code: SQLSTATE.invalidBinaryRepresentation, message: 'invalid external pg_snapshot data' });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER) bad();
  const count = view.getInt32(0);
  if (count < 0 || count > MAX_XIPS || bytes.length !== HEADER + 8 * count) bad();
  const xmin = view.getBigUint64(4);
  const xmax = view.getBigUint64(12);
  if (xmin === 0n || xmax === 0n || xmax < xmin) bad();
  const xip: bigint[] = [];
  let last = 0n;
  for (let i = 0; i < count; i++) {
    const xid = view.getBigUint64(HEADER + 8 * i);
    if (xid < last || xid < xmin || xid >= xmax) bad();
    if (xid !== last) xip.push(xid);
    last = xid;
  }
  return encodeSnapshot({ xmin, xmax, xip });
}
function send(value: Uint8Array): Uint8Array {
  const { xmin, xmax, xip } = decodeSnapshot(value);
  const bytes = new Uint8Array(HEADER + 8 * xip.length);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, xip.length);
  view.setBigUint64(4, xmin);
  view.setBigUint64(12, xmax);
  xip.forEach((xid, i) => {
    view.setBigUint64(HEADER + 8 * i, xid);
  });
  return bytes;
}

registerBuiltins({
  pg_snapshot_in: (text: string) => encodeSnapshot(parse(text)),
  pg_snapshot_out: (value: Uint8Array) => {
    const { xmin, xmax, xip } = decodeSnapshot(value);
    return `${xmin}:${xmax}:${xip.join(',')}`;
  },
  pg_snapshot_recv: receive,
  pg_snapshot_send: send,
  pg_snapshot_xmin: (value: Uint8Array) => canonicalInt8(decodeSnapshot(value).xmin),
  pg_snapshot_xmax: (value: Uint8Array) => canonicalInt8(decodeSnapshot(value).xmax),
  pg_visible_in_snapshot(xid: number | bigint, value: Uint8Array) {
    const { xmin, xmax, xip } = decodeSnapshot(value);
    const wanted = BigInt(xid);
    if (wanted < xmin) return true;
    return wanted < xmax && !xip.includes(wanted);
  },
});
registerSetBuiltins({
  pg_snapshot_xip(_info, value: Uint8Array) {
    const { xip } = decodeSnapshot(value);
    let next = 0;
    const iterator = {
      value: null as Datum,
      next() {
        if (next >= xip.length) return false;
        iterator.value = canonicalInt8(xip[next++]!);
        return true;
      },
    };
    return iterator;
  },
});
