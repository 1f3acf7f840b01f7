/** index-match.ts — which conditions an index can check by itself, and in which form it wants them.
 *
 *  A match is `column operator value` with the column on the left: a commuted condition is turned around, a boolean
 *  column becomes `column = true`, LIKE with a fixed beginning becomes a range. `value` must not mention the relation.
 *  Counterpart: match_clause_to_index() … expand_indexqual_rowcompare() of src/backend/optimizer/path/indxpath.c,
 *  like_support.c */
import { INVALID_OID, type Oid } from '#base/ids.ts';
import { BT, TYPE } from '#catalog/oids.ts';
import { amopsOfFamily, familyMember, operatorRow } from '#catalog/syscache.ts';
import { equal, exprType, makeBoolConst, makeConst } from '#nodes/node-funcs.ts';
import type { Const, Expr, OpExpr, RowCompareExpr } from '#nodes/primitives.ts';
import { prefixRange } from '#optimizer/like-prefix.ts';
import type { IndexOptInfo } from '#optimizer/relation-info.ts';
import { containsVolatile, pullVars } from '#optimizer/volatility.ts';

/** A condition as one index column sees it. */
export interface IndexClause {
  /** As it stands in the query. */
  readonly clause: Expr;
  /** What the index checks. */
  readonly quals: readonly Expr[];
  /** The index says only "perhaps": the condition must be checked again. */
  readonly lossy: boolean;
  /** Index column, from 0. */
  readonly column: number;
  /** Of a row comparison: all the index columns that it uses. */
  readonly columns: readonly number[];
}

const BOOL_EQUAL = 91 as Oid;
const BOOL_EQUAL_PROC = 60 as Oid;
const BOOL_FAMILIES: ReadonlySet<number> = new Set([424, 2222]);

const bare = (expr: Expr): Expr => {
  let inner = expr;
  while (inner.kind === 'RelabelType') inner = inner.arg;
  return inner;
};
export const matchesOperand = (expr: Expr, index: IndexOptInfo, column: number): boolean =>
  equal(bare(expr), bare(index.operands[column]!));

/** Strategy of an operator in the family of an index column; 0 if it is not a member. */
export function strategyIn(operator: Oid, family: Oid): number {
  for (const row of amopsOfFamily(family))
    if (row.amopopr === operator && row.amoppurpose === 's') return row.amopstrategy;
  return 0;
}
/** An index sorted by one collation knows nothing about another. */
const collationFits = (index: IndexOptInfo, column: number, collation: Oid): boolean =>
  index.collations[column] === 0 || index.collations[column] === collation;

const mentions = (expr: Expr, rtindex: number): boolean => pullVars(expr).some((v) => v.varno === rtindex);
const isValue = (expr: Expr, rtindex: number): boolean => !mentions(expr, rtindex) && !containsVolatile(expr);

export function matchClause(index: IndexOptInfo, column: number, clause: Expr, rtindex: number): IndexClause | null {
  const exact = (...quals: Expr[]): IndexClause => ({ clause, quals, lossy: false, column, columns: [column] });
  if (BOOL_FAMILIES.has(index.families[column]!)) {
    const qual = booleanQual(index, column, clause);
    if (qual !== null) return exact(qual);
  }
  switch (clause.kind) {
    case 'NullTest':
      if (!index.searchNulls || clause.argisrow || !matchesOperand(clause.arg, index, column)) return null;
      return exact(clause);
    case 'OpExpr':
      return matchOperator(index, column, clause, rtindex);
    case 'ScalarArrayOpExpr': {
      if (!index.searchArray || !clause.useOr) return null;
      const [left, right] = clause.args as [Expr, Expr];
      if (!matchesOperand(left, index, column) || !isValue(right, rtindex)) return null;
      if (!collationFits(index, column, clause.inputcollid)) return null;
      return strategyIn(clause.opno, index.families[column]!) === 0 ? null : exact(clause);
    }
    case 'RowCompareExpr':
      return index.canOrder ? matchRowCompare(index, column, clause, rtindex) : null;
    default:
      return null;
  }
}

function booleanQual(index: IndexOptInfo, column: number, clause: Expr): Expr | null {
  const equals = (arg: Expr, value: boolean): OpExpr => ({
    kind: 'OpExpr',
    opno: BOOL_EQUAL,
    opfuncid: BOOL_EQUAL_PROC,
    opresulttype: TYPE.bool,
    opretset: false,
    opcollid: INVALID_OID,
    inputcollid: INVALID_OID,
    args: [arg, makeBoolConst(value)],
    location: -1,
  });
  if (matchesOperand(clause, index, column)) return equals(clause, true);
  if (clause.kind === 'BoolExpr' && clause.boolop === 'not' && matchesOperand(clause.args[0]!, index, column))
    return equals(clause.args[0]!, false);
  if (clause.kind === 'BooleanTest' && matchesOperand(clause.arg, index, column)) {
    if (clause.booltesttype === 'is_true') return equals(clause.arg, true);
    if (clause.booltesttype === 'is_false') return equals(clause.arg, false);
  }
  return null;
}

function commuted(clause: OpExpr): OpExpr | null {
  const opno = operatorRow(clause.opno)?.oprcom ?? INVALID_OID;
  if (opno === INVALID_OID) return null;
  return { ...clause, opno, opfuncid: operatorRow(opno)!.oprcode, args: [clause.args[1]!, clause.args[0]!] };
}

