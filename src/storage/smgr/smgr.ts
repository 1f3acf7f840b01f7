/** smgr.ts — relations as forks of numbered blocks: what buffers and storage management ask for.
 *
 *  One SmgrRelation per relation and process, found by file node and kept open across transactions; those that no relcache
 *  entry owns are closed at the end of the transaction. A relation that others drop or truncate is closed by an
 *  invalidation message. Sizes are remembered, and trusted only in recovery, where nobody else extends.
 *  What lies above (the buffer pool, invalidation messages) hangs itself in by `setSmgrHooks`.
 *  Counterpart: src/backend/storage/smgr/smgr.c */
import { ALL_FORKS, type BlockNumber, type ForkNumber, INVALID_BLOCK, type Oid, type RelFileNode } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import {
  mdClose,
  mdCreate,
  mdExists,
  mdExtend,
  mdImmedSync,
  mdNblocks,
  mdPrefetch,
  mdRead,
  mdTruncate,
  mdUnlink,
  mdWrite,
  mdWriteback,
  setOpenRelationLookup,
} from '#storage/smgr/md.ts';
import { setBarrierHandler } from '#storage/ipc/proc-signal.ts';
import { inRecovery } from '#wal/recovery-state.ts';

/** Whoever keeps a reference (a relcache entry): it is taken away when the relation is closed here. */
export interface SmgrOwner {
  smgr: SmgrRelation | null;
}

export class SmgrRelation {
  /** Where the next insertion may go; INVALID_BLOCK when unknown. */
  targetBlock: BlockNumber = INVALID_BLOCK;
  /** Last known number of blocks of each fork; INVALID_BLOCK when unknown. */
  readonly cachedNblocks: [BlockNumber, BlockNumber, BlockNumber, BlockNumber] = [
    INVALID_BLOCK,
    INVALID_BLOCK,
    INVALID_BLOCK,
    INVALID_BLOCK,
  ];
  /** Open segments of each fork, from segment 0 on without a gap. */
  readonly segments: readonly [number[], number[], number[], number[]] = [[], [], [], []];
  /** Its pages are not WAL-logged and vanish in a crash; set by whoever knows the relation. */
  unlogged = false;
  /** pg_class.oid, by which locks name the relation; set by whoever knows it. */
  relationOid: Oid;
  owner: SmgrOwner | null = null;
  /** Next one with the same relNode (smgr.ts). */
  next: SmgrRelation | null = null;
  constructor(
    readonly rnode: RelFileNode,
    /** -1 permanent, else the backend whose temporary relation it is. */
    readonly backend: number,
  ) {
    this.relationOid = rnode.relNode;
  }
}

/** Persistence as pg_class has it. */
export const smgrPersistence = (rel: SmgrRelation): 'p' | 'u' | 't' =>
  rel.backend !== -1 ? 't' : rel.unlogged ? 'u' : 'p';

export interface SmgrHooks {
  /** Forgets the pages at and behind `nblocks[i]` of `forks[i]`. */
  dropRelationBuffers(rel: SmgrRelation, forks: readonly ForkNumber[], nblocks: readonly BlockNumber[]): void;
  dropRelationsAllBuffers(rels: readonly SmgrRelation[]): void;
  flushRelationsAllBuffers(rels: readonly SmgrRelation[]): void;
  /** Tells the others to close their files of it. */
  cacheInvalidateSmgr(rnode: RelFileNode, backend: number): void;
}
const missing = (name: string) => (): never => report('ERROR', { message: `${name} is not installed` });
const hooks: SmgrHooks = {
  dropRelationBuffers: missing('dropRelationBuffers'),
  dropRelationsAllBuffers: missing('dropRelationsAllBuffers'),
  flushRelationsAllBuffers: missing('flushRelationsAllBuffers'),
  cacheInvalidateSmgr: missing('cacheInvalidateSmgr'),
};
export function setSmgrHooks(some: Partial<SmgrHooks>): void {
  Object.assign(hooks, some);
}

