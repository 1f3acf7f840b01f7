/** sync-requests.ts — which files the next checkpoint must fsync, and which it may unlink afterwards.
 *
 *  Who writes to a file behind the kernel's cache registers it; the checkpointer collects the requests of all processes
 *  in its pendingOps (a process without a postmaster has its own) and fsyncs each file once per checkpoint. Two cycle
 *  counters tell old from new: a request that comes while files are being fsynced waits for the next round, an unlink
 *  that comes while a checkpoint runs for the next one. Dropping a relation or database cancels what is pending for it.
 *
 *  Promise: a checkpoint is complete only if every fsync that was requested before it began has succeeded. A failed one is
 *  PANIC (or ERROR with data_sync_retry), never forgotten: after an ERROR the entries stay, stamped as old.
 *  Counterpart: src/backend/storage/sync/sync.c */
import { assert } from '#base/assert.ts';
import type { RelFileNode } from '#base/ids.ts';
import { native, osError } from '#platform/native.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { waitEnd, waitStart } from '#runtime/activity/wait-report.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { injectionPoint } from '#runtime/injection-points.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { myProcess } from '#runtime/my-process.ts';
import { E, fileAccessCode, fileFailure } from '#storage/file/file-error.ts';
import { dataSyncElevel } from '#storage/file/virtual-files.ts';

/** Who knows how to fsync a tag; the numbers travel through the checkpointer's mailbox. */
export const SYNC_HANDLER = { md: 0, clog: 1, commitTs: 2, multixactOffset: 3, multixactMember: 4 } as const;
export type SyncHandlerId = 0 | 1 | 2 | 3 | 4;
/** sync: fsync at the next checkpoint. unlink: remove after it. forget: cancel this file's. filter: cancel all that match. */
export const SYNC_REQUEST = { sync: 0, unlink: 1, forget: 2, filter: 3 } as const;
export type SyncRequestType = 0 | 1 | 2 | 3;
/** Names a file (segment) that is to be fsynced or unlinked. */
export interface FileTag {
  readonly handler: SyncHandlerId;
  readonly fork: number;
  readonly rnode: RelFileNode;
  readonly segment: number;
}
/** 0 or -errno, and the path that messages name. */
export interface SyncOutcome {
  readonly result: number;
  readonly path: string;
}
export interface SyncHandler {
  syncFile(tag: FileTag): SyncOutcome;
  unlinkFile?(tag: FileTag): SyncOutcome;
  /** Does a filter request mean this tag? */
  matches?(filter: FileTag, tag: FileTag): boolean;
}

const handlers: (SyncHandler | undefined)[] = [];
export function registerSyncHandler(id: SyncHandlerId, handler: SyncHandler): void {
  handlers[id] = handler;
}
function handlerOf(tag: FileTag): SyncHandler {
  const handler = handlers[tag.handler];
  assert(handler !== undefined, `somebody fsyncs files of handler ${tag.handler}`);
  return handler;
}

interface PendingSync {
  readonly tag: FileTag;
  /** syncCycle when it was entered. */
  cycle: number;
  canceled: boolean;
}
interface PendingUnlink {
  readonly tag: FileTag;
  /** checkpointCycle when it was entered. */
  readonly cycle: number;
  canceled: boolean;
}
let pendingOps: Map<string, PendingSync> | null = null;
let pendingUnlinks: PendingUnlink[] = [];
/** 16-bit counters. */
let syncCycle = 0;
let checkpointCycle = 0;
/** True while a round runs, and after one that failed. */
let syncInProgress = false;

/** Between so many fsyncs or unlinks the mailbox is emptied, so that backends do not find it full. */
const FSYNCS_PER_ABSORB = 10;
const UNLINKS_PER_ABSORB = 10;

