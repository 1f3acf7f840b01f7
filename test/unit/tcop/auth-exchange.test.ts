import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Oid } from '#base/ids.ts';
import { encryptPassword, setRoles } from '#catalog/roles.ts';
import { md5Response } from '#libpq/md5-password.ts';
import { type ErrorFields, reportHooks } from '#runtime/error/report.ts';
import { AUTH_REQUEST, type AuthConnection, authenticateClient, sessionRole } from '#tcop/auth-exchange.ts';
import type { HbaLine } from '#tcop/hba-parse.ts';
import { parseHbaLine } from '#tcop/hba-parse.ts';
import { tokenizeText } from '#tcop/hba-tokens.ts';
import { initialRoles } from '../../support/given-roles.ts';

let fatal: ErrorFields | undefined;
reportHooks.emit = (level, fields) => {
  if (level === 'FATAL') fatal = fields;
};
reportHooks.exitProcess = () => {
  throw new Error('exit');
};
const plain = initialRoles('postgres', null).roles[1]!;
const named = (oid: number, name: string, secret: string | null) => ({
  ...plain,
  oid: oid as Oid,
  name,
  secret,
  canLogin: true,
});
const MD5 = encryptPassword('md5u', 'secret', 'md5');
beforeEach(() => {
  fatal = undefined;
  setRoles({
    roles: [
      named(1, 'md5u', MD5),
      named(2, 'scramu', encryptPassword('scramu', 'secret')),
      named(3, 'nopass', null),
      { ...named(4, 'nologin', null), canLogin: false },
      { ...named(5, 'lim', null), connectionLimit: 0 },
    ],
    memberships: [],
  });
});
const line = (text: string): HbaLine => parseHbaLine(tokenizeText(text, 'pg_hba.conf', 'LOG')[0]!, 'LOG').line!;

/** Answers each request with the next reply. */
class Scripted implements AuthConnection {
  readonly database = 'postgres';
  readonly remoteAddress: string | null = null;
  readonly tls = false;
  readonly replication = 'none';
  readonly sent: [number, Buffer][] = [];
  readonly #replies: ((last: Buffer) => Uint8Array | null)[];
  constructor(
    readonly user: string,
    ...replies: ((last: Buffer) => Uint8Array | null)[]
  ) {
    this.#replies = replies;
  }
  sendAuthRequest(code: number, payload: Uint8Array): void {
    this.sent.push([code, Buffer.from(payload)]);
  }
  readPasswordMessage(): Uint8Array | null {
    return this.#replies.shift()?.(this.sent.at(-1)![1]) ?? null;
  }
  peerUser(): string | null {
    return 'root';
  }
}
const text = (value: string) => () => Buffer.from(`${value}\0`);
const codes = (conn: Scripted) => conn.sent.map(([code]) => code);
const refused = (conn: AuthConnection, rule: string) => {
  expect(() => authenticateClient(conn, line(rule))).toThrow('exit');
  return [fatal?.code, fatal?.message, fatal?.detailLog];
};

