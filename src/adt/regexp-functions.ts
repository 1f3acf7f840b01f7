/** regexp-functions.ts — the operators ~ ~* !~ !~*, SIMILAR TO, and the regexp_… functions.
 *  Counterpart: src/backend/utils/adt/regexp.c, replace_text_regexp() of varlena.c */
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import type { CallInfo, SetIterator } from '#adt/fmgr.ts';
import { registerBuiltins, registerSetBuiltins } from '#adt/fmgr.ts';
import type { CompiledRegexp, RegexpMatch } from '#adt/regexp.ts';
import { compileRegexp } from '#adt/regexp.ts';
import type { RegexpFlags } from '#adt/regexp-parse.ts';
import { applyOption, DEFAULT_FLAGS } from '#adt/regexp-parse.ts';
import { characterLength, characterOffset, hasSurrogates } from '#adt/text.ts';
import { invalidParameter } from '#adt/value-errors.ts';
import type { Oid } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';

const TEXT_TYPE = 25 as Oid;
const IGNORING_CASE: RegexpFlags = { ...DEFAULT_FLAGS, ignoreCase: true };

const matches = (text: string, pattern: string): boolean => compileRegexp(pattern, DEFAULT_FLAGS).test(text);
const matchesIgnoringCase = (text: string, pattern: string): boolean =>
  compileRegexp(pattern, IGNORING_CASE).test(text);
const differs = (text: string, pattern: string): boolean => !matches(text, pattern);
const differsIgnoringCase = (text: string, pattern: string): boolean => !matchesIgnoringCase(text, pattern);

interface Options {
  readonly flags: RegexpFlags;
  readonly global: boolean;
}
const flagsCache = new Map<string, Options>();
/** Option letters; the last one of a kind wins. */
function parseOptions(text: string): Options {
  const known = flagsCache.get(text);
  if (known !== undefined) return known;
  let flags = DEFAULT_FLAGS;
  let global = false;
  for (const option of text) {
    if (option === 'g') {
      global = true;
      continue;
    }
    // PostgreSQL's letter e takes away the advanced syntax and the extended one with it.
    flags =
      applyOption(flags, option === 'e' ? 'b' : option) ??
      invalidParameter(`invalid regular expression option: "${option}"`);
  }
  const result = { flags, global };
  flagsCache.set(text, result);
  return result;
}
function refuseGlobal(options: Options, functionName: string, hint?: string): void {
  if (options.global) invalidParameter(`${functionName}() does not support the "global" option`, hint);
}

