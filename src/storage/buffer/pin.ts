/** pin.ts — pins: what keeps a buffer's page where it is. */
import type { Buffer } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
const later = (): never =>
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'the buffer manager is being built' });
export function releaseBuffer(_buffer: Buffer): void {
  later();
}
export function incrBufferRefCount(_buffer: Buffer): void {
  later();
}
export function bufferIsPinned(_buffer: Buffer): boolean {
  return later();
}
