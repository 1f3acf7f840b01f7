/** The indexes that initdb makes are sound, and stay so while catalogs change. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { verifyBtree } from '#access/nbtree/verify.ts';
import { indexClose, indexOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { commitTransactionCommand, startTransactionCommand } from '#transam/xact.ts';
import { openTestDatabase, type TestDatabase } from '../../../support/test-database.ts';

let database: TestDatabase;
beforeAll(() => {
  database = openTestDatabase();
});
afterAll(() => database.remove());

test('every index of the catalogs', () => {
  startTransactionCommand();
  let entries = 0;
  const problems: string[] = [];
  const indexes = store.index.all();
  for (const row of indexes) {
    const index = indexOpen(row.indexrelid, LOCK.accessShare);
    const result = verifyBtree(index);
    entries += result.tids.length;
    for (const problem of result.problems) problems.push(`${index.name}: ${problem}`);
    indexClose(index, LOCK.accessShare);
  }
  commitTransactionCommand();
  expect(problems).toEqual([]);
  expect(indexes.length).toBeGreaterThan(100);
  expect(entries).toBeGreaterThan(20_000);
});
