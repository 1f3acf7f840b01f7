/** redo-buffers.ts — reading the blocks of a WAL record while it is replayed; counterpart: xlogutils.c */
import type { BlockNumber, Buffer, ForkNumber, RelFileNode } from '#base/ids.ts';
import type { DecodedRecord } from '#wal/reader.ts';
import type { ReadBufferMode } from '#storage/buffer/buffer-layout.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
const later = (): never =>
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'the buffer manager is being built' });
export const REDO = { needsRedo: 0, done: 1, restored: 2, notFound: 3 } as const;
export type RedoAction = 0 | 1 | 2 | 3;
/** One reused object: copy what must outlive the next call. */
export interface RedoBuffer {
  action: RedoAction;
  buffer: Buffer;
}
export function xlogReadBufferForRedo(_record: DecodedRecord, _blockId: number): RedoBuffer {
  return later();
}
export function xlogReadBufferForRedoExtended(
  _record: DecodedRecord,
  _blockId: number,
  _mode: ReadBufferMode,
  _cleanupLock: boolean,
): RedoBuffer {
  return later();
}
export function xlogInitBufferForRedo(_record: DecodedRecord, _blockId: number): Buffer {
  return later();
}
export function xlogReadBufferExtended(
  _rnode: RelFileNode,
  _fork: ForkNumber,
  _block: BlockNumber,
  _mode: ReadBufferMode,
): Buffer {
  return later();
}
export function xlogHaveInvalidPages(): boolean {
  return later();
}
export function xlogCheckInvalidPages(): void {
  later();
}
export function xlogDropRelation(_rnode: RelFileNode, _fork: ForkNumber): void {
  later();
}
export function xlogDropDatabase(_database: number): void {
  later();
}
export function xlogTruncateRelation(_rnode: RelFileNode, _fork: ForkNumber, _blocks: BlockNumber): void {
  later();
}
