/** error-message.ts — an error or a notice as the client sees it: ErrorResponse and NoticeResponse.
 *
 *  Counterpart: send_message_to_frontend() of src/backend/utils/error/elog.c */
import { BACKEND } from '#libpq/messages.ts';
import type { MessageWriter } from '#libpq/message-writer.ts';
import { type ErrorFields, LEVELS, type Level } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** The word that clients and log readers see for a level. */
export const SEVERITY = {
  DEBUG5: 'DEBUG',
  DEBUG4: 'DEBUG',
  DEBUG3: 'DEBUG',
  DEBUG2: 'DEBUG',
  DEBUG1: 'DEBUG',
  LOG: 'LOG',
  LOG_SERVER_ONLY: 'LOG',
  INFO: 'INFO',
  NOTICE: 'NOTICE',
  WARNING: 'WARNING',
  WARNING_CLIENT_ONLY: 'WARNING',
  ERROR: 'ERROR',
  FATAL: 'FATAL',
  PANIC: 'PANIC',
} as const satisfies Record<Level, string>;

/** client_min_messages by name, on the scale of LEVELS. */
const CLIENT_MIN: Readonly<Record<string, number>> = {
  debug5: LEVELS.DEBUG5,
  debug4: LEVELS.DEBUG4,
  debug3: LEVELS.DEBUG3,
  debug2: LEVELS.DEBUG2,
  debug1: LEVELS.DEBUG1,
  debug: LEVELS.DEBUG2,
  log: LEVELS.LOG,
  info: LEVELS.INFO,
  notice: LEVELS.NOTICE,
  warning: LEVELS.WARNING,
  error: LEVELS.ERROR,
};

/** Whether a message of this level goes to the client. Until the client is authenticated only errors do, so that nothing
 *  is told to a stranger and no client's authentication code is confused by notices. */
export function isForClient(level: Level, clientMinMessages: string, authenticating: boolean): boolean {
  const rank = LEVELS[level];
  if (rank === LEVELS.LOG_SERVER_ONLY) return false;
  if (authenticating) return rank >= LEVELS.ERROR;
  return level === 'INFO' || rank >= (CLIENT_MIN[clientMinMessages] ?? LEVELS.NOTICE);
}

const defaultCode = (level: Level): string => {
  if (LEVELS[level] >= LEVELS.ERROR) return SQLSTATE.internalError;
  return LEVELS[level] >= LEVELS.WARNING ? SQLSTATE.warning : SQLSTATE.successfulCompletion;
};

const FIELD = {
  severity: 'S',
  severityFixed: 'V',
  code: 'C',
  message: 'M',
  detail: 'D',
  hint: 'H',
  context: 'W',
  schema: 's',
  table: 't',
  column: 'c',
  dataType: 'd',
  constraint: 'n',
  position: 'P',
  internalPosition: 'p',
  internalQuery: 'q',
  routine: 'R',
} as const satisfies Record<string, string>;

function field(writer: MessageWriter, name: keyof typeof FIELD, value: string | number | undefined): void {
  if (value === undefined || value === '') return;
  writer.int8(FIELD[name].charCodeAt(0));
  writer.cstring(String(value));
}

/** Appends one complete message, fields in PostgreSQL's order. */
export function writeErrorMessage(writer: MessageWriter, level: Level, fields: ErrorFields): void {
  writer.begin(LEVELS[level] < LEVELS.ERROR ? BACKEND.noticeResponse : BACKEND.errorResponse);
  field(writer, 'severity', SEVERITY[level]);
  field(writer, 'severityFixed', SEVERITY[level]);
  field(writer, 'code', fields.code ?? defaultCode(level));
  field(writer, 'message', fields.message === '' ? 'missing error text' : fields.message);
  field(writer, 'detail', fields.detail);
  field(writer, 'hint', fields.hint);
  field(writer, 'context', fields.context);
  field(writer, 'schema', fields.schema);
  field(writer, 'table', fields.table);
  field(writer, 'column', fields.column);
  field(writer, 'dataType', fields.dataType);
  field(writer, 'constraint', fields.constraint);
  if (fields.position !== undefined && fields.position > 0) field(writer, 'position', fields.position);
  if (fields.internalPosition !== undefined && fields.internalPosition > 0)
    field(writer, 'internalPosition', fields.internalPosition);
  field(writer, 'internalQuery', fields.internalQuery);
  field(writer, 'routine', fields.routine);
  writer.int8(0);
  writer.end();
}
