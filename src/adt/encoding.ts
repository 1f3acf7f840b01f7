/** encoding.ts — convert(), convert_from(), convert_to(), length(bytea, name): bytes in other character sets.
 *
 *  The server's own encoding is UTF8. Single-byte sets are tables made from Node's decoder when first used; the multibyte
 *  sets of Asia can be decoded but not produced. As in PostgreSQL there are conversions to and from UTF8, and between
 *  those pairs of single-byte sets that pg_conversion names.
 *  Counterpart: src/backend/utils/mb/mbutils.c, src/common/encnames.c */
import { registerBuiltins } from '#adt/fmgr.ts';
import { invalidParameter, notSupported } from '#adt/value-errors.ts';
import { textFromUtf8, utf8Bytes } from '#adt/wire.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** PostgreSQL's name: label of Node's decoder. */
const SINGLE_BYTE = {
  LATIN1: '',
  LATIN2: 'iso-8859-2',
  LATIN3: 'iso-8859-3',
  LATIN4: 'iso-8859-4',
  LATIN6: 'iso-8859-10',
  LATIN7: 'iso-8859-13',
  LATIN8: 'iso-8859-14',
  LATIN9: 'iso-8859-15',
  LATIN10: 'iso-8859-16',
  WIN1256: 'windows-1256',
  WIN1258: 'windows-1258',
  WIN866: 'ibm866',
  WIN874: 'windows-874',
  KOI8R: 'koi8-r',
  WIN1251: 'windows-1251',
  WIN1252: 'windows-1252',
  ISO_8859_5: 'iso-8859-5',
  ISO_8859_6: 'iso-8859-6',
  ISO_8859_7: 'iso-8859-7',
  ISO_8859_8: 'iso-8859-8',
  WIN1250: 'windows-1250',
  WIN1253: 'windows-1253',
  WIN1254: 'windows-1254',
  WIN1255: 'windows-1255',
  WIN1257: 'windows-1257',
  KOI8U: 'koi8-u',
} as const satisfies Record<string, string>;
const MULTIBYTE = {
  EUC_JP: 'euc-jp',
  EUC_KR: 'euc-kr',
  EUC_CN: 'gb2312',
  SJIS: 'shift_jis',
  BIG5: 'big5',
  GBK: 'gbk',
  UHC: 'euc-kr',
  GB18030: 'gb18030',
} as const satisfies Record<string, string>;
const OTHERS = ['SQL_ASCII', 'UTF8', 'LATIN5', 'EUC_TW', 'EUC_JIS_2004', 'MULE_INTERNAL', 'JOHAB', 'SHIFT_JIS_2004'];
const ALIASES: Readonly<Record<string, string>> = {
  ABC: 'WIN1258',
  ALT: 'WIN866',
  KOI8: 'KOI8R',
  MSKANJI: 'SJIS',
  SHIFTJIS: 'SJIS',
  TCVN: 'WIN1258',
  TCVN5712: 'WIN1258',
  UNICODE: 'UTF8',
  VSCII: 'WIN1258',
  WIN: 'WIN1251',
  WIN932: 'SJIS',
  WIN936: 'GBK',
  WIN949: 'UHC',
  WIN950: 'BIG5',
  WINDOWS949: 'UHC',
  WINDOWS936: 'GBK',
  WINDOWS950: 'BIG5',
  WINDOWS932: 'SJIS',
  ISO88591: 'LATIN1',
  ISO88592: 'LATIN2',
  ISO88593: 'LATIN3',
  ISO88594: 'LATIN4',
  ISO88599: 'LATIN5',
  ISO885910: 'LATIN6',
  ISO885913: 'LATIN7',
  ISO885914: 'LATIN8',
  ISO885915: 'LATIN9',
  ISO885916: 'LATIN10',
};
const letters = (name: string): string => name.toUpperCase().replace(/[^A-Z0-9]/g, '');
const NAMES = new Map<string, string>();
for (const name of [...Object.keys(SINGLE_BYTE), ...Object.keys(MULTIBYTE), ...OTHERS]) NAMES.set(letters(name), name);
for (const [alias, name] of Object.entries(ALIASES)) NAMES.set(alias, name);
for (const number of ['1250', '1251', '1252', '1253', '1254', '1255', '1256', '1257', '1258', '866', '874'])
  NAMES.set(`WINDOWS${number}`, `WIN${number}`);

/** PostgreSQL's name of the encoding; letters and digits alone decide. */
export function findEncoding(name: string): string | undefined {
  return NAMES.get(letters(name));
}

interface Table {
  /** Code point by byte, -1 for bytes that mean nothing. */
  readonly points: readonly number[];
  readonly bytes: ReadonlyMap<number, number>;
}
const tables = new Map<string, Table>();
/** LATIN5 is not windows-1254, which is what Node decodes iso-8859-9 as: it is LATIN1 but for six letters. */
const LATIN5: Readonly<Record<number, number>> = {
  208: 0x11e,
  221: 0x130,
  222: 0x15e,
  240: 0x11f,
  253: 0x131,
  254: 0x15f,
};
/** 0x80 to 0x9f of windows-1252, whose decoder Node takes for LATIN1. */
const WIN1252_HIGH = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ';

