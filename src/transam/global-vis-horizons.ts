/** global-vis-horizons.ts — the oldest xids that anybody may still need, approximately and exactly.
 *
 *  A snapshot moves the cheap bounds of each GlobalVisState as a by-product. Only when a question falls between them, and
 *  a new snapshot was taken since, are the exact horizons computed from all PGPROCs' xmin and xid.
 *  Counterpart: ComputeXidHorizons(), GlobalVisTest…() of src/backend/storage/ipc/procarray.c */
import type { FullTransactionId, TransactionId } from '#base/ids.ts';
import { xidOldest } from '#base/xid.ts';
import { settings } from '#runtime/guc/guc.ts';
import { myProcess } from '#runtime/my-process.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { procAt } from '#shm/proc.ts';
import { GlobalVisState, type HorizonKind } from '#transam/global-vis.ts';
import { knownAssignedXidsGetOldestXmin } from '#transam/known-assigned-xids.ts';
import { procArray, procArrayCount, procNumberAt } from '#transam/proc-array-layout.ts';
import {
  PROC_AFFECTS_ALL_HORIZONS,
  PROC_IN_LOGICAL_DECODING,
  PROC_IN_SAFE_IC,
  PROC_IN_VACUUM,
} from '#transam/proc-flags.ts';
import { ProcArrayHeader, VariableCache } from '#transam/transam-layout.ts';
import { variableCacheAt } from '#transam/variable-cache.ts';
import { xmins } from '#transam/xmins.ts';
import { recoveryInProgress } from '#wal/recovery-state.ts';

const states: Readonly<Record<HorizonKind, GlobalVisState>> = {
  shared: new GlobalVisState('shared'),
  catalog: new GlobalVisState('catalog'),
  data: new GlobalVisState('data'),
  temp: new GlobalVisState('temp'),
};
/** xmins.recent when the exact horizons were computed last, 0 for never. */
let computedAtXmin = 0;

/** The full id of `xid`, which is within 2^31 of `relative`. */
export const fullXidRelativeTo = (relative: number, xid: number): number =>
  relative + ((xid - (relative % 0x1_0000_0000)) | 0);

/** `xid` moved back, but not behind the oldest xid there is. */
function retreatSafely(xid: number, steps: number): number {
  if (steps === 0) return xid;
  const oldest = VariableCache.oldestXid.get(mem, variableCacheAt());
  const allowed = (xid - oldest) >>> 0;
  const moved = (xid - Math.min(steps, allowed)) >>> 0;
  return moved < 3 ? 0xffff_ffff - (2 - moved) : moved;
}

/** After a snapshot: with `xmin` nothing older than that runs here. */
export function maintainGlobalVis(
  latestCompleted: number,
  xmin: number,
  myXid: number,
  slotXmin: number,
  slotCatalogXmin: number,
): void {
  const oldest = fullXidRelativeTo(latestCompleted, VariableCache.oldestXid.get(mem, variableCacheAt()));
  let dataXid = retreatSafely(xmin, settings.vacuum_defer_cleanup_age);
  if (slotXmin !== 0 && ((slotXmin - dataXid) | 0) < 0) dataXid = slotXmin;
  let catalogXid = dataXid;
  if (slotCatalogXmin !== 0 && ((slotCatalogXmin - catalogXid) | 0) < 0) catalogXid = slotCatalogXmin;
  const data = fullXidRelativeTo(latestCompleted, dataXid);
  const catalog = fullXidRelativeTo(latestCompleted, catalogXid);
  const { shared: s, catalog: c, data: d, temp: t } = states;
  if (catalog > s.definitelyNeeded) s.definitelyNeeded = catalog;
  if (catalog > c.definitelyNeeded) c.definitelyNeeded = catalog;
  if (data > d.definitelyNeeded) d.definitelyNeeded = data;
  t.definitelyNeeded = myXid >= 3 ? fullXidRelativeTo(latestCompleted, myXid) : latestCompleted + 1;
  if (oldest > s.maybeNeeded) s.maybeNeeded = oldest;
  if (oldest > c.maybeNeeded) c.maybeNeeded = oldest;
  if (oldest > d.maybeNeeded) d.maybeNeeded = oldest;
  t.maybeNeeded = t.definitelyNeeded;
}

export interface XidHorizons {
  latestCompleted: number;
  slotXmin: TransactionId;
  slotCatalogXmin: TransactionId;
  oldestConsideredRunning: TransactionId;
  shared: TransactionId;
  sharedRaw: TransactionId;
  catalog: TransactionId;
  data: TransactionId;
  temp: TransactionId;
}

