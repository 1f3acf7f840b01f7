/** time-zone.ts — the system's time zone by name, for timezone and log_timezone of a new cluster.
 *  Counterpart: select_default_timezone() of src/bin/initdb/findtimezone.c */
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';

const ZONES = '/usr/share/zoneinfo';

function isZone(name: string): boolean {
  if (name === '' || name.startsWith('/') || name.split('/').includes('..')) return false;
  if (name === 'UTC' || name === 'GMT') return true;
  const path = join(ZONES, name);
  return existsSync(path) && statSync(path).isFile();
}
function fromLink(): string | undefined {
  if (!existsSync('/etc/localtime')) return undefined;
  const target = realpathSync('/etc/localtime');
  const at = target.indexOf('/zoneinfo/');
  return at < 0 ? undefined : target.slice(at + '/zoneinfo/'.length);
}
const fromFile = (): string | undefined =>
  existsSync('/etc/timezone') ? readFileSync('/etc/timezone', 'utf8').trim() : undefined;

/** $TZ, the target of /etc/localtime, /etc/timezone, what ICU thinks; GMT where none of them names a zone. */
export function systemTimeZone(env: NodeJS.ProcessEnv): string {
  const candidates = [env['TZ']?.replace(/^:/, ''), fromFile(), fromLink()];
  const named = candidates.find((name) => name !== undefined && isZone(name));
  if (named !== undefined) return named;
  const guess = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  return guess !== undefined && isZone(guess) ? guess : 'GMT';
}
