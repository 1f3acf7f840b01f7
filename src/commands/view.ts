/** view.ts — CREATE [OR REPLACE] VIEW.
 *  Counterpart: src/backend/commands/view.c */
import type { DefElem, Node, ViewStmt } from '@pgsql/types';
import { type Attribute, type Relation, TupleDesc } from '#access/common/relation-descriptor.ts';
import type { Oid } from '#base/ids.ts';
import { relationCreationPlace } from '#catalog/creation-namespace.ts';
import { formatTypeWithTypmod } from '#catalog/format-type.ts';
import {
  columnOfType,
  heapCreateWithCatalog,
  insertPgAttributeTuples,
  recordColumnDependencies,
} from '#catalog/heap.ts';
import { CatalogIndexes, catalogUpdateColumns } from '#catalog/indexing.ts';
import { checkRelationOwner } from '#catalog/object-rights.ts';
import { RELATION } from '#catalog/oids.ts';
import { relationClose, relationOpen, tableOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { classByName, classRow, collationRow, typeCollation } from '#catalog/syscache.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { checkTableNotInUse } from '#catalog/table-in-use.ts';
import { transformRelOptions, validateRelOptions } from '#commands/rel-options.ts';
import { storeViewQuery } from '#commands/view-rule.ts';
import { exprCollation, exprType, exprTypmod } from '#nodes/node-funcs.ts';
import type { Query } from '#nodes/parse-nodes.ts';
import { analyzeNode } from '#parser/analyze.ts';
import { stringsOf } from '#parser/ast.ts';
import { makeParseState, withPosition } from '#parser/parse-state.ts';
import { whyNotAutoUpdatable } from '#rewrite/updatable-view.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { lockRelationOid } from '#storage/lmgr/lmgr.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

const invalidDefinition = (message: string, hint?: string): never =>
  report('ERROR', { code: SQLSTATE.invalidTableDefinition, message, ...(hint === undefined ? {} : { hint }) });

export function defineView(stmt: ViewStmt, sourceText: string, start: number, end: number): void {
  const raw = stmt.query!;
  if ('SelectStmt' in raw && raw.SelectStmt.intoClause !== undefined) {
    report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'views must not contain SELECT INTO' });
  }
  // A statement that nothing follows has no length in the tree.
  const isLast = end >= sourceText.length;
  const query = analyzeNode(raw, sourceText, { types: [], variable: false });
  query.stmtLocation = start;
  query.stmtLen = isLast ? 0 : end - start;
  if (query.hasModifyingCTE) {
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'views must not contain data-modifying statements in WITH',
    });
  }
  const options: Node[] = [...(stmt.options ?? [])];
  const check = stmt.withCheckOption;
  if (check === 'LOCAL_CHECK_OPTION' || check === 'CASCADED_CHECK_OPTION') {
    const option: DefElem = {
      defname: 'check_option',
      arg: { String: { sval: check === 'LOCAL_CHECK_OPTION' ? 'local' : 'cascaded' } },
      defaction: 'DEFELEM_UNSPEC',
      location: -1,
    };
    options.push({ DefElem: option });
  }
  if (options.some((node) => 'DefElem' in node && node.DefElem.defname === 'check_option')) {
    const why = whyNotAutoUpdatable(query, true);
    if (why !== null) {
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'WITH CHECK OPTION is supported only on automatically updatable views',
        hint: why,
      });
    }
  }
  const named = withColumnNames(query, stringsOf(stmt.aliases));
  let view = stmt.view!;
  if (view.relpersistence === 'u') {
    report('ERROR', {
      code: SQLSTATE.syntaxError,
      message: 'views cannot be unlogged because they do not have storage',
    });
  }
  if ((view.relpersistence ?? 'p') === 'p' && usesTemporary(named)) {
    view = { ...view, relpersistence: 't' };
    report('NOTICE', { message: `view "${view.relname}" will be a temporary view` });
  }
  const p = makeParseState(null, sourceText);
  const place = withPosition(p, view.location ?? 0, () => relationCreationPlace(view));
  const stored = transformRelOptions(null, options, null, [], false);
  validateRelOptions('view', stored);
  const columns = viewColumns(named);
  const existing = classByName(view.relname!, place.namespace);
  if (stmt.replace === true && existing !== undefined) {
    replaceView(existing.oid, named, columns, stored);
    return;
  }
  checkDistinctNames(columns);
  const { oid } = heapCreateWithCatalog({
    name: view.relname!,
    namespace: place.namespace,
    tablespace: 0 as Oid,
    kind: 'v',
    persistence: place.persistence,
    accessMethod: 0 as Oid,
    desc: new TupleDesc(columns),
    owner: sessionIdentity.userOid,
    options: stored,
    useUserAcl: true,
  });
  commandCounterIncrement();
  storeViewQuery(oid, named, false);
}

/** Names given in the command rename the first columns. */
function withColumnNames(query: Query, names: readonly string[]): Query {
  if (names.length === 0) return query;
  let next = 0;
  const targetList = query.targetList.map((target) =>
    target.resjunk || next >= names.length ? target : { ...target, resname: names[next++]! },
  );
  if (next < names.length) {
    report('ERROR', {
      code: SQLSTATE.syntaxError,
      message: 'CREATE VIEW specifies more column names than columns',
    });
  }
  return { ...query, targetList };
}

