import { beforeEach, describe, expect, test } from 'vitest';
import { type ErrorFields, type Level, PgError, reportHooks } from '#runtime/error/report.ts';
import {
  defineCustomIntVariable,
  defineCustomStringVariable,
  markGucPrefixReserved,
} from '#runtime/guc/custom-variables.ts';
import type { GucContext, GucSource } from '#runtime/guc/define.ts';
import {
  getConfigOptionByName,
  resetAllOptions,
  type SetOptions,
  setConfigOption,
  setConfigOptionExt,
  settings,
} from '#runtime/guc/guc.ts';
import { beginReportingParameters, changedReportedParameters } from '#runtime/guc/guc-report.ts';
import { restoreGuc, serializeGuc } from '#runtime/guc/guc-serialize.ts';
import { atEoxactGuc, atStartGuc, newGucNestLevel } from '#runtime/guc/guc-stack.ts';
import { gucEnvironment } from '#runtime/guc/hooks.ts';
import { allParameters, record } from '#runtime/guc/records.ts';

const said: [Level, ErrorFields][] = [];
reportHooks.emit = (level, fields) => said.push([level, fields]);
beforeEach(() => {
  said.length = 0;
  gucEnvironment.isUnderPostmaster = true;
  atEoxactGuc(false, 1);
  resetAllOptions();
});

function failure(work: () => unknown): ErrorFields {
  try {
    work();
  } catch (caught) {
    if (caught instanceof PgError) return caught.fields;
    throw caught;
  }
  throw new Error('nothing was raised');
}
const set = (name: string, value: string | null, options: SetOptions = {}) =>
  setConfigOptionExt(name, value, 'user', 'session', options);
const show = (name: string) => getConfigOptionByName(name)?.value;

/** Recorded from PostgreSQL 15 with \set VERBOSITY verbose. */
const REFUSED: readonly [string, string, string, string, string?][] = [
  ['work_mem', '10', '22023', '10 kB is outside the valid range for parameter "work_mem" (64 .. 2147483647)'],
  [
    'work_mem',
    '10XB',
    '22023',
    'invalid value for parameter "work_mem": "10XB"',
    'Valid units for this parameter are "B", "kB", "MB", "GB", and "TB".',
  ],
  ['geqo_threshold', '1', '22023', '1 is outside the valid range for parameter "geqo_threshold" (2 .. 2147483647)'],
  [
    'cursor_tuple_fraction',
    '2',
    '22023',
    '2 is outside the valid range for parameter "cursor_tuple_fraction" (0 .. 1)',
  ],
  [
    'vacuum_cost_delay',
    '1h',
    '22023',
    '3.6e+06 ms is outside the valid range for parameter "vacuum_cost_delay" (0 .. 100)',
  ],
  [
    'random_page_cost',
    'inf',
    '22023',
    'Infinity is outside the valid range for parameter "random_page_cost" (0 .. 1.79769e+308)',
  ],
  ['enable_seqscan', 'maybe', '22023', 'parameter "enable_seqscan" requires a Boolean value'],
  [
    'bytea_output',
    'foo',
    '22023',
    'invalid value for parameter "bytea_output": "foo"',
    'Available values: escape, hex.',
  ],
  ['WORK_MEM', 'abc', '22023', 'invalid value for parameter "WORK_MEM": "abc"'],
  ['foo', '1', '42704', 'unrecognized configuration parameter "foo"'],
  ['a.1b', '1', '42602', 'invalid configuration parameter name "a.1b"'],
  ['block_size', '1', '55P02', 'parameter "block_size" cannot be changed'],
  ['shared_buffers', '1', '55P02', 'parameter "shared_buffers" cannot be changed without restarting the server'],
  ['fsync', 'off', '55P02', 'parameter "fsync" cannot be changed now'],
  ['log_connections', 'on', '55P02', 'parameter "log_connections" cannot be set after connection start'],
  ['ignore_system_indexes', 'on', '55P02', 'parameter "ignore_system_indexes" cannot be set after connection start'],
  ['log_statement', 'all', '42501', 'permission denied to set parameter "log_statement"'],
  ['max_stack_depth', '1GB', '42501', 'permission denied to set parameter "max_stack_depth"'],
  ['default_with_oids', 'on', '0A000', 'tables declared WITH OIDS are not supported'],
];

