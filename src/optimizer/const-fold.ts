/** const-fold.ts — computing at plan time what cannot change: immutable functions of constants, boolean algebra, CASE.
 *
 *  An error raised while folding (1/0) is the query's error, as in PostgreSQL. A function whose code does not exist
 *  is left alone: it may never be reached.
 *  Counterpart: eval_const_expressions() of src/backend/optimizer/util/clauses.c */
import type { Datum } from '#adt/datum.ts';
import { builtin } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { LANGUAGE, TYPE } from '#catalog/oids.ts';
import { operatorRow, procRow, typeRow } from '#catalog/syscache.ts';
import { EState, ExprContext } from '#executor/estate.ts';
import { compileExpr } from '#executor/expr-compile.ts';
import { emptyPlan } from '#executor/empty-plan.ts';
import { inlineFunction } from '#optimizer/inline-function.ts';
import type { BoundParams } from '#nodes/exec-nodes.ts';
import { exprCollation, exprType, exprTypmod, makeBoolConst, makeBoolExpr, makeConst } from '#nodes/node-funcs.ts';
import type { Query } from '#nodes/parse-nodes.ts';
import type { BoolExpr, CaseExpr, Const, Expr, FuncExpr } from '#nodes/primitives.ts';
import { mapChildren } from '#nodes/visit.ts';

export interface FoldScope {
  /** Values of $n that the plan may rely on. */
  readonly params: BoundParams | null;
  /** How to treat the query of a SubLink. */
  readonly subquery: (query: Query) => Query;
  readonly depth: number;
}

export const isConst = (node: Expr): node is Const => node.kind === 'Const';
const isTrue = (node: Expr): boolean => isConst(node) && node.constvalue === true;
const isFalse = (node: Expr): boolean => isConst(node) && node.constvalue === false;
const isNull = (node: Expr): boolean => isConst(node) && node.constisnull;

/** The value of an expression without variables, computed now. */
export function evaluateNow(node: Expr): Datum {
  const context = new ExprContext(new EState(emptyPlan, null));
  return compileExpr(node, { rtable: [] })(context);
}
export function toConst(node: Expr): Const {
  return makeConst(exprType(node), exprTypmod(node), exprCollation(node), evaluateNow(node));
}

export function foldExpr(node: Expr, scope: FoldScope): Expr {
  switch (node.kind) {
    case 'CaseExpr':
      return foldCase(node, scope);
    case 'BoolExpr':
      return foldBool(node, scope);
    case 'CoalesceExpr': {
      const args: Expr[] = [];
      for (const arg of node.args) {
        const folded = foldExpr(arg, scope);
        if (isNull(folded)) continue;
        args.push(folded);
        if (isConst(folded)) break;
      }
      if (args.length === 0) return makeConst(node.coalescetype, -1, node.coalescecollid, null);
      return args.length === 1 ? args[0]! : { ...node, args };
    }
    case 'SubLink':
      return mapChildren({ ...node, subselect: scope.subquery(node.subselect) }, (child) => foldExpr(child, scope));
    default:
  }
  return simplify(
    mapChildren(node, (child) => foldExpr(child, scope)),
    scope,
  );
}

