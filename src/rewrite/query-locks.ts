/** query-locks.ts — the relations that an analysed query reads or changes, to be locked again when it is used again.
 *
 *  Analysis locks what it looks at until the end of its transaction. A query kept for later, as a prepared statement or a
 *  view's definition is, needs its locks anew in each transaction, before it is planned or run.
 *  Counterpart: AcquirePlannerLocks() of src/backend/utils/cache/plancache.c, AcquireRewriteLocks() of rewriteHandler.c */
import type { Oid } from '#base/ids.ts';
import { lockRelationOid, unlockRelationOid } from '#storage/lmgr/lmgr.ts';
import { LOCK, type LockMode } from '#storage/lmgr/lock-modes.ts';

export interface RelationLocks {
  readonly relids: readonly Oid[];
  readonly modes: readonly LockMode[];
}

/** In the order of their appearance, each in the strongest mode that is asked for. */
export function relationLocksOf(queries: unknown): RelationLocks {
  const modes = new Map<Oid, LockMode>();
  const visit = (node: unknown): void => {
    if (node === null || typeof node !== 'object') return;
    if (Array.isArray(node)) {
      for (const one of node) visit(one);
      return;
    }
    const { kind, rtekind, relid, rellockmode } = node as {
      kind?: string;
      rtekind?: string;
      relid?: Oid;
      rellockmode?: number;
    };
    // An expanded view is a sub-select that remembers which relation it was.
    if (kind === 'RangeTblEntry' && relid !== undefined && relid !== 0) {
      const mode = (rtekind === 'relation' ? (rellockmode ?? LOCK.accessShare) : LOCK.accessShare) as LockMode;
      const known = modes.get(relid);
      if (known === undefined || known < mode) modes.set(relid, mode);
    }
    for (const key in node) visit((node as Record<string, unknown>)[key]);
  };
  visit(queries);
  return { relids: [...modes.keys()], modes: [...modes.values()] };
}

export function acquireRelationLocks(locks: RelationLocks): void {
  for (let i = 0; i < locks.relids.length; i++) lockRelationOid(locks.relids[i]!, locks.modes[i]!);
}
export function releaseRelationLocks(locks: RelationLocks): void {
  for (let i = 0; i < locks.relids.length; i++) unlockRelationOid(locks.relids[i]!, locks.modes[i]!);
}
