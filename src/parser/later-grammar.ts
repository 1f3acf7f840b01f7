/** later-grammar.ts — takes back what the grammar of PostgreSQL 18 accepts and that of 15 does not.
 *  One walk over the tree looks for node kinds and fields that came later; the complaint is 15's: a syntax error. */
import type { Node, RangeSubselect } from '@pgsql/types';
import { bodyOf, isTag } from '#parser/ast.ts';
import { characterPosition } from '#parser/parse.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** Node kinds born after 15, with the key word at which 15 would have stumbled. */
const LATER_NODES: ReadonlyMap<string, string> = new Map([
  ['JsonObjectConstructor', '('],
  ['JsonArrayConstructor', '('],
  ['JsonArrayQueryConstructor', 'select'],
  ['JsonObjectAgg', '('],
  ['JsonArrayAgg', '('],
  ['JsonIsPredicate', 'json'],
  ['JsonParseExpr', '('],
  ['JsonScalarExpr', '('],
  ['JsonSerializeExpr', '('],
  ['JsonFuncExpr', '('],
  ['JsonTable', '('],
  ['ReturningOption', '('],
]);

export function rejectLaterGrammar(node: Node, text: string): void {
  // Nearly all statements have none of the words; looking for them is cheaper than walking every tree.
  if (
    /json|returning|0[xob]|\d_\d|virtual|\$\d+[a-z_\u0080-\uffff]|\(\s*(select|values|with|table|\(|--|\/\*)/i.test(
      text,
    )
  ) {
    walk(node, text);
  }
}

function syntaxError(text: string, word: string, byte: number): never {
  report('ERROR', {
    code: SQLSTATE.syntaxError,
    message: `syntax error at or near "${word}"`,
    position: characterPosition(text, byte),
  });
}

function walk(value: unknown, text: string): void {
  if (Array.isArray(value)) {
    for (const item of value) walk(item, text);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  for (const key in value) {
    const child = (value as Record<string, unknown>)[key];
    const word = LATER_NODES.get(key);
    if (word !== undefined) {
      let at = (child as { location?: number }).location ?? 0;
      // The predicate's own location is that of its argument.
      if (key === 'JsonIsPredicate') at += Math.max(text.slice(at).search(/\bjson\b/i), 0);
      syntaxError(text, text.slice(at).match(/^\w+/)?.[0] ?? word, at);
    }
    if (key === 'RangeSubselect' && (child as RangeSubselect).alias === undefined) {
      missingAlias(child as RangeSubselect, text);
    }
    if (key === 'ParamRef') checkParameter((child as { location?: number }).location ?? 0, text);
    if (key === 'A_Const') checkNumber(child as { location?: number; ival?: unknown; fval?: unknown }, text);
    else if (typeof child === 'object') walk(child, text);
  }
}

/** 0x1F, 0o17, 0b11 and 1_000 came with 16. */
function checkNumber(c: { location?: number; ival?: unknown; fval?: unknown }, text: string): void {
  if (c.ival === undefined && c.fval === undefined) return;
  const at = c.location ?? 0;
  const written = /^[+-]?\s*(0[xXoObB][0-9a-fA-F_]+|[0-9.]*_[0-9_.]*)/.exec(Buffer.from(text).subarray(at).toString());
  if (written === null) return;
  const junk = written[1]!;
  report('ERROR', {
    code: SQLSTATE.syntaxError,
    message: `trailing junk after numeric literal at or near "${junk}"`,
    position: characterPosition(text, at),
  });
}

/** 15 wants a name for every sub-select in FROM; its grammar complains at the opening parenthesis. */
function missingAlias(r: RangeSubselect, text: string): never {
  const isValues = isTag(r.subquery, 'SelectStmt') && bodyOf(r.subquery, 'SelectStmt').valuesLists !== undefined;
  const at = openingParenthesis(Buffer.from(text), smallestLocation(r.subquery));
  report('ERROR', {
    code: SQLSTATE.syntaxError,
    message: isValues ? 'VALUES in FROM must have an alias' : 'subquery in FROM must have an alias',
    position: at < 0 ? undefined : characterPosition(text, at),
    hint: isValues ? 'For example, FROM (VALUES ...) [AS] foo.' : 'For example, FROM (SELECT ...) [AS] foo.',
  });
}
/** The parenthesis before the sub-select that a location is in: the last one that a query follows. */
function openingParenthesis(bytes: Buffer, inside: number): number {
  for (let at = bytes.lastIndexOf('(', inside); at >= 0; at = at === 0 ? -1 : bytes.lastIndexOf('(', at - 1)) {
    const rest = bytes.subarray(at + 1, at + 200).toString();
    if (/^(\s|--[^\n]*\n|\()*(select|values|with|table)\b/i.test(rest)) return at;
  }
  return -1;
}
function smallestLocation(value: unknown): number {
  if (typeof value !== 'object' || value === null) return -1;
  let best = -1;
  for (const [key, child] of Object.entries(value)) {
    const at = key === 'location' ? (child as number) : smallestLocation(child);
    if (at >= 0 && (best < 0 || at < best)) best = at;
  }
  return best;
}

/** $1x is no parameter with an alias. */
function checkParameter(at: number, text: string): void {
  const junk = /^\$\d+[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/.exec(
    Buffer.from(text)
      .subarray(at, at + 80)
      .toString(),
  );
  if (junk === null) return;
  report('ERROR', {
    code: SQLSTATE.syntaxError,
    message: `trailing junk after parameter at or near "${junk[0]}"`,
    position: characterPosition(text, at),
  });
}
