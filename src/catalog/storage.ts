/** storage.ts — files of relations and transactions: made at once, deleted when the transaction's fate is known.
 *
 *  CREATE makes the file now and remembers to delete it on abort; DROP remembers to delete it on commit. Entries carry the
 *  nesting level, so that a subtransaction's rollback takes its own. With wal_level = minimal, files made in this very
 *  transaction are not logged but fsynced (or logged whole, if small) before its commit record: "pending syncs".
 *  A truncation is logged and flushed first, and checkpoints wait for its end: otherwise a checkpoint in between would let
 *  replay begin after the record while the cut blocks come back.
 *  Counterpart: src/backend/catalog/storage.c */
import { type Relation, relationNeedsWal, relationSmgr } from '#access/common/relation-descriptor.ts';
import { visibilityMapPrepareTruncate } from '#access/heap/visibility-map.ts';
import { assert } from '#base/assert.ts';
import {
  ALL_FORKS,
  type BlockNumber,
  BLCKSZ,
  FORK,
  type ForkNumber,
  INVALID_BLOCK,
  type Oid,
  PERMANENT_BACKEND,
  type RelFileNode,
  sameRelFileNode,
} from '#base/ids.ts';
import { cacheInvalidateSmgr } from '#catalog/inval.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { injectionPoint } from '#runtime/injection-points.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { myProcess } from '#runtime/my-process.ts';
import { mem } from '#shm/memory.ts';
import { privateAlloc, privateFree } from '#shm/private-memory.ts';
import { logNewpageRange } from '#storage/buffer/buffer-wal.ts';
import { setRelFileNodeSkippingWal } from '#storage/buffer/dirty.ts';
import { xlogDropRelation, xlogTruncateRelation } from '#storage/buffer/redo-buffers.ts';
import { relationPath } from '#storage/file/paths.ts';
import { forgetTempTablespaces, setDatabaseTablespaceSource } from '#storage/file/temp-files.ts';
import { freeSpaceMapPrepareTruncateRel, freeSpaceMapVacuumRange } from '#storage/freespace/free-space-map.ts';
import { pageIsVerified, pageSetChecksum, PIV } from '#storage/page/page-checksum.ts';
import {
  atEoXactSmgr,
  setSmgrHooks,
  smgrClose,
  smgrCreate,
  smgrDoSyncAll,
  smgrDoUnlinkAll,
  smgrExists,
  smgrExtend,
  smgrImmedSync,
  smgrNblocks,
  smgrOpen,
  smgrRead,
  type SmgrRelation,
  smgrTruncate,
} from '#storage/smgr/smgr.ts';
import {
  clearMyDelayChkptFlags,
  DELAY_CHKPT_COMPLETE,
  DELAY_CHKPT_START,
  setMyDelayChkptFlags,
} from '#transam/proc-flags.ts';
import { registerXactParticipant, XACT_RANK } from '#transam/xact-callbacks.ts';
import { registerXactHooks } from '#transam/xact-hooks.ts';
import { transactionNestLevel } from '#transam/xact.ts';
import type { DecodedRecord } from '#wal/decoded-record.ts';
import {
  logNewpage,
  walScratch,
  xlogBeginInsert,
  xlogFlush,
  xlogInsert,
  xlogIsNeeded,
  xlogRegisterData,
} from '#wal/insert.ts';
import type { RmgrRow } from '#wal/rmgr.ts';
import { RM } from '#wal/rmgr-ids.ts';
import { XLR_RMGR_INFO_MASK, XLR_SPECIAL_REL_UPDATE } from '#wal/wal-format.ts';

const XLOG_SMGR_CREATE = 0x10;
const XLOG_SMGR_TRUNCATE = 0x20;
/** Which forks a truncation concerns. */
const TRUNCATE = { heap: 1, vm: 2, fsm: 4, all: 7 } as const;

setSmgrHooks({
  cacheInvalidateSmgr: (rnode, backend) => cacheInvalidateSmgr(rnode.spcNode, rnode.dbNode, rnode.relNode, backend),
});

