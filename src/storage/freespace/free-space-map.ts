/** free-space-map.ts — signatures first. */
import type { BlockNumber, RelFileNode } from '#base/ids.ts';
import type { SmgrRelation } from '#storage/smgr/smgr.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
export function getPageWithFreeSpace(_rel: SmgrRelation, _needed: number): BlockNumber {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `getPageWithFreeSpace is not supported yet` });
}
export function recordPageWithFreeSpace(_rel: SmgrRelation, _block: BlockNumber, _free: number): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `recordPageWithFreeSpace is not supported yet` });
}
export function recordAndGetPageWithFreeSpace(_rel: SmgrRelation, _oldBlock: BlockNumber, _oldFree: number, _needed: number): BlockNumber {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `recordAndGetPageWithFreeSpace is not supported yet` });
}
export function getRecordedFreeSpace(_rel: SmgrRelation, _block: BlockNumber): number {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `getRecordedFreeSpace is not supported yet` });
}
export function freeSpaceMapVacuum(_rel: SmgrRelation): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `freeSpaceMapVacuum is not supported yet` });
}
export function freeSpaceMapVacuumRange(_rel: SmgrRelation, _start: BlockNumber, _end: BlockNumber): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `freeSpaceMapVacuumRange is not supported yet` });
}
export function freeSpaceMapPrepareTruncateRel(_rel: SmgrRelation, _nblocks: BlockNumber, _needsWal: boolean): BlockNumber {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `freeSpaceMapPrepareTruncateRel is not supported yet` });
}
export function xlogRecordPageWithFreeSpace(_rnode: RelFileNode, _block: BlockNumber, _free: number): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `xlogRecordPageWithFreeSpace is not supported yet` });
}
