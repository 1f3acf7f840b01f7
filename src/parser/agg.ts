/** agg.ts — aggregates, GROUPING and window calls: which query level they belong to, where they may stand, and whether
 *  everything else is grouped.
 *  Counterpart: src/backend/parser/parse_agg.c */
import type { GroupingFunc as RawGroupingFunc, Node, WindowDef } from '@pgsql/types';
import { formatType } from '#catalog/format-type.ts';
import { constraintsOf, systemAttributes } from '#catalog/syscache.ts';
import { equal, exprLocation, exprType } from '#nodes/node-funcs.ts';
import type { GroupingSet, Query } from '#nodes/parse-nodes.ts';
import type { Aggref, Expr, GroupingFunc, SortGroupClause, TargetEntry, Var, WindowFunc } from '#nodes/primitives.ts';
import { anyExpr, forEachChild, walkQuery } from '#nodes/visit.ts';
import { transformDistinct, transformSort, addToSortList } from '#parser/clause.ts';
import { expression } from '#parser/expr.ts';
import { makeTargetEntry } from '#parser/make-nodes.ts';
import { type ExprKind, fail, type ParseState } from '#parser/parse-state.ts';
import { ancestor } from '#parser/relation.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** Fills in arguments, ORDER BY and DISTINCT of an aggregate, and settles the level it belongs to. */
export function transformAggregate(
  p: ParseState,
  agg: Aggref,
  args: Expr[],
  order: readonly Node[],
  distinct: boolean,
): void {
  agg.aggargtypes = args.map((a) => exprType(a));
  let targets: TargetEntry[] = [];
  let sortClause: SortGroupClause[] = [];
  let distinctClause: SortGroupClause[] = [];
  if (agg.aggkind !== 'n') {
    const direct = args.length - order.length;
    agg.aggdirectargs = args.slice(0, direct);
    args.slice(direct).forEach((arg, i) => {
      const target = makeTargetEntry(arg, i + 1, null, false);
      targets.push(target);
    });
    targets.forEach((target, i) => {
      const sort = (order[i] as { SortBy: Parameters<typeof addToSortList>[4] }).SortBy;
      addToSortList(p, target, sortClause, targets, sort);
    });
    if (distinct) fail(p, SQLSTATE.featureNotSupported, 'cannot use DISTINCT with WITHIN GROUP', agg.location);
  } else {
    targets = args.map((arg, i) => makeTargetEntry(arg, i + 1, null, false));
    const savedResno = p.nextResno;
    p.nextResno = args.length + 1;
    sortClause = transformSort(p, order, targets, 'order_by', true);
    if (distinct) {
      distinctClause = transformDistinct(p, targets, sortClause, true);
      for (const c of distinctClause) {
        if (c.sortop !== 0) continue;
        const expr = targets.find((t) => t.ressortgroupref === c.tleSortGroupRef)!.expr;
        fail(
          p,
          SQLSTATE.undefinedFunction,
          `could not identify an ordering operator for type ${formatType(exprType(expr))}`,
          exprLocation(expr),
          {
            detail: 'Aggregates with DISTINCT must be able to sort their inputs.',
          },
        );
      }
    }
    p.nextResno = savedResno;
  }
  agg.args = targets;
  agg.aggorder = sortClause;
  agg.aggdistinct = distinctClause;
  checkAggregateLevel(p, agg);
}

export function transformGroupingFunc(p: ParseState, raw: RawGroupingFunc): Expr {
  const args = raw.args ?? [];
  const location = raw.location ?? 0;
  if (args.length > 31) fail(p, SQLSTATE.tooManyArguments, 'GROUPING must have fewer than 32 arguments', location);
  const made: GroupingFunc = {
    kind: 'GroupingFunc',
    args: args.map((n) => expression(p, n)),
    refs: [],
    cols: [],
    agglevelsup: 0,
    location,
  };
  checkAggregateLevel(p, made);
  return made;
}

