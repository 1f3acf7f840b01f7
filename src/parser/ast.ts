/** ast.ts — reading the grammar's tree: a node is an object with one key, its tag; zero and false fields are absent. */
import type { Node } from '@pgsql/types';

export type Tag = Node extends infer N ? (N extends N ? keyof N : never) : never;
/** The body of a node of a tag. */
export type Body<T extends Tag> = Extract<Node, Record<T, unknown>> extends Record<T, infer B> ? B : never;

export function tagOf(node: Node): Tag {
  for (const tag in node) return tag as Tag;
  return '' as Tag;
}
export function bodyOf<T extends Tag>(node: Node, tag: T): Body<T> {
  return (node as unknown as Record<T, Body<T>>)[tag];
}
export function isTag<T extends Tag>(node: Node | undefined | null, tag: T): node is Extract<Node, Record<T, unknown>> {
  return node !== undefined && node !== null && tag in node;
}

/** The string of a String node; '' for anything else. */
export const stringOf = (node: Node | undefined): string =>
  node !== undefined && 'String' in node ? (node.String.sval ?? '') : '';
export const stringsOf = (nodes: readonly Node[] | undefined): string[] =>
  nodes === undefined ? [] : nodes.map(stringOf);
export const listItems = (node: Node | undefined): Node[] =>
  node !== undefined && 'List' in node ? ((node.List.items as Node[] | undefined) ?? []) : [];

export const isNullConstant = (node: Node | undefined): boolean =>
  node !== undefined && 'A_Const' in node && node.A_Const.isnull === true;

/** Where a raw expression starts: the leftmost location in it. */
export function rawLocation(node: Node | undefined): number {
  if (node === undefined) return -1;
  const tag = tagOf(node);
  const body = bodyOf(node, tag) as { location?: number; [key: string]: unknown };
  if (body === null || typeof body !== 'object') return -1;
  const own = body.location ?? 0;
  switch (tag) {
    case 'A_Expr':
      return leftmost(own, rawLocation(body['lexpr'] as Node | undefined));
    case 'FuncCall':
      // An operator-like syntax (x AT TIME ZONE y) starts at its first argument.
      return leftmost(own, rawLocation((body['args'] as Node[] | undefined)?.[0]));
    case 'TypeCast':
      return leftmost(own, rawLocation(body['arg'] as Node | undefined));
    case 'CollateClause':
    case 'NullTest':
    case 'BooleanTest':
      return rawLocation(body['arg'] as Node | undefined);
    case 'A_Indirection':
      return rawLocation(body['arg'] as Node | undefined);
    case 'BoolExpr':
      return leftmost(own, rawLocation((body['args'] as Node[] | undefined)?.[0]));
    case 'SubLink':
      return leftmost(own, rawLocation(body['testexpr'] as Node | undefined));
    case 'List': {
      for (const item of listItems(node)) {
        const at = rawLocation(item);
        if (at >= 0) return at;
      }
      return -1;
    }
    default:
      return 'location' in body || HAS_LOCATION.has(tag) ? own : -1;
  }
}
const HAS_LOCATION: ReadonlySet<Tag> = new Set<Tag>([
  'A_Const',
  'ColumnRef',
  'ParamRef',
  'TypeName',
  'RowExpr',
  'CaseExpr',
  'RangeVar',
  'ColumnDef',
  'ResTarget',
]);
export const leftmost = (a: number, b: number): number => (a < 0 ? b : b < 0 ? a : Math.min(a, b));
