/** datetime-clock.ts — what "now" is: the transaction's start, given by whoever runs transactions.
 *
 *  Nobody below transam knows transactions, so it hands its clock down through setClockSource.
 *  Counterpart: src/backend/utils/adt/timestamp.c (now, clock_timestamp), datetime.c (GetCurrentDateTime) */
import {
  civilFromDay,
  dayOfTimestamp,
  type Micros,
  microsOfTimestamp,
  setTimeOfDay,
  type Tm,
  USECS_PER_SEC,
} from '#adt/datetime-calendar.ts';
import { localTypeAt, sessionTimeZone, type TimeZone } from '#adt/timezone.ts';
import { currentTimestamp } from '#platform/clock.ts';

export interface ClockSource {
  /** Microseconds since 2000-01-01 UTC. */
  readonly transactionTimestamp: () => number;
  readonly statementTimestamp: () => number;
}
let source: ClockSource = { transactionTimestamp: currentTimestamp, statementTimestamp: currentTimestamp };

export function setClockSource(clock: ClockSource): void {
  source = clock;
}
export const transactionMicros = (): number => source.transactionTimestamp();
export const statementMicros = (): number => source.statementTimestamp();
export const clockMicros = (): number => currentTimestamp();

/** Breaks a timestamp down in `zone` (null: as it stands). Returns seconds west of UTC. */
export function breakDown(timestamp: Micros, zone: TimeZone | null, tm: Tm): number {
  let day = dayOfTimestamp(timestamp);
  let micros = microsOfTimestamp(timestamp, day);
  let west = 0;
  if (zone !== null) {
    const type = localTypeAt(zone, day, Math.floor(micros / USECS_PER_SEC));
    micros += type.gmtoff * USECS_PER_SEC;
    while (micros < 0) {
      micros += 86_400_000_000;
      day--;
    }
    while (micros >= 86_400_000_000) {
      micros -= 86_400_000_000;
      day++;
    }
    west = type.gmtoff === 0 ? 0 : -type.gmtoff;
    tm.isDst = type.isDst ? 1 : 0;
    tm.gmtoff = type.gmtoff;
    tm.zone = type.abbrev;
  } else {
    tm.isDst = -1;
    tm.gmtoff = 0;
    tm.zone = '';
  }
  civilFromDay(day, tm);
  setTimeOfDay(micros, tm);
  return west;
}

/** The transaction's time in the session's zone; returns seconds west. */
export const currentTm = (tm: Tm): number => breakDown(transactionMicros(), sessionTimeZone(), tm);
