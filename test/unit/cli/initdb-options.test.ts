import { describe, expect, it } from 'vitest';
import type { InitdbOptions } from '#cli/initdb-options.ts';
import { readInitdbOptions } from '#cli/initdb-options.ts';

const read = (argv: readonly string[], env: NodeJS.ProcessEnv = {}): InitdbOptions => {
  const options = readInitdbOptions(argv, env, 'alice');
  if (typeof options === 'string') throw new Error(options);
  return options;
};
const failing = (argv: readonly string[], env: NodeJS.ProcessEnv = {}): { message: string; hint?: string } => {
  try {
    read(argv, env);
  } catch (caught) {
    return caught as { message: string; hint?: string };
  }
  throw new Error('accepted');
};

describe('initdb options', () => {
  it('default to the user of the system, trust with a warning, and the environment', () => {
    const options = read([], { PGDATA: 'here', LANG: 'C.UTF-8' });
    expect(options).toMatchObject({
      dataDirectory: 'here',
      user: 'alice',
      owner: 'alice',
      authLocal: 'trust',
      authHost: 'trust',
      authDefaulted: true,
      walSegmentMegabytes: 16,
      textSearch: 'english',
      sync: true,
      clean: true,
    });
    expect(new Set(Object.values(options.locales))).toEqual(new Set(['C.UTF-8']));
  });
  it('take the directory as an operand, -D wins', () => {
    expect(read(['d1']).dataDirectory).toBe('d1');
    expect(read(['-D', 'd2']).dataDirectory).toBe('d2');
    expect(failing(['-D', 'd2', 'd3']).message).toBe('too many command-line arguments (first is "d3")');
  });
  it('need a data directory', () => {
    expect(failing([]).message).toBe('no data directory specified');
  });
  it('map ident and peer to what a socket or a host can do', () => {
    expect(read(['d', '-A', 'ident'])).toMatchObject({ authLocal: 'peer', authHost: 'ident', authDefaulted: false });
    expect(read(['d', '-A', 'peer'])).toMatchObject({ authLocal: 'peer', authHost: 'ident' });
    expect(read(['d', '--auth-local=trust'])).toMatchObject({ authDefaulted: true });
    expect(read(['d', '--auth-local=trust', '--auth-host=reject'])).toMatchObject({ authDefaulted: false });
  });
  it('refuse unknown methods and password methods without a password', () => {
    expect(failing(['d', '-A', 'foo']).message).toBe('invalid authentication method "foo" for "local" connections');
    expect(failing(['d', '--auth-host=peer']).message).toBe(
      'invalid authentication method "peer" for "host" connections',
    );
    expect(failing(['d', '-A', 'md5']).message).toBe(
      'must specify a password for the superuser to enable password authentication',
    );
    expect(read(['d', '-A', 'md5', '--pwfile=p']).passwordFile).toBe('p');
    expect(failing(['d', '-W', '--pwfile=p']).message).toBe(
      'password prompt and password file cannot be specified together',
    );
  });
  it('refuse locales other than C, POSIX and C.UTF-8, but replace one of the environment', () => {
    expect(failing(['d', '--locale=xx_YY']).message).toBe('invalid locale name "xx_YY"');
    expect(read(['d', '--locale=POSIX']).locales.collate).toBe('C');
    expect(read(['d', '--locale=C.utf8']).locales.time).toBe('C.utf8');
    expect(read(['d', '--no-locale'], { LANG: 'de_DE.UTF-8' }).localeReplaced).toBeUndefined();
    const replaced = read(['d'], { LANG: 'de_DE.UTF-8', LC_TIME: 'C' });
    expect(replaced.localeReplaced).toBe('de_DE.UTF-8');
    expect(replaced.locales).toMatchObject({ collate: 'C.UTF-8', time: 'C' });
    expect(read(['d', '--lc-collate=C'], { LANG: 'C.UTF-8' }).locales).toMatchObject({
      collate: 'C',
      ctype: 'C.UTF-8',
    });
  });
  it('know one encoding, and which names are none', () => {
    expect(read(['d', '-E', 'utf-8']).encodingGiven).toBe(true);
    expect(failing(['d', '-E', 'BOGUS']).message).toBe('"BOGUS" is not a valid server encoding name');
    expect(failing(['d', '-E', 'SJIS']).message).toBe('"SJIS" is not a valid server encoding name');
    expect(failing(['d', '-E', 'LATIN1']).message).toBe('encoding "LATIN1" is not supported');
  });
  it('check names and sizes', () => {
    expect(failing(['d', '-U', 'pg_foo']).message).toBe(
      'superuser name "pg_foo" is disallowed; role names cannot begin with "pg_"',
    );
    expect(failing(['d', '--wal-segsize=3']).message).toBe(
      'argument of --wal-segsize must be a power of 2 between 1 and 1024',
    );
    expect(failing(['d', '--wal-segsize=abc']).message).toBe('argument of --wal-segsize must be a number');
    expect(failing(['d', '-U', '']).message).toBe('superuser name must not be empty');
  });
  it('answer --help and --version before anything else', () => {
    expect(readInitdbOptions(['--help', '--nope'], {}, 'x')).toBe('help');
    expect(readInitdbOptions(['-V'], {}, 'x')).toBe('version');
  });
});
