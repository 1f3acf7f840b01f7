/** md5-password.ts — the old way to keep and to prove a password.
 *
 *  Stored: `md5` + hex(md5(password + role)). On the wire: `md5` + hex(md5(hex part of the stored form + salt)).
 *  Counterpart: src/common/md5_common.c */
import { createHash } from 'node:crypto';

const hex = (data: string | Uint8Array, more: string | Uint8Array): string =>
  createHash('md5').update(data).update(more).digest('hex');

export const isMd5Secret = (secret: string): boolean => /^md5[0-9a-f]{32}$/.test(secret);

export const md5Secret = (password: string, role: string): string => `md5${hex(password, role)}`;

/** What a client answers to AuthenticationMD5Password. */
export const md5Response = (secret: string, salt: Uint8Array): string => `md5${hex(secret.slice(3), salt)}`;
