import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { type ErrorFields, type Level, PgError, reportHooks } from '#runtime/error/report.ts';
import { ConfigLexer, quoteValue, unquote } from '#runtime/guc/config-lexer.ts';
import { absoluteConfigLocation, canonicalizePath } from '#runtime/guc/config-paths.ts';
import { setConfigOption, settings } from '#runtime/guc/guc.ts';
import { inspectConfigFiles, processConfigFile, rewriteAutoConf, selectConfigFiles } from '#runtime/guc/guc-file.ts';
import { record } from '#runtime/guc/records.ts';

const root = mkdtempSync(join(tmpdir(), 'guc-file-'));
const conf = join(root, 'postgresql.conf');
const auto = join(root, 'postgresql.auto.conf');
afterAll(() => rmSync(root, { recursive: true }));
writeFileSync(conf, '');
writeFileSync(auto, '');

const said: [Level, string][] = [];
reportHooks.emit = (level: Level, fields: ErrorFields) => {
  if (!level.startsWith('DEBUG')) said.push([level, fields.message]);
};
expect(selectConfigFiles(root, 'postgres')).toBe(undefined);
const load = (text: string): void => {
  writeFileSync(conf, text);
  processConfigFile('sighup');
};
beforeEach(() => {
  load('');
  said.length = 0;
});
const texts = () => said.map(([, message]) => message);

test('the paths of the cluster are absolute and cannot be displaced', () => {
  expect(settings.data_directory).toBe(root);
  expect(settings.hba_file).toBe(join(root, 'pg_hba.conf'));
  expect(record('config_file').source).toBe('override');
});

test('the last line wins, names ignore case, quotes and escapes are undone', () => {
  load("work_mem = 1MB\nWORK_MEM 2MB # two\ncluster_name='x'\napplication_name = 'it''s\\x41'\nsearch_path=a_b\n");
  expect(settings.work_mem).toBe(2048);
  expect(settings.application_name).toBe("it'sx41");
  expect(record('work_mem')).toMatchObject({ source: 'file', sourceFile: conf, sourceLine: 2 });
  expect(texts()).toEqual([
    'parameter "WORK_MEM" changed to "2MB"',
    'parameter "cluster_name" cannot be changed without restarting the server',
    'parameter "application_name" changed to "it\'sx41"',
    'parameter "search_path" changed to "a_b"',
    `configuration file "${conf}" contains errors; unaffected changes were applied`,
  ]);
});

/** Recorded from PostgreSQL 15, with its line numbers. */
test('a syntax error anywhere means that nothing is applied', () => {
  load('work_mem = 1 2\nport 5\n$\ninclude\ninclude "x"\na.b = 3\nwork_mem = 5MB');
  expect(texts()).toEqual([
    `syntax error in file "${conf}" line 1, near token "2"`,
    `syntax error in file "${conf}" line 3, near token "$"`,
    `syntax error in file "${conf}" line 4, near end of line`,
    `syntax error in file "${conf}" line 5, near token """`,
    `configuration file "${conf}" contains errors; no changes were applied`,
  ]);
  expect(settings.work_mem).toBe(4096);
});

test('an unknown name spoils the file, a wrong value only its own line', () => {
  load('bogus = 1\nwork_mem = 1MB\n');
  expect(texts()).toEqual([
    `unrecognized configuration parameter "bogus" in file "${conf}" line 1`,
    `configuration file "${conf}" contains errors; no changes were applied`,
  ]);
  said.length = 0;
  load('work_mem = zz\nmaintenance_work_mem = 2MB\n');
  expect(settings.maintenance_work_mem).toBe(2048);
  expect(texts()).toEqual([
    'invalid value for parameter "work_mem": "zz"',
    'parameter "maintenance_work_mem" changed to "2MB"',
    `configuration file "${conf}" contains errors; unaffected changes were applied`,
  ]);
});

test('a line that is gone takes its setting back', () => {
  load('work_mem = 1MB\n');
  said.length = 0;
  load('');
  expect(settings.work_mem).toBe(4096);
  expect(texts()).toEqual(['parameter "work_mem" removed from configuration file, reset to default']);
});

test('a session that has set the parameter keeps its value, and meets the new default at RESET', () => {
  setConfigOption('work_mem', '3MB', 'user', 'session');
  load('work_mem = 1MB\n');
  expect(settings.work_mem).toBe(3072);
  setConfigOption('work_mem', null, 'user', 'session');
  expect(settings.work_mem).toBe(1024);
});

