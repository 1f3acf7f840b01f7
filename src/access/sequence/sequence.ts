/** sequence.ts — nextval, currval, lastval and setval on an open sequence.
 *
 *  A session takes CACHE values at a time and hands them out from memory. WAL is written for 32 values ahead: after a crash
 *  those are lost, but none is given twice. Nothing here is ever rolled back.
 *  Counterpart: nextval_internal(), do_setval(), SeqTable of src/backend/commands/sequence.c */
import { relationNeedsWal, type Relation } from '#access/common/relation-descriptor.ts';
import {
  fillSequenceFork,
  lockSequencePage,
  logSequence,
  readSequence,
  type SequenceState,
  sequenceTuple,
  writeSequence,
} from '#access/sequence/sequence-page.ts';
import { FORK, type ForkNumber, type Oid, type RelFileNode } from '#base/ids.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferPage } from '#storage/buffer/buffer-pool.ts';
import { markBufferDirty } from '#storage/buffer/dirty.ts';
import { flushRelationBuffers } from '#storage/buffer/flush.ts';
import { pageGetLsn } from '#storage/page/page.ts';
import { smgrCreate, smgrOpen } from '#storage/smgr/smgr.ts';
import { getTopTransactionId } from '#transam/xact.ts';
import { getRedoRecPtr } from '#wal/insert.ts';

/** Values logged ahead. */
const SEQ_LOG_VALS = 32n;

/** The pg_sequence row. */
export interface SequenceParameters {
  readonly increment: bigint;
  readonly max: bigint;
  readonly min: bigint;
  readonly cache: bigint;
  readonly cycle: boolean;
}

/** What a session knows of a sequence that it used (SeqTableData). */
export interface SequenceCache {
  readonly relid: Oid;
  /** File of the sequence when values were cached. */
  fileNode: Oid;
  /** Transaction in which the lock was taken last. */
  lockedIn: number;
  /** currval() is defined. */
  lastValid: boolean;
  /** Value handed out last, and the last one cached. */
  last: bigint;
  cached: bigint;
  increment: bigint;
}
const caches = new Map<number, SequenceCache>();
let lastUsed: SequenceCache | null = null;

export function sequenceCache(relid: Oid): SequenceCache {
  let cache = caches.get(relid);
  if (cache === undefined) {
    cache = {
      relid,
      fileNode: 0 as Oid,
      lockedIn: 0,
      lastValid: false,
      last: 0n,
      cached: 0n,
      increment: 0n,
    };
    caches.set(relid, cache);
  }
  return cache;
}
/** The sequence of the last nextval() in this session. */
export const lastUsedSequence = (): SequenceCache | null => lastUsed;
/** DISCARD SEQUENCES. */
export function resetSequenceCaches(): void {
  caches.clear();
  lastUsed = null;
}
/** A sequence with another file than before (TRUNCATE … RESTART, ALTER SEQUENCE) has other values: forgets the cached. */
export function noteSequenceFile(cache: SequenceCache, rel: Relation): void {
  if (rel.rnode.relNode === cache.fileNode) return;
  cache.fileNode = rel.rnode.relNode;
  cache.cached = cache.last;
}

