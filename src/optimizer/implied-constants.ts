/** implied-constants.ts — a = b and b = 1: so a = 1, which an index on a can use.
 *
 *  Equalities of one join level form classes. In a class with a constant each member equals the constant, and the
 *  conditions between members say nothing more.
 *  Counterpart: generate_base_implied_equalities_const() of src/backend/optimizer/path/equivclass.c */
import { familyMember, amopsOfOperator, operatorRow } from '#catalog/syscache.ts';
import { BT } from '#catalog/oids.ts';
import { equal, exprCollation, exprType } from '#nodes/node-funcs.ts';
import type { Expr, OpExpr } from '#nodes/primitives.ts';
import { containsVolatile, pullVars } from '#optimizer/volatility.ts';

interface Equality {
  readonly clause: OpExpr;
  readonly left: Expr;
  readonly right: Expr;
  readonly family: number;
}

function equalityOf(clause: Expr): Equality | null {
  if (clause.kind !== 'OpExpr' || clause.args.length !== 2 || containsVolatile(clause)) return null;
  if (operatorRow(clause.opno)?.oprcanmerge !== true) return null;
  const member = amopsOfOperator(clause.opno).find((row) => row.amopmethod === 403 && row.amopstrategy === BT.equal);
  if (member === undefined) return null;
  return { clause, left: clause.args[0]!, right: clause.args[1]!, family: member.amopfamily };
}
const isFixed = (expr: Expr): boolean => pullVars(expr).length === 0;

export function withImpliedConstants(quals: readonly Expr[]): readonly Expr[] {
  const equalities = quals.map(equalityOf).filter((item) => item !== null);
  const constants = equalities.filter((item) => isFixed(item.left) !== isFixed(item.right));
  const links = equalities.filter((item) => !isFixed(item.left) && !isFixed(item.right));
  if (constants.length === 0 || links.length === 0) return quals;
  const out = quals.slice();
  /** What is known to equal which constant. */
  const known = constants.map((item) => ({
    member: isFixed(item.left) ? item.right : item.left,
    value: isFixed(item.left) ? item.left : item.right,
    family: item.family,
    collation: item.clause.inputcollid,
  }));
  let changed = true;
  const open = new Set(links);
  while (changed) {
    changed = false;
    for (const link of open) {
      const fact = known.find(
        (item) =>
          item.family === link.family &&
          item.collation === link.clause.inputcollid &&
          (equal(item.member, link.left) || equal(item.member, link.right)),
      );
      if (fact === undefined) continue;
      open.delete(link);
      const other = equal(fact.member, link.left) ? link.right : link.left;
      if (known.some((item) => equal(item.member, other) && equal(item.value, fact.value))) continue;
      const implied = equalTo(other, fact.value, fact.family, link);
      if (implied === null) continue;
      changed = true;
      known.push({ ...fact, member: other });
      // The link between the two follows from both.
      out.splice(out.indexOf(link.clause), 1, implied);
    }
  }
  return out;
}

function equalTo(member: Expr, value: Expr, family: number, link: Equality): OpExpr | null {
  if (exprCollation(member) !== exprCollation(link.left)) return null;
  const opno = familyMember(family as OpExpr['opno'], typeFor(member), typeFor(value), BT.equal);
  if (opno === 0) return null;
  return { ...link.clause, opno, opfuncid: operatorRow(opno)!.oprcode, args: [member, value] };
}
const typeFor = (expr: Expr): OpExpr['opno'] => exprType(expr);
