/** copy.ts — COPY: between a table (or a query) and the client, a file or a program.
 *  Counterpart: DoCopy() of src/backend/commands/copy.c, BeginCopyTo() of copyto.c, BeginCopyFrom() of copyfrom.c */
import type { CopyStmt, Node } from '@pgsql/types';
import type { Attribute, Relation } from '#access/common/relation-descriptor.ts';
import { checkRangeTablePermissions } from '#catalog/acl-check.ts';
import { findRelation } from '#catalog/namespace.ts';
import { isCatalogRelationOid } from '#catalog/oids.ts';
import { relationClose, relationOpen } from '#catalog/relation.ts';
import { hasPrivilegesOfRole, isSuperuserOid, roleByName } from '#catalog/roles.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { classRow, procRow } from '#catalog/syscache.ts';
import { copyColumns } from '#commands/copy-columns.ts';
import { copyFrom } from '#commands/copy-from.ts';
import { type CopyOptions, readCopyOptions } from '#commands/copy-options.ts';
import {
  beginClientCopy,
  ClientSink,
  ClientSource,
  type CopySink,
  type CopySource,
  FileSink,
  FileSource,
  openCopyFile,
  openCopyProgram,
} from '#commands/copy-stream.ts';
import { copyRelation, CopyWriter, type OutputColumn } from '#commands/copy-to.ts';
import { ownRangeTable } from '#executor/stored-expr.ts';
import type { Port } from '#libpq/port.ts';
import { type ClientCodec, clientCodec } from '#libpq/text-encoding.ts';
import type { BoundParams, DestReceiver } from '#nodes/exec-nodes.ts';
import { exprType } from '#nodes/node-funcs.ts';
import { ACL_INSERT, ACL_SELECT } from '#nodes/parse-nodes.ts';
import type { Expr } from '#nodes/primitives.ts';
import { anyExpr } from '#nodes/visit.ts';
import { analyzeNode } from '#parser/analyze.ts';
import { isTag, stringsOf } from '#parser/ast.ts';
import { coerceToBoolean } from '#parser/coerce.ts';
import { assignExprCollations } from '#parser/collate.ts';
import { transformExpr } from '#parser/expr.ts';
import { makeParseState } from '#parser/parse-state.ts';
import { addRelation } from '#parser/relation.ts';
import type { QueryCompletion } from '#portal/command-tags.ts';
import { planQueries } from '#portal/plan-cache.ts';
import { runQuery } from '#portal/portal-run.ts';
import { rewriteQuery } from '#rewrite/rewrite.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';

const ACCESS_SHARE = 1;
const ROW_EXCLUSIVE = 3;

export interface CopyCall {
  readonly sourceText: string;
  readonly params: BoundParams | null;
  /** The client, null where there is none to talk to. */
  readonly port: Port | null;
  readonly completion: QueryCompletion | null;
}

export function copyStatement(stmt: CopyStmt, call: CopyCall): void {
  const isFrom = stmt.is_from === true;
  checkServerAccess(stmt, isFrom);
  const rows = stmt.relation === undefined ? copyQuery(stmt, call) : copyTable(stmt, call, isFrom);
  if (call.completion !== null) {
    call.completion.tag = 'COPY';
    call.completion.rows = rows;
  }
}

/** Files and programs of the server are not for everybody. */
function checkServerAccess(stmt: CopyStmt, isFrom: boolean): void {
  if (stmt.filename === undefined && stmt.is_program !== true) return;
  const role = sessionIdentity.userOid;
  if (isSuperuserOid(role)) return;
  const hint = "Anyone can COPY to stdout or from stdin. psql's \\copy command also works for anyone.";
  const need = (name: string, what: string): void => {
    const group = roleByName(name);
    if (group !== undefined && hasPrivilegesOfRole(role, group.oid)) return;
    report('ERROR', {
      code: SQLSTATE.insufficientPrivilege,
      message: `must be superuser or have privileges of the ${name} role to COPY ${what}`,
      hint,
    });
  };
  if (stmt.is_program === true) need('pg_execute_server_program', 'to or from an external program');
  else if (isFrom) need('pg_read_server_files', 'from a file');
  else need('pg_write_server_files', 'to a file');
}

const codecOf = (options: CopyOptions): ClientCodec | null => {
  const name = options.encoding ?? settings.client_encoding;
  if (name === 'UTF8' || name === 'SQL_ASCII') return null;
  const codec = clientCodec(name);
  if (codec === undefined) {
    report('ERROR', {
      code: SQLSTATE.undefinedFunction,
      message: `default conversion function for encoding "${name}" to "UTF8" does not exist`,
    });
  }
  return codec;
};

