import { describe, expect, test } from 'vitest';
import { checkDateStyle } from '#adt/datetime-settings.ts';
import { findTimeZone } from '#adt/timezone.ts';
import { checkTimeZone, parseTimeZone } from '#adt/timezone-setting.ts';
import { parsePosixRule, rulesFromPosix } from '#adt/timezone-tzif.ts';

const unix = (text: string): number => Date.parse(text) / 1000;

describe('rules of a POSIX string', () => {
  const berlin = rulesFromPosix(parsePosixRule('CET-1CEST,M3.5.0,M10.5.0/3')!);
  const sydney = rulesFromPosix(parsePosixRule('AEST-10AEDT,M10.1.0,M4.1.0/3')!);

  test('change at the second they name, in both hemispheres', () => {
    expect(berlin.lookup(unix('2026-03-29T00:59:59Z')).abbrev).toBe('CET');
    expect(berlin.lookup(unix('2026-03-29T01:00:00Z')).abbrev).toBe('CEST');
    expect(berlin.lookup(unix('2026-10-25T00:59:59Z')).abbrev).toBe('CEST');
    expect(berlin.lookup(unix('2026-10-25T01:00:00Z')).abbrev).toBe('CET');
    expect(sydney.lookup(unix('2026-01-01T00:00:00Z')).gmtoff).toBe(39_600);
    expect(sydney.lookup(unix('2026-07-01T00:00:00Z')).gmtoff).toBe(36_000);
  });

  test('go on for ever', () => {
    expect(berlin.nextTransition(unix('2500-01-01T00:00:00Z'))).toBe(unix('2500-03-28T01:00:00Z'));
    expect(berlin.lookup(unix('2500-07-01T00:00:00Z')).isDst).toBe(true);
  });

  test('malformed ones are refused', () => {
    for (const text of ['', 'CET', 'CET-1CEST,M3.5.0', 'CET-1CEST,M13.5.0,M10.5.0', 'CET-200'])
      expect(parsePosixRule(text)).toBeNull();
  });
});

describe('a time zone setting', () => {
  test('is stored in its canonical spelling', () => {
    expect(parseTimeZone('europe/berlin')?.name).toBe('Europe/Berlin');
    expect(parseTimeZone('utc')?.name).toBe('UTC');
    expect(parseTimeZone('-8')?.name).toBe('<-08>+08');
    expect(parseTimeZone('5.5')?.name).toBe('<+05:30>-05:30');
    expect(parseTimeZone("INTERVAL '-08:00'")?.name).toBe('<-08>+08');
    expect(parseTimeZone('EST5EDT,M3.2.0,M11.1.0')?.name).toBe('EST5EDT,M3.2.0,M11.1.0');
  });

  test('is refused in the words of PostgreSQL', () => {
    expect(checkTimeZone('foo')).toEqual({});
    expect(checkTimeZone('200')).toEqual({ detail: 'UTC timezone offset is out of range.' });
    expect(checkTimeZone("interval '1 month'")).toEqual({ detail: 'Cannot specify months in time zone interval.' });
    expect(checkTimeZone("interval '1 day'")).toEqual({ detail: 'Cannot specify days in time zone interval.' });
  });

  test('finds a zone once and keeps it', () => {
    expect(findTimeZone('EUROPE/BERLIN')).toBe(findTimeZone('europe/berlin'));
    expect(findTimeZone('../etc/passwd')).toBeNull();
  });
});

describe('a DateStyle setting', () => {
  test('keeps what it does not name', () => {
    expect(checkDateStyle('iso', 'SQL, DMY')).toEqual({ value: 'ISO, DMY' });
    expect(checkDateStyle('euro', 'ISO, MDY')).toEqual({ value: 'ISO, DMY' });
    expect(checkDateStyle('german, ymd', 'ISO, MDY')).toEqual({ value: 'German, YMD' });
    expect(checkDateStyle('german', 'ISO, MDY')).toEqual({ value: 'German, DMY' });
    expect(checkDateStyle('default', 'German, YMD')).toEqual({ value: 'ISO, MDY' });
  });

  test('is refused when it contradicts itself or is unknown', () => {
    expect(checkDateStyle('iso, sql', 'ISO, MDY')).toEqual({ detail: 'Conflicting "datestyle" specifications.' });
    expect(checkDateStyle('foo', 'ISO, MDY')).toEqual({ detail: 'Unrecognized key word: "foo".' });
  });
});
