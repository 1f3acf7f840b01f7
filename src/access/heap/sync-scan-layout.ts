/** sync-scan-layout.ts — where the scans of large tables are, so that a new one can join them.
 *  Counterpart: ss_scan_locations_t of src/backend/access/common/syncscan.c */
import { i32, struct, u32 } from '#base/struct.ts';

export const SyncScanEntry = struct('SyncScanEntry', 24, {
  spcNode: u32(),
  dbNode: u32(),
  relNode: u32(),
  location: u32(),
  next: i32(),
  previous: i32(),
});
export const SyncScanHeader = struct('SyncScanHeader', 8, { head: i32(), tail: i32() });
