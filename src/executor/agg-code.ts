/** agg-code.ts — an aggregate function as code: initial state, transition, final value.
 *
 *  A state is a Datum; `undefined` means that a strict transition without initial value has not seen a value yet, so
 *  its first input becomes the state. Counting and integer sums do not go through the function table.
 *  Counterpart: initialize_aggregates(), advance_transition_function(), finalize_aggregate() of
 *  src/backend/executor/nodeAgg.c */
import type { Datum } from '#adt/datum.ts';
import { typeInfo } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { TYPE } from '#catalog/oids.ts';
import { aggregateRow } from '#catalog/syscache.ts';
import type { Eval, ExprContext, Row } from '#executor/estate.ts';
import { compileExpr, type CompileScope } from '#executor/expr-compile.ts';
import { needProc, type RawCall, rawCall } from '#executor/function-call.ts';
import { compileOrderedSetFinal } from '#executor/ordered-set.ts';
import { comparatorFor, type Equals, equalityFor, type RowCompare, withNulls } from '#executor/sort-support.ts';
import type { Aggref, SortGroupClause, WindowFunc } from '#nodes/primitives.ts';
import { exprCollation, exprType } from '#nodes/node-funcs.ts';

export type State = Datum | undefined;

export interface AggCode {
  readonly filter: Eval | null;
  readonly args: readonly Eval[];
  init(): State;
  /** Next state for the input row in the context. */
  readonly advance: (state: State, context: ExprContext) => State;
  /** Next state for argument values that were kept for sorting. */
  readonly advanceRow: (state: State, values: Row) => State;
  readonly finalize: (state: State, context: ExprContext) => Datum;
  /** The inputs must be kept and sorted first. */
  readonly sort: AggSort | null;
  /** Ordered-set aggregates compute from the sorted inputs as a whole. */
  readonly finalSorted: ((rows: Row[], context: ExprContext) => Datum) | null;
  /** Inputs with a null in the first `strictInputs` columns are not kept. */
  readonly strictInputs: number;
}
export interface AggSort {
  readonly compare: RowCompare;
  /** Equality of adjacent rows for DISTINCT, or null. */
  readonly same: ((a: Row, b: Row) => boolean) | null;
}

/** The state type with polymorphism resolved by the actual argument types. */
export function resolveTransType(declared: Oid, argTypes: readonly Oid[], resultType: Oid): Oid {
  if (declared === TYPE.anyarray || declared === TYPE.anycompatiblearray) {
    const first = argTypes[0] ?? resultType;
    const info = typeInfo(first);
    return info.category === 'A' ? first : info.arrayType;
  }
  const polymorphic = declared === TYPE.anyelement || declared === TYPE.anynonarray || declared === TYPE.anyenum;
  return polymorphic ? (argTypes[0] ?? resultType) : declared;
}

interface AggregateCall {
  readonly fnoid: Oid;
  readonly argTypes: readonly Oid[];
  readonly collation: Oid;
  readonly resultType: Oid;
  readonly variadic: boolean;
  /** Number of inputs of the transition function besides the state. */
  readonly inputs: number;
}

export function compileAggref(node: Aggref, scope: CompileScope): AggCode {
  const args = node.args.map((entry) => compileExpr(entry.expr, scope));
  const filter = node.aggfilter === null ? null : compileExpr(node.aggfilter, scope);
  const inputs = node.args.filter((entry) => !entry.resjunk).length;
  const base = compileTransition(
    {
      fnoid: node.aggfnoid,
      argTypes: node.aggargtypes.slice(node.aggdirectargs.length),
      collation: node.inputcollid,
      resultType: node.aggtype,
      variadic: node.aggvariadic,
      inputs,
    },
    args,
    node.aggkind !== 'n',
  );
  if (node.aggkind !== 'n') {
    return {
      ...base,
      filter,
      args,
      sort: aggSort(node, node.aggorder, []),
      finalSorted: compileOrderedSetFinal(node, scope),
      strictInputs: node.aggkind === 'o' ? 1 : 0,
    };
  }
  const sort = node.aggdistinct.length > 0 || node.aggorder.length > 0;
  const clauses = node.aggdistinct.length > 0 ? node.aggdistinct : node.aggorder;
  return { ...base, filter, args, sort: sort ? aggSort(node, clauses, node.aggdistinct) : null, finalSorted: null };
}

function aggSort(node: Aggref, clauses: SortGroupClause[], distinct: SortGroupClause[]): AggSort {
  const position = (clause: SortGroupClause): number =>
    node.args.findIndex((entry) => entry.ressortgroupref === clause.tleSortGroupRef);
  const keys = clauses.map((clause) => {
    const column = position(clause);
    const collation = exprCollation(node.args[column]!.expr);
    return { column, compare: withNulls(comparatorFor(clause.sortop, collation), clause.nullsFirst) };
  });
  const compare: RowCompare = (a, b) => {
    for (const key of keys) {
      const order = key.compare(a[key.column]!, b[key.column]!);
      if (order !== 0) return order;
    }
    return 0;
  };
  if (distinct.length === 0) return { compare, same: null };
  const equalities = distinct.map((clause): { column: number; equals: Equals } => {
    const column = position(clause);
    return { column, equals: equalityFor(clause.eqop, exprCollation(node.args[column]!.expr)) };
  });
  return {
    compare,
    same: (a, b) =>
      equalities.every(({ column, equals }) => {
        const x = a[column]!;
        const y = b[column]!;
        return x === null || y === null ? x === y : equals(x, y);
      }),
  };
}

