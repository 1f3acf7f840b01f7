/** timezone-functions.ts — the functions behind pg_timezone_names and pg_timezone_abbrevs.
 *  Counterpart: pg_timezone_names(), pg_timezone_abbrevs() of src/backend/utils/adt/datetime.c */
import { EPOCH_SHIFT_SECS, USECS_PER_SEC } from '#adt/datetime-calendar.ts';
import { transactionMicros } from '#adt/datetime-clock.ts';
import type { Datum } from '#adt/datum.ts';
import { registerSetBuiltins, type SetIterator } from '#adt/fmgr.ts';
import { interval } from '#adt/interval.ts';
import { abbreviationOffsetAt, allAbbreviations, findTimeZone, zoneNames } from '#adt/timezone.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';

class RowIterator implements SetIterator {
  value: readonly Datum[] = [];
  private readonly rows: Iterator<readonly Datum[]>;
  constructor(rows: Iterable<readonly Datum[]>) {
    this.rows = rows[Symbol.iterator]();
  }
  next(): boolean {
    checkForInterrupts();
    const step = this.rows.next();
    if (step.done === true) return false;
    this.value = step.value;
    return true;
  }
}
const nowUnix = (): number => Math.floor(transactionMicros() / USECS_PER_SEC) + EPOCH_SHIFT_SECS;

function* nameRows(): Iterable<readonly Datum[]> {
  const now = nowUnix();
  for (const name of zoneNames()) {
    const zone = findTimeZone(name);
    if (zone === null || zone.rules.hasLeapSeconds) continue;
    const type = zone.rules.lookup(now);
    // zic's "Factory" zone carries a sentence for an abbreviation.
    if (type.abbrev.length > 31) continue;
    yield [name, type.abbrev, interval(0, 0, type.gmtoff * USECS_PER_SEC), type.isDst];
  }
}
function* abbreviationRows(): Iterable<readonly Datum[]> {
  const now = nowUnix();
  for (const { abbrev, value, isDst } of allAbbreviations()) {
    if (typeof value === 'number') {
      yield [abbrev.toUpperCase(), interval(0, 0, value * USECS_PER_SEC), isDst];
      continue;
    }
    const zone = findTimeZone(value);
    if (zone === null) continue;
    const at = abbreviationOffsetAt(abbrev, zone, now);
    yield [abbrev.toUpperCase(), interval(0, 0, at.west === 0 ? 0 : -at.west * USECS_PER_SEC), at.isDst];
  }
}

registerSetBuiltins({
  pg_timezone_names: () => new RowIterator(nameRows()),
  pg_timezone_abbrevs: () => new RowIterator(abbreviationRows()),
});
