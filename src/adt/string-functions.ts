/** string-functions.ts — cutting, padding, searching and replacing in text.
 *
 *  Positions are characters (code points), 1-based as in SQL.
 *  Counterpart: src/backend/utils/adt/varlena.c, oracle_compat.c */
import { toInitcap, toLower, toUpper } from '#adt/collation.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import type { Int8 } from '#adt/int8.ts';
import { negativeLength, sliceBounds } from '#adt/substring.ts';
import { characterLength, characterSlice, hasSurrogates } from '#adt/text.ts';
import { invalidParameter, outOfRange, programLimit } from '#adt/value-errors.ts';
import { utf8Length } from '#adt/wire.ts';

/** What a text value may occupy, as in palloc. */
const BYTES_MAX = 0x3fffffff;

function checkResultBytes(bytes: number): void {
  if (bytes > BYTES_MAX - 4) programLimit('requested length too large');
}

export function textSubstring(text: string, start: number, length?: number): string {
  const [from, to] = sliceBounds(start, length);
  return characterSlice(text, from, to);
}
function overlay(text: string, replacement: string, start: number, length: number): string {
  if (start <= 0) negativeLength();
  if (start + length > 2147483647) outOfRange('integer');
  return textSubstring(text, 1, start - 1) + replacement + textSubstring(text, start + length);
}
/** 1-based character position of `piece`, 0 where there is none. */
export function textPosition(text: string, piece: string): number {
  const at = text.indexOf(piece);
  if (at < 0) return 0;
  return (hasSurrogates(text) ? characterLength(text.slice(0, at)) : at) + 1;
}
function left(text: string, count: number): string {
  if (count >= 0) return characterSlice(text, 0, count);
  return characterSlice(text, 0, Math.max(0, characterLength(text) + count));
}
function right(text: string, count: number): string {
  // The smallest int4 has no positive counterpart; nothing is skipped then.
  const skip = count === -2147483648 ? 0 : count < 0 ? -count : characterLength(text) - count;
  return characterSlice(text, Math.max(0, skip));
}

/** `length` characters made of repeated `fill`, which is not empty. */
function filling(fill: string, length: number): string {
  const period = characterLength(fill);
  return fill.repeat(Math.floor(length / period)) + characterSlice(fill, 0, length % period);
}
function pad(text: string, length: number, fill: string, atLeft: boolean): string {
  const wanted = Math.max(length, 0);
  checkResultBytes(wanted * 4); // the longest a UTF-8 character can be
  const present = characterLength(text);
  if (present >= wanted) return characterSlice(text, 0, wanted);
  if (fill === '') return text;
  const padding = filling(fill, wanted - present);
  return atLeft ? padding + text : text + padding;
}
function repeat(text: string, count: number): string {
  if (count <= 0) return '';
  checkResultBytes(utf8Length(text) * count);
  return text.repeat(count);
}

export function trimText(text: string, set: string, atLeft: boolean, atRight: boolean): string {
  let from = 0;
  let to = text.length;
  if (set === ' ') {
    while (atLeft && from < to && text.charCodeAt(from) === 0x20) from++;
    while (atRight && to > from && text.charCodeAt(to - 1) === 0x20) to--;
    return text.slice(from, to);
  }
  const members = new Set(set);
  const characters = [...text];
  let end = characters.length;
  from = 0;
  while (atLeft && from < end && members.has(characters[from]!)) from++;
  while (atRight && end > from && members.has(characters[end - 1]!)) end--;
  to = end;
  return from === 0 && to === characters.length ? text : characters.slice(from, to).join('');
}

function replace(text: string, from: string, to: string): string {
  return from === '' || text === '' ? text : text.replaceAll(from, () => to);
}
function translate(text: string, from: string, to: string): string {
  const targets = [...to];
  const map = new Map<string, string>();
  let index = 0;
  for (const character of from) {
    if (!map.has(character)) map.set(character, targets[index] ?? '');
    index++;
  }
  let result = '';
  for (const character of text) result += map.get(character) ?? character;
  return result;
}
function splitPart(text: string, separator: string, field: number): string {
  if (field === 0) invalidParameter('field position must not be zero');
  if (text === '') return '';
  if (separator === '') return field === 1 || field === -1 ? text : '';
  if (field > 0) {
    let from = 0;
    for (let skip = field - 1; skip > 0; skip--) {
      const at = text.indexOf(separator, from);
      if (at < 0) return '';
      from = at + separator.length;
    }
    const end = text.indexOf(separator, from);
    return end < 0 ? text.slice(from) : text.slice(from, end);
  }
  return text.split(separator).at(field) ?? '';
}

function codePoint(text: string): number {
  return text === '' ? 0 : text.codePointAt(0)!;
}
function character(code: number): string {
  if (code < 0) invalidParameter('character number must be positive');
  if (code === 0) programLimit('null character not permitted');
  if (code > 0x10ffff) programLimit(`requested character too large for encoding: ${code}`);
  if (code >= 0xd800 && code <= 0xdfff) programLimit(`requested character not valid for encoding: ${code}`);
  return String.fromCodePoint(code);
}
function toHexadecimal(value: Int8, bits: number): string {
  return BigInt.asUintN(bits, BigInt(value)).toString(16);
}
function reverse(text: string): string {
  return hasSurrogates(text) ? [...text].reverse().join('') : text.split('').reverse().join('');
}

registerBuiltins({
  lower: toLower,
  upper: toUpper,
  initcap: toInitcap,
  text_substr: textSubstring,
  text_substr_no_len: (text: string, start: number) => textSubstring(text, start),
  textoverlay: overlay,
  textoverlay_no_len: (text: string, replacement: string, start: number) =>
    overlay(text, replacement, start, characterLength(replacement)),
  textpos: textPosition,
  text_left: left,
  text_right: right,
  lpad: (text: string, length: number, fill: string) => pad(text, length, fill, true),
  rpad: (text: string, length: number, fill: string) => pad(text, length, fill, false),
  repeat,
  btrim: (text: string, set: string) => trimText(text, set, true, true),
  btrim1: (text: string) => trimText(text, ' ', true, true),
  ltrim: (text: string, set: string) => trimText(text, set, true, false),
  ltrim1: (text: string) => trimText(text, ' ', true, false),
  rtrim: (text: string, set: string) => trimText(text, set, false, true),
  rtrim1: (text: string) => trimText(text, ' ', false, true),
  replace_text: replace,
  translate,
  split_part: splitPart,
  text_reverse: reverse,
  text_starts_with: (text: string, prefix: string) => text.startsWith(prefix),
  ascii: codePoint,
  chr: character,
  to_hex32: (value: number) => toHexadecimal(value, 32),
  to_hex64: (value: Int8) => toHexadecimal(value, 64),
});
