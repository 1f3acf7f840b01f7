/** node-modify-table.ts — INSERT, UPDATE and DELETE at work: one row of the subplan, one change of the table.
 *
 *  Without RETURNING one call of next() does it all; with it, each call does one row and returns it. Values are Datums
 *  until the heap's tuple is formed; the tuple lives in the node's workspace and is forgotten with the next row.
 *  Counterpart: src/backend/executor/nodeModifyTable.c */
import { heapDeform, heapFormTuple, heapModifyTuple, heapTupleLength } from '#access/common/heap-tuple.ts';
import { SPEC_TOKEN_OFFSET, setTupleCtid, tupleXmin } from '#access/common/heap-tuple-layout.ts';
import type { Relation } from '#access/common/relation-descriptor.ts';
import { heapDelete } from '#access/heap/heap-delete.ts';
import { heapFetch, newHeapFetchResult, releaseHeapFetch } from '#access/heap/heap-fetch.ts';
import { heapAbortSpeculative, heapFinishSpeculative, heapInsert } from '#access/heap/heap-insert.ts';
import { HEAP_INSERT } from '#access/heap/heap-types.ts';
import { heapUpdate, heapUpdateResult } from '#access/heap/heap-update.ts';
import type { Datum } from '#adt/datum.ts';
import { type ItemPointer, makeTid, type Oid } from '#base/ids.ts';
import type { CurrentTuple, EState, Eval, Row } from '#executor/estate.ts';
import { EvalPlanQual, fetchVersion, lockVersion, type RowVersion, tidOfDatum } from '#executor/eval-plan-qual.ts';
import { compileProjection, compileQual, type Projection } from '#executor/expr-compile.ts';
import { IndexSet } from '#executor/index-entries.ts';
import { checkSelfModified, refuseConcurrent, refuseSecondTime } from '#executor/modify-row.ts';
import { compiledFor, PlanState } from '#executor/plan-state.ts';
import { checkRow, computeGenerated, markConstraintColumns } from '#executor/row-constraints.ts';
import { markColumns } from '#executor/stored-expr.ts';
import { type RelationTriggers, triggerQueue } from '#executor/triggers.ts';
import { checkWithCheckOptions, type CompiledCheckOption, compileCheckOptions } from '#executor/with-check.ts';
import type { ModifyTable } from '#nodes/plan-nodes.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { Workspace } from '#shm/private-memory.ts';
import { isolationUsesXactSnapshot, SNAPSHOT_ANY } from '#transam/snapshot.ts';
import { transactionIdIsCurrentTransactionId } from '#transam/xact-stack.ts';
import { getCurrentTransactionId } from '#transam/xact.ts';
import { speculativeInsertionLockAcquire, speculativeInsertionLockRelease } from '#transam/xact-wait.ts';

interface ModifyCode {
  readonly returning: Projection | null;
  readonly conflictSet: Projection | null;
  readonly conflictWhere: Eval | null;
  readonly checkOptions: readonly CompiledCheckOption[];
}
const NO_INDEXES: readonly Oid[] = [];

export class ModifyTableState extends PlanState<ModifyTable> {
  readonly #outer: PlanState;
  readonly #code: ModifyCode;
  readonly #relation: Relation;
  readonly #natts: number;
  readonly #returned: Row;
  readonly #workspace = new Workspace();
  /** What system columns of the row in work are taken of. */
  readonly #current: CurrentTuple = { tupleAt: 0, tid: 0 as ItemPointer };
  #indexes: IndexSet | null = null;
  #triggers: RelationTriggers | null = null;
  #epq: EvalPlanQual | null = null;
  #needed: Uint8Array | null = null;
  #begun = false;
  #done = false;

