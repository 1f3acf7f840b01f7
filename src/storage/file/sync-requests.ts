/** sync-requests.ts — signatures first. */
import type { RelFileNode } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export const SYNC_HANDLER = { md: 0, clog: 1, commitTs: 2, multixactOffset: 3, multixactMember: 4 } as const;
export type SyncHandlerId = 0 | 1 | 2 | 3 | 4;
export const SYNC_REQUEST = { sync: 0, unlink: 1, forget: 2, filter: 3 } as const;
export type SyncRequestType = 0 | 1 | 2 | 3;
/** Names a file (segment) that is to be fsynced or unlinked. */
export interface FileTag {
  readonly handler: SyncHandlerId;
  readonly fork: number;
  readonly rnode: RelFileNode;
  readonly segment: number;
}
export interface SyncHandler {
  /** fsyncs; 0 or -errno. `path()` is what messages name. */
  syncFile(tag: FileTag): { result: number; path: string };
  unlinkFile?(tag: FileTag): { result: number; path: string };
  matches?(filter: FileTag, tag: FileTag): boolean;
}
export function registerSyncHandler(_id: SyncHandlerId, _handler: SyncHandler): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `registerSyncHandler is not supported yet` });
}
export function setSyncRequestForwarder(_forward: ((tag: FileTag, type: SyncRequestType) => boolean) | null): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `setSyncRequestForwarder is not supported yet` });
}
export function setSyncRequestAbsorber(_absorb: () => void): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `setSyncRequestAbsorber is not supported yet` });
}
export function initSync(): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `initSync is not supported yet` });
}
export function rememberSyncRequest(_tag: FileTag, _type: SyncRequestType): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `rememberSyncRequest is not supported yet` });
}
export function registerSyncRequest(_tag: FileTag, _type: SyncRequestType, _retryOnError: boolean): boolean {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `registerSyncRequest is not supported yet` });
}
export function processSyncRequests(): { syncs: number; longestMs: number; totalMs: number } {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `processSyncRequests is not supported yet` });
}
export function syncPreCheckpoint(): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `syncPreCheckpoint is not supported yet` });
}
export function syncPostCheckpoint(): void {
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `syncPostCheckpoint is not supported yet` });
}
