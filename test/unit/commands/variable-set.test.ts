import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Node, VariableSetStmt } from '@pgsql/types';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import { builtin } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { setRoles } from '#catalog/roles.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { alterSystem } from '#commands/alter-system.ts';
import { setVariable, showVariable } from '#commands/variable-set.ts';
import '#adt/datetime-guc.ts';
import '#adt/interval.ts';
import '#functions/guc-functions.ts';
import type { ResultColumn } from '#nodes/exec-nodes.ts';
import { type ErrorFields, type Level, PgError, reportHooks } from '#runtime/error/report.ts';
import {
  getConfigOptionByName,
  resetAllOptions,
  setConfigOption,
  setInternalOption,
  settings,
} from '#runtime/guc/guc.ts';
import { atEoxactGuc, atStartGuc } from '#runtime/guc/guc-stack.ts';
import { initialRoles } from '../../support/given-roles.ts';

const root = mkdtempSync(join(tmpdir(), 'alter-system-'));
afterAll(() => rmSync(root, { recursive: true }));
setConfigOption('data_directory', root, 'postmaster', 'override');

const said: [Level, ErrorFields][] = [];
reportHooks.emit = (level, fields) => said.push([level, fields]);
const initial = initialRoles('postgres', null);
const plain = initial.roles[1]!;
setRoles({
  roles: [
    ...initial.roles,
    { ...plain, oid: 20_000 as Oid, name: 'al' },
    { ...plain, oid: 20_001 as Oid, name: 'group' },
  ],
  memberships: [{ role: 20_001 as Oid, member: 20_000 as Oid, grantor: 10 as Oid, adminOption: false }],
});
setInternalOption('session_authorization', 'postgres');
beforeEach(() => {
  said.length = 0;
  resetAllOptions();
});

const string = (sval: string): Node => ({ A_Const: { sval: { sval } } }) as Node;
const integer = (ival: number): Node => ({ A_Const: { ival: ival === 0 ? {} : { ival } } }) as Node;
const set = (name: string, ...args: Node[]): void => setVariable({ kind: 'VAR_SET_VALUE', name, args }, true);
const show = (name: string): string => getConfigOptionByName(name)!.value;
const failure = (work: () => unknown): [string, string, string | undefined] => {
  try {
    work();
  } catch (caught) {
    if (caught instanceof PgError) return [caught.code, caught.message, caught.fields.detail];
    throw caught;
  }
  throw new Error('nothing was raised');
};

describe('SET', () => {
  test('takes numbers, words and lists, quoting the names of a list', () => {
    set('work_mem', integer(65));
    expect(show('work_mem')).toBe('65kB');
    set('statement_timeout', integer(0));
    expect(settings.statement_timeout).toBe(0);
    set('search_path', string('a'), string('B'), string('public'));
    expect(show('search_path')).toBe('a, "B", public');
    set('datestyle', string('iso'), string('ymd'));
    expect(show('datestyle')).toBe('ISO, YMD');
    set('mod.list', string('x'));
    expect(show('mod.list')).toBe('x');
    expect(failure(() => set('work_mem', integer(1), integer(2)))).toEqual([
      '22023',
      'SET work_mem takes only one argument',
      undefined,
    ]);
  });
  test('DEFAULT, RESET and RESET ALL go back', () => {
    set('work_mem', string('1MB'));
    setVariable({ kind: 'VAR_SET_DEFAULT', name: 'work_mem' }, true);
    expect(show('work_mem')).toBe('4MB');
    set('work_mem', string('1MB'));
    setVariable({ kind: 'VAR_RESET_ALL' }, true);
    expect(show('work_mem')).toBe('4MB');
  });
  test('SESSION CHARACTERISTICS sets the defaults of transactions', () => {
    const args = [
      { DefElem: { defname: 'transaction_isolation', arg: string('serializable') } },
      { DefElem: { defname: 'transaction_read_only', arg: integer(1) } },
    ] as Node[];
    setVariable({ kind: 'VAR_SET_MULTI', name: 'SESSION CHARACTERISTICS', args }, true);
    expect([settings.default_transaction_isolation, settings.default_transaction_read_only]).toEqual([
      'serializable',
      true,
    ]);
  });
  test('an interval as time zone is normalised', () => {
    const zone = (text: string, typmods: number[]): Node =>
      ({
        TypeCast: {
          arg: string(text),
          typeName: { names: [{ String: { sval: 'interval' } }], typmods: typmods.map(integer) },
        },
      }) as unknown as Node;
    set('timezone', zone('-7:30', [3072]));
    expect(show('TimeZone')).toBe('<-07:30>+07:30');
  });
});

