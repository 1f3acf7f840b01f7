/** utility.ts — from a utility statement to the command that carries it out.
 *
 *  The TABLE says for each of the grammar's statements who runs it and, if it gives rows, which columns. What is not in
 *  the table exists in PostgreSQL but not here yet: 0A000, naming the command.
 *  Counterpart: src/backend/tcop/utility.c */
import type { Node } from '@pgsql/types';
import { alterSystem } from '#commands/alter-system.ts';
import { alterTableStatement } from '#commands/alter-table.ts';
import { listen, notify, unlisten } from '#commands/async.ts';
import { checkpointStatement } from '#commands/checkpoint.ts';
import { createTableStatement } from '#commands/create-table.ts';
import { createIndexStatement } from '#commands/define-index.ts';
import { copyStatement } from '#commands/copy.ts';
import { discard } from '#commands/discard.ts';
import { doStatement } from '#commands/do.ts';
import { dropObjects, isObjectDrop } from '#commands/drop-objects.ts';
import { dropRelations, isRelationDrop } from '#commands/drop-relation.ts';
import { explainColumns, explainQuery } from '#commands/explain.ts';
import { loadStatement } from '#commands/load.ts';
import { setNestedUtility } from '#commands/nested-utility.ts';
import { lockTable } from '#commands/lock-table.ts';
import { isRelationRename, renameRelationStatement } from '#commands/rename-relation.ts';
import { isRelationSetSchema, setRelationSchema } from '#commands/relation-schema.ts';
import { closeCursor, declareCursor, fetchColumns, performFetch } from '#commands/portal-commands.ts';
import { deallocateQuery, executeColumns, executeQuery, prepareQuery } from '#commands/prepare.ts';
import { runTransactionStatement } from '#commands/transaction.ts';
import { truncateStatement } from '#commands/truncate.ts';
import { setConstraints } from '#commands/set-constraints.ts';
import { createTrigger, renameTrigger } from '#commands/create-trigger.ts';
import '#commands/redundant-updates.ts';
import '#commands/ri-initial-check.ts';
import '#commands/trigger-exec.ts';
import '#commands/unique-recheck.ts';
import { setVariable, showColumns, showVariable } from '#commands/variable-set.ts';
import { type BoundParams, type DestReceiver, discardReceiver, type ResultColumn } from '#nodes/exec-nodes.ts';
import type { PlannedStmt } from '#nodes/plan-nodes.ts';
import { type Body, bodyOf, type Tag, tagOf } from '#parser/ast.ts';
import { RemoteReceiver } from '#portal/dest-remote.ts';
import { commandTag, logClass, type QueryCompletion } from '#portal/command-tags.ts';
import { type UtilityContext, utilityHooks } from '#portal/utility-hooks.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { MAINTENANCE_COMMANDS } from '#tcop/maintenance-commands.ts';
import { OBJECT_COMMANDS } from '#tcop/object-commands.ts';
import { changeSharedOwner, renameShared, ROLE_COMMANDS } from '#tcop/role-commands.ts';
import { preventInTransactionBlock } from '#transam/xact-block.ts';

/** One call of a utility command. */
export interface UtilityCall {
  /** The whole source; positions in errors count from its start. */
  readonly sourceText: string;
  /** Character offsets of this statement in it. */
  readonly start: number;
  readonly end: number;
  readonly isTopLevel: boolean;
  readonly params: BoundParams | null;
  readonly dest: DestReceiver;
  readonly completion: QueryCompletion | null;
}
export interface UtilityCommand<T extends Tag> {
  run(stmt: Body<T>, call: UtilityCall): void;
  /** Columns of a statement that gives rows. */
  columns?(stmt: Body<T>): ResultColumn[] | null;
  /** Whether a read-only transaction may run it; absent means yes. */
  writes?: boolean;
}
export type CommandTable = { readonly [T in Tag]?: UtilityCommand<T> };

