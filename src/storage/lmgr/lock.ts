/** lock.ts — heavyweight locks: acquire and release.
 *  Counterpart: src/backend/storage/lmgr/lock.c */
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import type { LockMode } from '#storage/lmgr/lock-modes.ts';
import type { LockTag } from '#storage/lmgr/lock-tag.ts';

export type LockAcquireResult = 'notAvail' | 'ok' | 'alreadyHeld' | 'alreadyClear';
export interface HeldLock {
  clear: boolean;
}
const missing = (what: string): never => report('ERROR', { code: SQLSTATE.featureNotSupported, message: what });

export const lockAcquire = (
  _tag: LockTag,
  _mode: LockMode,
  _sessionLock: boolean,
  _dontWait: boolean,
  _reportMemoryError = true,
): LockAcquireResult => missing('LockAcquire');
export const lockAcquiredLocally = (): HeldLock => missing('LockAcquire');
export const lockRelease = (_tag: LockTag, _mode: LockMode, _sessionLock: boolean): boolean => missing('LockRelease');
export const lockHeldByMe = (_tag: LockTag, _mode: LockMode): boolean => missing('LockHeldByMe');
export const lockHasWaiters = (_tag: LockTag, _mode: LockMode, _sessionLock: boolean): boolean => missing('LockHasWaiters');
export const lockWaiterCount = (_tag: LockTag): number => missing('LockWaiterCount');
