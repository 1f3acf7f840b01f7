/** truncate.ts — TRUNCATE, and ON COMMIT DELETE ROWS.
 *  Counterpart: ExecuteTruncate() of src/backend/commands/tablecmds.c, heap_truncate() … of catalog/heap.c */
import type { TruncateStmt } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { allInheritors } from '#catalog/inheritors.ts';
import { rebuildIndexes, relationSetNewRelfilenode, truncateInPlace } from '#catalog/new-file.ts';
import { mayOnRelation, permissionDenied } from '#catalog/object-rights.ts';
import { setOnCommitTruncate } from '#catalog/on-commit.ts';
import { ownedSequences } from '#catalog/pg-depend.ts';
import { rangeVarGetRelid } from '#catalog/range-var.ts';
import type { RelationData } from '#catalog/relcache.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { classRow } from '#catalog/syscache.ts';
import { checkTableNotInUse } from '#catalog/table-in-use.ts';
import { emptyPlan } from '#executor/empty-plan.ts';
import { EState } from '#executor/estate.ts';
import { triggerQueue } from '#executor/triggers.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { checkTableForSerializableConflictIn } from '#storage/lmgr/predicate.ts';
import { getCurrentSubTransactionId } from '#transam/xact.ts';

/** RESTART IDENTITY: installed by the owner of sequences. */
let resetSequence: ((sequence: Oid) => void) | null = null;
export function setSequenceReset(reset: (sequence: Oid) => void): void {
  resetSequence = reset;
}

function checkRelation(relid: Oid): void {
  const row = classRow(relid);
  if (row === undefined) return;
  if (row.relkind !== 'r' && row.relkind !== 'p') {
    report('ERROR', { code: SQLSTATE.wrongObjectType, message: `"${row.relname}" is not a table` });
  }
  if (relid < 16384) {
    report('ERROR', {
      code: SQLSTATE.insufficientPrivilege,
      message: `permission denied: "${row.relname}" is a system catalog`,
    });
  }
  if (!mayOnRelation(relid, 'D')) permissionDenied('table', row.relname);
}
function checkActivity(rel: RelationData): void {
  if (rel.persistence === 't' && !rel.isLocalTemp) {
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'cannot truncate temporary tables of other sessions',
    });
  }
  checkTableNotInUse(rel, 'TRUNCATE');
}

/** Foreign keys that refer to the tables: [referencing table, referenced table]. */
const referencesTo = (relids: readonly Oid[]): (readonly [Oid, Oid])[] =>
  store.constraint
    .all()
    .filter((row) => row.contype === 'f' && relids.includes(row.confrelid))
    .map((row) => [row.conrelid, row.confrelid] as const);

function checkForeignKeys(relids: readonly Oid[], isOnCommit: boolean): void {
  for (const [from, to] of referencesTo(relids)) {
    if (relids.includes(from)) continue;
    const fromName = classRow(from)?.relname ?? String(from);
    const toName = classRow(to)?.relname ?? String(to);
    if (isOnCommit) {
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'unsupported ON COMMIT and foreign key combination',
        detail: `Table "${fromName}" references "${toName}", but they do not have the same ON COMMIT setting.`,
      });
    }
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'cannot truncate a table referenced in a foreign key constraint',
      detail: `Table "${fromName}" references "${toName}".`,
      hint: `Truncate table "${fromName}" at the same time, or use TRUNCATE ... CASCADE.`,
    });
  }
}

export function truncateStatement(stmt: TruncateStmt): void {
  const rels: RelationData[] = [];
  const has = (relid: Oid): boolean => rels.some((rel) => rel.oid === relid);
  for (const node of stmt.relations ?? []) {
    if (!('RangeVar' in node)) continue;
    const { catalogname, schemaname, relname, inh } = node.RangeVar;
    const relid = rangeVarGetRelid(
      { catalog: catalogname, schema: schemaname, name: relname! },
      LOCK.accessExclusive,
      {},
      checkRelation,
    );
    if (has(relid)) continue;
    const rel = tableOpen(relid, LOCK.none);
    checkActivity(rel);
    rels.push(rel);
    if (inh !== true) continue;
    for (const child of allInheritors(relid, LOCK.accessExclusive)) {
      if (has(child)) continue;
      const childRel = tableOpen(child, LOCK.none);
      checkActivity(childRel);
      rels.push(childRel);
    }
  }
  if (stmt.behavior === 'DROP_CASCADE') addReferencing(rels);
  else
    checkForeignKeys(
      rels.map((rel) => rel.oid),
      false,
    );
  if (stmt.restart_seqs === true) {
    for (const rel of rels) {
      for (const sequence of ownedSequences(rel.oid)) {
        if (resetSequence === null) {
          report('ERROR', {
            code: SQLSTATE.featureNotSupported,
            message: 'TRUNCATE ... RESTART IDENTITY is not supported yet',
          });
        }
        resetSequence(sequence);
      }
    }
  }
  triggerQueue.beginQuery();
  const estate = new EState(emptyPlan, null);
  const triggers = rels.map((rel) => triggerQueue.load(rel, estate));
  for (const one of triggers) one?.beforeStatement('truncate', []);
  for (const rel of rels) truncateOne(rel);
  for (const one of triggers) one?.afterStatement('truncate', []);
  triggerQueue.endQuery(estate);
  for (const rel of rels) relationClose(rel, LOCK.none);
}
/** CASCADE: whoever refers to one of them, and so on. */
function addReferencing(rels: RelationData[]): void {
  for (;;) {
    const known = rels.map((rel) => rel.oid);
    const more = [...new Set(referencesTo(known).map(([from]) => from))].filter((relid) => !known.includes(relid));
    if (more.length === 0) return;
    for (const relid of more.sort((a, b) => a - b)) {
      const rel = tableOpen(relid, LOCK.accessExclusive);
      report('NOTICE', { message: `truncate cascades to table "${rel.name}"` });
      checkRelation(relid);
      checkActivity(rel);
      rels.push(rel);
    }
  }
}

function truncateOne(rel: RelationData): void {
  if (rel.kind === 'p') return;
  const subid = getCurrentSubTransactionId();
  // Nobody else has seen the file, and an abort throws it away anyway.
  if (rel.createSubid === subid || rel.newRelfilenodeSubid === subid) {
    truncateInPlace(rel);
    return;
  }
  checkTableForSerializableConflictIn(rel);
  relationSetNewRelfilenode(rel);
  if (rel.toastRelid !== 0) {
    const toast = tableOpen(rel.toastRelid, LOCK.accessExclusive);
    relationSetNewRelfilenode(toast);
    relationClose(toast, LOCK.none);
  }
  rebuildIndexes(rel.oid);
  if (rel.toastRelid !== 0) rebuildIndexes(rel.toastRelid);
}

setOnCommitTruncate((relids) => {
  const rels = relids.map((relid) => tableOpen(relid, LOCK.accessExclusive));
  checkForeignKeys(relids, true);
  for (const rel of rels) {
    truncateInPlace(rel);
    relationClose(rel, LOCK.none);
  }
});
