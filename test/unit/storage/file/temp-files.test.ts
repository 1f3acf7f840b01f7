import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Oid, RelFileNode } from '#base/ids.ts';
import { reportHooks } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { ResourceOwner, setCurrentResourceOwner } from '#runtime/resource-owner.ts';
import { mapLocalMemory, mem } from '#shm/memory.ts';
import { privateReserve } from '#shm/private-memory.ts';
import { BufFile, tempBlockUsage } from '#storage/file/buf-file.ts';
import { copyDirectory, removeTree } from '#storage/file/folder-tree.ts';
import { isTempRelationFileName, parseRelationFileName, relationPath, segmentPath } from '#storage/file/paths.ts';
import { resetUnloggedRelations, UNLOGGED } from '#storage/file/reinit.ts';
import {
  forgetTempTablespaces,
  openTemporaryFile,
  removePgTempFiles,
  setTempFileCounter,
  setTempTablespaces,
} from '#storage/file/temp-files.ts';
import { fileClose, filePath, fileWrite } from '#storage/file/virtual-files.ts';
import { enterTempFolder } from '../../../support/in-temp-folder.ts';

let leave: () => void;
let owner: ResourceOwner;
let at = 0;
const emit = reportHooks.emit;
beforeEach(() => {
  leave = enterTempFolder('base/5', 'pg_tblspc/700/PG_15_202209061/5');
  mapLocalMemory(16 << 20);
  at = privateReserve(1 << 20);
  owner = new ResourceOwner(null, 'test');
  setCurrentResourceOwner(owner);
});
afterEach(() => {
  reportHooks.emit = emit;
  owner.releasePhase('afterLocks', false, true);
  setCurrentResourceOwner(null);
  leave();
});
const inTemp = (): string[] => (existsSync('base/pgsql_tmp') ? readdirSync('base/pgsql_tmp') : []);

test('temporary files are named after the process, told when closed, and end with their owner', () => {
  const said: string[] = [];
  reportHooks.emit = (level, fields) => void said.push(`${level} ${fields.message}`);
  let counted = 0;
  setTempFileCounter((size) => {
    counted += size;
  });
  const before = settings.log_temp_files;
  (settings as { log_temp_files: number }).log_temp_files = 1;
  const file = openTemporaryFile(false);
  const path = filePath(file);
  expect(path).toMatch(/^base\/pgsql_tmp\/pgsql_tmp\d+\.\d+$/);
  fileWrite(file, at, 3000, 0, 0);
  fileClose(file);
  expect(said).toEqual([`LOG temporary file: path "${path}", size 3000`]);
  expect(counted).toBe(3000);
  openTemporaryFile(false);
  const longer = openTemporaryFile(true);
  expect(inTemp().length).toBe(2);
  owner.releasePhase('afterLocks', false, true);
  expect(inTemp().length).toBe(1);
  fileClose(longer);
  expect(inTemp()).toEqual([]);
  (settings as { log_temp_files: number }).log_temp_files = before;
});

test('temporary tablespaces in turn; one that is gone is no reason to fail', () => {
  setTempTablespaces([700 as Oid, 701 as Oid]);
  const paths = [1, 2].map(() => filePath(openTemporaryFile(false)).split('/pgsql_tmp/')[0]).sort();
  expect(paths).toEqual(['base', 'pg_tblspc/700/PG_15_202209061']);
  forgetTempTablespaces();
  expect(filePath(openTemporaryFile(false))).toMatch(/^base/);
});

test('a buffered file: written in pieces, sought, overwritten, read across buffers, cut', () => {
  const file = new BufFile(false);
  const usage = { ...tempBlockUsage };
  const size = 100_000;
  for (let i = 0; i < size; i++) mem.u8[at + i] = (i * 31) % 251;
  for (let done = 0, n = 1; done < size; done += n, n = Math.min(n * 2 + 1, size - done)) file.write(at + done, n);
  expect([file.tell(), file.size()]).toEqual([size, size]);
  const into = at + 200_000;
  expect(file.seek(12_345)).toBe(true);
  expect(file.read(into, 50_000)).toBe(50_000);
  expect(Buffer.compare(mem.u8.slice(into, into + 50_000), mem.u8.slice(at + 12_345, at + 62_345))).toBe(0);
  expect(file.tell()).toBe(62_345);
  mem.u8.fill(255, into, into + 10);
  file.seek(8190);
  file.write(into, 10);
  expect(file.seek(8185)).toBe(true);
  file.readExact(into, 20);
  const expected = Array.from({ length: 20 }, (_, i) => (i >= 5 && i < 15 ? 255 : ((8185 + i) * 31) % 251));
  expect([...mem.u8.slice(into, into + 20)]).toEqual(expected);
  file.seekBlock(12);
  expect(file.read(into, 10_000)).toBe(size - 12 * 8192);
  expect(file.read(into, 1)).toBe(0);
  expect(() => file.readExact(into, 1)).toThrow('read only 0 of 1 bytes');
  expect([file.seek(-1), file.seek(5 * 2 ** 30)]).toEqual([false, false]);
  file.truncate(9000);
  expect(file.size()).toBe(9000);
  expect(tempBlockUsage.written - usage.written).toBeGreaterThan(10);
  expect(tempBlockUsage.read - usage.read).toBeGreaterThan(5);
  file.close();
  expect(inTemp()).toEqual([]);
});

