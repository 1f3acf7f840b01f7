import { expect, test } from 'vitest';
import type { Oid } from '#base/ids.ts';
import { MessageWriter } from '#libpq/message-writer.ts';
import { expandFormats, ResultWriter, type TypeOutput } from '#libpq/result-writer.ts';

const oid = (value: number): Oid => value as Oid;
const other: TypeOutput = { length: -1, output: (value) => `<${value}>`, send: () => Uint8Array.of(1, 2) };
const column = (name: string, type: number) => ({
  name,
  type: oid(type),
  typmod: -1,
  tableOid: oid(0),
  attributeNumber: 0,
});
function row(types: number[], formats: number[], values: unknown[]): string {
  const writer = new MessageWriter();
  new ResultWriter(
    types.map((type) => column('c', type)),
    formats,
    () => other,
  ).row(writer, values);
  return writer.buffer.toString('latin1', 5, writer.length);
}

test('NULL is length -1', () => {
  expect(row([23], [0], [null])).toBe('\0\x01\xff\xff\xff\xff');
});

test('text rows: booleans, integers and strings go straight into the buffer', () => {
  expect(row([16, 23, 25], [0, 0, 0], [true, -5, 'ab'])).toBe('\0\x03\0\0\0\x01t\0\0\0\x02-5\0\0\0\x02ab');
  expect(row([20], [0], [9223372036854775807n])).toBe('\0\x01\0\0\0\x139223372036854775807');
});

test('binary rows carry network byte order', () => {
  expect(row([16, 21, 23, 20], [1, 1, 1, 1], [false, -1, 258, 5])).toBe(
    '\0\x04\0\0\0\x01\0\0\0\0\x02\xff\xff\0\0\0\x04\0\0\x01\x02\0\0\0\x08\0\0\0\0\0\0\0\x05',
  );
});

test('a type without a fast path uses its own functions', () => {
  expect(row([600], [0], ['p'])).toBe('\0\x01\0\0\0\x03<p>');
  expect(row([600], [1], ['p'])).toBe('\0\x01\0\0\0\x02\x01\x02');
});

test('format codes other than text and binary are refused', () => {
  expect(() => row([23], [2], [1])).toThrow('unsupported format code: 2');
});

test('RowDescription names every column', () => {
  const writer = new MessageWriter();
  new ResultWriter([column('a', 23)], [1], () => ({ ...other, length: 4 })).describe(writer);
  expect(writer.buffer.toString('hex', 0, writer.length)).toBe(
    '540000001a0001' + '6100' + '00000000' + '0000' + '00000017' + '0004' + 'ffffffff' + '0001',
  );
});

test('formats of Bind expand as none, one, or one per column', () => {
  expect(expandFormats([], 2)).toEqual([0, 0]);
  expect(expandFormats([1], 3)).toEqual([1, 1, 1]);
  expect(expandFormats([1, 0], 2)).toEqual([1, 0]);
  expect(() => expandFormats([1, 0], 3)).toThrow('bind message has 2 result formats but query has 3 columns');
});
