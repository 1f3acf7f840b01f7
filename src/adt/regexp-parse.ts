/** regexp-parse.ts — PostgreSQL's regular expression syntaxes (advanced, extended, basic, literal) to a tree.
 *  Counterpart: src/backend/regex/regcomp.c, regc_lex.c */
import type { Range } from '#adt/regexp-charset.ts';
import { CharSet, CLASSES, CODE_POINT_MAX, COLLATING_NAMES } from '#adt/regexp-charset.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export type RegexpNode =
  | { readonly kind: 'empty' }
  | { readonly kind: 'set'; readonly set: CharSet }
  | { readonly kind: 'concat'; readonly parts: readonly RegexpNode[] }
  | { readonly kind: 'either'; readonly parts: readonly RegexpNode[] }
  | {
      readonly kind: 'repeat';
      readonly body: RegexpNode;
      readonly min: number;
      readonly max: number;
      readonly greedy: boolean;
    }
  | { readonly kind: 'capture'; readonly index: number; readonly body: RegexpNode }
  /** Zero-width; `source` is JavaScript's spelling. */
  | { readonly kind: 'assert'; readonly source: string }
  | { readonly kind: 'look'; readonly open: '(?=' | '(?!' | '(?<=' | '(?<!'; readonly body: RegexpNode }
  | { readonly kind: 'backref'; readonly index: number };

export interface RegexpFlags {
  readonly syntax: 'advanced' | 'extended' | 'basic' | 'literal';
  readonly ignoreCase: boolean;
  readonly expanded: boolean;
  /** "." and complemented brackets do not match a newline. */
  readonly newlineStops: boolean;
  /** "^" and "$" match at lines. */
  readonly newlineAnchors: boolean;
}
export interface ParsedRegexp {
  readonly root: RegexpNode;
  readonly captureCount: number;
  readonly hasBackref: boolean;
  readonly flags: RegexpFlags;
}

export const PROBLEMS = {
  collate: 'invalid collating element',
  class: 'invalid character class',
  escape: 'invalid escape \\ sequence',
  subreg: 'invalid backreference number',
  brackets: 'brackets [] not balanced',
  parentheses: 'parentheses () not balanced',
  braces: 'braces {} not balanced',
  repetition: 'invalid repetition count(s)',
  range: 'invalid character range',
  operand: 'quantifier operand invalid',
  option: 'invalid embedded option',
  pattern: 'invalid regexp (reg version 0.8)',
  complex: 'regular expression is too complex',
} as const;

export function badRegexp(problem: keyof typeof PROBLEMS): never {
  report('ERROR', {
    code: SQLSTATE.invalidRegularExpression,
    message: `invalid regular expression: ${PROBLEMS[problem]}`,
  });
}

const REPETITION_MAX = 255;
const WORD = '[A-Za-z0-9_]';
const wordStart = `(?<!${WORD})(?=${WORD})`;
const wordEnd = `(?<=${WORD})(?!${WORD})`;
const ANY_CHARACTER = CharSet.of([[0, CODE_POINT_MAX]]);
const NEWLINE = 10;
const EMPTY: RegexpNode = { kind: 'empty' };
const isDigit = (character: string | undefined): boolean =>
  character !== undefined && character >= '0' && character <= '9';
const isAlphanumeric = (character: string): boolean => /^[A-Za-z0-9]$/.test(character);
const assertion = (source: string): RegexpNode => ({ kind: 'assert', source });

const CONSTRAINT_ESCAPES: Readonly<Record<string, string>> = {
  A: '^',
  Z: '$',
  m: wordStart,
  M: wordEnd,
  y: `(?:${wordStart}|${wordEnd})`,
  Y: `(?:(?<=${WORD})(?=${WORD})|(?<!${WORD})(?!${WORD}))`,
};
const CLASS_ESCAPES: Readonly<Record<string, readonly Range[]>> = {
  d: CLASSES.digit,
  s: CLASSES.space,
  w: CLASSES.word,
};
const CHARACTER_ESCAPES: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  B: 0x5c,
  e: 0x1b,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
};

class Parser {
  private at = 0;
  private readonly characters: readonly string[];
  private captureCount = 0;
  private closedCaptures = new Set<number>();
  private hasBackref = false;
  private lookDepth = 0;
  private flags: RegexpFlags;

  constructor(pattern: string, flags: RegexpFlags) {
    this.characters = [...pattern];
    this.flags = flags;
  }

