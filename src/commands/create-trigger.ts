/** create-trigger.ts — CREATE TRIGGER, ALTER TRIGGER … RENAME.
 *  Counterpart: CreateTrigger(), renametrig() of src/backend/commands/trigger.c */
import type { CreateTrigStmt, RenameStmt } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { hasRight } from '#catalog/acl.ts';
import { isSystemColumnName } from '#catalog/attribute-checks.ts';
import { catalogInsert, catalogUpdateColumns, catalogValues } from '#catalog/indexing.ts';
import { cacheInvalidateRelcache } from '#catalog/inval.ts';
import { TRIGGER_TYPE } from '#catalog/internal-trigger.ts';
import { functionCandidates } from '#catalog/namespace.ts';
import { getNewOidWithIndex } from '#catalog/new-oid.ts';
import { objectAddress } from '#catalog/object-address.ts';
import { clipName } from '#catalog/object-name.ts';
import { mayOnRelation, mustBeOwner, ownsObject, permissionDenied, RELKIND_WORD } from '#catalog/object-rights.ts';
import { RELATION, TYPE } from '#catalog/oids.ts';
import { createConstraintEntry } from '#catalog/pg-constraint.ts';
import { deleteDependencyRecordsFor, recordDependencyOn } from '#catalog/pg-depend.ts';
import { recordDependencyOnExpr } from '#catalog/expr-dependencies.ts';
import { rangeVarGetRelid } from '#catalog/range-var.ts';
import type { RelationData } from '#catalog/relcache.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { type ProcRow, store, type TriggerRow } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { classRow } from '#catalog/syscache.ts';
import { type CatalogTuple, findCatalogTuples } from '#catalog/systable.ts';
import { cookWhen, type CookedWhen } from '#commands/trigger-condition.ts';
import { stringsOf } from '#parser/ast.ts';
import { functionSignature } from '#parser/func.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE, type SqlState } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

const NO_OID = 0 as Oid;
const TRIGGER_RELID_NAME_INDEX = 2701 as Oid;
const TRIGGER_OID_INDEX = 2702 as Oid;
const CLASS_OID_INDEX = 2662 as Oid;
const RIGHT_TRIGGER = 't';
const RIGHT_EXECUTE = 'X';

const fail = (code: SqlState, message: string, detail?: string): never => report('ERROR', { code, message, detail });

const NOT_SUPPORTED_FOR: Readonly<Record<string, string>> = {
  i: 'indexes',
  I: 'partitioned indexes',
  S: 'sequences',
  t: 'TOAST tables',
  m: 'materialized views',
  c: 'composite types',
};

/** What kind of trigger the relation may have. */
function checkRelationKind(rel: RelationData, type: number): void {
  const wrong = (what: string, detail: string): never =>
    fail(SQLSTATE.wrongObjectType, `"${rel.name}" is ${what}`, detail);
  const instead = (type & TRIGGER_TYPE.instead) !== 0;
  switch (rel.kind) {
    case 'r':
    case 'p':
      if (instead) {
        wrong(rel.kind === 'r' ? 'a table' : 'a partitioned table', 'Tables cannot have INSTEAD OF triggers.');
      }
      break;
    case 'v':
      if (!instead && (type & TRIGGER_TYPE.row) !== 0) {
        wrong('a view', 'Views cannot have row-level BEFORE or AFTER triggers.');
      }
      if ((type & TRIGGER_TYPE.truncate) !== 0) wrong('a view', 'Views cannot have TRUNCATE triggers.');
      break;
    case 'f':
      if (instead) wrong('a foreign table', 'Foreign tables cannot have INSTEAD OF triggers.');
      break;
    default:
      fail(
        SQLSTATE.wrongObjectType,
        `relation "${rel.name}" cannot have triggers`,
        `This operation is not supported for ${NOT_SUPPORTED_FOR[rel.kind] ?? 'this kind of relation'}.`,
      );
  }
  if (rel.isSystem && !settings.allow_system_table_mods) {
    fail(SQLSTATE.insufficientPrivilege, `permission denied: "${rel.name}" is a system catalog`);
  }
}
function checkRight(relid: Oid): void {
  if (mayOnRelation(relid, RIGHT_TRIGGER)) return;
  const row = classRow(relid)!;
  permissionDenied(RELKIND_WORD[row.relkind] ?? 'relation', row.relname);
}

function checkShape(stmt: CreateTrigStmt, type: number): void {
  const refuse = (message: string): never => fail(SQLSTATE.featureNotSupported, message);
  if ((type & TRIGGER_TYPE.row) !== 0 && (type & TRIGGER_TYPE.truncate) !== 0) {
    refuse('TRUNCATE FOR EACH ROW triggers are not supported');
  }
  if ((type & TRIGGER_TYPE.instead) !== 0) {
    if ((type & TRIGGER_TYPE.row) === 0) refuse('INSTEAD OF triggers must be FOR EACH ROW');
    if (stmt.whenClause !== undefined) refuse('INSTEAD OF triggers cannot have WHEN conditions');
    if ((stmt.columns ?? []).length > 0) refuse('INSTEAD OF triggers cannot have column lists');
  }
  if ((stmt.transitionRels ?? []).length > 0) refuse('transition tables are not supported yet');
}

