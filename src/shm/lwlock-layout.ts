/** lwlock-layout.ts — an LWLock, and the directory of named tranches.
 *
 *  State word:  bit 30 HAS_WAITERS | bit 29 RELEASE_OK | bit 28 LOCKED (wait list) | bit 24 exclusive | bits 0–23 sharers */
import { atomic32, bytes, cstring, i32, struct, u16, u32 } from '#base/struct.ts';

export const LW_FLAG_HAS_WAITERS = 1 << 30;
export const LW_FLAG_RELEASE_OK = 1 << 29;
export const LW_FLAG_LOCKED = 1 << 28;
export const LW_VAL_EXCLUSIVE = 1 << 24;
export const LW_VAL_SHARED = 1;
export const LW_LOCK_MASK = (1 << 25) - 1;
export const LW_SHARED_MASK = (1 << 24) - 1;

export const LWLock = struct('LWLock', 16, {
  tranche: u16(),
  pad: bytes(2),
  state: atomic32(),
  /** PGPROC numbers, -1 for none. Guarded by LW_FLAG_LOCKED. */
  waitHead: i32(),
  waitTail: i32(),
});
/** Each lock has its own cache lines. */
export const LWLOCK_STRIDE = 128;

export const MAX_NAMED_TRANCHES = 64;
export const NamedTranche = struct('NamedTranche', 72, {
  name: cstring(64),
  tranche: u32(),
  lockCount: u32(),
});
export const TrancheDirectory = struct('TrancheDirectory', 16, {
  count: atomic32(),
  /** Next id to hand out at run time. */
  nextTranche: atomic32(),
  lock: atomic32(),
  pad: bytes(4),
});
