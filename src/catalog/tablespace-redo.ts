/** tablespace-redo.ts — replaying CREATE and DROP TABLESPACE.
 *  Counterpart: tblspc_redo() of src/backend/commands/tablespace.c, tblspc_desc() */
import type { Oid } from '#base/ids.ts';
import {
  createTablespaceFolders,
  destroyTablespaceFolders,
  releaseRelationFilesEverywhere,
  XLOG_TBLSPC_CREATE,
  XLOG_TBLSPC_DROP,
} from '#catalog/tablespace-folders.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { mem } from '#shm/memory.ts';
import type { DecodedRecord } from '#wal/decoded-record.ts';
import { inHotStandby } from '#wal/recovery-state.ts';
import type { RmgrRow } from '#wal/rmgr.ts';
import { XLR_RMGR_INFO_MASK } from '#wal/wal-format.ts';

const tablespaceOf = (record: DecodedRecord): Oid => mem.view.getUint32(record.mainAt, true) as Oid;
/** The NUL-terminated path behind the OID. */
function locationOf(record: DecodedRecord): string {
  const start = record.mainAt + 4;
  const end = mem.u8.indexOf(0, start);
  return Buffer.from(mem.u8.slice(start, end)).toString('utf8');
}

/** Ends sessions of a standby that keep temporary files in a tablespace. */
let resolveConflict: ((tablespace: Oid) => void) | null = null;
export function setTablespaceConflictResolver(resolve: (tablespace: Oid) => void): void {
  resolveConflict = resolve;
}

function redoDrop(tablespace: Oid): void {
  releaseRelationFilesEverywhere();
  if (destroyTablespaceFolders(tablespace, true)) return;
  // It was empty when it was dropped: what is left are temporary files of this standby's sessions.
  if (inHotStandby() && resolveConflict !== null) resolveConflict(tablespace);
  if (destroyTablespaceFolders(tablespace, true)) return;
  report('LOG', {
    code: SQLSTATE.objectNotInPrerequisiteState,
    message: `directories for tablespace ${tablespace} could not be removed`,
    hint: 'You can remove the directories manually if necessary.',
  });
}

export const tablespaceRmgr: RmgrRow = {
  name: 'Tablespace',
  redo(record) {
    const info = record.info & XLR_RMGR_INFO_MASK;
    if (info === XLOG_TBLSPC_CREATE) createTablespaceFolders(locationOf(record), tablespaceOf(record));
    else if (info === XLOG_TBLSPC_DROP) redoDrop(tablespaceOf(record));
    else report('PANIC', { message: `tblspc_redo: unknown op code ${info}` });
  },
  describe(record) {
    const tablespace = `${tablespaceOf(record)}`;
    return (record.info & XLR_RMGR_INFO_MASK) === XLOG_TBLSPC_CREATE
      ? `${tablespace} "${locationOf(record)}"`
      : tablespace;
  },
  identify(info) {
    const code = info & XLR_RMGR_INFO_MASK;
    return code === XLOG_TBLSPC_CREATE ? 'CREATE' : code === XLOG_TBLSPC_DROP ? 'DROP' : null;
  },
};
