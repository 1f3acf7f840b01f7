/** checksum.ts — page checksums of files that initdb writes without the server's memory.
 *
 *  The algorithm is that of storage/page/page-checksum.ts, over bytes of a file.
 *  Counterpart: src/include/storage/checksum_impl.h */
import { BLCKSZ } from '#catalog/bootstrap/page.ts';

const LANES = 32;
const PRIME = 16777619;
const OFFSETS = Int32Array.of(
  ...[0x5b1f36e9, 0xb8525960, 0x02ab50aa, 0x1de66d2a, 0x79ff467a, 0x9bb9f8a3, 0x217e7cd2, 0x83e13d2c],
  ...[0xf8d4474f, 0xe39eb970, 0x42c6ae16, 0x993216fa, 0x7b093b5d, 0x98daff3c, 0xf718902a, 0x0b1c9cdb],
  ...[0xe58f764b, 0x187636bc, 0x5d7b3bb1, 0xe73de7de, 0x92bec979, 0xcca6c0b2, 0x304a0979, 0x85aa43d4],
  ...[0x783125bb, 0x6ca8eaa2, 0xe407eac6, 0x4b5cfc3e, 0x9fbf8c76, 0x15ca20be, 0xf2ca9fd3, 0x959bd756],
);

function checksum(words: Int32Array, block: number): number {
  const lanes = Int32Array.from(OFFSETS);
  for (let row = 0; row < words.length; row += LANES) {
    for (let lane = 0; lane < LANES; lane++) {
      const mixed = lanes[lane]! ^ words[row + lane]!;
      lanes[lane] = Math.imul(mixed, PRIME) ^ (mixed >>> 17);
    }
  }
  let result = 0;
  for (let sum of lanes) {
    sum = Math.imul(sum, PRIME) ^ (sum >>> 17);
    sum = Math.imul(sum, PRIME) ^ (sum >>> 17);
    result ^= sum;
  }
  return (((result ^ block) >>> 0) % 65535) + 1;
}

/** Stamps every page of a relation's file, in place; pages that were never initialised stay zero. */
export function stampChecksums(file: Uint8Array): void {
  const copy = new Int32Array(BLCKSZ / 4);
  const bytes = new Uint8Array(copy.buffer);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  for (let at = 0; at < file.length; at += BLCKSZ) {
    if (view.getUint16(at + 14, true) === 0) continue;
    bytes.set(file.subarray(at, at + BLCKSZ));
    bytes[8] = 0;
    bytes[9] = 0;
    view.setUint16(at + 8, checksum(copy, at / BLCKSZ), true);
  }
}
