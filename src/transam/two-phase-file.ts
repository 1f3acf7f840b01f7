/** two-phase-file.ts — state files of prepared transactions: pg_twophase/<xid>.
 *
 *  A prepared transaction that is ended soon never gets one: its data are read from the WAL. A checkpoint writes files
 *  for those whose record lies behind its redo position.
 *  Counterpart: ReadTwoPhaseFile(), RecreateTwoPhaseFile(), XlogReadTwoPhaseData() of twophase.c */
import type { Lsn, TransactionId } from '#base/ids.ts';
import { FileError, readFile, removeFile } from '#platform/file-system.ts';
import { native } from '#platform/native.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { waitEnd, waitStart } from '#runtime/activity/wait-report.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { mem } from '#shm/memory.ts';
import { privateAlloc } from '#shm/private-memory.ts';
import { E, fileFailure } from '#storage/file/file-error.ts';
import { TWOPHASE_DIRECTORY } from '#storage/file/paths.ts';
import { closeTransientFile, O, openTransientFile, syncDescriptor } from '#storage/file/virtual-files.ts';
import { TWOPHASE_MAGIC } from '#transam/two-phase-record.ts';
import { XACT_OP, XACT_OPMASK } from '#transam/xact-record.ts';
import { FileWalSource } from '#wal/file-source.ts';
import { WalReader } from '#wal/reader.ts';
import { getInsertTimeline } from '#wal/insert.ts';
import { getXLogReplayRecPtr, recoveryInProgress } from '#wal/recovery-state.ts';
import { RM } from '#wal/rmgr-ids.ts';
import { lsnText } from '#wal/wal-format.ts';

const SMALLEST = 72 + 8 + 4;

export const twoPhasePath = (xid: TransactionId): string =>
  `${TWOPHASE_DIRECTORY}/${xid.toString(16).toUpperCase().padStart(8, '0')}`;

/** Address of a private block (privateFree it) with the contents, 0 if the file is missing and that is allowed. */
export function readTwoPhaseFile(xid: TransactionId, missingOk: boolean): number {
  const path = twoPhasePath(xid);
  let bytes: Uint8Array;
  try {
    waitStart(WAIT_EVENT.TwophaseFileRead);
    bytes = readFile(path);
  } catch (caught) {
    if (!(caught instanceof FileError)) throw caught;
    if (missingOk && caught.code === 'ENOENT') return 0;
    return fileFailure('ERROR', `could not open file "${path}"`, caught.errno);
  } finally {
    waitEnd();
  }
  const corrupted = (message: string): never => report('ERROR', { code: SQLSTATE.dataCorrupted, message });
  if (bytes.length < SMALLEST) corrupted(`incorrect size of file "${path}": ${bytes.length} bytes`);
  if ((bytes.length - 4) % 8 !== 0) corrupted(`incorrect alignment of CRC offset for file "${path}"`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== TWOPHASE_MAGIC) corrupted(`invalid magic number stored in file "${path}"`);
  if (view.getUint32(4, true) !== bytes.length) corrupted(`invalid size stored in file "${path}"`);
  const crc = native.crc32c(bytes, 0, bytes.length - 4, 0);
  if (crc >>> 0 !== view.getUint32(bytes.length - 4, true))
    corrupted(`calculated CRC checksum does not match value stored in file "${path}"`);
  const at = privateAlloc(bytes.length);
  mem.u8.set(bytes, at);
  return at;
}

/** Address of a private block with the data of the prepare record at `lsn`. */
export function readTwoPhaseWal(lsn: Lsn): { at: number; length: number } {
  // It may have been written before a promotion: then it is in a segment of an older timeline.
  const newest = recoveryInProgress() ? getXLogReplayRecPtr().timeline : getInsertTimeline();
  let problem = '';
  for (let timeline = newest; timeline > 0; timeline--) {
    const source = new FileWalSource(timeline);
    const reader = new WalReader(source, 0n);
    try {
      reader.beginRead(lsn);
      const record = reader.read();
      if (record === null) {
        problem = reader.errorMessage !== null ? `: ${reader.errorMessage}` : '';
        continue;
      }
      if (record.rmid !== RM.xact || (record.info & XACT_OPMASK) !== XACT_OP.prepare)
        report('ERROR', {
          code: SQLSTATE.undefinedFile,
          message: `expected two-phase state data is not present in WAL at ${lsnText(lsn)}`,
        });
      const at = privateAlloc(record.mainLength);
      mem.u8.copyWithin(at, record.mainAt, record.mainAt + record.mainLength);
      return { at, length: record.mainLength };
    } finally {
      reader.close();
      source.close();
    }
  }
  return report('ERROR', {
    code: SQLSTATE.undefinedFile,
    message: `could not read two-phase state from WAL at ${lsnText(lsn)}${problem}`,
  });
}

/** Writes (again) the file, with its checksum, durably but for the folder. */
export function recreateTwoPhaseFile(xid: TransactionId, content: number, length: number): void {
  const path = twoPhasePath(xid);
  const bytes = new Uint8Array(length + 4);
  bytes.set(mem.u8.subarray(content, content + length));
  new DataView(bytes.buffer).setUint32(length, native.crc32c(bytes, 0, length, 0), true);
  const fd = openTransientFile(path, O.CREAT | O.TRUNC | O.WRONLY);
  if (fd < 0) fileFailure('ERROR', `could not recreate file "${path}"`, fd);
  waitStart(WAIT_EVENT.TwophaseFileWrite);
  const put = native.writeBytes(fd, bytes, 0, bytes.length);
  waitEnd();
  if (put !== bytes.length) {
    closeTransientFile(fd);
    fileFailure('ERROR', `could not write file "${path}"`, put < 0 ? put : E.NOSPC);
  }
  // The checkpoint that makes this file necessary must not be complete before it is on disk.
  waitStart(WAIT_EVENT.TwophaseFileSync);
  const synced = syncDescriptor(fd);
  waitEnd();
  if (synced !== 0) fileFailure('ERROR', `could not fsync file "${path}"`, synced);
  const closed = closeTransientFile(fd);
  if (closed !== 0) fileFailure('ERROR', `could not close file "${path}"`, closed);
}
export function removeTwoPhaseFile(xid: TransactionId, giveWarning: boolean): void {
  const path = twoPhasePath(xid);
  try {
    removeFile(path);
  } catch (caught) {
    if (!(caught instanceof FileError)) throw caught;
    if (caught.code !== 'ENOENT' || giveWarning)
      report('WARNING', { message: `could not remove file "${path}": ${caught.reason}` });
  }
}
