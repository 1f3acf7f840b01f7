/** assign.ts — putting a value into a column: its coercion, and `col[i]`, `col.field` on the left side.
 *  Counterpart: transformAssignedExpr, transformAssignmentIndirection of src/backend/parser/parse_target.c */
import type { Node } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { formatType } from '#catalog/format-type.ts';
import { attributes, baseTypeAndTypmod, typeCollation, typeRelid, typeRow } from '#catalog/syscache.ts';
import type { AttributeRow } from '#catalog/rows.ts';
import { exprLocation, exprType } from '#nodes/node-funcs.ts';
import type { Expr } from '#nodes/primitives.ts';
import { isTag, stringOf } from '#parser/ast.ts';
import { coerceToDomain, coerceToTargetType } from '#parser/coerce.ts';
import { makeConst, makeVar } from '#parser/make-nodes.ts';
import { type ExprKind, fail, type ParseState } from '#parser/parse-state.ts';
import { transformSubscripts } from '#parser/subscript.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** Refuses what no statement may assign to, and names the column's needs. */
export function transformAssignedExpr(
  p: ParseState,
  expr: Expr,
  kind: ExprKind,
  column: AttributeRow,
  indirection: readonly Node[],
  location: number,
): Expr {
  const saved = p.exprKind;
  p.exprKind = kind;
  try {
    if (expr.kind === 'SetToDefault') {
      if (indirection.length > 0) refuseDefaultOfPart(p, indirection, location);
      expr.typeId = column.atttypid;
      expr.typeMod = column.atttypmod;
      expr.collation = column.attcollation;
      return expr;
    }
    if (indirection.length > 0) {
      const isInsert = kind === 'insert_target';
      // INSERT into a part of a column starts from a null value, UPDATE from the old one.
      const start: Expr = isInsert
        ? makeConst(column.atttypid, column.atttypmod, null, -1)
        : targetColumn(p, column, location);
      if (isInsert && start.kind === 'Const') start.constcollid = column.attcollation;
      return assignIndirection(
        p,
        start,
        column.attname,
        false,
        column.atttypid,
        column.atttypmod,
        column.attcollation,
        indirection,
        expr,
        location,
      );
    }
    return coerceAssigned(p, expr, column.attname, column.atttypid, column.atttypmod, 'column', location);
  } finally {
    p.exprKind = saved;
  }
}

function targetColumn(p: ParseState, column: AttributeRow, location: number): Expr {
  const rtindex = p.targetItem!.rtindex;
  const made = makeVar(rtindex, column.attnum, column.atttypid, column.atttypmod, column.attcollation, 0);
  made.location = location;
  return made;
}

function refuseDefaultOfPart(p: ParseState, indirection: readonly Node[], location: number): never {
  const element = isTag(indirection[0], 'A_Indices');
  fail(
    p,
    SQLSTATE.featureNotSupported,
    element ? 'cannot set an array element to DEFAULT' : 'cannot set a subfield to DEFAULT',
    location,
  );
}

function coerceAssigned(
  p: ParseState,
  expr: Expr,
  name: string,
  type: Oid,
  typmod: number,
  what: 'column' | 'subfield' | 'subscripted assignment to',
  location: number,
): Expr {
  const from = exprType(expr);
  const coerced = coerceToTargetType(p, expr, from, type, typmod, 'assignment', 'implicit_cast', -1);
  if (coerced !== null) return coerced;
  const message =
    what === 'subscripted assignment to'
      ? `subscripted assignment to "${name}" requires type ${formatType(type)} but expression is of type ${formatType(from)}`
      : `${what} "${name}" is of type ${formatType(type)} but expression is of type ${formatType(from)}`;
  const at = exprLocation(expr);
  return fail(p, SQLSTATE.datatypeMismatch, message, at >= 0 ? at : location, {
    hint: 'You will need to rewrite or cast the expression.',
  });
}

