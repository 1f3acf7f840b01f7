import { expect, test } from 'vitest';
import { type ErrorFields, reportHooks } from '#runtime/error/report.ts';
import {
  CANCEL_REQUEST_CODE,
  negotiateProtocolVersion,
  parseStartupPacket,
  SSL_REQUEST_CODE,
  type StartupRequest,
  startupBodyLength,
  unframedError,
} from '#tcop/startup-packet.ts';

let last: ErrorFields | undefined;
reportHooks.emit = (_level, fields) => {
  last = fields;
};
reportHooks.exitProcess = () => {
  throw new Error('exit');
};
const packet = (code: number, text = ''): Buffer => {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(code);
  return Buffer.concat([head, Buffer.from(text)]);
};
const V3 = 0x30000;
const parse = (text: string, code = V3) => parseStartupPacket(packet(code, text)) as StartupRequest;
const fatal = (text: string) => {
  expect(() => parse(text)).toThrow('exit');
  return [last?.code, last?.message];
};

test('names and values: user, database, options, settings in order', () => {
  expect(parse('user\0al\0options\0-c a=b\0application_name\0é\0DateStyle\0iso\0\0')).toMatchObject({
    kind: 'startup',
    user: 'al',
    database: 'al',
    options: '-c a=b',
    replication: 'none',
    gucOptions: [
      ['application_name', 'é'],
      ['DateStyle', 'iso'],
    ],
    applicationName: '??',
  });
  expect(parse('user\0al\0database\0\0replication\0database\0\0')).toMatchObject({
    database: 'al',
    replication: 'database',
  });
  expect(parse('user\0al\0replication\0on\0\0')).toMatchObject({ database: '', replication: 'physical' });
  expect(parse(`user\0${'x'.repeat(70)}\0\0`).user).toHaveLength(63);
});

test('broken packets are refused with their reasons', () => {
  expect(fatal('user\0al\0')).toEqual(['08P01', 'invalid startup packet layout: expected terminator as last byte']);
  expect(fatal('user\0al\0\0x')[0]).toBe('08P01');
  expect(fatal('user')[0]).toBe('08P01');
  expect(fatal('\0')).toEqual(['28000', 'no PostgreSQL user name specified in startup packet']);
  expect(fatal('user\0a\0replication\0zz\0\0')).toEqual(['22023', 'invalid value for parameter "replication": "zz"']);
  expect(last?.hint).toBe('Valid values are: "false", 0, "true", 1, "database".');
});

test('other requests and other versions', () => {
  expect(parseStartupPacket(packet(SSL_REQUEST_CODE))).toEqual({ kind: 'ssl' });
  expect(parseStartupPacket(packet(CANCEL_REQUEST_CODE, '\0\0\0\x07\0\0\0\x09'))).toEqual({
    kind: 'cancel',
    pid: 7,
    key: 9,
  });
  expect(parseStartupPacket(packet(CANCEL_REQUEST_CODE, '\0'))).toEqual({ kind: 'malformed' });
  expect(parseStartupPacket(packet(0x20000))).toMatchObject({
    kind: 'unsupported',
    message: 'unsupported frontend protocol 2.0: server supports 3.0 to 3.0',
  });
  expect(Buffer.from(unframedError('no')).toString()).toBe('EFATAL:  no\n\0');
});

test('a newer minor version and unknown protocol options are negotiated down', () => {
  expect(negotiateProtocolVersion(parse('user\0a\0\0'))).toBe(undefined);
  const request = parse('user\0a\0_pq_.x\x001\0\0', 0x30002);
  expect(Buffer.from(negotiateProtocolVersion(request)!).toString('hex')).toBe(
    `0003000000000001${Buffer.from('_pq_.x\0').toString('hex')}`,
  );
});

test('lengths that no client would send close the connection', () => {
  const length = (n: number) => {
    const word = Buffer.alloc(4);
    word.writeInt32BE(n);
    return startupBodyLength(word);
  };
  expect([length(8), length(10_004)]).toEqual([4, 10_000]);
  expect([length(7), length(10_005), length(-1)]).toEqual([undefined, undefined, undefined]);
  expect(last?.message).toBe('invalid length of startup packet');
});
