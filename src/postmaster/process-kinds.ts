/** process-kinds.ts — the TABLE of everything the postmaster can start.
 *
 *  `crash` says what an abnormal end of such a process means: 'reset' throws shared memory away and restarts everybody;
 *  'restart' only starts it again. `cleanExit` lists the exit codes that are not abnormal.
 *  `load` is synchronous and late: a forked child has no event loop, and a spawned one should load only what it is.
 *  Counterpart: src/include/postmaster/proctypelist.h, the reaper() of src/backend/postmaster/postmaster.c */
import type { LaunchRecord } from '#runtime/launch-record.ts';
import type { AuxiliaryKind } from '#storage/ipc/backend-ids.ts';

export type ProcessMain = (launch: LaunchRecord) => never;
interface ProcessModule {
  readonly main: ProcessMain;
}

export interface ProcessKind {
  /** backend_type, and the fixed part of the ps title of auxiliary processes. */
  readonly backendType: string;
  /** In log lines about its end. */
  readonly logName: string;
  readonly attachesShmem: boolean;
  readonly crash: 'reset' | 'restart';
  readonly cleanExit: readonly number[];
  readonly load: () => ProcessModule;
}

export const PROCESS_KINDS = {
  startup: {
    backendType: 'startup',
    logName: 'startup process',
    attachesShmem: true,
    crash: 'reset',
    cleanExit: [0],
    load: () => require('#processes/startup.ts') as ProcessModule,
  },
  checkpointer: {
    backendType: 'checkpointer',
    logName: 'checkpointer process',
    attachesShmem: true,
    crash: 'reset',
    cleanExit: [0],
    load: () => require('#processes/checkpointer.ts') as ProcessModule,
  },
  'background-writer': {
    backendType: 'background writer',
    logName: 'background writer process',
    attachesShmem: true,
    crash: 'reset',
    cleanExit: [0],
    load: () => require('#processes/background-writer.ts') as ProcessModule,
  },
  'wal-writer': {
    backendType: 'walwriter',
    logName: 'WAL writer process',
    attachesShmem: true,
    crash: 'reset',
    cleanExit: [0],
    load: () => require('#processes/wal-writer.ts') as ProcessModule,
  },
  'wal-summarizer': {
    backendType: 'walsummarizer',
    logName: 'WAL summarizer process',
    attachesShmem: true,
    crash: 'reset',
    cleanExit: [0],
    load: () => require('#processes/wal-summarizer.ts') as ProcessModule,
  },
  'autovacuum-launcher': {
    backendType: 'autovacuum launcher',
    logName: 'autovacuum launcher process',
    attachesShmem: true,
    crash: 'reset',
    cleanExit: [0],
    load: () => require('#processes/autovacuum-launcher.ts') as ProcessModule,
  },
  'autovacuum-worker': {
    backendType: 'autovacuum worker',
    logName: 'server process',
    attachesShmem: true,
    crash: 'reset',
    cleanExit: [0, 1],
    load: () => require('#processes/autovacuum-worker.ts') as ProcessModule,
  },
  archiver: {
    backendType: 'archiver',
    logName: 'archiver process',
    attachesShmem: true,
    crash: 'reset',
    cleanExit: [0, 1],
    load: () => require('#processes/archiver.ts') as ProcessModule,
  },
  'stats-collector': {
    backendType: 'stats collector',
    logName: 'statistics collector process',
    attachesShmem: true,
    crash: 'restart',
    cleanExit: [0],
    load: () => require('#processes/stats-collector.ts') as ProcessModule,
  },
  logger: {
    backendType: 'logger',
    logName: 'system logger process',
    attachesShmem: false,
    crash: 'restart',
    cleanExit: [0],
    load: () => require('#processes/logger.ts') as ProcessModule,
  },
  'client-backend': {
    backendType: 'client backend',
    logName: 'server process',
    attachesShmem: true,
    crash: 'reset',
    cleanExit: [0, 1],
    load: () => require('#processes/backend.ts') as ProcessModule,
  },
  'background-worker': {
    backendType: 'background worker',
    logName: 'background worker',
    attachesShmem: true,
    crash: 'reset',
    cleanExit: [0, 1],
    load: () => require('#processes/background-worker.ts') as ProcessModule,
  },
} as const satisfies Record<string, ProcessKind>;
export type ProcessKindName = keyof typeof PROCESS_KINDS;

/** Kinds of which there is at most one. */
export type SingleKind = AuxiliaryKind | 'autovacuum-launcher' | 'logger';
