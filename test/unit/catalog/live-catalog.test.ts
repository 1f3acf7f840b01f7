import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Oid } from '#base/ids.ts';
import { catalogRowSource } from '#catalog/catalog-state.ts';
import { factTable } from '#catalog/facts.ts';
import { catalogDelete, catalogInsert, catalogUpdateColumns, catalogValues } from '#catalog/indexing.ts';
import { RELATION } from '#catalog/oids.ts';
import { setIgnoreSystemIndexes } from '#catalog/relcache.ts';
import { relationClose, relationOpen } from '#catalog/relation.ts';
import { isSuperuserOid, roleByName } from '#catalog/roles.ts';
import { ROW_SOURCE, store } from '#catalog/rows.ts';
import { namespaceByName, procsByName } from '#catalog/syscache.ts';
import { findCatalogTuples, scanCatalogRows } from '#catalog/systable.ts';
import {
  abortOutOfAnyTransaction,
  commandCounterIncrement,
  commitTransactionCommand,
  startTransactionCommand,
} from '#transam/xact.ts';
import { openTestDatabase, type TestDatabase } from '../../support/test-database.ts';

let database: TestDatabase;
beforeAll(() => {
  database = openTestDatabase();
});
afterAll(() => database.remove());
afterEach(() => abortOutOfAnyTransaction());

function inTransaction<T>(work: () => T): T {
  startTransactionCommand();
  const result = work();
  commitTransactionCommand();
  return result;
}
const NAMESPACE_OID_INDEX = 2685 as Oid;
const newSchema = (oid: number, name: string): void => {
  const rel = relationOpen(RELATION.pgNamespace, 3);
  catalogInsert(rel, catalogValues(rel, { oid, nspname: name, nspowner: 10 }));
  relationClose(rel, 0);
};
const schemaTid = (oid: number): number => {
  const rel = relationOpen(RELATION.pgNamespace, 3);
  const [found] = findCatalogTuples(store.namespace, rel, NAMESPACE_OID_INDEX, [{ attnum: 1, value: oid }]);
  relationClose(rel, 0);
  return found!.tid;
};

describe('catalogs as tables', () => {
  it('describes pg_class by its own row', () => {
    inTransaction(() => {
      const rel = relationOpen(RELATION.pgClass, 1);
      expect([rel.name, rel.pages, rel.tuples]).toEqual(['pg_class', 11, 410]);
      relationClose(rel, 1);
    });
  });
  it('reads shared catalogs from their tables', () => {
    inTransaction(() => {
      expect(store.authid.byOid(10 as Oid)?.rolname).toBe('postgres');
      expect(roleByName('pg_monitor')?.oid).toBe(3373);
      expect(isSuperuserOid(10 as Oid)).toBe(true);
      const names = store.database.all().map((d) => d.datname);
      expect([...names].sort()).toEqual(['postgres', 'template0', 'template1']);
    });
  });
  it('has every fact in its table, and knows it', () => {
    inTransaction(() => {
      for (const rows of Object.values(store)) {
        const facts = rows.facts;
        if (facts === null || rows.relid === RELATION.pgAuthid || rows.relid === RELATION.pgDatabase) continue;
        let count = 0;
        scanCatalogRows(rows.relid, 0, [], (scan) => {
          scan.values();
          count++;
          return undefined;
        });
        expect([facts.catalog, count]).toEqual([facts.catalog, factTable(facts.catalog).count]);
      }
      expect(catalogRowSource(RELATION.pgProc)).toBe(ROW_SOURCE.facts);
      expect(catalogRowSource(RELATION.pgOperator)).toBe(ROW_SOURCE.facts);
    });
  });
  it.each([
    ['with indexes', false],
    ['without indexes', true],
  ])('reads the same rows from facts and tables %s', (_, ignore) => {
    setIgnoreSystemIndexes(() => ignore);
    try {
      inTransaction(() => {
        scanCatalogRows(RELATION.pgType, 2703 as Oid, [{ attnum: 1, value: 23 }], (scan) => {
          const values = scan.values();
          expect(values[1]).toBe('int4');
          return undefined;
        });
        const found: unknown[] = [];
        scanCatalogRows(RELATION.pgProc, 2691 as Oid, [{ attnum: 2, value: 'int4pl' }], (scan) => {
          found.push(scan.value(1));
          return undefined;
        });
        expect(found).toEqual(procsByName('int4pl').map((p) => p.oid));
      });
    } finally {
      setIgnoreSystemIndexes(() => false);
    }
  });
});

describe('rows that others make', () => {
  it('are seen by the next command, kept by a commit, forgotten by an abort', () => {
    inTransaction(() => {
      expect(namespaceByName('one')).toBeUndefined();
      newSchema(20_001, 'one');
      expect(namespaceByName('one')).toBeUndefined();
      commandCounterIncrement();
      expect(namespaceByName('one')?.oid).toBe(20_001);
      expect(catalogRowSource(RELATION.pgNamespace)).toBe(ROW_SOURCE.both);
    });
    inTransaction(() => expect(namespaceByName('one')?.oid).toBe(20_001));
    startTransactionCommand();
    newSchema(20_002, 'two');
    commandCounterIncrement();
    expect(namespaceByName('two')?.oid).toBe(20_002);
    abortOutOfAnyTransaction();
    inTransaction(() => {
      expect(namespaceByName('two')).toBeUndefined();
      expect(namespaceByName('pg_catalog')?.oid).toBe(11);
      expect(store.namespace.all().length).toBe(factTable('pg_namespace').count + 1);
    });
  });
  it('cannot have the same name twice', () => {
    inTransaction(() => newSchema(20_003, 'three'));
    startTransactionCommand();
    expect(() => newSchema(20_004, 'three')).toThrow(
      'duplicate key value violates unique constraint "pg_namespace_nspname_index"',
    );
    abortOutOfAnyTransaction();
  });
  it('are changed and deleted', () => {
    inTransaction(() => newSchema(20_005, 'five'));
    inTransaction(() => {
      const rel = relationOpen(RELATION.pgNamespace, 3);
      catalogUpdateColumns(rel, schemaTid(20_005), { nspname: 'cinq' });
      commandCounterIncrement();
      expect([namespaceByName('five'), namespaceByName('cinq')?.oid]).toEqual([undefined, 20_005]);
      catalogDelete(rel, schemaTid(20_005));
      relationClose(rel, 0);
      commandCounterIncrement();
      expect(namespaceByName('cinq')).toBeUndefined();
    });
    inTransaction(() => expect(store.namespace.byOid(20_005 as Oid)).toBeUndefined());
  });
});

describe('built-in rows', () => {
  it('are read from the table once one of them was changed', () => {
    inTransaction(() => {
      const rel = relationOpen(RELATION.pgProc, 3);
      const [abs] = findCatalogTuples(store.proc, rel, 2690 as Oid, [{ attnum: 1, value: 1397 }]);
      expect(abs!.row.prosrc).toBe('int4abs');
      catalogUpdateColumns(rel, abs!.tid, { procost: 7 });
      relationClose(rel, 0);
      commandCounterIncrement();
      expect(catalogRowSource(RELATION.pgProc)).toBe(ROW_SOURCE.table);
      expect(store.proc.byOid(1397 as Oid)?.procost).toBe(7);
    });
    inTransaction(() => {
      expect(store.proc.byOid(1397 as Oid)?.procost).toBe(7);
      expect(procsByName('int4pl').length).toBe(1);
      expect(store.operator.byOid(96 as Oid)?.oprname).toBe('=');
    });
  });
});
