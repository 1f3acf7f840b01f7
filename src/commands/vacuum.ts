/** vacuum.ts — VACUUM and ANALYZE: options, and one transaction per table.
 *
 *  VACUUM commits what ran before it and goes on in transactions of its own, so that no lock is held longer than one table
 *  takes and so that its own snapshot does not keep rows alive. The caller finds a transaction open again at the end.
 *  Counterpart: ExecVacuum(), vacuum(), vacuum_rel() of src/backend/commands/vacuum.c */
import type { DefElem, RangeVar, VacuumStmt } from '@pgsql/types';
import { lazyVacuum } from '#access/heap/vacuum.ts';
import type { VacuumOption, VacuumParams } from '#access/heap/vacuum-state.ts';
import type { Oid } from '#base/ids.ts';
import type { RelationData } from '#catalog/relcache.ts';
import { relationClose } from '#catalog/relation.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { analyzeRelation } from '#commands/analyze.ts';
import { asOwner } from '#commands/as-owner.ts';
import { clusterRelation } from '#commands/cluster-rel.ts';
import { defElems, defGetBoolean, defGetInt64, defGetString } from '#commands/def-elem.ts';
import {
  allTargets,
  expandTarget,
  mayVacuumRelation,
  openTarget,
  type VacuumTarget,
} from '#commands/vacuum-relations.ts';
import { updateDatFrozenXid } from '#commands/vacuum-relstats.ts';
import '#commands/vacuum-host.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { vacuumCost } from '#storage/buffer/buffer-usage.ts';
import { type AccessStrategy, getAccessStrategy } from '#storage/buffer/ring-strategy.ts';
import { lockRelationIdForSession, unlockRelationIdForSession } from '#storage/lmgr/lmgr.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { changeMyStatusFlags, PROC_IN_VACUUM } from '#transam/proc-array.ts';
import { activeSnapshotSet, getTransactionSnapshot, popActiveSnapshot, pushActiveSnapshot } from '#transam/snapshot.ts';
import { commandCounterIncrement, commitTransactionCommand, startTransactionCommand } from '#transam/xact.ts';
import { isInTransactionBlock, preventInTransactionBlock } from '#transam/xact-block.ts';

const MAX_PARALLEL_WORKERS = 1024;

/** What the user asked for. */
export interface VacuumOptions extends VacuumParams {
  readonly vacuum: boolean;
  readonly analyze: boolean;
  readonly full: boolean;
  readonly skipLocked: boolean;
  readonly processToast: boolean;
}

const syntaxError = (message: string, option: DefElem): never =>
  report('ERROR', {
    code: SQLSTATE.syntaxError,
    message,
    ...(option.location !== undefined ? { position: option.location + 1 } : {}),
  });
const notSupported = (message: string): never => report('ERROR', { code: SQLSTATE.featureNotSupported, message });

const enabled = (option: DefElem): VacuumOption => (defGetBoolean(option) ? 'enabled' : 'disabled');

function parallelWorkers(option: DefElem): number {
  if (option.arg === undefined) {
    return syntaxError(`parallel option requires a value between 0 and ${MAX_PARALLEL_WORKERS}`, option);
  }
  const workers = Number(defGetInt64(option));
  if (workers < 0 || workers > MAX_PARALLEL_WORKERS) {
    return syntaxError(`parallel workers for vacuum must be between 0 and ${MAX_PARALLEL_WORKERS}`, option);
  }
  return workers;
}

