/** xact-record.ts — the WAL records of transactions: their layout, written and read.
 *
 *  COMMIT and ABORT: i64 time, then, if info has HAS_INFO, u32 xinfo and, each if its bit is set, in this order:
 *  dbinfo {u32 db, u32 tablespace}, subxacts {i32 n, u32…}, files {i32 n, 12 bytes each}, dropped statistics {i32 n, {i32
 *  kind, u32 db, u32 object}…}, invalidations {i32 n, 16 bytes each}, two-phase xid u32, gid with its NUL, origin {u64
 *  lsn, i64 time}. Nothing is aligned after the gid. ASSIGNMENT: {u32 top, i32 n, u32…}.
 *  Counterpart: src/include/access/xact.h, ParseCommitRecord() of src/backend/access/rmgrdesc/xactdesc.c,
 *  XactLogCommitRecord(), XactLogAbortRecord() of src/backend/access/transam/xact.c */
import type { Lsn, Oid, RelFileNode, TransactionId } from '#base/ids.ts';
import { settings } from '#runtime/guc/guc.ts';
import { mem } from '#shm/memory.ts';
import { type CommitInvalidations, type DroppedStats, NO_INVALIDATIONS, xactHooks } from '#transam/xact-hooks.ts';
import type { DecodedRecord } from '#wal/decoded-record.ts';
import {
  walScratch,
  XLOG_INCLUDE_ORIGIN,
  xlogBeginInsert,
  xlogInsert,
  xlogLogicalInfoActive,
  xlogRegisterData,
  xlogSetRecordFlags,
} from '#wal/insert.ts';
import { RM } from '#wal/rmgr-ids.ts';
import { myProcess } from '#runtime/my-process.ts';

export const XACT_OP = {
  commit: 0x00,
  prepare: 0x10,
  abort: 0x20,
  commitPrepared: 0x30,
  abortPrepared: 0x40,
  assignment: 0x50,
  invalidations: 0x60,
} as const;
export const XACT_OPMASK = 0x70;
const HAS_INFO = 0x80;
const SPECIAL_REL_UPDATE = 0x01;

export const XINFO = {
  dbInfo: 1 << 0,
  subxacts: 1 << 1,
  files: 1 << 2,
  invals: 1 << 3,
  twoPhase: 1 << 4,
  origin: 1 << 5,
  aeLocks: 1 << 6,
  gid: 1 << 7,
  droppedStats: 1 << 8,
  applyFeedback: 1 << 29,
  updateRelcacheFile: 1 << 30,
  forceSync: 0x8000_0000,
} as const;

export interface XactRecord {
  time: number;
  xinfo: number;
  databaseId: Oid;
  tablespaceId: Oid;
  subxacts: readonly TransactionId[];
  files: readonly RelFileNode[];
  stats: readonly DroppedStats[];
  invals: CommitInvalidations;
  twoPhaseXid: TransactionId;
  gid: string;
  originLsn: Lsn;
  originTime: number;
}
export const emptyXactRecord = (): XactRecord => ({
  time: 0,
  xinfo: 0,
  databaseId: 0 as Oid,
  tablespaceId: 0 as Oid,
  subxacts: [],
  files: [],
  stats: [],
  invals: NO_INVALIDATIONS,
  twoPhaseXid: 0 as TransactionId,
  gid: '',
  originLsn: 0 as Lsn,
  originTime: 0,
});

// ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

function putI64(at: number, value: number): void {
  mem.view.setUint32(at, value >>> 0, true);
  mem.view.setInt32(at + 4, Math.floor(value / 0x1_0000_0000), true);
}
export const getI64 = (at: number): number =>
  mem.view.getInt32(at + 4, true) * 0x1_0000_0000 + mem.view.getUint32(at, true);

/** What goes into a record beside what the caller says: called with the flags that are only flags. */
export interface XactRecordParts {
  readonly subxacts: readonly TransactionId[];
  readonly files: readonly RelFileNode[];
  readonly stats: readonly DroppedStats[];
  readonly invals: CommitInvalidations;
  readonly acquiredAccessExclusiveLock: boolean;
  readonly forceSync: boolean;
  /** 0, or of the prepared transaction that ends. */
  readonly twoPhaseXid: TransactionId;
  readonly gid: string;
}

