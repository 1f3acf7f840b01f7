/** log-entry.ts — one event on its way to the log: who hears of it, and its fields plus severity text and SQLSTATE,
 *  decided once for the three formats.
 *  Counterpart: should_output_to_server(), is_log_level_output(), error_severity(), errcode defaults of src/backend/utils/error/elog.c */
import type { ErrorFields, Level } from '#runtime/error/report.ts';
import { LEVELS } from '#runtime/error/report.ts';
import type { SourceLocation } from '#runtime/error/source-location.ts';
import type { SqlState } from '#runtime/error/sqlstate.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export type Verbosity = 'terse' | 'default' | 'verbose';

export interface LogEntry {
  readonly level: Level;
  readonly severity: string;
  readonly code: SqlState;
  readonly fields: ErrorFields;
  readonly unixMs: number;
  readonly verbosity: Verbosity;
  /** Statement to show, undefined where log_min_error_statement or the caller hides it. */
  readonly statement: string | undefined;
  /** Looked up for a verbose entry only. */
  readonly location?: Partial<SourceLocation> | undefined;
}

/** What is printed; the client is told the same words. */
export function severityText(level: Level): string {
  if (level.startsWith('DEBUG')) return 'DEBUG';
  if (level === 'LOG_SERVER_ONLY') return 'LOG';
  if (level === 'WARNING_CLIENT_ONLY') return 'WARNING';
  return level;
}

/** The SQLSTATE of an event whose reporter gave none. */
export function codeOf(level: Level, fields: ErrorFields): SqlState {
  if (fields.code !== undefined) return fields.code;
  if (LEVELS[level] >= LEVELS.ERROR) return SQLSTATE.internalError;
  return LEVELS[level] >= LEVELS.WARNING ? SQLSTATE.warning : SQLSTATE.successfulCompletion;
}

/** `routine, file:line`, as far as it is known. */
export function locationOf({ location }: LogEntry): string | undefined {
  if (location?.file === undefined) return location?.routine;
  const place = `${location.file}:${location.line ?? 0}`;
  return location.routine === undefined || location.routine === '' ? place : `${location.routine}, ${place}`;
}
export const detailOf = (fields: ErrorFields): string | undefined => fields.detailLog ?? fields.detail;

/** Values of log_min_messages, client_min_messages and their like. */
const THRESHOLDS: Readonly<Record<string, number>> = {
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
  fatal: LEVELS.FATAL,
  panic: LEVELS.PANIC,
};
const threshold = (setting: string): number => THRESHOLDS[setting] ?? LEVELS.WARNING;

/** Whether an event of `level` reaches a log whose threshold is `setting`. */
export function reachesLog(level: Level, setting: string): boolean {
  const minimum = threshold(setting);
  if (level === 'LOG' || level === 'LOG_SERVER_ONLY') return minimum === LEVELS.LOG || minimum <= LEVELS.ERROR;
  if (level === 'WARNING_CLIENT_ONLY') return false;
  if (minimum === LEVELS.LOG) return LEVELS[level] >= LEVELS.FATAL;
  return LEVELS[level] >= minimum;
}
/** Whether the client is told. INFO always is; nobody is told of less than an error before being let in. */
export function reachesClient(level: Level, setting: string, authenticating: boolean): boolean {
  if (level === 'LOG_SERVER_ONLY') return false;
  if (authenticating) return LEVELS[level] >= LEVELS.ERROR;
  return level === 'INFO' || LEVELS[level] >= threshold(setting);
}
