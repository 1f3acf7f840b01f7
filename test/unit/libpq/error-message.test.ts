import { expect, test } from 'vitest';
import { isForClient, writeErrorMessage } from '#libpq/error-message.ts';
import { MessageWriter } from '#libpq/message-writer.ts';
import type { ErrorFields, Level } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

function bytes(level: Level, fields: ErrorFields): string {
  const writer = new MessageWriter();
  writeErrorMessage(writer, level, fields);
  return writer.buffer.toString('latin1', 0, writer.length);
}

test('an error has severity, code and message, each once', () => {
  const text = bytes('ERROR', { code: SQLSTATE.divisionByZero, message: 'division by zero' });
  expect(text[0]).toBe('E');
  expect(text.slice(5)).toBe('SERROR\0VERROR\0C22012\0Mdivision by zero\0\0');
});

test('fields come in the order of PostgreSQL', () => {
  const text = bytes('ERROR', {
    code: SQLSTATE.uniqueViolation,
    routine: 'r',
    internalQuery: 'q',
    internalPosition: 3,
    position: 2,
    constraint: 'n',
    dataType: 'd',
    column: 'c',
    table: 't',
    schema: 's',
    context: 'w',
    hint: 'h',
    detail: 'd',
    message: 'm',
  });
  const letters = text
    .slice(5, -2)
    .split('\0')
    .map((field) => field[0])
    .join('');
  expect(letters).toBe('SVCMDHWstcdnPpqR');
});

test('notices have their own type and default codes', () => {
  expect(bytes('NOTICE', { message: 'x' }).slice(0, 1)).toBe('N');
  expect(bytes('NOTICE', { message: 'x' })).toContain('C00000\0');
  expect(bytes('WARNING', { message: 'x' })).toContain('C01000\0');
  expect(bytes('ERROR', { message: 'x' })).toContain('CXX000\0');
  expect(bytes('DEBUG3', { message: 'x' })).toContain('SDEBUG\0');
});

test('before authentication the client hears of errors only', () => {
  expect(isForClient('WARNING', 'debug5', true)).toBe(false);
  expect(isForClient('FATAL', 'notice', true)).toBe(true);
});

test('client_min_messages rules, except over INFO', () => {
  expect(isForClient('NOTICE', 'notice', false)).toBe(true);
  expect(isForClient('NOTICE', 'warning', false)).toBe(false);
  expect(isForClient('INFO', 'error', false)).toBe(true);
  expect(isForClient('LOG', 'log', false)).toBe(true);
  expect(isForClient('LOG_SERVER_ONLY', 'debug5', false)).toBe(false);
  expect(isForClient('WARNING_CLIENT_ONLY', 'warning', false)).toBe(true);
});
