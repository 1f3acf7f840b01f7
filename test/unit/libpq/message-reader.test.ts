import { expect, test } from 'vitest';
import { MessageReader, RECEIVE_BUFFER_SIZE } from '#libpq/message-reader.ts';
import { reportHooks } from '#runtime/error/report.ts';

/** Reader over bytes that arrive in chunks of at most `chunk`. */
function readerOver(data: Buffer, chunk = data.length): MessageReader {
  let at = 0;
  return new MessageReader((into, offset, length) => {
    const count = Math.min(chunk, length, data.length - at);
    into.set(data.subarray(at, at + count), offset);
    at += count;
    return count;
  });
}
const message = (type: string, body: Buffer | string): Buffer => {
  const bytes = Buffer.from(body);
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(bytes.length + 4, 1);
  return Buffer.concat([head, bytes]);
};
function logged(work: () => void): string[] {
  const lines: string[] = [];
  const { emit } = reportHooks;
  reportHooks.emit = (level, fields) => void lines.push(`${level}: ${fields.message}`);
  try {
    work();
  } finally {
    reportHooks.emit = emit;
  }
  return lines;
}

test('messages are read whole, in whatever pieces they come', () => {
  for (const chunk of [1, 3, 1000]) {
    const reader = readerOver(Buffer.concat([message('Q', 'select 1\0'), message('X', '')]), chunk);
    expect(reader.readByte()).toBe(0x51);
    expect(reader.readMessage(1000)).toBe(true);
    expect(reader.getString()).toBe('select 1');
    reader.getEnd();
    expect(reader.readByte()).toBe(0x58);
    expect(reader.readMessage(1000)).toBe(true);
    expect(reader.readByte()).toBe(-1);
  }
});

test('a message larger than the receive buffer is collected', () => {
  const text = 'x'.repeat(3 * RECEIVE_BUFFER_SIZE);
  const reader = readerOver(Buffer.concat([message('Q', `${text}\0`), message('S', '')]), 1500);
  reader.readByte();
  expect(reader.readMessage(1_000_000)).toBe(true);
  expect(reader.getString()).toBe(text);
  expect(reader.readByte()).toBe(0x53);
});

test('a length word that lies does not make us allocate what it says', () => {
  const head = Buffer.from([0x51, 0x3f, 0xff, 0xff, 0xfe, 1, 2, 3]);
  const reader = readerOver(head);
  reader.readByte();
  const before = process.memoryUsage().arrayBuffers;
  const lines = logged(() => expect(reader.readMessage(0x3fff_fffe)).toBe(false));
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000);
  expect(lines).toEqual(['LOG_SERVER_ONLY: incomplete message from client']);
});

test('lengths below four and beyond the limit end the connection', () => {
  for (const length of [3, 0, -1, 20_000]) {
    const head = Buffer.alloc(5, 0x44);
    head.writeInt32BE(length, 1);
    const reader = readerOver(head);
    reader.readByte();
    expect(logged(() => expect(reader.readMessage(10_000)).toBe(false))).toEqual([
      'LOG_SERVER_ONLY: invalid message length',
    ]);
  }
});

test('the stream may end inside the length word', () => {
  const reader = readerOver(Buffer.from([0x51, 0, 0]));
  reader.readByte();
  expect(logged(() => expect(reader.readMessage(100)).toBe(false))).toEqual([
    'LOG_SERVER_ONLY: unexpected EOF within message length word',
  ]);
});

test('fields beyond the body are protocol violations in the words of PostgreSQL', () => {
  const open = (body: Buffer | string): MessageReader => {
    const reader = readerOver(message('B', body));
    reader.readByte();
    reader.readMessage(1000);
    return reader;
  };
  expect(() => open('').getByte()).toThrow('no data left in message');
  expect(() => open('a').getInt16()).toThrow('insufficient data left in message');
  expect(() => open('abc').getInt32()).toThrow('insufficient data left in message');
  expect(() => open('abc').getString()).toThrow('invalid string in message');
  expect(() => open('abc').getBytes(4)).toThrow('insufficient data left in message');
  expect(() => open('abc').getBytes(-1)).toThrow('insufficient data left in message');
  expect(() => open('abc').getEnd()).toThrow('invalid message format');
  const reader = open(Buffer.from([0xff, 0xfe, 0xff, 0xff, 0xff, 0xff]));
  expect(reader.getInt16()).toBe(0xfffe);
  expect(reader.getInt32()).toBe(-1);
});

test('a string ends inside its own body, not in the next message', () => {
  const reader = readerOver(Buffer.concat([message('C', 'Sabc'), message('C', 'S\0')]));
  reader.readByte();
  reader.readMessage(100);
  reader.getByte();
  expect(() => reader.getString()).toThrow('invalid string in message');
});

test('broken UTF-8 is reported with its bytes; a real replacement character is not broken', () => {
  const text = (bytes: number[]): string => {
    const reader = readerOver(message('Q', Buffer.from([...bytes, 0])));
    reader.readByte();
    reader.readMessage(100);
    return reader.getString();
  };
  expect(() => text([0x61, 0xff])).toThrow('invalid byte sequence for encoding "UTF8": 0xff');
  expect(() => text([0xc3, 0x28])).toThrow('invalid byte sequence for encoding "UTF8": 0xc3 0x28');
  expect(() => text([0xed, 0xa0, 0x80])).toThrow('invalid byte sequence for encoding "UTF8": 0xed 0xa0 0x80');
  expect(() => text([0xf5, 0x80, 0x80, 0x80])).toThrow(
    'invalid byte sequence for encoding "UTF8": 0xf5 0x80 0x80 0x80',
  );
  expect(text([0xef, 0xbf, 0xbd])).toBe('\ufffd');
});
