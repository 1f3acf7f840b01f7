/** Settings: read at the start, changed by SIGHUP, ALTER SYSTEM and SET, refused with file and line. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Cluster, PROCESS_MODELS, waitFor } from '../support/cluster.ts';
import { errorOf, rows, scalar } from '../support/session.ts';
import { WireClient } from '../support/wire.ts';

describe.each(PROCESS_MODELS)('process_model = %s', (model) => {
  let cluster: Cluster;
  let client: WireClient;
  let conf: string;
  let original: string;
  const logged = (text: string | RegExp): Promise<boolean> =>
    waitFor(
      `the log to say ${text}`,
      () => (typeof text === 'string' ? cluster.log.includes(text) : text.test(cluster.log)),
      10,
      () => cluster.log,
    );
  const becomes = (sql: string, value: string): Promise<boolean> =>
    waitFor(`${sql} to be ${value}`, async () => (await scalar(client, sql)) === value);

  beforeAll(async () => {
    cluster = await Cluster.create({ model });
    conf = join(cluster.dataDirectory, 'postgresql.conf');
    original = readFileSync(conf, 'utf8');
    client = await WireClient.session(cluster.port);
  });
  beforeEach(() => {
    cluster.clearLog();
    writeFileSync(conf, original);
  });
  afterAll(async () => {
    client.close();
    await cluster.destroy();
  });

  test('SIGHUP to the postmaster changes what running sessions see', async () => {
    cluster.configure(['work_mem = 12MB']);
    cluster.child!.kill('SIGHUP');
    await becomes('show work_mem', '12MB');
    await logged('LOG:  received SIGHUP, reloading configuration files');
    await logged('LOG:  parameter "work_mem" changed to "12MB"');
    writeFileSync(conf, original);
    cluster.clearLog();
    expect(await scalar(client, 'select pg_reload_conf()')).toBe('t');
    await becomes('show work_mem', '4MB');
    await logged('LOG:  parameter "work_mem" removed from configuration file, reset to default');
  });

  test('an unknown name is logged with its place, and then nothing at all is taken', async () => {
    cluster.configure(['work_mem = 20MB', 'no_such_setting = 1']);
    cluster.child!.kill('SIGHUP');
    await logged('unrecognized configuration parameter "no_such_setting" in file');
    await logged(/LOG: {2}configuration file ".*postgresql.conf" contains errors; no changes were applied/);
    expect(await scalar(client, 'show work_mem')).toBe('4MB');
  });

  test('a value out of range is logged, the old one is kept and the good ones are taken', async () => {
    cluster.configure(['work_mem = 20MB', 'maintenance_work_mem = 1kB']);
    cluster.child!.kill('SIGHUP');
    await logged('LOG:  1 kB is outside the valid range for parameter "maintenance_work_mem" (1024 .. 2147483647)');
    await logged(/LOG: {2}configuration file ".*postgresql.conf" contains errors; unaffected changes were applied/);
    await becomes('show work_mem', '20MB');
    expect(await scalar(client, 'show maintenance_work_mem')).toBe('64MB');
    expect(
      await rows(client, "select name, setting, applied, error from pg_file_settings where name like '%work_mem'"),
    ).toEqual([
      ['work_mem', '20MB', 't', null],
      ['maintenance_work_mem', '1kB', 'f', 'setting could not be applied'],
    ]);
  });

  test('what only a restart can change is logged and pending', async () => {
    cluster.configure(['max_connections = 50']);
    cluster.child!.kill('SIGHUP');
    await logged('LOG:  parameter "max_connections" cannot be changed without restarting the server');
    await becomes("select pending_restart from pg_settings where name = 'max_connections'", 't');
    expect(await scalar(client, 'show max_connections')).toBe('100');
    writeFileSync(conf, original);
    cluster.child!.kill('SIGHUP');
    await becomes("select pending_restart from pg_settings where name = 'max_connections'", 'f');
  });

  test('ALTER SYSTEM and pg_reload_conf change a setting for everybody, RESET takes it back', async () => {
    await rows(client, "alter system set work_mem = '17MB'");
    expect(await scalar(client, 'show work_mem')).toBe('4MB');
    expect(cluster.readDataFile('postgresql.auto.conf')).toContain("work_mem = '17MB'");
    await rows(client, 'select pg_reload_conf()');
    await becomes('show work_mem', '17MB');
    expect(
      (
        await rows(
          client,
          "select source, sourcefile ~ 'postgresql.auto.conf$' from pg_settings where name = 'work_mem'",
        )
      )[0],
    ).toEqual(['configuration file', 't']);
    await rows(client, 'alter system reset work_mem');
    await rows(client, 'select pg_reload_conf()');
    await becomes('show work_mem', '4MB');
    expect(await errorOf(client, 'alter system set no_such_setting = 1')).toMatchObject({
      C: '42704',
      M: 'unrecognized configuration parameter "no_such_setting"',
    });
    expect(await errorOf(client, 'begin; alter system set work_mem = 1')).toMatchObject({ C: '25001' });
    await client.query('rollback');
  });

  test('SET outlives a reload; SET LOCAL ends with its transaction', async () => {
    await rows(client, "set work_mem = '9MB'");
    cluster.configure(['work_mem = 11MB']);
    await rows(client, 'select pg_reload_conf()');
    await becomes("select reset_val from pg_settings where name = 'work_mem'", '11264');
    expect(await scalar(client, 'show work_mem')).toBe('9MB');
    await rows(client, 'begin');
    await rows(client, "set local work_mem = '10MB'");
    expect(await scalar(client, 'show work_mem')).toBe('10MB');
    await rows(client, 'commit');
    expect(await scalar(client, 'show work_mem')).toBe('9MB');
    await rows(client, 'reset work_mem');
    expect(await scalar(client, 'show work_mem')).toBe('11MB');
  });

  test('a change of a reported setting reaches the client as ParameterStatus', async () => {
    const answer = await client.query("set datestyle = 'German'");
    expect(answer.filter((one) => one.type === 'S').map((one) => one.body.toString())).toEqual([
      'DateStyle\0German, DMY\0',
    ]);
    await rows(client, 'reset datestyle');
  });

  test('pg_hba_file_rules shows the rules and their errors; a broken file is not reloaded', async () => {
    const file = join(cluster.dataDirectory, 'pg_hba.conf');
    const before = readFileSync(file, 'utf8');
    writeFileSync(file, 'host all all 127.0.0.1/32 trust\nlocal all all nonsense\n');
    expect(
      await rows(
        client,
        'select line_number, type, database, user_name, address, netmask, auth_method, error from pg_hba_file_rules order by line_number',
      ),
    ).toEqual([
      ['1', 'host', '{all}', '{all}', '127.0.0.1', '255.255.255.255', 'trust', null],
      ['2', null, null, null, null, null, null, 'invalid authentication method "nonsense"'],
    ]);
    await rows(client, 'select pg_reload_conf()');
    await logged('LOG:  pg_hba.conf was not reloaded');
    await logged('LOG:  invalid authentication method "nonsense"');
    writeFileSync(file, before);
    (await WireClient.session(cluster.port)).close();
  });

  test('a bad setting refuses the start with file and line', async () => {
    const other = await Cluster.create({ model, start: false });
    try {
      const path = join(other.dataDirectory, 'postgresql.conf');
      const begin = readFileSync(path, 'utf8');
      for (const [line, message] of [
        [
          'no_such_setting = 1',
          (n: number) => `unrecognized configuration parameter "no_such_setting" in file "${path}" line ${n}`,
        ],
        ['work_mem = 1x', () => 'invalid value for parameter "work_mem": "1x"'],
        ['max_connections = 0', () => '0 is outside the valid range for parameter "max_connections" (1 .. 262143)'],
        ['work_mem 3 4', (n: number) => `syntax error in file "${path}" line ${n}, near token "4"`],
      ] as const) {
        writeFileSync(path, `${begin}${line}\n`);
        other.clearLog();
        other.launch();
        const { child } = other;
        await waitFor('the start to be refused', () => child!.exitCode !== null);
        expect(child!.exitCode).toBe(1);
        expect(other.log).toContain(`LOG:  ${message(begin.split('\n').length)}`);
        expect(other.log).toContain(`FATAL:  configuration file "${path}" contains errors`);
      }
    } finally {
      await other.destroy();
    }
  });
});
