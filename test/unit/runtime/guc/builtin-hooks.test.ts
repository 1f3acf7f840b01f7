import { expect, test } from 'vitest';
import { PgError } from '#runtime/error/report.ts';
import { setConfigOptionExt, settings } from '#runtime/guc/guc.ts';
import { splitIdentifierList, splitWordList } from '#runtime/guc/lists.ts';
import { record } from '#runtime/guc/records.ts';
import { parseStandbyNames } from '#runtime/guc/standby-names.ts';

const outcome = (name: string, value: string): string[] => {
  try {
    setConfigOptionExt(name, value, 'postmaster', 'file', { level: 'ERROR', change: false });
    return ['ok'];
  } catch (caught) {
    if (!(caught instanceof PgError)) throw caught;
    return [caught.code, caught.message, caught.fields.detail ?? ''];
  }
};
const invalid = (name: string, value: string): string => `invalid value for parameter "${name}": ${value}`;

/** Recorded from PostgreSQL 15's ALTER SYSTEM. */
test.each([
  [
    'synchronous_standby_names',
    'a b',
    ['42601', invalid('synchronous_standby_names', '"a b"'), 'syntax error at or near "b"'],
  ],
  [
    'synchronous_standby_names',
    'FIRST 0 (a)',
    ['22023', 'number of synchronous standbys (0) must be greater than zero', ''],
  ],
  [
    'synchronous_standby_names',
    '2 (a,b',
    ['42601', invalid('synchronous_standby_names', '"2 (a,b"'), 'syntax error at end of input'],
  ],
  [
    'synchronous_standby_names',
    'a,,b',
    ['42601', invalid('synchronous_standby_names', '"a,,b"'), 'syntax error at or near ","'],
  ],
  [
    'synchronous_standby_names',
    'ANY x (a)',
    ['42601', invalid('synchronous_standby_names', '"ANY x (a)"'), 'syntax error at or near "x"'],
  ],
  [
    'synchronous_standby_names',
    '"a',
    ['42601', invalid('synchronous_standby_names', '""a"'), 'unterminated quoted identifier at end of input'],
  ],
  [
    'synchronous_standby_names',
    'any, first',
    ['42601', invalid('synchronous_standby_names', '"any, first"'), 'syntax error at or near ","'],
  ],
  ['synchronous_standby_names', '2 (a, "b c", *)', ['ok']],
  ['synchronous_standby_names', '2, 3', ['ok']],
  ['recovery_target', 'x', ['22023', invalid('recovery_target', '"x"'), 'The only allowed value is "immediate".']],
  ['recovery_target_lsn', 'x', ['22023', invalid('recovery_target_lsn', '"x"'), '']],
  [
    'recovery_target_name',
    'x'.repeat(64),
    [
      '22023',
      invalid('recovery_target_name', `"${'x'.repeat(64)}"`),
      'recovery_target_name is too long (maximum 63 characters).',
    ],
  ],
  [
    'primary_slot_name',
    'A',
    ['42602', invalid('primary_slot_name', '"A"'), 'replication slot name "A" contains invalid character'],
  ],
  ['max_connections', '262143', ['22023', invalid('max_connections', '262143'), '']],
  ['log_destination', 'a b', ['22023', invalid('log_destination', '"a b"'), 'List syntax is invalid.']],
  ['log_destination', 'a', ['22023', invalid('log_destination', '"a"'), 'Unrecognized key word: "a".']],
  ['backtrace_functions', 'a-b', ['22023', invalid('backtrace_functions', '"a-b"'), 'invalid character']],
  [
    'wal_consistency_checking',
    'xlog',
    ['22023', invalid('wal_consistency_checking', '"xlog"'), 'Unrecognized key word: "xlog".'],
  ],
  ['wal_consistency_checking', 'all,heap', ['ok']],
  [
    'restrict_nonsystem_relation_kind',
    'zz',
    ['22023', invalid('restrict_nonsystem_relation_kind', '"zz"'), 'Unrecognized key word: "zz".'],
  ],
  [
    'min_wal_size',
    '1MB',
    ['22023', '1 MB is outside the valid range for parameter "min_wal_size" (2 .. 2147483647)', ''],
  ],
  ['ssl', 'on', ['22023', 'SSL is not supported by this build', '']],
])('%s = %s', (name, value, expected) => {
  expect(outcome(name, value)).toEqual(expected);
});

test('values are normalised where PostgreSQL does', () => {
  const set = (name: string, value: string) =>
    setConfigOptionExt(name, value, 'postmaster', 'file', { level: 'ERROR' });
  set('log_directory', '/a//b/');
  set('wal_buffers', '1');
  set('autovacuum_work_mem', '10');
  set('cluster_name', 'é');
  expect([settings.log_directory, settings.wal_buffers, settings.autovacuum_work_mem, settings.cluster_name]).toEqual([
    '/a/b',
    4,
    1024,
    '??',
  ]);
  expect(record('unix_socket_permissions').hooks.show?.()).toBe('0777');
});

test('who must confirm a commit', () => {
  expect(parseStandbyNames('ANY 2 (a, "b c", *)')).toEqual({ method: 'quorum', count: 2, names: ['a', 'b c', '*'] });
  expect(parseStandbyNames('first 1 (S1)')).toEqual({ method: 'priority', count: 1, names: ['S1'] });
  expect(parseStandbyNames('s1, s2')).toEqual({ method: 'priority', count: 1, names: ['s1', 's2'] });
  expect(parseStandbyNames('2 (a) b')).toEqual({ error: 'syntax error at or near "b"' });
});

test('lists of identifiers fold case, lists of words keep it', () => {
  expect(splitIdentifierList(' A , "B""c" ,d')).toEqual(['a', 'B"c', 'd']);
  expect(splitWordList('A, "b c"')).toEqual(['A', 'b c']);
  for (const bad of ['a,,b', 'a b', '"a', ',a', 'a,']) expect(splitIdentifierList(bad)).toBe(undefined);
  expect(splitIdentifierList('  ')).toEqual([]);
});
