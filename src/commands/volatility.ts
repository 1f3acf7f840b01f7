/** volatility.ts — may an expression's value change between two looks at the same row?
 *  Counterpart: contain_mutable_functions(), contain_volatile_functions() of src/backend/optimizer/util/clauses.c */
import type { Oid } from '#base/ids.ts';
import { procRow, typeRow } from '#catalog/syscache.ts';
import { exprType } from '#nodes/node-funcs.ts';
import type { Expr } from '#nodes/primitives.ts';
import { anyExpr } from '#nodes/visit.ts';
import { operatorFunction } from '#catalog/pg-constraint.ts';

/** Functions that one node calls. */
function functionsOf(e: Expr): readonly Oid[] {
  switch (e.kind) {
    case 'FuncExpr':
      return [e.funcid];
    case 'OpExpr':
    case 'DistinctExpr':
    case 'NullIfExpr':
    case 'ScalarArrayOpExpr':
      return [e.opfuncid !== 0 ? e.opfuncid : operatorFunction(e.opno)];
    case 'Aggref':
      return [e.aggfnoid];
    case 'WindowFunc':
      return [e.winfnoid];
    case 'RowCompareExpr':
      return e.opnos.map(operatorFunction);
    case 'CoerceViaIO':
      return [typeRow(e.resulttype)?.typinput, typeRow(exprType(e.arg))?.typoutput].flatMap((oid) =>
        oid === undefined ? [] : [oid],
      );
    default:
      return [];
  }
}
const volatilityOf = (oid: Oid): string => procRow(oid)?.provolatile ?? 'v';

/** Anything that is not IMMUTABLE. */
export const containsMutable = (expr: Expr): boolean =>
  anyExpr(
    expr,
    (e) =>
      e.kind === 'SQLValueFunction' ||
      e.kind === 'NextValueExpr' ||
      functionsOf(e).some((oid) => volatilityOf(oid) !== 'i'),
  );
export const containsVolatile = (expr: Expr): boolean =>
  anyExpr(expr, (e) => e.kind === 'NextValueExpr' || functionsOf(e).some((oid) => volatilityOf(oid) === 'v'));
