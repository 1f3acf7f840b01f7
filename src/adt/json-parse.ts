/** json-parse.ts — JSON text: validation with PostgreSQL's complaints, and a tree of positions.
 *
 *  The type json keeps its text, so the tree only points into it; strings are decoded when asked. Escapes that cannot
 *  become text (a zero, half a surrogate pair) are complained about only where text is wanted.
 *  Counterpart: src/common/jsonapi.c */
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export interface JsonNode {
  readonly type: 'object' | 'array' | 'string' | 'number' | 'boolean' | 'null';
  readonly start: number;
  readonly end: number;
  /** Decoded names of an object's fields, in the order of the text, repeated ones too. */
  readonly keys: readonly string[];
  /** Values of an object's fields, elements of an array. */
  readonly items: readonly JsonNode[];
}

type Token = '{' | '}' | '[' | ']' | ',' | ':' | 'string' | 'number' | 'true' | 'false' | 'null' | 'end';
const NONE: readonly never[] = [];
const isSpace = (c: number): boolean => c === 32 || c === 9 || c === 10 || c === 13;
const isDigit = (c: number): boolean => c >= 48 && c <= 57;
const isWord = (c: number): boolean =>
  isDigit(c) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122) || c === 95 || c >= 128;
const EXPECTED = {
  end: 'Expected end of input, but found',
  value: 'Expected JSON value, but found',
  string: 'Expected string, but found',
  arrayNext: 'Expected "," or "]", but found',
  objectStart: 'Expected string or "}", but found',
  label: 'Expected ":", but found',
  objectNext: 'Expected "," or "}", but found',
} as const satisfies Record<string, string>;

const ESCAPES = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\', '/': '/' } as const;

class JsonParser {
  private token: Token = 'end';
  private start = 0;
  private end = 0;
  private at = 0;
  private line = 1;
  private lineStart = 0;
  constructor(
    private readonly text: string,
    private readonly decodeKeys: boolean,
    private readonly decodeAll: boolean,
  ) {}

  run(): JsonNode {
    this.next();
    const node = this.value();
    if (this.token !== 'end') this.unexpected('end');
    return node;
  }

  /** CONTEXT: the line up to the offending token, at most about fifty characters of it. */
  private context(): string {
    let from = this.lineStart;
    if (this.end - from >= 50) from = this.end - 49;
    if (from - this.lineStart <= 3) from = this.lineStart;
    const prefix = from > this.lineStart ? '...' : '';
    const after = this.text[this.end];
    const suffix = this.token !== 'end' && after !== undefined && after !== '\n' && after !== '\r' ? '...' : '';
    return `JSON data, line ${this.line}: ${prefix}${this.text.slice(from, this.end)}${suffix}`;
  }
  private fail(detail: string): never {
    report('ERROR', {
      code: SQLSTATE.invalidTextRepresentation,
      message: 'invalid input syntax for type json',
      detail,
      context: this.context(),
    });
  }
  private unexpected(what: keyof typeof EXPECTED): never {
    if (this.token === 'end') this.fail('The input string ended unexpectedly.');
    this.fail(`${EXPECTED[what]} "${this.text.slice(this.start, this.end)}".`);
  }
  private invalidToken(end: number): never {
    this.end = end;
    this.token = 'string';
    this.fail(`Token "${this.text.slice(this.start, end)}" is invalid.`);
  }

  private next(): void {
    const { text } = this;
    let at = this.at;
    for (; at < text.length && isSpace(text.charCodeAt(at)); at++) {
      if (text.charCodeAt(at) === 10) {
        this.line++;
        this.lineStart = at + 1;
      }
    }
    this.start = at;
    const char = text[at];
    if (char === undefined) {
      this.token = 'end';
      this.end = at;
    } else if ('{}[],:'.includes(char)) {
      this.token = char as Token;
      this.end = at + 1;
    } else if (char === '"') {
      this.token = 'string';
      this.end = this.skipString(at + 1, this.decodeAll);
    } else if (char === '-' || isDigit(text.charCodeAt(at))) this.number(at);
    else this.word(at);
    this.at = this.end;
  }
  private number(from: number): void {
    const { text } = this;
    NUMBER.lastIndex = from;
    const match = NUMBER.exec(text);
    let end = match === null ? from + 1 : from + match[0].length;
    let bad = match === null || match[1] === undefined || match[2] === '' || match[3] === '';
    while (end < text.length && isWord(text.charCodeAt(end))) {
      end++;
      bad = true;
    }
    if (bad) this.invalidToken(end);
    this.token = 'number';
    this.end = end;
  }
  private word(from: number): void {
    const { text } = this;
    let end = from;
    while (end < text.length && isWord(text.charCodeAt(end))) end++;
    if (end === from) this.invalidToken(from + String.fromCodePoint(text.codePointAt(from)!).length);
    const word = text.slice(from, end);
    if (word !== 'true' && word !== 'false' && word !== 'null') this.invalidToken(end);
    this.token = word;
    this.end = end;
  }
  /** Position behind the closing quote. Surrogates and zeros are checked when `strict`. */
  private skipString(from: number, strict: boolean): number {
    const { text } = this;
    let at = from;
    let high = false;
    const loneHigh = (end: number): never => this.badEscape(end, 'Unicode low surrogate must follow a high surrogate.');
    for (;;) {
      const c = text.charCodeAt(at);
      if (at >= text.length) this.invalidToken(at);
      if (c === 34) {
        if (strict && high) loneHigh(at + 1);
        return at + 1;
      }
      if (c < 32) {
        this.end = at;
        this.fail(`Character with value 0x${c.toString(16).padStart(2, '0')} must be escaped.`);
      }
      if (c !== 92) {
        if (strict && high) loneHigh(at + 1);
        at++;
        continue;
      }
      at++;
      const letter = text[at];
      if (letter === undefined) this.invalidToken(at);
      if (letter !== 'u') {
        if (strict && high) loneHigh(at + 1);
        if (!(letter in ESCAPES)) {
          const end = at + String.fromCodePoint(text.codePointAt(at)!).length;
          this.end = end;
          this.fail(`Escape sequence "\\${text.slice(at, end)}" is invalid.`);
        }
        at++;
        continue;
      }
      const unit = this.hexUnit(at + 1);
      at += 5;
      if (!strict) continue;
      if (unit >= 0xd800 && unit <= 0xdbff) {
        if (high) this.badEscape(at, 'Unicode high surrogate must not follow a high surrogate.');
        high = true;
        continue;
      }
      if (unit >= 0xdc00 && unit <= 0xdfff) {
        if (!high) loneHigh(at);
        high = false;
        continue;
      }
      if (high) loneHigh(at);
      if (unit === 0) this.zeroEscape(at);
    }
  }
  private hexUnit(from: number): number {
    for (let i = from; i < from + 4; i++) {
      const char = this.text[i];
      if (char === undefined) this.invalidToken(i);
      if (!/[0-9a-fA-F]/.test(char)) {
        this.end = i + 1;
        this.fail('"\\u" must be followed by four hexadecimal digits.');
      }
    }
    return Number.parseInt(this.text.slice(from, from + 4), 16);
  }
  private badEscape(end: number, detail: string): never {
    this.end = end;
    this.fail(detail);
  }
  private zeroEscape(end: number): never {
    this.end = end;
    report('ERROR', {
      code: SQLSTATE.untranslatableCharacter,
      message: 'unsupported Unicode escape sequence',
      detail: '\\u0000 cannot be converted to text.',
      context: this.context(),
    });
  }

