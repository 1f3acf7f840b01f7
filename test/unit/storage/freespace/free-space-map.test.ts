import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BLCKSZ, FORK, INVALID_BLOCK } from '#base/ids.ts';
import { mem } from '#shm/memory.ts';
import { privateReserve } from '#shm/private-memory.ts';
import { BUFFER_LOCK, RBM } from '#storage/buffer/buffer-layout.ts';
import { lockBuffer, unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferPage } from '#storage/buffer/buffer-pool.ts';
import { flushRelationBuffers } from '#storage/buffer/flush.ts';
import { readBuffer } from '#storage/buffer/read-buffer.ts';
import {
  freeSpaceMapPrepareTruncateRel,
  freeSpaceMapVacuum,
  freeSpaceMapVacuumRange,
  fsmPhysicalBlock,
  getPageWithFreeSpace,
  getRecordedFreeSpace,
  neededCategory,
  recordAndGetPageWithFreeSpace,
  recordPageWithFreeSpace,
  setFsmExtensionLock,
  spaceToCategory,
} from '#storage/freespace/free-space-map.ts';
import {
  fsmGetAvail,
  fsmGetMaxAvail,
  fsmRebuildPage,
  fsmSetAvail,
  fsmTruncateAvail,
} from '#storage/freespace/fsm-page.ts';
import { getFreeIndexPage, indexFreeSpaceMapVacuum, recordFreeIndexPage } from '#storage/freespace/index-free-space.ts';
import {
  smgrCloseAll,
  smgrCreate,
  smgrExtend,
  smgrNblocks,
  smgrOpen,
  type SmgrRelation,
  smgrTruncate,
  setSmgrHooks,
} from '#storage/smgr/smgr.ts';
import { enterDataDirectory, endOwner, makeLocalPool, node } from '../../../support/pool-fixture.ts';

const golden = gunzipSync(readFileSync(new URL('../../../golden/storage/fsm.bin.gz', import.meta.url)));
/** pg_freespace() of the relation whose map that is. */
const KNOWN = [2624, 2528, 2400, 8000, 8160, 8160, 8160, 8160, 8160, 3712];

let leave: () => void;
let locks = 0;
beforeEach(() => {
  leave = enterDataDirectory();
  makeLocalPool(64);
  locks = 0;
  setFsmExtensionLock({ lock: () => locks++, unlock: () => locks-- });
  setSmgrHooks({ cacheInvalidateSmgr() {} });
});
afterEach(() => {
  endOwner(true);
  smgrCloseAll();
  leave();
});

/** A relation that claims to have so many blocks. */
function relation(relNode: number, blocks: number): SmgrRelation {
  const rel = smgrOpen(node(relNode), -1);
  rel.unlogged = true;
  smgrCreate(rel, FORK.main, false);
  if (blocks > 0) smgrExtend(rel, FORK.main, blocks - 1, privateReserve(BLCKSZ), true);
  return rel;
}

test('categories', () => {
  expect([0, 31, 32, 8127, 8128, 8159, 8160, 8192].map(spaceToCategory)).toEqual([0, 0, 1, 253, 254, 254, 255, 255]);
  expect([0, 1, 32, 33, 8128, 8129, 8160].map(neededCategory)).toEqual([1, 1, 1, 2, 254, 255, 255]);
  expect(() => neededCategory(8161)).toThrow('invalid FSM request size 8161');
});

test('physical blocks of addresses', () => {
  expect([fsmPhysicalBlock(2, 0), fsmPhysicalBlock(1, 0), fsmPhysicalBlock(0, 0)]).toEqual([0, 1, 2]);
  expect([fsmPhysicalBlock(0, 4068), fsmPhysicalBlock(1, 1), fsmPhysicalBlock(0, 4069)]).toEqual([4070, 4071, 4072]);
});

test('the map of a real relation is understood, and its tree rebuilt as it is', () => {
  const page = privateReserve(BLCKSZ);
  mem.u8.set(golden.subarray(2 * BLCKSZ, 3 * BLCKSZ), page);
  expect(KNOWN.map((_, i) => fsmGetAvail(page, i))).toEqual(KNOWN.map(spaceToCategory));
  const before = mem.u8.slice(page, page + BLCKSZ);
  expect(fsmRebuildPage(page)).toBe(false);
  for (let slot = 0; slot < 4069; slot++) {
    const value = fsmGetAvail(page, slot);
    fsmSetAvail(page, slot, 0);
    fsmSetAvail(page, slot, value);
  }
  expect(Buffer.compare(mem.u8.slice(page, page + BLCKSZ), before)).toBe(0);
  expect(fsmGetMaxAvail(page)).toBe(255);
  expect(fsmTruncateAvail(page, 3)).toBe(true);
  expect([fsmGetMaxAvail(page), fsmTruncateAvail(page, 3)]).toEqual([spaceToCategory(2624), false]);
});

