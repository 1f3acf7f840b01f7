/** wal-records.ts — the records that the log itself needs: switch, next oid, restore point, page images, parameters.
 *  Counterpart: RequestXLogSwitch(), XLogPutNextOid(), XLogRestorePoint(), XLogReportParameters(),
 *  UpdateFullPageWrites() of xlog.c; log_newpage() of xloginsert.c */
import type { BlockNumber, ForkNumber, Lsn, Oid, RelFileNode } from '#base/ids.ts';
import { currentTimestamp } from '#platform/clock.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { beginCritical, endCritical } from '#runtime/interrupts.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { controlFile, controlFileLock, copySettingsToControlFile, updateControlFile } from '#wal/control-file.ts';
import { xlogFlush } from '#wal/flush.ts';
import { acquireAllInsertLocks, releaseInsertLock } from '#wal/insert-locks.ts';
import {
  REGBUF,
  walScratch,
  XLOG_MARK_UNIMPORTANT,
  xlogBeginInsert,
  xlogInsert,
  xlogRegisterBlock,
  xlogRegisterData,
  xlogSetRecordFlags,
} from '#wal/insert.ts';
import { recoveryInProgress } from '#wal/recovery-state.ts';
import { RM } from '#wal/rmgr-ids.ts';
import { lsnText, walLevel, XLOG, xlogIsNeeded, xlogStandbyInfoActive } from '#wal/wal-format.ts';
import { WalCtl } from '#wal/wal-layout.ts';
import { walAt } from '#wal/wal-shmem.ts';

export const dataChecksumsEnabled = (): boolean => controlFile.dataChecksumVersion > 0;
/** Must a page that gets hint bits only be protected against a torn write? */
export const xlogHintBitIsNeeded = (): boolean => dataChecksumsEnabled() || settings.wal_log_hints;

/** Ends the current segment; returns the end of the switch record, or the position if there was nothing to end. */
export function requestXLogSwitch(markUnimportant: boolean): Lsn {
  xlogBeginInsert();
  if (markUnimportant) xlogSetRecordFlags(XLOG_MARK_UNIMPORTANT);
  return xlogInsert(RM.xlog, XLOG.switch);
}

/** OIDs below this may be in use after a crash. Not flushed: the record that uses one of them will be. */
export function xlogPutNextOid(oid: Oid): void {
  xlogBeginInsert();
  const at = walScratch(4);
  mem.view.setUint32(at, oid, true);
  xlogRegisterData(at, 4);
  xlogInsert(RM.xlog, XLOG.nextOid);
}

export const MAX_RESTORE_POINT_NAME = 64;
export function xlogRestorePoint(name: string): Lsn {
  xlogBeginInsert();
  const at = walScratch(72);
  mem.u8.fill(0, at, at + 72);
  const now = currentTimestamp();
  mem.view.setBigInt64(at, BigInt(now), true);
  mem.u8.set(Buffer.from(name, 'utf8').subarray(0, MAX_RESTORE_POINT_NAME - 1), at + 8);
  xlogRegisterData(at, 72);
  const end = xlogInsert(RM.xlog, XLOG.restorePoint);
  report('LOG', { message: `restore point "${name}" created at ${lsnText(end)}` });
  return end;
}

