/** updatable-view.ts — may rows of a view be changed by changing rows of the one table under it?
 *  Counterpart: view_query_is_auto_updatable() of src/backend/rewrite/rewriteHandler.c */
import type { Query, RangeTblEntry } from '#nodes/parse-nodes.ts';
import type { TargetEntry } from '#nodes/primitives.ts';

const BASE_KINDS = 'rfvp';

/** The table or view under a simple view. */
export function baseEntry(query: Query): RangeTblEntry | null {
  const [only] = query.jointree.fromlist;
  if (query.jointree.fromlist.length !== 1 || only === undefined || only.kind !== 'RangeTblRef') return null;
  return query.rtable[only.rtindex - 1] ?? null;
}

/** view_col_is_auto_updatable(): a column of the base relation, once. */
export function whyColumnNotUpdatable(query: Query, target: TargetEntry): string | null {
  if (target.resjunk) return 'View columns that are not columns of their base relation are not updatable.';
  const only = query.jointree.fromlist[0];
  const base = only !== undefined && only.kind === 'RangeTblRef' ? only.rtindex : 0;
  const { expr } = target;
  if (expr.kind !== 'Var' || expr.varno !== base || expr.varlevelsup !== 0) {
    return 'View columns that are not columns of their base relation are not updatable.';
  }
  if (expr.varattno < 0) return 'View columns that refer to system columns are not updatable.';
  if (expr.varattno === 0) return 'View columns that return whole-row references are not updatable.';
  return null;
}

/** null if it may; else the detail of the refusal. `checkColumns`: at least one column must be updatable. */
export function whyNotAutoUpdatable(query: Query, checkColumns: boolean): string | null {
  if (query.distinctClause.length > 0) return 'Views containing DISTINCT are not automatically updatable.';
  if (query.groupClause.length > 0 || query.groupingSets.length > 0) {
    return 'Views containing GROUP BY are not automatically updatable.';
  }
  if (query.havingQual !== null) return 'Views containing HAVING are not automatically updatable.';
  if (query.setOperations !== null) {
    return 'Views containing UNION, INTERSECT, or EXCEPT are not automatically updatable.';
  }
  if (query.cteList.length > 0) return 'Views containing WITH are not automatically updatable.';
  if (query.limitOffset !== null || query.limitCount !== null) {
    return 'Views containing LIMIT or OFFSET are not automatically updatable.';
  }
  if (query.hasAggs) return 'Views that return aggregate functions are not automatically updatable.';
  if (query.hasWindowFuncs) return 'Views that return window functions are not automatically updatable.';
  if (query.hasTargetSRFs) {
    return 'Views that return set-returning functions are not automatically updatable.';
  }
  const base = baseEntry(query);
  if (base === null || base.rtekind !== 'relation' || !BASE_KINDS.includes(base.relkind)) {
    return 'Views that do not select from a single table or view are not automatically updatable.';
  }
  if (base.tablesample !== null) return 'Views containing TABLESAMPLE are not automatically updatable.';
  if (checkColumns && !query.targetList.some((target) => whyColumnNotUpdatable(query, target) === null)) {
    return 'Views that have no updatable columns are not automatically updatable.';
  }
  return null;
}
