/** predicate.ts — serializable snapshot isolation: SIREAD locks, rw-conflicts, dangerous structures.
 *  Counterpart: src/backend/storage/lmgr/predicate.c */
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** What predicate locking needs to know of a relation; access/common's Relation has it. */
export interface PredicateRelation {
  readonly oid: number;
  readonly isShared: boolean;
  readonly persistence: 'p' | 'u' | 't';
  /** Of an index, null for others. */
  readonly index: { readonly heapRelid: number } | null;
}
/** What it needs to know of a snapshot; transam's Snapshot has it. */
export interface PredicateSnapshot {
  readonly kind: string;
  readonly xmin: number;
  readonly xmax: number;
  readonly xcnt: number;
  readonly xip: Uint32Array;
}
const missing = (what: string): never => report('ERROR', { code: SQLSTATE.featureNotSupported, message: what });

export const getSerializableTransactionSnapshot = <S extends PredicateSnapshot>(_snapshot: S): S =>
  missing('GetSerializableTransactionSnapshot');
export const setSerializableTransactionSnapshot = (
  _snapshot: PredicateSnapshot,
  _sourceBackendId: number,
  _sourceLocalTransactionId: number,
  _sourcePid: number,
): void => missing('SetSerializableTransactionSnapshot');
export function registerPredicateLockingXid(_xid: number): void {}
export function predicateLockRelation(_relation: PredicateRelation, _snapshot: PredicateSnapshot): void {}
export function predicateLockPage(_relation: PredicateRelation, _block: number, _snapshot: PredicateSnapshot): void {}
export function predicateLockTID(
  _relation: PredicateRelation,
  _tid: number,
  _snapshot: PredicateSnapshot,
  _tupleXid: number,
): void {}
export function predicateLockPageSplit(_relation: PredicateRelation, _oldBlock: number, _newBlock: number): void {}
export function predicateLockPageCombine(_relation: PredicateRelation, _oldBlock: number, _newBlock: number): void {}
export function transferPredicateLocksToHeapRelation(_relation: PredicateRelation): void {}
export function releasePredicateLocks(_isCommit: boolean, _isReadOnlySafe: boolean): void {}
export const pageIsPredicateLocked = (_relation: PredicateRelation, _block: number): boolean => false;
export const checkForSerializableConflictOutNeeded = (
  _relation: PredicateRelation,
  _snapshot: PredicateSnapshot,
): boolean => false;
export function checkForSerializableConflictOut(
  _relation: PredicateRelation,
  _xid: number,
  _snapshot: PredicateSnapshot,
): void {}
/** `tid` -1 and `block` INVALID_BLOCK for “the whole relation”. */
export function checkForSerializableConflictIn(_relation: PredicateRelation, _tid: number, _block: number): void {}
export function checkTableForSerializableConflictIn(_relation: PredicateRelation): void {}
export function preCommitCheckForSerializationFailure(): void {}
