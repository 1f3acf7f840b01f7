/** snapshot.ts — which snapshots this process uses, and for how long.
 *
 *  Two ways to keep one: the active stack (what the running query sees; on top the one that counts) and registration
 *  with a resource owner (cursors, catalog scans). While one of either is left, my PGPROC's xmin protects the oldest of
 *  them; when the last goes, so does xmin, and vacuum may move on.
 *  READ COMMITTED takes a new snapshot for each statement, the higher levels keep their first.
 *  Counterpart: src/backend/utils/time/snapmgr.c */
import type { CommandId, Oid, TransactionId } from '#base/ids.ts';
import { xidFollowsOrEquals, xidPrecedes } from '#base/xid.ts';
import { assert } from '#base/assert.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { myProcess } from '#runtime/my-process.ts';
import { currentResourceOwner, type ResourceKind, type ResourceOwner } from '#runtime/resource-owner.ts';
import { mem } from '#shm/memory.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { procAt } from '#shm/proc.ts';
import { getSerializableTransactionSnapshot } from '#storage/lmgr/predicate.ts';
import { getSnapshotData } from '#transam/proc-array-snapshot.ts';
import { copySnapshot, newSnapshot, type Snapshot, type SnapshotKind } from '#transam/snapshot-data.ts';
import { subTransGetTopmostTransaction } from '#transam/subtrans.ts';
import { getCurrentCommandId, getCurrentNestLevel } from '#transam/xact-stack.ts';
import { xmins } from '#transam/xmins.ts';

export { newSnapshot, type Snapshot, type SnapshotKind };

/** Only what is committed, or done by an earlier command of mine; no snapshot is needed to say so. */
export const SNAPSHOT_SELF: Snapshot = newSnapshot('self');
export const SNAPSHOT_ANY: Snapshot = newSnapshot('any');
export const SNAPSHOT_TOAST: Snapshot = newSnapshot('toast');
/** Uncommitted rows as well; says who has them in progress. */
export const initDirtySnapshot = (): Snapshot => newSnapshot('dirty');

const currentData = newSnapshot('mvcc');
const secondaryData = newSnapshot('mvcc');
const catalogData = newSnapshot('mvcc');
let current: Snapshot | null = null;
let secondary: Snapshot | null = null;
let catalog: Snapshot | null = null;
/** The one snapshot of a REPEATABLE READ or SERIALIZABLE transaction. */
let firstXactSnapshot: Snapshot | null = null;
let firstSnapshotSet = false;

interface ActiveElement {
  readonly snapshot: Snapshot;
  /** Nesting level of the transaction that pushed it. */
  level: number;
  readonly next: ActiveElement | null;
}
let active: ActiveElement | null = null;
/** Every registered snapshot once: few, so that the oldest is found by looking at all. */
const registered: Snapshot[] = [];
let nextSnapshotId = 1;

export const transactionXmin = (): TransactionId => xmins.transaction;
export const recentXmin = (): TransactionId => xmins.recent;
export const isFirstSnapshotSet = (): boolean => firstSnapshotSet;
/** REPEATABLE READ and above. */
export const isolationUsesXactSnapshot = (): boolean =>
  settings.transaction_isolation === 'repeatable read' || settings.transaction_isolation === 'serializable';
export const isolationIsSerializable = (): boolean => settings.transaction_isolation === 'serializable';

// ── taking ───────────────────────────────────────────────────────────────────────────────────────────────────────

function addRegistered(snapshot: Snapshot): void {
  registered.push(snapshot);
}
function removeRegistered(snapshot: Snapshot): void {
  const at = registered.lastIndexOf(snapshot);
  if (at >= 0) registered.splice(at, 1);
}