/** One node whose children are folded already. */
function simplify(node: Expr, scope: FoldScope): Expr {
  switch (node.kind) {
    case 'Param': {
      if (node.paramkind !== 'extern' || scope.params === null) return node;
      const { values, types } = scope.params;
      if (node.paramid > values.length || types[node.paramid - 1] !== node.paramtype) return node;
      return makeConst(node.paramtype, node.paramtypmod, node.paramcollid, values[node.paramid - 1]!, node.location);
    }
    case 'FuncExpr':
      return simplifyFunction(node, scope);
    case 'OpExpr': {
      const folded = foldCall(node.opfuncid, node.args, node);
      if (folded !== null) return folded;
      const call: FuncExpr = {
        kind: 'FuncExpr',
        funcid: node.opfuncid,
        funcresulttype: node.opresulttype,
        funcretset: node.opretset,
        funcvariadic: false,
        funcformat: 'explicit_call',
        funccollid: node.opcollid,
        inputcollid: node.inputcollid,
        args: node.args,
        location: node.location,
      };
      return inlineFunction(call, scope.depth, (expr) => foldExpr(expr, { ...scope, depth: scope.depth + 1 })) ?? node;
    }
    case 'DistinctExpr': {
      const [left, right] = node.args as [Expr, Expr];
      if (isConst(left) && isConst(right)) {
        if (left.constisnull || right.constisnull) return makeBoolConst(left.constisnull !== right.constisnull);
        return foldCall(node.opfuncid, node.args, node) === null ? node : toConst(node);
      }
      return node;
    }
    case 'NullIfExpr':
      return node.args.every(isConst) && isImmutable(node.opfuncid) ? toConst(node) : node;
    case 'ScalarArrayOpExpr':
      if (isNull(node.args[1]!)) return makeBoolConst(null);
      return node.args.every(isConst) && isImmutable(node.opfuncid) ? toConst(node) : node;
    case 'RelabelType': {
      if (!isConst(node.arg)) return node.arg.kind === 'RelabelType' ? { ...node, arg: node.arg.arg } : node;
      return {
        ...node.arg,
        consttype: node.resulttype,
        consttypmod: node.resulttypmod,
        constcollid: node.resultcollid,
        location: node.location,
      };
    }
    case 'CollateExpr':
      return relabel(node.arg, exprType(node.arg), exprTypmod(node.arg), node.collOid);
    case 'CoerceViaIO':
      return isConst(node.arg) && ioIsImmutable(exprType(node.arg), node.resulttype) ? toConst(node) : node;
    case 'ArrayCoerceExpr':
      return isConst(node.arg) && onlyImmutable(node.elemexpr) ? toConst(node) : node;
    case 'ArrayExpr':
      return node.elements.every(isConst) ? toConst(node) : node;
    case 'MinMaxExpr':
      return node.args.every(isConst) ? toConst(node) : node;
    case 'SubscriptingRef':
      return node.refassgnexpr === null && allChildrenConst(node) ? toConst(node) : node;
    case 'FieldSelect':
      if (node.arg.kind === 'RowExpr') {
        const field = node.arg.args[node.fieldnum - 1];
        if (field !== undefined && exprType(field) === node.resulttype) return field;
      }
      return isConst(node.arg) ? toConst(node) : node;
    case 'NullTest':
      if (node.argisrow) return isConst(node.arg) ? toConst(node) : node;
      return isConst(node.arg) ? makeBoolConst(node.arg.constisnull === (node.nulltesttype === 'is_null')) : node;
    case 'BooleanTest':
      return isConst(node.arg) ? toConst(node) : node;
    case 'CoerceToDomain': {
      const row = typeRow(node.resulttype);
      // A domain over another domain may inherit constraints: only the plain case is a relabelling.
      if (row !== undefined && !row.typnotnull && domainIsFree(node.resulttype)) {
        return simplify(
          {
            kind: 'RelabelType',
            arg: node.arg,
            resulttype: node.resulttype,
            resulttypmod: node.resulttypmod,
            resultcollid: node.resultcollid,
            relabelformat: node.coercionformat,
            location: node.location,
          },
          scope,
        );
      }
      return node;
    }
    case 'RowCompareExpr':
      return node.largs.every(isConst) && node.rargs.every(isConst) ? toConst(node) : node;
    default:
      return node;
  }
}

let domainIsFree: (type: Oid) => boolean = () => false;
export function setDomainIsFree(test: (type: Oid) => boolean): void {
  domainIsFree = test;
}

function relabel(arg: Expr, type: Oid, typmod: number, collation: Oid): Expr {
  if (isConst(arg)) return { ...arg, constcollid: collation };
  if (exprCollation(arg) === collation) return arg;
  return {
    kind: 'RelabelType',
    arg,
    resulttype: type,
    resulttypmod: typmod,
    resultcollid: collation,
    relabelformat: 'implicit_cast',
    location: -1,
  };
}

function allChildrenConst(node: Expr): boolean {
  let all = true;
  mapChildren(node, (child) => {
    if (!isConst(child)) all = false;
    return child;
  });
  return all;
}

/** May a call of this function be replaced by its value, and can we compute it? */
function isImmutable(funcid: Oid): boolean {
  const proc = procRow(funcid);
  if (proc === undefined || proc.provolatile !== 'i' || proc.proretset) return false;
  return proc.prolang === LANGUAGE.internal && builtin(proc.prosrc) !== undefined;
}
function ioIsImmutable(source: Oid, target: Oid): boolean {
  const from = typeRow(source);
  const to = typeRow(target);
  return from !== undefined && to !== undefined && isImmutable(from.typoutput) && isImmutable(to.typinput);
}
function onlyImmutable(node: Expr): boolean {
  if (node.kind === 'FuncExpr' && !isImmutable(node.funcid)) return false;
  if (node.kind === 'CoerceViaIO' && !ioIsImmutable(exprType(node.arg), node.resulttype)) return false;
  if (node.kind === 'CoerceToDomain') return false;
  let all = true;
  mapChildren(node, (child) => {
    if (!onlyImmutable(child)) all = false;
    return child;
  });
  return all;
}

/** A constant for the call, or null if it must stay. */
function foldCall(funcid: Oid, args: readonly Expr[], node: Expr): Expr | null {
  const proc = procRow(funcid);
  if (proc === undefined || proc.proretset) return null;
  if (exprType(node) === TYPE.record) return null;
  if (proc.proisstrict && args.some(isNull)) {
    return makeConst(exprType(node), exprTypmod(node), exprCollation(node), null);
  }
  return args.every(isConst) && isImmutable(funcid) ? toConst(node) : null;
}

/** Arguments in order of their positions, names dropped. */
function positional(args: Expr[]): Expr[] {
  if (!args.some((arg) => arg.kind === 'NamedArgExpr')) return args;
  const ordered: Expr[] = [];
  args.forEach((arg, i) => {
    if (arg.kind === 'NamedArgExpr') ordered[arg.argnumber] = arg.arg;
    else ordered[i] = arg;
  });
  return ordered;
}

