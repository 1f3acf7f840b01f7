/** wal-summarizer.ts — summarises which blocks each stretch of WAL changed, for incremental backups (from PostgreSQL 17).
 *
 *  Runs only if summarize_wal is on. The summarising is registered (`setSummarize`) together with WAL and says whether it
 *  did something; idle rounds lengthen the sleep, in quanta of 200 ms up to 30 s.
 *  Counterpart: src/backend/postmaster/walsummarizer.c of 17 */
import { SIGNAL } from '#platform/native.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { exitProcess } from '#runtime/exit-callbacks.ts';
import { settings } from '#runtime/guc/guc.ts';
import { takeSignal } from '#runtime/interrupts.ts';
import type { LaunchRecord } from '#runtime/launch-record.ts';
import { resetLatch } from '#shm/latch.ts';
import { waitLatch } from '#shm/wait-event-set.ts';
import { enterAuxiliary, handleMainLoopInterrupts, ignoreSignals, loopForever } from '#processes/enter-process.ts';

const QUANTUM_MS = 200;
const MAX_QUANTA = 150;

let summarize: () => boolean = () => false;
export function setSummarize(work: () => boolean): void {
  summarize = work;
}
let quanta = 1;

export function main(_launch: LaunchRecord): never {
  ignoreSignals(SIGNAL.ALRM, SIGNAL.USR2);
  enterAuxiliary('wal-summarizer');
  loopForever(round);
}

function round(): void {
  resetLatch();
  if (takeSignal(SIGNAL.INT)) exitProcess(0);
  handleMainLoopInterrupts();
  if (!settings.summarize_wal) exitProcess(0);
  quanta = summarize() ? 1 : Math.min(quanta * 2, MAX_QUANTA);
  waitLatch({ timeoutMs: quanta * QUANTUM_MS }, WAIT_EVENT.WalSummarizerWal);
}
