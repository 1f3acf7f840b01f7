/** text-encoding.ts — between the client's encoding and JavaScript strings.
 *
 *  The database is UTF8. Every string that arrives is verified, with PostgreSQL's message for the first bad byte; strings
 *  that leave are encoded for client_encoding: UTF8 and SQL_ASCII pass bytes through, single-byte encodings are
 *  converted and complain (22P05) about what they cannot hold.
 *  Counterpart: src/backend/utils/mb/mbutils.c, src/common/wchar.c */
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** Length of the UTF-8 character at `at`, 0 if it is not a legal one (overlong, surrogate, beyond U+10FFFF, cut off). */
function utf8CharLength(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return first === 0 ? 0 : 1;
  const length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length === 0 || at + length > end) return 0;
  for (let i = 1; i < length; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return 0;
  const second = bytes[at + 1]!;
  if (first === 0xe0 && second < 0xa0) return 0;
  if (first === 0xed && second > 0x9f) return 0;
  if (first === 0xf0 && second < 0x90) return 0;
  if (first === 0xf4 && second > 0x8f) return 0;
  return length;
}

/** How many bytes the character claims to have, for the error message. */
function claimedLength(first: number): number {
  if ((first & 0x80) === 0) return 1;
  if ((first & 0xe0) === 0xc0) return 2;
  if ((first & 0xf0) === 0xe0) return 3;
  if ((first & 0xf8) === 0xf0) return 4;
  return 1;
}

/** Offset of the first byte that is not legal UTF-8 text, or -1. */
export function findInvalidUtf8(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end) {
    const length = utf8CharLength(bytes, at, end);
    if (length === 0) return at;
    at += length;
  }
  return -1;
}

export function reportInvalidEncoding(encoding: string, bytes: Uint8Array, at: number, end: number): never {
  const shown = Math.min(8, claimedLength(bytes[at]!), end - at);
  const hex = Array.from(bytes.subarray(at, at + shown), (byte) => `0x${byte.toString(16).padStart(2, '0')}`);
  return report('ERROR', {
    code: SQLSTATE.characterNotInRepertoire,
    message: `invalid byte sequence for encoding "${encoding}": ${hex.join(' ')}`,
  });
}

/** Decodes and verifies. V8's decoder is fast but silent: only a text that shows a replacement character is looked at
 *  again, byte by byte (it may be a legal U+FFFD). */
export function decodeUtf8(buffer: Buffer, start: number, end: number): string {
  const text = buffer.toString('utf8', start, end);
  if (text.includes('\ufffd')) {
    const bad = findInvalidUtf8(buffer, start, end);
    if (bad >= 0) reportInvalidEncoding('UTF8', buffer, bad, end);
  }
  return text;
}

/** Code points 0x80… of single-byte encodings that differ from Unicode; undefined entries are unassigned. */
interface SingleByteEncoding {
  readonly name: string;
  readonly toUnicode: (byte: number) => number;
  readonly fromUnicode: (codePoint: number) => number;
}
const latin1: SingleByteEncoding = {
  name: 'LATIN1',
  toUnicode: (byte) => byte,
  fromUnicode: (codePoint) => (codePoint < 0x100 ? codePoint : -1),
};
const latin9Differences = [0xa4, 0x20ac, 0xa6, 0x160, 0xa8, 0x161, 0xb4, 0x17d, 0xb8, 0x17e, 0xbc, 0x152, 0xbd, 0x153, 0xbe, 0x178]; // biome-ignore format: pairs
const win1252High = [0x20ac, -1, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, -1, 0x17d, -1, -1, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, -1, 0x17e, 0x178]; // biome-ignore format: row

function tableEncoding(name: string, table: ReadonlyMap<number, number>): SingleByteEncoding {
  const reverse = new Map([...table].map(([byte, codePoint]) => [codePoint, byte]));
  const replaced = new Set(table.keys());
  return {
    name,
    toUnicode: (byte) => table.get(byte) ?? byte,
    fromUnicode: (codePoint) =>
      reverse.get(codePoint) ?? (codePoint < 0x100 && !replaced.has(codePoint) ? codePoint : -1),
  };
}
const pairs = (list: readonly number[]): Map<number, number> => {
  const map = new Map<number, number>();
  for (let i = 0; i < list.length; i += 2) map.set(list[i]!, list[i + 1]!);
  return map;
};
const SINGLE_BYTE: Readonly<Record<string, SingleByteEncoding>> = {
  LATIN1: latin1,
  LATIN9: tableEncoding('LATIN9', pairs(latin9Differences)),
  WIN1252: tableEncoding('WIN1252', new Map(win1252High.map((codePoint, i) => [0x80 + i, codePoint]))),
};

/** Between one connection's bytes and strings. `passThrough` marks encodings whose bytes are the database's own. */
export interface ClientCodec {
  readonly name: string;
  readonly passThrough: boolean;
  decode(buffer: Buffer, start: number, end: number): string;
  encode(text: string): Uint8Array;
}

const utf8Codec = (name: string): ClientCodec => ({
  name,
  passThrough: true,
  decode: decodeUtf8,
  encode: (text) => Buffer.from(text, 'utf8'),
});

function singleByteCodec(encoding: SingleByteEncoding): ClientCodec {
  return {
    name: encoding.name,
    passThrough: false,
    decode(buffer, start, end) {
      let text = '';
      for (let at = start; at < end; at++) {
        const codePoint = encoding.toUnicode(buffer[at]!);
        if (codePoint <= 0) reportInvalidEncoding(encoding.name, buffer, at, end);
        text += String.fromCharCode(codePoint);
      }
      return text;
    },
    encode(text) {
      const out = Buffer.allocUnsafe(text.length);
      let length = 0;
      for (const character of text) {
        const byte = encoding.fromUnicode(character.codePointAt(0)!);
        if (byte < 0) reportUntranslatable(character, encoding.name);
        out[length++] = byte;
      }
      return out.subarray(0, length);
    },
  };
}

function reportUntranslatable(character: string, encoding: string): never {
  const hex = Array.from(Buffer.from(character, 'utf8'), (byte) => `0x${byte.toString(16).padStart(2, '0')}`);
  return report('ERROR', {
    code: SQLSTATE.untranslatableCharacter,
    message: `character with byte sequence ${hex.join(' ')} in encoding "UTF8" has no equivalent in encoding "${encoding}"`,
  });
}

export const UTF8_CODEC: ClientCodec = utf8Codec('UTF8');

/** The codec of a canonical encoding name ("UTF8", "LATIN1"); undefined for one that has no conversion here. */
export function clientCodec(encoding: string): ClientCodec | undefined {
  if (encoding === 'UTF8') return UTF8_CODEC;
  if (encoding === 'SQL_ASCII') return utf8Codec('SQL_ASCII');
  const single = SINGLE_BYTE[encoding];
  return single === undefined ? undefined : singleByteCodec(single);
}
