/** snapshot-export.ts — giving a snapshot to other sessions of the same database, through a small text file.
 *
 *  The exporting transaction keeps the snapshot alive; who imports it takes over its xmin while that transaction still
 *  runs. Because the exporter's own xid is in progress for everybody else, it stands in the file's list.
 *  Counterpart: ExportSnapshot(), ImportSnapshot() of src/backend/utils/time/snapmgr.c */
import type { TransactionId } from '#base/ids.ts';
import { xidIsNormal, xidPrecedes } from '#base/xid.ts';
import {
  exists,
  FileError,
  listDirectory,
  readTextFile,
  removeFile,
  renameFile,
  writeFile,
} from '#platform/file-system.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { myProcess } from '#runtime/my-process.ts';
import { mem } from '#shm/memory.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { procAt } from '#shm/proc.ts';
import { fileFailure } from '#storage/file/file-error.ts';
import { SNAPSHOT_EXPORT_DIRECTORY } from '#storage/file/paths.ts';
import { setSerializableTransactionSnapshot } from '#storage/lmgr/predicate.ts';
import { procArrayInstallImportedXmin, type VirtualTransactionId } from '#transam/proc-array.ts';
import { MAX_CACHED_SUBXIDS, maxProcArrayEntries } from '#transam/proc-array-layout.ts';
import {
  currentTransactionSnapshot,
  exportedSnapshotCount,
  isFirstSnapshotSet,
  isolationIsSerializable,
  isolationUsesXactSnapshot,
  keepExportedSnapshot,
  setTransactionSnapshot,
} from '#transam/snapshot.ts';
import { copySnapshot, newSnapshot, type Snapshot } from '#transam/snapshot-data.ts';
import { getTopTransactionIdIfAny, topState, xactStack } from '#transam/xact-stack.ts';

const ISOLATION = ['read uncommitted', 'read committed', 'repeatable read', 'serializable'];
const hex8 = (value: number): string => value.toString(16).toUpperCase().padStart(8, '0');
const maxXip = maxProcArrayEntries;
const maxSubxip = (): number => (MAX_CACHED_SUBXIDS + 1) * maxProcArrayEntries();

/** Returns the identifier to give to others. */
export function exportSnapshot(snapshot: Snapshot): string {
  const topXid = getTopTransactionIdIfAny();
  // A rollback of the subtransaction would pull the snapshot away from under its importers.
  if (xactStack.current.nestingLevel >= 2)
    report('ERROR', {
      code: SQLSTATE.activeSqlTransaction,
      message: 'cannot export a snapshot from a subtransaction',
    });
  const children = topState.childXids;
  const me = procAt(myProcess.procNumber);
  const backendId = PgProc.backendId.get(mem, me);
  const lxid = PgProc.localTransactionId.get(mem, me);
  const id = `${hex8(backendId)}-${hex8(lxid)}-${exportedSnapshotCount() + 1}`;
  const path = `${SNAPSHOT_EXPORT_DIRECTORY}/${id}`;
  keepExportedSnapshot(path, copySnapshot(snapshot));

  const lines = [
    `vxid:${backendId}/${lxid}`,
    `pid:${myProcess.pid}`,
    `dbid:${myProcess.databaseId}`,
    `iso:${ISOLATION.indexOf(settings.transaction_isolation)}`,
    `ro:${settings.transaction_read_only ? 1 : 0}`,
    `xmin:${snapshot.xmin}`,
    `xmax:${snapshot.xmax}`,
  ];
  const withTop = topXid !== 0 && xidPrecedes(topXid, snapshot.xmax);
  lines.push(`xcnt:${snapshot.xcnt + (withTop ? 1 : 0)}`);
  for (let i = 0; i < snapshot.xcnt; i++) lines.push(`xip:${snapshot.xip[i]}`);
  if (withTop) lines.push(`xip:${topXid}`);
  if (snapshot.suboverflowed || snapshot.subxcnt + children.length > maxSubxip()) lines.push('sof:1');
  else {
    lines.push('sof:0', `sxcnt:${snapshot.subxcnt + children.length}`);
    for (let i = 0; i < snapshot.subxcnt; i++) lines.push(`sxp:${snapshot.subxip[i]}`);
    for (const child of children) lines.push(`sxp:${child}`);
  }
  lines.push(`rec:${snapshot.takenDuringRecovery ? 1 : 0}`, '');
  try {
    // Under another name until it is complete: a reader must not see half of it.
    writeFile(`${path}.tmp`, lines.join('\n'));
  } catch (caught) {
    if (caught instanceof FileError) fileFailure('ERROR', `could not create file "${path}.tmp"`, caught.errno);
    throw caught;
  }
  try {
    renameFile(`${path}.tmp`, path);
  } catch (caught) {
    if (caught instanceof FileError)
      fileFailure('ERROR', `could not rename file "${path}.tmp" to "${path}"`, caught.errno);
    throw caught;
  }
  return id;
}

