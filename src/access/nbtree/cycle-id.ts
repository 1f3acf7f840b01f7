/** cycle-id.ts — which VACUUMs scan which indexes now, so that splits can mark the pages they make.
 *
 *  VACUUM reads an index in block order. A split moves items to a block that the scan may have passed; both halves get the
 *  cycle id of the index's running VACUUM, which then follows right links among them. Guarded by BtreeVacuumLock.
 *  Counterpart: BTVacInfo of src/backend/access/nbtree/nbtutils.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import { BtOneVacuum, BtVacuumInfo } from '#access/nbtree/cycle-id-layout.ts';
import { report } from '#runtime/error/report.ts';
import { myProcess } from '#runtime/my-process.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { maxBackends } from '#shm/proc.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';

/** Higher values are other access methods' marks for recognising their pages. */
const MAX_CYCLE_ID = 0xff7f;

let at = -1;
const slotAt = (i: number): number => at + BtVacuumInfo.SIZE + i * BtOneVacuum.SIZE;
const sizeNeeded = (): number => BtVacuumInfo.SIZE + maxBackends() * BtOneVacuum.SIZE;
export const btreeVacuumShmem: ShmemSubsystem = {
  name: 'BTree Vacuum State',
  request: () => requestShmemSpace(sizeNeeded()),
  init() {
    const found = shmemInitStruct('BTree Vacuum State', sizeNeeded());
    at = found.at;
    if (found.found) return;
    // Starting anywhere makes it unlikely that pages marked before a crash look like today's.
    BtVacuumInfo.counter.set(mem, at, Math.trunc(Date.now() / 1000) & 0xffff);
    BtVacuumInfo.count.set(mem, at, 0);
    BtVacuumInfo.limit.set(mem, at, maxBackends());
  },
};

const databaseOf = (rel: Relation): number => (rel.isShared ? 0 : myProcess.databaseId);
function findSlot(rel: Relation): number {
  const count = BtVacuumInfo.count.get(mem, at);
  for (let i = 0; i < count; i++) {
    const slot = slotAt(i);
    if (BtOneVacuum.relation.get(mem, slot) === rel.oid && BtOneVacuum.database.get(mem, slot) === databaseOf(rel))
      return slot;
  }
  return -1;
}

/** The running VACUUM's id, 0 if there is none. Called with the page being split locked, which makes it exact. */
export function vacuumCycleId(rel: Relation): number {
  // Tools that work without other processes have no such area.
  if (at < 0) return 0;
  const lock = mainLWLock('BtreeVacuum');
  lwLockAcquire(lock, 'shared');
  const slot = findSlot(rel);
  const id = slot < 0 ? 0 : BtOneVacuum.cycleId.get(mem, slot);
  lwLockRelease(lock);
  return id;
}
/** The caller ends it by endVacuumCycle, also after an error. */
export function startVacuumCycle(rel: Relation): number {
  if (at < 0) return 1;
  const lock = mainLWLock('BtreeVacuum');
  lwLockAcquire(lock, 'exclusive');
  let id = (BtVacuumInfo.counter.get(mem, at) + 1) & 0xffff;
  if (id === 0 || id > MAX_CYCLE_ID) id = 1;
  BtVacuumInfo.counter.set(mem, at, id);
  if (findSlot(rel) >= 0) {
    // An ERROR is no reason to keep the lock; endVacuumCycle would not find its own entry.
    lwLockRelease(lock);
    report('ERROR', { message: `multiple active vacuums for index "${rel.name}"` });
  }
  const count = BtVacuumInfo.count.get(mem, at);
  if (count >= BtVacuumInfo.limit.get(mem, at)) {
    lwLockRelease(lock);
    report('ERROR', { message: 'out of btvacinfo slots' });
  }
  const slot = slotAt(count);
  BtOneVacuum.relation.set(mem, slot, rel.oid);
  BtOneVacuum.database.set(mem, slot, databaseOf(rel));
  BtOneVacuum.cycleId.set(mem, slot, id);
  BtVacuumInfo.count.set(mem, at, count + 1);
  lwLockRelease(lock);
  return id;
}
export function endVacuumCycle(rel: Relation): void {
  if (at < 0) return;
  const lock = mainLWLock('BtreeVacuum');
  lwLockAcquire(lock, 'exclusive');
  const slot = findSlot(rel);
  if (slot >= 0) {
    const last = BtVacuumInfo.count.get(mem, at) - 1;
    mem.u8.copyWithin(slot, slotAt(last), slotAt(last) + BtOneVacuum.SIZE);
    BtVacuumInfo.count.set(mem, at, last);
  }
  lwLockRelease(lock);
}
