/** api.ts — what the author of an extension or background worker imports: `import … from 'nodegres/extension'`.
 *
 *  Name for name the TypeScript twin of PostgreSQL's C interface for background workers. The functions live in the server
 *  process that loaded the extension; this module only finds them there, so that state is never duplicated.
 *  A worker's main is called with its main argument and must not return before it is done; returning ends the process
 *  with exit code 0 (never restarted), throwing with 1 (restarted after its restart interval). */
import type { Memory } from '#base/struct.ts';
import type { CustomVariable, NumericOptions } from '#runtime/guc/custom-variables.ts';
import type { WaitOptions } from '#shm/wait-event-set.ts';
import type { ErrorFields, Level } from '#runtime/error/report.ts';
import type { BackgroundWorker, BackgroundWorkerHandle, BgwHandleStatus } from '#bgworker/registry.ts';
import type { LWLockMode } from '#shm/lwlock.ts';
import type { ShmemStruct } from '#shm/shmem.ts';

export type { BackgroundWorker, BackgroundWorkerHandle, BgwHandleStatus, CustomVariable, NumericOptions };

export interface ExtensionApi {
  // ── workers ──
  readonly BGWORKER_SHMEM_ACCESS: number;
  readonly BGWORKER_BACKEND_DATABASE_CONNECTION: number;
  readonly BGW_NEVER_RESTART: number;
  /** True while shared_preload_libraries are being loaded. */
  processSharedPreloadLibrariesInProgress(): boolean;
  /** Static registration, from _PG_init of a preloaded library. */
  registerBackgroundWorker(worker: BackgroundWorker): void;
  /** At run time; undefined when max_worker_processes are in use. */
  registerDynamicBackgroundWorker(worker: BackgroundWorker): BackgroundWorkerHandle | undefined;
  getBackgroundWorkerPid(handle: BackgroundWorkerHandle): { status: BgwHandleStatus; pid: number };
  waitForBackgroundWorkerStartup(handle: BackgroundWorkerHandle): { status: BgwHandleStatus; pid: number };
  waitForBackgroundWorkerShutdown(handle: BackgroundWorkerHandle): BgwHandleStatus;
  terminateBackgroundWorker(handle: BackgroundWorkerHandle): void;
  /** The worker that this process is. */
  myBgworkerEntry(): BackgroundWorker;
  /** Signals are blocked when main starts: after its handlers are set it calls this. */
  backgroundWorkerUnblockSignals(): void;
  /** Database null: shared catalogs only. User null: the bootstrap superuser. Once per worker. */
  backgroundWorkerInitializeConnection(database: string | null, user: string | null, flags: number): void;

  // ── signals and sleeping ──
  readonly SIGHUP: number;
  readonly SIGTERM: number;
  readonly SIGUSR1: number;
  /** The default of SIGTERM ends the worker with FATAL at its next interrupt check; after this call it only counts. */
  catchSignal(signal: number): void;
  /** True once per batch of deliveries of a caught signal. */
  takeSignal(signal: number): boolean;
  checkForInterrupts(): void;
  readonly WL_LATCH_SET: number;
  readonly WL_TIMEOUT: number;
  readonly WL_POSTMASTER_DEATH: number;
  /** Sleeps for this process's latch; wait event Extension unless given. Returns WL_* bits. */
  waitLatch(options: WaitOptions | undefined, waitEvent?: number): number;
  /** For async mains: resolves when the latch is set, or after `timeoutMs`. */
  latchSet(timeoutMs?: number): Promise<'latch' | 'timeout'>;
  resetLatch(): void;
  setLatch(latch: number): void;
  myLatch(): number;
  myProcPid(): number;
  /** Reads the configuration files again (after SIGHUP). */
  processConfigFile(): void;
  procExit(code: number): never;

  // ── reporting ──
  report(level: Level, fields: ErrorFields): void;
  reportActivity(state: 'active' | 'idle', text: string | null): void;

  // ── shared memory and locks ──
  readonly shmemRequestHook: (() => void)[];
  readonly shmemStartupHook: (() => void)[];
  requestAddinShmemSpace(bytes: number): void;
  requestNamedLWLockTranche(name: string, locks: number): void;
  getNamedLWLockTranche(name: string): number[];
  shmemInitStruct(name: string, bytes: number): ShmemStruct;
  /** The segment: `memory().view`, `.i32` (for Atomics), `.u8`. */
  memory(): Memory;
  addinShmemInitLock(): number;
  lwLockAcquire(lock: number, mode: LWLockMode): boolean;
  lwLockConditionalAcquire(lock: number, mode: LWLockMode): boolean;
  lwLockRelease(lock: number): void;

  // ── configuration ──
  readonly defineCustomBoolVariable: typeof import('#runtime/guc/custom-variables.ts').defineCustomBoolVariable;
  readonly defineCustomIntVariable: typeof import('#runtime/guc/custom-variables.ts').defineCustomIntVariable;
  readonly defineCustomRealVariable: typeof import('#runtime/guc/custom-variables.ts').defineCustomRealVariable;
  readonly defineCustomStringVariable: typeof import('#runtime/guc/custom-variables.ts').defineCustomStringVariable;
  readonly defineCustomEnumVariable: typeof import('#runtime/guc/custom-variables.ts').defineCustomEnumVariable;
  markGUCPrefixReserved(prefix: string): void;

  /** TimestampTz of now: microseconds since 2000-01-01 00:00 UTC. */
  getCurrentTimestamp(): number;
}

const KEY = Symbol.for('nodegres.extension');

/** The interface of the server that runs this code. Throws outside a server. */
export function extensionApi(): ExtensionApi {
  const api = (globalThis as Record<symbol, unknown>)[KEY];
  if (api === undefined) throw new Error('nodegres/extension works only in a module that a Nodegres server loaded');
  return api as ExtensionApi;
}
export function publishExtensionApi(api: ExtensionApi): void {
  (globalThis as Record<symbol, unknown>)[KEY] = api;
}
