/** wal-cluster.ts — a data folder with one empty WAL segment, and this process as the only one that writes to it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initializeGucOptions } from '#runtime/guc/guc-file.ts';
import { setConfigOption } from '#runtime/guc/guc.ts';
import { bootStrapXlog } from '#catalog/bootstrap/xlog.ts';
import { lwLockShmem } from '#shm/lwlock-array.ts';
import { mapLocalMemory } from '#shm/memory.ts';
import { privateReserve } from '#shm/private-memory.ts';
import { procShmem, setProcCounts } from '#shm/proc.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import { initShmemHeader, requestedShmemSize, resetShmemRequests } from '#shm/shmem.ts';
import { archiverShmem } from '#storage/ipc/archive-mailbox.ts';
import { checkpointerShmem } from '#storage/ipc/checkpoint-mailbox.ts';
import type { Lsn } from '#base/ids.ts';
import { controlFile, controlFileShmem, readControlFile } from '#wal/control-file.ts';
import { forgetRecoveryState, RECOVERY_STATE, setRecoveryState } from '#wal/recovery-state.ts';
import { WalReader } from '#wal/reader.ts';
import { FileWalSource } from '#wal/file-source.ts';
import { setInstallSegmentActive } from '#wal/segments.ts';
import { positionInsertion, publishInfoRedoPointer, publishRedoPointer } from '#wal/start-insert.ts';
import { setFullPageWrites } from '#wal/wal-records.ts';
import { walShmem } from '#wal/wal-shmem.ts';
import { walStatsShmem } from '#wal/wal-stats.ts';

const SUBSYSTEMS = [
  lwLockShmem,
  procShmem,
  controlFileShmem,
  walShmem,
  walStatsShmem,
  checkpointerShmem,
  archiverShmem,
];

export interface WalCluster {
  readonly folder: string;
  remove(): void;
}

/** Changes into a fresh folder, makes shared structures in private memory, and stands where recovery has ended. */
export function openWalCluster(
  options: {
    segmentSize?: number;
    settings?: Record<string, string>;
    checksums?: boolean;
    /** What the test needs besides. */
    subsystems?: readonly ShmemSubsystem[];
    /** Processes, and a mapping that they share. */
    clients?: number;
    map?: (bytes: number) => void;
  } = {},
): WalCluster {
  const home = process.cwd();
  const folder = mkdtempSync(join(tmpdir(), 'wal-'));
  for (const name of ['global', 'pg_wal', 'pg_wal/archive_status', 'pg_xact', 'pg_subtrans'])
    mkdirSync(join(folder, name));
  const segmentSize = options.segmentSize ?? 1 << 20;
  const files = bootStrapXlog({
    systemIdentifier: 7_000_000_000_000_000_123n,
    walSegmentSize: segmentSize,
    checksums: options.checksums ?? false,
    time: 1_700_000_000,
    nonce: new Uint8Array(32),
  });
  for (const name of ['global/pg_control', 'pg_wal/000000010000000000000001']) {
    const bytes = new Uint8Array(name.startsWith('pg_wal') ? segmentSize : 8192);
    bytes.set(files.get(name)!);
    writeFileSync(join(folder, name), bytes);
  }
  process.chdir(folder);
  initializeGucOptions();
  for (const [name, value] of Object.entries({ fsync: 'off', wal_buffers: '32', ...options.settings }))
    setConfigOption(name, value, 'postmaster', 'commandLine');
  readControlFile();
  resetShmemRequests();
  const prepared = Number(options.settings?.['max_prepared_transactions'] ?? 0);
  setProcCounts({ client: options.clients ?? 2, autovacuum: 0, bgworker: 0, walsender: 0, auxiliary: 0, prepared });
  const subsystems = [...SUBSYSTEMS, ...(options.subsystems ?? [])];
  for (const subsystem of subsystems) subsystem.request();
  if (options.map === undefined) mapLocalMemory(64 << 20);
  else options.map(requestedShmemSize());
  initShmemHeader(requestedShmemSize(), 1, 1);
  for (const subsystem of subsystems) subsystem.init();
  startAfterLastRecord();
  return {
    folder,
    remove() {
      process.chdir(home);
      rmSync(folder, { recursive: true });
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
  positionInsertion({
    endOfLog: record.endLsn,
    lastRecord: record.lsn,
    lastPageAt,
    timeline: 1,
    previousTimeline: 1,
  });
  forgetRecoveryState();
  setRecoveryState(RECOVERY_STATE.done);
  publishRedoPointer(controlFile.checkPointCopy.redo);
  publishInfoRedoPointer(controlFile.checkPointCopy.redo);
  setFullPageWrites(true);
  setInstallSegmentActive(true);
}
