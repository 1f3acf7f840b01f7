/** prep.ts — making a query simpler before planning: join aliases resolved, sub-selects in WHERE turned into joins,
 *  simple sub-selects in FROM merged into their parent, outer joins reduced.
 *
 *  Each step takes a Query and returns another one; the input is never changed.
 *  Counterpart: src/backend/optimizer/prep/prepjointree.c, plan/subselect.c */
import { implicitAnd, explicitAnd, makeAlias, makeVar } from '#nodes/node-funcs.ts';
import { noPrivileges, type Query, type RangeTblEntry, type RteSubquery } from '#nodes/parse-nodes.ts';
import type { Expr, FromExpr, FromNode, JoinExpr, RowExpr, SubLink, TargetEntry, Var } from '#nodes/primitives.ts';
import { rewriteExpr, rewriteQueryExprs, walkQuery } from '#nodes/visit.ts';
import { TYPE } from '#catalog/oids.ts';
import { inlineSetFunction } from '#optimizer/inline-function.ts';
import { offsetQuery, shiftExprLevels, shiftQueryLevels } from '#optimizer/levels.ts';
import {
  bit,
  containsSet,
  containsVolatile,
  isSubset,
  nonNullableRelids,
  pullVars,
  relidsOf,
} from '#optimizer/volatility.ts';

/** Base relations below a node of the join tree, as a bit set. */
export function relidsOfFrom(node: FromNode): bigint {
  switch (node.kind) {
    case 'RangeTblRef':
      return bit(node.rtindex);
    case 'JoinExpr':
      return relidsOfFrom(node.larg) | relidsOfFrom(node.rarg);
    case 'FromExpr':
      return node.fromlist.reduce((set, child) => set | relidsOfFrom(child), 0n);
  }
}

function rowOf(items: { expr: Expr; name: string }[]): RowExpr {
  return {
    kind: 'RowExpr',
    args: items.map((item) => item.expr),
    rowTypeid: TYPE.record,
    rowFormat: 'implicit_cast',
    colnames: items.map((item) => item.name),
    location: -1,
  };
}

/** Variables of joins become the variables of what is joined. */
export function flattenJoinAliases(query: Query): Query {
  if (!query.rtable.some((rte) => rte.rtekind === 'join')) return query;
  const resolve = (node: Expr, level: number): Expr => {
    if (node.kind !== 'Var' || node.varlevelsup !== level) return node;
    const rte = query.rtable[node.varno - 1];
    if (rte === undefined || rte.rtekind !== 'join') return node;
    if (node.varattno === 0) {
      const items = rte.joinaliasvars.map((expr, i) => ({
        expr: shiftExprLevels(rewriteExpr(expr, resolve), level),
        name: rte.eref.colnames[i] ?? '',
      }));
      return { ...rowOf(items), rowTypeid: node.vartype };
    }
    const alias = rte.joinaliasvars[node.varattno - 1]!;
    // A join column may itself be a column of a join below.
    return shiftExprLevels(rewriteExpr(alias, resolve), level);
  };
  return rewriteQueryExprs(query, resolve);
}

// ---------------------------------------------------------------- sub-selects in WHERE

/** Replaces ANY and EXISTS sub-selects at the top of WHERE and inner ON clauses by semi and anti joins. */
export function pullUpSubLinks(query: Query): Query {
  if (!query.hasSubLinks) return query;
  const work: Query = { ...query, rtable: query.rtable.slice() };
  work.jointree = pullUpInFrom(work, query.jointree) as FromExpr;
  return work;
}