/** For a new query of my transaction. The result is static: push or register it before the next call. */
export function getTransactionSnapshot(): Snapshot {
  if (!firstSnapshotSet) {
    // The catalog snapshot is younger, but nothing depends on its staying.
    invalidateCatalogSnapshot();
    assert(registered.length === 0 && firstXactSnapshot === null, 'a transaction begins without snapshots');
    if (isolationUsesXactSnapshot()) {
      const taken = isolationIsSerializable()
        ? // SSI fills it itself, while it holds its own locks.
          getSerializableTransactionSnapshot(currentData)
        : getSnapshotData(currentData);
      keepFirst(taken);
    } else current = getSnapshotData(currentData);
    firstSnapshotSet = true;
    return current!;
  }
  if (isolationUsesXactSnapshot()) return current!;
  invalidateCatalogSnapshot();
  current = getSnapshotData(currentData);
  return current;
}
function keepFirst(taken: Snapshot): void {
  current = copySnapshot(taken);
  firstXactSnapshot = current;
  current.regdCount++;
  addRegistered(current);
}

/** The state of this moment, whatever the isolation level. */
export function getLatestSnapshot(): Snapshot {
  if (!firstSnapshotSet) return getTransactionSnapshot();
  secondary = getSnapshotData(secondaryData);
  return secondary;
}
/** The oldest that is active or registered, by its place in the WAL. */
export function getOldestSnapshot(): Snapshot | null {
  let oldest: Snapshot | null = null;
  for (const one of registered) if (oldest === null || xidPrecedes(one.xmin, oldest.xmin)) oldest = one;
  let bottom = active;
  while (bottom?.next != null) bottom = bottom.next;
  if (bottom !== null && (oldest === null || bottom.snapshot.lsn < oldest.lsn)) oldest = bottom.snapshot;
  return oldest;
}

let changesAreAnnounced: (relid: Oid) => boolean = () => false;
/** Is every change of the catalog announced by an invalidation message? Then one snapshot serves until one arrives. */
export function setCatalogSnapshotReusable(question: (relid: Oid) => boolean): void {
  changesAreAnnounced = question;
}
/** For a scan of a catalog: as new as the last invalidation message demands. */
export function getCatalogSnapshot(relid: Oid): Snapshot {
  if (catalog !== null && !changesAreAnnounced(relid)) invalidateCatalogSnapshot();
  if (catalog === null) {
    catalog = getSnapshotData(catalogData);
    // Kept from going out of date by xmin; it belongs to no owner, so that invalidation can end it at any time.
    addRegistered(catalog);
  }
  return catalog;
}
export const getNonHistoricCatalogSnapshot = getCatalogSnapshot;
export function invalidateCatalogSnapshot(): void {
  if (catalog === null) return;
  removeRegistered(catalog);
  catalog = null;
  resetXmin();
}
/** Before a sleep of unknown length: an idle session must not hold back vacuum for a catalog snapshot. */
export function invalidateCatalogSnapshotConditionally(): void {
  if (catalog !== null && active === null && registered.length === 1) invalidateCatalogSnapshot();
}

/** Lowers nothing: moves my xmin up to the oldest snapshot that is left. */
function resetXmin(): void {
  if (active !== null || myProcess.procNumber < 0) return;
  const me = procAt(myProcess.procNumber);
  if (registered.length === 0) {
    PgProc.xmin.set(mem, me, 0);
    xmins.transaction = 0 as TransactionId;
    return;
  }
  let oldest = registered[0]!.xmin;
  for (let i = 1; i < registered.length; i++)
    if (xidPrecedes(registered[i]!.xmin, oldest)) oldest = registered[i]!.xmin;
  if (xidPrecedes(PgProc.xmin.get(mem, me) as TransactionId, oldest)) {
    PgProc.xmin.set(mem, me, oldest);
    xmins.transaction = oldest;
  }
}

// ── the active stack ─────────────────────────────────────────────────────────────────────────────────────────────

