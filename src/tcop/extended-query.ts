/** extended-query.ts — Parse, Bind, Describe, Execute, Close: statements prepared once, run in steps, pipelined.
 *
 *  All of these run inside one transaction command that Sync ends. Answers collect in the send buffer until Sync or Flush.
 *  Counterpart: exec_parse_message() … exec_execute_message() of src/backend/tcop/postgres.c */
import type { Datum } from '#adt/datum.ts';
import { typeInfo } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { BACKEND } from '#libpq/messages.ts';
import type { MessageReader } from '#libpq/message-reader.ts';
import type { Port } from '#libpq/port.ts';
import { expandFormats } from '#libpq/result-writer.ts';
import { type BoundParams, discardReceiver } from '#nodes/exec-nodes.ts';
import { parseText, type RawStatement } from '#parser/parse.ts';
import { commandTag, isTransactionExit, isTransactionStatement, type QueryCompletion } from '#portal/command-tags.ts';
import { RemoteReceiver, sendRowDescription } from '#portal/dest-remote.ts';
import { analyzeAndRewrite, CachedPlanSource, shareUnnamedSource } from '#portal/plan-cache.ts';
import { createPortal, definePortalQuery, dropPortal, findPortal, type Portal } from '#portal/portal.ts';
import { FETCH_ALL, runPortal, startPortal } from '#portal/portal-run.ts';
import {
  dropPreparedStatement,
  fetchPreparedStatement,
  findPreparedStatement,
  storePreparedStatement,
} from '#portal/prepared.ts';
import { activityHooks } from '#runtime/activity/activity-hooks.ts';
import { logContext } from '#runtime/error/log-context.ts';
import { PgError, report, toPgError } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { adoptClientEncoding } from '#tcop/client-encoding.ts';
import { session } from '#tcop/session-state.ts';
import { sendCommandComplete } from '#tcop/simple-query.ts';
import { logDuration, parametersDetail, quoteParameter, wantsStatementLog } from '#tcop/statement-log.ts';
import {
  disableStatementTimeout,
  finishXactCommand,
  refuseInAbortedBlock,
  startXactCommand,
} from '#tcop/xact-command.ts';
import {
  commandCounterIncrement,
  isAbortedTransactionBlockState,
  setStatementTimestamp,
  statementTimestamp,
  xactFlags,
} from '#transam/xact.ts';

const UNKNOWN_OID = 705;

/** The statement that Parse without a name leaves behind. */
let unnamed: CachedPlanSource | null = null;
export function dropUnnamedStatement(): void {
  unnamed = null;
}

/** Statement a message is about, for the log and pg_stat_activity. */
function nowRunning(text: string): void {
  session.queryText = text;
  logContext.statement = text;
}
const statementOrPortal = (name: string): string => (name === '' ? '<unnamed>' : name);
const violation = (message: string): never => report('ERROR', { code: SQLSTATE.protocolViolation, message });

// ── Parse ────────────────────────────────────────────────────────────────────────────────────────────────────────

export function execParse(port: Port, reader: MessageReader): void {
  const name = reader.getString();
  const text = reader.getString();
  const count = reader.getInt16();
  const types: Oid[] = [];
  for (let i = 0; i < count; i++) types.push((reader.getInt32() >>> 0) as Oid);
  reader.getEnd();

  nowRunning(text);
  setStatementTimestamp();
  activityHooks.reportActivity('active', text, statementTimestamp());
  activityHooks.setPsDisplay('PARSE');
  startXactCommand();
  if (name === '') dropUnnamedStatement();
  const statements = parseText(text);
  if (statements.length > 1)
    report('ERROR', {
      code: SQLSTATE.syntaxError,
      message: 'cannot insert multiple commands into a prepared statement',
    });
  const raw = statements[0] ?? null;
  if (name === '') {
    const declared = types.slice();
    unnamed = raw === null ? prepare(raw, text, types) : shareUnnamed(raw, text, types, declared);
  } else {
    const source = prepare(raw, text, types);
    storePreparedStatement({ name, source, fromSql: false, prepareTime: statementTimestamp() });
  }
  commandCounterIncrement();
  port.writer.empty(BACKEND.parseComplete);
  logDuration(false, () => `parse ${statementOrPortal(name)}: ${text}`);
  nothingRunning();
}
function shareUnnamed(raw: RawStatement, text: string, types: Oid[], declared: readonly Oid[]): CachedPlanSource {
  if (!isTransactionExit(raw.node)) refuseInAbortedBlock();
  return shareUnnamedSource(raw, declared, () => prepare(raw, text, types));
}
function nothingRunning(): void {
  session.queryText = null;
  logContext.statement = undefined;
}

