import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import type { Oid } from '#base/ids.ts';
import { setRoles } from '#catalog/roles.ts';
import { builtin } from '#adt/fmgr.ts';
import { type ErrorFields, type Level, reportHooks } from '#runtime/error/report.ts';
import { setConfigOption } from '#runtime/guc/guc.ts';
import { type HbaClient, hbaEnvironment, loadHba, matchHba, useHbaLines } from '#tcop/hba.ts';
import '#tcop/hba-functions.ts';
import { parseHbaLine } from '#tcop/hba-parse.ts';
import { tokenizeText } from '#tcop/hba-tokens.ts';
import { checkUserMap, loadIdent } from '#tcop/ident.ts';
import { initialRoles } from '../../support/given-roles.ts';

const root = mkdtempSync(join(tmpdir(), 'hba-'));
afterAll(() => rmSync(root, { recursive: true }));
const hba = join(root, 'pg_hba.conf');
const ident = join(root, 'pg_ident.conf');
setConfigOption('hba_file', hba, 'postmaster', 'override');
setConfigOption('ident_file', ident, 'postmaster', 'override');
writeFileSync(join(root, 'users'), 'u1 u2,u3\n"u 4"\n# c\n');

const said: [Level, ErrorFields][] = [];
reportHooks.emit = (level: Level, fields: ErrorFields) => said.push([level, fields]);
beforeEach(() => {
  said.length = 0;
});
const messages = () => said.map(([, { message }]) => message);

const rows = (name: string): unknown[][] => {
  const rule = builtin(name)!;
  if (rule.style !== 'set') throw new Error(name);
  const out: unknown[][] = [];
  // biome-ignore lint/suspicious/noExplicitAny: the function asks nothing of its call
  for (const it = rule.call({} as any); it.next(); ) {
    out.push((it.value as unknown[]).map((v) => (v as { elements?: unknown })?.elements ?? v));
  }
  return out;
};
const ruleRow = (line: string): unknown[] => {
  writeFileSync(hba, line);
  return rows('pg_hba_file_rules')[0]!.slice(1);
};

