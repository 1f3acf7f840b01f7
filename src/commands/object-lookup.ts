/** object-lookup.ts — which object a command means: DROP, COMMENT, ALTER … RENAME and their like name them all alike.
 *
 *  null is an object that does not exist where that is no error. The object found is locked, and looked up again if it
 *  changed while we waited.
 *  Counterpart: get_object_address(), check_object_ownership() of src/backend/catalog/objectaddress.c */
import type { Node, ObjectType, ObjectWithArgs, TypeName } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { formatType } from '#catalog/format-type.ts';
import { functionCandidates } from '#catalog/namespace.ts';
import { objectAddress, type ObjectAddress } from '#catalog/object-address.ts';
import { mustBeOwner, ownsObject, RELKIND_WORD } from '#catalog/object-rights.ts';
import { RELATION } from '#catalog/oids.ts';
import { rangeVarGetRelid } from '#catalog/range-var.ts';
import { isSuperuser } from '#catalog/roles.ts';
import { type ProcRow, store } from '#catalog/rows.ts';
import {
  attributes,
  classRow,
  constraintsOf,
  databaseByName,
  domainConstraints,
  namespaceByName,
  namespaceRow,
  procRow,
  typeRow,
} from '#catalog/syscache.ts';
import { findCollation, findType } from '#catalog/namespace.ts';
import { listItems, stringOf, stringsOf } from '#parser/ast.ts';
import { functionSignature } from '#parser/func.ts';
import { resolveTypeName } from '#parser/type-name.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE, type SqlState } from '#runtime/error/sqlstate.ts';
import { sharedInvalidMessageCounter } from '#storage/ipc/sinval.ts';
import { lockDatabaseObject, lockSharedObject, unlockDatabaseObject, unlockSharedObject } from '#storage/lmgr/lmgr.ts';
import { LOCK, type LockMode } from '#storage/lmgr/lock-modes.ts';

const fail = (code: SqlState, message: string, hint?: string): never =>
  report('ERROR', { code, message, ...(hint === undefined ? {} : { hint }) });

/** Dotted names of a List, of a TypeName, or the one of a String. */
export function namesOfObject(object: Node | undefined): string[] {
  if (object === undefined) return [];
  if ('List' in object) return stringsOf(listItems(object));
  if ('TypeName' in object) return stringsOf(object.TypeName.names);
  if ('ObjectWithArgs' in object) return stringsOf(object.ObjectWithArgs.objname);
  return [stringOf(object)];
}
const relationName = (names: readonly string[]): { catalog?: string; schema?: string; name: string } => ({
  name: names[names.length - 1] ?? '',
  ...(names.length > 1 ? { schema: names[names.length - 2]! } : {}),
  ...(names.length > 2 ? { catalog: names[names.length - 3]! } : {}),
});

const KIND_OF: Readonly<Partial<Record<ObjectType, readonly [kinds: string, what: string]>>> = {
  OBJECT_INDEX: ['iI', 'an index'],
  OBJECT_SEQUENCE: ['S', 'a sequence'],
  OBJECT_TABLE: ['rp', 'a table'],
  OBJECT_VIEW: ['v', 'a view'],
  OBJECT_MATVIEW: ['m', 'a materialized view'],
  OBJECT_FOREIGN_TABLE: ['f', 'a foreign table'],
};
export const isRelationObject = (type: ObjectType): boolean => KIND_OF[type] !== undefined;

function relationObject(type: ObjectType, names: readonly string[], mode: LockMode, missingOk: boolean): Oid {
  const relid = rangeVarGetRelid(relationName(names), mode, { missingOk });
  const kind = KIND_OF[type];
  if (relid === 0 || kind === undefined) return relid;
  const row = classRow(relid)!;
  if (!kind[0].includes(row.relkind)) fail(SQLSTATE.wrongObjectType, `"${row.relname}" is not ${kind[1]}`);
  return relid;
}

/** The relation that an object is a part of: all names but the last. */
function owningRelation(names: readonly string[], mode: LockMode, missingOk: boolean): Oid {
  if (names.length < 2) return fail(SQLSTATE.syntaxError, 'must specify relation and object name');
  return rangeVarGetRelid(relationName(names.slice(0, -1)), mode, { missingOk });
}

