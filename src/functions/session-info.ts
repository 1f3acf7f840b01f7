/** session-info.ts — who and where am I: version(), pg_backend_pid(), inet_client_addr() and their kin.
 *  Counterpart: src/backend/utils/adt/name.c, misc.c, network.c (the inet_* of connections), version.c */
import type { Datum } from '#adt/datum.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import { inetIn } from '#adt/inet.ts';
import { type ClientAddress, sessionProviders } from '#functions/providers.ts';
import { myProcess } from '#runtime/my-process.ts';
import { serverFacts } from '#runtime/server-facts.ts';
import { VERSION_TEXT } from '#runtime/version.ts';
import { recoveryInProgress } from '#wal/recovery-state.ts';

/** Link-local addresses may carry a zone, which inet has no room for. */
function inetOf(peer: ClientAddress | null): Datum {
  if (peer === null || peer.address === null) return null;
  return inetIn(peer.address.split('%')[0]!, false);
}
const portOf = (peer: ClientAddress | null): Datum => (peer === null || peer.address === null ? null : peer.port);

registerBuiltins({
  pgsql_version: () => VERSION_TEXT,
  current_query: () => sessionProviders.currentQuery(),
  pg_backend_pid: () => myProcess.pid,
  pg_postmaster_start_time: () => serverFacts.postmasterStartTime,
  pg_conf_load_time: () => serverFacts.configLoadTime,
  pg_is_in_recovery: () => recoveryInProgress(),
  pg_jit_available: () => false,
  inet_client_addr: () => inetOf(sessionProviders.client()),
  inet_client_port: () => portOf(sessionProviders.client()),
  inet_server_addr: () => inetOf(sessionProviders.server()),
  inet_server_port: () => portOf(sessionProviders.server()),
  // There are no triggers, and nothing listens.
  pg_trigger_depth: () => 0,
  pg_notification_queue_usage: () => 0,
});