describe('SET', () => {
  test.each(REFUSED)('%s = %s is refused with %s', (name, value, code, message, hint) => {
    const fields = failure(() => set(name, value));
    expect([fields.code, fields.message]).toEqual([code, message]);
    if (hint !== undefined) expect(fields.hint).toBe(hint);
  });
  test('a check hook names the parameter and the value it saw', () => {
    const fields = failure(() => setConfigOption('max_stack_depth', '1GB', 'superuser', 'session'));
    expect(fields.message).toBe('invalid value for parameter "max_stack_depth": 1048576');
    expect(fields.detail).toBe('"max_stack_depth" must not exceed 7680kB.');
  });
  test('settings holds the value in the base unit, names are case-insensitive, aliases become values', () => {
    set('Work_Mem', '1GB');
    expect(settings.work_mem).toBe(1024 * 1024);
    set('client_min_messages', 'debug');
    expect(settings.client_min_messages).toBe('debug2');
    setConfigOption('wal_compression', 'on', 'superuser', 'session');
    expect(show('wal_compression')).toBe('pglz');
    set('sort_mem', '2MB');
    expect(show('work_mem')).toBe('2MB');
  });
  test('application_name keeps printable ASCII only, byte by byte', () => {
    set('application_name', 'é\tx');
    expect(settings.application_name).toBe('???x');
  });
  test('a name too long is cut with a notice', () => {
    set('application_name', 'x'.repeat(70));
    expect(settings.application_name).toHaveLength(63);
    expect(said[0]?.[1].code).toBe('42622');
  });
  test('a weaker source does not displace a stronger one but becomes the new default', () => {
    set('maintenance_work_mem', '1MB');
    expect(setConfigOption('maintenance_work_mem', '8MB', 'sighup', 'file')).toBe('ignored');
    expect(show('maintenance_work_mem')).toBe('1MB');
    set('maintenance_work_mem', null);
    expect(show('maintenance_work_mem')).toBe('8MB');
  });
});

describe('transactions', () => {
  test('an aborted transaction takes SET back, a committed one keeps it', () => {
    atStartGuc();
    set('work_mem', '1MB');
    atEoxactGuc(false, 1);
    expect(show('work_mem')).toBe('4MB');
    atStartGuc();
    set('work_mem', '1MB');
    atEoxactGuc(true, 1);
    expect(show('work_mem')).toBe('1MB');
  });
  test('SET LOCAL ends with the transaction, and a SET before it comes back', () => {
    atStartGuc();
    set('work_mem', '1MB');
    set('work_mem', '2MB', { action: 'local' });
    expect(show('work_mem')).toBe('2MB');
    atEoxactGuc(true, 1);
    expect(show('work_mem')).toBe('1MB');
  });
  test('a subtransaction that is rolled back restores, one that is released hands over', () => {
    atStartGuc();
    set('work_mem', '1MB');
    const first = newGucNestLevel();
    set('work_mem', '2MB');
    atEoxactGuc(false, first);
    expect(show('work_mem')).toBe('1MB');
    const second = newGucNestLevel();
    set('work_mem', '3MB', { action: 'local' });
    atEoxactGuc(true, second);
    expect(show('work_mem')).toBe('3MB');
    atEoxactGuc(true, 1);
    expect(show('work_mem')).toBe('1MB');
  });
  test("a function's SET is undone at its end even on success", () => {
    atStartGuc();
    const level = newGucNestLevel();
    set('work_mem', '9MB', { action: 'save' });
    atEoxactGuc(true, level);
    expect(show('work_mem')).toBe('4MB');
    atEoxactGuc(true, 1);
  });
});