/** Recorded from PostgreSQL 15. */
describe('checks', () => {
  test('time zones', () => {
    for (const [given, shown] of [
      ['europe/PARIS', 'Europe/Paris'],
      ['5.5', '<+05:30>-05:30'],
      ["interval '-7:30'", '<-07:30>+07:30'],
      ['-7', '<-07>+07'],
    ] as const) {
      set('timezone', string(given));
      expect(show('timezone')).toBe(shown);
    }
    expect(failure(() => set('timezone', string('200')))).toEqual([
      '22023',
      'invalid value for parameter "TimeZone": "200"',
      'UTC timezone offset is out of range.',
    ]);
    expect(failure(() => set('timezone', string("interval '1 mon'")))[2]).toBe(
      'Cannot specify months in time zone interval.',
    );
    expect(failure(() => set('timezone', string('zz/yy')))[1]).toBe('invalid value for parameter "TimeZone": "zz/yy"');
  });
  test.each([
    ['datestyle', 'zz', 'invalid value for parameter "DateStyle": "zz"', 'Unrecognized key word: "zz".'],
    [
      'datestyle',
      'ISO, SQL',
      'invalid value for parameter "DateStyle": "ISO, SQL"',
      'Conflicting "datestyle" specifications.',
    ],
    ['datestyle', 'a b', 'invalid value for parameter "DateStyle": "a b"', 'List syntax is invalid.'],
    ['client_encoding', 'zz', 'invalid value for parameter "client_encoding": "zz"', undefined],
    [
      'default_tablespace',
      'zzz',
      'invalid value for parameter "default_tablespace": "zzz"',
      'Tablespace "zzz" does not exist.',
    ],
    ['temp_tablespaces', 'zzz', 'tablespace "zzz" does not exist', undefined],
    [
      'default_table_access_method',
      'zzz',
      'invalid value for parameter "default_table_access_method": "zzz"',
      'Table access method "zzz" does not exist.',
    ],
    ['default_text_search_config', 'zzz', 'invalid value for parameter "default_text_search_config": "zzz"', undefined],
    ['lc_time', 'zz', 'invalid value for parameter "lc_time": "zz"', undefined],
    ['role', 'zz', 'role "zz" does not exist', undefined],
    ['session_authorization', 'zz', 'role "zz" does not exist', undefined],
  ])('%s = %s', (name, value, message, detail) => {
    const [, text, why] = failure(() => set(name, string(value)));
    expect([text, why]).toEqual([message, detail]);
  });
  test('encodings are known by their letters and digits', () => {
    set('client_encoding', string('Latin-1'));
    expect(show('client_encoding')).toBe('LATIN1');
    set('client_encoding', string('unicode'));
    expect(show('client_encoding')).toBe('UTF8');
  });
});

describe('roles', () => {
  test('SET ROLE and SET SESSION AUTHORIZATION change who one is, and a rollback changes it back', () => {
    expect([show('role'), show('session_authorization'), show('is_superuser')]).toEqual(['none', 'postgres', 'on']);
    atStartGuc();
    set('session_authorization', string('al'));
    expect([sessionIdentity.userName, show('is_superuser')]).toEqual(['al', 'off']);
    expect(failure(() => set('role', string('postgres')))).toEqual([
      '42501',
      'permission denied to set role "postgres"',
      undefined,
    ]);
    set('role', string('group'));
    expect([sessionIdentity.userName, sessionIdentity.sessionUserName, show('role')]).toEqual(['group', 'al', 'group']);
    expect(failure(() => set('log_statement', string('all')))[1]).toBe(
      'permission denied to set parameter "log_statement"',
    );
    expect(failure(() => getConfigOptionByName('data_directory'))[1]).toBe(
      'must be superuser or have privileges of pg_read_all_settings to examine "data_directory"',
    );
    atEoxactGuc(false, 1);
    expect([sessionIdentity.userName, show('role'), show('is_superuser')]).toEqual(['postgres', 'none', 'on']);
  });
});

