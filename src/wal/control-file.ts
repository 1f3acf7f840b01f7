/** control-file.ts — pg_control: what state the cluster is in, and where recovery begins.
 *
 *  Read once by the postmaster, which refuses to start on a damaged or foreign file; from then on the copy in shared
 *  memory is the truth, guarded by ControlFileLock, and every change is written through: one write of 8192 bytes in
 *  place, then fsync. Fields that never change (identifier, sizes, checksums) are read without the lock.
 *  Counterpart: ReadControlFile(), WriteControlFile(), UpdateControlFile() of src/backend/access/transam/xlog.c */
import { OPEN, openFd, readAt, writeAt } from '#platform/raw-files.ts';
import type { Lsn } from '#base/ids.ts';
import { type ArrayField, type Field, Memory } from '#base/struct.ts';
import { native } from '#platform/native.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { setInternalOption, settings } from '#runtime/guc/guc.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { mem } from '#shm/memory.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import { type CheckPoint, readCheckPoint, writeCheckPoint } from '#wal/check-point.ts';
import {
  CATALOG_VERSION_NO,
  CONTROL_CRC_OFFSET,
  CONTROL_FILE_PATH,
  CONTROL_FILE_SIZE,
  ControlFileLayout as L,
  DB_STATE,
  FIRST_UNLOGGED_LSN,
  FLOAT_FORMAT,
  MOCK_AUTH_NONCE_LENGTH,
  PG_CONTROL_VERSION,
} from '#wal/control-file-layout.ts';
import { isValidSegmentSize, setWalSegmentSize, walLevel } from '#wal/wal-format.ts';
import { fileError, fsyncFd } from '#wal/wal-io.ts';

// biome-ignore lint/performance/noBarrelFile: belongs to what users of this file need
export { DB_STATE } from '#wal/control-file-layout.ts';

/** Before there is shared memory, and in programs without it. */
const localCopy = new Memory(new SharedArrayBuffer(CONTROL_FILE_SIZE));
let sharedAt = -1;
const home = (): Memory => (sharedAt < 0 ? localCopy : mem);
const homeAt = (): number => Math.max(sharedAt, 0);

type ScalarName = {
  [K in keyof typeof L]: (typeof L)[K] extends Field<number> | Field<boolean> ? K : never;
}[keyof typeof L];
type Scalars = { -readonly [K in ScalarName]: (typeof L)[K] extends Field<infer T> ? T : never };
export interface ControlFile extends Scalars {
  readonly systemIdentifier: bigint;
  checkPointCopy: CheckPoint;
}

function makeControlFile(): ControlFile {
  const target = {};
  for (const [name, field] of Object.entries(L) as [string, Field<number | boolean> | ArrayField | number | string][]) {
    if (typeof field !== 'object' || !('get' in field)) continue;
    Object.defineProperty(target, name, {
      get: () => field.get(home(), homeAt()),
      set: (value: number | boolean) => field.set(home(), homeAt(), value),
    });
  }
  Object.defineProperty(target, 'systemIdentifier', {
    get: () => home().view.getBigUint64(homeAt() + L.systemIdentifier.offset, true),
  });
  Object.defineProperty(target, 'checkPointCopy', {
    get: () => readCheckPoint(home(), homeAt() + L.checkPointCopy.offset),
    set: (value: CheckPoint) => writeCheckPoint(home(), homeAt() + L.checkPointCopy.offset, value),
  });
  return target as ControlFile;
}
/** The fields where they are now. Change them under ControlFileLock, then `updateControlFile()`. */
export const controlFile: ControlFile = makeControlFile();

/** Where the eight bytes of the system identifier lie, for page headers. */
export const systemIdentifierPlace = (): { readonly memory: Memory; readonly at: number } => ({
  memory: home(),
  at: homeAt() + L.systemIdentifier.offset,
});
/** What clients of unknown users are shown instead of a salt. */
export const mockAuthNonce = (): Uint8Array => {
  const at = homeAt() + L.mockAuthNonce.offset;
  return Uint8Array.from(home().u8.subarray(at, at + MOCK_AUTH_NONCE_LENGTH));
};
export const controlFileLock = (): number => mainLWLock('ControlFile');

export const controlFileShmem: ShmemSubsystem = {
  name: 'Control File',
  request: () => requestShmemSpace(L.SIZE),
  init() {
    const { at, found } = shmemInitStruct('Control File', L.SIZE);
    sharedAt = -1;
    // After a crash the file is newer than what the postmaster remembers.
    if (!found && isLoaded) readControlFile();
    if (!found) mem.u8.set(localCopy.u8.subarray(0, L.SIZE), at);
    sharedAt = at;
    if (found) adoptSettings();
  },
};

