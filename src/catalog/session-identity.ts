/** session-identity.ts — which database, which user: what name resolution and current_user ask about this session.
 *
 *  The session sets the fields at start-up and on SET ROLE; catalog code only reads them.
 *  Counterpart: src/backend/utils/init/miscinit.c (user ids), globals.c (MyDatabaseId) */
import type { Oid } from '#base/ids.ts';

export interface SessionIdentity {
  databaseOid: Oid;
  databaseName: string;
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
  userOid: 10 as Oid,
  userName: 'postgres',
  sessionUserOid: 10 as Oid,
  sessionUserName: 'postgres',
  tempNamespace: 0 as Oid,
};
