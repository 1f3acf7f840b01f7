/** utility-hooks.ts — what portals and plans need of utility statements, which are carried out above (tcop/utility.ts).
 *  Counterpart: src/include/tcop/utility.h */
import type { BoundParams, DestReceiver, ResultColumn } from '#nodes/exec-nodes.ts';
import type { PlannedStmt } from '#nodes/plan-nodes.ts';
import type { QueryCompletion } from '#portal/command-tags.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** toplevel: straight from the client; query: part of a several statements' query; subcommand: made by another command. */
export type UtilityContext = 'toplevel' | 'query' | 'queryNonAtomic' | 'subcommand';

export const utilityHooks: {
  process: (
    stmt: PlannedStmt,
    sourceText: string,
    context: UtilityContext,
    params: BoundParams | null,
    dest: DestReceiver,
    completion: QueryCompletion | null,
  ) => void;
  /** Columns of a utility statement that gives rows (SHOW, EXPLAIN, FETCH, EXECUTE, CALL), else null. */
  resultColumns: (utilityStmt: unknown) => ResultColumn[] | null;
} = {
  process: () =>
    report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'utility statements are not available here' }),
  resultColumns: () => null,
};
