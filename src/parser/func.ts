/** func.ts — function calls: which function is meant, with named, default and variadic arguments, and whether it is a
 *  plain function, an aggregate, a window function, a procedure, a cast in disguise or a column.
 *  Counterpart: src/backend/parser/parse_func.c */
import type { FuncCall, Node } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { formatType } from '#catalog/format-type.ts';
import { deconstructQualifiedName, findType, type FunctionCandidate, functionCandidates } from '#catalog/namespace.ts';
import { TYPE } from '#catalog/oids.ts';
import type { ProcRow } from '#catalog/rows.ts';
import { aggregateRow, elementType, typeRow } from '#catalog/syscache.ts';
import { exprLocation, exprType } from '#nodes/node-funcs.ts';
import type { Aggref, CoercionForm, Expr, FuncExpr, WindowFunc } from '#nodes/primitives.ts';
import { anyExpr } from '#nodes/visit.ts';
import { transformAggregate, transformWindowCall } from '#parser/agg.ts';
import { matchCandidates, selectCandidate } from '#parser/candidates.ts';
import { coerceType, findCoercionPathway, selectCommonType } from '#parser/coerce.ts';
import { defaultExpression } from '#parser/default-args.ts';
import { makeFunctionArguments } from '#parser/oper.ts';
import { fail, type ParseState, withPosition } from '#parser/parse-state.ts';
import { enforceGenericTypes } from '#parser/polymorphic.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const INVALID = 0 as Oid;

/** The parts of a call besides name and arguments. Column projection (`x.f` meaning f(x)) has none. */
export interface CallClauses {
  readonly aggOrder: Node[];
  readonly aggFilter: Expr | null;
  readonly over: FuncCall['over'] | null;
  readonly withinGroup: boolean;
  readonly star: boolean;
  readonly distinct: boolean;
  readonly variadic: boolean;
  readonly format: CoercionForm;
}
export const PLAIN_CALL: CallClauses = {
  aggOrder: [],
  aggFilter: null,
  over: null,
  withinGroup: false,
  star: false,
  distinct: false,
  variadic: false,
  format: 'explicit_call',
};

type Found =
  | { kind: 'normal'; candidate: FunctionCandidate }
  | { kind: 'coercion'; target: Oid }
  | { kind: 'multiple' }
  | { kind: 'notfound' };

/** f(integer, x => text) as messages show a call. */
export function functionSignature(names: readonly string[], args: readonly Oid[], argNames: readonly string[]): string {
  const positional = args.length - argNames.length;
  const shown = args.map((t, i) =>
    i < positional ? formatType(t) : `${argNames[i - positional]} => ${formatType(t)}`,
  );
  return `${names.join('.')}(${shown.join(', ')})`;
}

function findFunction(
  names: readonly string[],
  args: readonly Oid[],
  rawArgs: readonly Expr[],
  argNames: readonly string[],
  expandVariadic: boolean,
): Found {
  const candidates = functionCandidates(names, args.length, argNames, expandVariadic, true);
  const exact = candidates.filter((c) => args.every((t, i) => c.args[i] === t));
  if (exact.length === 1) return { kind: 'normal', candidate: exact[0]! };
  if (exact.length === 0) {
    const coercion = asCoercion(names, args, rawArgs, argNames);
    if (coercion !== undefined) return coercion;
  }
  const pool = exact.length > 1 ? exact : candidates;
  const matched = exact.length > 1 ? exact : matchCandidates(args, pool, (c) => c.args);
  if (matched.length === 1) return { kind: 'normal', candidate: matched[0]! };
  if (matched.length === 0) return { kind: 'notfound' };
  const best = selectCandidate(args, matched, (c) => c.args);
  return best === undefined ? { kind: 'multiple' } : { kind: 'normal', candidate: best };
}

/** typename(x) is a cast if that needs no function at all, or only the text form. */
function asCoercion(
  names: readonly string[],
  args: readonly Oid[],
  rawArgs: readonly Expr[],
  argNames: readonly string[],
): Found | undefined {
  if (args.length !== 1 || argNames.length > 0) return undefined;
  if (names.length > 1 && withoutError(() => deconstructQualifiedName(names)) === undefined) return undefined;
  const target = withoutError(() => findType(names));
  if (target === undefined || !target.typisdefined || target.typrelid !== 0) return undefined;
  const source = args[0]!;
  const raw = rawArgs[0];
  if (source === TYPE.unknown && raw?.kind === 'Const') return { kind: 'coercion', target: target.oid };
  const path = findCoercionPathway(target.oid, source, 'explicit');
  if (path.kind === 'relabel') return { kind: 'coercion', target: target.oid };
  if (path.kind === 'io') {
    // x.typename of a row would be taken for a cast to text too easily.
    const sourceRow = typeRow(source)!;
    if ((source === TYPE.record || sourceRow.typtype === 'c') && target.typcategory === 'S') return undefined;
    return { kind: 'coercion', target: target.oid };
  }
  return undefined;
}
const withoutError = <T>(work: () => T): T | undefined => {
  try {
    return work();
  } catch {
    // A name that cannot be looked up is no type name.
    return undefined;
  }
};

