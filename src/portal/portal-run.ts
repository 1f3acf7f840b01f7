/** portal-run.ts — starting and running portals: all at once, row-limited, forward and backward.
 *
 *  The executor only goes forward. A cursor that may go backward keeps its rows (from the start if SCROLL was declared,
 *  else from the first backward step, for which the rows so far are computed again).
 *  Counterpart: src/backend/tcop/pquery.c, src/backend/commands/portalcmds.c (PersistHoldablePortal) */
import type { Datum } from '#adt/datum.ts';
import {
  createQueryDesc,
  executorEnd,
  executorFinish,
  executorRun,
  executorStart,
  type QueryDesc,
  resultColumnsOf,
} from '#executor/run.ts';
import { type BoundParams, type DestReceiver, discardReceiver } from '#nodes/exec-nodes.ts';
import type { Plan, PlannedStmt } from '#nodes/plan-nodes.ts';
import { tagOf } from '#parser/ast.ts';
import type { Node } from '@pgsql/types';
import { plannedTag, type QueryCompletion } from '#portal/command-tags.ts';
import {
  dropPortal,
  markPortalActive,
  markPortalDone,
  markPortalFailed,
  type Portal,
  portalHooks,
  type PortalStrategy,
} from '#portal/portal.ts';
import { Tuplestore } from '#portal/tuplestore.ts';
import { type UtilityContext, utilityHooks } from '#portal/utility-hooks.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import {
  activeSnapshotSet,
  getTransactionSnapshot,
  popActiveSnapshot,
  pushActiveSnapshot,
  pushCopiedSnapshot,
  registerSnapshot,
  unregisterSnapshot,
  updateActiveSnapshotCommandId,
} from '#transam/snapshot.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

export { dropPortal };

/** Row count that means all of them. */
export const FETCH_ALL = Number.MAX_SAFE_INTEGER;

export function choosePortalStrategy(stmts: readonly PlannedStmt[]): PortalStrategy {
  if (stmts.length === 1) {
    const stmt = stmts[0]!;
    if (stmt.canSetTag) {
      if (stmt.commandType === 'select') return stmt.hasModifyingCTE ? 'oneModWith' : 'oneSelect';
      if (stmt.commandType === 'utility')
        return utilityHooks.resultColumns(stmt.utilityStmt) !== null ? 'utilSelect' : 'multiQuery';
    }
  }
  const tagged = stmts.filter((stmt) => stmt.canSetTag);
  return tagged.length === 1 && tagged[0]!.hasReturning ? 'oneReturning' : 'multiQuery';
}

/** Ends the execution. A failed portal's executor is in an unknown state and is only forgotten. */
function cleanupExecution(portal: Portal): void {
  const { queryDesc } = portal;
  portal.queryDesc = null;
  if (queryDesc === null || portal.status === 'failed') return;
  executorFinish(queryDesc);
  executorEnd(queryDesc);
}

export function startPortal(portal: Portal, params: BoundParams | null): void {
  portal.params = params;
  try {
    portal.strategy = choosePortalStrategy(portal.stmts);
    portal.cleanup = cleanupExecution;
    switch (portal.strategy) {
      case 'oneSelect':
        pushActiveSnapshot(getTransactionSnapshot());
        startExecution(portal);
        popActiveSnapshot();
        portal.columns = portal.queryDesc!.columns;
        if (portal.options.scroll) portal.store = new Tuplestore();
        break;
      case 'oneReturning':
      case 'oneModWith':
        portal.columns = resultColumnsOf(portal.stmts.find((stmt) => stmt.canSetTag)!);
        break;
      case 'utilSelect':
        portal.columns = utilityHooks.resultColumns(portal.stmts[0]!.utilityStmt);
        break;
      case 'multiQuery':
        portal.columns = null;
        break;
    }
    portal.atStart = true;
    portal.atEnd = portal.strategy === 'multiQuery';
    portal.position = 0;
  } catch (caught) {
    markPortalFailed(portal);
    throw caught;
  }
  portal.status = 'ready';
}
function startExecution(portal: Portal): void {
  const queryDesc = createQueryDesc(portal.stmts[0]!, portal.params, portal.receiver);
  portal.queryDesc = queryDesc;
  executorStart(queryDesc);
}

