/** source-location.ts — which function reported an event, and where it stands: read off the stack, so that no report has to
 *  say it. In a bundle the file is the bundle.
 *  Counterpart: __FILE__, __LINE__ and PG_FUNCNAME_MACRO of ereport() */
import type { ErrorFields } from '#runtime/error/report.ts';
import { originOf } from '#runtime/error/report.ts';

export interface SourceLocation {
  readonly routine: string;
  readonly file: string;
  readonly line: number;
}

/** Frames between a report and its reader. */
const MACHINERY = new Set(['report', 'emit', 'toLog', 'sourceLocation', 'new PgError', 'toPgError', 'reportAndThrow']);
const FRAME = /^\s+at (?:(.+?) \()?(?:file:\/\/)?(.*?):(\d+):\d+\)?$/;

export function parseStack(stack: string): SourceLocation | undefined {
  for (const text of stack.split('\n')) {
    const [, qualified, path, line] = FRAME.exec(text) ?? [];
    if (path === undefined) continue;
    const routine = (qualified ?? '<anonymous>').replace(/ \[as .*\]$/, '');
    const name = routine.startsWith('new ') ? routine : routine.slice(routine.lastIndexOf('.') + 1);
    if (MACHINERY.has(name)) continue;
    return { routine: name, file: path.slice(path.lastIndexOf('/') + 1), line: Number(line) };
  }
  return undefined;
}

/** What the reporter gave, else where the error was made, else who is calling. */
export function sourceLocation(fields: ErrorFields): Partial<SourceLocation> {
  const found = parseStack((originOf.get(fields) ?? new Error('')).stack ?? '');
  return { ...found, ...given(fields) };
}
function given({ routine, file, line }: ErrorFields): Partial<SourceLocation> {
  if (file !== undefined) return { routine: routine ?? '', file, line: line ?? 0 };
  return routine === undefined ? {} : { routine };
}
