import { describe, expect, it } from 'vitest';
import { splitShellWords } from '#cli/pg-ctl.ts';
import type { PgCtlOptions } from '#cli/pg-ctl-options.ts';
import { readPgCtlOptions } from '#cli/pg-ctl-options.ts';

const read = (argv: readonly string[], env: NodeJS.ProcessEnv = {}): PgCtlOptions => {
  const options = readPgCtlOptions(argv, env);
  if (typeof options === 'string') throw new Error(options);
  return options;
};

describe('pg_ctl options', () => {
  it('read the operation wherever it stands', () => {
    expect(read(['-D', 'd', 'start', '-w', '-l', 'log'])).toMatchObject({
      operation: 'start',
      dataDirectory: 'd',
      directoryGiven: true,
      logFile: 'log',
      wait: true,
      mode: 'fast',
      timeoutSeconds: 60,
    });
    expect(read(['initdb']).operation).toBe('init');
  });
  it('take defaults from the environment', () => {
    const options = read(['stop', '-W'], { PGDATA: 'd/', PGCTLTIMEOUT: '7' });
    expect(options).toMatchObject({ dataDirectory: 'd', directoryGiven: false, timeoutSeconds: 7, wait: false });
    expect(read(['stop', '-t', '3', '-D', '/'], { PGCTLTIMEOUT: '7' })).toMatchObject({
      timeoutSeconds: 3,
      dataDirectory: '/',
    });
  });
  it('read shutdown modes by name and letter', () => {
    expect(read(['stop', '-D', 'd', '-m', 's']).mode).toBe('smart');
    expect(read(['stop', '-D', 'd', '--mode=immediate']).mode).toBe('immediate');
    expect(() => read(['stop', '-D', 'd', '-m', 'bogus'])).toThrow('unrecognized shutdown mode "bogus"');
  });
  it('complain as PostgreSQL does', () => {
    expect(() => read([])).toThrow('no operation specified');
    expect(() => read(['bogus'])).toThrow('unrecognized operation mode "bogus"');
    expect(() => read(['status'])).toThrow('no database directory specified and environment variable PGDATA unset');
    expect(() => read(['-D', 'd', 'start', 'stop'])).toThrow('too many command-line arguments (first is "stop")');
    expect(() => read(['kill', 'TERM'])).toThrow('missing arguments for kill mode');
    expect(() => read(['kill', 'FOO', '1'])).toThrow('unrecognized signal name "FOO"');
  });
  it('never take garbage for process 0, which is the caller’s own group', () => {
    expect(() => read(['kill', 'HUP', 'x'])).toThrow('invalid process ID "x"');
    expect(() => read(['kill', 'HUP', '0'])).toThrow('invalid process ID "0"');
    expect(read(['kill', 'HUP', '12'])).toMatchObject({ killSignal: 'HUP', killPid: 12 });
  });
  it('split option strings as a shell would', () => {
    expect(splitShellWords(`-A trust  -U "a b" 'c"d' e\\ f "x\\"y" ''`)).toEqual([
      '-A',
      'trust',
      '-U',
      'a b',
      'c"d',
      'e f',
      'x"y',
      '',
    ]);
  });
});
