import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { childrenOf, freePort, isAlive, isGone, ProgramFolder, program, until } from '../support/program.ts';

let folder: ProgramFolder;

describe('pg_ctl without a server', () => {
  beforeEach(() => {
    folder = new ProgramFolder();
    expect(folder.initdb().code).toBe(0);
  });
  afterEach(() => folder.remove());

  it('says so, with exit code 3', () => {
    expect(folder.ctl('status')).toEqual({ code: 3, out: 'pg_ctl: no server running\n', err: '' });
  });
  it('tells a missing and a strange directory apart, both with exit code 4', () => {
    expect(folder.run('pg_ctl', ['status', '-D', 'nowhere'])).toEqual({
      code: 4,
      out: '',
      err: 'pg_ctl: directory "nowhere" does not exist\n',
    });
    expect(folder.run('pg_ctl', ['status', '-D', '.'])).toMatchObject({
      code: 4,
      err: 'pg_ctl: directory "." is not a database cluster directory\n',
    });
  });
  it('cannot stop it', () => {
    const err = 'pg_ctl: PID file "data/postmaster.pid" does not exist\nIs server running?\n';
    expect(folder.ctl('stop')).toEqual({ code: 1, out: '', err });
    expect(folder.ctl('reload')).toEqual({ code: 1, out: '', err });
  });
  it('does not believe a stale or broken pid file', () => {
    const pidFile = join(folder.data, 'postmaster.pid');
    writeFileSync(pidFile, '4194304\n');
    expect(folder.ctl('status').code).toBe(3);
    expect(folder.ctl('stop').err).toBe('pg_ctl: could not send stop signal (PID: 4194304): No such process\n');
    writeFileSync(pidFile, '');
    expect(folder.ctl('status')).toMatchObject({
      code: 1,
      err: 'pg_ctl: the PID file "data/postmaster.pid" is empty\n',
    });
    writeFileSync(pidFile, 'x\n');
    expect(folder.ctl('status').err).toBe('pg_ctl: invalid data in PID file "data/postmaster.pid"\n');
    writeFileSync(pidFile, '');
  });
  it('reports a server that does not come up', () => {
    const { code, out, err } = folder.ctl('start', '-l', 'log', '-o', '-c port=notanumber');
    expect(code).toBe(1);
    expect(out).toMatch(/^waiting for server to start\.+ stopped waiting\n$/);
    expect(err).toBe('pg_ctl: could not start server\nExamine the log output.\n');
    expect(folder.read('log')).toContain('invalid value for parameter "port": "notanumber"');
  });
});

describe('pg_ctl with a server', () => {
  beforeAll(async () => {
    folder = new ProgramFolder();
    expect(folder.initdb().code).toBe(0);
    const port = await freePort();
    const settings = `port = ${port}\nunix_socket_directories = '${folder.path}'\n`;
    writeFileSync(join(folder.data, 'postgresql.auto.conf'), settings);
  });
  afterAll(() => folder.remove());
  beforeEach(() => {
    if (folder.postmasterPid() === 0) expect(folder.ctl('start', '-s', '-l', 'log').code).toBe(0);
  });

  it('starts it in the background and waits until it is ready', () => {
    folder.ctl('stop', '-s');
    const { code, out, err } = folder.ctl('start', '-l', 'log');
    expect([code, out.replace(/\.+/, '...'), err]).toEqual([
      0,
      'waiting for server to start... done\nserver started\n',
      '',
    ]);
    expect(folder.read('data/postmaster.pid').split('\n')[7]).toBe('ready   ');
    expect(folder.ctl('status')).toEqual({
      code: 0,
      out: `pg_ctl: server is running (PID: ${folder.postmasterPid()})\n${program('postgres')} "-D" "data"\n`,
      err: '',
    });
  });
  it('refuses a second server on the same directory', () => {
    const { code, err } = folder.ctl('start', '-l', 'second');
    expect(code).toBe(1);
    expect(err).toContain('pg_ctl: another server might be running; trying to start server anyway\n');
    expect(folder.read('second')).toContain('lock file "postmaster.pid" already exists');
    expect(isAlive(folder.postmasterPid())).toBe(true);
  });
  it('makes it read its configuration again', async () => {
    expect(folder.ctl('reload')).toEqual({ code: 0, out: 'server signaled\n', err: '' });
    await until('the reload to be logged', () => folder.read('log').includes('received SIGHUP'), folder.state);
  });
  it('restarts it with the same command line', () => {
    const before = folder.postmasterPid();
    const { code, out } = folder.ctl('restart', '-l', 'log');
    expect([code, out.replaceAll(/\.{3,}/g, '...')]).toEqual([
      0,
      'waiting for server to shut down... done\nserver stopped\nwaiting for server to start... done\nserver started\n',
    ]);
    expect(folder.postmasterPid()).not.toBe(before);
    expect(folder.read('data/postmaster.opts')).toBe(`${program('postgres')} "-D" "data"\n`);
  });
  it('starts a server whose predecessor was killed', async () => {
    const pid = folder.postmasterPid();
    const children = childrenOf(pid).map((child) => child.pid);
    expect(folder.run('pg_ctl', ['kill', 'KILL', String(pid)]).code).toBe(0);
    await until('all its processes to end', () => [pid, ...children].every(isGone), folder.state);
    expect(folder.ctl('status').code).toBe(3);
    const { code, err } = folder.ctl('restart', '-l', 'log');
    expect(err).toContain(`pg_ctl: old server process (PID: ${pid}) seems to be gone\nstarting server anyway\n`);
    expect(code).toBe(0);
  });
  it.each(['smart', 'fast', 'immediate'])('stops it in %s mode', async (mode) => {
    const pid = folder.postmasterPid();
    const { code, out } = folder.ctl('stop', '-m', mode);
    expect([code, out.replace(/\.+/, '...')]).toEqual([0, 'waiting for server to shut down... done\nserver stopped\n']);
    expect(existsSync(join(folder.data, 'postmaster.pid'))).toBe(false);
    // Removing the pid file is nearly the last thing it does.
    await until('the postmaster to end', () => !isAlive(pid), folder.state);
    expect(folder.read('log')).toContain(`received ${mode} shutdown request`);
  });
  it('runs one whose log cannot be written', async () => {
    folder.ctl('stop', '-s');
    expect(folder.ctl('start', '-l', '/dev/full').code).toBe(0);
    const pid = folder.postmasterPid();
    const children = childrenOf(pid).map((child) => child.pid);
    expect(folder.ctl('reload').code).toBe(0);
    expect(folder.ctl('logrotate').code).toBe(0);
    expect([pid, ...children].filter((each) => !isAlive(each))).toEqual([]);
    expect(folder.ctl('stop').code).toBe(0);
  });
  it('cannot promote a server that is no standby', () => {
    expect(folder.ctl('promote')).toEqual({
      code: 1,
      out: '',
      err: 'pg_ctl: cannot promote server; server is not in standby mode\n',
    });
  });
});
