/** vacuum.ts — VACUUM of one table: scan and prune, index entries, line pointers, truncation, statistics, report.
 *
 *  Phases: scanning heap → (vacuuming indexes → vacuuming heap)* → cleaning up indexes → truncating heap → final cleanup.
 *  The first three repeat when the dead items fill maintenance_work_mem. The command above opens and locks the table.
 *  Counterpart: heap_vacuum_rel() of src/backend/access/heap/vacuumlazy.c */
import { type Relation, relationNblocks } from '#access/common/relation-descriptor.ts';
import { horizonKindOf } from '#access/heap/horizon.ts';
import { vacuumCutoffs } from '#access/heap/vacuum-cutoffs.ts';
import { checkFailsafe } from '#access/heap/vacuum-index.ts';
import { scanHeap } from '#access/heap/vacuum-scan.ts';
import {
  DeadItems,
  deadItemsLimit,
  VACUUM_PHASE,
  VACUUM_PROGRESS,
  type VacuumParams,
  type VacuumState,
  vacuumHost,
} from '#access/heap/vacuum-state.ts';
import { shouldTruncate, truncateHeap } from '#access/heap/vacuum-truncate.ts';
import { visibilityMapCount } from '#access/heap/visibility-map.ts';
import type { MultiXactId } from '#base/ids.ts';
import { INVALID_MULTIXACT, INVALID_XID } from '#base/xid.ts';
import { monotonicMs } from '#platform/clock.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { bufferUsage, vacuumCost } from '#storage/buffer/buffer-usage.ts';
import type { AccessStrategy } from '#storage/buffer/ring-strategy.ts';
import { globalVisTestFor } from '#transam/proc-array.ts';
import { readNextTransactionId } from '#transam/xid-generator.ts';
import { WAL_COUNTER, walUsage } from '#wal/wal-stats.ts';

/** What the counters were when the vacuum began. */
interface Start {
  readonly ms: number;
  readonly cpu: NodeJS.CpuUsage;
  readonly readMs: number;
  readonly writeMs: number;
  readonly hits: number;
  readonly misses: number;
  readonly dirtied: number;
  readonly walRecords: number;
  readonly walImages: number;
  readonly walBytes: number;
}
const walCount = (name: 'records' | 'fpi' | 'walBytes'): number => walUsage.counts[WAL_COUNTER[name]]!;
const startCounters = (): Start => ({
  ms: monotonicMs(),
  cpu: process.cpuUsage(),
  readMs: bufferUsage.blkReadTimeMs,
  writeMs: bufferUsage.blkWriteTimeMs,
  hits: vacuumCost.pageHit,
  misses: vacuumCost.pageMiss,
  dirtied: vacuumCost.pageDirty,
  walRecords: walCount('records'),
  walImages: walCount('fpi'),
  walBytes: walCount('walBytes'),
});

function beginState(rel: Relation, params: VacuumParams, strategy: AccessStrategy | null): VacuumState {
  const host = vacuumHost();
  const cutoffs = vacuumCutoffs(
    rel,
    params.freezeMinAge,
    params.freezeTableAge,
    params.multixactFreezeMinAge,
    params.multixactFreezeTableAge,
  );
  const indexes = host.openIndexes(rel);
  const relPages = relationNblocks(rel);
  const usesIndexes = params.indexCleanup !== 'disabled';
  return {
    rel,
    params,
    host,
    indexes,
    indexStats: indexes.map(() => null),
    strategy,
    aggressive: cutoffs.aggressive || params.disablePageSkipping,
    skipWithVm: !params.disablePageSkipping,
    oldestXmin: cutoffs.oldestXmin,
    vistest: globalVisTestFor(horizonKindOf(rel)),
    oldLiveTuples: rel.tuples,
    relfrozenxid: rel.frozenXid,
    relminmxid: rel.minMxid as MultiXactId,
    freezeLimit: cutoffs.freezeLimit,
    multiXactCutoff: cutoffs.multiXactCutoff,
    newRelfrozenXid: cutoffs.oldestXmin,
    newRelminMxid: cutoffs.oldestMxact,
    deadItems: new DeadItems(0),
    failsafeActive: false,
    considerBypass: params.indexCleanup !== 'enabled',
    doIndexVacuuming: usesIndexes,
    doIndexCleanup: usesIndexes,
    doTruncate: params.truncate !== 'disabled',
    skippedAllVisible: false,
    relPages,
    scannedPages: 0,
    removedPages: 0,
    lpdeadItemPages: 0,
    missedDeadPages: 0,
    nonemptyPages: 0,
    newRelTuples: 0,
    newLiveTuples: 0,
    indexScans: 0,
    tuplesDeleted: 0,
    lpdeadItems: 0,
    liveTuples: 0,
    recentlyDeadTuples: 0,
    missedDeadTuples: 0,
  };
}

