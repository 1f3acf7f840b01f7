/** pglz.ts — PostgreSQL's own LZ compression, for values out of line and for page images in WAL.
 *
 *  Output is byte for byte what PostgreSQL writes, because match search, its cut-offs and the hash are the same.
 *  Format: a control byte says of each of the next 8 items whether it is a literal byte (0) or a back reference (1) of
 *  2 bytes (length 3–17, offset 1–4095) or 3 bytes (length 18–273).
 *  Counterpart: src/common/pg_lzcompress.c */

export interface PglzStrategy {
  readonly minInputSize: number;
  readonly maxInputSize: number;
  /** Wanted saving in percent. */
  readonly minCompRate: number;
  /** Give up when nothing was found in so many output bytes. */
  readonly firstSuccessBy: number;
  readonly matchSizeGood: number;
  readonly matchSizeDrop: number;
}
export const PGLZ_DEFAULT: PglzStrategy = {
  minInputSize: 32,
  maxInputSize: 0x7fff_ffff,
  minCompRate: 25,
  firstSuccessBy: 1024,
  matchSizeGood: 128,
  matchSizeDrop: 10,
};
export const PGLZ_ALWAYS: PglzStrategy = {
  minInputSize: 0,
  maxInputSize: 0x7fff_ffff,
  minCompRate: 0,
  firstSuccessBy: 0x7fff_ffff,
  matchSizeGood: 128,
  matchSizeDrop: 6,
};
/** Room that the output may need while it is being made. */
export const pglzMaxOutput = (length: number): number => length + 4;

const HISTORY_SIZE = 4096;
const MAX_MATCH = 273;

/** Entries 1 … HISTORY_SIZE; 0 means none. Made at first use: most processes never compress. */
interface History {
  readonly start: Int16Array;
  readonly next: Int16Array;
  readonly previous: Int16Array;
  readonly bucket: Int16Array;
  readonly position: Int32Array;
}
let history: History | undefined;
function theHistory(): History {
  history ??= {
    start: new Int16Array(8192),
    next: new Int16Array(HISTORY_SIZE + 1),
    previous: new Int16Array(HISTORY_SIZE + 1),
    bucket: new Int16Array(HISTORY_SIZE + 1),
    position: new Int32Array(HISTORY_SIZE + 1),
  };
  return history;
}

const hashSize = (length: number): number =>
  length < 128 ? 512 : length < 256 ? 1024 : length < 512 ? 2048 : length < 1024 ? 4096 : 8192;

const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high);

function bucketOf(src: Uint8Array, at: number, end: number, mask: number): number {
  if (end - at < 4) return src[at]! & mask;
  return ((src[at]! << 6) ^ (src[at + 1]! << 4) ^ (src[at + 2]! << 2) ^ src[at + 3]!) & mask;
}

/** Length of the common run of the two places, up to MAX_MATCH and the end of the input. */
function commonLength(src: Uint8Array, a: number, b: number, end: number): number {
  const limit = Math.min(end - a, MAX_MATCH);
  let length = 0;
  while (length < limit && src[a + length] === src[b + length]) length++;
  return length;
}

