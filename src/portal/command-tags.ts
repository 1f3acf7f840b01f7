/** command-tags.ts — the name of every command: in CommandComplete, in ps, in the log, in error messages.
 *
 *  Counterpart: src/include/tcop/cmdtaglist.h, CreateCommandTag() of src/backend/tcop/utility.c */
import type { Node } from '@pgsql/types';
import type { Query } from '#nodes/parse-nodes.ts';
import type { PlannedStmt } from '#nodes/plan-nodes.ts';
import { type Body, bodyOf, isTag, listItems, type Tag, tagOf } from '#parser/ast.ts';

/** What a finished command reports. */
export interface QueryCompletion {
  tag: string;
  rows: number;
}

/** SELECT INTO: the leftmost select of a set operation has the clause. */
function hasInto(select: Body<'SelectStmt'>): boolean {
  let leftmost = select;
  while (leftmost.larg !== undefined) leftmost = leftmost.larg;
  return leftmost.intoClause !== undefined;
}

/** Commands whose completion carries a row count. */
const COUNTS_ROWS: ReadonlySet<string> = new Set(['SELECT', 'UPDATE', 'DELETE', 'MERGE', 'FETCH', 'MOVE', 'COPY']);

/** Text of CommandComplete. */
export function completionText(qc: QueryCompletion): string {
  // The 0 was the OID of the inserted row, in tables that had OIDs.
  if (qc.tag === 'INSERT') return `INSERT 0 ${qc.rows}`;
  return COUNTS_ROWS.has(qc.tag) ? `${qc.tag} ${qc.rows}` : qc.tag;
}

/** Names of kinds of objects, as CREATE, ALTER and DROP say them. */
const OBJECT_NAMES: Readonly<Record<string, string>> = {
  OBJECT_ACCESS_METHOD: 'ACCESS METHOD',
  OBJECT_AGGREGATE: 'AGGREGATE',
  OBJECT_AMOP: 'OPERATOR FAMILY',
  OBJECT_AMPROC: 'OPERATOR FAMILY',
  OBJECT_ATTRIBUTE: 'TYPE',
  OBJECT_CAST: 'CAST',
  OBJECT_COLLATION: 'COLLATION',
  OBJECT_COLUMN: 'TABLE',
  OBJECT_CONVERSION: 'CONVERSION',
  OBJECT_DATABASE: 'DATABASE',
  OBJECT_DOMAIN: 'DOMAIN',
  OBJECT_DOMCONSTRAINT: 'DOMAIN',
  OBJECT_EVENT_TRIGGER: 'EVENT TRIGGER',
  OBJECT_EXTENSION: 'EXTENSION',
  OBJECT_FDW: 'FOREIGN DATA WRAPPER',
  OBJECT_FOREIGN_SERVER: 'SERVER',
  OBJECT_FOREIGN_TABLE: 'FOREIGN TABLE',
  OBJECT_FUNCTION: 'FUNCTION',
  OBJECT_INDEX: 'INDEX',
  OBJECT_LANGUAGE: 'LANGUAGE',
  OBJECT_LARGEOBJECT: 'LARGE OBJECT',
  OBJECT_MATVIEW: 'MATERIALIZED VIEW',
  OBJECT_OPCLASS: 'OPERATOR CLASS',
  OBJECT_OPERATOR: 'OPERATOR',
  OBJECT_OPFAMILY: 'OPERATOR FAMILY',
  OBJECT_POLICY: 'POLICY',
  OBJECT_PROCEDURE: 'PROCEDURE',
  OBJECT_PUBLICATION: 'PUBLICATION',
  OBJECT_ROLE: 'ROLE',
  OBJECT_ROUTINE: 'ROUTINE',
  OBJECT_RULE: 'RULE',
  OBJECT_SCHEMA: 'SCHEMA',
  OBJECT_SEQUENCE: 'SEQUENCE',
  OBJECT_STATISTIC_EXT: 'STATISTICS',
  OBJECT_SUBSCRIPTION: 'SUBSCRIPTION',
  OBJECT_TABCONSTRAINT: 'TABLE',
  OBJECT_TABLE: 'TABLE',
  OBJECT_TABLESPACE: 'TABLESPACE',
  OBJECT_TRANSFORM: 'TRANSFORM',
  OBJECT_TRIGGER: 'TRIGGER',
  OBJECT_TSCONFIGURATION: 'TEXT SEARCH CONFIGURATION',
  OBJECT_TSDICTIONARY: 'TEXT SEARCH DICTIONARY',
  OBJECT_TSPARSER: 'TEXT SEARCH PARSER',
  OBJECT_TSTEMPLATE: 'TEXT SEARCH TEMPLATE',
  OBJECT_TYPE: 'TYPE',
  OBJECT_USER_MAPPING: 'USER MAPPING',
  OBJECT_VIEW: 'VIEW',
};
const withObject = (verb: string, object: string | undefined): string => {
  const name = OBJECT_NAMES[object ?? 'OBJECT_TABLE'];
  return name === undefined ? '???' : `${verb} ${name}`;
};

