/** arbiter-indexes.ts — which unique indexes ON CONFLICT means.
 *
 *  A constraint names its index. A list of columns and expressions means every unique index over exactly these, whatever
 *  their order, whose predicate (if any) follows from the WHERE that was written.
 *  Counterpart: infer_arbiter_indexes() of src/backend/optimizer/util/plancat.c */
import type { Oid } from '#base/ids.ts';
import { relationClose, relationOpen } from '#catalog/relation.ts';
import { relationGetIndexList } from '#catalog/relcache.ts';
import { constraintRow } from '#catalog/syscache.ts';
import { equal, implicitAnd } from '#nodes/node-funcs.ts';
import { stringToNode } from '#nodes/node-text.ts';
import type { Expr, InferenceElem } from '#nodes/primitives.ts';
import { mapChildren } from '#nodes/visit.ts';
import type { PlannerInfo } from '#optimizer/planner-info.ts';
import { predicateImpliedBy } from '#optimizer/predicate-test.ts';
import { planExpression } from '#executor/stored-expr.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const ACCESS_SHARE = 1;

/** The index's own expressions speak of relation 1. */
const withVarno =
  (rti: number) =>
  (expr: Expr): Expr =>
    expr.kind === 'Var' ? { ...expr, varno: rti, varnosyn: rti } : mapChildren(expr, withVarno(rti));

export function inferArbiterIndexes(root: PlannerInfo): Oid[] {
  const { query } = root;
  const conflict = query.onConflict!;
  if (conflict.arbiterElems.length === 0 && conflict.constraint === 0) return [];
  const rte = query.rtable[query.resultRelation - 1]!;
  if (rte.rtekind !== 'relation') throw new Error('the target of INSERT is no relation');
  const heap = relationOpen(rte.relid, 0);
  try {
    const columns = new Set<number>();
    const expressions: InferenceElem[] = [];
    const elements = conflict.arbiterElems as InferenceElem[];
    for (const element of elements) {
      const { expr } = element;
      if (expr.kind !== 'Var') expressions.push(element);
      else if (expr.varattno === 0) {
        report('ERROR', {
          code: SQLSTATE.featureNotSupported,
          message: 'whole row unique index inference specifications are not supported',
        });
      } else columns.add(expr.varattno);
    }
    const byConstraint = conflict.constraint === 0 ? 0 : (constraintRow(conflict.constraint)?.conindid ?? 0);
    if (conflict.constraint !== 0 && byConstraint === 0) {
      report('ERROR', {
        code: SQLSTATE.wrongObjectType,
        message: 'constraint in ON CONFLICT clause has no associated index',
      });
    }
    const found: Oid[] = [];
    for (const oid of relationGetIndexList(heap)) {
      const index = relationOpen(oid, ACCESS_SHARE);
      const desc = index.index!;
      relationClose(index, 0);
      if (!desc.valid) continue;
      if (byConstraint !== 0) {
        if (byConstraint !== oid) continue;
        if (!desc.unique && conflict.action === 'update') {
          report('ERROR', {
            code: SQLSTATE.wrongObjectType,
            message: 'ON CONFLICT DO UPDATE not supported with exclusion constraints',
          });
        }
        return [oid];
      }
      if (!desc.unique) continue;
      const keys = desc.keys.slice(0, desc.nKeyAtts);
      const plain = keys.filter((key) => key !== 0);
      if (plain.length !== columns.size || !plain.every((key) => columns.has(key))) continue;
      const fix = withVarno(query.resultRelation);
      const own = desc.exprsText === null ? [] : (stringToNode(desc.exprsText) as Expr[]).map(fix).map(planExpression);
      if (!own.every((expr) => expressions.some((element) => equal(element.expr, expr)))) continue;
      if (!expressions.every((element) => own.some((expr) => equal(element.expr, expr)))) continue;
      if (!elements.every((element) => classMatches(element, desc))) continue;
      const predicate =
        desc.predText === null ? [] : ([stringToNode(desc.predText)].flat() as Expr[]).map(fix).map(planExpression);
      if (!predicateImpliedBy(predicate, implicitAnd(conflict.arbiterWhere))) continue;
      found.push(oid);
    }
    if (found.length === 0) {
      report('ERROR', {
        code: SQLSTATE.invalidColumnReference,
        message: 'there is no unique or exclusion constraint matching the ON CONFLICT specification',
      });
    }
    return found;
  } finally {
    relationClose(heap, 0);
  }
}

/** A collation or operator class that was asked for must be that of some key column of the index. */
function classMatches(
  element: InferenceElem,
  desc: {
    readonly collations: readonly Oid[];
    readonly opfamilies: readonly Oid[];
    readonly opclasses: readonly Oid[];
  },
): boolean {
  if (element.infercollid !== 0 && !desc.collations.includes(element.infercollid)) return false;
  return element.inferopclass === 0 || desc.opclasses.includes(element.inferopclass);
}