function matchOperator(index: IndexOptInfo, column: number, clause: OpExpr, rtindex: number): IndexClause | null {
  if (clause.args.length !== 2) return null;
  const [left, right] = clause.args as [Expr, Expr];
  const family = index.families[column]!;
  const made = (...quals: Expr[]): IndexClause => ({ clause, quals, lossy: false, column, columns: [column] });
  if (matchesOperand(left, index, column) && isValue(right, rtindex)) {
    if (collationFits(index, column, clause.inputcollid) && strategyIn(clause.opno, family) !== 0) return made(clause);
    return matchPattern(index, column, clause);
  }
  if (matchesOperand(right, index, column) && isValue(left, rtindex)) {
    if (!collationFits(index, column, clause.inputcollid)) return null;
    const turned = commuted(clause);
    if (turned !== null && strategyIn(turned.opno, family) !== 0) return made(turned);
  }
  return null;
}

/** `column LIKE 'abc%'` as a range of values that begin with abc. */
function matchPattern(index: IndexOptInfo, column: number, clause: OpExpr): IndexClause | null {
  const pattern = clause.args[1]!;
  if (pattern.kind !== 'Const' || pattern.constisnull) return null;
  const family = index.families[column]!;
  const range = prefixRange(clause.opno, pattern, family, index.collations[column]!, clause.inputcollid);
  if (range === null) return null;
  const type = exprType(clause.args[0]!) === TYPE.name ? TYPE.text : exprType(clause.args[0]!);
  const collation = index.collations[column]!;
  const qual = (strategy: number, value: string): OpExpr | null => {
    const opno = familyMember(family, type, type, strategy) || familyMember(family, TYPE.text, TYPE.text, strategy);
    if (opno === 0) return null;
    const constant: Const = makeConst(type, -1, pattern.constcollid, value);
    return {
      kind: 'OpExpr',
      opno: opno as Oid,
      opfuncid: operatorRow(opno as Oid)!.oprcode,
      opresulttype: TYPE.bool,
      opretset: false,
      opcollid: INVALID_OID,
      inputcollid: collation,
      args: [clause.args[0]!, constant],
      location: -1,
    };
  };
  if (range.exact) {
    const same = qual(BT.equal, range.low);
    return same === null ? null : { clause, quals: [same], lossy: true, column, columns: [column] };
  }
  const low = qual(BT.greaterEqual, range.low);
  if (low === null) return null;
  const quals: Expr[] = [low];
  if (range.high !== null) {
    const high = qual(BT.less, range.high);
    if (high !== null) quals.push(high);
  }
  return { clause, quals, lossy: true, column, columns: [column] };
}

const ROW_STRATEGY = { lt: 1, le: 2, eq: 3, ge: 4, gt: 5, ne: 6 } as const;
/** ROW(a, b) > ROW(1, 2): as many leading members as the index has columns for. */
function matchRowCompare(
  index: IndexOptInfo,
  column: number,
  clause: RowCompareExpr,
  rtindex: number,
): IndexClause | null {
  const strategy = ROW_STRATEGY[clause.rctype];
  if (strategy === 3 || strategy === 6) return null;
  const onLeft = matchesOperand(clause.largs[0]!, index, column);
  const own = onLeft ? clause.largs : clause.rargs;
  const others = onLeft ? clause.rargs : clause.largs;
  if (!others.every((expr) => isValue(expr, rtindex))) return null;
  const operators: Oid[] = [];
  const columns: number[] = [];
  let lossy = false;
  let wanted = 0;
  for (let i = 0; i < own.length; i++) {
    let opno = clause.opnos[i]!;
    if (!onLeft) opno = operatorRow(opno)?.oprcom ?? INVALID_OID;
    const at =
      i === 0 ? column : index.operands.findIndex((_, k) => k < index.nKeys && matchesOperand(own[i]!, index, k));
    if (at < 0 || at >= index.nKeys || opno === 0 || !matchesOperand(own[i]!, index, at)) break;
    const found = strategyIn(opno, index.families[at]!);
    if (i === 0) wanted = found;
    if (found === 0 || found !== wanted || !collationFits(index, at, clause.inputcollids[i]!)) break;
    operators.push(opno);
    columns.push(at);
  }
  if (columns.length === 0 || wanted === 0 || wanted === 3) return null;
  if (columns.length < own.length) {
    lossy = true;
    // With members missing, rows whose leading members are equal may pass.
    if (wanted === 1) wanted = 2;
    if (wanted === 5) wanted = 4;
  }
  const names = ['', 'lt', 'le', 'eq', 'ge', 'gt'] as const;
  const opnos: Oid[] = operators.map((opno, i): Oid => {
    if (!lossy) return opno;
    const row = operatorRow(opno)!;
    return familyMember(index.families[columns[i]!]!, row.oprleft, row.oprright, wanted);
  });
  if (opnos.some((opno) => opno === 0)) return null;
  if (columns.length === 1) {
    const qual: OpExpr = {
      kind: 'OpExpr',
      opno: opnos[0]!,
      opfuncid: operatorRow(opnos[0]!)!.oprcode,
      opresulttype: TYPE.bool,
      opretset: false,
      opcollid: INVALID_OID,
      inputcollid: clause.inputcollids[0]!,
      args: [own[0]!, others[0]!],
      location: -1,
    };
    return { clause, quals: [qual], lossy, column, columns };
  }
  const qual: RowCompareExpr = {
    ...clause,
    rctype: names[wanted] as RowCompareExpr['rctype'],
    opnos,
    opfamilies: columns.map((at) => index.families[at]!),
    inputcollids: clause.inputcollids.slice(0, columns.length),
    largs: own.slice(0, columns.length),
    rargs: others.slice(0, columns.length),
  };
  return { clause, quals: [qual], lossy, column, columns };
}