const textArray = (elements: readonly (string | null)[]): ArrayDatum => ({
  kind: 'array',
  elementType: TEXT_TYPE,
  dims: elements.length === 0 ? [] : [elements.length],
  lowerBounds: elements.length === 0 ? [] : [1],
  elements,
});
const piece = (text: string, match: RegexpMatch, index: number): string | null => {
  const start = match[2 * index] ?? -1;
  return start < 0 ? null : text.slice(start, match[2 * index + 1]);
};
/** Captures if the pattern has any, else the whole match. */
function pieces(text: string, match: RegexpMatch): (string | null)[] {
  if (match.length === 2) return [piece(text, match, 0)];
  const result: (string | null)[] = [];
  for (let i = 1; 2 * i < match.length; i++) result.push(piece(text, match, i));
  return result;
}
const stepAfter = (text: string, at: number): number => at + ((text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1);

/** All matches from `from` on, or the first one. Splitting ignores empty matches at the ends and behind a match. */
function* matchesOf(
  regexp: CompiledRegexp,
  text: string,
  from: number,
  global: boolean,
  ignoreDegenerate = false,
): Generator<RegexpMatch> {
  let start = from;
  let previousEnd = 0;
  while (start <= text.length) {
    checkForInterrupts();
    const match = regexp.exec(text, start);
    if (match === null) return;
    const [matchStart, matchEnd] = match as readonly [number, number];
    if (!ignoreDegenerate || (matchStart < text.length && matchEnd > previousEnd)) yield match;
    previousEnd = matchEnd;
    if (!global) return;
    start = matchStart === matchEnd ? stepAfter(text, matchEnd) : matchEnd;
  }
}

function substring(text: string, pattern: string): string | null {
  const match = compileRegexp(pattern, DEFAULT_FLAGS).exec(text, 0);
  if (match === null) return null;
  return piece(text, match, match.length > 2 ? 1 : 0);
}

// ---- regexp_replace

function expand(replacement: string, text: string, match: RegexpMatch): string {
  let result = '';
  for (let at = 0; at < replacement.length; at++) {
    const backslash = replacement.indexOf('\\', at);
    if (backslash < 0) return result + replacement.slice(at);
    result += replacement.slice(at, backslash);
    const next = replacement[backslash + 1];
    if (next !== undefined && next >= '1' && next <= '9') result += piece(text, match, Number(next)) ?? '';
    else if (next === '&') result += piece(text, match, 0) ?? '';
    else if (next === '\\') result += '\\';
    else {
      result += '\\';
      at = backslash;
      continue;
    }
    at = backslash + 1;
  }
  return result;
}
/** Replaces the n-th match, or all for n = 0. */
function replace(text: string, regexp: CompiledRegexp, replacement: string, from: number, n: number): string {
  const hasEscape = replacement.includes('\\');
  let result = '';
  let copied = 0;
  let seen = 0;
  for (const match of matchesOf(regexp, text, from, true)) {
    seen++;
    if (n > 0 && seen !== n) continue;
    result += text.slice(copied, match[0]) + (hasEscape ? expand(replacement, text, match) : replacement);
    copied = match[1]!;
    if (n > 0) break;
  }
  return copied === 0 && result === '' ? text : result + text.slice(copied);
}
function replaceWithFlags(text: string, pattern: string, replacement: string, flags: string): string {
  if (flags !== '' && flags[0]! >= '0' && flags[0]! <= '9') {
    invalidParameter(
      `invalid regular expression option: "${String.fromCodePoint(flags.codePointAt(0)!)}"`,
      'If you meant to use regexp_replace() with a start parameter, cast the fourth argument to integer explicitly.',
    );
  }
  const options = parseOptions(flags);
  return replace(text, compileRegexp(pattern, options.flags), replacement, 0, options.global ? 0 : 1);
}

function badValue(name: string, value: number): never {
  invalidParameter(`invalid value for parameter "${name}": ${value}`);
}
/** The unit offset of the 1-based character `start`, which may lie behind the end. */
function startOffset(text: string, start: number): number {
  if (start <= 0) badValue('start', start);
  if (!hasSurrogates(text)) return start - 1;
  return start - 1 > characterLength(text) ? text.length + 1 : characterOffset(text, start - 1);
}
function replaceExtended(
  text: string,
  pattern: string,
  replacement: string,
  start: number,
  n?: number,
  flags = '',
): string {
  const from = startOffset(text, start);
  if (n !== undefined && n < 0) badValue('n', n);
  const options = parseOptions(flags);
  const which = n ?? (options.global ? 0 : 1);
  return replace(text, compileRegexp(pattern, options.flags), replacement, from, which);
}

// ---- regexp_count, regexp_instr, regexp_like, regexp_substr

function count(text: string, pattern: string, start = 1, flags = ''): number {
  const from = startOffset(text, start);
  const options = parseOptions(flags);
  refuseGlobal(options, 'regexp_count');
  let total = 0;
  for (const _match of matchesOf(compileRegexp(pattern, options.flags), text, from, true)) total++;
  return total;
}
function nthMatch(text: string, pattern: string, flags: RegexpFlags, from: number, n: number): RegexpMatch | undefined {
  let seen = 0;
  for (const match of matchesOf(compileRegexp(pattern, flags), text, from, n > 1)) {
    if (++seen === n) return match;
  }
  return undefined;
}
/** In a pattern without parentheses the whole counts as its first subexpression. */
const groupIndex = (match: RegexpMatch, subexpression: number): number =>
  subexpression === 1 && match.length === 2 ? 0 : subexpression;

function position(
  text: string,
  pattern: string,
  start = 1,
  n = 1,
  endOption = 0,
  flags = '',
  subexpression = 0,
): number {
  const from = startOffset(text, start);
  if (n <= 0) badValue('n', n);
  if (endOption !== 0 && endOption !== 1) badValue('endoption', endOption);
  if (subexpression < 0) badValue('subexpr', subexpression);
  const options = parseOptions(flags);
  refuseGlobal(options, 'regexp_instr');
  const match = nthMatch(text, pattern, options.flags, from, n);
  const at = match?.[2 * groupIndex(match, subexpression) + (endOption === 1 ? 1 : 0)] ?? -1;
  if (at < 0) return 0;
  return (hasSurrogates(text) ? characterLength(text.slice(0, at)) : at) + 1;
}
function nthSubstring(text: string, pattern: string, start = 1, n = 1, flags = '', subexpression = 0): string | null {
  const from = startOffset(text, start);
  if (n <= 0) badValue('n', n);
  if (subexpression < 0) badValue('subexpr', subexpression);
  const options = parseOptions(flags);
  refuseGlobal(options, 'regexp_substr');
  const match = nthMatch(text, pattern, options.flags, from, n);
  return match === undefined ? null : piece(text, match, groupIndex(match, subexpression));
}

// ---- regexp_match, regexp_matches, regexp_split

function firstPieces(text: string, pattern: string, flags = ''): Datum {
  const options = parseOptions(flags);
  refuseGlobal(options, 'regexp_match', 'Use the regexp_matches function instead.');
  const match = compileRegexp(pattern, options.flags).exec(text, 0);
  return match === null ? null : textArray(pieces(text, match));
}
function* allPieces(text: string, pattern: string, flags: string): Generator<Datum> {
  const options = parseOptions(flags);
  for (const match of matchesOf(compileRegexp(pattern, options.flags), text, 0, options.global))
    yield textArray(pieces(text, match));
}
function* splitPieces(text: string, pattern: string, flags: string, functionName: string): Generator<string> {
  const options = parseOptions(flags);
  refuseGlobal(options, functionName);
  let from = 0;
  for (const match of matchesOf(compileRegexp(pattern, options.flags), text, 0, true, true)) {
    yield text.slice(from, match[0]);
    from = match[1]!;
  }
  yield text.slice(from);
}
/** A generator as a set-returning function's result. */
function setOf(generator: Generator<Datum>): SetIterator {
  return {
    value: null,
    next(): boolean {
      const { done, value } = generator.next();
      if (done === true) return false;
      this.value = value;
      return true;
    },
  };
}

// ---- SIMILAR TO

function badEscape(message: string, hint?: string): never {
  report('ERROR', {
    code: message.startsWith('SQL') ? SQLSTATE.invalidUseOfEscapeCharacter : SQLSTATE.invalidEscapeSequence,
    message,
    hint,
  });
}
/** An SQL regular expression as an advanced one. The separators escape-" … escape-" make the middle the one capture. */
function similarEscape(pattern: string, escapeText: string | null): string {
  const given = escapeText ?? '\\';
  const escapes = [...given];
  if (escapes.length > 1) badEscape('invalid escape string', 'Escape string must be empty or one character.');
  const escapeCharacter = escapes[0];
  const characters = [...pattern];
  let result = '^(?:';
  let afterEscape = false;
  let bracketDepth = 0;
  let bracketStart = 0; // how many characters of a bracket expression may still be a literal "]"
  let separators = 0;
  for (const character of characters) {
    if (afterEscape) {
      if (character === '"' && bracketDepth === 0) {
        if (separators === 0) result += '){1,1}?(';
        else if (separators === 1) result += '){1,1}(?:';
        else badEscape('SQL regular expression may not contain more than two escape-double-quote separators');
        separators++;
      } else {
        result += `\\${character}`;
      }
      afterEscape = false;
    } else if (character === escapeCharacter) {
      afterEscape = true;
    } else if (bracketDepth > 0) {
      if (character === '\\') result += '\\';
      result += character;
      if (character === ']' && bracketStart === 0) bracketDepth--;
      if (!(character === '^' && bracketStart === 2)) bracketStart = 0;
      else bracketStart = 1;
    } else if (character === '[') {
      result += character;
      bracketDepth = 1;
      bracketStart = 2;
    } else if (character === '%') result += '.*';
    else if (character === '_') result += '.';
    else if (character === '(') result += '(?:';
    else if (character === '\\' || character === '.' || character === '^' || character === '$')
      result += `\\${character}`;
    else result += character;
  }
  return `${result})$`;
}

/** Does `text` match `pattern` as the ~ operator says? */
export const regexpMatches = matches;

registerBuiltins({
  textregexeq: matches,
  textregexne: differs,
  texticregexeq: matchesIgnoringCase,
  texticregexne: differsIgnoringCase,
  nameregexeq: matches,
  nameregexne: differs,
  nameicregexeq: matchesIgnoringCase,
  nameicregexne: differsIgnoringCase,
  textregexsubstr: substring,
  textregexreplace_noopt: (text: string, pattern: string, replacement: string) =>
    replace(text, compileRegexp(pattern, DEFAULT_FLAGS), replacement, 0, 1),
  textregexreplace: replaceWithFlags,
  textregexreplace_extended: replaceExtended,
  textregexreplace_extended_no_flags: replaceExtended,
  textregexreplace_extended_no_n: (text: string, pattern: string, replacement: string, start: number) =>
    replaceExtended(text, pattern, replacement, start),
  regexp_count: count,
  regexp_count_no_start: count,
  regexp_count_no_flags: count,
  regexp_instr: position,
  regexp_instr_no_start: position,
  regexp_instr_no_n: position,
  regexp_instr_no_endoption: position,
  regexp_instr_no_flags: position,
  regexp_instr_no_subexpr: position,
  regexp_like: (text: string, pattern: string, flags: string) => {
    const options = parseOptions(flags);
    refuseGlobal(options, 'regexp_like');
    return compileRegexp(pattern, options.flags).test(text);
  },
  regexp_like_no_flags: matches,
  regexp_match: firstPieces,
  regexp_match_no_flags: firstPieces,
  regexp_substr: nthSubstring,
  regexp_substr_no_start: nthSubstring,
  regexp_substr_no_n: nthSubstring,
  regexp_substr_no_flags: nthSubstring,
  regexp_substr_no_subexpr: nthSubstring,
  regexp_split_to_array: (text: string, pattern: string, flags: string) =>
    textArray([...splitPieces(text, pattern, flags, 'regexp_split_to_array')]),
  regexp_split_to_array_no_flags: (text: string, pattern: string) =>
    textArray([...splitPieces(text, pattern, '', 'regexp_split_to_array')]),
  similar_escape: (pattern: string | null, escapeText: string | null) =>
    pattern === null ? null : similarEscape(pattern, escapeText),
  similar_to_escape_1: (pattern: string) => similarEscape(pattern, '\\'),
  similar_to_escape_2: similarEscape,
});
registerSetBuiltins({
  regexp_matches: (_info: CallInfo, text: string, pattern: string, flags: string) =>
    setOf(allPieces(text, pattern, flags)),
  regexp_matches_no_flags: (_info: CallInfo, text: string, pattern: string) => setOf(allPieces(text, pattern, '')),
  regexp_split_to_table: (_info: CallInfo, text: string, pattern: string, flags: string) =>
    setOf(splitPieces(text, pattern, flags, 'regexp_split_to_table')),
  regexp_split_to_table_no_flags: (_info: CallInfo, text: string, pattern: string) =>
    setOf(splitPieces(text, pattern, '', 'regexp_split_to_table')),
});
