/** vacuum-host.ts — what the access methods need of the command VACUUM: the catalog, the nap, progress, truncation.
 *  Counterpart: vac_open_indexes(), vacuum_delay_point() … of src/backend/commands/vacuum.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import { setVacuumDelayPoint } from '#access/common/vacuum-delay.ts';
import { setVacuumHost } from '#access/heap/vacuum-state.ts';
import { relationGetIndexList } from '#catalog/relcache.ts';
import { indexOpen, relationClose } from '#catalog/relation.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { relationTruncate } from '#catalog/storage.ts';
import { namespaceRow } from '#catalog/syscache.ts';
import { updateRelStats } from '#commands/vacuum-relstats.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { settings } from '#runtime/guc/guc.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { resetLatch } from '#shm/latch.ts';
import { waitLatch } from '#shm/wait-event-set.ts';
import {
  PROGRESS_COMMAND,
  pgstatProgressEndCommand,
  pgstatProgressStartCommand,
  pgstatProgressUpdateParam,
} from '#stats/backend-status.ts';
import { vacuumCost } from '#storage/buffer/buffer-usage.ts';
import { LOCK, type LockMode } from '#storage/lmgr/lock-modes.ts';

export const namespaceNameOf = (rel: Relation): string => namespaceRow(rel.namespace)?.nspname ?? String(rel.namespace);

/** vac_open_indexes(): those that take insertions. */
export function openIndexes(rel: Relation, mode: LockMode): Relation[] {
  const ready: Relation[] = [];
  for (const oid of relationGetIndexList(rel)) {
    const index = indexOpen(oid, mode);
    if (index.index!.ready) ready.push(index);
    else relationClose(index, mode);
  }
  return ready;
}
export function closeIndexes(indexes: readonly Relation[], mode: LockMode | 0): void {
  for (let i = indexes.length - 1; i >= 0; i--) relationClose(indexes[i]!, mode);
}

/** vacuum_delay_point(): pages cost, and who has spent the limit sleeps. */
export function delayPoint(): void {
  checkForInterrupts();
  if (!vacuumCost.active || vacuumCost.balance < settings.vacuum_cost_limit) return;
  const delay = settings.vacuum_cost_delay;
  const milliseconds = Math.min((delay * vacuumCost.balance) / settings.vacuum_cost_limit, delay * 4);
  waitLatch({ timeoutMs: Math.max(1, Math.round(milliseconds)) }, WAIT_EVENT.VacuumDelay);
  resetLatch();
  vacuumCost.balance = 0;
  checkForInterrupts();
}

setVacuumDelayPoint(delayPoint);
setVacuumHost({
  isAutovacuumWorker: false,
  databaseName: () => sessionIdentity.databaseName,
  namespaceName: namespaceNameOf,
  openIndexes: (rel) => openIndexes(rel, LOCK.rowExclusive),
  closeIndexes: (indexes) => closeIndexes(indexes, LOCK.none),
  updateRelStats: (rel, stats) => updateRelStats(rel, stats, false),
  delayPoint,
  progressStart: (rel) => pgstatProgressStartCommand(PROGRESS_COMMAND.vacuum, rel.oid),
  progress: pgstatProgressUpdateParam,
  progressEnd: pgstatProgressEndCommand,
  reportVacuum() {},
  truncate: relationTruncate,
});