// ── running ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Runs a portal forward for at most `count` rows. True if it is finished. */
export function runPortal(
  portal: Portal,
  count: number,
  isTopLevel: boolean,
  dest: DestReceiver,
  altDest: DestReceiver,
  completion: QueryCompletion | null,
): boolean {
  if (completion !== null) {
    completion.tag = '???';
    completion.rows = 0;
  }
  markPortalActive(portal);
  try {
    if (portal.strategy === 'multiQuery') {
      runMulti(portal, isTopLevel, dest, altDest, completion);
      markPortalDone(portal);
      return true;
    }
    if (portal.strategy !== 'oneSelect' && portal.store === null) fillStore(portal, isTopLevel);
    const rows = runSelect(portal, true, count, dest);
    if (completion !== null && portal.completion.tag !== '???') {
      completion.tag = portal.completion.tag;
      completion.rows = completion.tag === 'SELECT' ? rows : portal.completion.rows;
    }
    portal.status = 'ready';
    return portal.atEnd;
  } catch (caught) {
    markPortalFailed(portal);
    throw caught;
  }
}

/** Statements that see no data need no snapshot, so SET TRANSACTION may still follow them. */
const WITHOUT_SNAPSHOT: ReadonlySet<string> = new Set([
  'TransactionStmt',
  'LockStmt',
  'VariableSetStmt',
  'VariableShowStmt',
  'ConstraintsSetStmt',
  'FetchStmt',
  'ListenStmt',
  'NotifyStmt',
  'UnlistenStmt',
  'CheckPointStmt',
]);

function runUtility(
  portal: Portal,
  stmt: PlannedStmt,
  isTopLevel: boolean,
  dest: DestReceiver,
  completion: QueryCompletion | null,
): void {
  const needsSnapshot = !WITHOUT_SNAPSHOT.has(tagOf(stmt.utilityStmt as Node));
  if (needsSnapshot) pushActiveSnapshot(getTransactionSnapshot());
  const context: UtilityContext = isTopLevel ? 'toplevel' : 'query';
  utilityHooks.process(stmt, portal.sourceText, context, portal.params, dest, completion);
  // VACUUM and its like commit in between, which leaves no snapshot behind.
  if (needsSnapshot && activeSnapshotSet()) popActiveSnapshot();
}

function runMulti(
  portal: Portal,
  isTopLevel: boolean,
  dest: DestReceiver,
  altDest: DestReceiver,
  completion: QueryCompletion | null,
): void {
  const { stmts } = portal;
  let pushed = false;
  for (let i = 0; i < stmts.length; i++) {
    checkForInterrupts();
    const stmt = stmts[i]!;
    if (stmt.commandType === 'utility') {
      if (pushed) popActiveSnapshot();
      pushed = false;
      if (stmt.canSetTag) runUtility(portal, stmt, isTopLevel, dest, completion);
      else runUtility(portal, stmt, isTopLevel, altDest, null);
    } else {
      // One snapshot for all queries of the portal: each sees what those before it did, by the command id.
      if (pushed) updateActiveSnapshotCommandId();
      else pushCopiedSnapshot(getTransactionSnapshot());
      pushed = true;
      const rows = runPlan(stmt, portal.params, stmt.canSetTag ? dest : altDest);
      if (stmt.canSetTag && completion !== null) {
        completion.tag = plannedTag(stmt);
        completion.rows = rows;
      }
    }
    if (i + 1 < stmts.length) commandCounterIncrement();
  }
  if (pushed) popActiveSnapshot();
  if (completion !== null && completion.tag === '???' && portal.completion.tag !== '???')
    Object.assign(completion, portal.completion);
}

/** Runs a plan to its end, with a snapshot of its own. */
export function runQuery(stmt: PlannedStmt, params: BoundParams | null, dest: DestReceiver): number {
  pushCopiedSnapshot(getTransactionSnapshot());
  const rows = runPlan(stmt, params, dest);
  popActiveSnapshot();
  return rows;
}
function runPlan(stmt: PlannedStmt, params: BoundParams | null, dest: DestReceiver): number {
  const queryDesc = createQueryDesc(stmt, params, dest);
  executorStart(queryDesc);
  const rows = executorRun(queryDesc, 0);
  executorFinish(queryDesc);
  executorEnd(queryDesc);
  return rows;
}

/** Runs what cannot be interrupted between rows to its end, keeping the rows. */
function fillStore(portal: Portal, isTopLevel: boolean): void {
  const store = new Tuplestore();
  portal.store = store;
  portal.storeComplete = true;
  const completion: QueryCompletion = { tag: '???', rows: 0 };
  if (portal.strategy === 'utilSelect') runUtility(portal, portal.stmts[0]!, isTopLevel, store, completion);
  else runMulti(portal, isTopLevel, store, discardReceiver, completion);
  if (completion.tag !== '???') portal.completion = completion;
}

