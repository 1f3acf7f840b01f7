/** range-var.ts — from a relation's name to its OID, with the lock that makes the answer stay true.
 *
 *  Between looking up and locking the name may come to mean another relation. So after the lock is granted, invalidation
 *  messages are read; if any came, the name is looked up again, until two looks agree.
 *  Counterpart: RangeVarGetRelidExtended() of src/backend/catalog/namespace.c */
import type { Oid } from '#base/ids.ts';
import { findRelation, type RelationName } from '#catalog/namespace.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { sharedInvalidMessageCounter } from '#storage/ipc/sinval.ts';
import {
  acceptPendingInvalidations,
  conditionalLockRelationOid,
  lockRelationOid,
  unlockRelationOid,
} from '#storage/lmgr/lmgr.ts';
import { LOCK, type LockMode } from '#storage/lmgr/lock-modes.ts';

export interface RangeVarOptions {
  readonly missingOk?: boolean;
  /** Error 55P03 instead of waiting. */
  readonly nowait?: boolean;
  /** 0 instead of waiting. */
  readonly skipLocked?: boolean;
  /** 1-based character of the name in the query. */
  readonly position?: number | undefined;
}
/** Checks, before the relation is locked, that the user may lock it at all; may lock other things (a heap before its
 *  index). Called again if the name has come to mean another relation. 0 is no relation. */
export type RangeVarCallback = (relid: Oid, oldRelid: Oid) => void;

const nameText = (name: RelationName): string =>
  name.schema !== undefined ? `"${name.schema}.${name.name}"` : `"${name.name}"`;

/** 0 if there is no such relation and that is no error. */
export function rangeVarGetRelid(
  name: RelationName,
  mode: LockMode,
  options: RangeVarOptions = {},
  callback?: RangeVarCallback,
): Oid {
  let relid: Oid;
  let old = 0 as Oid;
  for (let retry = false; ; retry = true) {
    const seen = sharedInvalidMessageCounter();
    relid = findRelation(name, options.position)?.oid ?? (0 as Oid);
    callback?.(relid, old);
    if (mode === LOCK.none) break;
    if (retry) {
      // The lock that we have is the right one.
      if (relid === old) break;
      if (old !== 0) unlockRelationOid(old, mode);
    }
    if (relid === 0) acceptPendingInvalidations();
    else if (options.nowait !== true && options.skipLocked !== true) lockRelationOid(relid, mode);
    else if (!conditionalLockRelationOid(relid, mode)) {
      report(options.skipLocked === true ? 'DEBUG1' : 'ERROR', {
        code: SQLSTATE.lockNotAvailable,
        message: `could not obtain lock on relation ${nameText(name)}`,
      });
      return 0 as Oid;
    }
    if (seen === sharedInvalidMessageCounter()) break;
    old = relid;
  }
  if (relid === 0 && options.missingOk !== true)
    report('ERROR', { code: SQLSTATE.undefinedTable, message: `relation ${nameText(name)} does not exist` });
  return relid;
}