function parseOptions(stmt: VacuumStmt): VacuumOptions {
  const isVacuum = stmt.is_vacuumcmd === true;
  const on: Record<string, boolean> = { process_toast: true };
  let indexCleanup: VacuumOption = 'unspecified';
  let truncate: VacuumOption = 'unspecified';
  let workers = 0;
  for (const option of defElems(stmt.options)) {
    const name = option.defname ?? '';
    if (name === 'verbose' || name === 'skip_locked') on[name] = defGetBoolean(option);
    else if (!isVacuum) syntaxError(`unrecognized ANALYZE option "${name}"`, option);
    else if (['analyze', 'freeze', 'full', 'disable_page_skipping', 'process_toast'].includes(name)) {
      on[name] = defGetBoolean(option);
    } else if (name === 'index_cleanup') {
      const isAuto = option.arg === undefined || defGetString(option).toLowerCase() === 'auto';
      indexCleanup = isAuto ? 'auto' : enabled(option);
    } else if (name === 'truncate') truncate = enabled(option);
    else if (name === 'parallel') workers = parallelWorkers(option);
    else syntaxError(`unrecognized VACUUM option "${name}"`, option);
  }
  const age = on['freeze'] === true ? 0 : -1;
  const options: VacuumOptions = {
    vacuum: isVacuum,
    analyze: !isVacuum || on['analyze'] === true,
    full: on['full'] === true,
    skipLocked: on['skip_locked'] === true,
    processToast: on['process_toast'] === true,
    verbose: on['verbose'] === true,
    disablePageSkipping: on['disable_page_skipping'] === true,
    freezeMinAge: age,
    freezeTableAge: age,
    multixactFreezeMinAge: age,
    multixactFreezeTableAge: age,
    isWraparound: false,
    logMinDuration: -1,
    indexCleanup,
    truncate,
  };
  if (options.full && workers > 0) notSupported('VACUUM FULL cannot be performed in parallel');
  if (!options.analyze) {
    for (const node of stmt.rels ?? []) {
      if ('VacuumRelation' in node && (node.VacuumRelation.va_cols ?? []).length > 0) {
        notSupported('ANALYZE option must be specified when a column list is provided');
      }
    }
  }
  return options;
}

let isRunning = false;

/** VACUUM or ANALYZE. */
export function vacuumStatement(stmt: VacuumStmt, isTopLevel: boolean): void {
  const options = parseOptions(stmt);
  const command = options.vacuum ? 'VACUUM' : 'ANALYZE';
  let inOuterXact = false;
  if (options.vacuum) preventInTransactionBlock(isTopLevel, command);
  else inOuterXact = isInTransactionBlock(isTopLevel);
  // An index's expression could call a function that analyzes.
  if (isRunning) notSupported(`${command} cannot be executed from VACUUM or ANALYZE`);
  if (options.full && options.disablePageSkipping) {
    notSupported('VACUUM option DISABLE_PAGE_SKIPPING cannot be used with FULL');
  }
  if (options.full && !options.processToast) notSupported('PROCESS_TOAST required with VACUUM FULL');
  const named = (stmt.rels ?? []).flatMap((node) => ('VacuumRelation' in node ? [node.VacuumRelation] : []));
  const targets =
    named.length > 0
      ? named.flatMap((one) => expandTarget(one, options.vacuum, options.skipLocked))
      : allTargets(options.vacuum);
  const ownXacts = options.vacuum || (!inOuterXact && targets.length > 1);
  if (ownXacts) {
    if (activeSnapshotSet()) popActiveSnapshot();
    commitTransactionCommand();
  }
  processTargets(targets, options, ownXacts, inOuterXact);
  if (ownXacts) startTransactionCommand();
  if (options.vacuum) updateDatFrozenXid();
}

function processTargets(
  targets: readonly VacuumTarget[],
  options: VacuumOptions,
  ownXacts: boolean,
  inOuterXact: boolean,
): void {
  const strategy = getAccessStrategy('vacuum');
  isRunning = true;
  vacuumCost.active = settings.vacuum_cost_delay > 0;
  vacuumCost.balance = 0;
  vacuumCost.pageHit = 0;
  vacuumCost.pageMiss = 0;
  vacuumCost.pageDirty = 0;
  try {
    for (const target of targets) {
      if (options.vacuum && !vacuumRelation(target.oid, target.name, options, strategy, false)) continue;
      if (!options.analyze) continue;
      if (ownXacts) {
        startTransactionCommand();
        pushActiveSnapshot(getTransactionSnapshot());
      }
      analyzeRelation(target, options, inOuterXact, strategy);
      if (ownXacts) {
        popActiveSnapshot();
        commitTransactionCommand();
      } else commandCounterIncrement();
    }
  } finally {
    isRunning = false;
    vacuumCost.active = false;
    vacuumCost.balance = 0;
  }
}

