import { describe, expect, test } from 'vitest';
import type { GucUnit } from '#runtime/guc/define.ts';
import {
  formatG,
  intWithUnit,
  parseBool,
  parseIntSetting,
  parseRealSetting,
  realWithUnit,
} from '#runtime/guc/units.ts';

const intValue = (text: string, unit?: GucUnit) => parseIntSetting(text, unit);

/** Recorded from PostgreSQL 15: SET name = text; SHOW name. */
const SHOWN: readonly [GucUnit, string, string][] = [
  ['kB', '1 GB ', '1GB'],
  ['kB', '1.1GB', '1126MB'],
  ['kB', '0.1GB', '102MB'],
  ['kB', '1.00001GB', '1GB'],
  ['8kB', '1GB', '1GB'],
  ['8kB', '801kB', '800kB'],
  ['ms', '1.5s', '1500ms'],
  ['ms', '90s', '90s'],
  ['ms', '1d', '1d'],
  ['ms', '36h', '36h'],
  ['ms', '100min', '100min'],
  ['ms', '1.5min', '90s'],
  ['ms', '61001ms', '61001ms'],
  ['ms', '2147483647', '2147483647ms'],
];

describe('integers', () => {
  test.each(SHOWN)('in %s, %s is shown as %s', (unit, text, shown) => {
    const parsed = intValue(text, unit);
    expect(parsed.ok && intWithUnit(parsed.value, unit)).toBe(shown);
  });
  test('hexadecimal, octal and fractions are read, halves round to even', () => {
    expect(intValue('0x10')).toEqual({ ok: true, value: 16 });
    expect(intValue('010')).toEqual({ ok: true, value: 8 });
    expect(intValue('2.5')).toEqual({ ok: true, value: 2 });
    expect(intValue('3.5')).toEqual({ ok: true, value: 4 });
    expect(intValue('1e3')).toEqual({ ok: true, value: 1000 });
    expect(intValue(' -7 ')).toEqual({ ok: true, value: -7 });
    expect(intValue('0.4us', 'ms')).toEqual({ ok: true, value: 0 });
  });
  test('a bad unit is refused with the list of good ones, and without units nothing may follow', () => {
    expect(intValue('10XB', 'kB')).toMatchObject({ ok: false, hint: expect.stringContaining('"B", "kB", "MB"') });
    expect(intValue('10 hours', 'ms')).toMatchObject({ ok: false, hint: expect.stringContaining('"us", "ms"') });
    expect(intValue('1MB')).toEqual({ ok: false });
    expect(intValue('')).toEqual({ ok: false });
    expect(intValue('99999999999999', 'kB')).toEqual({ ok: false, hint: 'Value exceeds integer range.' });
  });
});

describe('reals', () => {
  test('a delay in ms is shown in the largest unit that fits', () => {
    const shown = (text: string) => {
      const parsed = parseRealSetting(text, 'ms');
      return parsed.ok && realWithUnit(parsed.value, 'ms');
    };
    expect(shown('1.5')).toBe('1500us');
    expect(shown('1.5us')).toBe('1.5us');
    expect(shown('100us')).toBe('100us');
    expect(shown('2')).toBe('2ms');
    expect(shown('10s')).toBe('10s');
  });
  test('not a number is no number', () => {
    expect(parseRealSetting('nan', undefined)).toEqual({ ok: false });
    expect(parseRealSetting('abc', undefined)).toEqual({ ok: false });
    expect(parseRealSetting('1MB', undefined)).toEqual({ ok: false });
    expect(parseRealSetting('1 ', undefined)).toEqual({ ok: true, value: 1 });
  });
});

test('%g as C prints it', () => {
  expect([1e20, 1e-5, 4.0000001, 0.0025, Number.MAX_VALUE, 3600000, 0, -1, 100000, 1e6].map((v) => formatG(v))).toEqual(
    ['1e+20', '1e-05', '4', '0.0025', '1.79769e+308', '3.6e+06', '0', '-1', '100000', '1e+06'],
  );
});

test('booleans take unique beginnings', () => {
  for (const yes of ['on', 't', 'TRUE', 'y', 'ye', '1']) expect(parseBool(yes)).toBe(true);
  for (const no of ['of', 'off', 'f', 'No', '0']) expect(parseBool(no)).toBe(false);
  for (const bad of ['o', '', 'maybe', 'truely', '2']) expect(parseBool(bad)).toBe(undefined);
});
