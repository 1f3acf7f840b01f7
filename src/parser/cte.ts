/** cte.ts — WITH: order of analysis, recursion, column names and types of common table expressions.
 *  Counterpart: src/backend/parser/parse_cte.c */
import type { CommonTableExpr as RawCte, Node, SelectStmt, WithClause } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { formatTypeWithTypmod } from '#catalog/format-type.ts';
import { COLLATION, TYPE } from '#catalog/oids.ts';
import { collationRow } from '#catalog/syscache.ts';
import { exprCollation, exprLocation, exprType, exprTypmod } from '#nodes/node-funcs.ts';
import { type CommonTableExpr, makeQuery } from '#nodes/parse-nodes.ts';
import type { TargetEntry } from '#nodes/primitives.ts';
import { analyzeSubquery } from '#parser/analyze.ts';
import { bodyOf, isTag, stringsOf } from '#parser/ast.ts';
import { fail, type ParseState } from '#parser/parse-state.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const MATERIALIZE: Readonly<Record<string, CommonTableExpr['ctematerialized']>> = {
  CTEMaterializeDefault: 'default',
  CTEMaterializeAlways: 'always',
  CTEMaterializeNever: 'never',
};

/** The CTE before its query was analysed. `ctequery` of kind other than Query marks that. */
const PENDING = { ...makeQuery('unknown'), kind: 'Pending' } as unknown as CommonTableExpr['ctequery'];

interface Item {
  raw: RawCte;
  cte: CommonTableExpr;
  /** Uses itself. */
  recursive: boolean;
  dependsOn: Set<string>;
}

export function transformWith(p: ParseState, clause: WithClause): CommonTableExpr[] {
  const items: Item[] = (clause.ctes ?? []).map((node) => {
    const raw = bodyOf(node, 'CommonTableExpr');
    return { raw, cte: emptyCte(raw), recursive: false, dependsOn: new Set<string>() };
  });
  items.forEach((item, i) => {
    if (items.slice(0, i).some((other) => other.cte.ctename === item.cte.ctename)) {
      fail(
        p,
        SQLSTATE.duplicateAlias,
        `WITH query name "${item.cte.ctename}" specified more than once`,
        item.cte.location,
      );
    }
    if (!isTag(item.raw.ctequery, 'SelectStmt')) {
      if (p.parent !== null) {
        fail(
          p,
          SQLSTATE.featureNotSupported,
          'WITH clause containing a data-modifying statement must be at the top level',
          item.cte.location,
        );
      }
      p.hasModifyingCTE = true;
    }
  });
  if (clause.recursive !== true) {
    p.futureCtes = items.map((i) => ({ ctename: i.cte.ctename }));
    for (const item of items) {
      analyzeCte(p, item, items);
      p.ctes.push(item.cte);
      p.futureCtes = p.futureCtes.slice(1);
    }
    return items.map((i) => i.cte);
  }
  const names = new Set(items.map((i) => i.cte.ctename));
  for (const item of items) {
    collectReferences(item.raw.ctequery, names, item.dependsOn);
    item.recursive = item.dependsOn.has(item.cte.ctename);
    item.cte.cterecursive = item.recursive;
  }
  const ordered = sortByDependency(p, items);
  for (const item of ordered) if (item.recursive) checkRecursion(p, item);
  p.ctes = ordered.map((i) => i.cte);
  for (const item of ordered) analyzeCte(p, item, ordered);
  return ordered.map((i) => i.cte);
}

const emptyCte = (raw: RawCte): CommonTableExpr => ({
  kind: 'CommonTableExpr',
  ctename: raw.ctename!,
  aliascolnames: stringsOf(raw.aliascolnames),
  ctematerialized: MATERIALIZE[raw.ctematerialized ?? ''] ?? 'default',
  ctequery: PENDING,
  searchClause: null,
  cycleClause: null,
  location: raw.location ?? 0,
  cterecursive: false,
  cterefcount: 0,
  ctecolnames: [],
  ctecoltypes: [],
  ctecoltypmods: [],
  ctecolcollations: [],
});