/** Tells the others to forget what they know of the relation's files, a fork that is new or longer. */
export const smgrInvalidate = (rel: SmgrRelation): void => hooks.cacheInvalidateSmgr(rel.rnode, rel.backend);

/** By relNode; those that share it hang together by `next`. */
const relations = new Map<number, SmgrRelation>();

function find(rnode: RelFileNode, backend: number): SmgrRelation | null {
  let rel = relations.get(rnode.relNode) ?? null;
  while (rel !== null) {
    if (rel.backend === backend && rel.rnode.dbNode === rnode.dbNode && rel.rnode.spcNode === rnode.spcNode) return rel;
    rel = rel.next;
  }
  return null;
}
setOpenRelationLookup((rnode) => find(rnode, -1) ?? undefined);

/** Nothing is opened before it is needed. */
export function smgrOpen(rnode: RelFileNode, backend: number): SmgrRelation {
  const found = find(rnode, backend);
  if (found !== null) return found;
  const { spcNode, dbNode, relNode } = rnode;
  const rel = new SmgrRelation({ spcNode, dbNode, relNode }, backend);
  rel.next = relations.get(relNode) ?? null;
  relations.set(relNode, rel);
  return rel;
}

/** `owner.smgr` becomes the relation, and null again when it is closed. */
export function smgrSetOwner(owner: SmgrOwner, rel: SmgrRelation): void {
  if (rel.owner !== null) rel.owner.smgr = null;
  rel.owner = owner;
  owner.smgr = rel;
}
export function smgrClearOwner(owner: SmgrOwner, rel: SmgrRelation): void {
  if (rel.owner !== owner) return;
  owner.smgr = null;
  rel.owner = null;
}

/** Closes the files and forgets the relation. */
export function smgrClose(rel: SmgrRelation): void {
  for (const fork of ALL_FORKS) mdClose(rel, fork);
  if (rel.owner !== null) {
    rel.owner.smgr = null;
    rel.owner = null;
  }
  const { relNode } = rel.rnode;
  const first = relations.get(relNode);
  if (first === rel) {
    if (rel.next === null) relations.delete(relNode);
    else relations.set(relNode, rel.next);
  } else {
    for (let one = first ?? null; one !== null; one = one.next) {
      if (one.next !== rel) continue;
      one.next = rel.next;
      break;
    }
  }
  rel.next = null;
}
/** Closes the files and keeps the relation. */
export function smgrRelease(rel: SmgrRelation): void {
  for (const fork of ALL_FORKS) {
    mdClose(rel, fork);
    rel.cachedNblocks[fork] = INVALID_BLOCK;
  }
}
function all(): SmgrRelation[] {
  const list: SmgrRelation[] = [];
  for (const first of relations.values())
    for (let rel: SmgrRelation | null = first; rel !== null; rel = rel.next) list.push(rel);
  return list;
}
export function smgrReleaseAll(): void {
  for (const rel of all()) smgrRelease(rel);
}
// Folders of a tablespace or database are to go: nobody may hold files there.
setBarrierHandler('smgrRelease', () => {
  smgrReleaseAll();
  return true;
});
export function smgrCloseAll(): void {
  for (const rel of all()) smgrClose(rel);
}
/** Answer to an invalidation message: closes it if it is open here. */
export function smgrCloseNode(rnode: RelFileNode, backend: number): void {
  const rel = find(rnode, backend);
  if (rel !== null) smgrClose(rel);
}
/** End of transaction: what no relcache entry owns is closed. */
export function atEoXactSmgr(): void {
  for (const rel of all()) if (rel.owner === null) smgrClose(rel);
}