/** Builds the call. `args` are analysed; a trailing run of NamedArgExpr is named notation. Returns null only when
 *  `projection` is set and no such function exists. */
export function makeFunctionCall(
  p: ParseState,
  names: readonly string[],
  args: Expr[],
  lastSrf: Expr | null,
  clauses: CallClauses,
  isProcedureCall: boolean,
  location: number,
  projection = false,
): Expr | null {
  if (args.length > 100) {
    fail(p, SQLSTATE.tooManyArguments, 'cannot pass more than 100 arguments to a function', location);
  }
  const argNames = namedArguments(p, args);
  const types = args.map((a) => exprType(a));
  const found = withPosition(p, location, () => findFunction(names, types, args, argNames, !clauses.variadic));
  if (found.kind === 'coercion') {
    refuseClauses(p, names, clauses, location);
    return coerceType(p, args[0]!, types[0]!, found.target, -1, 'explicit', 'explicit_call', location);
  }
  if (found.kind !== 'normal') {
    if (projection) return null;
    return notFound(p, names, types, argNames, clauses, found.kind === 'multiple', isProcedureCall, location);
  }
  return buildCall(p, names, args, types, argNames, found.candidate, lastSrf, clauses, isProcedureCall, location);
}

function namedArguments(p: ParseState, args: readonly Expr[]): string[] {
  const out: string[] = [];
  for (const arg of args) {
    if (arg.kind === 'NamedArgExpr') {
      if (out.includes(arg.name)) {
        fail(p, SQLSTATE.syntaxError, `argument name "${arg.name}" used more than once`, arg.location);
      }
      out.push(arg.name);
    } else if (out.length > 0) {
      fail(p, SQLSTATE.syntaxError, 'positional argument cannot follow named argument', exprLocation(arg));
    }
  }
  return out;
}

/** Clauses that only aggregates or window functions may have. */
function refuseClauses(p: ParseState, names: readonly string[], c: CallClauses, location: number): void {
  const name = names.join('.');
  const refuse = (message: string): never => fail(p, SQLSTATE.wrongObjectType, message, location);
  if (c.star) refuse(`${name}(*) specified, but ${name} is not an aggregate function`);
  if (c.distinct) refuse(`DISTINCT specified, but ${name} is not an aggregate function`);
  if (c.withinGroup) refuse(`WITHIN GROUP specified, but ${name} is not an aggregate function`);
  if (c.aggOrder.length > 0) refuse(`ORDER BY specified, but ${name} is not an aggregate function`);
  if (c.aggFilter !== null) refuse(`FILTER specified, but ${name} is not an aggregate function`);
  if (c.over !== null) refuse(`OVER specified, but ${name} is not a window function nor an aggregate function`);
}

function notFound(
  p: ParseState,
  names: readonly string[],
  types: readonly Oid[],
  argNames: readonly string[],
  clauses: CallClauses,
  multiple: boolean,
  isProcedure: boolean,
  location: number,
): never {
  const what = isProcedure ? 'procedure' : 'function';
  const signature = functionSignature(names, types, argNames);
  if (multiple) {
    fail(p, SQLSTATE.ambiguousFunction, `${what} ${signature} is not unique`, location, {
      hint: `Could not choose a best candidate ${what}. You might need to add explicit type casts.`,
    });
  }
  if (clauses.aggOrder.length > 1 && !clauses.withinGroup) {
    // It may be an aggregate call with its ORDER BY in the wrong place.
    fail(p, SQLSTATE.undefinedFunction, `function ${signature} does not exist`, location, {
      hint: 'No aggregate function matches the given name and argument types. Perhaps you misplaced ORDER BY; ORDER BY must appear after all regular arguments of the aggregate.',
    });
  }
  fail(p, SQLSTATE.undefinedFunction, `${what} ${signature} does not exist`, location, {
    hint: `No ${what} matches the given name and argument types. You might need to add explicit type casts.`,
  });
}