const COMMANDS: CommandTable = {
  TransactionStmt: { run: (stmt, call) => runTransactionStatement(stmt, call.isTopLevel, call.completion) },
  DeclareCursorStmt: {
    run: (stmt, call) => declareCursor(stmt, call.sourceText, call.start, call.end, call.params, call.isTopLevel),
  },
  ClosePortalStmt: { run: closeCursor },
  FetchStmt: { run: (stmt, call) => performFetch(stmt, call.dest, call.completion), columns: fetchColumns },
  PrepareStmt: { run: (stmt, call) => prepareQuery(stmt, call.sourceText, call.start, call.end) },
  ExecuteStmt: {
    run: (stmt, call) => executeQuery(stmt, call.sourceText, call.params, call.dest, call.completion),
    columns: executeColumns,
  },
  DeallocateStmt: { run: deallocateQuery },
  VariableSetStmt: { run: (stmt, call) => setVariable(stmt, call.isTopLevel) },
  VariableShowStmt: {
    run: (stmt, call) => showVariable(stmt.name ?? '', call.dest),
    columns: (stmt) => showColumns(stmt.name ?? ''),
  },
  ExplainStmt: {
    run: (stmt, call) => explainQuery(stmt, call.sourceText, call.params, call.dest),
    columns: explainColumns,
  },
  AlterSystemStmt: { run: (stmt, call) => alterSystem(stmt, call.isTopLevel) },
  DiscardStmt: { run: (stmt, call) => discard(stmt.target ?? 'DISCARD_ALL', call.isTopLevel) },
  ListenStmt: { run: listen },
  UnlistenStmt: { run: unlisten },
  NotifyStmt: { run: (stmt) => notify(stmt.conditionname ?? '', stmt.payload ?? '', 'NOTIFY') },
  LoadStmt: { run: (stmt) => loadStatement(stmt.filename ?? '') },
  CheckPointStmt: { run: checkpointStatement },
  DoStmt: { run: doStatement },
  CopyStmt: {
    run: (stmt, call) =>
      copyStatement(stmt, {
        sourceText: call.sourceText,
        params: call.params,
        port: call.dest instanceof RemoteReceiver ? call.dest.port : null,
        completion: call.completion,
      }),
  },
  CreateTrigStmt: { run: (stmt, call) => void createTrigger(stmt, call.sourceText), writes: true },
  ConstraintsSetStmt: { run: (stmt, call) => setConstraints(stmt, call.isTopLevel) },
  LockStmt: { run: (stmt, call) => lockTable(stmt, call.isTopLevel) },
  CreateStmt: { run: (stmt, call) => createTableStatement(stmt, call.sourceText), writes: true },
  IndexStmt: { run: (stmt, call) => createIndexStatement(stmt, call.sourceText, call.isTopLevel), writes: true },
  DropStmt: { run: dropStatement, writes: true },
  ...OBJECT_COMMANDS,
  ...ROLE_COMMANDS,
  ...MAINTENANCE_COMMANDS,
  TruncateStmt: { run: truncateStatement, writes: true },
  AlterTableStmt: { run: (stmt, call) => alterTableStatement(stmt, call.sourceText), writes: true },
  RenameStmt: {
    run: (stmt, call) => {
      if (isRelationRename(stmt)) renameRelationStatement(stmt);
      else if (stmt.renameType === 'OBJECT_TRIGGER') renameTrigger(stmt);
      else if (!renameShared(stmt)) otherObjects('RenameStmt', stmt, call);
    },
    writes: true,
  },
  AlterOwnerStmt: {
    run: (stmt, call) => {
      if (!changeSharedOwner(stmt)) otherObjects('AlterOwnerStmt', stmt, call);
    },
    writes: true,
  },
  AlterObjectSchemaStmt: {
    run: (stmt, call) => {
      if (isRelationSetSchema(stmt)) setRelationSchema(stmt);
      else otherObjects('AlterObjectSchemaStmt', stmt, call);
    },
    writes: true,
  },
};
/** Names, owners and schemas of what is no relation. */
function otherObjects<T extends 'RenameStmt' | 'AlterOwnerStmt' | 'AlterObjectSchemaStmt'>(
  tag: T,
  stmt: Body<T>,
  call: UtilityCall,
): void {
  const command = OBJECT_COMMANDS[tag];
  if (command !== undefined) command.run(stmt as never, call);
  else notSupported({ [tag]: stmt } as unknown as Node, call.isTopLevel);
}

function dropStatement(stmt: Body<'DropStmt'>, call: UtilityCall): void {
  if (isRelationDrop(stmt.removeType)) {
    dropRelations(stmt, call.isTopLevel, (command) => preventInTransactionBlock(call.isTopLevel, command));
  } else if (isObjectDrop(stmt.removeType)) dropObjects(stmt);
  else notSupported({ DropStmt: stmt }, call.isTopLevel);
}

/** Commands that could not be undone, so a block refuses them before anything else is looked at. */
const OUTSIDE_BLOCKS: ReadonlySet<Tag> = new Set<Tag>([
  'CreatedbStmt',
  'DropdbStmt',
  'CreateTableSpaceStmt',
  'DropTableSpaceStmt',
]);

const refuseReadOnly = (command: string): never =>
  report('ERROR', {
    code: SQLSTATE.readOnlySqlTransaction,
    message: `cannot execute ${command} in a read-only transaction`,
  });

function notSupported(node: Node, isTopLevel: boolean): never {
  const command = commandTag(node);
  if (OUTSIDE_BLOCKS.has(tagOf(node))) preventInTransactionBlock(isTopLevel, command);
  if (settings.transaction_read_only && logClass(node) !== 'all') refuseReadOnly(command);
  return report('ERROR', { code: SQLSTATE.featureNotSupported, message: `${command} is not supported yet` });
}

function processUtility(
  stmt: PlannedStmt,
  sourceText: string,
  context: UtilityContext,
  params: BoundParams | null,
  dest: DestReceiver,
  completion: QueryCompletion | null,
): void {
  const node = stmt.utilityStmt as Node;
  const tag = tagOf(node);
  const command = COMMANDS[tag] as UtilityCommand<Tag> | undefined;
  if (command === undefined) {
    notSupported(node, context === 'toplevel');
    return;
  }
  if (command.writes === true && settings.transaction_read_only) refuseReadOnly(commandTag(node));
  const start = Math.max(0, stmt.stmtLocation);
  command.run(bodyOf(node, tag) as never, {
    sourceText,
    start,
    end: stmt.stmtLen > 0 ? start + stmt.stmtLen : sourceText.length,
    isTopLevel: context === 'toplevel',
    params,
    dest,
    completion,
  });
}

function utilityColumns(utilityStmt: unknown): ResultColumn[] | null {
  const node = utilityStmt as Node;
  const tag = tagOf(node);
  const command = COMMANDS[tag] as UtilityCommand<Tag> | undefined;
  return command?.columns?.(bodyOf(node, tag) as never) ?? null;
}

export function installUtility(): void {
  setNestedUtility((node, sourceText) => {
    const tag = tagOf(node);
    const command = COMMANDS[tag] as UtilityCommand<Tag> | undefined;
    if (command === undefined) notSupported(node, false);
    else {
      command.run(bodyOf(node, tag) as never, {
        sourceText,
        start: 0,
        end: sourceText.length,
        isTopLevel: false,
        params: null,
        dest: discardReceiver,
        completion: null,
      });
    }
  });
  utilityHooks.process = processUtility;
  utilityHooks.resultColumns = utilityColumns;
}
installUtility();
