// judge.mjs — PostgreSQL 15 itself looks at copies of our data directory.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, postgresBin } from '../soak/processes.mjs';

const asRoot = process.getuid() === 0;
/** {status, output} of one of PostgreSQL's programs. */
function run(program, args) {
  const words = [join(postgresBin, program), ...args];
  const [command, rest] = asRoot
    ? ['su', ['postgres', '-c', words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')]]
    : [words[0], words.slice(1)];
  const done = spawnSync(command, rest, { encoding: 'utf8', maxBuffer: 1 << 30, timeout: 120_000 });
  return { status: done.status, output: `${done.stdout}${done.stderr}`, stdout: done.stdout };
}

function copyOf(server) {
  const folder = mkdtempSync(join(tmpdir(), 'nodegres-judge-'));
  const data = join(folder, 'data');
  cpSync(server.dataDirectory, data, { recursive: true });
  rmSync(join(data, 'postmaster.pid'), { force: true });
  const conf = readFileSync(join(data, 'postgresql.conf'), 'utf8').replace(/^process_model.*$/gm, '');
  writeFileSync(join(data, 'postgresql.conf'), conf);
  chmodSync(folder, 0o711);
  chmodSync(data, 0o700);
  if (asRoot) execFileSync('chown', ['-R', 'postgres', folder]);
  return { folder, data };
}

const TABLES = ['journal', 'accounts', 'lists', 'slots', 'bulk', 'toasted', 'uniq', 'junk'];
/** PostgreSQL recovers a copy of the crashed directory and finds it whole. */
export async function judgeCrashed(server) {
  if (!existsSync(postgresBin)) return '';
  return judgeDirectory(copyOf(server), 'of the crashed directory');
}
async function judgeDirectory({ folder, data }, what) {
  const port = await freePort();
  const found = [];
  try {
    const options = `-p ${port} -k ${folder} -c listen_addresses= -c fsync=off`;
    const log = join(data, 'judge.log');
    if (run('pg_ctl', ['-D', data, '-o', options, '-l', log, '-w', 'start']).status !== 0)
      return `PostgreSQL does not start on a copy ${what}:\n${readFileSync(log, 'utf8').slice(-2000)}`;
    const address = ['-h', folder, '-p', String(port), '-U', 'postgres'];
    try {
      const check = run('pg_amcheck', [...address, '--all', '--install-missing', '--heapallindexed', '--parent-check']);
      if (check.output.trim() !== '') found.push(`pg_amcheck ${what}: ${check.output.slice(0, 3000)}`);
      for (const table of TABLES) {
        const done = run('psql', ['-XAt', ...address, '-d', 'postgres', '-c', `select count(*) from ${table}`]);
        if (done.status !== 0) found.push(done.output);
      }
    } finally {
      run('pg_ctl', ['-D', data, '-m', 'fast', '-w', 'stop']);
    }
    const warnings = readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => /WARNING(?!.*_fsm; zeroing out page)|PANIC|FATAL/.test(line));
    if (warnings.length > 0) found.push(`PostgreSQL's log ${what}: ${warnings.join('\n')}`);
    return found.join('\n');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A directory that was shut down: checksums, every index, every segment of WAL. */
export async function judgeStopped(server) {
  if (!existsSync(postgresBin)) return [];
  const found = [];
  const copy = copyOf(server);
  const sums = run('pg_checksums', ['--check', '-D', copy.data]);
  if (sums.status !== 0 && !/not enabled/.test(sums.output)) found.push(`pg_checksums: ${sums.output.slice(-2000)}`);
  const segments = readdirSync(join(copy.data, 'pg_wal'))
    .filter((name) => /^[0-9A-F]{24}$/.test(name))
    .sort();
  const { stdout } = run('pg_controldata', ['-D', copy.data]);
  const last = /Latest checkpoint's REDO WAL file: +(\w+)/.exec(stdout)?.[1] ?? '';
  for (const segment of segments.filter((name) => name <= last)) {
    const dump = run('pg_waldump', ['-q', join(copy.data, 'pg_wal', segment)]);
    if (dump.status !== 0 && segment !== last) found.push(`pg_waldump ${segment}: ${dump.output.slice(-500)}`);
  }
  const verdict = await judgeDirectory(copy, 'of the stopped directory');
  if (verdict !== '') found.push(verdict);
  return found;
}
