/** index-free-space.ts — empty pages of an index, to be used again: the free space map with two values.
 *  Counterpart: src/backend/storage/freespace/indexfsm.c */
import { BLCKSZ, type BlockNumber, INVALID_BLOCK } from '#base/ids.ts';
import {
  freeSpaceMapVacuum,
  getPageWithFreeSpace,
  recordPageWithFreeSpace,
} from '#storage/freespace/free-space-map.ts';
import type { SmgrRelation } from '#storage/smgr/smgr.ts';

/** Takes a free page out of the map; INVALID_BLOCK if there is none. The caller checks that it is free in truth. */
export function getFreeIndexPage(rel: SmgrRelation): BlockNumber {
  const block = getPageWithFreeSpace(rel, BLCKSZ / 2);
  if (block !== INVALID_BLOCK) recordUsedIndexPage(rel, block);
  return block;
}
export function recordFreeIndexPage(rel: SmgrRelation, block: BlockNumber): void {
  recordPageWithFreeSpace(rel, block, BLCKSZ - 1);
}
export function recordUsedIndexPage(rel: SmgrRelation, block: BlockNumber): void {
  recordPageWithFreeSpace(rel, block, 0);
}
export function indexFreeSpaceMapVacuum(rel: SmgrRelation): void {
  freeSpaceMapVacuum(rel);
}
