/** block-image.ts — a page from its image in a WAL record: unpacked, with its hole of zeros put back.
 *  Counterpart: RestoreBlockImage() of src/backend/access/transam/xlogreader.c */
import { BLCKSZ } from '#base/ids.ts';
import { pglzDecompress } from '#base/pglz.ts';
import { report } from '#runtime/error/report.ts';
import { mem } from '#shm/memory.ts';
import type { DecodedRecord } from '#wal/decoded-record.ts';
import { BKPIMAGE, BKPIMAGE_COMPRESSED, lsnText } from '#wal/wal-format.ts';

const unpacked = new Uint8Array(BLCKSZ);

/** Writes the page to `pageAt`; ERROR if the image is not usable. False if the reference has no image. */
export function restoreBlockImage(record: DecodedRecord, blockId: number, pageAt: number): boolean {
  const fail = (what: string): never => report('ERROR', { message: `could not ${what}` });
  const place = lsnText(record.lsn);
  const block = record.blocks[blockId];
  if (block === undefined || blockId > record.maxBlockId || !block.inUse)
    return fail(`restore image at ${place} with invalid block ${blockId} specified`);
  if (!block.hasImage) return fail(`restore image at ${place} with invalid state, block ${blockId}`);
  const { u8 } = mem;
  const { holeOffset, holeLength, imageLength } = block;
  let source = u8;
  let at = block.imageAt;
  if ((block.bimgInfo & BKPIMAGE_COMPRESSED) !== 0) {
    const method = (block.bimgInfo & BKPIMAGE.lz4) !== 0 ? 'LZ4' : (block.bimgInfo & BKPIMAGE.zstd) !== 0 ? 'zstd' : '';
    if (method !== '')
      fail(`restore image at ${place} compressed with ${method} not supported by build, block ${blockId}`);
    if (pglzDecompress(u8, at, imageLength, unpacked, 0, BLCKSZ - holeLength, true) < 0)
      fail(`decompress image at ${place}, block ${blockId}`);
    source = unpacked;
    at = 0;
  }
  if (holeLength === 0) {
    u8.set(source.subarray(at, at + BLCKSZ), pageAt);
    return true;
  }
  u8.set(source.subarray(at, at + holeOffset), pageAt);
  u8.fill(0, pageAt + holeOffset, pageAt + holeOffset + holeLength);
  u8.set(source.subarray(at + holeOffset, at + BLCKSZ - holeLength), pageAt + holeOffset + holeLength);
  return true;
}