function analyzeCte(p: ParseState, item: Item, all: readonly Item[]): void {
  void all;
  const { cte, raw } = item;
  if (raw.search_clause !== undefined || raw.cycle_clause !== undefined) {
    fail(p, SQLSTATE.featureNotSupported, 'SEARCH and CYCLE clauses are not implemented', cte.location);
  }
  const query = analyzeSubquery(p, raw.ctequery!, cte, true);
  query.canSetTag = false;
  const first = { types: cte.ctecoltypes, typmods: cte.ctecoltypmods, collations: cte.ctecolcollations };
  const wasRecursive = cte.ctecolnames.length > 0;
  cte.ctequery = query;
  if (query.commandType !== 'select' && query.returningList.length === 0 && query.commandType !== 'utility') return;
  const given = query.commandType === 'select' ? query.targetList : query.returningList;
  const targets = given.filter((t) => !t.resjunk);
  if (!wasRecursive) {
    describeCte(p, cte, targets);
    return;
  }
  targets.forEach((target, i) => {
    const type = exprType(target.expr);
    const typmod = exprTypmod(target.expr);
    if (type !== first.types[i] || typmod !== first.typmods[i]) {
      fail(
        p,
        SQLSTATE.datatypeMismatch,
        `recursive query "${cte.ctename}" column ${i + 1} has type ${formatTypeWithTypmod(first.types[i]!, first.typmods[i]!)} in non-recursive term but type ${formatTypeWithTypmod(type, typmod)} overall`,
        exprLocation(target.expr),
        { hint: 'Cast the output of the non-recursive term to the correct type.' },
      );
    }
    const collation = exprCollation(target.expr);
    if (collation !== first.collations[i]) {
      fail(
        p,
        SQLSTATE.collationMismatch,
        `recursive query "${cte.ctename}" column ${i + 1} has collation "${collationRow(first.collations[i]!)?.collname}" in non-recursive term but collation "${collationRow(collation)?.collname}" overall`,
        exprLocation(target.expr),
        { hint: 'Use the COLLATE clause to set the collation of the non-recursive term.' },
      );
    }
  });
}

/** Sets a CTE's columns from a target list: of its query, or of the non-recursive term. */
export function describeCte(p: ParseState, cte: CommonTableExpr, targets: readonly TargetEntry[]): void {
  const names: string[] = [...cte.aliascolnames];
  const types: Oid[] = [];
  const typmods: number[] = [];
  const collations: Oid[] = [];
  targets.forEach((target, i) => {
    if (i >= names.length) names.push(target.resname ?? '?column?');
    let type = exprType(target.expr);
    let typmod = exprTypmod(target.expr);
    let collation = exprCollation(target.expr);
    if (cte.cterecursive && type === TYPE.unknown) {
      type = TYPE.text;
      typmod = -1;
      collation = COLLATION.default;
    }
    types.push(type);
    typmods.push(typmod);
    collations.push(collation);
  });
  if (cte.aliascolnames.length > targets.length) {
    fail(
      p,
      SQLSTATE.invalidColumnReference,
      `WITH query "${cte.ctename}" has ${targets.length} columns available but ${cte.aliascolnames.length} columns specified`,
      cte.location,
    );
  }
  cte.ctecolnames = names;
  cte.ctecoltypes = types;
  cte.ctecoltypmods = typmods;
  cte.ctecolcollations = collations;
}

