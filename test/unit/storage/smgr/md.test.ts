import { existsSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { BLCKSZ, FORK, INVALID_BLOCK, type Oid, type RelFileNode } from '#base/ids.ts';
import { mapLocalMemory, mem } from '#shm/memory.ts';
import { privateReserve } from '#shm/private-memory.ts';
import {
  pendingSyncCount,
  processSyncRequests,
  syncPostCheckpoint,
  syncPreCheckpoint,
} from '#storage/file/sync-requests.ts';
import { mdNblocks, SEGMENT_BLOCKS } from '#storage/smgr/md.ts';
import {
  atEoXactSmgr,
  setSmgrHooks,
  smgrClose,
  smgrCloseAll,
  smgrCreate,
  smgrDoUnlinkAll,
  smgrExists,
  smgrExtend,
  smgrImmedSync,
  smgrNblocks,
  smgrOpen,
  smgrRead,
  type SmgrRelation,
  smgrSetOwner,
  smgrTruncate,
  smgrWrite,
} from '#storage/smgr/smgr.ts';
import { replay } from '#wal/recovery-state.ts';
import { enterTempFolder } from '../../../support/in-temp-folder.ts';

const node = (relNode: number): RelFileNode => ({ spcNode: 1663 as Oid, dbNode: 5 as Oid, relNode: relNode as Oid });
let leave: () => void;
let page = 0;
let invalidated: number[] = [];
beforeAll(() => {
  leave = enterTempFolder('base/5');
  mapLocalMemory(8 << 20);
  page = privateReserve(BLCKSZ);
  setSmgrHooks({
    dropRelationBuffers() {},
    dropRelationsAllBuffers() {},
    flushRelationsAllBuffers() {},
    cacheInvalidateSmgr: (rnode) => void invalidated.push(rnode.relNode),
  });
});
afterAll(() => leave());
beforeEach(() => {
  smgrCloseAll();
  invalidated = [];
});
const fill = (byte: number): number => {
  mem.u8.fill(byte, page, page + BLCKSZ);
  return page;
};
const readByte = (rel: SmgrRelation, block: number): number => {
  smgrRead(rel, FORK.main, block, page);
  return mem.u8[page + 4000]!;
};

test('blocks are written, replaced, read; forks are files of their own', () => {
  const rel = smgrOpen(node(100), -1);
  expect(smgrExists(rel, FORK.main)).toBe(false);
  smgrCreate(rel, FORK.main, false);
  smgrCreate(rel, FORK.vm, false);
  expect(() => smgrCreate(smgrOpen(node(100), -1), FORK.main, false)).toThrow(
    'could not create file "base/5/100": File exists',
  );
  for (let block = 0; block < 5; block++) smgrExtend(rel, FORK.main, block, fill(block + 1), false);
  smgrWrite(rel, FORK.main, 2, fill(77), false);
  expect([0, 1, 2, 3, 4].map((block) => readByte(rel, block))).toEqual([1, 2, 77, 4, 5]);
  expect(smgrNblocks(rel, FORK.main)).toBe(5);
  expect(smgrNblocks(rel, FORK.vm)).toBe(0);
  expect(existsSync('base/5/100_vm')).toBe(true);
  expect(() => readByte(rel, 5)).toThrow('could not read block 5 in file "base/5/100": read only 0 of 8192 bytes');
  expect(pendingSyncCount()).toBe(2);
  expect(processSyncRequests().syncs).toBe(2);
});

test('a block behind the end leaves zeros; in recovery reading behind it makes zeros', () => {
  const rel = smgrOpen(node(101), -1);
  smgrCreate(rel, FORK.main, false);
  smgrExtend(rel, FORK.main, 3, fill(9), false);
  expect(readByte(rel, 1)).toBe(0);
  replay.inRecovery = true;
  fill(5);
  expect(readByte(rel, 7)).toBe(0);
  smgrCreate(smgrOpen(node(101), -1), FORK.main, true);
  replay.inRecovery = false;
});

test('segments: the second begins at block 131072, truncation empties and closes it', () => {
  const rel = smgrOpen(node(102), -1);
  smgrCreate(rel, FORK.main, false);
  truncateSync('base/5/102', SEGMENT_BLOCKS * BLCKSZ);
  expect(smgrNblocks(rel, FORK.main)).toBe(SEGMENT_BLOCKS);
  smgrExtend(rel, FORK.main, SEGMENT_BLOCKS, fill(1), false);
  smgrExtend(rel, FORK.main, SEGMENT_BLOCKS + 1, fill(2), false);
  expect(statSync('base/5/102.1').size).toBe(2 * BLCKSZ);
  smgrClose(rel);
  const again = smgrOpen(node(102), -1);
  expect(again).not.toBe(rel);
  expect(readByte(again, SEGMENT_BLOCKS + 1)).toBe(2);
  expect(smgrNblocks(again, FORK.main)).toBe(SEGMENT_BLOCKS + 2);
  smgrTruncate(again, [FORK.main], [SEGMENT_BLOCKS + 1]);
  expect(statSync('base/5/102.1').size).toBe(BLCKSZ);
  expect(invalidated).toEqual([102]);
  smgrTruncate(again, [FORK.main], [3]);
  expect([statSync('base/5/102').size, statSync('base/5/102.1').size]).toEqual([3 * BLCKSZ, 0]);
  expect(mdNblocks(again, FORK.main)).toBe(3);
  expect(() => smgrTruncate(again, [FORK.main], [4])).toThrow(
    'could not truncate file "base/5/102" to 4 blocks: it\'s only 3 blocks now',
  );
  expect(() => readByte(again, SEGMENT_BLOCKS)).toThrow(
    'could not open file "base/5/102.1" (target block 131072): previous segment is only 3 blocks',
  );
  smgrImmedSync(again, FORK.main);
  expect(again.segments[0].length).toBe(1);
});

test('unlinking: the first segment stays, empty, until the next checkpoint; other forks and segments go at once', () => {
  const rel = smgrOpen(node(103), -1);
  for (const fork of [FORK.main, FORK.fsm, FORK.init] as const) smgrCreate(rel, fork, false);
  smgrExtend(rel, FORK.main, 0, fill(1), false);
  writeFileSync('base/5/103.1', 'x');
  smgrDoUnlinkAll([rel], false);
  expect(statSync('base/5/103').size).toBe(0);
  for (const name of ['103_fsm', '103_init', '103.1']) expect(existsSync(`base/5/${name}`)).toBe(false);
  syncPreCheckpoint();
  processSyncRequests();
  syncPostCheckpoint();
  expect(existsSync('base/5/103')).toBe(false);
});

test('in redo, and for temporary relations, everything goes at once', () => {
  const redo = smgrOpen(node(104), -1);
  const temp = smgrOpen(node(104), 3);
  smgrCreate(redo, FORK.main, false);
  smgrCreate(temp, FORK.main, false);
  expect(existsSync('base/5/t3_104')).toBe(true);
  smgrDoUnlinkAll([redo], true);
  expect([existsSync('base/5/104'), existsSync('base/5/t3_104')]).toEqual([false, true]);
  smgrDoUnlinkAll([temp], false);
  expect(existsSync('base/5/t3_104')).toBe(false);
});

test('relations are found again, owners are told, unowned ones go with the transaction', () => {
  const owner: { smgr: SmgrRelation | null } = { smgr: null };
  const kept = smgrOpen(node(105), -1);
  smgrSetOwner(owner, kept);
  const loose = smgrOpen({ ...node(105), dbNode: 6 as Oid }, -1);
  expect(smgrOpen(node(105), -1)).toBe(kept);
  expect(smgrOpen({ ...node(105), dbNode: 6 as Oid }, -1)).toBe(loose);
  atEoXactSmgr();
  expect(smgrOpen(node(105), -1)).toBe(kept);
  expect(smgrOpen({ ...node(105), dbNode: 6 as Oid }, -1)).not.toBe(loose);
  smgrClose(kept);
  expect(owner.smgr).toBe(null);
  expect(kept.targetBlock).toBe(INVALID_BLOCK);
});