const TRANSACTION_TAGS: Readonly<Record<string, string>> = {
  TRANS_STMT_BEGIN: 'BEGIN',
  TRANS_STMT_START: 'START TRANSACTION',
  TRANS_STMT_COMMIT: 'COMMIT',
  TRANS_STMT_ROLLBACK: 'ROLLBACK',
  TRANS_STMT_SAVEPOINT: 'SAVEPOINT',
  TRANS_STMT_RELEASE: 'RELEASE',
  TRANS_STMT_ROLLBACK_TO: 'ROLLBACK',
  TRANS_STMT_PREPARE: 'PREPARE TRANSACTION',
  TRANS_STMT_COMMIT_PREPARED: 'COMMIT PREPARED',
  TRANS_STMT_ROLLBACK_PREPARED: 'ROLLBACK PREPARED',
};

/** How a statement is logged (log_statement): ddl, mod, or only with all. */
export type LogClass = 'ddl' | 'mod' | 'all';

type TagRule = string | ((body: never) => string);
const rule = <T extends Tag>(_tag: T, by: (body: Body<T>) => string): TagRule => by as (body: never) => string;

/** By the grammar's node: the tag, and the class for log_statement. */
const COMMANDS: Readonly<Partial<Record<Tag, readonly [TagRule, LogClass]>>> = {
  SelectStmt: [rule('SelectStmt', (s) => (hasInto(s) ? 'SELECT INTO' : 'SELECT')), 'all'],
  InsertStmt: ['INSERT', 'mod'],
  UpdateStmt: ['UPDATE', 'mod'],
  DeleteStmt: ['DELETE', 'mod'],
  MergeStmt: ['MERGE', 'mod'],
  TransactionStmt: [rule('TransactionStmt', (s) => TRANSACTION_TAGS[s.kind ?? 'TRANS_STMT_BEGIN'] ?? '???'), 'all'],
  DeclareCursorStmt: ['DECLARE CURSOR', 'all'],
  ClosePortalStmt: [
    rule('ClosePortalStmt', (s) => (s.portalname === undefined ? 'CLOSE CURSOR ALL' : 'CLOSE CURSOR')),
    'all',
  ],
  FetchStmt: [rule('FetchStmt', (s) => (s.ismove === true ? 'MOVE' : 'FETCH')), 'all'],
  CreateDomainStmt: ['CREATE DOMAIN', 'ddl'],
  CreateSchemaStmt: ['CREATE SCHEMA', 'ddl'],
  CreateStmt: ['CREATE TABLE', 'ddl'],
  CreateTableSpaceStmt: ['CREATE TABLESPACE', 'ddl'],
  DropTableSpaceStmt: ['DROP TABLESPACE', 'ddl'],
  AlterTableSpaceOptionsStmt: ['ALTER TABLESPACE', 'ddl'],
  CreateExtensionStmt: ['CREATE EXTENSION', 'ddl'],
  AlterExtensionStmt: ['ALTER EXTENSION', 'ddl'],
  AlterExtensionContentsStmt: ['ALTER EXTENSION', 'ddl'],
  CreateFdwStmt: ['CREATE FOREIGN DATA WRAPPER', 'ddl'],
  AlterFdwStmt: ['ALTER FOREIGN DATA WRAPPER', 'ddl'],
  CreateForeignServerStmt: ['CREATE SERVER', 'ddl'],
  AlterForeignServerStmt: ['ALTER SERVER', 'ddl'],
  CreateUserMappingStmt: ['CREATE USER MAPPING', 'ddl'],
  AlterUserMappingStmt: ['ALTER USER MAPPING', 'ddl'],
  DropUserMappingStmt: ['DROP USER MAPPING', 'ddl'],
  CreateForeignTableStmt: ['CREATE FOREIGN TABLE', 'ddl'],
  ImportForeignSchemaStmt: ['IMPORT FOREIGN SCHEMA', 'ddl'],
  DropStmt: [rule('DropStmt', (s) => withObject('DROP', s.removeType)), 'ddl'],
  TruncateStmt: ['TRUNCATE TABLE', 'mod'],
  CommentStmt: ['COMMENT', 'ddl'],
  SecLabelStmt: ['SECURITY LABEL', 'ddl'],
  CopyStmt: ['COPY', 'mod'],
  RenameStmt: [
    rule('RenameStmt', (s) =>
      withObject('ALTER', s.renameType === 'OBJECT_COLUMN' ? (s.relationType ?? 'OBJECT_TABLE') : s.renameType),
    ),
    'ddl',
  ],
  AlterObjectDependsStmt: [rule('AlterObjectDependsStmt', (s) => withObject('ALTER', s.objectType)), 'ddl'],
  AlterObjectSchemaStmt: [rule('AlterObjectSchemaStmt', (s) => withObject('ALTER', s.objectType)), 'ddl'],
  AlterOwnerStmt: [rule('AlterOwnerStmt', (s) => withObject('ALTER', s.objectType)), 'ddl'],
  AlterTableMoveAllStmt: [rule('AlterTableMoveAllStmt', (s) => withObject('ALTER', s.objtype)), 'ddl'],
  AlterTableStmt: [rule('AlterTableStmt', (s) => withObject('ALTER', s.objtype)), 'ddl'],
  AlterDomainStmt: ['ALTER DOMAIN', 'ddl'],
  AlterFunctionStmt: [rule('AlterFunctionStmt', (s) => withObject('ALTER', s.objtype)), 'ddl'],
  GrantStmt: [rule('GrantStmt', (s) => (s.is_grant === true ? 'GRANT' : 'REVOKE')), 'ddl'],
  GrantRoleStmt: [rule('GrantRoleStmt', (s) => (s.is_grant === true ? 'GRANT ROLE' : 'REVOKE ROLE')), 'ddl'],
  AlterDefaultPrivilegesStmt: ['ALTER DEFAULT PRIVILEGES', 'ddl'],
  DefineStmt: [rule('DefineStmt', (s) => withObject('CREATE', s.kind)), 'ddl'],
  CompositeTypeStmt: ['CREATE TYPE', 'ddl'],
  CreateEnumStmt: ['CREATE TYPE', 'ddl'],
  CreateRangeStmt: ['CREATE TYPE', 'ddl'],
  AlterEnumStmt: ['ALTER TYPE', 'ddl'],
  ViewStmt: ['CREATE VIEW', 'ddl'],
  CreateFunctionStmt: [
    rule('CreateFunctionStmt', (s) => (s.is_procedure === true ? 'CREATE PROCEDURE' : 'CREATE FUNCTION')),
    'ddl',
  ],
  IndexStmt: ['CREATE INDEX', 'ddl'],
  RuleStmt: ['CREATE RULE', 'ddl'],
  CreateSeqStmt: ['CREATE SEQUENCE', 'ddl'],
  AlterSeqStmt: ['ALTER SEQUENCE', 'ddl'],
  DoStmt: ['DO', 'all'],
  CreatedbStmt: ['CREATE DATABASE', 'ddl'],
  AlterDatabaseStmt: ['ALTER DATABASE', 'ddl'],
  AlterDatabaseRefreshCollStmt: ['ALTER DATABASE', 'ddl'],
  AlterDatabaseSetStmt: ['ALTER DATABASE', 'ddl'],
  DropdbStmt: ['DROP DATABASE', 'ddl'],
  NotifyStmt: ['NOTIFY', 'all'],
  ListenStmt: ['LISTEN', 'all'],
  UnlistenStmt: ['UNLISTEN', 'all'],
  LoadStmt: ['LOAD', 'all'],
  CallStmt: ['CALL', 'all'],
  ClusterStmt: ['CLUSTER', 'ddl'],
  VacuumStmt: [rule('VacuumStmt', (s) => (s.is_vacuumcmd === true ? 'VACUUM' : 'ANALYZE')), 'all'],
  ExplainStmt: ['EXPLAIN', 'all'],
  CreateTableAsStmt: [
    rule('CreateTableAsStmt', (s) => {
      if (s.objtype === 'OBJECT_MATVIEW') return 'CREATE MATERIALIZED VIEW';
      return s.is_select_into === true ? 'SELECT INTO' : 'CREATE TABLE AS';
    }),
    'ddl',
  ],
  RefreshMatViewStmt: ['REFRESH MATERIALIZED VIEW', 'ddl'],
  AlterSystemStmt: ['ALTER SYSTEM', 'ddl'],
  VariableSetStmt: [
    rule('VariableSetStmt', (s) => (s.kind === 'VAR_RESET' || s.kind === 'VAR_RESET_ALL' ? 'RESET' : 'SET')),
    'all',
  ],
  VariableShowStmt: ['SHOW', 'all'],
  DiscardStmt: [
    rule('DiscardStmt', (s) => {
      const target = s.target ?? 'DISCARD_ALL';
      return target === 'DISCARD_TEMP' ? 'DISCARD TEMP' : target.replace('_', ' ');
    }),
    'all',
  ],
  CreateTransformStmt: ['CREATE TRANSFORM', 'ddl'],
  CreateTrigStmt: ['CREATE TRIGGER', 'ddl'],
  CreateEventTrigStmt: ['CREATE EVENT TRIGGER', 'ddl'],
  AlterEventTrigStmt: ['ALTER EVENT TRIGGER', 'ddl'],
  CreatePLangStmt: ['CREATE LANGUAGE', 'ddl'],
  CreateRoleStmt: ['CREATE ROLE', 'ddl'],
  AlterRoleStmt: ['ALTER ROLE', 'ddl'],
  AlterRoleSetStmt: ['ALTER ROLE', 'ddl'],
  DropRoleStmt: ['DROP ROLE', 'ddl'],
  DropOwnedStmt: ['DROP OWNED', 'ddl'],
  ReassignOwnedStmt: ['REASSIGN OWNED', 'ddl'],
  LockStmt: ['LOCK TABLE', 'all'],
  ConstraintsSetStmt: ['SET CONSTRAINTS', 'all'],
  CheckPointStmt: ['CHECKPOINT', 'all'],
  ReindexStmt: ['REINDEX', 'all'],
  CreateConversionStmt: ['CREATE CONVERSION', 'ddl'],
  CreateCastStmt: ['CREATE CAST', 'ddl'],
  CreateOpClassStmt: ['CREATE OPERATOR CLASS', 'ddl'],
  CreateOpFamilyStmt: ['CREATE OPERATOR FAMILY', 'ddl'],
  AlterOpFamilyStmt: ['ALTER OPERATOR FAMILY', 'ddl'],
  AlterOperatorStmt: ['ALTER OPERATOR', 'ddl'],
  AlterTypeStmt: ['ALTER TYPE', 'ddl'],
  AlterTSDictionaryStmt: ['ALTER TEXT SEARCH DICTIONARY', 'ddl'],
  AlterTSConfigurationStmt: ['ALTER TEXT SEARCH CONFIGURATION', 'ddl'],
  CreatePolicyStmt: ['CREATE POLICY', 'ddl'],
  AlterPolicyStmt: ['ALTER POLICY', 'ddl'],
  CreateAmStmt: ['CREATE ACCESS METHOD', 'ddl'],
  CreatePublicationStmt: ['CREATE PUBLICATION', 'ddl'],
  AlterPublicationStmt: ['ALTER PUBLICATION', 'ddl'],
  CreateSubscriptionStmt: ['CREATE SUBSCRIPTION', 'ddl'],
  AlterSubscriptionStmt: ['ALTER SUBSCRIPTION', 'ddl'],
  DropSubscriptionStmt: ['DROP SUBSCRIPTION', 'ddl'],
  AlterCollationStmt: ['ALTER COLLATION', 'ddl'],
  CreateStatsStmt: ['CREATE STATISTICS', 'ddl'],
  AlterStatsStmt: ['ALTER STATISTICS', 'ddl'],
  PrepareStmt: ['PREPARE', 'all'],
  ExecuteStmt: ['EXECUTE', 'all'],
  DeallocateStmt: [
    rule('DeallocateStmt', (s) => (s.name === undefined || s.name === '' ? 'DEALLOCATE ALL' : 'DEALLOCATE')),
    'all',
  ],
};