function pointOf(name: string, label: string, byte: number): number {
  if (byte < 0x80) return byte;
  if (name === 'WIN1252') {
    const high = byte < 0xa0 ? WIN1252_HIGH.charCodeAt(byte - 0x80) : byte;
    return high === byte && byte < 0xa0 ? -1 : high;
  }
  if (name === 'LATIN1' || name === 'LATIN5') return name === 'LATIN5' ? (LATIN5[byte] ?? byte) : byte;
  const point = new TextDecoder(label).decode(Uint8Array.of(byte)).codePointAt(0)!;
  // The web's windows tables map undefined bytes to C1 controls; PostgreSQL has no character there.
  const undefinedByte = point === 0xfffd || (point >= 0x80 && point < 0xa0 && name.startsWith('WIN'));
  return undefinedByte ? -1 : point;
}
function tableOf(name: string): Table | undefined {
  const label = name === 'LATIN5' ? '' : (SINGLE_BYTE as Readonly<Record<string, string>>)[name];
  if (label === undefined) return undefined;
  let table = tables.get(name);
  if (table === undefined) {
    const points = Array.from({ length: 256 }, (_, byte) => pointOf(name, label, byte));
    table = { points, bytes: new Map(points.flatMap((point, byte) => (point < 0 ? [] : [[point, byte] as const]))) };
    tables.set(name, table);
  }
  return table;
}

const hexList = (bytes: Iterable<number>): string =>
  Array.from(bytes, (byte) => `0x${byte.toString(16).padStart(2, '0')}`).join(' ');
function untranslatable(bytes: Iterable<number>, from: string, to: string): never {
  report('ERROR', {
    code: SQLSTATE.untranslatableCharacter,
    message: `character with byte sequence ${hexList(bytes)} in encoding "${from}" has no equivalent in encoding "${to}"`,
  });
}
function invalidSequence(bytes: Iterable<number>, encoding: string): never {
  report('ERROR', {
    code: SQLSTATE.characterNotInRepertoire,
    message: `invalid byte sequence for encoding "${encoding}": ${hexList(bytes)}`,
  });
}

function decode(bytes: Uint8Array, encoding: string): string {
  if (encoding === 'UTF8' || encoding === 'SQL_ASCII') return textFromUtf8(bytes);
  if (bytes.includes(0)) invalidSequence([0], encoding);
  const table = tableOf(encoding);
  if (table !== undefined) {
    let text = '';
    for (const byte of bytes) {
      const point = table.points[byte]!;
      if (point < 0) untranslatable([byte], encoding, 'UTF8');
      text += String.fromCharCode(point);
    }
    return text;
  }
  const label = (MULTIBYTE as Readonly<Record<string, string>>)[encoding];
  if (label === undefined) return notSupported(`encoding conversion from ${encoding} to UTF8 is not supported`);
  try {
    return new TextDecoder(label, { fatal: true }).decode(bytes);
  } catch (_invalid) {
    return invalidSequence(bytes.subarray(0, 2), encoding);
  }
}
function encode(text: string, encoding: string): Uint8Array {
  if (encoding === 'UTF8' || encoding === 'SQL_ASCII') return utf8Bytes(text);
  const table = tableOf(encoding);
  if (table === undefined) notSupported(`encoding conversion from UTF8 to ${encoding} is not supported`);
  const bytes: number[] = [];
  for (const character of text) {
    const byte = table.bytes.get(character.codePointAt(0)!);
    bytes.push(byte ?? untranslatable(utf8Bytes(character), 'UTF8', encoding));
  }
  return Uint8Array.from(bytes);
}

const CYRILLIC = ['KOI8R', 'WIN1251', 'WIN866', 'ISO_8859_5'];
const hasDirectConversion = (from: string, to: string): boolean =>
  (CYRILLIC.includes(from) && CYRILLIC.includes(to)) ||
  (from === 'LATIN2' && to === 'WIN1250') ||
  (from === 'WIN1250' && to === 'LATIN2');
function convertDirectly(bytes: Uint8Array, from: string, to: string): Uint8Array {
  const source = tableOf(from)!.points;
  const target = tableOf(to)!.bytes;
  return bytes.map((byte) => target.get(source[byte]!) ?? untranslatable([byte], from, to));
}

function named(name: string, role: string): string {
  return findEncoding(name) ?? invalidParameter(`invalid ${role}encoding name "${name}"`);
}
function convert(bytes: Uint8Array, fromName: string, toName: string): Uint8Array {
  const from = named(fromName, 'source ');
  const to = named(toName, 'destination ');
  if (from === to || from === 'SQL_ASCII' || to === 'SQL_ASCII') {
    if (from !== 'SQL_ASCII' && tableOf(from) === undefined) decode(bytes, from);
    if (from === 'SQL_ASCII' && tableOf(to) === undefined) decode(bytes, to);
    return bytes;
  }
  if (bytes.length === 0) return bytes;
  if (from === 'UTF8' || to === 'UTF8') return encode(decode(bytes, from), to);
  if (hasDirectConversion(from, to)) return convertDirectly(bytes, from, to);
  return report('ERROR', {
    code: SQLSTATE.undefinedFunction,
    message: `default conversion function for encoding "${from}" to "${to}" does not exist`,
  });
}

registerBuiltins({
  pg_convert: convert,
  pg_convert_from: (bytes: Uint8Array, from: string) => decode(bytes, named(from, 'source ')),
  pg_convert_to: (text: string, to: string) => encode(text, named(to, 'destination ')),
  length_in_encoding: (bytes: Uint8Array, name: string) => {
    const encoding = named(name, '');
    const oneByteEach = encoding === 'SQL_ASCII' || tableOf(encoding) !== undefined;
    return oneByteEach ? bytes.length : Array.from(decode(bytes, encoding)).length;
  },
  // Transliteration exists for LATIN1, LATIN2, LATIN9 and WIN1250 only, and the database is UTF8.
  to_ascii_default: () => notSupported('encoding conversion from UTF8 to ASCII not supported'),
});
