/** inval.ts — telling every process, this one included, that what it remembers of the catalogs is no longer so.
 *
 *  A change of a catalog is noted when its tuple is written. Messages of the running command wait until its end, when
 *  this process executes them; those of the whole transaction are sent to all when it has committed, or executed here
 *  once more when it aborts, because it must forget what only it has seen. A subtransaction keeps its own list.
 *  Smgr and relmap messages are not transactional: they are sent at once.
 *  A message has 16 bytes, the same in the queue, in commit records and here.
 *  Counterpart: src/backend/utils/cache/inval.c, src/include/storage/sinval.h */
import { heapGetAttr } from '#access/common/heap-tuple.ts';
import type { Oid } from '#base/ids.ts';
import { catalogTupleDesc } from '#catalog/catalog-desc.ts';
import { catcacheTupleHash } from '#catalog/catcache-hash.ts';
import { RELATION } from '#catalog/oids.ts';
import {
  relationCacheInitFilePostInvalidate,
  relationCacheInitFilePreInvalidate,
} from '#catalog/relcache-init-file.ts';
import { databaseAccess, sessionIdentity } from '#catalog/session-identity.ts';
import { invalidatesSnapshotsOnly, SYSCACHES, syscacheCatalog, syscachesOf } from '#catalog/syscache-list.ts';
import { mem } from '#shm/memory.ts';
import { privateAlloc, privateFree } from '#shm/private-memory.ts';
import { receiveSharedInvalidMessages, SINVAL_MESSAGE_SIZE, sendSharedInvalidMessages } from '#storage/ipc/sinval.ts';
import { isSharedRelation, setInvalidationAcceptor } from '#storage/lmgr/lmgr.ts';
import { smgrCloseNode } from '#storage/smgr/smgr.ts';
import { invalidateCatalogSnapshot, setCatalogSnapshotReusable } from '#transam/snapshot.ts';
import { registerXactParticipant, XACT_RANK } from '#transam/xact-callbacks.ts';
import { type CommitInvalidations, NO_INVALIDATIONS, registerXactHooks } from '#transam/xact-hooks.ts';
import { getCurrentCommandId, transactionNestLevel } from '#transam/xact.ts';

/** Message kinds; 0 and above is a catalog cache's number. */
export const INVAL = { catalog: -1, relcache: -2, smgr: -3, relmap: -4, snapshot: -5 } as const;

// ── who listens ──────────────────────────────────────────────────────────────────────────────────────────────────

/** `hash` 0 is every entry of the catalog cache. */
export type SyscacheCallback = (cacheId: number, hash: number) => void;
/** relid 0: every relation. */
export type RelcacheCallback = (relid: Oid) => void;

const syscacheCallbacks: { readonly cacheId: number; readonly call: SyscacheCallback }[] = [];
const relcacheCallbacks: RelcacheCallback[] = [];
export function cacheRegisterSyscacheCallback(cacheId: number, callback: SyscacheCallback): void {
  syscacheCallbacks.push({ cacheId, call: callback });
}
export function cacheRegisterRelcacheCallback(callback: RelcacheCallback): void {
  relcacheCallbacks.push(callback);
}

/** The caches of the catalog itself, which are told before any callback. */
export interface CatalogCaches {
  /** Rows of a catalog changed: one entry of a cache (hash), or all of it (hash 0). */
  catalogChanged(catalog: Oid, cacheId: number, hash: number): void;
  allCatalogsChanged(): void;
  relationChanged(relid: Oid): void;
  allRelationsChanged(): void;
  relationMapChanged(shared: boolean): void;
}
const caches: Partial<CatalogCaches>[] = [];
export function registerCatalogCaches(cache: Partial<CatalogCaches>): void {
  caches.push(cache);
}

// ── lists of messages ────────────────────────────────────────────────────────────────────────────────────────────