/** The trigger function: without parameters, returning trigger. */
function findFunction(names: readonly string[]): ProcRow {
  const found = functionCandidates(names, 0, [], false, false).find(({ row }) => row.pronargs === 0)?.row;
  if (found === undefined) {
    fail(SQLSTATE.undefinedFunction, `function ${functionSignature(names, [], [])} does not exist`);
  }
  const row = found!;
  const acl = { letter: 'f', owner: row.proowner, acl: row.proacl };
  if (!hasRight(acl, sessionIdentity.userOid, RIGHT_EXECUTE, false)) permissionDenied('function', row.proname);
  if (row.prorettype !== TYPE.trigger) {
    fail(SQLSTATE.invalidObjectDefinition, `function ${names.join('.')} must return type trigger`);
  }
  return row;
}

function columnNumbers(rel: RelationData, names: readonly string[]): number[] {
  const numbers: number[] = [];
  for (const name of names) {
    const number = rel.tupleDesc.attributeIndex(name) + 1;
    if (number === 0 && !isSystemColumnName(name)) {
      fail(SQLSTATE.undefinedColumn, `column "${name}" of relation "${rel.name}" does not exist`);
    }
    if (number === 0) {
      fail(SQLSTATE.featureNotSupported, `triggers on system column "${name}" are not supported yet`);
    }
    if (numbers.includes(number)) fail(SQLSTATE.duplicateColumn, `column "${name}" specified more than once`);
    numbers.push(number);
  }
  return numbers;
}

const triggersNamed = (pgTrigger: RelationData, relid: Oid, name: string): CatalogTuple<TriggerRow>[] =>
  findCatalogTuples(store.trigger, pgTrigger, TRIGGER_RELID_NAME_INDEX, [
    { attnum: 2, value: relid },
    { attnum: 4, value: name },
  ]);

export function createTrigger(stmt: CreateTrigStmt, sourceText: string): Oid {
  const target = stmt.relation!;
  const relid = rangeVarGetRelid(
    { catalog: target.catalogname, schema: target.schemaname, name: target.relname! },
    LOCK.shareRowExclusive,
    { position: target.location === undefined ? undefined : target.location + 1 },
  );
  const rel = tableOpen(relid, LOCK.none);
  const type = (stmt.row === true ? TRIGGER_TYPE.row : 0) | (stmt.timing ?? 0) | (stmt.events ?? 0);
  checkRelationKind(rel, type);
  let otherRelid = NO_OID;
  if (stmt.isconstraint === true && stmt.constrrel !== undefined) {
    const other = stmt.constrrel;
    otherRelid = rangeVarGetRelid(
      { catalog: other.catalogname, schema: other.schemaname, name: other.relname! },
      LOCK.accessShare,
    );
  }
  checkRight(relid);
  if (otherRelid !== 0) checkRight(otherRelid);
  checkShape(stmt, type);
  const when = stmt.whenClause === undefined ? null : cookWhen(rel, stmt.whenClause, type, sourceText);
  const func = findFunction(stringsOf(stmt.funcname));
  const name = clipName(stmt.trigname!);
  const oid = storeTrigger(rel, stmt, { name, type, func, otherRelid, when });
  relationClose(rel, LOCK.none);
  return oid;
}

