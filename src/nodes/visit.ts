/** visit.ts — one place that knows the children of every expression node, so that no walker can forget one.
 *
 *  Both functions are exhaustive switches over `kind`: a new node kind does not compile until it is added here.
 *  They see one level only; recursion, and what to do with the Query of a SubLink, is the caller's business.
 *  Counterpart: expression_tree_walker, expression_tree_mutator of src/backend/nodes/nodeFuncs.c */
import { unreachable } from '#base/assert.ts';
import type { Query, RangeTblEntry } from '#nodes/parse-nodes.ts';
import type { CaseWhen, Expr, FromNode, TargetEntry } from '#nodes/primitives.ts';

/** Calls `f` for each direct child expression. The testexpr of a SubLink is a child, its Query is not. */
export function forEachChild(node: Expr, f: (child: Expr) => void): void {
  switch (node.kind) {
    case 'Var':
    case 'Const':
    case 'Param':
    case 'CaseTestExpr':
    case 'SQLValueFunction':
    case 'CoerceToDomainValue':
    case 'SetToDefault':
    case 'CurrentOfExpr':
    case 'NextValueExpr':
      return;
    case 'Aggref':
      node.aggdirectargs.forEach(f);
      for (const entry of node.args) f(entry.expr);
      if (node.aggfilter !== null) f(node.aggfilter);
      return;
    case 'WindowFunc':
      node.args.forEach(f);
      if (node.aggfilter !== null) f(node.aggfilter);
      return;
    case 'SubscriptingRef':
      for (const index of node.refupperindexpr) if (index !== null) f(index);
      for (const index of node.reflowerindexpr) if (index !== null) f(index);
      f(node.refexpr);
      if (node.refassgnexpr !== null) f(node.refassgnexpr);
      return;
    case 'GroupingFunc':
    case 'FuncExpr':
    case 'OpExpr':
    case 'DistinctExpr':
    case 'NullIfExpr':
    case 'ScalarArrayOpExpr':
    case 'BoolExpr':
    case 'RowExpr':
    case 'CoalesceExpr':
    case 'MinMaxExpr':
      node.args.forEach(f);
      return;
    case 'SubLink':
      if (node.testexpr !== null) f(node.testexpr);
      return;
    case 'SubPlan':
      if (node.testexpr !== null) f(node.testexpr);
      node.args.forEach(f);
      return;
    case 'AlternativeSubPlan':
      node.subplans.forEach(f);
      return;
    case 'NamedArgExpr':
    case 'FieldSelect':
    case 'RelabelType':
    case 'CoerceViaIO':
    case 'ConvertRowtypeExpr':
    case 'CollateExpr':
    case 'NullTest':
    case 'BooleanTest':
    case 'CoerceToDomain':
      f(node.arg);
      return;
    case 'FieldStore':
      f(node.arg);
      node.newvals.forEach(f);
      return;
    case 'ArrayCoerceExpr':
      f(node.arg);
      f(node.elemexpr);
      return;
    case 'CaseExpr':
      if (node.arg !== null) f(node.arg);
      for (const when of node.args) {
        f(when.expr);
        f(when.result);
      }
      if (node.defresult !== null) f(node.defresult);
      return;
    case 'ArrayExpr':
      node.elements.forEach(f);
      return;
    case 'RowCompareExpr':
      node.largs.forEach(f);
      node.rargs.forEach(f);
      return;
    case 'XmlExpr':
      node.namedArgs.forEach(f);
      node.args.forEach(f);
      return;
    case 'InferenceElem':
      f(node.expr);
      return;
    default:
      unreachable(node);
  }
}

