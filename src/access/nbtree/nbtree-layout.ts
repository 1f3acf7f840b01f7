/** nbtree-layout.ts — the bytes of a B-tree page: special area, meta page, limits.
 *
 *  Page = header, line pointers, tuples, 16 bytes of special area. Item 1 of a page that is not the rightmost of its level
 *  is its high key: an upper bound of what may be there. The first data item of an internal page has no key: it stands for
 *  minus infinity. Block 0 is the meta page. A deleted page keeps its sibling links and, in place of its tuples, the full
 *  xid after which nobody can still be on the way to it.
 *  Counterpart: src/include/access/nbtree.h */
import { BLCKSZ, type BlockNumber, type FullTransactionId } from '#base/ids.ts';
import { mem } from '#shm/memory.ts';
import { pageInit } from '#storage/page/page.ts';

export const BTREE_AM_OID = 403;
export const BTREE_METAPAGE = 0;
export const BTREE_MAGIC = 0x053162;
export const BTREE_VERSION = 4;
export const P_NONE = 0;
export const P_HIKEY = 1;
export const P_FIRSTKEY = 2;

export const SIZE_OF_PAGE_HEADER = 24;
const SPECIAL_SIZE = 16;
/** Where the special area of a B-tree page starts. */
export const BT_SPECIAL = BLCKSZ - SPECIAL_SIZE;

export const BTP = {
  leaf: 0x0001,
  root: 0x0002,
  deleted: 0x0004,
  meta: 0x0008,
  halfDead: 0x0010,
  splitEnd: 0x0020,
  hasGarbage: 0x0040,
  incompleteSplit: 0x0080,
  hasFullXid: 0x0100,
} as const;
const BTP_IGNORE = BTP.deleted | BTP.halfDead;

/** A third of a page, so that every page holds at least three items. */
export const BT_MAX_ITEM_SIZE_NO_HEAP_TID = 2712;
/** Leaves room for a heap TID that truncation may have to add. */
export const BT_MAX_ITEM_SIZE = 2704;
export const MAX_TIDS_PER_PAGE = Math.trunc((BLCKSZ - SIZE_OF_PAGE_HEADER - SPECIAL_SIZE) / 6);
export const BTREE_DEFAULT_FILLFACTOR = 90;
export const BTREE_NONLEAF_FILLFACTOR = 70;
export const BTREE_SINGLEVAL_FILLFACTOR = 96;
export const maxAlign = (n: number): number => (n + 7) & ~7;
export const maxAlignDown = (n: number): number => n & ~7;

// Offsets of BTPageOpaqueData: btpo_prev 0, btpo_next 4, btpo_level 8, btpo_flags 12, btpo_cycleid 14.
export const btPrev = (page: number): BlockNumber => mem.view.getUint32(page + BT_SPECIAL, true);
export const btNext = (page: number): BlockNumber => mem.view.getUint32(page + BT_SPECIAL + 4, true);
export const btLevel = (page: number): number => mem.view.getUint32(page + BT_SPECIAL + 8, true);
export const btFlags = (page: number): number => mem.view.getUint16(page + BT_SPECIAL + 12, true);
export const btCycleId = (page: number): number => mem.view.getUint16(page + BT_SPECIAL + 14, true);
export const setBtPrev = (page: number, to: BlockNumber): void => mem.view.setUint32(page + BT_SPECIAL, to, true);
export const setBtNext = (page: number, to: BlockNumber): void => mem.view.setUint32(page + BT_SPECIAL + 4, to, true);
export const setBtLevel = (page: number, to: number): void => mem.view.setUint32(page + BT_SPECIAL + 8, to, true);
export const setBtFlags = (page: number, to: number): void => mem.view.setUint16(page + BT_SPECIAL + 12, to, true);
export const setBtCycleId = (page: number, to: number): void => mem.view.setUint16(page + BT_SPECIAL + 14, to, true);
export const addBtFlags = (page: number, flags: number): void => setBtFlags(page, btFlags(page) | flags);
export const clearBtFlags = (page: number, flags: number): void => setBtFlags(page, btFlags(page) & ~flags);

export const isLeftmost = (page: number): boolean => btPrev(page) === P_NONE;
export const isRightmost = (page: number): boolean => btNext(page) === P_NONE;
export const isLeaf = (page: number): boolean => (btFlags(page) & BTP.leaf) !== 0;
export const isRoot = (page: number): boolean => (btFlags(page) & BTP.root) !== 0;
export const isDeleted = (page: number): boolean => (btFlags(page) & BTP.deleted) !== 0;
export const isMeta = (page: number): boolean => (btFlags(page) & BTP.meta) !== 0;
export const isHalfDead = (page: number): boolean => (btFlags(page) & BTP.halfDead) !== 0;
/** Deleted or half-dead: searches step over it. */
export const isIgnored = (page: number): boolean => (btFlags(page) & BTP_IGNORE) !== 0;
export const hasGarbage = (page: number): boolean => (btFlags(page) & BTP.hasGarbage) !== 0;
export const isIncompleteSplit = (page: number): boolean => (btFlags(page) & BTP.incompleteSplit) !== 0;
export const firstDataKey = (page: number): number => (isRightmost(page) ? P_HIKEY : P_FIRSTKEY);

