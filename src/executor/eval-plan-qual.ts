/** eval-plan-qual.ts — a row changed while we waited for it: does its newest version still belong to the result?
 *
 *  The subplan runs a second time, over an execution state of its own, in which the changed relation gives just the
 *  newest version and every other relation the row that was joined with the old one. What comes out replaces the row
 *  that the statement was about to work on.
 *  Counterpart: EvalPlanQual() of src/backend/executor/execMain.c */
import { heapDeform } from '#access/common/heap-tuple.ts';
import { heapFetch, newHeapFetchResult, releaseHeapFetch } from '#access/heap/heap-fetch.ts';
import { heapLockLatestTuple, heapLockTuple } from '#access/heap/heap-lock.ts';
import type { LockTupleMode, LockWaitPolicy, TMResult } from '#access/heap/heap-types.ts';
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { Datum, RecordDatum, Tid } from '#adt/datum.ts';
import { type ItemPointer, makeTid } from '#base/ids.ts';
import { EState, type Row, type SubstituteRow } from '#executor/estate.ts';
import type { PlanState } from '#executor/plan-state.ts';
import type { Plan, PlanRowMark } from '#nodes/plan-nodes.ts';
import { mem } from '#shm/memory.ts';
import type { Workspace } from '#shm/private-memory.ts';
import { isolationUsesXactSnapshot, SNAPSHOT_ANY } from '#transam/snapshot.ts';

/** A version of a row, copied out of its page. */
export interface RowVersion {
  readonly row: Row;
  readonly tid: ItemPointer;
  readonly tupleAt: number;
}

let start: (plan: Plan, estate: EState) => PlanState = () => {
  throw new Error('the executor was not started');
};
/** How a plan is started: exec-procnode.ts, which imports the nodes that import this file. */
export function setPlanStarter(by: (plan: Plan, estate: EState) => PlanState): void {
  start = by;
}

export const tidOfDatum = (datum: Row[number]): ItemPointer => makeTid((datum as Tid).block, (datum as Tid).offset);

export class EvalPlanQual {
  readonly #parent: EState;
  readonly #plan: Plan;
  readonly #marks: readonly PlanRowMark[];
  #estate: EState | null = null;
  #state: PlanState | null = null;

  constructor(parent: EState, plan: Plan, marks: readonly PlanRowMark[]) {
    this.#parent = parent;
    this.#plan = plan;
    this.#marks = marks;
  }

  /** The subplan's row with `version` in place of the relation `rti`, null if it does not qualify any more. `others` is
   *  the subplan's row of the first time. */
  evaluate(rti: number, version: RowVersion, others: Row): Row | null {
    const substitutes = new Map<number, SubstituteRow>();
    for (const mark of this.#marks) {
      if (mark.rti !== rti) substitutes.set(mark.rti, this.#sameRow(mark, others));
    }
    substitutes.set(rti, { row: version.row, tuple: version, given: false });
    return this.#run(substitutes);
  }

  /** As evaluate(), with versions of several relations. */
  evaluateAll(versions: ReadonlyMap<number, RowVersion>, others: Row): Row | null {
    const substitutes = new Map<number, SubstituteRow>();
    for (const mark of this.#marks) {
      const version = versions.get(mark.rti);
      substitutes.set(
        mark.rti,
        version === undefined ? this.#sameRow(mark, others) : { row: version.row, tuple: version, given: false },
      );
    }
    return this.#run(substitutes);
  }

  #run(substitutes: Map<number, SubstituteRow>): Row | null {
    const parent = this.#parent;
    // A fresh state each time: conflicts are rare, and results kept by nodes belong to other rows.
    const estate = new EState(parent.stmt, parent.params);
    estate.snapshot = parent.snapshot;
    estate.outputCid = parent.outputCid;
    estate.makeSubPlan = parent.makeSubPlan;
    for (let i = 0; i < parent.execParams.length; i++) estate.execParams[i] = parent.execParams[i]!;
    estate.substitutes = substitutes;
    this.end();
    this.#estate = estate;
    this.#state = start(this.#plan, estate);
    return this.#state.next();
  }