/** Names of CTEs that a raw tree mentions in FROM, minding inner WITHs that hide them. */
function collectReferences(value: unknown, names: ReadonlySet<string>, out: Set<string>): void {
  if (Array.isArray(value)) {
    for (const item of value) collectReferences(item, names, out);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  const object = value as Record<string, unknown>;
  const range = object['RangeVar'] as { relname?: string; schemaname?: string } | undefined;
  if (range?.relname !== undefined && range.schemaname === undefined && names.has(range.relname))
    out.add(range.relname);
  const inner = (object['withClause'] as WithClause | undefined)?.ctes?.map(
    (c) => bodyOf(c, 'CommonTableExpr').ctename!,
  );
  const visible = inner === undefined ? names : new Set([...names].filter((n) => !inner.includes(n)));
  for (const key in object) collectReferences(object[key], key === 'withClause' ? names : visible, out);
}

function sortByDependency(p: ParseState, items: Item[]): Item[] {
  const out: Item[] = [];
  const left = [...items];
  while (left.length > 0) {
    const at = left.findIndex((item) =>
      [...item.dependsOn].every((name) => name === item.cte.ctename || out.some((done) => done.cte.ctename === name)),
    );
    if (at < 0) {
      fail(
        p,
        SQLSTATE.featureNotSupported,
        'mutual recursion between WITH items is not implemented',
        left[0]!.cte.location,
      );
    }
    out.push(...left.splice(at, 1));
  }
  return out;
}

// ---- where the recursive reference may stand

const CONTEXT_MESSAGES = {
  nonrecursive: (n: string) => `recursive reference to query "${n}" must not appear within its non-recursive term`,
  sublink: (n: string) => `recursive reference to query "${n}" must not appear within a subquery`,
  outerjoin: (n: string) => `recursive reference to query "${n}" must not appear within an outer join`,
  intersect: (n: string) => `recursive reference to query "${n}" must not appear within INTERSECT`,
  except: (n: string) => `recursive reference to query "${n}" must not appear within EXCEPT`,
} as const;
type Context = keyof typeof CONTEXT_MESSAGES | 'ok';

function checkRecursion(p: ParseState, item: Item): void {
  const { cte, raw } = item;
  const name = cte.ctename;
  if (!isTag(raw.ctequery, 'SelectStmt')) {
    fail(
      p,
      SQLSTATE.invalidRecursion,
      `recursive query "${name}" must not contain data-modifying statements`,
      cte.location,
    );
  }
  const select = bodyOf(raw.ctequery, 'SelectStmt');
  if (select.op !== 'SETOP_UNION') {
    fail(
      p,
      SQLSTATE.invalidRecursion,
      `recursive query "${name}" does not have the form non-recursive-term UNION [ALL] recursive-term`,
      cte.location,
    );
  }
  const state = { count: 0 };
  scan(p, select.larg, name, 'nonrecursive', state);
  if (select.withClause !== undefined) scan(p, select.withClause, name, 'sublink', state);
  scan(p, select.rarg, name, 'ok', state);
  const refuse = (what: string, node: Node | undefined): void => {
    if (node !== undefined) {
      fail(
        p,
        SQLSTATE.featureNotSupported,
        `${what} in a recursive query is not implemented`,
        (select as { location?: number }).location ?? clauseLocation(node),
      );
    }
  };
  refuse('ORDER BY', select.sortClause?.[0]);
  refuse('OFFSET', select.limitOffset);
  refuse('LIMIT', select.limitCount);
  if (select.lockingClause !== undefined) {
    fail(p, SQLSTATE.featureNotSupported, 'FOR UPDATE/SHARE in a recursive query is not implemented');
  }
}
function clauseLocation(node: Node): number {
  const inner = isTag(node, 'SortBy') ? bodyOf(node, 'SortBy').node! : node;
  for (const key in inner) return (inner as unknown as Record<string, { location?: number }>)[key]!.location ?? 0;
  return -1;
}

function scan(p: ParseState, value: unknown, name: string, context: Context, state: { count: number }): void {
  if (Array.isArray(value)) {
    for (const item of value) scan(p, item, name, context, state);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  const object = value as Record<string, unknown>;
  const range = object['RangeVar'] as { relname?: string; schemaname?: string; location?: number } | undefined;
  if (range !== undefined) {
    if (range.relname !== name || range.schemaname !== undefined) return;
    const at = range.location ?? 0;
    if (context !== 'ok') fail(p, SQLSTATE.invalidRecursion, CONTEXT_MESSAGES[context](name), at);
    if (++state.count > 1) {
      fail(p, SQLSTATE.invalidRecursion, `recursive reference to query "${name}" must not appear more than once`, at);
    }
    return;
  }
  const sub = object['SubLink'];
  if (sub !== undefined) {
    scan(p, sub, name, context === 'ok' ? 'sublink' : context, state);
    return;
  }
  const join = object['JoinExpr'] as { jointype?: string; larg?: unknown; rarg?: unknown; quals?: unknown } | undefined;
  if (join !== undefined) {
    const outer = (side: 'l' | 'r'): Context => {
      const nullable =
        join.jointype === 'JOIN_FULL' ||
        (join.jointype === 'JOIN_LEFT' && side === 'r') ||
        (join.jointype === 'JOIN_RIGHT' && side === 'l');
      return nullable && context === 'ok' ? 'outerjoin' : context;
    };
    scan(p, join.larg, name, outer('l'), state);
    scan(p, join.rarg, name, outer('r'), state);
    scan(p, join.quals, name, context, state);
    return;
  }
  const select = object['SelectStmt'] as SelectStmt | undefined;
  if (select !== undefined) {
    scanSelect(p, select, name, context, state);
    return;
  }
  if ('op' in object && 'limitOption' in object) {
    scanSelect(p, object as SelectStmt, name, context, state);
    return;
  }
  for (const key in object) scan(p, object[key], name, context, state);
}

function scanSelect(p: ParseState, select: SelectStmt, name: string, context: Context, state: { count: number }): void {
  const inner = select.withClause?.ctes?.map((c) => bodyOf(c, 'CommonTableExpr').ctename);
  if (inner?.includes(name) === true) return;
  if (select.op === 'SETOP_INTERSECT' || select.op === 'SETOP_EXCEPT') {
    if (select.op === 'SETOP_INTERSECT' && select.all === true) {
      scan(p, select.larg, name, context === 'ok' ? 'intersect' : context, state);
      scan(p, select.rarg, name, context === 'ok' ? 'intersect' : context, state);
    } else {
      scan(p, select.larg, name, context, state);
      scan(
        p,
        select.rarg,
        name,
        context === 'ok' ? (select.op === 'SETOP_EXCEPT' ? 'except' : context) : context,
        state,
      );
    }
  } else {
    scan(p, select.larg, name, context, state);
    scan(p, select.rarg, name, context, state);
  }
  for (const [key, child] of Object.entries(select)) {
    if (key !== 'larg' && key !== 'rarg') scan(p, child, name, context, state);
  }
}
