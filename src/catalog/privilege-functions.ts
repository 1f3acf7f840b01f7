/** privilege-functions.ts — has_table_privilege() and its many relatives, pg_has_role(), aclitem's functions.
 *
 *  The relatives differ only in how they name role and object, which their prosrc spells: …_name_id takes a role's name
 *  and an object's OID. So they are made from one table.
 *  Counterpart: src/backend/utils/adt/acl.c */
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import { type BuiltinFunction, registerBuiltins, registerSetBuiltins, type SetIterator } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { mayOnColumns } from '#catalog/acl-check.ts';
import {
  aclArray,
  defaultAcl,
  formatAclItem,
  hasRight,
  parseAclItem,
  parsePrivileges,
  type ProtectedObject,
  rightName,
} from '#catalog/acl.ts';
import { findProcedureByText, findRelationByText, parseTypeText } from '#catalog/reg-types.ts';
import { getRole, hasPrivilegesOfRole, isMemberOfRole } from '#catalog/roles.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { attributes, classRow, databaseByName, namespaceByName, systemAttributes } from '#catalog/syscache.ts';
import { store } from '#catalog/rows.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE, type SqlState } from '#runtime/error/sqlstate.ts';

const missing = (code: SqlState, message: string): never => report('ERROR', { code, message });

const STORES = {
  pg_class: store.class,
  pg_database: store.database,
  pg_proc: store.proc,
  pg_language: store.language,
  pg_namespace: store.namespace,
  pg_tablespace: store.tablespace,
  pg_type: store.type,
} as const;

interface ObjectKind {
  readonly letter: string;
  readonly catalog: keyof typeof STORES;
  readonly aclColumn: string;
  readonly ownerColumn: string;
  readonly rights: readonly string[];
  find(name: string): Oid;
}
const named =
  (rows: (name: string) => { oid: Oid } | undefined, what: string, code: SqlState) =>
  (name: string): Oid =>
    rows(name)?.oid ?? missing(code, `${what} "${name}" does not exist`);

const TABLE_RIGHTS = ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'];
const KINDS: Readonly<Record<string, ObjectKind>> = {
  table: {
    letter: 'r',
    catalog: 'pg_class',
    aclColumn: 'relacl',
    ownerColumn: 'relowner',
    rights: TABLE_RIGHTS,
    find: findRelationByText,
  },
  sequence: {
    letter: 's',
    catalog: 'pg_class',
    aclColumn: 'relacl',
    ownerColumn: 'relowner',
    rights: ['USAGE', 'SELECT', 'UPDATE'],
    find: (name) => {
      const oid = findRelationByText(name);
      if (classRow(oid)?.relkind !== 'S') missing(SQLSTATE.wrongObjectType, `"${name}" is not a sequence`);
      return oid;
    },
  },
  database: {
    letter: 'd',
    catalog: 'pg_database',
    aclColumn: 'datacl',
    ownerColumn: 'datdba',
    rights: ['CREATE', 'TEMPORARY', 'CONNECT'],
    find: named(databaseByName, 'database', SQLSTATE.undefinedDatabase),
  },
  schema: {
    letter: 'n',
    catalog: 'pg_namespace',
    aclColumn: 'nspacl',
    ownerColumn: 'nspowner',
    rights: ['CREATE', 'USAGE'],
    find: named(namespaceByName, 'schema', SQLSTATE.undefinedSchema),
  },
  function: {
    letter: 'f',
    catalog: 'pg_proc',
    aclColumn: 'proacl',
    ownerColumn: 'proowner',
    rights: ['EXECUTE'],
    find: findProcedureByText,
  },
  language: {
    letter: 'l',
    catalog: 'pg_language',
    aclColumn: 'lanacl',
    ownerColumn: 'lanowner',
    rights: ['USAGE'],
    find: named((name) => store.language.by('lanname', name)[0], 'language', SQLSTATE.undefinedObject),
  },
  tablespace: {
    letter: 't',
    catalog: 'pg_tablespace',
    aclColumn: 'spcacl',
    ownerColumn: 'spcowner',
    rights: ['CREATE'],
    find: named((name) => store.tablespace.by('spcname', name)[0], 'tablespace', SQLSTATE.undefinedObject),
  },
  type: {
    letter: 'T',
    catalog: 'pg_type',
    aclColumn: 'typacl',
    ownerColumn: 'typowner',
    rights: ['USAGE'],
    find: (name) => parseTypeText(name).type,
  },
};

