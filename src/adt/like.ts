/** like.ts — LIKE and ILIKE for text, name, bpchar and bytea.
 *
 *  A pattern is translated once into a plan: an exact string, a prefix, a suffix, a part to be found, or for everything
 *  else a matcher over characters. Plans are cached by pattern. An escape character at the end of the pattern is an error
 *  only when matching gets there, as it is in PostgreSQL.
 *  Counterpart: src/backend/utils/adt/like.c, like_match.c */
import { toLower } from '#adt/collation.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';

type Match = (text: string) => boolean;

function danglingEscape(): never {
  report('ERROR', {
    code: SQLSTATE.invalidEscapeSequence,
    message: 'LIKE pattern must not end with escape character',
  });
}

const ANY = -1;
const MANY = -2;
const DANGLING = -3;
/** Code points, and the negative codes above. Consecutive wildcards are kept: "_" must still consume. */
function parse(pattern: string): number[] {
  const items: number[] = [];
  const characters = [...pattern];
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i]!;
    if (character === '%') items.push(MANY);
    else if (character === '_') items.push(ANY);
    else if (character !== '\\') items.push(character.codePointAt(0)!);
    else if (i + 1 < characters.length) items.push(characters[++i]!.codePointAt(0)!);
    else items.push(DANGLING);
  }
  return items;
}

/** Greedy matching with one point to return to: a later "%" makes earlier ones irrelevant. */
export function matchItems(items: readonly number[], text: ArrayLike<number>): boolean {
  let at = 0;
  let item = 0;
  let retryItem = -1;
  let retryAt = 0;
  let steps = 0;
  while (at < text.length) {
    if ((++steps & 0xfff) === 0) checkForInterrupts();
    const wanted = item < items.length ? items[item]! : undefined;
    if (wanted === DANGLING) danglingEscape();
    if (wanted === MANY) {
      retryItem = ++item;
      retryAt = at;
      if (item === items.length) return true;
    } else if (wanted !== undefined && (wanted === ANY || wanted === text[at])) {
      item++;
      at++;
    } else if (retryItem >= 0) {
      item = retryItem;
      at = ++retryAt;
    } else {
      return false;
    }
  }
  while (items[item] === MANY) item++;
  return item === items.length;
}

function codePoints(text: string): number[] {
  const points: number[] = [];
  for (const character of text) points.push(character.codePointAt(0)!);
  return points;
}
const literal = (items: readonly number[]): string => items.map((point) => String.fromCodePoint(point)).join('');

function compile(pattern: string): Match {
  const items = parse(pattern);
  if (!items.includes(DANGLING) && !items.includes(ANY)) {
    const first = items.indexOf(MANY);
    if (first < 0) {
      const exact = literal(items);
      return (text) => text === exact;
    }
    const last = items.lastIndexOf(MANY);
    if (!items.slice(first, last).some((item) => item >= 0)) {
      const head = literal(items.slice(0, first));
      const tail = literal(items.slice(last + 1));
      const least = head.length + tail.length;
      return (text) => text.length >= least && text.startsWith(head) && text.endsWith(tail);
    }
    const middle = items.slice(first, last + 1).filter((item, i, all) => item !== MANY || all[i - 1] !== MANY);
    if (first === 0 && last === items.length - 1 && middle.indexOf(MANY, 1) === middle.length - 1) {
      const part = literal(middle.slice(1, -1));
      return (text) => text.includes(part);
    }
  }
  return (text) => matchItems(items, codePoints(text));
}

const CACHE_MAX = 256;
const cache = new Map<string, Match>();
let lastPattern: string | undefined;
let lastMatch: Match = () => false;

export function like(text: string, pattern: string): boolean {
  if (pattern === lastPattern) return lastMatch(text);
  let match = cache.get(pattern);
  if (match === undefined) {
    match = compile(pattern);
    if (cache.size >= CACHE_MAX) cache.clear();
    cache.set(pattern, match);
  }
  lastPattern = pattern;
  lastMatch = match;
  return match(text);
}
const likeIgnoringCase = (text: string, pattern: string): boolean => like(toLower(text), toLower(pattern));
const notLike = (text: string, pattern: string): boolean => !like(text, pattern);
const notLikeIgnoringCase = (text: string, pattern: string): boolean => !likeIgnoringCase(text, pattern);

/** Bytes are matched as characters of one byte. */
function likeBytes(value: Uint8Array, pattern: Uint8Array): boolean {
  const items: number[] = [];
  for (let i = 0; i < pattern.length; i++) {
    const byte = pattern[i]!;
    if (byte === 0x25) items.push(MANY);
    else if (byte === 0x5f) items.push(ANY);
    else if (byte !== 0x5c) items.push(byte);
    else items.push(i + 1 < pattern.length ? pattern[++i]! : DANGLING);
  }
  return matchItems(items, value);
}

function badEscape(): never {
  report('ERROR', {
    code: SQLSTATE.invalidEscapeSequence,
    message: 'invalid escape string',
    hint: 'Escape string must be empty or one character.',
  });
}
/** The pattern rewritten for the escape character backslash: LIKE … ESCAPE. */
function likeEscape(pattern: string, escapeCharacter: string): string {
  const characters = [...escapeCharacter];
  if (characters.length > 1) badEscape();
  if (escapeCharacter === '\\') return pattern;
  if (escapeCharacter === '') return pattern.replaceAll('\\', '\\\\');
  let result = '';
  let afterEscape = false;
  for (const character of pattern) {
    if (character === escapeCharacter && !afterEscape) {
      result += '\\';
      afterEscape = true;
    } else {
      result += character === '\\' && !afterEscape ? '\\\\' : character;
      afterEscape = false;
    }
  }
  return result;
}
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

registerBuiltins({
  textlike: like,
  textnlike: notLike,
  texticlike: likeIgnoringCase,
  texticnlike: notLikeIgnoringCase,
  namelike: like,
  namenlike: notLike,
  nameiclike: likeIgnoringCase,
  nameicnlike: notLikeIgnoringCase,
  bytealike: likeBytes,
  byteanlike: (value: Uint8Array, pattern: Uint8Array) => !likeBytes(value, pattern),
  like_escape: likeEscape,
  like_escape_bytea: (pattern: Uint8Array, escapeBytes: Uint8Array) =>
    Uint8Array.from(Buffer.from(likeEscape(latin1(pattern), latin1(escapeBytes)), 'latin1')),
});
