/** grant-target.ts — what GRANT and REVOKE name: the objects of each kind, the rights that the kind knows.
 *  Counterpart: objectNamesToOids(), objectsInSchemaToOids(), string_to_privilege() of src/backend/catalog/aclchk.c */
import type { GrantStmt, Node, ObjectType } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { rightBits } from '#catalog/acl-update.ts';
import { RIGHTS, rightName } from '#catalog/acl.ts';
import { namespaceOid } from '#catalog/namespace.ts';
import { RELATION } from '#catalog/oids.ts';
import { rangeVarGetRelid } from '#catalog/range-var.ts';
import { store } from '#catalog/rows.ts';
import { databaseByName, namespaceByName } from '#catalog/syscache.ts';
import { relationName } from '#commands/alter-relation-check.ts';
import { getObjectAddress } from '#commands/object-lookup.ts';
import { stringOf } from '#parser/ast.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE, type SqlState } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';

/** A kind of object: its catalog, letter of acldefault(), columns, rights. */
export interface GrantKind {
  readonly catalog: Oid;
  readonly letter: string;
  /** In `invalid privilege type … for …`. */
  readonly word: string;
  /** In `permission denied for …`. */
  readonly deniedWord: string;
  readonly allowed: number;
  readonly owner: string;
  readonly acl: string;
  readonly name: string;
  /** Unique index over the OID. */
  readonly index: Oid;
}
export const ALL_RELATION = rightBits('arwdDxt');
export const ALL_SEQUENCE = rightBits('rwU');
export const ALL_COLUMN = rightBits('arwx');

const kind = (
  catalog: Oid,
  index: number,
  letter: string,
  words: string,
  letters: string,
  columns: string,
): GrantKind => {
  const [word, deniedWord = word] = words.split('|');
  const [owner, acl, name] = columns.split(' ');
  return {
    catalog,
    letter,
    word: word!,
    deniedWord: deniedWord!,
    allowed: rightBits(letters),
    owner: owner!,
    acl: acl!,
    name: name!,
    index: index as Oid,
  };
};
const CLASS = 'relowner relacl relname';
const PROC = 'proowner proacl proname';
const TYPE = 'typowner typacl typname';
const KINDS: Readonly<Partial<Record<ObjectType, GrantKind>>> = {
  OBJECT_TABLE: kind(RELATION.pgClass, 2662, 'r', 'relation|table', 'arwdDxtU', CLASS),
  OBJECT_SEQUENCE: kind(RELATION.pgClass, 2662, 's', 'sequence', 'rwU', CLASS),
  OBJECT_DATABASE: kind(RELATION.pgDatabase, 2672, 'd', 'database', 'CTc', 'datdba datacl datname'),
  OBJECT_DOMAIN: kind(RELATION.pgType, 2703, 'T', 'domain|type', 'U', TYPE),
  OBJECT_TYPE: kind(RELATION.pgType, 2703, 'T', 'type', 'U', TYPE),
  OBJECT_FUNCTION: kind(RELATION.pgProc, 2690, 'f', 'function', 'X', PROC),
  OBJECT_PROCEDURE: kind(RELATION.pgProc, 2690, 'f', 'procedure|function', 'X', PROC),
  OBJECT_ROUTINE: kind(RELATION.pgProc, 2690, 'f', 'routine|function', 'X', PROC),
  OBJECT_LANGUAGE: kind(RELATION.pgLanguage, 2682, 'l', 'language', 'U', 'lanowner lanacl lanname'),
  OBJECT_SCHEMA: kind(RELATION.pgNamespace, 2685, 'n', 'schema', 'UC', 'nspowner nspacl nspname'),
  OBJECT_TABLESPACE: kind(RELATION.pgTablespace, 2697, 't', 'tablespace', 'C', 'spcowner spcacl spcname'),
};
export function grantKind(type: ObjectType): GrantKind {
  const found = KINDS[type];
  if (found !== undefined) return found;
  return report('ERROR', {
    code: SQLSTATE.featureNotSupported,
    message: `privileges on objects of type ${type.slice('OBJECT_'.length).toLowerCase()} are not supported yet`,
  });
}