function mapList(list: Expr[], f: (child: Expr) => Expr): Expr[] {
  let out: Expr[] | null = null;
  for (let i = 0; i < list.length; i++) {
    const old = list[i]!;
    const fresh = f(old);
    if (fresh !== old && out === null) out = list.slice();
    if (out !== null) out[i] = fresh;
  }
  return out ?? list;
}
function mapNullable(node: Expr | null, f: (child: Expr) => Expr): Expr | null {
  return node === null ? null : f(node);
}
export function mapTargets(list: TargetEntry[], f: (child: Expr) => Expr): TargetEntry[] {
  let out: TargetEntry[] | null = null;
  for (let i = 0; i < list.length; i++) {
    const old = list[i]!;
    const fresh = f(old.expr);
    if (fresh !== old.expr) {
      out ??= list.slice();
      out[i] = { ...old, expr: fresh };
    }
  }
  return out ?? list;
}
function mapIndexes(list: (Expr | null)[], f: (child: Expr) => Expr): (Expr | null)[] {
  return list.some((index) => index !== null) ? list.map((index) => mapNullable(index, f)) : list;
}
function mapWhens(list: CaseWhen[], f: (child: Expr) => Expr): CaseWhen[] {
  return list.map((when) => {
    const expr = f(when.expr);
    const result = f(when.result);
    return expr === when.expr && result === when.result ? when : { ...when, expr, result };
  });
}

/** The node with each direct child replaced by f(child); the node itself if nothing changed, else a copy. */
export function mapChildren(node: Expr, f: (child: Expr) => Expr): Expr {
  switch (node.kind) {
    case 'Var':
    case 'Const':
    case 'Param':
    case 'CaseTestExpr':
    case 'SQLValueFunction':
    case 'CoerceToDomainValue':
    case 'SetToDefault':
    case 'CurrentOfExpr':
    case 'NextValueExpr':
      return node;
    case 'Aggref': {
      const aggdirectargs = mapList(node.aggdirectargs, f);
      const args = mapTargets(node.args, f);
      const aggfilter = mapNullable(node.aggfilter, f);
      if (aggdirectargs === node.aggdirectargs && args === node.args && aggfilter === node.aggfilter) return node;
      return { ...node, aggdirectargs, args, aggfilter };
    }
    case 'WindowFunc': {
      const args = mapList(node.args, f);
      const aggfilter = mapNullable(node.aggfilter, f);
      return args === node.args && aggfilter === node.aggfilter ? node : { ...node, args, aggfilter };
    }
    case 'SubscriptingRef':
      return {
        ...node,
        refupperindexpr: mapIndexes(node.refupperindexpr, f),
        reflowerindexpr: mapIndexes(node.reflowerindexpr, f),
        refexpr: f(node.refexpr),
        refassgnexpr: mapNullable(node.refassgnexpr, f),
      };
    case 'GroupingFunc':
    case 'FuncExpr':
    case 'OpExpr':
    case 'DistinctExpr':
    case 'NullIfExpr':
    case 'ScalarArrayOpExpr':
    case 'BoolExpr':
    case 'RowExpr':
    case 'CoalesceExpr':
    case 'MinMaxExpr': {
      const args = mapList(node.args, f);
      return args === node.args ? node : { ...node, args };
    }
    case 'SubLink': {
      const testexpr = mapNullable(node.testexpr, f);
      return testexpr === node.testexpr ? node : { ...node, testexpr };
    }
    case 'SubPlan': {
      const testexpr = mapNullable(node.testexpr, f);
      const args = mapList(node.args, f);
      return testexpr === node.testexpr && args === node.args ? node : { ...node, testexpr, args };
    }
    case 'AlternativeSubPlan':
      return { ...node, subplans: node.subplans.map((plan) => f(plan) as typeof plan) };
    case 'NamedArgExpr':
    case 'FieldSelect':
    case 'RelabelType':
    case 'CoerceViaIO':
    case 'ConvertRowtypeExpr':
    case 'CollateExpr':
    case 'NullTest':
    case 'BooleanTest':
    case 'CoerceToDomain': {
      const arg = f(node.arg);
      return arg === node.arg ? node : { ...node, arg };
    }
    case 'FieldStore':
      return { ...node, arg: f(node.arg), newvals: mapList(node.newvals, f) };
    case 'ArrayCoerceExpr': {
      const arg = f(node.arg);
      const elemexpr = f(node.elemexpr);
      return arg === node.arg && elemexpr === node.elemexpr ? node : { ...node, arg, elemexpr };
    }
    case 'CaseExpr':
      return {
        ...node,
        arg: mapNullable(node.arg, f),
        args: mapWhens(node.args, f),
        defresult: mapNullable(node.defresult, f),
      };
    case 'ArrayExpr': {
      const elements = mapList(node.elements, f);
      return elements === node.elements ? node : { ...node, elements };
    }
    case 'RowCompareExpr': {
      const largs = mapList(node.largs, f);
      const rargs = mapList(node.rargs, f);
      return largs === node.largs && rargs === node.rargs ? node : { ...node, largs, rargs };
    }
    case 'XmlExpr':
      return { ...node, namedArgs: mapList(node.namedArgs, f), args: mapList(node.args, f) };
    case 'InferenceElem':
      return { ...node, expr: f(node.expr) };
    default:
      return unreachable(node);
  }
}