const onlyForward = (): never =>
  report('ERROR', {
    code: SQLSTATE.objectNotInPrerequisiteState,
    message: 'cursor can only scan forward',
    hint: 'Declare it with SCROLL option to enable backward scan.',
  });

/** Moves up to `count` rows in one direction, giving them to `dest`. Keeps atStart, atEnd and position. */
function runSelect(portal: Portal, forward: boolean, count: number, dest: DestReceiver): number {
  dest.start(portal.columns ?? []);
  const rows = forward ? runForward(portal, count, dest) : runBackward(portal, count, dest);
  dest.finish();
  return rows;
}

function runForward(portal: Portal, count: number, dest: DestReceiver): number {
  if (portal.atEnd || count <= 0) return 0;
  let rows = 0;
  if (portal.store !== null) {
    const { rows: stored } = portal.store;
    let at = portal.position - portal.storeBase;
    while (rows < count && at < stored.length) {
      rows++;
      if (!dest.receive(stored[at++]!)) break;
      if ((rows & 255) === 0) checkForInterrupts();
    }
  }
  if (rows < count && !portal.storeComplete && portal.queryDesc !== null) {
    portal.receiver.target = dest;
    portal.receiver.store = portal.store;
    rows += runExecutor(portal.queryDesc, count === FETCH_ALL ? 0 : count - rows);
    portal.receiver.target = null;
  }
  if (rows > 0) portal.atStart = false;
  if (count === FETCH_ALL || rows < count) portal.atEnd = true;
  portal.position += rows;
  return rows;
}

/** Functions that the query calls see what it sees. */
function runExecutor(queryDesc: QueryDesc, count: number): number {
  pushActiveSnapshot(queryDesc.estate!.snapshot!);
  const rows = executorRun(queryDesc, count);
  popActiveSnapshot();
  return rows;
}

function runBackward(portal: Portal, count: number, dest: DestReceiver): number {
  if (portal.options.noScroll) onlyForward();
  if (portal.atStart || count <= 0) return 0;
  const { rows: stored } = storeForBackward(portal);
  let rows = 0;
  // On a row the one before it comes first; beyond the end, the last one.
  let at = portal.position - (portal.atEnd ? 1 : 2) - portal.storeBase;
  while (rows < count && at >= 0) {
    rows++;
    if (!dest.receive(stored[at--]!)) break;
    if ((rows & 255) === 0) checkForInterrupts();
  }
  if (rows > 0 && portal.atEnd) {
    portal.atEnd = false;
    portal.position++;
  }
  if (count === FETCH_ALL || rows < count) {
    portal.atStart = true;
    portal.position = 0;
  } else portal.position -= rows;
  return rows;
}

/** The rows so far; computed again if they were not kept. */
function storeForBackward(portal: Portal): Tuplestore {
  if (portal.store !== null) return portal.store;
  const store = new Tuplestore();
  // The rows are computed again as the cursor saw them.
  const seen = portal.queryDesc?.estate?.snapshot ?? null;
  const snapshot = registerSnapshot(seen ?? getTransactionSnapshot());
  if (portal.queryDesc !== null) cleanupExecution(portal);
  pushActiveSnapshot(snapshot);
  startExecution(portal);
  popActiveSnapshot();
  unregisterSnapshot(snapshot);
  portal.receiver.target = null;
  portal.receiver.store = store;
  if (portal.atEnd) runExecutor(portal.queryDesc!, 0);
  else if (portal.position > 0) runExecutor(portal.queryDesc!, portal.position);
  portal.store = store;
  portal.storeBase = 0;
  portal.storeComplete = portal.atEnd;
  return store;
}

// ── FETCH and MOVE ───────────────────────────────────────────────────────────────────────────────────────────────

export type FetchDirection = 'forward' | 'backward' | 'absolute' | 'relative';

/** FETCH or MOVE (`dest` null). Returns the rows given, or passed. */
export function fetchPortal(
  portal: Portal,
  direction: FetchDirection,
  count: number,
  dest: DestReceiver | null,
): number {
  markPortalActive(portal);
  try {
    let result: number;
    if (portal.strategy === 'multiQuery') result = report('ERROR', { message: 'unsupported portal strategy' }) as never;
    else {
      if (portal.strategy !== 'oneSelect' && portal.store === null) fillStore(portal, false);
      result = doFetch(portal, direction, count, dest);
    }
    portal.status = 'ready';
    return result;
  } catch (caught) {
    markPortalFailed(portal);
    throw caught;
  }
}

