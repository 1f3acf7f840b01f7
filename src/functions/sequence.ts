/** sequence.ts — nextval(), currval(), lastval(), setval() and what the views of sequences ask.
 *
 *  A sequence is locked once per transaction, for the whole transaction, so that it cannot be dropped in between.
 *  Counterpart: the SQL-callable functions of src/backend/commands/sequence.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import {
  lastUsedSequence,
  nextvalCore,
  noteSequenceFile,
  readSequenceState,
  type SequenceCache,
  type SequenceParameters,
  sequenceCache,
  setvalCore,
} from '#access/sequence/sequence.ts';
import { canonicalInt8, type Datum, type RecordDatum } from '#adt/datum.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { hasRight } from '#catalog/acl.ts';
import { relationClose, relationOpen } from '#catalog/relation.ts';
import { type SequenceRow, store } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { classRow } from '#catalog/syscache.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { setCurrentResourceOwner } from '#runtime/resource-owner.ts';
import { lockRelationOid } from '#storage/lmgr/lmgr.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { myLocalTransactionId, topLevelState } from '#transam/xact.ts';

/** The sequence, open and locked until the transaction ends. */
function openSequence(relid: Oid): { rel: Relation; cache: SequenceCache } {
  const cache = sequenceCache(relid);
  const transaction = myLocalTransactionId();
  if (cache.lockedIn !== transaction) {
    // For the top transaction: a rolled-back subtransaction must not let the lock go.
    const before = setCurrentResourceOwner(topLevelState().owner);
    try {
      lockRelationOid(relid, LOCK.rowExclusive);
    } finally {
      setCurrentResourceOwner(before);
    }
    cache.lockedIn = transaction;
  }
  const rel = relationOpen(relid, LOCK.none);
  if (rel.kind !== 'S') {
    const { name } = rel;
    relationClose(rel, LOCK.none);
    report('ERROR', { code: SQLSTATE.wrongObjectType, message: `"${name}" is not a sequence` });
  }
  noteSequenceFile(cache, rel);
  return { rel, cache };
}

/** Any of the rights (letters of acl.ts) on the sequence. */
function requireRight(rel: Relation, rights: string): void {
  const acl = classRow(rel.oid)?.relacl ?? null;
  const object = { letter: 's', owner: rel.owner, acl };
  if ([...rights].some((right) => hasRight(object, sessionIdentity.userOid, right, false))) return;
  report('ERROR', { code: SQLSTATE.insufficientPrivilege, message: `permission denied for sequence ${rel.name}` });
}
function preventIfReadOnly(rel: Relation, command: string): void {
  if (rel.isLocalTemp || !settings.transaction_read_only) return;
  report('ERROR', {
    code: SQLSTATE.readOnlySqlTransaction,
    message: `cannot execute ${command} in a read-only transaction`,
  });
}

function sequenceRow(relid: Oid): SequenceRow {
  return (
    store.sequence.byOid(relid, 'seqrelid') ?? report('ERROR', { message: `cache lookup failed for sequence ${relid}` })
  );
}
const parametersOf = (row: SequenceRow): SequenceParameters => ({
  increment: row.seqincrement,
  max: row.seqmax,
  min: row.seqmin,
  cache: row.seqcache,
  cycle: row.seqcycle,
});

/** nextval_internal(): also for identity columns, which need no right on their sequence. */
export function nextval(relid: Oid, checkPermissions = true): bigint {
  const { rel, cache } = openSequence(relid);
  try {
    if (checkPermissions) requireRight(rel, 'Uw');
    preventIfReadOnly(rel, 'nextval()');
    return nextvalCore(rel, cache, parametersOf(sequenceRow(relid)));
  } finally {
    relationClose(rel, LOCK.none);
  }
}
export function setval(relid: Oid, value: bigint, isCalled: boolean): void {
  const { rel, cache } = openSequence(relid);
  try {
    requireRight(rel, 'w');
    preventIfReadOnly(rel, 'setval()');
    setvalCore(rel, cache, parametersOf(sequenceRow(relid)), value, isCalled);
  } finally {
    relationClose(rel, LOCK.none);
  }
}
function currval(relid: Oid): bigint {
  const { rel, cache } = openSequence(relid);
  try {
    requireRight(rel, 'rU');
    if (!cache.lastValid)
      report('ERROR', {
        code: SQLSTATE.objectNotInPrerequisiteState,
        message: `currval of sequence "${rel.name}" is not yet defined in this session`,
      });
    return cache.last;
  } finally {
    relationClose(rel, LOCK.none);
  }
}
function lastval(): bigint {
  const last = lastUsedSequence();
  // It may have been dropped since.
  if (last === null || classRow(last.relid) === undefined)
    return report('ERROR', {
      code: SQLSTATE.objectNotInPrerequisiteState,
      message: 'lastval is not yet defined in this session',
    });
  const { rel, cache } = openSequence(last.relid);
  try {
    requireRight(rel, 'rU');
    return cache.last;
  } finally {
    relationClose(rel, LOCK.none);
  }
}
/** NULL before the first nextval(). Reads the page without the right to change it. */
function lastValue(relid: Oid): Datum {
  const { rel } = openSequence(relid);
  try {
    const acl = classRow(rel.oid)?.relacl ?? null;
    const object = { letter: 's', owner: rel.owner, acl };
    if (!['r', 'U'].some((right) => hasRight(object, sessionIdentity.userOid, right, false)))
      report('ERROR', { code: SQLSTATE.insufficientPrivilege, message: `permission denied for sequence ${rel.name}` });
    const state = readSequenceState(rel);
    return state.isCalled ? canonicalInt8(state.lastValue) : null;
  } finally {
    relationClose(rel, LOCK.none);
  }
}
function parameters(relid: Oid): RecordDatum {
  const acl = classRow(relid)?.relacl ?? null;
  const owner = classRow(relid)?.relowner ?? (0 as Oid);
  if (!['r', 'w', 'U'].some((right) => hasRight({ letter: 's', owner, acl }, sessionIdentity.userOid, right, false)))
    report('ERROR', {
      code: SQLSTATE.insufficientPrivilege,
      message: `permission denied for sequence ${classRow(relid)?.relname ?? relid}`,
    });
  const row = sequenceRow(relid);
  return {
    kind: 'record',
    types: [20, 20, 20, 20, 16, 20, 26] as Oid[],
    typmods: [-1, -1, -1, -1, -1, -1, -1],
    names: ['start_value', 'minimum_value', 'maximum_value', 'increment', 'cycle_option', 'cache_size', 'data_type'],
    values: [
      canonicalInt8(row.seqstart),
      canonicalInt8(row.seqmin),
      canonicalInt8(row.seqmax),
      canonicalInt8(row.seqincrement),
      row.seqcycle,
      canonicalInt8(row.seqcache),
      row.seqtypid,
    ],
  };
}

registerBuiltins({
  nextval_oid: (relid: Oid) => canonicalInt8(nextval(relid)),
  currval_oid: (relid: Oid) => canonicalInt8(currval(relid)),
  lastval: () => canonicalInt8(lastval()),
  setval_oid: (relid: Oid, value: number | bigint) => {
    setval(relid, BigInt(value), true);
    return value;
  },
  setval3_oid: (relid: Oid, value: number | bigint, isCalled: boolean) => {
    setval(relid, BigInt(value), isCalled);
    return value;
  },
  pg_sequence_last_value: lastValue,
  pg_sequence_parameters: parameters,
});