/** Depth-first search: true as soon as `test` says so of the node or something below it (SubLink queries excluded). */
export function anyExpr(node: Expr, test: (node: Expr) => boolean): boolean {
  if (test(node)) return true;
  let found = false;
  forEachChild(node, (child) => {
    if (!found && anyExpr(child, test)) found = true;
  });
  return found;
}

/** Pre-order walk; returning false from `visit` skips the node's children. */
export function walkExpr(node: Expr, visit: (node: Expr) => boolean | undefined): void {
  if (visit(node) === false) return;
  forEachChild(node, (child) => walkExpr(child, visit));
}

/** Every expression that hangs directly in a range table entry (not inside its subquery). */
export function mapRangeTblEntry(rte: RangeTblEntry, f: (expr: Expr) => Expr): RangeTblEntry {
  switch (rte.rtekind) {
    case 'function':
      return { ...rte, functions: rte.functions.map((fn) => ({ ...fn, funcexpr: f(fn.funcexpr) })) };
    case 'values':
      return { ...rte, valuesLists: rte.valuesLists.map((list) => mapList(list, f)) };
    case 'join':
      return { ...rte, joinaliasvars: mapList(rte.joinaliasvars, f) };
    case 'tablefunc': {
      const tf = rte.tablefunc;
      const tablefunc = {
        ...tf,
        nsUris: mapList(tf.nsUris, f),
        docexpr: f(tf.docexpr),
        rowexpr: f(tf.rowexpr),
        colexprs: tf.colexprs.map((expr) => mapNullable(expr, f)),
        coldefexprs: tf.coldefexprs.map((expr) => mapNullable(expr, f)),
      };
      return { ...rte, tablefunc };
    }
    case 'relation':
    case 'subquery':
    case 'cte':
    case 'namedtuplestore':
    case 'result':
      return rte;
    default:
      return unreachable(rte);
  }
}

export function mapFromNode(node: FromNode, f: (expr: Expr) => Expr): FromNode {
  switch (node.kind) {
    case 'RangeTblRef':
      return node;
    case 'JoinExpr':
      return {
        ...node,
        larg: mapFromNode(node.larg, f),
        rarg: mapFromNode(node.rarg, f),
        quals: mapNullable(node.quals, f),
      };
    case 'FromExpr':
      return {
        ...node,
        fromlist: node.fromlist.map((child) => mapFromNode(child, f)),
        quals: mapNullable(node.quals, f),
      };
    default:
      return unreachable(node);
  }
}

/** Every expression of one query level replaced by f(expr). Sub-queries (range table, CTEs) go through `sub`, which
 *  knows that it is one level deeper; SubLinks inside expressions are left to `f`. */
