/** index-free-space.ts — signatures first. */
import type { BlockNumber } from '#base/ids.ts';
import type { SmgrRelation } from '#storage/smgr/smgr.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
export function getFreeIndexPage(_rel: SmgrRelation): BlockNumber {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `getFreeIndexPage is not supported yet` });
}
export function recordFreeIndexPage(_rel: SmgrRelation, _block: BlockNumber): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `recordFreeIndexPage is not supported yet` });
}
export function recordUsedIndexPage(_rel: SmgrRelation, _block: BlockNumber): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `recordUsedIndexPage is not supported yet` });
}
export function indexFreeSpaceMapVacuum(_rel: SmgrRelation): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `indexFreeSpaceMapVacuum is not supported yet` });
}
