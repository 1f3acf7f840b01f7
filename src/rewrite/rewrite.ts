/** rewrite.ts — views: a reference to one becomes a sub-select of its definition.
 *
 *  The definition of a system view is an SQL text of the catalog, parsed, analysed and expanded once per process; trees
 *  are shared, never changed, so every use refers to the same one. What a view reads is checked with the rights of the
 *  view's owner. A query that mentions no view comes back as it is.
 *  Counterpart: src/backend/rewrite/rewriteHandler.c (fireRIRrules, ApplyRetrieveRule) */
import type { Oid } from '#base/ids.ts';
import { withSearchPath } from '#catalog/namespace.ts';
import { forgetOnChange } from '#catalog/catalog-change.ts';
import { NAMESPACE, RELATION } from '#catalog/oids.ts';
import { relationClose, relationOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { classRow, viewDefinition } from '#catalog/syscache.ts';
import { stringToNode } from '#nodes/node-text.ts';
import { noPrivileges, type Query, type RangeTblEntry, type RteSubquery } from '#nodes/parse-nodes.ts';
import type { Expr } from '#nodes/primitives.ts';
import { mapChildren, mapQuery } from '#nodes/visit.ts';
import { analyze } from '#parser/analyze.ts';
import { parseText } from '#parser/parse.ts';
import { rewriteTargetList } from '#rewrite/target-list.ts';
import { acquireRelationLocks, type RelationLocks, relationLocksOf } from '#rewrite/query-locks.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export function rewriteQuery(query: Query): Query[] {
  return [query.commandType === 'utility' ? query : expand(rewriteModification(query))];
}

const MODIFIES: ReadonlySet<Query['commandType']> = new Set(['insert', 'update', 'delete']);
/** Defaults and generated columns of what the query, or a CTE of it, modifies. */
function rewriteModification(query: Query): Query {
  const cteList = mapChanged(query.cteList, (cte) => {
    const ctequery = rewriteModification(cte.ctequery);
    return ctequery === cte.ctequery ? cte : { ...cte, ctequery };
  });
  const inner = cteList === query.cteList ? query : { ...query, cteList };
  if (!MODIFIES.has(query.commandType)) return inner;
  const rte = query.rtable[query.resultRelation - 1]!;
  if (rte.rtekind !== 'relation') throw new Error('the target of a modification is no relation');
  checkTargetKind(rte.relid, query.commandType);
  if (query.commandType === 'delete') return inner;
  const relation = relationOpen(rte.relid, 0);
  try {
    return rewriteTargetList(inner, relation);
  } finally {
    relationClose(relation, 0);
  }
}

const VERBS: Readonly<Record<string, string>> = { insert: 'insert into', update: 'update', delete: 'delete from' };
const OTHER_KINDS: Readonly<Record<string, string>> = { S: 'sequence', t: 'TOAST relation', m: 'materialized view' };
/** Only tables hold rows that a statement can change. */
function checkTargetKind(relid: Oid, commandType: Query['commandType']): void {
  const row = classRow(relid)!;
  if (row.relkind === 'r' || row.relkind === 'p') return;
  if (row.relkind === 'v') {
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: `cannot ${VERBS[commandType]} view "${row.relname}"`,
    });
  }
  report('ERROR', {
    code: SQLSTATE.wrongObjectType,
    message: `cannot change ${OTHER_KINDS[row.relkind] ?? 'relation'} "${row.relname}"`,
  });
}

const viewQueries = new Map<Oid, Query>();
const viewLocks = new Map<Oid, RelationLocks>();
// What users define may change; the system's views stay.
forgetOnChange([RELATION.pgRewrite, RELATION.pgClass], () => {
  for (const relid of viewQueries.keys()) if (viewDefinition(relid) === undefined) viewQueries.delete(relid);
});
const beingExpanded = new Set<Oid>();
/** The defining query of a view, views inside it expanded. */
export function viewQuery(relid: Oid): Query {
  let query = viewQueries.get(relid);
  if (query === undefined) {
    const row = classRow(relid)!;
    if (beingExpanded.has(relid)) {
      report('ERROR', {
        code: SQLSTATE.invalidObjectDefinition,
        message: `infinite recursion detected in rules for relation "${row.relname}"`,
      });
    }
    beingExpanded.add(relid);
    try {
      const plain = viewDefinition(relid) === undefined ? storedView(relid) : analyzeView(relid);
      const asInvoker = row.reloptions?.some((option) => SECURITY_INVOKER.test(option)) === true;
      query = expand(asInvoker ? plain : withOwner(plain, row.relowner));
    } finally {
      beingExpanded.delete(relid);
    }
    viewQueries.set(relid, query);
    viewLocks.set(relid, relationLocksOf(query));
  }
  return query;
}
const SECURITY_INVOKER = /^security_invoker=(?:t|tr|tru|true|on|y|ye|yes|1)$/i;
const SECURITY_BARRIER = /^security_barrier=(?:t|tr|tru|true|on|y|ye|yes|1)$/i;

