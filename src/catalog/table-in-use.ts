/** table-in-use.ts — a relation that a query of this very session still reads must not be changed under it.
 *  Counterpart: CheckTableNotInUse() of src/backend/commands/tablecmds.c */
import type { RelationData } from '#catalog/relcache.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** Are there triggers of the relation that wait to be run? */
let hasPendingTriggers = (_rel: RelationData): boolean => false;
export function setPendingTriggerQuestion(question: (rel: RelationData) => boolean): void {
  hasPendingTriggers = question;
}

/** The caller has it open once. */
export function checkTableNotInUse(rel: RelationData, statement: string): void {
  if (rel.refCount !== 1) {
    report('ERROR', {
      code: SQLSTATE.objectInUse,
      message: `cannot ${statement} "${rel.name}" because it is being used by active queries in this session`,
    });
  }
  if (rel.kind !== 'i' && rel.kind !== 'I' && hasPendingTriggers(rel)) {
    report('ERROR', {
      code: SQLSTATE.objectInUse,
      message: `cannot ${statement} "${rel.name}" because it has pending trigger events`,
    });
  }
}