/** Recorded from PostgreSQL 15's pg_hba_file_rules. */
const WRONG: readonly [string, string][] = [
  ['local all', 'end-of-line before role specification'],
  ['local all all', 'end-of-line before authentication method'],
  ['local', 'end-of-line before database specification'],
  ['bogus all all trust', 'invalid connection type "bogus"'],
  ['host all all', 'end-of-line before IP address specification'],
  ['host all all 10.0.0.0/8', 'end-of-line before authentication method'],
  ['host all all 10.0.0.0', 'end-of-line before netmask specification'],
  ['host all all 10.0.0.300/8 trust', 'specifying both host name and CIDR mask is invalid: "10.0.0.300/8"'],
  ['host all all 10.0.0.0/33 trust', 'invalid CIDR mask in address "10.0.0.0/33"'],
  ['host all all 10.0.0.0/8x trust', 'invalid CIDR mask in address "10.0.0.0/8x"'],
  ['host all all 10.0.0.0/ trust', 'invalid CIDR mask in address "10.0.0.0/"'],
  ['host all all 10.0.0.0 bogus trust', 'invalid IP mask "bogus": Name or service not known'],
  ['host all all 10.0.0.0 ffff:: trust', 'IP address and mask do not match'],
  ['host all all ::1/129 trust', 'invalid CIDR mask in address "::1/129"'],
  ['host all all 10.0.0.0,10.0.0.1 255.0.0.0 trust', 'multiple values specified for host address'],
  ['host all all 10.0.0.0 255.0.0.0,1.1.1.1 trust', 'multiple values specified for netmask'],
  ['local all all bogus', 'invalid authentication method "bogus"'],
  ['local all all md5,trust', 'multiple values specified for authentication type'],
  ['local,host all all trust', 'multiple values specified for connection type'],
  ['host all all all peer', 'peer authentication is only supported on local sockets'],
  ['host all all all sspi', 'invalid authentication method "sspi": not supported by this build'],
  ['local all all trust bogus', 'authentication option not in name=value format: bogus'],
  ['local all all trust a=b', 'unrecognized authentication option name: "a"'],
  [
    'local all all trust map=x',
    'authentication option "map" is only valid for authentication methods ident, peer, gssapi, sspi, and cert',
  ],
  ['local all all password clientcert=verify-ca', 'clientcert can only be configured for "hostssl" rows'],
  ['hostssl all all all password clientcert=1', 'hostssl record cannot match because SSL is disabled'],
  [
    'host all all all md5 krb_realm=x',
    'authentication option "krb_realm" is only valid for authentication methods gssapi and sspi',
  ],
  [
    'host @nosuch all all trust',
    `could not open secondary authentication file "@nosuch" as "${join(root, 'nosuch')}": No such file or directory`,
  ],
  ['local "unterminated all trust', 'end-of-line before role specification'],
  ['local a ,b c trust', 'invalid authentication method "c"'],
];
const RIGHT: readonly [string, unknown[]][] = [
  ['local all all peer map=x', ['local', ['all'], ['all'], null, null, 'peer', ['map=x'], null]],
  ['local all all ident map=x', ['local', ['all'], ['all'], null, null, 'peer', ['map=x'], null]],
  [
    'hostssl all all all password clientcert=verify-ca',
    [
      'hostssl',
      ['all'],
      ['all'],
      'all',
      null,
      'password',
      ['clientcert=verify-ca'],
      'hostssl record cannot match because SSL is disabled',
    ],
  ],
  [
    'local sameuser,samerole "a b",+grp,x reject',
    ['local', ['sameuser', 'samerole'], ['a b', '+grp', 'x'], null, null, 'reject', null, null],
  ],
  [
    'host db1,"all",replication all .example.com md5',
    ['host', ['db1', 'all', 'replication'], ['all'], '.example.com', null, 'md5', null, null],
  ],
  ['host all all samenet trust', ['host', ['all'], ['all'], 'samenet', null, 'trust', null, null]],
  [
    'host all all ::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff trust',
    ['host', ['all'], ['all'], '::1', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'trust', null, null],
  ],
  ['host all all 1.2.3.4/24 password', ['host', ['all'], ['all'], '1.2.3.4', '255.255.255.0', 'password', null, null]],
  [
    'host all all fe80::1%eth0/64 trust',
    ['host', ['all'], ['all'], 'fe80::1', 'ffff:ffff:ffff:ffff::', 'trust', null, null],
  ],
  [
    'local all,x @users,y trust',
    ['local', ['all', 'x'], ['u1', 'u2', 'u3', 'u 4', 'y'], null, null, 'trust', null, null],
  ],
  ['local all "@users" trust', ['local', ['all'], ['@users'], null, null, 'trust', null, null]],
  ['local all all \\\n   trust', ['local', ['all'], ['all'], null, null, 'trust', null, null]],
  ['local a,,b all "trust" # c', ['local', ['a', 'b'], ['all'], null, null, 'trust', null, null]],
];

describe('pg_hba_file_rules', () => {
  test.each(WRONG)('%s: %s', (line, error) => {
    const row = ruleRow(line);
    expect(row.at(-1)).toBe(error);
    expect(row[0]).toBe(null);
  });
  test.each(RIGHT)('%s', (line, expected) => {
    expect(ruleRow(line)).toEqual(expected);
  });
});

describe('loading', () => {
  test('a file with an error changes nothing and says where', () => {
    writeFileSync(hba, 'local all all trust\nhost all all 10.0.0.0\n');
    expect(loadHba()).toBe(false);
    expect(said).toMatchObject([
      [
        'LOG',
        {
          code: 'F0000',
          message: 'end-of-line before netmask specification',
          hint: 'Specify an address range in CIDR notation, or provide a separate netmask.',
          context: `line 2 of configuration file "${hba}"`,
        },
      ],
    ]);
    said.length = 0;
    writeFileSync(hba, '# nothing\n');
    expect(loadHba()).toBe(false);
    rmSync(hba);
    expect(loadHba()).toBe(false);
    expect(messages()).toEqual([
      `configuration file "${hba}" contains no entries`,
      `could not open configuration file "${hba}": No such file or directory`,
    ]);
  });
});

const use = (text: string): void =>
  useHbaLines(tokenizeText(text, hba, 'LOG').map((line) => parseHbaLine(line, 'LOG').line!));
const local: HbaClient = { user: 'al', database: 'shop', remoteAddress: null, tls: false, replication: 'none' };
const method = (client: Partial<HbaClient>) => matchHba({ ...local, ...client }).method;

