/** alter-table.ts — ALTER TABLE (and INDEX, VIEW, SEQUENCE …): one statement, several commands, each in its pass.
 *
 *  Drops go first, then new types, new columns, constraints, as later commands may need what earlier ones made. Rows are
 *  looked at or rewritten once, at the end.
 *  Counterpart: AlterTable() and ATController() of src/backend/commands/tablecmds.c */
import type {
  AlterTableCmd,
  AlterTableStmt,
  ColumnDef,
  ObjectType,
  RangeVar,
  ReplicaIdentityStmt,
  RoleSpec,
} from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import type { DropBehavior } from '#catalog/dependency.ts';
import { allInheritors } from '#catalog/inheritors.ts';
import { rangeVarGetRelid } from '#catalog/range-var.ts';
import type { RelationData } from '#catalog/relcache.ts';
import { relationClose, relationOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { classRow, namespaceRow } from '#catalog/syscache.ts';
import { checkTableNotInUse } from '#catalog/table-in-use.ts';
import { createToastTable } from '#catalog/toasting.ts';
import { changeColumnType, dropForRebuild, prepareColumnType, rebuild } from '#commands/alter-column-type.ts';
import * as column from '#commands/alter-column.ts';
import * as constraint from '#commands/alter-constraint.ts';
import { addInherit, dropInherit } from '#commands/alter-inherit.ts';
import * as option from '#commands/alter-options.ts';
import { forAlterRelation, NOT_SUPPORTED_FOR, relationName } from '#commands/alter-relation-check.ts';
import { rewriteTables } from '#commands/alter-rewrite.ts';
import { alteredTable, type AlterWork } from '#commands/alter-work.ts';
import { changeRelationOwner } from '#commands/relation-owner.ts';
import { roleSpecOid } from '#commands/role-spec.ts';
import { changePersistenceOfSequence } from '#commands/sequence-persistence.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK, type LockMode } from '#storage/lmgr/lock-modes.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

/** What is known of a command: the kinds of relations that it is for, its name, its pass, its lock. */
interface Rule {
  readonly kinds: string;
  readonly words: string;
  readonly pass: number;
  readonly lock?: LockMode;
  /** Done for all children by themselves. */
  readonly simpleRecursion?: boolean;
}
const PASS = { drop: 0, type: 1, rebuild: 2, addColumn: 3, setColumn: 4, constraint: 5, misc: 6 } as const;
const LIGHT = LOCK.shareUpdateExclusive;
const TRIGGER = LOCK.shareRowExclusive;
const rule = (kinds: string, words: string, pass: number, lock?: LockMode, simpleRecursion = false): Rule => ({
  kinds,
  words,
  pass,
  simpleRecursion,
  ...(lock === undefined ? {} : { lock }),
});
const RULES: Readonly<Record<string, Rule>> = {
  AT_AddColumn: rule('rcf', 'ADD COLUMN', PASS.addColumn),
  AT_DropColumn: rule('rcf', 'DROP COLUMN', PASS.drop),
  AT_ColumnDefault: rule('rvf', 'ALTER COLUMN ... SET DEFAULT', PASS.setColumn, undefined, true),
  AT_SetNotNull: rule('rf', 'ALTER COLUMN ... SET NOT NULL', PASS.setColumn, undefined, true),
  AT_DropNotNull: rule('rf', 'ALTER COLUMN ... DROP NOT NULL', PASS.drop, undefined, true),
  AT_DropExpression: rule('rf', 'ALTER COLUMN ... DROP EXPRESSION', PASS.drop, undefined, true),
  AT_DropIdentity: rule('rvf', 'ALTER COLUMN ... DROP IDENTITY', PASS.drop),
  AT_SetStatistics: rule('rmif', 'ALTER COLUMN ... SET STATISTICS', PASS.misc, LIGHT, true),
  AT_SetOptions: rule('rmf', 'ALTER COLUMN ... SET', PASS.misc, LIGHT),
  AT_ResetOptions: rule('rmf', 'ALTER COLUMN ... RESET', PASS.misc, LIGHT),
  AT_SetStorage: rule('rmf', 'ALTER COLUMN ... SET STORAGE', PASS.misc, undefined, true),
  AT_SetCompression: rule('rm', 'ALTER COLUMN ... SET COMPRESSION', PASS.misc),
  AT_AlterColumnType: rule('rcf', 'ALTER COLUMN ... SET DATA TYPE', PASS.type),
  AT_AddConstraint: rule('rf', 'ADD CONSTRAINT', PASS.constraint),
  AT_DropConstraint: rule('rf', 'DROP CONSTRAINT', PASS.drop),
  AT_ValidateConstraint: rule('rf', 'VALIDATE CONSTRAINT', PASS.misc, LIGHT),
  AT_ChangeOwner: rule('rvmSicft', 'OWNER TO', PASS.misc),
  AT_ClusterOn: rule('rm', 'CLUSTER ON', PASS.misc, LIGHT),
  AT_DropCluster: rule('rm', 'SET WITHOUT CLUSTER', PASS.misc, LIGHT),
  AT_SetLogged: rule('rS', 'SET LOGGED', PASS.misc),
  AT_SetUnLogged: rule('rS', 'SET UNLOGGED', PASS.misc),
  AT_SetRelOptions: rule('rvmi', 'SET', PASS.misc, LIGHT),
  AT_ResetRelOptions: rule('rvmi', 'RESET', PASS.misc, LIGHT),
  AT_EnableTrig: rule('rf', 'ENABLE TRIGGER', PASS.misc, TRIGGER),
  AT_EnableAlwaysTrig: rule('rf', 'ENABLE ALWAYS TRIGGER', PASS.misc, TRIGGER),
  AT_EnableReplicaTrig: rule('rf', 'ENABLE REPLICA TRIGGER', PASS.misc, TRIGGER),
  AT_EnableTrigAll: rule('rf', 'ENABLE TRIGGER ALL', PASS.misc, TRIGGER),
  AT_EnableTrigUser: rule('rf', 'ENABLE TRIGGER USER', PASS.misc, TRIGGER),
  AT_DisableTrig: rule('rf', 'DISABLE TRIGGER', PASS.misc, TRIGGER),
  AT_DisableTrigAll: rule('rf', 'DISABLE TRIGGER ALL', PASS.misc, TRIGGER),
  AT_DisableTrigUser: rule('rf', 'DISABLE TRIGGER USER', PASS.misc, TRIGGER),
  AT_EnableRule: rule('r', 'ENABLE RULE', PASS.misc),
  AT_EnableAlwaysRule: rule('r', 'ENABLE ALWAYS RULE', PASS.misc),
  AT_EnableReplicaRule: rule('r', 'ENABLE REPLICA RULE', PASS.misc),
  AT_DisableRule: rule('r', 'DISABLE RULE', PASS.misc),
  AT_AddInherit: rule('rf', 'INHERIT', PASS.misc),
  AT_DropInherit: rule('rf', 'NO INHERIT', PASS.misc),
  AT_ReplicaIdentity: rule('rm', 'REPLICA IDENTITY', PASS.misc),
};

function ruleOf(command: AlterTableCmd): Rule {
  const found = RULES[command.subtype ?? ''];
  if (found !== undefined) return found;
  return report('ERROR', {
    code: SQLSTATE.featureNotSupported,
    message: `ALTER TABLE ... ${(command.subtype ?? '').replace(/^AT_/, '')} is not supported yet`,
  });
}
/** A default goes before its column changes its type, and comes after. */
const passOf = (command: AlterTableCmd): number =>
  command.subtype === 'AT_ColumnDefault' && command.def === undefined ? PASS.drop : ruleOf(command).pass;
/** AlterTableGetLockLevel(): the strongest that one of the commands needs. */
function lockOf(commands: readonly AlterTableCmd[]): LockMode {
  let lock: LockMode = LOCK.shareUpdateExclusive;
  for (const command of commands) {
    const def = command.def;
    const isForeignKey =
      command.subtype === 'AT_AddConstraint' &&
      def !== undefined &&
      'Constraint' in def &&
      def.Constraint.contype === 'CONSTR_FOREIGN';
    const needed = isForeignKey ? LOCK.shareRowExclusive : (ruleOf(command).lock ?? LOCK.accessExclusive);
    if (needed > lock) lock = needed;
  }
  return lock;
}

export function alterTableStatement(stmt: AlterTableStmt, sourceText: string): void {
  const commands = (stmt.cmds ?? []).flatMap((node) => ('AlterTableCmd' in node ? [node.AlterTableCmd] : []));
  const lock = lockOf(commands);
  const relid = rangeVarGetRelid(
    relationName(stmt.relation!),
    lock,
    { missingOk: stmt.missing_ok === true },
    forAlterRelation(stmt.objtype as ObjectType, 'alter'),
  );
  if (relid === 0) {
    report('NOTICE', { message: `relation "${stmt.relation!.relname}" does not exist, skipping` });
    return;
  }
  const work: AlterWork = { sourceText, lock, tables: new Map(), rebuilds: new Map(), validations: [] };
  alterTable(work, relid, commands, stmt.relation!.inh === true);
}

/** ATController(). The relation is locked. */
export function alterTable(work: AlterWork, relid: Oid, commands: readonly AlterTableCmd[], recurse: boolean): void {
  const rel = relationOpen(relid, LOCK.none);
  checkTableNotInUse(rel, 'ALTER TABLE');
  if (rel.kind === 'p' || rel.isPartition) {
    report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'partitioned tables are not supported yet' });
  }
  for (const command of commands) checkKind(rel, command);
  alteredTable(work, relid);
  relationClose(rel, LOCK.none);
  for (let pass: number = PASS.drop; pass <= PASS.misc; pass++) {
    if (pass === PASS.rebuild) {
      dropForRebuild(work);
      rebuild(work);
    }
    for (const command of commands) {
      if (passOf(command) !== pass) continue;
      runWithChildren(work, relid, command, recurse);
      commandCounterIncrement();
    }
  }
  for (const table of work.tables.keys()) createToastTableIfTable(table, work.lock);
  rewriteTables(work);
}
function createToastTableIfTable(relid: Oid, lock: LockMode): void {
  const kind = classRow(relid)?.relkind;
  if (kind === 'r' || kind === 'm') createToastTable(relid, null, lock);
}

