/** ordered-set.ts — percentile_disc/cont, mode, and the hypothetical-set ranks, over rows already sorted.
 *  Counterpart: src/backend/utils/adt/orderedsetaggs.c */
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import { typeInfo } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { TYPE } from '#catalog/oids.ts';
import { aggregateRow } from '#catalog/syscache.ts';
import type { ExprContext, Row } from '#executor/estate.ts';
import { compileExpr, type CompileScope } from '#executor/expr-compile.ts';
import { directCall, needProc, notImplemented } from '#executor/function-call.ts';
import { comparatorFor, equalityFor, withNulls } from '#executor/sort-support.ts';
import { exprCollation, exprType } from '#nodes/node-funcs.ts';
import type { Aggref } from '#nodes/primitives.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

type Final = (rows: Row[], context: ExprContext) => Datum;

function checkFraction(fraction: number): number {
  if (fraction < 0 || fraction > 1 || Number.isNaN(fraction)) {
    report('ERROR', {
      code: SQLSTATE.numericValueOutOfRange,
      message: `percentile value ${typeInfo(TYPE.float8).output(fraction)} is not between 0 and 1`,
    });
  }
  return fraction;
}

/** Applies a percentile to one fraction or to each of an array of them. */
function eachFraction(fractions: Datum, element: Oid, one: (fraction: number) => Datum): Datum {
  if (fractions === null) return null;
  if (typeof fractions === 'number') return one(checkFraction(fractions));
  const array = fractions as ArrayDatum;
  return {
    ...array,
    elementType: element,
    elements: array.elements.map((fraction) => (fraction === null ? null : one(checkFraction(fraction as number)))),
  };
}

type Interpolate = (low: Datum, high: Datum, part: number) => Datum;
const interpolateFloat: Interpolate = (low, high, part) =>
  (low as number) + part * ((high as number) - (low as number));
function interpolateInterval(): Interpolate {
  const minus = directCall(1170 as Oid, [TYPE.interval, TYPE.interval], TYPE.interval, 0 as Oid);
  const times = directCall(1618 as Oid, [TYPE.interval, TYPE.float8], TYPE.interval, 0 as Oid);
  const plus = directCall(1169 as Oid, [TYPE.interval, TYPE.interval], TYPE.interval, 0 as Oid);
  return (low, high, part) => plus(times(minus(high, low), part), low);
}

function continuous(rows: Row[], fraction: number, interpolate: Interpolate): Datum {
  const last = rows.length - 1;
  const first = Math.floor(fraction * last);
  const second = Math.ceil(fraction * last);
  const low = rows[first]![0]!;
  if (first === second) return low;
  return interpolate(low, rows[second]![0]!, fraction * last - first);
}
const discrete = (rows: Row[], fraction: number): Datum =>
  rows[Math.max(0, Math.ceil(fraction * rows.length) - 1)]![0]!;

export function compileOrderedSetFinal(node: Aggref, scope: CompileScope): Final {
  const proc = needProc(aggregateRow(node.aggfnoid)!.aggfinalfn);
  const direct = node.aggdirectargs.map((arg) => compileExpr(arg, scope));
  const element = node.args.length > 0 ? exprType(node.args[0]!.expr) : TYPE.float8;
  const percentile =
    (compute: (rows: Row[], fraction: number) => Datum): Final =>
    (rows, c) => {
      const fractions = direct[0]!(c);
      if (rows.length === 0) {
        if (typeof fractions === 'number') checkFraction(fractions);
        return null;
      }
      return eachFraction(fractions, element, (fraction) => compute(rows, fraction));
    };
  switch (proc.prosrc) {
    case 'percentile_disc_final':
    case 'percentile_disc_multi_final':
      return percentile(discrete);
    case 'percentile_cont_float8_final':
    case 'percentile_cont_float8_multi_final':
      return percentile((rows, fraction) => continuous(rows, fraction, interpolateFloat));
    case 'percentile_cont_interval_final':
    case 'percentile_cont_interval_multi_final': {
      const interpolate = interpolateInterval();
      return percentile((rows, fraction) => continuous(rows, fraction, interpolate));
    }
    case 'mode_final':
      return modeFinal(node);
    case 'hypothetical_rank_final':
      return hypothetical(node, scope, (rank) => rank);
    case 'hypothetical_percent_rank_final':
      return hypothetical(node, scope, (rank, rows) => (rows.length === 0 ? 0 : (rank - 1) / rows.length));
    case 'hypothetical_cume_dist_final':
      return hypothetical(node, scope, (rank, rows) => rank / (rows.length + 1), true);
    case 'hypothetical_dense_rank_final':
      return hypotheticalDense(node, scope);
    default:
      return () => notImplemented(proc);
  }
}

function modeFinal(node: Aggref): Final {
  const equals = equalityFor(node.aggorder[0]!.eqop, exprCollation(node.args[0]!.expr));
  return (rows) => {
    let best: Datum = null;
    let bestCount = 0;
    for (let start = 0; start < rows.length; ) {
      const value = rows[start]![0]!;
      let end = start + 1;
      while (end < rows.length && equals(value, rows[end]![0]!)) end++;
      if (end - start > bestCount) {
        best = value;
        bestCount = end - start;
      }
      start = end;
    }
    return best;
  };
}

function orderOf(node: Aggref): (a: Row, b: Row) => number {
  const keys = node.aggorder.map((clause) => {
    const column = node.args.findIndex((entry) => entry.ressortgroupref === clause.tleSortGroupRef);
    const compare = comparatorFor(clause.sortop, exprCollation(node.args[column]!.expr));
    return { column, compare: withNulls(compare, clause.nullsFirst) };
  });
  return (a, b) => {
    for (const { column, compare } of keys) {
      const order = compare(a[column]!, b[column]!);
      if (order !== 0) return order;
    }
    return 0;
  };
}

/** The rank that the direct arguments would have among the rows; `through` counts equal rows in. */
function hypothetical(
  node: Aggref,
  scope: CompileScope,
  result: (rank: number, rows: Row[]) => Datum,
  through = false,
): Final {
  const direct = node.aggdirectargs.map((arg) => compileExpr(arg, scope));
  const compare = orderOf(node);
  return (rows, c) => {
    const candidate = direct.map((arg) => arg(c));
    let before = 0;
    for (const row of rows) {
      const order = compare(row, candidate);
      if (order < 0 || (through && order === 0)) before++;
    }
    return result(before + 1, rows);
  };
}
function hypotheticalDense(node: Aggref, scope: CompileScope): Final {
  const direct = node.aggdirectargs.map((arg) => compileExpr(arg, scope));
  const compare = orderOf(node);
  return (rows, c) => {
    const candidate = direct.map((arg) => arg(c));
    let distinct = 0;
    let last: Row | null = null;
    for (const row of rows) {
      if (compare(row, candidate) >= 0) break;
      if (last === null || compare(last, row) !== 0) distinct++;
      last = row;
    }
    return distinct + 1;
  };
}
