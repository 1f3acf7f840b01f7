/** toast-compress.ts — compressing one value inline.
 *  Counterpart: toast_compress_datum() of src/backend/access/common/toast_internals.c, toast_compression.c */
import { COMPRESSION, setVarSize, varDataAt, varDataLen } from '#access/common/varlena.ts';
import { lz4Compress, lz4CompressBound } from '#base/lz4.ts';
import { PGLZ_DEFAULT, pglzCompress, pglzMaxOutput } from '#base/pglz.ts';
import { settings } from '#runtime/guc/guc.ts';
import { mem } from '#shm/memory.ts';
import { privateAlloc, privateFree } from '#shm/private-memory.ts';

/** The compressed form (a fresh privateAlloc block) of a short or plain value, 0 if it does not become smaller.
 *  `method` is attcompression: '' means default_toast_compression. */
export function toastCompressDatum(at: number, method: '' | 'p' | 'l'): number {
  const rawSize = varDataLen(at);
  const chosen = method === '' ? (settings.default_toast_compression === 'lz4' ? 'l' : 'p') : method;
  if (chosen === 'l') return compressLz4(at, rawSize);
  if (rawSize < PGLZ_DEFAULT.minInputSize || rawSize > PGLZ_DEFAULT.maxInputSize) return 0;
  const to = privateAlloc(pglzMaxOutput(rawSize) + 8);
  const length = pglzCompress(mem.u8, varDataAt(at), rawSize, mem.u8, to + 8);
  return finish(to, length, rawSize, COMPRESSION.pglz);
}
function compressLz4(at: number, rawSize: number): number {
  const to = privateAlloc(lz4CompressBound(rawSize) + 8);
  const length = lz4Compress(mem.u8, varDataAt(at), rawSize, mem.u8, to + 8);
  return finish(to, length > rawSize ? -1 : length, rawSize, COMPRESSION.lz4);
}
/** Header of the block, or 0 and no block if it was not worth it. */
function finish(to: number, length: number, rawSize: number, method: number): number {
  // More than two bytes must be saved: the plain form may have needed neither padding nor a long header.
  if (length < 0 || length + 8 >= rawSize - 2) {
    privateFree(to);
    return 0;
  }
  setVarSize(to, length + 8);
  mem.u8[to] = mem.u8[to]! | 2;
  mem.view.setUint32(to + 4, (rawSize | (method << 30)) >>> 0, true);
  return to;
}