/** Logs a whole page and stamps it, unless it is new (a stamp would make it look used). */
export function logNewpage(
  rnode: RelFileNode,
  fork: ForkNumber,
  block: BlockNumber,
  pageAt: number,
  standard: boolean,
): Lsn {
  xlogBeginInsert();
  xlogRegisterBlock(0, rnode, fork, block, pageAt, standard ? REGBUF.forceImage | REGBUF.standard : REGBUF.forceImage);
  const lsn = xlogInsert(RM.xlog, XLOG.fpi);
  stampPage(pageAt, lsn);
  return lsn;
}
/** Several pages of one fork, each in as few records as block ids allow. */
export function logNewpages(
  rnode: RelFileNode,
  fork: ForkNumber,
  blocks: readonly BlockNumber[],
  pages: readonly number[],
  standard: boolean,
): void {
  const flags = standard ? REGBUF.forceImage | REGBUF.standard : REGBUF.forceImage;
  for (let first = 0; first < pages.length; first += 32) {
    const last = Math.min(first + 32, pages.length);
    xlogBeginInsert();
    for (let i = first; i < last; i++) xlogRegisterBlock(i - first, rnode, fork, blocks[i]!, pages[i]!, flags);
    const lsn = xlogInsert(RM.xlog, XLOG.fpi);
    for (let i = first; i < last; i++) stampPage(pages[i]!, lsn);
  }
}
function stampPage(pageAt: number, lsn: Lsn): void {
  const { view } = mem;
  if (view.getUint16(pageAt + 14, true) === 0) return;
  view.setUint32(pageAt, Math.floor(lsn / 0x1_0000_0000), true);
  view.setUint32(pageAt + 4, lsn >>> 0, true);
}

/** After recovery: the settings that standbys must be able to match, if they have changed. */
export function xlogReportParameters(): void {
  const changed =
    walLevel() !== controlFile.walLevel ||
    settings.wal_log_hints !== controlFile.walLogHints ||
    settings.max_connections !== controlFile.maxConnections ||
    settings.max_worker_processes !== controlFile.maxWorkerProcesses ||
    settings.max_wal_senders !== controlFile.maxWalSenders ||
    settings.max_prepared_transactions !== controlFile.maxPreparedXacts ||
    settings.max_locks_per_transaction !== controlFile.maxLocksPerXact ||
    settings.track_commit_timestamp !== controlFile.trackCommitTimestamp;
  if (!changed) return;
  // With wal_level minimal before and after nobody can read this.
  if (walLevel() !== controlFile.walLevel || xlogIsNeeded()) {
    xlogBeginInsert();
    const at = walScratch(28);
    const { view } = mem;
    view.setInt32(at, settings.max_connections, true);
    view.setInt32(at + 4, settings.max_worker_processes, true);
    view.setInt32(at + 8, settings.max_wal_senders, true);
    view.setInt32(at + 12, settings.max_prepared_transactions, true);
    view.setInt32(at + 16, settings.max_locks_per_transaction, true);
    view.setInt32(at + 20, walLevel(), true);
    view.setUint32(at + 24, 0, true);
    view.setUint8(at + 24, settings.wal_log_hints ? 1 : 0);
    view.setUint8(at + 25, settings.track_commit_timestamp ? 1 : 0);
    xlogRegisterData(at, 28);
    xlogFlush(xlogInsert(RM.xlog, XLOG.parameterChange));
  }
  lwLockAcquire(controlFileLock(), 'exclusive');
  copySettingsToControlFile();
  updateControlFile();
  lwLockRelease(controlFileLock());
}

/** Makes the setting full_page_writes effective for all inserters. Only the checkpointer (or startup) calls it. */
export function updateFullPageWrites(): void {
  const wanted = settings.full_page_writes;
  if (wanted === (WalCtl.fullPageWrites.get(mem, walAt.ctl) !== 0)) return;
  const recovering = recoveryInProgress();
  beginCritical();
  // Switched on before the record, off after it: a standby's backup must never believe in images that are not there.
  if (wanted) setFullPageWrites(true);
  if (xlogStandbyInfoActive() && !recovering) {
    xlogBeginInsert();
    const at = walScratch(1);
    mem.u8[at] = wanted ? 1 : 0;
    xlogRegisterData(at, 1);
    xlogInsert(RM.xlog, XLOG.fpwChange);
  }
  if (!wanted) setFullPageWrites(false);
  endCritical();
}
export function setFullPageWrites(on: boolean): void {
  acquireAllInsertLocks();
  WalCtl.fullPageWrites.set(mem, walAt.ctl, on ? 1 : 0);
  releaseInsertLock();
}
