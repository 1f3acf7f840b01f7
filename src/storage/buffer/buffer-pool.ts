/** buffer-pool.ts — where the pool lies, and what a buffer number means. */
import type { BlockNumber, Buffer, ForkNumber, Lsn, RelFileNode } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
const later = (): never =>
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'the buffer manager is being built' });
/** Address of the page in `mem`. The buffer is pinned. */
export const bufferPage = (_buffer: Buffer): number => later();
export const bufferBlock = (_buffer: Buffer): BlockNumber => later();
export const bufferRnode = (_buffer: Buffer): RelFileNode => later();
export const bufferFork = (_buffer: Buffer): ForkNumber => later();
export const bufferIsLocal = (buffer: Buffer): boolean => buffer < 0;
export const bufferIsPermanent = (_buffer: Buffer): boolean => later();
export const bufferLsnAtomic = (_buffer: Buffer): Lsn => later();
export const bufferIsValid = (buffer: Buffer): boolean => buffer !== 0;
