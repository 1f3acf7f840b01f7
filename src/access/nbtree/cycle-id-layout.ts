/** cycle-id-layout.ts — the VACUUMs that are scanning B-trees now.
 *  Counterpart: BTVacInfo, BTOneVacInfo of src/backend/access/nbtree/nbtutils.c */
import { bytes, i32, struct, u16, u32 } from '#base/struct.ts';

export const BtVacuumInfo = struct('BTVacInfo', 12, {
  /** Last id given; wraps within 1 … MAX_CYCLE_ID. */
  counter: u16(),
  pad: bytes(2),
  count: i32(),
  limit: i32(),
});
export const BtOneVacuum = struct('BTOneVacInfo', 12, {
  relation: u32(),
  database: u32(),
  cycleId: u16(),
  pad: bytes(2),
});