/** Where an aggregate may not stand, by kind of expression: how the place is called in the message. */
const NO_AGGREGATE: Partial<Record<ExprKind, string>> = {
  join_on: 'in JOIN conditions',
  join_using: 'in JOIN conditions',
  from_function: 'in functions in FROM',
  where: 'in WHERE',
  policy: 'in policy expressions',
  filter: 'in FILTER',
  window_frame_range: 'in window RANGE',
  window_frame_rows: 'in window ROWS',
  window_frame_groups: 'in window GROUPS',
  insert_target: 'in INSERT',
  update_source: 'in UPDATE',
  update_target: 'in UPDATE',
  group_by: 'in GROUP BY',
  limit: 'in LIMIT',
  offset: 'in OFFSET',
  returning: 'in RETURNING',
  values: 'in VALUES',
  values_single: 'in VALUES',
  check_constraint: 'in check constraints',
  index_expression: 'in index expressions',
  index_predicate: 'in index predicates',
  alter_col_transform: 'in transform expressions',
  trigger_when: 'in trigger WHEN conditions',
  generated_column: 'in column generation expressions',
  copy_where: 'in COPY FROM WHERE conditions',
  column_default: 'in DEFAULT expressions',
  function_default: 'in DEFAULT expressions',
  execute_parameter: 'in EXECUTE parameters',
  call_argument: 'in CALL arguments',
  cycle_mark: 'in CYCLE',
};

function checkAggregateLevel(p: ParseState, agg: Aggref | GroupingFunc): void {
  const isAgg = agg.kind === 'Aggref';
  const args: Expr[] = isAgg ? [...agg.args.map((t) => t.expr)] : agg.args;
  const level = argumentLevel(p, args, isAgg ? agg.aggdirectargs : [], isAgg ? agg.aggfilter : null, isAgg);
  agg.agglevelsup = level;
  const target = ancestor(p, level);
  target.hasAggs = true;
  const what = isAgg ? 'aggregate functions' : 'grouping operations';
  const location = agg.location;
  if (target.exprKind === 'from_subselect' && level > 0) {
    fail(p, SQLSTATE.groupingError, `${what} are not allowed in FROM clause of their own query level`, location);
  }
  const place = NO_AGGREGATE[target.exprKind];
  if (place !== undefined && !(target.exprKind === 'values_single' && !isAgg)) {
    fail(p, SQLSTATE.groupingError, `${what} are not allowed ${place}`, location);
  }
}

