/** worker-layout.ts — background workers in shared memory: what a worker is, and the slots by which backends and the
 *  postmaster agree on it without locks that the postmaster would have to take.
 *  Counterpart: src/include/postmaster/bgworker_internals.h */
import { atomic32, bytes, bool8, cstring, f64, i32, struct, u8 } from '#base/struct.ts';

export const BGW_MAXLEN = 96;
export const BGW_EXTRALEN = 128;

export const BackgroundWorkerSlot = struct('BackgroundWorkerSlot', 704, {
  /** Written last by the registrant, cleared last by the postmaster. */
  inUse: atomic32(),
  terminate: atomic32(),
  /** -1 not started yet, 0 ended, else the pid. */
  pid: atomic32(),
  /** Grows each time the slot is taken: a handle is (slot, generation). */
  generation: atomic32(),
  flags: i32(),
  startTime: i32(),
  restartSeconds: i32(),
  notifyPid: i32(),
  mainArgument: f64(),
  name: cstring(BGW_MAXLEN),
  type: cstring(BGW_MAXLEN),
  library: cstring(224),
  functionName: cstring(BGW_MAXLEN),
  extra: bytes(BGW_EXTRALEN),
  isAsync: bool8(),
  pad0: u8(),
  pad: bytes(22),
});

export const BackgroundWorkerArray = struct('BackgroundWorkerArray', 64, {
  totalSlots: i32(),
  parallelRegisterCount: atomic32(),
  parallelTerminateCount: atomic32(),
  pad: bytes(52),
});
