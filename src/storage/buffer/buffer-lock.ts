/** buffer-lock.ts — content locks and cleanup locks. */
import type { Buffer } from '#base/ids.ts';
import type { BufferLockMode } from '#storage/buffer/buffer-layout.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
const later = (): never =>
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'the buffer manager is being built' });
export function lockBuffer(_buffer: Buffer, _mode: BufferLockMode): void {
  later();
}
export function unlockReleaseBuffer(_buffer: Buffer): void {
  later();
}
export function conditionalLockBuffer(_buffer: Buffer): boolean {
  return later();
}
export function lockBufferForCleanup(_buffer: Buffer): void {
  later();
}
export function conditionalLockBufferForCleanup(_buffer: Buffer): boolean {
  return later();
}
export function isBufferCleanupOK(_buffer: Buffer): boolean {
  return later();
}
export function bufferIsExclusiveLocked(_buffer: Buffer): boolean {
  return later();
}
