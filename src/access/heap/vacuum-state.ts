/** vacuum-state.ts — one VACUUM of one table while it runs, and what it needs of the command above it.
 *  Counterpart: struct LVRelState of src/backend/access/heap/vacuumlazy.c, VacuumParams of commands/vacuum.h */
import type { IndexBulkDeleteResult } from '#access/common/index-am.ts';
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { FreezeState } from '#access/heap/freeze.ts';
import type { BlockNumber, ItemPointer, MultiXactId, TransactionId } from '#base/ids.ts';
import { settings } from '#runtime/guc/guc.ts';
import type { AccessStrategy } from '#storage/buffer/ring-strategy.ts';
import type { GlobalVisState } from '#transam/proc-array.ts';

export type VacuumOption = 'auto' | 'disabled' | 'enabled' | 'unspecified';
export interface VacuumParams {
  readonly verbose: boolean;
  readonly disablePageSkipping: boolean;
  /** -1: as the settings say. */
  readonly freezeMinAge: number;
  readonly freezeTableAge: number;
  readonly multixactFreezeMinAge: number;
  readonly multixactFreezeTableAge: number;
  readonly isWraparound: boolean;
  /** Autovacuum logs runs of at least so many milliseconds, -1 none. */
  readonly logMinDuration: number;
  readonly indexCleanup: VacuumOption;
  readonly truncate: VacuumOption;
}

export interface RelStats {
  readonly pages: BlockNumber;
  readonly tuples: number;
  readonly allVisible: BlockNumber;
  readonly hasIndex: boolean;
  /** 0: leave as it is. */
  readonly frozenXid: TransactionId;
  readonly minMulti: MultiXactId;
}
/** PROGRESS_VACUUM_*: parameters of pg_stat_progress_vacuum. */
export const VACUUM_PROGRESS = {
  phase: 0,
  totalHeapBlocks: 1,
  heapBlocksScanned: 2,
  heapBlocksVacuumed: 3,
  indexVacuums: 4,
  maxDeadTuples: 5,
  deadTuples: 6,
} as const;
export const VACUUM_PHASE = {
  scanHeap: 1,
  vacuumIndex: 2,
  vacuumHeap: 3,
  indexCleanup: 4,
  truncate: 5,
  finalCleanup: 6,
} as const;

/** What the command VACUUM (or an autovacuum worker) does for the access method. */
export interface VacuumHost {
  readonly isAutovacuumWorker: boolean;
  databaseName(): string;
  namespaceName(rel: Relation): string;
  /** vac_open_indexes(): the ready indexes, locked RowExclusive. */
  openIndexes(rel: Relation): Relation[];
  closeIndexes(indexes: readonly Relation[]): void;
  /** vac_update_relstats(): in place; says which horizons moved. */
  updateRelStats(rel: Relation, stats: RelStats): { frozenXidUpdated: boolean; minMultiUpdated: boolean };
  /** vacuum_delay_point(): interrupts, and a nap when the cost balance is used up. */
  delayPoint(): void;
  progressStart(rel: Relation): void;
  progress(parameter: number, value: number): void;
  progressEnd(): void;
  /** pgstat_report_vacuum(). */
  reportVacuum(rel: Relation, liveTuples: number, deadTuples: number): void;
  /** RelationTruncate(). */
  truncate(rel: Relation, blocks: BlockNumber): void;
}
let host: VacuumHost | undefined;
export function setVacuumHost(by: VacuumHost): void {
  host = by;
}
export function vacuumHost(): VacuumHost {
  if (host === undefined) throw new Error('nobody has said how VACUUM talks to the catalog');
  return host;
}

/** Dead line pointers that index entries still point to, in ascending order; 6 bytes each are counted against memory. */
export class DeadItems {
  #items = new Float64Array(1024);
  count = 0;
  constructor(readonly max: number) {}
  add(tid: ItemPointer): void {
    if (this.count === this.#items.length) {
      const larger = new Float64Array(Math.min(this.#items.length * 2, Math.max(this.max, this.#items.length + 291)));
      larger.set(this.#items);
      this.#items = larger;
    }
    this.#items[this.count++] = tid;
  }
  at(i: number): ItemPointer {
    return this.#items[i]!;
  }
  clear(): void {
    this.count = 0;
  }
  /** vac_tid_reaped(). */
  has(tid: ItemPointer): boolean {
    const items = this.#items;
    let low = 0;
    let high = this.count - 1;
    if (high < 0 || tid < items[0]! || tid > items[high]!) return false;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const found = items[middle]!;
      if (found === tid) return true;
      if (found < tid) low = middle + 1;
      else high = middle - 1;
    }
    return false;
  }
}
/** Bytes of VacDeadItems before its first item. */
const DEAD_ITEMS_HEADER = 8;
const MAX_ALLOC = 0x3fff_ffff;
export const maxDeadItems = (bytes: number): number => Math.floor((bytes - DEAD_ITEMS_HEADER) / 6);
const MAX_HEAP_TUPLES_PER_PAGE = 291;

/** dead_items_max_items(). */
export function deadItemsLimit(relPages: BlockNumber, indexCount: number, isAutovacuum: boolean): number {
  if (indexCount === 0) return MAX_HEAP_TUPLES_PER_PAGE;
  const kilobytes =
    isAutovacuum && settings.autovacuum_work_mem !== -1 ? settings.autovacuum_work_mem : settings.maintenance_work_mem;
  let most = Math.min(maxDeadItems(kilobytes * 1024), 0x7fff_ffff, maxDeadItems(MAX_ALLOC));
  if (Math.floor(most / MAX_HEAP_TUPLES_PER_PAGE) > relPages) most = relPages * MAX_HEAP_TUPLES_PER_PAGE;
  return Math.max(most, MAX_HEAP_TUPLES_PER_PAGE);
}

export interface VacuumState extends FreezeState {
  readonly rel: Relation;
  readonly params: VacuumParams;
  readonly host: VacuumHost;
  readonly indexes: readonly Relation[];
  readonly indexStats: (IndexBulkDeleteResult | null)[];
  readonly strategy: AccessStrategy | null;
  readonly aggressive: boolean;
  readonly skipWithVm: boolean;
  readonly oldestXmin: TransactionId;
  readonly vistest: GlobalVisState;
  readonly oldLiveTuples: number;
  deadItems: DeadItems;
  failsafeActive: boolean;
  considerBypass: boolean;
  doIndexVacuuming: boolean;
  doIndexCleanup: boolean;
  doTruncate: boolean;
  skippedAllVisible: boolean;
  relPages: BlockNumber;
  scannedPages: number;
  removedPages: number;
  lpdeadItemPages: number;
  missedDeadPages: number;
  nonemptyPages: BlockNumber;
  newRelTuples: number;
  newLiveTuples: number;
  indexScans: number;
  tuplesDeleted: number;
  lpdeadItems: number;
  liveTuples: number;
  recentlyDeadTuples: number;
  missedDeadTuples: number;
}
