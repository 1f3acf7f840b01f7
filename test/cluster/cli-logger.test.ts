import { appendFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { childrenOf, freePort, isAlive, ProgramFolder, until } from '../support/program.ts';

let folder: ProgramFolder;
const currentLog = (destination = 'stderr'): string =>
  folder
    .read('data/current_logfiles')
    .split('\n')
    .find((line) => line.startsWith(`${destination} `))
    ?.slice(destination.length + 1) ?? '';
const logText = (destination = 'stderr'): string => folder.read(join('data', currentLog(destination)));
const loggerPid = (): number =>
  childrenOf(folder.postmasterPid()).find(({ title }) => title === 'postgres: logger')?.pid ?? 0;
const state = (): string => `${folder.state()}\n${folder.read('data/current_logfiles')}\n${logText()}`;

beforeAll(async () => {
  folder = new ProgramFolder();
  expect(folder.initdb().code).toBe(0);
  const settings = [
    `port = ${await freePort()}`,
    `unix_socket_directories = '${folder.path}'`,
    'logging_collector = on',
    "log_destination = 'stderr,csvlog,jsonlog'",
    "log_filename = 'server-%H%M%S.log'",
    'log_file_mode = 0640',
    "log_timezone = 'Asia/Tokyo'",
    '',
  ];
  writeFileSync(join(folder.data, 'postgresql.auto.conf'), settings.join('\n'));
  expect(folder.ctl('start', '-l', 'log').code).toBe(0);
});
afterAll(() => folder.remove());

describe('the logger', () => {
  it('takes over standard error and says where to look', () => {
    expect(folder.read('log')).toMatch(
      /LOG: {2}redirecting log output to logging collector process\n.*HINT: {2}Future log output will appear in directory "log"\.\n$/,
    );
  });
  it('writes the same entries in all three formats, in log_timezone', async () => {
    const ready = 'database system is ready to accept connections';
    await until(
      'the entry in all files',
      () => ['stderr', 'csvlog', 'jsonlog'].every((d) => logText(d).includes(ready)),
      state,
    );
    expect(logText()).toMatch(new RegExp(`^\\S+ \\S+ JST \\[${folder.postmasterPid()}\\] LOG: {2}${ready}$`, 'm'));
    const record = logText('csvlog')
      .split('\n')
      .find((line) => line.includes(ready));
    expect(record?.split(',')).toHaveLength(26);
    const objects = logText('jsonlog')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(objects.find(({ message }) => message === ready)).toMatchObject({
      pid: folder.postmasterPid(),
      error_severity: 'LOG',
      backend_type: 'postmaster',
    });
    expect(statSync(join(folder.data, currentLog())).mode & 0o777).toBe(0o640);
    expect(currentLog('csvlog')).toMatch(/^log\/server-\d{6}\.csv$/);
  });
  it('begins new files when asked', async () => {
    const before = currentLog();
    // File names have seconds: a rotation within the same one keeps the name.
    await until(
      'a rotation to change the name',
      () => {
        expect(folder.ctl('logrotate')).toMatchObject({ code: 0, out: 'server signaled to rotate log file\n' });
        return currentLog() !== before;
      },
      state,
    );
    expect(readdirSync(join(folder.data, 'log')).length).toBeGreaterThanOrEqual(6);
    folder.ctl('reload');
    await until('the next entry in the new file', () => logText().includes('received SIGHUP'), state);
  });
  it('is followed by nodegres logs -f, over rotations', async () => {
    const { child, text } = folder.spawn('nodegres', ['logs', '-D', 'data', '-f', '-n', '0']);
    const seen = (): number => text().split('received SIGHUP').length - 1;
    // What was there before `logs` looked is not shown, so ask until it looks.
    await until('an entry to be shown', () => folder.ctl('reload').code === 0 && seen() > 0, text);
    const before = currentLog();
    await until('new files', () => folder.ctl('logrotate').code === 0 && currentLog() !== before, state);
    const count = seen();
    folder.ctl('reload');
    await until('an entry of the new file to be shown', () => seen() > count, text);
    child.kill('SIGINT');
    await until('logs to end', () => child.signalCode !== null || child.exitCode !== null, text);
  });
  it('obeys changed settings at reload', async () => {
    appendFileSync(join(folder.data, 'postgresql.auto.conf'), "log_destination = 'stderr'\nlog_directory = 'other'\n");
    folder.ctl('reload');
    await until('the new directory', () => /^stderr other\/.*\n$/.test(folder.read('data/current_logfiles')), state);
    folder.ctl('reload');
    await until('an entry in it', () => logText().includes('received SIGHUP'), state);
  });
  it('survives a crash of the others and tells its story', async () => {
    const logger = loggerPid();
    const readyCount = (): number => logText().split('database system is ready to accept connections').length - 1;
    const before = readyCount();
    const victim = childrenOf(folder.postmasterPid()).find(({ title }) => title === 'postgres: walwriter')?.pid ?? 0;
    expect(victim).toBeGreaterThan(0);
    process.kill(victim, 'SIGKILL');
    await until('the server to be ready again', () => readyCount() > before, state);
    expect(logText()).toMatch(/WAL writer process \(PID \d+\) was terminated by signal 9: Killed\n/);
    expect(logText()).toContain('all server processes terminated; reinitializing');
    expect(loggerPid()).toBe(logger);
  });
  it('is replaced when it dies, and no entry of the server is lost', async () => {
    const old = loggerPid();
    expect(old).toBeGreaterThan(0);
    process.kill(old, 'SIGKILL');
    await until('a new logger', () => loggerPid() !== 0 && loggerPid() !== old, state);
    folder.ctl('reload');
    const shown = (): string =>
      readdirSync(join(folder.data, 'other'))
        .map((name) => folder.read(`data/other/${name}`))
        .join('');
    await until(
      'its death in the log',
      () => /logger process \(PID \d+\) was terminated by signal 9/.test(shown()),
      state,
    );
  });
  it('ignores what ends others, and ends after the last of them', async () => {
    const logger = loggerPid();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGQUIT']) process.kill(logger, signal);
    const { code, out } = folder.run('nodegres', ['logs', '-D', 'data', '-n', '2']);
    expect([code, out.trimEnd().split('\n').length]).toEqual([0, 2]);
    expect(isAlive(logger)).toBe(true);
    expect(folder.ctl('stop').code).toBe(0);
    await until('the logger to end', () => !isAlive(logger), state);
    expect(logText()).toContain('database system is shut down');
  });
});
