/** rte-columns.ts — names and types of the columns of a range table entry.
 *  Counterpart: expandRTE() of src/backend/parser/parse_relation.c, get_expr_result_type() of utils/fmgr/funcapi.c */
import type { Oid } from '#base/ids.ts';
import { TYPE } from '#catalog/oids.ts';
import {
  arrayTypeOf,
  attributes,
  baseType,
  elementType,
  procRow,
  typeCollation,
  typeRelid,
} from '#catalog/syscache.ts';
import { exprCollation, exprType, exprTypmod } from '#nodes/node-funcs.ts';
import type { RangeTblEntry, RangeTblFunction } from '#nodes/parse-nodes.ts';
import type { Expr } from '#nodes/primitives.ts';

export interface RteColumn {
  readonly name: string;
  readonly type: Oid;
  readonly typmod: number;
  readonly collation: Oid;
}

export function rteColumns(rte: RangeTblEntry): RteColumn[] {
  const names = rte.eref.colnames;
  switch (rte.rtekind) {
    case 'relation':
      return attributes(rte.relid).map((a, i) => ({
        name: names[i] ?? a.attname,
        type: a.atttypid,
        typmod: a.atttypmod,
        collation: a.attcollation,
      }));
    case 'subquery':
      return rte.subquery.targetList
        .filter((entry) => !entry.resjunk)
        .map((entry, i) => exprColumn(entry.expr, names[i] ?? entry.resname ?? '?column?'));
    case 'join':
      return rte.joinaliasvars.map((expr, i) => exprColumn(expr, names[i] ?? '?column?'));
    case 'function': {
      const columns = rte.functions.flatMap((fn) => functionColumns(fn));
      if (rte.funcordinality) columns.push({ name: 'ordinality', type: TYPE.int8, typmod: -1, collation: 0 as Oid });
      return columns.map((column, i) => ({ ...column, name: names[i] ?? column.name }));
    }
    case 'tablefunc':
      return rte.tablefunc.coltypes.map((type, i) => ({
        name: names[i] ?? '',
        type,
        typmod: rte.tablefunc.coltypmods[i]!,
        collation: rte.tablefunc.colcollations[i]!,
      }));
    case 'values':
    case 'cte':
    case 'namedtuplestore':
      return rte.coltypes.map((type, i) => ({
        name: names[i] ?? `column${i + 1}`,
        type,
        typmod: rte.coltypmods[i] ?? -1,
        collation: rte.colcollations[i] ?? typeCollation(type),
      }));
    case 'result':
      return [];
  }
}

function exprColumn(expr: Expr, name: string): RteColumn {
  return { name, type: exprType(expr), typmod: exprTypmod(expr), collation: exprCollation(expr) };
}

/** Columns that one function in FROM gives. */
export function functionColumns(fn: RangeTblFunction): RteColumn[] {
  if (fn.funccoltypes.length > 0) {
    return fn.funccoltypes.map((type, i) => ({
      name: fn.funccolnames[i] ?? '',
      type,
      typmod: fn.funccoltypmods[i] ?? -1,
      collation: fn.funccolcollations[i] ?? typeCollation(type),
    }));
  }
  return (
    resultColumns(fn.funcexpr) ?? [
      exprColumn(fn.funcexpr, fn.funcexpr.kind === 'FuncExpr' ? (procRow(fn.funcexpr.funcid)?.proname ?? '') : ''),
    ]
  );
}

const ARGUMENT_OUT = new Set(['o', 'b', 't']);
/** The row a function returns when that is composite (OUT parameters or a composite type), else undefined. */
export function resultColumns(expr: Expr): RteColumn[] | undefined {
  const type = exprType(expr);
  if (type !== TYPE.record) {
    const relid = typeRelid(type);
    if (relid === 0) return undefined;
    return attributes(relid).map((a) => ({
      name: a.attname,
      type: a.atttypid,
      typmod: a.atttypmod,
      collation: a.attcollation,
    }));
  }
  return expr.kind === 'FuncExpr' ? outColumns(expr.funcid, expr.args) : undefined;
}

/** The OUT columns of a function, for these arguments; undefined if it declares none. */
export function outColumns(funcid: Oid, args: readonly Expr[]): RteColumn[] | undefined {
  const proc = procRow(funcid);
  if (proc?.proallargtypes == null || proc.proargmodes === null) return undefined;
  const columns: RteColumn[] = [];
  proc.proallargtypes.forEach((declared, i) => {
    if (!ARGUMENT_OUT.has(proc.proargmodes![i]!)) return;
    const resolved = resolvePolymorphic(declared, args.map(exprType), proc.proargtypes);
    columns.push({
      name: proc.proargnames?.[i] ?? `column${columns.length + 1}`,
      type: resolved,
      typmod: -1,
      collation: typeCollation(resolved),
    });
  });
  return columns;
}

/** Type of a polymorphic output from the actual types of the inputs. */
function resolvePolymorphic(declared: Oid, actual: readonly Oid[], formal: readonly Oid[]): Oid {
  const direct = formal.indexOf(declared);
  const isPolymorphic = declared === TYPE.anyelement || declared === TYPE.anyarray || declared === TYPE.anynonarray;
  if (!isPolymorphic) return declared;
  if (direct >= 0) return actual[direct] ?? declared;
  const viaArray = formal.indexOf(TYPE.anyarray);
  if (viaArray >= 0) return elementType(baseType(actual[viaArray] ?? declared)) || declared;
  const viaElement = formal.findIndex((type) => type === TYPE.anyelement || type === TYPE.anynonarray);
  return viaElement >= 0 ? arrayTypeOf(actual[viaElement] ?? declared) || declared : declared;
}

/** The columns as a called function is told of them. */
export const columnLists = (columns: readonly RteColumn[]) => ({
  names: columns.map((column) => column.name),
  types: columns.map((column) => column.type),
  typmods: columns.map((column) => column.typmod),
});
