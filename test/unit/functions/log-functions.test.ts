import { afterEach, describe, expect, it, vi } from 'vitest';
import { builtin } from '#adt/fmgr.ts';
import type { Emit, PgError } from '#runtime/error/report.ts';
import { reportHooks } from '#runtime/error/report.ts';
import * as fileSystem from '#platform/file-system.ts';
import '#functions/log-functions.ts';

vi.mock('#platform/file-system.ts', async (original) => ({
  ...(await original<typeof import('#platform/file-system.ts')>()),
  readTextFile: vi.fn(),
}));
const readTextFile = vi.mocked(fileSystem.readTextFile);

function call(prosrc: string, ...args: unknown[]): unknown {
  const found = builtin(prosrc);
  if (found?.style !== 'plain') throw new Error(`${prosrc} is not registered`);
  return found.call(...args);
}
afterEach(() => vi.clearAllMocks());

describe('pg_current_logfile', () => {
  it('reads current_logfiles', () => {
    readTextFile.mockReturnValue('stderr log/a.log\ncsvlog log/a.csv\n');
    expect(call('pg_current_logfile')).toBe('log/a.log');
    expect(call('pg_current_logfile_1arg', 'csvlog')).toBe('log/a.csv');
    expect(call('pg_current_logfile_1arg', 'jsonlog')).toBeNull();
    expect(call('pg_current_logfile_1arg', null)).toBe('log/a.log');
  });
  it('is null without a logger', () => {
    readTextFile.mockImplementation((path) => {
      throw new fileSystem.FileError('ENOENT', -2, path);
    });
    expect(call('pg_current_logfile')).toBeNull();
  });
  it('knows its formats', () => {
    expect(() => call('pg_current_logfile_1arg', 'foo')).toThrow(
      expect.objectContaining({ message: 'log format "foo" is not supported', code: '22023' }) as PgError,
    );
  });
});

describe('pg_rotate_logfile', () => {
  it('warns when nobody collects the log', () => {
    const told: string[] = [];
    const emit: Emit = (level, { message }) => told.push(`${level} ${message}`);
    const before = reportHooks.emit;
    reportHooks.emit = emit;
    expect(call('pg_rotate_logfile_v2')).toBe(false);
    reportHooks.emit = before;
    expect(told).toEqual(['WARNING rotation not possible because log collection not active']);
  });
});
