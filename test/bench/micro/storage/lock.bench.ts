/** lock.bench.ts — what a heavyweight lock costs that nobody contends for, among a hundred processes. */
import { native } from '#platform/native.ts';
import { lockAcquire, lockRelease } from '#storage/lmgr/lock.ts';
import { LOCK, type LockMode } from '#storage/lmgr/lock-modes.ts';
import { LockTag } from '#storage/lmgr/lock-tag.ts';
import { beginTransaction, DATABASE, openLockFixture } from '../../../support/lock-fixture.ts';

const COUNT = process.argv.includes('--quick') ? 20_000 : 300_000;
openLockFixture({ processes: 100 });
beginTransaction();

function nanoseconds(tag: LockTag, mode: LockMode): number {
  const round = (count: number): number => {
    const began = native.monotonicNs();
    for (let n = 0; n < count; n++) {
      lockAcquire(tag, mode, false, false);
      lockRelease(tag, mode, false);
    }
    return (native.monotonicNs() - began) / count;
  };
  round(COUNT / 4);
  return Math.round(round(COUNT));
}

const relation = new LockTag().setRelation(DATABASE, 16_384);
const rows: readonly (readonly [name: string, tag: LockTag, mode: LockMode, note: string])[] = [
  ['lock.fastPath', relation, LOCK.accessShare, 'acquire + release, slot in PGPROC; goal 300'],
  ['lock.table', new LockTag().setTransaction(777), LOCK.exclusive, 'acquire + release, shared table'],
  ['lock.strong', relation, LOCK.accessExclusive, 'acquire + release, all processes’ slots looked at'],
];
for (const [, tag, mode] of rows) nanoseconds(tag, mode);
console.log(
  JSON.stringify(rows.map(([name, tag, mode, note]) => ({ name, value: nanoseconds(tag, mode), unit: 'ns', note }))),
);
