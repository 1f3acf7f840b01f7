/** char.ts — the types with a length: "char" (one byte), character(n), character varying(n), name.
 *
 *  "char" is a string of one unit 0x01..0xff, or '' for the zero byte; bytes beyond ASCII are written \ooo. A bpchar keeps its padding; its comparison,
 *  length and casts ignore trailing spaces.
 *  Counterpart: src/backend/utils/adt/char.c, varchar.c, name.c */
import { compareText } from '#adt/collation.ts';
import type { ArrayDatum } from '#adt/datum.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import { int4In } from '#adt/int.ts';
import { characterLength, characterOffset } from '#adt/text.ts';
import { invalidParameter, outOfRange } from '#adt/value-errors.ts';
import { expectLength, textFromUtf8, utf8Bytes, utf8Length } from '#adt/wire.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const NAME_BYTES_MAX = 63;
const LENGTH_MAX = 10485760;
const same = (value: string): string => value;

/** The longest prefix of at most 63 bytes that does not cut a character. */
export function truncateName(text: string): string {
  if (text.length * 3 <= NAME_BYTES_MAX || utf8Length(text) <= NAME_BYTES_MAX) return text;
  const bytes = utf8Bytes(text);
  let end = NAME_BYTES_MAX;
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return textFromUtf8(bytes.subarray(0, end));
}
function nameRecv(bytes: Uint8Array): string {
  if (bytes.length > NAME_BYTES_MAX) {
    report('ERROR', {
      code: SQLSTATE.nameTooLong,
      message: 'identifier too long',
      detail: 'Identifier must be less than 64 characters.',
    });
  }
  return textFromUtf8(bytes);
}

function tooLong(typeName: string, limit: number): never {
  report('ERROR', {
    code: SQLSTATE.stringDataRightTruncation,
    message: `value too long for type ${typeName}(${limit})`,
  });
}
/** Cuts to `limit` characters: silently by explicit cast, else only spaces may be lost. */
function cut(text: string, limit: number, explicit: boolean, typeName: string): string {
  if (text.length <= limit) return text;
  const end = characterOffset(text, limit);
  if (end >= text.length) return text;
  if (!explicit && /[^ ]/.test(text.slice(end))) tooLong(typeName, limit);
  return text.slice(0, end);
}
export function toVarchar(text: string, typmod: number, explicit: boolean): string {
  return typmod < 4 ? text : cut(text, typmod - 4, explicit, 'character varying');
}
export function toBpchar(text: string, typmod: number, explicit: boolean): string {
  if (typmod < 4) return text;
  const limit = typmod - 4;
  const fitting = cut(text, limit, explicit, 'character');
  const missing = limit - characterLength(fitting);
  if (limit > 0x3ffffffb) report('ERROR', { message: `invalid memory alloc request size ${limit + 4}` });
  return missing > 0 ? fitting + ' '.repeat(missing) : fitting;
}
export function withoutPadding(text: string): string {
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === 0x20) end--;
  return end === text.length ? text : text.slice(0, end);
}
export const compareBpchar = (a: string, b: string): number => compareText(withoutPadding(a), withoutPadding(b));

function lengthTypmodIn(modifiers: ArrayDatum, typeName: string): number {
  const lengths = modifiers.elements.map((text) => int4In(text as string));
  const length = lengths[0];
  if (length === undefined || lengths.length !== 1) invalidParameter('invalid type modifier');
  if (length < 1) invalidParameter(`length for type ${typeName} must be at least 1`);
  if (length > LENGTH_MAX) invalidParameter(`length for type ${typeName} cannot exceed ${LENGTH_MAX}`);
  return length + 4;
}
const lengthTypmodOut = (typmod: number): string => (typmod > 4 ? `(${typmod - 4})` : '');

/** First byte of the text's UTF-8 form, or an octal escape. */
function charIn(text: string): string {
  if (text === '') return '';
  if (/^\\[0-3][0-7][0-7]$/.test(text)) return charFromByte(Number.parseInt(text.slice(1), 8));
  const first = text.charCodeAt(0);
  return charFromByte(first < 0x80 ? first : utf8Bytes(text.slice(0, 2))[0]!);
}
const charFromByte = (byte: number): string => (byte === 0 ? '' : String.fromCharCode(byte));
/** Bytes that are no characters of their own show as octal escapes. */
const charOut = (value: string): string =>
  value.charCodeAt(0) >= 0x80 ? `\\${value.charCodeAt(0).toString(8)}` : value;