let isLoaded = false;
/** True once pg_control was read or made. */
export const controlFileIsLoaded = (): boolean => isLoaded;

const crcOf = (memory: Memory, at: number): number => native.crc32c(memory.u8, at, CONTROL_CRC_OFFSET, 0);

/** Reads the file into this process's own copy and checks it; a server that goes on can use it. */
export function readControlFile(path: string = CONTROL_FILE_PATH): void {
  const fd = openFd(path, OPEN.readWrite);
  if (fd < 0) fileError('PANIC', `could not open file "${path}"`, fd);
  const got = readAt(fd, localCopy.u8, CONTROL_FILE_SIZE, 0);
  native.closeFd(fd);
  if (got < 0) fileError('PANIC', `could not read file "${path}"`, got);
  if (got < L.SIZE)
    report('PANIC', {
      code: SQLSTATE.dataCorrupted,
      message: `could not read file "${path}": read ${got} of ${L.SIZE}`,
    });
  checkVersion();
  if (crcOf(localCopy, 0) !== L.crc.get(localCopy, 0))
    report('FATAL', { message: 'incorrect checksum in control file' });
  checkCompatibility();
  isLoaded = true;
  adoptSettings();
  checkWalSizes();
}

const NEED_INITDB = 'It looks like you need to initdb.';
const NEED_RECOMPILE = 'It looks like you need to recompile or initdb.';
const incompatible = (detail: string, hint: string): never =>
  report('FATAL', { message: 'database files are incompatible with server', detail, hint });

function checkVersion(): void {
  const version = L.pgControlVersion.get(localCopy, 0);
  if (version === PG_CONTROL_VERSION) return;
  const hex = (n: number): string => `0x${n.toString(16).padStart(8, '0')}`;
  if (version % 65536 === 0 && version >= 65536)
    incompatible(
      `The database cluster was initialized with PG_CONTROL_VERSION ${version} (${hex(version)}), but the server was compiled with PG_CONTROL_VERSION ${PG_CONTROL_VERSION} (${hex(PG_CONTROL_VERSION)}).`,
      'This could be a problem of mismatched byte ordering.  It looks like you need to initdb.',
    );
  incompatible(
    `The database cluster was initialized with PG_CONTROL_VERSION ${version}, but the server was compiled with PG_CONTROL_VERSION ${PG_CONTROL_VERSION}.`,
    NEED_INITDB,
  );
}

/** [name, field, what this server has, hint] in PostgreSQL's order. */
const SIZES = [
  ['CATALOG_VERSION_NO', 'catalogVersion', CATALOG_VERSION_NO, NEED_INITDB],
  ['MAXALIGN', 'maxAlign', 8, NEED_INITDB],
  ['floatFormat', 'floatFormat', FLOAT_FORMAT, NEED_INITDB],
  ['BLCKSZ', 'blcksz', 8192, NEED_RECOMPILE],
  ['RELSEG_SIZE', 'relsegSize', 131072, NEED_RECOMPILE],
  ['XLOG_BLCKSZ', 'xlogBlcksz', 8192, NEED_RECOMPILE],
  ['NAMEDATALEN', 'nameDataLen', 64, NEED_RECOMPILE],
  ['INDEX_MAX_KEYS', 'indexMaxKeys', 32, NEED_RECOMPILE],
  ['TOAST_MAX_CHUNK_SIZE', 'toastMaxChunkSize', 1996, NEED_RECOMPILE],
  ['LOBLKSIZE', 'loblksize', 2048, NEED_RECOMPILE],
] as const;

function checkCompatibility(): void {
  for (const [name, field, ours, hint] of SIZES) {
    const theirs = L[field].get(localCopy, 0);
    if (theirs === ours) continue;
    incompatible(
      name === 'floatFormat'
        ? 'The database cluster appears to use a different floating-point number format than the server executable.'
        : `The database cluster was initialized with ${name} ${theirs}, but the server was compiled with ${name} ${ours}.`,
      hint,
    );
  }
  if (!L.float8ByVal.get(localCopy, 0))
    incompatible(
      'The database cluster was initialized without USE_FLOAT8_BYVAL but the server was compiled with USE_FLOAT8_BYVAL.',
      NEED_RECOMPILE,
    );
  const size = L.xlogSegSize.get(localCopy, 0);
  if (!isValidSegmentSize(size))
    report('ERROR', {
      code: SQLSTATE.invalidParameterValue,
      message: `WAL segment size must be a power of two between 1 MB and 1 GB, but the control file specifies ${size} byte${size === 1 ? '' : 's'}`,
    });
}