describe('custom variables', () => {
  test('a placeholder is a string until its owner takes it over, with its value', () => {
    set('mod.count', '7');
    expect(show('mod.count')).toBe('7');
    const count = defineCustomIntVariable('mod.count', 'Counts.', 3, { min: 0, max: 10 });
    expect(count.value).toBe(7);
    set('mod.count', null);
    expect(count.value).toBe(3);
    expect(failure(() => set('mod.count', '11')).message).toContain('outside the valid range');
  });
  test('a placeholder value that the owner refuses is dropped with a warning', () => {
    set('mod2.count', 'many');
    expect(defineCustomIntVariable('mod2.count', 'Counts.', 3, { min: 0, max: 10 }).value).toBe(3);
    expect(said.map(([level, { message }]) => [level, message])).toEqual([
      ['WARNING', 'invalid value for parameter "mod2.count": "many"'],
    ]);
  });
  test('a reserved prefix removes what was misspelled and refuses more', () => {
    defineCustomStringVariable('mod3.good', 'Good.', 'x');
    set('mod3.bad', '1');
    markGucPrefixReserved('mod3');
    expect(said[0]?.[1]).toMatchObject({
      code: '42602',
      message: 'invalid configuration parameter name "mod3.bad", removing it',
      detail: '"mod3" is now a reserved prefix.',
    });
    expect(failure(() => set('mod3.bad', '1')).detail).toBe('"mod3" is a reserved prefix.');
    expect(show('mod3.good')).toBe('x');
  });
});

describe('contexts', () => {
  const attempt = (name: string, value: string, context: GucContext, source: GucSource) =>
    setConfigOptionExt(name, value, context, source, { level: 'LOG' });
  test('a reload only marks a changed postmaster parameter', () => {
    expect(attempt('max_connections', '200', 'sighup', 'file')).toBe('failed');
    expect(record('max_connections').pendingRestart).toBe(true);
    expect(settings.max_connections).toBe(100);
    expect(attempt('max_connections', '100', 'sighup', 'file')).toBe('ignored');
    expect(record('max_connections').pendingRestart).toBe(false);
  });
  test('a backend parameter is fixed for running sessions but not for the postmaster', () => {
    expect(attempt('post_auth_delay', '1', 'sighup', 'file')).toBe('ignored');
    gucEnvironment.isUnderPostmaster = false;
    expect(attempt('post_auth_delay', '1', 'sighup', 'file')).toBe('applied');
    expect(attempt('post_auth_delay', '0', 'sighup', 'file')).toBe('applied');
  });
});

test('only changed reported parameters are told, once, in order', () => {
  const all = beginReportingParameters().map(([name]) => name);
  expect(all).toEqual([
    'application_name',
    'client_encoding',
    'DateStyle',
    'default_transaction_read_only',
    'in_hot_standby',
    'integer_datetimes',
    'IntervalStyle',
    'is_superuser',
    'server_encoding',
    'server_version',
    'session_authorization',
    'standard_conforming_strings',
    'TimeZone',
  ]);
  set('standard_conforming_strings', 'off');
  set('application_name', 'a');
  set('application_name', 'b');
  set('work_mem', '1MB');
  expect(changedReportedParameters()).toEqual([
    ['application_name', 'b'],
    ['standard_conforming_strings', 'off'],
  ]);
  expect(changedReportedParameters()).toEqual([]);
});

test('serialized values come back with value and source', () => {
  setConfigOption('port', '5555', 'postmaster', 'commandLine');
  setConfigOption('seq_page_cost', '0.1234567890123', 'postmaster', 'file');
  record('seq_page_cost').sourceFile = '/x/postgresql.conf';
  record('seq_page_cost').sourceLine = 3;
  const bytes = serializeGuc();
  setConfigOption('port', '1', 'postmaster', 'override');
  record('port').source = 'default';
  record('seq_page_cost').source = 'default';
  setConfigOption('seq_page_cost', '9', 'postmaster', 'default');
  restoreGuc(bytes);
  expect(settings.port).toBe(5555);
  expect(settings.seq_page_cost).toBe(0.1234567890123);
  expect(record('seq_page_cost')).toMatchObject({ source: 'file', sourceFile: '/x/postgresql.conf', sourceLine: 3 });
});

test('the table has every setting of PostgreSQL 15.18 and ours', () => {
  const listed = allParameters().filter((p) => p.builtin && !p.has('NO_SHOW_ALL'));
  expect(listed.length).toBe(354 + 5);
});
