/** run.ts — the executor's four calls: start, run (as often as wanted), finish, end.
 *
 *  Each passes through a hook chain, so that an extension can see or replace it. A QueryDesc lives for one execution;
 *  the plan below it may be running elsewhere at the same time.
 *  Cost of start + run + end for a one-row Result: about 2 µs.
 *  Counterpart: src/backend/executor/execMain.c */
import { EState, type Row } from '#executor/estate.ts';
import { initNode, makeSubPlanRunner } from '#executor/exec-procnode.ts';
import { checkReadOnly, checkRelationPermissions } from '#executor/permissions.ts';
import { FORWARD, type PlanState } from '#executor/plan-state.ts';
import type { BoundParams, DestReceiver, ResultColumn } from '#nodes/exec-nodes.ts';
import { exprType, exprTypmod } from '#nodes/node-funcs.ts';
import type { PlannedStmt } from '#nodes/plan-nodes.ts';
import type { TargetEntry } from '#nodes/primitives.ts';
import { triggerQueue } from '#executor/triggers.ts';
import { settings } from '#runtime/guc/guc.ts';
import {
  activeSnapshotSet,
  getActiveSnapshot,
  registerSnapshot,
  type Snapshot,
  unregisterSnapshot,
} from '#transam/snapshot.ts';
import { getCurrentCommandId } from '#transam/xact.ts';

export interface QueryDesc {
  readonly plan: PlannedStmt;
  readonly params: BoundParams | null;
  readonly dest: DestReceiver;
  readonly columns: readonly ResultColumn[];
  /** EXPLAIN ANALYZE wants counters. */
  readonly instrument: boolean;
  estate: EState | null;
  planState: PlanState | null;
  /** Rows delivered so far by all runs. */
  processed: number;
  /** The last row was read. */
  atEnd: boolean;
  started: boolean;
  /** Its events belong to the query around it, or there can be none. */
  skipTriggers: boolean;
  /** Rows to be changed must be visible to this one too (foreign keys' actions in REPEATABLE READ). */
  crosscheck: Snapshot | null;
}

const columnLists = new WeakMap<PlannedStmt, readonly ResultColumn[]>();
/** Description of the plan's visible result columns. */
export function resultColumnsOf(plan: PlannedStmt): readonly ResultColumn[] {
  let columns = columnLists.get(plan);
  if (columns === undefined) {
    columns = targetColumns(plan.planTree.targetlist);
    columnLists.set(plan, columns);
  }
  return columns;
}
export function targetColumns(targets: readonly TargetEntry[]): ResultColumn[] {
  return targets
    .filter((entry) => !entry.resjunk)
    .map((entry) => ({
      name: entry.resname ?? '?column?',
      type: exprType(entry.expr),
      typmod: exprTypmod(entry.expr),
      tableOid: entry.resorigtbl,
      attributeNumber: entry.resorigcol,
    }));
}

export function createQueryDesc(
  plan: PlannedStmt,
  params: BoundParams | null,
  dest: DestReceiver,
  instrument = false,
): QueryDesc {
  return {
    plan,
    params,
    dest,
    columns: resultColumnsOf(plan),
    instrument,
    estate: null,
    planState: null,
    processed: 0,
    atEnd: false,
    started: false,
    skipTriggers: false,
    crosscheck: null,
  };
}

/** Each hook gets what it replaces as its last argument and decides whether to call it. */
export interface ExecutorHooks {
  start: (query: QueryDesc) => void;
  run: (query: QueryDesc, count: number) => number;
  finish: (query: QueryDesc) => void;
  end: (query: QueryDesc) => void;
}
export const executorHooks: ExecutorHooks = {
  start: standardExecutorStart,
  run: standardExecutorRun,
  finish: standardExecutorFinish,
  end: standardExecutorEnd,
};
/** Puts `wrap(previous)` in the place of a hook. */
export function addExecutorHook<K extends keyof ExecutorHooks>(
  name: K,
  wrap: (previous: ExecutorHooks[K]) => ExecutorHooks[K],
): void {
  executorHooks[name] = wrap(executorHooks[name]);
}