class MessageList {
  bytes = new Uint8Array(16 * SINVAL_MESSAGE_SIZE);
  view = new DataView(this.bytes.buffer);
  count = 0;
  /** Room for one more message, zeroed; returns its offset. */
  add(): number {
    const at = this.count * SINVAL_MESSAGE_SIZE;
    if (at === this.bytes.length) this.grow(at * 2);
    this.count++;
    this.bytes.fill(0, at, at + SINVAL_MESSAGE_SIZE);
    return at;
  }
  private grow(size: number): void {
    const bytes = new Uint8Array(size);
    bytes.set(this.bytes);
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
  }
  append(other: MessageList): void {
    for (let i = 0; i < other.count; i++) {
      const at = this.add();
      this.bytes.set(other.bytes.subarray(i * SINVAL_MESSAGE_SIZE, (i + 1) * SINVAL_MESSAGE_SIZE), at);
    }
    other.count = 0;
  }
  /** Is there a message of this kind about `object`, or about everything? */
  mentions(kind: number, object: Oid): boolean {
    for (let at = 0; at < this.count * SINVAL_MESSAGE_SIZE; at += SINVAL_MESSAGE_SIZE) {
      if (this.view.getInt8(at) !== kind) continue;
      const found = this.view.getUint32(at + 8, true);
      if (found === object || (found === 0 && kind === INVAL.relcache)) return true;
    }
    return false;
  }
  get used(): Uint8Array {
    return this.bytes.subarray(0, this.count * SINVAL_MESSAGE_SIZE);
  }
  execute(): void {
    for (let i = 0; i < this.count; i++) executeMessage(this.view, i * SINVAL_MESSAGE_SIZE);
  }
}
/** Catalog messages are executed before relation cache ones: rebuilding a relation must read new catalog rows. */
class MessageGroup {
  readonly catalog = new MessageList();
  readonly relation = new MessageList();
  execute(): void {
    this.catalog.execute();
    this.relation.execute();
  }
  append(other: MessageGroup): void {
    this.catalog.append(other.catalog);
    this.relation.append(other.relation);
  }
}

interface TransactionInvalidations {
  readonly parent: TransactionInvalidations | null;
  level: number;
  /** Commands that have ended. */
  readonly prior: MessageGroup;
  readonly current: MessageGroup;
  relcacheInitFileInval: boolean;
}
let info: TransactionInvalidations | null = null;

function prepare(): TransactionInvalidations {
  const level = transactionNestLevel();
  if (info === null || info.level !== level) {
    info = {
      parent: info,
      level,
      prior: new MessageGroup(),
      current: new MessageGroup(),
      relcacheInitFileInval: false,
    };
  }
  return info;
}

// ── noting ───────────────────────────────────────────────────────────────────────────────────────────────────────

const databaseOf = (relid: Oid): Oid => (isSharedRelation(relid) ? (0 as Oid) : sessionIdentity.databaseOid);

function addMessage(list: MessageList, kind: number, database: Oid, object: number): void {
  const at = list.add();
  list.view.setInt8(at, kind);
  list.view.setUint32(at + 4, database, true);
  list.view.setUint32(at + 8, object, true);
}
function registerSnapshot(database: Oid, relid: Oid): void {
  const { current } = prepare();
  if (!current.relation.mentions(INVAL.snapshot, relid)) {
    addMessage(current.relation, INVAL.snapshot, database, relid);
  }
}
/** Relations that PostgreSQL's relcache init file describes: what syscaches need, and a few more. */
const IN_INIT_FILE: ReadonlySet<number> = new Set([
  ...SYSCACHES.flatMap(([, , catalog, index]) => [catalog, index]),
  ...[3592, 2701, 2671, 3593],
]);
function registerRelcache(database: Oid, relid: Oid): void {
  const state = prepare();
  if (!state.current.relation.mentions(INVAL.relcache, relid)) {
    addMessage(state.current.relation, INVAL.relcache, database, relid);
  }
  // Obeying this message is due at the end of the command, even if it wrote nothing else (updates in place do not count).
  getCurrentCommandId(true);
  if (relid === 0 || IN_INIT_FILE.has(relid)) state.relcacheInitFileInval = true;
}