describe('SHOW', () => {
  const collect = (name: string): { columns: string[]; rows: Datum[][] } => {
    const rows: Datum[][] = [];
    let columns: string[] = [];
    showVariable(name, {
      start: (given: readonly ResultColumn[]) => {
        columns = given.map((column) => column.name);
      },
      receive: (values) => rows.push([...values]) > 0,
      finish() {},
    });
    return { columns, rows };
  };
  test('heads its column with the spelling of the table', () => {
    expect(collect('datestyle')).toEqual({ columns: ['DateStyle'], rows: [['ISO, MDY']] });
    expect(failure(() => collect('nope'))[0]).toBe('42704');
  });
  test('ALL lists everything but the hidden ones', () => {
    const { columns, rows } = collect('all');
    expect(columns).toEqual(['name', 'setting', 'description']);
    expect(rows.length).toBe(359);
    expect(rows[0]).toEqual([
      'allow_in_place_tablespaces',
      'off',
      'Allows tablespaces directly inside pg_tblspc, for testing.',
    ]);
  });
});

describe('ALTER SYSTEM', () => {
  const run = (setstmt: VariableSetStmt): void => alterSystem({ setstmt }, true, (work) => work());
  const text = (): string => readFileSync(join(root, 'postgresql.auto.conf'), 'utf8').split('\n').slice(2).join('\n');
  test('writes what it has checked', () => {
    run({ kind: 'VAR_SET_VALUE', name: 'work_mem', args: [string('8MB')] });
    run({ kind: 'VAR_SET_VALUE', name: 'search_path', args: [string('A'), string('b')] });
    expect(text()).toBe("work_mem = '8MB'\nsearch_path = '\"A\", b'\n");
    run({ kind: 'VAR_SET_DEFAULT', name: 'work_mem' });
    expect(text()).toBe('search_path = \'"A", b\'\n');
    run({ kind: 'VAR_RESET_ALL' });
    expect(text()).toBe('');
  });
  test.each([
    ['foo', '1', '42704', 'unrecognized configuration parameter "foo"'],
    ['block_size', '1', '55P02', 'parameter "block_size" cannot be changed'],
    ['data_directory', '1', '55P02', 'parameter "data_directory" cannot be changed'],
    ['work_mem', 'zz', '22023', 'invalid value for parameter "work_mem": "zz"'],
    ['application_name', '1\n2', '22023', 'parameter value for ALTER SYSTEM must not contain a newline'],
  ])('%s = %s is refused', (name, value, code, message) => {
    expect(failure(() => run({ kind: 'VAR_SET_VALUE', name, args: [string(value)] })).slice(0, 2)).toEqual([
      code,
      message,
    ]);
  });
});

describe('functions', () => {
  const call = (name: string, ...args: unknown[]): Datum => {
    const function_ = builtin(name);
    if (function_?.style !== 'plain') throw new Error(name);
    return function_.call(...args);
  };
  test('current_setting and set_config', () => {
    expect(failure(() => call('show_config_by_name', 'nope'))[0]).toBe('42704');
    expect(call('show_config_by_name_missing_ok', 'nope', true)).toBe(null);
    expect(call('set_config_by_name', 'work_mem', '2MB', false)).toBe('2MB');
    expect(call('show_config_by_name', 'work_mem')).toBe('2MB');
    expect(call('set_config_by_name', 'a.b', null, true)).toBe('');
    expect(failure(() => call('set_config_by_name', null, '1', false))).toEqual([
      '22004',
      'SET requires parameter name',
      undefined,
    ]);
    expect((call('pg_settings_get_flags', 'role') as ArrayDatum).elements).toEqual([
      'NO_RESET_ALL',
      'NO_SHOW_ALL',
      'NOT_IN_SAMPLE',
    ]);
    expect(call('pg_settings_get_flags', 'nope')).toBe(null);
  });
});