  constructor(plan: ModifyTable, estate: EState, outer: PlanState) {
    super(plan, estate);
    this.#outer = outer;
    this.#relation = estate.relation(plan.resultRelation);
    this.#natts = this.#relation.tupleDesc.natts;
    this.#returned = new Array<Datum>(plan.returningList.length).fill(null);
    this.#code = compiledFor(plan, estate, (scope) => ({
      returning: plan.returningList.length === 0 ? null : compileProjection(plan.returningList, scope, -1),
      conflictSet: plan.onConflictSet.length === 0 ? null : compileProjection(plan.onConflictSet, scope, -1),
      conflictWhere: compileQual(plan.onConflictWhere, scope),
      checkOptions: compileCheckOptions(plan.withCheckOptions, scope),
    }));
  }

  next(): Row | null {
    if (this.#done) return null;
    if (!this.#begun) this.#begin();
    for (;;) {
      checkForInterrupts();
      const row = this.#outer.next();
      if (row === null) {
        this.#finish();
        return null;
      }
      this.#workspace.reset();
      const returned = this.#modify(row);
      if (returned !== null) return returned;
    }
  }

  #begin(): void {
    this.#begun = true;
    const { plan, estate } = this;
    this.#triggers = triggerQueue.load(this.#relation, estate);
    // A HOT update or a delete touches no index, but which it will be is not known beforehand.
    if (plan.operation !== 'delete') this.#indexes = new IndexSet(this.#relation, this.context);
    this.#needed = this.#neededColumns();
    this.#triggers?.beforeStatement(plan.operation, plan.updateColnos);
    if (plan.onConflictAction === 'update') this.#triggers?.beforeStatement('update', plan.onConflictCols);
  }

  #finish(): void {
    this.#done = true;
    const { plan } = this;
    if (plan.onConflictAction === 'update') this.#triggers?.afterStatement('update', plan.onConflictCols);
    this.#triggers?.afterStatement(plan.operation, plan.updateColnos);
  }

  #modify(row: Row): Row | null {
    switch (this.plan.operation) {
      case 'insert':
        return this.#insert(row.length === this.#natts ? row : row.slice(0, this.#natts), row);
      case 'update':
        return this.#update(tidOfDatum(row[this.plan.ctidColumn]!), row);
      case 'delete':
        return this.#delete(tidOfDatum(row[this.plan.ctidColumn]!), row);
    }
  }

  /** The RETURNING row, or null if none is wanted. */
  #return(row: Row, tuple: CurrentTuple, planRow: Row): Row | null {
    const { returning } = this.#code;
    if (returning === null) return null;
    const { context } = this;
    context.scan = row;
    context.outer = planRow;
    context.tuple = tuple;
    returning(context, this.#returned);
    return this.#returned;
  }

  // ── INSERT ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #insert(given: Row, planRow: Row): Row | null {
    const { plan, estate, context } = this;
    const relation = this.#relation;
    let row = given;
    if (this.#triggers?.hasBeforeRow.insert === true) {
      const changed = this.#triggers.beforeInsert(row);
      if (changed === null) return null;
      row = changed;
    }
    computeGenerated(relation, row, context);
    checkWithCheckOptions(this.#code.checkOptions, 'rls_insert', row, context, relation);
    checkRow(relation, row, context);
    const indexes = this.#indexes!;
    let recheck: readonly Oid[] = NO_INDEXES;
    let tid: ItemPointer;
    let at: number;
    if (plan.onConflictAction !== 'none' && indexes.makers.some((m) => m.index.index!.unique || m.exclusion !== null)) {
      for (;;) {
        if (!indexes.noConflict(row, plan.arbiterIndexes)) {
          if (plan.onConflictAction === 'update') {
            const outcome = this.#onConflictUpdate(indexes.conflictTid, row, planRow);
            if (outcome === 'retry') continue;
            return outcome;
          }
          this.#checkConflictVisible(indexes.conflictTid);
          return null;
        }
        const xid = getCurrentTransactionId();
        const token = speculativeInsertionLockAcquire(xid);
        at = heapFormTuple(relation.tupleDesc, row, this.#workspace);
        setTupleCtid(at, makeTid(token, SPEC_TOKEN_OFFSET));
        tid = heapInsert(relation, at, heapTupleLength(), estate.outputCid, HEAP_INSERT.speculative, null);
        recheck = indexes.insert(row, tid, false, true, plan.arbiterIndexes);
        const conflict = recheck.some((oid) => this.#isArbiter(oid));
        if (conflict) heapAbortSpeculative(relation, tid);
        else heapFinishSpeculative(relation, tid);
        // Whoever waits for the outcome of the attempt may look now.
        speculativeInsertionLockRelease(xid);
        if (!conflict) break;
      }
    } else {
      at = heapFormTuple(relation.tupleDesc, row, this.#workspace);
      tid = heapInsert(relation, at, heapTupleLength(), estate.outputCid, 0, null);
      if (indexes.makers.length > 0) recheck = indexes.insert(row, tid, false, false, NO_INDEXES);
    }
    if (plan.canSetTag) estate.modified++;
    if (this.#triggers?.hasAfterRow.insert === true || recheck.length > 0)
      this.#triggers!.afterInsert(tid, row, recheck);
    checkWithCheckOptions(this.#code.checkOptions, 'view', row, context, relation);
    this.#current.tupleAt = at;
    this.#current.tid = tid;
    return this.#return(row, this.#current, planRow);
  }

  /** A deferrable index has its check put off; any other that reports a conflict was an arbiter. */
  #isArbiter(oid: Oid): boolean {
    return this.#indexes!.makers.some((maker) => maker.index.oid === oid && maker.index.index!.immediate);
  }

  /** DO NOTHING because of a row that a serializable transaction cannot see would be an invisible reason. */
  #checkConflictVisible(tid: ItemPointer): void {
    if (!isolationUsesXactSnapshot()) return;
    const found = newHeapFetchResult();
    const isVisible = heapFetch(this.#relation, this.estate.snapshot!, tid, false, found);
    releaseHeapFetch(found);
    if (isVisible) return;
    // Of this command's own rows, and only of those, it may take notice.
    const isThere = heapFetch(this.#relation, SNAPSHOT_ANY, tid, false, found);
    const isOwn = isThere && transactionIdIsCurrentTransactionId(tupleXmin(found.tupleAt));
    releaseHeapFetch(found);
    if (!isOwn) refuseConcurrent('update');
  }

  #onConflictUpdate(tid: ItemPointer, excluded: Row, planRow: Row): Row | null | 'retry' {
    const { plan, estate, context } = this;
    const { result, version } = lockVersion(
      estate,
      plan.resultRelation,
      tid,
      this.#updateLockMode(plan.onConflictCols),
      'block',
      this.#workspace,
      false,
    );
    switch (result) {
      case 'ok':
        break;
      case 'invisible':
        // The row is there, but was made by this very command.
        refuseSecondTime();
        break;
      case 'selfModified':
        throw new Error('unexpected self-updated tuple');
      case 'updated':
      case 'deleted':
        // It went away while we waited: another attempt to insert decides.
        refuseConcurrent(result === 'updated' ? 'update' : 'delete');
        return 'retry';
      default:
        throw new Error(`unexpected result of locking the conflicting row: ${result}`);
    }
    const existing = version!;
    this.#checkConflictVisible(existing.tid);
    context.scan = existing.row;
    context.inner = excluded;
    context.outer = planRow;
    context.tuple = existing;
    const { conflictWhere, conflictSet } = this.#code;
    if (conflictWhere !== null && conflictWhere(context) !== true) return null;
    checkWithCheckOptions(this.#code.checkOptions, 'rls_conflict', existing.row, context, this.#relation);
    const values: Row = new Array<Datum>(plan.onConflictCols.length).fill(null);
    context.scan = existing.row;
    conflictSet!(context, values);
    const fresh = existing.row.slice();
    plan.onConflictCols.forEach((column, i) => {
      fresh[column - 1] = values[i]!;
    });
    return this.#applyUpdate(existing, fresh, planRow, plan.onConflictCols, null);
  }

  // ── UPDATE ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** FOR UPDATE if a key column of a unique index changes, else FOR NO KEY UPDATE. */
  #updateLockMode(columns: readonly number[]): 'exclusive' | 'noKeyExclusive' {
    const keys = this.#indexes!.makers.some(
      (maker) =>
        maker.index.index!.unique &&
        maker.predicate === null &&
        maker.index.index!.keys.some((column) => column !== 0 && columns.includes(column)),
    );
    return keys ? 'exclusive' : 'noKeyExclusive';
  }

  #update(tid: ItemPointer, planRow: Row): Row | null {
    const old = this.#fetchVersion(tid);
    return this.#applyUpdate(old, this.#newRow(old.row, planRow), planRow, this.plan.updateColnos, planRow);
  }
  #newRow(old: Row, planRow: Row): Row {
    const fresh = old.slice();
    const { updateColnos } = this.plan;
    for (let i = 0; i < updateColnos.length; i++) fresh[updateColnos[i]! - 1] = planRow[i]!;
    return fresh;
  }
  /** The version that the subplan found, whoever may see it, with the columns that somebody looks at. */
  #fetchVersion(tid: ItemPointer): RowVersion {
    const version = fetchVersion(this.#relation, tid, this.#needed, this.#workspace);
    if (version === null) throw new Error('failed to fetch tuple being updated');
    return version;
  }

  /** Which of the old row's columns triggers, rules, indexes or RETURNING read; null if all of them. */
  #neededColumns(): Uint8Array | null {
    const { plan } = this;
    if (this.#triggers !== null || plan.withCheckOptions.length > 0) return null;
    const mask = new Uint8Array(this.#natts);
    const attrs = this.#relation.tupleDesc.attrs;
    // Values of fixed length cost next to nothing; the others may have to be fetched from the TOAST table.
    for (let i = 0; i < mask.length; i++) if (attrs[i]!.length > 0) mask[i] = 1;
    markConstraintColumns(this.#relation, mask, new Uint8Array(this.#natts));
    for (const maker of this.#indexes?.makers ?? []) for (let i = 0; i < mask.length; i++) mask[i]! |= maker.reads[i]!;
    for (const { expr } of plan.returningList) markColumns(expr, plan.resultRelation, mask);
    return mask;
  }
  /** 1 for each column whose stored bytes the new version does not take over from the old one. */
  #changedColumns(columns: readonly number[], old: Row, fresh: Row): Uint8Array {
    const mask = new Uint8Array(this.#natts);
    for (const column of columns) mask[column - 1] = 1;
    if (this.#triggers?.hasBeforeRow.update === true)
      for (let i = 0; i < mask.length; i++) if (fresh[i] !== old[i]) mask[i] = 1;
    markConstraintColumns(this.#relation, new Uint8Array(this.#natts), mask);
    return mask;
  }

  /** Stores the new version. `recheckRow` is the subplan's row to evaluate again if the old version has changed, null
   *  if the caller holds it locked. */
  #applyUpdate(
    first: RowVersion,
    firstFresh: Row,
    firstPlanRow: Row,
    columns: readonly number[],
    recheckRow: Row | null,
  ): Row | null {
    const { estate, context } = this;
    const relation = this.#relation;
    const { tupleDesc } = relation;
    let old = first;
    let fresh = firstFresh;
    let planRow = firstPlanRow;
    for (;;) {
      if (this.#triggers?.hasBeforeRow.update === true) {
        // Whoever changes the row while a trigger looks at it would change it under the trigger's feet.
        const locked = recheckRow === null ? null : this.#lockForTrigger(old.tid, planRow, columns);
        if (locked === 'gone') return null;
        if (locked !== null && locked.tid !== old.tid) {
          old = locked;
          planRow = locked.planRow;
          fresh = this.#newRow(old.row, planRow);
        }
        const replaced = this.#triggers.beforeUpdate(old.row, fresh, columns);
        if (replaced === null) return null;
        fresh = replaced;
      }
      computeGenerated(relation, fresh, context);
      checkWithCheckOptions(this.#code.checkOptions, 'rls_update', fresh, context, relation);
      const changed = this.#changedColumns(columns, old.row, fresh);
      const { tupleAt } = old;
      checkRow(relation, fresh, context, changed, (row) => {
        const whole: Row = new Array<Datum>(this.#natts).fill(null);
        heapDeform(tupleDesc, tupleAt, this.#natts, whole);
        for (let i = 0; i < row.length; i++) if (changed[i] === 0) row[i] = whole[i]!;
      });
      // What did not change keeps its stored form: a value in the TOAST table stays where it is.
      const at = heapModifyTuple(tupleDesc, tupleAt, fresh, changed, this.#workspace);
      const result = heapUpdate(relation, old.tid, at, heapTupleLength(), estate.outputCid, estate.crosscheck, true);
      switch (result) {
        case 'ok':
          return this.#updated(old.tid, at, old.row, fresh, planRow, columns);
        case 'selfModified':
          checkSelfModified('updated', estate.outputCid);
          return null;
        case 'deleted':
          refuseConcurrent('delete');
          return null;
        case 'updated': {
          refuseConcurrent('update');
          if (recheckRow === null) throw new Error('a locked row was updated by somebody else');
          const again = this.#evaluateAgain(old.tid, planRow, this.#updateLockMode(columns));
          if (again === null) return null;
          old = again;
          planRow = again.planRow;
          fresh = this.#newRow(old.row, planRow);
          break;
        }
        default:
          throw new Error(`unrecognized heap_update status: ${result}`);
      }
    }
  }

  #updated(
    oldTid: ItemPointer,
    at: number,
    old: Row,
    fresh: Row,
    planRow: Row,
    columns: readonly number[],
  ): Row | null {
    const { plan, estate, context } = this;
    const newTid = heapUpdateResult.newTid;
    let recheck: readonly Oid[] = NO_INDEXES;
    const indexes = this.#indexes!;
    if (indexes.makers.length > 0 && !heapUpdateResult.isHot)
      recheck = indexes.insert(fresh, newTid, true, false, NO_INDEXES);
    if (plan.canSetTag) estate.modified++;
    if (this.#triggers?.hasAfterRow.update === true || recheck.length > 0)
      this.#triggers!.afterUpdate(oldTid, newTid, old, fresh, recheck, columns);
    checkWithCheckOptions(this.#code.checkOptions, 'view', fresh, context, this.#relation);
    this.#current.tupleAt = at;
    this.#current.tid = newTid;
    return this.#return(fresh, this.#current, planRow);
  }

  /** Locks the newest version and runs the subplan over it. */
  #evaluateAgain(
    tid: ItemPointer,
    planRow: Row,
    mode: 'exclusive' | 'noKeyExclusive',
  ): (RowVersion & { planRow: Row }) | null {
    const { plan, estate } = this;
    const { result, version } = lockVersion(estate, plan.resultRelation, tid, mode, 'block', this.#workspace);
    switch (result) {
      case 'ok': {
        this.#epq ??= new EvalPlanQual(estate, plan.lefttree!, plan.rowMarks);
        const again = this.#epq.evaluate(plan.resultRelation, version!, planRow);
        return again === null ? null : { ...version!, planRow: again.slice() };
      }
      case 'deleted':
        return null;
      case 'selfModified':
        // Our own command has updated the newest version already.
        checkSelfModified(plan.operation === 'delete' ? 'deleted' : 'updated', estate.outputCid);
        return null;
      default:
        throw new Error(`unexpected table_tuple_lock status: ${result}`);
    }
  }

  /** GetTupleForTrigger(): the row as it is now, locked; 'gone' if it is not to be touched. */
  #lockForTrigger(
    tid: ItemPointer,
    planRow: Row,
    columns: readonly number[],
  ): (RowVersion & { planRow: Row }) | 'gone' {
    const { plan, estate } = this;
    const mode = plan.operation === 'delete' ? 'exclusive' : this.#updateLockMode(columns);
    const { result, version } = lockVersion(estate, plan.resultRelation, tid, mode, 'block', this.#workspace);
    switch (result) {
      case 'ok': {
        if (version!.tid === tid) return { ...version!, planRow };
        refuseConcurrent('update');
        this.#epq ??= new EvalPlanQual(estate, plan.lefttree!, plan.rowMarks);
        const again = this.#epq.evaluate(plan.resultRelation, version!, planRow);
        return again === null ? 'gone' : { ...version!, planRow: again.slice() };
      }
      case 'selfModified':
        checkSelfModified(plan.operation === 'delete' ? 'deleted' : 'updated', estate.outputCid);
        return 'gone';
      case 'deleted':
        refuseConcurrent('delete');
        return 'gone';
      default:
        throw new Error(`unexpected table_tuple_lock status: ${result}`);
    }
  }

  // ── DELETE ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #delete(firstTid: ItemPointer, firstPlanRow: Row): Row | null {
    const { plan, estate } = this;
    const relation = this.#relation;
    const triggers = this.#triggers;
    let tid = firstTid;
    let planRow = firstPlanRow;
    if (triggers?.hasBeforeRow.delete === true) {
      const locked = this.#lockForTrigger(tid, planRow, []);
      if (locked === 'gone') return null;
      tid = locked.tid;
      planRow = locked.planRow;
      if (!triggers.beforeDelete(locked.row)) return null;
    }
    const wantsOld = triggers?.hasAfterRow.delete === true || this.#code.returning !== null;
    for (;;) {
      const result = heapDelete(relation, tid, estate.outputCid, estate.crosscheck, true, false);
      switch (result) {
        case 'ok': {
          if (plan.canSetTag) estate.modified++;
          if (!wantsOld) return null;
          const old = this.#fetchVersion(tid);
          if (triggers?.hasAfterRow.delete === true) triggers.afterDelete(tid, old.row);
          return this.#returnDeleted(tid, old.row, planRow);
        }
        case 'selfModified':
          checkSelfModified('deleted', estate.outputCid);
          return null;
        case 'deleted':
          refuseConcurrent('delete');
          return null;
        case 'updated': {
          refuseConcurrent('update');
          const again = this.#evaluateAgain(tid, planRow, 'exclusive');
          if (again === null) return null;
          tid = again.tid;
          planRow = again.planRow;
          break;
        }
        default:
          throw new Error(`unrecognized heap_delete status: ${result}`);
      }
    }
  }
  #returnDeleted(tid: ItemPointer, row: Row, planRow: Row): Row | null {
    if (this.#code.returning === null) return null;
    this.#current.tupleAt = 0;
    this.#current.tid = tid;
    return this.#return(row, this.#current, planRow);
  }

  protected reset(): void {
    report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'ExecReScanModifyTable is not implemented' });
  }
  override end(): void {
    this.#indexes?.close();
    this.#indexes = null;
    this.#epq?.end();
    this.#epq = null;
    this.#workspace.free();
  }
}