function registerCatcaches(catalog: Oid, tupleAt: number, newTupleAt: number): void {
  const { catalog: list } = prepare().current;
  const database = databaseOf(catalog);
  for (const cache of syscachesOf(catalog)) {
    const hash = catcacheTupleHash(catalog, cache, tupleAt);
    addMessage(list, cache.id, database, hash);
    if (newTupleAt === 0) continue;
    const newHash = catcacheTupleHash(catalog, cache, newTupleAt);
    if (newHash !== hash) addMessage(list, cache.id, database, newHash);
  }
}

/** The relation whose description a catalog's tuple is part of, 0 if none; its database. */
function describedRelation(catalog: Oid, tupleAt: number): { relid: Oid; database: Oid } | undefined {
  const field = (attnum: number): unknown => heapGetAttr(catalogTupleDesc(catalog), tupleAt, attnum);
  switch (catalog) {
    case RELATION.pgClass: {
      const relid = field(1) as Oid;
      return { relid, database: field(CLASS_IS_SHARED) === true ? (0 as Oid) : sessionIdentity.databaseOid };
    }
    case RELATION.pgAttribute:
    case RELATION.pgIndex:
      // KLUGE, as PostgreSQL says: shared catalogs' columns never change while the server runs.
      return { relid: field(1) as Oid, database: sessionIdentity.databaseOid };
    case RELATION.pgConstraint: {
      const relid = field(CONSTRAINT_RELID) as Oid;
      return field(CONSTRAINT_TYPE) === 'f' && relid !== 0
        ? { relid, database: sessionIdentity.databaseOid }
        : undefined;
    }
    default:
      return undefined;
  }
}
const CLASS_IS_SHARED = 15;
const CONSTRAINT_TYPE = 4;
const CONSTRAINT_RELID = 8;

/** Told of every tuple of a catalog that is written: the facts may stop being true (catalog-state.ts). */
export type CatalogWriteListener = (catalog: Oid, tupleAt: number) => void;
let writeListener: CatalogWriteListener = () => {};
export function setCatalogWriteListener(listener: CatalogWriteListener): void {
  writeListener = listener;
}

/** A tuple of a catalog was inserted or is about to be deleted, or (with `newTupleAt`) replaced; addresses in `mem`. */
export function cacheInvalidateHeapTuple(catalog: Oid, tupleAt: number, newTupleAt = 0): void {
  writeListener(catalog, tupleAt);
  prepare();
  if (invalidatesSnapshotsOnly(catalog)) registerSnapshot(databaseOf(catalog), catalog);
  else registerCatcaches(catalog, tupleAt, newTupleAt);
  const described = describedRelation(catalog, tupleAt);
  if (described !== undefined) registerRelcache(described.database, described.relid);
}
/** All caches over one catalog: VACUUM FULL, CLUSTER of it. */
export function cacheInvalidateCatalog(catalogId: Oid): void {
  addMessage(prepare().current.catalog, INVAL.catalog, databaseOf(catalogId), catalogId);
}
export function cacheInvalidateRelcache(relid: Oid, isShared = isSharedRelation(relid)): void {
  registerRelcache(isShared ? (0 as Oid) : sessionIdentity.databaseOid, relid);
}
export function cacheInvalidateRelcacheAll(): void {
  registerRelcache(0 as Oid, 0 as Oid);
}

// ── sent at once ─────────────────────────────────────────────────────────────────────────────────────────────────

