/** my-process.ts — who am I: facts of this one process that many layers print or compare.
 *
 *  A forked child inherits its parent's values and overwrites them in `becomeProcess` (process.pid, which Node caches,
 *  is stale in a forked child and never used).
 *  Counterpart: src/backend/utils/init/globals.c, miscinit.c */
import { currentTimestamp } from '#platform/clock.ts';
import { native } from '#platform/native.ts';

export interface MyProcess {
  pid: number;
  /** Key of PROCESS_KINDS. */
  kind: string;
  /** pg_stat_activity.backend_type, %b of log_line_prefix. */
  backendType: string;
  /** TimestampTz. */
  startTime: number;
  postmasterPid: number;
  isUnderPostmaster: boolean;
  /** Index in the PGPROC array, -1 without one. */
  procNumber: number;
  /** 1-based slot in ProcSignal and the activity array, 0 without one. */
  backendId: number;
  /** Database of this session, 0 before or without one. */
  databaseId: number;
  /** Secret of cancel requests. */
  cancelKey: number;
  /** Index in PMSignal's child flags; 0 for none. */
  childSlot: number;
  dataDirectory: string;
}

export const myProcess: MyProcess = {
  pid: native.getpid(),
  kind: 'standalone',
  backendType: 'not initialized',
  startTime: currentTimestamp(),
  postmasterPid: 0,
  isUnderPostmaster: false,
  procNumber: -1,
  backendId: 0,
  databaseId: 0,
  cancelKey: 0,
  childSlot: 0,
  dataDirectory: '',
};

export function becomeProcess(kind: string, backendType: string): void {
  myProcess.pid = native.getpid();
  myProcess.kind = kind;
  myProcess.backendType = backendType;
  myProcess.startTime = currentTimestamp();
  myProcess.procNumber = -1;
  myProcess.backendId = 0;
  myProcess.databaseId = 0;
  myProcess.childSlot = 0;
}