function pullUpInFrom(query: Query, node: FromNode): FromNode {
  switch (node.kind) {
    case 'RangeTblRef':
      return node;
    case 'FromExpr': {
      const fromlist = node.fromlist.map((child) => pullUpInFrom(query, child));
      const bare: FromExpr = { kind: 'FromExpr', fromlist, quals: null };
      const available = relidsOfFrom(bare);
      const { tree, quals } = pullUpInQuals(query, bare, node.quals, available);
      if (tree === bare) return { ...bare, quals: explicitAnd(quals) };
      return { kind: 'FromExpr', fromlist: [tree], quals: explicitAnd(quals) };
    }
    case 'JoinExpr': {
      const join: JoinExpr = { ...node, larg: pullUpInFrom(query, node.larg), rarg: pullUpInFrom(query, node.rarg) };
      if (node.jointype === 'inner') {
        const bare: FromExpr = { kind: 'FromExpr', fromlist: [join], quals: null };
        const { tree, quals } = pullUpInQuals(query, bare, node.quals, relidsOfFrom(join));
        if (tree === bare) return join;
        return { kind: 'FromExpr', fromlist: [replaceJoinQuals(tree, join)], quals: explicitAnd(quals) };
      }
      if (node.jointype === 'left') {
        // A condition of the nullable side alone may become a semi join below it.
        const bare: FromExpr = { kind: 'FromExpr', fromlist: [join.rarg], quals: null };
        const { tree, quals } = pullUpInQuals(query, bare, node.quals, relidsOfFrom(join.rarg));
        return tree === bare ? join : { ...join, rarg: tree, quals: explicitAnd(quals) };
      }
      return join;
    }
  }
}
/** The join's own condition has moved above: it joins unconditionally now. */
function replaceJoinQuals(tree: FromNode, join: JoinExpr): FromNode {
  if (tree === join) return { ...join, quals: null };
  if (tree.kind === 'JoinExpr') return { ...tree, larg: replaceJoinQuals(tree.larg, join) };
  if (tree.kind === 'FromExpr')
    return { ...tree, fromlist: tree.fromlist.map((child) => replaceJoinQuals(child, join)) };
  return tree;
}

function pullUpInQuals(
  query: Query,
  tree: FromNode,
  qual: Expr | null,
  available: bigint,
): { tree: FromNode; quals: Expr[] } {
  const rest: Expr[] = [];
  let current = tree;
  for (const item of implicitAnd(qual)) {
    let join: JoinExpr | null = null;
    if (item.kind === 'SubLink') {
      if (item.subLinkType === 'any') join = anyToJoin(query, item, current, available);
      else if (item.subLinkType === 'exists') join = existsToJoin(query, item, false, current, available);
    } else if (item.kind === 'BoolExpr' && item.boolop === 'not') {
      const inner = item.args[0]!;
      if (inner.kind === 'SubLink' && inner.subLinkType === 'exists') {
        join = existsToJoin(query, inner, true, current, available);
      }
    }
    if (join === null) rest.push(item);
    else {
      // The new right side may hold sub-selects of its own.
      join.rarg = pullUpInFrom(query, join.rarg);
      current = join;
    }
  }
  return { tree: current, quals: rest };
}

function refersToLevel(sub: Query, level: number): boolean {
  let found = false;
  walkQuery(sub, (node, depth) => {
    if (node.kind === 'Var' && node.varlevelsup === depth + level) found = true;
    if ((node.kind === 'Aggref' || node.kind === 'GroupingFunc') && node.agglevelsup === depth + level) found = true;
  });
  return found;
}

function makeJoin(jointype: JoinExpr['jointype'], larg: FromNode, rarg: FromNode, quals: Expr | null): JoinExpr {
  return {
    kind: 'JoinExpr',
    jointype,
    isNatural: false,
    larg,
    rarg,
    usingClause: [],
    joinUsingAlias: null,
    quals,
    alias: null,
    rtindex: 0,
  };
}

