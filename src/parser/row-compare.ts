/** row-compare.ts — comparing rows: (a, b) = (c, d) is an AND of pairs, < and > need one btree family per column.
 *  Counterpart: make_row_comparison_op, make_row_distinct_op of src/backend/parser/parse_expr.c */
import type { Oid } from '#base/ids.ts';
import { TYPE } from '#catalog/oids.ts';
import { formatType } from '#catalog/format-type.ts';
import type { Expr, OpExpr, RowCompareType, RowExpr } from '#nodes/primitives.ts';
import { makeDistinct } from '#parser/expr.ts';
import { makeConst } from '#parser/make-nodes.ts';
import { btreeInterpretations, makeOp } from '#parser/oper.ts';
import { fail, type ParseState } from '#parser/parse-state.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const INVALID = 0 as Oid;
const BY_STRATEGY: readonly (RowCompareType | undefined)[] = [undefined, 'lt', 'le', 'eq', 'ge', 'gt', 'ne'];

export function makeRowComparison(
  p: ParseState,
  names: readonly string[],
  left: Expr[],
  right: Expr[],
  location: number,
): Expr {
  if (left.length !== right.length) {
    fail(p, SQLSTATE.syntaxError, 'unequal number of entries in row expressions', location);
  }
  if (left.length === 0) {
    fail(p, SQLSTATE.featureNotSupported, 'cannot compare rows of zero length', location);
  }
  const pairs: OpExpr[] = left.map((l, i) => {
    const op = makeOp(p, names, l, right[i]!, location);
    if (op.opresulttype !== TYPE.bool) {
      fail(
        p,
        SQLSTATE.datatypeMismatch,
        `row comparison operator must yield type boolean, not type ${formatType(op.opresulttype)}`,
        location,
      );
    }
    if (op.opretset) fail(p, SQLSTATE.datatypeMismatch, 'row comparison operator must not return a set', location);
    return op;
  });
  if (pairs.length === 1) return pairs[0]!;
  // The strategy that every pair's operator has in some btree family.
  const interpretations = pairs.map((op) => btreeInterpretations(op.opno));
  const strategy = [1, 2, 3, 4, 5, 6].find((s) => interpretations.every((list) => list.some((i) => i.strategy === s)));
  if (strategy === undefined) {
    fail(
      p,
      SQLSTATE.featureNotSupported,
      `could not determine interpretation of row comparison operator ${names[names.length - 1]}`,
      location,
      { hint: 'Row comparison operators must be associated with btree operator families.' },
    );
  }
  const rctype = BY_STRATEGY[strategy]!;
  if (rctype === 'eq' || rctype === 'ne') {
    return { kind: 'BoolExpr', boolop: rctype === 'eq' ? 'and' : 'or', args: pairs, location };
  }
  return {
    kind: 'RowCompareExpr',
    rctype,
    opnos: pairs.map((op) => op.opno),
    opfamilies: interpretations.map((list) => list.find((i) => i.strategy === strategy)!.family),
    inputcollids: pairs.map(() => INVALID),
    largs: pairs.map((op) => op.args[0]!),
    rargs: pairs.map((op) => op.args[1]!),
  };
}

export function makeRowDistinct(
  p: ParseState,
  names: readonly string[],
  left: RowExpr,
  right: RowExpr,
  location: number,
): Expr {
  if (left.args.length !== right.args.length) {
    fail(p, SQLSTATE.syntaxError, 'unequal number of entries in row expressions', location);
  }
  const pairs = left.args.map((l, i) => makeDistinct(p, names, l, right.args[i]!, location));
  if (pairs.length === 0) return makeConst(TYPE.bool, -1, false, -1);
  return pairs.length === 1 ? pairs[0]! : { kind: 'BoolExpr', boolop: 'or', args: pairs, location };
}
