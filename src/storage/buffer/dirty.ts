/** dirty.ts — MarkBufferDirty and hint bits. */
import type { Buffer } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
const later = (): never =>
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'the buffer manager is being built' });
export function markBufferDirty(_buffer: Buffer): void {
  later();
}
/** `standard`: the page has the standard layout, so that a full image may leave its hole out. */
export function markBufferDirtyHint(_buffer: Buffer, _standard: boolean): void {
  later();
}