/** heap_vacuum_rel(): the table is open and locked ShareUpdateExclusive, in a transaction of its own. */
export function lazyVacuum(rel: Relation, params: VacuumParams, strategy: AccessStrategy | null): void {
  const host = vacuumHost();
  const instrument = params.verbose || (host.isAutovacuumWorker && params.logMinDuration >= 0);
  const start = instrument ? startCounters() : null;
  host.progressStart(rel);
  const state = beginState(rel, params, strategy);
  const originalPages = state.relPages;
  const title = `"${host.databaseName()}.${host.namespaceName(rel)}.${rel.name}"`;
  if (params.verbose)
    report('INFO', { message: `${state.aggressive ? 'aggressively vacuuming' : 'vacuuming'} ${title}` });
  checkFailsafe(state);
  state.deadItems = new DeadItems(deadItemsLimit(originalPages, state.indexes.length, host.isAutovacuumWorker));
  scanHeap(state);
  state.deadItems = new DeadItems(0);
  if (state.doIndexCleanup) updateIndexStats(state);
  host.closeIndexes(state.indexes);
  if (shouldTruncate(state)) truncateHeap(state);
  host.progress(VACUUM_PROGRESS.phase, VACUUM_PHASE.finalCleanup);

  // Pages that were passed over may hold ids that nobody looked at.
  const frozenXid = state.skippedAllVisible ? INVALID_XID : state.newRelfrozenXid;
  const minMulti = state.skippedAllVisible ? INVALID_MULTIXACT : state.newRelminMxid;
  const allVisible = Math.min(visibilityMapCount(rel).allVisible, state.relPages);
  const updated = host.updateRelStats(rel, {
    pages: state.relPages,
    tuples: state.newLiveTuples,
    allVisible,
    hasIndex: state.indexes.length > 0,
    frozenXid,
    minMulti,
  });
  host.reportVacuum(rel, Math.max(state.newLiveTuples, 0), state.recentlyDeadTuples + state.missedDeadTuples);
  host.progressEnd();
  if (start === null) return;
  const elapsedMs = monotonicMs() - start.ms;
  if (!params.verbose && params.logMinDuration !== 0 && elapsedMs < params.logMinDuration) return;
  report(params.verbose ? 'INFO' : 'LOG', {
    message: summary(state, start, elapsedMs, originalPages, title, updated),
  });
}

/** update_relstats_all_indexes(). */
function updateIndexStats(state: VacuumState): void {
  state.indexStats.forEach((stats, i) => {
    if (stats === null || stats.estimatedCount) return;
    state.host.updateRelStats(state.indexes[i]!, {
      pages: stats.numPages,
      tuples: stats.numIndexTuples,
      allVisible: 0,
      hasIndex: false,
      frozenXid: INVALID_XID,
      minMulti: INVALID_MULTIXACT,
    });
  });
}

const percent = (part: number, whole: number): string => (whole === 0 ? 100 : (100 * part) / whole).toFixed(2);
/** pg_rusage_show(): hundredths are cut, not rounded. */
function seconds(ms: number): string {
  const whole = Math.floor(ms / 1000);
  return `${whole}.${String(Math.floor((ms - whole * 1000) / 10)).padStart(2, '0')} s`;
}