  /** The row that a relation which is not locked contributed. */
  #sameRow(mark: PlanRowMark, others: Row): SubstituteRow {
    const value = others[mark.junkColumn] ?? null;
    // The null-extended side of an outer join.
    if (value === null) return { row: null, tuple: null, given: false };
    if (mark.markType === 'copy') return { row: (value as RecordDatum).values.slice(), tuple: null, given: false };
    const relation = this.#parent.relation(mark.rti);
    const tid = tidOfDatum(value);
    const row = fetchRow(relation, tid);
    if (row === null) throw new Error('failed to fetch tuple for EvalPlanQual recheck');
    return { row, tuple: { tupleAt: 0, tid }, given: false };
  }

  end(): void {
    const estate = this.#estate;
    if (estate === null) return;
    for (let i = estate.cleanups.length - 1; i >= 0; i--) estate.cleanups[i]!();
    this.#estate = null;
    this.#state = null;
  }
}

const fetched = newHeapFetchResult();
/** Copies a tuple out of its page, so that it stays when the page is unpinned. */
export function copyTuple(tupleAt: number, length: number, space: Workspace): number {
  const at = space.alloc(length);
  mem.u8.copyWithin(at, tupleAt, tupleAt + length);
  return at;
}
/** The version at a place, whoever may see it, with the needed columns; null if there is none. The stored bytes are in
 *  the workspace. */
export function fetchVersion(
  relation: Relation,
  tid: ItemPointer,
  needed: Uint8Array | null,
  space: Workspace,
): RowVersion | null {
  if (!heapFetch(relation, SNAPSHOT_ANY, tid, false, fetched)) return null;
  const tupleAt = copyTuple(fetched.tupleAt, fetched.len, space);
  releaseHeapFetch(fetched);
  const row: Row = new Array<Datum>(relation.tupleDesc.natts).fill(null);
  heapDeform(relation.tupleDesc, tupleAt, row.length, row, needed);
  return { row, tid, tupleAt };
}
/** The columns of the version at a place, whoever may see it; null if there is none. */
export function fetchRow(relation: Relation, tid: ItemPointer): Row | null {
  if (!heapFetch(relation, SNAPSHOT_ANY, tid, false, fetched)) return null;
  const row: Row = new Array<Datum>(relation.tupleDesc.natts).fill(null);
  heapDeform(relation.tupleDesc, fetched.tupleAt, row.length, row);
  releaseHeapFetch(fetched);
  return row;
}

/** Locks a row's version and reads it; `result` is 'ok' if it is there. With `findLast` the newest version is meant, else a
 *  version that was replaced is 'updated'. `followUpdates` locks versions that are still being made, too. */
export function lockVersion(
  estate: EState,
  rti: number,
  tid: ItemPointer,
  mode: LockTupleMode,
  wait: LockWaitPolicy,
  space: Workspace | null = null,
  findLast = !isolationUsesXactSnapshot(),
  followUpdates = false,
): { result: TMResult; version: RowVersion | null } {
  const relation = estate.relation(rti);
  const out = newHeapFetchResult();
  const result = findLast
    ? heapLockLatestTuple(relation, tid, estate.outputCid, mode, wait, followUpdates, out)
    : heapLockTuple(relation, tid, estate.outputCid, mode, wait, followUpdates, out);
  if (result !== 'ok') {
    releaseHeapFetch(out);
    return { result, version: null };
  }
  const row: Row = new Array<Datum>(relation.tupleDesc.natts).fill(null);
  heapDeform(relation.tupleDesc, out.tupleAt, row.length, row);
  const tupleAt = space === null ? 0 : copyTuple(out.tupleAt, out.len, space);
  const version = { row, tid: out.tid, tupleAt };
  releaseHeapFetch(out);
  return { result, version };
}
