/** tcp-settings.ts — the keepalive settings follow the session's socket: a Unix-domain socket has none and shows 0.
 *
 *  Counterpart: assign_tcp_keepalives_idle() and friends of src/backend/utils/misc/guc.c, pq_setkeepalivesidle() of
 *  src/backend/libpq/pqcomm.c */
import { native, type TcpOption } from '#platform/native.ts';
import { registerGucHooks } from '#runtime/guc/records.ts';
import { session } from '#tcop/session-state.ts';

const OPTIONS = {
  tcp_keepalives_idle: 'keepidle',
  tcp_keepalives_interval: 'keepintvl',
  tcp_keepalives_count: 'keepcnt',
  tcp_user_timeout: 'usertimeout',
} as const satisfies Record<string, TcpOption>;

const isTcp = (): boolean => session.port !== null && session.port.fd >= 0 && !session.port.isUnixSocket;

for (const name of Object.keys(OPTIONS) as (keyof typeof OPTIONS)[]) {
  registerGucHooks(name, {
    assign: (value) => {
      // 0 leaves the system's own value, which a new socket has anyway.
      if (isTcp() && value > 0) native.setTcpOption(session.port!.fd, OPTIONS[name], value);
    },
    // The system's value where the setting is 0.
    show: () => (isTcp() ? String(Math.max(0, native.getTcpOption(session.port!.fd, OPTIONS[name]))) : '0'),
  });
}
