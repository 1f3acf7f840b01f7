/** relation-info.ts — what the planner must know of a table: its size, its columns' statistics, its indexes.
 *
 *  The size is the file's size now, with the density that VACUUM or ANALYZE saw last. What an index is made of is
 *  remembered with its relation cache entry; how large it is, is asked each time.
 *  Counterpart: get_relation_info(), estimate_rel_size() of src/backend/optimizer/util/plancat.c */
import { relationNblocks } from '#access/common/relation-descriptor.ts';
import { indexAm } from '#access/common/index-am.ts';
import { getRootHeight } from '#access/nbtree/page-access.ts';
import { BTREE_AM_OID } from '#access/nbtree/nbtree-layout.ts';
import type { Oid } from '#base/ids.ts';
import { relationClose, relationOpen } from '#catalog/relation.ts';
import type { RelationData } from '#catalog/relation-data.ts';
import { mayUseIndexes, relationGetIndexList } from '#catalog/relcache.ts';
import { implicitAnd } from '#nodes/node-funcs.ts';
import { stringToNode } from '#nodes/node-text.ts';
import type { RteRelation } from '#nodes/parse-nodes.ts';
import type { Expr } from '#nodes/primitives.ts';
import { mapChildren } from '#nodes/visit.ts';
import { roundEven } from '#optimizer/cost.ts';
import { typeWidth } from '#optimizer/planner-info.ts';
import { columnStatistics } from '#optimizer/statistics.ts';
import { planExpression } from '#executor/stored-expr.ts';
import type { LockMode } from '#storage/lmgr/lock-modes.ts';

/** What an index consists of. Expressions and predicate speak of relation 1. */
interface IndexShape {
  readonly oid: Oid;
  readonly name: string;
  readonly amOid: Oid;
  /** Columns of the table by position, 0 for an expression; the columns of INCLUDE follow the keys. */
  readonly columns: readonly number[];
  readonly nKeys: number;
  readonly families: readonly Oid[];
  readonly inputTypes: readonly Oid[];
  readonly collations: readonly Oid[];
  readonly descending: readonly boolean[];
  readonly nullsFirst: readonly boolean[];
  readonly expressions: readonly Expr[];
  readonly predicate: readonly Expr[];
  readonly unique: boolean;
  readonly immediate: boolean;
  readonly canReturn: readonly boolean[];
  readonly canOrder: boolean;
  readonly searchArray: boolean;
  readonly searchNulls: boolean;
  readonly optionalKey: boolean;
}

export interface IndexOptInfo extends IndexShape {
  readonly pages: number;
  readonly tuples: number;
  /** -1 if the access method has no such thing. */
  readonly treeHeight: number;
  /** By column: the expression over the planned relation that it holds. */
  readonly operands: readonly Expr[];
}

export interface RelationInfo {
  readonly pages: number;
  readonly tuples: number;
  readonly allVisibleFraction: number;
  readonly indexes: readonly IndexOptInfo[];
  /** By column: average width. */
  readonly widths: readonly number[];
}

const PAGE = 8192;
const PAGE_HEADER = 24;
const maxAlign = (bytes: number): number => (bytes + 7) & ~7;

const moveTo = (expr: Expr, rtindex: number): Expr =>
  expr.kind === 'Var'
    ? { ...expr, varno: rtindex, varnosyn: rtindex }
    : mapChildren(expr, (child) => moveTo(child, rtindex));

const INDEX_SHAPE = 'optimizer.indexShape';
function shapeOf(index: RelationData): IndexShape {
  const known = index.memo.get(INDEX_SHAPE);
  if (known !== undefined) return known as IndexShape;
  const desc = index.index!;
  const am = indexAm(index.amOid);
  const shape: IndexShape = {
    oid: index.oid,
    name: index.name,
    amOid: index.amOid,
    columns: desc.keys,
    nKeys: desc.nKeyAtts,
    families: desc.opfamilies,
    inputTypes: desc.opcInTypes,
    collations: desc.collations,
    descending: desc.options.map((option) => (option & 1) !== 0),
    nullsFirst: desc.options.map((option) => (option & 2) !== 0),
    expressions: desc.exprsText === null ? [] : ([stringToNode(desc.exprsText)].flat() as Expr[]).map(planExpression),
    predicate:
      desc.predText === null
        ? []
        : ([stringToNode(desc.predText)].flat() as Expr[]).flatMap((expr) => implicitAnd(planExpression(expr))),
    unique: desc.unique,
    immediate: desc.immediate,
    canReturn: desc.keys.map((_, i) => am.canReturn(index, i + 1)),
    canOrder: am.canOrder,
    searchArray: am.searchArray,
    searchNulls: am.searchNulls,
    optionalKey: am.optionalKey,
  };
  index.memo.set(INDEX_SHAPE, shape);
  return shape;
}

