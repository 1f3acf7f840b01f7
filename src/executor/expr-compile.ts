/** expr-compile.ts — an expression tree becomes a tree of closures, each monomorphic in what it does.
 *
 *  compileExpr() is an exhaustive switch over the node kinds. A compiled expression holds no state: it reads rows and
 *  parameters from the ExprContext it is given. NULL is null; a boolean expression yields true, false or null.
 *  Counterpart: src/backend/executor/execExpr.c, execExprInterp.c */
import { getSysAttr } from '#access/common/heap-tuple.ts';
import type { Datum, RecordDatum } from '#adt/datum.ts';
import { type CallInfo, typeInfo } from '#adt/fmgr.ts';
import { unreachable } from '#base/assert.ts';
import type { Oid } from '#base/ids.ts';
import { COLLATION, TYPE } from '#catalog/oids.ts';
import { attributes, btreeOpclass, collationRow, operatorRow, typeRelid } from '#catalog/syscache.ts';
import { compileArray, compileArrayCoerce, compileScalarArrayOp, compileSubscript } from '#executor/expr-array.ts';
import { fastBinary, looseCall, strictCall } from '#executor/expr-operators.ts';
import { compileSqlValueFunction } from '#executor/expr-values.ts';
import { compileSubPlan } from '#executor/expr-subplan.ts';
import type { Eval, Row } from '#executor/estate.ts';
import { needProc, rawCall } from '#executor/function-call.ts';
import { columnLists, outColumns, type RteColumn, rteColumns } from '#executor/rte-columns.ts';
import { equalityFor, familyCompare } from '#executor/sort-support.ts';
import { exprType, exprTypmod } from '#nodes/node-funcs.ts';
import type { RangeTblEntry } from '#nodes/parse-nodes.ts';
import type * as nodes from '#nodes/primitives.ts';
import { type Expr, INNER_VAR, OUTER_VAR, type TargetEntry } from '#nodes/primitives.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** What compilation needs to know besides the expression. */
export interface CompileScope {
  readonly rtable: readonly RangeTblEntry[];
  /** Window functions of the WindowAgg the expression belongs to. */
  readonly windowFuncs?: readonly nodes.WindowFunc[];
}

/** Checks of a domain type. Installed by the layer that can parse their text. */
export interface DomainCheck {
  readonly name: string;
  /** Over CoerceToDomainValue. */
  readonly expr: Expr;
}
export interface DomainRules {
  readonly typeName: string;
  readonly notNull: boolean;
  readonly checks: readonly DomainCheck[];
}
let domainRules: (type: Oid) => DomainRules = (type) => ({ typeName: typeInfo(type).name, notNull: false, checks: [] });
export function setDomainRules(lookup: (type: Oid) => DomainRules): void {
  domainRules = lookup;
}

