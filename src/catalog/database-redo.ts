/** database-redo.ts — replaying CREATE and DROP DATABASE, and the parts of both that redo shares with the commands.
 *
 *  CREATE … STRATEGY file_copy is replayed by copying the template's folder as it is at that point of replay, wal_log by
 *  making an empty folder whose files other records fill. A folder that is missing because its tablespace is dropped later
 *  in the log is made, as long as consistency is not reached.
 *  Counterpart: dbase_redo(), recovery_create_dbdir(), CreateDirAndVersionFile() of src/backend/commands/dbcommands.c,
 *  src/backend/access/rmgrdesc/dbasedesc.c */
import type { Oid } from '#base/ids.ts';
import { releaseRelationFilesEverywhere } from '#catalog/tablespace-folders.ts';
import { makeDirectory, statIfExists } from '#platform/file-system.ts';
import { native } from '#platform/native.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { mem } from '#shm/memory.ts';
import { dropDatabaseBuffers } from '#storage/buffer/drop-buffers.ts';
import { flushDatabaseBuffers } from '#storage/buffer/flush.ts';
import { xlogDropDatabase } from '#storage/buffer/redo-buffers.ts';
import { E, fileFailure } from '#storage/file/file-error.ts';
import { copyDirectory, errnoOf, removeTree } from '#storage/file/folder-tree.ts';
import { databasePath, VERSION_FILE } from '#storage/file/paths.ts';
import {
  closeTransientFile,
  dataSyncElevel,
  fsyncFname,
  O,
  openTransientFile,
  syncDescriptor,
} from '#storage/file/virtual-files.ts';
import { forgetDatabaseSyncRequests } from '#storage/smgr/md.ts';
import type { DecodedRecord } from '#wal/decoded-record.ts';
import { walScratch, xlogBeginInsert, xlogInsert, xlogRegisterData } from '#wal/insert.ts';
import { inHotStandby, replay } from '#wal/recovery-state.ts';
import type { RmgrRow } from '#wal/rmgr.ts';
import { RM } from '#wal/rmgr-ids.ts';
import { XLR_RMGR_INFO_MASK } from '#wal/wal-format.ts';

export const XLOG_DBASE_CREATE_FILE_COPY = 0x00;
export const XLOG_DBASE_CREATE_WAL_LOG = 0x10;
export const XLOG_DBASE_DROP = 0x20;

const VERSION_TEXT = Buffer.from('15\n');

/** Makes a database's folder and the file PG_VERSION in it, and logs that unless it is being replayed. */
export function createFolderAndVersionFile(folder: string, dbNode: Oid, spcNode: Oid, isRedo: boolean): void {
  const made = errnoOf(() => makeDirectory(folder));
  if (made < 0 && (made !== -E.EXIST || !isRedo)) fileFailure('ERROR', `could not create directory "${folder}"`, made);
  const path = `${folder}/${VERSION_FILE}`;
  let fd = openTransientFile(path, O.WRONLY | O.CREAT | O.EXCL);
  if (fd === -E.EXIST && isRedo) fd = openTransientFile(path, O.WRONLY | O.TRUNC);
  if (fd < 0) fileFailure('ERROR', `could not create file "${path}"`, fd);
  const written = native.writeBytes(fd, VERSION_TEXT, 0, VERSION_TEXT.length);
  if (written !== VERSION_TEXT.length)
    fileFailure('ERROR', `could not write to file "${path}"`, written < 0 ? written : -E.NOSPC);
  const synced = syncDescriptor(fd);
  if (synced < 0) fileFailure(dataSyncElevel('ERROR'), `could not fsync file "${path}"`, synced);
  fsyncFname(folder, true);
  closeTransientFile(fd);
  if (isRedo) return;
  beginCritical();
  xlogBeginInsert();
  const at = walScratch(8);
  mem.view.setUint32(at, dbNode, true);
  mem.view.setUint32(at + 4, spcNode, true);
  xlogRegisterData(at, 8);
  xlogInsert(RM.dbase, XLOG_DBASE_CREATE_WAL_LOG);
  endCritical();
}

/** What a standby must settle with its sessions before a database goes; and replication slots of that database. */
export interface DatabaseDropHooks {
  /** Locks the database against new sessions and ends those there are. */
  beginConflict(database: Oid): void;
  endConflict(database: Oid): void;
  dropSlots(database: Oid): void;
}
const hooks: Partial<DatabaseDropHooks> = {};
export function setDatabaseDropHooks(some: Partial<DatabaseDropHooks>): void {
  Object.assign(hooks, some);
}

