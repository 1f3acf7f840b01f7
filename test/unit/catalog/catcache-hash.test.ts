import { expect, it } from 'vitest';
import type { Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { catcacheHash } from '#catalog/catcache-hash.ts';
import { syscacheCatalog, type SyscacheName, SYSCACHE, syscachesOf } from '#catalog/syscache-list.ts';

const hash = (name: SyscacheName, ...values: Datum[]): number => {
  const catalog = syscacheCatalog(SYSCACHE[name])!;
  const cache = syscachesOf(catalog).find(({ id }) => id === SYSCACHE[name])!;
  return catcacheHash(catalog, cache, values);
};
const oidvector = (...elements: number[]): Datum => ({
  kind: 'array',
  elementType: 26 as Oid,
  dims: [elements.length],
  lowerBounds: [0],
  elements,
});

// From commit records of PostgreSQL 15: CREATE SCHEMA s1 (OID 16397), CREATE ROLE r1 (16396), CREATE FUNCTION ff(int)
// (16398), CREATE TABLE it (a int primary key) (16391, index 16394).
it.each([
  ['namespaceoid', [16397], 3595371926],
  ['namespacename', ['s1'], 762377002],
  ['authoid', [16396], 3413602110],
  ['authname', ['r1'], 1917938941],
  ['procoid', [16398], 941717845],
  ['procnameargsnsp', ['ff', oidvector(23), 2200], 1092239988],
  ['reloid', [16391], 1516896154],
  ['relnamensp', ['it', 2200], 1552984595],
  ['attnum', [16391, 1], 339822795],
  ['attname', [16391, 'a'], 1226395354],
  ['attnum', [16391, -1], 2869347867],
  ['attname', [16391, 'ctid'], 2248107823],
  ['indexrelid', [16394], 3395064123],
] as const)('the hash of %s is PostgreSQL’s', (name, values, expected) => {
  expect(hash(name, ...values)).toBe(expected);
});
