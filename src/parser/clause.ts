/** clause.ts — WHERE, LIMIT, ORDER BY, GROUP BY, DISTINCT: clauses that point into the target list.
 *  Counterpart: src/backend/parser/parse_clause.c */
import type { Node, SortBy } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { TYPE } from '#catalog/oids.ts';
import { equal, exprLocation, exprType } from '#nodes/node-funcs.ts';
import type { GroupingSet } from '#nodes/parse-nodes.ts';
import type { Expr, SortGroupClause, TargetEntry } from '#nodes/primitives.ts';
import { anyExpr } from '#nodes/visit.ts';
import { bodyOf, isNullConstant, rawLocation, stringOf, stringsOf } from '#parser/ast.ts';
import { coerceToBoolean, coerceToSpecificType, coerceType } from '#parser/coerce.ts';
import { transformExpr } from '#parser/expr.ts';
import { makeTargetEntry } from '#parser/make-nodes.ts';
import { compatibleOperator, operatorHashable, orderingOperator, requireSortOperators } from '#parser/oper.ts';
import { type ExprKind, fail, type ParseState } from '#parser/parse-state.ts';
import { columnByName } from '#parser/relation.ts';
import { operatorRow } from '#catalog/syscache.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const INVALID = 0 as Oid;

export function transformWhere(
  p: ParseState,
  clause: Node | undefined,
  kind: ExprKind,
  construct: string,
): Expr | null {
  return clause === undefined ? null : coerceToBoolean(p, transformExpr(p, clause, kind), construct);
}

export function transformLimit(
  p: ParseState,
  clause: Node | undefined,
  kind: 'limit' | 'offset',
  withTies: boolean,
): Expr | null {
  if (clause === undefined) return null;
  const construct = kind.toUpperCase();
  const expr = coerceToSpecificType(p, transformExpr(p, clause, kind), TYPE.int8, construct);
  refuseVars(p, expr, construct);
  if (withTies && isNullConstant(clause)) {
    fail(p, SQLSTATE.invalidRowCountInLimitClause, 'row count cannot be null in FETCH FIRST ... WITH TIES clause');
  }
  return expr;
}
export function refuseVars(p: ParseState, expr: Expr, construct: string): void {
  let at = -1;
  const found = anyExpr(expr, (e) => {
    if (e.kind !== 'Var' || e.varlevelsup !== 0) return false;
    at = e.location;
    return true;
  });
  if (found) fail(p, SQLSTATE.invalidColumnReference, `argument of ${construct} must not contain variables`, at);
}

const CLAUSE_NAMES: Partial<Record<ExprKind, string>> = {
  order_by: 'ORDER BY',
  group_by: 'GROUP BY',
  distinct_on: 'DISTINCT ON',
  window_partition: 'PARTITION BY',
  window_order: 'ORDER BY',
};
const clauseName = (kind: ExprKind): string => CLAUSE_NAMES[kind] ?? kind;

/** The target that an item of ORDER BY, GROUP BY or DISTINCT ON means: an output name, a number, or an expression. */
export function findTarget92(p: ParseState, node: Node, targets: TargetEntry[], kind: ExprKind): TargetEntry {
  if ('ColumnRef' in node && node.ColumnRef.fields?.length === 1 && 'String' in node.ColumnRef.fields[0]!) {
    const name = stringOf(node.ColumnRef.fields[0]);
    const location = node.ColumnRef.location ?? 0;
    // In GROUP BY a column of the input hides an output name.
    const hidden = kind === 'group_by' && columnByName(p, name, true, location) !== null;
    if (!hidden) {
      let found: TargetEntry | null = null;
      for (const target of targets) {
        if (target.resjunk || target.resname !== name) continue;
        if (found !== null && !equal(found.expr, target.expr)) {
          fail(p, SQLSTATE.ambiguousColumn, `${clauseName(kind)} "${name}" is ambiguous`, location);
        }
        found ??= target;
      }
      if (found !== null) {
        checkTargetKind(p, found, kind);
        return found;
      }
    }
  }
  if ('A_Const' in node) {
    const c = node.A_Const;
    const location = c.location ?? 0;
    if (c.ival === undefined) {
      fail(p, SQLSTATE.syntaxError, `non-integer constant in ${clauseName(kind)}`, location);
    }
    const position = c.ival.ival ?? 0;
    const found = targets.find((t) => !t.resjunk && t.resno === position);
    if (found === undefined) {
      fail(
        p,
        SQLSTATE.invalidColumnReference,
        `${clauseName(kind)} position ${position} is not in select list`,
        location,
      );
    }
    checkTargetKind(p, found, kind);
    return found;
  }
  return findTarget99(p, node, targets, kind);
}

