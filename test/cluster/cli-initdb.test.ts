import { existsSync, mkdirSync, readdirSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProgramFolder } from '../support/program.ts';

let folder: ProgramFolder;
beforeEach(() => {
  folder = new ProgramFolder();
});
afterEach(() => folder.remove());

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

/** The folders that PostgreSQL 15's initdb leaves, in order. */
const POSTGRES_15_FOLDERS = [
  'base',
  'base/1',
  'base/4',
  'base/5',
  'global',
  'pg_commit_ts',
  'pg_dynshmem',
  'pg_logical',
  'pg_logical/mappings',
  'pg_logical/snapshots',
  'pg_multixact',
  'pg_multixact/members',
  'pg_multixact/offsets',
  'pg_notify',
  'pg_replslot',
  'pg_serial',
  'pg_snapshots',
  'pg_stat',
  'pg_stat_tmp',
  'pg_subtrans',
  'pg_tblspc',
  'pg_twophase',
  'pg_wal',
  'pg_wal/archive_status',
  'pg_xact',
];

function foldersBelow(path: string, prefix = ''): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => [`${prefix}${name}`, ...foldersBelow(join(path, name), `${prefix}${name}/`)]);
}

describe('initdb', () => {
  it('makes PostgreSQL 15’s folders and configuration files, for the owner alone', () => {
    const { code, out } = folder.run('initdb', ['-D', 'data', '-U', 'alice', '-A', 'trust']);
    expect(code).toBe(0);
    expect(out).toContain('\nSuccess. You can now start the database server using:\n\n    ');
    expect(out).toContain('creating directory data ... ok\ncreating subdirectories ... ok\n');
    expect(foldersBelow(folder.data).sort()).toEqual(POSTGRES_15_FOLDERS);
    for (const name of ['PG_VERSION', 'base/1/PG_VERSION', 'base/4/PG_VERSION', 'base/5/PG_VERSION']) {
      expect(folder.read(`data/${name}`)).toBe('15\n');
    }
    expect(modeOf(folder.data)).toBe('700');
    expect(modeOf(join(folder.data, 'base/1'))).toBe('700');
    for (const name of [
      'postgresql.conf',
      'postgresql.auto.conf',
      'pg_hba.conf',
      'pg_ident.conf',
      'global/pg_control',
    ]) {
      expect(modeOf(join(folder.data, name))).toBe('600');
    }
    // pg_authid
    expect(folder.read('data/global/1260')).toContain('alice');
    expect(folder.read('data/postgresql.conf')).toMatch(/^max_connections = 100\s/m);
    expect(folder.read('data/postgresql.conf')).toMatch(/^lc_messages = 'C\.UTF-8'/m);
    expect(statSync(join(folder.data, 'global/pg_control')).size).toBe(8192);
    expect(statSync(join(folder.data, 'pg_wal/000000010000000000000001')).size).toBe(16 << 20);
    for (const database of [1, 4, 5]) expect(existsSync(join(folder.data, `base/${database}/1259`))).toBe(true);
  });
  it('opens the cluster to the group with -g and puts the WAL elsewhere with -X', () => {
    const wal = join(folder.path, 'wal');
    expect(folder.initdb('-g', '-X', wal).code).toBe(0);
    expect(modeOf(folder.data)).toBe('750');
    expect(modeOf(join(folder.data, 'postgresql.conf'))).toBe('640');
    expect(folder.read('data/postgresql.conf')).toMatch(/^log_file_mode = 0640/m);
    expect(readlinkSync(join(folder.data, 'pg_wal'))).toBe(wal);
    expect(readdirSync(wal).sort()).toEqual(['000000010000000000000001', 'archive_status']);
  });
  it('stores the password of --pwfile as a SCRAM secret, or md5 where md5 is asked for', () => {
    writeFileSync(join(folder.path, 'pw'), 'secret\nsecond line\n');
    expect(folder.run('initdb', ['-D', 'data', '-N', '-U', 'bob', '-A', 'scram-sha-256', '--pwfile=pw']).code).toBe(0);
    expect(folder.read('data/global/1260')).toMatch(/bob[\s\S]*SCRAM-SHA-256\$4096:/);
    expect(folder.run('initdb', ['-D', 'md5', '-N', '-U', 'bob', '-A', 'md5', '--pwfile=pw']).code).toBe(0);
    expect(folder.read('md5/global/1260')).toContain('md521f3163f8f86fa10bdefbfbd502a8f06');
    expect(folder.read('md5/postgresql.conf')).toMatch(/^password_encryption = md5/m);
  });
  it('refuses a directory with something in it and leaves it alone', () => {
    mkdirSync(folder.data);
    writeFileSync(join(folder.data, 'mine'), 'x');
    const { code, err } = folder.initdb();
    expect(code).toBe(1);
    expect(err).toContain('initdb: error: directory "data" exists but is not empty\n');
    expect(err).toContain(
      'initdb: hint: If you want to create a new database system, either remove or empty the directory "data" or run initdb with an argument other than "data".\n',
    );
    expect(readdirSync(folder.data)).toEqual(['mine']);
  });
  it('removes what it made when a step fails', () => {
    const { code, err } = folder.initdb('-X', 'relative');
    expect(code).toBe(1);
    expect(err).toContain(
      'initdb: error: WAL directory location must be an absolute path\ninitdb: removing data directory "data"\n',
    );
    expect(existsSync(folder.data)).toBe(false);
  });
  it('empties an existing directory again when a step fails', () => {
    mkdirSync(folder.data);
    expect(folder.initdb('-X', 'relative').err).toContain('initdb: removing contents of data directory "data"\n');
    expect(readdirSync(folder.data)).toEqual([]);
  });
  it('says what is wrong with a command line', () => {
    const { code, err } = folder.run('initdb', ['--nope']);
    expect(code).toBe(1);
    expect(err).toBe(
      'initdb: unrecognized option \'--nope\'\ninitdb: hint: Try "initdb --help" for more information.\n',
    );
  });
});