export function logCommitRecord(time: number, parts: XactRecordParts): Lsn {
  const { invals, twoPhaseXid } = parts;
  let xinfo = 0;
  if (invals.relcacheInitFileInval) xinfo |= XINFO.updateRelcacheFile;
  if (parts.forceSync) xinfo |= XINFO.forceSync;
  if (parts.acquiredAccessExclusiveLock) xinfo |= XINFO.aeLocks;
  // The walreceiver of a standby reports at once that it has applied this.
  if (settings.synchronous_commit === 'remote_apply') xinfo |= XINFO.applyFeedback;
  if (invals.count > 0 || xlogLogicalInfoActive()) xinfo |= XINFO.dbInfo;
  if (invals.count > 0) xinfo |= XINFO.invals;
  if (twoPhaseXid !== 0) {
    xinfo |= XINFO.twoPhase;
    if (xlogLogicalInfoActive()) xinfo |= XINFO.gid;
  }
  if (xactHooks.origin().id !== 0) xinfo |= XINFO.origin;
  return logEnd(twoPhaseXid !== 0 ? XACT_OP.commitPrepared : XACT_OP.commit, time, xinfo, parts);
}

export function logAbortRecord(time: number, parts: XactRecordParts): Lsn {
  const { twoPhaseXid } = parts;
  let xinfo = 0;
  if (parts.acquiredAccessExclusiveLock) xinfo |= XINFO.aeLocks;
  if (twoPhaseXid !== 0) {
    xinfo |= XINFO.twoPhase;
    if (xlogLogicalInfoActive()) xinfo |= XINFO.gid | XINFO.dbInfo;
    if (xlogLogicalInfoActive() && xactHooks.origin().id !== 0) xinfo |= XINFO.origin;
  }
  return logEnd(twoPhaseXid !== 0 ? XACT_OP.abortPrepared : XACT_OP.abort, time, xinfo, parts);
}

function logEnd(op: number, time: number, flags: number, parts: XactRecordParts): Lsn {
  const { subxacts, files, stats, invals } = parts;
  let xinfo = flags;
  let info = op;
  if (subxacts.length > 0) xinfo |= XINFO.subxacts;
  if (files.length > 0) {
    xinfo |= XINFO.files;
    info |= SPECIAL_REL_UPDATE;
  }
  if (stats.length > 0) xinfo |= XINFO.droppedStats;
  if (xinfo !== 0) info |= HAS_INFO;
  const gid = (xinfo & XINFO.gid) !== 0 ? Buffer.from(`${parts.gid}\0`, 'utf8') : null;
  const size =
    8 +
    4 +
    8 +
    4 +
    4 * subxacts.length +
    4 +
    12 * files.length +
    4 +
    12 * stats.length +
    4 +
    16 * invals.count +
    4 +
    16;
  xlogBeginInsert();
  const start = walScratch(size + (gid?.length ?? 0));
  const { view } = mem;
  let at = start;
  const u32 = (value: number): void => {
    view.setUint32(at, value >>> 0, true);
    at += 4;
  };
  putI64(at, time);
  at += 8;
  if (xinfo !== 0) u32(xinfo);
  if ((xinfo & XINFO.dbInfo) !== 0) {
    u32(myProcess.databaseId);
    u32(xactHooks.databaseTablespace());
  }
  if (subxacts.length > 0) {
    u32(subxacts.length);
    for (const xid of subxacts) u32(xid);
  }
  if (files.length > 0) {
    u32(files.length);
    for (const file of files) {
      u32(file.spcNode);
      u32(file.dbNode);
      u32(file.relNode);
    }
  }
  if (stats.length > 0) {
    u32(stats.length);
    for (const one of stats) {
      u32(one.kind);
      u32(one.databaseId);
      u32(one.objectId);
    }
  }
  if ((xinfo & XINFO.invals) !== 0) {
    u32(invals.count);
    mem.u8.set(invals.messages.subarray(0, invals.count * 16), at);
    at += invals.count * 16;
  }
  if ((xinfo & XINFO.twoPhase) !== 0) u32(parts.twoPhaseXid);
  if (gid !== null) {
    mem.u8.set(gid, at);
    at += gid.length;
  }
  if ((xinfo & XINFO.origin) !== 0) {
    const origin = xactHooks.origin();
    putI64(at, origin.lsn);
    putI64(at + 8, origin.time);
    at += 16;
  }
  xlogRegisterData(start, at - start);
  xlogSetRecordFlags(XLOG_INCLUDE_ORIGIN);
  return xlogInsert(RM.xact, info);
}

