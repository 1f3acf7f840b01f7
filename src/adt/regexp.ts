/** regexp.ts — compiled regular expressions: where do they match, and what do their parentheses hold?
 *
 *  Whether and where a match starts does not depend on preferences, so JavaScript's RegExp answers that, over a
 *  translation of the parsed pattern. Its ends and captures are the first found by backtracking, whereas PostgreSQL's
 *  are the longest (or shortest) for the whole and then for each part from left to right. Patterns for which both must
 *  agree take JavaScript's answer; the others are dissected here over the sets of possible ends of each part. That takes
 *  polynomial time, so patterns on which backtracking may explode are searched for in the same way. Patterns with back
 *  references always take JavaScript's answer.
 *  Compiled patterns are cached.
 *  Counterpart: src/backend/regex/regexec.c, RE_compile_and_cache() of src/backend/utils/adt/regexp.c */
import { CharSet } from '#adt/regexp-charset.ts';
import type { ParsedRegexp, RegexpFlags, RegexpNode } from '#adt/regexp-parse.ts';
import { badRegexp, parseRegexp } from '#adt/regexp-parse.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';

/** Offsets in UTF-16 units: start and end of the whole, then of each capture (-1, -1 if it took no part). */
export type RegexpMatch = readonly number[];

export interface CompiledRegexp {
  readonly captureCount: number;
  test(text: string): boolean;
  /** The first match that starts at or after `from`. */
  exec(text: string, from: number): RegexpMatch | null;
}

// ---- translation

function quantifierOf(node: RegexpNode & { kind: 'repeat' }): string {
  const { min, max } = node;
  let text = `{${min},${max === Number.POSITIVE_INFINITY ? '' : max}}`;
  if (max === Number.POSITIVE_INFINITY && min <= 1) text = min === 0 ? '*' : '+';
  else if (min === 0 && max === 1) text = '?';
  else if (min === max) text = `{${min}}`;
  return node.greedy ? text : `${text}?`;
}
function translate(node: RegexpNode, ignoreCase: boolean): string {
  switch (node.kind) {
    case 'empty':
      return '(?:)';
    case 'set':
      return node.set.ranges.length === 0 ? '(?!)' : node.set.source;
    case 'concat':
      return node.parts
        .map((part) => (part.kind === 'either' ? `(?:${translate(part, ignoreCase)})` : translate(part, ignoreCase)))
        .join('');
    case 'either':
      return node.parts.map((part) => translate(part, ignoreCase)).join('|');
    case 'repeat': {
      const body = translate(node.body, ignoreCase);
      const isAtom = node.body.kind === 'set' || node.body.kind === 'capture' || node.body.kind === 'backref';
      return `${isAtom ? body : `(?:${body})`}${quantifierOf(node)}`;
    }
    case 'capture':
      return `(${translate(node.body, ignoreCase)})`;
    case 'assert':
      return node.source;
    case 'look':
      return `${node.open}${translate(node.body, ignoreCase)})`;
    case 'backref':
      return `(?:\\${node.index})`;
  }
}

// ---- analysis

const LONGER = 1;
const SHORTER = 2;
const CAPTURES = 4;
/** Which preferences and captures occur in a part. */
function traits(node: RegexpNode): number {
  switch (node.kind) {
    case 'concat':
      return node.parts.reduce((sum, part) => sum | traits(part), 0);
    case 'either':
      return node.parts.reduce((sum, part) => sum | traits(part), LONGER);
    case 'repeat':
      return traits(node.body) | (node.min === node.max ? 0 : node.greedy ? LONGER : SHORTER);
    case 'capture':
      return traits(node.body) | CAPTURES;
    default:
      return 0;
  }
}
const isMixed = (set: number): boolean => (set & (LONGER | SHORTER)) === (LONGER | SHORTER);

/** LONGER, SHORTER, or 0 where the part has no preference of its own. */
function preference(node: RegexpNode): number {
  switch (node.kind) {
    case 'concat':
      for (const part of node.parts) {
        const own = preference(part);
        if (own !== 0) return own;
      }
      return 0;
    case 'either':
      return LONGER;
    case 'repeat':
      return node.min === node.max ? preference(node.body) : node.greedy ? LONGER : SHORTER;
    case 'capture':
      return preference(node.body);
    default:
      return 0;
  }
}

