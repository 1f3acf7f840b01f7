/** Whole queries give PostgreSQL's recorded rows and errors. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { differences, type Recorded } from '../../support/recorded.ts';
import { psqlRows } from '../../support/sql-harness.ts';
import { openTestDatabase, type TestDatabase } from '../../support/test-database.ts';

let database: TestDatabase;
beforeAll(() => {
  database = openTestDatabase();
});
afterAll(() => database.remove());

const folder = new URL('recorded', import.meta.url).pathname;
for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
  const recorded = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Recorded[];
  const subject = file.replace('.json', '').replaceAll('-', ' ');
  test(`${recorded.length} queries with ${subject} give what PostgreSQL gives`, () => {
    expect(differences(recorded, psqlRows)).toEqual([]);
  });
}
