/** auth-file.ts — the text of global/pg_auth of a fresh cluster: its superuser, with the password encrypted as asked. */
import { formatRoleFile, initialRoles } from '#catalog/roles-file.ts';
import { md5Secret } from '#libpq/md5-password.ts';
import { buildScramSecret } from '#libpq/scram.ts';

export type SecretMethod = 'md5' | 'scram-sha-256';

/** Stored form of the superuser's password. */
export function superuserSecret(superuser: string, password: string | undefined, method: SecretMethod): string | null {
  if (password === undefined || password === '') return null;
  return method === 'md5' ? md5Secret(password, superuser) : buildScramSecret(password);
}

export function authFileText(superuser: string, password: string | undefined, method: SecretMethod): string {
  return formatRoleFile(initialRoles(superuser, superuserSecret(superuser, password, method)));
}
