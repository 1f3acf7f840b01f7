/** new-oid.ts — numbers for new objects and for new files.
 *
 *  The counter wraps, so a number may belong to an older object: a unique index over the catalog, or the files of the
 *  tablespace, are asked until a free one comes. Rows that are not committed yet count, hence SnapshotAny.
 *  Counterpart: GetNewOidWithIndex(), GetNewRelFileNode() of src/backend/catalog/catalog.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import { FORK, type Oid, PERMANENT_BACKEND } from '#base/ids.ts';
import { relFileNode } from '#catalog/relcache.ts';
import { systableBeginScan } from '#catalog/systable.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { myProcess } from '#runtime/my-process.ts';
import { smgrClose, smgrExists, smgrOpen } from '#storage/smgr/smgr.ts';
import { SNAPSHOT_ANY } from '#transam/snapshot.ts';
import { getNewObjectId } from '#transam/xid-generator.ts';

/** `index` is the unique index over the catalog's column `oid`, which is always its first. */
export function getNewOidWithIndex(catalog: Relation, index: Oid): Oid {
  for (;;) {
    checkForInterrupts();
    const candidate = getNewObjectId();
    const scan = systableBeginScan(catalog, index, true, [{ attnum: 1, value: candidate }], SNAPSHOT_ANY);
    const taken = scan.next();
    scan.end();
    if (!taken) return candidate;
  }
}

/** A number that is neither a relation (if `pgClass` is given) nor a file in the tablespace. */
export function getNewRelFileNode(tablespace: Oid, pgClass: Relation | null, persistence: 'p' | 'u' | 't'): Oid {
  const backend = persistence === 't' ? myProcess.backendId : PERMANENT_BACKEND;
  for (;;) {
    const candidate = pgClass === null ? getNewObjectId() : getNewOidWithIndex(pgClass, 2662 as Oid);
    const smgr = smgrOpen(relFileNode(tablespace, false, candidate), backend);
    const taken = smgrExists(smgr, FORK.main);
    smgrClose(smgr);
    if (!taken) return candidate;
  }
}