// ── functions ────────────────────────────────────────────────────────────────────────────────────────────────────

const FUNCTION_WORDS: Readonly<Partial<Record<ObjectType, readonly [word: string, kinds: string]>>> = {
  OBJECT_FUNCTION: ['function', 'fwa'],
  OBJECT_PROCEDURE: ['procedure', 'p'],
  OBJECT_AGGREGATE: ['aggregate', 'a'],
  OBJECT_ROUTINE: ['routine', 'fwpa'],
};
function argumentTypes(of: ObjectWithArgs, missingOk: boolean): Oid[] | null {
  const types: Oid[] = [];
  for (const node of of.objargs ?? []) {
    if (!('TypeName' in node)) continue;
    if (missingOk && findType(stringsOf(node.TypeName.names)) === undefined) return null;
    types.push(resolveTypeName(null, node.TypeName).type);
  }
  return types;
}
/** LookupFuncWithArgs(). */
function functionObject(type: ObjectType, of: ObjectWithArgs, missingOk: boolean): Oid {
  const [word] = FUNCTION_WORDS[type] ?? ['function'];
  const names = stringsOf(of.objname);
  if (of.args_unspecified === true) {
    const found = functionCandidates(names, -1, [], false, false).filter((candidate) => matches(type, candidate.row));
    if (found.length > 1) {
      const same = word === 'function' || word === 'routine' ? 'function' : word;
      fail(
        SQLSTATE.ambiguousFunction,
        `${word} name "${names.join('.')}" is not unique`,
        `Specify the argument list to select the ${same === 'function' && word === 'routine' ? 'routine' : word} unambiguously.`,
      );
    }
    if (found[0] !== undefined) return found[0].row.oid;
    if (missingOk) return 0 as Oid;
    return fail(
      SQLSTATE.undefinedFunction,
      `could not find a ${word === 'routine' ? 'function' : word} named "${names.join('.')}"`,
    );
  }
  const types = argumentTypes(of, missingOk);
  if (types === null) return 0 as Oid;
  const candidates = functionCandidates(names, types.length, [], false, false);
  const row = candidates.find((candidate) => candidate.row.proargtypes.every((t, i) => t === types[i]))?.row;
  const signature = (): string => functionSignature(names, types, []);
  if (row === undefined) {
    if (missingOk) return 0 as Oid;
    if (type === 'OBJECT_AGGREGATE' && types.length === 0) {
      return fail(SQLSTATE.undefinedFunction, `aggregate ${names.join('.')}(*) does not exist`);
    }
    const shown = word === 'routine' ? 'function' : word;
    return fail(SQLSTATE.undefinedFunction, `${shown} ${signature()} does not exist`);
  }
  if (type === 'OBJECT_FUNCTION' && row.prokind === 'p') {
    fail(SQLSTATE.wrongObjectType, `${signature()} is not a function`);
  }
  if (type === 'OBJECT_PROCEDURE' && row.prokind !== 'p') {
    fail(SQLSTATE.wrongObjectType, `${signature()} is not a procedure`);
  }
  if (type === 'OBJECT_AGGREGATE' && row.prokind !== 'a') {
    fail(SQLSTATE.wrongObjectType, `function ${signature()} is not an aggregate`);
  }
  return row.oid;
}
const matches = (type: ObjectType, row: ProcRow): boolean => {
  if (type === 'OBJECT_PROCEDURE') return row.prokind === 'p';
  if (type === 'OBJECT_FUNCTION') return row.prokind !== 'p';
  if (type === 'OBJECT_AGGREGATE') return row.prokind === 'a';
  return true;
};

// ── by kind ──────────────────────────────────────────────────────────────────────────────────────────────────────