function buildCall(
  p: ParseState,
  names: readonly string[],
  args: Expr[],
  types: Oid[],
  argNames: readonly string[],
  candidate: FunctionCandidate,
  lastSrf: Expr | null,
  clauses: CallClauses,
  isProcedureCall: boolean,
  location: number,
): Expr {
  const proc = candidate.row;
  const name = names.join('.');
  if (proc.prokind === 'p' && !isProcedureCall) {
    fail(p, SQLSTATE.wrongObjectType, `${functionSignature(names, types, argNames)} is a procedure`, location, {
      hint: 'To call a procedure, use CALL.',
    });
  }
  if (isProcedureCall && proc.prokind !== 'p') {
    fail(p, SQLSTATE.wrongObjectType, `${functionSignature(names, types, argNames)} is not a procedure`, location, {
      hint: 'To call a function, use SELECT.',
    });
  }
  if (proc.prokind === 'f' || proc.prokind === 'p') refuseClauses(p, names, clauses, location);
  else if (proc.prokind === 'a') checkAggregateCall(p, name, proc, types, clauses, location);
  else if (proc.prokind === 'w') {
    if (clauses.over === null)
      fail(p, SQLSTATE.wrongObjectType, `window function ${name} requires an OVER clause`, location);
    if (clauses.withinGroup)
      fail(p, SQLSTATE.wrongObjectType, `window function ${name} cannot have WITHIN GROUP`, location);
  }

  const declared = [...candidate.args];
  const allArgs = [...args];
  const actual = [...types];
  if (candidate.argNumbers !== null) {
    for (let i = 0; i < args.length; i++) {
      const arg = args[i]!;
      if (arg.kind === 'NamedArgExpr') arg.argnumber = candidate.argNumbers[i]!;
    }
  }
  appendDefaults(candidate, allArgs, actual, declared);
  if (proc.prokind === 'a' && aggregateRow(proc.oid)?.aggkind === 'h') {
    unifyHypothetical(p, allArgs, clauses.aggOrder.length, actual, declared);
  }
  const resultType = enforceGenericTypes(actual, declared, proc.prorettype);
  makeFunctionArguments(p, allArgs, actual, declared);
  let variadic = clauses.variadic && proc.provariadic !== 0;
  let finalArgs = allArgs;
  if (candidate.variadicCount > 0 && proc.provariadic !== TYPE.any) {
    finalArgs = collectVariadic(p, allArgs, candidate.variadicCount, declared);
    variadic = true;
  }
  if (variadic && proc.provariadic === TYPE.any && clauses.variadic) {
    const last = finalArgs[finalArgs.length - 1]!;
    if (elementType(exprType(last)) === 0 && exprType(last) !== TYPE.unknown) {
      fail(p, SQLSTATE.datatypeMismatch, 'VARIADIC argument must be an array', exprLocation(last));
    }
  }
  if (proc.proretset) checkSetReturning(p, lastSrf, location);

  if (proc.prokind === 'f' || proc.prokind === 'p') {
    const made: FuncExpr = {
      kind: 'FuncExpr',
      funcid: proc.oid,
      funcresulttype: resultType,
      funcretset: proc.proretset,
      funcvariadic: variadic,
      funcformat: clauses.format,
      funccollid: INVALID,
      inputcollid: INVALID,
      args: finalArgs,
      location,
    };
    if (proc.proretset) p.lastSrf = made;
    return made;
  }
  if (proc.prokind === 'a' && clauses.over === null) {
    return buildAggregate(p, name, proc, finalArgs, resultType, variadic, clauses, location);
  }
  return buildWindowCall(p, name, proc, finalArgs, resultType, clauses, location);
}

/** Adds the default expressions of arguments not given. */
function appendDefaults(candidate: FunctionCandidate, args: Expr[], actual: Oid[], declared: Oid[]): void {
  if (candidate.defaultCount === 0) return;
  const given = args.length;
  const proc = candidate.row;
  for (let i = 0; i < candidate.defaultCount; i++) {
    const number = candidate.argNumbers !== null ? candidate.argNumbers[given + i]! : given + i;
    const expr = defaultExpression(proc, number);
    const type = exprType(expr);
    if (candidate.argNumbers !== null) {
      args.push({
        kind: 'NamedArgExpr',
        arg: expr,
        name: proc.proargnames?.[number] ?? '',
        argnumber: number,
        location: -1,
      });
    } else args.push(expr);
    actual.push(type);
    if (declared.length < args.length) declared.push(proc.proargtypes[number]!);
  }
}

