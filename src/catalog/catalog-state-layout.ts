/** catalog-state-layout.ts — what all processes know of a database's built-in rows (catalog-state.ts). */
import { atomic32, struct } from '#base/struct.ts';

/** Databases beyond these read their built-in rows from the tables. */
export const DATABASE_SLOTS = 64;
export const DatabaseFacts = struct('DatabaseFacts', 16, {
  /** pg_database.oid, 0 for a free slot. */
  database: atomic32(),
  checked: atomic32(),
  changed: atomic32(),
  own: atomic32(),
});
