import { describe, expect, it } from 'vitest';
import { tailOffset } from '#cli/logs-command.ts';
import { formatProcessTree, formatUptime, kindOfTitle, parseProcStat, titleOf } from '#cli/process-tree.ts';

describe('the process tree', () => {
  it('reads /proc/<pid>/stat whatever the process is called', () => {
    const text = `42 (a) b (c) S 7 42 42 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 1234567 0 0`;
    expect(parseProcStat(text)).toEqual({ state: 'S', parent: 7, startTicks: 1234567 });
  });
  it('names processes by their title', () => {
    expect(titleOf('postgres: checkpointer \0\0\0')).toBe('postgres: checkpointer');
    expect(kindOfTitle('postgres: checkpointer')).toBe('checkpointer');
    expect(kindOfTitle('postgres: shop: background writer')).toBe('background writer');
    expect(kindOfTitle('postgres: alice shop 127.0.0.1(54321) idle')).toBe('client backend');
    expect(kindOfTitle('postgres: alice shop [local] SELECT')).toBe('client backend');
    expect(kindOfTitle('node --x dist/postgres.cjs --forkchild client-backend')).toBe('starting client-backend');
    expect(kindOfTitle('postgres: my worker')).toBe('background worker');
  });
  it('counts uptime in days after the first', () => {
    expect(formatUptime(3661.9)).toBe('01:01:01');
    expect(formatUptime(90_061)).toBe('1d 01:01:01');
  });
  it('is drawn as a table', () => {
    const row = {
      pid: 10,
      title: 'postgres -D x',
      kind: 'postmaster',
      schedulerState: 'S',
      uptimeSeconds: 61,
      restarts: 0,
      pssKilobytes: 2048,
      state: '',
      waitEvent: '',
    };
    const child = { ...row, pid: 11, kind: 'client backend', title: 'postgres: a b [local] idle', state: 'idle' };
    const text = formatProcessTree([row, { ...child, waitEvent: 'Client:ClientRead', pssKilobytes: undefined }]);
    expect(text.split('\n').slice(0, 3)).toEqual([
      'PID    KIND            STATE  WAIT EVENT           UPTIME  RESTARTS  MEMORY (PSS)  TITLE',
      '10     postmaster      S      -                  00:01:01         0        2.0 MB  postgres -D x',
      '└─ 11  client backend  idle   Client:ClientRead  00:01:01         0             -  postgres: a b [local] idle',
    ]);
  });
});

describe('the tail of a log', () => {
  it('starts at the last lines', () => {
    const bytes = new TextEncoder().encode('a\nbb\nccc\n');
    expect([0, 1, 2, 3, 9].map((count) => tailOffset(bytes, count))).toEqual([9, 5, 2, 0, 0]);
  });
});
