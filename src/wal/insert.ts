/** insert.ts — how a WAL record is put together (bodies follow in this file's next commits). */
import type { BlockNumber, ForkNumber, Lsn, Oid, RelFileNode } from '#base/ids.ts';

export const REGBUF = { forceImage: 0x01, noImage: 0x02, willInit: 0x06, standard: 0x08, keepData: 0x10 } as const;
export const XLOG_INCLUDE_ORIGIN = 1;
export const XLOG_MARK_UNIMPORTANT = 2;

const later = (): never => {
  throw new Error('wal is not there yet');
};
export const xlogBeginInsert = (): void => later();
export const xlogRegisterBlock = (
  _id: number,
  _rnode: RelFileNode,
  _fork: ForkNumber,
  _block: BlockNumber,
  _pageAt: number,
  _flags: number,
): void => later();
export const xlogRegisterBufData = (_id: number, _at: number, _length: number): void => later();
export const xlogRegisterData = (_at: number, _length: number): void => later();
export const walScratch = (_size: number): number => later();
export const xlogInsert = (_rmid: number, _info: number): Lsn => later();
export const xlogSetRecordFlags = (_flags: number): void => later();
export const xlogResetInsertion = (): void => later();
export const xlogFlush = (_lsn: Lsn): void => later();
export const xlogNeedsFlush = (_lsn: Lsn): boolean => later();
export const xlogBackgroundFlush = (): boolean => later();
export const xlogSetAsyncXactLsn = (_lsn: Lsn): void => later();
export const getXLogInsertRecPtr = (): Lsn => later();
export const getXLogWriteRecPtr = (): Lsn => later();
export const getFlushRecPtr = (): Lsn => later();
export const getRedoRecPtr = (): Lsn => later();
export const getLastImportantRecPtr = (): Lsn => later();
/** XactLastRecEnd: end of the last record of this transaction, 0 if it wrote none. */
export const xlogLastRecEnd = (): Lsn => later();
export const setXlogLastRecEnd = (_lsn: Lsn): void => later();
/** ProcLastRecPtr: start of the last record that this process inserted. */
export const procLastRecPtr = (): Lsn => later();
export const recoveryInProgress = (): boolean => later();
export const xlogInsertAllowed = (): boolean => later();
export const dataChecksumsEnabled = (): boolean => later();
export const xlogHintBitIsNeeded = (): boolean => later();
export const xlogIsNeeded = (): boolean => later();
export const xlogStandbyInfoActive = (): boolean => later();
export const xlogLogicalInfoActive = (): boolean => later();
export const requestXLogSwitch = (_markUnimportant: boolean): Lsn => later();
export const xlogPutNextOid = (_oid: Oid): void => later();
export const xlogRestorePoint = (_name: string): Lsn => later();
export const logNewpage = (
  _rnode: RelFileNode,
  _fork: ForkNumber,
  _block: BlockNumber,
  _pageAt: number,
  _standard: boolean,
): Lsn => later();
/** True if the page, with this LSN, would be logged in full (XLogCheckBufferNeedsBackup). */
export const xlogCheckBufferNeedsBackup = (_pageAt: number): boolean => later();