const NO_CHARACTER = CharSet.of([]);
const EVERY_CHARACTER = NO_CHARACTER.complement();
const union = (a: CharSet, b: CharSet): CharSet => CharSet.of([...a.ranges, ...b.ranges]);
/** Characters a part can begin with, and whether it can be empty. */
function first(node: RegexpNode): { set: CharSet; nullable: boolean } {
  switch (node.kind) {
    case 'set':
      return { set: node.set, nullable: false };
    case 'concat':
      return firstOfSequence(node.parts);
    case 'either': {
      const parts = node.parts.map(first);
      return {
        set: parts.reduce((set, part) => union(set, part.set), NO_CHARACTER),
        nullable: parts.some((part) => part.nullable),
      };
    }
    case 'repeat': {
      const body = first(node.body);
      return { set: body.set, nullable: body.nullable || node.min === 0 };
    }
    case 'capture':
      return first(node.body);
    case 'backref':
      return { set: EVERY_CHARACTER, nullable: true };
    default:
      return { set: NO_CHARACTER, nullable: true };
  }
}
function firstOfSequence(parts: readonly RegexpNode[]): { set: CharSet; nullable: boolean } {
  let set = NO_CHARACTER;
  for (const part of parts) {
    const own = first(part);
    set = union(set, own.set);
    if (!own.nullable) return { set, nullable: false };
  }
  return { set, nullable: true };
}

/** Is there but one way to match, whatever follows in `next`: at each choice the next character decides? Then greedy
 *  backtracking finds the longest match, for stopping early is never necessary. */
function isDeterministic(node: RegexpNode, next: CharSet): boolean {
  switch (node.kind) {
    case 'concat': {
      let follow = next;
      for (let i = node.parts.length - 1; i >= 0; i--) {
        const part = node.parts[i]!;
        if (!isDeterministic(part, follow)) return false;
        const own = first(part);
        follow = own.nullable ? union(own.set, follow) : own.set;
      }
      return true;
    }
    case 'either': {
      let seen = NO_CHARACTER;
      for (const part of node.parts) {
        const own = first(part);
        if (own.nullable || own.set.intersects(seen) || !isDeterministic(part, next)) return false;
        seen = union(seen, own.set);
      }
      return true;
    }
    case 'repeat': {
      const body = first(node.body);
      if (body.nullable || (node.min !== node.max && (!node.greedy || body.set.intersects(next)))) return false;
      return isDeterministic(node.body, union(next, body.set));
    }
    case 'capture':
      return isDeterministic(node.body, next);
    case 'look':
      return true;
    default:
      return true;
  }
}
/** Only one part of the pattern, a repeated character, has a length of its own: its preference decides everything. */
function hasOneVariable(node: RegexpNode): boolean {
  let variables = 0;
  const visit = (part: RegexpNode): boolean => {
    switch (part.kind) {
      case 'concat':
        return part.parts.every(visit);
      case 'either':
        return false;
      case 'capture':
        return visit(part.body);
      case 'repeat':
        if (part.body.kind !== 'set') return false;
        if (part.min !== part.max) variables++;
        return true;
      default:
        return true;
    }
  };
  return visit(node) && variables <= 1;
}

/** Could backtracking take exponential time: is something repeated that itself can match in several lengths or ways? */
function mayExplode(node: RegexpNode, repeated = false): boolean {
  switch (node.kind) {
    case 'concat':
      return node.parts.some((part) => mayExplode(part, repeated));
    case 'either':
      return repeated || node.parts.some((part) => mayExplode(part, repeated));
    case 'repeat':
      return (repeated && node.min !== node.max) || mayExplode(node.body, repeated || node.max > 1);
    case 'capture':
      return mayExplode(node.body, repeated);
    case 'look':
      return mayExplode(node.body, false);
    default:
      return false;
  }
}

// ---- exact matching

type Captures = number[];

/** Answers for one subject string; memoized sets of ends by part and start. */
class Dissector {
  private readonly memo = new Map<RegexpNode, Map<number, readonly number[]>>();
  private readonly others = new Map<RegexpNode, RegexpNode>();
  private steps = 0;

  constructor(
    private readonly text: string,
    private readonly assertions: Map<RegexpNode, RegExp>,
    private readonly groups: Map<RegexpNode, readonly RegexpNode[]>,
  ) {}