/** Analysis with parameter types that the client left open. */
function prepare(raw: RawStatement | null, text: string, types: Oid[]): CachedPlanSource {
  if (raw === null) return new CachedPlanSource(null, text, '???', { queries: [], paramTypes: types }, types, true);
  if (!isTransactionExit(raw.node)) refuseInAbortedBlock();
  const analyzed = analyzeAndRewrite(raw, text, { types, variable: true });
  analyzed.paramTypes.forEach((type, i) => {
    if (type === 0 || type === UNKNOWN_OID)
      report('ERROR', {
        code: SQLSTATE.indeterminateDatatype,
        message: `could not determine data type of parameter $${i + 1}`,
      });
  });
  return new CachedPlanSource(raw, text, commandTag(raw.node), analyzed, analyzed.paramTypes, true);
}

function sourceOf(name: string): CachedPlanSource {
  if (name !== '') return fetchPreparedStatement(name).source;
  return (
    unnamed ??
    report('ERROR', { code: SQLSTATE.undefinedPstatement, message: 'unnamed prepared statement does not exist' })
  );
}

// ── Bind ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export function execBind(port: Port, reader: MessageReader): void {
  const portalName = reader.getString();
  const statementName = reader.getString();
  const source = sourceOf(statementName);
  nowRunning(source.text);
  setStatementTimestamp();
  activityHooks.reportActivity('active', source.text, statementTimestamp());
  activityHooks.setPsDisplay('BIND');
  startXactCommand();
  const formatCount = reader.getInt16();
  const paramFormats: number[] = [];
  for (let i = 0; i < formatCount; i++) paramFormats.push(reader.getInt16());
  const count = reader.getInt16();
  if (formatCount > 1 && formatCount !== count)
    violation(`bind message has ${formatCount} parameter formats but ${count} parameters`);
  if (count !== source.paramTypes.length)
    violation(
      `bind message supplies ${count} parameters, but prepared statement "${statementName}" requires ${source.paramTypes.length}`,
    );
  if (isAbortedTransactionBlockState() && !(source.raw !== null && isTransactionExit(source.raw.node) && count === 0))
    refuseInAbortedBlock();

  const portal = portalName === '' ? createPortal('', true, true) : createPortal(portalName, false, false);
  const params = count === 0 ? null : readParams(reader, portalName, source.paramTypes, paramFormats, count);
  const resultCount = reader.getInt16();
  const resultFormats: number[] = [];
  for (let i = 0; i < resultCount; i++) resultFormats.push(reader.getInt16());
  reader.getEnd();

  const plans = source.getPlan(params);
  definePortalQuery(portal, statementName === '' ? null : statementName, source.text, source.tag, plans);
  startPortal(portal, params);
  if (portal.columns !== null) portal.formats = expandFormats(resultFormats, portal.columns.length);
  port.writer.empty(BACKEND.bindComplete);
  logDuration(
    false,
    () => `bind ${statementOrPortal(statementName)}${portalName === '' ? '' : `/${portalName}`}: ${source.text}`,
    () => parametersDetail(params),
  );
  nothingRunning();
}

function readParams(
  reader: MessageReader,
  portalName: string,
  types: readonly Oid[],
  formats: readonly number[],
  count: number,
): BoundParams {
  const values: Datum[] = new Array(count);
  for (let i = 0; i < count; i++) {
    const length = reader.getInt32();
    const format = formats.length > 1 ? formats[i]! : (formats[0] ?? 0);
    const type = typeInfo(types[i]!);
    let text: string | undefined;
    try {
      if (length === -1) values[i] = null;
      else if (format === 0) {
        text = reader.getText(length);
        values[i] = type.input(text, -1);
      } else if (format === 1) {
        // Copied: the bytes in the receive buffer live only until the next message.
        values[i] = type.receive(Uint8Array.from(reader.getBytes(length)), -1);
      } else {
        report('ERROR', { code: SQLSTATE.invalidParameterValue, message: `unsupported format code: ${format}` });
      }
    } catch (caught) {
      throw withParameterContext(caught, portalName, i, text);
    }
  }
  return { types: types.slice(), values };
}
/** CONTEXT of an error in a parameter's input function. */
function withParameterContext(caught: unknown, portalName: string, index: number, text: string | undefined): PgError {
  const error = toPgError(caught);
  const portal = portalName === '' ? 'unnamed portal' : `portal "${portalName}"`;
  const shown = text === undefined ? '' : ` = ${quoteParameter(text, settings.log_parameter_max_length_on_error)}`;
  const line = `${portal} parameter $${index + 1}${shown}`;
  const { context } = error.fields;
  // Bytes left over: the receive function does not know which parameter it was called for.
  const leftover = text === undefined && error.fields.message === 'incorrect binary data format';
  const message = leftover ? `${error.fields.message} in bind parameter ${index + 1}` : error.fields.message;
  return new PgError('ERROR', {
    ...error.fields,
    message,
    context: context === undefined ? line : `${context}\n${line}`,
  });
}

// ── Describe ─────────────────────────────────────────────────────────────────────────────────────────────────────