function anyToJoin(query: Query, link: SubLink, left: FromNode, available: bigint): JoinExpr | null {
  const sub = link.subselect;
  if (refersToLevel(sub, 1)) return null;
  const test = link.testexpr!;
  const used = relidsOf(test);
  if (used === 0n || !isSubset(used, available) || containsVolatile(test)) return null;
  const rtindex = query.rtable.length + 1;
  const visible = sub.targetList.filter((entry) => !entry.resjunk);
  query.rtable.push({
    kind: 'RangeTblEntry',
    rtekind: 'subquery',
    subquery: sub,
    securityBarrier: false,
    relid: 0 as RteSubquery['relid'],
    alias: makeAlias('ANY_subquery'),
    eref: makeAlias(
      'ANY_subquery',
      visible.map((entry) => entry.resname ?? '?column?'),
    ),
    lateral: false,
    inh: false,
    inFromCl: false,
    ...noPrivileges(),
  });
  const quals = rewriteExpr(test, (node) => {
    if (node.kind !== 'Param' || node.paramkind !== 'sublink') return node;
    return makeVar(rtindex, node.paramid, node.paramtype, node.paramtypmod, node.paramcollid);
  });
  return makeJoin('semi', left, { kind: 'RangeTblRef', rtindex }, quals);
}

/** EXISTS looks at rows, not at what they hold: drop what cannot change whether there is one. */
export function simplifyExists(sub: Query): Query | null {
  if (
    sub.commandType !== 'select' ||
    sub.setOperations !== null ||
    sub.hasAggs ||
    sub.groupingSets.length > 0 ||
    sub.hasWindowFuncs ||
    sub.hasTargetSRFs ||
    sub.hasModifyingCTE ||
    sub.havingQual !== null ||
    sub.limitOffset !== null ||
    sub.rowMarks.length > 0
  ) {
    return null;
  }
  if (sub.limitCount !== null) {
    const limit = sub.limitCount;
    if (limit.kind !== 'Const' || (!limit.constisnull && (limit.constvalue as number) <= 0)) return null;
  }
  return {
    ...sub,
    targetList: [],
    groupClause: [],
    windowClause: [],
    distinctClause: [],
    sortClause: [],
    hasDistinctOn: false,
    limitCount: null,
  };
}

function existsToJoin(
  query: Query,
  link: SubLink,
  negated: boolean,
  left: FromNode,
  available: bigint,
): JoinExpr | null {
  if (link.subselect.cteList.length > 0) return null;
  const sub = simplifyExists(link.subselect);
  if (sub === null || sub.jointree.fromlist.length === 0) return null;
  const where = sub.jointree.quals;
  if (where === null) return null;
  const bare: Query = { ...sub, jointree: { ...sub.jointree, quals: null } };
  if (refersToLevel(bare, 1)) return null;
  if (pullVars(where, 1).length === 0 || containsVolatile(where)) return null;
  const offset = query.rtable.length;
  const moved = shiftQueryLevels(offsetQuery({ ...bare, jointree: { ...bare.jointree, quals: where } }, offset), -1, 1);
  const quals = moved.jointree.quals!;
  const rarg: FromExpr = { ...moved.jointree, quals: null };
  const inner = relidsOfFrom(rarg);
  const outer = relidsOf(quals) & ~inner;
  if (!isSubset(outer, available) || outer === 0n) return null;
  query.rtable.push(...moved.rtable);
  return makeJoin(negated ? 'anti' : 'semi', left, rarg.fromlist.length === 1 ? rarg.fromlist[0]! : rarg, quals);
}

// ---------------------------------------------------------------- functions and sub-selects in FROM

