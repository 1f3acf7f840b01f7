import { beforeEach, describe, expect, it } from 'vitest';
import type { LogContext } from '#runtime/error/log-context.ts';
import { logContext } from '#runtime/error/log-context.ts';
import { formatLogCsv } from '#runtime/error/log-csv.ts';
import type { LogEntry } from '#runtime/error/log-entry.ts';
import { codeOf, reachesClient, reachesLog, severityText } from '#runtime/error/log-entry.ts';
import { formatLogJson } from '#runtime/error/log-json.ts';
import { formatLogLines } from '#runtime/error/log-line.ts';
import { setLogTimeZone } from '#runtime/error/log-time.ts';
import type { ErrorFields, Level } from '#runtime/error/report.ts';

/** Session and times of entries that a PostgreSQL 15.18 wrote. */
const session: LogContext = {
  ...logContext,
  pid: 6754,
  startSeconds: 1795265205,
  backendType: 'client backend',
  session: true,
  user: 'postgres',
  database: 'postgres',
  remoteHost: '[local]',
  applicationName: 'psql',
  statement: 'select 1/0;',
  psActivity: () => 'SELECT',
  virtualTransactionId: () => '3/2',
  transactionId: () => 0,
  queryId: () => -8441324848661855122n,
};
const checkpointer: LogContext = {
  ...logContext,
  pid: 6746,
  startSeconds: 1795265205,
  backendType: 'checkpointer',
};
let pid = 1_000_000;
/** A process that has written nothing yet: numbering starts at 1. */
const fresh = (context: LogContext): LogContext => ({ ...context, pid: pid++ });

function entry(level: Level, fields: ErrorFields, more: Partial<LogEntry> = {}): LogEntry {
  return {
    level,
    severity: severityText(level),
    code: codeOf(level, fields),
    fields,
    unixMs: 1795265205835,
    verbosity: 'default',
    statement: undefined,
    ...more,
  };
}
const EVERYTHING =
  'a=%a|u=%u|d=%d|r=%r|h=%h|b=%b|p=%p|P=%P|t=%t|m=%m|n=%n|i=%i|e=%e|c=%c|l=%l|s=%s|v=%v|x=%x|Q=%Q|%%|%10p|%-10p|%-20u|%5a|%z|%-5%|q=%q|x=%x ';

beforeEach(() => setLogTimeZone(undefined, 'Etc/UTC'));

describe('stderr format', () => {
  it('prints every prefix escape and width of a session as PostgreSQL 15 does', () => {
    const text = formatLogLines(
      entry('ERROR', { code: '22012', message: 'division by zero' }, { statement: 'select 1/0;' }),
      EVERYTHING,
      session,
    );
    const expected = (line: number, rest: string): string =>
      'a=psql|u=postgres|d=postgres|r=[local]|h=[local]|b=client backend|p=6754|P=|t=2026-11-21 12:46:45 UTC|' +
      'm=2026-11-21 12:46:45.835 UTC|n=1795265205.835|i=SELECT|e=22012|c=6b0192b5.1a62|' +
      `l=${line}|s=2026-11-21 12:46:45 UTC|v=3/2|x=0|Q=-8441324848661855122|%|      6754|6754      |` +
      `postgres            | psql|||q=|x=0 ${rest}\n`;
    expect(text).toBe(expected(1, 'ERROR:  division by zero') + expected(2, 'STATEMENT:  select 1/0;'));
  });
  it('leaves session escapes empty but keeps their width in an auxiliary process, and stops at %q', () => {
    const text = formatLogLines(entry('LOG', { message: 'shutting down' }), EVERYTHING, checkpointer);
    expect(text).toBe(
      'a=|u=|d=|r=|h=|b=checkpointer|p=6746|P=|t=2026-11-21 12:46:45 UTC|m=2026-11-21 12:46:45.835 UTC|' +
        'n=1795265205.835|i=|e=00000|c=6b0192b5.1a5a|l=1|s=2026-11-21 12:46:45 UTC|v=|x=0|Q=0|%|      6746|' +
        '6746      |                    |     |||q=LOG:  shutting down\n',
    );
  });
  it('prints [unknown] for what the client has not said yet', () => {
    const context = { ...session, user: undefined, database: '', applicationName: '' };
    expect(formatLogLines(entry('LOG', { message: 'x' }), '%u@%d %a ', context)).toBe(
      '[unknown]@[unknown] [unknown] LOG:  x\n',
    );
  });
  it('shows port, leader and partial prefixes', () => {
    const context = { ...session, remoteHost: '127.0.0.1', remotePort: '57600', leaderPid: 42 };
    const line = (prefix: string): string => formatLogLines(entry('LOG', { message: 'x' }), prefix, context);
    expect(line('%r %h %P ')).toBe('127.0.0.1(57600) 127.0.0.1 42 LOG:  x\n');
    expect(line('a%')).toBe('aLOG:  x\n');
    expect(line('a%-1')).toBe('aLOG:  x\n');
    expect(line('')).toBe('LOG:  x\n');
  });
  it('orders the further lines, tabs continuation lines and appends the position', () => {
    const fields: ErrorFields = {
      code: '42601',
      message: 'two\nlines',
      detail: 'for the client',
      detailLog: 'for the log',
      hint: 'hint',
      internalQuery: 'select foo bar baz',
      internalPosition: 16,
      context: 'line 1\nline 2',
    };
    const location = { routine: 'scanner_yyerror', file: 'scan.l', line: 1176 };
    const verbose = { statement: 'do\n1', verbosity: 'verbose', location } as const;
    const text = formatLogLines(entry('ERROR', fields, verbose), '', session);
    expect(text).toBe(
      'ERROR:  42601: two\n\tlines at character 16\nDETAIL:  for the log\nHINT:  hint\nQUERY:  select foo bar baz\n' +
        'CONTEXT:  line 1\n\tline 2\nLOCATION:  scanner_yyerror, scan.l:1176\nSTATEMENT:  do\n\t1\n',
    );
    expect(formatLogLines(entry('ERROR', fields, { verbosity: 'terse' }), '', session)).toBe(
      'ERROR:  two\n\tlines at character 16\n',
    );
  });
});

