/** clock.ts — the two clocks. Wall time is PostgreSQL's TimestampTz: microseconds since 2000-01-01 00:00 UTC. */
import { native } from '#platform/native.ts';

/** Microseconds between the Unix epoch and PostgreSQL's. */
export const POSTGRES_EPOCH_US = 946_684_800_000_000;

export const currentTimestamp = (): number => native.realtimeUs() - POSTGRES_EPOCH_US;
/** Milliseconds that never go backwards; for timeouts and intervals. */
export const monotonicMs = (): number => native.monotonicNs() / 1e6;
export const unixSeconds = (timestamp: number): number => Math.floor((timestamp + POSTGRES_EPOCH_US) / 1e6);
