/** modify-row.ts — what the heap's answers mean to a statement: go on, skip the row, look at it again, or give up.
 *
 *  READ COMMITTED waits for whoever changed the row first, then takes its newest version if that still qualifies.
 *  REPEATABLE READ and SERIALIZABLE raise 40001 instead.
 *  Counterpart: the switch statements of ExecUpdate/ExecDelete in src/backend/executor/nodeModifyTable.c */
import { tmf } from '#access/heap/heap-types.ts';
import type { CommandId } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { isolationUsesXactSnapshot } from '#transam/snapshot.ts';

export function refuseConcurrent(what: 'update' | 'delete'): void {
  if (!isolationUsesXactSnapshot()) return;
  report('ERROR', {
    code: SQLSTATE.tRSerializationFailure,
    message: `could not serialize access due to concurrent ${what}`,
  });
}

/** The row was changed by this very command: skipped, unless something the command started did it. */
export function checkSelfModified(what: 'updated' | 'deleted', outputCid: CommandId): void {
  if (tmf.cmax === outputCid) return;
  report('ERROR', {
    code: SQLSTATE.triggeredDataChangeViolation,
    message: `tuple to be ${what} was already modified by an operation triggered by the current command`,
    hint: 'Consider using an AFTER trigger instead of a BEFORE trigger to propagate changes to other rows.',
  });
}

/** ON CONFLICT DO UPDATE meets a row that this command has inserted. */
export function refuseSecondTime(): never {
  report('ERROR', {
    code: SQLSTATE.cardinalityViolation,
    message: 'ON CONFLICT DO UPDATE command cannot affect row a second time',
    hint: 'Ensure that no rows proposed for insertion within the same command have duplicate constrained values.',
  });
}
