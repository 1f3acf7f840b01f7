/** inval.ts — telling every process, this one included, that what it remembers of the catalogs is no longer so.
 *
 *  Counterpart: src/backend/utils/cache/inval.c */
import type { Oid } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const notYet = (what: string): never =>
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: `${what} is not supported` });

/** What an invalidation concerns, seen by a registered callback. `hash` 0 is every entry of the catalog cache. */
export type SyscacheCallback = (cacheId: number, hash: number) => void;
/** relid 0: every relation. */
export type RelcacheCallback = (relid: Oid) => void;

export function cacheRegisterSyscacheCallback(_cacheId: number, _callback: SyscacheCallback): void {
  notYet('cacheRegisterSyscacheCallback');
}
export function cacheRegisterRelcacheCallback(_callback: RelcacheCallback): void {
  notYet('cacheRegisterRelcacheCallback');
}
/** A tuple of a catalog is about to be inserted, deleted, or (with `newTupleAt`) replaced; addresses in `mem`. */
export function cacheInvalidateHeapTuple(_relid: Oid, _tupleAt: number, _newTupleAt: number): void {
  notYet('cacheInvalidateHeapTuple');
}
/** All caches over one catalog: VACUUM FULL, CLUSTER of it. */
export function cacheInvalidateCatalog(_catalogId: Oid): void {
  notYet('cacheInvalidateCatalog');
}
export function cacheInvalidateRelcache(_relid: Oid): void {
  notYet('cacheInvalidateRelcache');
}
export function cacheInvalidateRelcacheAll(): void {
  notYet('cacheInvalidateRelcacheAll');
}
/** Sent at once, transactional or not: files went away or shrank. */
export function cacheInvalidateSmgr(_spcNode: Oid, _dbNode: Oid, _relNode: Oid, _backend: number): void {
  notYet('cacheInvalidateSmgr');
}
/** Sent at once: the relation map of a database (0: the shared one) was rewritten. */
export function cacheInvalidateRelmap(_databaseId: Oid): void {
  notYet('cacheInvalidateRelmap');
}
export function acceptInvalidationMessages(): void {
  notYet('acceptInvalidationMessages');
}
export function invalidateSystemCaches(): void {
  notYet('invalidateSystemCaches');
}
export function commandEndInvalidationMessages(): void {
  notYet('commandEndInvalidationMessages');
}
/** What a commit record carries: bytes of 16-byte messages, and whether the relcache init file must go. */
export interface CommitInvalidations {
  readonly messages: Uint8Array;
  readonly count: number;
  readonly relcacheInitFileInval: boolean;
}
export function xactGetCommittedInvalidationMessages(): CommitInvalidations {
  return notYet('xactGetCommittedInvalidationMessages');
}
/** Redo of a commit: messages from the record, sent to everybody. */
export function processCommittedInvalidationMessages(
  _messages: Uint8Array,
  _count: number,
  _relcacheInitFileInval: boolean,
  _dbId: Oid,
  _tsId: Oid,
): void {
  notYet('processCommittedInvalidationMessages');
}
