/** uuid.ts — universally unique identifiers, sixteen bytes.
 *  Counterpart: src/backend/utils/adt/uuid.c */
import { compareBytes } from '#adt/bytea.ts';
import { encodeHex } from '#adt/encode.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import { invalidInput } from '#adt/value-errors.ts';
import { expectLength } from '#adt/wire.ts';
import { randomBytes } from 'node:crypto';

/** Pairs of digits, a hyphen allowed after every second pair, the whole optionally in braces. */
const FORM = /^(?:[0-9a-f]{4}-?){7}[0-9a-f]{4}$/i;

export function uuidIn(text: string): Uint8Array {
  const bare = text.startsWith('{') && text.endsWith('}') ? text.slice(1, -1) : text;
  if (!FORM.test(bare)) invalidInput('uuid', text);
  return Uint8Array.from(Buffer.from(bare.replaceAll('-', ''), 'hex'));
}
export function uuidOut(value: Uint8Array): string {
  const hex = encodeHex(value);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
/** Version 4: random but for six bits. */
export function randomUuid(): Uint8Array {
  const bytes = Uint8Array.from(randomBytes(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes;
}

registerBuiltins({
  uuid_in: uuidIn,
  uuid_out: uuidOut,
  uuid_recv: (bytes: Uint8Array) => {
    expectLength(bytes, 16);
    return Uint8Array.from(bytes);
  },
  uuid_send: (value: Uint8Array) => value,
  uuid_eq: (a: Uint8Array, b: Uint8Array) => compareBytes(a, b) === 0,
  uuid_ne: (a: Uint8Array, b: Uint8Array) => compareBytes(a, b) !== 0,
  uuid_lt: (a: Uint8Array, b: Uint8Array) => compareBytes(a, b) < 0,
  uuid_le: (a: Uint8Array, b: Uint8Array) => compareBytes(a, b) <= 0,
  uuid_gt: (a: Uint8Array, b: Uint8Array) => compareBytes(a, b) > 0,
  uuid_ge: (a: Uint8Array, b: Uint8Array) => compareBytes(a, b) >= 0,
  uuid_cmp: compareBytes,
  gen_random_uuid: randomUuid,
});
