/** client-encoding.ts — keeps the connection's codec in step with client_encoding.
 *
 *  Looked at where the next bytes are about to be read or written, not when the parameter is assigned: an assignment may
 *  happen while a transaction is being undone, and must not fail.
 *  Counterpart: SetClientEncoding() of src/backend/utils/mb/mbutils.c */
import type { Port } from '#libpq/port.ts';
import { clientCodec } from '#libpq/text-encoding.ts';
import { settings } from '#runtime/guc/guc.ts';

let adopted = '';
let adoptedBy: Port | null = null;

export function adoptClientEncoding(port: Port): void {
  const wanted = settings.client_encoding;
  if (wanted === adopted && adoptedBy === port) return;
  const codec = clientCodec(wanted);
  if (codec === undefined) return;
  adopted = wanted;
  adoptedBy = port;
  port.setCodec(codec);
}