/** rank(x) within group (order by y): x is compared with y, so both need one type. */
function unifyHypothetical(p: ParseState, args: Expr[], sorted: number, actual: Oid[], declared: readonly Oid[]): void {
  const direct = args.length - sorted;
  for (let i = direct - sorted; i < direct; i++) {
    if (declared[i] !== TYPE.any) continue;
    const other = i + sorted;
    const common = selectCommonType(p, [args[other]!, args[i]!], 'WITHIN GROUP').type;
    for (const at of [i, other]) {
      args[at] = coerceType(p, args[at]!, actual[at]!, common, -1, 'implicit', 'implicit_cast', -1);
      actual[at] = common;
    }
  }
}

/** Trailing arguments of a VARIADIC parameter become one array. */
function collectVariadic(p: ParseState, args: Expr[], count: number, declared: readonly Oid[]): Expr[] {
  const fixed = args.length - count;
  const elements = args.slice(fixed);
  const elementTypeOid = declared[fixed]!;
  const arrayType = typeRow(exprType(elements[0]!))!.typarray;
  if (arrayType === 0) {
    fail(
      p,
      SQLSTATE.undefinedObject,
      `could not find array type for data type ${formatType(elementTypeOid)}`,
      exprLocation(elements[0]!),
    );
  }
  const array: Expr = {
    kind: 'ArrayExpr',
    arrayTypeid: arrayType,
    arrayCollid: INVALID,
    elementTypeid: exprType(elements[0]!),
    elements,
    multidims: false,
    location: exprLocation(elements[0]!),
  };
  return [...args.slice(0, fixed), array];
}

function checkAggregateCall(
  p: ParseState,
  name: string,
  proc: ProcRow,
  types: readonly Oid[],
  c: CallClauses,
  location: number,
): void {
  const aggregate = aggregateRow(proc.oid)!;
  if (aggregate.aggkind === 'n') {
    if (c.withinGroup) {
      fail(
        p,
        SQLSTATE.wrongObjectType,
        `${name} is not an ordered-set aggregate, so it cannot have WITHIN GROUP`,
        location,
      );
    }
    return;
  }
  const kind = 'ordered-set aggregate';
  if (!c.withinGroup) fail(p, SQLSTATE.wrongObjectType, `WITHIN GROUP is required for ${kind} ${name}`, location);
  if (c.over !== null) fail(p, SQLSTATE.featureNotSupported, `OVER is not supported for ${kind} ${name}`, location);
  const direct = types.length - c.aggOrder.length;
  const wanted = aggregate.aggnumdirectargs;
  const isHypothetical = aggregate.aggkind === 'h';
  const variadic = proc.provariadic !== 0;
  if (!variadic && direct !== wanted && !isHypothetical) {
    fail(p, SQLSTATE.undefinedFunction, `function ${functionSignature([name], types, [])} does not exist`, location, {
      hint: `There is an ordered-set aggregate ${name}, but it requires ${wanted} direct argument${wanted === 1 ? '' : 's'}, not ${direct}.`,
    });
  }
  if (isHypothetical && direct !== c.aggOrder.length) {
    fail(p, SQLSTATE.undefinedFunction, `function ${functionSignature([name], types, [])} does not exist`, location, {
      hint: `To use the hypothetical-set aggregate ${name}, the number of hypothetical direct arguments (here ${direct}) must match the number of ordering columns (here ${c.aggOrder.length}).`,
    });
  }
}

function buildAggregate(
  p: ParseState,
  name: string,
  proc: ProcRow,
  args: Expr[],
  type: Oid,
  variadic: boolean,
  c: CallClauses,
  location: number,
): Expr {
  if (args.length === 0 && !c.star && !c.withinGroup) {
    fail(p, SQLSTATE.wrongObjectType, `${name}(*) must be used to call a parameterless aggregate function`, location);
  }
  if (proc.proretset) fail(p, SQLSTATE.invalidFunctionDefinition, 'aggregates cannot return sets', location);
  for (const arg of args) {
    if (arg.kind === 'NamedArgExpr') {
      fail(p, SQLSTATE.featureNotSupported, 'aggregates cannot use named arguments', location);
    }
  }
  const made: Aggref = {
    kind: 'Aggref',
    aggfnoid: proc.oid,
    aggtype: type,
    aggcollid: INVALID,
    inputcollid: INVALID,
    aggtranstype: INVALID,
    aggargtypes: [],
    aggdirectargs: [],
    args: [],
    aggorder: [],
    aggdistinct: [],
    aggfilter: c.aggFilter,
    aggstar: c.star,
    aggvariadic: variadic,
    aggkind: aggregateRow(proc.oid)!.aggkind as Aggref['aggkind'],
    agglevelsup: 0,
    aggsplit: 'simple',
    aggno: -1,
    aggtransno: -1,
    location,
  };
  transformAggregate(p, made, args, c.aggOrder, c.distinct);
  return made;
}

