/** ri-initial-check.ts — do the rows that a table has already satisfy a new foreign key? One join, or row by row if the
 *  owner may not read both tables.
 *
 *  Counterpart: RI_Initial_Check() of src/backend/utils/adt/ri_triggers.c, validateForeignKeyConstraint() of tablecmds.c */
import { heapDeform } from '#access/common/heap-tuple.ts';
import type { Relation } from '#access/common/relation-descriptor.ts';
import { heapBeginScan } from '#access/heap/heap-scan.ts';
import type { Datum } from '#adt/datum.ts';
import { mayReadRelation } from '#catalog/acl-check.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { setForeignKeyValidator } from '#commands/foreign-key.ts';
import { type ForeignKey, foreignKey, nullCheck } from '#commands/ri-constraint.ts';
import {
  collationText,
  columnCollation,
  columnName,
  columnType,
  equalityText,
  onlyText,
  relationText,
  reportMixedNulls,
  reportViolation,
  runOnce,
} from '#commands/ri-query.ts';
import { checkRow } from '#commands/ri-triggers.ts';
import type { Row } from '#executor/estate.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { getLatestSnapshot, registerSnapshot, unregisterSnapshot } from '#transam/snapshot.ts';

function initialCheckText(fk: ForeignKey, fkRel: Relation, pkRel: Relation): string {
  const columns = fk.fkColumns.map((column) => `fk.${columnName(fkRel, column)}`);
  const joins = fk.pkColumns.map((pkColumn, i) => {
    const fkColumn = fk.fkColumns[i]!;
    const text = equalityText(
      `pk.${columnName(pkRel, pkColumn)}`,
      columnType(pkRel, pkColumn),
      fk.pfEqual[i]!,
      columns[i]!,
      columnType(fkRel, fkColumn),
    );
    const collation = columnCollation(pkRel, pkColumn);
    return collation === columnCollation(fkRel, fkColumn) ? text : text + collationText(collation);
  });
  const present = columns.map((column) => `${column} IS NOT NULL`).join(fk.match === 's' ? ' AND ' : ' OR ');
  return (
    `SELECT ${columns.join(', ')} FROM ${onlyText(fkRel)}${relationText(fkRel)} fk LEFT OUTER JOIN ` +
    `${onlyText(pkRel)}${relationText(pkRel)} pk ON (${joins.join(' AND ')}) ` +
    `WHERE pk.${columnName(pkRel, fk.pkColumns[0]!)} IS NULL AND (${present})`
  );
}

/** Row by row, as if each had just been inserted. */
function checkEveryRow(fk: ForeignKey, fkRel: Relation): void {
  const snapshot = registerSnapshot(getLatestSnapshot());
  const scan = heapBeginScan(fkRel, snapshot);
  const row: Row = new Array<Datum>(fkRel.tupleDesc.natts).fill(null);
  while (scan.next()) {
    checkForInterrupts();
    heapDeform(fkRel.tupleDesc, scan.tupleAt, row.length, row);
    checkRow(fk, fkRel, row);
  }
  scan.end();
  unregisterSnapshot(snapshot);
}

setForeignKeyValidator((fkRel, constraint) => {
  const fk = foreignKey(constraint);
  const pkRel = tableOpen(fk.pkRelid, LOCK.rowShare);
  const role = sessionIdentity.userOid;
  const mayRead =
    mayReadRelation(fkRel.oid, role, fk.fkColumns) &&
    mayReadRelation(pkRel.oid, role, fk.pkColumns) &&
    !fkRel.rowSecurity &&
    !pkRel.rowSecurity;
  if (!mayRead) checkEveryRow(fk, fkRel);
  else {
    const { rows } = runOnce(initialCheckText(fk, fkRel, pkRel), 1);
    const [found] = rows;
    if (found !== undefined) {
      const row: Row = new Array<Datum>(fkRel.tupleDesc.natts).fill(null);
      fk.fkColumns.forEach((column, i) => {
        row[column - 1] = found[i]!;
      });
      if (fk.match === 'f' && nullCheck(row, fk.fkColumns) !== 'none') reportMixedNulls(fk, fkRel);
      reportViolation(fk, pkRel, fkRel, row, true);
    }
  }
  relationClose(pkRel, LOCK.none);
});
