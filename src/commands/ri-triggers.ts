/** ri-triggers.ts — the trigger functions of foreign keys.
 *
 *  The referencing table's look the referenced row up and lock its key against change (FOR KEY SHARE); the referenced
 *  table's look for rows that still refer to what is gone, or change those as the constraint's action says.
 *  Counterpart: src/backend/utils/adt/ri_triggers.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import { heapFetch, newHeapFetchResult, releaseHeapFetch } from '#access/heap/heap-fetch.ts';
import { heapDeform } from '#access/common/heap-tuple.ts';
import { tupleXmin } from '#access/common/heap-tuple-layout.ts';
import type { Datum } from '#adt/datum.ts';
import type { ItemPointer, Oid } from '#base/ids.ts';
import { collationRow } from '#catalog/syscache.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import {
  type ForeignKey,
  foreignKeyOf,
  nullCheck,
  referencedKeysIdentical,
  referencingKeysEqual,
} from '#commands/ri-constraint.ts';
import {
  collationText,
  columnCollation,
  columnName,
  columnType,
  equalityText,
  onlyText,
  performCheck,
  relationText,
  reportMixedNulls,
  reportViolation,
  type RiQuery,
} from '#commands/ri-query.ts';
import { registerTriggerFunction, type Trigger, type TriggerData } from '#commands/trigger-data.ts';
import type { Row } from '#executor/estate.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK, type LockMode } from '#storage/lmgr/lock-modes.ts';
import { SNAPSHOT_ANY, SNAPSHOT_SELF } from '#transam/snapshot.ts';
import { transactionIdIsCurrentTransactionId } from '#transam/xact-stack.ts';

// ── is an event worth queuing? ───────────────────────────────────────────────────────────────────────────────────

const CHECKS: ReadonlySet<number> = new Set([1644, 1645]);
const ACTIONS: ReadonlySet<number> = new Set([1646, 1647, 1648, 1649, 1650, 1651, 1652, 1653, 1654, 1655]);

/** RI_FKey_pk_upd_check_required(), RI_FKey_fk_upd_check_required(); true for triggers of any other kind. */
export function foreignKeyEventMatters(
  trigger: Trigger,
  relation: Relation,
  oldTid: ItemPointer,
  oldRow: Row,
  newRow: Row | null,
): boolean {
  if (ACTIONS.has(trigger.tgfoid)) {
    const fk = foreignKeyOf(trigger, relation);
    if (nullCheck(oldRow, fk.pkColumns) !== 'none') return false;
    return newRow === null || !referencedKeysIdentical(fk, relation, oldRow, newRow);
  }
  if (!CHECKS.has(trigger.tgfoid) || newRow === null) return true;
  const fk = foreignKeyOf(trigger, relation);
  const nulls = nullCheck(newRow, fk.fkColumns);
  if (nulls === 'all') return false;
  // MATCH FULL refuses a mixture, SIMPLE lets it pass.
  if (nulls === 'some') return fk.match !== 's';
  // The check of a version that we have made ourselves may still wait for its turn, and will then find it gone.
  if (madeByUs(relation, oldTid)) return true;
  return !referencingKeysEqual(fk, relation, oldRow, newRow);
}
const fetched = newHeapFetchResult();
function madeByUs(relation: Relation, tid: ItemPointer): boolean {
  if (!heapFetch(relation, SNAPSHOT_ANY, tid, false, fetched)) return true;
  const xmin = tupleXmin(fetched.tupleAt);
  releaseHeapFetch(fetched);
  return transactionIdIsCurrentTransactionId(xmin);
}

// ── the referencing table ────────────────────────────────────────────────────────────────────────────────────────

/** The row as it is now, null if it is gone already. */
function liveRow(relation: Relation, tid: ItemPointer): Row | null {
  if (!heapFetch(relation, SNAPSHOT_SELF, tid, false, fetched)) return null;
  const row: Row = new Array<Datum>(relation.tupleDesc.natts).fill(null);
  heapDeform(relation.tupleDesc, fetched.tupleAt, row.length, row);
  releaseHeapFetch(fetched);
  return row;
}