/** The innermost level whose columns the arguments use; nested aggregates of that level are an error. */
function argumentLevel(
  p: ParseState,
  args: readonly Expr[],
  direct: readonly Expr[],
  filter: Expr | null,
  isAgg: boolean,
): number {
  const found = { variable: -1, aggregate: -1, aggregateAt: -1 };
  const scan = (e: Expr, depth: number): void => {
    if (e.kind === 'Var') {
      const up = e.varlevelsup - depth;
      if (up >= 0 && (found.variable < 0 || up < found.variable)) found.variable = up;
      return;
    }
    if (e.kind === 'Aggref' || e.kind === 'GroupingFunc') {
      const up = e.agglevelsup - depth;
      if (up >= 0 && (found.aggregate < 0 || up < found.aggregate)) {
        found.aggregate = up;
        found.aggregateAt = e.location;
      }
      if (e.kind === 'GroupingFunc') return;
    }
    if (depth === 0) {
      if ((e.kind === 'FuncExpr' && e.funcretset) || (e.kind === 'OpExpr' && e.opretset)) {
        fail(
          p,
          SQLSTATE.featureNotSupported,
          'aggregate function calls cannot contain set-returning function calls',
          e.location,
          {
            hint: 'You might be able to move the set-returning function into a LATERAL FROM item.',
          },
        );
      }
      if (e.kind === 'WindowFunc') {
        fail(p, SQLSTATE.groupingError, 'aggregate function calls cannot contain window function calls', e.location);
      }
    }
    if (e.kind === 'SubLink') walkQuery(e.subselect, (inner, level) => scanShallow(inner, depth + 1 + level));
    forEachChild(e, (child) => scan(child, depth));
  };
  // walkQuery visits every node itself, so only the node counts here.
  const scanShallow = (e: Expr, depth: number): void => {
    if (e.kind === 'Var') {
      const up = e.varlevelsup - depth;
      if (up >= 0 && (found.variable < 0 || up < found.variable)) found.variable = up;
    } else if (e.kind === 'Aggref' || e.kind === 'GroupingFunc') {
      const up = e.agglevelsup - depth;
      if (up >= 0 && (found.aggregate < 0 || up < found.aggregate)) {
        found.aggregate = up;
        found.aggregateAt = e.location;
      }
    }
  };
  for (const e of args) scan(e, 0);
  if (filter !== null) scan(filter, 0);
  const level =
    found.variable < 0
      ? Math.max(found.aggregate, 0)
      : found.aggregate < 0
        ? found.variable
        : Math.min(found.variable, found.aggregate);
  if (level === found.aggregate && found.aggregate >= 0 && isAgg) {
    fail(p, SQLSTATE.groupingError, 'aggregate function calls cannot be nested', found.aggregateAt);
  }
  if (direct.length > 0) {
    found.variable = -1;
    found.aggregate = -1;
    for (const e of direct) scan(e, 0);
    if (found.variable >= 0 && found.variable < level) {
      fail(
        p,
        SQLSTATE.groupingError,
        'outer-level aggregate cannot contain a lower-level variable in its direct arguments',
      );
    }
    if (found.aggregate >= 0 && found.aggregate <= level) {
      fail(p, SQLSTATE.groupingError, 'aggregate function calls cannot be nested', found.aggregateAt);
    }
  }
  return level;
}

const NO_WINDOW: Partial<Record<ExprKind, string>> = {
  ...NO_AGGREGATE,
  having: 'in HAVING',
  window_partition: 'in window definitions',
  window_order: 'in window definitions',
  window_frame_range: 'in window definitions',
  window_frame_rows: 'in window definitions',
  window_frame_groups: 'in window definitions',
};

export function transformWindowCall(p: ParseState, call: WindowFunc, over: WindowDef): void {
  const nested = call.args.map(findWindowFunc).find((at) => at !== undefined);
  if (p.hasWindowFuncs && nested !== undefined) {
    fail(p, SQLSTATE.windowingError, 'window function calls cannot be nested', nested);
  }
  const place = NO_WINDOW[p.exprKind];
  if (place !== undefined) fail(p, SQLSTATE.windowingError, `window functions are not allowed ${place}`, call.location);
  const location = over.location ?? 0;
  if (over.name !== undefined) {
    const at = p.windowDefs.findIndex((w) => w.name === over.name);
    if (at < 0) fail(p, SQLSTATE.undefinedObject, `window "${over.name}" does not exist`, location);
    call.winref = at + 1;
  } else {
    const same = p.windowDefs.findIndex((w) => sameWindow(w, over));
    if (same >= 0) call.winref = same + 1;
    else {
      p.windowDefs.push(over);
      call.winref = p.windowDefs.length;
    }
  }
  p.hasWindowFuncs = true;
}
function findWindowFunc(e: Expr): number | undefined {
  if (e.kind === 'WindowFunc') return e.location;
  let at: number | undefined;
  forEachChild(e, (child) => {
    at ??= findWindowFunc(child);
  });
  return at;
}
/** The same definition written twice is one window. Locations differ, so they are left out. */
function sameWindow(a: WindowDef, b: WindowDef): boolean {
  if (a.refname !== b.refname || a.name !== undefined) return false;
  const shape = (w: WindowDef): string =>
    JSON.stringify([w.partitionClause, w.orderClause, w.frameOptions, w.startOffset, w.endOffset], (key, value) =>
      key === 'location' ? undefined : value,
    );
  return shape(a) === shape(b);
}

// ---- is everything grouped?

