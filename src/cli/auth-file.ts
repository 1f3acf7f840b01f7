/** auth-file.ts — the text of global/pg_auth of a fresh cluster: its superuser, with the password encrypted as asked. */
import { formatRoleFile, initialRoles } from '#catalog/roles-file.ts';
import { md5Secret } from '#libpq/md5-password.ts';
import { buildScramSecret } from '#libpq/scram.ts';

export type SecretMethod = 'md5' | 'scram-sha-256';

export function authFileText(superuser: string, password: string | undefined, method: SecretMethod): string {
  if (password === undefined || password === '') return formatRoleFile(initialRoles(superuser, null));
  const secret = method === 'md5' ? md5Secret(password, superuser) : buildScramSecret(password);
  return formatRoleFile(initialRoles(superuser, secret));
}
