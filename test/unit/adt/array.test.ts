import { expect, test } from 'vitest';
import { disagreements } from './golden-vectors.ts';

test('array functions give the texts and errors that PostgreSQL gives', () => {
  expect(disagreements('array')).toEqual([]);
});