type Named = readonly [word: string, catalog: Oid, code: SqlState, find: (name: string) => Oid | undefined];
const BY_NAME: Readonly<Partial<Record<ObjectType, Named>>> = {
  OBJECT_SCHEMA: ['schema', RELATION.pgNamespace, SQLSTATE.undefinedSchema, (name) => namespaceByName(name)?.oid],
  OBJECT_DATABASE: ['database', RELATION.pgDatabase, SQLSTATE.invalidCatalogName, (name) => databaseByName(name)?.oid],
  OBJECT_ROLE: [
    'role',
    RELATION.pgAuthid,
    SQLSTATE.undefinedObject,
    (name) => store.authid.by('rolname', name)[0]?.oid,
  ],
  OBJECT_TABLESPACE: [
    'tablespace',
    RELATION.pgTablespace,
    SQLSTATE.undefinedObject,
    (name) => store.tablespace.by('spcname', name)[0]?.oid,
  ],
  OBJECT_LANGUAGE: [
    'language',
    RELATION.pgLanguage,
    SQLSTATE.undefinedObject,
    (name) => store.language.by('lanname', name)[0]?.oid,
  ],
  OBJECT_EXTENSION: [
    'extension',
    RELATION.pgExtension,
    SQLSTATE.undefinedObject,
    (name) => store.extension.by('extname', name)[0]?.oid,
  ],
  OBJECT_ACCESS_METHOD: [
    'access method',
    RELATION.pgAm,
    SQLSTATE.undefinedObject,
    (name) => store.am.by('amname', name)[0]?.oid,
  ],
};
const SHARED: ReadonlySet<Oid> = new Set([RELATION.pgDatabase, RELATION.pgAuthid, RELATION.pgTablespace]);

function typeObject(type: ObjectType, name: TypeName, missingOk: boolean): Oid {
  const names = stringsOf(name.names);
  let row = findType(names);
  if (row !== undefined && (name.arrayBounds?.length ?? 0) > 0) row = typeRow(row.typarray);
  if (row === undefined) {
    if (missingOk) return 0 as Oid;
    const suffix = (name.arrayBounds?.length ?? 0) > 0 ? '[]' : '';
    return fail(SQLSTATE.undefinedObject, `type "${names.join('.')}${suffix}" does not exist`);
  }
  if (type === 'OBJECT_DOMAIN' && row.typtype !== 'd') {
    fail(
      SQLSTATE.wrongObjectType,
      `"${names.join('.')}${(name.arrayBounds?.length ?? 0) > 0 ? '[]' : ''}" is not a domain`,
    );
  }
  return row.oid;
}
const typeNameOf = (object: Node | undefined): TypeName => {
  if (object !== undefined && 'TypeName' in object) return object.TypeName;
  return { names: object !== undefined && 'List' in object ? listItems(object) : [] };
};