/** GROUP BY 1 may not point at an aggregate. */
function checkTargetKind(p: ParseState, target: TargetEntry, kind: ExprKind): void {
  if (kind !== 'group_by') return;
  anyExpr(target.expr, (e) => {
    if (e.kind === 'Aggref' && e.agglevelsup === 0) {
      fail(p, SQLSTATE.groupingError, 'aggregate functions are not allowed in GROUP BY', e.location);
    }
    if (e.kind === 'WindowFunc') {
      fail(p, SQLSTATE.windowingError, 'window functions are not allowed in GROUP BY', e.location);
    }
    return false;
  });
}

const stripImplicit = (e: Expr): Expr => {
  switch (e.kind) {
    case 'FuncExpr':
      return e.funcformat === 'implicit_cast' ? stripImplicit(e.args[0]!) : e;
    case 'RelabelType':
      return e.relabelformat === 'implicit_cast' ? stripImplicit(e.arg) : e;
    case 'CoerceViaIO':
    case 'ArrayCoerceExpr':
      return e.coerceformat === 'implicit_cast' ? stripImplicit(e.arg) : e;
    case 'ConvertRowtypeExpr':
      return e.convertformat === 'implicit_cast' ? stripImplicit(e.arg) : e;
    case 'CoerceToDomain':
      return e.coercionformat === 'implicit_cast' ? stripImplicit(e.arg) : e;
    default:
      return e;
  }
};

export function findTarget99(p: ParseState, node: Node, targets: TargetEntry[], kind: ExprKind): TargetEntry {
  const expr = transformExpr(p, node, kind);
  for (const target of targets) if (equal(expr, stripImplicit(target.expr))) return target;
  const made = makeTargetEntry(expr, p.nextResno++, null, true);
  targets.push(made);
  return made;
}

/** Gives the target a number that sort and group clauses refer to it by. */
export function assignSortGroupRef(target: TargetEntry, targets: readonly TargetEntry[]): number {
  if (target.ressortgroupref === 0) {
    let max = 0;
    for (const t of targets) if (t.ressortgroupref > max) max = t.ressortgroupref;
    target.ressortgroupref = max + 1;
  }
  return target.ressortgroupref;
}

const isInList = (target: TargetEntry, list: readonly SortGroupClause[], sortop: Oid): boolean => {
  const ref = target.ressortgroupref;
  if (ref === 0) return false;
  return list.some(
    (c) =>
      c.tleSortGroupRef === ref && (sortop === 0 || sortop === c.sortop || sortop === operatorRow(c.sortop)?.oprcom),
  );
};

function settleUnknown(p: ParseState, target: TargetEntry): Oid {
  const type = exprType(target.expr);
  if (type !== TYPE.unknown) return type;
  target.expr = coerceType(p, target.expr, type, TYPE.text, -1, 'implicit', 'implicit_cast', -1);
  return TYPE.text;
}

export function transformSort(
  p: ParseState,
  list: readonly Node[] | undefined,
  targets: TargetEntry[],
  kind: ExprKind,
  sql99: boolean,
): SortGroupClause[] {
  const out: SortGroupClause[] = [];
  for (const node of list ?? []) {
    const sort = bodyOf(node, 'SortBy');
    const target = sql99 ? findTarget99(p, sort.node!, targets, kind) : findTarget92(p, sort.node!, targets, kind);
    addToSortList(p, target, out, targets, sort);
  }
  return out;
}