/** Sets that GROUP BY's grouping sets come to, as lists of refs; null if there are too many. */
export function expandGroupingSets(sets: readonly GroupingSet[], distinct: boolean, limit: number): number[][] | null {
  let result: number[][] = [[]];
  for (const set of sets) {
    const choices = expandSet(set);
    if (result.length * choices.length > limit) return null;
    result = result.flatMap((before) => choices.map((choice) => [...new Set([...before, ...choice])]));
  }
  if (distinct) {
    const seen = new Set<string>();
    result = result.filter((refs) => {
      const key = [...refs].sort((a, b) => a - b).join();
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    });
  }
  return result.sort((a, b) => a.length - b.length);
}
function expandSet(set: GroupingSet): number[][] {
  switch (set.setKind) {
    case 'empty':
      return [[]];
    case 'simple':
      return [set.refs];
    case 'rollup': {
      const out: number[][] = [];
      for (let n = set.content.length; n >= 0; n--) out.push(set.content.slice(0, n).flatMap((c) => c.refs));
      return out;
    }
    case 'cube': {
      const n = set.content.length;
      if (n > 12) return [[]];
      const out: number[][] = [];
      for (let bits = 0; bits < 1 << n; bits++)
        out.push(set.content.filter((_, i) => (bits & (1 << i)) !== 0).flatMap((c) => c.refs));
      return out;
    }
    default:
      return set.content.flatMap(expandSet);
  }
}

const MAX_GROUPING_SETS = 4096;

/** 42803 for columns that are neither grouped nor inside an aggregate. */
export function checkAggregates(p: ParseState, query: Query): void {
  if (query.groupingSets.length > 0) {
    if (query.groupingSets.some((s) => s.setKind === 'cube' && s.content.length > 12)) {
      fail(
        p,
        SQLSTATE.tooManyColumns,
        'CUBE is limited to 12 elements',
        query.groupingSets.find((s) => s.setKind === 'cube')!.location,
      );
    }
    const expanded = expandGroupingSets(query.groupingSets, query.groupDistinct, MAX_GROUPING_SETS);
    if (expanded === null) {
      fail(
        p,
        SQLSTATE.statementTooComplex,
        'too many grouping sets present (maximum 4096)',
        query.groupingSets[0]!.location,
      );
    }
  }
  const grouped: { expr: Expr; ref: number }[] = query.groupClause.map((c) => ({
    expr: query.targetList.find((t) => t.ressortgroupref === c.tleSortGroupRef)!.expr,
    ref: c.tleSortGroupRef,
  }));
  if (p.hasAggs && query.rtable.some((rte) => rte.rtekind === 'cte' && rte.selfReference)) {
    let at = -1;
    for (const target of query.targetList) {
      anyExpr(target.expr, (e) => {
        if (e.kind === 'Aggref' && e.agglevelsup === 0 && at < 0) at = e.location;
        return at >= 0;
      });
    }
    fail(p, SQLSTATE.invalidRecursion, "aggregate functions are not allowed in a recursive query's recursive term", at);
  }
  const checker = new GroupChecker(p, query, grouped);
  for (const target of query.targetList) checker.check(target.expr, 0);
  if (query.havingQual !== null) checker.check(query.havingQual, 0);
}

class GroupChecker {
  constructor(
    readonly p: ParseState,
    readonly query: Query,
    readonly grouped: readonly { expr: Expr; ref: number }[],
  ) {}