describe('csvlog', () => {
  const line = (fields: ErrorFields, more: Partial<LogEntry>, context: LogContext): string =>
    formatLogCsv(entry(more.level ?? 'ERROR', fields, more), context);
  it('is the line that PostgreSQL 15 wrote for a duplicate key', () => {
    const context = {
      ...session,
      psActivity: () => 'INSERT',
      virtualTransactionId: () => '3/6',
      transactionId: () => 724,
      queryId: () => -2449103233786675542n,
    };
    const fields: ErrorFields = {
      code: '23505',
      message: 'duplicate key value violates unique constraint "t_pkey"',
      detail: 'Key (a)=(1) already exists.',
    };
    const location = { routine: '_bt_check_unique', file: 'nbtinsert.c', line: 664 };
    expect(
      line(
        fields,
        { statement: "insert into t values(1,'y');", verbosity: 'verbose', location, unixMs: 1795265205841 },
        context,
      ),
    ).toBe(
      '2026-11-21 12:46:45.841 UTC,"postgres","postgres",6754,"[local]",6b0192b5.1a62,1,"INSERT",2026-11-21 12:46:45 UTC,' +
        '3/6,724,ERROR,23505,"duplicate key value violates unique constraint ""t_pkey""","Key (a)=(1) already exists.",,,,,' +
        '"insert into t values(1,\'y\');",,"_bt_check_unique, nbtinsert.c:664","psql","client backend",,-2449103233786675542\n',
    );
  });
  it('leaves the session columns of the postmaster empty and numbers its records', () => {
    const postmaster = { ...checkpointer, pid: 6744, backendType: 'postmaster' };
    const fields = { message: 'listening on Unix socket "/x/.s.PGSQL.54777"' };
    const expected = (n: number): string =>
      `2026-11-21 12:46:45.835 UTC,,,6744,,6b0192b5.1a58,${n},,2026-11-21 12:46:45 UTC,,0,LOG,00000,` +
      '"listening on Unix socket ""/x/.s.PGSQL.54777""",,,,,,,,,"","postmaster",,0\n';
    expect(line(fields, { level: 'LOG' }, postmaster)).toBe(expected(1));
    expect(line(fields, { level: 'LOG' }, postmaster)).toBe(expected(2));
  });
  it('shows positions beside the query they belong to only', () => {
    const fields: ErrorFields = { code: '42601', message: 'm', position: 20 };
    const columns = (statement: string | undefined): string[] => line(fields, { statement }, fresh(session)).split(',');
    expect(columns('select x').slice(19, 21)).toEqual(['"select x"', '20']);
    expect(columns(undefined).slice(19, 21)).toEqual(['', '']);
    expect(columns(undefined)).toHaveLength(26);
  });
});