// ── pending deletes ────────────────────────────────────────────────────────────────────────────────────────────────
interface PendingDelete {
  readonly rnode: RelFileNode;
  readonly backend: number;
  /** Delete on commit, or on abort. */
  readonly atCommit: boolean;
  nestLevel: number;
}
/** Latest last. */
let pendingDeletes: PendingDelete[] = [];

interface PendingSync {
  readonly rnode: RelFileNode;
  /** Was cut since it was made: then logging its pages would not say that. */
  isTruncated: boolean;
}
const keyOf = (rnode: RelFileNode): string => `${rnode.spcNode}/${rnode.dbNode}/${rnode.relNode}`;
let pendingSyncs: Map<string, PendingSync> | null = null;

/** wal_level = minimal, and the file was made in this transaction: its changes are not logged. */
export const relFileNodeSkippingWal = (rnode: RelFileNode): boolean =>
  pendingSyncs !== null && pendingSyncs.has(keyOf(rnode));
setRelFileNodeSkippingWal(relFileNodeSkippingWal);

const nodeOf = (rnode: RelFileNode): RelFileNode => ({
  spcNode: rnode.spcNode,
  dbNode: rnode.dbNode,
  relNode: rnode.relNode,
});

/** Makes the main fork. `registerDelete`: an abort removes it again. */
export function relationCreateStorage(
  rnode: RelFileNode,
  persistence: 'p' | 'u' | 't',
  registerDelete: boolean,
): SmgrRelation {
  const backend = persistence === 't' ? myProcess.backendId : PERMANENT_BACKEND;
  const smgr = smgrOpen(rnode, backend);
  smgr.unlogged = persistence === 'u';
  smgrCreate(smgr, FORK.main, false);
  if (persistence === 'p') logSmgrCreate(rnode, FORK.main);
  if (registerDelete)
    pendingDeletes.push({ rnode: nodeOf(rnode), backend, atCommit: false, nestLevel: transactionNestLevel() });
  if (persistence === 'p' && !xlogIsNeeded()) {
    assert(backend === PERMANENT_BACKEND, 'a permanent relation belongs to nobody');
    pendingSyncs ??= new Map();
    pendingSyncs.set(keyOf(rnode), { rnode: nodeOf(rnode), isTruncated: false });
  }
  return smgr;
}

function putRelFileNode(at: number, rnode: RelFileNode): void {
  mem.view.setUint32(at, rnode.spcNode, true);
  mem.view.setUint32(at + 4, rnode.dbNode, true);
  mem.view.setUint32(at + 8, rnode.relNode, true);
}
function relFileNodeAt(at: number): RelFileNode {
  const { view } = mem;
  return {
    spcNode: view.getUint32(at, true) as Oid,
    dbNode: view.getUint32(at + 4, true) as Oid,
    relNode: view.getUint32(at + 8, true) as Oid,
  };
}

/** Logs that a fork was made. */
export function logSmgrCreate(rnode: RelFileNode, fork: ForkNumber): void {
  xlogBeginInsert();
  const at = walScratch(16);
  putRelFileNode(at, rnode);
  mem.view.setInt32(at + 12, fork, true);
  xlogRegisterData(at, 16);
  xlogInsert(RM.smgr, XLOG_SMGR_CREATE | XLR_SPECIAL_REL_UPDATE);
}

/** The files go when the transaction commits. */
export function relationDropStorage(rel: Relation): void {
  pendingDeletes.push({
    rnode: nodeOf(rel.rnode),
    backend: rel.backend,
    atCommit: true,
    nestLevel: transactionNestLevel(),
  });
  if (rel.smgr !== null) smgrClose(rel.smgr);
}

/** Cancels the deletion of a file (at commit, or at abort) that turned out to be needed. */
export function relationPreserveStorage(rnode: RelFileNode, atCommit: boolean): void {
  pendingDeletes = pendingDeletes.filter(
    (entry) => entry.atCommit !== atCommit || !sameRelFileNode(entry.rnode, rnode),
  );
}

