/** statement-log.ts — what log_statement, log_duration and log_min_duration_statement have written about statements.
 *  Counterpart: check_log_statement(), check_log_duration() of src/backend/tcop/postgres.c */
import { typeInfo } from '#adt/fmgr.ts';
import type { BoundParams } from '#nodes/exec-nodes.ts';
import type { Node } from '@pgsql/types';
import { logClass } from '#portal/command-tags.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { clockTimestamp } from '#transam/timestamps.ts';
import { statementTimestamp } from '#transam/xact.ts';

const CLASS_RANK = { none: 0, ddl: 1, mod: 2, all: 3 } as const satisfies Record<string, number>;

let muted = false;
/** Statements that nobody sent (the warming-up before a fork) are not logged. */
export function muteStatementLog(on: boolean): void {
  muted = on;
}

/** Whether log_statement wants one of these. */
export function wantsStatementLog(nodes: readonly Node[]): boolean {
  if (muted) return false;
  const wanted = CLASS_RANK[settings.log_statement as keyof typeof CLASS_RANK];
  if (wanted === CLASS_RANK.none) return false;
  if (wanted === CLASS_RANK.all) return true;
  return nodes.some((node) => CLASS_RANK[logClass(node)] <= wanted);
}
export function logStatement(text: string): void {
  report('LOG', { message: text, hideStatement: true });
}

/** Milliseconds with three digits, as the log prints durations. */
function durationText(): { text: string; milliseconds: number } {
  const micros = Math.max(0, clockTimestamp() - statementTimestamp());
  const milliseconds = Math.floor(micros / 1000);
  return { text: `${milliseconds}.${String(micros % 1000).padStart(3, '0')}`, milliseconds };
}

const inSample = (milliseconds: number): boolean => {
  const limit = settings.log_min_duration_sample;
  if (limit < 0 || (limit > 0 && milliseconds < limit)) return false;
  const rate = settings.log_statement_sample_rate;
  return rate >= 1 || (rate > 0 && Math.random() <= rate);
};

/** At a statement's end. `what` describes it (`statement: select 1`) where its text was not logged before. */
export function logDuration(wasLogged: boolean, what: () => string, detail?: () => string | undefined): void {
  const minimum = settings.log_min_duration_statement;
  if (muted) return;
  if (!settings.log_duration && minimum < 0 && settings.log_min_duration_sample < 0) return;
  const { text, milliseconds } = durationText();
  const exceeded = minimum === 0 || (minimum > 0 && milliseconds >= minimum);
  const wanted = exceeded || inSample(milliseconds);
  if (!wanted && !settings.log_duration) return;
  if (wanted && !wasLogged)
    report('LOG', { message: `duration: ${text} ms  ${what()}`, detail: detail?.(), hideStatement: true });
  else report('LOG', { message: `duration: ${text} ms`, hideStatement: true });
}

/** `parameters: $1 = '…', $2 = NULL` of executed statements. */
export function parametersDetail(params: BoundParams | null): string | undefined {
  const limit = settings.log_parameter_max_length;
  if (params === null || params.values.length === 0 || limit === 0) return undefined;
  const shown = params.values.map((value, i) => {
    if (value === null) return `$${i + 1} = NULL`;
    return `$${i + 1} = ${quoteParameter(typeInfo(params.types[i]!).output(value), limit)}`;
  });
  return `parameters: ${shown.join(', ')}`;
}
/** In quotes; cut to `limit` bytes (negative: not at all). */
export function quoteParameter(text: string, limit: number): string {
  let shown = text;
  let cut = false;
  if (limit >= 0 && Buffer.byteLength(text) > limit) {
    const bytes = Buffer.from(text);
    let end = limit;
    while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
    shown = bytes.toString('utf8', 0, end);
    cut = true;
  }
  return `'${shown.replaceAll("'", "''")}${cut ? '...' : ''}'`;
}
