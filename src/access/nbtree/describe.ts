/** describe.ts — the words of pg_waldump for records of resource manager Btree.
 *  Counterpart: src/backend/access/rmgrdesc/nbtdesc.c */
import { RMGR_INFO_MASK, XLOG_BTREE } from '#access/nbtree/wal-records.ts';
import { mem } from '#shm/memory.ts';
import type { DecodedRecord } from '#wal/decoded-record.ts';

const u16 = (at: number): number => mem.view.getUint16(at, true);
const u32 = (at: number): number => mem.view.getUint32(at, true);

export function describeBtree(record: DecodedRecord): string {
  const at = record.mainAt;
  switch (record.info & RMGR_INFO_MASK) {
    case XLOG_BTREE.insertLeaf:
    case XLOG_BTREE.insertUpper:
    case XLOG_BTREE.insertMeta:
    case XLOG_BTREE.insertPost:
      return `off ${u16(at)}`;
    case XLOG_BTREE.splitL:
    case XLOG_BTREE.splitR:
      return `level ${u32(at)}, firstrightoff ${u16(at + 4)}, newitemoff ${u16(at + 6)}, postingoff ${u16(at + 8)}`;
    case XLOG_BTREE.dedup:
      return `nintervals ${u16(at)}`;
    case XLOG_BTREE.vacuum:
      return `ndeleted ${u16(at)}; nupdated ${u16(at + 2)}`;
    case XLOG_BTREE.delete:
      return `latestRemovedXid ${u32(at)}; ndeleted ${u16(at + 4)}; nupdated ${u16(at + 6)}`;
    case XLOG_BTREE.markPageHalfDead:
      return `topparent ${u32(at + 16)}; leaf ${u32(at + 4)}; left ${u32(at + 8)}; right ${u32(at + 12)}`;
    case XLOG_BTREE.unlinkPage:
    case XLOG_BTREE.unlinkPageMeta:
      return (
        `left ${u32(at)}; right ${u32(at + 4)}; level ${u32(at + 8)}; safexid ${u32(at + 20)}:${u32(at + 16)}; ` +
        `leafleft ${u32(at + 24)}; leafright ${u32(at + 28)}; leaftopparent ${u32(at + 32)}`
      );
    case XLOG_BTREE.newRoot:
      return `lev ${u32(at + 4)}`;
    case XLOG_BTREE.reusePage:
      return `rel ${u32(at)}/${u32(at + 4)}/${u32(at + 8)}; latestRemovedXid ${u32(at + 20)}:${u32(at + 16)}`;
    case XLOG_BTREE.metaCleanup:
      return `last_cleanup_num_delpages ${u32(record.blocks[0]!.dataAt + 20)}`;
    default:
      return '';
  }
}

const NAMES: Readonly<Record<number, string>> = {
  [XLOG_BTREE.insertLeaf]: 'INSERT_LEAF',
  [XLOG_BTREE.insertUpper]: 'INSERT_UPPER',
  [XLOG_BTREE.insertMeta]: 'INSERT_META',
  [XLOG_BTREE.splitL]: 'SPLIT_L',
  [XLOG_BTREE.splitR]: 'SPLIT_R',
  [XLOG_BTREE.insertPost]: 'INSERT_POST',
  [XLOG_BTREE.dedup]: 'DEDUP',
  [XLOG_BTREE.vacuum]: 'VACUUM',
  [XLOG_BTREE.delete]: 'DELETE',
  [XLOG_BTREE.markPageHalfDead]: 'MARK_PAGE_HALFDEAD',
  [XLOG_BTREE.unlinkPage]: 'UNLINK_PAGE',
  [XLOG_BTREE.unlinkPageMeta]: 'UNLINK_PAGE_META',
  [XLOG_BTREE.newRoot]: 'NEWROOT',
  [XLOG_BTREE.reusePage]: 'REUSE_PAGE',
  [XLOG_BTREE.metaCleanup]: 'META_CLEANUP',
};
export const btreeIdentify = (info: number): string | null => NAMES[info & RMGR_INFO_MASK] ?? null;
