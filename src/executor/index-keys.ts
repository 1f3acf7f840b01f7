/** index-keys.ts — index conditions of a plan as scan keys, and those of their values that only execution knows.
 *
 *  Conditions have the index column on the left, as a Var of INDEX_VAR; the right side is a constant or anything that can
 *  be computed before the scan starts.
 *  Counterpart: ExecIndexBuildScanKeys() of src/backend/executor/nodeIndexscan.c */
import type { IndexInfoDesc, Relation } from '#access/common/relation-descriptor.ts';
import { makeScanKey, type ScanKey, SK } from '#access/common/scan-key.ts';
import type { ArrayDatum } from '#adt/datum.ts';
import { INVALID_OID, type Oid } from '#base/ids.ts';
import { amopsOfFamily, operatorRow } from '#catalog/syscache.ts';
import type { Eval, ExprContext } from '#executor/estate.ts';
import { type CompileScope, compileExpr } from '#executor/expr-compile.ts';
import type { Expr, OpExpr, RowCompareExpr, ScalarArrayOpExpr, Var } from '#nodes/primitives.ts';

interface RuntimeKey {
  readonly position: number;
  /** Of a row comparison: which member. */
  readonly member: number;
  readonly value: Eval;
}
/** What a plan node compiles once; `instantiate` makes the keys of one execution. */
export interface IndexKeyCode {
  readonly templates: readonly ScanKey[];
  readonly runtime: readonly RuntimeKey[];
}

function strategyOf(desc: IndexInfoDesc, column: number, operator: Oid): { strategy: number; subtype: Oid } {
  const family = desc.opfamilies[column - 1]!;
  const member = amopsOfFamily(family).find((row) => row.amopopr === operator);
  if (member === undefined) throw new Error(`operator ${operator} is not a member of opfamily ${family}`);
  return { strategy: member.amopstrategy, subtype: member.amoprighttype };
}
const columnOf = (expr: Expr): number => {
  const bare = expr.kind === 'RelabelType' ? expr.arg : expr;
  if (bare.kind !== 'Var') throw new Error('indexqual does not have the index column on its left side');
  return (bare as Var).varattno;
};

export function compileIndexKeys(index: Relation, quals: readonly Expr[], scope: CompileScope): IndexKeyCode {
  const desc = index.index!;
  const runtime: RuntimeKey[] = [];
  const value = (expr: Expr, position: number, member: number): ScanKey['argument'] => {
    if (expr.kind === 'Const') return expr.constisnull ? null : expr.constvalue;
    runtime.push({ position, member, value: compileExpr(expr, scope) });
    return null;
  };
  const templates = quals.map((qual, position): ScanKey => {
    switch (qual.kind) {
      case 'OpExpr':
        return operatorKey(desc, qual, value(qual.args[1]!, position, -1));
      case 'ScalarArrayOpExpr':
        return arrayKey(desc, qual, value(qual.args[1]!, position, -1));
      case 'NullTest':
        return makeScanKey(columnOf(qual.arg), 0, INVALID_OID, null, {
          flags: SK.isNull | (qual.nulltesttype === 'is_null' ? SK.searchNull : SK.searchNotNull),
        });
      case 'RowCompareExpr':
        return rowKey(desc, qual, (expr, member) => value(expr, position, member));
      default:
        throw new Error(`unsupported indexqual type: ${qual.kind}`);
    }
  });
  return { templates, runtime };
}

function operatorKey(desc: IndexInfoDesc, qual: OpExpr, argument: ScanKey['argument']): ScanKey {
  const column = columnOf(qual.args[0]!);
  const { strategy, subtype } = strategyOf(desc, column, qual.opno);
  return makeScanKey(column, strategy, qual.opfuncid, null, {
    flags: argument === null ? SK.isNull : 0,
    subtype,
    collation: qual.inputcollid,
    argument,
  });
}
function arrayKey(desc: IndexInfoDesc, qual: ScalarArrayOpExpr, argument: ScanKey['argument']): ScanKey {
  const column = columnOf(qual.args[0]!);
  const { strategy, subtype } = strategyOf(desc, column, qual.opno);
  return makeScanKey(column, strategy, qual.opfuncid, null, {
    flags: SK.searchArray | (argument === null ? SK.isNull : 0),
    subtype,
    collation: qual.inputcollid,
    argument,
  });
}
const ROW_STRATEGY = { lt: 1, le: 2, eq: 3, ge: 4, gt: 5, ne: 6 } as const;
function rowKey(
  desc: IndexInfoDesc,
  qual: RowCompareExpr,
  value: (expr: Expr, member: number) => ScanKey['argument'],
): ScanKey {
  const members = qual.largs.map((left, i): ScanKey => {
    const column = columnOf(left);
    const { strategy, subtype } = strategyOf(desc, column, qual.opnos[i]!);
    const argument = value(qual.rargs[i]!, i);
    return makeScanKey(column, strategy, operatorRow(qual.opnos[i]!)!.oprcode, null, {
      flags: SK.rowMember | (argument === null ? SK.isNull : 0),
      subtype,
      collation: qual.inputcollids[i]!,
      argument,
    });
  });
  return makeScanKey(members[0]!.attno, ROW_STRATEGY[qual.rctype], INVALID_OID, null, {
    flags: SK.rowHeader,
    argument: members,
  });
}

/** The keys of one execution; `fill` computes what is only known then. */
export class IndexKeys {
  readonly keys: ScanKey[];
  readonly #code: IndexKeyCode;
  constructor(code: IndexKeyCode) {
    this.#code = code;
    this.keys = code.templates.map((key) => ({
      ...key,
      argument: Array.isArray(key.argument) ? key.argument.map((member) => ({ ...member })) : key.argument,
    }));
  }
  get hasRuntime(): boolean {
    return this.#code.runtime.length > 0;
  }
  fill(context: ExprContext): void {
    for (const { position, member, value } of this.#code.runtime) {
      const header = this.keys[position]!;
      const key = member < 0 ? header : (header.argument as ScanKey[])[member]!;
      const found = value(context);
      key.argument = found;
      key.flags = found === null ? key.flags | SK.isNull : key.flags & ~SK.isNull;
      if (found !== null && (key.flags & SK.searchArray) !== 0 && (found as ArrayDatum).elements.length === 0)
        key.flags |= SK.isNull;
    }
  }
}
