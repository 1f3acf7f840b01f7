/** hash-bytes.ts — Bob Jenkins' lookup3 as PostgreSQL uses it, on little-endian words; 32 and 64 bit results.
 *  The values matter: hash partitioning and users of hashtext() rely on them.
 *  Counterpart: src/common/hashfn.c */

let a = 0;
let b = 0;
let c = 0;
const rotate = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));

function mix(): void {
  a = ((a - c) ^ rotate(c, 4)) | 0;
  c = (c + b) | 0;
  b = ((b - a) ^ rotate(a, 6)) | 0;
  a = (a + c) | 0;
  c = ((c - b) ^ rotate(b, 8)) | 0;
  b = (b + a) | 0;
  a = ((a - c) ^ rotate(c, 16)) | 0;
  c = (c + b) | 0;
  b = ((b - a) ^ rotate(a, 19)) | 0;
  a = (a + c) | 0;
  c = ((c - b) ^ rotate(b, 4)) | 0;
  b = (b + a) | 0;
}
function finish(): void {
  c = ((c ^ b) - rotate(b, 14)) | 0;
  a = ((a ^ c) - rotate(c, 11)) | 0;
  b = ((b ^ a) - rotate(a, 25)) | 0;
  c = ((c ^ b) - rotate(b, 16)) | 0;
  a = ((a ^ c) - rotate(c, 4)) | 0;
  b = ((b ^ a) - rotate(a, 14)) | 0;
  c = ((c ^ b) - rotate(b, 24)) | 0;
}
function start(length: number, seed: bigint): void {
  a = b = c = (0x9e3779b9 + length + 3923095) | 0;
  if (seed !== 0n) {
    a = (a + Number(BigInt.asUintN(32, seed >> 32n))) | 0;
    b = (b + Number(BigInt.asUintN(32, seed))) | 0;
    mix();
  }
}
const word = (key: Uint8Array, at: number): number =>
  key[at]! | (key[at + 1]! << 8) | (key[at + 2]! << 16) | (key[at + 3]! << 24) | 0;

function absorb(key: Uint8Array): void {
  let at = 0;
  let left = key.length;
  for (; left >= 12; left -= 12, at += 12) {
    a = (a + word(key, at)) | 0;
    b = (b + word(key, at + 4)) | 0;
    c = (c + word(key, at + 8)) | 0;
    mix();
  }
  // The lowest byte of c is reserved for the length.
  for (let i = left - 1; i >= 0; i--) {
    const byte = key[at + i]!;
    if (i >= 8) c = (c + (byte << ((i - 7) * 8))) | 0;
    else if (i >= 4) b = (b + (byte << ((i - 4) * 8))) | 0;
    else a = (a + (byte << (i * 8))) | 0;
  }
  finish();
}

/** Signed 32 bits. */
export function hashBytes(key: Uint8Array): number {
  start(key.length, 0n);
  absorb(key);
  return c;
}
/** Signed 64 bits. With seed 0 the low half is hashBytes. */
export function hashBytesExtended(key: Uint8Array, seed: number | bigint): bigint {
  start(key.length, BigInt.asUintN(64, BigInt(seed)));
  absorb(key);
  return result64();
}
export function hashUint32(key: number): number {
  start(4, 0n);
  a = (a + key) | 0;
  finish();
  return c;
}
export function hashUint32Extended(key: number, seed: number | bigint): bigint {
  start(4, BigInt.asUintN(64, BigInt(seed)));
  a = (a + key) | 0;
  finish();
  return result64();
}
const result64 = (): bigint => BigInt.asIntN(64, (BigInt(b >>> 0) << 32n) | BigInt(c >>> 0));