/** Pages and rows of a table whose file has `pages` pages. */
function tableSize(relation: RelationData, pages: number, width: number): { pages: number; tuples: number } {
  const known = relation.tuples >= 0 && relation.pages > 0;
  // A table that was never vacuumed may be filled before the plan is run.
  const current = pages < 10 && relation.tuples < 0 && !relation.hasSubclass ? 10 : pages;
  if (current === 0) return { pages: 0, tuples: 0 };
  const density = known
    ? relation.tuples / relation.pages
    : Math.floor((PAGE - PAGE_HEADER) / (maxAlign(width) + 24 + 4));
  return { pages: current, tuples: roundEven(density * current) };
}
function indexTuples(index: RelationData, pages: number, width: number): number {
  // The meta page holds no rows.
  const counted = index.pages > 0 ? index.pages - 1 : 0;
  const current = index.pages > 0 ? pages - 1 : pages;
  if (current <= 0) return 0;
  const density =
    index.tuples >= 0 && counted > 0
      ? index.tuples / counted
      : Math.floor((PAGE - PAGE_HEADER) / (maxAlign(width) + 8 + 4));
  return roundEven(density * current);
}

export function relationInfo(rte: RteRelation, rtindex: number): RelationInfo {
  const relation = relationOpen(rte.relid, 0);
  try {
    const widths = relation.tupleDesc.attrs.map((column) =>
      column.isDropped
        ? 0
        : (columnStatistics(relation.oid, column.number)?.width ?? typeWidth(column.typeId, column.typmod)),
    );
    const width = widths.reduce((sum, one) => sum + one, 0);
    const blocks =
      relation.kind === 'r' || relation.kind === 't' || relation.kind === 'm' ? relationNblocks(relation) : 0;
    const { pages, tuples } = tableSize(relation, blocks, width);
    let allVisibleFraction = 0;
    if (relation.allVisible > 0 && blocks > 0) allVisibleFraction = Math.min(1, relation.allVisible / blocks);
    const mayUse = relation.hasIndex && (!relation.isSystem || mayUseIndexes());
    const indexes = mayUse ? indexesOf(relation, rte, rtindex, tuples) : [];
    return { pages, tuples, allVisibleFraction, indexes, widths };
  } finally {
    relationClose(relation, 0);
  }
}

function indexesOf(relation: RelationData, rte: RteRelation, rtindex: number, tuples: number): IndexOptInfo[] {
  const out: IndexOptInfo[] = [];
  const mode = (rte.rellockmode === 0 ? 1 : rte.rellockmode) as LockMode;
  for (const oid of relationGetIndexList(relation)) {
    const index = relationOpen(oid, mode);
    const usable = index.index!.valid && index.kind === 'i';
    if (usable) {
      const shape = shapeOf(index);
      const pages = relationNblocks(index);
      const own = index.tupleDesc.attrs.reduce((sum, column) => sum + typeWidth(column.typeId, column.typmod), 0);
      const rows = shape.predicate.length === 0 ? tuples : Math.min(tuples, indexTuples(index, pages, own));
      let expression = 0;
      out.push({
        ...shape,
        predicate: shape.predicate.map((expr) => moveTo(expr, rtindex)),
        expressions: shape.expressions.map((expr) => moveTo(expr, rtindex)),
        pages,
        tuples: rows,
        treeHeight: shape.amOid === BTREE_AM_OID ? getRootHeight(index) : -1,
        operands: shape.columns.map((column): Expr => {
          if (column === 0) return moveTo(shape.expressions[expression++]!, rtindex);
          const { typeId, typmod, collation } = relation.tupleDesc.attrs[column - 1]!;
          return {
            kind: 'Var',
            varno: rtindex,
            varattno: column,
            vartype: typeId,
            vartypmod: typmod,
            varcollid: collation,
            varlevelsup: 0,
            varnosyn: rtindex,
            varattnosyn: column,
            location: -1,
          };
        }),
      });
    }
    // Its lock stays until the end of the transaction.
    relationClose(index, 0);
  }
  return out;
}