let forward: ((tag: FileTag, type: SyncRequestType) => boolean) | null = null;
let absorb: () => void = () => {};
/** How requests reach the checkpointer: false when its mailbox is full. */
export function setSyncRequestForwarder(forwarder: ((tag: FileTag, type: SyncRequestType) => boolean) | null): void {
  forward = forwarder;
}
/** Checkpointer: takes over what lies in the mailbox, by rememberSyncRequest. */
export function setSyncRequestAbsorber(absorber: () => void): void {
  absorb = absorber;
}

/** This process keeps requests itself: the checkpointer, or a process without a postmaster. Others forward theirs. */
export function initSync(): void {
  if (myProcess.isUnderPostmaster && myProcess.kind !== 'checkpointer') {
    pendingOps = null;
    return;
  }
  pendingOps ??= new Map();
}
/** For a startup process that recovers before there is a checkpointer. */
export function keepSyncRequestsHere(): void {
  pendingOps ??= new Map();
}
export const pendingSyncCount = (): number => pendingOps?.size ?? 0;

const keyOf = (tag: FileTag): string =>
  `${tag.handler}/${tag.rnode.spcNode}/${tag.rnode.dbNode}/${tag.rnode.relNode}/${tag.fork}/${tag.segment}`;

/** Enters a request into this process's pendingOps. */
export function rememberSyncRequest(tag: FileTag, type: SyncRequestType): void {
  const pending = pendingOps;
  assert(pending !== null, 'a process that remembers requests keeps them');
  if (type === SYNC_REQUEST.forget) {
    const entry = pending.get(keyOf(tag));
    if (entry !== undefined) entry.canceled = true;
    return;
  }
  if (type === SYNC_REQUEST.filter) {
    const matches = handlerOf(tag).matches;
    assert(matches !== undefined, 'a handler with filters can match them');
    for (const entry of pending.values())
      if (entry.tag.handler === tag.handler && matches(tag, entry.tag)) entry.canceled = true;
    for (const entry of pendingUnlinks)
      if (entry.tag.handler === tag.handler && matches(tag, entry.tag)) entry.canceled = true;
    return;
  }
  if (type === SYNC_REQUEST.unlink) {
    pendingUnlinks.push({ tag, cycle: checkpointCycle, canceled: false });
    return;
  }
  const key = keyOf(tag);
  const entry = pending.get(key);
  if (entry === undefined) pending.set(key, { tag, cycle: syncCycle, canceled: false });
  else if (entry.canceled) {
    entry.cycle = syncCycle;
    entry.canceled = false;
  }
  // An entry that is there keeps its old cycle: it must be fsynced by the round that runs, which has not come to it yet.
}

const nap = new Int32Array(new SharedArrayBuffer(4));

/** Registers a request here or with the checkpointer. False: its mailbox is full, the caller fsyncs by itself; with
 *  `retryOnError` the caller waits until there is room instead. */
export function registerSyncRequest(tag: FileTag, type: SyncRequestType, retryOnError: boolean): boolean {
  if (pendingOps === null && !myProcess.isUnderPostmaster) initSync();
  if (pendingOps !== null) {
    rememberSyncRequest(tag, type);
    return true;
  }
  const send = forward;
  assert(send !== null, 'requests of this process reach the checkpointer');
  for (;;) {
    if (send(tag, type)) return true;
    if (!retryOnError) return false;
    waitStart(WAIT_EVENT.RegisterSyncRequest);
    Atomics.wait(nap, 0, 0, 10);
    waitEnd();
    checkForInterrupts();
  }
}

/** What log_checkpoints tells of the fsyncs. */
export interface SyncStatistics {
  readonly syncs: number;
  readonly longestMs: number;
  readonly totalMs: number;
}

const nextCycle = (cycle: number): number => (cycle + 1) & 0xffff;
/** Dropped or truncated since the request was made? */
const possiblyDeleted = (errno: number): boolean => errno === -E.NOENT || errno === -E.ACCES;

let absorbCounter = FSYNCS_PER_ABSORB;
function absorbEveryFew(): void {
  if (--absorbCounter > 0) return;
  absorb();
  absorbCounter = FSYNCS_PER_ABSORB;
}