export function execDescribe(port: Port, reader: MessageReader): void {
  setStatementTimestamp();
  const kind = reader.getByte();
  const name = reader.getString();
  reader.getEnd();
  if (kind === 0x53) describeStatement(port, name);
  else if (kind === 0x50) describePortal(port, name);
  else violation(`invalid DESCRIBE message subtype ${kind}`);
}

function describeStatement(port: Port, name: string): void {
  startXactCommand();
  const source = sourceOf(name);
  if (isAbortedTransactionBlockState() && source.columns !== null) refuseInAbortedBlock();
  const { writer } = port;
  writer.begin(BACKEND.parameterDescription);
  writer.int16(source.paramTypes.length);
  for (const type of source.paramTypes) writer.int32(type);
  writer.end();
  if (source.columns === null) {
    writer.empty(BACKEND.noData);
    return;
  }
  source.revalidate();
  const columns = source.columns ?? [];
  sendRowDescription(port, columns, new Array<number>(columns.length).fill(0));
}

function describePortal(port: Port, name: string): void {
  startXactCommand();
  const portal = portalOf(name);
  if (isAbortedTransactionBlockState() && portal.columns !== null) refuseInAbortedBlock();
  if (portal.columns === null) port.writer.empty(BACKEND.noData);
  else sendRowDescription(port, portal.columns, portal.formats ?? []);
}
function portalOf(name: string): Portal {
  return (
    findPortal(name) ?? report('ERROR', { code: SQLSTATE.undefinedCursor, message: `portal "${name}" does not exist` })
  );
}

// ── Execute ──────────────────────────────────────────────────────────────────────────────────────────────────────

let receiver: RemoteReceiver | null = null;
const completion: QueryCompletion = { tag: '???', rows: 0 };

export function execExecute(port: Port, reader: MessageReader): void {
  const name = reader.getString();
  const maxRows = reader.getInt32();
  reader.getEnd();
  const portal = portalOf(name);
  if (portal.completion.tag === '???' && portal.stmts.length === 0) {
    port.writer.empty(BACKEND.emptyQueryResponse);
    return;
  }
  const node =
    portal.stmts.length === 1 ? (portal.stmts[0]!.utilityStmt as Parameters<typeof isTransactionExit>[0]) : null;
  const isXactCommand = node !== null && isTransactionStatement(node);
  const text = portal.sourceText;
  const statementName = statementOrPortal(portal.statementName ?? '');
  const params = portal.params;

  setStatementTimestamp();
  nowRunning(text);
  activityHooks.reportActivity('active', text, statementTimestamp());
  activityHooks.setPsDisplay(portal.completion.tag);
  startXactCommand();
  const isFetch = !portal.atStart;
  const shown = (): string =>
    `${isFetch ? 'execute fetch from' : 'execute'} ${statementName}${name === '' ? '' : `/${name}`}: ${text}`;
  let wasLogged = false;
  if (wantsStatementLog(portal.stmts.map((stmt) => stmt.utilityStmt ?? { SelectStmt: {} }) as never)) {
    report('LOG', { message: shown(), detail: parametersDetail(params), hideStatement: true });
    wasLogged = true;
  }
  if (isAbortedTransactionBlockState() && !(node !== null && isTransactionExit(node))) refuseInAbortedBlock();
  checkForInterrupts();

  const completed = runExecute(port, portal, maxRows);
  if (completed) {
    if (isXactCommand || xactFlags.needImmediateCommit) finishXactCommand();
    else {
      commandCounterIncrement();
      xactFlags.pipelining = true;
      disableStatementTimeout();
    }
    sendCommandComplete(port, completion);
    adoptClientEncoding(port);
  } else {
    port.writer.empty(BACKEND.portalSuspended);
    xactFlags.pipelining = true;
  }
  logDuration(wasLogged, shown, () => (isXactCommand ? undefined : parametersDetail(params)));
  nothingRunning();
}

function runExecute(port: Port, portal: Portal, maxRows: number): boolean {
  if (receiver === null || receiver.port !== port) receiver = new RemoteReceiver(port);
  // The client was told of the columns by Describe, if it asked.
  receiver.use(portal, false);
  const count = maxRows <= 0 ? FETCH_ALL : maxRows;
  if (portal.status === 'done' || portal.strategy !== 'multiQuery' || portal.columns !== null)
    return runPortal(portal, count, true, receiver, receiver, completion);
  return runPortal(portal, count, true, receiver, discardReceiver, completion);
}

// ── Close ────────────────────────────────────────────────────────────────────────────────────────────────────────

export function execClose(port: Port, reader: MessageReader): void {
  const kind = reader.getByte();
  const name = reader.getString();
  reader.getEnd();
  if (kind === 0x53) {
    if (name === '') dropUnnamedStatement();
    else if (findPreparedStatement(name) !== undefined) dropPreparedStatement(name);
  } else if (kind === 0x50) {
    const portal = findPortal(name);
    if (portal !== undefined) dropPortal(portal);
  } else violation(`invalid CLOSE message subtype ${kind}`);
  port.writer.empty(BACKEND.closeComplete);
}
