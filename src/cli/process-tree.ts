/** process-tree.ts — the processes of a running server, as /proc and, where it lets us in, pg_stat_activity know them.
 *
 *  /proc alone gives pid, title, age and memory of the postmaster and its children, whatever state the server is in;
 *  state and wait event come from the server. Memory is PSS: private pages plus this process's share of common ones. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Row } from '#cli/libpq-client.ts';

export interface ProcessRow {
  readonly pid: number;
  readonly title: string;
  readonly kind: string;
  /** Scheduler state of /proc: R, S, D, Z, T. */
  readonly schedulerState: string;
  readonly uptimeSeconds: number;
  /** How often the postmaster had to start this kind again; 0 for those it never restarts. */
  readonly restarts: number;
  /** undefined where /proc hides it from us. */
  readonly pssKilobytes: number | undefined;
  readonly state: string;
  readonly waitEvent: string;
}

/** What the postmaster keeps in pg_stat_tmp/restarts: `count name` a line, by backend type or worker name. */
export function parseRestarts(text: string): ReadonlyMap<string, number> {
  const entries = [...text.matchAll(/^(\d+) (.+)$/gm)].map((found): [string, number] => [found[2]!, Number(found[1])]);
  return new Map(entries);
}

const CLOCK_TICKS_PER_SECOND = 100;

function readProc(pid: number | string, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return undefined; // Gone, or not ours to read.
  }
}

export interface ProcStat {
  readonly state: string;
  readonly parent: number;
  readonly startTicks: number;
}
/** /proc/<pid>/stat; the name in parentheses may contain anything. */
export function parseProcStat(text: string): ProcStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '?', parent: Number(fields[1]), startTicks: Number(fields[19]) };
}

/** `postgres: [cluster: ]checkpointer ` → `checkpointer`. Null bytes separate or pad what setTitle left. */
export const titleOf = (cmdline: string): string => cmdline.replace(/\0+$/, '').replaceAll('\0', ' ').trim();

const FIXED_KINDS = [
  'checkpointer',
  'background writer',
  'walwriter',
  'autovacuum launcher',
  'autovacuum worker',
  'logical replication launcher',
  'logical replication worker',
  'startup',
  'walreceiver',
  'walsender',
  'archiver',
  'logger',
  'stats collector',
  'spare backend',
] as const;

/** What kind of process a title belongs to. */
export function kindOfTitle(title: string): string {
  const starting = /--forkchild (\S+)/.exec(title);
  if (starting !== null) return `starting ${starting[1]}`;
  const text = title.replace(/^postgres: /, '');
  const fixed = FIXED_KINDS.find((kind) => text === kind || text.startsWith(`${kind} `) || text.includes(`: ${kind}`));
  if (fixed !== undefined) return fixed;
  return /(\[local\]|\(\d+\))/.test(text) ? 'client backend' : text === '' ? '?' : 'background worker';
}

function pssOf(pid: number): number | undefined {
  const found = /^Pss:\s+(\d+) kB/m.exec(readProc(pid, 'smaps_rollup') ?? '');
  return found === null ? undefined : Number(found[1]);
}

export const ACTIVITY_QUERY =
  'SELECT pid, backend_type, state, wait_event_type, wait_event FROM pg_catalog.pg_stat_activity';

interface Activity {
  readonly kind: string;
  readonly state: string;
  readonly waitEvent: string;
}
function activityByPid(rows: readonly Row[]): ReadonlyMap<number, Activity> {
  const entries = rows.map(([pid, kind, state, type, event]): [number, Activity] => [
    Number(pid),
    { kind: kind ?? '', state: state ?? '', waitEvent: type && event ? `${type}:${event}` : '' },
  ]);
  return new Map(entries);
}

function processRow(
  pid: number,
  stat: ProcStat,
  uptime: number,
  activity: Activity | undefined,
  restarts: ReadonlyMap<string, number>,
): ProcessRow {
  const title = titleOf(readProc(pid, 'cmdline') ?? '');
  const kind = activity?.kind || kindOfTitle(title);
  const name = title.replace(/^postgres: (.*: )?/, '');
  return {
    pid,
    title,
    kind,
    restarts: restarts.get(kind) ?? restarts.get(name) ?? 0,
    schedulerState: stat.state,
    uptimeSeconds: Math.max(0, uptime - stat.startTicks / CLOCK_TICKS_PER_SECOND),
    pssKilobytes: pssOf(pid),
    state: activity?.state ?? '',
    waitEvent: activity?.waitEvent ?? '',
  };
}

/** The postmaster first, then its children by pid. Empty if it is gone. */
export function processTree(
  postmasterPid: number,
  activity: readonly Row[],
  restarts: ReadonlyMap<string, number> = new Map(),
): ProcessRow[] {
  const known = activityByPid(activity);
  const uptime = Number((readProc('.', 'uptime') ?? '0').split(' ')[0]);
  const rows: ProcessRow[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const pid = Number(name);
    const text = readProc(pid, 'stat');
    if (text === undefined) continue;
    const stat = parseProcStat(text);
    if (pid === postmasterPid)
      rows.unshift({ ...processRow(pid, stat, uptime, undefined, restarts), kind: 'postmaster' });
    else if (stat.parent === postmasterPid) rows.push(processRow(pid, stat, uptime, known.get(pid), restarts));
  }
  const [postmaster, ...children] = rows;
  return postmaster?.pid === postmasterPid ? [postmaster, ...children.sort((a, b) => a.pid - b.pid)] : [];
}

export function formatUptime(seconds: number): string {
  const whole = Math.floor(seconds);
  const two = (n: number): string => String(n).padStart(2, '0');
  const clock = `${two(Math.floor(whole / 3600) % 24)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  const days = Math.floor(whole / 86_400);
  return days > 0 ? `${days}d ${clock}` : clock;
}
const formatMemory = (kilobytes: number | undefined): string =>
  kilobytes === undefined ? '-' : `${(kilobytes / 1024).toFixed(1)} MB`;

/** A table, children drawn below their postmaster. */
export function formatProcessTree(rows: readonly ProcessRow[]): string {
  const cells = rows.map((row, at) => [
    at === 0 ? String(row.pid) : `${at === rows.length - 1 ? '└─' : '├─'} ${row.pid}`,
    row.kind,
    row.state === '' ? row.schedulerState : row.state,
    row.waitEvent === '' ? '-' : row.waitEvent,
    formatUptime(row.uptimeSeconds),
    String(row.restarts),
    formatMemory(row.pssKilobytes),
    row.title,
  ]);
  const table = [['PID', 'KIND', 'STATE', 'WAIT EVENT', 'UPTIME', 'RESTARTS', 'MEMORY (PSS)', 'TITLE'], ...cells];
  const widths = table[0]?.map((_, column) => Math.max(...table.map((line) => line[column]?.length ?? 0))) ?? [];
  const isNumeric = (column: number): boolean => column >= 4 && column <= 6;
  return table
    .map((line) =>
      line
        .map((text, column) =>
          isNumeric(column) ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}
