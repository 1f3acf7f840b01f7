/** catalog-state.ts — may the facts still answer for a catalog's built-in rows?
 *
 *  initdb's rows have xmin 1 and nothing else ever gets it. As long as a table has as many of them, not deleted, as there
 *  are facts, they are the facts: to change one a transaction must delete or replace it. The first process that asks
 *  after a server start counts them (a data directory may have been PostgreSQL's in between); the answer is kept in shared
 *  memory, one slot per database, three bits per catalog:
 *    checked    somebody has counted
 *    changed    the facts are not what the table has
 *    own        there are other rows besides
 *  Writers set `changed` and `own` before they commit, and never take it back. Others, and the writer itself at the end of
 *  its command, notice when the invalidation messages reach them, which is when they must see the change.
 *  Shared catalogs are always read from their tables: initdb's options changed their rows. So is everything during
 *  recovery, where changes come from WAL. */
import {
  HEAP_XMAX_INVALID,
  tupleInfomask,
  tupleRawXmax,
  tupleRawXmin,
  xmaxIsLockedOnly,
} from '#access/common/heap-tuple-layout.ts';
import { relationNblocks, relReadBuffer } from '#access/common/relation-descriptor.ts';
import type { BlockNumber, Oid } from '#base/ids.ts';
import { type CatalogName, factTable } from '#catalog/facts.ts';
import { DatabaseFacts, DATABASE_SLOTS } from '#catalog/catalog-state-layout.ts';
import { registerCatalogCaches, setCatalogWriteListener } from '#catalog/inval.ts';
import { relationClose, relationOpen } from '#catalog/relation.ts';
import { ROW_SOURCE, store } from '#catalog/rows.ts';
import { databaseAccess, sessionIdentity } from '#catalog/session-identity.ts';
import { mem } from '#shm/memory.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import { BUFFER_LOCK } from '#storage/buffer/buffer-layout.ts';
import { lockBuffer, unlockReleaseBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferPage } from '#storage/buffer/buffer-pool.ts';
import { getAccessStrategy } from '#storage/buffer/ring-strategy.ts';
import { isSharedRelation } from '#storage/lmgr/lmgr.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { LP } from '#storage/page/page-layout.ts';
import { itemAt, itemFlags, pageMaxOffset } from '#storage/page/page.ts';
import { recoveryInProgress } from '#wal/recovery-state.ts';

const BOOTSTRAP_XID = 1;

/** Bit numbers of the catalogs with facts. */
const CATALOGS: readonly { readonly oid: Oid; readonly name: CatalogName }[] = Object.values(store)
  .flatMap((rows) => (rows.facts === null ? [] : [{ oid: rows.relid, name: rows.facts.catalog }]))
  .filter(({ oid }) => !isSharedRelation(oid))
  .sort((a, b) => a.oid - b.oid);
const bits = new Map<Oid, number>(CATALOGS.map(({ oid }, bit) => [oid, bit]));
if (CATALOGS.length > 31) throw new Error('too many catalogs with facts for one word');

let slotsAt = -1;
export const catalogStateShmem: ShmemSubsystem = {
  name: 'Catalog Facts',
  request: () => requestShmemSpace(DATABASE_SLOTS * DatabaseFacts.SIZE),
  init() {
    slotsAt = shmemInitStruct('Catalog Facts', DATABASE_SLOTS * DatabaseFacts.SIZE).at;
  },
};

/** Slot of a database, made if need be; -1 if all are taken. */
function slotOf(database: Oid): number {
  if (slotsAt < 0) return -1;
  for (let i = 0; i < DATABASE_SLOTS; i++) {
    const at = slotsAt + i * DatabaseFacts.SIZE;
    const found = DatabaseFacts.database.load(mem, at);
    if (found === database) return at;
    if (found !== 0) continue;
    const before = DatabaseFacts.database.compareExchange(mem, at, 0, database);
    if (before === 0 || before === database) return at;
  }
  return -1;
}
/** DROP DATABASE: nobody is connected to it. Its slot stays its own, should a database get its OID again. */
export function forgetDatabaseFacts(database: Oid): void {
  const at = slotOf(database);
  if (at < 0) return;
  DatabaseFacts.checked.store(mem, at, 0);
  DatabaseFacts.changed.store(mem, at, 0);
  DatabaseFacts.own.store(mem, at, 0);
}