export function addToSortList(
  p: ParseState,
  target: TargetEntry,
  out: SortGroupClause[],
  targets: readonly TargetEntry[],
  sort: SortBy,
): void {
  const type = settleUnknown(p, target);
  const own = sort.useOp === undefined ? -1 : (sort.location ?? 0);
  const location = own >= 0 ? own : rawLocation(sort.node);
  let sortop: Oid;
  let eqop: Oid;
  let hashable: boolean;
  let reverse = false;
  if (sort.sortby_dir === 'SORTBY_USING') {
    const names = stringsOf(sort.useOp);
    const found = compatibleOperator(names, type, type);
    const ordering = found === undefined ? undefined : orderingOperator(found.oid);
    if (found === undefined || ordering === undefined) {
      fail(p, SQLSTATE.wrongObjectType, `operator ${names.join('.')} is not a valid ordering operator`, location, {
        hint: 'Ordering operators must be "<" or ">" members of btree operator families.',
      });
    }
    sortop = found.oid;
    eqop = ordering.equal;
    reverse = ordering.reverse;
    hashable = operatorHashable(eqop, type);
  } else {
    reverse = sort.sortby_dir === 'SORTBY_DESC';
    const ops = requireSortOperators(
      p,
      type,
      reverse ? { greater: true, equal: true } : { less: true, equal: true },
      location,
    );
    sortop = reverse ? ops.greater : ops.less;
    eqop = ops.equal;
    hashable = ops.hashable;
  }
  if (isInList(target, out, sortop)) return;
  out.push({
    kind: 'SortGroupClause',
    tleSortGroupRef: assignSortGroupRef(target, targets),
    eqop,
    sortop,
    nullsFirst: sort.sortby_nulls === 'SORTBY_NULLS_FIRST' || (sort.sortby_nulls !== 'SORTBY_NULLS_LAST' && reverse),
    hashable,
  });
}

export function addToGroupList(
  p: ParseState,
  target: TargetEntry,
  out: SortGroupClause[],
  targets: readonly TargetEntry[],
  location: number,
): void {
  const type = settleUnknown(p, target);
  if (isInList(target, out, INVALID)) return;
  const ops = requireSortOperators(p, type, { equal: true }, location >= 0 ? location : exprLocation(target.expr));
  out.push({
    kind: 'SortGroupClause',
    tleSortGroupRef: assignSortGroupRef(target, targets),
    eqop: ops.equal,
    sortop: ops.less,
    nullsFirst: false,
    hashable: ops.hashable,
  });
}

// ---- GROUP BY

type FlatItem = { node: Node } | { set: Node } | { composite: Node[] };

function flatten(nodes: readonly Node[], top: boolean, seen: { sets: boolean }): FlatItem[] {
  const out: FlatItem[] = [];
  for (const node of nodes) {
    if ('RowExpr' in node && node.RowExpr.row_format === 'COERCE_IMPLICIT_CAST') {
      const args = node.RowExpr.args ?? [];
      if (top) out.push(...flatten(args, true, seen));
      else out.push({ composite: args });
    } else if ('GroupingSet' in node) {
      seen.sets = true;
      const set = node.GroupingSet;
      if (top && set.kind === 'GROUPING_SET_EMPTY') continue;
      out.push({ set: node });
    } else out.push({ node });
  }
  return out;
}

export function transformGroup(
  p: ParseState,
  list: readonly Node[] | undefined,
  targets: TargetEntry[],
  sortClause: readonly SortGroupClause[],
): { groupClause: SortGroupClause[]; groupingSets: GroupingSet[] } {
  const groupClause: SortGroupClause[] = [];
  const groupingSets: GroupingSet[] = [];
  if (list === undefined || list.length === 0) return { groupClause, groupingSets };
  const seen = { sets: false };
  const flat = flatten(list, true, seen);
  if (flat.length === 0 && seen.sets) {
    groupingSets.push({ kind: 'GroupingSet', setKind: 'empty', refs: [], content: [], location: rawLocation(list[0]) });
    return { groupClause, groupingSets };
  }
  const one = (node: Node): number => groupExpression(p, node, targets, sortClause, groupClause);
  for (const item of flat) {
    if ('set' in item) groupingSets.push(groupingSet(item.set, one));
    else if ('node' in item) {
      const ref = one(item.node);
      if (seen.sets) groupingSets.push(simpleSet([ref], rawLocation(item.node)));
    }
  }
  return { groupClause, groupingSets };
}
const simpleSet = (refs: number[], location: number): GroupingSet => ({
  kind: 'GroupingSet',
  setKind: 'simple',
  refs: [...new Set(refs)],
  content: [],
  location,
});
const SET_KINDS: Readonly<Record<string, GroupingSet['setKind']>> = {
  GROUPING_SET_EMPTY: 'empty',
  GROUPING_SET_SIMPLE: 'simple',
  GROUPING_SET_ROLLUP: 'rollup',
  GROUPING_SET_CUBE: 'cube',
  GROUPING_SET_SETS: 'sets',
};