// ── tables ───────────────────────────────────────────────────────────────────────────────────────────────────────

function copyTable(stmt: CopyStmt, call: CopyCall, isFrom: boolean): number {
  const name = stmt.relation!;
  const relation = openTable(stmt, isFrom);
  try {
    const names = stmt.attlist === undefined ? null : stringsOf(stmt.attlist);
    const columns = copyColumns(relation.tupleDesc, relation.name, names);
    checkRights(relation, columns, isFrom);
    const options = readCopyOptions(stmt.options ?? [], isFrom);
    if (!isFrom) {
      refuseReading(relation, name.relname ?? '');
      return writeTo(stmt, call, options, columns, (writer) => copyRelation(relation, columns, writer));
    }
    return readFrom(stmt, call, options, relation, columns);
  } finally {
    relationClose(relation, 0);
  }
}

function openTable(stmt: CopyStmt, isFrom: boolean): Relation {
  const { catalogname, schemaname, relname } = stmt.relation!;
  const row = findRelation({ catalog: catalogname, schema: schemaname, name: relname! });
  if (row === undefined) {
    const shown = schemaname === undefined ? relname : `${schemaname}.${relname}`;
    report('ERROR', { code: SQLSTATE.undefinedTable, message: `relation "${shown}" does not exist` });
  }
  return relationOpen(row.oid, isFrom ? ROW_EXCLUSIVE : ACCESS_SHARE);
}

function checkRights(relation: Relation, columns: readonly Attribute[], isFrom: boolean): void {
  const rte = ownRangeTable(relation)[0]!;
  rte.requiredPerms = isFrom ? ACL_INSERT : ACL_SELECT;
  const numbers = columns.map((column) => column.number);
  if (isFrom) rte.insertedCols = numbers;
  else rte.selectedCols = numbers;
  checkRangeTablePermissions([rte]);
  if (isFrom && settings.transaction_read_only && relation.persistence !== 't') {
    report('ERROR', {
      code: SQLSTATE.readOnlySqlTransaction,
      message: 'cannot execute COPY FROM in a read-only transaction',
    });
  }
}

const NOT_READABLE: Readonly<Record<string, string>> = {
  v: 'view',
  m: 'materialized view',
  f: 'foreign table',
  S: 'sequence',
  p: 'partitioned table',
};
function refuseReading(relation: Relation, name: string): void {
  if (relation.kind === 'r' || relation.kind === 't') return;
  const kind = NOT_READABLE[relation.kind] ?? 'non-table relation';
  report('ERROR', {
    code: SQLSTATE.wrongObjectType,
    message: `cannot copy from ${kind} "${name}"`,
    ...(relation.kind === 'S' || kind === 'non-table relation'
      ? {}
      : { hint: 'Try the COPY (SELECT ...) TO variant.' }),
  });
}
function refuseWriting(relation: Relation): void {
  if (relation.kind === 'r') return;
  const kind = NOT_READABLE[relation.kind] ?? 'non-table relation';
  report('ERROR', {
    code: SQLSTATE.wrongObjectType,
    message: `cannot copy to ${kind} "${relation.name}"`,
    ...(relation.kind === 'v' ? { hint: 'To enable copying to a view, provide an INSTEAD OF INSERT trigger.' } : {}),
  });
}

function readFrom(
  stmt: CopyStmt,
  call: CopyCall,
  options: CopyOptions,
  relation: Relation,
  columns: readonly Attribute[],
): number {
  refuseWriting(relation);
  if (isCatalogRelationOid(relation.oid) && !isSuperuserOid(sessionIdentity.userOid)) {
    report('ERROR', {
      code: SQLSTATE.insufficientPrivilege,
      message: `permission denied: "${relation.name}" is a system catalog`,
    });
  }
  const where = transformWhere(stmt.whereClause, relation);
  if (options.freeze) checkFreeze(relation);
  const source = openSource(stmt, call, options, columns.length);
  try {
    return copyFrom({
      relation,
      columns,
      options,
      source,
      codec: options.format === 'binary' ? null : codecOf(options),
      where,
      isVolatile: where !== null && anyExpr(where, isVolatile),
    });
  } finally {
    if (!(source instanceof ClientSource)) source.close();
  }
}
const isVolatile = (expr: Expr): boolean =>
  (expr.kind === 'FuncExpr' && procRow(expr.funcid)?.provolatile === 'v') ||
  (expr.kind === 'OpExpr' && procRow(expr.opfuncid)?.provolatile === 'v');

