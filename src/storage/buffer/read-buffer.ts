/** read-buffer.ts — ReadBuffer: a block of a relation, pinned in a buffer. */
import type { BlockNumber, Buffer, ForkNumber, RelFileNode } from '#base/ids.ts';
import type { SmgrRelation } from '#storage/smgr/smgr.ts';
import type { ReadBufferMode } from '#storage/buffer/buffer-layout.ts';
import type { AccessStrategy } from '#storage/buffer/ring-strategy.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
const later = (): never =>
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'the buffer manager is being built' });
/** block may be P_NEW. */
export function readBuffer(
  _smgr: SmgrRelation,
  _persistence: 'p' | 'u' | 't',
  _fork: ForkNumber,
  _block: BlockNumber,
  _mode: ReadBufferMode,
  _strategy: AccessStrategy | null,
): Buffer {
  return later();
}
export function readBufferWithoutRelcache(
  _rnode: RelFileNode,
  _fork: ForkNumber,
  _block: BlockNumber,
  _mode: ReadBufferMode,
  _strategy: AccessStrategy | null,
  _permanent: boolean,
): Buffer {
  return later();
}
export function releaseAndReadBuffer(
  _buffer: Buffer,
  _smgr: SmgrRelation,
  _persistence: 'p' | 'u' | 't',
  _block: BlockNumber,
): Buffer {
  return later();
}
export function prefetchBuffer(_smgr: SmgrRelation, _fork: ForkNumber, _block: BlockNumber): void {
  later();
}
export function relationNblocks(_smgr: SmgrRelation, _fork: ForkNumber): BlockNumber {
  return later();
}
