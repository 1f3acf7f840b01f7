/** text.ts — text, unknown and cstring: text and wire forms, comparison, concatenation; counting of characters.
 *
 *  A string is a JavaScript string; PostgreSQL counts characters, that is code points. Strings without surrogates, which
 *  is nearly all of them, take paths where both counts agree.
 *  Counterpart: src/backend/utils/adt/varlena.c */
import { compareText } from '#adt/collation.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import { textFromUtf8, utf8Bytes, utf8Length } from '#adt/wire.ts';

const SURROGATE = /[\ud800-\udfff]/;
export const hasSurrogates = (text: string): boolean => SURROGATE.test(text);

/** Characters, not UTF-16 units. */
export function characterLength(text: string): number {
  if (!SURROGATE.test(text)) return text.length;
  let count = 0;
  for (let i = 0; i < text.length; i++) if ((text.charCodeAt(i) & 0xfc00) !== 0xdc00) count++;
  return count;
}
/** Unit offset of the character number `count` (0-based), the text's length if there are fewer. */
export function characterOffset(text: string, count: number): number {
  if (!SURROGATE.test(text)) return Math.min(count, text.length);
  let left = count;
  let at = 0;
  while (left > 0 && at < text.length) {
    at += (text.charCodeAt(at) & 0xfc00) === 0xd800 ? 2 : 1;
    left--;
  }
  return at;
}
/** Characters from `start` (0-based) up to but not including `end`. */
export function characterSlice(text: string, start: number, end = Number.POSITIVE_INFINITY): string {
  if (!SURROGATE.test(text)) return text.slice(start, end);
  const from = characterOffset(text, start);
  return end === Number.POSITIVE_INFINITY ? text.slice(from) : text.slice(from, characterOffset(text, end));
}

const same = (value: string): string => value;
const equal = (a: string, b: string): boolean => a === b;
const notEqual = (a: string, b: string): boolean => a !== b;
const less = (a: string, b: string): boolean => compareText(a, b) < 0;
const lessEqual = (a: string, b: string): boolean => compareText(a, b) <= 0;
const greater = (a: string, b: string): boolean => compareText(a, b) > 0;
const greaterEqual = (a: string, b: string): boolean => compareText(a, b) >= 0;

/** strncmp: the end of a name counts as a zero byte. */
function compareNames(a: string, b: string): number {
  if (a.length !== b.length) {
    if (a.startsWith(b)) return utf8Bytes(a.slice(b.length))[0]!;
    if (b.startsWith(a)) return -utf8Bytes(b.slice(a.length))[0]!;
  }
  return compareText(a, b);
}

registerBuiltins({
  textin: same,
  textout: same,
  textrecv: (bytes: Uint8Array) => textFromUtf8(bytes),
  textsend: utf8Bytes,
  unknownin: same,
  unknownout: same,
  unknownrecv: (bytes: Uint8Array) => textFromUtf8(bytes),
  unknownsend: utf8Bytes,
  cstring_in: same,
  cstring_out: same,
  cstring_recv: (bytes: Uint8Array) => textFromUtf8(bytes),
  cstring_send: utf8Bytes,

  texteq: equal,
  textne: notEqual,
  text_lt: less,
  text_le: lessEqual,
  text_gt: greater,
  text_ge: greaterEqual,
  bttextcmp: compareText,
  text_larger: (a: string, b: string) => (compareText(a, b) > 0 ? a : b),
  text_smaller: (a: string, b: string) => (compareText(a, b) < 0 ? a : b),
  text_pattern_lt: less,
  text_pattern_le: lessEqual,
  text_pattern_gt: greater,
  text_pattern_ge: greaterEqual,
  bttext_pattern_cmp: compareText,
  textcat: (a: string, b: string) => a + b,
  textlen: characterLength,
  textoctetlen: utf8Length,

  nameeq: equal,
  namene: notEqual,
  namelt: less,
  namele: lessEqual,
  namegt: greater,
  namege: greaterEqual,
  btnamecmp: compareNames,
  nameeqtext: equal,
  namenetext: notEqual,
  namelttext: less,
  nameletext: lessEqual,
  namegttext: greater,
  namegetext: greaterEqual,
  btnametextcmp: compareText,
  texteqname: equal,
  textnename: notEqual,
  textltname: less,
  textlename: lessEqual,
  textgtname: greater,
  textgename: greaterEqual,
  bttextnamecmp: compareText,
  // Deterministic collations only: equal strings have equal bytes, so index entries may be deduplicated.
  btvarstrequalimage: () => true,
  btequalimage: () => true,
});
