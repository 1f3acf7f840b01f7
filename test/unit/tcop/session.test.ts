import { expect, test } from 'vitest';
import { converse, message, query, sync } from './fake-client.ts';

test('select 1 answers T D C Z', () => {
  expect(converse(query('select 1'))).toEqual(['Z I', 'T ?column?:23', 'D 1', 'C SELECT 1', 'Z I']);
});
