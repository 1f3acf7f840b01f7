/** page-layout.ts — the bytes every block of a relation begins with.
 *  Counterpart: PageHeaderData of src/include/storage/bufpage.h, ItemIdData of itemid.h */
import { struct, u16, u32, u64hi } from '#base/struct.ts';
import type { Lsn, TransactionId } from '#base/ids.ts';

export const PageHeader = struct('PageHeader', 24, {
  lsn: u64hi<Lsn>(),
  checksum: u16(),
  flags: u16(),
  /** End of the line pointers. */
  lower: u16(),
  /** Start of the tuples; 0 in a page that was never initialised. */
  upper: u16(),
  /** Start of the special space of an index. */
  special: u16(),
  /** Page size | layout version. */
  pageSizeVersion: u16(),
  /** Oldest xid whose dead tuple pruning could remove, 0 if none. */
  pruneXid: u32<TransactionId>(),
});

export const SIZE_OF_PAGE_HEADER = 24;
export const SIZE_OF_ITEM_ID = 4;
export const PAGE_LAYOUT_VERSION = 4;

/** pd_flags. */
export const PD = { hasFreeLines: 1, pageFull: 2, allVisible: 4, validBits: 7 } as const;
/** State of a line pointer. */
export const LP = { unused: 0, normal: 1, redirect: 2, dead: 3 } as const;

/** Most line pointers a heap page may have: 8168 / (MAXALIGN(23) + 4). */
export const MAX_HEAP_TUPLES_PER_PAGE = 291;
/** 8168 / (MAXALIGN(8 + 1) + 4). */
export const MAX_INDEX_TUPLES_PER_PAGE = 408;
export const MAX_HEAP_TUPLE_SIZE = 8160;
