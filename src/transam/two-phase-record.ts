/** two-phase-record.ts — what a prepared transaction is in the WAL and on disk: the same bytes.
 *
 *    header 72 | gid | subxids | files to delete at commit | at abort | dropped statistics at commit | at abort |
 *    invalidations | records {u32 length, u8 rmid, u16 info at 6, data} … | end record | (file only) crc32c u32
 *  Every part begins at a multiple of 8.
 *  Counterpart: TwoPhaseFileHeader, TwoPhaseRecordOnDisk, StartPrepare() and EndPrepare() of twophase.c */
import type { Lsn, Oid, RelFileNode, TransactionId } from '#base/ids.ts';
import { assert } from '#base/assert.ts';
import { mem } from '#shm/memory.ts';
import type { CommitInvalidations, DroppedStats } from '#transam/xact-hooks.ts';
import { getI64, readFiles, readGid, readStats, readXids } from '#transam/xact-record.ts';

export const TWOPHASE_MAGIC = 0x57f9_4534;
export const TWO_PHASE_RM = { end: 0, lock: 1, pgStat: 2, multixact: 3, predicateLock: 4 } as const;
const HEADER_SIZE = 72;
const RECORD_SIZE = 8;
const align8 = (n: number): number => (n + 7) & ~7;

export interface PrepareRecord {
  magic: number;
  totalLength: number;
  xid: TransactionId;
  databaseId: Oid;
  preparedAt: number;
  owner: Oid;
  subxacts: readonly TransactionId[];
  commitFiles: readonly RelFileNode[];
  abortFiles: readonly RelFileNode[];
  commitStats: readonly DroppedStats[];
  abortStats: readonly DroppedStats[];
  invals: CommitInvalidations;
  gid: string;
  originLsn: Lsn;
  originTime: number;
  /** Address of the first record. */
  recordsAt: number;
}

/** Reads the state data at an address. */
export function readPrepareRecord(at: number): PrepareRecord {
  const { view } = mem;
  const counts = { sub: 28, commitFiles: 32, abortFiles: 36, commitStats: 40, abortStats: 44, invals: 48 };
  const count = (field: keyof typeof counts): number => view.getInt32(at + counts[field], true);
  let next = at + HEADER_SIZE;
  const part = (length: number): number => {
    const begin = next;
    next += align8(length);
    return begin;
  };
  const gid = readGid(part(view.getUint16(at + 54, true)));
  const subxacts = readXids(part(4 * count('sub')), count('sub'));
  const commitFiles = readFiles(part(12 * count('commitFiles')), count('commitFiles'));
  const abortFiles = readFiles(part(12 * count('abortFiles')), count('abortFiles'));
  const commitStats = readStats(part(12 * count('commitStats')), count('commitStats'));
  const abortStats = readStats(part(12 * count('abortStats')), count('abortStats'));
  const invalsAt = part(16 * count('invals'));
  return {
    magic: view.getUint32(at, true),
    totalLength: view.getUint32(at + 4, true),
    xid: view.getUint32(at + 8, true) as TransactionId,
    databaseId: view.getUint32(at + 12, true) as Oid,
    preparedAt: getI64(at + 16),
    owner: view.getUint32(at + 24, true) as Oid,
    subxacts,
    commitFiles,
    abortFiles,
    commitStats,
    abortStats,
    invals: {
      count: count('invals'),
      messages: mem.u8.slice(invalsAt, invalsAt + 16 * count('invals')),
      relcacheInitFileInval: mem.u8[at + 52] !== 0,
    },
    gid,
    originLsn: getI64(at + 56) as Lsn,
    originTime: getI64(at + 64),
    recordsAt: next,
  };
}

export interface TwoPhaseHandlers {
  /** After a restart. */
  recover?(xid: TransactionId, info: number, data: Uint8Array): void;
  postCommit?(xid: TransactionId, info: number, data: Uint8Array): void;
  postAbort?(xid: TransactionId, info: number, data: Uint8Array): void;
  standbyRecover?(xid: TransactionId, info: number, data: Uint8Array): void;
}
const handlers = new Map<number, TwoPhaseHandlers>();
/** Whoever registers records says what they mean. */
export function registerTwoPhaseHandlers(rmid: number, handler: TwoPhaseHandlers): void {
  handlers.set(rmid, { ...handlers.get(rmid), ...handler });
}

