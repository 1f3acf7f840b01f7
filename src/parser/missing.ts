/** missing.ts — what is said when a name is not found: the closest name, or why an existing one cannot be used here.
 *  Counterpart: errorMissingRTE, errorMissingColumn of src/backend/parser/parse_relation.c */
import type { RangeVar } from '@pgsql/types';
import { classRow } from '#catalog/syscache.ts';
import { fail, type NsItem, type ParseState } from '#parser/parse-state.ts';
import { isFutureCte } from '#parser/relation.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const MAX_DISTANCE = 3;

/** Edit distance; substitution, insertion and deletion cost one. */
function levenshtein(a: string, b: string): number {
  const source = [...a];
  const target = [...b];
  let previous = target.map((_, i) => i).concat(target.length);
  for (let i = 1; i <= source.length; i++) {
    const current = [i];
    for (let j = 1; j <= target.length; j++) {
      const substitution = previous[j - 1]! + (source[i - 1] === target[j - 1] ? 0 : 1);
      current.push(Math.min(substitution, previous[j]! + 1, current[j - 1]! + 1));
    }
    previous = current;
  }
  return previous[target.length]!;
}

interface Guess {
  distance: number;
  first: { item: NsItem; column: string } | null;
  second: { item: NsItem; column: string } | null;
  /** A column of exactly that name, whether it may be used or not. */
  exact: NsItem[];
}

function guessColumn(p: ParseState, relation: string | null, column: string): Guess {
  const guess: Guess = { distance: MAX_DISTANCE + 1, first: null, second: null, exact: [] };
  for (let at: ParseState | null = p; at !== null; at = at.parent) {
    for (const rte of at.rtable) {
      if (rte.rtekind === 'join') continue;
      const item = at.namespace.find((n) => n.rte === rte) ?? fakeItem(rte);
      const penalty = relation === null ? 0 : levenshtein(relation, rte.eref.aliasname);
      for (const name of rte.eref.colnames) {
        if (name === '') continue;
        const distance = penalty + (name === column ? 0 : levenshtein(column, name));
        if (name === column && penalty === 0) guess.exact.push(item);
        // A match that replaces more than half of the letters is none.
        if (distance - penalty > Math.floor(Buffer.byteLength(column) / 2)) continue;
        if (distance < guess.distance) {
          guess.distance = distance;
          guess.first = { item, column: name };
          guess.second = null;
        } else if (distance === guess.distance && guess.first !== null) {
          if (guess.second !== null) {
            // Three equally good guesses help nobody.
            guess.first = null;
            guess.second = null;
          } else guess.second = { item, column: name };
        }
      }
    }
  }
  return guess;
}
const fakeItem = (rte: NsItem['rte']): NsItem => ({
  names: rte.eref,
  rte,
  rtindex: 0,
  columns: [],
  relVisible: false,
  colsVisible: false,
  lateralOnly: false,
  lateralOk: true,
});

export function missingColumn(p: ParseState, relation: string | null, column: string, location: number): never {
  const message =
    relation === null ? `column "${column}" does not exist` : `column ${relation}.${column} does not exist`;
  const guess = guessColumn(p, relation, column);
  const exact = guess.exact[0];
  if (exact !== undefined) {
    fail(p, SQLSTATE.undefinedColumn, message, location, {
      hint: `There is a column named "${column}" in table "${exact.rte.eref.aliasname}", but it cannot be referenced from this part of the query.`,
    });
  }
  const named = (g: { item: NsItem; column: string }): string => `"${g.item.rte.eref.aliasname}.${g.column}"`;
  let hint: string | undefined;
  if (guess.first !== null && guess.second !== null) {
    hint = `Perhaps you meant to reference the column ${named(guess.first)} or the column ${named(guess.second)}.`;
  } else if (guess.first !== null) hint = `Perhaps you meant to reference the column ${named(guess.first)}.`;
  fail(p, SQLSTATE.undefinedColumn, message, location, { hint });
}

/** A qualifier that names no FROM item in scope. */
export function missingFromItem(p: ParseState, name: string, location: number): never {
  for (let at: ParseState | null = p; at !== null; at = at.parent) {
    const rte = at.rtable.find((r) => r.rtekind !== 'join' && r.eref.aliasname === name);
    if (rte !== undefined) {
      fail(p, SQLSTATE.undefinedTable, `invalid reference to FROM-clause entry for table "${name}"`, location, {
        hint: `There is an entry for table "${name}", but it cannot be referenced from this part of the query.`,
      });
    }
  }
  for (let at: ParseState | null = p; at !== null; at = at.parent) {
    for (const rte of at.rtable) {
      if (rte.alias === null) continue;
      const own =
        rte.rtekind === 'relation' ? classRow(rte.relid)?.relname : rte.rtekind === 'cte' ? rte.ctename : undefined;
      if (own !== name) continue;
      const visible = at.namespace.some((n) => n.rte === rte && n.relVisible);
      fail(p, SQLSTATE.undefinedTable, `invalid reference to FROM-clause entry for table "${name}"`, location, {
        hint: visible ? `Perhaps you meant to reference the table alias "${rte.eref.aliasname}".` : undefined,
      });
    }
  }
  fail(p, SQLSTATE.undefinedTable, `missing FROM-clause entry for table "${name}"`, location);
}

export function missingRelation(p: ParseState, relation: RangeVar, location: number): never {
  const name = relation.relname!;
  if (relation.schemaname !== undefined) {
    fail(p, SQLSTATE.undefinedTable, `relation "${relation.schemaname}.${name}" does not exist`, location);
  }
  if (isFutureCte(p, name)) {
    fail(p, SQLSTATE.undefinedTable, `relation "${name}" does not exist`, location, {
      detail: `There is a WITH item named "${name}", but it cannot be referenced from this part of the query.`,
      hint: 'Use WITH RECURSIVE, or re-order the WITH items to remove forward references.',
    });
  }
  fail(p, SQLSTATE.undefinedTable, `relation "${name}" does not exist`, location);
}