  /** Ascending ends of the matches of `node` that start at `from`. */
  ends(node: RegexpNode, from: number): readonly number[] {
    let byStart = this.memo.get(node);
    if (byStart === undefined) {
      byStart = new Map();
      this.memo.set(node, byStart);
    }
    let known = byStart.get(from);
    if (known === undefined) {
      known = this.compute(node, from);
      byStart.set(from, known);
    }
    return known;
  }
  private compute(node: RegexpNode, from: number): readonly number[] {
    if ((++this.steps & 0xfff) === 0) checkForInterrupts();
    switch (node.kind) {
      case 'set': {
        const codePoint = this.text.codePointAt(from);
        return codePoint !== undefined && node.set.has(codePoint) ? [from + (codePoint > 0xffff ? 2 : 1)] : [];
      }
      case 'concat': {
        let positions: readonly number[] = [from];
        for (const part of node.parts) positions = this.through(part, positions);
        return positions;
      }
      case 'either':
        return sortedUnique(node.parts.flatMap((part) => this.ends(part, from)));
      case 'repeat':
        return this.repeated(node, from);
      case 'capture':
        return this.ends(node.body, from);
      case 'assert':
      case 'look': {
        const assertion = this.assertions.get(node)!;
        assertion.lastIndex = from;
        return assertion.test(this.text) ? [from] : [];
      }
      case 'empty':
        return [from];
      case 'backref':
        return badRegexp('complex');
    }
  }
  private through(node: RegexpNode, starts: readonly number[]): readonly number[] {
    if (starts.length === 1) return this.ends(node, starts[0]!);
    const all = new Set<number>();
    for (const start of starts) for (const end of this.ends(node, start)) all.add(end);
    return sortedUnique(all);
  }
  private repeated(node: RegexpNode & { kind: 'repeat' }, from: number): readonly number[] {
    const result = new Set<number>(node.min === 0 ? [from] : []);
    const reached = new Set<number>();
    let frontier: readonly number[] = [from];
    for (let count = 1; count <= node.max && frontier.length > 0; count++) {
      const next = this.through(node.body, frontier);
      if (count < node.min) {
        frontier = next;
        continue;
      }
      const fresh = next.filter((end) => !reached.has(end));
      for (const end of fresh) {
        reached.add(end);
        result.add(end);
      }
      frontier = fresh;
    }
    return sortedUnique(result);
  }
  private otherIterations(node: RegexpNode & { kind: 'repeat' }): RegexpNode {
    let others = this.others.get(node);
    if (others === undefined) {
      others = { kind: 'repeat', body: node.body, min: node.min - 1, max: node.max - 1, greedy: node.greedy };
      this.others.set(node, others);
    }
    return others;
  }
  private reaches(node: RegexpNode, from: number, to: number): boolean {
    return this.ends(node, from).includes(to);
  }