  check(e: Expr, depth: number): void {
    if (e.kind === 'Const' || e.kind === 'Param') return;
    if (e.kind === 'Aggref') {
      if (e.agglevelsup === depth) {
        // Only the direct arguments of an ordered-set aggregate must be grouped.
        for (const arg of e.aggdirectargs) this.check(arg, depth);
        return;
      }
      if (e.agglevelsup > depth) return;
    }
    if (e.kind === 'GroupingFunc') {
      if (e.agglevelsup === depth) this.finishGrouping(e, depth);
      if (e.agglevelsup >= depth) return;
    }
    if (depth === 0 || e.kind !== 'Var') {
      if (depth === 0 && this.grouped.some((g) => equal(e, g.expr))) return;
    }
    if (e.kind === 'Var') {
      if (e.varlevelsup !== depth) return;
      if (this.isGroupedVar(e) || this.dependsOnKey(e)) return;
      this.complain(e, depth);
    }
    if (e.kind === 'SubLink') {
      if (e.testexpr !== null) this.check(e.testexpr, depth);
      this.checkQuery(e.subselect, depth + 1);
      return;
    }
    forEachChild(e, (child) => this.check(child, depth));
  }

  checkQuery(query: Query, depth: number): void {
    walkQuery(query, (e, level) => {
      if (e.kind !== 'Var' || e.varlevelsup !== depth + level) return;
      if (this.isGroupedVar(e) || this.insideOuterAggregate(query, e, depth) || this.dependsOnKey(e)) return;
      this.complain(e, depth);
    });
  }
  /** A column of ours within an aggregate of ours in a sub-select is aggregated. */
  insideOuterAggregate(query: Query, v: Var, depth: number): boolean {
    let inside = false;
    walkQuery(query, (e, level) => {
      if (inside || e.kind !== 'Aggref' || e.agglevelsup !== depth + level) return;
      const contains = (x: Expr): void => {
        if (x === v) inside = true;
        forEachChild(x, contains);
      };
      forEachChild(e, contains);
    });
    return inside;
  }
  isGroupedVar(v: Var): boolean {
    return this.grouped.some(
      (g) =>
        g.expr.kind === 'Var' && g.expr.varno === v.varno && g.expr.varattno === v.varattno && g.expr.varlevelsup === 0,
    );
  }
  /** All columns of a primary key are grouped: then the whole row is determined. */
  dependsOnKey(v: Var): boolean {
    const rte = this.p.rtable[v.varno - 1];
    if (rte === undefined || rte.rtekind !== 'relation') return false;
    for (const key of constraintsOf(rte.relid)) {
      if (key.contype !== 'p' || key.condeferrable || key.conkey === null) continue;
      const grouped = (column: number): boolean =>
        this.grouped.some(
          (g) =>
            g.expr.kind === 'Var' && g.expr.varno === v.varno && g.expr.varattno === column && g.expr.varlevelsup === 0,
        );
      if (key.conkey.every(grouped)) {
        if (!this.query.constraintDeps.includes(key.oid)) this.query.constraintDeps.push(key.oid);
        return true;
      }
    }
    return false;
  }
  complain(v: Var, depth: number): never {
    const rte = this.p.rtable[v.varno - 1]!;
    const table = rte.eref.aliasname;
    const column =
      v.varattno === 0
        ? '*'
        : v.varattno < 0 && rte.rtekind === 'relation'
          ? (systemAttributes(rte.relid).find((a) => a.attnum === v.varattno)?.attname ?? '')
          : (rte.eref.colnames[v.varattno - 1] ?? '');
    const message =
      depth === 0
        ? `column "${table}.${column}" must appear in the GROUP BY clause or be used in an aggregate function`
        : `subquery uses ungrouped column "${table}.${column}" from outer query`;
    fail(this.p, SQLSTATE.groupingError, message, v.location);
  }
  finishGrouping(e: GroupingFunc, depth: number): void {
    e.refs = e.args.map((arg) => {
      const found = this.grouped.find((g) =>
        arg.kind === 'Var' && g.expr.kind === 'Var'
          ? arg.varlevelsup === depth && g.expr.varno === arg.varno && g.expr.varattno === arg.varattno
          : depth === 0 && equal(arg, g.expr),
      );
      if (found === undefined) {
        fail(
          this.p,
          SQLSTATE.groupingError,
          'arguments to GROUPING must be grouping expressions of the associated query level',
          exprLocation(arg),
        );
      }
      return found.ref;
    });
  }
}
