/** internal-trigger.ts — triggers that the system makes for constraints: foreign keys, deferrable uniqueness.
 *  Counterpart: CreateTrigger() with isInternal of src/backend/commands/trigger.c */
import type { Oid } from '#base/ids.ts';
import { catalogInsert, catalogUpdateColumns, catalogValues } from '#catalog/indexing.ts';
import { cacheInvalidateRelcache } from '#catalog/inval.ts';
import { getNewOidWithIndex } from '#catalog/new-oid.ts';
import { objectAddress } from '#catalog/object-address.ts';
import { RELATION, TYPE } from '#catalog/oids.ts';
import { recordDependencyOn } from '#catalog/pg-depend.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { report } from '#runtime/error/report.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

/** Bits of pg_trigger.tgtype; AFTER and STATEMENT are the absence of others. */
export const TRIGGER_TYPE = {
  row: 1,
  before: 2,
  insert: 4,
  delete: 8,
  update: 16,
  truncate: 32,
  instead: 64,
} as const;

export interface InternalTrigger {
  readonly relid: Oid;
  /** Its OID is appended. */
  readonly name: string;
  readonly constraint: Oid;
  readonly index: Oid;
  /** The other table of a foreign key. */
  readonly otherRelid: Oid;
  readonly func: Oid;
  readonly type: number;
  readonly deferrable: boolean;
  readonly initiallyDeferred: boolean;
}

export function createInternalTrigger(of: InternalTrigger): Oid {
  const pgTrigger = tableOpen(RELATION.pgTrigger, LOCK.rowExclusive);
  const oid = getNewOidWithIndex(pgTrigger, 2702 as Oid);
  catalogInsert(
    pgTrigger,
    catalogValues(pgTrigger, {
      oid,
      tgrelid: of.relid,
      tgparentid: 0 as Oid,
      tgname: `${of.name}_${oid}`,
      tgfoid: of.func,
      tgtype: of.type,
      tgenabled: 'O',
      tgisinternal: true,
      tgconstrrelid: of.otherRelid,
      tgconstrindid: of.index,
      tgconstraint: of.constraint,
      tgdeferrable: of.deferrable,
      tginitdeferred: of.initiallyDeferred,
      tgnargs: 0,
      tgattr: { kind: 'array', elementType: TYPE.int2, dims: [0], lowerBounds: [0], elements: [] },
      tgargs: new Uint8Array(0),
      tgqual: null,
      tgoldtable: null,
      tgnewtable: null,
    }),
  );
  relationClose(pgTrigger, LOCK.rowExclusive);
  const pgClass = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.class, pgClass, 2662 as Oid, [{ attnum: 1, value: of.relid }]);
  if (found === undefined) report('ERROR', { message: `cache lookup failed for relation ${of.relid}` });
  if (!found.row.relhastriggers) {
    catalogUpdateColumns(pgClass, found.tid, { relhastriggers: true });
    commandCounterIncrement();
  } else cacheInvalidateRelcache(of.relid);
  relationClose(pgClass, LOCK.rowExclusive);
  const myself = objectAddress(RELATION.pgTrigger, oid);
  recordDependencyOn(myself, objectAddress(RELATION.pgProc, of.func), 'n');
  recordDependencyOn(myself, objectAddress(RELATION.pgConstraint, of.constraint), 'i');
  return oid;
}