/** The query of a relation's rule _RETURN as it is stored; null if there is none. */
export function storedRuleQuery(relid: Oid): Query | null {
  const rule = store.rewrite.by('ev_class', relid).find((row) => row.ev_type === '1');
  if (rule === undefined) return null;
  return (stringToNode(rule.ev_action) as unknown as Query[])[0] ?? null;
}
/** The entries OLD and NEW of the view itself are in no join tree; they give way to entries that ask for nothing. */
function storedView(relid: Oid): Query {
  const query = storedRuleQuery(relid);
  if (query === null) {
    return report('ERROR', { message: `no definition of view "${classRow(relid)?.relname ?? relid}"` });
  }
  const rtable = query.rtable.map((rte, i): RangeTblEntry => {
    if (i >= 2) return rte;
    const { alias, eref } = rte;
    const head = { kind: 'RangeTblEntry', rtekind: 'result', alias, eref, lateral: false, inh: false } as const;
    return { ...head, inFromCl: false, ...noPrivileges() };
  });
  return { ...query, rtable };
}

/** For use in a query of this transaction. */
function lockedViewQuery(relid: Oid): Query {
  const query = viewQuery(relid);
  acquireRelationLocks(viewLocks.get(relid)!);
  return query;
}

function analyzeView(relid: Oid): Query {
  const text = viewDefinition(relid);
  if (text === undefined) {
    report('ERROR', {
      code: SQLSTATE.internalError,
      message: `no definition of view "${classRow(relid)?.relname ?? relid}"`,
    });
  }
  return withSearchPath([NAMESPACE.pgCatalog], () =>
    // Errors of our own text must not point into the user's.
    analyze(parseText(text)[0]!, '', { types: [], variable: false }),
  );
}

/** Relations that a view reads directly are checked as its owner. */
function withOwner(query: Query, owner: Oid): Query {
  const own = (q: Query): Query => {
    const mapped = mapQuery(q, ownExpr, own);
    return {
      ...mapped,
      rtable: mapped.rtable.map((rte) => (rte.rtekind === 'relation' ? { ...rte, checkAsUser: owner } : rte)),
    };
  };
  const ownExpr = (e: Expr): Expr => {
    const inner = mapChildren(e, ownExpr);
    return inner.kind === 'SubLink' ? { ...inner, subselect: own(inner.subselect) } : inner;
  };
  return own(query);
}

function expand(query: Query): Query {
  let out = query;
  // Sub-selects in expressions; function arguments and VALUES are expressions too.
  if (query.hasSubLinks) {
    const f = (e: Expr): Expr => {
      const inner = mapChildren(e, f);
      if (inner.kind !== 'SubLink') return inner;
      const subselect = expand(inner.subselect);
      return subselect === inner.subselect ? inner : { ...inner, subselect };
    };
    out = mapQuery(query, f);
  }
  const rtable = mapChanged(out.rtable, expandEntry);
  const cteList = mapChanged(out.cteList, (cte) => {
    const ctequery = expand(cte.ctequery);
    return ctequery === cte.ctequery ? cte : { ...cte, ctequery };
  });
  return rtable === out.rtable && cteList === out.cteList ? out : { ...out, rtable, cteList };
}

function mapChanged<T>(list: T[], f: (item: T) => T): T[] {
  let out: T[] | null = null;
  for (let i = 0; i < list.length; i++) {
    const fresh = f(list[i]!);
    if (fresh !== list[i] && out === null) out = list.slice();
    if (out !== null) out[i] = fresh;
  }
  return out ?? list;
}

/** A table's own rows alone would be a wrong answer. */
function refuseChildren(relid: Oid): void {
  const row = classRow(relid);
  if (row?.relhassubclass !== true || store.inherits.by('inhparent', relid).length === 0) return;
  report('ERROR', {
    code: SQLSTATE.featureNotSupported,
    message: `queries over the children of table "${row.relname}" are not supported`,
    hint: 'Use ONLY to read or change the rows of the table itself.',
  });
}

function expandEntry(rte: RangeTblEntry): RangeTblEntry {
  if (rte.rtekind === 'subquery') {
    const subquery = expand(rte.subquery);
    return subquery === rte.subquery ? rte : { ...rte, subquery };
  }
  if (rte.rtekind !== 'relation') return rte;
  if (rte.inh && rte.relkind === 'r') refuseChildren(rte.relid);
  if (rte.relkind !== 'v') return rte;
  const expanded: RteSubquery = {
    kind: 'RangeTblEntry',
    rtekind: 'subquery',
    alias: rte.alias,
    eref: rte.eref,
    lateral: rte.lateral,
    inh: false,
    inFromCl: rte.inFromCl,
    requiredPerms: rte.requiredPerms,
    checkAsUser: rte.checkAsUser,
    selectedCols: rte.selectedCols,
    insertedCols: rte.insertedCols,
    updatedCols: rte.updatedCols,
    extraUpdatedCols: rte.extraUpdatedCols,
    securityQuals: rte.securityQuals,
    subquery: lockedViewQuery(rte.relid),
    securityBarrier: classRow(rte.relid)?.reloptions?.some((option) => SECURITY_BARRIER.test(option)) === true,
    relid: rte.relid,
  };
  return expanded;
}
