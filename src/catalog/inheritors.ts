/** inheritors.ts — children of a table, and theirs.
 *  Counterpart: find_all_inheritors() of src/backend/catalog/pg_inherits.c */
import type { Oid } from '#base/ids.ts';
import { store } from '#catalog/rows.ts';
import { classRow } from '#catalog/syscache.ts';
import { lockRelationOid, unlockRelationOid } from '#storage/lmgr/lmgr.ts';
import { LOCK, type LockMode } from '#storage/lmgr/lock-modes.ts';

/** Direct children, ascending, so that everybody locks them in the same order. */
export function children(relid: Oid, lock: LockMode | 0): Oid[] {
  const found = store.inherits
    .by('inhparent', relid)
    .map((row) => row.inhrelid)
    .sort((a, b) => a - b);
  if (lock === LOCK.none) return found;
  return found.filter((child) => {
    lockRelationOid(child, lock as LockMode);
    if (classRow(child) !== undefined) return true;
    // Dropped while we waited.
    unlockRelationOid(child, lock as LockMode);
    return false;
  });
}
/** All that inherit from it, without itself. */
export function allInheritors(relid: Oid, lock: LockMode | 0): Oid[] {
  const out: Oid[] = [relid];
  for (let i = 0; i < out.length; i++) {
    for (const child of children(out[i]!, lock)) if (!out.includes(child)) out.push(child);
  }
  return out.slice(1);
}
/** find_all_inheritors() with the numbers of parents: itself first (with none), then all below it; the number counts
 *  those of its parents that are on the list. */
export function inheritorsWithParents(relid: Oid, lock: LockMode | 0): { readonly relid: Oid; parents: number }[] {
  const out: { readonly relid: Oid; parents: number }[] = [{ relid, parents: 0 }];
  for (let i = 0; i < out.length; i++) {
    for (const child of children(out[i]!.relid, lock)) {
      const known = out.find((one) => one.relid === child);
      if (known !== undefined) known.parents++;
      else out.push({ relid: child, parents: 1 });
    }
  }
  return out;
}