  /** Fills the captures of `node`, which is known to match from `from` to `to`. */
  dissect(node: RegexpNode, from: number, to: number, captures: Captures): void {
    switch (node.kind) {
      case 'capture':
        captures[2 * node.index] = from;
        captures[2 * node.index + 1] = to;
        this.dissect(node.body, from, to, captures);
        return;
      case 'either':
        for (const part of node.parts) {
          if (this.reaches(part, from, to)) {
            this.dissect(part, from, to, captures);
            return;
          }
        }
        return;
      case 'concat':
        if ((traits(node) & CAPTURES) !== 0) this.dissectSequence(this.groups.get(node)!, from, to, captures);
        return;
      case 'repeat':
        this.dissectRepeat(node, from, to, captures);
        return;
      default:
        return;
    }
  }
  private dissectSequence(parts: readonly RegexpNode[], from: number, to: number, captures: Captures): void {
    let at = from;
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i]!;
      const ends = this.ends(part, at);
      const ordered = preference(part) === SHORTER ? ends : [...ends].reverse();
      const end = ordered.find((middle) => middle <= to && this.sequenceReaches(parts, i + 1, middle, to));
      if (end === undefined) return;
      this.dissect(part, at, end, captures);
      at = end;
    }
  }
  private sequenceReaches(parts: readonly RegexpNode[], index: number, from: number, to: number): boolean {
    let positions: readonly number[] = [from];
    for (let i = index; i < parts.length; i++) positions = this.through(parts[i]!, positions);
    return positions.includes(to);
  }
  private dissectRepeat(node: RegexpNode & { kind: 'repeat' }, from: number, to: number, captures: Captures): void {
    if (node.max === 0) return;
    if (node.min > 0) {
      // Only the last iteration's captures count: all the others are one part that takes what it prefers.
      const others = this.otherIterations(node);
      const ends = this.ends(others, from);
      const ordered = preference(node) === SHORTER ? ends : [...ends].reverse();
      const middle = ordered.find((end) => end <= to && this.reaches(node.body, end, to));
      if (middle !== undefined) this.dissect(node.body, middle, to, captures);
      return;
    }
    if (from === to) {
      // An empty iteration counts rather than none, unless its body would rather be short.
      if (preference(node.body) !== SHORTER && this.reaches(node.body, from, to))
        this.dissect(node.body, from, to, captures);
      return;
    }
    const shorter = preference(node.body) === SHORTER;
    // A path of iterations is searched depth first, on a stack of our own: it may be as long as the string.
    const failed = new Set<string>();
    const keyOf = (at: number, count: number): string =>
      node.max === Number.POSITIVE_INFINITY ? `${at}` : `${at}/${count}`;
    const stack: { at: number; next: number }[] = [{ at: from, next: 0 }];
    let last: number | undefined;
    while (stack.length > 0 && last === undefined) {
      const top = stack.at(-1)!;
      const ends = this.ends(node.body, top.at);
      if (top.next === ends.length) {
        failed.add(keyOf(top.at, stack.length));
        stack.pop();
        continue;
      }
      const end = ends[shorter ? top.next : ends.length - 1 - top.next]!;
      top.next++;
      if (end === to) last = top.at;
      else if (end < to && end > top.at && stack.length < node.max && !failed.has(keyOf(end, stack.length + 1)))
        stack.push({ at: end, next: 0 });
    }
    if (last !== undefined) this.dissect(node.body, last, to, captures);
  }
}
function sortedUnique(positions: Iterable<number>): readonly number[] {
  return [...new Set(positions)].sort((a, b) => a - b);
}

/** Runs of parts of a sequence that have no captures and one preference count as one part, as in PostgreSQL's compiler. */
function groupParts(parts: readonly RegexpNode[]): readonly RegexpNode[] {
  const result: RegexpNode[] = [];
  let run: RegexpNode[] = [];
  let runTraits = 0;
  const close = (): void => {
    if (run.length > 0) result.push(run.length === 1 ? run[0]! : { kind: 'concat', parts: run });
    run = [];
    runTraits = 0;
  };
  for (const part of parts) {
    const own = traits(part);
    if ((own & CAPTURES) !== 0 || isMixed(own)) {
      close();
      result.push(part);
      continue;
    }
    if (isMixed(runTraits | own)) close();
    run.push(part);
    runTraits |= own;
  }
  close();
  return result;
}

class ExactRegexp implements CompiledRegexp {
  private readonly assertions = new Map<RegexpNode, RegExp>();
  private readonly groups = new Map<RegexpNode, readonly RegexpNode[]>();
  private readonly prefersShort: boolean;
  private readonly explosive: boolean;
  private readonly start: { readonly set: CharSet; readonly nullable: boolean };

  constructor(
    private readonly parsed: ParsedRegexp,
    private readonly search: RegExp,
  ) {
    this.prefersShort = preference(parsed.root) === SHORTER;
    this.explosive = mayExplode(parsed.root);
    this.start = first(parsed.root);
    this.prepare(parsed.root);
  }
  private prepare(node: RegexpNode): void {
    if (node.kind === 'assert' || node.kind === 'look') {
      this.assertions.set(node, new RegExp(translate(node, this.parsed.flags.ignoreCase), 'uy'));
    } else if (node.kind === 'concat') {
      const groups = groupParts(node.parts);
      this.groups.set(node, groups);
      // A run made by grouping has no captures, and its parts are the parts prepared here.
      for (const part of node.parts) this.prepare(part);
    } else if (node.kind === 'either') {
      for (const part of node.parts) this.prepare(part);
    } else if (node.kind === 'repeat' || node.kind === 'capture') this.prepare(node.body);
  }

