/** global-vis.ts — is an xid old enough that nobody can still need what it deleted?
 *
 *  Two bounds answer most questions without looking at other processes: below maybeNeeded everything is removable, from
 *  definitelyNeeded on nothing is. Only for the xids between them are the exact horizons computed (proc-array.ts).
 *  Bounds are full transaction ids, so that they never wrap.
 *  Counterpart: struct GlobalVisState of src/backend/storage/ipc/procarray.c */

/** Which horizon a relation has: shared catalog, catalog of my database, ordinary table, my temporary table. */
export type HorizonKind = 'shared' | 'catalog' | 'data' | 'temp';

export class GlobalVisState {
  /** Full xid: from here on rows may be needed. */
  definitelyNeeded = 0;
  /** Full xid: before this nobody needs a row. */
  maybeNeeded = 0;
  constructor(readonly kind: HorizonKind) {}
}
