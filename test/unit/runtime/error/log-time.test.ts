import { beforeEach, describe, expect, it } from 'vitest';
import { formatLogSeconds, formatLogTime, formatTime, setLogTimeZone, utcTime } from '#runtime/error/log-time.ts';

const at = Date.UTC(2026, 10, 21, 3, 5, 9) / 1000;
beforeEach(() => setLogTimeZone(undefined, 'GMT'));

describe('log times', () => {
  it('are GMT before the configuration is read, then in log_timezone', () => {
    expect(formatLogSeconds(at)).toBe('2026-11-21 03:05:09 GMT');
    setLogTimeZone(undefined, 'UTC');
    expect(formatLogTime(at * 1000 + 7)).toBe('2026-11-21 03:05:09.007 UTC');
    setLogTimeZone(
      (seconds) => ({ ...utcTime(seconds + 3600), utcOffset: 3600, abbreviation: 'CET' }),
      'Europe/Berlin',
    );
    expect(formatLogTime(at * 1000 + 999.9)).toBe('2026-11-21 04:05:09.999 CET');
  });
  it('expand the conversions of log_filename', () => {
    expect(formatTime('postgresql-%Y-%m-%d_%H%M%S.log', at)).toBe('postgresql-2026-11-21_030509.log');
    expect(formatTime('%a %A %b %B %e %j %y %C %I %p %u %w', at)).toBe(
      'Sat Saturday Nov November 21 325 26 20 03 AM 6 6',
    );
    expect(formatTime('%F %T %R %D %r %s', at)).toBe(`2026-11-21 03:05:09 03:05 11/21/26 03:05:09 AM ${at}`);
    expect(formatTime('%z%%%Z', at)).toBe('+0000%GMT');
  });
  it('keep unknown conversions harmless', () => {
    expect(formatTime('a%', at)).toBe('a%');
    expect(formatTime('%Ed%Oq', at)).toBe('21q');
  });
  it('number weeks as strftime does', () => {
    const week = (year: number, month: number, day: number): string =>
      formatTime('%U %W %V %G', Date.UTC(year, month - 1, day) / 1000);
    expect(week(2021, 1, 1)).toBe('00 00 53 2020');
    expect(week(2024, 12, 30)).toBe('52 53 01 2025');
    expect(week(2026, 11, 21)).toBe('46 46 47 2026');
    expect(week(2023, 1, 1)).toBe('01 00 52 2022');
  });
});