// ── truncation ─────────────────────────────────────────────────────────────────────────────────────────────────────
/** Before a file of this transaction is cut behind the back of relationTruncate. */
export function relationPreTruncate(rnode: RelFileNode): void {
  const pending = pendingSyncs?.get(keyOf(rnode));
  if (pending !== undefined) pending.isTruncated = true;
}

/** Which forks are cut to how many blocks when a heap is cut to `blocks`; maps forget the rest. */
interface Cut {
  readonly forks: ForkNumber[];
  readonly blocks: BlockNumber[];
  fsm: boolean;
}
function prepareMaps(
  cut: Cut,
  smgr: SmgrRelation,
  persistence: 'p' | 'u' | 't',
  blocks: BlockNumber,
  needsWal: boolean,
  flags: number,
): void {
  const cutsFsm = (flags & TRUNCATE.fsm) !== 0;
  const fsm = cutsFsm ? freeSpaceMapPrepareTruncateRel(smgr, blocks, needsWal) : INVALID_BLOCK;
  if (fsm !== INVALID_BLOCK) {
    cut.forks.push(FORK.fsm);
    cut.blocks.push(fsm);
    cut.fsm = true;
  }
  const cutsVm = (flags & TRUNCATE.vm) !== 0;
  const vm = cutsVm ? visibilityMapPrepareTruncate(smgr, persistence, blocks, needsWal) : INVALID_BLOCK;
  if (vm !== INVALID_BLOCK) {
    cut.forks.push(FORK.vm);
    cut.blocks.push(vm);
  }
}

/** Cuts a relation. The caller holds AccessExclusiveLock. */
export function relationTruncate(rel: Relation, blocks: BlockNumber): void {
  const smgr = relationSmgr(rel);
  smgr.targetBlock = INVALID_BLOCK;
  smgr.cachedNblocks.fill(INVALID_BLOCK);
  const needsWal = relationNeedsWal(rel);
  const cut: Cut = { forks: [FORK.main], blocks: [blocks], fsm: false };
  prepareMaps(cut, smgr, rel.persistence, blocks, needsWal, TRUNCATE.all);
  // Opens every segment now: from the record on nothing may fail.
  for (const fork of cut.forks) smgrNblocks(smgr, fork);
  relationPreTruncate(rel.rnode);
  setMyDelayChkptFlags(DELAY_CHKPT_START | DELAY_CHKPT_COMPLETE);
  // The pages' buffers are thrown away unwritten: with the record but without the cut they would be stale on disk.
  beginCritical();
  if (needsWal) {
    xlogBeginInsert();
    const at = walScratch(20);
    mem.view.setUint32(at, blocks, true);
    putRelFileNode(at + 4, rel.rnode);
    mem.view.setInt32(at + 16, TRUNCATE.all, true);
    xlogRegisterData(at, 20);
    const lsn = xlogInsert(RM.smgr, XLOG_SMGR_TRUNCATE | XLR_SPECIAL_REL_UPDATE);
    // A cut that reaches the disk before its record would leave maps that know blocks which are gone.
    xlogFlush(lsn);
  }
  injectionPoint('storageBeforeTruncate');
  smgrTruncate(smgr, cut.forks, cut.blocks);
  endCritical();
  clearMyDelayChkptFlags(DELAY_CHKPT_START | DELAY_CHKPT_COMPLETE);
  if (cut.fsm) freeSpaceMapVacuumRange(smgr, blocks, INVALID_BLOCK);
}

