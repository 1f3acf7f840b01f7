/** create-table-as.ts — CREATE TABLE AS, SELECT INTO, CREATE and REFRESH MATERIALIZED VIEW: a query's rows into a relation.
 *  Counterpart: src/backend/commands/createas.c, matview.c */
import type { CreateTableAsStmt, IntoClause, Node, RefreshMatViewStmt, SelectStmt } from '@pgsql/types';
import { heapFormTuple, heapTupleLength } from '#access/common/heap-tuple.ts';
import { type Attribute, TupleDesc } from '#access/common/relation-descriptor.ts';
import { heapInsert } from '#access/heap/heap-insert.ts';
import { HEAP_INSERT } from '#access/heap/heap-types.ts';
import { freeBulkInsertState, getBulkInsertState } from '#access/heap/hio.ts';
import type { Oid } from '#base/ids.ts';
import { relationCreationPlace } from '#catalog/creation-namespace.ts';
import { formatType } from '#catalog/format-type.ts';
import { columnOfType, heapCreateWithCatalog } from '#catalog/heap.ts';
import { catalogUpdateColumns } from '#catalog/indexing.ts';
import { rebuildIndexes, relationSetNewRelfilenode } from '#catalog/new-file.ts';
import { checkRelationOwner } from '#catalog/object-rights.ts';
import { ACCESS_METHOD, RELATION } from '#catalog/oids.ts';
import { registerOnCommitAction } from '#catalog/on-commit.ts';
import { rangeVarGetRelid } from '#catalog/range-var.ts';
import type { RelationData } from '#catalog/relcache.ts';
import { relationClose, relationOpen, tableOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { roleByOid } from '#catalog/roles.ts';
import { classByName, classRow, typeCollation } from '#catalog/syscache.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { checkTableNotInUse } from '#catalog/table-in-use.ts';
import { createToastTable } from '#catalog/toasting.ts';
import { evaluateParams } from '#commands/prepare.ts';
import { transformRelOptions, validateRelOptions } from '#commands/rel-options.ts';
import { chooseTablespace } from '#commands/tablespace-choice.ts';
import { checkDistinctNames, usesTemporary } from '#commands/view.ts';
import { storeViewQuery } from '#commands/view-rule.ts';
import type { BoundParams, DestReceiver } from '#nodes/exec-nodes.ts';
import { exprCollation, exprType, exprTypmod } from '#nodes/node-funcs.ts';
import type { Query } from '#nodes/parse-nodes.ts';
import type { PlannedStmt } from '#nodes/plan-nodes.ts';
import type { TargetEntry } from '#nodes/primitives.ts';
import { planQuery } from '#optimizer/planner.ts';
import { analyzeNode } from '#parser/analyze.ts';
import { stringsOf } from '#parser/ast.ts';
import { makeParseState, withPosition } from '#parser/parse-state.ts';
import type { QueryCompletion } from '#portal/command-tags.ts';
import { runQuery } from '#portal/portal-run.ts';
import { fetchPreparedStatement } from '#portal/prepared.ts';
import { rewriteQuery, storedRuleQuery, viewQuery } from '#rewrite/rewrite.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { Workspace } from '#shm/private-memory.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { commandCounterIncrement, getCurrentCommandId } from '#transam/xact.ts';

export interface IntoCall {
  readonly sourceText: string;
  readonly params: BoundParams | null;
  readonly completion: QueryCompletion | null;
}

/** SELECT … INTO: the leftmost select of a set operation has the clause. */
export function selectInto(stmt: SelectStmt, call: IntoCall): void {
  let into: IntoClause | undefined;
  const without = (select: SelectStmt): SelectStmt => {
    if (select.larg !== undefined) return { ...select, larg: without(select.larg) };
    const { intoClause, ...rest } = select;
    into = intoClause;
    return rest;
  };
  const query = without(stmt);
  createTableAs({ query: { SelectStmt: query }, into: into!, objtype: 'OBJECT_TABLE', is_select_into: true }, call);
}

export function createTableAs(stmt: CreateTableAsStmt, call: IntoCall): void {
  const into = stmt.into!;
  const isView = stmt.objtype === 'OBJECT_MATVIEW';
  const { sourceText } = call;
  const raw = stmt.query!;
  // The query is analysed before anything is made, so that its errors come first.
  const execute = 'ExecuteStmt' in raw;
  const query = execute ? null : analyzeNode(raw, sourceText, paramContext(isView ? null : call.params));
  if (isView && query !== null) checkViewQuery(query, into);
  const p = makeParseState(null, sourceText);
  const relation = into.rel!;
  const place = withPosition(p, relation.location ?? 0, () => relationCreationPlace(relation));
  if (classByName(relation.relname!, place.namespace) !== undefined) {
    if (stmt.if_not_exists !== true) {
      report('ERROR', { code: SQLSTATE.duplicateTable, message: `relation "${relation.relname}" already exists` });
    }
    report('NOTICE', {
      code: SQLSTATE.duplicateTable,
      message: `relation "${relation.relname}" already exists, skipping`,
    });
    return;
  }
  let plan: PlannedStmt | null = null;
  let params = call.params;
  if (query === null) {
    const prepared = preparedPlan(raw, call);
    plan = prepared.plan;
    params = prepared.params;
  } else if (into.skipData !== true) plan = planOf(query, params);
  const targets = (query?.targetList ?? plan!.planTree.targetlist).filter((target) => !target.resjunk);
  const oid = createRelation(into, place, isView, intoColumns(targets, into));
  if (isView) {
    storeViewQuery(oid, query!, false);
    commandCounterIncrement();
  }
  if (into.skipData === true) return;
  const rel = tableOpen(oid, LOCK.accessExclusive);
  if (isView) setPopulated(rel, true);
  const rows = fill(rel, plan!, params);
  relationClose(rel, LOCK.none);
  if (call.completion !== null) {
    call.completion.tag = 'SELECT';
    call.completion.rows = rows;
  }
}

const paramContext = (params: BoundParams | null): { types: Oid[]; variable: false } => ({
  types: params === null ? [] : params.types.slice(),
  variable: false,
});
function planOf(query: Query, params: BoundParams | null): PlannedStmt {
  const [rewritten] = rewriteQuery(query);
  return params === null ? planQuery(rewritten!) : planQuery(rewritten!, params);
}
function preparedPlan(raw: Node, call: IntoCall): { plan: PlannedStmt; params: BoundParams | null } {
  const stmt = 'ExecuteStmt' in raw ? raw.ExecuteStmt : {};
  const { source, name } = fetchPreparedStatement(stmt.name ?? '');
  const params = evaluateParams(stmt, call.sourceText, call.params, source.paramTypes, name);
  const [plan, ...more] = source.getPlan(params);
  if (plan === undefined || more.length > 0 || plan.commandType !== 'select') {
    return report('ERROR', { code: SQLSTATE.wrongObjectType, message: 'prepared statement is not a SELECT' });
  }
  return { plan, params };
}

/** What a view cannot be made of, because it is run again without the session. */
function checkViewQuery(query: Query, into: IntoClause): void {
  const refuse = (message: string): never => report('ERROR', { code: SQLSTATE.featureNotSupported, message });
  if (query.hasModifyingCTE) refuse('materialized views must not use data-modifying statements in WITH');
  if (usesTemporary(query)) refuse('materialized views must not use temporary tables or views');
  if (into.rel?.relpersistence === 'u') refuse('materialized views cannot be unlogged');
}

function intoColumns(targets: readonly TargetEntry[], into: IntoClause): Attribute[] {
  const names = stringsOf(into.colNames);
  const columns = targets.map((target, i) => {
    const type = exprType(target.expr);
    const collation = exprCollation(target.expr);
    const name = names[i] ?? target.resname ?? '';
    if (typeCollation(type) !== 0 && collation === 0) {
      report('ERROR', {
        code: SQLSTATE.indeterminateCollation,
        message: `no collation was derived for column "${name}" with collatable type ${formatType(type)}`,
        hint: 'Use the COLLATE clause to set the collation explicitly.',
      });
    }
    const more = typeCollation(type) === 0 ? {} : { collation };
    return columnOfType(name, i + 1, type, exprTypmod(target.expr), 0, more);
  });
  if (names.length > columns.length) {
    report('ERROR', { code: SQLSTATE.syntaxError, message: 'too many column names were specified' });
  }
  checkDistinctNames(columns);
  return columns;
}
function createRelation(
  into: IntoClause,
  place: ReturnType<typeof relationCreationPlace>,
  isView: boolean,
  columns: readonly Attribute[],
): Oid {
  const options = transformRelOptions(null, into.options, null, ['toast'], false);
  validateRelOptions('heap', options);
  const method = into.accessMethod ?? '';
  if (method !== '' && method !== 'heap') {
    report('ERROR', { code: SQLSTATE.undefinedObject, message: `access method "${method}" does not exist` });
  }
  const { oid } = heapCreateWithCatalog({
    name: into.rel!.relname!,
    namespace: place.namespace,
    tablespace: chooseTablespace(into.tableSpaceName, place.persistence),
    kind: isView ? 'm' : 'r',
    persistence: place.persistence,
    accessMethod: ACCESS_METHOD.heap,
    desc: new TupleDesc(columns),
    owner: sessionIdentity.userOid,
    options,
    useUserAcl: true,
  });
  const onCommit = into.onCommit ?? 'ONCOMMIT_NOOP';
  if (onCommit !== 'ONCOMMIT_NOOP' && place.persistence !== 't') {
    report('ERROR', {
      code: SQLSTATE.invalidTableDefinition,
      message: 'ON COMMIT can only be used on temporary tables',
    });
  }
  if (onCommit === 'ONCOMMIT_DELETE_ROWS') registerOnCommitAction(oid, 'deleteRows');
  else if (onCommit === 'ONCOMMIT_DROP') registerOnCommitAction(oid, 'drop');
  commandCounterIncrement();
  const toastOptions = transformRelOptions(null, into.options, 'toast', ['toast'], false);
  validateRelOptions('toast', toastOptions);
  createToastTable(oid, toastOptions, LOCK.accessExclusive);
  commandCounterIncrement();
  return oid;
}

/** Runs the plan into the relation, which nobody else can see yet; returns the number of rows. */
function fill(rel: RelationData, plan: PlannedStmt, params: BoundParams | null): number {
  const cid = getCurrentCommandId(true);
  const bulk = getBulkInsertState();
  const space = new Workspace();
  try {
    const receiver: DestReceiver = {
      start() {},
      receive(values) {
        space.reset();
        const at = heapFormTuple(rel.tupleDesc, values, space);
        heapInsert(rel, at, heapTupleLength(), cid, HEAP_INSERT.skipFsm, bulk);
        return true;
      },
      finish() {},
    };
    return runQuery(plan, params, receiver);
  } finally {
    space.free();
    freeBulkInsertState(bulk);
  }
}

/** SetMatViewPopulatedState(). */
function setPopulated(rel: RelationData, populated: boolean): void {
  const pgClass = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.class, pgClass, 2662 as Oid, [{ attnum: 1, value: rel.oid }]);
  if (found === undefined) report('ERROR', { message: `cache lookup failed for relation ${rel.oid}` });
  catalogUpdateColumns(pgClass, found.tid, { relispopulated: populated });
  relationClose(pgClass, LOCK.rowExclusive);
  commandCounterIncrement();
}