function buildWindowCall(
  p: ParseState,
  name: string,
  proc: ProcRow,
  args: Expr[],
  type: Oid,
  c: CallClauses,
  location: number,
): Expr {
  const isAggregate = proc.prokind === 'a';
  if (c.distinct) fail(p, SQLSTATE.featureNotSupported, 'DISTINCT is not implemented for window functions', location);
  if (isAggregate && args.length === 0 && !c.star) {
    fail(p, SQLSTATE.wrongObjectType, `${name}(*) must be used to call a parameterless aggregate function`, location);
  }
  if (c.aggOrder.length > 0) {
    fail(p, SQLSTATE.featureNotSupported, 'aggregate ORDER BY is not implemented for window functions', location);
  }
  if (!isAggregate && c.aggFilter !== null) {
    fail(p, SQLSTATE.featureNotSupported, 'FILTER is not implemented for non-aggregate window functions', location);
  }
  if (args.some((a) => anyExpr(a, returnsSet))) {
    fail(
      p,
      SQLSTATE.featureNotSupported,
      'window function calls cannot contain set-returning function calls',
      location,
      {
        hint: 'You might be able to move the set-returning function into a LATERAL FROM item.',
      },
    );
  }
  if (proc.proretset) fail(p, SQLSTATE.invalidFunctionDefinition, 'window functions cannot return sets', location);
  const made: WindowFunc = {
    kind: 'WindowFunc',
    winfnoid: proc.oid,
    wintype: type,
    wincollid: INVALID,
    inputcollid: INVALID,
    args,
    aggfilter: c.aggFilter,
    winref: 0,
    winstar: c.star,
    winagg: isAggregate,
    location,
  };
  transformWindowCall(p, made, c.over!);
  return made;
}

export const returnsSet = (e: Expr): boolean =>
  (e.kind === 'FuncExpr' && e.funcretset) || (e.kind === 'OpExpr' && e.opretset);

/** Where a set-returning function may stand, by kind of expression; null: anywhere in it. */
export function checkSetReturning(p: ParseState, lastSrf: Expr | null, location: number): void {
  const where: Partial<Record<ParseState['exprKind'], string>> = {
    join_on: 'JOIN conditions',
    join_using: 'JOIN conditions',
    where: 'WHERE',
    policy: 'policy expressions',
    having: 'HAVING',
    filter: 'FILTER',
    window_frame_range: 'window RANGE',
    window_frame_rows: 'window ROWS',
    window_frame_groups: 'window GROUPS',
    update_source: 'UPDATE',
    update_target: 'UPDATE',
    limit: 'LIMIT',
    offset: 'OFFSET',
    returning: 'RETURNING',
    values: 'VALUES',
    check_constraint: 'check constraints',
    index_expression: 'index expressions',
    index_predicate: 'index predicates',
    alter_col_transform: 'transform expressions',
    trigger_when: 'trigger WHEN conditions',
    generated_column: 'column generation expressions',
    copy_where: 'COPY FROM WHERE conditions',
    column_default: 'DEFAULT expressions',
    function_default: 'DEFAULT expressions',
    execute_parameter: 'EXECUTE parameters',
    call_argument: 'CALL arguments',
    cycle_mark: 'CYCLE',
  };
  switch (p.exprKind) {
    case 'from_function':
      // Only at the top level of the item, which shows by no other one having been seen inside its arguments.
      if (p.lastSrf !== lastSrf) {
        fail(
          p,
          SQLSTATE.featureNotSupported,
          'set-returning functions must appear at top level of FROM',
          exprLocation(p.lastSrf!),
        );
      }
      return;
    case 'select_target':
    case 'insert_target':
    case 'group_by':
    case 'order_by':
    case 'distinct_on':
    case 'values_single':
      p.hasTargetSRFs = true;
      return;
    case 'window_partition':
    case 'window_order':
      fail(p, SQLSTATE.featureNotSupported, 'set-returning functions are not allowed in window definitions', location);
      return;
    default: {
      const name = where[p.exprKind];
      if (name !== undefined) {
        fail(p, SQLSTATE.featureNotSupported, `set-returning functions are not allowed in ${name}`, location);
      }
    }
  }
}
