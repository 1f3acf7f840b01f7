import { beforeEach, expect, test } from 'vitest';
import { type ErrorFields, PgError, reportHooks } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { record } from '#runtime/guc/records.ts';
import { applyStartupOptions, parsePostgresSwitches, splitOptions } from '#runtime/guc/switches.ts';

let fatal: ErrorFields | undefined;
reportHooks.emit = (level, fields) => {
  if (level === 'FATAL') fatal = fields;
};
reportHooks.exitProcess = () => {
  throw new Error('exit');
};
beforeEach(() => {
  fatal = undefined;
});

test('the switches of the command line become settings', () => {
  const result = parsePostgresSwitches(
    [
      '-D',
      '/data',
      '-p5433',
      '-c',
      'work-mem=1MB',
      '--max-connections=20',
      '-F',
      '-d',
      '2',
      '-fs',
      '-tpa',
      '-n',
      '-k',
      '',
    ],
    'commandLine',
  );
  expect(result).toMatchObject({ dataDirectory: '/data', noReinit: true, usageError: undefined, positional: [] });
  expect(settings).toMatchObject({
    port: 5433,
    work_mem: 1024,
    max_connections: 20,
    fsync: false,
    log_min_messages: 'debug2',
    log_connections: true,
    log_statement: 'all',
    enable_seqscan: false,
    log_parser_stats: true,
    unix_socket_directories: '',
  });
  expect(record('port').source).toBe('commandLine');
});

test('what is not understood is told in the words of getopt', () => {
  expect(parsePostgresSwitches(['-z'], 'commandLine').usageError).toBe("postgres: invalid option -- 'z'\n");
  expect(parsePostgresSwitches(['-p'], 'commandLine').usageError).toBe(
    "postgres: option requires an argument -- 'p'\n",
  );
  expect(parsePostgresSwitches(['-f', 'x'], 'commandLine').usageError).toBe(
    'postgres: invalid argument for option -f: "x"\n',
  );
  expect(parsePostgresSwitches(['-C', 'port', 'extra'], 'commandLine')).toMatchObject({
    printParameter: 'port',
    positional: ['extra'],
  });
  expect(() => parsePostgresSwitches(['--port'], 'commandLine')).toThrow('--port requires a value');
});

test('options of the startup packet are words, a backslash keeps a blank', () => {
  expect(splitOptions('  -c a.b=x\\ y   --c=\\\\ ')).toEqual(['-c', 'a.b=x y', '--c=\\']);
  applyStartupOptions('-c geqo=off --seq_page_cost=2', false);
  expect([settings.geqo, settings.seq_page_cost, record('geqo').source]).toEqual([false, 2, 'client']);
  expect(() => applyStartupOptions('-c port=1', true)).toThrow(PgError);
  expect(() => applyStartupOptions('-z', true)).toThrow('exit');
  expect(fatal?.message).toBe('invalid command-line argument for server process: -z');
});
