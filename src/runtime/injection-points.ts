/** injection-points.ts — places where a test makes the server fail on purpose.
 *
 *  `NODEGRES_INJECT=name:action[:nth][,…]` in the postmaster's environment arms points of the table below in every process
 *  that it starts; without it a point costs one comparison. The point acts at its `nth` pass in a process, 1 if absent.
 *  Actions: `error`, `panic`, `kill` (SIGKILL to itself, a crash) and `wait` (sleep while the file `inject.<name>` exists in
 *  the data directory).
 *  Counterpart: src/backend/utils/misc/injection_point.c of PostgreSQL 17 */
import { exists } from '#platform/file-system.ts';
import { native, SIGNAL } from '#platform/native.ts';
import { report } from '#runtime/error/report.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';

/** Every point there is. */
export const INJECTION_POINTS = {
  mdExtend: 'after a relation was extended, before its file is registered for fsync',
  mdUnlink: 'before the first segment of a dropped relation is unlinked',
  syncBeforeFsync: 'before each fsync of a checkpoint',
  relmapBeforeWrite: 'relation map: after its WAL record, before its file',
  storageBeforeTruncate: 'between the WAL of a truncation and the truncation',
  walBeforeFlush: 'before WAL is written out',
  walAfterFlush: 'after WAL was fsynced',
  checkpointBeforeRecord: 'checkpoint: buffers are written, the record is not',
  checkpointBeforeControlFile: 'checkpoint: the record is flushed, pg_control is old',
  bufferBeforeWrite: 'before a dirty buffer is written',
  commitBeforeRecord: 'commit: before its WAL record',
  commitAfterFlush: 'commit: WAL is flushed, clog is not set',
  commitAfterClog: 'commit: clog is set, the process is still in the proc array',
  heapInsertBeforeWal: 'heap insert: the page is changed, the record is not made',
  btreeSplitBeforeParent: 'btree: a page is split, the parent knows nothing',
} as const satisfies Record<string, string>;
export type InjectionPoint = keyof typeof INJECTION_POINTS;

const ACTIONS = ['kill', 'error', 'panic', 'wait'] as const;
type Action = (typeof ACTIONS)[number];
interface Armed {
  readonly action: Action;
  readonly nth: number;
  passes: number;
}

function parse(text: string | undefined): Map<string, Armed> | null {
  if (text === undefined || text === '') return null;
  const points = new Map<string, Armed>();
  for (const part of text.split(',')) {
    const [name = '', action = '', nth = '1'] = part.split(':');
    const known = ACTIONS.find((one) => one === action);
    if (!(name in INJECTION_POINTS) || known === undefined || !/^[1-9]\d*$/.test(nth))
      throw new Error(`NODEGRES_INJECT: "${part}" is no name:action[:nth]`);
    points.set(name, { action: known, nth: Number(nth), passes: 0 });
  }
  return points;
}
let armed = parse(process.env['NODEGRES_INJECT']);

/** Arms points in this process alone, for tests of one process; null disarms. */
export function armInjectionPoints(text: string | null): void {
  armed = parse(text ?? undefined);
}

export function injectionPoint(name: InjectionPoint): void {
  if (armed !== null) act(armed, name);
}

function act(points: Map<string, Armed>, name: InjectionPoint): void {
  const point = points.get(name);
  if (point === undefined || ++point.passes !== point.nth) return;
  const { action } = point;
  if (action === 'kill') native.kill(native.getpid(), SIGNAL.KILL);
  if (action === 'error') report('ERROR', { message: `error triggered for injection point ${name}` });
  if (action === 'panic') report('PANIC', { message: `panic triggered for injection point ${name}` });
  const word = new Int32Array(new SharedArrayBuffer(4));
  while (exists(`inject.${name}`)) {
    checkForInterrupts();
    Atomics.wait(word, 0, 0, 10);
  }
}
