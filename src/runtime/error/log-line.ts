/** log-line.ts — the stderr format: a prefixed line for the message and one for each further fact.
 *
 *      2026-11-21 12:46:45.835 UTC [6754] ERROR:  relation "x" does not exist at character 20
 *      2026-11-21 12:46:45.835 UTC [6754] STATEMENT:  select * from x
 *
 *  Lines inside a text continue after a tab, so that a reader of the file can tell a prefix from user text.
 *  Counterpart: send_message_to_server_log() of src/backend/utils/error/elog.c */
import type { LogContext } from '#runtime/error/log-context.ts';
import type { LogEntry } from '#runtime/error/log-entry.ts';
import { detailOf, locationOf } from '#runtime/error/log-entry.ts';
import { formatLogPrefix } from '#runtime/error/log-prefix.ts';

const tabbed = (text: string): string => (text.includes('\n') ? text.replaceAll('\n', '\n\t') : text);

let lineNumber = 0;
let numberedPid = -1;

/** %l counts the prefixes that this process printed. */
function nextLineNumber(context: LogContext): number {
  if (numberedPid !== context.pid) {
    numberedPid = context.pid;
    lineNumber = 0;
  }
  return ++lineNumber;
}

export function formatLogLines(entry: LogEntry, prefix: string, context: LogContext): string {
  const { fields, verbosity } = entry;
  let out = '';
  const line = (label: string, text: string | undefined): void => {
    if (text === undefined || text === '') return;
    const facts = { unixMs: entry.unixMs, code: entry.code, lineNumber: nextLineNumber(context) };
    out += `${formatLogPrefix(prefix, context, facts)}${label}:  ${tabbed(text)}\n`;
  };
  const position = fields.position ?? fields.internalPosition ?? 0;
  const code = verbosity === 'verbose' ? `${entry.code}: ` : '';
  const message = fields.message === '' ? 'missing error text' : fields.message;
  line(entry.severity, code + message + (position > 0 ? ` at character ${position}` : ''));
  if (verbosity !== 'terse') {
    line('DETAIL', detailOf(fields));
    line('HINT', fields.hint);
    line('QUERY', fields.internalQuery);
    line('CONTEXT', fields.context);
    if (verbosity === 'verbose') line('LOCATION', locationOf(entry));
  }
  line('STATEMENT', entry.statement);
  return out;
}