/** ATSimplePermissions(). */
function checkKind(rel: RelationData, command: AlterTableCmd): void {
  const { kinds, words } = ruleOf(command);
  if (kinds.includes(rel.kind)) return;
  report('ERROR', {
    code: SQLSTATE.wrongObjectType,
    message: `ALTER action ${words} cannot be performed on relation "${rel.name}"`,
    ...(NOT_SUPPORTED_FOR[rel.kind] === undefined ? {} : { detail: NOT_SUPPORTED_FOR[rel.kind]! }),
  });
}

/** ATSimpleRecursion(). */
function runWithChildren(work: AlterWork, relid: Oid, command: AlterTableCmd, recurse: boolean): void {
  runOn(work, relid, command, recurse);
  if (!recurse || ruleOf(command).simpleRecursion !== true || classRow(relid)?.relkind !== 'r') return;
  for (const child of allInheritors(relid, work.lock)) {
    commandCounterIncrement();
    runOn(work, child, command, false);
  }
}
function runOn(work: AlterWork, relid: Oid, command: AlterTableCmd, recurse: boolean): void {
  const rel = relationOpen(relid, LOCK.none);
  checkTableNotInUse(rel, 'ALTER TABLE');
  checkKind(rel, command);
  alteredTable(work, relid);
  run(work, rel, command, recurse);
  relationClose(rel, LOCK.none);
}

