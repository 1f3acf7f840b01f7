/** control-functions.ts — what stands in pg_control: pg_control_system() and its like.
 *
 *  They read the file, not the shared copy, as PostgreSQL's do: an administrator wants to know what is on disk.
 *  Counterpart: src/backend/utils/misc/pg_controldata.c */
import type { RecordDatum } from '#adt/datum.ts';
import { canonicalInt8 } from '#adt/datum.ts';
import { registerBuiltins } from '#adt/fmgr.ts';
import { Memory } from '#base/struct.ts';
import { FileError, readFile } from '#platform/file-system.ts';
import { POSTGRES_EPOCH_US } from '#platform/clock.ts';
import { native } from '#platform/native.ts';
import { report } from '#runtime/error/report.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { record } from '#functions/wal-functions.ts';
import { readCheckPoint } from '#wal/check-point.ts';
import { CONTROL_CRC_OFFSET, CONTROL_FILE_PATH, ControlFileLayout as L } from '#wal/control-file-layout.ts';
import { controlFileLock } from '#wal/control-file.ts';
import { segmentFileName, segmentOf } from '#wal/wal-format.ts';

const [BOOL, INT4, INT8, TEXT, OID, XID, TIMESTAMPTZ, LSN] = [16, 23, 20, 25, 26, 28, 1184, 3220] as const;

function readFromDisk(): Memory {
  lwLockAcquire(controlFileLock(), 'shared');
  let bytes: Uint8Array;
  try {
    bytes = readFile(CONTROL_FILE_PATH);
  } catch (caught) {
    if (!(caught instanceof FileError)) throw caught;
    return report('ERROR', { message: `could not open file "${CONTROL_FILE_PATH}" for reading: ${caught.reason}` });
  } finally {
    lwLockRelease(controlFileLock());
  }
  if (bytes.length < L.SIZE)
    report('ERROR', { message: `could not read file "${CONTROL_FILE_PATH}": read ${bytes.length} of ${L.SIZE}` });
  const memory = new Memory(new ArrayBuffer(8192));
  memory.u8.set(bytes.subarray(0, L.SIZE));
  if (native.crc32c(memory.u8, 0, CONTROL_CRC_OFFSET, 0) !== L.crc.get(memory, 0))
    report('ERROR', { message: 'calculated CRC checksum does not match value stored in file' });
  return memory;
}
const timestamp = (unixSeconds: number): number => unixSeconds * 1e6 - POSTGRES_EPOCH_US;

function controlSystem(): RecordDatum {
  const m = readFromDisk();
  return record([
    ['pg_control_version', INT4, L.pgControlVersion.get(m, 0)],
    ['catalog_version_no', INT4, L.catalogVersion.get(m, 0)],
    ['system_identifier', INT8, canonicalInt8(m.view.getBigInt64(L.systemIdentifier.offset, true))],
    ['pg_control_last_modified', TIMESTAMPTZ, timestamp(L.time.get(m, 0))],
  ]);
}

function controlCheckpoint(): RecordDatum {
  const m = readFromDisk();
  const c = readCheckPoint(m, L.checkPointCopy.offset);
  const epoch = Math.floor(c.nextXid / 0x1_0000_0000);
  return record([
    ['checkpoint_lsn', LSN, L.checkPoint.get(m, 0)],
    ['redo_lsn', LSN, c.redo],
    ['redo_wal_file', TEXT, segmentFileName(c.thisTimeline, segmentOf(c.redo))],
    ['timeline_id', INT4, c.thisTimeline],
    ['prev_timeline_id', INT4, c.prevTimeline],
    ['full_page_writes', BOOL, c.fullPageWrites],
    ['next_xid', TEXT, `${epoch}:${c.nextXid % 0x1_0000_0000}`],
    ['next_oid', OID, c.nextOid],
    ['next_multixact_id', XID, c.nextMulti],
    ['next_multi_offset', XID, c.nextMultiOffset],
    ['oldest_xid', XID, c.oldestXid],
    ['oldest_xid_dbid', OID, c.oldestXidDb],
    ['oldest_active_xid', XID, c.oldestActiveXid],
    ['oldest_multi_xid', XID, c.oldestMulti],
    ['oldest_multi_dbid', OID, c.oldestMultiDb],
    ['oldest_commit_ts_xid', XID, c.oldestCommitTsXid],
    ['newest_commit_ts_xid', XID, c.newestCommitTsXid],
    ['checkpoint_time', TIMESTAMPTZ, timestamp(c.time)],
  ]);
}

function controlRecovery(): RecordDatum {
  const m = readFromDisk();
  return record([
    ['min_recovery_end_lsn', LSN, L.minRecoveryPoint.get(m, 0)],
    ['min_recovery_end_timeline', INT4, L.minRecoveryPointTli.get(m, 0)],
    ['backup_start_lsn', LSN, L.backupStartPoint.get(m, 0)],
    ['backup_end_lsn', LSN, L.backupEndPoint.get(m, 0)],
    ['end_of_backup_record_required', BOOL, L.backupEndRequired.get(m, 0)],
  ]);
}

function controlInit(): RecordDatum {
  const m = readFromDisk();
  return record([
    ['max_data_alignment', INT4, L.maxAlign.get(m, 0)],
    ['database_block_size', INT4, L.blcksz.get(m, 0)],
    ['blocks_per_segment', INT4, L.relsegSize.get(m, 0)],
    ['wal_block_size', INT4, L.xlogBlcksz.get(m, 0)],
    ['bytes_per_wal_segment', INT4, L.xlogSegSize.get(m, 0)],
    ['max_identifier_length', INT4, L.nameDataLen.get(m, 0)],
    ['max_index_columns', INT4, L.indexMaxKeys.get(m, 0)],
    ['max_toast_chunk_size', INT4, L.toastMaxChunkSize.get(m, 0)],
    ['large_object_chunk_size', INT4, L.loblksize.get(m, 0)],
    ['float8_pass_by_value', BOOL, L.float8ByVal.get(m, 0)],
    ['data_page_checksum_version', INT4, L.dataChecksumVersion.get(m, 0)],
  ]);
}

registerBuiltins({
  pg_control_system: controlSystem,
  pg_control_checkpoint: controlCheckpoint,
  pg_control_recovery: controlRecovery,
  pg_control_init: controlInit,
});
