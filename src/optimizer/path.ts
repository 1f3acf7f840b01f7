/** path.ts — ways to compute the rows of a set of relations, and which of them are worth keeping.
 *
 *  A path stays as long as no other is at least as good in every respect: cost to the first and to the last row, order of
 *  the rows, relations whose values it needs.
 *  Counterpart: src/backend/optimizer/util/pathnode.c (add_path, set_cheapest) */
import type { Plan } from '#nodes/plan-nodes.ts';
import type { Expr } from '#nodes/primitives.ts';
import { sameKey, type SortKey } from '#optimizer/plan-make.ts';
import type { PlanParam } from '#optimizer/planner-info.ts';
import { relidsOf } from '#optimizer/volatility.ts';

/** What a node may put in its target list: exactly what is wanted, only what is wanted (any order), or anything. */
export type TargetFlags = 'exact' | 'small' | 'any';

export interface RelPath {
  readonly relids: bigint;
  readonly rows: number;
  readonly width: number;
  readonly startup: number;
  readonly total: number;
  readonly order: readonly SortKey[];
  /** Values of relations outside that this path reads. */
  readonly required: readonly PlanParam[];
  readonly requiredRelids: bigint;
  /** Join conditions that the path has checked by means of `required`. */
  readonly enforced: readonly Expr[];
  /** Reading again costs no recomputation. */
  readonly keepsRows: boolean;
  make(flags: TargetFlags): Plan;
  rescan(): { startup: number; total: number };
  /** Cost with a sort on top, if one is needed. */
  sorted(keys: readonly SortKey[]): { startup: number; total: number };
}

/** The paths of one set of relations. */
export interface Rel {
  readonly relids: bigint;
  readonly rows: number;
  readonly paths: RelPath[];
}

export const relidsOfParams = (params: readonly PlanParam[]): bigint =>
  params.reduce((set, param) => set | relidsOf(param.item), 0n);

type Verdict = 'equal' | 'better' | 'worse' | 'different';
const FUZZ = 1.01;

function compareCosts(a: RelPath, b: RelPath, fuzz: number, startupMatters: boolean): Verdict {
  if (a.total > b.total * fuzz) return startupMatters && b.startup > a.startup * fuzz ? 'different' : 'worse';
  if (b.total > a.total * fuzz) return startupMatters && a.startup > b.startup * fuzz ? 'different' : 'better';
  if (a.startup > b.startup * fuzz) return 'worse';
  return b.startup > a.startup * fuzz ? 'better' : 'equal';
}
function compareOrder(a: readonly SortKey[], b: readonly SortKey[]): Verdict {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) if (!sameKey(a[i]!, b[i]!)) return 'different';
  return a.length === b.length ? 'equal' : a.length > b.length ? 'better' : 'worse';
}
/** A path that needs less is better. */
function compareNeeds(a: bigint, b: bigint): Verdict {
  if (a === b) return 'equal';
  if ((a & ~b) === 0n) return 'better';
  return (b & ~a) === 0n ? 'worse' : 'different';
}
const atLeast = (verdict: Verdict): boolean => verdict === 'equal' || verdict === 'better';
const atMost = (verdict: Verdict): boolean => verdict === 'equal' || verdict === 'worse';

export function addPath(paths: RelPath[], path: RelPath, startupMatters: boolean): void {
  for (let i = 0; i < paths.length; i++) {
    const old = paths[i]!;
    const verdict = dominance(path, old, startupMatters);
    if (verdict === 'worse') return;
    if (verdict === 'better') paths.splice(i--, 1);
  }
  let at = paths.length;
  while (at > 0 && paths[at - 1]!.total > path.total) at--;
  paths.splice(at, 0, path);
}

/** 'better': the new path makes the old one useless; 'worse': the other way round; else both stay. */
function dominance(path: RelPath, old: RelPath, startupMatters: boolean): 'better' | 'worse' | 'keep' {
  const cost = compareCosts(path, old, FUZZ, startupMatters);
  if (cost === 'different') return 'keep';
  const order = compareOrder(path.order, old.order);
  if (order === 'different') return 'keep';
  const needs = compareNeeds(path.requiredRelids, old.requiredRelids);
  const fewer = path.rows <= old.rows;
  const more = path.rows >= old.rows;
  switch (cost) {
    case 'equal':
      if (order === 'better') return atLeast(needs) && fewer ? 'better' : 'keep';
      if (order === 'worse') return atMost(needs) && more ? 'worse' : 'keep';
      if (needs === 'equal') {
        if (path.rows < old.rows) return 'better';
        if (path.rows > old.rows) return 'worse';
        return compareCosts(path, old, 1.0000000001, startupMatters) === 'better' ? 'better' : 'worse';
      }
      if (needs === 'better' && fewer) return 'better';
      return needs === 'worse' && more ? 'worse' : 'keep';
    case 'better':
      return order !== 'worse' && atLeast(needs) && fewer ? 'better' : 'keep';
    case 'worse':
      return order !== 'better' && atMost(needs) && more ? 'worse' : 'keep';
  }
}

/** PostgreSQL takes costs within one per cent as equal and then looks at the startup cost. */
export function cheaper(a: RelPath, b: RelPath): boolean {
  if (a.total < b.total * 0.99) return true;
  if (a.total > b.total * FUZZ) return false;
  if (a.startup !== b.startup) return a.startup < b.startup;
  return a.total < b.total;
}
/** The cheapest path to all rows that needs nothing of `forbidden`; null if every path does. */
export function cheapestOf(paths: readonly RelPath[], forbidden = 0n): RelPath | null {
  let best: RelPath | null = null;
  for (const path of paths) {
    if ((path.requiredRelids & forbidden) !== 0n) continue;
    if (best === null) best = path;
    else if (best.requiredRelids !== 0n && path.requiredRelids === 0n) best = path;
    else if ((best.requiredRelids === 0n) === (path.requiredRelids === 0n) && path.total < best.total) best = path;
  }
  return best;
}