/** The text of VACUUM VERBOSE and of log_autovacuum_min_duration. */
function summary(
  state: VacuumState,
  start: Start,
  elapsedMs: number,
  originalPages: number,
  title: string,
  updated: { frozenXidUpdated: boolean; minMultiUpdated: boolean },
): string {
  const { params } = state;
  let head: string;
  if (params.verbose) head = 'finished vacuuming';
  else {
    const aggressive = state.aggressive ? 'aggressive ' : '';
    head = `automatic ${aggressive}vacuum ${params.isWraparound ? 'to prevent wraparound ' : ''}of table`;
  }
  let text = `${head} ${title}: index scans: ${state.indexScans}\n`;
  text += `pages: ${state.removedPages} removed, ${state.relPages} remain, ${state.scannedPages} scanned (${percent(state.scannedPages, originalPages)}% of total)\n`;
  text += `tuples: ${state.tuplesDeleted} removed, ${state.newRelTuples} remain, ${state.recentlyDeadTuples} are dead but not yet removable\n`;
  if (state.missedDeadTuples > 0)
    text += `tuples missed: ${state.missedDeadTuples} dead from ${state.missedDeadPages} pages not removed due to cleanup lock contention\n`;
  const age = (readNextTransactionId() - state.oldestXmin) | 0;
  text += `removable cutoff: ${state.oldestXmin}, which was ${age} XIDs old when operation ended\n`;
  if (updated.frozenXidUpdated) {
    const ahead = (state.newRelfrozenXid - state.relfrozenxid) | 0;
    text += `new relfrozenxid: ${state.newRelfrozenXid}, which is ${ahead} XIDs ahead of previous value\n`;
  }
  if (updated.minMultiUpdated) {
    const ahead = (state.newRelminMxid - state.relminmxid) | 0;
    text += `new relminmxid: ${state.newRelminMxid}, which is ${ahead} MXIDs ahead of previous value\n`;
  }
  let had = 'have';
  if (state.doIndexVacuuming) {
    text += state.indexes.length === 0 || state.indexScans === 0 ? 'index scan not needed: ' : 'index scan needed: ';
    had = 'had';
  } else text += state.failsafeActive ? 'index scan bypassed by failsafe: ' : 'index scan bypassed: ';
  text += `${state.lpdeadItemPages} pages from table (${percent(state.lpdeadItemPages, originalPages)}% of total) ${had} ${state.lpdeadItems} dead item identifiers${had === 'had' ? ' removed' : ''}\n`;
  state.indexStats.forEach((stats, i) => {
    if (stats === null) return;
    text += `index "${state.indexes[i]!.name}": pages: ${stats.numPages} in total, ${stats.pagesNewlyDeleted} newly deleted, ${stats.pagesDeleted} currently deleted, ${stats.pagesFree} reusable\n`;
  });
  if (settings.track_io_timing)
    text += `I/O timings: read: ${(bufferUsage.blkReadTimeMs - start.readMs).toFixed(3)} ms, write: ${(bufferUsage.blkWriteTimeMs - start.writeMs).toFixed(3)} ms\n`;
  const misses = vacuumCost.pageMiss - start.misses;
  const dirtied = vacuumCost.pageDirty - start.dirtied;
  const rate = (pages: number): string =>
    (elapsedMs > 0 ? (8192 * pages) / (1024 * 1024) / (elapsedMs / 1000) : 0).toFixed(3);
  text += `avg read rate: ${rate(misses)} MB/s, avg write rate: ${rate(dirtied)} MB/s\n`;
  text += `buffer usage: ${vacuumCost.pageHit - start.hits} hits, ${misses} misses, ${dirtied} dirtied\n`;
  text += `WAL usage: ${walCount('records') - start.walRecords} records, ${walCount('fpi') - start.walImages} full page images, ${walCount('walBytes') - start.walBytes} bytes\n`;
  const cpu = process.cpuUsage(start.cpu);
  text += `system usage: CPU: user: ${seconds(cpu.user / 1000)}, system: ${seconds(cpu.system / 1000)}, elapsed: ${seconds(elapsedMs)}`;
  return text;
}
