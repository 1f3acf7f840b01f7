/** drop-buffers.ts — pages of relations that are dropped or truncated leave the pool unwritten. */
import type { BlockNumber, ForkNumber, Oid } from '#base/ids.ts';
import type { SmgrRelation } from '#storage/smgr/smgr.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
const later = (): never =>
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'the buffer manager is being built' });
export function dropRelationBuffers(
  _smgr: SmgrRelation,
  _forks: readonly ForkNumber[],
  _firstDelBlock: readonly BlockNumber[],
): void {
  later();
}
export function dropRelationsAllBuffers(_smgrs: readonly SmgrRelation[]): void {
  later();
}
export function dropDatabaseBuffers(_database: Oid): void {
  later();
}
