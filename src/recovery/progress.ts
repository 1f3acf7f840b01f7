/** progress.ts — signs of life of a long startup: `redo in progress, elapsed time: …`, every log_startup_progress_interval.
 *  Counterpart: begin_startup_progress_phase() of src/backend/postmaster/startup.c */
import { monotonicMs } from '#platform/clock.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';

let startedMs = 0;
let nextMs = Number.POSITIVE_INFINITY;

export function beginProgressPhase(): void {
  startedMs = monotonicMs();
  nextMs =
    settings.log_startup_progress_interval === 0
      ? Number.POSITIVE_INFINITY
      : startedMs + settings.log_startup_progress_interval;
}
/** Says `what` if it is time to. */
export function reportProgress(what: (elapsed: string) => string): void {
  if (nextMs === Number.POSITIVE_INFINITY) return;
  const now = monotonicMs();
  if (now < nextMs) return;
  nextMs +=
    settings.log_startup_progress_interval * Math.ceil((now - nextMs + 1) / settings.log_startup_progress_interval);
  const elapsed = now - startedMs;
  const text = `${Math.floor(elapsed / 1000)}.${String(Math.floor((elapsed % 1000) / 10)).padStart(2, '0')} s`;
  report('LOG', { message: what(text) });
}