/** Set-returning SQL functions in FROM become sub-selects. */
export function inlineFunctionRtes(query: Query): Query {
  let changed = false;
  const rtable = query.rtable.map((rte): RangeTblEntry => {
    if (rte.rtekind !== 'function' || rte.functions.length !== 1 || rte.funcordinality) return rte;
    const fn = rte.functions[0]!;
    if (fn.funccolnames.length > 0) return rte;
    const sub = inlineSetFunction(fn.funcexpr);
    if (sub === null || sub.targetList.filter((entry) => !entry.resjunk).length !== fn.funccolcount) return rte;
    const args = (fn.funcexpr as Extract<Expr, { kind: 'FuncExpr' }>).args;
    changed = true;
    const subquery = rewriteQueryExprs(sub, (node, level) =>
      node.kind === 'Param' && node.paramkind === 'extern' ? shiftExprLevels(args[node.paramid - 1]!, level + 1) : node,
    );
    const { functions: _functions, funcordinality: _ordinality, ...common } = rte;
    return {
      ...common,
      rtekind: 'subquery',
      subquery,
      securityBarrier: false,
      relid: 0 as RteSubquery['relid'],
      lateral: rte.lateral || args.some((arg) => pullVars(arg).length > 0),
    };
  });
  return changed ? { ...query, rtable } : query;
}

function isSimpleSubquery(rte: RteSubquery, underOuter: boolean): boolean {
  const sub = rte.subquery;
  if (
    sub.commandType !== 'select' ||
    rte.securityBarrier ||
    sub.setOperations !== null ||
    sub.hasAggs ||
    sub.hasWindowFuncs ||
    sub.hasTargetSRFs ||
    sub.groupClause.length > 0 ||
    sub.groupingSets.length > 0 ||
    sub.havingQual !== null ||
    sub.sortClause.length > 0 ||
    sub.distinctClause.length > 0 ||
    sub.limitOffset !== null ||
    sub.limitCount !== null ||
    sub.hasForUpdate ||
    sub.cteList.length > 0
  ) {
    return false;
  }
  if (sub.targetList.some((entry) => containsVolatile(entry.expr) || containsSet(entry.expr))) return false;
  if (underOuter) {
    // Above an outer join only a plain variable becomes null by itself.
    if (sub.jointree.fromlist.length === 0 || rte.lateral) return false;
    if (sub.targetList.some((entry) => !isLocalVar(entry.expr))) return false;
  }
  return true;
}
const isLocalVar = (expr: Expr): boolean => expr.kind === 'Var' && expr.varlevelsup === 0 && expr.varattno !== 0;

/** Merges simple sub-selects of FROM into the query. */
export function pullUpSubqueries(query: Query): Query {
  let work: Query = { ...query, rtable: query.rtable.slice() };
  // Each merge replaces one range table entry; those it brings along are looked at again.
  for (;;) {
    work = mergeSingleValues(work);
    const candidate = findCandidate(work, work.jointree, false);
    if (candidate === null) return dropEmptyItems(work);
    work = mergeSubquery(work, candidate);
  }
}

/** VALUES of one row, alone in FROM, is no relation at all: its columns are expressions. */
function mergeSingleValues(query: Query): Query {
  const rte = query.rtable[0];
  const only = query.jointree.fromlist[0];
  if (query.rtable.length !== 1 || rte?.rtekind !== 'values' || only?.kind !== 'RangeTblRef') return query;
  const values = rte.valuesLists[0]!;
  if (rte.valuesLists.length !== 1 || values.some((expr) => containsVolatile(expr) || containsSet(expr))) return query;
  const merged = rewriteQueryExprs(query, (node, level) => {
    if (node.kind !== 'Var' || node.varlevelsup !== level) return node;
    if (node.varattno === 0) {
      const items = values.map((expr, i) => ({ expr: shiftExprLevels(expr, level), name: rte.eref.colnames[i] ?? '' }));
      return { ...rowOf(items), rowTypeid: node.vartype };
    }
    return shiftExprLevels(values[node.varattno - 1]!, level);
  });
  return { ...merged, jointree: { ...merged.jointree, fromlist: [] } };
}

