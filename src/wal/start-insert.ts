/** start-insert.ts — puts the insertion machinery where the log ends. Done once, by whoever ends recovery.
 *  Counterpart: the middle of StartupXLOG() of src/backend/access/transam/xlog.c */
import type { Lsn } from '#base/ids.ts';
import { mem } from '#shm/memory.ts';
import { adoptLastPage, forgetWalBuffers } from '#wal/wal-buffers.ts';
import { recPtrToBytePos } from '#wal/wal-format.ts';
import { WalCtl } from '#wal/wal-layout.ts';
import { lockInfo, setLocalRedo, setLocalResult, unlockInfo, walAt } from '#wal/wal-shmem.ts';

export interface WalEnd {
  /** The next record goes here. */
  readonly endOfLog: Lsn;
  /** Start of the last record. */
  readonly lastRecord: Lsn;
  /** Address of the page that endOfLog lies in, unless it is a page border. */
  readonly lastPageAt: number;
  readonly timeline: number;
  readonly previousTimeline: number;
}

/** Nobody inserts yet, so no lock is needed but where readers already look. */
export function positionInsertion(end: WalEnd): void {
  const ctl = walAt.ctl;
  WalCtl.insertTimeline.set(mem, ctl, end.timeline);
  WalCtl.prevTimeline.set(mem, ctl, end.previousTimeline);
  WalCtl.currBytePos.set(mem, ctl, recPtrToBytePos(end.endOfLog));
  WalCtl.prevBytePos.set(mem, ctl, recPtrToBytePos(end.lastRecord));
  forgetWalBuffers();
  adoptLastPage(end.endOfLog, end.lastPageAt);
  lockInfo();
  WalCtl.resultWrite.set(mem, ctl, end.endOfLog);
  WalCtl.resultFlush.set(mem, ctl, end.endOfLog);
  WalCtl.requestWrite.set(mem, ctl, end.endOfLog);
  WalCtl.requestFlush.set(mem, ctl, end.endOfLog);
  unlockInfo();
  setLocalResult(end.endOfLog, end.endOfLog);
}

/** Publishes the redo pointer for everybody; before insertion starts, or with all insertion locks held. */
export function publishRedoPointer(redo: Lsn): void {
  WalCtl.redoRecPtr.set(mem, walAt.ctl, redo);
  setLocalRedo(redo);
}
/** The copy of those who hold no insertion lock. */
export function publishInfoRedoPointer(redo: Lsn): void {
  lockInfo();
  WalCtl.infoRedoRecPtr.set(mem, walAt.ctl, redo);
  unlockInfo();
}
