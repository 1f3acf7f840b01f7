/** wal-records.ts — the operations of resource manager Btree, and what VACUUM keeps of their bytes.
 *  Counterpart: src/include/access/nbtxlog.h */
export const XLOG_BTREE = {
  insertLeaf: 0x00,
  insertUpper: 0x10,
  insertMeta: 0x20,
  splitL: 0x30,
  splitR: 0x40,
  insertPost: 0x50,
  dedup: 0x60,
  delete: 0x70,
  unlinkPage: 0x80,
  unlinkPageMeta: 0x90,
  newRoot: 0xa0,
  markPageHalfDead: 0xb0,
  vacuum: 0xc0,
  reusePage: 0xd0,
  metaCleanup: 0xe0,
} as const;
/** Bits of xl_info that are the resource manager's. */
export const RMGR_INFO_MASK = 0xf0;
