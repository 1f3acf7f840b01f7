/** lock-fixture.ts — lock manager, predicate locks and sinval ring in memory of this process, without transactions. */
import { native } from '#platform/native.ts';
import { setConfigOption } from '#runtime/guc/guc.ts';
import { useSignalWords } from '#runtime/interrupts.ts';
import { becomeProcess, myProcess } from '#runtime/my-process.ts';
import { ResourceOwner, setCurrentResourceOwner } from '#runtime/resource-owner.ts';
import { lwLockShmem } from '#shm/lwlock-array.ts';
import { mapLocalMemory, mem } from '#shm/memory.ts';
import { initProcess, procAt, procShmem, setProcCounts } from '#shm/proc.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { initShmemHeader, requestedShmemSize, resetShmemRequests } from '#shm/shmem.ts';
import { initWaiting } from '#shm/wait-event-set.ts';
import { backendIdShmem, takeBackendId } from '#storage/ipc/backend-ids.ts';
import { procSignalShmem } from '#storage/ipc/proc-signal.ts';
import { sinvalShmem } from '#storage/ipc/sinval.ts';
import { lockShmem } from '#storage/lmgr/lock-table.ts';
import { serialShmem } from '#storage/lmgr/predicate-serial.ts';
import { predicateShmem } from '#storage/lmgr/predicate-table.ts';

const subsystems = [
  lwLockShmem,
  procShmem,
  backendIdShmem,
  procSignalShmem,
  sinvalShmem,
  lockShmem,
  predicateShmem,
  serialShmem,
];
export const DATABASE = 5;

export interface LockFixtureOptions {
  readonly processes?: number;
  readonly predicateLocks?: number;
  readonly locks?: number;
}

/** A process with a PGPROC, in fresh memory. */
export function openLockFixture(options: LockFixtureOptions = {}): void {
  setConfigOption('max_pred_locks_per_transaction', String(options.predicateLocks ?? 64), 'postmaster', 'commandLine');
  setConfigOption('max_locks_per_transaction', String(options.locks ?? 64), 'postmaster', 'commandLine');
  setConfigOption('max_prepared_transactions', '2', 'postmaster', 'commandLine');
  useSignalWords(new Int32Array(native.signalWords()));
  const client = options.processes ?? 6;
  setProcCounts({ client, autovacuum: 0, bgworker: 0, walsender: 0, auxiliary: 0, prepared: 2 });
  resetShmemRequests();
  for (const subsystem of subsystems) subsystem.request();
  const size = requestedShmemSize();
  mapLocalMemory(size + (4 << 20), size);
  initShmemHeader(size, native.getpid(), 1);
  for (const subsystem of subsystems) subsystem.init();
  becomeProcess('test', 'test');
  initWaiting(-1);
  initProcess('client');
  takeBackendId();
  myProcess.databaseId = DATABASE;
  PgProc.databaseId.set(mem, procAt(myProcess.procNumber), DATABASE);
}

export function beginTransaction(): ResourceOwner {
  const owner = new ResourceOwner(null, 'TopTransaction');
  setCurrentResourceOwner(owner);
  return owner;
}