const byteOfChar = (value: string): number => (value === '' ? 0 : value.charCodeAt(0));

registerBuiltins({
  namein: truncateName,
  nameout: same,
  namerecv: nameRecv,
  namesend: utf8Bytes,
  name_text: same,
  text_name: truncateName,
  name_bpchar: same,
  bpchar_name: (text: string) => truncateName(withoutPadding(text)),
  nameconcatoid: (name: string, oid: number) => {
    const suffix = `_${oid}`;
    const bytes = utf8Bytes(name);
    let end = Math.min(bytes.length, NAME_BYTES_MAX - suffix.length);
    while (end < bytes.length && (bytes[end]! & 0xc0) === 0x80) end--;
    return textFromUtf8(bytes.subarray(0, end)) + suffix;
  },

  charin: charIn,
  charout: charOut,
  charrecv: (bytes: Uint8Array) => {
    expectLength(bytes, 1);
    return charFromByte(bytes[0]!);
  },
  charsend: (value: string) => Uint8Array.of(byteOfChar(value)),
  chareq: (a: string, b: string) => a === b,
  charne: (a: string, b: string) => a !== b,
  charlt: (a: string, b: string) => a < b,
  charle: (a: string, b: string) => a <= b,
  chargt: (a: string, b: string) => a > b,
  charge: (a: string, b: string) => a >= b,
  btcharcmp: (a: string, b: string) => byteOfChar(a) - byteOfChar(b),
  chartoi4: (value: string) => (byteOfChar(value) << 24) >> 24,
  i4tochar: (value: number) => {
    if (value < -128 || value > 127) outOfRange('"char"');
    return charFromByte(value & 0xff);
  },
  text_char: charIn,
  char_text: charOut,
  char_bpchar: charOut,

  bpcharin: (text: string, _typioparam?: number, typmod = -1) => toBpchar(text, typmod, false),
  bpcharout: same,
  bpcharrecv: (bytes: Uint8Array, _typioparam?: number, typmod = -1) => toBpchar(textFromUtf8(bytes), typmod, false),
  bpcharsend: utf8Bytes,
  bpchar: toBpchar,
  bpchartypmodin: (modifiers: ArrayDatum) => lengthTypmodIn(modifiers, 'char'),
  bpchartypmodout: lengthTypmodOut,
  bpchareq: (a: string, b: string) => withoutPadding(a) === withoutPadding(b),
  bpcharne: (a: string, b: string) => withoutPadding(a) !== withoutPadding(b),
  bpcharlt: (a: string, b: string) => compareBpchar(a, b) < 0,
  bpcharle: (a: string, b: string) => compareBpchar(a, b) <= 0,
  bpchargt: (a: string, b: string) => compareBpchar(a, b) > 0,
  bpcharge: (a: string, b: string) => compareBpchar(a, b) >= 0,
  bpcharcmp: compareBpchar,
  bpchar_larger: (a: string, b: string) => (compareBpchar(a, b) >= 0 ? a : b),
  bpchar_smaller: (a: string, b: string) => (compareBpchar(a, b) <= 0 ? a : b),
  bpchar_pattern_lt: (a: string, b: string) => compareBpchar(a, b) < 0,
  bpchar_pattern_le: (a: string, b: string) => compareBpchar(a, b) <= 0,
  bpchar_pattern_gt: (a: string, b: string) => compareBpchar(a, b) > 0,
  bpchar_pattern_ge: (a: string, b: string) => compareBpchar(a, b) >= 0,
  btbpchar_pattern_cmp: compareBpchar,
  bpcharlen: (text: string) => characterLength(withoutPadding(text)),
  bpcharoctetlen: utf8Length,

  varcharin: (text: string, _typioparam?: number, typmod = -1) => toVarchar(text, typmod, false),
  varcharout: same,
  varcharrecv: (bytes: Uint8Array, _typioparam?: number, typmod = -1) => toVarchar(textFromUtf8(bytes), typmod, false),
  varcharsend: utf8Bytes,
  varchar: toVarchar,
  varchartypmodin: (modifiers: ArrayDatum) => lengthTypmodIn(modifiers, 'varchar'),
  varchartypmodout: lengthTypmodOut,
});