/** fsyncs one file; 0 milliseconds or more, -1 if it was cancelled meanwhile. */
function syncEntry(entry: PendingSync, number: number): number {
  for (let failures = 0; !entry.canceled; failures++) {
    const start = native.monotonicNs();
    const { result, path } = handlerOf(entry.tag).syncFile(entry.tag);
    if (result >= 0) {
      const elapsed = (native.monotonicNs() - start) / 1e6;
      if (settings.log_checkpoints)
        report('DEBUG1', {
          message: `checkpoint sync: number=${number} file=${path} time=${elapsed.toFixed(3)} ms`,
        });
      return elapsed;
    }
    if (!possiblyDeleted(result) || failures > 0)
      fileFailure(dataSyncElevel('ERROR'), `could not fsync file "${path}"`, result);
    else
      report('DEBUG1', {
        code: fileAccessCode(result),
        message: `could not fsync file "${path}" but retrying: ${osError(result)}`,
      });
    // A cancellation of the relation may lie in the mailbox.
    absorb();
    absorbCounter = FSYNCS_PER_ABSORB;
  }
  return -1;
}

/** fsyncs everything that was registered before the call. */
export function processSyncRequests(): SyncStatistics {
  if (pendingOps === null && !myProcess.isUnderPostmaster) initSync();
  const pending = pendingOps;
  if (pending === null) return report('ERROR', { message: 'cannot sync without a pendingOps table' });
  absorb();
  // The last round failed: what it left must not be taken for new when the counter comes around.
  if (syncInProgress) for (const entry of pending.values()) entry.cycle = syncCycle;
  syncCycle = nextCycle(syncCycle);
  syncInProgress = true;
  absorbCounter = FSYNCS_PER_ABSORB;
  let syncs = 0;
  let longestMs = 0;
  let totalMs = 0;
  for (const [key, entry] of pending) {
    // New ones are for the next round; a Map shows them to the loop as they come.
    if (entry.cycle === syncCycle) continue;
    assert(nextCycle(entry.cycle) === syncCycle, 'an entry waits for one round at most');
    if (settings.fsync) {
      absorbEveryFew();
      injectionPoint('syncBeforeFsync');
      const elapsed = syncEntry(entry, syncs + 1);
      if (elapsed >= 0) {
        syncs++;
        totalMs += elapsed;
        if (elapsed > longestMs) longestMs = elapsed;
      }
    }
    pending.delete(key);
  }
  syncInProgress = false;
  return { syncs, longestMs, totalMs };
}

/** Before a checkpoint determines its redo point: unlinks requested from now on wait for the next one. */
export function syncPreCheckpoint(): void {
  // What was sent before the redo point belongs to this checkpoint.
  absorb();
  checkpointCycle = nextCycle(checkpointCycle);
}

/** After a checkpoint: removes the files whose unlink was requested before it began. */
export function syncPostCheckpoint(): void {
  let absorbed = UNLINKS_PER_ABSORB;
  let done = 0;
  while (done < pendingUnlinks.length) {
    const entry = pendingUnlinks[done]!;
    if (entry.cycle === checkpointCycle && !entry.canceled) break;
    done++;
    if (entry.canceled) continue;
    const unlink = handlerOf(entry.tag).unlinkFile;
    assert(unlink !== undefined, 'a handler with unlinks can do them');
    // Marked first: an error must not make it be tried for ever.
    entry.canceled = true;
    const { result, path } = unlink(entry.tag);
    // A database that was dropped meanwhile took the file with it.
    if (result < 0 && result !== -E.NOENT) fileFailure('WARNING', `could not remove file "${path}"`, result);
    if (--absorbed <= 0) {
      absorb();
      absorbed = UNLINKS_PER_ABSORB;
    }
  }
  pendingUnlinks = pendingUnlinks.slice(done);
}