function sendBytes(bytes: Uint8Array): void {
  if (bytes.length === 0) return;
  const at = privateAlloc(bytes.length);
  mem.u8.set(bytes, at);
  sendSharedInvalidMessages(at, bytes.length / SINVAL_MESSAGE_SIZE);
  privateFree(at);
}
/** Files went away or shrank. */
export function cacheInvalidateSmgr(spcNode: Oid, dbNode: Oid, relNode: Oid, backend: number): void {
  const bytes = new Uint8Array(SINVAL_MESSAGE_SIZE);
  const view = new DataView(bytes.buffer);
  view.setInt8(0, INVAL.smgr);
  view.setInt8(1, backend >> 16);
  view.setUint16(2, backend & 0xffff, true);
  view.setUint32(4, spcNode, true);
  view.setUint32(8, dbNode, true);
  view.setUint32(12, relNode, true);
  sendBytes(bytes);
}
/** The relation map of a database (0: the shared one) was rewritten. */
export function cacheInvalidateRelmap(databaseId: Oid): void {
  const bytes = new Uint8Array(SINVAL_MESSAGE_SIZE);
  const view = new DataView(bytes.buffer);
  view.setInt8(0, INVAL.relmap);
  view.setUint32(4, databaseId, true);
  sendBytes(bytes);
}

// ── executing ────────────────────────────────────────────────────────────────────────────────────────────────────

let epoch = 0;
/** Grows with every change of the catalogs that this process learns of. */
export const catalogEpoch = (): number => epoch;

const concerns = (database: number): boolean => database === 0 || database === sessionIdentity.databaseOid;

function executeMessage(view: DataView, at: number): void {
  const kind = view.getInt8(at);
  const database = view.getUint32(at + 4, true);
  const object = view.getUint32(at + 8, true);
  if (kind >= 0) {
    if (!concerns(database)) return;
    const catalog = syscacheCatalog(kind);
    if (catalog === undefined) return;
    epoch++;
    invalidateCatalogSnapshot();
    for (const cache of caches) cache.catalogChanged?.(catalog, kind, object);
    callSyscacheCallbacks(kind, object);
    return;
  }
  switch (kind) {
    case INVAL.catalog:
      if (!concerns(database)) return;
      epoch++;
      invalidateCatalogSnapshot();
      for (const cache of caches) cache.catalogChanged?.(object as Oid, -1, 0);
      for (const { id } of syscachesOf(object as Oid)) callSyscacheCallbacks(id, 0);
      return;
    case INVAL.relcache:
      if (!concerns(database)) return;
      epoch++;
      for (const cache of caches) {
        if (object === 0) cache.allRelationsChanged?.();
        else cache.relationChanged?.(object as Oid);
      }
      for (const call of relcacheCallbacks) call(object as Oid);
      return;
    case INVAL.smgr:
      smgrCloseNode(
        {
          spcNode: view.getUint32(at + 4, true) as Oid,
          dbNode: view.getUint32(at + 8, true) as Oid,
          relNode: view.getUint32(at + 12, true) as Oid,
        },
        (view.getInt8(at + 1) << 16) | view.getUint16(at + 2, true),
      );
      return;
    case INVAL.relmap:
      if (concerns(database)) for (const cache of caches) cache.relationMapChanged?.(database === 0);
      return;
    case INVAL.snapshot:
      if (concerns(database)) invalidateCatalogSnapshot();
  }
}
function callSyscacheCallbacks(cacheId: number, hash: number): void {
  for (const registered of syscacheCallbacks) if (registered.cacheId === cacheId) registered.call(cacheId, hash);
}

/** Everything that is remembered may be wrong: messages were lost. */
export function invalidateSystemCaches(): void {
  epoch++;
  invalidateCatalogSnapshot();
  for (const cache of caches) {
    cache.allCatalogsChanged?.();
    cache.allRelationsChanged?.();
  }
  for (const { cacheId, call } of syscacheCallbacks) call(cacheId, 0);
  for (const call of relcacheCallbacks) call(0 as Oid);
}

