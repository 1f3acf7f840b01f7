/** log-context.ts — what a log entry says about the process and the session that wrote it.
 *
 *  Plain fields that their owners set when they change (the session: user, database, statement …), and three functions
 *  for facts that are asked only while an entry is being written. Nothing here may fail: it is read while an error is on
 *  its way out. Absent facts are undefined, '' or 0 and print as PostgreSQL prints them.
 *  Counterpart: MyProcPort, MyProc, debug_query_string as elog.c uses them */

export interface LogContext {
  pid: number;
  /** Unix seconds; with the pid it makes the session id. */
  startSeconds: number;
  /** %b: `client backend`, `checkpointer`, a background worker's type, `postmaster`. */
  backendType: string;
  /** This process serves a client; until then %u %d %a %h %r %i %s are empty and %q ends the prefix. */
  session: boolean;
  user: string | undefined;
  database: string | undefined;
  /** `[local]`, an address, or (log_hostname) the name found for it. */
  remoteHost: string | undefined;
  /** '' for a Unix-domain socket. */
  remotePort: string;
  /** The setting, refreshed for every entry. */
  applicationName: string;
  /** Of a parallel worker: the process that it works for. */
  leaderPid: number | undefined;
  /** The client has not been let in: it hears of errors only. */
  clientAuthInProgress: boolean;
  /** Source text being executed; undefined while idle. */
  statement: string | undefined;
  /** Standard error is the logger's pipe. */
  redirected: boolean;
  /** Activity part of the ps title. */
  psActivity: () => string;
  /** `3/17`, '' without a slot in the PGPROC array. */
  virtualTransactionId: () => string;
  /** 0 while the transaction has no xid. */
  transactionId: () => number;
  queryId: () => bigint;
}

/** Where the postmaster keeps the standard error it was started with once the logger's pipe has taken its place. */
export const ORIGINAL_STDERR = 60;

const noText = (): string => '';
const zero = (): number => 0;
const zeroBig = (): bigint => 0n;

export const logContext: LogContext = {
  pid: 0,
  startSeconds: 0,
  backendType: 'not initialized',
  session: false,
  user: undefined,
  database: undefined,
  remoteHost: undefined,
  remotePort: '',
  applicationName: '',
  leaderPid: undefined,
  clientAuthInProgress: false,
  statement: undefined,
  redirected: false,
  psActivity: noText,
  virtualTransactionId: noText,
  transactionId: zero,
  queryId: zeroBig,
};

/** A forked child is nobody's session yet; where standard error leads stays true. */
export function resetLogContext(): void {
  Object.assign(logContext, {
    session: false,
    user: undefined,
    database: undefined,
    remoteHost: undefined,
    remotePort: '',
    applicationName: '',
    leaderPid: undefined,
    clientAuthInProgress: false,
    statement: undefined,
    virtualTransactionId: noText,
    transactionId: zero,
    queryId: zeroBig,
  } satisfies Partial<LogContext>);
}

/** `6b0192b5.1a58`: start time and pid, unique enough to group a session's entries. */
export const sessionId = (context: LogContext): string =>
  `${context.startSeconds.toString(16)}.${context.pid.toString(16)}`;