/** The columns that a relation gets whose rows are this query's; also of CREATE TABLE AS. */
export function viewColumns(query: Query): Attribute[] {
  const out: Attribute[] = [];
  for (const target of query.targetList) {
    if (target.resjunk) continue;
    const type = exprType(target.expr);
    const collation = exprCollation(target.expr);
    if (typeCollation(type) !== 0 && collation === 0) {
      report('ERROR', {
        code: SQLSTATE.indeterminateCollation,
        message: `could not determine which collation to use for view column "${target.resname ?? ''}"`,
        hint: 'Use the COLLATE clause to set the collation explicitly.',
      });
    }
    out.push(
      columnOfType(target.resname ?? '', out.length + 1, type, exprTypmod(target.expr), 0, {
        ...(typeCollation(type) === 0 ? {} : { collation }),
      }),
    );
  }
  return out;
}
/** The first check of MergeAttributes(). */
export function checkDistinctNames(columns: readonly Attribute[]): void {
  const twice = columns.find(({ name }, i) => columns.some((other, k) => k > i && other.name === name));
  if (twice !== undefined) {
    report('ERROR', { code: SQLSTATE.duplicateColumn, message: `column "${twice.name}" specified more than once` });
  }
}

/** isQueryUsingTempRelation(). */
export function usesTemporary(query: unknown): boolean {
  if (query === null || typeof query !== 'object') return false;
  if (Array.isArray(query)) return query.some(usesTemporary);
  const { kind, rtekind, relid } = query as { kind?: string; rtekind?: string; relid?: Oid };
  if (kind === 'Const') return false;
  if (kind === 'RangeTblEntry' && rtekind === 'relation' && relid !== undefined) {
    if (classRow(relid)?.relpersistence === 't') return true;
  }
  return Object.values(query).some(usesTemporary);
}

// ── OR REPLACE ───────────────────────────────────────────────────────────────────────────────────────────────────

function replaceView(oid: Oid, query: Query, columns: readonly Attribute[], options: readonly string[] | null): void {
  checkRelationOwner(oid);
  lockRelationOid(oid, LOCK.accessExclusive);
  const rel = relationOpen(oid, LOCK.none);
  if (rel.kind !== 'v') {
    report('ERROR', { code: SQLSTATE.wrongObjectType, message: `"${rel.name}" is not a view` });
  }
  checkTableNotInUse(rel, 'CREATE OR REPLACE VIEW');
  checkOldColumns(columns, rel);
  const old = rel.tupleDesc.natts;
  if (columns.length > old) {
    addColumns(rel, columns.slice(old), columns.length);
    commandCounterIncrement();
  }
  relationClose(rel, LOCK.none);
  storeViewQuery(oid, query, true);
  commandCounterIncrement();
  const pgClass = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.class, pgClass, 2662 as Oid, [{ attnum: 1, value: oid }]);
  if (found === undefined) report('ERROR', { message: `cache lookup failed for relation ${oid}` });
  const elements = options ?? [];
  catalogUpdateColumns(pgClass, found.tid, {
    reloptions:
      elements.length === 0
        ? null
        : { kind: 'array', elementType: 25 as Oid, dims: [elements.length], lowerBounds: [1], elements },
  });
  relationClose(pgClass, LOCK.rowExclusive);
}
function addColumns(rel: Relation, added: readonly Attribute[], count: number): void {
  const pgAttribute = tableOpen(RELATION.pgAttribute, LOCK.rowExclusive);
  const indexes = new CatalogIndexes(pgAttribute);
  insertPgAttributeTuples(pgAttribute, rel.oid, added, indexes);
  indexes.close();
  relationClose(pgAttribute, LOCK.rowExclusive);
  const pgClass = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.class, pgClass, 2662 as Oid, [{ attnum: 1, value: rel.oid }]);
  if (found === undefined) report('ERROR', { message: `cache lookup failed for relation ${rel.oid}` });
  catalogUpdateColumns(pgClass, found.tid, { relnatts: count });
  relationClose(pgClass, LOCK.rowExclusive);
  for (const column of added) recordColumnDependencies(rel.oid, column);
}
/** checkViewTupleDesc(): others may depend on the columns that there are. */
function checkOldColumns(columns: readonly Attribute[], rel: Relation): void {
  const old = rel.tupleDesc.attrs;
  if (columns.length < old.length) invalidDefinition('cannot drop columns from view');
  old.forEach((before, i) => {
    const now = columns[i]!;
    if (before.isDropped) invalidDefinition('cannot drop columns from view');
    if (now.name !== before.name) {
      invalidDefinition(
        `cannot change name of view column "${before.name}" to "${now.name}"`,
        'Use ALTER VIEW ... RENAME COLUMN ... to change name of view column instead.',
      );
    }
    if (now.typeId !== before.typeId || now.typmod !== before.typmod) {
      const from = formatTypeWithTypmod(before.typeId, before.typmod);
      const to = formatTypeWithTypmod(now.typeId, now.typmod);
      invalidDefinition(`cannot change data type of view column "${before.name}" from ${from} to ${to}`);
    }
    if (now.collation !== before.collation) {
      const name = (oid: Oid): string => collationRow(oid)?.collname ?? '';
      invalidDefinition(
        `cannot change collation of view column "${before.name}" from "${name(before.collation)}" to "${name(now.collation)}"`,
      );
    }
  });
}