function findCandidate(query: Query, node: FromNode, underOuter: boolean): number | null {
  switch (node.kind) {
    case 'RangeTblRef': {
      const rte = query.rtable[node.rtindex - 1]!;
      return rte.rtekind === 'subquery' && isSimpleSubquery(rte, underOuter) ? node.rtindex : null;
    }
    case 'FromExpr': {
      for (const child of node.fromlist) {
        const found = findCandidate(query, child, underOuter);
        if (found !== null) return found;
      }
      return null;
    }
    case 'JoinExpr': {
      const leftNullable = node.jointype === 'right' || node.jointype === 'full';
      const rightNullable = node.jointype !== 'inner' && node.jointype !== 'right';
      return (
        findCandidate(query, node.larg, underOuter || leftNullable) ??
        findCandidate(query, node.rarg, underOuter || rightNullable)
      );
    }
  }
}

function mergeSubquery(query: Query, rtindex: number): Query {
  const rte = query.rtable[rtindex - 1] as RteSubquery;
  const prepared = pullUpSubLinks(flattenJoinAliases(rte.subquery));
  const sub = shiftQueryLevels(offsetQuery(prepared, query.rtable.length), -1, 1);
  const targets = sub.targetList.filter((entry) => !entry.resjunk);
  const replace = (node: Expr, level: number): Expr => {
    if (node.kind !== 'Var' || node.varlevelsup !== level || node.varno !== rtindex) return node;
    return shiftExprLevels(substitute(node, targets, rte), level);
  };
  const merged = rewriteQueryExprs(query, replace);
  // What was lateral inside the sub-select is lateral now in the parent.
  const rtable = [...merged.rtable, ...sub.rtable];
  rtable[rtindex - 1] = { ...rte, subquery: { ...rte.subquery } };
  const jointree = replaceRef(merged.jointree, rtindex, sub.jointree) as FromExpr;
  return { ...merged, rtable, jointree, hasSubLinks: merged.hasSubLinks || sub.hasSubLinks };
}

function substitute(node: Var, targets: TargetEntry[], rte: RteSubquery): Expr {
  if (node.varattno === 0) {
    const row = rowOf(
      targets.map((entry, i) => ({ expr: entry.expr, name: rte.eref.colnames[i] ?? entry.resname ?? '' })),
    );
    return { ...row, rowTypeid: node.vartype };
  }
  const entry = targets[node.varattno - 1];
  if (entry === undefined) throw new Error(`sub-select has no column ${node.varattno}`);
  return entry.expr;
}

function replaceRef(node: FromNode, rtindex: number, by: FromExpr): FromNode {
  switch (node.kind) {
    case 'RangeTblRef':
      return node.rtindex === rtindex ? by : node;
    case 'FromExpr':
      return { ...node, fromlist: node.fromlist.map((child) => replaceRef(child, rtindex, by)) };
    case 'JoinExpr':
      return { ...node, larg: replaceRef(node.larg, rtindex, by), rarg: replaceRef(node.rarg, rtindex, by) };
  }
}

/** An item without relations contributes its condition only. */
function dropEmptyItems(query: Query): Query {
  const clean = (node: FromNode): FromNode => {
    if (node.kind === 'RangeTblRef') return node;
    if (node.kind === 'JoinExpr') {
      const larg = clean(node.larg);
      const rarg = clean(node.rarg);
      if (node.jointype === 'inner' && (isEmpty(larg) || isEmpty(rarg))) {
        const quals = [...implicitAnd(emptyQuals(larg)), ...implicitAnd(emptyQuals(rarg)), ...implicitAnd(node.quals)];
        return { kind: 'FromExpr', fromlist: [larg, rarg].filter((side) => !isEmpty(side)), quals: explicitAnd(quals) };
      }
      return { ...node, larg, rarg };
    }
    const quals = implicitAnd(node.quals);
    const fromlist: FromNode[] = [];
    for (const child of node.fromlist.map(clean)) {
      if (isEmpty(child)) quals.unshift(...implicitAnd(emptyQuals(child)));
      else fromlist.push(child);
    }
    return { kind: 'FromExpr', fromlist, quals: explicitAnd(quals) };
  };
  return { ...query, jointree: clean(query.jointree) as FromExpr };
}
const isEmpty = (node: FromNode): boolean => node.kind === 'FromExpr' && node.fromlist.length === 0;
const emptyQuals = (node: FromNode): Expr | null => (isEmpty(node) ? (node as FromExpr).quals : null);