export function compileExpr(node: Expr, scope: CompileScope): Eval {
  switch (node.kind) {
    case 'Var':
      return compileVar(node, scope);
    case 'Const': {
      const value = node.constisnull ? null : node.constvalue;
      return () => value;
    }
    case 'Param':
      return compileParam(node);
    case 'Aggref': {
      const index = node.aggno;
      return (c) => c.aggValues[index]!;
    }
    case 'WindowFunc': {
      const index = (scope.windowFuncs ?? []).indexOf(node);
      if (index < 0) throw new Error('window function outside of its WindowAgg');
      return (c) => c.aggValues[index]!;
    }
    case 'GroupingFunc': {
      const columns = node.cols;
      return (c) => columns.reduce((bits, column) => (bits << 1) | (c.grouped.has(column) ? 0 : 1), 0);
    }
    case 'FuncExpr':
      return compileFunction(node, scope);
    case 'OpExpr':
      return compileCall(node.opfuncid, node.args, node.inputcollid, node.opresulttype, false, scope);
    case 'DistinctExpr':
      return compileDistinct(node, scope);
    case 'NullIfExpr':
      return compileNullIf(node, scope);
    case 'ScalarArrayOpExpr':
      return compileScalarArrayOp(node, scope);
    case 'BoolExpr':
      return compileBool(node, scope);
    case 'SubPlan':
      return compileSubPlan(node, scope);
    case 'AlternativeSubPlan':
      return compileSubPlan(node.subplans[0]!, scope);
    case 'SubscriptingRef':
      return compileSubscript(node, scope);
    case 'FieldSelect': {
      const arg = compileExpr(node.arg, scope);
      const field = node.fieldnum - 1;
      return (c) => {
        const record = arg(c) as RecordDatum | null;
        return record === null ? null : (record.values[field] ?? null);
      };
    }
    case 'FieldStore':
      return compileFieldStore(node, scope);
    case 'NamedArgExpr':
    case 'RelabelType':
    case 'CollateExpr':
      return compileExpr(node.arg, scope);
    case 'CoerceViaIO':
      return compileCoerceViaIo(node, scope);
    case 'ArrayCoerceExpr':
      return compileArrayCoerce(node, scope);
    case 'ConvertRowtypeExpr':
      return compileConvertRowtype(node, scope);
    case 'CaseExpr':
      return compileCase(node, scope);
    case 'CaseTestExpr':
      return (c) => c.caseValue;
    case 'ArrayExpr':
      return compileArray(node, scope);
    case 'RowExpr':
      return compileRow(node, scope);
    case 'RowCompareExpr':
      return compileRowCompare(node, scope);
    case 'CoalesceExpr': {
      const args = node.args.map((arg) => compileExpr(arg, scope));
      return (c) => {
        for (let i = 0; i < args.length; i++) {
          const value = args[i]!(c);
          if (value !== null) return value;
        }
        return null;
      };
    }
    case 'MinMaxExpr':
      return compileMinMax(node, scope);
    case 'SQLValueFunction':
      return compileSqlValueFunction(node);
    case 'NullTest':
      return compileNullTest(node, scope);
    case 'BooleanTest':
      return compileBooleanTest(node, scope);
    case 'CoerceToDomain':
      return compileDomain(node, scope);
    case 'CoerceToDomainValue':
      return (c) => c.domainValue;
    case 'XmlExpr':
      return () =>
        report('ERROR', {
          code: SQLSTATE.featureNotSupported,
          message: 'unsupported XML feature',
          detail: 'This functionality requires the server to be built with libxml support.',
        });
    case 'NextValueExpr':
      return strictCall(
        rawCall({
          functionOid: 1574 as Oid,
          argTypes: [TYPE.regclass],
          resultType: TYPE.int8,
          collation: 0 as Oid,
          variadic: false,
        }),
        [() => node.seqid],
      );
    case 'CurrentOfExpr':
      return () =>
        report('ERROR', {
          code: SQLSTATE.featureNotSupported,
          message: 'WHERE CURRENT OF is not supported for this table type',
        });
    case 'SubLink':
    case 'SetToDefault':
    case 'InferenceElem':
      throw new Error(`${node.kind} reached the executor`);
    default:
      return unreachable(node);
  }
}

/** The implicit AND of a qual list as a predicate; null if there is none. */
export function compileQual(quals: readonly Expr[], scope: CompileScope): Eval | null {
  if (quals.length === 0) return null;
  const tests = quals.map((qual) => compileExpr(qual, scope));
  if (tests.length === 1) return tests[0]!;
  if (tests.length === 2) {
    const [first, second] = tests as [Eval, Eval];
    return (c) => first(c) === true && second(c) === true;
  }
  return (c) => {
    for (let i = 0; i < tests.length; i++) if (tests[i]!(c) !== true) return false;
    return true;
  };
}

function compileVar(node: nodes.Var, scope: CompileScope): Eval {
  const column = node.varattno - 1;
  if (node.varattno > 0) {
    if (node.varno === OUTER_VAR) return (c) => c.outer[column]!;
    if (node.varno === INNER_VAR) return (c) => c.inner[column]!;
    return (c) => c.scan[column]!;
  }
  const rte = scope.rtable[node.varno - 1];
  if (rte === undefined) throw new Error(`variable refers to missing range table entry ${node.varno}`);
  if (node.varattno === 0) return compileWholeRow(node, rte);
  return compileSystemColumn(node, rte);
}

/** tableoid is a fact of the scan; the others are read from the header of the tuple that the scan stands on. */
function compileSystemColumn(node: nodes.Var, rte: RangeTblEntry): Eval {
  const attnum = node.varattno;
  const relid = rte.rtekind === 'relation' ? rte.relid : (0 as Oid);
  if (attnum === -6) return () => relid;
  return (c) => {
    const { tuple } = c;
    if (tuple === null || (tuple.tupleAt === 0 && attnum !== -1)) {
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'cannot retrieve a system column in this context',
      });
    }
    return getSysAttr(tuple.tupleAt, tuple.tid, relid, attnum);
  };
}

