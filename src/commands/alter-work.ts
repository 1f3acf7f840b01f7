/** alter-work.ts — what one ALTER TABLE has to do with each of the tables that it changes.
 *
 *  Catalogs are changed first, command by command; the rows are looked at or rewritten once, when everything is known.
 *  Counterpart: AlteredTableInfo of src/backend/commands/tablecmds.c */
import type { Constraint } from '@pgsql/types';
import type { TupleDesc } from '#access/common/relation-descriptor.ts';
import type { Oid } from '#base/ids.ts';
import { relationClose, relationOpen } from '#catalog/relation.ts';
import type { IndexRequest } from '#commands/define-index.ts';
import type { RawCheck } from '#commands/cook-constraint.ts';
import type { Expr } from '#nodes/primitives.ts';
import { LOCK, type LockMode } from '#storage/lmgr/lock-modes.ts';

/** A column whose values are computed of the old row, or, generated ones, of the new row. */
export interface NewValue {
  readonly attnum: number;
  readonly expr: Expr;
  readonly generated: boolean;
}
export interface AlteredTable {
  readonly relid: Oid;
  /** Columns as the stored rows have them. */
  readonly oldDesc: TupleDesc;
  readonly checks: { readonly name: string; readonly expr: Expr }[];
  readonly newValues: NewValue[];
  readonly changedColumns: Set<number>;
  verifyNotNull: boolean;
  rewrite: boolean;
  newPersistence: 'p' | 'u' | null;
}
/** An index or constraint that goes with the old type of a column and comes back with the new one. */
export interface Rebuild {
  readonly relid: Oid;
  readonly classId: Oid;
  readonly objectId: Oid;
  readonly comment: string | null;
  readonly index?: IndexRequest;
  readonly clustered?: boolean;
  readonly replicaIdentity?: boolean;
  readonly check?: RawCheck;
  readonly foreignKey?: Constraint;
  readonly validated?: boolean;
}
export interface AlterWork {
  readonly sourceText: string;
  readonly lock: LockMode;
  readonly tables: Map<Oid, AlteredTable>;
  readonly rebuilds: Map<Oid, Rebuild>;
  /** Foreign keys to be checked when all tables have their final rows. */
  readonly validations: { readonly relid: Oid; readonly constraint: Oid }[];
}

/** The table's entry; made when it is first touched, before anything about it changes. */
export function alteredTable(work: AlterWork, relid: Oid): AlteredTable {
  let table = work.tables.get(relid);
  if (table === undefined) {
    const rel = relationOpen(relid, LOCK.none);
    table = {
      relid,
      oldDesc: rel.tupleDesc,
      checks: [],
      newValues: [],
      changedColumns: new Set(),
      verifyNotNull: false,
      rewrite: false,
      newPersistence: null,
    };
    work.tables.set(relid, table);
    relationClose(rel, LOCK.none);
  }
  return table;
}
