/** simple-query.ts — the Query message: any number of statements in one text, one answer each, one transaction for all.
 *
 *  Hot path: a text that came before finds its parse tree and its plan by the text, so that a turn is: look up, run,
 *  write the row.
 *  Counterpart: exec_simple_query() of src/backend/tcop/postgres.c */
import { BACKEND } from '#libpq/messages.ts';
import type { Port } from '#libpq/port.ts';
import { isTag } from '#parser/ast.ts';
import { parseText, type RawStatement } from '#parser/parse.ts';
import {
  commandTag,
  completionText,
  isTransactionExit,
  isTransactionStatement,
  type QueryCompletion,
} from '#portal/command-tags.ts';
import { RemoteReceiver } from '#portal/dest-remote.ts';
import { planSimple, type SimplePlan } from '#portal/plan-cache.ts';
import { createPortal, definePortalQuery, dropPortal, findPortal, type Portal } from '#portal/portal.ts';
import { FETCH_ALL, runPortal, startPortal } from '#portal/portal-run.ts';
import { activityHooks } from '#runtime/activity/activity-hooks.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { logContext } from '#runtime/error/log-context.ts';
import { adoptClientEncoding } from '#tcop/client-encoding.ts';
import { dropUnnamedStatement } from '#tcop/extended-query.ts';
import { session } from '#tcop/session-state.ts';
import { logDuration, logStatement, wantsStatementLog } from '#tcop/statement-log.ts';
import {
  disableStatementTimeout,
  finishXactCommand,
  refuseInAbortedBlock,
  startXactCommand,
} from '#tcop/xact-command.ts';
import { beginImplicitTransactionBlock, endImplicitTransactionBlock } from '#transam/xact-block.ts';
import { commandCounterIncrement, setStatementTimestamp, statementTimestamp } from '#transam/xact.ts';

let receiver: RemoteReceiver | null = null;
/** The receiver of the session's connection. */
function receiverOf(port: Port): RemoteReceiver {
  if (receiver === null || receiver.port !== port) receiver = new RemoteReceiver(port);
  return receiver;
}
const completion: QueryCompletion = { tag: '???', rows: 0 };
const BINARY_ROW_FORMAT = 1;

export function sendCommandComplete(port: Port, done: QueryCompletion): void {
  const { writer } = port;
  writer.begin(BACKEND.commandComplete);
  writer.cstring(completionText(done));
  writer.end();
}

export function execSimpleQuery(port: Port, text: string): void {
  setStatementTimestamp();
  session.queryText = text;
  logContext.statement = text;
  activityHooks.reportActivity('active', text, statementTimestamp());
  startXactCommand();
  dropUnnamedStatement();
  const statements = parseText(text);
  let wasLogged = false;
  if (wantsStatementLog(statements.map((raw) => raw.node))) {
    logStatement(`statement: ${text}`);
    wasLogged = true;
  }
  const last = statements.length - 1;
  for (let i = 0; i <= last; i++) runStatement(port, statements[i]!, text, i === last, last > 0);
  finishXactCommand();
  if (last < 0) port.writer.empty(BACKEND.emptyQueryResponse);
  logDuration(wasLogged, () => `statement: ${text}`);
  session.queryText = null;
  logContext.statement = undefined;
}

function runStatement(port: Port, raw: RawStatement, text: string, isLast: boolean, severalStatements: boolean): void {
  const { node } = raw;
  const tag = commandTag(node);
  activityHooks.setPsDisplay(tag);
  if (!isTransactionExit(node)) refuseInAbortedBlock();
  startXactCommand();
  if (severalStatements) beginImplicitTransactionBlock();
  checkForInterrupts();
  const simple = planSimple(raw, text);
  checkForInterrupts();
  const portal = createPortal('', true, true);
  portal.visible = false;
  definePortalQuery(portal, null, text, tag, simple.plans);
  startPortal(portal, null);
  runUnnamed(port, portal, simple, raw);
  dropPortal(portal);
  if (isLast) {
    // The transaction ends before the client is told that the command is complete.
    if (severalStatements) endImplicitTransactionBlock();
    finishXactCommand();
  } else if (isTransactionStatement(node)) finishXactCommand();
  else {
    commandCounterIncrement();
    disableStatementTimeout();
  }
  sendCommandComplete(port, completion);
  adoptClientEncoding(port);
}

function runUnnamed(port: Port, portal: Portal, simple: SimplePlan, raw: RawStatement): void {
  const dest = receiverOf(port);
  if (isBinaryFetch(raw)) {
    portal.formats = new Array<number>(portal.columns?.length ?? 0).fill(BINARY_ROW_FORMAT);
    dest.use(portal, true);
  } else dest.use(portal.strategy === 'oneSelect' ? simple : portal, true);
  runPortal(portal, FETCH_ALL, true, dest, dest, completion);
}
/** FETCH from a cursor that was declared BINARY: the only binary rows of the simple protocol. */
function isBinaryFetch(raw: RawStatement): boolean {
  if (!isTag(raw.node, 'FetchStmt') || raw.node.FetchStmt.ismove === true) return false;
  return findPortal(raw.node.FetchStmt.portalname ?? '')?.options.binary === true;
}