/** Copies a fork block by block into a new relation, which nobody else can see yet. */
export function relationCopyStorage(
  source: SmgrRelation,
  target: SmgrRelation,
  fork: ForkNumber,
  persistence: 'p' | 'u' | 't',
): void {
  // The init fork of an unlogged relation must survive a crash like anything permanent.
  const initFork = persistence === 'u' && fork === FORK.init;
  const useWal = xlogIsNeeded() && (persistence === 'p' || initFork);
  const page = privateAlloc(BLCKSZ);
  try {
    const blocks = smgrNblocks(source, fork);
    for (let block = 0; block < blocks; block++) {
      checkForInterrupts();
      smgrRead(source, fork, block, page);
      if (!pageIsVerified(page, block, PIV.logWarning | PIV.reportStat))
        report('ERROR', {
          code: SQLSTATE.dataCorrupted,
          message: `invalid page in block ${block} of relation ${relationPath(source.rnode, source.backend, fork)}`,
        });
      if (useWal) logNewpage(target.rnode, fork, block, page, false);
      pageSetChecksum(page, block);
      smgrExtend(target, fork, block, page, true);
    }
  } finally {
    privateFree(page);
  }
  // A checkpoint that came between would not have known of these writes.
  if (useWal || initFork) smgrImmedSync(target, fork);
}

// ── end of transactions ────────────────────────────────────────────────────────────────────────────────────────────
/** Deletes what this (sub)transaction's fate says. */
export function smgrDoPendingDeletes(isCommit: boolean): void {
  const level = transactionNestLevel();
  const due = pendingDeletes.filter((entry) => entry.nestLevel >= level);
  if (due.length === 0) return;
  // Taken off first, so that an error does not make it be tried again.
  pendingDeletes = pendingDeletes.filter((entry) => entry.nestLevel < level);
  const rels = due.filter((entry) => entry.atCommit === isCommit).map((entry) => smgrOpen(entry.rnode, entry.backend));
  smgrDoUnlinkAll(rels, false);
  for (const rel of rels) smgrClose(rel);
}

/** Makes files that were written without WAL last, before the commit record. */
export function smgrDoPendingSyncs(isCommit: boolean): void {
  const syncs = pendingSyncs;
  if (syncs === null) return;
  if (!isCommit) {
    pendingSyncs = null;
    return;
  }
  for (const entry of pendingDeletes) if (entry.atCommit) syncs.delete(keyOf(entry.rnode));
  const toSync: SmgrRelation[] = [];
  for (const { rnode, isTruncated } of syncs.values()) {
    const smgr = smgrOpen(rnode, PERMANENT_BACKEND);
    const sizes = ALL_FORKS.map((fork) =>
      !isTruncated && smgrExists(smgr, fork) ? smgrNblocks(smgr, fork) : INVALID_BLOCK,
    );
    const total = sizes.reduce((sum, blocks) => (blocks === INVALID_BLOCK ? sum : sum + blocks), 0);
    // A small one is cheaper to log than to fsync.
    if (isTruncated || (total * BLCKSZ) / 1024 >= settings.wal_skip_threshold) toSync.push(smgr);
    else
      for (const fork of ALL_FORKS) {
        const blocks = sizes[fork]!;
        if (blocks !== INVALID_BLOCK) logNewpageRange(smgr, 'p', fork, 0, blocks, false);
      }
  }
  pendingSyncs = null;
  smgrDoSyncAll(toSync);
}

/** Permanent files to be deleted when the transaction ends this way; they go into its WAL record. */
export function smgrGetPendingDeletes(isCommit: boolean): RelFileNode[] {
  const level = transactionNestLevel();
  return pendingDeletes
    .filter((entry) => entry.nestLevel >= level && entry.atCommit === isCommit && entry.backend === PERMANENT_BACKEND)
    .map((entry) => entry.rnode)
    .reverse();
}

/** Deletes files whose transaction is over: COMMIT PREPARED, redo. */
export function dropRelationFiles(nodes: readonly RelFileNode[], isRedo: boolean): void {
  const rels = nodes.map((rnode) => smgrOpen(rnode, PERMANENT_BACKEND));
  if (isRedo) for (const rnode of nodes) for (const fork of ALL_FORKS) xlogDropRelation(rnode, fork);
  smgrDoUnlinkAll(rels, isRedo);
  for (const rel of rels) smgrClose(rel);
}

