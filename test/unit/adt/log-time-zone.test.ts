import { afterAll, describe, expect, it } from 'vitest';
import '#adt/log-time-zone.ts';
import { followLogTimeZone, formatLogSeconds, setLogTimeZone } from '#runtime/error/log-time.ts';

const winter = Date.UTC(2026, 0, 15, 12, 0, 0) / 1000;
const summer = Date.UTC(2026, 6, 15, 12, 0, 0) / 1000;
afterAll(() => setLogTimeZone(undefined, 'GMT'));

describe('log_timezone', () => {
  it('follows the rules of the zone that is set', () => {
    followLogTimeZone('Europe/Berlin');
    expect([winter, summer].map(formatLogSeconds)).toEqual(['2026-01-15 13:00:00 CET', '2026-07-15 14:00:00 CEST']);
    followLogTimeZone('Asia/Kolkata');
    expect(formatLogSeconds(winter)).toBe('2026-01-15 17:30:00 IST');
    followLogTimeZone('Etc/UTC');
    expect(formatLogSeconds(winter)).toBe('2026-01-15 12:00:00 UTC');
    followLogTimeZone('GMT');
    expect(formatLogSeconds(winter)).toBe('2026-01-15 12:00:00 GMT');
  });
  it('that names no zone leaves times in UTC', () => {
    followLogTimeZone('Nowhere/At_All');
    expect(formatLogSeconds(winter)).toBe('2026-01-15 12:00:00 UTC');
  });
});