function transformWhere(node: Node | undefined, relation: Relation): Expr | null {
  if (node === undefined) return null;
  const p = makeParseState(null);
  const row = classRow(relation.oid);
  const item = addRelation(p, row!, null, false, true);
  p.namespace = [item];
  const where = coerceToBoolean(p, transformExpr(p, node, 'copy_where'), 'WHERE');
  assignExprCollations(p, where);
  return where;
}

function checkFreeze(relation: Relation): void {
  if (relation.createSubid !== 0 || relation.newRelfilenodeSubid !== 0) return;
  report('ERROR', {
    code: SQLSTATE.objectNotInPrerequisiteState,
    message: 'cannot perform COPY FREEZE because the table was not created or truncated in the current subtransaction',
  });
}

// ── queries ──────────────────────────────────────────────────────────────────────────────────────────────────────

function copyQuery(stmt: CopyStmt, call: CopyCall): number {
  const options = readCopyOptions(stmt.options ?? [], false);
  const node = stmt.query!;
  if (isTag(node, 'SelectStmt') && node.SelectStmt.intoClause !== undefined)
    report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'COPY (SELECT INTO) is not supported' });
  const analyzed = analyzeNode(node, call.sourceText, {
    types: call.params === null ? [] : [...call.params.types],
    variable: false,
  });
  const queries = rewriteQuery(analyzed);
  const query = queries[0];
  if (queries.length !== 1 || query === undefined)
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'multi-statement DO INSTEAD rules are not supported for COPY',
    });
  if (query.commandType !== 'select' && query.returningList.length === 0)
    report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'COPY query must have a RETURNING clause' });
  const plan = planQueries([query], call.params)[0]!;
  const list = (query.commandType === 'select' ? query.targetList : query.returningList).filter((t) => !t.resjunk);
  const columns = list.map(
    (target): OutputColumn => ({
      name: target.resname ?? '?column?',
      typeId: exprType(target.expr),
    }),
  );
  const receiver = new CopyReceiver();
  return writeTo(stmt, call, options, columns, (writer) => {
    receiver.writer = writer;
    writer.start();
    runQuery(plan, call.params, receiver);
    writer.finish();
  });
}
class CopyReceiver implements DestReceiver {
  writer: CopyWriter | null = null;
  start(): void {}
  receive(values: Parameters<DestReceiver['receive']>[0]): boolean {
    this.writer!.row(values);
    return true;
  }
  finish(): void {}
}

// ── ends ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function needPort(call: CopyCall, what: string): Port {
  if (call.port === null)
    report('ERROR', { code: SQLSTATE.featureNotSupported, message: `COPY ${what} is not supported here` });
  return call.port;
}

function openSource(stmt: CopyStmt, call: CopyCall, options: CopyOptions, columns: number): CopySource {
  const { filename } = stmt;
  if (stmt.is_program === true) {
    const { fd, wait } = openCopyProgram(filename!, 'from');
    return new FileSource(fd, 'COPY program', wait);
  }
  if (filename !== undefined) return new FileSource(openCopyFile(filename, 'from'), 'COPY file', null);
  const port = needPort(call, 'FROM STDIN');
  beginClientCopy(port, 'in', columns, options.format === 'binary');
  return new ClientSource(port);
}

function openSink(stmt: CopyStmt, call: CopyCall, options: CopyOptions, columns: number): CopySink {
  const { filename } = stmt;
  if (stmt.is_program === true) {
    const { fd, wait } = openCopyProgram(filename!, 'to');
    return new FileSink(fd, 'COPY program', wait);
  }
  if (filename !== undefined) {
    if (!filename.startsWith('/'))
      report('ERROR', { code: SQLSTATE.invalidName, message: 'relative path not allowed for COPY to file' });
    return new FileSink(openCopyFile(filename, 'to'), 'COPY file', null);
  }
  const port = needPort(call, 'TO STDOUT');
  beginClientCopy(port, 'out', columns, options.format === 'binary');
  return new ClientSink(port);
}

function writeTo(
  stmt: CopyStmt,
  call: CopyCall,
  options: CopyOptions,
  columns: readonly OutputColumn[],
  work: (writer: CopyWriter) => void,
): number {
  const codec = options.format === 'binary' ? null : codecOf(options);
  const sink = openSink(stmt, call, options, columns.length);
  const writer = new CopyWriter(sink, columns, options, codec);
  work(writer);
  sink.close();
  return writer.rows;
}
