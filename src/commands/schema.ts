/** schema.ts — CREATE SCHEMA, with the objects that are made in it at once.
 *  Counterpart: src/backend/commands/schemacmds.c, transformCreateSchemaStmt() of parser/parse_utilcmd.c */
import type { CreateSchemaStmt, Node, RangeVar } from '@pgsql/types';
import { hasRight, RIGHTS } from '#catalog/acl.ts';
import { namespaceCreate } from '#catalog/creation-namespace.ts';
import { explicitSearchPath, withSearchPath } from '#catalog/namespace.ts';
import { permissionDenied } from '#catalog/object-rights.ts';
import { isMemberOfRole, roleByOid } from '#catalog/roles.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { searchPath } from '#catalog/namespace.ts';
import { databaseRow, namespaceByName } from '#catalog/syscache.ts';
import { processNested } from '#commands/nested-utility.ts';
import { roleSpecOid } from '#commands/role-spec.ts';
import { type Tag, tagOf } from '#parser/ast.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

export function createSchema(stmt: CreateSchemaStmt, sourceText: string): void {
  const owner = stmt.authrole === undefined ? sessionIdentity.userOid : roleSpecOid(stmt.authrole);
  const ownerName = roleByOid(owner)?.name ?? '';
  const name = stmt.schemaname ?? ownerName;
  const database = databaseRow(sessionIdentity.databaseOid)!;
  const object = { letter: 'd', owner: database.datdba, acl: database.datacl };
  if (!hasRight(object, sessionIdentity.userOid, RIGHTS.CREATE, false)) permissionDenied('database', database.datname);
  if (!isMemberOfRole(sessionIdentity.userOid, owner)) {
    report('ERROR', { code: SQLSTATE.insufficientPrivilege, message: `must be member of role "${ownerName}"` });
  }
  if (name.startsWith('pg_')) {
    report('ERROR', {
      code: SQLSTATE.reservedName,
      message: `unacceptable schema name "${name}"`,
      detail: 'The prefix "pg_" is reserved for system schemas.',
    });
  }
  if (stmt.if_not_exists === true && namespaceByName(name) !== undefined) {
    report('NOTICE', { code: SQLSTATE.duplicateSchema, message: `schema "${name}" already exists, skipping` });
    return;
  }
  const { userOid, userName } = sessionIdentity;
  // The elements belong to the schema's owner.
  sessionIdentity.userOid = owner;
  sessionIdentity.userName = ownerName;
  try {
    const oid = namespaceCreate(name, owner, false);
    commandCounterIncrement();
    const elements = orderElements(stmt.schemaElts ?? [], name);
    if (elements.length > 0) {
      const path = [...new Set([oid, ...explicitSearchPath()])];
      const hidden = searchPath().filter((schema) => !path.includes(schema));
      withSearchPath(
        path,
        () => {
          for (const element of elements) processNested(element, sourceText);
        },
        hidden,
      );
    }
  } finally {
    sessionIdentity.userOid = userOid;
    sessionIdentity.userName = userName;
  }
}

/** Each element may refer to those before it in this order. */
const ORDER: readonly Tag[] = ['CreateSeqStmt', 'CreateStmt', 'ViewStmt', 'IndexStmt', 'CreateTrigStmt', 'GrantStmt'];
function orderElements(elements: readonly Node[], schema: string): Node[] {
  const placed = elements.map((element) => {
    const tag = tagOf(element);
    if (!ORDER.includes(tag)) report('ERROR', { message: `unrecognized node type: ${tag}` });
    return placeInSchema(element, schema);
  });
  return placed.sort((a, b) => ORDER.indexOf(tagOf(a)) - ORDER.indexOf(tagOf(b)));
}
function placeInSchema(element: Node, schema: string): Node {
  const place = (relation: RangeVar | undefined): RangeVar => {
    const named = relation?.schemaname;
    if (named !== undefined && named !== schema) {
      report('ERROR', {
        code: SQLSTATE.invalidSchemaDefinition,
        message: `CREATE specifies a schema (${named}) different from the one being created (${schema})`,
      });
    }
    return { ...relation, schemaname: schema };
  };
  if ('CreateSeqStmt' in element) {
    return { CreateSeqStmt: { ...element.CreateSeqStmt, sequence: place(element.CreateSeqStmt.sequence) } };
  }
  if ('CreateStmt' in element) {
    return { CreateStmt: { ...element.CreateStmt, relation: place(element.CreateStmt.relation) } };
  }
  if ('ViewStmt' in element) return { ViewStmt: { ...element.ViewStmt, view: place(element.ViewStmt.view) } };
  if ('IndexStmt' in element) {
    return { IndexStmt: { ...element.IndexStmt, relation: place(element.IndexStmt.relation) } };
  }
  if ('CreateTrigStmt' in element) {
    return { CreateTrigStmt: { ...element.CreateTrigStmt, relation: place(element.CreateTrigStmt.relation) } };
  }
  return element;
}
