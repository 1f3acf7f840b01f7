/** The reader against WAL that PostgreSQL 15 wrote: every record as pg_waldump sees it. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Lsn } from '#base/ids.ts';
import { mapLocalMemory, mem } from '#shm/memory.ts';
import { privateReserve } from '#shm/private-memory.ts';
import { FileWalSource } from '#wal/file-source.ts';
import { restoreBlockImage, WalReader } from '#wal/reader.ts';
import { lsnText, parseLsn, setWalSegmentSize } from '#wal/wal-format.ts';

const BIN = '/usr/lib/postgresql/15/bin';
const havePostgres = existsSync(join(BIN, 'postgres'));

/** As the user postgres where we are root: PostgreSQL refuses to run as root. */
function asPostgres(command: string): string {
  const isRoot = process.getuid?.() === 0;
  const argv = isRoot ? (['su', ['postgres', '-c', command]] as const) : (['sh', ['-c', command]] as const);
  return execFileSync(argv[0], argv[1], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

describe.skipIf(!havePostgres)('reading WAL of PostgreSQL 15', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'pgwal-'));
    execFileSync('chmod', ['777', folder]);
    const data = join(folder, 'data');
    asPostgres(`${BIN}/initdb -D ${data} -A trust --no-sync --wal-segsize=1`);
    const sql =
      'create table t(a int primary key, b text); insert into t select g, repeat(md5(g::text), 20) from generate_series(1, 3000) g;\n' +
      "checkpoint;\nupdate t set b = b || 'x' where a % 7 = 0;\ndelete from t where a % 5 = 0;\nselect pg_create_restore_point('end');\n";
    execFileSync('sh', ['-c', `cat > ${folder}/work.sql`], { input: sql });
    const options = '-c wal_compression=pglz -c full_page_writes=on -c max_wal_size=100MB -c checkpoint_timeout=1h';
    asPostgres(`${BIN}/postgres --single -D ${data} ${options} postgres < ${folder}/work.sql > /dev/null`);
    mapLocalMemory(64 << 20);
    setWalSegmentSize(1 << 20);
  }, 60_000);
  afterAll(() => {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  it('sees every record to the last, and nothing else', () => {
    const wal = join(folder, 'data/pg_wal');
    const first = execFileSync('sh', ['-c', `ls ${wal} | grep -E '^[0-9A-F]{24}$' | head -1`], {
      encoding: 'utf8',
    }).trim();
    const dump = (() => {
      try {
        return execFileSync(join(BIN, 'pg_waldump'), ['-p', wal, '-s', `0/${first.slice(-2)}00000`], {
          encoding: 'utf8',
          maxBuffer: 1 << 28,
          stdio: ['ignore', 'pipe', 'ignore'],
        });
      } catch (caught) {
        return (caught as { stdout: string }).stdout;
      }
    })();
    const lines = [
      ...dump.matchAll(
        /^rmgr: (\S+) +len \(rec\/tot\): +(\d+)\/ +(\d+), tx: +(\d+), lsn: (\S+), prev (\S+), desc: (.*)$/gm,
      ),
    ];
    expect(lines.length).toBeGreaterThan(500);
    const reader = new WalReader(new FileWalSource(1, wal), 0n);
    reader.beginRead(parseLsn(lines[0]![5]!.replace(/^0\/0*/, '0/')) as Lsn);
    const page = privateReserve(8192);
    let images = 0;
    let count = 0;
    for (let record = reader.read(); record !== null; record = reader.read(), count++) {
      const [, , , total, xid, lsn, previous] = lines[count]!;
      expect([record.totalLength, record.xid, lsnText(record.lsn), lsnText(record.prevLsn)]).toEqual([
        Number(total),
        Number(xid),
        lsn!.replace(/^0\/0*/, '0/'),
        previous!.replace(/^0\/0*(?=.)/, '0/'),
      ]);
      for (let id = 0; id <= record.maxBlockId; id++) {
        if (!record.blocks[id]!.inUse || !record.blocks[id]!.applyImage) continue;
        restoreBlockImage(record, id, page);
        images++;
        // Whatever the page is, its layout version is 4.
        expect(mem.view.getUint16(page + 18, true)).toBe(8192 | 4);
      }
    }
    expect(count).toBe(lines.length);
    expect(images).toBeGreaterThan(10);
    expect(reader.errorMessage).toMatch(/invalid record length|unexpected pageaddr|invalid magic/);
  });
});