interface CookedTrigger {
  readonly name: string;
  readonly type: number;
  readonly func: ProcRow;
  readonly otherRelid: Oid;
  readonly when: CookedWhen | null;
}
function storeTrigger(rel: RelationData, stmt: CreateTrigStmt, of: CookedTrigger): Oid {
  const pgTrigger = tableOpen(RELATION.pgTrigger, LOCK.rowExclusive);
  const [existing] = triggersNamed(pgTrigger, rel.oid, of.name);
  if (existing !== undefined) checkReplaceable(stmt, rel, of.name, existing.row);
  const deferrable = stmt.deferrable === true;
  const initiallyDeferred = stmt.initdeferred === true;
  let constraint = NO_OID;
  if (stmt.isconstraint === true) {
    constraint = createConstraintEntry({
      name: of.name,
      namespace: rel.namespace,
      type: 't',
      deferrable,
      deferred: initiallyDeferred,
      relid: rel.oid,
      noInherit: true,
    });
  }
  const columns = columnNumbers(rel, stringsOf(stmt.columns));
  const args = stringsOf(stmt.args);
  const oid = existing?.row.oid ?? getNewOidWithIndex(pgTrigger, TRIGGER_OID_INDEX);
  const values = {
    oid,
    tgrelid: rel.oid,
    tgparentid: NO_OID,
    tgname: of.name,
    tgfoid: of.func.oid,
    tgtype: of.type,
    tgenabled: 'O',
    tgisinternal: false,
    tgconstrrelid: of.otherRelid,
    tgconstrindid: NO_OID,
    tgconstraint: constraint,
    tgdeferrable: deferrable,
    tginitdeferred: initiallyDeferred,
    tgnargs: args.length,
    tgattr: {
      kind: 'array' as const,
      elementType: TYPE.int2,
      dims: [columns.length],
      lowerBounds: [0],
      elements: columns,
    },
    tgargs: new Uint8Array(Buffer.from(args.map((arg) => `${arg}\0`).join(''))),
    tgqual: of.when?.text ?? null,
    tgoldtable: null,
    tgnewtable: null,
  };
  if (existing === undefined) catalogInsert(pgTrigger, catalogValues(pgTrigger, values));
  else {
    catalogUpdateColumns(pgTrigger, existing.tid, values);
    deleteDependencyRecordsFor(RELATION.pgTrigger, oid, true);
  }
  relationClose(pgTrigger, LOCK.rowExclusive);
  markRelation(rel.oid);
  recordDependencies(rel.oid, oid, constraint, columns, of);
  return oid;
}
function checkReplaceable(stmt: CreateTrigStmt, rel: RelationData, name: string, row: TriggerRow): void {
  const refuse = (what: string): never =>
    fail(SQLSTATE.duplicateObject, `trigger "${name}" for relation "${rel.name}" ${what}`);
  if (stmt.replace !== true) refuse('already exists');
  if (row.tgisinternal || row.tgparentid !== 0) refuse('is an internal or a child trigger');
  if (row.tgconstraint !== 0) refuse('is a constraint trigger');
}
/** pg_class.relhastriggers, and everybody who has the relation in the cache. */
function markRelation(relid: Oid): void {
  const pgClass = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.class, pgClass, CLASS_OID_INDEX, [{ attnum: 1, value: relid }]);
  if (found === undefined) report('ERROR', { message: `cache lookup failed for relation ${relid}` });
  if (!found.row.relhastriggers) {
    catalogUpdateColumns(pgClass, found.tid, { relhastriggers: true });
    commandCounterIncrement();
  } else cacheInvalidateRelcache(relid);
  relationClose(pgClass, LOCK.rowExclusive);
}
function recordDependencies(
  relid: Oid,
  oid: Oid,
  constraint: Oid,
  columns: readonly number[],
  of: CookedTrigger,
): void {
  const myself = objectAddress(RELATION.pgTrigger, oid);
  recordDependencyOn(myself, objectAddress(RELATION.pgProc, of.func.oid), 'n');
  recordDependencyOn(myself, objectAddress(RELATION.pgClass, relid), 'a');
  if (of.otherRelid !== 0) recordDependencyOn(myself, objectAddress(RELATION.pgClass, of.otherRelid), 'a');
  // Whoever drops the constraint of a trigger that a user made is told to drop the trigger.
  if (constraint !== 0) recordDependencyOn(objectAddress(RELATION.pgConstraint, constraint), myself, 'i');
  for (const column of columns) recordDependencyOn(myself, objectAddress(RELATION.pgClass, relid, column), 'n');
  if (of.when !== null) recordDependencyOnExpr(myself, [of.when.expr], of.when.rtable, 'n');
}

// ── changing ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** ALTER TRIGGER … ON table RENAME TO … */
export function renameTrigger(stmt: RenameStmt): void {
  const target = stmt.relation!;
  const relid = rangeVarGetRelid(
    { catalog: target.catalogname, schema: target.schemaname, name: target.relname! },
    LOCK.accessExclusive,
    {},
    (oid) => {
      const row = classRow(oid);
      if (row === undefined) return;
      if (!'rvfp'.includes(row.relkind)) {
        fail(
          SQLSTATE.wrongObjectType,
          `relation "${row.relname}" cannot have triggers`,
          `This operation is not supported for ${NOT_SUPPORTED_FOR[row.relkind] ?? 'this kind of relation'}.`,
        );
      }
      if (!ownsObject(row.relowner)) mustBeOwner(RELKIND_WORD[row.relkind] ?? 'relation', row.relname);
      if (!settings.allow_system_table_mods && oid < FIRST_UNPINNED) {
        fail(SQLSTATE.insufficientPrivilege, `permission denied: "${row.relname}" is a system catalog`);
      }
    },
  );
  const rel = tableOpen(relid, LOCK.none);
  const pgTrigger = tableOpen(RELATION.pgTrigger, LOCK.rowExclusive);
  const from = stmt.subname!;
  const to = clipName(stmt.newname!);
  const [found] = triggersNamed(pgTrigger, relid, from);
  if (found === undefined) {
    fail(SQLSTATE.undefinedObject, `trigger "${from}" for table "${rel.name}" does not exist`);
  } else if (to !== from && triggersNamed(pgTrigger, relid, to).length > 0) {
    fail(SQLSTATE.duplicateObject, `trigger "${to}" for relation "${rel.name}" already exists`);
  } else {
    catalogUpdateColumns(pgTrigger, found.tid, { tgname: to });
    cacheInvalidateRelcache(relid);
  }
  relationClose(pgTrigger, LOCK.rowExclusive);
  relationClose(rel, LOCK.none);
}
const FIRST_UNPINNED = 12000;