describe('matching', () => {
  test('the first line that fits decides, none is a rejection', () => {
    use('local shop bo trust\nlocal shop al md5\nlocal all all reject\nhost all all 10.0.0.0/8 trust\n');
    expect(method({})).toBe('md5');
    expect(method({ user: 'bo' })).toBe('trust');
    expect(method({ database: 'x' })).toBe('reject');
    expect(method({ remoteAddress: '10.9.8.7' })).toBe('trust');
    expect(method({ remoteAddress: '11.9.8.7' })).toBe('implicit reject');
    expect(method({ remoteAddress: '::1' })).toBe('implicit reject');
  });
  test('all does not include physical replication, quotes take the meaning of keywords', () => {
    use('local all all trust\nlocal replication al md5\nlocal "replication" all peer\n');
    expect(method({ replication: 'physical', database: '' })).toBe('md5');
    expect(method({ replication: 'database' })).toBe('trust');
    use('local "all" all trust\nlocal sameuser all md5\nlocal "sameuser" all peer');
    expect([
      method({}),
      method({ database: 'all' }),
      method({ database: 'al' }),
      method({ database: 'sameuser' }),
    ]).toEqual(['implicit reject', 'trust', 'md5', 'peer']);
  });
  test('groups are members of roles', () => {
    const initial = initialRoles('postgres', null);
    const base = initial.roles[1]!;
    setRoles({
      roles: [...initial.roles, { ...base, oid: 1 as Oid, name: 'al' }, { ...base, oid: 2 as Oid, name: 'shop' }],
      memberships: [{ role: 2 as Oid, member: 1 as Oid, grantor: 10 as Oid, adminOption: false }],
    });
    use('local samerole bo trust\nlocal samerole al md5\nlocal all +shop peer\n');
    expect([method({}), method({ database: 'x' }), method({ user: 'bo', database: 'x' })]).toEqual([
      'md5',
      'peer',
      'implicit reject',
    ]);
  });
  test('TLS lines, own networks and host names', () => {
    use('hostnossl all al samenet trust\nhostnossl all bo .example.com md5\nhost all all samehost reject\n');
    hbaEnvironment.interfaces = () => [{ address: '192.168.1.5', netmask: '255.255.255.0' }];
    hbaEnvironment.reverseLookup = (address) => (address === '7.7.7.7' ? 'db.Example.com' : null);
    hbaEnvironment.forwardLookup = (name) => (name === 'db.Example.com' ? ['7.7.7.7'] : []);
    expect(method({ remoteAddress: '192.168.1.77' })).toBe('trust');
    expect(method({ remoteAddress: '192.168.1.5', tls: true })).toBe('reject');
    expect(method({ remoteAddress: '7.7.7.7', user: 'bo' })).toBe('md5');
    expect(method({ remoteAddress: '7.7.7.8', user: 'bo' })).toBe('implicit reject');
    hbaEnvironment.forwardLookup = () => ['1.2.3.4'];
    expect(method({ remoteAddress: '7.7.7.7', user: 'bo' })).toBe('implicit reject');
  });
});

describe('pg_ident.conf', () => {
  test('mappings, with mistakes in their place', () => {
    writeFileSync(
      ident,
      'm root\nm root pw a\nm a,b c\nrx /^(.*)ot$ x\\1\nrx /(bad x\n"quoted map" root "x y"\njustone\n',
    );
    expect(rows('pg_ident_file_mappings')).toEqual([
      [1, null, null, null, 'missing entry at end of line'],
      [2, 'm', 'root', 'pw', null],
      [3, null, null, null, 'multiple values in ident field'],
      [4, 'rx', '/^(.*)ot$', 'x\\1', null],
      [5, null, null, null, 'invalid regular expression "(bad": parentheses () not balanced'],
      [6, 'quoted map', 'root', 'x y', null],
      [7, null, null, null, 'missing entry at end of line'],
    ]);
  });
  test('a map says who may be whom, and the log why not', () => {
    writeFileSync(ident, 'm root pw\nrx /^(.*)ot$ x\\1\nrx2 /^.*t$ x\\1\n');
    expect(loadIdent()).toBe(true);
    expect([checkUserMap('m', 'pw', 'root'), checkUserMap('rx', 'xro', 'root')]).toEqual([true, true]);
    expect(checkUserMap(undefined, 'root', 'root')).toBe(true);
    expect(messages()).toEqual([]);
    expect(checkUserMap('m', 'pw2', 'root')).toBe(false);
    expect(checkUserMap('', 'pw2', 'root')).toBe(false);
    expect(checkUserMap('rx2', 'xroo', 'root')).toBe(false);
    expect(messages()).toEqual([
      'no match in usermap "m" for user "pw2" authenticated as "root"',
      'provided user name (pw2) and authenticated user name (root) do not match',
      'regular expression "^.*t$" has no subexpressions as requested by backreference in "x\\1"',
    ]);
  });
});