/** REFRESH MATERIALIZED VIEW: the query's rows in a new file. */
export function refreshMaterializedView(stmt: RefreshMatViewStmt): void {
  if (stmt.concurrent === true) {
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'REFRESH MATERIALIZED VIEW CONCURRENTLY is not supported yet',
    });
  }
  const { catalogname, schemaname, relname } = stmt.relation!;
  const name = { catalog: catalogname, schema: schemaname, name: relname! };
  const relid = rangeVarGetRelid(name, LOCK.accessExclusive, {}, (found) => {
    if (found === 0) return;
    const row = classRow(found)!;
    if (!'rtmp'.includes(row.relkind)) {
      report('ERROR', {
        code: SQLSTATE.wrongObjectType,
        message: `"${row.relname}" is not a table or materialized view`,
      });
    }
    checkRelationOwner(found);
  });
  const rel = relationOpen(relid, LOCK.none);
  if (rel.kind !== 'm') {
    report('ERROR', { code: SQLSTATE.featureNotSupported, message: `"${rel.name}" is not a materialized view` });
  }
  if (storedRuleQuery(relid) === null) {
    report('ERROR', { message: `materialized view "${rel.name}" is missing rewrite information` });
  }
  checkTableNotInUse(rel, 'REFRESH MATERIALIZED VIEW');
  setPopulated(rel, stmt.skipData !== true);
  // The rows are what the owner may see.
  const { userOid, userName } = sessionIdentity;
  sessionIdentity.userOid = rel.owner;
  sessionIdentity.userName = roleByOid(rel.owner)?.name ?? '';
  try {
    const plan = stmt.skipData === true ? null : planQuery(viewQuery(relid));
    relationSetNewRelfilenode(rel);
    if (rel.toastRelid !== 0) {
      const toast = tableOpen(rel.toastRelid, LOCK.accessExclusive);
      relationSetNewRelfilenode(toast);
      relationClose(toast, LOCK.none);
      rebuildIndexes(rel.toastRelid);
    }
    if (plan !== null) fill(rel, plan, null);
    commandCounterIncrement();
    rebuildIndexes(relid);
  } finally {
    sessionIdentity.userOid = userOid;
    sessionIdentity.userName = userName;
  }
  relationClose(rel, LOCK.none);
}
