/** smgr.ts — signatures first. */
import type { BlockNumber, ForkNumber, RelFileNode } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export class SmgrRelation {
  /** Where the next insertion may go; INVALID_BLOCK when unknown. */
  targetBlock: BlockNumber = 0xffff_ffff;
  /** Last known sizes; INVALID_BLOCK when unknown. */
  readonly cachedNblocks: [BlockNumber, BlockNumber, BlockNumber, BlockNumber] = [
    0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff,
  ];
  constructor(
    readonly rnode: RelFileNode,
    /** -1 permanent, else the backend whose temporary relation it is. */
    readonly backend: number,
  ) {}
}
export function smgrOpen(_rnode: RelFileNode, _backend: number): SmgrRelation {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `smgrOpen is not supported yet` });
}
export function smgrExists(_rel: SmgrRelation, _fork: ForkNumber): boolean {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `smgrExists is not supported yet` });
}
export function smgrCreate(_rel: SmgrRelation, _fork: ForkNumber, _isRedo: boolean): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `smgrCreate is not supported yet` });
}
export function smgrExtend(_rel: SmgrRelation, _fork: ForkNumber, _block: BlockNumber, _at: number, _skipFsync: boolean): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `smgrExtend is not supported yet` });
}
export function smgrRead(_rel: SmgrRelation, _fork: ForkNumber, _block: BlockNumber, _at: number): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `smgrRead is not supported yet` });
}
export function smgrWrite(_rel: SmgrRelation, _fork: ForkNumber, _block: BlockNumber, _at: number, _skipFsync: boolean): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `smgrWrite is not supported yet` });
}
export function smgrWriteback(_rel: SmgrRelation, _fork: ForkNumber, _block: BlockNumber, _nblocks: number): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `smgrWriteback is not supported yet` });
}
export function smgrPrefetch(_rel: SmgrRelation, _fork: ForkNumber, _block: BlockNumber): boolean {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `smgrPrefetch is not supported yet` });
}
export function smgrNblocks(_rel: SmgrRelation, _fork: ForkNumber): BlockNumber {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `smgrNblocks is not supported yet` });
}
export function smgrNblocksCached(_rel: SmgrRelation, _fork: ForkNumber): BlockNumber {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `smgrNblocksCached is not supported yet` });
}
export function smgrTruncate(_rel: SmgrRelation, _forks: readonly ForkNumber[], _nblocks: readonly BlockNumber[]): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `smgrTruncate is not supported yet` });
}
export function smgrImmedSync(_rel: SmgrRelation, _fork: ForkNumber): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `smgrImmedSync is not supported yet` });
}
export function smgrDoUnlinkAll(_rels: readonly SmgrRelation[], _isRedo: boolean): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `smgrDoUnlinkAll is not supported yet` });
}
export function smgrDoSyncAll(_rels: readonly SmgrRelation[]): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `smgrDoSyncAll is not supported yet` });
}
export function smgrClose(_rel: SmgrRelation): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `smgrClose is not supported yet` });
}
export function smgrCloseAll(): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `smgrCloseAll is not supported yet` });
}
export function smgrRelease(_rel: SmgrRelation): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `smgrRelease is not supported yet` });
}
export function smgrReleaseAll(): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `smgrReleaseAll is not supported yet` });
}
export function smgrCloseNode(_rnode: RelFileNode, _backend: number): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `smgrCloseNode is not supported yet` });
}
