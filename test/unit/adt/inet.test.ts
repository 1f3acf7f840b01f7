import { expect, test } from 'vitest';
import { disagreements } from './golden-vectors.ts';

test('network addresses give the texts and errors that PostgreSQL gives', () => {
  expect(disagreements('inet')).toEqual([]);
});