function protectedObject(kind: ObjectKind, oid: Oid): ProtectedObject | undefined {
  const row: object | undefined = STORES[kind.catalog].byOid(oid);
  if (row === undefined) return undefined;
  const columns = row as Record<string, unknown>;
  return {
    letter: columns['relkind'] === 'S' ? 's' : kind.letter,
    owner: columns[kind.ownerColumn] as Oid,
    acl: columns[kind.aclColumn] as readonly string[] | null,
  };
}

function check(kind: ObjectKind, role: Oid, oid: Oid, privileges: string): boolean | null {
  const wanted = parsePrivileges(privileges, kind.rights);
  const object = protectedObject(kind, oid);
  if (object === undefined) return null;
  return wanted.some(({ right, withGrant }) => hasRight(object, role, right, withGrant));
}

/** The OID of a role given by name; "public" is 0. */
const roleOid = (name: string): Oid => (name === 'public' ? (0 as Oid) : getRole(name).oid);

const functions: Record<string, BuiltinFunction> = {};
for (const [name, kind] of Object.entries(KINDS)) {
  const base = `has_${name}_privilege`;
  const me = (): Oid => sessionIdentity.userOid;
  functions[`${base}_name_name`] = (role: string, object: string, p: string) =>
    check(kind, roleOid(role), kind.find(object), p);
  functions[`${base}_name_id`] = (role: string, object: Oid, p: string) => check(kind, roleOid(role), object, p);
  functions[`${base}_id_name`] = (role: Oid, object: string, p: string) => check(kind, role, kind.find(object), p);
  functions[`${base}_id_id`] = (role: Oid, object: Oid, p: string) => check(kind, role, object, p);
  functions[`${base}_name`] = (object: string, p: string) => check(kind, me(), kind.find(object), p);
  functions[`${base}_id`] = (object: Oid, p: string) => check(kind, me(), object, p);
}

// ---- columns: a right on the table is a right on each column

const COLUMN: ObjectKind = { ...KINDS['table']!, rights: ['SELECT', 'INSERT', 'UPDATE', 'REFERENCES'] };
function checkColumn(role: Oid, relid: Oid, column: string | number, privileges: string): boolean | null {
  const exists =
    typeof column === 'number'
      ? attributes(relid)[column - 1] !== undefined || systemAttributes(relid).some((a) => a.attnum === column)
      : [...attributes(relid), ...systemAttributes(relid)].some((a) => a.attname === column);
  if (!exists) {
    if (typeof column === 'number') return null;
    return missing(
      SQLSTATE.undefinedColumn,
      `column "${column}" of relation "${classRow(relid)?.relname ?? relid}" does not exist`,
    );
  }
  const attnum =
    typeof column === 'number'
      ? column
      : [...attributes(relid), ...systemAttributes(relid)].find((a) => a.attname === column && !a.attisdropped)!.attnum;
  return checkByColumn(role, relid, privileges, [attnum]);
}
/** On the table, or on these columns by themselves; no columns: on any. */
function checkByColumn(role: Oid, relid: Oid, privileges: string, columns: readonly number[]): boolean | null {
  const wanted = parsePrivileges(privileges, COLUMN.rights);
  const row = classRow(relid);
  if (row === undefined) return null;
  const table = { letter: 'r', owner: row.relowner, acl: row.relacl };
  return wanted.some(
    ({ right, withGrant }) =>
      hasRight(table, role, right, withGrant) || mayOnColumns(row, role, right, columns, withGrant),
  );
}
type Named = string | Oid;
const roleArgument: Readonly<Record<string, (r: Named) => Oid>> = {
  name: (r) => roleOid(r as string),
  id: (r) => r as Oid,
};
const tableArgument: Readonly<Record<string, (t: Named) => Oid>> = {
  name: (t) => findRelationByText(t as string),
  id: (t) => t as Oid,
};
for (const [r, role] of Object.entries(roleArgument)) {
  for (const [t, relation] of Object.entries(tableArgument)) {
    for (const c of ['name', 'attnum']) {
      functions[`has_column_privilege_${r}_${t}_${c}`] = (
        who: Named,
        table: Named,
        column: string | number,
        p: string,
      ) => checkColumn(role(who), relation(table), column, p);
    }
    functions[`has_any_column_privilege_${r}_${t}`] = (who: Named, table: Named, p: string) =>
      checkByColumn(role(who), relation(table), p, []);
  }
}
for (const [t, relation] of Object.entries(tableArgument)) {
  for (const c of ['name', 'attnum']) {
    functions[`has_column_privilege_${t}_${c}`] = (table: Named, column: string | number, p: string) =>
      checkColumn(sessionIdentity.userOid, relation(table), column, p);
  }
  functions[`has_any_column_privilege_${t}`] = (table: Named, p: string) =>
    checkByColumn(sessionIdentity.userOid, relation(table), p, []);
}

