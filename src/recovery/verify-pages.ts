/** verify-pages.ts — wal_consistency_checking: after replay the page must look as it did on the server that wrote the record.
 *
 *  What may differ by right (hint bits, unused space) each resource manager hides with its mask.
 *  Counterpart: verifyBackupPageConsistency() of src/backend/access/transam/xlogrecovery.c */
import { BLCKSZ } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { mem } from '#shm/memory.ts';
import { privateReserve } from '#shm/private-memory.ts';
import { BUFFER_LOCK, RBM } from '#storage/buffer/buffer-layout.ts';
import { lockBuffer, unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferPage } from '#storage/buffer/buffer-pool.ts';
import { xlogReadBufferExtended } from '#storage/buffer/redo-buffers.ts';
import { pageGetLsn } from '#storage/page/page.ts';
import { rmgrOf } from '#recovery/rmgr-list.ts';
import { type DecodedRecord, restoreBlockImage } from '#wal/reader.ts';

let replayed = 0;
let original = 0;

export function verifyBackupPages(record: DecodedRecord): void {
  if (replayed === 0) {
    replayed = privateReserve(BLCKSZ);
    original = privateReserve(BLCKSZ);
  }
  const { mask } = rmgrOf(record.rmid);
  for (let id = 0; id <= record.maxBlockId; id++) {
    const block = record.blocks[id]!;
    // An image that was applied is the page.
    if (!block.inUse || !block.hasImage || block.applyImage) continue;
    const buffer = xlogReadBufferExtended(block.rnode, block.fork, block.block, RBM.normalNoLog);
    if (buffer === 0) continue;
    lockBuffer(buffer, BUFFER_LOCK.exclusive);
    const page = bufferPage(buffer);
    mem.u8.copyWithin(replayed, page, page + BLCKSZ);
    unlockReleaseBuffer(buffer);
    // Replayed a second time: the page is newer than this record.
    if (pageGetLsn(replayed) > record.endLsn) continue;
    restoreBlockImage(record, id, original);
    mask?.(replayed, block.block);
    mask?.(original, block.block);
    if (pagesDiffer())
      report('FATAL', {
        message: `inconsistent page found, rel ${block.rnode.spcNode}/${block.rnode.dbNode}/${block.rnode.relNode}, forknum ${block.fork}, blkno ${block.block}`,
        detailLog: describeDifference(),
      });
  }
}

const pagesDiffer = (): boolean =>
  Buffer.compare(mem.u8.subarray(replayed, replayed + BLCKSZ), mem.u8.subarray(original, original + BLCKSZ)) !== 0;
function describeDifference(): string {
  const { u8 } = mem;
  let first = 0;
  while (u8[replayed + first] === u8[original + first]) first++;
  const show = (at: number): string =>
    Buffer.from(u8.slice(at + first, at + Math.min(first + 16, BLCKSZ))).toString('hex');
  return `From byte ${first}: replayed ${show(replayed)}, original ${show(original)}.`;
}
