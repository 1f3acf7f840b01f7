import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { childrenOf, freePort, isAlive, ProgramFolder, program, until } from '../support/program.ts';

let folder: ProgramFolder;
beforeEach(() => {
  folder = new ProgramFolder();
});
afterEach(() => folder.remove());

describe('npm start', () => {
  it('makes a cluster, serves it, shows its processes, and ends with Ctrl-C', async () => {
    const port = await freePort();
    const env = { PGPORT: String(port), PGDATA: 'data' };
    const { child, text } = folder.spawn('start.mjs', [], env);
    await until('the ready line', () => text().includes('Ready on') || child.exitCode !== null, text, 30_000);
    expect(child.exitCode).toBeNull();
    await until('the process tree', () => /checkpointer/.test(text()), text);
    expect(text()).toContain(`psql -h 127.0.0.1 -p ${port} -U postgres postgres`);
    const pid = folder.postmasterPid();
    const children = childrenOf(pid).map((process) => process.pid);
    expect(children.length).toBeGreaterThan(3);
    child.kill('SIGINT');
    await until('the command to end', () => child.exitCode !== null, text);
    expect(child.exitCode).toBe(0);
    expect([pid, ...children].filter(isAlive)).toEqual([]);
    expect(existsSync(join(folder.data, 'postmaster.pid'))).toBe(false);
    expect(text()).toContain('received fast shutdown request');
  });
  it('says what to do in a checkout that was not built', () => {
    cpSync(dirname(program('start.mjs')), join(folder.path, 'bin'), { recursive: true });
    for (const name of ['bin/start.mjs', 'bin/initdb', 'bin/postgres']) {
      const { status, stderr } = spawnSync(process.execPath, [join(folder.path, name)], { encoding: 'utf8' });
      expect([name, status]).toEqual([name, 1]);
      expect(stderr).toBe(
        `nodegres: native-shm/index.cjs is missing: run "npm install" (or "npm run build") in ${folder.path}\n`,
      );
    }
  });
});

describe('nodegres', () => {
  it('start --foreground reports a server that cannot start', async () => {
    expect(folder.initdb().code).toBe(0);
    writeFileSync(join(folder.data, 'postgresql.auto.conf'), 'no_such_parameter = 1\n');
    const port = await freePort();
    const { child, text } = folder.spawn('nodegres', ['start', '--foreground', '-D', 'data'], { PGPORT: String(port) });
    await until('the command to end', () => child.exitCode !== null, text);
    expect(child.exitCode).toBe(1);
    expect(text()).toContain('unrecognized configuration parameter "no_such_parameter"');
    expect(text()).not.toContain('Ready on');
  });
  it('start --foreground refuses a PGPORT that is none', () => {
    const { code, err } = folder.run('nodegres', ['start', '--foreground', '-D', 'data'], { PGPORT: 'x' });
    expect([code, err]).toEqual([1, 'nodegres: PGPORT "x" is no port number\n']);
    expect(existsSync(folder.data)).toBe(false);
  });
  it('ps shows kinds, states and memory of a running server', async () => {
    expect(folder.run('nodegres', ['initdb', '-D', 'data', '-N', '-U', 'postgres', '-A', 'trust']).code).toBe(0);
    const settings = `port = ${await freePort()}\nunix_socket_directories = '${folder.path}'\n`;
    writeFileSync(join(folder.data, 'postgresql.auto.conf'), settings);
    expect(folder.ctl('start', '-l', 'log').code).toBe(0);
    const { code, out } = folder.run('nodegres', ['ps', '-D', 'data']);
    expect(code).toBe(0);
    const lines = out.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^PID\s+KIND\s+STATE\s+WAIT EVENT\s+UPTIME\s+RESTARTS\s+MEMORY \(PSS\)\s+TITLE$/);
    expect(lines[1]).toMatch(new RegExp(`^${folder.postmasterPid()}\\s+postmaster\\s`));
    for (const kind of ['checkpointer', 'background writer', 'walwriter', 'logical replication launcher']) {
      expect(lines.filter((line) => line.includes(kind))).toHaveLength(1);
    }
    expect(out).toMatch(/checkpointer .* \d\d:\d\d:\d\d\s+\d+\s+\d+\.\d MB\s+postgres: checkpointer$/m);
  });
  it('ps and logs say when there is nothing to show', () => {
    expect(folder.run('nodegres', ['ps', '-D', 'data']).code).toBe(4);
    expect(folder.initdb().code).toBe(0);
    const data = folder.data;
    expect(folder.run('nodegres', ['ps', '-D', 'data'])).toEqual({
      code: 3,
      out: '',
      err: `nodegres: no server running in "${data}"\n`,
    });
    expect(folder.run('nodegres', ['logs', '-D', 'data'])).toMatchObject({ code: 1, out: '' });
  });
  it('knows its commands', () => {
    const { code, err } = folder.run('nodegres', ['frobnicate']);
    expect([code, err.split('\n')[0]]).toEqual([1, "error: unknown command 'frobnicate'"]);
  });
});