describe('jsonlog', () => {
  it('is the line that PostgreSQL 15 wrote, key for key', () => {
    const context = {
      ...session,
      psActivity: () => 'DO',
      virtualTransactionId: () => '3/8',
      queryId: () => -4762968778329223355n,
    };
    const fields: ErrorFields = {
      code: '22012',
      message: 'wörn',
      detail: 'de\ntail',
      hint: 'hint',
      context: 'PL/pgSQL function inline_code_block line 1 at RAISE',
    };
    const location = { routine: 'exec_stmt_raise', file: 'pl_exec.c', line: 3891 };
    expect(
      formatLogJson(entry('WARNING', fields, { verbosity: 'verbose', location, unixMs: 1795265205843 }), context),
    ).toBe(
      '{"timestamp":"2026-11-21 12:46:45.843 UTC","user":"postgres","dbname":"postgres","pid":6754,"remote_host":"[local]",' +
        '"session_id":"6b0192b5.1a62","line_num":1,"ps":"DO","session_start":"2026-11-21 12:46:45 UTC","vxid":"3/8","txid":0,' +
        '"error_severity":"WARNING","state_code":"22012","message":"wörn","detail":"de\\ntail","hint":"hint",' +
        '"context":"PL/pgSQL function inline_code_block line 1 at RAISE","func_name":"exec_stmt_raise",' +
        '"file_name":"pl_exec.c","file_line_num":3891,"application_name":"psql","backend_type":"client backend",' +
        '"query_id":-4762968778329223355}\n',
    );
  });
  it('leaves out what is absent, and keeps an empty activity', () => {
    const context = {
      ...session,
      pid: 6756,
      user: undefined,
      database: undefined,
      applicationName: '',
      remoteHost: '127.0.0.1',
      remotePort: '57600',
      backendType: 'not initialized',
      psActivity: () => '',
      virtualTransactionId: () => '',
      queryId: () => 0n,
    };
    expect(formatLogJson(entry('LOG', { message: 'connection received' }), context)).toBe(
      '{"timestamp":"2026-11-21 12:46:45.835 UTC","pid":6756,"remote_host":"127.0.0.1","remote_port":57600,' +
        '"session_id":"6b0192b5.1a64","line_num":1,"ps":"","session_start":"2026-11-21 12:46:45 UTC","txid":0,' +
        '"error_severity":"LOG","message":"connection received","backend_type":"not initialized","query_id":0}\n',
    );
    const aux = JSON.parse(formatLogJson(entry('LOG', { message: 'x' }), checkpointer)) as Record<string, unknown>;
    expect(Object.keys(aux)).toEqual([
      'timestamp',
      'pid',
      'session_id',
      'line_num',
      'session_start',
      'txid',
      'error_severity',
      'message',
      'backend_type',
      'query_id',
    ]);
  });
});

describe('who hears of an event', () => {
  it('ranks LOG between ERROR and FATAL for the log', () => {
    expect(reachesLog('LOG', 'warning')).toBe(true);
    expect(reachesLog('LOG', 'error')).toBe(true);
    expect(reachesLog('LOG', 'fatal')).toBe(false);
    expect(reachesLog('LOG', 'panic')).toBe(false);
    expect(reachesLog('LOG_SERVER_ONLY', 'log')).toBe(true);
    expect(reachesLog('ERROR', 'log')).toBe(false);
    expect(reachesLog('FATAL', 'log')).toBe(true);
    expect(reachesLog('ERROR', 'fatal')).toBe(false);
    expect(reachesLog('NOTICE', 'warning')).toBe(false);
    expect(reachesLog('DEBUG2', 'debug1')).toBe(false);
    expect(reachesLog('DEBUG1', 'debug1')).toBe(true);
    expect(reachesLog('WARNING_CLIENT_ONLY', 'debug5')).toBe(false);
  });
  it('tells the client INFO always, LOG only when asked, and before authentication errors only', () => {
    expect(reachesClient('INFO', 'error', false)).toBe(true);
    expect(reachesClient('LOG', 'notice', false)).toBe(false);
    expect(reachesClient('LOG', 'log', false)).toBe(true);
    expect(reachesClient('LOG_SERVER_ONLY', 'debug5', false)).toBe(false);
    expect(reachesClient('WARNING_CLIENT_ONLY', 'notice', false)).toBe(true);
    expect(reachesClient('WARNING', 'notice', true)).toBe(false);
    expect(reachesClient('FATAL', 'notice', true)).toBe(true);
  });
  it('gives an event without SQLSTATE the one of its severity', () => {
    expect(codeOf('ERROR', { message: '' })).toBe('XX000');
    expect(codeOf('WARNING', { message: '' })).toBe('01000');
    expect(codeOf('NOTICE', { message: '' })).toBe('00000');
    expect(severityText('DEBUG3')).toBe('DEBUG');
    expect(severityText('LOG_SERVER_ONLY')).toBe('LOG');
  });
});