export const btPageInit = (page: number): void => pageInit(page, SPECIAL_SIZE);
export const setBtOpaque = (
  page: number,
  prev: number,
  next: number,
  level: number,
  flags: number,
  cycleId = 0,
): void => {
  setBtPrev(page, prev);
  setBtNext(page, next);
  setBtLevel(page, level);
  setBtFlags(page, flags);
  setBtCycleId(page, cycleId);
};

const FIRST_NORMAL_FULL_XID = 3 as FullTransactionId;
/** Since when nobody can be on the way to this deleted page. */
export function deletedPageXid(page: number): FullTransactionId {
  // A page deleted before version 14 of the format has only 32 bits: old enough.
  if ((btFlags(page) & BTP.hasFullXid) === 0) return FIRST_NORMAL_FULL_XID;
  const at = page + SIZE_OF_PAGE_HEADER;
  return (mem.view.getUint32(at + 4, true) * 0x1_0000_0000 + mem.view.getUint32(at, true)) as FullTransactionId;
}
/** Turns a half-dead page into a deleted one. */
export function setPageDeleted(page: number, safeXid: FullTransactionId): void {
  setBtFlags(page, (btFlags(page) & ~BTP.halfDead) | BTP.deleted | BTP.hasFullXid);
  mem.view.setUint16(page + 12, SIZE_OF_PAGE_HEADER + 8, true); // pd_lower
  mem.view.setUint16(page + 14, BT_SPECIAL, true); // pd_upper
  const at = page + SIZE_OF_PAGE_HEADER;
  mem.view.setUint32(at, safeXid >>> 0, true);
  mem.view.setUint32(at + 4, Math.floor(safeXid / 0x1_0000_0000), true);
}

/** BTMetaPageData, read into an object: meta pages are read seldom and cached. */
export interface MetaPage {
  magic: number;
  version: number;
  root: BlockNumber;
  level: number;
  fastRoot: BlockNumber;
  fastLevel: number;
  lastCleanupNumDelPages: number;
  allEqualImage: boolean;
}
const META = SIZE_OF_PAGE_HEADER;
export function readMeta(page: number): MetaPage {
  const { view } = mem;
  return {
    magic: view.getUint32(page + META, true),
    version: view.getUint32(page + META + 4, true),
    root: view.getUint32(page + META + 8, true),
    level: view.getUint32(page + META + 12, true),
    fastRoot: view.getUint32(page + META + 16, true),
    fastLevel: view.getUint32(page + META + 20, true),
    lastCleanupNumDelPages: view.getUint32(page + META + 24, true),
    allEqualImage: view.getUint8(page + META + 40) !== 0,
  };
}
export const metaMagic = (page: number): number => mem.view.getUint32(page + META, true);
export const metaVersion = (page: number): number => mem.view.getUint32(page + META + 4, true);
export const metaRoot = (page: number): BlockNumber => mem.view.getUint32(page + META + 8, true);
export const metaLevel = (page: number): number => mem.view.getUint32(page + META + 12, true);
export const metaFastRoot = (page: number): BlockNumber => mem.view.getUint32(page + META + 16, true);
export const metaFastLevel = (page: number): number => mem.view.getUint32(page + META + 20, true);
export const metaLastCleanupNumDelPages = (page: number): number => mem.view.getUint32(page + META + 24, true);
export const metaAllEqualImage = (page: number): boolean => mem.view.getUint8(page + META + 40) !== 0;
export function setMetaRoot(page: number, root: BlockNumber, level: number): void {
  mem.view.setUint32(page + META + 8, root, true);
  mem.view.setUint32(page + META + 12, level, true);
}
export function setMetaFastRoot(page: number, root: BlockNumber, level: number): void {
  mem.view.setUint32(page + META + 16, root, true);
  mem.view.setUint32(page + META + 20, level, true);
}
export function setMetaCleanup(page: number, deletedPages: number): void {
  mem.view.setUint32(page + META + 24, deletedPages, true);
  mem.view.setFloat64(page + META + 32, -1, true); // last_cleanup_num_heap_tuples: no longer used
}
/** Makes a meta page of zeroed or old bytes. */
export function initMetaPage(page: number, root: BlockNumber, level: number, allEqualImage: boolean): void {
  btPageInit(page);
  mem.view.setUint32(page + META, BTREE_MAGIC, true);
  mem.view.setUint32(page + META + 4, BTREE_VERSION, true);
  setMetaRoot(page, root, level);
  setMetaFastRoot(page, root, level);
  setMetaCleanup(page, 0);
  mem.view.setUint8(page + META + 40, allEqualImage ? 1 : 0);
  setBtFlags(page, BTP.meta);
  // pd_lower after the data, so that full-page images do not take it for the hole.
  mem.view.setUint16(page + 12, META + 48, true);
}
/** xl_btree_metadata: 28 bytes. */
export const XL_METADATA_SIZE = 28;
export function writeXlMetadata(at: number, page: number): void {
  const { view } = mem;
  view.setUint32(at, metaVersion(page), true);
  view.setUint32(at + 4, metaRoot(page), true);
  view.setUint32(at + 8, metaLevel(page), true);
  view.setUint32(at + 12, metaFastRoot(page), true);
  view.setUint32(at + 16, metaFastLevel(page), true);
  view.setUint32(at + 20, metaLastCleanupNumDelPages(page), true);
  view.setUint32(at + 24, metaAllEqualImage(page) ? 1 : 0, true);
}
