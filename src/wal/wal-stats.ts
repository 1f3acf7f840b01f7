/** wal-stats.ts — what was written to WAL: counted privately, added to the shared totals from time to time.
 *
 *  `walUsage` is what EXPLAIN (WAL) subtracts. The totals are pg_stat_wal.
 *  Counterpart: src/backend/utils/activity/pgstat_wal.c */
import { currentTimestamp } from '#platform/clock.ts';
import { mem } from '#shm/memory.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import { spinAcquire, spinRelease } from '#shm/spinlock.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import { WalTotalsLayout as Totals } from '#wal/wal-layout.ts';

let at = -1;
export const walStatsShmem: ShmemSubsystem = {
  name: 'WAL Statistics',
  request: () => requestShmemSpace(Totals.SIZE),
  init() {
    const found = shmemInitStruct('WAL Statistics', Totals.SIZE);
    at = found.at;
    walUsage.counts.fill(0);
    flushed.fill(0);
    if (!found.found) Totals.resetTime.set(mem, at, currentTimestamp());
  },
};

const NAMES = ['records', 'fpi', 'walBytes', 'buffersFull', 'write', 'sync', 'writeTime', 'syncTime'] as const;
export type WalCounter = (typeof NAMES)[number];
/** Index of each counter in `walUsage.counts`. */
export const WAL_COUNTER = Object.fromEntries(NAMES.map((name, i) => [name, i])) as Record<WalCounter, number>;

/** This process's counts since its start: doubles, so that counting allocates nothing. */
export const walUsage = { counts: new Float64Array(NAMES.length) };
/** How much of them the shared totals have. */
const flushed = new Float64Array(NAMES.length);

export function countWalRecord(length: number, images: number): void {
  const c = walUsage.counts;
  c[0] = c[0]! + 1;
  c[1] = c[1]! + images;
  c[2] = c[2]! + length;
}
export function countWal(counter: number, delta: number): void {
  walUsage.counts[counter] = walUsage.counts[counter]! + delta;
}

/** Adds what is new to the totals: at the end of a transaction, and in the rounds of the background processes. */
export function reportWalStats(): void {
  if (at < 0) return;
  const { counts } = walUsage;
  let changed = false;
  for (let i = 0; i < counts.length && !changed; i++) changed = counts[i] !== flushed[i];
  if (!changed) return;
  spinAcquire(at + Totals.lock.offset);
  for (let i = 0; i < NAMES.length; i++) {
    const field = Totals[NAMES[i]!];
    field.set(mem, at, field.get(mem, at) + counts[i]! - flushed[i]!);
    flushed[i] = counts[i]!;
  }
  spinRelease(at + Totals.lock.offset);
}

export type WalTotals = Record<WalCounter | 'resetTime', number>;
export function readWalStats(): WalTotals {
  const out = { resetTime: Totals.resetTime.get(mem, at) } as WalTotals;
  spinAcquire(at + Totals.lock.offset);
  for (const name of NAMES) out[name] = Totals[name].get(mem, at);
  spinRelease(at + Totals.lock.offset);
  return out;
}
export function resetWalStats(): void {
  spinAcquire(at + Totals.lock.offset);
  for (const name of NAMES) Totals[name].set(mem, at, 0);
  Totals.resetTime.set(mem, at, currentTimestamp());
  spinRelease(at + Totals.lock.offset);
}
