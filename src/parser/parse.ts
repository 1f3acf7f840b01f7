/** parse.ts — text to raw statements: the grammar, its errors as PostgreSQL reports them, and a cache by text.
 *
 *  Locations in the trees are the grammar's: byte offsets in UTF-8 of the whole text. `characterPosition` turns one
 *  into what the protocol calls a position. Repeated texts (drivers, pgbench) are answered from a small LRU: a hit costs a map look-up
 *  instead of some 10 µs. Trees are never changed after this, so sharing them is safe.
 *  Counterpart: src/backend/parser/parser.c */
import type { Node } from '@pgsql/types';
import { type GrammarError, parseToJson } from '#parser/libpg-query.ts';
import { rejectLaterGrammar } from '#parser/later-grammar.ts';
import { report, toPgError } from '#runtime/error/report.ts';
import { SQLSTATE, type SqlState } from '#runtime/error/sqlstate.ts';

export interface RawStatement {
  readonly node: Node;
  /** Character offsets of the statement in the text, without the semicolon. */
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

const CACHED_TEXTS = 256;
const CACHED_TEXT_LENGTH = 16_384;
const cache = new Map<string, readonly RawStatement[]>();

export function parseText(text: string): readonly RawStatement[] {
  const hit = cache.get(text);
  if (hit !== undefined) {
    cache.delete(text);
    cache.set(text, hit);
    return hit;
  }
  const statements = parseUncached(text);
  if (text.length <= CACHED_TEXT_LENGTH) {
    if (cache.size >= CACHED_TEXTS) cache.delete(cache.keys().next().value as string);
    cache.set(text, statements);
  }
  return statements;
}

function parseUncached(text: string): RawStatement[] {
  const nul = text.indexOf('\0');
  if (nul >= 0) {
    report('ERROR', {
      code: SQLSTATE.characterNotInRepertoire,
      message: 'invalid byte sequence for encoding "UTF8": 0x00',
    });
  }
  let result: ReturnType<typeof parseToJson>;
  try {
    result = parseToJson(text);
  } catch (caught) {
    throw toPgError(caught);
  }
  if ('message' in result) reportGrammarError(result, text);
  const ascii = isAscii(text);
  return (result.stmts ?? []).map((raw) => {
    const from = raw.stmt_location ?? 0;
    const start = ascii ? from : byteToIndex(text, from);
    const end = !raw.stmt_len ? text.length : ascii ? from + raw.stmt_len : byteToIndex(text, from + raw.stmt_len);
    const node = raw.stmt!;
    rejectLaterGrammar(node, text);
    return { node, start, end, text: text.slice(start, end).trim() };
  });
}

/** Codes of the grammar's complaints that are not syntax errors. */
const CODES: readonly (readonly [RegExp, SqlState])[] = [
  [
    /not (yet )?(implemented|supported)|may not be used in|is obsolete|^unsafe use of|unrecognized .* option/,
    '0A000' as SqlState,
  ],
  [/^frame (start|end)/, SQLSTATE.windowingError],
  [/^unsafe use of/, SQLSTATE.nonstandardUseOfEscapeCharacter],
  [/^invalid Unicode (escape|surrogate)/, SQLSTATE.syntaxError],
  [/^memory exhausted|^stack depth/, SQLSTATE.statementTooComplex],
];

/** Hints that the wasm parser does not hand out. */
function hintOf(message: string, text: string, cursor: number): string | undefined {
  if (message.startsWith('LIMIT #,#')) return 'Use separate LIMIT and OFFSET clauses.';
  if (message === 'invalid Unicode escape') {
    return /^\\[uU]/.test([...text].slice(cursor - 1).join(''))
      ? 'Unicode escapes must be \\uXXXX or \\UXXXXXXXX.'
      : 'Unicode escapes must be \\XXXX or \\+XXXXXX.';
  }
  return undefined;
}

function reportGrammarError(error: GrammarError, text: string): never {
  const code = CODES.find(([pattern]) => pattern.test(error.message))?.[1] ?? SQLSTATE.syntaxError;
  report('ERROR', {
    code: /at or near|at end of input|^LIMIT #,#/.test(error.message) ? SQLSTATE.syntaxError : code,
    message: error.message,
    position: error.cursor > 0 ? error.cursor : undefined,
    hint: hintOf(error.message, text, error.cursor),
    routine: error.routine,
  });
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}

const utf8Length = (code: number): number => (code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4);

/** Index in the JavaScript string of a byte offset of its UTF-8 form. */
export function byteToIndex(text: string, byte: number): number {
  let at = 0;
  let index = 0;
  while (at < byte && index < text.length) {
    const code = text.codePointAt(index)!;
    at += utf8Length(code);
    index += code > 0xffff ? 2 : 1;
  }
  return index;
}

/** 1-based character (code point) position of a byte offset. */
export function characterPosition(text: string, byte: number): number {
  let at = 0;
  let index = 0;
  let characters = 0;
  while (at < byte && index < text.length) {
    const code = text.codePointAt(index)!;
    at += utf8Length(code);
    index += code > 0xffff ? 2 : 1;
    characters++;
  }
  return characters + 1;
}
