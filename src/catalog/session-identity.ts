/** session-identity.ts — which database, which user: what name resolution and current_user ask about this session.
 *
 *  The session sets the fields at start-up and on SET ROLE; catalog code only reads them.
 *  Counterpart: src/backend/utils/init/miscinit.c (user ids), globals.c (MyDatabaseId) */
import type { Oid } from '#base/ids.ts';

export interface SessionIdentity {
  databaseOid: Oid;
  databaseName: string;
  /** Where the database's relations are unless they say otherwise. */
  databaseTablespace: Oid;
  /** The role whose privileges count now (SET ROLE, SECURITY DEFINER). */
  userOid: Oid;
  userName: string;
  sessionUserOid: Oid;
  sessionUserName: string;
  /** Schema of this session's temporary objects, 0 before the first one. */
  tempNamespace: Oid;
}

export const sessionIdentity: SessionIdentity = {
  databaseOid: 5 as Oid,
  databaseName: 'postgres',
  databaseTablespace: 1663 as Oid,
  userOid: 10 as Oid,
  userName: 'postgres',
  sessionUserOid: 10 as Oid,
  sessionUserName: 'postgres',
  tempNamespace: 0 as Oid,
};

/** How much of the catalogs this process may read from tables: nothing (the postmaster, tests and command line tools
 *  know only the facts), the shared ones (before a database was chosen), or all. */
export const databaseAccess = { shared: false, database: false };
