import { expect, test } from 'vitest';
import '#adt/load.ts';
import type { Micros } from '#adt/datetime-calendar.ts';
import { timestampText, timestamptzText } from '#adt/datetime-encode.ts';
import { builtin, type CallInfo, type SetIterator } from '#adt/fmgr.ts';
import { intervalIn } from '#adt/interval.ts';
import { timestampIn, timestamptzIn } from '#adt/timestamp.ts';
import { settings } from '#runtime/guc/guc.ts';

const info = {} as CallInfo;
function series(prosrc: string, ...args: unknown[]): SetIterator {
  const code = builtin(prosrc);
  if (code?.style !== 'set') throw new Error(`${prosrc} returns no set`);
  return code.call(info, ...args);
}
function all(iterator: SetIterator, text: (t: Micros) => string): string[] {
  const rows: string[] = [];
  while (iterator.next()) rows.push(text(iterator.value as Micros));
  return rows;
}

test('adding months one after the other drifts to shorter month ends', () => {
  const rows = all(
    series('generate_series_timestamp', timestampIn('2020-01-31'), timestampIn('2020-04-30'), intervalIn('1 mon')),
    timestampText,
  );
  expect(rows).toEqual(['2020-01-31 00:00:00', '2020-02-29 00:00:00', '2020-03-29 00:00:00', '2020-04-29 00:00:00']);
});

test('days are added on the wall clock of the session', () => {
  (settings as { TimeZone: string }).TimeZone = 'Europe/Berlin';
  try {
    const start = timestamptzIn('2020-03-28 12:00');
    const rows = all(
      series('generate_series_timestamptz', start, timestamptzIn('2020-03-30 12:00'), intervalIn('1 day')),
      timestamptzText,
    );
    expect(rows).toEqual(['2020-03-28 12:00:00+01', '2020-03-29 12:00:00+02', '2020-03-30 12:00:00+02']);
  } finally {
    (settings as { TimeZone: string }).TimeZone = 'GMT';
  }
});

test('rows are made one at a time', () => {
  const endless = series('generate_series_timestamp', 0, 9_000_000_000_000_000, intervalIn('0.000001'));
  for (let i = 0; i < 1000; i++) expect(endless.next()).toBe(true);
  expect(endless.value).toBe(999);
});

test('a zero step is refused', () => {
  expect(() => series('generate_series_timestamp', 0, 1, intervalIn('0'))).toThrow('step size cannot equal zero');
});
