/** current-log-files.ts — `current_logfiles` in the data directory: which files the logger writes to, a line
 *  `destination path` for each. Written by the logger, read by pg_current_logfile() and `nodegres logs`. */

export const METAINFO_FILE = 'current_logfiles';

/** The path of one destination; without a destination the first one there. */
export function currentLogFile(metainfo: string, destination?: string): string | undefined {
  for (const line of metainfo.split('\n')) {
    const space = line.indexOf(' ');
    if (space > 0 && (destination === undefined || line.slice(0, space) === destination)) return line.slice(space + 1);
  }
  return undefined;
}