/** The transaction is over: nobody can import from it any more. */
export function removeExportedSnapshotFile(path: string): void {
  try {
    removeFile(path);
  } catch (caught) {
    if (!(caught instanceof FileError)) throw caught;
    report('WARNING', { message: `could not unlink file "${path}": ${caught.reason}` });
  }
}
/** At server start: whoever exported them is gone. */
export function deleteAllExportedSnapshotFiles(): void {
  if (!exists(SNAPSHOT_EXPORT_DIRECTORY)) return;
  for (const name of listDirectory(SNAPSHOT_EXPORT_DIRECTORY)) {
    const path = `${SNAPSHOT_EXPORT_DIRECTORY}/${name}`;
    try {
      removeFile(path);
    } catch (caught) {
      if (!(caught instanceof FileError)) throw caught;
      report('LOG', { message: `could not remove file "${path}": ${caught.reason}` });
    }
  }
}

/** Reads `name:value` lines in their fixed order. */
class SnapshotFile {
  #at = 0;
  readonly #lines: string[];
  constructor(
    readonly path: string,
    text: string,
  ) {
    this.#lines = text.split('\n');
  }
  refuse(): never {
    return report('ERROR', {
      code: SQLSTATE.invalidTextRepresentation,
      message: `invalid snapshot data in file "${this.path}"`,
    });
  }
  text(name: string): string {
    const line = this.#lines[this.#at++] ?? this.refuse();
    if (!line.startsWith(`${name}:`)) this.refuse();
    return line.slice(name.length + 1);
  }
  integer(name: string): number {
    const text = this.text(name);
    if (!/^\d{1,10}$/.test(text)) this.refuse();
    return Number(text);
  }
  xid(name: string): TransactionId {
    return this.integer(name) as TransactionId;
  }
  vxid(name: string): VirtualTransactionId {
    const parts = /^(\d+)\/(\d+)$/.exec(this.text(name)) ?? this.refuse();
    return { backendId: Number(parts[1]), localTransactionId: Number(parts[2]) };
  }
  xids(name: string, count: number): Uint32Array {
    const xids = new Uint32Array(count);
    for (let i = 0; i < count; i++) xids[i] = this.xid(name);
    return xids;
  }
}

/** SET TRANSACTION SNAPSHOT. */
export function importSnapshot(id: string): void {
  if (isFirstSnapshotSet() || getTopTransactionIdIfAny() !== 0 || xactStack.current.nestingLevel >= 2)
    report('ERROR', {
      code: SQLSTATE.activeSqlTransaction,
      message: 'SET TRANSACTION SNAPSHOT must be called before any query',
    });
  if (!isolationUsesXactSnapshot())
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'a snapshot-importing transaction must have isolation level SERIALIZABLE or REPEATABLE READ',
    });
  const unknown = (): never =>
    report('ERROR', { code: SQLSTATE.invalidParameterValue, message: `invalid snapshot identifier: "${id}"` });
  // It becomes part of a path.
  if (!/^[0-9A-F-]*$/.test(id)) unknown();
  const path = `${SNAPSHOT_EXPORT_DIRECTORY}/${id}`;
  let text = '';
  try {
    text = readTextFile(path);
  } catch (caught) {
    if (caught instanceof FileError) unknown();
    throw caught;
  }
  const file = new SnapshotFile(path, text);
  const source = file.vxid('vxid');
  const pid = file.integer('pid');
  const database = file.integer('dbid');
  const isolation = file.integer('iso');
  const readOnly = file.integer('ro') !== 0;
  const snapshot = newSnapshot('mvcc');
  snapshot.xmin = file.xid('xmin');
  snapshot.xmax = file.xid('xmax');
  snapshot.xcnt = file.integer('xcnt');
  if (snapshot.xcnt > maxXip()) file.refuse();
  snapshot.xip = file.xids('xip', snapshot.xcnt);
  snapshot.suboverflowed = file.integer('sof') !== 0;
  if (!snapshot.suboverflowed) {
    snapshot.subxcnt = file.integer('sxcnt');
    if (snapshot.subxcnt > maxSubxip()) file.refuse();
    snapshot.subxip = file.xids('sxp', snapshot.subxcnt);
  }
  snapshot.takenDuringRecovery = file.integer('rec') !== 0;
  if (source.localTransactionId === 0 || database === 0 || !xidIsNormal(snapshot.xmin) || !xidIsNormal(snapshot.xmax))
    file.refuse();
  checkCompatible(isolation, readOnly, database);
  setTransactionSnapshot(
    snapshot,
    () => {
      if (!procArrayInstallImportedXmin(snapshot.xmin, source))
        report('ERROR', {
          code: SQLSTATE.objectNotInPrerequisiteState,
          message: 'could not import the requested snapshot',
          detail: `The source process with PID ${pid} is not running anymore.`,
        });
    },
    () =>
      setSerializableTransactionSnapshot(
        currentTransactionSnapshot(),
        source.backendId,
        source.localTransactionId,
        pid,
      ),
  );
}

function checkCompatible(isolation: number, readOnly: boolean, database: number): void {
  const refuse = (message: string): never => report('ERROR', { code: SQLSTATE.featureNotSupported, message });
  if (isolationIsSerializable()) {
    if (ISOLATION[isolation] !== 'serializable')
      refuse('a serializable transaction cannot import a snapshot from a non-serializable transaction');
    if (readOnly && !settings.transaction_read_only)
      refuse('a non-read-only serializable transaction cannot import a snapshot from a read-only transaction');
  }
  if (database !== myProcess.databaseId) refuse('cannot import a snapshot from a different database');
}