/** RI_FKey_check(). */
function checkReferencing(data: TriggerData): null {
  const { relation } = data;
  const fk = foreignKeyOf(data.trigger, relation);
  const row = liveRow(relation, data.newTid!);
  if (row !== null) checkRow(fk, relation, row);
  return null;
}
export function checkRow(fk: ForeignKey, relation: Relation, row: Row): void {
  const nulls = nullCheck(row, fk.fkColumns);
  if (nulls === 'all') return;
  if (nulls === 'some') {
    if (fk.match === 'f') reportMixedNulls(fk, relation);
    return;
  }
  const pkRel = tableOpen(fk.pkRelid, LOCK.rowShare);
  const found = performCheck({
    fk,
    query: 'lookupPk',
    fkRel: relation,
    pkRel,
    text: () => lookupText(fk, pkRel, relation, fk.fkColumns, fk.pfEqual),
    types: fk.fkColumns.map((column) => columnType(relation, column)),
    values: fk.fkColumns.map((column) => row[column - 1]!),
    detectNewRows: pkRel.kind === 'p',
  });
  if (found === 0) reportViolation(fk, pkRel, relation, row, true);
  relationClose(pkRel, LOCK.rowShare);
}
/** SELECT 1 FROM ONLY pk x WHERE key = $1 … FOR KEY SHARE OF x. */
function lookupText(
  fk: ForeignKey,
  pkRel: Relation,
  source: Relation,
  sourceColumns: readonly number[],
  operators: readonly Oid[],
): string {
  const quals = fk.pkColumns.map((column, i) =>
    equalityText(
      columnName(pkRel, column),
      columnType(pkRel, column),
      operators[i]!,
      `$${i + 1}`,
      columnType(source, sourceColumns[i]!),
    ),
  );
  return `SELECT 1 FROM ${onlyText(pkRel)}${relationText(pkRel)} x WHERE ${quals.join(' AND ')} FOR KEY SHARE OF x`;
}

// ── the referenced table ─────────────────────────────────────────────────────────────────────────────────────────

const oldKey = (fk: ForeignKey, row: Row): Datum[] => fk.pkColumns.map((column) => row[column - 1]!);
const pkTypes = (fk: ForeignKey, pkRel: Relation): Oid[] => fk.pkColumns.map((column) => columnType(pkRel, column));

/** "$1 OPERATOR(…) a AND …": rows that refer to the key given by parameters from `first` on. */
function referringText(fk: ForeignKey, pkRel: Relation, fkRel: Relation, first: number): string {
  return fk.fkColumns
    .map((column, i) => {
      const pkColumn = fk.pkColumns[i]!;
      const text = equalityText(
        `$${first + i}`,
        columnType(pkRel, pkColumn),
        fk.pfEqual[i]!,
        columnName(fkRel, column),
        columnType(fkRel, column),
      );
      // With a nondeterministic collation the referenced side decides what is equal.
      const collation = columnCollation(pkRel, pkColumn);
      const differs =
        collation !== columnCollation(fkRel, column) && collationRow(collation)?.collisdeterministic === false;
      return differs ? text + collationText(collation) : text;
    })
    .join(' AND ');
}

function withTables(
  data: TriggerData,
  mode: LockMode,
  work: (fk: ForeignKey, fkRel: Relation, old: Row) => void,
): null {
  const fk = foreignKeyOf(data.trigger, data.relation);
  const fkRel = tableOpen(fk.fkRelid, mode);
  work(fk, fkRel, data.oldRow!);
  relationClose(fkRel, mode);
  return null;
}

/** ri_restrict(): are there still rows that refer to the old key? */
function restrict(data: TriggerData, isNoAction: boolean): null {
  const pkRel = data.relation;
  return withTables(data, LOCK.rowShare, (fk, fkRel, old) => {
    // In the meantime another row may have taken the key over.
    if (isNoAction && keyStillThere(fk, pkRel, fkRel, old)) return;
    const found = performCheck({
      fk,
      query: 'restrict',
      fkRel,
      pkRel,
      text: () =>
        `SELECT 1 FROM ${onlyText(fkRel)}${relationText(fkRel)} x WHERE ${referringText(fk, pkRel, fkRel, 1)} FOR KEY SHARE OF x`,
      types: pkTypes(fk, pkRel),
      values: oldKey(fk, old),
      detectNewRows: true,
    });
    if (found > 0) reportViolation(fk, pkRel, fkRel, old, false);
  });
}
/** ri_Check_Pk_Match(). */
function keyStillThere(fk: ForeignKey, pkRel: Relation, fkRel: Relation, old: Row): boolean {
  const found = performCheck({
    fk,
    query: 'lookupPkFromPk',
    fkRel,
    pkRel,
    text: () => lookupText(fk, pkRel, pkRel, fk.pkColumns, fk.ppEqual),
    types: pkTypes(fk, pkRel),
    values: oldKey(fk, old),
    detectNewRows: true,
  });
  return found > 0;
}