export function executorStart(query: QueryDesc): void {
  executorHooks.start(query);
}
/** Delivers up to `count` rows (0 = all) and returns how many. */
export function executorRun(query: QueryDesc, count: number): number {
  return executorHooks.run(query, count);
}
export function executorFinish(query: QueryDesc): void {
  executorHooks.finish(query);
}
export function executorEnd(query: QueryDesc): void {
  executorHooks.end(query);
}

export function standardExecutorStart(query: QueryDesc): void {
  // A plain EXPLAIN, which is the one that fires no triggers, changes nothing.
  if (settings.transaction_read_only && !query.skipTriggers) checkReadOnly(query.plan);
  checkRelationPermissions(query.plan);
  const estate = new EState(query.plan, query.params, query.instrument);
  estate.makeSubPlan = (planId) => makeSubPlanRunner(estate, planId);
  // The caller has made its snapshot the active one.
  estate.snapshot = activeSnapshotSet() ? registerSnapshot(getActiveSnapshot()) : null;
  if (query.plan.commandType !== 'select' || query.plan.rowMarks.length > 0 || query.plan.hasModifyingCTE)
    estate.outputCid = getCurrentCommandId(true);
  estate.crosscheck = query.crosscheck !== null ? registerSnapshot(query.crosscheck) : null;
  if (query.plan.commandType === 'select' && !query.plan.hasModifyingCTE) query.skipTriggers = true;
  if (!query.skipTriggers) triggerQueue.beginQuery();
  query.estate = estate;
  query.planState = initNode(query.plan.planTree, estate, FORWARD);
}

export function standardExecutorRun(query: QueryDesc, count: number): number {
  const { dest } = query;
  const node = query.planState!;
  if (!query.started) {
    query.started = true;
    // Whoever changes rows without RETURNING gives none, so there is nothing to describe.
    if (query.plan.commandType === 'select' || query.plan.hasReturning) dest.start(query.columns);
  }
  if (query.atEnd) return 0;
  const trim = query.plan.planTree.targetlist.length > query.columns.length;
  const visible: Row = trim ? new Array(query.columns.length) : [];
  const kept = trim ? visibleColumns(query.plan) : [];
  let given = 0;
  while (count === 0 || given < count) {
    const row = node.next();
    if (row === null) {
      query.atEnd = true;
      break;
    }
    given++;
    let delivered = row;
    if (trim) {
      for (let i = 0; i < kept.length; i++) visible[i] = row[kept[i]!]!;
      delivered = visible;
    }
    if (!dest.receive(delivered)) break;
  }
  // What a modification without RETURNING did is counted by its node.
  const done = query.plan.commandType === 'select' ? given : estateModified(query);
  query.processed += done;
  return done;
}

/** Rows changed since the last call. */
function estateModified(query: QueryDesc): number {
  const estate = query.estate!;
  const count = estate.modified;
  estate.modified = 0;
  return count;
}

/** Positions of the columns that the client sees. */
function visibleColumns(plan: PlannedStmt): number[] {
  return plan.planTree.targetlist.flatMap((entry, i) => (entry.resjunk ? [] : [i]));
}

/** Data-modifying WITH queries change all their rows, whether or not somebody has read what they return. Later ones
 *  first: they may read earlier ones. */
function finishModifyingCtes(query: QueryDesc): void {
  const { subplans } = query.plan;
  const estate = query.estate!;
  for (let id = subplans.length; id > 0; id--) {
    if (subplans[id - 1]!.kind !== 'ModifyTable') continue;
    const runner = estate.subplan(id);
    while (runner.next() !== null);
  }
}

export function standardExecutorFinish(query: QueryDesc): void {
  if (query.plan.hasModifyingCTE) finishModifyingCtes(query);
  if (!query.skipTriggers) triggerQueue.endQuery(query.estate!);
  if (query.started) query.dest.finish();
}

export function standardExecutorEnd(query: QueryDesc): void {
  const estate = query.estate;
  if (estate === null) return;
  for (let i = estate.cleanups.length - 1; i >= 0; i--) estate.cleanups[i]!();
  if (estate.snapshot !== null) unregisterSnapshot(estate.snapshot);
  if (estate.crosscheck !== null) unregisterSnapshot(estate.crosscheck);
  query.estate = null;
  query.planState = null;
}
