/** superuser-secret.ts — how initdb stores the password of the superuser. */
import { md5Secret } from '#libpq/md5-password.ts';
import { buildScramSecret } from '#libpq/scram.ts';

export type SecretMethod = 'md5' | 'scram-sha-256';

export function superuserSecret(superuser: string, password: string | undefined, method: SecretMethod): string | null {
  if (password === undefined || password === '') return null;
  return method === 'md5' ? md5Secret(password, superuser) : buildScramSecret(password);
}