// ---------------------------------------------------------------- outer joins

/** LEFT, RIGHT and FULL joins whose null-extended rows are rejected above become simpler ones. RIGHT joins are
 *  turned around, so that planning knows left ones only. */
export function reduceOuterJoins(query: Query): Query {
  return { ...query, jointree: reduceNode(query.jointree, 0n, []) as FromExpr };
}

function reduceNode(node: FromNode, rejecting: bigint, forcedNull: Var[]): FromNode {
  switch (node.kind) {
    case 'RangeTblRef':
      return node;
    case 'FromExpr': {
      const quals = implicitAnd(node.quals);
      const passed = rejecting | nonNullableRelids(quals);
      const nulls = [...forcedNull, ...forcedNullVars(quals)];
      return { ...node, fromlist: node.fromlist.map((child) => reduceNode(child, passed, nulls)) };
    }
    case 'JoinExpr':
      return reduceJoin(node, rejecting, forcedNull);
  }
}
function forcedNullVars(quals: Expr[]): Var[] {
  return quals.flatMap((qual) =>
    qual.kind === 'NullTest' && qual.nulltesttype === 'is_null' && !qual.argisrow && qual.arg.kind === 'Var'
      ? [qual.arg]
      : [],
  );
}

function reduceJoin(node: JoinExpr, rejecting: bigint, forcedNull: Var[]): FromNode {
  let { jointype, larg, rarg } = node;
  const leftRejected = (rejecting & relidsOfFrom(larg)) !== 0n;
  const rightRejected = (rejecting & relidsOfFrom(rarg)) !== 0n;
  if (jointype === 'full') {
    if (leftRejected && rightRejected) jointype = 'inner';
    else if (leftRejected) jointype = 'left';
    else if (rightRejected) jointype = 'right';
  } else if (jointype === 'left' && rightRejected) jointype = 'inner';
  else if (jointype === 'right' && leftRejected) jointype = 'inner';
  if (jointype === 'right') {
    jointype = 'left';
    [larg, rarg] = [rarg, larg];
  }
  const quals = implicitAnd(node.quals);
  const own = nonNullableRelids(quals);
  if (jointype === 'left') {
    // A row is null-extended only if it found no partner; demanding null of a column that a partner cannot have null
    // therefore asks for rows without partner.
    const right = relidsOfFrom(rarg);
    const strict = strictVars(quals);
    const anti = forcedNull.some(
      (v) => (right & bit(v.varno)) !== 0n && strict.some((s) => s.varno === v.varno && s.varattno === v.varattno),
    );
    if (anti) jointype = 'anti';
  }
  const inner = jointype === 'inner' || jointype === 'semi';
  const leftPassed = jointype === 'full' ? 0n : inner ? rejecting | own : rejecting;
  const rightPassed = jointype === 'full' ? 0n : inner ? rejecting | own : own;
  return {
    ...node,
    jointype,
    larg: reduceNode(larg, leftPassed, jointype === 'full' ? [] : forcedNull),
    rarg: reduceNode(rarg, rightPassed, inner ? forcedNull : []),
  };
}
/** Variables that the conditions cannot be true with as nulls. */
function strictVars(quals: Expr[]): Var[] {
  return quals.flatMap((qual) =>
    nonNullableRelids([qual]) !== 0n && qual.kind === 'OpExpr' ? directVars(qual.args) : [],
  );
}
function directVars(args: Expr[]): Var[] {
  return args.flatMap((arg) => {
    let inner = arg;
    while (inner.kind === 'RelabelType') inner = inner.arg;
    return inner.kind === 'Var' ? [inner] : [];
  });
}
