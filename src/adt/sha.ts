/** sha.ts — md5() and the SHA-2 functions.
 *  Counterpart: src/backend/utils/adt/cryptohashfuncs.c */
import { registerBuiltins } from '#adt/fmgr.ts';
import { createHash } from 'node:crypto';

const digest =
  (algorithm: string) =>
  (bytes: Uint8Array): Uint8Array =>
    Uint8Array.from(createHash(algorithm).update(bytes).digest());
const md5 = (input: Uint8Array | string): string => createHash('md5').update(input).digest('hex');

registerBuiltins({
  md5_text: md5,
  md5_bytea: md5,
  sha224_bytea: digest('sha224'),
  sha256_bytea: digest('sha256'),
  sha384_bytea: digest('sha384'),
  sha512_bytea: digest('sha512'),
});