function compileWholeRow(node: nodes.Var, rte: RangeTblEntry): Eval {
  const columns = rteColumns(rte);
  if (rte.rtekind === 'function' && columns.length === 1 && node.vartype === columns[0]!.type) {
    // The whole row of a scalar function is the scalar.
    return (c) => c.scan[0]!;
  }
  const shape = recordShape(columns);
  const width = columns.length;
  return (c) => ({ ...shape, values: c.scan.length === width ? c.scan.slice() : c.scan.slice(0, width) });
}
export function recordShape(columns: readonly RteColumn[]): Omit<RecordDatum, 'values'> {
  return {
    kind: 'record',
    types: columns.map((column) => column.type),
    typmods: columns.map((column) => column.typmod),
    names: columns.map((column) => column.name),
  };
}

function compileParam(node: nodes.Param): Eval {
  const id = node.paramid;
  if (node.paramkind === 'exec') {
    return (c) => {
      const estate = c.estate;
      const pending = estate.pending[id];
      if (pending !== undefined) pending.evaluate();
      return estate.execParams[id]!;
    };
  }
  if (node.paramkind !== 'extern') throw new Error(`unexpected parameter kind ${node.paramkind}`);
  return (c) => {
    const params = c.estate.params;
    if (params === null || id > params.values.length) {
      return report('ERROR', { code: SQLSTATE.undefinedParameter, message: `no value found for parameter ${id}` });
    }
    return params.values[id - 1]!;
  };
}

function compileFunction(node: nodes.FuncExpr, scope: CompileScope): Eval {
  return compileCall(node.funcid, node.args, node.inputcollid, node.funcresulttype, node.funcvariadic, scope);
}

export function callInfoFor(
  functionOid: Oid,
  args: readonly Expr[],
  collation: Oid,
  resultType: Oid,
  variadic: boolean,
): CallInfo {
  return {
    functionOid,
    argTypes: args.map(exprType),
    argTypmods: args.map(exprTypmod),
    resultType,
    collation,
    variadic,
  };
}

export const isDeterministicCollation = (collation: Oid): boolean =>
  collation === 0 || collation === COLLATION.default || (collationRow(collation)?.collisdeterministic ?? true);

export function compileCall(
  functionOid: Oid,
  argNodes: readonly Expr[],
  collation: Oid,
  resultType: Oid,
  variadic: boolean,
  scope: CompileScope,
): Eval {
  const proc = needProc(functionOid);
  const args = argNodes.map((arg) => compileExpr(arg, scope));
  const info = callInfoFor(functionOid, argNodes, collation, resultType, variadic);
  const columns = resultType === TYPE.record ? outColumns(functionOid, argNodes) : undefined;
  const call = rawCall(columns === undefined ? info : { ...info, resultColumns: columnLists(columns) });
  if (!proc.proisstrict) return looseCall(call, args);
  if (args.length === 2 && proc.prolang === 12) {
    const second = argNodes[1]!;
    const constant = second.kind === 'Const' && !second.constisnull ? second.constvalue : null;
    const fast = fastBinary(proc.prosrc, args[0]!, args[1]!, constant, isDeterministicCollation(collation), call);
    if (fast !== undefined) return fast;
  }
  return strictCall(call, args);
}

function compileDistinct(node: nodes.DistinctExpr, scope: CompileScope): Eval {
  const left = compileExpr(node.args[0]!, scope);
  const right = compileExpr(node.args[1]!, scope);
  const equals = equalityFor(node.opno, node.inputcollid);
  return (c) => {
    const a = left(c);
    const b = right(c);
    if (a === null) return b !== null;
    return b === null || !equals(a, b);
  };
}
function compileNullIf(node: nodes.NullIfExpr, scope: CompileScope): Eval {
  const left = compileExpr(node.args[0]!, scope);
  const right = compileExpr(node.args[1]!, scope);
  const equals = equalityFor(node.opno, node.inputcollid);
  return (c) => {
    const a = left(c);
    const b = right(c);
    return a !== null && b !== null && equals(a, b) ? null : a;
  };
}

function compileBool(node: nodes.BoolExpr, scope: CompileScope): Eval {
  const args = node.args.map((arg) => compileExpr(arg, scope));
  const [first, second] = args as [Eval, Eval];
  if (node.boolop === 'not') {
    return (c) => {
      const value = first(c);
      return value === null ? null : !value;
    };
  }
  // The result that decides at once: false for AND, true for OR.
  const decisive = node.boolop === 'or';
  if (args.length === 2) {
    return (c) => {
      const a = first(c);
      if (a === decisive) return decisive;
      const b = second(c);
      if (b === decisive) return decisive;
      return a === null || b === null ? null : !decisive;
    };
  }
  return (c) => {
    let anyNull = false;
    for (let i = 0; i < args.length; i++) {
      const value = args[i]!(c);
      if (value === decisive) return decisive;
      if (value === null) anyNull = true;
    }
    return anyNull ? null : !decisive;
  };
}

