/** flush.ts — dirty buffers go to disk: FlushBuffer and its users. */
import type { Buffer, Oid } from '#base/ids.ts';
import type { SmgrRelation } from '#storage/smgr/smgr.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
const later = (): never =>
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'the buffer manager is being built' });
export function flushRelationBuffers(_smgr: SmgrRelation): void {
  later();
}
export function flushRelationsAllBuffers(_smgrs: readonly SmgrRelation[]): void {
  later();
}
export function flushDatabaseBuffers(_database: Oid): void {
  later();
}
export function flushOneBuffer(_buffer: Buffer): void {
  later();
}
