/** lz4.ts — the LZ4 block format, for TOAST values and page images.
 *
 *  A sequence is a token (literal length in the high four bits, match length - 4 in the low ones; 15 means that bytes of 255
 *  and a rest follow), the literals, and a 2-byte distance. The last sequence has only literals, the last five bytes are
 *  always literals. The search is liblz4's fast one, with its hash tables, so the output is the same, too.
 *  Counterpart: LZ4_compress_default(), LZ4_decompress_safe() of liblz4 */

const MIN_MATCH = 4;
const MF_LIMIT = 12;
const LAST_LITERALS = 5;
const MIN_LENGTH = 13;
const DISTANCE_MAX = 65535;
const SMALL_LIMIT = 65536 + 11;
const SKIP_TRIGGER = 6;
const MASK = 15;

/** Room that the output may need. */
export const lz4CompressBound = (length: number): number => length + Math.floor(length / 255) + 16;

const table = new Uint32Array(1 << 13);

const read32 = (src: Uint8Array, at: number): number =>
  src[at]! | (src[at + 1]! << 8) | (src[at + 2]! << 16) | (src[at + 3]! << 24);
/** Inputs below 64 kB: 13 bits of a product of four bytes. */
const hash4 = (src: Uint8Array, at: number): number => Math.imul(read32(src, at), -1640531535) >>> 19;

// 889523592379 = HIGH * 2^32 + LOW.
const PRIME5_LOW = 889523592379 % 0x1_0000_0000;
const PRIME5_HIGH = Math.floor(889523592379 / 0x1_0000_0000);
/** Larger ones: the top 12 bits of (five bytes << 24) * 889523592379 modulo 2^64. */
function hash5(src: Uint8Array, at: number): number {
  // value = low five bytes; (value << 24) has its low 32 bits from byte 0, its high 32 bits from bytes 1 to 4.
  const low = (src[at]! << 24) >>> 0;
  const high = read32(src, at + 1) >>> 0;
  // Of the product only its bits 32 to 63 are needed: high word of low*LOW, plus low*HIGH, plus high*LOW.
  const product = mulHigh(low, PRIME5_LOW) + Math.imul(low, PRIME5_HIGH) + Math.imul(high, PRIME5_LOW);
  return (product | 0) >>> 20;
}
/** High 32 bits of the product of two unsigned words. */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const other = aLow * bHigh + (middle & 0xffff);
  return aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(other / 65536);
}

function writeLength(dst: Uint8Array, at: number, length: number): number {
  let out = at;
  let rest = length;
  for (; rest >= 255; rest -= 255) dst[out++] = 255;
  dst[out++] = rest;
  return out;
}
/** Token and literals [from, to); returns the end. The token is at `at`. */
function writeLiterals(src: Uint8Array, from: number, to: number, dst: Uint8Array, at: number): number {
  const length = to - from;
  let out = at + 1;
  if (length >= MASK) {
    dst[at] = MASK << 4;
    out = writeLength(dst, out, length - MASK);
  } else dst[at] = length << 4;
  for (let i = from; i < to; i++) dst[out++] = src[i]!;
  return out;
}

/** Compresses into `dst` (lz4CompressBound bytes of room); returns the compressed length. */
export function lz4Compress(src: Uint8Array, srcAt: number, length: number, dst: Uint8Array, dstAt: number): number {
  const end = srcAt + length;
  let anchor = srcAt;
  let out = dstAt;
  if (length >= MIN_LENGTH) {
    const isSmall = length < SMALL_LIMIT;
    const hash = isSmall ? hash4 : hash5;
    table.fill(0);
    const limit = end - MF_LIMIT + 1;
    const matchLimit = end - LAST_LITERALS;
    let ip = srcAt;
    table[hash(src, ip)] = 0;
    ip++;
    let forwardHash = hash(src, ip);
    compress: for (;;) {
      let match: number;
      let forward = ip;
      let step = 1;
      let tries = 1 << SKIP_TRIGGER;
      for (;;) {
        const h = forwardHash;
        const index = table[h]!;
        ip = forward;
        forward += step;
        step = tries++ >> SKIP_TRIGGER;
        if (forward > limit) break compress;
        match = srcAt + index;
        forwardHash = hash(src, forward);
        table[h] = ip - srcAt;
        if (!isSmall && match + DISTANCE_MAX < ip) continue;
        if (read32(src, match) === read32(src, ip)) break;
      }
      while (ip > anchor && match > srcAt && src[ip - 1] === src[match - 1]) {
        ip--;
        match--;
      }
      let token = out;
      out = writeLiterals(src, anchor, ip, dst, out);
      for (;;) {
        const distance = ip - match;
        dst[out++] = distance & 0xff;
        dst[out++] = distance >>> 8;
        let a = ip + MIN_MATCH;
        let b = match + MIN_MATCH;
        while (a < matchLimit && src[a] === src[b]) {
          a++;
          b++;
        }
        const code = a - ip - MIN_MATCH;
        ip = a;
        if (code >= MASK) {
          dst[token] = dst[token]! + MASK;
          out = writeLength(dst, out, code - MASK);
        } else dst[token] = dst[token]! + code;
        anchor = ip;
        if (ip >= limit) break compress;
        table[hash(src, ip - 2)] = ip - 2 - srcAt;
        const h = hash(src, ip);
        match = srcAt + table[h]!;
        table[h] = ip - srcAt;
        if ((!isSmall && match + DISTANCE_MAX < ip) || read32(src, match) !== read32(src, ip)) break;
        token = out++;
        dst[token] = 0;
      }
      forwardHash = hash(src, ++ip);
    }
  }
  return writeLiterals(src, anchor, end, dst, out) - dstAt;
}

/** Decompresses at most `rawSize` bytes; their number, or -1 for damaged input. */
export function lz4Decompress(
  src: Uint8Array,
  srcAt: number,
  length: number,
  dst: Uint8Array,
  dstAt: number,
  rawSize: number,
): number {
  const srcEnd = srcAt + length;
  const dstEnd = dstAt + rawSize;
  let s = srcAt;
  let d = dstAt;
  while (s < srcEnd && d < dstEnd) {
    const token = src[s++]!;
    let run = token >> 4;
    if (run === MASK) {
      let more: number;
      do {
        if (s >= srcEnd) return -1;
        more = src[s++]!;
        run += more;
      } while (more === 255);
    }
    if (s + run > srcEnd) return -1;
    const literals = Math.min(run, dstEnd - d);
    for (let i = 0; i < literals; i++) dst[d++] = src[s + i]!;
    s += run;
    if (s >= srcEnd || d >= dstEnd) break;
    const distance = src[s]! | (src[s + 1]! << 8);
    s += 2;
    if (s > srcEnd || distance === 0 || distance > d - dstAt) return -1;
    run = token & MASK;
    if (run === MASK) {
      let more: number;
      do {
        if (s >= srcEnd) return -1;
        more = src[s++]!;
        run += more;
      } while (more === 255);
    }
    const stop = Math.min(d + run + MIN_MATCH, dstEnd);
    // Byte by byte: a match may overlap what it writes.
    for (; d < stop; d++) dst[d] = dst[d - distance]!;
  }
  return d - dstAt;
}