/** Looks at everybody. Not cheap: O(processes) under ProcArrayLock. */
export function computeXidHorizons(): XidHorizons {
  const cache = variableCacheAt();
  const inRecovery = recoveryInProgress();
  const lock = mainLWLock('ProcArray');
  lwLockAcquire(lock, 'shared');
  const latestCompleted = VariableCache.latestCompletedXid.get(mem, cache);
  const next = (latestCompleted + 1) % 0x1_0000_0000;
  const initial = Math.max(next, 3) as TransactionId;
  const myXid = myProcess.procNumber < 0 ? 0 : PgProc.xid.get(mem, procAt(myProcess.procNumber));
  let running = initial;
  let shared = initial;
  let catalog = initial;
  let data = initial;
  const temp = (myXid !== 0 ? myXid : initial) as TransactionId;
  const slotXmin = ProcArrayHeader.replicationSlotXmin.get(mem, procArray.at) as TransactionId;
  const slotCatalogXmin = ProcArrayHeader.replicationSlotCatalogXmin.get(mem, procArray.at) as TransactionId;
  const count = procArrayCount();
  const myDatabase = myProcess.databaseId;
  for (let place = 0; place < count; place++) {
    const proc = procAt(procNumberAt(place));
    const flags = mem.u8[procArray.flags + place]!;
    // The xmin first: a transaction that has just got an xid may not have a snapshot yet, and the other way round.
    const xmin = xidOldest(
      PgProc.xmin.get(mem, proc) as TransactionId,
      mem.view.getUint32(procArray.xids + 4 * place, true) as TransactionId,
    );
    if (xmin === 0) continue;
    running = xidOldest(running, xmin);
    // A lazy vacuum's snapshot sees nothing that matters; logical decoding keeps its horizon in its slot.
    if ((flags & (PROC_IN_VACUUM | PROC_IN_LOGICAL_DECODING)) !== 0) continue;
    shared = xidOldest(shared, xmin);
    const database = PgProc.databaseId.get(mem, proc);
    const concernsUs =
      inRecovery || myDatabase === 0 || database === myDatabase || (flags & PROC_AFFECTS_ALL_HORIZONS) !== 0;
    if (!concernsUs) continue;
    catalog = xidOldest(catalog, xmin);
    if ((flags & PROC_IN_SAFE_IC) === 0) data = xidOldest(data, xmin);
  }
  const knownXmin = inRecovery ? knownAssignedXidsGetOldestXmin() : (0 as TransactionId);
  lwLockRelease(lock);
  if (inRecovery) {
    running = xidOldest(running, knownXmin);
    shared = xidOldest(shared, knownXmin);
    catalog = xidOldest(catalog, knownXmin);
    data = xidOldest(data, knownXmin);
  } else {
    const defer = settings.vacuum_defer_cleanup_age;
    running = retreatSafely(running, defer) as TransactionId;
    shared = retreatSafely(shared, defer) as TransactionId;
    catalog = retreatSafely(catalog, defer) as TransactionId;
    data = retreatSafely(data, defer) as TransactionId;
  }
  shared = xidOldest(shared, slotXmin);
  data = xidOldest(data, slotXmin);
  const sharedRaw = shared;
  shared = xidOldest(shared, slotCatalogXmin);
  catalog = xidOldest(xidOldest(catalog, slotXmin), slotCatalogXmin);
  // Whoever removes rows up to a horizon also truncates what describes xids before it.
  running = xidOldest(xidOldest(running, shared), data);
  const horizons: XidHorizons = {
    latestCompleted,
    slotXmin,
    slotCatalogXmin,
    oldestConsideredRunning: running,
    shared,
    sharedRaw,
    catalog,
    data,
    temp,
  };
  applyHorizons(horizons);
  return horizons;
}
function applyHorizons(h: XidHorizons): void {
  for (const kind of ['shared', 'catalog', 'data', 'temp'] as const) {
    const state = states[kind];
    state.maybeNeeded = fullXidRelativeTo(h.latestCompleted, h[kind]);
    if (kind === 'temp' || state.definitelyNeeded < state.maybeNeeded) state.definitelyNeeded = state.maybeNeeded;
  }
  computedAtXmin = xmins.recent;
}

/** Rows deleted by an xid before this one may be removed from relations of that kind. */
export const getOldestNonRemovableTransactionId = (kind: HorizonKind): TransactionId => computeXidHorizons()[kind];
/** Before this xid nothing runs and nobody has a snapshot: pg_subtrans may be cut here. */
export const getOldestTransactionIdConsideredRunning = (): TransactionId =>
  computeXidHorizons().oldestConsideredRunning;
/** What a standby tells its primary to keep. */
export function getReplicationHorizons(): { xmin: TransactionId; catalogXmin: TransactionId } {
  const horizons = computeXidHorizons();
  return { xmin: horizons.sharedRaw, catalogXmin: horizons.slotCatalogXmin };
}

// ── one xid ──────────────────────────────────────────────────────────────────────────────────────────────────────

export const globalVisTestFor = (kind: HorizonKind): GlobalVisState => states[kind];

function shouldUpdate(state: GlobalVisState): boolean {
  if (computedAtXmin === 0) return true;
  if (state.maybeNeeded >= state.definitelyNeeded) return false;
  // The horizons can have moved only if a snapshot since then had another xmin.
  return xmins.recent !== computedAtXmin;
}
export function globalVisTestIsRemovableFullXid(state: GlobalVisState, full: FullTransactionId): boolean {
  if (full < state.maybeNeeded) return true;
  if (full >= state.definitelyNeeded) return false;
  if (!shouldUpdate(state)) return false;
  computeXidHorizons();
  return full < state.maybeNeeded;
}
/** `xid` must be one that stands in a table: then it is within 2^31 of the present. */
export const globalVisTestIsRemovableXid = (state: GlobalVisState, xid: TransactionId): boolean =>
  globalVisTestIsRemovableFullXid(state, fullXidRelativeTo(state.definitelyNeeded, xid) as FullTransactionId);
export function globalVisTestNonRemovableHorizon(state: GlobalVisState): TransactionId {
  if (shouldUpdate(state)) computeXidHorizons();
  return (state.maybeNeeded % 0x1_0000_0000) as TransactionId;
}
export const globalVisCheckRemovableXid = (kind: HorizonKind, xid: TransactionId): boolean =>
  globalVisTestIsRemovableXid(states[kind], xid);
export const globalVisCheckRemovableFullXid = (kind: HorizonKind, full: FullTransactionId): boolean =>
  globalVisTestIsRemovableFullXid(states[kind], full);

/** A forked child has its parent's bounds, which hold for it, too; after a crash cycle nothing holds. */
export function resetGlobalVis(): void {
  for (const state of Object.values(states)) {
    state.maybeNeeded = 0;
    state.definitelyNeeded = 0;
  }
  computedAtXmin = 0;
}