const missing = (what: string, name: string, code: SqlState): never =>
  report('ERROR', { code, message: `${what} "${name}" does not exist` });

function objectOid(type: ObjectType, node: Node): Oid {
  const name = stringOf(node);
  switch (type) {
    case 'OBJECT_TABLE':
    case 'OBJECT_SEQUENCE':
      return rangeVarGetRelid(relationName('RangeVar' in node ? node.RangeVar : {}), LOCK.none, {});
    case 'OBJECT_DATABASE':
      return databaseByName(name)?.oid ?? missing('database', name, SQLSTATE.undefinedDatabase);
    case 'OBJECT_SCHEMA':
      return namespaceByName(name)?.oid ?? missing('schema', name, SQLSTATE.undefinedSchema);
    case 'OBJECT_LANGUAGE':
      return store.language.by('lanname', name)[0]?.oid ?? missing('language', name, SQLSTATE.undefinedObject);
    case 'OBJECT_TABLESPACE':
      return store.tablespace.by('spcname', name)[0]?.oid ?? missing('tablespace', name, SQLSTATE.undefinedObject);
    default:
      // A domain's kind is looked at later, with the others' words.
      return getObjectAddress(
        type === 'OBJECT_DOMAIN' ? 'OBJECT_TYPE' : type,
        asTypeName(type, node),
        LOCK.accessShare,
      )!.objectId;
  }
}
/** GRANT … ON TYPE gives its names as a list. */
const asTypeName = (type: ObjectType, node: Node): Node =>
  (type === 'OBJECT_TYPE' || type === 'OBJECT_DOMAIN') && 'List' in node
    ? { TypeName: { names: (node.List.items as Node[] | undefined) ?? [] } }
    : node;

const KINDS_IN_SCHEMA = 'rvmfp';
function objectsInSchemas(type: ObjectType, schemas: readonly Node[]): Oid[] {
  const out: Oid[] = [];
  for (const node of schemas) {
    const namespace = namespaceOid(stringOf(node));
    if (type === 'OBJECT_TABLE' || type === 'OBJECT_SEQUENCE') {
      const rows = store.class.by('relnamespace', namespace);
      for (const relkind of type === 'OBJECT_TABLE' ? KINDS_IN_SCHEMA : 'S') {
        for (const row of rows) if (row.relkind === relkind) out.push(row.oid);
      }
    } else {
      for (const row of store.proc.by('pronamespace', namespace)) {
        if (type === 'OBJECT_FUNCTION' && row.prokind === 'p') continue;
        if (type === 'OBJECT_PROCEDURE' && row.prokind !== 'p') continue;
        out.push(row.oid);
      }
    }
  }
  return out;
}
export const grantedObjects = (stmt: GrantStmt): Oid[] =>
  stmt.targtype === 'ACL_TARGET_ALL_IN_SCHEMA'
    ? objectsInSchemas(stmt.objtype ?? 'OBJECT_TABLE', stmt.objects ?? [])
    : (stmt.objects ?? []).map((node) => objectOid(stmt.objtype ?? 'OBJECT_TABLE', node));

/** The bit of a right by its name; 0 for RULE, which once was one. */
export function privilegeBit(name: string): number {
  if (name === 'rule') return 0;
  const word = name === 'temp' ? 'TEMPORARY' : name.toUpperCase();
  if (name === name.toLowerCase() && Object.hasOwn(RIGHTS, word)) {
    return rightBits(RIGHTS[word as keyof typeof RIGHTS]);
  }
  return report('ERROR', { code: SQLSTATE.syntaxError, message: `unrecognized privilege type "${name}"` });
}
export const privilegeWord = (bit: number): string => {
  const letters = Object.values(RIGHTS).join('');
  return rightName(letters[31 - Math.clz32(bit)]!);
};
