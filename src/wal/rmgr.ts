/** rmgr.ts — what a resource manager can do with its records. The table of all of them is recovery/rmgr-list.ts.
 *  Counterpart: RmgrData of src/include/access/xlog_internal.h */
import type { DecodedRecord } from '#wal/decoded-record.ts';

export interface RmgrRow {
  /** As `pg_waldump --rmgr=list` prints it. */
  readonly name: string;
  /** Applies the record. Errors end recovery. */
  redo(record: DecodedRecord): void;
  /** What `pg_waldump` prints after "desc: " and the record's name. */
  describe(record: DecodedRecord): string;
  /** Name of the operation by xl_info (rmgr bits only); null when unknown. */
  identify(info: number): string | null;
  /** Before the first and after the last record of a recovery. */
  startup?(): void;
  cleanup?(): void;
  /** Hides what may differ between a page and its replayed twin (wal_consistency_checking). */
  mask?(pageAt: number, block: number): void;
}
