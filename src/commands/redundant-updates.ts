/** redundant-updates.ts — the trigger function that suppresses updates which change nothing.
 *  Counterpart: src/backend/utils/adt/trigfuncs.c */
import { sameBytes } from '#commands/ri-constraint.ts';
import { registerTriggerFunction } from '#commands/trigger-data.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

registerTriggerFunction('suppress_redundant_updates_trigger', ({ when, event, level, relation, oldRow, newRow }) => {
  const refuse = (what: string): never =>
    report('ERROR', {
      code: SQLSTATE.eRIETriggerProtocolViolated,
      message: `suppress_redundant_updates_trigger: must be called ${what}`,
    });
  if (event !== 'update') refuse('on update');
  if (when !== 'before') refuse('before update');
  if (level !== 'row') refuse('for each row');
  const fresh = newRow!;
  const same = fresh.every((value, i) => {
    const old = oldRow![i]!;
    if (value === null || old === null) return value === old;
    return sameBytes(relation, i, value, old);
  });
  return same ? null : fresh;
});
