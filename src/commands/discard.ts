/** discard.ts — DISCARD: a session as if it had just begun, for poolers.
 *  Counterpart: src/backend/commands/discard.c */
import { resetTempTableNamespace } from '#catalog/creation-namespace.ts';
import { dropAllPortals } from '#portal/portal.ts';
import { resetPlanCache } from '#portal/plan-cache.ts';
import { dropAllPreparedStatements } from '#portal/prepared.ts';
import { resetAllOptions, setConfigOptionExt } from '#runtime/guc/guc.ts';
import { LOCK_METHOD } from '#storage/lmgr/lock-modes.ts';
import { lockReleaseAll } from '#storage/lmgr/lock-release.ts';
import { preventInTransactionBlock } from '#transam/xact-block.ts';

/** Parts of a session whose owners lie in other layers. */
export const discardHooks: {
  temp: () => void;
  sequences: () => void;
  /** UNLISTEN *. */
  notifications: () => void;
} = {
  temp: resetTempTableNamespace,
  sequences() {},
  notifications() {},
};

export type DiscardTarget = 'DISCARD_ALL' | 'DISCARD_PLANS' | 'DISCARD_SEQUENCES' | 'DISCARD_TEMP';

export function discard(target: DiscardTarget, isTopLevel: boolean): void {
  switch (target) {
    case 'DISCARD_ALL':
      discardAll(isTopLevel);
      return;
    case 'DISCARD_PLANS':
      resetPlanCache();
      return;
    case 'DISCARD_SEQUENCES':
      discardHooks.sequences();
      return;
    case 'DISCARD_TEMP':
      discardHooks.temp();
  }
}

function discardAll(isTopLevel: boolean): void {
  // What is thrown away would not come back at a rollback.
  preventInTransactionBlock(isTopLevel, 'DISCARD ALL');
  dropAllPortals();
  setConfigOptionExt('session_authorization', null, 'user', 'session');
  resetAllOptions();
  dropAllPreparedStatements();
  discardHooks.notifications();
  lockReleaseAll(LOCK_METHOD.user, true);
  resetPlanCache();
  discardHooks.temp();
  discardHooks.sequences();
}