function groupingSet(node: Node, one: (n: Node) => number): GroupingSet {
  const set = bodyOf(node, 'GroupingSet');
  const setKind = SET_KINDS[set.kind!]!;
  const content: GroupingSet[] = [];
  for (const item of flatten(set.content ?? [], false, { sets: false })) {
    if ('composite' in item) content.push(simpleSet(item.composite.map(one), rawLocation(item.composite[0])));
    else if ('set' in item) {
      const inner = groupingSet(item.set, one);
      // Sets within sets are just more sets.
      if (setKind === 'sets' && inner.setKind === 'sets') content.push(...inner.content);
      else content.push(inner);
    } else content.push(simpleSet([one(item.node)], rawLocation(item.node)));
  }
  return { kind: 'GroupingSet', setKind, refs: [], content, location: set.location ?? 0 };
}

function groupExpression(
  p: ParseState,
  node: Node,
  targets: TargetEntry[],
  sortClause: readonly SortGroupClause[],
  out: SortGroupClause[],
): number {
  const target = findTarget92(p, node, targets, 'group_by');
  if (target.ressortgroupref > 0) {
    if (isInList(target, out, INVALID)) return target.ressortgroupref;
    // The same expression in ORDER BY: group in that order, so that one sort serves both.
    const sorted = sortClause.find((c) => c.tleSortGroupRef === target.ressortgroupref);
    if (sorted !== undefined) {
      out.push({ ...sorted });
      return target.ressortgroupref;
    }
  }
  addToGroupList(p, target, out, targets, rawLocation(node));
  return target.ressortgroupref;
}

// ---- DISTINCT

export function transformDistinct(
  p: ParseState,
  targets: TargetEntry[],
  sortClause: readonly SortGroupClause[],
  isAggregate: boolean,
): SortGroupClause[] {
  const out: SortGroupClause[] = [];
  for (const sorted of sortClause) {
    const target = targets.find((t) => t.ressortgroupref === sorted.tleSortGroupRef)!;
    if (target.resjunk) {
      fail(
        p,
        SQLSTATE.invalidColumnReference,
        isAggregate
          ? 'in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list'
          : 'for SELECT DISTINCT, ORDER BY expressions must appear in select list',
        exprLocation(target.expr),
      );
    }
    out.push({ ...sorted });
  }
  for (const target of targets) {
    if (!target.resjunk) addToGroupList(p, target, out, targets, -1);
  }
  if (out.length === 0) {
    fail(
      p,
      SQLSTATE.syntaxError,
      isAggregate
        ? 'an aggregate with DISTINCT must have at least one argument'
        : 'SELECT DISTINCT must have at least one column',
    );
  }
  return out;
}

export function transformDistinctOn(
  p: ParseState,
  list: readonly Node[],
  targets: TargetEntry[],
  sortClause: readonly SortGroupClause[],
): SortGroupClause[] {
  const refs = list.map((node) => {
    const target = findTarget92(p, node, targets, 'distinct_on');
    return assignSortGroupRef(target, targets);
  });
  const out: SortGroupClause[] = [];
  let skipped = false;
  const misordered = (at: number): never =>
    fail(
      p,
      SQLSTATE.invalidColumnReference,
      'SELECT DISTINCT ON expressions must match initial ORDER BY expressions',
      at,
    );
  for (const sorted of sortClause) {
    if (refs.includes(sorted.tleSortGroupRef)) {
      if (skipped) misordered(rawLocation(list[refs.indexOf(sorted.tleSortGroupRef)]));
      out.push({ ...sorted });
    } else skipped = true;
  }
  refs.forEach((ref, i) => {
    const target = targets.find((t) => t.ressortgroupref === ref)!;
    if (isInList(target, out, INVALID)) return;
    if (skipped) misordered(rawLocation(list[i]));
    addToGroupList(p, target, out, targets, rawLocation(list[i]));
  });
  return out;
}
