/** report.ts — how the server says that something happened, from DEBUG5 to PANIC.
 *
 *  ERROR throws a PgError that unwinds to whoever owns the (sub)transaction. FATAL is emitted at once and ends this
 *  process with exit code 1; PANIC is emitted and aborts it, so that the postmaster runs its crash cycle. Inside a
 *  critical section ERROR becomes PANIC; without anyone to catch it (no handler registered yet) ERROR becomes FATAL.
 *  Text of users never becomes a format string: a message is a finished string.
 *  Counterpart: src/backend/utils/error/elog.c */
import { inCriticalSection } from '#runtime/interrupts.ts';
import type { SqlState } from '#runtime/error/sqlstate.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** Ascending severity. In log_min_messages LOG ranks between ERROR and FATAL, which `sinks.ts` knows. */
export const LEVELS = {
  DEBUG5: 10,
  DEBUG4: 11,
  DEBUG3: 12,
  DEBUG2: 13,
  DEBUG1: 14,
  LOG: 15,
  LOG_SERVER_ONLY: 16,
  INFO: 17,
  NOTICE: 18,
  WARNING: 19,
  WARNING_CLIENT_ONLY: 20,
  ERROR: 21,
  FATAL: 22,
  PANIC: 23,
} as const satisfies Record<string, number>;
export type Level = keyof typeof LEVELS;
export type ThrowingLevel = 'ERROR' | 'FATAL' | 'PANIC';

export interface ErrorFields {
  message: string;
  code?: SqlState | undefined;
  detail?: string | undefined;
  /** Goes to the log instead of `detail`. */
  detailLog?: string | undefined;
  hint?: string | undefined;
  context?: string | undefined;
  /** 1-based character in the query string. */
  position?: number | undefined;
  internalPosition?: number | undefined;
  internalQuery?: string | undefined;
  schema?: string | undefined;
  table?: string | undefined;
  column?: string | undefined;
  dataType?: string | undefined;
  constraint?: string | undefined;
  /** Do not add a STATEMENT line to the log entry. */
  hideStatement?: boolean | undefined;
  /** Source function, shown as R of the protocol and in verbose logs. */
  routine?: string | undefined;
  /** Source file and line of the report, F and L of the protocol. */
  file?: string | undefined;
  line?: number | undefined;
}

/** The error that carries these fields: its stack says where they were reported (log-entry.ts). */
export const originOf = new WeakMap<ErrorFields, Error>();

export class PgError extends Error {
  override readonly name = 'PgError';
  readonly code: SqlState;
  constructor(
    readonly level: ThrowingLevel,
    readonly fields: ErrorFields,
  ) {
    super(fields.message);
    this.code = fields.code ?? SQLSTATE.internalError;
    originOf.set(fields, this);
  }
}

export type Emit = (level: Level, fields: ErrorFields) => void;

/** What report() needs of the layers above; filled in by sinks.ts and by the process's entry. */
export const reportHooks: {
  emit: Emit;
  exitProcess: (code: number) => never;
  abortProcess: () => never;
  /** CONTEXT lines, innermost first. */
  contextLines: () => string[];
} = {
  emit: (level, fields) => {
    process.stderr.write(`${level}:  ${fields.message}\n`);
  },
  exitProcess: (code) => process.exit(code),
  abortProcess: () => process.abort(),
  contextLines: () => [],
};

function withContext(fields: ErrorFields): ErrorFields {
  const lines = reportHooks.contextLines();
  if (lines.length === 0) return fields;
  return { ...fields, context: [fields.context, ...lines].filter((line) => line !== undefined).join('\n') };
}

export function report(level: ThrowingLevel, fields: ErrorFields): never;
export function report(level: Exclude<Level, ThrowingLevel>, fields: ErrorFields): void;
export function report(level: Level, fields: ErrorFields): void;
export function report(level: Level, fields: ErrorFields): void {
  const full = withContext(fields);
  if (level === 'ERROR' && inCriticalSection()) level = 'PANIC';
  if (level === 'ERROR') throw new PgError('ERROR', full);
  reportHooks.emit(level, full);
  if (level === 'FATAL') reportHooks.exitProcess(1);
  if (level === 'PANIC') reportHooks.abortProcess();
}

/** The PgError for anything caught: a RangeError from V8's stack limit becomes 54001, any other bug XX000. */
export function toPgError(caught: unknown): PgError {
  if (caught instanceof PgError) return caught;
  if (caught instanceof RangeError && caught.message.includes('call stack')) {
    return new PgError('ERROR', {
      code: SQLSTATE.statementTooComplex,
      message: 'stack depth limit exceeded',
      hint: 'Increase the configuration parameter "max_stack_depth" (currently 2048kB), after ensuring the platform\'s stack depth limit is adequate.',
    });
  }
  const error = caught instanceof Error ? caught : new Error(String(caught));
  const fields = { code: SQLSTATE.internalError, message: error.message, detailLog: error.stack };
  // An exception that nobody reported left the section open: the pages may not match their WAL.
  if (inCriticalSection()) report('PANIC', fields);
  return new PgError('ERROR', fields);
}
