/** wal-shmem.ts — where XLogCtl, the insertion locks and the WAL buffers lie, and what this process remembers of them.
 *
 *  Order in the segment: XLogCtl, insertion locks, buffer table, (page border) buffers.
 *  Counterpart: XLOGShmemSize(), XLOGShmemInit(), XLOGChooseNumBuffers() of src/backend/access/transam/xlog.c */
import type { Lsn } from '#base/ids.ts';
import { setInternalOption, settings } from '#runtime/guc/guc.ts';
import { BUILTIN_TRANCHES } from '#shm/lwlock-list.ts';
import { initializeLWLock } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import { spinAcquire, spinRelease } from '#shm/spinlock.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import { FIRST_UNLOGGED_LSN } from '#wal/control-file-layout.ts';
import { NUM_INSERT_LOCKS, RecoveryCtl, WalBuffer, WalCtl, WalInsertLock } from '#wal/wal-layout.ts';
import { DEFAULT_SEGMENT_SIZE, walSegmentSize, XLOG_BLCKSZ } from '#wal/wal-format.ts';
import { initConditionVariable } from '#shm/condition-variable.ts';

/** Byte offsets in the segment. */
export const walAt = { ctl: -1, insertLocks: -1, buffers: -1, pages: -1, recovery: -1, bufferCount: 0 };

/** A 32nd of shared_buffers, at least 8 pages, at most a segment. */
export function chooseWalBuffers(): number {
  const largest = (walSegmentSize || DEFAULT_SEGMENT_SIZE) / XLOG_BLCKSZ;
  return Math.max(8, Math.min(Math.floor(settings.shared_buffers / 32), largest));
}

const totalSize = (buffers: number): number =>
  WalCtl.SIZE + NUM_INSERT_LOCKS * WalInsertLock.SIZE + buffers * WalBuffer.SIZE + XLOG_BLCKSZ + buffers * XLOG_BLCKSZ;

export const walShmem: ShmemSubsystem = {
  name: 'XLOG Ctl',
  request() {
    if (settings.wal_buffers === -1) setInternalOption('wal_buffers', String(chooseWalBuffers()));
    requestShmemSpace(totalSize(settings.wal_buffers));
    requestShmemSpace(RecoveryCtl.SIZE);
  },
  init() {
    const buffers = settings.wal_buffers;
    const { at, found } = shmemInitStruct('XLOG Ctl', totalSize(buffers));
    walAt.ctl = at;
    walAt.insertLocks = at + WalCtl.SIZE;
    walAt.buffers = walAt.insertLocks + NUM_INSERT_LOCKS * WalInsertLock.SIZE;
    const tableEnd = walAt.buffers + buffers * WalBuffer.SIZE;
    walAt.pages = Math.ceil(tableEnd / XLOG_BLCKSZ) * XLOG_BLCKSZ;
    walAt.bufferCount = buffers;
    const recovery = shmemInitStruct('XLOG Recovery Ctl', RecoveryCtl.SIZE);
    walAt.recovery = recovery.at;
    local.fill(0);
    if (found) return;
    WalCtl.bufferCount.set(mem, at, buffers);
    WalCtl.unloggedLsn.set(mem, at, FIRST_UNLOGGED_LSN);
    for (let i = 0; i < NUM_INSERT_LOCKS; i++) initializeLWLock(insertLockAt(i), BUILTIN_TRANCHES.WALInsert);
    RecoveryCtl.wakeupProc.set(mem, recovery.at, -1);
    initConditionVariable(recovery.at + RecoveryCtl.notPausedCv.offset);
  },
};

export const insertLockAt = (i: number): number => walAt.insertLocks + i * WalInsertLock.SIZE;
export const INSERTING_AT = WalInsertLock.insertingAt.offset;

/** This process's copies, which may be behind: plain doubles, so that keeping them allocates nothing. */
const local = new Float64Array(8);
const WRITE = 0;
const FLUSH = 1;
const REDO = 2;
export const localWrite = (): Lsn => local[WRITE]! as Lsn;
export const localFlush = (): Lsn => local[FLUSH]! as Lsn;
export const localRedo = (): Lsn => local[REDO]! as Lsn;
export function setLocalRedo(lsn: Lsn): void {
  local[REDO] = lsn;
}
export function setLocalResult(write: number, flush: number): void {
  local[WRITE] = write;
  local[FLUSH] = flush;
}

export const lockInfo = (): void => spinAcquire(walAt.ctl + WalCtl.infoLock.offset);
export const unlockInfo = (): void => spinRelease(walAt.ctl + WalCtl.infoLock.offset);

/** Takes over what has been written and flushed; the caller holds infoLock or WALWriteLock. */
export function copyWriteResult(): void {
  local[WRITE] = WalCtl.resultWrite.get(mem, walAt.ctl);
  local[FLUSH] = WalCtl.resultFlush.get(mem, walAt.ctl);
}
export function refreshWriteResult(): void {
  lockInfo();
  copyWriteResult();
  unlockInfo();
}
