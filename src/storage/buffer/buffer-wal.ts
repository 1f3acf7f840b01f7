/** buffer-wal.ts — buffers in WAL records, and full-page records. */
import type { BlockNumber, Buffer, ForkNumber, Lsn } from '#base/ids.ts';
import type { SmgrRelation } from '#storage/smgr/smgr.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
const later = (): never =>
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'the buffer manager is being built' });
/** flags: REGBUF of wal/insert.ts. */
export function xlogRegisterBuffer(_id: number, _buffer: Buffer, _flags: number): void {
  later();
}
/** Caller: exclusive lock, critical section, buffer marked dirty. Sets the page LSN. */
export function logNewpageBuffer(_buffer: Buffer, _standard: boolean): Lsn {
  return later();
}
export function logNewpageRange(
  _smgr: SmgrRelation,
  _persistence: 'p' | 'u' | 't',
  _fork: ForkNumber,
  _start: BlockNumber,
  _end: BlockNumber,
  _standard: boolean,
): void {
  later();
}
export function xlogSaveBufferForHint(_buffer: Buffer, _standard: boolean): Lsn {
  return later();
}