/** What follows from the file for this process. */
function adoptSettings(): void {
  const size = controlFile.xlogSegSize;
  if (size === 0) return;
  isLoaded = true;
  setWalSegmentSize(size);
  setInternalOption('wal_segment_size', String(size));
  setInternalOption('data_checksums', controlFile.dataChecksumVersion > 0 ? 'on' : 'off');
}
function checkWalSizes(): void {
  const megabytes = controlFile.xlogSegSize / 0x10_0000;
  for (const name of ['min_wal_size', 'max_wal_size'] as const)
    if (Math.floor(settings[name] / megabytes) < 2)
      report('ERROR', {
        code: SQLSTATE.invalidParameterValue,
        message: `"${name}" must be at least twice "wal_segment_size"`,
      });
}

/** The server's settings that a standby must be able to match. */
export function copySettingsToControlFile(): void {
  controlFile.maxConnections = settings.max_connections;
  controlFile.maxWorkerProcesses = settings.max_worker_processes;
  controlFile.maxWalSenders = settings.max_wal_senders;
  controlFile.maxPreparedXacts = settings.max_prepared_transactions;
  controlFile.maxLocksPerXact = settings.max_locks_per_transaction;
  controlFile.walLevel = walLevel();
  controlFile.walLogHints = settings.wal_log_hints;
  controlFile.trackCommitTimestamp = settings.track_commit_timestamp;
}

export interface InitialControlFile {
  readonly systemIdentifier: bigint;
  readonly checkPoint: Lsn;
  readonly checkPointCopy: CheckPoint;
  readonly segmentSize: number;
  readonly dataChecksums: boolean;
  readonly mockAuthNonce: Uint8Array;
}
/** initdb: fills in everything and creates the file. */
export function createControlFile(from: InitialControlFile): void {
  home().u8.fill(0, homeAt(), homeAt() + L.SIZE);
  home().view.setBigUint64(homeAt() + L.systemIdentifier.offset, from.systemIdentifier, true);
  home().u8.set(from.mockAuthNonce, homeAt() + L.mockAuthNonce.offset);
  controlFile.pgControlVersion = PG_CONTROL_VERSION;
  controlFile.state = DB_STATE.shutdowned;
  controlFile.time = from.checkPointCopy.time;
  controlFile.checkPoint = from.checkPoint;
  controlFile.checkPointCopy = from.checkPointCopy;
  controlFile.unloggedLsn = FIRST_UNLOGGED_LSN;
  for (const [, field, ours] of SIZES) controlFile[field] = ours;
  controlFile.xlogSegSize = from.segmentSize;
  controlFile.float8ByVal = true;
  controlFile.dataChecksumVersion = from.dataChecksums ? 1 : 0;
  copySettingsToControlFile();
  adoptSettings();
  writeThrough(OPEN.readWrite | OPEN.create | OPEN.exclusive, 'create');
}

/** Writes the present contents, stamped with the time, to disk. Caller holds ControlFileLock or is alone. */
export function updateControlFile(): void {
  controlFile.time = Math.floor(native.realtimeUs() / 1e6);
  writeThrough(OPEN.readWrite, 'open');
}

function writeThrough(flags: number, verb: 'create' | 'open'): void {
  controlFile.crc = crcOf(home(), homeAt());
  const image = new Uint8Array(CONTROL_FILE_SIZE);
  image.set(home().u8.subarray(homeAt(), homeAt() + L.SIZE));
  const fd = openFd(CONTROL_FILE_PATH, flags);
  if (fd < 0) fileError('PANIC', `could not ${verb} file "${CONTROL_FILE_PATH}"`, fd);
  const written = writeAt(fd, image, CONTROL_FILE_SIZE, 0);
  if (written !== CONTROL_FILE_SIZE)
    fileError('PANIC', `could not write file "${CONTROL_FILE_PATH}"`, written < 0 ? written : native.ERRNO.ENOSPC);
  const synced = fsyncFd(fd, WAIT_EVENT.ControlFileSyncUpdate);
  if (synced < 0) fileError('PANIC', `could not fsync file "${CONTROL_FILE_PATH}"`, synced);
  const closed = native.closeFd(fd);
  if (closed < 0) fileError('PANIC', `could not close file "${CONTROL_FILE_PATH}"`, closed);
}
