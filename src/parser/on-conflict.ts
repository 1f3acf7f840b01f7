/** on-conflict.ts — ON CONFLICT: which unique indexes are meant, and what happens instead.
 *
 *  The arbiter is given as expressions that the planner matches with the unique indexes of the table, or as a
 *  constraint. In DO UPDATE the row that could not be inserted is visible as `excluded`.
 *  Counterpart: transformOnConflictClause of src/backend/parser/analyze.c, transformOnConflictArbiter of parse_clause.c */
import type { IndexElem, InferClause, Node, OnConflictClause } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { relationColumns } from '#catalog/function-result.ts';
import { ACCESS_METHOD, isCatalogRelationOid } from '#catalog/oids.ts';
import type { ClassRow } from '#catalog/rows.ts';
import { opclassOid } from '#catalog/namespace.ts';
import { constraintsOf } from '#catalog/syscache.ts';
import type { OnConflictExpr, RteRelation } from '#nodes/parse-nodes.ts';
import type { Expr, TargetEntry } from '#nodes/primitives.ts';
import { stringsOf } from '#parser/ast.ts';
import { transformWhere } from '#parser/clause.ts';
import { coerceToBoolean } from '#parser/coerce.ts';
import { assignExprCollations } from '#parser/collate.ts';
import { transformExpr } from '#parser/expr.ts';
import { makeTargetEntry, makeVar } from '#parser/make-nodes.ts';
import { transformUpdateTargets } from '#parser/modify.ts';
import { fail, type ParseState } from '#parser/parse-state.ts';
import { addRelation, makeAlias } from '#parser/relation.ts';
import { resolveCollation } from '#parser/type-name.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

interface Arbiter {
  elements: Expr[];
  where: Expr | null;
  constraint: Oid;
}

export function transformOnConflict(p: ParseState, clause: OnConflictClause, row: ClassRow): OnConflictExpr {
  const arbiter = transformArbiter(p, clause, row);
  const made: OnConflictExpr = {
    kind: 'OnConflictExpr',
    action: clause.action === 'ONCONFLICT_UPDATE' ? 'update' : 'nothing',
    arbiterElems: arbiter.elements,
    arbiterWhere: arbiter.where,
    constraint: arbiter.constraint,
    onConflictSet: [],
    onConflictWhere: null,
    exclRelIndex: 0,
    exclRelTlist: [],
  };
  if (made.action === 'nothing') return made;
  const excluded = addRelation(p, row, makeAlias('excluded'), false, false);
  const rte = excluded.rte as RteRelation;
  // It is no stored relation: nothing of it is read, no lock or right is needed.
  rte.relkind = 'c';
  rte.requiredPerms = 0;
  made.exclRelIndex = excluded.rtindex;
  made.exclRelTlist = excludedColumns(row, excluded.rtindex);
  p.namespace = [p.targetItem!, excluded];
  made.onConflictSet = transformUpdateTargets(p, row, clause.targetList ?? []);
  made.onConflictWhere = transformWhere(p, clause.whereClause, 'where', 'WHERE');
  p.namespace = [p.targetItem!];
  return made;
}

/** The excluded row's columns by attribute number, dropped ones as nulls, and the whole row. */
function excludedColumns(row: ClassRow, rtindex: number): TargetEntry[] {
  const { names, types, typmods, collations } = relationColumns(row.oid);
  const list = types.map((type, i): TargetEntry => {
    const expr: Expr =
      type === 0
        ? {
            kind: 'Const',
            consttype: 23 as Oid,
            consttypmod: -1,
            constcollid: 0 as Oid,
            constlen: 4,
            constvalue: null,
            constisnull: true,
            constbyval: true,
            location: -1,
          }
        : makeVar(rtindex, i + 1, type, typmods[i]!, collations[i]!, 0);
    return makeTargetEntry(expr, i + 1, type === 0 ? null : names[i]!, false);
  });
  list.push(makeTargetEntry(makeVar(rtindex, 0, row.reltype, -1, 0 as Oid, 0), 0, null, true));
  return list;
}

function transformArbiter(p: ParseState, clause: OnConflictClause, row: ClassRow): Arbiter {
  const infer = clause.infer;
  if (clause.action === 'ONCONFLICT_UPDATE' && infer === undefined) {
    fail(
      p,
      SQLSTATE.syntaxError,
      'ON CONFLICT DO UPDATE requires inference specification or constraint name',
      clause.location ?? 0,
      { hint: 'For example, ON CONFLICT (column_name).' },
    );
  }
  if (isCatalogRelationOid(row.oid)) {
    fail(
      p,
      SQLSTATE.featureNotSupported,
      'ON CONFLICT is not supported with system catalog tables',
      clause.location ?? 0,
    );
  }
  if (infer === undefined) return { elements: [], where: null, constraint: 0 as Oid };
  return transformInference(p, infer, row);
}

function transformInference(p: ParseState, infer: InferClause, row: ClassRow): Arbiter {
  const saved = p.namespace;
  p.namespace = [p.targetItem!];
  const elements = (infer.indexElems ?? []).map((node) => inferenceElement(p, node));
  let where: Expr | null = null;
  if (infer.whereClause !== undefined) {
    where = coerceToBoolean(p, transformExpr(p, infer.whereClause, 'index_predicate'), 'WHERE');
    assignExprCollations(p, where);
  }
  p.namespace = saved;
  let constraint = 0 as Oid;
  if (infer.conname !== undefined) {
    const found = constraintsOf(row.oid).find((c) => c.conname === infer.conname);
    if (found === undefined) {
      fail(p, SQLSTATE.undefinedObject, `constraint "${infer.conname}" for table "${row.relname}" does not exist`);
    }
    constraint = found.oid;
  }
  return { elements, where, constraint };
}

function inferenceElement(p: ParseState, node: Node): Expr {
  const element = (node as { IndexElem: IndexElem }).IndexElem;
  const infer = (node as { IndexElem: IndexElem & { location?: number } }).IndexElem;
  if (element.ordering !== undefined && element.ordering !== 'SORTBY_DEFAULT')
    fail(p, SQLSTATE.invalidColumnReference, 'ASC/DESC is not allowed in ON CONFLICT clause', infer.location);
  if (element.nulls_ordering !== undefined && element.nulls_ordering !== 'SORTBY_NULLS_DEFAULT')
    fail(p, SQLSTATE.invalidColumnReference, 'NULLS FIRST/LAST is not allowed in ON CONFLICT clause', infer.location);
  const raw: Node =
    element.name !== undefined
      ? { ColumnRef: { fields: [{ String: { sval: element.name } }], location: infer.location ?? 0 } }
      : element.expr!;
  const expr = transformExpr(p, raw, 'index_expression');
  assignExprCollations(p, expr);
  let infercollid = 0 as Oid;
  if (element.collation !== undefined)
    infercollid = resolveCollation(p, stringsOf(element.collation), infer.location ?? 0);
  const inferopclass =
    element.opclass === undefined ? (0 as Oid) : opclassOid(ACCESS_METHOD.btree, stringsOf(element.opclass));
  return { kind: 'InferenceElem', expr, infercollid, inferopclass };
}
