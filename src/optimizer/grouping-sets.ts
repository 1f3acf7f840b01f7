/** grouping-sets.ts — GROUPING SETS, ROLLUP and CUBE as a plain list of sets of columns.
 *  Counterpart: expand_grouping_sets() of src/backend/parser/parse_agg.c */
import type { GroupingSet } from '#nodes/parse-nodes.ts';

/** Sets that one clause stands for, each a list of ressortgrouprefs. */
function setsOf(node: GroupingSet): number[][] {
  switch (node.setKind) {
    case 'empty':
      return [[]];
    case 'simple':
      return [node.refs];
    case 'rollup': {
      const parts = node.content.map((child) => child.refs);
      return Array.from({ length: parts.length + 1 }, (_, i) => parts.slice(0, parts.length - i).flat());
    }
    case 'cube': {
      const parts = node.content.map((child) => child.refs);
      const out: number[][] = [];
      for (let mask = 0; mask < 1 << parts.length; mask++)
        out.push(parts.filter((_, i) => (mask & (1 << i)) !== 0).flat());
      return out;
    }
    case 'sets':
      return node.content.flatMap(setsOf);
  }
}

/** The cross product of the clauses, largest sets first as PostgreSQL lists them. */
export function expandGroupingSets(clauses: readonly GroupingSet[], distinct: boolean): number[][] {
  let result: number[][] = [[]];
  for (const clause of clauses) {
    const sets = setsOf(clause);
    result = result.flatMap((left) => sets.map((right) => [...left, ...right]));
  }
  result = result.map((set) => [...new Set(set)]);
  if (distinct) {
    const seen = new Set<string>();
    result = result.filter((set) => {
      const key = [...set].sort((a, b) => a - b).join(',');
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    });
  }
  return result
    .map((set, i) => ({ set, i }))
    .sort((a, b) => b.set.length - a.set.length || a.i - b.i)
    .map(({ set }) => set);
}