describe('passwords', () => {
  test('in clear text', () => {
    const conn = new Scripted('scramu', text('secret'));
    expect(authenticateClient(conn, line('local all all password'))).toBe(true);
    expect(codes(conn)).toEqual([AUTH_REQUEST.cleartextPassword, AUTH_REQUEST.ok]);
    expect(refused(new Scripted('md5u', text('wrong')), 'local all md5u password')).toEqual([
      '28P01',
      'password authentication failed for user "md5u"',
      'Password does not match for user "md5u".\nConnection matched pg_hba.conf line 1: "local all md5u password"',
    ]);
    expect(() => authenticateClient(new Scripted('md5u', text('')), line('local all all password'))).toThrow(
      'empty password returned by client',
    );
    expect(() =>
      authenticateClient(new Scripted('md5u', () => Buffer.from('abc')), line('local all all password')),
    ).toThrow('invalid password packet size');
  });
  test('by md5, with a salt', () => {
    const conn = new Scripted('md5u', (salt) => Buffer.from(`${md5Response(MD5, salt)}\0`));
    expect(authenticateClient(conn, line('local all all md5'))).toBe(true);
    expect(conn.sent[0]![1]).toHaveLength(4);
    expect(refused(new Scripted('md5u', text('md5x')), 'local all md5u md5')[2]).toContain('Password does not match');
  });
  test('a client that hangs up ends quietly', () => {
    expect(authenticateClient(new Scripted('md5u'), line('local all all md5'))).toBe(false);
    expect(authenticateClient(new Scripted('scramu'), line('local all all md5'))).toBe(false);
  });
  test('a role with a SCRAM secret is asked by SCRAM even for md5, and so is one that is not there', () => {
    const initial = () => {
      const data = 'n,,n=,r=abc';
      const head = Buffer.from('SCRAM-SHA-256\0\0\0\0\0');
      head.writeInt32BE(data.length, head.length - 4);
      return Buffer.concat([head, Buffer.from(data)]);
    };
    const wrongProof = (first: Buffer) => {
      const nonce = /^r=([^,]*)/.exec(first.toString())![1];
      return Buffer.from(`c=biws,r=${nonce},p=${createHash('sha256').update('x').digest('base64')}`);
    };
    for (const [user, detail] of [
      ['scramu', undefined],
      ['nosuch', 'Role "nosuch" does not exist.'],
      ['nopass', 'User "nopass" has no password assigned.'],
    ] as const) {
      const conn = new Scripted(user, initial, wrongProof);
      const [code, , logged] = refused(conn, 'local all all md5');
      expect(code).toBe('28P01');
      expect(conn.sent[0]).toEqual([AUTH_REQUEST.sasl, Buffer.from('SCRAM-SHA-256\0\0')]);
      expect(codes(conn)).toEqual([AUTH_REQUEST.sasl, AUTH_REQUEST.saslContinue]);
      const matched = 'Connection matched pg_hba.conf line 1: "local all all md5"';
      expect(logged).toBe(detail === undefined ? matched : `${detail}\n${matched}`);
    }
  });
  test('a malformed first answer is a protocol violation', () => {
    const run = (bytes: string) =>
      authenticateClient(new Scripted('scramu', () => Buffer.from(bytes, 'latin1')), line('local all all md5'));
    expect(() => run('SCRAM-SHA-256')).toThrow('invalid string in message');
    expect(() => run('SCRAM-SHA-256\0\0\0')).toThrow('insufficient data left in message');
    expect(() => run('SCRAM-SHA-256\0\0\0\0\x01ab')).toThrow('invalid message format');
    expect(() => run('PLAIN\0\0\0\0\x01a')).toThrow('client selected an invalid SASL authentication mechanism');
  });
});

test('peer asks the operating system and the map', () => {
  expect(authenticateClient(new Scripted('root'), line('local all all peer'))).toBe(true);
  expect(refused(new Scripted('pw2'), 'local all pw2 peer')).toEqual([
    '28000',
    'Peer authentication failed for user "pw2"',
    'Connection matched pg_hba.conf line 1: "local all pw2 peer"',
  ]);
});

test('rejections name the connection', () => {
  expect(refused(new Scripted('rej'), 'local all all reject')[1]).toBe(
    'pg_hba.conf rejects connection for host "[local]", user "rej", database "postgres", no encryption',
  );
  const implicit = { ...line('local all all reject'), method: 'implicit reject' } as const;
  const tcp = Object.assign(new Scripted('zzz'), { remoteAddress: '127.0.0.1' });
  expect(() => authenticateClient(tcp, implicit)).toThrow('exit');
  expect(fatal?.message).toBe(
    'no pg_hba.conf entry for host "127.0.0.1", user "zzz", database "postgres", no encryption',
  );
  const walsender = Object.assign(new Scripted('zzz'), { replication: 'physical' });
  expect(() => authenticateClient(walsender, implicit)).toThrow('exit');
  expect(fatal?.message).toBe(
    'no pg_hba.conf entry for replication connection from host "[local]", user "zzz", no encryption',
  );
});

test('an authenticated role must exist, may log in, and have a connection left', () => {
  const problem = (name: string) => {
    expect(() => sessionRole(name, () => 1)).toThrow('exit');
    return [fatal?.code, fatal?.message];
  };
  expect(problem('nosuch2')).toEqual(['28000', 'role "nosuch2" does not exist']);
  expect(problem('nologin')).toEqual(['28000', 'role "nologin" is not permitted to log in']);
  expect(problem('lim')).toEqual(['53300', 'too many connections for role "lim"']);
  expect(sessionRole('nopass', () => 1).oid).toBe(3);
});