export const smgrExists = (rel: SmgrRelation, fork: ForkNumber): boolean => mdExists(rel, fork);
export function smgrCreate(rel: SmgrRelation, fork: ForkNumber, isRedo: boolean): void {
  mdCreate(rel, fork, isRedo);
}
/** Writes a block behind the end; blocks in between read as zero. */
export function smgrExtend(
  rel: SmgrRelation,
  fork: ForkNumber,
  block: BlockNumber,
  at: number,
  skipFsync: boolean,
): void {
  mdExtend(rel, fork, block, at, skipFsync);
  // The size is known for certain only if the block was the next one.
  rel.cachedNblocks[fork] = rel.cachedNblocks[fork] === block ? block + 1 : INVALID_BLOCK;
}
export const smgrPrefetch = (rel: SmgrRelation, fork: ForkNumber, block: BlockNumber): boolean =>
  mdPrefetch(rel, fork, block);
export function smgrRead(rel: SmgrRelation, fork: ForkNumber, block: BlockNumber, at: number): void {
  mdRead(rel, fork, block, at);
}
/** Replaces a block that exists. `skipFsync`: the caller will fsync the fork itself (smgrImmedSync). */
export function smgrWrite(
  rel: SmgrRelation,
  fork: ForkNumber,
  block: BlockNumber,
  at: number,
  skipFsync: boolean,
): void {
  mdWrite(rel, fork, block, at, skipFsync);
}
export function smgrWriteback(rel: SmgrRelation, fork: ForkNumber, block: BlockNumber, nblocks: number): void {
  mdWriteback(rel, fork, block, nblocks);
}

export function smgrNblocks(rel: SmgrRelation, fork: ForkNumber): BlockNumber {
  const cached = smgrNblocksCached(rel, fork);
  if (cached !== INVALID_BLOCK) return cached;
  const blocks = mdNblocks(rel, fork);
  rel.cachedNblocks[fork] = blocks;
  return blocks;
}
/** The size if it is known without asking the kernel: in recovery, where nobody else extends. */
export const smgrNblocksCached = (rel: SmgrRelation, fork: ForkNumber): BlockNumber =>
  inRecovery() ? rel.cachedNblocks[fork] : INVALID_BLOCK;

/** Cuts forks to a number of blocks. The caller holds AccessExclusiveLock and has written WAL. */
export function smgrTruncate(rel: SmgrRelation, forks: readonly ForkNumber[], nblocks: readonly BlockNumber[]): void {
  // Pages of the cut part must not be written back, which would bring it back.
  hooks.dropRelationBuffers(rel, forks, nblocks);
  // Before the files change: once they have, this must not fail, or others would go on with descriptors of cut segments.
  hooks.cacheInvalidateSmgr(rel.rnode, rel.backend);
  for (let i = 0; i < forks.length; i++) {
    const fork = forks[i]!;
    rel.cachedNblocks[fork] = INVALID_BLOCK;
    mdTruncate(rel, fork, nblocks[i]!);
    rel.cachedNblocks[fork] = nblocks[i]!;
  }
}

export function smgrImmedSync(rel: SmgrRelation, fork: ForkNumber): void {
  mdImmedSync(rel, fork);
}

/** Removes relations whose dropping is committed (or whose creation was rolled back). */
export function smgrDoUnlinkAll(rels: readonly SmgrRelation[], isRedo: boolean): void {
  if (rels.length === 0) return;
  hooks.dropRelationsAllBuffers(rels);
  for (const rel of rels) for (const fork of ALL_FORKS) mdClose(rel, fork);
  // Sent before the files go, as unlinking cannot be undone.
  for (const rel of rels) hooks.cacheInvalidateSmgr(rel.rnode, rel.backend);
  for (const rel of rels) for (const fork of ALL_FORKS) mdUnlink(rel.rnode, rel.backend, fork, isRedo);
}

/** Writes and fsyncs relations that were filled without WAL. */
export function smgrDoSyncAll(rels: readonly SmgrRelation[]): void {
  if (rels.length === 0) return;
  hooks.flushRelationsAllBuffers(rels);
  for (const rel of rels) for (const fork of ALL_FORKS) if (mdExists(rel, fork)) mdImmedSync(rel, fork);
}
