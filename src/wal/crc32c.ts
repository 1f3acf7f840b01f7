/** crc32c.ts — CRC-32C where a native call would cost more than the bytes: the 20 bytes of a record's header.
 *
 *  Same polynomial and inversions as `native.crc32c`, so seeds can be passed from one to the other. */
const TABLE = new Int32Array(256);
for (let i = 0; i < 256; i++) {
  let c = i;
  for (let bit = 0; bit < 8; bit++) c = (c & 1) !== 0 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
  TABLE[i] = c;
}

/** CRC of a whole record: `bodyCrc` continued over the header without its crc field. */
export function crcOfHeader(bytes: Uint8Array, at: number, bodyCrc: number): number {
  let c = ~bodyCrc;
  for (let end = at + 20; at < end; at++) c = TABLE[(c ^ bytes[at]!) & 0xff]! ^ (c >>> 8);
  return ~c >>> 0;
}

/** For short pieces. */
export function crcOfBytes(bytes: Uint8Array, at: number, length: number, seed: number): number {
  let c = ~seed;
  for (let end = at + length; at < end; at++) c = TABLE[(c ^ bytes[at]!) & 0xff]! ^ (c >>> 8);
  return ~c >>> 0;
}