function run(work: AlterWork, rel: RelationData, command: AlterTableCmd, recurse: boolean): void {
  const behavior: DropBehavior = command.behavior === 'DROP_CASCADE' ? 'cascade' : 'restrict';
  const name = command.name ?? '';
  const missingOk = command.missing_ok === true;
  switch (command.subtype) {
    case 'AT_AddColumn':
      refuseRowTypeInUse(rel);
      column.addColumn(work, rel, (command.def as { ColumnDef: ColumnDef }).ColumnDef, {
        recurse,
        ifNotExists: missingOk,
      });
      return;
    case 'AT_DropColumn':
      column.dropColumn(work, rel, name, { behavior, missingOk, recurse, recursing: false });
      return;
    case 'AT_ColumnDefault':
      column.columnDefault(work, rel, name, command.def);
      return;
    case 'AT_SetNotNull':
      column.setNotNull(work, rel, column.attributeOf(rel, name));
      return;
    case 'AT_DropNotNull':
      column.dropNotNull(rel, column.attributeOf(rel, name));
      return;
    case 'AT_DropExpression':
      column.dropExpression(rel, name, missingOk);
      return;
    case 'AT_DropIdentity':
      column.dropIdentity(rel, name, missingOk);
      return;
    case 'AT_SetStorage':
      column.setStorage(rel, name, command.def);
      return;
    case 'AT_SetCompression':
      column.setCompression(rel, name, command.def);
      return;
    case 'AT_SetStatistics':
      column.setStatistics(rel, command);
      return;
    case 'AT_AlterColumnType':
      refuseRowTypeInUse(rel);
      prepareColumnType(work, rel, command, recurse, false);
      changeColumnType(work, rel, command);
      return;
    case 'AT_AddConstraint':
      constraint.addConstraint(work, rel, command.def!, recurse);
      return;
    case 'AT_DropConstraint':
      constraint.dropConstraint(work, rel, name, { behavior, missingOk, recurse, recursing: false });
      return;
    case 'AT_ValidateConstraint':
      constraint.validateConstraint(work, rel, name, recurse);
      return;
    default:
      runOnWhole(work, rel, command);
  }
}

