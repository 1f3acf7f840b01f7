/** Conversations with a session, as PostgreSQL 15 would hold them. */
import { expect, test } from 'vitest';
import { converse, message, query, sync } from './fake-client.ts';

/** Int16 and Int32 in network order. */
const i16 = (...values: number[]): number[] => values.flatMap((value) => [(value >> 8) & 255, value & 255]);
const i32 = (...values: number[]): number[] =>
  values.flatMap((v) => [(v >> 24) & 255, (v >> 16) & 255, (v >> 8) & 255, v & 255]);

const parse = (name: string, text: string, ...types: number[]): Buffer =>
  message('P', name, text, i16(types.length), i32(...types));
function bind(portal: string, statement: string, values: (string | null)[] = [], resultFormats: number[] = []): Buffer {
  const params = values.map((value) =>
    value === null
      ? Buffer.from(i32(-1))
      : Buffer.concat([Buffer.from(i32(Buffer.byteLength(value))), Buffer.from(value)]),
  );
  return message(
    'B', portal, statement, i16(0), i16(values.length), Buffer.concat(params), i16(resultFormats.length, ...resultFormats)); // biome-ignore format: one message
}
const describePortal = (name: string): Buffer => message('D', [0x50], name);
const describeStatement = (name: string): Buffer => message('D', [0x53], name);
const execute = (portal: string, rows = 0): Buffer => message('E', portal, i32(rows));
const close = (kind: 'S' | 'P', name: string): Buffer => message('C', [kind.charCodeAt(0)], name);

/** Without the first ReadyForQuery. */
const talk = (...input: Buffer[]): string[] => converse(...input).slice(1);

test('select 1 answers T D C Z', () => {
  expect(talk(query('select 1'))).toEqual(['T ?column?:23', 'D 1', 'C SELECT 1', 'Z I']);
});

test('an empty query has its own answer', () => {
  expect(talk(query(''), query(' ; '))).toEqual(['I', 'Z I', 'I', 'Z I']);
});

test('several statements: one answer each, one ReadyForQuery', () => {
  expect(talk(query('select 1; select 2'))).toEqual([
    'T ?column?:23', 'D 1', 'C SELECT 1', 'T ?column?:23', 'D 2', 'C SELECT 1', 'Z I']); // biome-ignore format: a row
});

test('an error ends the rest of a query and its implicit transaction', () => {
  expect(talk(query('select 1; select 1/0; select 2'))).toEqual([
    'T ?column?:23', 'D 1', 'C SELECT 1', 'E 22012 division by zero', 'Z I']); // biome-ignore format: a row
});

test('a syntax error is 42601', () => {
  expect(talk(query('selec 1'))).toEqual(['E 42601 syntax error at or near "selec"', 'Z I']);
});

test('a failed block refuses everything but its end', () => {
  expect(
    talk(query('begin'), query('select 1/0'), query('select 1'), query('commit'), query('select 2')).filter((line) => !line.startsWith('T')),
  ).toEqual([
    'C BEGIN', 'Z T', 'E 22012 division by zero', 'Z E',
    'E 25P02 current transaction is aborted, commands ignored until end of transaction block', 'Z E',
    'C ROLLBACK', 'Z I', 'D 2', 'C SELECT 1', 'Z I']); // biome-ignore format: by query
});

test('savepoints survive an error after them', () => {
  expect(
    talk(query('begin; savepoint a'), query('select 1/0'), query('rollback to a'), query('release a; commit')).filter((line) => !line.startsWith('T')),
  ).toEqual([
    'C BEGIN', 'C SAVEPOINT', 'Z T', 'E 22012 division by zero', 'Z E', 'C ROLLBACK', 'Z T', 'C RELEASE', 'C COMMIT', 'Z I']); // biome-ignore format: by query
});

test('COMMIT without a transaction warns', () => {
  expect(talk(query('commit'))).toEqual(['N 25P01 there is no transaction in progress', 'C COMMIT', 'Z I']);
});

test('SET and SHOW go through the parameters, and a reported change is told before ReadyForQuery', () => {
  expect(talk(query('set work_mem = 1234'), query('show work_mem'), query('reset work_mem'))).toEqual([
    'C SET', 'Z I', 'T work_mem:25', 'D 1234kB', 'C SHOW', 'Z I', 'C RESET', 'Z I']); // biome-ignore format: by query
});