  get captureCount(): number {
    return this.parsed.captureCount;
  }
  test(text: string): boolean {
    return this.findStart(text, 0, this.explosive ? this.dissectorFor(text) : undefined) >= 0;
  }
  private dissectorFor(text: string): Dissector {
    return new Dissector(text, this.assertions, this.groups);
  }
  /** Where the first match from `from` on starts, or -1. Given a dissector, it is asked instead of JavaScript. */
  private findStart(text: string, from: number, dissector: Dissector | undefined): number {
    if (dissector === undefined) {
      this.search.lastIndex = from;
      return this.search.exec(text)?.index ?? -1;
    }
    for (let at = from; at <= text.length; at++) {
      const codePoint = text.codePointAt(at);
      const canStart = this.start.nullable || (codePoint !== undefined && this.start.set.has(codePoint));
      if (canStart && dissector.ends(this.parsed.root, at).length > 0) return at;
      if (codePoint !== undefined && codePoint > 0xffff) at++;
    }
    return -1;
  }
  exec(text: string, from: number): RegexpMatch | null {
    const dissector = this.dissectorFor(text);
    const start = this.findStart(text, from, this.explosive ? dissector : undefined);
    if (start < 0) return null;
    const ends = dissector.ends(this.parsed.root, start);
    const end = (this.prefersShort ? ends[0] : ends.at(-1))!;
    const captures: Captures = new Array<number>(2 * (this.captureCount + 1)).fill(-1);
    captures[0] = start;
    captures[1] = end;
    if (this.captureCount > 0) dissector.dissect(this.parsed.root, start, end, captures);
    return captures;
  }
}

/** For patterns where JavaScript's first match is the right one. */
class PlainRegexp implements CompiledRegexp {
  private readonly detailed: RegExp;
  constructor(
    private readonly search: RegExp,
    readonly captureCount: number,
  ) {
    this.detailed = new RegExp(search.source, `${search.flags}d`);
  }
  test(text: string): boolean {
    this.search.lastIndex = 0;
    return this.search.test(text);
  }
  exec(text: string, from: number): RegexpMatch | null {
    const expression = this.captureCount === 0 ? this.search : this.detailed;
    expression.lastIndex = from;
    const found = expression.exec(text);
    if (found === null) return null;
    const result: number[] = [found.index, found.index + found[0].length];
    for (let i = 1; i <= this.captureCount; i++) {
      const [start, end] = found.indices![i] ?? [-1, -1];
      result.push(start, end);
    }
    return result;
  }
}

function compile(pattern: string, flags: RegexpFlags): CompiledRegexp {
  const parsed = parseRegexp(pattern, flags);
  const { root, captureCount, hasBackref } = parsed;
  let search: RegExp;
  try {
    search = new RegExp(translate(root, parsed.flags.ignoreCase), hasBackref && parsed.flags.ignoreCase ? 'ugi' : 'ug');
  } catch (error) {
    if (error instanceof SyntaxError) return badRegexp('complex');
    throw error;
  }
  const isPlain =
    hasBackref || (!isMixed(traits(root)) && (hasOneVariable(root) || isDeterministic(root, NO_CHARACTER)));
  return isPlain ? new PlainRegexp(search, captureCount) : new ExactRegexp(parsed, search);
}

const CACHE_MAX = 200;
const cache = new Map<string, CompiledRegexp>();
let lastPattern = '';
let lastFlags: RegexpFlags | undefined;
let lastCompiled: CompiledRegexp | undefined;

export function compileRegexp(pattern: string, flags: RegexpFlags): CompiledRegexp {
  if (flags === lastFlags && pattern === lastPattern && lastCompiled !== undefined) return lastCompiled;
  const { syntax, ignoreCase, expanded, newlineStops, newlineAnchors } = flags;
  const key = `${syntax[0]}${+ignoreCase}${+expanded}${+newlineStops}${+newlineAnchors}${pattern}`;
  let compiled = cache.get(key);
  if (compiled === undefined) {
    compiled = compile(pattern, flags);
    if (cache.size >= CACHE_MAX) cache.delete(cache.keys().next().value!);
    cache.set(key, compiled);
  }
  lastPattern = pattern;
  lastFlags = flags;
  lastCompiled = compiled;
  return compiled;
}
