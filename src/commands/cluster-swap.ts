/** cluster-swap.ts — two tables exchange their files, and the one that was made for that goes.
 *  Counterpart: swap_relation_files(), finish_heap_swap() of src/backend/commands/cluster.c */
import type { MultiXactId, Oid, TransactionId } from '#base/ids.ts';
import { performDeletion } from '#catalog/dependency.ts';
import { catalogUpdateColumns } from '#catalog/indexing.ts';
import { cacheInvalidateCatalog, cacheInvalidateRelcache } from '#catalog/inval.ts';
import { objectAddress } from '#catalog/object-address.ts';
import { RELATION } from '#catalog/oids.ts';
import { deleteDependencyRecordsForClass, recordDependencyOn } from '#catalog/pg-depend.ts';
import { cachedRelation, relationAssumeNewRelfilenode, relationGetIndexList } from '#catalog/relcache.ts';
import { relationClose, relationOpen, tableOpen } from '#catalog/relation.ts';
import { relationMapOidToFilenode, relationMapRemoveMapping, relationMapUpdateMap } from '#catalog/relmap.ts';
import { type ClassRow, store } from '#catalog/rows.ts';
import { type CatalogTuple, findCatalogTuples } from '#catalog/systable.ts';
import { reindexRelation } from '#commands/reindex-rel.ts';
import { renameRelation } from '#commands/rename-relation.ts';
import { report } from '#runtime/error/report.ts';
import { pgstatProgressUpdateParam } from '#stats/backend-status.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { smgrClose } from '#storage/smgr/smgr.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

const NO_OID = 0 as Oid;
const CLASS_OID_INDEX = 2662 as Oid;
const PHASE_AT = 1;
const PHASE = { swapRelFiles: 5, rebuildIndex: 6, finalCleanup: 7 } as const;

export interface SwapOptions {
  readonly isSystem: boolean;
  readonly persistence: 'p' | 'u' | 't';
  readonly swapToastByContent: boolean;
  readonly frozenXid: TransactionId;
  readonly minMulti: MultiXactId;
}
interface Swap {
  readonly targetIsPgClass: boolean;
  readonly swapToastByContent: boolean;
  /** Transient relations whose file the relation map knows for the time being. */
  readonly mapped: Oid[];
}

function classTuple(relid: Oid): CatalogTuple<ClassRow> {
  const pgClass = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.class, pgClass, CLASS_OID_INDEX, [{ attnum: 1, value: relid }]);
  relationClose(pgClass, LOCK.rowExclusive);
  return found ?? report('ERROR', { message: `cache lookup failed for relation ${relid}` });
}

function closeSmgr(relid: Oid): void {
  const rel = cachedRelation(relid);
  if (rel === undefined || rel.smgr === null) return;
  smgrClose(rel.smgr);
  rel.smgr = null;
}

/** Mapped relations exchange files in the map; everything else that rows of pg_class say of a file stays. */
function swapMapped(one: ClassRow, two: ClassRow, swap: Swap): void {
  const refuse = (what: string): never =>
    report('ERROR', { message: `cannot ${what} mapped relation "${one.relname}"` });
  if (one.relfilenode !== 0 || two.relfilenode !== 0) {
    report('ERROR', { message: `cannot swap mapped relation "${one.relname}" with non-mapped relation` });
  }
  if (one.reltablespace !== two.reltablespace) refuse('change tablespace of');
  if (one.relpersistence !== two.relpersistence) refuse('change persistence of');
  if (one.relam !== two.relam) refuse('change access method of');
  if (!swap.swapToastByContent && (one.reltoastrelid !== 0 || two.reltoastrelid !== 0)) {
    refuse('swap toast by links for');
  }
  const fileOne = relationMapOidToFilenode(one.oid, one.relisshared);
  const fileTwo = relationMapOidToFilenode(two.oid, two.relisshared);
  if (fileOne === 0)
    report('ERROR', { message: `could not find relation mapping for relation "${one.relname}", OID ${one.oid}` });
  if (fileTwo === 0)
    report('ERROR', { message: `could not find relation mapping for relation "${two.relname}", OID ${two.oid}` });
  relationMapUpdateMap(one.oid, fileTwo, one.relisshared, false);
  relationMapUpdateMap(two.oid, fileOne, two.relisshared, false);
  swap.mapped.push(two.oid);
}

