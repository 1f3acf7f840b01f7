/** view-rule.ts — the rule _RETURN that makes a relation a view: its query as text, with what it depends on.
 *
 *  The stored query's range table begins with two entries for the view itself, OLD and NEW, as in every rule.
 *  Counterpart: StoreViewQuery() of src/backend/commands/view.c, DefineQueryRewrite(), InsertRule() of
 *  rewrite/rewriteDefine.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { Oid } from '#base/ids.ts';
import { referencesOfQuery } from '#catalog/expr-dependencies.ts';
import { catalogInsert, catalogUpdateColumns, catalogValues } from '#catalog/indexing.ts';
import { cacheInvalidateRelcache } from '#catalog/inval.ts';
import { getNewOidWithIndex } from '#catalog/new-oid.ts';
import { objectAddress } from '#catalog/object-address.ts';
import { RELATION } from '#catalog/oids.ts';
import { deleteDependencyRecordsFor, recordDependencyOn, recordMultipleDependencies } from '#catalog/pg-depend.ts';
import { relationClose, relationOpen, tableOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { nodeToString } from '#nodes/node-text.ts';
import { noPrivileges, type Query, type RteRelation } from '#nodes/parse-nodes.ts';
import { offsetVarNodes } from '#rewrite/offset-vars.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';

export const VIEW_SELECT_RULE = '_RETURN';
const REWRITE_OID_INDEX = 2692 as Oid;
const REWRITE_NAME_INDEX = 2693 as Oid;

function ruleEntry(view: Relation, name: string): RteRelation {
  return {
    kind: 'RangeTblEntry',
    rtekind: 'relation',
    relid: view.oid,
    relkind: view.kind,
    rellockmode: LOCK.accessShare,
    tablesample: null,
    alias: { kind: 'Alias', aliasname: name, colnames: [] },
    eref: {
      kind: 'Alias',
      aliasname: name,
      colnames: view.tupleDesc.attrs.map((column) => (column.isDropped ? '' : column.name)),
    },
    lateral: false,
    inh: false,
    inFromCl: false,
    ...noPrivileges(),
  };
}

/** The relation exists with the columns of the query; it is locked exclusively. */
export function storeViewQuery(viewOid: Oid, query: Query, replace: boolean): void {
  const view = relationOpen(viewOid, LOCK.accessExclusive);
  const moved = offsetVarNodes(query, 2);
  const action: Query = { ...moved, rtable: [ruleEntry(view, 'old'), ruleEntry(view, 'new'), ...moved.rtable] };
  insertRule(view, action, replace);
  setRuleStatus(viewOid);
  relationClose(view, LOCK.none);
}

function insertRule(view: Relation, action: Query, replace: boolean): void {
  const rel = tableOpen(RELATION.pgRewrite, LOCK.rowExclusive);
  const row = {
    rulename: VIEW_SELECT_RULE,
    ev_class: view.oid,
    ev_type: '1',
    ev_enabled: 'O',
    is_instead: true,
    ev_qual: '<>',
    ev_action: nodeToString([action]),
  };
  const [old] = findCatalogTuples(store.rewrite, rel, REWRITE_NAME_INDEX, [
    { attnum: 3, value: view.oid },
    { attnum: 2, value: VIEW_SELECT_RULE },
  ]);
  let oid: Oid;
  if (old !== undefined) {
    if (!replace) {
      report('ERROR', {
        code: SQLSTATE.duplicateObject,
        message: `rule "${VIEW_SELECT_RULE}" for relation "${view.name}" already exists`,
      });
    }
    oid = old.row.oid;
    const { ev_type, is_instead, ev_qual, ev_action } = row;
    catalogUpdateColumns(rel, old.tid, { ev_type, is_instead, ev_qual, ev_action });
    deleteDependencyRecordsFor(RELATION.pgRewrite, oid);
  } else {
    oid = getNewOidWithIndex(rel, REWRITE_OID_INDEX);
    catalogInsert(rel, catalogValues(rel, { oid, ...row }));
  }
  const myself = objectAddress(RELATION.pgRewrite, oid);
  recordDependencyOn(myself, objectAddress(RELATION.pgClass, view.oid), 'i');
  recordMultipleDependencies(myself, referencesOfQuery(action), 'n');
  relationClose(rel, LOCK.rowExclusive);
}

/** SetRelationRuleStatus(): whoever knows the relation must read its rules. */
function setRuleStatus(relid: Oid): void {
  const pgClass = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.class, pgClass, 2662 as Oid, [{ attnum: 1, value: relid }]);
  if (found === undefined) report('ERROR', { message: `cache lookup failed for relation ${relid}` });
  if (!found.row.relhasrules) catalogUpdateColumns(pgClass, found.tid, { relhasrules: true });
  else cacheInvalidateRelcache(relid);
  relationClose(pgClass, LOCK.rowExclusive);
}