/** The tag of a raw statement. */
export function commandTag(node: Node): string {
  const found = COMMANDS[tagOf(node)]?.[0];
  if (found === undefined) return '???';
  return typeof found === 'string' ? found : found(bodyOf(node, tagOf(node)) as never);
}

/** SELECT … FOR UPDATE says so in ps and in errors about read-only transactions. */
export function queryTag(query: Query): string {
  switch (query.commandType) {
    case 'select': {
      const strength = query.rowMarks[0]?.strength;
      switch (strength) {
        case 'forkeyshare':
          return 'SELECT FOR KEY SHARE';
        case 'forshare':
          return 'SELECT FOR SHARE';
        case 'fornokeyupdate':
          return 'SELECT FOR NO KEY UPDATE';
        case 'forupdate':
          return 'SELECT FOR UPDATE';
        default:
          return 'SELECT';
      }
    }
    case 'utility':
      return commandTag(query.utilityStmt as Node);
    default:
      return query.commandType.toUpperCase();
  }
}
export function plannedTag(stmt: PlannedStmt): string {
  if (stmt.commandType === 'utility') return commandTag(stmt.utilityStmt as Node);
  return stmt.commandType.toUpperCase();
}

const CLASS_RANK: Readonly<Record<LogClass, number>> = { ddl: 0, mod: 1, all: 2 };
const ddlBefore = (a: LogClass, b: LogClass): LogClass => (CLASS_RANK[a] <= CLASS_RANK[b] ? a : b);