/** The subtransactions belong to `top`. */
export function logAssignmentRecord(top: TransactionId, subxids: readonly TransactionId[]): void {
  xlogBeginInsert();
  const at = walScratch(8 + 4 * subxids.length);
  mem.view.setUint32(at, top, true);
  mem.view.setInt32(at + 4, subxids.length, true);
  for (let i = 0; i < subxids.length; i++) mem.view.setUint32(at + 8 + 4 * i, subxids[i]!, true);
  xlogRegisterData(at, 8 + 4 * subxids.length);
  xlogInsert(RM.xact, XACT_OP.assignment);
}
/** wal_level logical: what a command has invalidated, for those who decode before the commit. */
export function logXactInvalidations(messages: Uint8Array, count: number): void {
  xlogBeginInsert();
  const at = walScratch(4 + 16 * count);
  mem.view.setInt32(at, count, true);
  mem.u8.set(messages.subarray(0, 16 * count), at + 4);
  xlogRegisterData(at, 4 + 16 * count);
  xlogInsert(RM.xact, XACT_OP.invalidations);
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

export function readXids(at: number, count: number): TransactionId[] {
  const xids: TransactionId[] = [];
  for (let i = 0; i < count; i++) xids.push(mem.view.getUint32(at + 4 * i, true) as TransactionId);
  return xids;
}
export function readFiles(at: number, count: number): RelFileNode[] {
  const files: RelFileNode[] = [];
  for (let i = 0; i < count; i++) {
    const one = at + 12 * i;
    files.push({
      spcNode: mem.view.getUint32(one, true) as Oid,
      dbNode: mem.view.getUint32(one + 4, true) as Oid,
      relNode: mem.view.getUint32(one + 8, true) as Oid,
    });
  }
  return files;
}
export function readStats(at: number, count: number): DroppedStats[] {
  const stats: DroppedStats[] = [];
  for (let i = 0; i < count; i++) {
    const one = at + 12 * i;
    stats.push({
      kind: mem.view.getInt32(one, true),
      databaseId: mem.view.getUint32(one + 4, true) as Oid,
      objectId: mem.view.getUint32(one + 8, true) as Oid,
    });
  }
  return stats;
}
/** NUL-terminated. */
export function readGid(at: number): string {
  let end = at;
  while (mem.u8[end] !== 0) end++;
  return Buffer.from(mem.u8.slice(at, end)).toString('utf8');
}

/** A COMMIT, ABORT, or one of their _PREPARED kin. */
export function parseXactRecord(record: DecodedRecord): XactRecord {
  const parsed = emptyXactRecord();
  const { view } = mem;
  let at = record.mainAt;
  parsed.time = getI64(at);
  at += 8;
  if ((record.info & HAS_INFO) === 0) return parsed;
  const xinfo = view.getUint32(at, true);
  parsed.xinfo = xinfo;
  at += 4;
  if ((xinfo & XINFO.dbInfo) !== 0) {
    parsed.databaseId = view.getUint32(at, true) as Oid;
    parsed.tablespaceId = view.getUint32(at + 4, true) as Oid;
    at += 8;
  }
  if ((xinfo & XINFO.subxacts) !== 0) {
    const count = view.getInt32(at, true);
    parsed.subxacts = readXids(at + 4, count);
    at += 4 + 4 * count;
  }
  if ((xinfo & XINFO.files) !== 0) {
    const count = view.getInt32(at, true);
    parsed.files = readFiles(at + 4, count);
    at += 4 + 12 * count;
  }
  if ((xinfo & XINFO.droppedStats) !== 0) {
    const count = view.getInt32(at, true);
    parsed.stats = readStats(at + 4, count);
    at += 4 + 12 * count;
  }
  if ((xinfo & XINFO.invals) !== 0) {
    const count = view.getInt32(at, true);
    parsed.invals = {
      messages: mem.u8.slice(at + 4, at + 4 + 16 * count),
      count,
      relcacheInitFileInval: (xinfo & XINFO.updateRelcacheFile) !== 0,
    };
    at += 4 + 16 * count;
  }
  if ((xinfo & XINFO.twoPhase) !== 0) {
    parsed.twoPhaseXid = view.getUint32(at, true) as TransactionId;
    at += 4;
    if ((xinfo & XINFO.gid) !== 0) {
      parsed.gid = readGid(at);
      at += Buffer.byteLength(parsed.gid) + 1;
    }
  }
  if ((xinfo & XINFO.origin) !== 0) {
    parsed.originLsn = getI64(at) as Lsn;
    parsed.originTime = getI64(at + 8);
  }
  return parsed;
}