function find(type: ObjectType, object: Node | undefined, mode: LockMode, missingOk: boolean): ObjectAddress | null {
  const names = namesOfObject(object);
  const address = (catalog: Oid, oid: Oid, sub = 0): ObjectAddress | null =>
    oid === 0 ? null : objectAddress(catalog, oid, sub);
  if (isRelationObject(type)) return address(RELATION.pgClass, relationObject(type, names, mode, missingOk));
  const named = BY_NAME[type];
  if (named !== undefined) {
    const [word, catalog, code, search] = named;
    const oid = search(names[0] ?? '');
    if (oid !== undefined) return address(catalog, oid);
    if (missingOk) return null;
    return fail(code, `${word} "${names[0] ?? ''}" does not exist`);
  }
  switch (type) {
    case 'OBJECT_COLUMN': {
      if (names.length < 2) return fail(SQLSTATE.syntaxError, 'column name must be qualified');
      const relid = owningRelation(names, mode, missingOk);
      if (relid === 0) return null;
      const column = names[names.length - 1]!;
      const attnum = attributes(relid).find((a) => a.attname === column && !a.attisdropped)?.attnum ?? 0;
      if (attnum !== 0) return address(RELATION.pgClass, relid, attnum);
      if (missingOk) return null;
      const table = names.slice(0, -1).join('.');
      return fail(SQLSTATE.undefinedColumn, `column "${column}" of relation "${table}" does not exist`);
    }
    case 'OBJECT_TABCONSTRAINT':
    case 'OBJECT_TRIGGER':
    case 'OBJECT_RULE': {
      const relid = owningRelation(names, mode, missingOk);
      if (relid === 0) return null;
      return relationPart(type, relid, names[names.length - 1]!, missingOk);
    }
    case 'OBJECT_DOMCONSTRAINT': {
      const [domain, name] = listItems(object);
      const oid = typeObject('OBJECT_DOMAIN', typeNameOf(domain), missingOk);
      if (oid === 0) return null;
      const constraint = domainConstraints(oid).find((row) => row.conname === stringOf(name))?.oid;
      if (constraint !== undefined) return address(RELATION.pgConstraint, constraint);
      if (missingOk) return null;
      return fail(
        SQLSTATE.undefinedObject,
        `constraint "${stringOf(name)}" for domain ${formatType(oid)} does not exist`,
      );
    }
    case 'OBJECT_TYPE':
    case 'OBJECT_DOMAIN':
      return address(RELATION.pgType, typeObject(type, typeNameOf(object), missingOk));
    case 'OBJECT_FUNCTION':
    case 'OBJECT_PROCEDURE':
    case 'OBJECT_ROUTINE':
    case 'OBJECT_AGGREGATE': {
      const of = object !== undefined && 'ObjectWithArgs' in object ? object.ObjectWithArgs : {};
      return address(RELATION.pgProc, functionObject(type, of, missingOk));
    }
    case 'OBJECT_COLLATION': {
      const oid = findCollation(names)?.oid;
      if (oid !== undefined) return address(RELATION.pgCollation, oid);
      if (missingOk) return null;
      return fail(SQLSTATE.undefinedObject, `collation "${names.join('.')}" for encoding "UTF8" does not exist`);
    }
    default:
      return report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: `objects of type ${type.slice('OBJECT_'.length).toLowerCase()} are not supported here yet`,
      });
  }
}
function relationPart(type: ObjectType, relid: Oid, name: string, missingOk: boolean): ObjectAddress | null {
  const table = classRow(relid)!.relname;
  let found: ObjectAddress | undefined;
  let message: string;
  if (type === 'OBJECT_TABCONSTRAINT') {
    const oid = constraintsOf(relid).find((row) => row.conname === name)?.oid;
    if (oid !== undefined) found = objectAddress(RELATION.pgConstraint, oid);
    message = `constraint "${name}" for table "${table}" does not exist`;
  } else if (type === 'OBJECT_TRIGGER') {
    const oid = store.trigger.by('tgrelid', relid).find((row) => row.tgname === name)?.oid;
    if (oid !== undefined) found = objectAddress(RELATION.pgTrigger, oid);
    message = `trigger "${name}" for table "${table}" does not exist`;
  } else {
    const oid = store.rewrite.by('ev_class', relid).find((row) => row.rulename === name)?.oid;
    if (oid !== undefined) found = objectAddress(RELATION.pgRewrite, oid);
    message = `rule "${name}" for relation "${table}" does not exist`;
  }
  if (found !== undefined) return found;
  return missingOk ? null : fail(SQLSTATE.undefinedObject, message);
}

/** get_object_address(). */
export function getObjectAddress(
  type: ObjectType,
  object: Node | undefined,
  mode: LockMode,
  missingOk = false,
): ObjectAddress | null {
  let before: ObjectAddress | null = null;
  for (;;) {
    const seen = sharedInvalidMessageCounter();
    const found = find(type, object, mode, missingOk);
    if (before !== null) {
      if (found !== null && found.objectId === before.objectId && found.classId === before.classId) return found;
      unlockObject(before, mode);
      before = null;
    }
    // A relation, or what is a part of one, is locked already.
    if (found === null || found.classId === RELATION.pgClass) return found;
    lockObject(found, mode);
    if (seen === sharedInvalidMessageCounter()) return found;
    before = found;
  }
}
function lockObject(object: ObjectAddress, mode: LockMode): void {
  if (SHARED.has(object.classId)) lockSharedObject(object.classId, object.objectId, 0, mode);
  else lockDatabaseObject(object.classId, object.objectId, 0, mode);
}
function unlockObject(object: ObjectAddress, mode: LockMode): void {
  if (SHARED.has(object.classId)) unlockSharedObject(object.classId, object.objectId, 0, mode);
  else unlockDatabaseObject(object.classId, object.objectId, 0, mode);
}

