/** log-times.ts — times as recovery prints them: control file times in log_timezone, record times as timestamptz text. */
import { timestamptzText } from '#adt/datetime-encode.ts';
import { formatLogSeconds } from '#runtime/error/log-time.ts';

/** 2026-11-21 16:00:00 UTC. */
export const controlFileTime = (unixSeconds: number): string => formatLogSeconds(unixSeconds);
/** 2026-11-21 16:00:00.123456+00. */
export const timestampText = (timestamp: number): string => timestamptzText(timestamp);
