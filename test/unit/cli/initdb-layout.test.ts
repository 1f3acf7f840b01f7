import { describe, expect, it } from 'vitest';
import { superuserSecret } from '#cli/superuser-secret.ts';
import { configuredValues, fillConfiguration, fillHba, usesMd5, walSize } from '#cli/initdb-layout.ts';
import type { InitdbOptions } from '#cli/initdb-options.ts';
import { readInitdbOptions } from '#cli/initdb-options.ts';
import { readSample } from '#cli/package-folder.ts';
import { parseScramSecret, scramVerifyPlain } from '#libpq/scram.ts';

const options = (...argv: string[]): InitdbOptions => {
  const read = readInitdbOptions(['d', '--no-locale', ...argv], {}, 'alice');
  if (typeof read === 'string') throw new Error(read);
  return read;
};

describe('configuration files of a new cluster', () => {
  it('replace commented defaults and keep the comments behind them', () => {
    const sample =
      "#port = 5432\t\t\t\t# (change requires restart)\n#max_connections = 100\t\t\t# (change requires restart)\n#timezone = 'GMT'\n# timezone is prose\n#shared_buffers = 128MB\t# x\n";
    const values = configuredValues(options(), 'Europe/Berlin');
    expect(fillConfiguration(sample, values)).toBe(
      "#port = 5432\t\t\t\t# (change requires restart)\nmax_connections = 100\t\t\t# (change requires restart)\ntimezone = 'Europe/Berlin'\n# timezone is prose\nshared_buffers = 128MB\t# x\n",
    );
  });
  it('keep comments in their column where blanks align them', () => {
    const sample =
      "#timezone = 'GMT'          # zone\n                           # of sessions\n#max_connections = 100 # x\n";
    expect(fillConfiguration(sample, configuredValues(options(), 'Europe/Berlin'))).toBe(
      "timezone = 'Europe/Berlin' # zone\n                           # of sessions\nmax_connections = 100  # x\n",
    );
  });
  it('find the parameter whatever case the sample spells it in', () => {
    expect(fillConfiguration("#TimeZone = 'GMT'\n#DateStyle = 'iso, mdy'", configuredValues(options(), 'UTC'))).toBe(
      "TimeZone = 'UTC'\nDateStyle = 'iso, mdy'",
    );
  });
  it('spell WAL sizes as PostgreSQL does', () => {
    expect([walSize(64, 16), walSize(5, 16), walSize(64, 1), walSize(5, 1024)]).toEqual(['1GB', '80MB', '64MB', '5GB']);
  });
  it('store md5 passwords only where nothing asks for SCRAM', () => {
    const method = (...argv: string[]): boolean => usesMd5(options('--pwfile=p', ...argv));
    expect(method('-A', 'md5')).toBe(true);
    expect(method('--auth-local=md5')).toBe(true);
    expect(method('--auth-local=md5', '--auth-host=scram-sha-256')).toBe(false);
    expect(method('-A', 'scram-sha-256')).toBe(false);
  });
  it('let pg_hba.conf say the methods, and warn where it trusts', () => {
    const text = fillHba(readSample('pg_hba.conf.sample'), options('--auth-host=reject'));
    const records = text.split('\n').filter((line) => /^(local|host)/.test(line));
    expect(records.map((line) => line.trim().split(/\s+/))).toEqual([
      ['local', 'all', 'all', 'trust'],
      ['host', 'all', 'all', '127.0.0.1/32', 'reject'],
      ['host', 'all', 'all', '::1/128', 'reject'],
      ['local', 'replication', 'all', 'trust'],
      ['host', 'replication', 'all', '127.0.0.1/32', 'reject'],
      ['host', 'replication', 'all', '::1/128', 'reject'],
    ]);
    expect(text).toContain('CAUTION');
    expect(text).not.toContain('@auth');
    expect(fillHba(readSample('pg_hba.conf.sample'), options('-A', 'reject'))).not.toContain('CAUTION');
  });
});

describe('the stored password of the superuser', () => {
  it('is none unless one is given, else a SCRAM secret or md5', () => {
    expect(superuserSecret('a', undefined, 'scram-sha-256')).toBeNull();
    const scram = parseScramSecret(superuserSecret('a', 'secret', 'scram-sha-256') ?? '');
    expect(scram !== undefined && scramVerifyPlain(scram, 'secret')).toBe(true);
    expect(superuserSecret('a', 'secret', 'md5')).toMatch(/^md5[0-9a-f]{32}$/);
  });
});
