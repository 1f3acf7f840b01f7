/** heap-records.ts — numbers of the heap's WAL records: operations, flags, sizes.
 *  Counterpart: src/include/access/heapam_xlog.h */

/** Operations of rmgr Heap (xl_info & 0x70), and the bit that says the page is made anew. */
export const XLOG_HEAP = {
  insert: 0x00,
  delete: 0x10,
  update: 0x20,
  truncate: 0x30,
  hotUpdate: 0x40,
  confirm: 0x50,
  lock: 0x60,
  inplace: 0x70,
} as const;
export const XLOG_HEAP_OPMASK = 0x70;
export const XLOG_HEAP_INIT_PAGE = 0x80;
/** Operations of rmgr Heap2. */
export const XLOG_HEAP2 = {
  rewrite: 0x00,
  prune: 0x10,
  vacuum: 0x20,
  freezePage: 0x30,
  visible: 0x40,
  multiInsert: 0x50,
  lockUpdated: 0x60,
  newCid: 0x70,
} as const;

export const XLH_INSERT = {
  allVisibleCleared: 0x01,
  lastInMulti: 0x02,
  isSpeculative: 0x04,
  containsNewTuple: 0x08,
  onToastRelation: 0x10,
  allFrozenSet: 0x20,
} as const;
export const XLH_UPDATE = {
  oldAllVisibleCleared: 0x01,
  newAllVisibleCleared: 0x02,
  containsOldTuple: 0x04,
  containsOldKey: 0x08,
  containsNewTuple: 0x10,
  prefixFromOld: 0x20,
  suffixFromOld: 0x40,
} as const;
export const XLH_DELETE = {
  allVisibleCleared: 0x01,
  containsOldTuple: 0x02,
  containsOldKey: 0x04,
  isSuper: 0x08,
  isPartitionMove: 0x10,
} as const;
export const XLH_LOCK_ALL_FROZEN_CLEARED = 0x01;

export const SIZE_OF_HEAP_HEADER = 5;
export const SIZE_OF_HEAP_INSERT = 3;
export const SIZE_OF_HEAP_DELETE = 8;
export const SIZE_OF_HEAP_UPDATE = 14;
export const SIZE_OF_HEAP_LOCK = 8;
export const SIZE_OF_HEAP_CONFIRM = 2;
export const SIZE_OF_HEAP_INPLACE = 2;
export const SIZE_OF_HEAP_PRUNE = 8;
export const SIZE_OF_HEAP_VACUUM = 2;
export const SIZE_OF_HEAP_FREEZE_PAGE = 6;
export const SIZE_OF_FREEZE_TUPLE = 12;
export const SIZE_OF_HEAP_VISIBLE = 5;
export const SIZE_OF_MULTI_INSERT_TUPLE = 7;
export const SIZE_OF_NEW_CID = 34;

/** Bits of infobits_set. */
export const XLHL = { xmaxIsMulti: 0x01, lockOnly: 0x02, exclLock: 0x04, keyshrLock: 0x08, keysUpdated: 0x10 } as const;
