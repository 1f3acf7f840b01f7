/** encode.ts — bytes as text: hex, base64 and PostgreSQL's escape form; encode() and decode().
 *  Counterpart: src/backend/utils/adt/encode.c */
import { registerBuiltins } from '#adt/fmgr.ts';
import { invalidParameter } from '#adt/value-errors.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export function encodeHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
const nibble = (unit: number): number =>
  unit >= 0x30 && unit <= 0x39
    ? unit - 0x30
    : unit >= 0x61 && unit <= 0x66
      ? unit - 0x57
      : unit >= 0x41 && unit <= 0x46
        ? unit - 0x37
        : -1;
const isSpace = (unit: number): boolean => unit === 0x20 || unit === 0x0a || unit === 0x09 || unit === 0x0d;
const characterAt = (text: string, at: number): string => String.fromCodePoint(text.codePointAt(at)!);

export function decodeHex(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length >> 1);
  let used = 0;
  for (let at = 0; at < text.length; ) {
    const unit = text.charCodeAt(at);
    if (isSpace(unit)) {
      at++;
      continue;
    }
    const high = nibble(unit);
    if (high < 0) invalidParameter(`invalid hexadecimal digit: "${characterAt(text, at)}"`);
    if (at + 1 >= text.length) invalidParameter('invalid hexadecimal data: odd number of digits');
    const low = nibble(text.charCodeAt(at + 1));
    if (low < 0) invalidParameter(`invalid hexadecimal digit: "${characterAt(text, at + 1)}"`);
    bytes[used++] = (high << 4) | low;
    at += 2;
  }
  return bytes.subarray(0, used);
}

function encodeBase64(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
  return text.replace(/.{76}(?=.)/g, '$&\n');
}
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

function decodeBase64(text: string): Uint8Array {
  const bytes: number[] = [];
  let group = 0;
  let position = 0;
  let padding = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (isSpace(unit)) continue;
    let value = 0;
    if (unit === 0x3d) {
      // The first "=" must stand third or fourth; it decides how many bytes the last group has.
      if (padding === 0) {
        if (position === 2) padding = 1;
        else if (position === 3) padding = 2;
        else invalidParameter('unexpected "=" while decoding base64 sequence');
      }
    } else {
      value = ALPHABET.indexOf(text[at]!);
      if (value < 0) invalidParameter(`invalid symbol "${characterAt(text, at)}" found while decoding base64 sequence`);
    }
    group = (group << 6) + value;
    position++;
    if (position === 4) {
      bytes.push((group >> 16) & 255);
      if (padding === 0 || padding > 1) bytes.push((group >> 8) & 255);
      if (padding === 0 || padding > 2) bytes.push(group & 255);
      group = 0;
      position = 0;
    }
  }
  if (position !== 0) {
    invalidParameter(
      'invalid base64 end sequence',
      'Input data is missing padding, is truncated, or is otherwise corrupted.',
    );
  }
  return Uint8Array.from(bytes);
}

/** Zero and high bytes as \ooo, a backslash doubled, the rest as it is. */
export function encodeEscape(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    if (byte === 0 || byte >= 0x80) text += `\\${byte.toString(8).padStart(3, '0')}`;
    else text += byte === 0x5c ? '\\\\' : String.fromCharCode(byte);
  }
  return text;
}
const isOctal = (byte: number | undefined, max: number): boolean =>
  byte !== undefined && byte >= 0x30 && byte <= 0x30 + max;

export function decodeEscape(source: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(source.length);
  let used = 0;
  for (let at = 0; at < source.length; ) {
    const byte = source[at]!;
    if (byte !== 0x5c) {
      bytes[used++] = byte;
      at++;
    } else if (isOctal(source[at + 1], 3) && isOctal(source[at + 2], 7) && isOctal(source[at + 3], 7)) {
      bytes[used++] = ((source[at + 1]! & 3) << 6) | ((source[at + 2]! & 7) << 3) | (source[at + 3]! & 7);
      at += 4;
    } else if (source[at + 1] === 0x5c) {
      bytes[used++] = 0x5c;
      at += 2;
    } else {
      report('ERROR', { code: SQLSTATE.invalidTextRepresentation, message: 'invalid input syntax for type bytea' });
    }
  }
  return bytes.subarray(0, used);
}

interface Encoding {
  readonly encode: (bytes: Uint8Array) => string;
  readonly decode: (text: string) => Uint8Array;
}
const ENCODINGS = {
  hex: { encode: encodeHex, decode: decodeHex },
  base64: { encode: encodeBase64, decode: decodeBase64 },
  escape: { encode: encodeEscape, decode: (text) => decodeEscape(Buffer.from(text, 'utf8')) },
} as const satisfies Record<string, Encoding>;

function encodingNamed(name: string): Encoding {
  const found = (ENCODINGS as Record<string, Encoding>)[name.toLowerCase()];
  return found ?? invalidParameter(`unrecognized encoding: "${name}"`);
}

registerBuiltins({
  binary_encode: (bytes: Uint8Array, name: string) => encodingNamed(name).encode(bytes),
  binary_decode: (text: string, name: string) => encodingNamed(name).decode(text),
});
