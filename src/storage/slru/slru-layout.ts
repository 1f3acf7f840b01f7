/** slru-layout.ts — the control block of one SLRU in shared memory. Behind it, in this order: page status, page number and
 *  LRU count (4 bytes a slot each), dirty flag (1 byte a slot), group LSNs (8 bytes each), buffer locks, page buffers.
 *  Everything but the pages' contents of an I/O in progress is guarded by the SLRU's control lock. */
import { atomic32, bytes, i32, struct } from '#base/struct.ts';

export const SlruShared = struct('SlruShared', 64, {
  slotCount: i32(),
  lsnGroupsPerPage: i32(),
  /** Rises with every use of a page that was not the last one used; read and written without the exclusive lock. */
  lruCounter: i32(),
  /** The page at the end of the log: never evicted, and the measure for apparent wraparound. */
  latestPage: atomic32(),
  pad: bytes(48),
});

export const SLRU_PAGES_PER_SEGMENT = 32;
export const PAGE_STATUS = { empty: 0, readInProgress: 1, valid: 2, writeInProgress: 3 } as const;
