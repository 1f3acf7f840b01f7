/** config-lexer.ts — the words of postgresql.conf: one line `name [=] value`, blanks, comments.
 *
 *  The longest word wins, as in a flex scanner; where two kinds are equally long the earlier rule does.
 *  Counterpart: src/backend/utils/misc/guc-file.l */

export type TokenKind =
  | 'id'
  | 'qualifiedId'
  | 'string'
  | 'unquotedString'
  | 'integer'
  | 'real'
  | 'equals'
  | 'other'
  | 'eol'
  | 'end';
export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly line: number;
}

const LETTER = 'A-Za-z_\\u0080-\\uffff';
const ID = `[${LETTER}][${LETTER}0-9]*`;
const RULES: readonly (readonly [TokenKind, RegExp])[] = [
  ['id', new RegExp(ID, 'y')],
  ['qualifiedId', new RegExp(`${ID}\\.${ID}`, 'y')],
  ['string', /'(?:[^'\\\n]|\\[^\n]|'')*'/y],
  ['unquotedString', new RegExp(`[${LETTER}](?:[${LETTER}0-9]|[-._:/])*`, 'y')],
  ['integer', /[-+]?(?:0x[0-9a-fA-F]+|[0-9]+)[a-zA-Z]*/y],
  ['real', /[-+]?[0-9]*\.[0-9]*(?:[Ee][-+]?[0-9]+)?/y],
  ['equals', /=/y],
];

export class ConfigLexer {
  #at = 0;
  #line = 1;
  constructor(private readonly text: string) {}

  next(): Token {
    this.#skipBlanks();
    const line = this.#line;
    if (this.#at >= this.text.length) return { kind: 'end', text: '', line };
    if (this.text[this.#at] === '\n') {
      this.#at++;
      this.#line++;
      return { kind: 'eol', text: '\n', line };
    }
    let best: Token = { kind: 'other', text: this.text[this.#at]!, line };
    let longest = 0;
    for (const [kind, rule] of RULES) {
      rule.lastIndex = this.#at;
      const matched = rule.exec(this.text)?.[0];
      if (matched === undefined || matched.length <= longest) continue;
      longest = matched.length;
      best = { kind, text: matched, line };
    }
    this.#at += best.text.length;
    return best;
  }

  /** After an error: the rest of the line means nothing. */
  skipLine(): void {
    const end = this.text.indexOf('\n', this.#at);
    this.#at = end < 0 ? this.text.length : end + 1;
    this.#line++;
  }

  #skipBlanks(): void {
    for (; this.#at < this.text.length; this.#at++) {
      const character = this.text[this.#at];
      if (character === '#') {
        const end = this.text.indexOf('\n', this.#at);
        this.#at = end < 0 ? this.text.length : end;
        return;
      }
      if (character !== ' ' && character !== '\t' && character !== '\r') return;
    }
  }
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

/** A quoted value without its quotes and escapes. */
export function unquote(quoted: string): string {
  return quoted.slice(1, -1).replace(/\\([0-7]{1,3}|[\s\S])|''/g, (whole: string, escaped: string | undefined) => {
    if (escaped === undefined) return "'";
    if (/^[0-7]/.test(escaped)) return String.fromCharCode(Number.parseInt(escaped, 8) & 0xff);
    return ESCAPES[escaped] ?? (whole === "''" ? "'" : escaped);
  });
}

/** The inverse, for files that we write: quotes and backslashes doubled. */
export const quoteValue = (value: string): string => `'${value.replace(/['\\]/g, '$&$&')}'`;
