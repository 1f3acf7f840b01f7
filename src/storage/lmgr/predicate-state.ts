/** predicate-state.ts — this process's serializable transaction, and what it knows of its own locks.
 *
 *  The local record of locks answers “do I hold this already, or something coarser?” without shared memory, and counts
 *  the finer locks under each page and relation to know when to take the coarser one instead.
 *  Counterpart: MySerializableXact and LocalPredicateLockHash of src/backend/storage/lmgr/predicate.c */

export class LocalPage {
  held = false;
  /** Tuple locks under it, as counted for promotion. */
  children = 0;
  /** Offsets of the tuples locked. */
  readonly tuples = new Set<number>();
}
export class LocalRelation {
  held = false;
  children = 0;
  readonly pages = new Map<number, LocalPage>();
  constructor(
    readonly database: number,
    readonly relation: number,
  ) {}
  page(block: number): LocalPage {
    let page = this.pages.get(block);
    if (page === undefined) {
      page = new LocalPage();
      this.pages.set(block, page);
    }
    return page;
  }
}

/** Offset of this transaction's Sxact; 0 while it is not serializable, or safe. */
export let mySxact = 0;
/** It has written something, so it is no read-only transaction after all. */
export let didWrite = false;
const relations = new Map<number, LocalRelation>();
let latest: LocalRelation | null = null;

export function setMySxact(sxact: number): void {
  mySxact = sxact;
  didWrite = false;
}
export function noteDidWrite(): void {
  didWrite = true;
}
export function forgetMySxact(): void {
  mySxact = 0;
  didWrite = false;
  latest = null;
  if (relations.size > 0) relations.clear();
}

export function localRelation(database: number, relation: number): LocalRelation {
  if (latest !== null && latest.relation === relation && latest.database === database) return latest;
  const key = relation * 2 + (database === 0 ? 1 : 0);
  let found = relations.get(key);
  if (found === undefined) {
    found = new LocalRelation(database, relation);
    relations.set(key, found);
  }
  latest = found;
  return found;
}