function doFetch(portal: Portal, direction: FetchDirection, count: number, dest: DestReceiver | null): number {
  const out = dest ?? discardReceiver;
  const skip = (forward: boolean, rows: number): number => runSelect(portal, forward, rows, discardReceiver);
  switch (direction) {
    case 'absolute':
      return fetchAbsolute(portal, count, out, skip);
    case 'relative':
      if (count > 0) {
        if (count > 1) skip(true, count - 1);
        return runSelect(portal, true, 1, out);
      }
      if (count < 0) {
        if (count < -1) skip(false, -count - 1);
        return runSelect(portal, false, 1, out);
      }
      return fetchStraight(portal, true, 0, dest, skip);
    case 'forward':
      return fetchStraight(portal, count >= 0, Math.abs(count), dest, skip);
    case 'backward':
      return fetchStraight(portal, count < 0, Math.abs(count), dest, skip);
  }
}

function fetchAbsolute(
  portal: Portal,
  count: number,
  dest: DestReceiver,
  skip: (forward: boolean, rows: number) => number,
): number {
  if (count > 0) {
    if (count - 1 <= portal.position / 2) {
      rewindPortal(portal);
      if (count > 1) skip(true, count - 1);
    } else {
      const position = portal.atEnd ? portal.position + 1 : portal.position;
      if (count <= position) skip(false, position - count + 1);
      else if (count > position + 1) skip(true, count - position - 1);
    }
    return runSelect(portal, true, 1, dest);
  }
  if (count < 0) {
    skip(true, FETCH_ALL);
    if (count < -1) skip(false, -count - 1);
    return runSelect(portal, false, 1, dest);
  }
  rewindPortal(portal);
  return runSelect(portal, true, 0, dest);
}

function fetchStraight(
  portal: Portal,
  forward: boolean,
  count: number,
  dest: DestReceiver | null,
  skip: (forward: boolean, rows: number) => number,
): number {
  const out = dest ?? discardReceiver;
  if (count === 0) {
    // Zero rows means the current row again.
    const onRow = !portal.atStart && !portal.atEnd;
    if (dest === null) return onRow ? 1 : 0;
    if (!onRow) return runSelect(portal, forward, 0, out);
    skip(false, 1);
    return runSelect(portal, true, 1, out);
  }
  if (!forward && count === FETCH_ALL && dest === null) {
    const result = portal.position > 0 && !portal.atEnd ? portal.position - 1 : portal.position;
    rewindPortal(portal);
    return result;
  }
  return runSelect(portal, forward, count, out);
}

function rewindPortal(portal: Portal): void {
  if (portal.atStart && !portal.atEnd) return;
  if (portal.options.noScroll) onlyForward();
  storeForBackward(portal);
  portal.atStart = true;
  portal.atEnd = false;
  portal.position = 0;
}

// ── cursors ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Plan kinds that PostgreSQL can run backward: decides whether a cursor declared without a word may. */
const BACKWARD: ReadonlySet<string> = new Set([
  'SeqScan',
  'ValuesScan',
  'FunctionScan',
  'CteScan',
  'TidScan',
  'IndexScan',
  'IndexOnlyScan',
  'Material',
  'Sort',
]);
export function supportsBackwardScan(plan: Plan | null): boolean {
  if (plan === null) return false;
  const { kind } = plan as { kind: string };
  if (BACKWARD.has(kind)) return true;
  if (kind === 'Result' || kind === 'Limit' || kind === 'LockRows') return supportsBackwardScan(plan.lefttree);
  if (kind === 'SubqueryScan') return supportsBackwardScan((plan as unknown as { subplan: Plan }).subplan);
  if (kind === 'Append') return (plan as unknown as { appendplans: Plan[] }).appendplans.every(supportsBackwardScan);
  return false;
}

/** WITH HOLD at commit: the rest of the rows (all of them if the cursor scrolls) is computed now. */
function persistHoldable(portal: Portal): void {
  markPortalActive(portal);
  try {
    if (portal.queryDesc !== null && !portal.storeComplete) {
      if (portal.options.scroll) storeForBackward(portal);
      else if (portal.store === null) {
        portal.store = new Tuplestore();
        portal.storeBase = portal.position;
      }
      if (!portal.atEnd) {
        portal.receiver.target = null;
        portal.receiver.store = portal.store;
        runExecutor(portal.queryDesc, 0);
      }
    }
    portal.storeComplete = true;
    cleanupExecution(portal);
    portal.status = 'ready';
  } catch (caught) {
    markPortalFailed(portal);
    throw caught;
  }
}
portalHooks.persist = persistHoldable;

/** A receiver's row as the store keeps it. */
export type StoredRow = readonly Datum[];