const NOT_VACUUMABLE = 'cannot vacuum non-tables or special system tables';

/** Whether the relation can be vacuumed at all; a partitioned table is merely passed over. */
function refuses(rel: RelationData, options: VacuumOptions, skipRights: boolean): 'ok' | 'skip' | 'partitioned' {
  if (!skipRights && !mayVacuumRelation(rel, 'vacuum')) return 'skip';
  if (rel.kind === 'p') return 'partitioned';
  if (!options.vacuum || !'rmt'.includes(rel.kind)) {
    report('WARNING', { message: `skipping "${rel.name}" --- ${NOT_VACUUMABLE}` });
    return 'skip';
  }
  return rel.persistence === 't' && !rel.isLocalTemp ? 'skip' : 'ok';
}

/** The table's own settings where the command says nothing. */
function withRelOptions(rel: RelationData, options: VacuumOptions): VacuumOptions {
  let { indexCleanup, truncate } = options;
  if (indexCleanup === 'unspecified') {
    const own = rel.options['vacuum_index_cleanup'];
    indexCleanup = own === true || own === 1 ? 'enabled' : own === false || own === 0 ? 'disabled' : 'auto';
  }
  if (truncate === 'unspecified') {
    const own = rel.options['vacuum_truncate'];
    truncate = own === false || own === 0 ? 'disabled' : 'enabled';
  }
  return { ...options, indexCleanup, truncate };
}

/** vacuum_rel(): false if the table was not processed, and shall not be analyzed either. */
function vacuumRelation(
  oid: Oid,
  name: RangeVar | null,
  options: VacuumOptions,
  strategy: AccessStrategy,
  skipRights: boolean,
): boolean {
  startTransactionCommand();
  // The others need not keep rows for the snapshot of a process that only vacuums one table.
  if (!options.full) changeMyStatusFlags(PROC_IN_VACUUM, 0);
  pushActiveSnapshot(getTransactionSnapshot());
  const finish = (): void => {
    popActiveSnapshot();
    commitTransactionCommand();
  };
  checkForInterrupts();
  const mode = options.full ? LOCK.accessExclusive : LOCK.shareUpdateExclusive;
  const rel = openTarget(oid, name, 'vacuum', options.skipLocked, mode);
  if (rel === null) {
    finish();
    return false;
  }
  const verdict = refuses(rel, options, skipRights);
  if (verdict !== 'ok') {
    relationClose(rel, mode);
    finish();
    return verdict === 'partitioned';
  }
  // The TOAST table is vacuumed in another transaction, under the same protection.
  const lockId = { databaseId: rel.isShared ? 0 : sessionIdentity.databaseOid, relationId: rel.oid };
  lockRelationIdForSession(lockId, mode);
  const own = withRelOptions(rel, options);
  const toast = own.processToast && !own.full ? rel.toastRelid : (0 as Oid);
  asOwner(rel.owner, () => {
    if (own.full) {
      relationClose(rel, LOCK.none);
      clusterRelation(oid, 0 as Oid, { verbose: own.verbose, recheck: false });
    } else {
      lazyVacuum(rel, own, strategy);
      relationClose(rel, LOCK.none);
    }
  });
  finish();
  if (toast !== 0) vacuumRelation(toast, null, own, strategy, true);
  unlockRelationIdForSession(lockId, mode);
  return true;
}