let slot = -1;
let slotDatabase = 0 as Oid;
function mySlot(): number {
  if (slotDatabase !== sessionIdentity.databaseOid) {
    slotDatabase = sessionIdentity.databaseOid;
    slot = slotOf(slotDatabase);
  }
  return slot;
}

/** ROW_SOURCE by bit as this process knows it, -1 unknown. */
const known = new Int8Array(32).fill(-1);
const examining = new Set<Oid>();

/** Where the rows of a catalog of this database are to be read from. */
export function catalogRowSource(catalog: Oid): number {
  if (isSharedRelation(catalog)) return databaseAccess.shared ? ROW_SOURCE.table : ROW_SOURCE.facts;
  if (!databaseAccess.database) return ROW_SOURCE.facts;
  const bit = bits.get(catalog);
  if (bit === undefined) return ROW_SOURCE.table;
  const answer = known[bit]!;
  if (answer >= 0) return answer;
  // Counting opens the catalog, which asks for its columns: those are facts meanwhile.
  if (examining.has(catalog)) return ROW_SOURCE.facts;
  const at = mySlot();
  if (at < 0 || recoveryInProgress()) return ROW_SOURCE.table;
  const mask = 1 << bit;
  if ((DatabaseFacts.checked.load(mem, at) & mask) === 0) {
    examine(catalog, CATALOGS[bit]!.name, at, mask);
  }
  const source =
    (DatabaseFacts.changed.load(mem, at) & mask) !== 0
      ? ROW_SOURCE.table
      : (DatabaseFacts.own.load(mem, at) & mask) !== 0
        ? ROW_SOURCE.both
        : ROW_SOURCE.facts;
  known[bit] = source;
  return source;
}

function examine(catalog: Oid, name: CatalogName, at: number, mask: number): void {
  examining.add(catalog);
  try {
    const { builtin, others } = countRows(catalog);
    if (builtin !== factTable(name).count) DatabaseFacts.changed.or(mem, at, mask);
    if (others) DatabaseFacts.own.or(mem, at, mask);
    DatabaseFacts.checked.or(mem, at, mask);
  } finally {
    examining.delete(catalog);
  }
}
function countRows(catalog: Oid): { builtin: number; others: boolean } {
  const rel = relationOpen(catalog, LOCK.accessShare);
  const strategy = getAccessStrategy('bulkread');
  const blocks = relationNblocks(rel);
  let builtin = 0;
  let others = false;
  for (let block = 0; block < blocks; block++) {
    const buffer = relReadBuffer(rel, block as BlockNumber, undefined, strategy);
    lockBuffer(buffer, BUFFER_LOCK.share);
    const page = bufferPage(buffer);
    const last = pageMaxOffset(page);
    for (let offset = 1; offset <= last; offset++) {
      if (itemFlags(page, offset) !== LP.normal) continue;
      const tuple = itemAt(page, offset);
      if (tupleRawXmin(tuple) !== BOOTSTRAP_XID) others = true;
      else if (isNotDeleted(tuple)) builtin++;
    }
    unlockReleaseBuffer(buffer);
  }
  relationClose(rel, LOCK.accessShare);
  return { builtin, others };
}
function isNotDeleted(tuple: number): boolean {
  const infomask = tupleInfomask(tuple);
  return (infomask & HEAP_XMAX_INVALID) !== 0 || tupleRawXmax(tuple) === 0 || xmaxIsLockedOnly(infomask);
}
export const isBootstrapTuple = (tuple: number): boolean => tupleRawXmin(tuple) === BOOTSTRAP_XID;

setCatalogWriteListener((catalog, tupleAt) => {
  const bit = bits.get(catalog);
  const at = bit === undefined ? -1 : mySlot();
  if (bit === undefined || at < 0) return;
  const mask = 1 << bit;
  DatabaseFacts.own.or(mem, at, mask);
  if (isBootstrapTuple(tupleAt)) DatabaseFacts.changed.or(mem, at, mask);
});
registerCatalogCaches({
  catalogChanged(catalog) {
    const bit = bits.get(catalog);
    if (bit !== undefined) known[bit] = -1;
  },
  allCatalogsChanged: () => void known.fill(-1),
});