/** An aggregate used as a window function. */
export function compileWindowAggregate(node: WindowFunc, scope: CompileScope): AggCode {
  const args = node.args.map((arg) => compileExpr(arg, scope));
  const call: AggregateCall = {
    fnoid: node.winfnoid,
    argTypes: node.args.map(exprType),
    collation: node.inputcollid,
    resultType: node.wintype,
    variadic: false,
    inputs: args.length,
  };
  const filter = node.aggfilter === null ? null : compileExpr(node.aggfilter, scope);
  return { ...compileTransition(call, args, false), filter, args, sort: null, finalSorted: null };
}

type Transition = Pick<AggCode, 'init' | 'advance' | 'advanceRow' | 'finalize' | 'strictInputs'>;

function compileTransition(call: AggregateCall, args: readonly Eval[], orderedSet: boolean): Transition {
  const row = aggregateRow(call.fnoid);
  if (row === undefined) throw new Error(`aggregate ${call.fnoid} has no row in pg_aggregate`);
  const transType = resolveTransType(row.aggtranstype, call.argTypes, call.resultType);
  const init = initialState(row.agginitval, transType);
  if (orderedSet) {
    const keep = (state: State): State => state;
    return { init, advance: keep, advanceRow: keep, finalize: () => null, strictInputs: 0 };
  }
  const proc = needProc(row.aggtransfn);
  const info = {
    functionOid: row.aggtransfn,
    argTypes: [transType, ...call.argTypes],
    resultType: transType,
    collation: call.collation,
    variadic: call.variadic,
  };
  const raw = rawCall(info);
  return {
    init,
    ...transitionCode(proc.prosrc, proc.proisstrict, raw, args, call.inputs),
    finalize: finalCode(row.aggfinalfn, row.aggfinalextra, transType, call),
    strictInputs: proc.proisstrict ? call.inputs : 0,
  };
}

function initialState(text: string | null, transType: Oid): () => State {
  if (text === null) return () => undefined;
  const info = typeInfo(transType);
  const first = info.input(text, -1);
  // A state may be changed in place by its owner, so each group gets its own.
  return typeof first === 'object' ? () => info.input(text, -1) : () => first;
}

function finalCode(finalfn: Oid, extra: boolean, transType: Oid, call: AggregateCall): AggCode['finalize'] {
  if (finalfn === 0) return (state) => state ?? null;
  const proc = needProc(finalfn);
  const raw = rawCall({
    functionOid: finalfn,
    argTypes: extra ? [transType, ...call.argTypes] : [transType],
    resultType: call.resultType,
    collation: call.collation,
    variadic: false,
  });
  const nulls: Datum[] = extra ? call.argTypes.map(() => null) : [];
  return (state) => {
    const value = state ?? null;
    if (proc.proisstrict && (value === null || nulls.length > 0)) return null;
    return nulls.length === 0 ? raw(value) : raw(value, ...nulls);
  };
}

function transitionCode(
  prosrc: string,
  strict: boolean,
  raw: RawCall,
  args: readonly Eval[],
  inputs: number,
): Pick<Transition, 'advance' | 'advanceRow'> {
  const step = strict
    ? strictStep(raw, inputs)
    : (state: State, values: Row) => raw(state ?? null, ...values.slice(0, inputs));
  const fast = fastAdvance(prosrc, raw, args);
  if (fast !== undefined) return { advance: fast, advanceRow: step };
  if (inputs === 1) {
    const arg = args[0]!;
    if (!strict) return { advance: (state, c) => raw(state ?? null, arg(c)), advanceRow: step };
    const advance = (state: State, c: ExprContext): State => {
      const value = arg(c);
      if (value === null || state === null) return state;
      return state === undefined ? value : raw(state, value);
    };
    return { advance, advanceRow: step };
  }
  const values: Row = new Array(inputs);
  const advance = (state: State, c: ExprContext): State => {
    for (let i = 0; i < inputs; i++) values[i] = args[i]!(c);
    return step(state, values);
  };
  return { advance, advanceRow: step };
}

function strictStep(raw: RawCall, inputs: number): (state: State, values: Row) => State {
  return (state, values) => {
    for (let i = 0; i < inputs; i++) if (values[i] === null) return state;
    if (state === null) return null;
    if (state === undefined) return inputs > 0 ? values[0]! : undefined;
    return raw(state, ...values.slice(0, inputs));
  };
}

function fastAdvance(prosrc: string, raw: RawCall, args: readonly Eval[]): AggCode['advance'] | undefined {
  const arg = args[0];
  if (prosrc === 'int8inc') return (state) => (state as number) + 1;
  if (arg === undefined) return undefined;
  if (prosrc === 'int8inc_any') return (state, c) => (arg(c) === null ? state : (state as number) + 1);
  if (prosrc === 'int4_sum' || prosrc === 'int2_sum') {
    return (state, c) => {
      const value = arg(c);
      if (value === null) return state;
      if (state === null || state === undefined) return value;
      if (typeof state === 'number') {
        const sum = state + (value as number);
        if (Number.isSafeInteger(sum)) return sum;
      }
      return raw(state, value);
    };
  }
  return undefined;
}