test('Parse, Bind, Describe, Execute, Sync', () => {
  expect(talk(parse('', 'select $1 + 1'), bind('', '', ['41']), describePortal(''), execute(''), sync)).toEqual([
    '1',
    '2',
    'T ?column?:23',
    'D 42',
    'C SELECT 1',
    'Z I',
  ]);
});

test('Describe of a statement tells parameter types and columns', () => {
  expect(talk(parse('s', 'select $1::int8 as a, $2::text as b'), describeStatement('s'), sync)).toEqual([
    '1', 't 20,25', 'T a:20|b:25', 'Z I']); // biome-ignore format: a row
});

test('a named statement is used again and closed', () => {
  expect(
    talk(parse('s', 'select $1::text'), bind('', 's', ['a']), execute(''), bind('', 's', [null]), execute(''), close('S', 's'), bind('', 's', ['b']), sync),
  ).toEqual(['1', '2', 'D a', 'C SELECT 1', '2', 'D null', 'C SELECT 1', '3', 'E 26000 prepared statement "s" does not exist', 'Z I']); // biome-ignore format: a row
});

test('a row limit suspends the portal, the next Execute goes on', () => {
  expect(
    talk(
      parse('', 'select * from generate_series(1, 3)'),
      bind('p', ''),
      execute('p', 2),
      execute('p', 2),
      close('P', 'p'),
      sync,
    ),
  ).toEqual(['1', '2', 'D 1', 'D 2', 's', 'D 3', 'C SELECT 1', '3', 'Z I']);
});

test('after an error everything up to Sync is skipped, even a Query', () => {
  expect(
    talk(parse('', 'selec'), bind('', ''), execute(''), query('select 1'), sync, query('select 2')).filter(
      (line) => !line.startsWith('T'),
    ),
  ).toEqual(['E 42601 syntax error at or near "selec"', 'Z I', 'D 2', 'C SELECT 1', 'Z I']);
});

test('pipelined statements share a transaction until Sync', () => {
  expect(
    talk(parse('a', 'begin'), bind('', 'a'), execute(''), parse('b', 'select 1'), bind('', 'b'), execute(''), sync, query('rollback'), query('deallocate all')),
  ).toEqual(['1', '2', 'C BEGIN', '1', '2', 'D 1', 'C SELECT 1', 'Z T', 'C ROLLBACK', 'Z I', 'C DEALLOCATE ALL', 'Z I']); // biome-ignore format: a row
});

test('a portal without a statement, a statement without parameters: exact complaints', () => {
  expect(talk(execute('x'), sync)).toEqual(['E 34000 portal "x" does not exist', 'Z I']);
  expect(talk(bind('', 'nope'), sync)).toEqual(['E 26000 prepared statement "nope" does not exist', 'Z I']);
  expect(talk(query('select 1'), bind('', ''), sync).slice(-2)).toEqual([
    'E 26000 unnamed prepared statement does not exist', 'Z I']); // biome-ignore format: a row
  expect(talk(parse('', 'select $1::int'), bind('', ''), sync)).toEqual([
    '1', 'E 08P01 bind message supplies 0 parameters, but prepared statement "" requires 1', 'Z I']); // biome-ignore format: a row
  expect(talk(parse('', 'select 1; select 2'), sync)).toEqual([
    'E 42601 cannot insert multiple commands into a prepared statement', 'Z I']); // biome-ignore format: a row
});

test('an empty statement through the extended protocol', () => {
  expect(talk(parse('', ''), bind('', ''), describePortal(''), execute(''), sync)).toEqual(['1', '2', 'n', 'I', 'Z I']);
});

test('a duplicate prepared statement and portal', () => {
  expect(talk(parse('d', 'select 1'), sync, parse('d', 'select 1'), sync, query('deallocate d')).slice(2)).toEqual([
    'E 42P05 prepared statement "d" already exists', 'Z I', 'C DEALLOCATE', 'Z I']); // biome-ignore format: a row
  expect(talk(parse('', 'select 1'), bind('p', ''), bind('p', ''), sync).slice(2)).toEqual([
    'E 42P03 cursor "p" already exists', 'Z I']); // biome-ignore format: a row
});

test('an unknown message type ends the session', () => {
  expect(talk(message('?'))).toEqual(['E 08P01 invalid frontend message type 63']);
});

test('a body with something left over is a protocol violation', () => {
  expect(talk(message('S', [1]))).toEqual(['E 08P01 invalid message format', 'Z I']);
  expect(talk(message('Q', [0x61]))).toEqual(['E 08P01 invalid string in message', 'Z I']);
});