function cascadeDelete(data: TriggerData): null {
  const pkRel = data.relation;
  return withTables(data, LOCK.rowExclusive, (fk, fkRel, old) => {
    performCheck({
      fk,
      query: 'cascadeDelete',
      fkRel,
      pkRel,
      text: () => `DELETE FROM ${onlyText(fkRel)}${relationText(fkRel)} WHERE ${referringText(fk, pkRel, fkRel, 1)}`,
      types: pkTypes(fk, pkRel),
      values: oldKey(fk, old),
      detectNewRows: true,
    });
  });
}
function cascadeUpdate(data: TriggerData): null {
  const pkRel = data.relation;
  return withTables(data, LOCK.rowExclusive, (fk, fkRel, old) => {
    const fresh = data.newRow!;
    performCheck({
      fk,
      query: 'cascadeUpdate',
      fkRel,
      pkRel,
      text: () => {
        const sets = fk.fkColumns.map((column, i) => `${columnName(fkRel, column)} = $${i + 1}`);
        const where = referringText(fk, pkRel, fkRel, fk.nkeys + 1);
        return `UPDATE ${onlyText(fkRel)}${relationText(fkRel)} SET ${sets.join(', ')} WHERE ${where}`;
      },
      types: [...pkTypes(fk, pkRel), ...pkTypes(fk, pkRel)],
      values: [...oldKey(fk, fresh), ...oldKey(fk, old)],
      detectNewRows: true,
    });
  });
}
/** ri_set(): SET NULL and SET DEFAULT. */
function setColumns(data: TriggerData, isNull: boolean, isDelete: boolean): null {
  const pkRel = data.relation;
  withTables(data, LOCK.rowExclusive, (fk, fkRel, old) => {
    const columns = isDelete && fk.deleteSetColumns.length > 0 ? fk.deleteSetColumns : fk.fkColumns;
    const query: RiQuery = isNull
      ? isDelete
        ? 'setNullDelete'
        : 'setNullUpdate'
      : isDelete
        ? 'setDefaultDelete'
        : 'setDefaultUpdate';
    performCheck({
      fk,
      query,
      fkRel,
      pkRel,
      text: () => {
        const sets = columns.map((column) => `${columnName(fkRel, column)} = ${isNull ? 'NULL' : 'DEFAULT'}`);
        const where = referringText(fk, pkRel, fkRel, 1);
        return `UPDATE ${onlyText(fkRel)}${relationText(fkRel)} SET ${sets.join(', ')} WHERE ${where}`;
      },
      types: pkTypes(fk, pkRel),
      values: oldKey(fk, old),
      detectNewRows: true,
    });
  });
  // If the default is the very key that went away, the rows did not change and nobody will check them.
  return isNull ? null : restrict(data, true);
}

// ── registration ─────────────────────────────────────────────────────────────────────────────────────────────────

/** ri_CheckTrigger(). */
function register(name: string, event: 'insert' | 'update' | 'delete', by: (data: TriggerData) => null): void {
  const refuse = (message: string): never =>
    report('ERROR', { code: SQLSTATE.eRIETriggerProtocolViolated, message: `function "${name}" ${message}` });
  registerTriggerFunction(name, (data) => {
    if (data.when !== 'after' || data.level !== 'row') refuse('must be fired AFTER ROW');
    if (data.event !== event) refuse(`must be fired for ${event.toUpperCase()}`);
    return by(data);
  });
}
register('RI_FKey_check_ins', 'insert', checkReferencing);
register('RI_FKey_check_upd', 'update', checkReferencing);
register('RI_FKey_noaction_del', 'delete', (data) => restrict(data, true));
register('RI_FKey_noaction_upd', 'update', (data) => restrict(data, true));
register('RI_FKey_restrict_del', 'delete', (data) => restrict(data, false));
register('RI_FKey_restrict_upd', 'update', (data) => restrict(data, false));
register('RI_FKey_cascade_del', 'delete', cascadeDelete);
register('RI_FKey_cascade_upd', 'update', cascadeUpdate);
register('RI_FKey_setnull_del', 'delete', (data) => setColumns(data, true, true));
register('RI_FKey_setnull_upd', 'update', (data) => setColumns(data, true, false));
register('RI_FKey_setdefault_del', 'delete', (data) => setColumns(data, false, true));
register('RI_FKey_setdefault_upd', 'update', (data) => setColumns(data, false, false));
