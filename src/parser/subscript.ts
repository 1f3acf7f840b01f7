/** subscript.ts — a[1], a[1:2], j['key'].
 *  Counterpart: src/backend/parser/parse_node.c (transformContainerSubscripts), utils/adt/arraysubs.c, jsonbsubs.c */
import type { Node } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { formatType } from '#catalog/format-type.ts';
import { TYPE } from '#catalog/oids.ts';
import { baseTypeAndTypmod, typeRow } from '#catalog/syscache.ts';
import { exprLocation, exprType } from '#nodes/node-funcs.ts';
import type { Expr, SubscriptingRef } from '#nodes/primitives.ts';
import { bodyOf } from '#parser/ast.ts';
import { canCoerceType, coerceToTargetType } from '#parser/coerce.ts';
import { transformExpr } from '#parser/expr.ts';
import { makeConst } from '#parser/make-nodes.ts';
import { fail, type ParseState } from '#parser/parse-state.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const MAX_DIMENSIONS = 6;
const RAW_ARRAY_HANDLER = 6180;
const ARRAY_HANDLER = 6179;
const JSONB_HANDLER = 6098;

export function transformSubscripts(
  p: ParseState,
  container: Expr,
  type: Oid,
  typmod: number,
  indices: readonly Node[],
): Expr {
  const base = baseTypeAndTypmod(type, typmod);
  const row = typeRow(base.type)!;
  let containerType = base.type;
  // int2vector and oidvector are subscripted as the arrays they are.
  if (containerType === TYPE.int2vector) containerType = TYPE.int2Array;
  else if (containerType === TYPE.oidvector) containerType = TYPE.oidArray;
  const handler = row.typsubscript;
  if (handler !== ARRAY_HANDLER && handler !== RAW_ARRAY_HANDLER && handler !== JSONB_HANDLER) {
    fail(
      p,
      SQLSTATE.datatypeMismatch,
      `cannot subscript type ${formatType(type)} because it does not support subscripting`,
      exprLocation(container),
    );
  }
  const isSlice = indices.some((n) => bodyOf(n, 'A_Indices').is_slice === true);
  const made: SubscriptingRef = {
    kind: 'SubscriptingRef',
    refcontainertype: base.type,
    refelemtype: row.typelem,
    refrestype: 0 as Oid,
    reftypmod: base.typmod,
    refcollid: 0 as Oid,
    refupperindexpr: [],
    reflowerindexpr: [],
    refexpr: container,
    refassgnexpr: null,
  };
  if (handler === JSONB_HANDLER) return jsonbSubscripts(p, made, indices, isSlice);
  const index = (node: Node): Expr => {
    const expr = transformExpr(p, node, p.exprKind);
    const subscript = coerceToTargetType(p, expr, exprType(expr), TYPE.int4, -1, 'assignment', 'implicit_cast', -1);
    if (subscript === null) {
      fail(p, SQLSTATE.datatypeMismatch, 'array subscript must have type integer', exprLocation(expr));
    }
    return subscript;
  };
  for (const node of indices) {
    const i = bodyOf(node, 'A_Indices');
    if (isSlice) {
      if (i.lidx !== undefined) made.reflowerindexpr.push(index(i.lidx));
      // In a slice a lone subscript n means 1:n.
      else made.reflowerindexpr.push(i.is_slice === true ? null : makeConst(TYPE.int4, -1, 1, -1));
    }
    made.refupperindexpr.push(i.uidx === undefined ? null : index(i.uidx));
  }
  if (indices.length > MAX_DIMENSIONS) {
    fail(
      p,
      SQLSTATE.programLimitExceeded,
      `number of array dimensions (${indices.length}) exceeds the maximum allowed (${MAX_DIMENSIONS})`,
    );
  }
  made.refrestype = isSlice ? containerType : row.typelem;
  return made;
}

function jsonbSubscripts(p: ParseState, made: SubscriptingRef, indices: readonly Node[], isSlice: boolean): Expr {
  if (isSlice) {
    const first = bodyOf(indices.find((n) => bodyOf(n, 'A_Indices').is_slice === true)!, 'A_Indices');
    const at = first.uidx ?? first.lidx;
    fail(
      p,
      SQLSTATE.datatypeMismatch,
      'jsonb subscript does not support slices',
      at === undefined ? exprLocation(made.refexpr) : exprLocation(transformExpr(p, at, p.exprKind)),
    );
  }
  for (const node of indices) {
    const expr = transformExpr(p, bodyOf(node, 'A_Indices').uidx!, p.exprKind);
    const type = exprType(expr);
    let target: Oid = TYPE.text;
    if (type !== TYPE.unknown) {
      const integer = canCoerceType(type, TYPE.int4, 'implicit');
      const string = canCoerceType(type, TYPE.text, 'implicit');
      if (integer && string) {
        fail(p, SQLSTATE.datatypeMismatch, `subscript type ${formatType(type)} is not supported`, exprLocation(expr), {
          hint: 'jsonb subscript must be coercible to only one type, integer or text.',
        });
      }
      if (!integer && !string) {
        fail(p, SQLSTATE.datatypeMismatch, `subscript type ${formatType(type)} is not supported`, exprLocation(expr), {
          hint: 'jsonb subscript must be coercible to either integer or text.',
        });
      }
      if (integer) target = TYPE.int4;
    }
    const subscript = coerceToTargetType(p, expr, type, target, -1, 'implicit', 'implicit_cast', -1);
    if (subscript === null) {
      fail(p, SQLSTATE.datatypeMismatch, 'jsonb subscript must have text type', exprLocation(expr));
    }
    made.refupperindexpr.push(subscript);
  }
  made.refrestype = TYPE.jsonb;
  made.reftypmod = -1;
  return made;
}
