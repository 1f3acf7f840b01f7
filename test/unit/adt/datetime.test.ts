import { expect, test } from 'vitest';
import { disagreements } from './golden-vectors.ts';

test('dates, times and intervals give the texts and errors that PostgreSQL gives', () => {
  expect(disagreements('datetime')).toEqual([]);
});