export function pushActiveSnapshot(snapshot: Snapshot): void {
  pushActiveSnapshotWithLevel(snapshot, getCurrentNestLevel());
}
export function pushActiveSnapshotWithLevel(snapshot: Snapshot, level: number): void {
  assert(active === null || level >= active.level, 'levels grow towards the top');
  // A static snapshot is overwritten by the next one.
  const kept = snapshot === current || snapshot === secondary || !snapshot.copied ? copySnapshot(snapshot) : snapshot;
  active = { snapshot: kept, level, next: active };
  kept.activeCount++;
}
/** A copy of its own, whose command id may be moved. */
export function pushCopiedSnapshot(snapshot: Snapshot): void {
  pushActiveSnapshot(copySnapshot(snapshot));
}
/** What the commands before this one have done becomes visible. */
export function updateActiveSnapshotCommandId(): void {
  const snapshot = getActiveSnapshot();
  assert(snapshot.activeCount === 1 && snapshot.regdCount === 0, 'nobody else uses the snapshot');
  snapshot.curcid = getCurrentCommandId(false);
}
export function popActiveSnapshot(): void {
  const top = active;
  assert(top !== null, 'there is an active snapshot');
  assert(top.snapshot.activeCount > 0, 'it counts itself');
  top.snapshot.activeCount--;
  active = top.next;
  resetXmin();
}
export function getActiveSnapshot(): Snapshot {
  assert(active !== null, 'there is an active snapshot');
  return active.snapshot;
}
export const activeSnapshotSet = (): boolean => active !== null;
export const haveRegisteredOrActiveSnapshot = (): boolean =>
  active !== null ||
  // The catalog snapshot may go at any time: it does not count.
  registered.length > (catalog !== null ? 1 : 0);

// ── registration ─────────────────────────────────────────────────────────────────────────────────────────────────

const snapshotKind: ResourceKind = {
  name: 'snapshot reference',
  phase: 'afterLocks',
  priority: 500,
  release(_resource, extra) {
    dropRegistration(extra as Snapshot);
  },
  describeLeak: (resource) => `Snapshot reference leak: Snapshot ${resource} still referenced`,
};
/** Snapshots are objects; owners know them by number. */
const idOf = (snapshot: Snapshot): number => {
  if (snapshot.id === 0) snapshot.id = nextSnapshotId++;
  return snapshot.id;
};

/** Keeps a snapshot until it is unregistered or its owner is released. Returns what to use (a copy of a static one). */
export function registerSnapshot(snapshot: Snapshot): Snapshot {
  return registerSnapshotOnOwner(snapshot, currentResourceOwner());
}
export function registerSnapshotOnOwner(snapshot: Snapshot, owner: ResourceOwner): Snapshot {
  const kept = snapshot.copied ? snapshot : copySnapshot(snapshot);
  kept.regdCount++;
  owner.remember(snapshotKind, idOf(kept), kept);
  if (kept.regdCount === 1) addRegistered(kept);
  return kept;
}
export function unregisterSnapshot(snapshot: Snapshot): void {
  unregisterSnapshotFromOwner(snapshot, currentResourceOwner());
}
export function unregisterSnapshotFromOwner(snapshot: Snapshot, owner: ResourceOwner): void {
  owner.forget(snapshotKind, idOf(snapshot));
  dropRegistration(snapshot);
}
function dropRegistration(snapshot: Snapshot): void {
  assert(snapshot.regdCount > 0, 'it is registered');
  snapshot.regdCount--;
  if (snapshot.regdCount === 0) removeRegistered(snapshot);
  if (snapshot.regdCount === 0 && snapshot.activeCount === 0) resetXmin();
}

// ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────────

function contains(xids: Uint32Array, count: number, xid: number): boolean {
  for (let i = 0; i < count; i++) if (xids[i] === xid) return true;
  return false;
}

/** Was the transaction running (or not begun) when the snapshot was taken? Says nothing about whether it committed. */
export function xidInMvccSnapshot(xid: TransactionId, snapshot: Snapshot): boolean {
  if (xidPrecedes(xid, snapshot.xmin)) return false;
  if (xidFollowsOrEquals(xid, snapshot.xmax)) return true;
  if (!snapshot.takenDuringRecovery) {
    if (!snapshot.suboverflowed) {
      if (contains(snapshot.subxip, snapshot.subxcnt, xid)) return true;
      return contains(snapshot.xip, snapshot.xcnt, xid);
    }
    // Some subtransactions are not in the list: look for the top instead.
    const top = subTransGetTopmostTransaction(xid);
    if (xidPrecedes(top, snapshot.xmin)) return false;
    return contains(snapshot.xip, snapshot.xcnt, top);
  }
  let wanted = xid;
  if (snapshot.suboverflowed) {
    wanted = subTransGetTopmostTransaction(xid);
    if (xidPrecedes(wanted, snapshot.xmin)) return false;
  }
  return contains(snapshot.subxip, snapshot.subxcnt, wanted);
}
/** old_snapshot_threshold could allow a later xmin; without it the answer is what was asked. */
export const transactionIdLimitedForOldSnapshots = (recent: TransactionId): TransactionId => recent;

