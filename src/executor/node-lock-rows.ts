/** node-lock-rows.ts — SELECT … FOR UPDATE and its kin: each row is locked before it is given.
 *
 *  A row that somebody changed meanwhile is evaluated again with its newest version (READ COMMITTED); with SKIP LOCKED
 *  a row that is locked by others is left out, with NOWAIT it is an error.
 *  Counterpart: src/backend/executor/nodeLockRows.c */
import type { LockTupleMode } from '#access/heap/heap-types.ts';
import type { EState, Row } from '#executor/estate.ts';
import { EvalPlanQual, lockVersion, type RowVersion, tidOfDatum } from '#executor/eval-plan-qual.ts';
import { refuseConcurrent } from '#executor/modify-row.ts';
import { PlanState } from '#executor/plan-state.ts';
import type { LockRows, PlanRowMark } from '#nodes/plan-nodes.ts';
import { isolationUsesXactSnapshot } from '#transam/snapshot.ts';

const locks = (mark: PlanRowMark): boolean => mark.markType !== 'reference' && mark.markType !== 'copy';

export class LockRowsState extends PlanState<LockRows> {
  readonly #outer: PlanState;
  readonly #locking: readonly PlanRowMark[];
  #epq: EvalPlanQual | null = null;

  constructor(plan: LockRows, estate: EState, outer: PlanState) {
    super(plan, estate);
    this.#outer = outer;
    this.#locking = plan.rowMarks.filter(locks);
  }

  next(): Row | null {
    for (;;) {
      const row = this.#outer.next();
      if (row === null) return null;
      const locked = this.#lockRow(row);
      if (locked !== null) return locked;
    }
  }

  /** The row, or its newest version; null if it is to be left out. */
  #lockRow(row: Row): Row | null {
    const versions = new Map<number, RowVersion>();
    let changed = false;
    for (const mark of this.#locking) {
      const ctid = row[mark.junkColumn] ?? null;
      // The null-extended side of an outer join has no row to lock.
      if (ctid === null) continue;
      const tid = tidOfDatum(ctid);
      const { result, version } = lockVersion(
        this.estate,
        mark.rti,
        tid,
        mark.markType as LockTupleMode,
        mark.waitPolicy,
        null,
        !isolationUsesXactSnapshot(),
        true,
      );
      switch (result) {
        case 'ok':
          versions.set(mark.rti, version!);
          if (version!.tid !== tid) {
            refuseConcurrent('update');
            changed = true;
          }
          break;
        case 'wouldBlock':
        case 'selfModified':
          // Skipped as locked, or already changed by this command.
          return null;
        case 'deleted':
        case 'updated':
          // PostgreSQL makes no difference in what it says here.
          refuseConcurrent('update');
          return null;
        default:
          throw new Error(`unexpected table_tuple_lock status: ${result}`);
      }
    }
    if (!changed) return row;
    this.#epq ??= new EvalPlanQual(this.estate, this.plan.lefttree!, this.plan.rowMarks);
    return this.#epq.evaluateAll(versions, row);
  }

  protected reset(): void {
    this.#outer.rescan();
  }
  override end(): void {
    this.#epq?.end();
    this.#epq = null;
  }
}