/** An expression that gives the container's or row's new value. `basenode` is its old one, null for "what is passed in". */
function assignIndirection(
  p: ParseState,
  basenode: Expr | null,
  name: string,
  isSubscripting: boolean,
  type: Oid,
  typmod: number,
  collation: Oid,
  steps: readonly Node[],
  rhs: Expr,
  location: number,
): Expr {
  const base: Expr = basenode ?? { kind: 'CaseTestExpr', typeId: type, typeMod: typmod, collation };
  const subscripts: Node[] = [];
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i]!;
    if (isTag(step, 'A_Indices')) {
      subscripts.push(step);
      continue;
    }
    if (isTag(step, 'A_Star'))
      fail(p, SQLSTATE.featureNotSupported, 'row expansion via "*" is not supported here', location);
    if (subscripts.length > 0)
      return assignSubscript(p, base, name, type, typmod, collation, subscripts, steps.slice(i), rhs, location);
    return assignField(p, base, name, type, typmod, stringOf(step), steps.slice(i + 1), rhs, location);
  }
  if (subscripts.length > 0)
    return assignSubscript(p, base, name, type, typmod, collation, subscripts, [], rhs, location);
  return coerceAssigned(
    p,
    rhs,
    name,
    type,
    typmod,
    isSubscripting ? 'subscripted assignment to' : 'subfield',
    location,
  );
}

function assignField(
  p: ParseState,
  base: Expr,
  name: string,
  type: Oid,
  typmod: number,
  field: string,
  rest: readonly Node[],
  rhs: Expr,
  location: number,
): Expr {
  const plain = baseTypeAndTypmod(type, typmod);
  const relid = typeRelid(plain.type);
  if (relid === 0) {
    fail(
      p,
      SQLSTATE.datatypeMismatch,
      `cannot assign to field "${field}" of column "${name}" because its type ${formatType(type)} is not a composite type`,
      location,
    );
  }
  const column = attributes(relid).find((a) => a.attname === field && !a.attisdropped);
  if (column === undefined) {
    fail(
      p,
      SQLSTATE.undefinedColumn,
      `cannot assign to field "${field}" of column "${name}" because there is no such column in data type ${formatType(type)}`,
      location,
    );
  }
  const value = assignIndirection(
    p,
    null,
    field,
    false,
    column.atttypid,
    column.atttypmod,
    column.attcollation,
    rest,
    rhs,
    location,
  );
  const store: Expr = {
    kind: 'FieldStore',
    arg: base,
    newvals: [value],
    fieldnums: [column.attnum],
    resulttype: plain.type,
  };
  return plain.type === type
    ? store
    : coerceToDomain(store, plain.type, plain.typmod, type, 'implicit', 'implicit_cast', location, false);
}

function assignSubscript(
  p: ParseState,
  base: Expr,
  name: string,
  type: Oid,
  typmod: number,
  collation: Oid,
  subscripts: readonly Node[],
  rest: readonly Node[],
  rhs: Expr,
  location: number,
): Expr {
  const plain = baseTypeAndTypmod(type, typmod);
  const reference = transformSubscripts(p, base, type, typmod, subscripts);
  if (reference.kind !== 'SubscriptingRef') throw new Error('subscripts made no SubscriptingRef');
  // What stands for the element is collated as the container is, if its type can be.
  const elementCollation = typeRow(reference.refrestype)?.typcollation === 0 ? (0 as Oid) : collation;
  const value = assignIndirection(
    p,
    null,
    name,
    true,
    reference.refrestype,
    reference.reftypmod,
    elementCollation || typeCollation(reference.refrestype),
    rest,
    rhs,
    location,
  );
  reference.refassgnexpr = value;
  reference.refrestype = reference.refcontainertype;
  reference.reftypmod = plain.typmod;
  return plain.type === type
    ? reference
    : coerceToDomain(reference, plain.type, plain.typmod, type, 'implicit', 'implicit_cast', location, false);
}
