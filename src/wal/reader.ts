/** reader.ts — reads WAL records one after the other (bodies follow). */
import type { Lsn } from '#base/ids.ts';
import type { DecodedRecord } from '#wal/decoded-record.ts';
export type { DecodedBlock, DecodedRecord } from '#wal/decoded-record.ts';

export interface WalReader {
  readonly record: DecodedRecord;
  /** Why the last read returned null; null at a plain end. */
  readonly errorMessage: string | null;
  beginRead(lsn: Lsn): void;
  read(): DecodedRecord | null;
}
/** Rebuilds the page at `pageAt` from the image in the record; false with the reader's error text if it is damaged. */
export const restoreBlockImage = (_record: DecodedRecord, _blockId: number, _pageAt: number): boolean => {
  throw new Error('wal is not there yet');
};