test('what VACUUM records is found by inserters, and corrected by them', () => {
  const rel = relation(1, 10);
  expect(getPageWithFreeSpace(rel, 100)).toBe(INVALID_BLOCK);
  recordPageWithFreeSpace(rel, 4, 500);
  recordPageWithFreeSpace(rel, 7, 4000);
  expect(smgrNblocks(rel, FORK.fsm)).toBe(3);
  expect(locks).toBe(0);
  expect(getRecordedFreeSpace(rel, 7)).toBe(4000);
  expect(getRecordedFreeSpace(rel, 8)).toBe(0);
  // The upper pages know nothing yet.
  expect(getPageWithFreeSpace(rel, 100)).toBe(INVALID_BLOCK);
  freeSpaceMapVacuum(rel);
  expect(getPageWithFreeSpace(rel, 1000)).toBe(7);
  expect(getPageWithFreeSpace(rel, 400)).toBe(4);
  expect(recordAndGetPageWithFreeSpace(rel, 7, 50, 400)).toBe(4);
  // Upper pages still promise 4000: the search finds out, corrects them, and gives up.
  expect(getPageWithFreeSpace(rel, 1000)).toBe(INVALID_BLOCK);
  expect(getPageWithFreeSpace(rel, 400)).toBe(4);
  expect(locks).toBe(0);
});

test('searches move on from block to block', () => {
  const rel = relation(2, 10);
  for (const block of [2, 3, 5]) recordPageWithFreeSpace(rel, block, 3000);
  freeSpaceMapVacuumRange(rel, 0, 10);
  expect([1, 2, 3, 4].map(() => getPageWithFreeSpace(rel, 2000))).toEqual([2, 3, 5, 2]);
});

test('blocks behind the end of the relation are not handed out', () => {
  const rel = relation(3, 5);
  recordPageWithFreeSpace(rel, 9, 3000);
  recordPageWithFreeSpace(rel, 2, 3000);
  freeSpaceMapVacuum(rel);
  expect([1, 2, 3].map(() => getPageWithFreeSpace(rel, 2000))).toEqual([2, 2, 2]);
  expect(getRecordedFreeSpace(rel, 9)).toBe(0);
});

test('truncation forgets what is cut, and cuts the map', () => {
  const rel = relation(4, 5000);
  for (const block of [10, 4500, 4999]) recordPageWithFreeSpace(rel, block, 3000);
  expect(smgrNblocks(rel, FORK.fsm)).toBe(4);
  freeSpaceMapVacuum(rel);
  const keep = freeSpaceMapPrepareTruncateRel(rel, 4800, false);
  expect(keep).toBe(4);
  expect([getRecordedFreeSpace(rel, 4500), getRecordedFreeSpace(rel, 4999)]).toEqual([2976, 0]);
  expect(freeSpaceMapPrepareTruncateRel(rel, 4069, false)).toBe(3);
  smgrTruncate(rel, [FORK.main, FORK.fsm], [4069, 3]);
  freeSpaceMapVacuumRange(rel, 4069, INVALID_BLOCK);
  expect(getPageWithFreeSpace(rel, 2000)).toBe(10);
  expect(freeSpaceMapPrepareTruncateRel(rel, 4069, false)).toBe(INVALID_BLOCK);
});

test('a torn page is repaired by the search that meets it', () => {
  const rel = relation(5, 20);
  recordPageWithFreeSpace(rel, 12, 3000);
  freeSpaceMapVacuum(rel);
  const buffer = readBuffer(rel, 'u', FORK.fsm, 2, RBM.normal, null);
  lockBuffer(buffer, BUFFER_LOCK.exclusive);
  const page = bufferPage(buffer);
  mem.u8[page + 28 + 4095 + 12] = 0;
  unlockReleaseBuffer(buffer);
  expect(getPageWithFreeSpace(rel, 2000)).toBe(INVALID_BLOCK);
  recordPageWithFreeSpace(rel, 13, 3000);
  freeSpaceMapVacuum(rel);
  expect(getPageWithFreeSpace(rel, 2000)).toBe(13);
});

test('empty pages of an index', () => {
  const rel = relation(6, 10);
  recordFreeIndexPage(rel, 3);
  recordFreeIndexPage(rel, 8);
  indexFreeSpaceMapVacuum(rel);
  expect([1, 2, 3].map(() => getFreeIndexPage(rel))).toEqual([3, 8, INVALID_BLOCK]);
  flushRelationBuffers(rel);
});