// ── ownership ────────────────────────────────────────────────────────────────────────────────────────────────────

interface OwnedObject {
  readonly owner: Oid;
  readonly namespace: Oid;
  readonly kind: string;
  readonly name: string;
}
const NO_OID = 0 as Oid;
function relationOwnership(relid: Oid): OwnedObject {
  const row = classRow(relid)!;
  return {
    owner: row.relowner,
    namespace: row.relnamespace,
    kind: RELKIND_WORD[row.relkind] ?? 'relation',
    name: row.relname,
  };
}
const PROC_KIND: Readonly<Record<string, string>> = { p: 'procedure', a: 'aggregate' };
/** Owner, schema and name; a constraint, trigger or rule is its relation's or domain's. */
export function ownershipOf(object: ObjectAddress): OwnedObject | null {
  const { classId, objectId } = object;
  switch (classId) {
    case RELATION.pgClass:
      return relationOwnership(objectId);
    case RELATION.pgTrigger:
      return relationOwnership(store.trigger.byOid(objectId)!.tgrelid);
    case RELATION.pgRewrite:
      return relationOwnership(store.rewrite.byOid(objectId)!.ev_class);
    case RELATION.pgConstraint: {
      const row = store.constraint.byOid(objectId)!;
      return row.conrelid !== 0 ? relationOwnership(row.conrelid) : typeOwnership(row.contypid);
    }
    case RELATION.pgType:
      return typeOwnership(objectId);
    case RELATION.pgProc: {
      const row = procRow(objectId)!;
      return {
        owner: row.proowner,
        namespace: row.pronamespace,
        kind: PROC_KIND[row.prokind] ?? 'function',
        name: row.proname,
      };
    }
    case RELATION.pgNamespace: {
      const row = namespaceRow(objectId)!;
      return { owner: row.nspowner, namespace: NO_OID, kind: 'schema', name: row.nspname };
    }
    case RELATION.pgDatabase: {
      const row = store.database.byOid(objectId)!;
      return { owner: row.datdba, namespace: NO_OID, kind: 'database', name: row.datname };
    }
    case RELATION.pgTablespace: {
      const row = store.tablespace.byOid(objectId)!;
      return { owner: row.spcowner, namespace: NO_OID, kind: 'tablespace', name: row.spcname };
    }
    case RELATION.pgCollation: {
      const row = store.collation.byOid(objectId)!;
      return { owner: row.collowner, namespace: row.collnamespace, kind: 'collation', name: row.collname };
    }
    case RELATION.pgLanguage: {
      const row = store.language.byOid(objectId)!;
      return { owner: row.lanowner, namespace: NO_OID, kind: 'language', name: row.lanname };
    }
    default:
      return null;
  }
}
function typeOwnership(oid: Oid): OwnedObject {
  const row = typeRow(oid)!;
  return { owner: row.typowner, namespace: row.typnamespace, kind: 'type', name: formatType(oid) };
}

/** check_object_ownership(). What has no owner needs a superuser. */
export function checkObjectOwnership(object: ObjectAddress): void {
  if (isSuperuser()) return;
  const of = ownershipOf(object);
  if (of === null) fail(SQLSTATE.insufficientPrivilege, 'must be superuser');
  else if (!ownsObject(of.owner)) mustBeOwner(of.kind, of.name);
}
/** The same, but the owner of the schema may, too (DROP). */
export function checkDropOwnership(object: ObjectAddress): void {
  const of = ownershipOf(object);
  if (of !== null && of.namespace !== 0 && ownsObject(namespaceRow(of.namespace)?.nspowner ?? NO_OID)) return;
  checkObjectOwnership(object);
}
/** For messages about LOCK modes that callers take most. */
export const DROP_LOCK = LOCK.accessExclusive;
