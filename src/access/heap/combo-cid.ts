/** combo-cid.ts — one command id that stands for two.
 *
 *  A tuple has one field for cmin and cmax. When the same transaction inserts and deletes it, the field holds the number
 *  of a pair kept here, which no other transaction ever needs to look up.
 *  Counterpart: src/backend/utils/time/combocid.c */
import {
  HEAP_COMBOCID,
  tupleInfomask,
  tupleRawCommandId,
  tupleRawXmin,
  xminCommitted,
} from '#access/common/heap-tuple-layout.ts';
import { assert } from '#base/assert.ts';
import type { CommandId } from '#base/ids.ts';
import { transactionIdIsCurrentTransactionId } from '#transam/xact.ts';
import { registerXactParticipant, XACT_RANK } from '#transam/xact-callbacks.ts';

const minimums: CommandId[] = [];
const maximums: CommandId[] = [];
/** cmin * 2^32 + cmax would not fit a Number exactly for large command ids: the key is text. */
const known = new Map<string, CommandId>();

function forget(): void {
  if (minimums.length === 0) return;
  minimums.length = 0;
  maximums.length = 0;
  known.clear();
}
registerXactParticipant({
  name: 'combo command ids',
  rank: XACT_RANK.resources,
  atCommit: forget,
  atAbort: forget,
  atPrepare: forget,
});

function comboOf(cmin: CommandId, cmax: CommandId): CommandId {
  const key = `${cmin},${cmax}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  const combo = minimums.length;
  minimums.push(cmin);
  maximums.push(cmax);
  known.set(key, combo);
  return combo;
}

/** HeapTupleHeaderGetCmin(): only for tuples inserted by this transaction. */
export function tupleCmin(at: number): CommandId {
  const cid = tupleRawCommandId(at);
  if ((tupleInfomask(at) & HEAP_COMBOCID) === 0) return cid;
  assert(cid < minimums.length, 'a combo command id of this transaction');
  return minimums[cid]!;
}
/** HeapTupleHeaderGetCmax(): only for tuples deleted by this transaction. */
export function tupleCmax(at: number): CommandId {
  const cid = tupleRawCommandId(at);
  if ((tupleInfomask(at) & HEAP_COMBOCID) === 0) return cid;
  assert(cid < maximums.length, 'a combo command id of this transaction');
  return maximums[cid]!;
}

/** Result of adjustCmax(). */
export const adjusted = { cmax: 0 as CommandId, isCombo: false };
/** HeapTupleHeaderAdjustCmax(): what to store when this transaction deletes the tuple. May allocate: before the critical
 *  section. */
export function adjustCmax(at: number, cmax: CommandId): void {
  adjusted.cmax = cmax;
  adjusted.isCombo = false;
  if (!xminCommitted(tupleInfomask(at)) && transactionIdIsCurrentTransactionId(tupleRawXmin(at))) {
    adjusted.cmax = comboOf(tupleCmin(at), cmax);
    adjusted.isCombo = true;
  }
}

/** The table for a parallel worker, which must understand the leader's combo ids. */
export const serializeComboCids = (): [CommandId, CommandId][] => minimums.map((cmin, i) => [cmin, maximums[i]!]);
export function restoreComboCids(pairs: readonly (readonly [CommandId, CommandId])[]): void {
  forget();
  for (const [cmin, cmax] of pairs) comboOf(cmin, cmax);
}
