/** alter-constraint.ts — ALTER TABLE … ADD, DROP, VALIDATE CONSTRAINT; CHECK constraints of children go along.
 *  Counterpart: ATExecAddConstraint(), ATExecAddIndexConstraint(), ATExecDropConstraint(), ATExecValidateConstraint() of
 *  src/backend/commands/tablecmds.c, transformIndexConstraint() of parser/parse_utilcmd.c */
import type { Constraint, Node } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { type DropBehavior, performDeletion } from '#catalog/dependency.ts';
import {
  indexConstraintCreate,
  indexSetStateFlags,
  type NewIndex,
  removeOldIndexDependencies,
} from '#catalog/index.ts';
import { catalogUpdateColumns } from '#catalog/indexing.ts';
import { cacheInvalidateRelcache } from '#catalog/inval.ts';
import { allInheritors, children } from '#catalog/inheritors.ts';
import { objectAddress } from '#catalog/object-address.ts';
import { RELATION } from '#catalog/oids.ts';
import { indexConstraint } from '#catalog/pg-depend.ts';
import type { RelationData } from '#catalog/relcache.ts';
import { indexOpen, relationClose, relationOpen, tableOpen } from '#catalog/relation.ts';
import { type ConstraintRow, store } from '#catalog/rows.ts';
import { classByName, constraintsOf, defaultOpclass } from '#catalog/syscache.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { checkTableNotInUse } from '#catalog/table-in-use.ts';
import { attributeOf, setNotNull, withChild } from '#commands/alter-column.ts';
import { scanTable } from '#commands/alter-rewrite.ts';
import { alteredTable, type AlterWork } from '#commands/alter-work.ts';
import { addRelationNewConstraints, type RawCheck } from '#commands/cook-constraint.ts';
import { defineIndex, makeRecheckTrigger, refuseSecondPrimaryKey } from '#commands/define-index.ts';
import { addForeignKey } from '#commands/foreign-key.ts';
import { renameRelation } from '#commands/rename-relation.ts';
import { finishKeys, tableElements } from '#commands/table-elements.ts';
import { stringToNode } from '#nodes/node-text.ts';
import type { Expr } from '#nodes/primitives.ts';
import { fail as failAt, makeParseState } from '#parser/parse-state.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE, type SqlState } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

// ── ADD ──────────────────────────────────────────────────────────────────────────────────────────────────────────

export function addConstraint(work: AlterWork, rel: RelationData, def: Node, recurse: boolean): void {
  const constraint = (def as { Constraint?: Constraint }).Constraint;
  if (constraint !== undefined && (constraint.indexname ?? '') !== '') {
    addIndexConstraint(work, rel, constraint);
    return;
  }
  const p = makeParseState(null, work.sourceText);
  const relation = { relname: rel.name, relpersistence: rel.persistence };
  const elements = tableElements(p, relation, rel.namespace, [def], {
    isAlter: true,
    known: (column) => rel.tupleDesc.attributeIndex(column) >= 0,
  });
  finishKeys(elements);
  for (const index of elements.indexes) {
    const table = alteredTable(work, rel.oid);
    if (index.primary) {
      refuseSecondPrimaryKey(rel);
      for (const element of index.params) setNotNull(work, rel, attributeOf(rel, element.name ?? ''));
      // Rows are looked at before the index is built, so that the error is about the nulls.
      if (!table.rewrite) scanTable(table);
    }
    defineIndex(rel.oid, { ...index, skipBuild: table.rewrite }, work.sourceText);
    commandCounterIncrement();
  }
  if (elements.checks.length > 0) addCheckConstraints(work, rel, elements.checks, recurse, false);
  addForeignKeysLater(work, rel.oid, elements.foreignKeys);
}

/** The constraints now, the look at the rows when all tables have their final ones. */
export function addForeignKeysLater(work: AlterWork, relid: Oid, constraints: readonly Constraint[]): void {
  for (const constraint of constraints) {
    const rel = tableOpen(relid, LOCK.shareRowExclusive);
    const valid = constraint.skip_validation !== true;
    const oid = addForeignKey(rel, constraint, valid);
    commandCounterIncrement();
    if (valid) work.validations.push({ relid, constraint: oid });
    relationClose(rel, LOCK.none);
  }
}