test('a buffered file goes on in a second segment at 1 GiB', () => {
  const file = new BufFile(true);
  mem.u8.set(Buffer.from('over the border of a segment'), at);
  expect(file.seek(2 ** 30 - 10)).toBe(true);
  file.write(at, 28);
  expect([file.tell(), file.size(), inTemp().length]).toEqual([2 ** 30 + 18, 2 ** 30 + 18, 2]);
  file.seek(2 ** 30 - 10);
  file.readExact(at + 100, 28);
  expect(Buffer.from(mem.u8.slice(at + 100, at + 128)).toString()).toBe('over the border of a segment');
  file.truncate(5);
  expect([file.size(), inTemp().length]).toEqual([5, 1]);
  file.close();
});

test('a start removes what a crash left, and nothing else', () => {
  reportHooks.emit = () => {};
  mkdirSync('base/pgsql_tmp');
  mkdirSync('base/pgsql_tmp/pgsql_tmp99.0.fileset/x', { recursive: true });
  for (const path of [
    'base/pgsql_tmp/pgsql_tmp99.3',
    'base/pgsql_tmp/pgsql_tmp99.0.fileset/x/0',
    'base/pgsql_tmp/mine',
  ])
    writeFileSync(path, '');
  for (const name of ['t3_1000', 't3_1000_fsm', 't3_1000.1', '1000', 't3_x', '1001_init'])
    for (const folder of ['base/5', 'pg_tblspc/700/PG_15_202209061/5']) writeFileSync(`${folder}/${name}`, '');
  removePgTempFiles();
  expect(inTemp()).toEqual(['mine']);
  for (const folder of ['base/5', 'pg_tblspc/700/PG_15_202209061/5'])
    expect(readdirSync(folder).sort()).toEqual(['1000', '1001_init', 't3_x']);
});

test('unlogged relations begin again from their init fork', () => {
  reportHooks.emit = () => {};
  const folder = 'pg_tblspc/700/PG_15_202209061/5';
  for (const name of ['10', '10_fsm', '10_init', '10.1', '11', '11_fsm', 'PG_VERSION', 't1_10'])
    writeFileSync(`${folder}/${name}`, name);
  resetUnloggedRelations(UNLOGGED.cleanup);
  expect(readdirSync(folder).sort()).toEqual(['10_init', '11', '11_fsm', 'PG_VERSION', 't1_10']);
  resetUnloggedRelations(UNLOGGED.init);
  expect(readFileSync(`${folder}/10`, 'utf8')).toBe('10_init');
  resetUnloggedRelations(UNLOGGED.cleanup | UNLOGGED.init);
  expect(readdirSync(folder).sort()).toEqual(['10', '10_init', '11', '11_fsm', 'PG_VERSION', 't1_10']);
});

test('folders are copied and removed', () => {
  mkdirSync('from/sub', { recursive: true });
  writeFileSync('from/a', 'A');
  writeFileSync('from/sub/b', 'B');
  copyDirectory('from', 'flat', false);
  copyDirectory('from', 'deep', true);
  expect([readdirSync('flat'), readFileSync('deep/sub/b', 'utf8')]).toEqual([['a'], 'B']);
  expect(() => copyDirectory('from', 'flat', false)).toThrow('could not create directory "flat": File exists');
  expect([removeTree('deep', true), removeTree('flat', false)]).toEqual([true, true]);
  expect([existsSync('deep'), readdirSync('flat')]).toEqual([false, []]);
  reportHooks.emit = () => {};
  expect(removeTree('none', true)).toBe(false);
});

test('paths', () => {
  const node = (spc: number, db: number, rel: number): RelFileNode => ({
    spcNode: spc as Oid,
    dbNode: db as Oid,
    relNode: rel as Oid,
  });
  expect(relationPath(node(1663, 5, 10), -1, 0)).toBe('base/5/10');
  expect(relationPath(node(1664, 0, 10), -1, 2)).toBe('global/10_vm');
  expect(segmentPath(node(700, 5, 10), 3, 1, 2)).toBe('pg_tblspc/700/PG_15_202209061/5/t3_10_fsm.2');
  expect(parseRelationFileName('123_init.4')).toEqual({ relNode: 123, fork: 3, segment: 4 });
  expect(['12x', 't1_2', '1_foo', 'PG_VERSION', '1.0'].map(parseRelationFileName)).toEqual(Array(5).fill(undefined));
  expect(['t1_2', 't1_2_vm.3', 't1', '1_2'].map(isTempRelationFileName)).toEqual([true, true, false, false]);
});
