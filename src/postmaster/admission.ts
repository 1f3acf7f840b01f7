/** admission.ts — may a new connection go on? Decided before its process exists, told to the client by that process.
 *  Counterpart: canAcceptConnections() of src/backend/postmaster/postmaster.c */
import type { Admission } from '#runtime/launch-record.ts';
import { PM, pm, SHUTDOWN } from '#postmaster/pm-state.ts';
import { maxLiveChildren } from '#postmaster/shared-memory.ts';

export function currentAdmission(): Admission {
  if (pm.state !== PM.RUN && pm.state !== PM.HOT_STANDBY) {
    if (pm.shutdown > SHUTDOWN.NO) return 'shutdown';
    if (!pm.fatalError && pm.state === PM.STARTUP) return 'startup';
    if (!pm.fatalError && pm.state === PM.RECOVERY) return 'notConsistent';
    return 'recovery';
  }
  if (!pm.connsAllowed) return 'shutdown';
  return pm.backends.size >= maxLiveChildren() ? 'tooMany' : 'ok';
}
