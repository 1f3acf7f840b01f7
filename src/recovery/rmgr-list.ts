/** rmgr-list.ts — the TABLE of resource managers: whose record is replayed by whom. Row i is xl_rmid i.
 *  Counterpart: src/include/access/rmgrlist.h */
import { heap2Rmgr, heapRmgr } from '#access/heap/heap-rmgr.ts';
import { btreeRmgr } from '#access/nbtree/nbtree-rmgr.ts';
import { sequenceRmgr } from '#access/sequence/sequence-rmgr.ts';
import { databaseRmgr } from '#catalog/database-redo.ts';
import { relmapRmgr } from '#catalog/relmap.ts';
import { smgrRmgr } from '#catalog/storage.ts';
import { tablespaceRmgr } from '#catalog/tablespace-redo.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import {
  BRIN_WORDS,
  GIN_WORDS,
  GIST_WORDS,
  HASH_WORDS,
  type RecordWords,
  SPGIST_WORDS,
} from '#recovery/index-descriptions.ts';
import { GENERIC_WORDS, MESSAGE_WORDS, ORIGIN_WORDS } from '#recovery/other-descriptions.ts';
import { xlogRmgr } from '#recovery/xlog-redo.ts';
import { clogRmgr } from '#transam/clog.ts';
import { commitTsRmgr } from '#transam/commit-ts.ts';
import { multixactRmgr } from '#transam/multixact-redo.ts';
import { standbyRmgr } from '#transam/standby.ts';
import { xactRmgr } from '#transam/xact-redo.ts';
import type { RmgrRow } from '#wal/rmgr.ts';

/** What nobody here writes: a log that has it is another server's. */
function missing(name: string, words: RecordWords): RmgrRow {
  return {
    name,
    redo(record) {
      report('PANIC', {
        code: SQLSTATE.featureNotSupported,
        message: `WAL records of resource manager ${name} (ID ${record.rmid}) cannot be replayed`,
      });
    },
    ...words,
  };
}

export const RMGRS: readonly RmgrRow[] = [
  xlogRmgr,
  xactRmgr,
  smgrRmgr,
  clogRmgr,
  databaseRmgr,
  tablespaceRmgr,
  multixactRmgr,
  relmapRmgr,
  standbyRmgr,
  heap2Rmgr,
  heapRmgr,
  btreeRmgr,
  missing('Hash', HASH_WORDS),
  missing('Gin', GIN_WORDS),
  missing('Gist', GIST_WORDS),
  sequenceRmgr,
  missing('SPGist', SPGIST_WORDS),
  missing('BRIN', BRIN_WORDS),
  commitTsRmgr,
  missing('ReplicationOrigin', ORIGIN_WORDS),
  missing('Generic', GENERIC_WORDS),
  missing('LogicalMessage', MESSAGE_WORDS),
];

export function rmgrOf(id: number): RmgrRow {
  const row = RMGRS[id];
  if (row !== undefined) return row;
  return report('ERROR', {
    message: `resource manager with ID ${id} not registered`,
    hint: 'Include the extension module that implements this resource manager in shared_preload_libraries.',
  });
}

/** `Heap/INSERT: desc`, as it stands in errors of replay and in debug output. */
export function describeRecord(record: Parameters<RmgrRow['describe']>[0]): string {
  const rmgr = rmgrOf(record.rmid);
  const name = rmgr.identify(record.info & 0xf0) ?? `UNKNOWN (${(record.info & 0xf0).toString(16).toUpperCase()})`;
  return `${rmgr.name}/${name}: ${rmgr.describe(record)}`;
}