  parse(): ParsedRegexp {
    this.readDirectors();
    let root: RegexpNode;
    if (this.flags.syntax === 'literal') {
      root = concat(this.characters.slice(this.at).map((character) => this.literal(character)));
    } else {
      root = this.flags.syntax === 'basic' ? this.basicBranch(false) : this.alternatives();
      if (this.at < this.characters.length) badRegexp('parentheses');
    }
    return { root, captureCount: this.captureCount, hasBackref: this.hasBackref, flags: this.flags };
  }

  private lookingAt(text: string): boolean {
    return this.characters.slice(this.at, this.at + text.length).join('') === text;
  }
  /** ***= and ***: in front, and embedded options (?xyz) of the advanced syntax. */
  private readDirectors(): void {
    if (this.flags.syntax === 'literal') return;
    if (this.lookingAt('***')) {
      if (this.lookingAt('***=')) {
        this.flags = { ...this.flags, syntax: 'literal' };
        this.at += 4;
        return;
      }
      if (this.lookingAt('***:')) {
        this.flags = { ...this.flags, syntax: 'advanced' };
        this.at += 4;
      } else badRegexp('operand');
    }
    if (this.flags.syntax !== 'advanced' || !this.lookingAt('(?')) return;
    const letter = this.characters[this.at + 2];
    if (letter === undefined || !/[A-Za-z]/.test(letter)) return;
    const close = this.characters.indexOf(')', this.at);
    const letters = this.characters.slice(this.at + 2, close < 0 ? undefined : close);
    for (const option of letters) {
      const next = applyOption(this.flags, option);
      if (next === undefined) badRegexp('option');
      this.flags = next;
    }
    if (close < 0) badRegexp('option');
    this.at = close + 1;
  }

  private set(set: CharSet): RegexpNode {
    return { kind: 'set', set: this.flags.ignoreCase ? set.ignoringCase() : set };
  }
  private literal(character: string): RegexpNode {
    return this.set(CharSet.single(character.codePointAt(0)!));
  }
  private capture(parseBody: () => RegexpNode): RegexpNode {
    // Inside lookaround parentheses only group.
    if (this.lookDepth > 0) return parseBody();
    const index = ++this.captureCount;
    const body = parseBody();
    this.closedCaptures.add(index);
    return { kind: 'capture', index, body };
  }
  /** In expanded syntax white space and comments do not count. */
  private skip(): void {
    for (;;) {
      if (this.flags.expanded) {
        while (this.at < this.characters.length && /^[ \t-\r]$/.test(this.characters[this.at]!)) this.at++;
        if (this.characters[this.at] === '#') {
          while (this.at < this.characters.length && this.characters[this.at] !== '\n') this.at++;
          continue;
        }
      }
      if (this.flags.syntax !== 'advanced' || !this.lookingAt('(?#')) return;
      while (this.at < this.characters.length && this.characters[this.at] !== ')') this.at++;
      this.at++;
    }
  }
  private alternatives(): RegexpNode {
    const parts = [this.branch()];
    while (this.characters[this.at] === '|') {
      this.at++;
      parts.push(this.branch());
    }
    return parts.length === 1 ? parts[0]! : { kind: 'either', parts };
  }
  private branch(): RegexpNode {
    const parts: RegexpNode[] = [];
    for (;;) {
      this.skip();
      const character = this.characters[this.at];
      if (character === undefined || character === '|' || character === ')') break;
      parts.push(this.quantified(this.atom()));
    }
    return concat(parts);
  }
  private atom(): RegexpNode {
    const character = this.characters[this.at++]!;
    switch (character) {
      case '(':
        return this.group();
      case '[':
        return this.bracket();
      case '.':
        return { kind: 'set', set: this.flags.newlineStops ? ANY_CHARACTER.without(NEWLINE) : ANY_CHARACTER };
      case '^':
        return this.lineStart();
      case '$':
        return this.lineEnd();
      case '\\':
        return this.escape();
      case '*':
      case '+':
      case '?':
        return badRegexp('operand');
      case '{':
        // A brace that no digit follows is an ordinary character.
        if (isDigit(this.characters[this.at])) badRegexp('operand');
        return this.literal(character);
      default:
        return this.literal(character);
    }
  }
  private lineStart(): RegexpNode {
    return assertion(this.flags.newlineAnchors ? '(?<=^|\\n)' : '^');
  }
  private lineEnd(): RegexpNode {
    return assertion(this.flags.newlineAnchors ? '(?=$|\\n)' : '$');
  }
  private closeParenthesis(): void {
    if (this.characters[this.at] !== ')') badRegexp('parentheses');
    this.at++;
  }
  private group(): RegexpNode {
    if (this.flags.syntax === 'advanced' && this.characters[this.at] === '?') {
      for (const open of ['(?=', '(?!', '(?<=', '(?<!'] as const) {
        if (this.characters.slice(this.at - 1, this.at - 1 + open.length).join('') !== open) continue;
        this.at += open.length - 1;
        this.lookDepth++;
        const body = this.alternatives();
        this.lookDepth--;
        this.closeParenthesis();
        return { kind: 'look', open, body };
      }
      if (this.characters[this.at + 1] !== ':') badRegexp('operand');
      this.at += 2;
      const body = this.alternatives();
      this.closeParenthesis();
      return body;
    }
    return this.capture(() => {
      const body = this.alternatives();
      this.closeParenthesis();
      return body;
    });
  }