/** swap_relation_files(). */
function swapFiles(oneId: Oid, twoId: Oid, swap: Swap, frozenXid: TransactionId, minMulti: MultiXactId): void {
  const first = classTuple(oneId);
  const second = classTuple(twoId);
  const one = first.row;
  const two = second.row;
  const forOne: Record<string, number | string> = {};
  const forTwo: Record<string, number | string> = {};
  const exchange = (
    column:
      | 'relfilenode'
      | 'reltablespace'
      | 'relam'
      | 'relpersistence'
      | 'reltoastrelid'
      | 'relpages'
      | 'reltuples'
      | 'relallvisible',
  ): void => {
    forOne[column] = two[column];
    forTwo[column] = one[column];
  };
  if (one.relfilenode !== 0 && two.relfilenode !== 0) {
    exchange('relfilenode');
    exchange('reltablespace');
    exchange('relam');
    exchange('relpersistence');
    if (!swap.swapToastByContent) exchange('reltoastrelid');
  } else swapMapped(one, two, swap);
  const relOne = relationOpen(oneId, LOCK.none);
  const relTwo = relationOpen(twoId, LOCK.none);
  relTwo.createSubid = relOne.createSubid;
  relTwo.newRelfilenodeSubid = relOne.newRelfilenodeSubid;
  relTwo.firstRelfilenodeSubid = relOne.firstRelfilenodeSubid;
  relationAssumeNewRelfilenode(relOne);
  relationClose(relOne, LOCK.none);
  relationClose(relTwo, LOCK.none);
  if (one.relkind !== 'i') {
    forOne['relfrozenxid'] = frozenXid;
    forOne['relminmxid'] = minMulti;
  }
  exchange('relpages');
  exchange('reltuples');
  exchange('relallvisible');
  if (!swap.targetIsPgClass) {
    const pgClass = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
    catalogUpdateColumns(pgClass, first.tid, forOne);
    catalogUpdateColumns(pgClass, second.tid, forTwo);
    relationClose(pgClass, LOCK.rowExclusive);
  } else {
    // Which of the two files a change would be written to is not settled yet.
    cacheInvalidateRelcache(oneId);
    cacheInvalidateRelcache(twoId);
  }
  swapToast(one, two, swap, frozenXid, minMulti);
  closeSmgr(oneId);
  closeSmgr(twoId);
}

function swapToast(one: ClassRow, two: ClassRow, swap: Swap, frozenXid: TransactionId, minMulti: MultiXactId): void {
  const toastOne = one.reltoastrelid;
  const toastTwo = two.reltoastrelid;
  if (toastOne !== 0 || toastTwo !== 0) {
    if (swap.swapToastByContent) {
      if (toastOne === 0 || toastTwo === 0) {
        report('ERROR', { message: "cannot swap toast files by content when there's only one" });
      }
      swapFiles(toastOne, toastTwo, swap, frozenXid, minMulti);
    } else {
      for (const toast of [toastOne, toastTwo]) {
        if (toast !== 0) deleteDependencyRecordsForClass(RELATION.pgClass, toast, RELATION.pgClass, 'i');
      }
      const link = (toast: Oid, owner: Oid): void => {
        if (toast === 0) return;
        recordDependencyOn(objectAddress(RELATION.pgClass, toast), objectAddress(RELATION.pgClass, owner), 'i');
      };
      link(toastTwo, one.oid);
      link(toastOne, two.oid);
    }
  }
  if (swap.swapToastByContent && one.relkind === 't' && two.relkind === 't') {
    swapFiles(toastIndex(one.oid), toastIndex(two.oid), swap, 0 as TransactionId, 0 as MultiXactId);
  }
}
/** toast_get_valid_index(). */
function toastIndex(toast: Oid): Oid {
  const rel = tableOpen(toast, LOCK.accessExclusive);
  const valid = relationGetIndexList(rel).find((oid) => store.index.byOid(oid, 'indexrelid')?.indisvalid === true);
  relationClose(rel, LOCK.none);
  return valid ?? report('ERROR', { message: `no valid index found for toast relation with Oid ${toast}` });
}

/** finish_heap_swap(): `oldHeap` lives on, with the other's contents. */
export function finishHeapSwap(oldHeap: Oid, newHeap: Oid, options: SwapOptions): void {
  const { swapToastByContent, frozenXid, minMulti } = options;
  const targetIsPgClass = oldHeap === RELATION.pgClass;
  pgstatProgressUpdateParam(PHASE_AT, PHASE.swapRelFiles);
  const swap: Swap = { targetIsPgClass, swapToastByContent, mapped: [] };
  swapFiles(oldHeap, newHeap, swap, frozenXid, minMulti);
  if (options.isSystem) cacheInvalidateCatalog(oldHeap);
  pgstatProgressUpdateParam(PHASE_AT, PHASE.rebuildIndex);
  // The rows have moved: until they are made again, the indexes tell of places that are somebody else's.
  reindexRelation(
    oldHeap,
    { verbose: false },
    { processToast: false, suppressUse: true, persistence: options.persistence },
  );
  pgstatProgressUpdateParam(PHASE_AT, PHASE.finalCleanup);
  if (targetIsPgClass) {
    const pgClass = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
    catalogUpdateColumns(pgClass, classTuple(oldHeap).tid, { relfrozenxid: frozenXid, relminmxid: minMulti });
    relationClose(pgClass, LOCK.rowExclusive);
  }
  commandCounterIncrement();
  performDeletion(objectAddress(RELATION.pgClass, newHeap), 'restrict', { internal: true });
  // Only after the files were marked for deletion: until then they are found through the map.
  for (const relid of swap.mapped) relationMapRemoveMapping(relid);
  if (!swapToastByContent) renameToast(oldHeap);
}

/** The TOAST table that came with the new contents is called after the transient table. */
function renameToast(oldHeap: Oid): void {
  const rel = tableOpen(oldHeap, LOCK.none);
  const toast = rel.toastRelid;
  relationClose(rel, LOCK.none);
  if (toast === NO_OID) return;
  const index = toastIndex(toast);
  renameRelation(toast, `pg_toast_${oldHeap}`, false);
  commandCounterIncrement();
  renameRelation(index, `pg_toast_${oldHeap}_index`, true);
  commandCounterIncrement();
}