function simplifyFunction(node: FuncExpr, scope: FoldScope): Expr {
  const args = positional(node.args);
  const call = args === node.args ? node : { ...node, args };
  if (call.funcretset) return call;
  const folded = foldCall(call.funcid, args, call);
  if (folded !== null) return folded;
  return inlineFunction(call, scope.depth, (expr) => foldExpr(expr, { ...scope, depth: scope.depth + 1 })) ?? call;
}

function foldBool(node: BoolExpr, scope: FoldScope): Expr {
  if (node.boolop === 'not') return negate(foldExpr(node.args[0]!, scope), node);
  const decisive = node.boolop === 'or' ? isTrue : isFalse;
  const neutral = node.boolop === 'or' ? isFalse : isTrue;
  const args: Expr[] = [];
  let sawNull = false;
  const pending = node.args.slice();
  while (pending.length > 0) {
    const arg = pending.shift()!;
    if (arg.kind === 'BoolExpr' && arg.boolop === node.boolop) {
      pending.unshift(...arg.args);
      continue;
    }
    const folded = foldExpr(arg, scope);
    if (folded.kind === 'BoolExpr' && folded.boolop === node.boolop) {
      args.push(...folded.args);
      continue;
    }
    if (decisive(folded)) return makeBoolConst(node.boolop === 'or');
    if (neutral(folded)) continue;
    if (isNull(folded)) sawNull = true;
    else args.push(folded);
  }
  if (sawNull) args.push(makeBoolConst(null));
  if (args.length === 0) return makeBoolConst(node.boolop === 'and');
  return args.length === 1 ? args[0]! : { ...node, args };
}

/** NOT of something, pushed down where that is free. */
export function negate(arg: Expr, node: BoolExpr | null = null): Expr {
  switch (arg.kind) {
    case 'Const':
      return makeBoolConst(arg.constisnull ? null : !(arg.constvalue as boolean));
    case 'OpExpr': {
      const negator = operatorRow(arg.opno)?.oprnegate ?? 0;
      if (negator === 0) break;
      return { ...arg, opno: negator as Oid, opfuncid: operatorRow(negator as Oid)!.oprcode };
    }
    case 'ScalarArrayOpExpr': {
      const negator = operatorRow(arg.opno)?.oprnegate ?? 0;
      if (negator === 0) break;
      return { ...arg, opno: negator as Oid, opfuncid: operatorRow(negator as Oid)!.oprcode, useOr: !arg.useOr };
    }
    case 'BoolExpr':
      if (arg.boolop === 'not') return arg.args[0]!;
      return { ...arg, boolop: arg.boolop === 'and' ? 'or' : 'and', args: arg.args.map((inner) => negate(inner)) };
    case 'NullTest':
      if (arg.argisrow) break;
      return { ...arg, nulltesttype: arg.nulltesttype === 'is_null' ? 'is_not_null' : 'is_null' };
    case 'BooleanTest': {
      const opposite = {
        is_true: 'is_not_true',
        is_not_true: 'is_true',
        is_false: 'is_not_false',
        is_not_false: 'is_false',
        is_unknown: 'is_not_unknown',
        is_not_unknown: 'is_unknown',
      } as const;
      return { ...arg, booltesttype: opposite[arg.booltesttype] };
    }
    default:
  }
  return node === null ? makeBoolExpr('not', [arg]) : { ...node, args: [arg] };
}

function foldCase(node: CaseExpr, scope: FoldScope): Expr {
  const arg = node.arg === null ? null : foldExpr(node.arg, scope);
  // With a constant test value every WHEN can be decided here.
  const bind = (expr: Expr): Expr => (arg !== null && isConst(arg) ? replaceCaseTest(expr, arg) : expr);
  const args: CaseExpr['args'] = [];
  let defresult = node.defresult;
  for (const when of node.args) {
    const test = foldExpr(bind(when.expr), scope);
    if (isFalse(test) || isNull(test)) continue;
    if (isTrue(test)) {
      defresult = when.result;
      break;
    }
    args.push({ ...when, expr: test, result: foldExpr(when.result, scope) });
  }
  const otherwise = defresult === null ? null : foldExpr(defresult, scope);
  if (args.length === 0) return otherwise ?? makeConst(node.casetype, -1, node.casecollid, null);
  return { ...node, arg, args, defresult: otherwise };
}
/** The test value of this CASE in place of its placeholder; an inner CASE has its own. */
function replaceCaseTest(node: Expr, value: Const): Expr {
  if (node.kind === 'CaseTestExpr') return value;
  if (node.kind === 'CaseExpr' && node.arg !== null) return { ...node, arg: replaceCaseTest(node.arg, value) };
  if (node.kind === 'ArrayCoerceExpr') return { ...node, arg: replaceCaseTest(node.arg, value) };
  return mapChildren(node, (child) => replaceCaseTest(child, value));
}
