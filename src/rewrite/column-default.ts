/** column-default.ts — the value of a column that a statement leaves to its default.
 *  Counterpart: build_column_default() of src/backend/rewrite/rewriteHandler.c, get_typdefault() of lsyscache.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import { typeInfo } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { constraintsOfRelation } from '#catalog/constraints.ts';
import { identitySequence } from '#catalog/dependency.ts';
import { formatType } from '#catalog/format-type.ts';
import { typeRow } from '#catalog/syscache.ts';
import { exprType } from '#nodes/node-funcs.ts';
import { stringToNode } from '#nodes/node-text.ts';
import type { Const, Expr } from '#nodes/primitives.ts';
import { coerceToTargetType } from '#parser/coerce.ts';
import { makeConst } from '#parser/make-nodes.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** The default of a column (1-based), null if it has none: then it is null. */
export function buildColumnDefault(relation: Relation, number: number): Expr | null {
  const column = relation.tupleDesc.attrs[number - 1]!;
  if (column.identity !== '')
    return { kind: 'NextValueExpr', seqid: identitySequence(relation.oid, number), typeId: column.typeId };
  let expr: Expr | null = null;
  if (column.hasDef) {
    const text = constraintsOfRelation(relation).defaults.get(number);
    if (text === undefined) {
      report('ERROR', {
        message: `default expression not found for attribute ${number} of relation "${relation.name}"`,
      });
    }
    expr = stringToNode(text) as Expr;
  }
  // A generated column has no other default; a domain may bring one.
  if (expr === null && column.generated === '') expr = typeDefault(column.typeId);
  if (expr === null) return null;
  const type = exprType(expr);
  const coerced = coerceToTargetType(null, expr, type, column.typeId, column.typmod, 'assignment', 'implicit_cast', -1);
  if (coerced === null) {
    report('ERROR', {
      code: SQLSTATE.datatypeMismatch,
      message: `column "${column.name}" is of type ${formatType(column.typeId)} but default expression is of type ${formatType(type)}`,
      hint: 'You will need to rewrite or cast the expression.',
    });
  }
  return coerced;
}

/** The default that a type itself has: of a domain, or of a base type made with DEFAULT. */
function typeDefault(type: Oid): Expr | null {
  const row = typeRow(type);
  if (row === undefined) return null;
  if (row.typdefaultbin !== null) return stringToNode(row.typdefaultbin) as Expr;
  if (row.typdefault === null) return null;
  return { ...makeConst(type, -1, typeInfo(type).input(row.typdefault, -1), -1), constcollid: row.typcollation };
}

/** NULL of a column's type; of a domain it must pass the domain's checks. */
export function nullOfColumn(type: Oid, typmod: number, collation: Oid): Expr {
  const row = typeRow(type)!;
  const base: Const = {
    ...makeConst(row.typtype === 'd' ? row.typbasetype : type, typmod, null, -1),
    constcollid: collation,
  };
  if (row.typtype !== 'd') return base;
  return coerceToTargetType(null, base, exprType(base), type, typmod, 'implicit', 'implicit_cast', -1)!;
}
