/** test-database.ts — a fresh data directory, opened by this process alone as a session would be after recovery: shared
 *  structures in private memory, its transactions, WAL, buffers, locks, and the catalogs of database postgres. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Lsn, Oid } from '#base/ids.ts';
import { openDatabase, openSharedCatalogs } from '#catalog/session-database.ts';
import { writeCatalogs } from '#cli/initdb-catalogs.ts';
import { SUBDIRECTORIES } from '#cli/initdb-layout.ts';
import { packageFolder } from '#cli/package-folder.ts';
import { native } from '#platform/native.ts';
import { SHMEM_SUBSYSTEMS } from '#postmaster/shmem-subsystems.ts';
import { initializeGucOptions } from '#runtime/guc/guc-file.ts';
import { setConfigOption } from '#runtime/guc/guc.ts';
import { useSignalWords } from '#runtime/interrupts.ts';
import { becomeProcess } from '#runtime/my-process.ts';
import { mapLocalMemory } from '#shm/memory.ts';
import { privateReserve } from '#shm/private-memory.ts';
import { initProcess, setProcCounts } from '#shm/proc.ts';
import { initShmemHeader, requestedShmemSize, resetShmemRequests } from '#shm/shmem.ts';
import { initWaiting } from '#shm/wait-event-set.ts';
import { takeBackendId } from '#storage/ipc/backend-ids.ts';
import { setChildFlagCount } from '#storage/ipc/pm-signal.ts';
import { procSignalInit } from '#storage/ipc/proc-signal.ts';
import { joinProcArray } from '#transam/proc-array.ts';
import { finishStartupTransam, loadCheckPointCounters, startupTransam, startupTransamLogs } from '#transam/startup.ts';
import { commitTransactionCommand, startTransactionCommand } from '#transam/xact.ts';
import { controlFile, readControlFile } from '#wal/control-file.ts';
import { FileWalSource } from '#wal/file-source.ts';
import { WalReader } from '#wal/reader.ts';
import { RECOVERY_STATE, setRecoveryState } from '#wal/recovery-state.ts';
import { setInstallSegmentActive } from '#wal/segments.ts';
import { positionInsertion, publishInfoRedoPointer, publishRedoPointer } from '#wal/start-insert.ts';
import { setFullPageWrites } from '#wal/wal-records.ts';

export interface TestDatabase {
  readonly folder: string;
  remove(): void;
}

/** What initdb makes, in a temporary folder. */
export function makeDataDirectory(): string {
  const folder = mkdtempSync(join(tmpdir(), 'nodegres-database-'));
  for (const name of ['pg_wal', ...SUBDIRECTORIES]) mkdirSync(join(folder, name));
  for (const name of ['', 'base/1', 'base/4', 'base/5']) writeFileSync(join(folder, name, 'PG_VERSION'), '15\n');
  const choices = {
    superuser: 'postgres',
    secret: null,
    collate: 'C',
    ctype: 'C',
    checksums: false,
    walSegmentSize: 1 << 20,
  };
  writeCatalogs(folder, packageFolder, choices, 0o600);
  return folder;
}

export function openTestDatabase(settings: Readonly<Record<string, string>> = {}, given?: string): TestDatabase {
  const home = process.cwd();
  const folder = given ?? makeDataDirectory();
  process.chdir(folder);
  initializeGucOptions();
  const defaults = { fsync: 'off', wal_buffers: '64', shared_buffers: '512', max_connections: '5' };
  for (const [name, value] of Object.entries({ ...defaults, ...settings })) {
    setConfigOption(name, value, 'postmaster', 'commandLine');
  }
  useSignalWords(new Int32Array(native.signalWords()));
  readControlFile();
  resetShmemRequests();
  setProcCounts({ client: 3, autovacuum: 1, bgworker: 1, walsender: 1, auxiliary: 8, prepared: 0 });
  setChildFlagCount(10);
  for (const subsystem of SHMEM_SUBSYSTEMS) subsystem.request();
  const size = requestedShmemSize();
  mapLocalMemory(size + (64 << 20), size);
  initShmemHeader(size, 1, 1);
  for (const subsystem of SHMEM_SUBSYSTEMS) subsystem.init();
  becomeProcess('standalone', 'test');
  initWaiting(-1);
  initProcess('client');
  startAfterLastRecord();
  takeBackendId();
  joinProcArray();
  procSignalInit();
  startTransactionCommand();
  openSharedCatalogs();
  openDatabase(5 as Oid);
  commitTransactionCommand();
  return {
    folder,
    remove() {
      process.chdir(home);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function startAfterLastRecord(): void {
  const reader = new WalReader(new FileWalSource(1), controlFile.systemIdentifier);
  reader.beginRead(controlFile.checkPoint as Lsn);
  const record = reader.read();
  if (record === null) throw new Error(reader.errorMessage ?? 'no checkpoint');
  const lastPageAt = privateReserve(8192);
  new FileWalSource(1).readPage(reader, (record.endLsn - (record.endLsn % 8192)) as Lsn, 8192, record.lsn, lastPageAt);
  loadCheckPointCounters(controlFile.checkPointCopy);
  startupTransamLogs(false);
  positionInsertion({ endOfLog: record.endLsn, lastRecord: record.lsn, lastPageAt, timeline: 1, previousTimeline: 1 });
  publishRedoPointer(controlFile.checkPointCopy.redo);
  publishInfoRedoPointer(controlFile.checkPointCopy.redo);
  setFullPageWrites(true);
  setInstallSegmentActive(true);
  startupTransam();
  setRecoveryState(RECOVERY_STATE.done);
  finishStartupTransam();
}
