/** decoded-record.ts — a WAL record taken apart. One object is reused by its reader: it is valid until the next read.
 *
 *  All data lies in the private window of `mem`, main data and block data 8-byte aligned, so struct accessors work.
 *  Counterpart: DecodedXLogRecord of src/include/access/xlogreader.h */
import type { BlockNumber, ForkNumber, Lsn, Oid, RelFileNode, TransactionId } from '#base/ids.ts';

export interface DecodedBlock {
  inUse: boolean;
  rnode: RelFileNode;
  fork: ForkNumber;
  block: BlockNumber;
  /** fork_flags of the block header: BKPBLOCK bits and fork number. */
  flags: number;
  hasImage: boolean;
  /** The image is to be restored, not only checked against. */
  applyImage: boolean;
  imageAt: number;
  imageLength: number;
  holeOffset: number;
  holeLength: number;
  bimgInfo: number;
  hasData: boolean;
  dataAt: number;
  dataLength: number;
}

export interface DecodedRecord {
  lsn: Lsn;
  endLsn: Lsn;
  prevLsn: Lsn;
  totalLength: number;
  xid: TransactionId;
  rmid: number;
  /** xl_info, all eight bits. */
  info: number;
  /** 0 unless the record carries its top-level transaction. */
  topXid: TransactionId;
  origin: number;
  mainAt: number;
  mainLength: number;
  /** -1 without block references. */
  maxBlockId: number;
  readonly blocks: DecodedBlock[];
}

const NO_NODE: RelFileNode = { spcNode: 0 as Oid, dbNode: 0 as Oid, relNode: 0 as Oid };
const emptyBlock = (): DecodedBlock => ({
  inUse: false,
  rnode: NO_NODE,
  fork: 0,
  block: 0 as BlockNumber,
  flags: 0,
  hasImage: false,
  applyImage: false,
  imageAt: 0,
  imageLength: 0,
  holeOffset: 0,
  holeLength: 0,
  bimgInfo: 0,
  hasData: false,
  dataAt: 0,
  dataLength: 0,
});

/** Room for XLR_MAX_BLOCK_ID + 1 references. */
export function newDecodedRecord(): DecodedRecord {
  return {
    lsn: 0 as Lsn,
    endLsn: 0 as Lsn,
    prevLsn: 0 as Lsn,
    totalLength: 0,
    xid: 0 as TransactionId,
    rmid: 0,
    info: 0,
    topXid: 0 as TransactionId,
    origin: 0,
    mainAt: 0,
    mainLength: 0,
    maxBlockId: -1,
    blocks: Array.from({ length: 33 }, emptyBlock),
  };
}
