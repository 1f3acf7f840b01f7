/** tablespace-choice.ts — where a new relation goes if nobody says so, and whether it may.
 *  Counterpart: GetDefaultTablespace() of src/backend/commands/tablespace.c */
import type { Oid } from '#base/ids.ts';
import { splitIdentifiers } from '#catalog/namespace.ts';
import { checkTablespaceCreate } from '#catalog/object-rights.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { store } from '#catalog/rows.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';

const NO_OID = 0 as Oid;
const GLOBAL_TABLESPACE = 1664 as Oid;

export function tablespaceOid(name: string): Oid {
  const row = store.tablespace.by('spcname', name)[0];
  if (row === undefined) {
    report('ERROR', { code: SQLSTATE.undefinedObject, message: `tablespace "${name}" does not exist` });
  }
  return row.oid;
}

function defaultTablespace(persistence: 'p' | 'u' | 't'): Oid {
  if (persistence === 't') {
    const names = splitIdentifiers(settings.temp_tablespaces) ?? [];
    for (const name of names) {
      const row = store.tablespace.by('spcname', name)[0];
      if (row !== undefined) return row.oid === sessionIdentity.databaseTablespace ? NO_OID : row.oid;
    }
    return NO_OID;
  }
  if (settings.default_tablespace === '') return NO_OID;
  // A tablespace that is gone since is no reason to fail.
  const row = store.tablespace.by('spcname', settings.default_tablespace)[0];
  return row === undefined || row.oid === sessionIdentity.databaseTablespace ? NO_OID : row.oid;
}

/** The tablespace of a new relation: named, or the default; with the right to use it checked. */
export function chooseTablespace(name: string | undefined, persistence: 'p' | 'u' | 't'): Oid {
  const oid = name !== undefined && name !== '' ? tablespaceOid(name) : defaultTablespace(persistence);
  if (oid !== 0 && oid !== sessionIdentity.databaseTablespace) checkTablespaceCreate(oid);
  if (oid === GLOBAL_TABLESPACE) {
    report('ERROR', {
      code: SQLSTATE.invalidParameterValue,
      message: 'only shared relations can be placed in pg_global tablespace',
    });
  }
  return oid;
}
