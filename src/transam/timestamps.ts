/** timestamps.ts — when the current statement and transaction began: now(), statement_timestamp(), pg_stat_activity.
 *
 *  Microseconds since 2000-01-01 00:00 UTC. The clock is read once per message; the transaction's start is the start of
 *  its first statement.
 *  Counterpart: the timestamp variables of src/backend/access/transam/xact.c */
import { currentTimestamp } from '#platform/clock.ts';

let now: () => number = currentTimestamp;

/** Tests put a simulated clock here. */
export function setTransactionClock(clock: () => number): void {
  now = clock;
}
let statementStart = 0;
let transactionStart = 0;
let transactionStop = 0;

export const clockTimestamp = (): number => now();
export const statementTimestamp = (): number => statementStart;
export const transactionTimestamp = (): number => transactionStart;
/** End of the last transaction, for its commit record and statistics. */
export function transactionStopTimestamp(): number {
  if (transactionStop === 0) transactionStop = now();
  return transactionStop;
}
/** Called when a message that starts statements has arrived. */
export function setStatementTimestamp(): void {
  statementStart = now();
}
export function setTransactionTimestamp(): void {
  transactionStart = statementStart;
  transactionStop = 0;
}
