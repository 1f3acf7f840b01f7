import { expect, test } from 'vitest';
import '#adt/load.ts';
import { builtin } from '#adt/fmgr.ts';
import { prettySize } from '#functions/size.ts';

test('sizes are rounded like those of PostgreSQL', () => {
  const shown: Readonly<Record<string, string>> = {
    '0': '0 bytes',
    '10239': '10239 bytes',
    '10240': '10 kB',
    '-10239': '-10239 bytes',
    '-10240': '-10 kB',
    '10485247': '10239 kB',
    '10485248': '10 MB',
    '123456789': '118 MB',
    '-1234567890123': '-1150 GB',
    '9223372036854775807': '8192 PB',
    '-9223372036854775808': '-8192 PB',
  };
  expect(Object.fromEntries(Object.keys(shown).map((bytes) => [bytes, prettySize(BigInt(bytes))]))).toEqual(shown);
});

test('sizes are read with units, fractions and exponents', () => {
  const { call } = builtin('pg_size_bytes') as { call: (text: string) => unknown };
  expect(call('1')).toBe(1);
  expect(call('1.5 MB')).toBe(1_572_864);
  expect(call(' -3kb ')).toBe(-3072);
  expect(call('1e3 bytes')).toBe(1000);
  expect(call('.5kB')).toBe(512);
  expect(() => call('x')).toThrow('invalid size: "x"');
  expect(() => call('1 xx')).toThrow('invalid size: "1 xx"');
  expect(() => call('1e30 PB')).toThrow('bigint out of range');
});