function compileFieldStore(node: nodes.FieldStore, scope: CompileScope): Eval {
  const arg = compileExpr(node.arg, scope);
  const values = node.newvals.map((value) => compileExpr(value, scope));
  const columns = attributes(typeRelid(node.resulttype));
  const shape = {
    kind: 'record' as const,
    types: columns.map((a) => a.atttypid),
    typmods: columns.map((a) => a.atttypmod),
    names: columns.map((a) => a.attname),
  };
  return (c) => {
    const old = arg(c) as RecordDatum | null;
    const out = old === null ? columns.map(() => null as Datum) : old.values.slice();
    for (let i = 0; i < values.length; i++) out[node.fieldnums[i]! - 1] = values[i]!(c);
    return { ...shape, values: out };
  };
}

function compileConvertRowtype(node: nodes.ConvertRowtypeExpr, scope: CompileScope): Eval {
  const arg = compileExpr(node.arg, scope);
  const columns = attributes(typeRelid(node.resulttype));
  const names = columns.map((a) => a.attname);
  const types = columns.map((a) => a.atttypid);
  const typmods = columns.map((a) => a.atttypmod);
  return (c) => {
    const from = arg(c) as RecordDatum | null;
    if (from === null) return null;
    const values = names.map((name) => from.values[from.names.indexOf(name)] ?? null);
    return { kind: 'record', names, types, typmods, values };
  };
}

function compileCoerceViaIo(node: nodes.CoerceViaIO, scope: CompileScope): Eval {
  const arg = compileExpr(node.arg, scope);
  const source = typeInfo(exprType(node.arg));
  const target = typeInfo(node.resulttype);
  return (c) => {
    const value = arg(c);
    return value === null ? null : target.input(source.output(value), -1);
  };
}

function compileCase(node: nodes.CaseExpr, scope: CompileScope): Eval {
  const tests = node.args.map((when) => compileExpr(when.expr, scope));
  const results = node.args.map((when) => compileExpr(when.result, scope));
  const otherwise: Eval = node.defresult === null ? () => null : compileExpr(node.defresult, scope);
  const choose: Eval = (c) => {
    for (let i = 0; i < tests.length; i++) if (tests[i]!(c) === true) return results[i]!(c);
    return otherwise(c);
  };
  if (node.arg === null) return choose;
  const arg = compileExpr(node.arg, scope);
  return (c) => {
    // The results may contain another CASE: each test sees its own value.
    const outer = c.caseValue;
    const value = arg(c);
    for (let i = 0; i < tests.length; i++) {
      c.caseValue = value;
      const hit = tests[i]!(c) === true;
      c.caseValue = outer;
      if (hit) return results[i]!(c);
    }
    return otherwise(c);
  };
}

function compileRow(node: nodes.RowExpr, scope: CompileScope): Eval {
  const args = node.args.map((arg) => compileExpr(arg, scope));
  const named = node.rowTypeid === TYPE.record ? [] : attributes(typeRelid(node.rowTypeid));
  const types = named.length > 0 ? named.map((a) => a.atttypid) : node.args.map(exprType);
  const typmods = named.length > 0 ? named.map((a) => a.atttypmod) : node.args.map(exprTypmod);
  const names =
    named.length > 0 ? named.map((a) => a.attname) : node.args.map((_, i) => node.colnames[i] ?? `f${i + 1}`);
  return (c) => {
    const values = new Array<Datum>(types.length).fill(null);
    for (let i = 0; i < args.length; i++) values[i] = args[i]!(c);
    return { kind: 'record', types, typmods, names, values };
  };
}

function compileRowCompare(node: nodes.RowCompareExpr, scope: CompileScope): Eval {
  const left = node.largs.map((arg) => compileExpr(arg, scope));
  const right = node.rargs.map((arg) => compileExpr(arg, scope));
  const compares = node.opnos.map((opno, i) => {
    const operator = operatorRow(opno)!;
    return familyCompare(node.opfamilies[i]!, operator.oprleft, operator.oprright, node.inputcollids[i]!);
  });
  const decide = (order: number): boolean => {
    switch (node.rctype) {
      case 'lt':
        return order < 0;
      case 'le':
        return order <= 0;
      case 'ge':
        return order >= 0;
      case 'gt':
        return order > 0;
      default:
        throw new Error('row comparison for equality is an AND of operators');
    }
  };
  return (c) => {
    for (let i = 0; i < compares.length; i++) {
      const a = left[i]!(c);
      if (a === null) return null;
      const b = right[i]!(c);
      if (b === null) return null;
      const order = compares[i]!(a, b);
      if (order !== 0) return decide(order);
    }
    return decide(0);
  };
}