registerXactHooks({ pendingDeletes: smgrGetPendingDeletes, dropRelationFiles });
registerXactParticipant({
  name: 'pending syncs',
  rank: XACT_RANK.pendingSyncs,
  beforeCommit: () => smgrDoPendingSyncs(true),
  atAbort: () => smgrDoPendingSyncs(false),
});
registerXactParticipant({
  name: 'pending deletes',
  rank: XACT_RANK.pendingDeletes,
  atCommit: () => smgrDoPendingDeletes(true),
  atAbort: () => smgrDoPendingDeletes(false),
  // They stand in the state file now.
  postPrepare() {
    pendingDeletes = [];
  },
  atSubCommit() {
    const level = transactionNestLevel();
    for (const entry of pendingDeletes) if (entry.nestLevel >= level) entry.nestLevel = level - 1;
  },
  atSubAbort: () => smgrDoPendingDeletes(false),
});
function endOfTransactionFiles(): void {
  atEoXactSmgr();
  forgetTempTablespaces();
}
registerXactParticipant({
  name: 'files',
  rank: XACT_RANK.files,
  atCommit: endOfTransactionFiles,
  atAbort: endOfTransactionFiles,
  atPrepare: endOfTransactionFiles,
});
setDatabaseTablespaceSource(() => sessionIdentity.databaseTablespace);

// ── redo ───────────────────────────────────────────────────────────────────────────────────────────────────────────
function redoTruncate(record: DecodedRecord): void {
  const at = record.mainAt;
  const blocks = mem.view.getUint32(at, true);
  const rnode = relFileNodeAt(at + 4);
  const flags = mem.view.getInt32(at + 16, true);
  const smgr = smgrOpen(rnode, PERMANENT_BACKEND);
  // It may have been dropped later in the log.
  smgrCreate(smgr, FORK.main, true);
  // Once cut, the file cannot be what it was before this record: recovery must not end earlier.
  xlogFlush(record.endLsn);
  const cut: Cut = { forks: [], blocks: [], fsm: false };
  if ((flags & TRUNCATE.heap) !== 0) {
    cut.forks.push(FORK.main);
    cut.blocks.push(blocks);
    xlogTruncateRelation(rnode, FORK.main, blocks);
  }
  prepareMaps(cut, smgr, 'p', blocks, false, flags);
  if (cut.forks.length > 0) {
    beginCritical();
    smgrTruncate(smgr, cut.forks, cut.blocks);
    endCritical();
  }
  if (cut.fsm) freeSpaceMapVacuumRange(smgr, blocks, INVALID_BLOCK);
}

export const smgrRmgr: RmgrRow = {
  name: 'Storage',
  redo(record) {
    const info = record.info & XLR_RMGR_INFO_MASK;
    if (info === XLOG_SMGR_CREATE) {
      const smgr = smgrOpen(relFileNodeAt(record.mainAt), PERMANENT_BACKEND);
      smgrCreate(smgr, mem.view.getInt32(record.mainAt + 12, true) as ForkNumber, true);
    } else if (info === XLOG_SMGR_TRUNCATE) redoTruncate(record);
    else report('PANIC', { message: `smgr_redo: unknown op code ${info}` });
  },
  describe(record) {
    const at = record.mainAt;
    if ((record.info & XLR_RMGR_INFO_MASK) === XLOG_SMGR_CREATE)
      return relationPath(relFileNodeAt(at), PERMANENT_BACKEND, mem.view.getInt32(at + 12, true) as ForkNumber);
    const path = relationPath(relFileNodeAt(at + 4), PERMANENT_BACKEND, FORK.main);
    return `${path} to ${mem.view.getUint32(at, true)} blocks flags ${mem.view.getInt32(at + 16, true)}`;
  },
  identify(info) {
    const code = info & XLR_RMGR_INFO_MASK;
    return code === XLOG_SMGR_CREATE ? 'CREATE' : code === XLOG_SMGR_TRUNCATE ? 'TRUNCATE' : null;
  },
};