  private quantified(atom: RegexpNode): RegexpNode {
    this.skip();
    const bounds = this.quantifier();
    if (bounds === undefined) return atom;
    if (atom.kind === 'assert' || atom.kind === 'look') badRegexp('operand');
    const [min, max] = bounds;
    let greedy = true;
    if (this.flags.syntax === 'advanced' && this.characters[this.at] === '?') {
      greedy = false;
      this.at++;
    }
    this.skip();
    // A quantifier cannot follow another one.
    if (this.quantifier() !== undefined) badRegexp('operand');
    if (max === 0) return this.nothing(atom);
    return min === 1 && max === 1 ? atom : { kind: 'repeat', body: atom, min, max, greedy };
  }
  /** x{0} matches nothing, but its captures keep their numbers. */
  private nothing(atom: RegexpNode): RegexpNode {
    return { kind: 'repeat', body: atom, min: 0, max: 0, greedy: true };
  }
  private quantifier(): readonly [number, number] | undefined {
    const character = this.characters[this.at];
    if (character === '*' || character === '+' || character === '?') {
      this.at++;
      return [character === '+' ? 1 : 0, character === '?' ? 1 : Number.POSITIVE_INFINITY];
    }
    if (character !== '{' || !isDigit(this.characters[this.at + 1])) return undefined;
    this.at++;
    return this.bounds('}');
  }
  private bounds(close: string): readonly [number, number] {
    const min = this.count();
    let max = min;
    if (this.characters[this.at] === ',') {
      this.at++;
      max = isDigit(this.characters[this.at]) ? this.count() : Number.POSITIVE_INFINITY;
    }
    if (min > max) badRegexp('repetition');
    if (!this.lookingAt(close)) badRegexp(this.at >= this.characters.length ? 'braces' : 'repetition');
    this.at += close.length;
    return [min, max];
  }
  private count(): number {
    let value = 0;
    if (!isDigit(this.characters[this.at])) badRegexp('repetition');
    while (isDigit(this.characters[this.at])) {
      value = value * 10 + Number(this.characters[this.at++]);
      if (value > REPETITION_MAX) badRegexp('repetition');
    }
    return value;
  }

  // ---- escapes

  private escape(): RegexpNode {
    const character = this.characters[this.at];
    if (character === undefined) badRegexp('escape');
    if (this.flags.syntax !== 'advanced' || !isAlphanumeric(character)) {
      this.at++;
      return this.literal(character);
    }
    const constraint = CONSTRAINT_ESCAPES[character];
    if (constraint !== undefined) {
      this.at++;
      return assertion(constraint);
    }
    const classRanges = CLASS_ESCAPES[character.toLowerCase()];
    if (classRanges !== undefined) {
      this.at++;
      const set = CharSet.of(classRanges);
      return { kind: 'set', set: character === character.toLowerCase() ? set : set.complement() };
    }
    if (character >= '1' && character <= '9') {
      const reference = this.backReference();
      if (reference !== undefined) return reference;
    }
    return this.set(CharSet.single(this.characterEscape()));
  }
  /** A single digit, or a number of several digits with so many captures before it; else it is octal. */
  private backReference(): RegexpNode | undefined {
    let end = this.at;
    while (isDigit(this.characters[end])) end++;
    const number = Number(this.characters.slice(this.at, end).join(''));
    if (end - this.at > 1 && number > this.captureCount) return undefined;
    if (this.lookDepth > 0 || !this.closedCaptures.has(number)) badRegexp('subreg');
    this.at = end;
    this.hasBackref = true;
    return { kind: 'backref', index: number };
  }
  private hexadecimal(min: number, max: number): number {
    let digits = '';
    while (digits.length < max && /^[0-9A-Fa-f]$/.test(this.characters[this.at] ?? '')) {
      digits += this.characters[this.at++];
    }
    if (digits.length < min) badRegexp('escape');
    const value = Number.parseInt(digits, 16);
    if (value > CODE_POINT_MAX) badRegexp('escape');
    return value;
  }
  private characterEscape(): number {
    const character = this.characters[this.at++]!;
    const simple = CHARACTER_ESCAPES[character];
    if (simple !== undefined) return simple;
    switch (character) {
      case 'c': {
        const control = this.characters[this.at++];
        if (control === undefined) badRegexp('escape');
        return control.codePointAt(0)! & 0x1f;
      }
      case 'u':
        return this.hexadecimal(4, 4);
      case 'U':
        return this.hexadecimal(8, 8);
      case 'x':
        return this.hexadecimal(1, 255);
    }
    if (!/[0-7]/.test(character)) badRegexp('escape');
    let value = Number(character);
    for (let i = 0; i < 2 && /^[0-7]$/.test(this.characters[this.at] ?? ''); i++) {
      const wider = value * 8 + Number(this.characters[this.at]);
      if (wider > 0xff) break;
      value = wider;
      this.at++;
    }
    return value;
  }

