import { expect, test } from 'vitest';
import { disagreements } from './golden-vectors.ts';

test('to_char and its inverses give the texts and errors that PostgreSQL gives', () => {
  expect(disagreements('formatting')).toEqual([]);
});
