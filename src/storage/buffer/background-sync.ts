/** background-sync.ts — the background writer's scan: writes dirty buffers just ahead of the clock's hand.
 *
 *  It guesses how many buffers will be allocated until its next round (a moving average that rises at once and falls
 *  slowly) and how many of the buffers ahead are reusable (the density), and cleans until enough are.
 *  Counterpart: BgBufferSync() of src/backend/storage/buffer/bufmgr.c */
import { settings } from '#runtime/guc/guc.ts';
import { countBackgroundWriterRound } from '#stats/bgwriter-stats.ts';
import { nBuffers } from '#storage/buffer/buffer-pool.ts';
import { BUF_REUSABLE, BUF_WRITTEN, syncOneBuffer } from '#storage/buffer/flush.ts';
import { strategySyncStart } from '#storage/buffer/freelist.ts';
import type { WritebackContext } from '#storage/buffer/writeback.ts';

const SMOOTHING_SAMPLES = 16;
/** Even an idle server's whole pool is looked at once in this time. */
const SCAN_WHOLE_POOL_MS = 120_000;

interface Saved {
  valid: boolean;
  strategyBuffer: number;
  strategyPasses: number;
  nextToClean: number;
  nextPasses: number;
  smoothedAlloc: number;
  smoothedDensity: number;
}
const INITIAL: Saved = {
  valid: false,
  strategyBuffer: 0,
  strategyPasses: 0,
  nextToClean: 0,
  nextPasses: 0,
  smoothedAlloc: 0,
  smoothedDensity: 10,
};
let saved: Saved = { ...INITIAL };

/** One round. True if nothing was allocated and nothing is ahead to be cleaned: the process may hibernate. */
export function bgBufferSync(context: WritebackContext): boolean {
  const { buffer: strategyBuffer, completePasses: strategyPasses, recentAlloc } = strategySyncStart();
  if (settings.bgwriter_lru_maxpages <= 0) {
    saved.valid = false;
    countBackgroundWriterRound(recentAlloc, 0, false);
    return true;
  }
  const { bufsToLap, strategyDelta } = locate(strategyBuffer, strategyPasses);
  saved.strategyBuffer = strategyBuffer;
  saved.strategyPasses = strategyPasses;
  saved.valid = true;

  if (strategyDelta > 0 && recentAlloc > 0)
    saved.smoothedDensity += (strategyDelta / recentAlloc - saved.smoothedDensity) / SMOOTHING_SAMPLES;
  const bufsAhead = nBuffers - bufsToLap;
  const reusableEstimate = Math.trunc(bufsAhead / saved.smoothedDensity);
  // Fast attack, slow decline.
  if (saved.smoothedAlloc <= recentAlloc) saved.smoothedAlloc = recentAlloc;
  else saved.smoothedAlloc += (recentAlloc - saved.smoothedAlloc) / SMOOTHING_SAMPLES;
  let upcoming = Math.trunc(saved.smoothedAlloc * settings.bgwriter_lru_multiplier);
  // Or it would take for ever to become zero by halves.
  if (upcoming === 0) saved.smoothedAlloc = 0;
  const minScan = Math.trunc(nBuffers / (SCAN_WHOLE_POOL_MS / settings.bgwriter_delay));
  if (upcoming < minScan + reusableEstimate) upcoming = minScan + reusableEstimate;

  let left = bufsToLap;
  let reusable = reusableEstimate;
  let written = 0;
  let reachedLimit = false;
  while (left > 0 && reusable < upcoming) {
    const state = syncOneBuffer(saved.nextToClean, true, context);
    if (++saved.nextToClean >= nBuffers) {
      saved.nextToClean = 0;
      saved.nextPasses++;
    }
    left--;
    if ((state & BUF_WRITTEN) !== 0) {
      reusable++;
      if (++written >= settings.bgwriter_lru_maxpages) {
        reachedLimit = true;
        break;
      }
    } else if ((state & BUF_REUSABLE) !== 0) reusable++;
  }
  countBackgroundWriterRound(recentAlloc, written, reachedLimit);

  const scanned = bufsToLap - left;
  const found = reusable - reusableEstimate;
  if (scanned > 0 && found > 0) saved.smoothedDensity += (scanned / found - saved.smoothedDensity) / SMOOTHING_SAMPLES;
  return bufsToLap === 0 && recentAlloc === 0;
}

/** How far the hand moved since the last round, and how many buffers we can clean before we catch up with it. */
function locate(strategyBuffer: number, strategyPasses: number): { bufsToLap: number; strategyDelta: number } {
  if (!saved.valid) {
    saved.nextToClean = strategyBuffer;
    saved.nextPasses = strategyPasses;
    return { bufsToLap: nBuffers, strategyDelta: 0 };
  }
  const passesDelta = strategyPasses - saved.strategyPasses;
  const strategyDelta = strategyBuffer - saved.strategyBuffer + passesDelta * nBuffers;
  // We are a round ahead, and the hand is behind our place.
  if (saved.nextPasses - strategyPasses > 0) return { bufsToLap: strategyBuffer - saved.nextToClean, strategyDelta };
  if (saved.nextPasses === strategyPasses && saved.nextToClean >= strategyBuffer)
    return { bufsToLap: nBuffers - (saved.nextToClean - strategyBuffer), strategyDelta };
  // It has overtaken us: begin at its place.
  saved.nextToClean = strategyBuffer;
  saved.nextPasses = strategyPasses;
  return { bufsToLap: nBuffers, strategyDelta };
}

/** For tests, and after a crash cycle in a process that lives on. */
export function resetBackgroundSync(): void {
  saved = { ...INITIAL };
}