// ---- roles

function hasRole(member: Oid, role: Oid, privileges: string): boolean {
  return privileges.split(',').some((part) => {
    const word = part.trim().toUpperCase();
    const name = word.replace(/ WITH (GRANT|ADMIN) OPTION$/, '');
    if (name === 'USAGE') return hasPrivilegesOfRole(member, role);
    if (name === 'MEMBER') return isMemberOfRole(member, role);
    return missing(SQLSTATE.invalidParameterValue, `unrecognized privilege type: "${part.trim()}"`) === true;
  });
}
functions['pg_has_role_name_name'] = (who: string, role: string, p: string) =>
  hasRole(getRole(who).oid, getRole(role).oid, p);
functions['pg_has_role_name_id'] = (who: string, role: Oid, p: string) => hasRole(getRole(who).oid, role, p);
functions['pg_has_role_id_name'] = (who: Oid, role: string, p: string) => hasRole(who, getRole(role).oid, p);
functions['pg_has_role_id_id'] = hasRole;
functions['pg_has_role_name'] = (role: string, p: string) => hasRole(sessionIdentity.userOid, getRole(role).oid, p);
functions['pg_has_role_id'] = (role: Oid, p: string) => hasRole(sessionIdentity.userOid, role, p);

// ---- aclitem

const canonical = (text: string): string => formatAclItem(parseAclItem(text));
functions['aclitemin'] = canonical;
functions['aclitemout'] = (item: string) => item;
functions['aclitem_eq'] = (a: string, b: string) => canonical(a) === canonical(b);
functions['acldefault_sql'] = (letter: string, owner: Oid) => aclArray(defaultAcl(letter, owner));
functions['aclcontains'] = (acl: ArrayDatum, wanted: string) => {
  const item = parseAclItem(wanted);
  return acl.elements.some((element) => {
    const have = parseAclItem(element as string);
    if (have.grantee !== item.grantee || have.grantor !== item.grantor) return false;
    return (
      [...item.rights].every((r) => have.rights.includes(r)) &&
      [...item.grantable].every((r) => have.grantable.includes(r))
    );
  });
};
functions['makeaclitem'] = (grantee: Oid, grantor: Oid, privileges: string, grantable: boolean) => {
  const all = [...TABLE_RIGHTS, 'USAGE', 'CREATE', 'TEMPORARY', 'CONNECT', 'EXECUTE', 'SET', 'ALTER SYSTEM', 'RULE'];
  const rights = parsePrivileges(privileges, all)
    .map((p) => p.right)
    .join('');
  return formatAclItem({ grantee, grantor, rights, grantable: grantable ? rights : '' });
};
registerBuiltins(functions);

class AclRows implements SetIterator {
  value: Datum | readonly Datum[] = null;
  #at = 0;
  readonly #rows: readonly (readonly Datum[])[];
  constructor(acl: ArrayDatum) {
    this.#rows = acl.elements.flatMap((element) => {
      const item = parseAclItem(element as string);
      return [...item.rights].map((letter) => [
        item.grantor,
        item.grantee,
        rightName(letter),
        item.grantable.includes(letter),
      ]);
    });
  }
  next(): boolean {
    const row = this.#rows[this.#at++];
    if (row === undefined) return false;
    this.value = row;
    return true;
  }
}
registerSetBuiltins({ aclexplode: (_info, acl: ArrayDatum) => new AclRows(acl) });
