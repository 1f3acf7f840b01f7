import { expect, test } from 'vitest';
import { disagreements } from './golden-vectors.ts';

test('json and jsonb give the texts and errors that PostgreSQL gives', () => {
  expect(disagreements('json')).toEqual([]);
});