/** Hands each record to its owner. */
export function processTwoPhaseRecords(at: number, xid: TransactionId, phase: keyof TwoPhaseHandlers): void {
  for (let next = at; ; ) {
    const length = mem.view.getUint32(next, true);
    const rmid = mem.u8[next + 4]!;
    const info = mem.view.getUint16(next + 6, true);
    if (rmid === TWO_PHASE_RM.end) return;
    const data = next + RECORD_SIZE;
    handlers.get(rmid)?.[phase]?.(xid, info, mem.u8.slice(data, data + length));
    next = data + align8(length);
  }
}

// ── building ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** The state data that is being put together, in parts of whole 8 bytes. */
let parts: Uint8Array[] = [];
let total = 0;

function addPart(length: number): DataView {
  const bytes = new Uint8Array(align8(length));
  parts.push(bytes);
  total += bytes.length;
  return new DataView(bytes.buffer);
}
function addXids(xids: readonly TransactionId[]): void {
  if (xids.length === 0) return;
  const view = addPart(4 * xids.length);
  xids.forEach((xid, i) => {
    view.setUint32(4 * i, xid, true);
  });
}
function addFiles(files: readonly RelFileNode[]): void {
  if (files.length === 0) return;
  const view = addPart(12 * files.length);
  files.forEach((file, i) => {
    view.setUint32(12 * i, file.spcNode, true);
    view.setUint32(12 * i + 4, file.dbNode, true);
    view.setUint32(12 * i + 8, file.relNode, true);
  });
}
function addStats(stats: readonly DroppedStats[]): void {
  if (stats.length === 0) return;
  const view = addPart(12 * stats.length);
  stats.forEach((one, i) => {
    view.setInt32(12 * i, one.kind, true);
    view.setUint32(12 * i + 4, one.databaseId, true);
    view.setUint32(12 * i + 8, one.objectId, true);
  });
}
const setI64 = (view: DataView, at: number, value: number): void => {
  view.setUint32(at, value >>> 0, true);
  view.setInt32(at + 4, Math.floor(value / 0x1_0000_0000), true);
};

export type PrepareFacts = Omit<PrepareRecord, 'magic' | 'totalLength' | 'recordsAt'>;

/** Begins the state data with everything but the records. */
export function startPrepareRecord(facts: PrepareFacts): void {
  parts = [];
  total = 0;
  const gid = Buffer.from(`${facts.gid}\0`, 'utf8');
  const view = addPart(HEADER_SIZE);
  view.setUint32(0, TWOPHASE_MAGIC, true);
  view.setUint32(8, facts.xid, true);
  view.setUint32(12, facts.databaseId, true);
  setI64(view, 16, facts.preparedAt);
  view.setUint32(24, facts.owner, true);
  view.setInt32(28, facts.subxacts.length, true);
  view.setInt32(32, facts.commitFiles.length, true);
  view.setInt32(36, facts.abortFiles.length, true);
  view.setInt32(40, facts.commitStats.length, true);
  view.setInt32(44, facts.abortStats.length, true);
  view.setInt32(48, facts.invals.count, true);
  view.setUint8(52, facts.invals.relcacheInitFileInval ? 1 : 0);
  view.setUint16(54, gid.length, true);
  setI64(view, 56, facts.originLsn);
  setI64(view, 64, facts.originTime);
  new Uint8Array(addPart(gid.length).buffer).set(gid);
  addXids(facts.subxacts);
  addFiles(facts.commitFiles);
  addFiles(facts.abortFiles);
  addStats(facts.commitStats);
  addStats(facts.abortStats);
  const { messages, count } = facts.invals;
  if (count > 0) new Uint8Array(addPart(16 * count).buffer).set(messages.subarray(0, 16 * count));
}

/** Adds what a subsystem must find again. Only between start and finish of a PREPARE. */
export function registerTwoPhaseRecord(rmid: number, info: number, data: Uint8Array): void {
  assert(parts.length > 0, 'a transaction is being prepared');
  const view = addPart(RECORD_SIZE);
  view.setUint32(0, data.length, true);
  view.setUint8(4, rmid);
  view.setUint16(6, info, true);
  if (data.length > 0) new Uint8Array(addPart(data.length).buffer).set(data);
}

/** The finished bytes, without the checksum; total_len counts it. */
export function finishPrepareRecord(): Uint8Array {
  registerTwoPhaseRecord(TWO_PHASE_RM.end, 0, new Uint8Array(0));
  new DataView(parts[0]!.buffer).setUint32(4, total + 4, true);
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  parts = [];
  total = 0;
  return bytes;
}
