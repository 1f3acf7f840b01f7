/** build-code-cache.mjs — lets a server serve one typical connection and keeps the bytecode that V8 made for it.
 *
 *  A failure costs speed, not function: the server starts without a cache, too, so it is reported and the build goes on. */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** What a typical client does first: plain and parameterised queries, a look at the activity, an error, a transaction. */
const STATEMENTS = [
  'select 1',
  "select 1 + 1 as two, 'a' || 'b', now(), current_user",
  'begin',
  'show server_version',
  'select abalance from (values (1, 2)) as accounts (aid, abalance) where aid = 1',
  'commit',
  "set application_name = 'cache'",
  'select pid, backend_type, state from pg_stat_activity order by 1 limit 3',
  "select count(*) from pg_settings where name like 'max%'",
  'select * from generate_series(1, 3) as g (n) where n > 1',
  'select no_such_column',
];

const message = (type, body) => {
  const head = Buffer.alloc(5);
  head.write(type, 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
};
const text = (value) => Buffer.from(`${value}\0`);
function startup() {
  const body = Buffer.from('user\0postgres\0database\0postgres\0client_encoding\0UTF8\0\0');
  const head = Buffer.alloc(8);
  head.writeInt32BE(body.length + 8, 0);
  head.writeInt32BE(196608, 4);
  return Buffer.concat([head, body]);
}
function extended(sql, parameter) {
  const parse = message('P', Buffer.concat([text('s1'), text(sql), Buffer.from([0, 0])]));
  const value = Buffer.from(parameter);
  const bindBody = Buffer.alloc(4);
  bindBody.writeInt32BE(value.length);
  const bind = () =>
    message(
      'B',
      Buffer.concat([text(''), text('s1'), Buffer.from([0, 0, 0, 1]), bindBody, value, Buffer.from([0, 0])]),
    );
  const describe = message('D', Buffer.concat([Buffer.from('P'), text('')]));
  const execute = message('E', Buffer.concat([text(''), Buffer.from([0, 0, 0, 0])]));
  const sync = message('S', Buffer.alloc(0));
  return [parse, bind(), describe, execute, sync, bind(), execute, sync];
}

/** Sends everything at once, reads until the server closes. */
function talk(path) {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const chunks = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', reject);
    socket.on('close', () => resolve(Buffer.concat(chunks)));
    socket.write(startup());
    for (const sql of STATEMENTS) socket.write(message('Q', text(sql)));
    for (const part of extended('select $1::int + 1', '41')) socket.write(part);
    socket.write(message('X', Buffer.alloc(0)));
  });
}

export async function buildCodeCache(root) {
  const folder = mkdtempSync(join(tmpdir(), 'nodegres-build-'));
  const data = join(folder, 'data');
  let server;
  try {
    execFileSync(process.execPath, [join(root, 'bin/initdb'), '-D', data, '-U', 'postgres', '-A', 'trust', '-N'], {
      stdio: 'pipe',
    });
    const flags = readFileSync(join(root, 'bin/postgres'), 'utf8').split('\n')[0].split(' ').slice(3);
    const args = [join(root, 'bin/postgres'), '-D', data, '-k', folder, '-h', ''];
    let log = '';
    server = spawn(process.execPath, [...flags, ...args], {
      env: { ...process.env, NODEGRES_WRITE_CODE_CACHE: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    server.stderr.on('data', (chunk) => {
      log += chunk;
    });
    const ended = new Promise((resolve) => server.on('exit', resolve));
    const pidFile = join(data, 'postmaster.pid');
    for (let n = 0; !(existsSync(pidFile) && readFileSync(pidFile, 'utf8').includes('\nready ')); n++) {
      if (n > 1500 || server.exitCode !== null) throw new Error(`the server did not start:\n${log}`);
      await delay(20);
    }
    await talk(join(folder, '.s.PGSQL.5432'));
    server.kill('SIGINT');
    await ended;
    server = undefined;
    // The server writes files for its owner only; a cache is for everybody who may read the program.
    for (const name of readdirSync(join(root, 'dist')))
      if (name.endsWith('.cache')) chmodSync(join(root, 'dist', name), 0o644);
    return true;
  } finally {
    server?.kill('SIGQUIT');
    rmSync(folder, { recursive: true, force: true });
  }
}
