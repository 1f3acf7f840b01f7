/** async.ts — LISTEN, UNLISTEN, NOTIFY.
 *
 *  Without a notification queue nobody can listen or be told, so LISTEN and NOTIFY refuse; there is never anything to
 *  unlisten.
 *  Counterpart: src/backend/commands/async.c */
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const refuse = (command: string): never =>
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `${command} is not supported yet` });

const PAYLOAD_MAX = 8000;
const NAME_MAX = 64;

/** Checks of Async_Notify, then the refusal. */
export function notify(channel: string, payload: string, command: string): never {
  const invalid = (message: string): never => report('ERROR', { code: SQLSTATE.invalidParameterValue, message });
  if (channel === '') invalid('channel name cannot be empty');
  if (Buffer.byteLength(channel) >= NAME_MAX) invalid('channel name too long');
  if (Buffer.byteLength(payload) >= PAYLOAD_MAX) invalid('payload string too long');
  return refuse(command);
}
export const listen = (): never => refuse('LISTEN');
export function unlisten(): void {}
