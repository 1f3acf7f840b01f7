/** collation.ts — the order and the letter case of strings.
 *
 *  Every built-in collation here is C, as is the database's default: order is that of UTF-8 bytes, which is that of code
 *  points, and only ASCII letters have a case. JavaScript's `<` orders by UTF-16 unit, which differs where a surrogate
 *  meets U+E000..U+FFFF; so the first differing units are compared after moving the surrogates behind those.
 *  Counterpart: src/backend/utils/adt/varlena.c (varstr_cmp), formatting.c (str_tolower …) */
import { utf8Bytes } from '#adt/wire.ts';

/** Sign and size as memcmp of the UTF-8 bytes gives them; a proper prefix sorts first with ±1. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const shared = Math.min(a.length, b.length);
  let at = 0;
  while (at < shared && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  if (at === shared) return a.length < b.length ? -1 : 1;
  const left = a.charCodeAt(at);
  const right = b.charCodeAt(at);
  if (left < 0x80 && right < 0x80) return left - right;
  return compareDifferent(a, b, at);
}
const codePointRank = (unit: number): number => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800);
/** The rare path: the first difference involves a character beyond ASCII. */
function compareDifferent(a: string, b: string, at: number): number {
  // In the middle of a surrogate pair the pair as a whole decides.
  const start = at > 0 && (a.charCodeAt(at - 1) & 0xfc00) === 0xd800 ? at - 1 : at;
  const left = utf8Bytes(a.slice(start, start + 2));
  const right = utf8Bytes(b.slice(start, start + 2));
  for (let i = 0; i < left.length && i < right.length; i++) {
    if (left[i] !== right[i]) return left[i]! - right[i]!;
  }
  return codePointRank(a.charCodeAt(at)) - codePointRank(b.charCodeAt(at));
}

const isLower = (unit: number): boolean => unit >= 0x61 && unit <= 0x7a;
const isUpper = (unit: number): boolean => unit >= 0x41 && unit <= 0x5a;
const isAlphanumeric = (unit: number): boolean => isLower(unit) || isUpper(unit) || (unit >= 0x30 && unit <= 0x39);
const NOT_ASCII = /[^\0-\x7f]/;

export function toLower(text: string): string {
  return NOT_ASCII.test(text) ? text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : text.toLowerCase();
}
export function toUpper(text: string): string {
  return NOT_ASCII.test(text) ? text.replace(/[a-z]+/g, (letters) => letters.toUpperCase()) : text.toUpperCase();
}
/** The first letter of each run of letters and digits upper, the others lower. */
export function toInitcap(text: string): string {
  let result = '';
  let insideWord = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    const unit = text.charCodeAt(i);
    result += isAlphanumeric(unit) ? (insideWord ? character.toLowerCase() : character.toUpperCase()) : character;
    insideWord = isAlphanumeric(unit);
  }
  return result;
}