  // ---- bracket expressions

  private bracket(): RegexpNode {
    for (const [text, source] of [
      ['[:<:]]', wordStart],
      ['[:>:]]', wordEnd],
    ] as const) {
      if (this.lookingAt(text)) {
        this.at += text.length;
        return assertion(source);
      }
    }
    const negated = this.characters[this.at] === '^';
    if (negated) this.at++;
    const ranges: Range[] = [];
    for (let first = true; ; first = false) {
      const character = this.characters[this.at];
      if (character === undefined) badRegexp('brackets');
      if (character === ']' && !first) {
        this.at++;
        break;
      }
      this.bracketItem(ranges);
    }
    let set = CharSet.of(ranges);
    if (this.flags.ignoreCase) set = set.ignoringCase();
    if (negated) {
      set = set.complement();
      if (this.flags.newlineStops) set = set.without(NEWLINE);
    }
    return { kind: 'set', set };
  }
  private bracketItem(ranges: Range[]): void {
    if (this.lookingAt('[:')) {
      const name = this.bracketName(':');
      const members = (CLASSES as Readonly<Record<string, readonly Range[]>>)[name];
      if (members === undefined) badRegexp('class');
      // With cases ignored, upper and lower are both all letters.
      ranges.push(...(this.flags.ignoreCase && (name === 'upper' || name === 'lower') ? CLASSES.alpha : members));
      return;
    }
    if (this.flags.syntax === 'advanced' && this.characters[this.at] === '\\') {
      const letter = this.characters[this.at + 1] ?? '';
      const members = CLASS_ESCAPES[letter.toLowerCase()];
      if (members !== undefined) {
        this.at += 2;
        const set = CharSet.of(members);
        ranges.push(...(letter === letter.toLowerCase() ? set : set.complement()).ranges);
        return;
      }
    }
    const low = this.bracketEnd(false);
    if (this.characters[this.at] !== '-' || this.characters[this.at + 1] === ']') {
      ranges.push([low, low]);
      return;
    }
    this.at++;
    const high = this.bracketEnd(true);
    if (high < low) badRegexp('range');
    ranges.push([low, high]);
  }
  /** One end of a range, or a lone member. */
  private bracketEnd(isUpper: boolean): number {
    const character = this.characters[this.at];
    if (character === undefined) badRegexp('brackets');
    if (this.lookingAt('[.')) return this.collatingElement('.');
    if (this.lookingAt('[=')) {
      if (isUpper) badRegexp('range');
      return this.collatingElement('=');
    }
    if (this.lookingAt('[:')) badRegexp('range');
    this.at++;
    if (character === '\\' && this.flags.syntax === 'advanced') {
      const escaped = this.characters[this.at];
      if (escaped === undefined) badRegexp('escape');
      if (!isAlphanumeric(escaped)) {
        this.at++;
        return escaped.codePointAt(0)!;
      }
      if (CONSTRAINT_ESCAPES[escaped] !== undefined || CLASS_ESCAPES[escaped.toLowerCase()] !== undefined)
        badRegexp('escape');
      return this.characterEscape();
    }
    // A minus is itself only at the ends of the list.
    if (character === '-' && !isUpper && this.characters[this.at] !== ']' && !this.atBracketStart()) badRegexp('range');
    return character.codePointAt(0)!;
  }
  private atBracketStart(): boolean {
    const before = this.characters[this.at - 2];
    return before === '[' || before === '^';
  }
  private collatingElement(mark: string): number {
    const name = this.bracketName(mark);
    const characters = [...name];
    if (characters.length === 1) return name.codePointAt(0)!;
    return COLLATING_NAMES[name] ?? badRegexp('collate');
  }
  /** The name in [: :], [. .] or [= =]. */
  private bracketName(mark: string): string {
    this.at += 2;
    let name = '';
    while (!this.lookingAt(`${mark}]`)) {
      if (this.at >= this.characters.length) badRegexp('brackets');
      name += this.characters[this.at++];
    }
    this.at += 2;
    if (name === '') badRegexp(mark === ':' ? 'class' : 'collate');
    return name;
  }

