/** random.ts — random() and setseed(): the same generator as PostgreSQL's, so the same seed gives the same numbers.
 *
 *  xoroshiro128** on two 64-bit words, seeded through splitmix64. A process that is forked has its parent's state:
 *  each child must call reseedRandom().
 *  Counterpart: src/common/pg_prng.c, drandom() of src/backend/utils/adt/float.c */
import { formatG } from '#adt/float.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import { invalidParameter } from '#adt/value-errors.ts';
import { randomBytes } from 'node:crypto';

const mask = (value: bigint): bigint => BigInt.asUintN(64, value);
const rotateLeft = (value: bigint, bits: bigint): bigint => mask((value << bits) | (value >> (64n - bits)));

let s0 = 0n;
let s1 = 0n;
let seeded = false;

/** Takes fresh entropy at the next use; a forked child must not repeat its parent's numbers. */
export function reseedRandom(): void {
  seeded = false;
}
function seedFromEntropy(): void {
  const bytes = randomBytes(16);
  s0 = bytes.readBigUInt64LE(0);
  s1 = bytes.readBigUInt64LE(8) | 1n;
  seeded = true;
}
function seedFrom(seed: bigint): void {
  let state = mask(seed);
  const split = (): bigint => {
    state = mask(state + 0x9e3779b97f4a7c15n);
    let mixed = state;
    mixed = mask((mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n);
    mixed = mask((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn);
    return mixed ^ (mixed >> 31n);
  };
  s0 = split();
  s1 = split();
  seeded = true;
}
function next64(): bigint {
  if (!seeded) seedFromEntropy();
  const x = s0;
  const y = s1 ^ s0;
  const value = mask(rotateLeft(mask(x * 5n), 7n) * 9n);
  s0 = rotateLeft(x, 24n) ^ y ^ mask(y << 16n);
  s1 = rotateLeft(y, 37n);
  return value;
}
/** Uniform in [0, 1), a multiple of 2^-52. */
export function randomDouble(): number {
  return Number(next64() >> 12n) * 2 ** -52;
}

function setSeed(seed: number): null {
  if (!(seed >= -1 && seed <= 1))
    invalidParameter(
      `setseed parameter ${Number.isNaN(seed) ? 'nan' : formatG(seed, 6)} is out of allowed range [-1,1]`,
    );
  seedFrom(BigInt(Math.trunc((2 ** 52 - 1) * seed)));
  return null;
}

registerBuiltins({
  drandom: randomDouble,
  setseed: setSeed,
});