test('included files count where they are included, folders in C order without hidden files', () => {
  mkdirSync(join(root, 'conf.d'));
  writeFileSync(join(root, 'conf.d', 'b.conf'), 'work_mem = 2MB\n');
  writeFileSync(join(root, 'conf.d', 'a.conf'), 'work_mem = 1MB\nmaintenance_work_mem = 7MB');
  writeFileSync(join(root, 'conf.d', '.c.conf'), 'work_mem = 9MB\n');
  writeFileSync(join(root, 'conf.d', 'd.txt'), 'work_mem = 9MB\n');
  load("include_dir 'conf.d'\ninclude_if_exists = 'nothing.conf'\n");
  expect([settings.work_mem, settings.maintenance_work_mem]).toEqual([2048, 7168]);
  expect(texts()).toContain(`skipping missing configuration file "${join(root, 'nothing.conf')}"`);
  said.length = 0;
  load("include 'nothing.conf'\n");
  expect(texts()[0]).toBe(
    `could not open configuration file "${join(root, 'nothing.conf')}": No such file or directory`,
  );
});

test('a file that includes itself is told so', () => {
  load("include 'postgresql.conf'\n");
  expect(texts()[0]).toBe(`configuration file recursion in "${conf}"`);
});

test('ALTER SYSTEM keeps one line a name, and auto.conf beats postgresql.conf', () => {
  rewriteAutoConf({ name: 'work_mem', value: '1MB' });
  rewriteAutoConf({ name: 'application_name', value: "it's" });
  rewriteAutoConf({ name: 'WORK_MEM', value: '2MB' });
  expect(readFileSync(auto, 'utf8')).toBe(
    "# Do not edit this file manually!\n# It will be overwritten by the ALTER SYSTEM command.\napplication_name = 'it''s'\nWORK_MEM = '2MB'\n",
  );
  load('work_mem = 1MB\n');
  expect([settings.work_mem, settings.application_name]).toEqual([2048, "it's"]);
  rewriteAutoConf({ name: 'work_mem', value: null });
  expect(readFileSync(auto, 'utf8')).not.toContain('WORK_MEM');
  rewriteAutoConf('reset all');
  load('');
  expect(settings.application_name).toBe('');
});

test('pg_file_settings shows every line and changes nothing', () => {
  writeFileSync(conf, 'work_mem = 1MB\nwork_mem = 2MB\nmax_connections = 7\nwork_mem = zz\nnonsense = 1\n');
  const items = inspectConfigFiles();
  expect(items.map((item) => [item.sourceLine, item.name, item.applied, item.errorMessage])).toEqual([
    [1, 'work_mem', false, null],
    [2, 'work_mem', false, null],
    [3, 'max_connections', false, null],
    [4, 'work_mem', false, null],
    [5, 'nonsense', false, 'unrecognized configuration parameter'],
  ]);
  writeFileSync(conf, 'work_mem = 1MB\nwork_mem = 2MB\nmax_connections = 7\nseq_page_cost = zz\n');
  expect(inspectConfigFiles().map((item) => [item.sourceLine, item.applied, item.errorMessage])).toEqual([
    [1, false, null],
    [2, true, null],
    [3, false, 'setting could not be applied'],
    [4, false, 'setting could not be applied'],
  ]);
  expect(settings.work_mem).toBe(4096);
});

test('at start a bad file is an error', () => {
  writeFileSync(conf, 'work_mem = zz\n');
  expect(() => processConfigFile('postmaster')).toThrow(PgError);
});

test('words of the file', () => {
  const kinds = (text: string): string[] => {
    const lexer = new ConfigLexer(text);
    const out: string[] = [];
    for (let t = lexer.next(); t.kind !== 'end'; t = lexer.next()) out.push(`${t.kind}:${t.text}`);
    return out;
  };
  expect(kinds("a.b = -0x1F # c\nx 1.5e-3 'y''z' on/off-1 10MB")).toEqual([
    'qualifiedId:a.b',
    'equals:=',
    'integer:-0x1F',
    'eol:\n',
    'id:x',
    'real:1.5e-3',
    "string:'y''z'",
    'unquotedString:on/off-1',
    'integer:10MB',
  ]);
  expect(unquote("'a\\tb\\101''c\\q'")).toBe("a\tbA'cq");
  expect(quoteValue("a'b\\c")).toBe("'a''b\\\\c'");
});

test('paths', () => {
  expect(canonicalizePath('/a//b/./c/../d/')).toBe('/a/b/d');
  expect(absoluteConfigLocation('x.conf', '/etc/pg/main.conf', '/data')).toBe('/etc/pg/x.conf');
  expect(absoluteConfigLocation('x.conf', null, '/data')).toBe('/data/x.conf');
});
