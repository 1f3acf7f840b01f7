/** wire.ts — network-order payloads of send functions and their checked reading in receive functions.
 *
 *  A receive function gets exactly the payload of one value. Too few bytes is a protocol violation, as in
 *  pq_getmsgint; left-over bytes are a malformed binary value.
 *  Counterpart: src/backend/libpq/pqformat.c */
import { canonicalInt8 } from '#adt/datum.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const scratch = new DataView(new ArrayBuffer(8));

export function expectLength(bytes: Uint8Array, length: number): void {
  if (bytes.length < length)
    report('ERROR', { code: SQLSTATE.protocolViolation, message: 'insufficient data left in message' });
  if (bytes.length > length)
    report('ERROR', { code: SQLSTATE.invalidBinaryRepresentation, message: 'incorrect binary data format' });
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export function sendInt2(value: number): Uint8Array {
  return Uint8Array.of((value >> 8) & 0xff, value & 0xff);
}
export function sendInt4(value: number): Uint8Array {
  return Uint8Array.of((value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
}
export function sendInt8(value: number | bigint): Uint8Array {
  // Unsigned types share this: the bits above 2^63 - 1 wrap.
  scratch.setBigInt64(0, BigInt.asIntN(64, BigInt(value)));
  return new Uint8Array(scratch.buffer.slice(0));
}
export function sendFloat4(value: number): Uint8Array {
  scratch.setFloat32(0, value);
  return new Uint8Array(scratch.buffer.slice(0, 4));
}
export function sendFloat8(value: number): Uint8Array {
  scratch.setFloat64(0, value);
  return new Uint8Array(scratch.buffer.slice(0));
}
export function receiveInt2(bytes: Uint8Array): number {
  expectLength(bytes, 2);
  return viewOf(bytes).getInt16(0);
}
export function receiveInt4(bytes: Uint8Array): number {
  expectLength(bytes, 4);
  return viewOf(bytes).getInt32(0);
}
export function receiveUint4(bytes: Uint8Array): number {
  expectLength(bytes, 4);
  return viewOf(bytes).getUint32(0);
}
export function receiveInt8(bytes: Uint8Array): number | bigint {
  expectLength(bytes, 8);
  return canonicalInt8(viewOf(bytes).getBigInt64(0));
}
export function receiveUint8(bytes: Uint8Array): number | bigint {
  expectLength(bytes, 8);
  return canonicalInt8(viewOf(bytes).getBigUint64(0));
}
export function receiveFloat4(bytes: Uint8Array): number {
  expectLength(bytes, 4);
  return viewOf(bytes).getFloat32(0);
}
export function receiveFloat8(bytes: Uint8Array): number {
  expectLength(bytes, 8);
  return viewOf(bytes).getFloat64(0);
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const hex = (byte: number): string => `0x${byte.toString(16).padStart(2, '0')}`;

/** How many bytes the UTF-8 character starting with `byte` claims to have. */
export function utf8SequenceLength(byte: number): number {
  if (byte < 0x80) return 1;
  if ((byte & 0xe0) === 0xc0) return 2;
  if ((byte & 0xf0) === 0xe0) return 3;
  if ((byte & 0xf8) === 0xf0) return 4;
  return 1;
}

/** Length of the valid UTF-8 character at `at`, or 0. */
function validSequence(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return first === 0 ? 0 : 1;
  const length = utf8SequenceLength(first);
  if (length === 1 || at + length > bytes.length) return 0;
  for (let i = 1; i < length; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return 0;
  const second = bytes[at + 1]!;
  if (first < 0xc2 || first > 0xf4) return 0;
  if (first === 0xe0 && second < 0xa0) return 0;
  if (first === 0xed && second > 0x9f) return 0;
  if (first === 0xf0 && second < 0x90) return 0;
  if (first === 0xf4 && second > 0x8f) return 0;
  return length;
}

/** The text of UTF-8 bytes; PostgreSQL's complaint about the first bad sequence (a zero byte is one). */
export function textFromUtf8(bytes: Uint8Array, encodingName = 'UTF8'): string {
  if (!bytes.includes(0)) {
    try {
      return decoder.decode(bytes);
    } catch (_invalid) {
      // The decoder does not say where; the scan below does.
    }
  }
  let at = 0;
  while (at < bytes.length) {
    const length = validSequence(bytes, at);
    if (length === 0) break;
    at += length;
  }
  const shown = bytes.subarray(at, at + Math.min(utf8SequenceLength(bytes[at]!), bytes.length - at));
  report('ERROR', {
    code: SQLSTATE.characterNotInRepertoire,
    message: `invalid byte sequence for encoding "${encodingName}": ${Array.from(shown, hex).join(' ')}`,
  });
}

export function utf8Bytes(text: string): Uint8Array {
  return Buffer.from(text, 'utf8');
}
export function utf8Length(text: string): number {
  return Buffer.byteLength(text, 'utf8');
}
