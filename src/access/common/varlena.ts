/** varlena.ts — values with a length header: sizes, headers, and the way to their plain bytes.
 *
 *  First byte (little-endian): xxxxxx00 4-byte header, xxxxxx10 4-byte header of compressed data, xxxxxxx1 1-byte
 *  header, 00000001 a TOAST pointer whose next byte is its tag.
 *  Counterpart: src/include/varatt.h (postgres.h in 15), src/backend/access/common/detoast.c as far as no table is read */
import { lz4Decompress } from '#base/lz4.ts';
import { pglzDecompress } from '#base/pglz.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { mem } from '#shm/memory.ts';
import { privateAlloc, privateFree } from '#shm/private-memory.ts';

export const VARHDRSZ = 4;
/** Tag of a TOAST pointer on disk, and the pointer's whole size. */
export const VARTAG_ONDISK = 18;
export const TOAST_POINTER_SIZE = 18;
export const VARATT_SHORT_MAX = 127;
export const COMPRESSION = { pglz: 0, lz4: 1 } as const;

export const varIsShort = (at: number): boolean => (mem.u8[at]! & 1) === 1 && mem.u8[at] !== 1;
export const varIsExternal = (at: number): boolean => mem.u8[at] === 1;
export const varIsCompressed = (at: number): boolean => (mem.u8[at]! & 3) === 2;
export const varIs4B = (at: number): boolean => (mem.u8[at]! & 1) === 0;
export const varIs4BPlain = (at: number): boolean => (mem.u8[at]! & 3) === 0;
/** VARATT_IS_EXTENDED(): anything but plain bytes behind a 4-byte header. */
export const varIsExtended = (at: number): boolean => (mem.u8[at]! & 3) !== 0;

/** Bytes that the stored form occupies, header included (VARSIZE_ANY). */
export function varSize(at: number): number {
  const first = mem.u8[at]!;
  if ((first & 1) === 0) return mem.view.getUint32(at, true) >>> 2;
  if (first !== 1) return first >> 1;
  const tag = mem.u8[at + 1]!;
  return tag === VARTAG_ONDISK ? TOAST_POINTER_SIZE : 10;
}
/** Address and length of the data of a short or plain value. */
export const varDataAt = (at: number): number => ((mem.u8[at]! & 1) === 1 ? at + 1 : at + 4);
export const varDataLen = (at: number): number =>
  (mem.u8[at]! & 1) === 1 ? (mem.u8[at]! >> 1) - 1 : (mem.view.getUint32(at, true) >>> 2) - 4;

export function setVarSize(at: number, size: number): void {
  mem.view.setUint32(at, size * 4, true);
}
export function setVarSizeShort(at: number, size: number): void {
  mem.u8[at] = (size << 1) | 1;
}

/** Uncompressed size of inline compressed data, without header. */
export const compressedRawSize = (at: number): number => mem.view.getUint32(at + 4, true) & 0x3fff_ffff;
export const compressionMethod = (at: number): number => mem.view.getUint32(at + 4, true) >>> 30;

// ---- TOAST pointers: u8 1, u8 tag, i32 rawsize, u32 extinfo, u32 valueid, u32 toastrelid

export const toastRawSize = (at: number): number => mem.view.getInt32(at + 2, true);
export const toastExtSize = (at: number): number => mem.view.getUint32(at + 6, true) & 0x3fff_ffff;
export const toastMethod = (at: number): number => mem.view.getUint32(at + 6, true) >>> 30;
export const toastValueId = (at: number): number => mem.view.getUint32(at + 10, true);
export const toastRelId = (at: number): number => mem.view.getUint32(at + 14, true);
export const toastIsCompressed = (at: number): boolean => toastExtSize(at) < toastRawSize(at) - VARHDRSZ;
export function writeToastPointer(
  at: number,
  rawSize: number,
  extInfo: number,
  valueId: number,
  toastRelid: number,
): void {
  mem.u8[at] = 1;
  mem.u8[at + 1] = VARTAG_ONDISK;
  mem.view.setInt32(at + 2, rawSize, true);
  mem.view.setUint32(at + 6, extInfo >>> 0, true);
  mem.view.setUint32(at + 10, valueId, true);
  mem.view.setUint32(at + 14, toastRelid, true);
}

let fetchExternal: ((at: number) => number) | undefined;
/** access/heap/toast.ts fetches what a TOAST pointer points to: a new privateAlloc block with a 4-byte header,
 *  compressed or not, exactly as it was put there. */
export function setDetoaster(fetch: (at: number) => number): void {
  fetchExternal = fetch;
}

/** A fresh block (privateAlloc) with the decompressed value behind a 4-byte header. */
export function decompressInline(at: number): number {
  const rawSize = compressedRawSize(at);
  const sourceLength = (mem.view.getUint32(at, true) >>> 2) - 8;
  const method = compressionMethod(at);
  if (method !== COMPRESSION.pglz && method !== COMPRESSION.lz4)
    report('ERROR', { code: SQLSTATE.internalError, message: `invalid compression method id ${method}` });
  const to = privateAlloc(rawSize + VARHDRSZ);
  const data = to + VARHDRSZ;
  const done =
    method === COMPRESSION.lz4
      ? lz4Decompress(mem.u8, at + 8, sourceLength, mem.u8, data, rawSize)
      : pglzDecompress(mem.u8, at + 8, sourceLength, mem.u8, data, rawSize, true);
  if (done !== rawSize) {
    privateFree(to);
    const name = method === COMPRESSION.lz4 ? 'lz4' : 'pglz';
    report('ERROR', { code: SQLSTATE.dataCorrupted, message: `compressed ${name} data is corrupt` });
  }
  setVarSize(to, rawSize + VARHDRSZ);
  return to;
}

/** The value without compression or TOAST: `at` itself if it is short or plain, else a fresh privateAlloc block that
 *  the caller frees (result !== at). */
export function detoastPacked(at: number): number {
  const first = mem.u8[at]!;
  if ((first & 3) === 0 || ((first & 1) === 1 && first !== 1)) return at;
  if (first !== 1) return decompressInline(at);
  if (mem.u8[at + 1] !== VARTAG_ONDISK)
    report('ERROR', { code: SQLSTATE.internalError, message: `unrecognized TOAST vartag ${mem.u8[at + 1]}` });
  if (fetchExternal === undefined) throw new Error('no detoaster was installed');
  const fetched = fetchExternal(at);
  if ((mem.u8[fetched]! & 3) !== 2) return fetched;
  const plain = decompressInline(fetched);
  privateFree(fetched);
  return plain;
}

/** Calls `decode` with the address and length of the value's plain bytes. */
export function withPlainBytes<T>(at: number, decode: (at: number, length: number) => T): T {
  const first = mem.u8[at]!;
  if ((first & 1) === 1 && first !== 1) return decode(at + 1, (first >> 1) - 1);
  if ((first & 3) === 0) return decode(at + 4, (mem.view.getUint32(at, true) >>> 2) - 4);
  const plain = detoastPacked(at);
  try {
    return decode(plain + 4, (mem.view.getUint32(plain, true) >>> 2) - 4);
  } finally {
    privateFree(plain);
  }
}
