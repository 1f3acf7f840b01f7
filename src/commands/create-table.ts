/** create-table.ts — CREATE TABLE: the table, then what belongs to it, in the order that PostgreSQL makes them.
 *  Counterpart: DefineRelation() of src/backend/commands/tablecmds.c, the T_CreateStmt part of ProcessUtilitySlow() */
import type { CreateStmt } from '@pgsql/types';
import { TupleDesc } from '#access/common/relation-descriptor.ts';
import type { Oid } from '#base/ids.ts';
import { relationCreationPlace } from '#catalog/creation-namespace.ts';
import { heapCreateWithCatalog } from '#catalog/heap.ts';
import { registerOnCommitAction } from '#catalog/on-commit.ts';
import { ACCESS_METHOD } from '#catalog/oids.ts';
import { relationClose, relationOpen } from '#catalog/relation.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { store } from '#catalog/rows.ts';
import { classByName } from '#catalog/syscache.ts';
import { createToastTable } from '#catalog/toasting.ts';
import '#catalog/heap-drop.ts';
import { attributeOfColumn } from '#commands/column-definition.ts';
import { addRelationNewConstraints, type RawDefault } from '#commands/cook-constraint.ts';
import { defineIndex } from '#commands/define-index.ts';
import { addForeignKeys } from '#commands/foreign-key.ts';
import { inheritColumns, storeInheritance } from '#commands/inherit.ts';
import { copyLikeColumns, finishLike } from '#commands/like-clause.ts';
import { processNested } from '#commands/nested-utility.ts';
import { transformRelOptions, validateRelOptions } from '#commands/rel-options.ts';
import { finishKeys, tableElements } from '#commands/table-elements.ts';
import { chooseTablespace } from '#commands/tablespace-choice.ts';
import { makeParseState, withPosition } from '#parser/parse-state.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

function tableAccessMethod(name: string): Oid {
  const row = store.am.by('amname', name)[0];
  if (row === undefined) {
    report('ERROR', { code: SQLSTATE.undefinedObject, message: `access method "${name}" does not exist` });
  }
  if (row.amtype !== 't') {
    report('ERROR', { code: SQLSTATE.wrongObjectType, message: `access method "${name}" is not of type TABLE` });
  }
  return row.oid;
}

function refuseUnsupported(stmt: CreateStmt): void {
  const refuse = (what: string): never =>
    report('ERROR', { code: SQLSTATE.featureNotSupported, message: `${what} are not supported yet` });
  if (stmt.partspec !== undefined || stmt.partbound !== undefined) refuse('partitioned tables');
  if (stmt.ofTypename !== undefined) refuse('typed tables');
}

/** CREATE TABLE. */
export function createTableStatement(stmt: CreateStmt, sourceText: string): void {
  refuseUnsupported(stmt);
  const relation = stmt.relation!;
  const name = relation.relname!;
  const p = makeParseState(null, sourceText);
  const { namespace, persistence } = withPosition(p, relation.location ?? 0, () => relationCreationPlace(relation));
  if (stmt.if_not_exists === true && classByName(name, namespace) !== undefined) {
    report('NOTICE', { code: SQLSTATE.duplicateTable, message: `relation "${name}" already exists, skipping` });
    return;
  }
  const onCommit = stmt.oncommit ?? 'ONCOMMIT_NOOP';
  if (onCommit !== 'ONCOMMIT_NOOP' && persistence !== 't') {
    report('ERROR', {
      code: SQLSTATE.invalidTableDefinition,
      message: 'ON COMMIT can only be used on temporary tables',
    });
  }
  const inherited = inheritColumns(p, stmt.inhRelations ?? [], persistence);
  const elements = tableElements(
    p,
    { ...relation, relpersistence: persistence },
    namespace,
    [...(stmt.tableElts ?? []), ...(stmt.constraints ?? [])],
    { isAlter: false, known: (column) => inherited.columns.some((one) => one.name === column) },
  );
  copyLikeColumns(p, elements);
  finishKeys(elements);
  for (const node of elements.before) processNested(node, sourceText);

  const tablespace = chooseTablespace(stmt.tablespacename, persistence);
  const options = transformRelOptions(null, stmt.options, null, ['toast'], false);
  validateRelOptions('heap', options);
  const own = elements.columns.map((column, i) => attributeOfColumn(p, column, i + 1));
  own.forEach(({ name: column }, i) => {
    if (own.findIndex((other) => other.name === column) < i) {
      report('ERROR', { code: SQLSTATE.duplicateColumn, message: `column "${column}" specified more than once` });
    }
  });
  const columns = inherited.merge(own, elements.indexes);
  const accessMethod =
    stmt.accessMethod !== undefined && stmt.accessMethod !== ''
      ? tableAccessMethod(stmt.accessMethod)
      : settings.default_table_access_method === 'heap'
        ? ACCESS_METHOD.heap
        : tableAccessMethod(settings.default_table_access_method);
  const { oid } = heapCreateWithCatalog({
    name,
    namespace,
    tablespace,
    kind: 'r',
    persistence,
    accessMethod,
    desc: new TupleDesc(columns),
    owner: sessionIdentity.userOid,
    options,
    useUserAcl: true,
  });
  if (onCommit === 'ONCOMMIT_DELETE_ROWS') registerOnCommitAction(oid, 'deleteRows');
  else if (onCommit === 'ONCOMMIT_DROP') registerOnCommitAction(oid, 'drop');
  storeInheritance(oid, inherited.parents);
  commandCounterIncrement();

  const rel = relationOpen(oid, LOCK.accessExclusive);
  const position = (column: string): number => columns.findIndex((one) => one.name === column) + 1;
  const defaults: RawDefault[] = elements.columns.flatMap((column) =>
    column.raw_default === undefined
      ? []
      : [
          {
            attnum: position(column.colname ?? ''),
            raw: column.raw_default,
            generated: (column.generated ?? '') !== '',
          },
        ],
  );
  inherited.storeDefaults(
    rel,
    elements.columns.filter((c) => c.raw_default !== undefined).map((c) => c.colname ?? ''),
  );
  if (inherited.checks.length > 0) {
    addRelationNewConstraints(rel, [], inherited.checks, { allowMerge: true, isLocal: false }, sourceText);
  }
  if (defaults.length > 0) {
    addRelationNewConstraints(rel, defaults, [], { allowMerge: true, isLocal: true }, sourceText);
  }
  if (elements.checks.length > 0) {
    addRelationNewConstraints(rel, [], elements.checks, { allowMerge: true, isLocal: true }, sourceText);
  }
  relationClose(rel, LOCK.none);
  commandCounterIncrement();

  const toastOptions = transformRelOptions(null, stmt.options, 'toast', ['toast'], false);
  validateRelOptions('toast', toastOptions);
  createToastTable(oid, toastOptions, LOCK.accessExclusive);
  for (const index of elements.indexes) {
    defineIndex(oid, index, sourceText);
    commandCounterIncrement();
  }
  addForeignKeys(oid, elements.foreignKeys, sourceText, { isNew: true });
  finishLike(oid, elements, sourceText);
  for (const node of elements.after) processNested(node, sourceText);
}