  // ---- basic syntax

  private basicBranch(nested: boolean): RegexpNode {
    const parts: RegexpNode[] = [];
    for (let first = true; this.at < this.characters.length; first = false) {
      if (nested && this.lookingAt('\\)')) break;
      let atom: RegexpNode;
      const character = this.characters[this.at++]!;
      if (character === '^' && first) atom = this.lineStart();
      else if (character === '$' && (this.at === this.characters.length || this.lookingAt('\\)')))
        atom = this.lineEnd();
      else if (character === '[') atom = this.bracket();
      else if (character === '.')
        atom = { kind: 'set', set: this.flags.newlineStops ? ANY_CHARACTER.without(NEWLINE) : ANY_CHARACTER };
      else if (character === '\\') atom = this.basicEscape();
      else atom = this.literal(character); // an asterisk too, where it comes first
      if (this.characters[this.at] === '*' && atom.kind !== 'assert') {
        this.at++;
        atom = { kind: 'repeat', body: atom, min: 0, max: Number.POSITIVE_INFINITY, greedy: true };
      } else if (this.lookingAt('\\{') && atom.kind !== 'assert') {
        this.at += 2;
        const [min, max] = this.bounds('\\}');
        atom = { kind: 'repeat', body: atom, min, max, greedy: true };
      }
      if (atom.kind === 'repeat' && (this.characters[this.at] === '*' || this.lookingAt('\\{'))) badRegexp('operand');
      parts.push(atom);
    }
    return concat(parts);
  }
  private basicEscape(): RegexpNode {
    const character = this.characters[this.at++];
    if (character === undefined) badRegexp('escape');
    if (character === '(') {
      return this.capture(() => {
        const body = this.basicBranch(true);
        if (!this.lookingAt('\\)')) badRegexp('parentheses');
        this.at += 2;
        return body;
      });
    }
    if (character === ')') badRegexp('parentheses');
    if (character === '<') return assertion(wordStart);
    if (character === '>') return assertion(wordEnd);
    if (character >= '1' && character <= '9') {
      if (!this.closedCaptures.has(Number(character))) badRegexp('subreg');
      this.hasBackref = true;
      return { kind: 'backref', index: Number(character) };
    }
    return this.literal(character);
  }
}

function concat(parts: readonly RegexpNode[]): RegexpNode {
  return parts.length === 0 ? EMPTY : parts.length === 1 ? parts[0]! : { kind: 'concat', parts };
}

export const DEFAULT_FLAGS: RegexpFlags = {
  syntax: 'advanced',
  ignoreCase: false,
  expanded: false,
  newlineStops: false,
  newlineAnchors: false,
};

/** The flags with one option letter applied; undefined for a letter that is none. */
export function applyOption(flags: RegexpFlags, option: string): RegexpFlags | undefined {
  switch (option) {
    case 'b':
      return { ...flags, syntax: 'basic' };
    case 'c':
      return { ...flags, ignoreCase: false };
    case 'e':
      return { ...flags, syntax: 'extended' };
    case 'i':
      return { ...flags, ignoreCase: true };
    case 'm':
    case 'n':
      return { ...flags, newlineStops: true, newlineAnchors: true };
    case 'p':
      return { ...flags, newlineStops: true, newlineAnchors: false };
    case 'q':
      return { ...flags, syntax: 'literal' };
    case 's':
      return { ...flags, newlineStops: false, newlineAnchors: false };
    case 't':
      return { ...flags, expanded: false };
    case 'w':
      return { ...flags, newlineStops: false, newlineAnchors: true };
    case 'x':
      return { ...flags, expanded: true };
    default:
      return undefined;
  }
}

export function parseRegexp(pattern: string, flags: RegexpFlags): ParsedRegexp {
  return new Parser(pattern, flags).parse();
}