/** ATAddCheckConstraint(). */
export function addCheckConstraints(
  work: AlterWork,
  rel: RelationData,
  raw: readonly RawCheck[],
  recurse: boolean,
  recursing: boolean,
): void {
  const { checks } = addRelationNewConstraints(
    rel,
    [],
    raw.map((check) => (recursing ? { ...check, isInherited: true } : check)),
    { allowMerge: recursing, isLocal: !recursing },
    work.sourceText,
  );
  const table = alteredTable(work, rel.oid);
  for (const check of checks) if (!check.skipValidation) table.checks.push({ name: check.name, expr: check.expr });
  commandCounterIncrement();
  // Merged with one that was there: the children have it already.
  if (checks.length === 0 || raw.every((check) => check.noInherit)) return;
  const childOids = children(rel.oid, recurse ? work.lock : LOCK.none);
  if (childOids.length > 0 && !recurse) {
    report('ERROR', { code: SQLSTATE.invalidTableDefinition, message: 'constraint must be added to child tables too' });
  }
  // What was named here has that name there, too.
  const named = raw
    .map((check, i) => ({ ...check, name: check.name ?? checks[i]?.name }))
    .filter((check) => !check.noInherit);
  for (const child of childOids) withChild(child, (childRel) => addCheckConstraints(work, childRel, named, true, true));
}

const CANNOT_USE = 'Cannot create a primary key or unique constraint using such an index.';

/** ADD CONSTRAINT … USING INDEX: a unique index that is there becomes the constraint's. */
function addIndexConstraint(work: AlterWork, rel: RelationData, constraint: Constraint): void {
  const indexName = constraint.indexname ?? '';
  const isPrimary = constraint.contype === 'CONSTR_PRIMARY';
  const p = makeParseState(null, work.sourceText);
  const fail = (code: SqlState, message: string, detail?: string): never =>
    failAt(p, code, message, constraint.location, { detail });
  const wrongIndex = (message: string, detail: string): never => fail(SQLSTATE.wrongObjectType, message, detail);
  const row = classByName(indexName, rel.namespace);
  if (row === undefined) {
    fail(SQLSTATE.undefinedObject, `index "${indexName}" does not exist`);
    return;
  }
  const index = indexOpen(row.oid, LOCK.accessShare);
  const desc = index.index!;
  if (indexConstraint(index.oid) !== 0) {
    fail(SQLSTATE.objectNotInPrerequisiteState, `index "${indexName}" is already associated with a constraint`);
  }
  if (desc.heapRelid !== rel.oid) {
    fail(SQLSTATE.objectNotInPrerequisiteState, `index "${indexName}" does not belong to table "${rel.name}"`);
  }
  if (!desc.valid) fail(SQLSTATE.objectNotInPrerequisiteState, `index "${indexName}" is not valid`);
  if (!desc.unique) wrongIndex(`"${indexName}" is not a unique index`, CANNOT_USE);
  if (desc.exprsText !== null) wrongIndex(`index "${indexName}" contains expressions`, CANNOT_USE);
  if (desc.predText !== null) wrongIndex(`"${indexName}" is a partial index`, CANNOT_USE);
  if (!desc.immediate && constraint.deferrable !== true) {
    wrongIndex(
      `"${indexName}" is a deferrable index`,
      'Cannot create a non-deferrable constraint using a deferrable index.',
    );
  }
  for (let i = 0; i < desc.nKeyAtts; i++) {
    const column = rel.tupleDesc.attrs[desc.keys[i]! - 1]!;
    const isDefault =
      desc.opclasses[i] === defaultOpclass(column.typeId, index.amOid)?.oid &&
      desc.collations[i] === column.collation &&
      desc.options[i] === 0;
    if (!isDefault) {
      wrongIndex(`index "${indexName}" column number ${i + 1} does not have default sorting behavior`, CANNOT_USE);
    }
  }
  const keys = desc.keys.slice(0, desc.nKeyAtts);
  if (isPrimary) {
    refuseSecondPrimaryKey(rel);
    for (const attnum of keys) setNotNull(work, rel, attnum);
  }
  const name = constraint.conname ?? indexName;
  const { oid } = index;
  const of = {
    name,
    columns: desc.keys.map((attnum) => ({ attnum })),
    keyCount: desc.nKeyAtts,
    primary: isPrimary,
    constraint: {
      deferrable: constraint.deferrable === true,
      deferred: constraint.initdeferred === true,
      noInherit: true,
    },
  } as unknown as NewIndex;
  relationClose(index, LOCK.none);
  if (name !== indexName) {
    report('NOTICE', {
      message: `ALTER TABLE / ADD CONSTRAINT USING INDEX will rename index "${indexName}" to "${name}"`,
    });
    renameRelation(oid, name, true);
  }
  removeOldIndexDependencies(oid);
  const made = indexConstraintCreate(rel, oid, of);
  const deferrable = constraint.deferrable === true;
  if (deferrable) {
    makeRecheckTrigger(
      rel,
      { oid, constraint: made },
      { primary: isPrimary, initiallyDeferred: constraint.initdeferred === true },
    );
  }
  if (isPrimary || deferrable) {
    indexSetStateFlags(oid, {
      ...(isPrimary ? { indisprimary: true } : {}),
      ...(deferrable ? { indimmediate: false } : {}),
    });
  }
  cacheInvalidateRelcache(rel.oid);
  commandCounterIncrement();
}

