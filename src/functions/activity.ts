/** activity.ts — pg_stat_get_activity() under pg_stat_activity, and the pg_stat_get_backend_* family.
 *
 *  A session sees its own user's sessions and, as superuser or pg_read_all_stats, everybody's; of the others it sees
 *  that they exist.
 *  Counterpart: src/backend/utils/adt/pgstatfuncs.c */
import type { Datum } from '#adt/datum.ts';
import { registerBuiltins, registerSetBuiltins } from '#adt/fmgr.ts';
import { inetIn } from '#adt/inet.ts';
import type { Oid } from '#base/ids.ts';
import { hasPrivilegesOfRole, roleByName } from '#catalog/roles.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { rowIterator, valueIterator } from '#functions/set-iterator.ts';
import { describeWaitEvent } from '#runtime/activity/wait-events.ts';
import { mem } from '#shm/memory.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { procAt } from '#shm/proc.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { type BackendStatus, PROGRESS_COMMAND, readBackendStatuses, readProgress } from '#stats/backend-status.ts';

const CLIENT_BACKEND = 'client backend';
const NOT_AVAILABLE = '<backend information not available>';
const NO_PRIVILEGE = '<insufficient privilege>';
const DISABLED = '<command string not enabled>';

function mayLookAt(one: { readonly userId: number }): boolean {
  const me = sessionIdentity.userOid;
  const readers = roleByName('pg_read_all_stats');
  if (readers !== undefined && hasPrivilegesOfRole(me, readers.oid)) return true;
  return one.userId !== 0 && hasPrivilegesOfRole(me, one.userId as Oid);
}

const oidOrNull = (oid: number): Datum => (oid === 0 ? null : oid);
const timeOrNull = (time: number): Datum => (time === 0 ? null : time);

function waitEventOf(one: BackendStatus): readonly [Datum, Datum] {
  if (one.procNumber < 0) return [null, null];
  const found = describeWaitEvent(PgProc.waitEventInfo.load(mem, procAt(one.procNumber)) >>> 0);
  return found === undefined ? [null, null] : [found[0], found[1]];
}

/** [address, hostname, port]: a Unix-domain socket shows as port -1 alone. */
function clientColumns(one: BackendStatus): readonly [Datum, Datum, Datum] {
  if (one.clientAddress === '') return [null, null, null];
  if (one.clientAddress === '[local]') return [null, null, -1];
  const address = inetIn(one.clientAddress.split('%')[0]!, false);
  return [address, one.clientHostname === '' ? null : one.clientHostname, one.clientPort];
}

/** Processes without a session have no state; theirs is `undefined` in the array. */
const stateOf = (one: BackendStatus): Datum => (one.state === 'undefined' ? null : one.state);

/** What the process's PGPROC says of its transaction. */
function xidOrNull(one: BackendStatus, field: 'xid' | 'xmin'): Datum {
  return one.procNumber < 0 ? null : PgProc[field].get(mem, procAt(one.procNumber)) || null;
}

/** The 30 columns that pg_stat_activity, pg_stat_ssl, pg_stat_gssapi and pg_stat_replication select from. */
function activityRow(one: BackendStatus): Datum[] {
  const visible = mayLookAt(one);
  const when = (value: Datum): Datum => (visible ? value : null);
  const [waitType, waitEvent] = waitEventOf(one);
  const [address, hostname, port] = clientColumns(one);
  const isSession = one.state !== 'undefined' || one.backendType === CLIENT_BACKEND;
  return [
    oidOrNull(one.databaseId),
    one.pid,
    oidOrNull(one.userId),
    visible ? one.applicationName : null,
    when(stateOf(one)),
    visible ? (isSession ? one.activity : '') : NO_PRIVILEGE,
    when(waitType),
    when(waitEvent),
    when(timeOrNull(one.xactTime)),
    when(timeOrNull(one.queryTime)),
    when(timeOrNull(one.startTime)),
    when(timeOrNull(one.stateTime)),
    when(address),
    when(hostname),
    when(port),
    when(xidOrNull(one, 'xid')),
    when(xidOrNull(one, 'xmin')),
    when(one.backendType),
    visible ? one.ssl : null,
    null,
    null,
    null,
    null,
    null,
    null,
    visible ? false : null, // gss_auth
    null,
    visible ? false : null, // gss_enc
    when(one.leaderPid === 0 ? null : one.leaderPid),
    null, // query_id
  ];
}

