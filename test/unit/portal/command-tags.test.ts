import { expect, test } from 'vitest';
import { parseText } from '#parser/parse.ts';
import { commandTag, completionText, isOptimizable, isTransactionExit, logClass } from '#portal/command-tags.ts';

const tagOf = (text: string): string => commandTag(parseText(text)[0]!.node);

/** What psql prints for each, from PostgreSQL 15. */
const TAGS: Readonly<Record<string, string>> = {
  'select 1': 'SELECT',
  'values (1)': 'SELECT',
  'select 1 into t': 'SELECT INTO',
  'insert into t values (1)': 'INSERT',
  'update t set a = 1': 'UPDATE',
  'delete from t': 'DELETE',
  'merge into t using s on true when matched then do nothing': 'MERGE',
  begin: 'BEGIN',
  'start transaction': 'START TRANSACTION',
  end: 'COMMIT',
  abort: 'ROLLBACK',
  'savepoint a': 'SAVEPOINT',
  'release a': 'RELEASE',
  'rollback to a': 'ROLLBACK',
  "prepare transaction 'x'": 'PREPARE TRANSACTION',
  'create table t (a int)': 'CREATE TABLE',
  'create table t as select 1': 'CREATE TABLE AS',
  'create materialized view m as select 1': 'CREATE MATERIALIZED VIEW',
  'create view v as select 1': 'CREATE VIEW',
  'create index on t (a)': 'CREATE INDEX',
  'create function f() returns int language sql return 1': 'CREATE FUNCTION',
  'create procedure p() language sql as $$ $$': 'CREATE PROCEDURE',
  'create type t as enum ()': 'CREATE TYPE',
  'create role r': 'CREATE ROLE',
  'create user u': 'CREATE ROLE',
  'create aggregate a (int) (sfunc = f, stype = int)': 'CREATE AGGREGATE',
  'drop table t': 'DROP TABLE',
  'drop view v': 'DROP VIEW',
  'drop function f': 'DROP FUNCTION',
  'drop index i': 'DROP INDEX',
  'drop owned by r': 'DROP OWNED',
  'alter table t add a int': 'ALTER TABLE',
  'alter table t rename to u': 'ALTER TABLE',
  'alter table t rename a to b': 'ALTER TABLE',
  'alter view v rename to w': 'ALTER VIEW',
  'alter index i rename to j': 'ALTER INDEX',
  'alter function f() owner to r': 'ALTER FUNCTION',
  'alter database d set work_mem = 1': 'ALTER DATABASE',
  'alter role r set work_mem = 1': 'ALTER ROLE',
  'alter system set work_mem = 1': 'ALTER SYSTEM',
  'set work_mem = 1': 'SET',
  'reset work_mem': 'RESET',
  'set constraints all deferred': 'SET CONSTRAINTS',
  'show work_mem': 'SHOW',
  'declare c cursor for select 1': 'DECLARE CURSOR',
  'fetch c': 'FETCH',
  'move c': 'MOVE',
  'close c': 'CLOSE CURSOR',
  'close all': 'CLOSE CURSOR ALL',
  'prepare p as select 1': 'PREPARE',
  'execute p': 'EXECUTE',
  'deallocate p': 'DEALLOCATE',
  'deallocate all': 'DEALLOCATE ALL',
  'discard all': 'DISCARD ALL',
  'discard temp': 'DISCARD TEMP',
  'discard plans': 'DISCARD PLANS',
  'grant select on t to r': 'GRANT',
  'revoke select on t from r': 'REVOKE',
  'grant a to b': 'GRANT ROLE',
  'comment on table t is null': 'COMMENT',
  'copy t from stdin': 'COPY',
  'truncate t': 'TRUNCATE TABLE',
  vacuum: 'VACUUM',
  analyze: 'ANALYZE',
  'explain select 1': 'EXPLAIN',
  'listen x': 'LISTEN',
  'notify x': 'NOTIFY',
  checkpoint: 'CHECKPOINT',
  'do $$ $$': 'DO',
  'call p()': 'CALL',
  'lock table t': 'LOCK TABLE',
  'reindex table t': 'REINDEX',
  'refresh materialized view m': 'REFRESH MATERIALIZED VIEW',
};

test('every statement has the tag of PostgreSQL', () => {
  const found = Object.fromEntries(Object.keys(TAGS).map((text) => [text, tagOf(text)]));
  expect(found).toEqual(TAGS);
});

test('row counts go with the commands that have them', () => {
  expect(completionText({ tag: 'SELECT', rows: 3 })).toBe('SELECT 3');
  expect(completionText({ tag: 'INSERT', rows: 2 })).toBe('INSERT 0 2');
  expect(completionText({ tag: 'FETCH', rows: 0 })).toBe('FETCH 0');
  expect(completionText({ tag: 'BEGIN', rows: 0 })).toBe('BEGIN');
});

test('log_statement sorts statements into ddl, mod and the rest', () => {
  const classOf = (text: string): string => logClass(parseText(text)[0]!.node);
  expect(classOf('create table t (a int)')).toBe('ddl');
  expect(classOf('insert into t values (1)')).toBe('mod');
  expect(classOf('copy t to stdout')).toBe('all');
  expect(classOf('copy t from stdin')).toBe('mod');
  expect(classOf('explain delete from t')).toBe('all');
  expect(classOf('explain analyze delete from t')).toBe('mod');
  expect(classOf('prepare p as delete from t')).toBe('mod');
  expect(classOf('select 1 into t')).toBe('ddl');
});

test('only the ends of a transaction are let into a failed block', () => {
  const exits = (text: string): boolean => isTransactionExit(parseText(text)[0]!.node);
  expect(['commit', 'rollback', 'rollback to a', "prepare transaction 'x'"].map(exits)).toEqual([
    true,
    true,
    true,
    true,
  ]);
  expect(['begin', 'savepoint a', 'release a', 'select 1'].map(exits)).toEqual([false, false, false, false]);
});

test('queries are planned, everything else is a utility statement', () => {
  expect(isOptimizable(parseText('values (1)')[0]!.node)).toBe(true);
  expect(isOptimizable(parseText('explain select 1')[0]!.node)).toBe(false);
});