/** Takes the next value. */
export function nextvalCore(rel: Relation, cache: SequenceCache, parameters: SequenceParameters): bigint {
  if (cache.last !== cache.cached) {
    cache.last += cache.increment;
    lastUsed = cache;
    return cache.last;
  }
  const { increment } = parameters;
  const buffer = lockSequencePage(rel);
  const tup = sequenceTuple(buffer);
  const state = readSequence(tup);
  let fetch = parameters.cache;
  let log = state.logCount;
  let count = 0n;
  let last = state.lastValue;
  let next = last;
  let result = last;
  if (!state.isCalled) {
    count++;
    fetch--;
  }
  // Log if the values logged ahead are used up, and after a checkpoint: replay from there must know the sequence.
  let logIt = false;
  if (log < fetch || !state.isCalled || pageGetLsn(bufferPage(buffer)) <= getRedoRecPtr()) {
    fetch += SEQ_LOG_VALS;
    log = fetch;
    logIt = true;
  }
  while (fetch > 0n) {
    const following = advance(next, parameters);
    if (following === null) {
      if (count > 0n) break;
      if (!parameters.cycle) {
        unlockReleaseBuffer(buffer);
        reportLimit(rel, parameters);
      }
      next = increment > 0n ? parameters.min : parameters.max;
    } else next = following;
    fetch--;
    if (count < parameters.cache) {
      log--;
      count++;
      last = next;
      if (count === 1n) result = next;
    }
  }
  log -= fetch;
  cache.increment = increment;
  cache.last = result;
  cache.cached = last;
  cache.lastValid = true;
  lastUsed = cache;
  // The commit must wait for the record even if nothing else was written.
  if (logIt && relationNeedsWal(rel)) getTopTransactionId();
  beginCritical();
  markBufferDirty(buffer);
  if (logIt && relationNeedsWal(rel)) {
    writeSequence(tup, next, 0n, true);
    logSequence(buffer, rel.rnode, tup);
  }
  writeSequence(tup, last, log, true);
  endCritical();
  unlockReleaseBuffer(buffer);
  return result;
}
/** null beyond the limit. */
function advance(value: bigint, { increment, max, min }: SequenceParameters): bigint | null {
  const next = value + increment;
  return increment > 0n ? (next > max ? null : next) : next < min ? null : next;
}
function reportLimit(rel: Relation, { increment, max, min }: SequenceParameters): never {
  report('ERROR', {
    code: SQLSTATE.sequenceGeneratorLimitExceeded,
    message:
      increment > 0n
        ? `nextval: reached maximum value of sequence "${rel.name}" (${max})`
        : `nextval: reached minimum value of sequence "${rel.name}" (${min})`,
  });
}

/** Sets the value; `isCalled` false: nextval() returns it itself. */
export function setvalCore(
  rel: Relation,
  cache: SequenceCache,
  parameters: SequenceParameters,
  value: bigint,
  isCalled: boolean,
): void {
  if (value < parameters.min || value > parameters.max)
    report('ERROR', {
      code: SQLSTATE.numericValueOutOfRange,
      message: `setval: value ${value} is out of bounds for sequence "${rel.name}" (${parameters.min}..${parameters.max})`,
    });
  const buffer = lockSequencePage(rel);
  const tup = sequenceTuple(buffer);
  if (isCalled) {
    cache.last = value;
    cache.lastValid = true;
  }
  cache.cached = cache.last;
  if (relationNeedsWal(rel)) getTopTransactionId();
  beginCritical();
  writeSequence(tup, value, 0n, isCalled);
  markBufferDirty(buffer);
  if (relationNeedsWal(rel)) logSequence(buffer, rel.rnode, tup);
  endCritical();
  unlockReleaseBuffer(buffer);
}

/** What is on the page now. */
export function readSequenceState(rel: Relation): SequenceState {
  const buffer = lockSequencePage(rel);
  const state = readSequence(sequenceTuple(buffer));
  unlockReleaseBuffer(buffer);
  return state;
}

/** First contents of a sequence's (new, empty) file. `logCreate` logs the creation of an unlogged sequence's init fork. */
export function fillSequence(
  rel: Relation,
  lastValue: bigint,
  logCount: bigint,
  isCalled: boolean,
  logCreate: (rnode: RelFileNode, fork: ForkNumber) => void,
): void {
  fillSequenceFork(rel, FORK.main, lastValue, logCount, isCalled);
  if (rel.persistence !== 'u') return;
  const smgr = smgrOpen(rel.rnode, rel.backend);
  smgrCreate(smgr, FORK.init, false);
  logCreate(rel.rnode, FORK.init);
  fillSequenceFork(rel, FORK.init, lastValue, logCount, isCalled);
  flushRelationBuffers(smgr);
}
