import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { native } from '#platform/native.ts';
import { logContext } from '#runtime/error/log-context.ts';
import { ChunkReassembler } from '#runtime/error/log-pipe.ts';
import type { Emit } from '#runtime/error/report.ts';
import { report } from '#runtime/error/report.ts';
import { installLogSink, setClientSink, setLoggerSink } from '#runtime/error/sinks.ts';
import { settings } from '#runtime/guc/guc.ts';

type Mutable = { -readonly [K in keyof typeof settings]: (typeof settings)[K] };
const changeable = settings as Mutable;
const before = { ...settings };
let written: Uint8Array[] = [];
let result = (length: number): number => length;
const text = (): string => written.map((bytes) => new TextDecoder().decode(bytes)).join('');

beforeEach(() => {
  written = [];
  result = (length) => length;
  vi.spyOn(native, 'writeBytes').mockImplementation((fd, from, offset, length) => {
    if (fd !== 2) throw new Error(`a log entry was written to descriptor ${fd}`);
    const taken = result(length);
    if (taken > 0) written.push(from.slice(offset, offset + taken));
    return taken;
  });
  installLogSink();
  changeable.log_line_prefix = '';
});
afterEach(() => {
  vi.restoreAllMocks();
  Object.assign(changeable, before);
  setClientSink(undefined);
  setLoggerSink(undefined);
  logContext.redirected = false;
  logContext.statement = undefined;
});

describe('the log', () => {
  it('takes what log_min_messages lets through', () => {
    report('NOTICE', { message: 'unheard' });
    report('LOG', { message: 'heard' });
    changeable.log_min_messages = 'fatal';
    report('LOG', { message: 'unheard' });
    expect(text()).toBe('LOG:  heard\n');
  });
  it('shows the statement of an event as bad as log_min_error_statement, unless it is hidden', () => {
    logContext.statement = 'select 1/0';
    report('WARNING', { message: 'mild' });
    changeable.log_min_error_statement = 'warning';
    report('WARNING', { message: 'bad' });
    report('WARNING', { message: 'secret', hideStatement: true });
    expect(text()).toBe('WARNING:  mild\nWARNING:  bad\nSTATEMENT:  select 1/0\nWARNING:  secret\n');
  });
  it('falls back to stderr when nobody collects csv or json', () => {
    changeable.log_destination = 'csvlog,jsonlog';
    report('LOG', { message: 'x' });
    expect(text()).toBe('LOG:  x\n');
  });
  it('goes through the pipe in chunks, one write each, in every format asked for', () => {
    changeable.log_destination = 'stderr,jsonlog';
    logContext.redirected = true;
    report('LOG', { message: 'x'.repeat(5000) });
    expect(written.map((chunk) => chunk.length > 4096)).toEqual([false, false, false, false]);
    const entries: string[] = [];
    const chunks = new ChunkReassembler((to, bytes) => entries.push(`${to} ${bytes.length > 5000}`));
    for (const chunk of written) chunks.feed(chunk);
    expect(entries).toEqual(['jsonlog true', 'stderr true']);
  });
  it('of the logger itself goes to its file and to standard error', () => {
    const filed: string[] = [];
    setLoggerSink((destination, bytes) => filed.push(`${destination} ${new TextDecoder().decode(bytes)}`));
    report('LOG', { message: 'x' });
    expect(filed).toEqual(['stderr LOG:  x\n']);
    expect(text()).toBe('LOG:  x\n');
  });
  it('loses what a full disk or a closed pipe does not take, and nothing else happens', () => {
    for (const failure of [-28, -32, -11, -9]) {
      result = () => failure;
      report('LOG', { message: 'lost' });
    }
    result = (length) => Math.min(length, 3);
    report('LOG', { message: 'in pieces' });
    expect(text()).toBe('LOG:  in pieces\n');
  });
});

describe('the client', () => {
  const told: string[] = [];
  const sink: Emit = (level, { message }) => told.push(`${level} ${message}`);
  beforeEach(() => {
    told.length = 0;
    setClientSink(sink);
  });
  it('is told what client_min_messages lets through', () => {
    report('NOTICE', { message: 'a' });
    report('LOG', { message: 'b' });
    report('INFO', { message: 'c' });
    changeable.client_min_messages = 'error';
    report('WARNING', { message: 'd' });
    report('INFO', { message: 'e' });
    expect(told).toEqual(['NOTICE a', 'INFO c', 'INFO e']);
  });
  it('hears nothing but errors before it is let in', () => {
    logContext.clientAuthInProgress = true;
    report('WARNING', { message: 'x' });
    logContext.clientAuthInProgress = false;
    expect(told).toEqual([]);
  });
});