/** Removes a database's folder in a tablespace, with a warning where that fails. */
export function removeDatabaseFolder(folder: string): void {
  if (removeTree(folder, true)) return;
  report('WARNING', { message: `some useless files may be left behind in old database directory "${folder}"` });
}

/** Makes a folder that replay misses. `onlyTablespace`: it can be missing only below pg_tblspc. */
function createMissingFolder(path: string, onlyTablespace: boolean): void {
  if (statIfExists(path) !== undefined) return;
  if (onlyTablespace && !path.includes('pg_tblspc/'))
    report('PANIC', { message: `requested to created invalid directory: ${path}` });
  if (replay.reachedConsistency && !settings.allow_in_place_tablespaces)
    report('PANIC', { message: `missing directory "${path}"` });
  report(replay.reachedConsistency ? 'WARNING' : 'DEBUG1', { message: `creating missing directory: ${path}` });
  const parts = path.split('/');
  for (let i = 1; i <= parts.length; i++) {
    const part = parts.slice(0, i).join('/');
    const result = errnoOf(() => makeDirectory(part));
    if (result < 0 && result !== -E.EXIST) fileFailure('PANIC', `could not create missing directory "${path}"`, result);
  }
}
const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/'));
const word = (record: DecodedRecord, index: number): Oid => mem.view.getUint32(record.mainAt + 4 * index, true) as Oid;

function redoFileCopy(record: DecodedRecord): void {
  const target = databasePath(word(record, 0), word(record, 1));
  const source = databasePath(word(record, 2), word(record, 3));
  // What an earlier replay of the same record left is thrown away.
  if (statIfExists(target)?.isDirectory === true) removeDatabaseFolder(target);
  createMissingFolder(parentOf(target), true);
  if (statIfExists(source) === undefined) createMissingFolder(source, false);
  // The copy is made from files, which must be as new as the buffers.
  flushDatabaseBuffers(word(record, 2));
  releaseRelationFilesEverywhere();
  copyDirectory(source, target, false);
}

function redoWalLog(record: DecodedRecord): void {
  const folder = databasePath(word(record, 0), word(record, 1));
  createMissingFolder(parentOf(folder), true);
  createFolderAndVersionFile(folder, word(record, 0), word(record, 1), true);
}

function redoDrop(record: DecodedRecord): void {
  const database = word(record, 0);
  const standby = inHotStandby();
  if (standby) {
    if (hooks.beginConflict === undefined || hooks.endConflict === undefined)
      report('PANIC', {
        code: SQLSTATE.featureNotSupported,
        message: 'recovery conflicts with sessions of a dropped database are not supported yet',
      });
    hooks.beginConflict!(database);
  }
  hooks.dropSlots?.(database);
  dropDatabaseBuffers(database);
  forgetDatabaseSyncRequests(database);
  xlogDropDatabase(database);
  releaseRelationFilesEverywhere();
  const count = mem.view.getInt32(record.mainAt + 4, true);
  for (let i = 0; i < count; i++) removeDatabaseFolder(databasePath(database, word(record, 2 + i)));
  if (standby) hooks.endConflict!(database);
}

export const databaseRmgr: RmgrRow = {
  name: 'Database',
  redo(record) {
    const info = record.info & XLR_RMGR_INFO_MASK;
    if (info === XLOG_DBASE_CREATE_FILE_COPY) redoFileCopy(record);
    else if (info === XLOG_DBASE_CREATE_WAL_LOG) redoWalLog(record);
    else if (info === XLOG_DBASE_DROP) redoDrop(record);
    else report('PANIC', { message: `dbase_redo: unknown op code ${info}` });
  },
  describe(record) {
    const info = record.info & XLR_RMGR_INFO_MASK;
    const pair = (database: number, tablespace: number): string =>
      `${word(record, tablespace)}/${word(record, database)}`;
    if (info === XLOG_DBASE_CREATE_FILE_COPY) return `copy dir ${pair(2, 3)} to ${pair(0, 1)}`;
    if (info === XLOG_DBASE_CREATE_WAL_LOG) return `create dir ${pair(0, 1)}`;
    const count = mem.view.getInt32(record.mainAt + 4, true);
    return `dir${Array.from({ length: count }, (_, i) => ` ${pair(0, 2 + i)}`).join('')}`;
  },
  identify(info) {
    const names: Readonly<Record<number, string>> = {
      [XLOG_DBASE_CREATE_FILE_COPY]: 'CREATE_FILE_COPY',
      [XLOG_DBASE_CREATE_WAL_LOG]: 'CREATE_WAL_LOG',
      [XLOG_DBASE_DROP]: 'DROP',
    };
    return names[info & XLR_RMGR_INFO_MASK] ?? null;
  },
};