export function mapQuery(query: Query, f: (expr: Expr) => Expr, sub: (query: Query) => Query = (q) => q): Query {
  return {
    ...query,
    targetList: mapTargets(query.targetList, f),
    returningList: mapTargets(query.returningList, f),
    onConflict:
      query.onConflict === null
        ? null
        : {
            ...query.onConflict,
            arbiterElems: query.onConflict.arbiterElems.map(f),
            arbiterWhere: mapNullable(query.onConflict.arbiterWhere, f),
            onConflictSet: mapTargets(query.onConflict.onConflictSet, f),
            onConflictWhere: mapNullable(query.onConflict.onConflictWhere, f),
          },
    withCheckOptions: query.withCheckOptions.map((option) => ({ ...option, qual: mapNullable(option.qual, f) })),
    jointree: mapFromNode(query.jointree, f) as Query['jointree'],
    havingQual: mapNullable(query.havingQual, f),
    limitOffset: mapNullable(query.limitOffset, f),
    limitCount: mapNullable(query.limitCount, f),
    windowClause: query.windowClause.map((clause) => ({
      ...clause,
      startOffset: mapNullable(clause.startOffset, f),
      endOffset: mapNullable(clause.endOffset, f),
    })),
    rtable: query.rtable.map((rte) => {
      const mapped = mapRangeTblEntry(rte, f);
      return mapped.rtekind === 'subquery' ? { ...mapped, subquery: sub(mapped.subquery) } : mapped;
    }),
    cteList: query.cteList.map((cte) => ({ ...cte, ctequery: sub(cte.ctequery) })),
  };
}

/** Calls `f` for every top expression of one query level, `sub` for each query one level deeper except SubLinks'. */
export function forEachQueryExpr(query: Query, f: (expr: Expr) => void, sub: (query: Query) => void = () => {}): void {
  mapQuery(
    query,
    (expr) => {
      f(expr);
      return expr;
    },
    (inner) => {
      sub(inner);
      return inner;
    },
  );
}

/** Visits each expression node of a query and of all queries inside it, SubLinks included, with the level
 *  (0 = `query` itself) it stands at. */
export function walkQuery(query: Query, visit: (node: Expr, level: number) => void, level = 0): void {
  const descend = (expr: Expr): void => {
    visit(expr, level);
    if (expr.kind === 'SubLink') walkQuery(expr.subselect, visit, level + 1);
    forEachChild(expr, descend);
  };
  forEachQueryExpr(query, descend, (inner) => walkQuery(inner, visit, level + 1));
}

/** Rebuilds every expression of a query and of the queries inside it. `f` sees nodes bottom-up with their level;
 *  `g` sees each range table entry after its expressions were rebuilt. */
export function rewriteQueryExprs(
  query: Query,
  f: (node: Expr, level: number) => Expr,
  level = 0,
  g: (rte: RangeTblEntry, level: number) => RangeTblEntry = (rte) => rte,
): Query {
  const rebuild = (expr: Expr): Expr => {
    const inner = mapChildren(expr, rebuild);
    if (inner.kind === 'SubLink') {
      return f({ ...inner, subselect: rewriteQueryExprs(inner.subselect, f, level + 1, g) }, level);
    }
    return f(inner, level);
  };
  const mapped = mapQuery(query, rebuild, (sub) => rewriteQueryExprs(sub, f, level + 1, g));
  return { ...mapped, rtable: mapped.rtable.map((rte) => g(rte, level)) };
}

/** The same for a lone expression at `level`. */
export function rewriteExpr(
  expr: Expr,
  f: (node: Expr, level: number) => Expr,
  level = 0,
  g: (rte: RangeTblEntry, level: number) => RangeTblEntry = (rte) => rte,
): Expr {
  const inner = mapChildren(expr, (child) => rewriteExpr(child, f, level, g));
  if (inner.kind === 'SubLink') {
    return f({ ...inner, subselect: rewriteQueryExprs(inner.subselect, f, level + 1, g) }, level);
  }
  return f(inner, level);
}
