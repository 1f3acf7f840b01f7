/** candidates.ts — PostgreSQL's rules for choosing among overloaded functions or operators.
 *
 *  Keep those that accept the argument types implicitly; among them prefer most exact matches, then most exact or
 *  preferred types, then decide unknown literals by category, last assume all unknowns are of the one known type.
 *  Counterpart: src/backend/parser/parse_func.c (func_match_argtypes, func_select_candidate) */
import type { Oid } from '#base/ids.ts';
import { TYPE } from '#catalog/oids.ts';
import { baseType, typeRow } from '#catalog/syscache.ts';
import { canCoerceTypes } from '#parser/coerce.ts';

export function matchCandidates<C>(
  input: readonly Oid[],
  candidates: readonly C[],
  argsOf: (c: C) => readonly Oid[],
): C[] {
  return candidates.filter((c) => canCoerceTypes(input, argsOf(c), 'implicit'));
}

const category = (type: Oid): string => typeRow(type)?.typcategory ?? '\0';
const preferredIn = (categoryOfInput: string, type: Oid): boolean => {
  const row = typeRow(type);
  return row !== undefined && row.typispreferred && row.typcategory === categoryOfInput;
};

/** Those candidates that score best. */
function best<C>(candidates: C[], score: (c: C) => number): C[] {
  let top = -1;
  let out: C[] = [];
  for (const c of candidates) {
    const s = score(c);
    if (s > top) {
      top = s;
      out = [c];
    } else if (s === top) out.push(c);
  }
  return out;
}

/** The one best candidate, or undefined if none is better than all others. */
export function selectCandidate<C>(
  actual: readonly Oid[],
  matched: readonly C[],
  argsOf: (c: C) => readonly Oid[],
): C | undefined {
  const count = actual.length;
  // Domains are matched as their base types, but the unknowns stay unknown.
  const input = actual.map((t) => (t === TYPE.unknown ? t : baseType(t)));
  let candidates = best([...matched], (c) => {
    const args = argsOf(c);
    let n = 0;
    for (let i = 0; i < count; i++) if (input[i] !== TYPE.unknown && args[i] === input[i]) n++;
    return n;
  });
  if (candidates.length === 1) return candidates[0];

  const categories = input.map(category);
  candidates = best(candidates, (c) => {
    const args = argsOf(c);
    let n = 0;
    for (let i = 0; i < count; i++) {
      if (input[i] !== TYPE.unknown && (args[i] === input[i] || preferredIn(categories[i]!, args[i]!))) n++;
    }
    return n;
  });
  if (candidates.length === 1) return candidates[0];

  const unknowns = input.filter((t) => t === TYPE.unknown).length;
  if (unknowns === 0) return undefined;

  const byCategory = resolveUnknownCategories(input, candidates, argsOf);
  if (byCategory !== undefined) candidates = byCategory;
  if (candidates.length === 1) return candidates[0];

  // One known type among unknowns: try it for all of them.
  if (unknowns < count) {
    const known = input.filter((t) => t !== TYPE.unknown);
    if (known.every((t) => t === known[0])) {
      const assumed = new Array<Oid>(count).fill(known[0]!);
      const fitting = candidates.filter((c) => canCoerceTypes(assumed, argsOf(c), 'implicit'));
      if (fitting.length === 1) return fitting[0];
    }
  }
  return undefined;
}

/** At each unknown position: string if any candidate takes one, else the category all agree on; a preferred type in
 *  that category beats the others. Undefined if the candidates disagree. */
function resolveUnknownCategories<C>(
  input: readonly Oid[],
  candidates: C[],
  argsOf: (c: C) => readonly Oid[],
): C[] | undefined {
  const slots: string[] = new Array<string>(input.length).fill('');
  const wantsPreferred: boolean[] = new Array<boolean>(input.length).fill(false);
  for (let i = 0; i < input.length; i++) {
    if (input[i] !== TYPE.unknown) continue;
    let slot = '';
    let preferred = false;
    let conflict = false;
    for (const c of candidates) {
      const row = typeRow(argsOf(c)[i]!)!;
      if (slot === '') {
        slot = row.typcategory;
        preferred = row.typispreferred;
      } else if (row.typcategory === slot) preferred ||= row.typispreferred;
      else if (row.typcategory === 'S') {
        slot = 'S';
        preferred = row.typispreferred;
      } else conflict = true;
    }
    if (conflict && slot !== 'S') return undefined;
    slots[i] = slot;
    wantsPreferred[i] = preferred;
  }
  const kept = candidates.filter((c) => {
    const args = argsOf(c);
    for (let i = 0; i < input.length; i++) {
      if (input[i] !== TYPE.unknown) continue;
      const row = typeRow(args[i]!)!;
      if (row.typcategory !== slots[i]) return false;
      if (wantsPreferred[i] && !row.typispreferred) return false;
    }
    return true;
  });
  return kept.length > 0 ? kept : undefined;
}
