/** offset-vars.ts — a query whose range table gets entries in front: all references to it move up.
 *  Counterpart: OffsetVarNodes() of src/backend/rewrite/rewriteManip.c */
import type { Query } from '#nodes/parse-nodes.ts';

type TreeNode = Readonly<Record<string, unknown>>;

/** A copy of the query with references to its own range table increased by `by`; the range table is not changed. */
export const offsetVarNodes = (query: Query, by: number): Query =>
  shiftQuery(query as never, by, 0) as unknown as Query;

function shift(value: unknown, by: number, depth: number): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item) => shift(item, by, depth));
  const node = value as TreeNode;
  switch (node.kind) {
    // A constant's value may be an object of any form.
    case 'Const':
      return node;
    case 'Query':
      return shiftQuery(node, by, depth + 1);
    case 'Var': {
      if (node.varlevelsup !== depth) return node;
      const syn = node.varnosyn as number;
      return { ...node, varno: (node.varno as number) + by, varnosyn: syn > 0 ? syn + by : syn };
    }
    case 'CurrentOfExpr':
      return depth === 0 ? { ...node, cvarno: (node.cvarno as number) + by } : node;
    case 'RangeTblRef':
      return depth === 0 ? { ...node, rtindex: (node.rtindex as number) + by } : node;
    case 'JoinExpr': {
      const inner = shiftFields(node, by, depth);
      const rtindex = node.rtindex as number;
      return depth === 0 && rtindex > 0 ? { ...inner, rtindex: rtindex + by } : inner;
    }
    default:
      return shiftFields(node, by, depth);
  }
}
function shiftFields(node: TreeNode, by: number, depth: number): TreeNode {
  const out: Record<string, unknown> = {};
  for (const key in node) out[key] = shift(node[key], by, depth);
  return out;
}
function shiftQuery(node: TreeNode, by: number, depth: number): TreeNode {
  const inner = shiftFields(node, by, depth) as unknown as Query;
  if (depth > 0) return inner as never;
  return {
    ...inner,
    resultRelation: inner.resultRelation > 0 ? inner.resultRelation + by : 0,
    onConflict:
      inner.onConflict === null ? null : { ...inner.onConflict, exclRelIndex: inner.onConflict.exclRelIndex + by },
    rowMarks: inner.rowMarks.map((mark) => ({ ...mark, rti: mark.rti + by })),
  } as never;
}
