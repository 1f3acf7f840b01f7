/** vacuum-cutoffs.ts — from which transaction on a VACUUM must keep rows, freeze ids, and go over the whole table.
 *  Counterpart: vacuum_set_xid_limits(), vacuum_xid_failsafe_check(), vac_estimate_reltuples() of commands/vacuum.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import { horizonKindOf } from '#access/heap/horizon.ts';
import type { MultiXactId, TransactionId } from '#base/ids.ts';
import {
  FIRST_MULTIXACT,
  FIRST_NORMAL_XID,
  multiPrecedes,
  multiPrecedesOrEquals,
  xidIsNormal,
  xidPrecedes,
  xidPrecedesOrEquals,
} from '#base/xid.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { getOldestMultiXactId, multiXactMemberFreezeThreshold, readNextMultiXactId } from '#transam/multixact.ts';
import { getOldestNonRemovableTransactionId } from '#transam/proc-array.ts';
import { readNextTransactionId } from '#transam/xid-generator.ts';

export interface VacuumCutoffs {
  readonly oldestXmin: TransactionId;
  readonly oldestMxact: MultiXactId;
  readonly freezeLimit: TransactionId;
  readonly multiXactCutoff: MultiXactId;
  readonly aggressive: boolean;
}
/** xid - age, never a permanent xid. */
function xidBefore(xid: TransactionId, age: number): TransactionId {
  const limit = (xid - Math.trunc(age)) >>> 0;
  return xidIsNormal(limit as TransactionId) ? (limit as TransactionId) : FIRST_NORMAL_XID;
}
function multiBefore(multi: MultiXactId, age: number): MultiXactId {
  const limit = (multi - Math.trunc(age)) >>> 0;
  return limit < FIRST_MULTIXACT ? FIRST_MULTIXACT : (limit as MultiXactId);
}

/** vacuum_set_xid_limits(): ages of -1 are taken from the settings. */
export function vacuumCutoffs(
  rel: Relation,
  freezeMinAge: number,
  freezeTableAge: number,
  multixactFreezeMinAge: number,
  multixactFreezeTableAge: number,
): VacuumCutoffs {
  const oldestXmin = getOldestNonRemovableTransactionId(horizonKindOf(rel));
  const oldestMxact = getOldestMultiXactId();
  const nextXid = readNextTransactionId();
  const nextMulti = readNextMultiXactId();

  const maxAge = settings.autovacuum_freeze_max_age;
  const minAge = Math.min(freezeMinAge < 0 ? settings.vacuum_freeze_min_age : freezeMinAge, Math.floor(maxAge / 2));
  let freezeLimit = xidBefore(oldestXmin, minAge);
  if (xidPrecedes(freezeLimit, xidBefore(nextXid, maxAge))) {
    report('WARNING', {
      message: 'oldest xmin is far in the past',
      hint:
        'Close open transactions soon to avoid wraparound problems.\n' +
        'You might also need to commit or roll back old prepared transactions, or drop stale replication slots.',
    });
    freezeLimit = oldestXmin;
  }

  const multiMaxAge = multiXactMemberFreezeThreshold();
  const multiMinAge = Math.min(
    multixactFreezeMinAge < 0 ? settings.vacuum_multixact_freeze_min_age : multixactFreezeMinAge,
    Math.floor(multiMaxAge / 2),
  );
  let multiXactCutoff = multiBefore(oldestMxact, multiMinAge);
  const safeMulti = multiBefore(nextMulti, multiMaxAge);
  if (multiPrecedes(multiXactCutoff, safeMulti)) {
    report('WARNING', {
      message: 'oldest multixact is far in the past',
      hint: 'Close open transactions with multixacts soon to avoid wraparound problems.',
    });
    multiXactCutoff = multiPrecedes(oldestMxact, safeMulti) ? oldestMxact : safeMulti;
  }

  const tableAge = Math.min(freezeTableAge < 0 ? settings.vacuum_freeze_table_age : freezeTableAge, maxAge * 0.95);
  const multiTableAge = Math.min(
    multixactFreezeTableAge < 0 ? settings.vacuum_multixact_freeze_table_age : multixactFreezeTableAge,
    multiMaxAge * 0.95,
  );
  const aggressive =
    xidPrecedesOrEquals(rel.frozenXid, xidBefore(nextXid, tableAge)) ||
    multiPrecedesOrEquals(rel.minMxid as MultiXactId, multiBefore(nextMulti, multiTableAge));
  return { oldestXmin, oldestMxact, freezeLimit, multiXactCutoff, aggressive };
}

/** vacuum_xid_failsafe_check(): the table is so old that only freezing matters any more. */
export function xidFailsafeCheck(relfrozenxid: TransactionId, relminmxid: MultiXactId): boolean {
  const age = Math.max(settings.vacuum_failsafe_age, settings.autovacuum_freeze_max_age * 1.05);
  if (xidPrecedes(relfrozenxid, xidBefore(readNextTransactionId(), age))) return true;
  const multiAge = Math.max(
    settings.vacuum_multixact_failsafe_age,
    settings.autovacuum_multixact_freeze_max_age * 1.05,
  );
  return multiPrecedes(relminmxid, multiBefore(readNextMultiXactId(), multiAge));
}

/** vac_estimate_reltuples(): tuples of the whole table from those of the pages that were scanned. */
export function estimateRelTuples(rel: Relation, total: number, scanned: number, scannedTuples: number): number {
  if (scanned >= total) return scannedTuples;
  // Scanning the same few pages again and again must not distort what is known of the others.
  if (rel.pages === total && scanned < total * 0.02) return rel.tuples;
  if (scanned <= 1) return rel.tuples;
  if (rel.tuples < 0 || rel.pages === 0) return Math.floor((scannedTuples / scanned) * total + 0.5);
  return Math.floor((rel.tuples / rel.pages) * (total - scanned) + scannedTuples + 0.5);
}
