/** The two drivers of the Node world against the server, and every way to prove who one is. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, PROCESS_MODELS, waitFor } from '../support/cluster.ts';
import { rows } from '../support/session.ts';
import { WireClient } from '../support/wire.ts';

describe.each(PROCESS_MODELS)('process_model = %s', (model) => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.create({ model });
  });
  afterAll(() => cluster.destroy());
  const address = (): { host: string; port: number; user: string; database: string } => ({
    host: '127.0.0.1',
    port: cluster.port,
    user: 'postgres',
    database: 'postgres',
  });

  describe('node-postgres', () => {
    let client: pg.Client;
    beforeAll(async () => {
      client = new pg.Client(address());
      await client.connect();
    });
    afterAll(() => client.end());

    test('values of every kind go there and come back', async () => {
      const when = new Date('2024-02-29T12:34:56.789Z');
      const { rows: found, fields } = await client.query(
        `select $1::int4 as i, $2::int8 as big, $3::numeric as n, $4::text as t, $5::bool as b, $6::timestamptz as at,
                $7::int4[] as list, $8::text[] as words, $9::jsonb as doc, $10::bytea as bytes, $11::float8 as f, $12::text as nothing`,
        [
          1,
          '9007199254740993',
          '1.50',
          'naïve 😀',
          true,
          when,
          [1, 2, 3],
          ['a', 'b,"c'],
          { a: [1, null] },
          Buffer.from([0, 255]),
          0.1,
          null,
        ],
      );
      expect(found).toEqual([
        {
          i: 1,
          big: '9007199254740993',
          n: '1.50',
          t: 'naïve 😀',
          b: true,
          at: when,
          list: [1, 2, 3],
          words: ['a', 'b,"c'],
          doc: { a: [1, null] },
          bytes: Buffer.from([0, 255]),
          f: 0.1,
          nothing: null,
        },
      ]);
      expect(fields.map((field) => field.dataTypeID)).toEqual([
        23, 20, 1700, 25, 16, 1184, 1007, 1009, 3802, 17, 701, 25,
      ]);
    });

    test('errors have their code and position, and the session goes on', async () => {
      await expect(client.query('select $1::int4 / 0', [1])).rejects.toMatchObject({
        code: '22012',
        message: 'division by zero',
      });
      await expect(client.query('select nothing')).rejects.toMatchObject({ code: '42703', position: '8' });
      await expect(client.query('selec 1')).rejects.toMatchObject({ code: '42601' });
      expect((await client.query('select 42 as answer')).rows).toEqual([{ answer: 42 }]);
    });

    test('several statements in one string, and named ones used twice', async () => {
      const results = (await client.query('select 1 as a; select 2 as b, 3 as c')) as unknown as pg.QueryResult[];
      expect(results.map((one) => one.rows)).toEqual([[{ a: 1 }], [{ b: 2, c: 3 }]]);
      for (const n of [1, 2, 3])
        expect((await client.query({ name: 'twice', text: 'select $1::int4 * 2 as n', values: [n] })).rows).toEqual([
          { n: 2 * n },
        ]);
    });

    test('a transaction fails as a whole', async () => {
      await client.query('begin');
      await expect(client.query('select 1/0')).rejects.toMatchObject({ code: '22012' });
      await expect(client.query('select 1')).rejects.toMatchObject({ code: '25P02' });
      expect((await client.query('commit')).command).toBe('ROLLBACK');
    });

    test('a session that is terminated from outside fails with 57P01', async () => {
      const other = new pg.Client(address());
      const errors: (Error & { code?: string })[] = [];
      other.on('error', (error) => errors.push(error));
      await other.connect();
      const { rows: found } = await other.query('select pg_backend_pid() as pid');
      await client.query('select pg_terminate_backend($1)', [found[0].pid]);
      await waitFor('the error', () => errors.length > 0);
      expect(errors[0]!.code).toBe('57P01');
    });
  });

  describe('postgres.js', () => {
    let sql: postgres.Sql;
    beforeAll(() => {
      sql = postgres({ ...address(), max: 3, onnotice: () => {} });
    });
    afterAll(() => sql.end({ timeout: 5 }));

    test('values go there and come back', async () => {
      const when = new Date('2024-02-29T12:34:56.789Z');
      const [row] =
        await sql`select ${1}::int4 as i, ${'1.50'}::numeric as n, ${when}::timestamptz as at, ${[1, 2]}::int4[] as list,
        ${sql.json({ a: 1 })}::jsonb as doc, ${null}::text as nothing, ${true}::bool as b`;
      expect(row).toEqual({ i: 1, n: '1.50', at: when, list: [1, 2], doc: { a: 1 }, nothing: null, b: true });
    });
    test('errors have their code', async () => {
      await expect(sql`select 1 / ${0}::int4`).rejects.toMatchObject({ code: '22012' });
      await expect(sql`select nothing`).rejects.toMatchObject({ code: '42703' });
    });
    test('a query is canceled', async () => {
      const query = sql`select pg_sleep(1000)`;
      const ended = query.catch((error: unknown) => error);
      await waitFor('it to run', () => cluster.children().some((child) => child.title.endsWith(' SELECT')));
      query.cancel();
      expect(await ended).toMatchObject({ code: '57014' });
    });
    test('transactions, a cursor and many at once', async () => {
      expect(await sql.begin(async (one) => (await one`select 42 as n`)[0]!['n'])).toBe(42);
      let seen = 0;
      await sql`select * from generate_series(1, 1000) as n`.cursor(100, (batch) => {
        seen += batch.length;
      });
      expect(seen).toBe(1000);
      const all = await Promise.all(Array.from({ length: 50 }, (_, i) => sql`select ${i}::int4 as n`));
      expect(all.map(([row]) => row!['n'])).toEqual(Array.from({ length: 50 }, (_, i) => i));
    });
  });

  describe('authentication', () => {
    const attempt = async (user: string, password?: string, database = 'postgres'): Promise<unknown> => {
      const client = new pg.Client({ ...address(), user, database, password });
      client.on('error', () => {});
      try {
        await client.connect();
        const { rows: found } = await client.query('select current_user as who');
        await client.end();
        return found[0].who;
      } catch (caught) {
        const { code, message } = caught as { code: string; message: string };
        return { code, message };
      }
    };
    beforeAll(async () => {
      cluster.psql(`create role plain_user login password 'secret'`);
      cluster.psql(`set password_encryption = 'md5'; create user md5_user password 'secret'`);
      cluster.psql(`create user scram_user encrypted password 'secret'`);
      for (const name of ['empty_user', 'rejected', 'unlisted']) cluster.psql(`create user ${name}`);
      const hba = join(cluster.dataDirectory, 'pg_hba.conf');
      expect(readFileSync(hba, 'utf8')).toContain('trust');
      writeFileSync(
        hba,
        [
          'host all postgres 127.0.0.1/32 trust',
          'host all plain_user 127.0.0.1/32 password',
          'host all md5_user 127.0.0.1/32 md5',
          'host all scram_user,empty_user,nobody 127.0.0.1/32 scram-sha-256',
          'host all rejected all reject',
          '',
        ].join('\n'),
      );
      const client = await WireClient.session(cluster.port);
      await rows(client, 'select pg_reload_conf()');
      client.close();
      await waitFor('the new rules', async () => (await attempt('rejected')) !== 'rejected');
    });

    test.each(['plain_user', 'md5_user', 'scram_user'])(
      '%s: the right password opens, a wrong one does not',
      async (user) => {
        expect(await attempt(user, 'secret')).toBe(user);
        expect(await attempt(user, 'wrong')).toEqual({
          code: '28P01',
          message: `password authentication failed for user "${user}"`,
        });
      },
    );
    test('a role without a password, or that does not exist, fails like a wrong password', async () => {
      for (const user of ['empty_user', 'nobody'])
        expect(await attempt(user, 'secret')).toEqual({
          code: '28P01',
          message: `password authentication failed for user "${user}"`,
        });
    });
    test('reject and no entry are told apart', async () => {
      expect(await attempt('rejected')).toEqual({
        code: '28000',
        message:
          'pg_hba.conf rejects connection for host "127.0.0.1", user "rejected", database "postgres", no encryption',
      });
      expect(await attempt('unlisted')).toEqual({
        code: '28000',
        message: 'no pg_hba.conf entry for host "127.0.0.1", user "unlisted", database "postgres", no encryption',
      });
    });
    test('an unknown database is named', async () => {
      expect(await attempt('postgres', undefined, 'nowhere')).toEqual({
        code: '3D000',
        message: 'database "nowhere" does not exist',
      });
    });
  });
});