test('leftovers of a failed COPY are ignored', () => {
  expect(talk(message('d', [1, 2]), message('c'), message('f', 'x'), query('select 1')).slice(-2)).toEqual([
    'C SELECT 1',
    'Z I',
  ]);
});

test('cursors: fetch forward, backward, absolute; move; close', () => {
  const rows = talk(
    query('begin; declare c scroll cursor for select * from generate_series(1, 5)'),
    query('fetch 2 c'),
    query('fetch prior c'),
    query('fetch last c'),
    query('fetch absolute 3 c'),
    query('move backward 1 in c'),
    query('fetch relative 0 c'),
    query('move all c'),
    query('fetch backward 2 c'),
    query('close c; commit'),
  ).filter((line) => /^[DC]/.test(line));
  expect(rows).toEqual([
    'C BEGIN', 'C DECLARE CURSOR', 'D 1', 'D 2', 'C FETCH 2', 'D 1', 'C FETCH 1', 'D 5', 'C FETCH 1', 'D 3', 'C FETCH 1',
    'C MOVE 1', 'D 2', 'C FETCH 1', 'C MOVE 3', 'D 5', 'D 4', 'C FETCH 2', 'C CLOSE CURSOR', 'C COMMIT']); // biome-ignore format: by query
});

test('a cursor that cannot scroll says so, and one needs a transaction', () => {
  expect(talk(query('declare c cursor for select 1'))).toEqual([
    'E 25P01 DECLARE CURSOR can only be used in transaction blocks', 'Z I']); // biome-ignore format: a row
  expect(
    talk(query('begin; declare c no scroll cursor for select 1'), query('fetch backward c'), query('rollback')).filter(
      (line) => line.startsWith('E'),
    ),
  ).toEqual(['E 55000 cursor can only scan forward']);
});

test('a holdable cursor outlives its transaction', () => {
  expect(
    talk(query('begin; declare h cursor with hold for select * from generate_series(1, 3)'), query('fetch h'), query('commit'), query('fetch all h'), query('close h')).filter((line) => /^[DC]/.test(line)),
  ).toEqual(['C BEGIN', 'C DECLARE CURSOR', 'D 1', 'C FETCH 1', 'C COMMIT', 'D 2', 'D 3', 'C FETCH 2', 'C CLOSE CURSOR']); // biome-ignore format: a row
});

test('a cursor ends with its transaction', () => {
  expect(talk(query('begin; declare c cursor for select 1; commit'), query('fetch c')).slice(-2)).toEqual([
    'E 34000 cursor "c" does not exist', 'Z I']); // biome-ignore format: a row
});

test('PREPARE, EXECUTE with expressions, DEALLOCATE', () => {
  expect(
    talk(query('prepare p(int, text) as select $1 + 1, $2'), query("execute p(20 * 2, 'a' || 'b')"), query('execute p(1)'), query('deallocate p'), query('execute p')).filter((line) => !line.startsWith('T')),
  ).toEqual([
    'C PREPARE', 'Z I', 'D 41|ab', 'C SELECT 1', 'Z I',
    'E 42601 wrong number of parameters for prepared statement "p"', 'Z I', 'C DEALLOCATE', 'Z I',
    'E 26000 prepared statement "p" does not exist', 'Z I']); // biome-ignore format: by query
});

test('a repeated text is planned once and still sees the moment', () => {
  const lines = talk(
    query("select 'now'::timestamptz"),
    query("select 'now'::timestamptz"),
    query("select 'now'::timestamptz"),
  ).filter((line) => line.startsWith('D'));
  expect(new Set(lines).size).toBe(3);
});

test('what is not there yet says its name', () => {
  expect(talk(query('create publication p'))).toEqual(['E 0A000 CREATE PUBLICATION is not supported yet', 'Z I']);
  expect(talk(query('create foreign data wrapper w'))).toEqual([
    'E 0A000 CREATE FOREIGN DATA WRAPPER is not supported yet',
    'Z I',
  ]);
});

test('binary results on demand', () => {
  expect(talk(parse('', 'select 258'), bind('', '', [], [1]), execute(''), sync)[2]).toBe('D \0\0\x01\x02');
});

test('a function call without SQL', () => {
  const int4pl = 177;
  const call = message('F', i32(int4pl), i16(1, 1, 2), i32(4, 40, 4, 2), i16(0));
  expect(talk(call)).toEqual(['V', 'Z I']);
});
