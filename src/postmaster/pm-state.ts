/** pm-state.ts — what the postmaster knows: its state, its children, its descriptors. Private memory only, on purpose:
 *  a supervisor that shared its state would die with its children.
 *  Counterpart: the static variables of src/backend/postmaster/postmaster.c */
import type { RegisteredWorker } from '#bgworker/registry.ts';
import type { ProcessKindName, SingleKind } from '#postmaster/process-kinds.ts';

/** Order matters: states are compared with < . */
export const PM = {
  INIT: 0,
  STARTUP: 1,
  RECOVERY: 2,
  HOT_STANDBY: 3,
  RUN: 4,
  STOP_BACKENDS: 5,
  WAIT_BACKENDS: 6,
  SHUTDOWN: 7,
  SHUTDOWN_2: 8,
  WAIT_DEAD_END: 9,
  NO_CHILDREN: 10,
} as const;
export type PmState = (typeof PM)[keyof typeof PM];

export const SHUTDOWN = { NO: 0, SMART: 1, FAST: 2, IMMEDIATE: 3 } as const;
export type ShutdownMode = (typeof SHUTDOWN)[keyof typeof SHUTDOWN];

/** A process of the backend list: client, autovacuum worker, background worker, spare backend. */
export interface Backend {
  readonly pid: number;
  readonly kind: ProcessKindName;
  readonly slot: number;
  readonly cancelKey: number;
  readonly deadEnd: boolean;
  /** Socket to a spare backend that still waits for its connection, else -1. */
  spareChannel: number;
  /** Some background worker wants this process signalled; if it ends, that must be forgotten. */
  bgworkerNotify: boolean;
  readonly worker: PmWorker | undefined;
}

/** The postmaster's private copy of a background worker. */
export interface PmWorker extends RegisteredWorker {
  pid: number;
  backend: Backend | undefined;
  /** Monotonic ms of its last crash, 0 for none. */
  crashedAt: number;
  terminate: boolean;
}

export const pm = {
  state: PM.INIT as PmState,
  shutdown: SHUTDOWN.NO as ShutdownMode,
  fatalError: false,
  startupStatus: 'notRunning' as 'notRunning' | 'running' | 'signaled' | 'crashed',
  connsAllowed: false,
  /** Monotonic ms when SIGQUIT was sent, 0 if no SIGKILL is due. */
  abortStartMs: 0,
  reachedNormalRunning: false,
  startAutovacLauncher: false,
  startAutovacWorker: false,
  autovacLauncherSignal: false,
  workersChanged: false,
  startWorkerNeeded: false,
  haveCrashedWorker: false,
  /** pids of the processes of which there is at most one; 0 for none. */
  single: {
    startup: 0,
    checkpointer: 0,
    'background-writer': 0,
    'wal-writer': 0,
    'wal-summarizer': 0,
    'wal-receiver': 0,
    'autovacuum-launcher': 0,
    archiver: 0,
    'stats-collector': 0,
    logger: 0,
  } as Record<SingleKind, number>,
  backends: new Map<number, Backend>(),
  workers: [] as PmWorker[],
  /** Spawned children that cannot take signals yet, with those that wait for them. */
  unready: new Map<number, { readonly index: number; readonly signals: number[] }>(),
  /** Monotonic ms of the last start, for those that are not restarted at once. */
  lastStartMs: {} as Partial<Record<SingleKind, number>>,
  listenSockets: [] as number[],
  unixSocketPaths: [] as string[],
  deathPipeRead: -1,
  deathPipeWrite: -1,
  interlockFd: -1,
  logPipeRead: -1,
  logPipeWrite: -1,
  /** Where stderr went before the logger took it. */
  originalStderr: -1,
  segmentSize: 0,
  generation: 0,
  statsSocket: -1,
  forkMode: true,
};
