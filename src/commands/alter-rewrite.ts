/** alter-rewrite.ts — the rows after ALTER TABLE: written anew with the new columns, or only looked at.
 *  Counterpart: ATRewriteTables(), ATRewriteTable() of src/backend/commands/tablecmds.c */
import { heapDeform, heapFormTuple, heapTupleLength } from '#access/common/heap-tuple.ts';
import { heapInsert } from '#access/heap/heap-insert.ts';
import { heapBeginScan } from '#access/heap/heap-scan.ts';
import { HEAP_INSERT } from '#access/heap/heap-types.ts';
import { freeBulkInsertState, getBulkInsertState } from '#access/heap/hio.ts';
import type { Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { ownedSequences } from '#catalog/pg-depend.ts';
import type { RelationData } from '#catalog/relcache.ts';
import { relationClose, relationOpen } from '#catalog/relation.ts';
import { classRow, namespaceRow } from '#catalog/syscache.ts';
import type { AlteredTable, AlterWork } from '#commands/alter-work.ts';
import { validateForeignKey } from '#commands/foreign-key.ts';
import { changePersistenceOfSequence } from '#commands/sequence-persistence.ts';
import { finishHeapSwap, makeNewHeap } from '#commands/heap-swap.ts';
import { type EState, type Eval, ExprContext } from '#executor/estate.ts';
import { compileOver } from '#executor/stored-expr.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { Workspace } from '#shm/private-memory.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { getOldestMultiXactId } from '#transam/multixact.ts';
import { getLatestSnapshot, recentXmin, registerSnapshot, unregisterSnapshot } from '#transam/snapshot.ts';
import { commandCounterIncrement, getCurrentCommandId } from '#transam/xact.ts';

/** Phase 3 of all tables, then the foreign keys, which compare rows of two of them. */
export function rewriteTables(work: AlterWork): void {
  for (const table of work.tables.values()) {
    const row = classRow(table.relid);
    // Views and sequences have no rows to look at.
    if (row === undefined || !'rm'.includes(row.relkind)) continue;
    if (table.rewrite) rewriteTable(work, table);
    else scanTable(table);
    if (table.newPersistence !== null) {
      for (const sequence of ownedSequences(table.relid)) changePersistenceOfSequence(sequence, table.newPersistence);
    }
  }
  for (const { relid, constraint } of work.validations) {
    const rel = relationOpen(relid, LOCK.none);
    validateForeignKey(rel, constraint);
    relationClose(rel, LOCK.none);
  }
}

function rewriteTable(work: AlterWork, table: AlteredTable): void {
  const { relid } = table;
  const row = classRow(relid)!;
  const rel = relationOpen(relid, LOCK.none);
  if (rel.persistence === 't' && !rel.isLocalTemp) {
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'cannot rewrite temporary tables of other sessions',
    });
  }
  const persistence = table.newPersistence ?? rel.persistence;
  relationClose(rel, LOCK.none);
  const newOid = makeNewHeap(relid, row.reltablespace, row.relam, persistence, work.lock);
  copyRows(table, newOid);
  finishHeapSwap(relid, newOid, recentXmin(), getOldestMultiXactId());
  reset(table);
}
/** Only what was added must hold for the rows that are there. */
export function scanTable(table: AlteredTable): void {
  if (table.checks.length === 0 && !table.verifyNotNull) return;
  copyRows(table, null);
  reset(table);
}
function reset(table: AlteredTable): void {
  table.checks.length = 0;
  table.verifyNotNull = false;
}

interface CompiledCheck {
  readonly name: string;
  readonly test: Eval;
}
function checkRow(
  rel: RelationData,
  notNull: readonly number[],
  checks: readonly CompiledCheck[],
  context: ExprContext,
): void {
  const row = context.scan;
  for (const at of notNull) {
    if (row[at] !== null) continue;
    const column = rel.tupleDesc.attrs[at]!.name;
    report('ERROR', {
      code: SQLSTATE.notNullViolation,
      message: `column "${column}" of relation "${rel.name}" contains null values`,
      schema: namespaceRow(rel.namespace)?.nspname,
      table: rel.name,
      column,
    });
  }
  for (const { name, test } of checks) {
    if (test(context) !== false) continue;
    report('ERROR', {
      code: SQLSTATE.checkViolation,
      message: `check constraint "${name}" of relation "${rel.name}" is violated by some row`,
      schema: namespaceRow(rel.namespace)?.nspname,
      table: rel.name,
      constraint: name,
    });
  }
}

/** ATRewriteTable(). `newOid` null: nothing is written. */
function copyRows(table: AlteredTable, newOid: Oid | null): void {
  const rel = relationOpen(table.relid, LOCK.none);
  const target = newOid === null ? null : relationOpen(newOid, LOCK.none);
  const desc = rel.tupleDesc;
  const oldDesc = target === null ? desc : table.oldDesc;
  const context = new ExprContext(null as unknown as EState);
  const checks = table.checks.map(({ name, expr }) => ({ name, test: compileOver(rel, expr) }));
  const compile = (generated: boolean): { readonly at: number; readonly value: Eval }[] =>
    table.newValues
      .filter((one) => one.generated === generated)
      .map(({ attnum, expr }) => ({ at: attnum - 1, value: compileOver(rel, expr) }));
  const plain = compile(false);
  const generated = compile(true);
  const notNull = desc.attrs.flatMap((column, i) => (column.notNull && !column.isDropped ? [i] : []));
  const dropped = desc.attrs.flatMap((column, i) => (column.isDropped ? [i] : []));
  const checksNulls = target !== null || table.verifyNotNull ? notNull : [];
  const bulk = target === null ? null : getBulkInsertState();
  const cid = getCurrentCommandId(true);
  const space = new Workspace();
  const oldRow: Datum[] = [];
  const row: Datum[] = [];
  const snapshot = registerSnapshot(getLatestSnapshot());
  const scan = heapBeginScan(rel, snapshot, [], { allowStrat: true, allowSync: true, allowPagemode: true });
  try {
    while (scan.next(1)) {
      checkForInterrupts();
      heapDeform(oldDesc, scan.tupleAt, oldDesc.natts, oldRow);
      if (target === null) {
        context.scan = oldRow;
        checkRow(rel, checksNulls, checks, context);
        continue;
      }
      row.length = desc.natts;
      for (let i = 0; i < desc.natts; i++) row[i] = i < oldDesc.natts ? oldRow[i]! : null;
      for (const at of dropped) row[at] = null;
      context.scan = oldRow;
      for (const { at, value } of plain) row[at] = value(context);
      // A generated column may be made of columns that have just got their values.
      context.scan = row;
      for (const { at, value } of generated) row[at] = value(context);
      checkRow(rel, checksNulls, checks, context);
      space.reset();
      const at = heapFormTuple(target.tupleDesc, row, space);
      heapInsert(target, at, heapTupleLength(), cid, HEAP_INSERT.skipFsm, bulk);
    }
  } finally {
    scan.end();
    unregisterSnapshot(snapshot);
    if (bulk !== null) freeBulkInsertState(bulk);
  }
  if (target !== null) relationClose(target, LOCK.none);
  relationClose(rel, LOCK.none);
  commandCounterIncrement();
}