/** The row type may be a column's type elsewhere, whose stored rows would not have the new shape. */
function refuseRowTypeInUse(rel: RelationData): void {
  const type = store.type.byOid(rel.typeId);
  if (type === undefined) return;
  const users = [...store.attribute.by('atttypid', rel.typeId), ...store.attribute.by('atttypid', type.typarray)];
  for (const user of users) {
    const table = classRow(user.attrelid);
    if (user.attisdropped || table === undefined || !'rm'.includes(table.relkind)) continue;
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: `cannot alter ${rel.kind === 'c' ? 'type' : 'table'} "${rel.name}" because column "${table.relname}.${user.attname}" uses its row type`,
    });
  }
}

function runOnWhole(work: AlterWork, rel: RelationData, command: AlterTableCmd): void {
  const name = command.name ?? '';
  switch (command.subtype) {
    case 'AT_ChangeOwner':
      changeRelationOwner(rel.oid, roleSpecOid(command.newowner as RoleSpec), false, work.lock);
      return;
    case 'AT_SetRelOptions':
    case 'AT_ResetRelOptions':
      option.setOptions(rel, command);
      return;
    case 'AT_SetOptions':
    case 'AT_ResetOptions':
      option.setColumnOptions(rel, command);
      return;
    case 'AT_ClusterOn':
      option.clusterOn(rel, name);
      return;
    case 'AT_DropCluster':
      option.clusterOn(rel, null);
      return;
    case 'AT_ReplicaIdentity':
      option.replicaIdentity(rel, (command.def as { ReplicaIdentityStmt: ReplicaIdentityStmt }).ReplicaIdentityStmt);
      return;
    case 'AT_SetLogged':
      changePersistence(work, rel, 'p');
      return;
    case 'AT_SetUnLogged':
      changePersistence(work, rel, 'u');
      return;
    case 'AT_AddInherit':
      addInherit(rel, (command.def as { RangeVar: RangeVar }).RangeVar);
      return;
    case 'AT_DropInherit':
      dropInherit(rel, (command.def as { RangeVar: RangeVar }).RangeVar);
      return;
    default:
      switchFiring(rel, command.subtype ?? '', name);
  }
}

function switchFiring(rel: RelationData, subtype: string, name: string): void {
  const fires = subtype.startsWith('AT_Disable')
    ? 'D'
    : subtype.includes('Always')
      ? 'A'
      : subtype.includes('Replica')
        ? 'R'
        : 'O';
  if (subtype.endsWith('Rule')) option.enableRule(rel, name, fires);
  else if (subtype.endsWith('TrigAll')) option.enableTriggers(rel, null, fires, false);
  else if (subtype.endsWith('TrigUser')) option.enableTriggers(rel, null, fires, true);
  else option.enableTriggers(rel, name, fires, false);
}

/** ATPrepChangePersistence(). */
function changePersistence(work: AlterWork, rel: RelationData, persistence: 'p' | 'u'): void {
  if (rel.persistence === 't') {
    report('ERROR', {
      code: SQLSTATE.invalidTableDefinition,
      message: `cannot change logged status of table "${rel.name}" because it is temporary`,
      schema: namespaceRow(rel.namespace)?.nspname,
      table: rel.name,
    });
  }
  if (rel.persistence === persistence) return;
  if (rel.kind === 'S') {
    changePersistenceOfSequence(rel.oid, persistence);
    return;
  }
  for (const row of store.constraint.all()) {
    if (row.contype !== 'f') continue;
    const other = persistence === 'p' ? row.confrelid : row.conrelid;
    const mine = persistence === 'p' ? row.conrelid : row.confrelid;
    if (mine !== rel.oid || other === rel.oid) continue;
    const table = classRow(other);
    // A logged table must not refer to an unlogged one.
    if (table === undefined || (persistence === 'p' ? table.relpersistence === 'p' : table.relpersistence !== 'p'))
      continue;
    report('ERROR', {
      code: SQLSTATE.invalidTableDefinition,
      message:
        persistence === 'p'
          ? `could not change table "${rel.name}" to logged because it references unlogged table "${table.relname}"`
          : `could not change table "${rel.name}" to unlogged because it references logged table "${table.relname}"`,
      schema: namespaceRow(rel.namespace)?.nspname,
      table: rel.name,
      constraint: row.conname,
    });
  }
  const table = alteredTable(work, rel.oid);
  table.rewrite = true;
  table.newPersistence = persistence;
}
