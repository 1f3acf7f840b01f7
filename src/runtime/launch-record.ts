/** launch-record.ts — everything that a new process is told by the postmaster, in one typed record.
 *
 *  A forked child gets the object itself; a spawned one reads it, encoded by postmaster/launch-encoding.ts, from an
 *  inherited descriptor and re-attaches what fork would have copied. Code above the entry cannot tell which it was.
 *  Counterpart: BackendParameters of src/backend/postmaster/postmaster.c (EXEC_BACKEND) */

/** Whether a new connection may go on (canAcceptConnections), decided by the postmaster before it made the process. */
export type Admission = 'ok' | 'startup' | 'shutdown' | 'recovery' | 'notConsistent' | 'tooMany';

export interface LaunchRecord {
  readonly kind: string;
  /** 1-based child flag of PMSignal; 0 for processes that have none. */
  readonly childSlot: number;
  readonly cancelKey: number;
  /** The accepted connection, or -1. */
  readonly socket: number;
  readonly admission: Admission;
  /** Slot of a background worker, or -1. */
  readonly workerSlot: number;
  /** Of the whole server. */
  readonly postmasterPid: number;
  readonly postmasterStartTime: number;
  readonly dataDirectory: string;
  readonly deathPipe: number;
  readonly segmentFd: number;
  readonly segmentSize: number;
  /** Descriptor of the data directory, which carries the interlock. */
  readonly interlockFd: number;
  /** Read end of the log pipe (logger only) and its write end, or -1. */
  readonly logPipeRead: number;
  readonly logPipeWrite: number;
  readonly statsSocket: number;
  /** Socket over which a spare backend receives its connection, or -1. */
  readonly spareChannel: number;
  /** Spawned children announce here that signals may come; -1 for those without shared memory. */
  readonly readyIndex: number;
  readonly isForked: boolean;
}