/** EXPLAIN ANALYZE runs its statement, so it is logged like it. */
function explainClass(stmt: Body<'ExplainStmt'>): LogClass {
  const analyze = (stmt.options ?? []).some((option) => {
    if (!isTag(option, 'DefElem') || option.DefElem.defname !== 'analyze') return false;
    const arg = option.DefElem.arg;
    if (arg === undefined) return true;
    if (isTag(arg, 'Boolean')) return arg.Boolean.boolval === true;
    if (isTag(arg, 'Integer')) return arg.Integer.ival === 1;
    return isTag(arg, 'String') && /^(t|true|on|yes|1)$/i.test(arg.String.sval ?? '');
  });
  return analyze && stmt.query !== undefined ? logClass(stmt.query) : 'all';
}

/** Class of a raw statement for log_statement. */
export function logClass(node: Node): LogClass {
  const tag = tagOf(node);
  switch (tag) {
    case 'SelectStmt':
      return hasInto(bodyOf(node, 'SelectStmt')) ? 'ddl' : 'all';
    case 'CopyStmt':
      return bodyOf(node, 'CopyStmt').is_from === true ? 'mod' : 'all';
    case 'ExplainStmt':
      return explainClass(bodyOf(node, 'ExplainStmt'));
    case 'PrepareStmt': {
      const { query } = bodyOf(node, 'PrepareStmt');
      return query === undefined ? 'all' : logClass(query);
    }
    case 'List':
      return listItems(node).map(logClass).reduce(ddlBefore, 'all');
    default:
      return COMMANDS[tag]?.[1] ?? 'all';
  }
}

/** Statements that a failed transaction block still accepts. */
export function isTransactionExit(node: Node): boolean {
  if (!isTag(node, 'TransactionStmt')) return false;
  const { kind } = node.TransactionStmt;
  return (
    kind === 'TRANS_STMT_COMMIT' ||
    kind === 'TRANS_STMT_PREPARE' ||
    kind === 'TRANS_STMT_ROLLBACK' ||
    kind === 'TRANS_STMT_ROLLBACK_TO'
  );
}
export const isTransactionStatement = (node: Node): boolean => isTag(node, 'TransactionStmt');

/** Whether the grammar's node goes through parse analysis as a query (everything else is a utility statement). */
const OPTIMIZABLE: ReadonlySet<Tag> = new Set<Tag>([
  'SelectStmt',
  'InsertStmt',
  'UpdateStmt',
  'DeleteStmt',
  'MergeStmt',
]);
export const isOptimizable = (node: Node): boolean => OPTIMIZABLE.has(tagOf(node));
