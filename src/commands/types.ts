/** types.ts — CREATE TYPE … AS ENUM, CREATE TYPE … AS (…), ALTER TYPE … ADD and RENAME VALUE.
 *  Counterpart: DefineEnum(), DefineCompositeType(), AlterEnum() of src/backend/commands/typecmds.c */
import type { AlterEnumStmt, CompositeTypeStmt, CreateEnumStmt, Node } from '@pgsql/types';
import { TupleDesc } from '#access/common/relation-descriptor.ts';
import type { Oid } from '#base/ids.ts';
import { creationNamespace, relationCreationPlace } from '#catalog/creation-namespace.ts';
import { addEnumLabel, createEnumValues, renameEnumLabel } from '#catalog/enum.ts';
import { formatType } from '#catalog/format-type.ts';
import { heapCreateWithCatalog } from '#catalog/heap.ts';
import { deconstructQualifiedName } from '#catalog/namespace.ts';
import { makeArrayTypeName } from '#catalog/object-name.ts';
import { checkNamespaceRight, mustBeOwner, ownsObject } from '#catalog/object-rights.ts';
import { arrayTypeOf, assignTypeArrayOid, moveArrayTypeName, type NewType, typeCreate } from '#catalog/pg-type.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { typeByName, typeRow } from '#catalog/syscache.ts';
import { attributeOfColumn } from '#commands/column-definition.ts';
import { stringOf, stringsOf } from '#parser/ast.ts';
import { makeParseState, withPosition } from '#parser/parse-state.ts';
import { resolveTypeName } from '#parser/type-name.ts';
import { checkDistinctNames } from '#commands/view.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const NO_OID = 0 as Oid;

/** Where a new type goes; an automatic array type of that name makes way. */
export function newTypePlace(names: readonly string[]): { name: string; namespace: Oid } {
  const { schema, name } = deconstructQualifiedName(names);
  const namespace = creationNamespace(schema ?? undefined);
  checkNamespaceRight(namespace, 'CREATE');
  freeTypeName(name, namespace);
  return { name, namespace };
}
function freeTypeName(name: string, namespace: Oid): void {
  const old = typeByName(name, namespace);
  if (old !== undefined && old.typisdefined && !moveArrayTypeName(old.oid, name, namespace)) {
    report('ERROR', { code: SQLSTATE.duplicateObject, message: `type "${name}" already exists` });
  }
}

export function defineEnum(stmt: CreateEnumStmt): void {
  const { name, namespace } = newTypePlace(stringsOf(stmt.typeName));
  const array = assignTypeArrayOid();
  const type: NewType = {
    oid: NO_OID,
    name,
    namespace,
    owner: sessionIdentity.userOid,
    length: 4,
    type: 'e',
    category: 'E',
    input: 3506 as Oid,
    output: 3507 as Oid,
    receive: 3532 as Oid,
    send: 3533 as Oid,
    array,
    byValue: true,
    align: 'i',
    storage: 'p',
  };
  const { objectId } = typeCreate(type);
  createEnumValues(objectId, (stmt.vals ?? []).map(stringOf));
  typeCreate(arrayTypeOf(type, objectId, array, makeArrayTypeName(name, namespace)));
}

export function defineCompositeType(stmt: CompositeTypeStmt, sourceText: string): void {
  const p = makeParseState(null, sourceText);
  const relation = stmt.typevar!;
  const name = relation.relname!;
  const place = withPosition(p, relation.location ?? 0, () => relationCreationPlace(relation));
  freeTypeName(name, place.namespace);
  const columns = (stmt.coldeflist ?? []).flatMap((node: Node) => ('ColumnDef' in node ? [node.ColumnDef] : []));
  const attributes = columns.map((column, i) => attributeOfColumn(p, column, i + 1));
  checkDistinctNames(attributes);
  heapCreateWithCatalog({
    name,
    namespace: place.namespace,
    tablespace: NO_OID,
    kind: 'c',
    persistence: place.persistence,
    accessMethod: NO_OID,
    desc: new TupleDesc(attributes),
    owner: sessionIdentity.userOid,
  });
}

/** ALTER TYPE … ADD VALUE, RENAME VALUE. */
export function alterEnum(stmt: AlterEnumStmt): void {
  const { type } = resolveTypeName(null, { names: stmt.typeName!, typemod: -1, location: -1 });
  const row = typeRow(type)!;
  if (row.typtype !== 'e') {
    report('ERROR', { code: SQLSTATE.wrongObjectType, message: `${formatType(type)} is not an enum` });
  }
  if (!ownsObject(row.typowner)) mustBeOwner('type', formatType(type));
  const added = stmt.newVal ?? '';
  if (stmt.oldVal !== undefined) renameEnumLabel(type, stmt.oldVal, added);
  else {
    const neighbor = stmt.newValNeighbor ?? null;
    addEnumLabel(type, added, neighbor, stmt.newValIsAfter === true, stmt.skipIfNewValExists === true);
  }
}
