/** buffer-cache.ts — the functions of the extensions pg_buffercache and pg_prewarm.
 *
 *  They have no row in pg_proc until CREATE EXTENSION makes one; registered under their link symbols (prosrc), the rows
 *  that the extension scripts make for '$libdir/pg_buffercache' and '$libdir/pg_prewarm' find them like any other.
 *  Counterpart: contrib/pg_buffercache/pg_buffercache_pages.c, contrib/pg_prewarm/pg_prewarm.c */
import { type Relation, relationNblocks, relationSmgr, relReadBuffer } from '#access/common/relation-descriptor.ts';
import type { Datum } from '#adt/datum.ts';
import { registerBuiltins, registerSetBuiltins, type SetIterator } from '#adt/fmgr.ts';
import { BLCKSZ, type BlockNumber, FORK, type ForkNumber, type Oid } from '#base/ids.ts';
import { hasRight } from '#catalog/acl.ts';
import { relationClose, relationOpen } from '#catalog/relation.ts';
import { isSuperuserOid } from '#catalog/roles.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { classRow } from '#catalog/syscache.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { mem } from '#shm/memory.ts';
import { privateAlloc, privateFree } from '#shm/private-memory.ts';
import { lockHeader, unlockHeader } from '#storage/buffer/buffer-header.ts';
import {
  BM_DIRTY,
  BM_TAG_VALID,
  BM_VALID,
  BUF_REFCOUNT_MASK,
  BUF_USAGECOUNT_MASK,
  BUF_USAGECOUNT_SHIFT,
  BufferDesc,
} from '#storage/buffer/buffer-layout.ts';
import { descriptorAt, nBuffers } from '#storage/buffer/buffer-pool.ts';
import { releaseBuffer } from '#storage/buffer/pin.ts';
import { prefetchBuffer } from '#storage/buffer/read-buffer.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { smgrExists, smgrRead } from '#storage/smgr/smgr.ts';

/** One row per buffer: bufferid, relfilenode, reltablespace, reldatabase, relforknumber, relblocknumber, isdirty,
 *  usagecount, pinning_backends. A buffer at a time under its header lock: rows are consistent, the whole is not. */
function bufferRow(id: number): Datum[] {
  const desc = descriptorAt(id);
  const state = lockHeader(desc);
  const row: Datum[] =
    (state & (BM_VALID | BM_TAG_VALID)) === (BM_VALID | BM_TAG_VALID)
      ? [
          id + 1,
          BufferDesc.relNode.get(mem, desc),
          BufferDesc.spcNode.get(mem, desc),
          BufferDesc.dbNode.get(mem, desc),
          BufferDesc.fork.get(mem, desc),
          BufferDesc.block.get(mem, desc),
          (state & BM_DIRTY) !== 0,
          (state & BUF_USAGECOUNT_MASK) >> BUF_USAGECOUNT_SHIFT,
          state & BUF_REFCOUNT_MASK,
        ]
      : [id + 1, null, null, null, null, null, null, null, null];
  unlockHeader(desc, state);
  return row;
}

function bufferRows(): SetIterator {
  // All at once, so that a slow reader sees one time.
  const rows = Array.from({ length: nBuffers }, (_, id) => bufferRow(id));
  let next = 0;
  return {
    value: null,
    next() {
      if (next >= rows.length) return false;
      this.value = rows[next++]!;
      return true;
    },
  };
}

const invalid = (message: string, hint?: string): never =>
  report('ERROR', { code: SQLSTATE.invalidParameterValue, message, hint });

function forkNumber(name: string): ForkNumber {
  if (Object.hasOwn(FORK, name)) return FORK[name as keyof typeof FORK];
  return invalid('invalid fork name', 'Valid fork names are "main", "fsm", "vm", and "init".');
}

/** On the whole relation: a right on some column is not enough. */
function maySelect(oid: Oid): boolean {
  const role = sessionIdentity.userOid;
  if (isSuperuserOid(role)) return true;
  const row = classRow(oid);
  return row !== undefined && hasRight({ letter: 'r', owner: row.relowner, acl: row.relacl }, role, 'r', false);
}

const STORAGE_KINDS = 'ritmS';

function prewarm(
  oid: Oid | null,
  mode: string | null,
  forkName: string | null,
  firstBlock: number | bigint | null,
  lastBlock: number | bigint | null,
): number {
  if (oid === null) return invalid('relation cannot be null');
  if (mode === null) return invalid('prewarm type cannot be null');
  if (mode !== 'prefetch' && mode !== 'read' && mode !== 'buffer')
    return invalid('invalid prewarm type', 'Valid prewarm types are "prefetch", "read", and "buffer".');
  if (forkName === null) return invalid('relation fork cannot be null');
  const fork = forkNumber(forkName);
  const rel = relationOpen(oid, LOCK.accessShare);
  if (!maySelect(oid))
    report('ERROR', {
      code: SQLSTATE.insufficientPrivilege,
      message: `permission denied for ${rel.kind === 'i' ? 'index' : 'table'} ${rel.name}`,
    });
  if (!STORAGE_KINDS.includes(rel.kind))
    report('ERROR', {
      code: SQLSTATE.wrongObjectType,
      message: `relation "${rel.name}" does not have storage`,
    });
  if (!smgrExists(relationSmgr(rel), fork)) invalid(`fork "${forkName}" does not exist for this relation`);
  const blocks = relationNblocks(rel, fork);
  const within = (block: number | bigint, which: string): BlockNumber => {
    if (block < 0 || block >= blocks) invalid(`${which} block number must be between 0 and ${blocks - 1}`);
    return Number(block);
  };
  const first = firstBlock === null ? 0 : within(firstBlock, 'starting');
  const last = lastBlock === null ? blocks - 1 : within(lastBlock, 'ending');
  const done = warm(rel, mode, fork, first, last);
  relationClose(rel, LOCK.accessShare);
  return done;
}

function warm(
  rel: Relation,
  mode: 'prefetch' | 'read' | 'buffer',
  fork: ForkNumber,
  first: BlockNumber,
  last: BlockNumber,
): number {
  // 'read' goes past the pool, into a page that is thrown away: it warms the kernel's cache only.
  const page = mode === 'read' ? privateAlloc(BLCKSZ) : 0;
  try {
    for (let block = first; block <= last; block++) {
      checkForInterrupts();
      if (mode === 'prefetch') prefetchBuffer(relationSmgr(rel), fork, block);
      else if (mode === 'read') smgrRead(relationSmgr(rel), fork, block, page);
      else releaseBuffer(relReadBuffer(rel, block, undefined, null, fork));
    }
  } finally {
    if (page !== 0) privateFree(page);
  }
  return Math.max(0, last - first + 1);
}

registerSetBuiltins({ pg_buffercache_pages: bufferRows });
registerBuiltins({ pg_prewarm: prewarm });
