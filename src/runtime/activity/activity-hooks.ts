/** activity-hooks.ts — what a session tells the outside about itself; the process's entry says where it goes.
 *
 *  Every hook does nothing until the owner of the activity array in shared memory sets it, so that sessions run in unit
 *  tests and in processes without shared memory.
 *  Counterpart: src/backend/utils/activity/backend_status.c */

/** pg_stat_activity.state. */
export type ActivityState =
  | 'idle'
  | 'active'
  | 'idle in transaction'
  | 'fastpath function call'
  | 'idle in transaction (aborted)'
  | 'disabled';

export const activityHooks: {
  /** `query` null keeps the text that is shown. `timestamp` is the statement's start where the caller has it. */
  reportActivity: (state: ActivityState, query: string | null, timestamp: number) => void;
  /** 0 when no transaction runs. */
  reportXactTimestamp: (timestamp: number) => void;
  reportApplicationName: (name: string) => void;
  /** After authentication: makes this session visible. */
  reportSessionStart: () => void;
  reportQueryId: (queryId: number | bigint, force: boolean) => void;
  setPsDisplay: (activity: string) => void;
} = {
  reportActivity() {},
  reportXactTimestamp() {},
  reportApplicationName() {},
  reportSessionStart() {},
  reportQueryId() {},
  setPsDisplay() {},
};