// ── DROP, VALIDATE ───────────────────────────────────────────────────────────────────────────────────────────────

const findConstraint = (relid: Oid, name: string): ConstraintRow | undefined =>
  constraintsOf(relid).find((row) => row.conname === name);
const noConstraint = (rel: RelationData, name: string): string =>
  `constraint "${name}" of relation "${rel.name}" does not exist`;

function updateConstraint(oid: Oid, changes: Parameters<typeof catalogUpdateColumns>[2]): void {
  const pgConstraint = tableOpen(RELATION.pgConstraint, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.constraint, pgConstraint, 2667 as Oid, [{ attnum: 1, value: oid }]);
  catalogUpdateColumns(pgConstraint, found!.tid, changes);
  relationClose(pgConstraint, LOCK.rowExclusive);
  commandCounterIncrement();
}

export function dropConstraint(
  work: AlterWork,
  rel: RelationData,
  name: string,
  options: {
    readonly behavior: DropBehavior;
    readonly missingOk: boolean;
    readonly recurse: boolean;
    readonly recursing: boolean;
  },
): void {
  const row = findConstraint(rel.oid, name);
  if (row === undefined) {
    if (!options.missingOk) report('ERROR', { code: SQLSTATE.undefinedObject, message: noConstraint(rel, name) });
    report('NOTICE', { message: `${noConstraint(rel, name)}, skipping` });
    return;
  }
  if (row.coninhcount > 0 && !options.recursing) {
    report('ERROR', {
      code: SQLSTATE.invalidTableDefinition,
      message: `cannot drop inherited constraint "${name}" of relation "${rel.name}"`,
    });
  }
  if (row.contype === 'f' && row.confrelid !== rel.oid) {
    const other = tableOpen(row.confrelid, LOCK.accessExclusive);
    checkTableNotInUse(other, 'ALTER TABLE');
    relationClose(other, LOCK.none);
  }
  performDeletion(objectAddress(RELATION.pgConstraint, row.oid), options.behavior);
  if (row.contype !== 'c' || row.connoinherit) return;
  for (const child of children(rel.oid, work.lock)) {
    const inherited = findConstraint(child, name);
    if (inherited === undefined || inherited.contype !== 'c') continue;
    if (options.recurse && inherited.coninhcount === 1 && !inherited.conislocal) {
      withChild(child, (childRel) => dropConstraint(work, childRel, name, { ...options, recursing: true }));
    } else {
      updateConstraint(inherited.oid, {
        coninhcount: inherited.coninhcount - 1,
        ...(options.recurse ? {} : { conislocal: true }),
      });
    }
  }
}

export function validateConstraint(
  work: AlterWork,
  rel: RelationData,
  name: string,
  recurse: boolean,
  recursing = false,
): void {
  const row = findConstraint(rel.oid, name);
  if (row === undefined) {
    report('ERROR', { code: SQLSTATE.undefinedObject, message: noConstraint(rel, name) });
  }
  if (row.contype !== 'f' && row.contype !== 'c') {
    report('ERROR', {
      code: SQLSTATE.wrongObjectType,
      message: `constraint "${name}" of relation "${rel.name}" is not a foreign key or check constraint`,
    });
  }
  if (row.convalidated) return;
  if (row.contype === 'f') work.validations.push({ relid: rel.oid, constraint: row.oid });
  else {
    const below = recursing || row.connoinherit ? [] : allInheritors(rel.oid, work.lock);
    if (below.length > 0 && !recurse) {
      report('ERROR', {
        code: SQLSTATE.invalidTableDefinition,
        message: 'constraint must be validated on child tables too',
      });
    }
    for (const child of below) {
      const childRel = relationOpen(child, LOCK.none);
      validateConstraint(work, childRel, name, false, true);
      relationClose(childRel, LOCK.none);
    }
    alteredTable(work, rel.oid).checks.push({ name, expr: stringToNode(row.conbin!) as Expr });
  }
  updateConstraint(row.oid, { convalidated: true });
  cacheInvalidateRelcache(rel.oid);
}
