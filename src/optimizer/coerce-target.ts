/** coerce-target.ts — a column brought to the type its set operation declares.
 *
 *  The analyzer has put the coercions it could into the branches; what is left here are branches whose declared type
 *  differs from what an enclosing operation resolved to.
 *  Counterpart: coerce_to_common_type() as used by generate_setop_tlist() */
import type { Oid } from '#base/ids.ts';
import { castRow, isBinaryCoercible } from '#catalog/syscache.ts';
import { exprType } from '#nodes/node-funcs.ts';
import type { Expr } from '#nodes/primitives.ts';

export function coerceTarget(expr: Expr, type: Oid, typmod: number, collation: Oid): Expr {
  const source = exprType(expr);
  if (source === type) return expr;
  const cast = castRow(source, type);
  if (cast !== undefined && cast.castmethod === 'f') {
    return {
      kind: 'FuncExpr',
      funcid: cast.castfunc,
      funcresulttype: type,
      funcretset: false,
      funcvariadic: false,
      funcformat: 'implicit_cast',
      funccollid: collation,
      inputcollid: collation,
      args: [expr],
      location: -1,
    };
  }
  if (isBinaryCoercible(source, type)) {
    return {
      kind: 'RelabelType',
      arg: expr,
      resulttype: type,
      resulttypmod: typmod,
      resultcollid: collation,
      relabelformat: 'implicit_cast',
      location: -1,
    };
  }
  return {
    kind: 'CoerceViaIO',
    arg: expr,
    resulttype: type,
    resultcollid: collation,
    coerceformat: 'implicit_cast',
    location: -1,
  };
}