function compileMinMax(node: nodes.MinMaxExpr, scope: CompileScope): Eval {
  const args = node.args.map((arg) => compileExpr(arg, scope));
  const opclass = btreeOpclass(node.minmaxtype);
  if (opclass === undefined) {
    return report('ERROR', {
      code: SQLSTATE.undefinedFunction,
      message: `could not identify a comparison function for type ${typeInfo(node.minmaxtype).name}`,
    });
  }
  const compare = familyCompare(opclass.opcfamily, opclass.opcintype, opclass.opcintype, node.inputcollid);
  const sign = node.op === 'greatest' ? 1 : -1;
  return (c) => {
    let best: Datum = null;
    for (let i = 0; i < args.length; i++) {
      const value = args[i]!(c);
      if (value !== null && (best === null || compare(value, best) * sign > 0)) best = value;
    }
    return best;
  };
}

function compileNullTest(node: nodes.NullTest, scope: CompileScope): Eval {
  const arg = compileExpr(node.arg, scope);
  const wantNull = node.nulltesttype === 'is_null';
  if (!node.argisrow) return wantNull ? (c) => arg(c) === null : (c) => arg(c) !== null;
  return (c) => {
    const record = arg(c) as RecordDatum | null;
    if (record === null) return wantNull;
    return record.values.every((value) => (value === null) === wantNull);
  };
}

function compileBooleanTest(node: nodes.BooleanTest, scope: CompileScope): Eval {
  const arg = compileExpr(node.arg, scope);
  switch (node.booltesttype) {
    case 'is_true':
      return (c) => arg(c) === true;
    case 'is_not_true':
      return (c) => arg(c) !== true;
    case 'is_false':
      return (c) => arg(c) === false;
    case 'is_not_false':
      return (c) => arg(c) !== false;
    case 'is_unknown':
      return (c) => arg(c) === null;
    case 'is_not_unknown':
      return (c) => arg(c) !== null;
  }
}

function compileDomain(node: nodes.CoerceToDomain, scope: CompileScope): Eval {
  const arg = compileExpr(node.arg, scope);
  const rules = domainRules(node.resulttype);
  if (!rules.notNull && rules.checks.length === 0) return arg;
  const checks = rules.checks.map((check) => ({ name: check.name, test: compileExpr(check.expr, scope) }));
  return (c) => {
    const value = arg(c);
    if (value === null && rules.notNull) {
      return report('ERROR', {
        code: SQLSTATE.notNullViolation,
        message: `domain ${rules.typeName} does not allow null values`,
        dataType: rules.typeName,
      });
    }
    const outer = c.domainValue;
    for (const check of checks) {
      c.domainValue = value;
      const verdict = check.test(c);
      c.domainValue = outer;
      if (verdict === false) {
        return report('ERROR', {
          code: SQLSTATE.checkViolation,
          message: `value for domain ${rules.typeName} violates check constraint "${check.name}"`,
          dataType: rules.typeName,
          constraint: check.name,
        });
      }
    }
    return value;
  };
}

const isMultiExpr = (expr: Expr): boolean => expr.kind === 'SubPlan' && expr.subLinkType === 'multiexpr';

/** Fills `out` with the target list's values; null when the target list is `width` Vars of the input in order, so
 *  that the input row can be passed on as it is. */
export type Projection = (c: Parameters<Eval>[0], out: Row) => void;
export function compileProjection(
  targets: readonly TargetEntry[],
  scope: CompileScope,
  width: number,
): Projection | null {
  const identity =
    targets.length === width &&
    targets.every(({ expr }, i) => expr.kind === 'Var' && expr.varattno === i + 1 && expr.varno !== INNER_VAR);
  if (identity) return null;
  const evals = targets.map((entry) => compileExpr(entry.expr, scope));
  // A sub-select that sets params for other columns comes before these.
  const first = evals.filter((_, i) => isMultiExpr(targets[i]!.expr));
  if (first.length > 0) {
    return (c, out) => {
      for (const one of first) one(c);
      for (let i = 0; i < evals.length; i++) out[i] = isMultiExpr(targets[i]!.expr) ? null : evals[i]!(c);
    };
  }
  if (evals.length === 1) {
    const only = evals[0]!;
    return (c, out) => {
      out[0] = only(c);
    };
  }
  return (c, out) => {
    for (let i = 0; i < evals.length; i++) out[i] = evals[i]!(c);
  };
}
