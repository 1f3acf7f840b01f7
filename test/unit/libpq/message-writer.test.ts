import { expect, test } from 'vitest';
import { MessageWriter } from '#libpq/message-writer.ts';
import { clientCodec } from '#libpq/text-encoding.ts';

const written = (writer: MessageWriter): string => writer.buffer.toString('latin1', 0, writer.length);
const make = (fill: (writer: MessageWriter) => void): string => {
  const writer = new MessageWriter();
  fill(writer);
  return written(writer);
};

test('a message carries its own length without the type byte', () => {
  const bytes = make((w) => {
    w.begin(0x43);
    w.cstring('SELECT 1');
    w.end();
  });
  expect(bytes).toBe('C\0\0\0\x0dSELECT 1\0');
});

test('an empty message is five bytes', () => {
  expect(make((w) => w.empty(0x31))).toBe('1\0\0\0\x04');
});

test('counted integers are written as decimal digits at every edge', () => {
  const values = [0, 1, -1, 9, 10, 99, 100, 2147483647, -2147483648, 4294967295, 9007199254740991, -9007199254740991];
  for (const value of values) {
    const text = String(value);
    expect(make((w) => w.countedInteger(value))).toBe(String.fromCharCode(0, 0, 0, text.length) + text);
  }
});

test('int64 keeps negative numbers and bigints', () => {
  const hex = (value: number | bigint): string => {
    const writer = new MessageWriter();
    writer.int64(value);
    return writer.buffer.toString('hex', 0, 8);
  };
  expect(hex(1)).toBe('0000000000000001');
  expect(hex(-1)).toBe('ffffffffffffffff');
  expect(hex(-9007199254740991)).toBe('ffe0000000000001');
  expect(hex(9223372036854775807n)).toBe('7fffffffffffffff');
  expect(hex(-9223372036854775808n)).toBe('8000000000000000');
});

test('text is UTF-8, short or long', () => {
  expect(make((w) => w.countedText('é'))).toBe('\0\0\0\x02\xc3\xa9');
  const long = 'é'.repeat(100);
  expect(make((w) => w.countedText(long)).slice(4)).toBe(Buffer.from(long).toString('latin1'));
  expect(make((w) => w.text('a'.repeat(100)))).toBe('a'.repeat(100));
});

test('LATIN1 clients get one byte per character, and an error for what it lacks', () => {
  const writer = new MessageWriter();
  writer.codec = clientCodec('LATIN1')!;
  writer.text('é');
  expect(written(writer)).toBe('\xe9');
  expect(() => writer.text('€')).toThrow(
    'character with byte sequence 0xe2 0x82 0xac in encoding "UTF8" has no equivalent in encoding "LATIN1"',
  );
});

test('an abandoned message leaves the finished ones', () => {
  const bytes = make((w) => {
    w.empty(0x31);
    w.begin(0x44);
    w.int32(7);
    w.abandon();
    w.empty(0x32);
  });
  expect(bytes).toBe('1\0\0\0\x042\0\0\0\x04');
});

test('a notice can go before a half-written row', () => {
  const writer = new MessageWriter();
  writer.begin(0x44);
  writer.int16(1);
  const partial = writer.detach()!;
  writer.empty(0x4e);
  writer.reattach(partial);
  writer.int16(2);
  writer.end();
  expect(written(writer)).toBe('N\0\0\0\x04D\0\0\0\x08\0\x01\0\x02');
});

test('the buffer grows, and a sent part is cut off in front of an unfinished message', () => {
  const writer = new MessageWriter();
  writer.begin(0x44);
  writer.text('x'.repeat(50_000));
  writer.end();
  writer.begin(0x45);
  writer.int8(1);
  expect(writer.finished).toBe(50_005);
  writer.clear();
  expect(writer.length).toBe(6);
  writer.end();
  expect(written(writer)).toBe('E\0\0\0\x05\x01');
});