  private value(): JsonNode {
    if (this.token === '{') return this.object();
    if (this.token === '[') return this.array();
    const { start, end } = this;
    let type: JsonNode['type'];
    switch (this.token) {
      case 'string':
      case 'number':
      case 'null':
        type = this.token;
        break;
      case 'true':
      case 'false':
        type = 'boolean';
        break;
      default:
        this.unexpected('value');
    }
    this.next();
    return { type, start, end, keys: NONE, items: NONE };
  }
  private object(): JsonNode {
    const { start } = this;
    const keys: string[] = [];
    const items: JsonNode[] = [];
    this.next();
    if (this.token !== '}') {
      if ((this.token as Token) !== 'string') this.unexpected('objectStart');
      for (;;) {
        if ((this.token as Token) !== 'string') this.unexpected('string');
        if (this.decodeKeys && !this.decodeAll) this.skipString(this.start + 1, true);
        keys.push(this.decodeKeys ? decodeString(this.text, this.start, this.end) : '');
        this.next();
        if ((this.token as Token) !== ':') this.unexpected('label');
        this.next();
        items.push(this.value());
        if ((this.token as Token) !== ',') break;
        this.next();
      }
      if ((this.token as Token) !== '}') this.unexpected('objectNext');
    }
    const { end } = this;
    this.next();
    return { type: 'object', start, end, keys, items };
  }
  private array(): JsonNode {
    const { start } = this;
    const items: JsonNode[] = [];
    this.next();
    if (this.token !== ']') {
      for (;;) {
        items.push(this.value());
        if ((this.token as Token) !== ',') break;
        this.next();
      }
      if ((this.token as Token) !== ']') this.unexpected('arrayNext');
    }
    const { end } = this;
    this.next();
    return { type: 'array', start, end, keys: NONE, items };
  }
}
/** Groups: integer part, fraction digits, exponent digits; an empty group is an error. */
const NUMBER = /-?(0|[1-9][0-9]*)?(?:\.([0-9]*))?(?:[eE][+-]?([0-9]*))?/y;

/** Text of a string token between its quotes. */
export function decodeString(text: string, start: number, end: number): string {
  const raw = text.slice(start + 1, end - 1);
  if (!raw.includes('\\')) return raw;
  return raw.replace(/\\(u[0-9a-fA-F]{4}|.)/gs, (_all, letter: string) =>
    letter.length === 5
      ? String.fromCharCode(Number.parseInt(letter.slice(1), 16))
      : ESCAPES[letter as keyof typeof ESCAPES],
  );
}

/** Complains unless the text is JSON. */
export function validateJson(text: string): void {
  new JsonParser(text, false, false).run();
}
/** The tree of JSON text. With `wantsText` every string must be convertible to text. */
export const parseJson = (text: string, wantsText = false): JsonNode => new JsonParser(text, true, wantsText).run();

const CONTROL = /["\\\u0000-\u001f]/;
const escapeOne = (char: string): string => {
  switch (char) {
    case '"':
      return '\\"';
    case '\\':
      return '\\\\';
    case '\b':
      return '\\b';
    case '\f':
      return '\\f';
    case '\n':
      return '\\n';
    case '\r':
      return '\\r';
    case '\t':
      return '\\t';
    default:
      return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  }
};
/** A string as JSON. */
export const quoteJson = (text: string): string =>
  CONTROL.test(text) ? `"${text.replace(/["\\\u0000-\u001f]/g, escapeOne)}"` : `"${text}"`;