/** The command counter moved: static snapshots follow. */
export function snapshotSetCommandId(commandId: CommandId): void {
  if (!firstSnapshotSet) return;
  if (current !== null) current.curcid = commandId;
  if (secondary !== null) secondary.curcid = commandId;
}

// ── imported and exported ones ───────────────────────────────────────────────────────────────────────────────────

/** Makes `source` the transaction's snapshot; `install` takes over its xmin, or says that it is not protected. */
export function setTransactionSnapshot(source: Snapshot, install: () => void, serializable: () => void): void {
  assert(!firstSnapshotSet && registered.length === 0, 'no query has run yet');
  invalidateCatalogSnapshot();
  // Everything that goes with a snapshot is set up by taking one; its contents are then replaced.
  const own = getSnapshotData(currentData);
  own.xmin = source.xmin;
  own.xmax = source.xmax;
  own.xcnt = source.xcnt;
  own.xip.set(source.xip.subarray(0, source.xcnt));
  own.subxcnt = source.subxcnt;
  own.subxip.set(source.subxip.subarray(0, source.subxcnt));
  own.suboverflowed = source.suboverflowed;
  own.takenDuringRecovery = source.takenDuringRecovery;
  own.completionCount = 0;
  install();
  if (isolationUsesXactSnapshot()) {
    current = own;
    if (isolationIsSerializable()) serializable();
    keepFirst(own);
  } else current = own;
  firstSnapshotSet = true;
}
export const currentTransactionSnapshot = (): Snapshot => current!;

const exported: { readonly path: string; readonly snapshot: Snapshot }[] = [];
export const exportedSnapshotCount = (): number => exported.length;
export const xactHasExportedSnapshots = (): boolean => exported.length > 0;
export function keepExportedSnapshot(path: string, snapshot: Snapshot): void {
  snapshot.regdCount++;
  addRegistered(snapshot);
  exported.push({ path, snapshot });
}

// ── ends of transactions ─────────────────────────────────────────────────────────────────────────────────────────

export function atSubCommitSnapshot(level: number): void {
  for (let one = active; one !== null && one.level >= level; one = one.next) one.level = level - 1;
}
export function atSubAbortSnapshot(level: number): void {
  while (active !== null && active.level >= level) {
    active.snapshot.activeCount--;
    active = active.next;
  }
  resetXmin();
}
/** `resetXminToo`: the ProcArray has not cleared my xmin (an abort keeps its state until ROLLBACK). */
export function atEoxactSnapshot(isCommit: boolean, resetXminToo: boolean, removeFile: (path: string) => void): void {
  if (firstXactSnapshot !== null) {
    firstXactSnapshot.regdCount--;
    removeRegistered(firstXactSnapshot);
    firstXactSnapshot = null;
  }
  for (const { path, snapshot } of exported) {
    removeFile(path);
    removeRegistered(snapshot);
  }
  exported.length = 0;
  if (catalog !== null) {
    removeRegistered(catalog);
    catalog = null;
  }
  if (isCommit) {
    if (registered.length > 0) report('WARNING', { message: 'registered snapshots seem to remain after cleanup' });
    for (let one = active; one !== null; one = one.next)
      report('WARNING', { message: `snapshot ${idOf(one.snapshot)} still active` });
  }
  active = null;
  registered.length = 0;
  current = null;
  secondary = null;
  firstSnapshotSet = false;
  if (resetXminToo) resetXmin();
}
/** The shared memory was made anew: nothing that was taken from the old one may be reused. */
export function forgetSnapshots(): void {
  currentData.completionCount = 0;
  secondaryData.completionCount = 0;
  catalogData.completionCount = 0;
}
