/** function-call.ts — the FunctionCall message: one function by OID, without SQL.
 *  Counterpart: src/backend/tcop/fastpath.c */
import type { Datum } from '#adt/datum.ts';
import { type Builtin, builtin, type CallInfo, type TypeInfo, typeInfo } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { procRow } from '#catalog/syscache.ts';
import type { ProcRow } from '#catalog/rows.ts';
import { BACKEND } from '#libpq/messages.ts';
import type { MessageReader } from '#libpq/message-reader.ts';
import type { Port } from '#libpq/port.ts';
import { PgError, report, toPgError } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { refuseInAbortedBlock } from '#tcop/xact-command.ts';
import { noteSnapshotTaken } from '#transam/xact.ts';

const violation = (message: string): never => report('ERROR', { code: SQLSTATE.protocolViolation, message });

export function execFunctionCall(port: Port, reader: MessageReader): void {
  refuseInAbortedBlock();
  const oid = (reader.getInt32() >>> 0) as Oid;
  const row = callable(oid);
  if (settings.log_statement === 'all')
    report('LOG', { message: `fastpath function call: "${row.proname}" (OID ${oid})` });
  noteSnapshotTaken();
  const args = readArguments(reader, row);
  const resultFormat = reader.getInt16();
  reader.getEnd();
  checkForInterrupts();
  const result = row.proisstrict && args.includes(null) ? null : call(row, oid, args);
  sendResult(port, result, row.prorettype, resultFormat);
}

function callable(oid: Oid): ProcRow {
  const row = procRow(oid);
  if (row === undefined)
    return report('ERROR', {
      code: SQLSTATE.undefinedFunction,
      message: `function with OID ${oid} does not exist`,
    });
  if (row.prokind !== 'f' || row.proretset)
    report('ERROR', {
      code: SQLSTATE.wrongObjectType,
      message: `cannot call function "${row.proname}" via fastpath interface`,
    });
  return row;
}

function readArguments(reader: MessageReader, row: ProcRow): Datum[] {
  const formatCount = reader.getInt16();
  const formats: number[] = [];
  for (let i = 0; i < formatCount; i++) formats.push(reader.getInt16());
  const count = reader.getInt16();
  const types = row.proargtypes;
  if (types.length !== count)
    violation(`function call message contains ${count} arguments but function requires ${types.length}`);
  if (formatCount > 1 && formatCount !== count)
    violation(`function call message contains ${formatCount} argument formats but ${count} arguments`);
  const args: Datum[] = [];
  for (let i = 0; i < count; i++) {
    const length = reader.getInt32();
    if (length === -1) {
      args.push(null);
      continue;
    }
    if (length < 0) violation(`invalid argument size ${length} in function call message`);
    const format = formatCount > 1 ? formats[i]! : (formats[0] ?? 0);
    const type = typeInfo(types[i] as Oid);
    if (format === 0) args.push(type.input(reader.getText(length), -1));
    else if (format === 1) args.push(receiveArgument(type, Uint8Array.from(reader.getBytes(length)), i));
    else report('ERROR', { code: SQLSTATE.invalidParameterValue, message: `unsupported format code: ${format}` });
  }
  return args;
}

/** Bytes left over: the receive function does not know which argument it was called for. */
function receiveArgument(type: TypeInfo, bytes: Uint8Array, index: number): Datum {
  try {
    return type.receive(bytes, -1);
  } catch (caught) {
    const error = toPgError(caught);
    if (error.fields.message !== 'incorrect binary data format') throw caught;
    const message = `incorrect binary data format in function argument ${index + 1}`;
    throw new PgError('ERROR', { ...error.fields, message });
  }
}

function call(row: ProcRow, oid: Oid, args: readonly Datum[]): Datum {
  const found: Builtin | undefined = builtin(row.prosrc);
  const info: CallInfo = {
    functionOid: oid,
    argTypes: row.proargtypes as readonly Oid[],
    resultType: row.prorettype,
    collation: 100 as Oid,
    variadic: false,
  };
  if (found?.style === 'plain') return found.call(...args);
  if (found?.style === 'callinfo') return found.call(info, ...args);
  return report('ERROR', {
    code: SQLSTATE.featureNotSupported,
    message: `function "${row.proname}" is not supported via fastpath interface`,
  });
}

function sendResult(port: Port, value: Datum, type: Oid, format: number): void {
  const { writer } = port;
  writer.begin(BACKEND.functionCallResponse);
  if (value === null) writer.int32(-1);
  else if (format === 0) writer.countedText(typeInfo(type).output(value));
  else if (format === 1) writer.countedBytes(typeInfo(type).send(value));
  else report('ERROR', { code: SQLSTATE.invalidParameterValue, message: `unsupported format code: ${format}` });
  writer.end();
}
