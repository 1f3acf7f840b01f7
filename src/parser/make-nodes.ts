/** make-nodes.ts — makers of the nodes that analysis builds everywhere.
 *  Counterpart: src/backend/nodes/makefuncs.c */
import type { Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { typeRow } from '#catalog/syscache.ts';
import type { CoercionForm, Const, Expr, FuncExpr, RelabelType, TargetEntry, Var } from '#nodes/primitives.ts';

const INVALID = 0 as Oid;

export function makeConst(type: Oid, typmod: number, value: Datum, location: number): Const {
  const row = typeRow(type)!;
  return {
    kind: 'Const',
    consttype: type,
    consttypmod: typmod,
    constcollid: row.typcollation,
    constlen: row.typlen,
    constvalue: value,
    constisnull: value === null,
    constbyval: row.typbyval,
    location,
  };
}

export function makeVar(
  varno: number,
  attno: number,
  type: Oid,
  typmod: number,
  collation: Oid,
  levelsUp: number,
): Var {
  return {
    kind: 'Var',
    varno,
    varattno: attno,
    vartype: type,
    vartypmod: typmod,
    varcollid: collation,
    varlevelsup: levelsUp,
    varnosyn: varno,
    varattnosyn: attno,
    location: -1,
  };
}
export function makeFuncExpr(
  funcid: Oid,
  resultType: Oid,
  args: Expr[],
  format: CoercionForm,
  location = -1,
): FuncExpr {
  return {
    kind: 'FuncExpr',
    funcid,
    funcresulttype: resultType,
    funcretset: false,
    funcvariadic: false,
    funcformat: format,
    funccollid: INVALID,
    inputcollid: INVALID,
    args,
    location,
  };
}
export function makeRelabel(arg: Expr, type: Oid, typmod: number, format: CoercionForm, location: number): RelabelType {
  return {
    kind: 'RelabelType',
    arg,
    resulttype: type,
    resulttypmod: typmod,
    resultcollid: INVALID,
    relabelformat: format,
    location,
  };
}
export function makeTargetEntry(expr: Expr, resno: number, resname: string | null, resjunk: boolean): TargetEntry {
  return {
    kind: 'TargetEntry',
    expr,
    resno,
    resname,
    ressortgroupref: 0,
    resorigtbl: INVALID,
    resorigcol: 0,
    resjunk,
  };
}