function getActivity(pid: number | null): Datum[][] {
  return readBackendStatuses()
    .filter((one) => pid === null || one.pid === pid)
    .map(activityRow);
}

const PROGRESS_NAMES: Readonly<Record<string, (typeof PROGRESS_COMMAND)[keyof typeof PROGRESS_COMMAND]>> = {
  VACUUM: PROGRESS_COMMAND.vacuum,
  ANALYZE: PROGRESS_COMMAND.analyze,
  CLUSTER: PROGRESS_COMMAND.cluster,
  'CREATE INDEX': PROGRESS_COMMAND.createIndex,
  BASEBACKUP: PROGRESS_COMMAND.basebackup,
  COPY: PROGRESS_COMMAND.copy,
};
function getProgress(name: string): Datum[][] {
  const command = PROGRESS_NAMES[name.toUpperCase()];
  if (command === undefined) {
    report('ERROR', { code: SQLSTATE.invalidParameterValue, message: `invalid command name: "${name}"` });
  }
  return readProgress(command).map((one) => {
    const visible = mayLookAt(one);
    const params = one.params.map((value): Datum => (visible ? value : null));
    return [one.pid, oidOrNull(one.databaseId), visible ? one.target : null, ...params];
  });
}

/** The ids of pg_stat_get_backend_idset(): 1 … n over the processes that exist now. */
const byIndex = (id: number): BackendStatus | undefined => readBackendStatuses()[id - 1];

/** A column of one backend: null when there is none or it may not be seen. */
const column =
  (read: (one: BackendStatus) => Datum) =>
  (id: number): Datum => {
    const one = byIndex(id);
    return one === undefined || !mayLookAt(one) ? null : read(one);
  };
/** Facts that everybody may see. */
const publicColumn =
  (read: (one: BackendStatus) => Datum) =>
  (id: number): Datum => {
    const one = byIndex(id);
    return one === undefined ? null : read(one);
  };
const textColumn =
  (read: (one: BackendStatus) => string | null) =>
  (id: number): Datum => {
    const one = byIndex(id);
    if (one === undefined) return NOT_AVAILABLE;
    return mayLookAt(one) ? read(one) : NO_PRIVILEGE;
  };

registerSetBuiltins({
  pg_stat_get_activity: (_info, pid: number | null) => rowIterator(getActivity(pid)),
  pg_stat_get_backend_idset: () => valueIterator(readBackendStatuses().map((_one, i) => i + 1)),
  pg_stat_get_progress_info: (_info, command: string) => rowIterator(getProgress(command)),
});
registerBuiltins({
  pg_stat_get_backend_pid: publicColumn((one) => one.pid),
  pg_stat_get_backend_dbid: publicColumn((one) => one.databaseId),
  pg_stat_get_backend_userid: publicColumn((one) => one.userId),
  pg_stat_get_backend_activity: textColumn((one) => (one.activity === '' ? DISABLED : one.activity)),
  pg_stat_get_backend_wait_event_type: textColumn((one) => waitEventOf(one)[0] as string | null),
  pg_stat_get_backend_wait_event: textColumn((one) => waitEventOf(one)[1] as string | null),
  pg_stat_get_backend_activity_start: column((one) => timeOrNull(one.queryTime)),
  pg_stat_get_backend_xact_start: column((one) => timeOrNull(one.xactTime)),
  pg_stat_get_backend_start: column((one) => timeOrNull(one.startTime)),
  pg_stat_get_backend_client_addr: column((one) => clientColumns(one)[0]),
  pg_stat_get_backend_client_port: column((one) => clientColumns(one)[2]),
  pg_stat_get_db_numbackends: (database: number) =>
    readBackendStatuses().filter((one) => one.databaseId === database).length,
});