const receiveOne = (at: number): void => executeMessage(mem.view, at);
/** Reads what others have sent. */
export function acceptInvalidationMessages(): void {
  receiveSharedInvalidMessages(receiveOne, invalidateSystemCaches);
}
setInvalidationAcceptor(acceptInvalidationMessages);

// ── ends of commands and transactions ────────────────────────────────────────────────────────────────────────────

/** After CommandCounterIncrement: this process sees its own changes from now on. */
export function commandEndInvalidationMessages(): void {
  if (info === null) return;
  const { current, prior } = info;
  current.execute();
  prior.append(current);
}

/** What a commit record carries. */
export function xactGetCommittedInvalidationMessages(): CommitInvalidations {
  if (info === null) return NO_INVALIDATIONS;
  const lists = [info.prior.catalog, info.current.catalog, info.prior.relation, info.current.relation];
  const messages = Buffer.concat(lists.map((list) => list.used));
  return {
    messages,
    count: messages.length / SINVAL_MESSAGE_SIZE,
    relcacheInitFileInval: info.relcacheInitFileInval,
  };
}
/** Redo of a commit: messages from the record, sent to everybody. */
export function processCommittedInvalidationMessages(
  invalidations: CommitInvalidations,
  database: Oid,
  tablespace: Oid,
): void {
  if (invalidations.count === 0) return;
  if (invalidations.relcacheInitFileInval) relationCacheInitFilePreInvalidate(database, tablespace);
  sendBytes(invalidations.messages);
  if (invalidations.relcacheInitFileInval) relationCacheInitFilePostInvalidate();
}

export function atEOXactInval(isCommit: boolean): void {
  const state = info;
  if (state === null) return;
  info = null;
  if (!isCommit) {
    state.prior.execute();
    return;
  }
  // Commands that end with the transaction have executed theirs nowhere: this process reads them back like any other.
  state.prior.append(state.current);
  if (state.relcacheInitFileInval) relationCacheInitFilePreInvalidate();
  sendBytes(state.prior.catalog.used);
  sendBytes(state.prior.relation.used);
  if (state.relcacheInitFileInval) relationCacheInitFilePostInvalidate();
}
/** PREPARE TRANSACTION: its messages are in the two-phase file; here the changes are undone. */
export function postPrepareInval(): void {
  atEOXactInval(false);
}
export function atEOSubXactInval(isCommit: boolean): void {
  const state = info;
  if (state === null || state.level !== transactionNestLevel()) return;
  if (!isCommit) {
    info = state.parent;
    state.prior.execute();
    return;
  }
  commandEndInvalidationMessages();
  const { parent } = state;
  if (parent === null || parent.level < state.level - 1) {
    state.level--;
    return;
  }
  parent.prior.append(state.prior);
  parent.relcacheInitFileInval ||= state.relcacheInitFileInval;
  info = parent;
}

registerXactParticipant({
  name: 'invalidation',
  rank: XACT_RANK.sinval,
  atStart: () => {
    if (databaseAccess.shared) acceptInvalidationMessages();
  },
  atCommit: () => atEOXactInval(true),
  atPrepare: () => postPrepareInval(),
  atAbort: () => atEOXactInval(false),
  atSubCommit: () => atEOSubXactInval(true),
  atSubAbort: () => atEOSubXactInval(false),
  atCommandEnd: () => commandEndInvalidationMessages(),
});
registerXactHooks({
  committedInvalidations: xactGetCommittedInvalidationMessages,
  processCommittedInvalidations: processCommittedInvalidationMessages,
  sendInvalidations: (messages) => sendBytes(messages),
  relcacheInitFilePreInvalidate: () => relationCacheInitFilePreInvalidate(),
  relcacheInitFilePostInvalidate: relationCacheInitFilePostInvalidate,
});
/** Changes of catalogs with a cache, and of those listed as ending snapshots, are announced by messages. */
setCatalogSnapshotReusable((relid) => syscachesOf(relid).length > 0 || invalidatesSnapshotsOnly(relid));