/** Compresses into `dst` (pglzMaxOutput bytes of room); the compressed length, or -1 if that is not worth it. */
export function pglzCompress(
  src: Uint8Array,
  srcAt: number,
  length: number,
  dst: Uint8Array,
  dstAt: number,
  strategy: PglzStrategy = PGLZ_DEFAULT,
): number {
  if (strategy.matchSizeGood <= 0 || length < strategy.minInputSize || length > strategy.maxInputSize) return -1;
  const goodMatch = clamp(strategy.matchSizeGood, 17, MAX_MATCH);
  const goodDrop = clamp(strategy.matchSizeDrop, 0, 100);
  const keep = 100 - clamp(strategy.minCompRate, 0, 99);
  const resultMax =
    length > Math.trunc(0x7fff_ffff / 100) ? Math.trunc(length / 100) * keep : Math.trunc((length * keep) / 100);
  const mask = hashSize(length) - 1;
  const { start, next, previous, bucket, position } = theHistory();
  start.fill(0, 0, mask + 1);
  const end = srcAt + length;
  let entry = 1;
  let recycle = false;
  let found = false;
  let out = dstAt;
  let controlAt = -1;
  let control = 0;
  let bit = 0;
  let at = srcAt;
  while (at < end) {
    if (out - dstAt >= resultMax) return -1;
    if (!found && out - dstAt >= strategy.firstSuccessBy) return -1;
    // The longest match so far; a long one need not be improved much the longer we look.
    let matchLength = 0;
    let matchOffset = 0;
    let good = goodMatch;
    for (let e = start[bucketOf(src, at, end, mask)]!; e !== 0; ) {
      const candidate = position[e]!;
      const offset = at - candidate;
      if (offset >= 0x0fff) break;
      const common = commonLength(src, at, candidate, end);
      if (common > matchLength) {
        matchLength = common;
        matchOffset = offset;
      }
      e = next[e]!;
      if (e === 0) break;
      if (matchLength >= good) break;
      good -= Math.trunc((good * goodDrop) / 100);
    }
    if ((bit & 0xff) === 0) {
      if (controlAt >= 0) dst[controlAt] = control;
      controlAt = out++;
      control = 0;
      bit = 1;
    }
    let steps = 1;
    if (matchLength > 2) {
      control |= bit;
      if (matchLength > 17) {
        dst[out++] = ((matchOffset & 0xf00) >> 4) | 0x0f;
        dst[out++] = matchOffset & 0xff;
        dst[out++] = matchLength - 18;
      } else {
        dst[out++] = ((matchOffset & 0xf00) >> 4) | (matchLength - 3);
        dst[out++] = matchOffset & 0xff;
      }
      steps = matchLength;
      found = true;
    } else {
      dst[out++] = src[at]!;
    }
    bit <<= 1;
    for (; steps > 0; steps--, at++) {
      const hash = bucketOf(src, at, end, mask);
      if (recycle) {
        if (previous[entry] === 0) start[bucket[entry]!] = next[entry]!;
        else next[previous[entry]!] = next[entry]!;
        if (next[entry] !== 0) previous[next[entry]!] = previous[entry]!;
      }
      const head = start[hash]!;
      next[entry] = head;
      previous[entry] = 0;
      bucket[entry] = hash;
      position[entry] = at;
      if (head !== 0) previous[head] = entry;
      start[hash] = entry;
      if (++entry > HISTORY_SIZE) {
        entry = 1;
        recycle = true;
      }
    }
  }
  if (controlAt >= 0) dst[controlAt] = control;
  const size = out - dstAt;
  return size >= resultMax ? -1 : size;
}

/** Decompresses at most `rawSize` bytes; their number, or -1 for damaged input. With `complete` exactly all of both must
 *  be used up; without, the beginning of a value may be had. */
export function pglzDecompress(
  src: Uint8Array,
  srcAt: number,
  length: number,
  dst: Uint8Array,
  dstAt: number,
  rawSize: number,
  complete: boolean,
): number {
  const srcEnd = srcAt + length;
  const dstEnd = dstAt + rawSize;
  let s = srcAt;
  let d = dstAt;
  while (s < srcEnd && d < dstEnd) {
    let control = src[s++]!;
    for (let i = 0; i < 8 && s < srcEnd && d < dstEnd; i++, control >>= 1) {
      if ((control & 1) === 0) {
        dst[d++] = src[s++]!;
        continue;
      }
      let run = (src[s]! & 0x0f) + 3;
      const offset = ((src[s]! & 0xf0) << 4) | src[s + 1]!;
      s += 2;
      if (run === 18) run += src[s++]!;
      if (s > srcEnd || offset === 0 || offset > d - dstAt) return -1;
      const stop = d + Math.min(run, dstEnd - d);
      // Byte by byte: a run may overlap what it writes.
      for (; d < stop; d++) dst[d] = dst[d - offset]!;
    }
  }
  if (complete && (d !== dstEnd || s !== srcEnd)) return -1;
  return d - dstAt;
}

/** The most compressed bytes that can be needed for the first `rawSize` bytes of a value. */
export function pglzMaximumCompressedSize(rawSize: number, totalCompressedSize: number): number {
  return Math.min(Math.floor((rawSize * 9 + 7) / 8) + 2, totalCompressedSize);
}
