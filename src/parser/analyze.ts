/** analyze.ts — parse analysis: a raw statement becomes a Query tree with real OIDs.
 *
 *  Statements that read or modify rows are analysed (the latter in modify.ts); every other statement is a utility Query
 *  around the grammar's node, whose executor analyses what is inside when it runs.
 *  Counterpart: src/backend/parser/analyze.c */
// Literals of type regtype are read by the parser itself.
import '#parser/type-string.ts';
import type { LockingClause, Node, SelectStmt } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { TYPE } from '#catalog/oids.ts';
import { exprLocation, exprType } from '#nodes/node-funcs.ts';
import {
  ACL_UPDATE,
  type CommonTableExpr,
  makeQuery,
  noPrivileges,
  type Query,
  type RangeTblEntry,
  type RowMarkClause,
  type SetOperationArg,
  type SetOperationStmt,
} from '#nodes/parse-nodes.ts';
import type { Expr, TargetEntry } from '#nodes/primitives.ts';
import { anyExpr, walkQuery } from '#nodes/visit.ts';
import { checkAggregates } from '#parser/agg.ts';
import { bodyOf, isTag, listItems, rawLocation, tagOf } from '#parser/ast.ts';
import {
  transformDistinct,
  transformDistinctOn,
  transformGroup,
  transformLimit,
  transformSort,
  transformWhere,
} from '#parser/clause.ts';
import { coerceToCommonType, selectCommonType, selectCommonTypmod } from '#parser/coerce.ts';
import { assignListCollations, assignQueryCollations, selectCommonCollation } from '#parser/collate.ts';
import { describeCte, transformWith } from '#parser/cte.ts';
import { transformFrom } from '#parser/from.ts';
import { makeTargetEntry, makeVar } from '#parser/make-nodes.ts';
import { transformDelete, transformInsert, transformUpdate } from '#parser/modify.ts';
import { requireSortOperators } from '#parser/oper.ts';
import type { RawStatement } from '#parser/parse.ts';
import { fail, makeParseState, type ParamContext, type ParseState } from '#parser/parse-state.ts';
import { addSubquery, addValues, expandItem, makeItem } from '#parser/relation.ts';
import {
  markTargetOrigins,
  resolveTargetUnknowns,
  transformExpressionList,
  transformTargetList,
} from '#parser/target.ts';
import { transformWindows } from '#parser/window.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export type { ParamContext };

/** Analyses one statement. Types of variable parameters are filled in. */
export function analyze(raw: RawStatement, sourceText: string, params: ParamContext): Query {
  const p = makeParseState(null, sourceText, params);
  const query = statement(p, raw.node);
  query.stmtLocation = raw.start;
  query.stmtLen = raw.end - raw.start;
  if (params.variable) checkVariableParams(p, query, params);
  return query;
}

/** Analyses the query inside a utility statement (EXPLAIN, DECLARE CURSOR, PREPARE, COPY …). */
export function analyzeNode(node: Node, sourceText: string, params: ParamContext): Query {
  const p = makeParseState(null, sourceText, params);
  const query = statement(p, node);
  if (params.variable) checkVariableParams(p, query, params);
  return query;
}

/** Analyses the body of an SQL function: arguments are $n, also by name. */
export function analyzeFunctionBody(
  node: Node,
  sourceText: string,
  argumentTypes: Oid[],
  argumentNames: readonly string[],
): Query {
  const p = makeParseState(null, sourceText, { types: argumentTypes, variable: false });
  p.argumentNames = argumentNames;
  return statement(p, node);
}

/** A sub-select of `parent`. `cte` is set for the query of a WITH item. */
export function analyzeSubquery(
  parent: ParseState,
  node: Node,
  cte: CommonTableExpr | null,
  resolveUnknowns: boolean,
  lockedFromParent = false,
): Query {
  const p = makeParseState(parent);
  p.parentCte = cte;
  p.resolveUnknowns = resolveUnknowns;
  p.lockedFromParent = lockedFromParent;
  return statement(p, node);
}

function statement(p: ParseState, node: Node): Query {
  switch (tagOf(node)) {
    case 'SelectStmt': {
      const select = bodyOf(node, 'SelectStmt');
      let leftmost = select;
      while (leftmost.larg !== undefined) leftmost = leftmost.larg;
      if (leftmost.intoClause !== undefined && p.parent === null) {
        const query = makeQuery('utility');
        query.utilityStmt = node;
        return query;
      }
      if (select.valuesLists !== undefined) return values(p, select);
      return select.op === undefined || select.op === 'SETOP_NONE'
        ? selectStatement(p, select)
        : setOperation(p, select);
    }
    case 'InsertStmt':
      return transformInsert(p, bodyOf(node, 'InsertStmt'));
    case 'UpdateStmt':
      return transformUpdate(p, bodyOf(node, 'UpdateStmt'));
    case 'DeleteStmt':
      return transformDelete(p, bodyOf(node, 'DeleteStmt'));
    case 'MergeStmt':
      return fail(p, SQLSTATE.featureNotSupported, 'MERGE is not implemented', rawLocation(node));
    case 'ReturnStmt': {
      const select: SelectStmt = {
        targetList: [{ ResTarget: { val: bodyOf(node, 'ReturnStmt').returnval! } }],
        op: 'SETOP_NONE',
        limitOption: 'LIMIT_OPTION_DEFAULT',
      };
      const query = selectStatement(p, select);
      query.isReturn = true;
      return query;
    }
    default: {
      const query = makeQuery('utility');
      query.utilityStmt = node;
      return query;
    }
  }
}

/** A parameter whose type was fixed late must not have been used as unknown before. */
function checkVariableParams(p: ParseState, query: Query, params: ParamContext): void {
  if (params.types.length === 0) return;
  const visit = (e: Expr): void => {
    if (e.kind !== 'Param' || e.paramkind !== 'extern') return;
    const type = params.types[e.paramid - 1]!;
    if (e.paramtype !== type) {
      fail(p, SQLSTATE.ambiguousParameter, `could not determine data type of parameter $${e.paramid}`, e.location);
    }
  };
  walkQuery(query, visit);
  for (const [i, type] of params.types.entries()) {
    if (type === TYPE.unknown) params.types[i] = type;
  }
}

function selectStatement(p: ParseState, s: SelectStmt): Query {
  const query = makeQuery('select');
  if (s.withClause !== undefined) {
    query.hasRecursive = s.withClause.recursive === true;
    query.cteList = transformWith(p, s.withClause);
    query.hasModifyingCTE = p.hasModifyingCTE;
  }
  if (s.intoClause !== undefined) {
    fail(p, SQLSTATE.syntaxError, 'SELECT ... INTO is not allowed here', s.intoClause.rel?.location ?? 0);
  }
  if (s.windowClause !== undefined) p.windowDefs = s.windowClause.map((n) => bodyOf(n, 'WindowDef'));
  p.lockedNames = lockedNames(s);
  if (s.fromClause !== undefined) transformFrom(p, s.fromClause);
  const targets = s.targetList === undefined ? [] : transformTargetList(p, s.targetList, 'select_target');
  query.targetList = targets;
  markTargetOrigins(p, targets);
  const quals = transformWhere(p, s.whereClause, 'where', 'WHERE');
  query.havingQual = transformWhere(p, s.havingClause, 'having', 'HAVING');
  query.sortClause = transformSort(p, s.sortClause, targets, 'order_by', false);
  if (s.groupClause !== undefined) {
    const grouped = transformGroup(p, s.groupClause, targets, query.sortClause);
    query.groupClause = grouped.groupClause;
    query.groupingSets = grouped.groupingSets;
    query.groupDistinct = s.groupDistinct === true;
  }
  if (s.distinctClause !== undefined) {
    if (tagOf(s.distinctClause[0]!) === ('' as never)) {
      query.distinctClause = transformDistinct(p, targets, query.sortClause, false);
    } else {
      query.distinctClause = transformDistinctOn(p, s.distinctClause, targets, query.sortClause);
      query.hasDistinctOn = true;
    }
  }
  if (s.limitOffset !== undefined) query.limitOffset = transformLimit(p, s.limitOffset, 'offset', false);
  if (s.limitCount !== undefined) {
    query.limitOption = s.limitOption === 'LIMIT_OPTION_WITH_TIES' ? 'with_ties' : 'count';
    query.limitCount = transformLimit(p, s.limitCount, 'limit', query.limitOption === 'with_ties');
  }
  if (p.windowDefs.length > 0) query.windowClause = transformWindows(p, p.windowDefs, targets);
  if (p.resolveUnknowns) resolveTargetUnknowns(p, targets);
  query.rtable = p.rtable;
  query.jointree = { kind: 'FromExpr', fromlist: p.joinlist, quals };
  query.hasSubLinks = p.hasSubLinks;
  query.hasWindowFuncs = p.hasWindowFuncs;
  query.hasTargetSRFs = p.hasTargetSRFs;
  query.hasAggs = p.hasAggs;
  for (const locking of s.lockingClause ?? []) lockingClause(p, query, bodyOf(locking, 'LockingClause'), false);
  assignQueryCollations(p, query);
  if (p.hasAggs || query.groupClause.length > 0 || query.groupingSets.length > 0 || query.havingQual !== null)
    checkAggregates(p, query);
  return query;
}

// ---- VALUES

function values(p: ParseState, s: SelectStmt): Query {
  const query = makeQuery('select');
  if (s.withClause !== undefined) {
    query.hasRecursive = s.withClause.recursive === true;
    query.cteList = transformWith(p, s.withClause);
    query.hasModifyingCTE = p.hasModifyingCTE;
  }
  const lists: Expr[][] = [];
  let width = -1;
  for (const row of s.valuesLists!) {
    const nodes = listItems(row);
    for (const node of nodes) {
      if (isTag(node, 'SetToDefault')) {
        fail(p, SQLSTATE.syntaxError, 'DEFAULT is not allowed in this context', rawLocation(node));
      }
    }
    const saved = p.exprKind;
    p.exprKind = 'values';
    const list = transformExpressionList(p, nodes, 'values');
    p.exprKind = saved;
    if (width < 0) width = list.length;
    else if (width !== list.length) {
      fail(p, SQLSTATE.syntaxError, 'VALUES lists must all be the same length', rawLocation(nodes[0]));
    }
    lists.push(list);
  }
  const types: Oid[] = [];
  const typmods: number[] = [];
  const collations: Oid[] = [];
  for (let column = 0; column < width; column++) {
    const items = lists.map((row) => row[column]!);
    const type = selectCommonType(p, items, 'VALUES').type;
    const coerced = items.map((e) => coerceToCommonType(p, e, type, 'VALUES'));
    for (let row = 0; row < lists.length; row++) lists[row]![column] = coerced[row]!;
    types.push(type);
    typmods.push(selectCommonTypmod(coerced, type));
    collations.push(selectCommonCollation(p, coerced, true));
  }
  for (const list of lists) assignListCollations(p, list);
  const lateral =
    p.rtable.length === 0 &&
    lists.some((l) => l.some((e) => anyExpr(e, (x) => x.kind === 'Var' && x.varlevelsup === 0)));
  const item = addValues(p, lists, types, typmods, collations, null, lateral, true);
  p.namespace = [item];
  p.joinlist.push({ kind: 'RangeTblRef', rtindex: item.rtindex });
  const targets = expandItem(p, item, 0, -1).map((c) => makeTargetEntry(c.expr, p.nextResno++, c.name, false));
  query.targetList = targets;
  query.sortClause = transformSort(p, s.sortClause, targets, 'order_by', false);
  if (s.limitOffset !== undefined) query.limitOffset = transformLimit(p, s.limitOffset, 'offset', false);
  if (s.limitCount !== undefined) {
    query.limitOption = s.limitOption === 'LIMIT_OPTION_WITH_TIES' ? 'with_ties' : 'count';
    query.limitCount = transformLimit(p, s.limitCount, 'limit', query.limitOption === 'with_ties');
  }
  if (s.lockingClause !== undefined) {
    fail(
      p,
      SQLSTATE.featureNotSupported,
      `${lockName(bodyOf(s.lockingClause[0]!, 'LockingClause'))} cannot be applied to VALUES`,
    );
  }
  query.rtable = p.rtable;
  query.jointree = { kind: 'FromExpr', fromlist: p.joinlist, quals: null };
  query.hasSubLinks = p.hasSubLinks;
  assignQueryCollations(p, query);
  return query;
}

// ---- UNION, INTERSECT, EXCEPT

const OPERATIONS: Readonly<Record<string, 'union' | 'intersect' | 'except'>> = {
  SETOP_UNION: 'union',
  SETOP_INTERSECT: 'intersect',
  SETOP_EXCEPT: 'except',
};

function setOperation(p: ParseState, s: SelectStmt): Query {
  const query = makeQuery('select');
  const top: SelectStmt = { ...s };
  delete top.sortClause;
  delete top.limitOffset;
  delete top.limitCount;
  delete top.lockingClause;
  delete top.withClause;
  top.limitOption = 'LIMIT_OPTION_DEFAULT';
  if (s.lockingClause !== undefined) {
    fail(
      p,
      SQLSTATE.featureNotSupported,
      `${lockName(bodyOf(s.lockingClause[0]!, 'LockingClause'))} is not allowed with UNION/INTERSECT/EXCEPT`,
    );
  }
  if (s.withClause !== undefined) {
    query.hasRecursive = s.withClause.recursive === true;
    query.cteList = transformWith(p, s.withClause);
    query.hasModifyingCTE = p.hasModifyingCTE;
  }
  let leftmost = s;
  while (leftmost.op !== undefined && leftmost.op !== 'SETOP_NONE') leftmost = leftmost.larg!;
  const { arg } = setOperationTree(p, top, true);
  const tree = arg as SetOperationStmt;
  query.setOperations = tree;

  // Names and origins come from the leftmost leaf.
  let leaf: SetOperationArg = tree;
  while (leaf.kind === 'SetOperationStmt') leaf = leaf.larg;
  const leafIndex = leaf.rtindex;
  const leafRte = p.rtable[leafIndex - 1]!;
  if (leafRte.rtekind !== 'subquery') throw new Error('leftmost arm of a set operation is no sub-select');
  const leafTargets = leafRte.subquery.targetList.filter((t) => !t.resjunk);
  const targets: TargetEntry[] = tree.colTypes.map((type, i) => {
    const from = leafTargets[i]!;
    const v = makeVar(leafIndex, from.resno, type, tree.colTypmods[i]!, tree.colCollations[i]!, 0);
    v.location = exprLocation(from.expr);
    const target = makeTargetEntry(v, p.nextResno++, from.resname, false);
    return target;
  });
  query.targetList = targets;

  // ORDER BY may name the output columns: as a made-up join over the leaves, seen by no one else.
  const before = p.rtable.length;
  const names = targets.map((t) => t.resname ?? '');
  const item = orderByItem(p, targets, names);
  const savedNamespace = p.namespace;
  p.namespace = [item];
  const visibleCount = targets.length;
  query.sortClause = transformSort(p, s.sortClause, targets, 'order_by', false);
  p.namespace = savedNamespace;
  p.rtable = p.rtable.slice(0, before);
  if (targets.length !== visibleCount) {
    fail(
      p,
      SQLSTATE.featureNotSupported,
      'invalid UNION/INTERSECT/EXCEPT ORDER BY clause',
      exprLocation(targets[visibleCount]!.expr),
      {
        detail: 'Only result column names can be used, not expressions or functions.',
        hint: 'Add the expression/function to every SELECT, or move the UNION into a FROM clause.',
      },
    );
  }
  if (s.limitOffset !== undefined) query.limitOffset = transformLimit(p, s.limitOffset, 'offset', false);
  if (s.limitCount !== undefined) {
    query.limitOption = s.limitOption === 'LIMIT_OPTION_WITH_TIES' ? 'with_ties' : 'count';
    query.limitCount = transformLimit(p, s.limitCount, 'limit', query.limitOption === 'with_ties');
  }
  query.rtable = p.rtable;
  query.jointree = { kind: 'FromExpr', fromlist: [], quals: null };
  query.hasSubLinks = p.hasSubLinks;
  query.hasTargetSRFs = p.hasTargetSRFs;
  query.hasAggs = p.hasAggs;
  assignQueryCollations(p, query);
  return query;
}

function orderByItem(p: ParseState, targets: readonly TargetEntry[], names: string[]) {
  const rte = {
    kind: 'RangeTblEntry' as const,
    rtekind: 'join' as const,
    alias: null,
    eref: { kind: 'Alias' as const, aliasname: 'unnamed_join', colnames: names },
    lateral: false,
    inh: false,
    inFromCl: true,
    ...noPrivileges(),
    jointype: 'inner' as const,
    joinmergedcols: 0,
    joinaliasvars: targets.map((t) => t.expr),
    joinleftcols: [],
    joinrightcols: [],
    joinUsingAlias: null,
  };
  p.rtable = [...p.rtable, rte];
  const item = makeItem(
    rte,
    p.rtable.length,
    targets.map((t) => {
      const v = t.expr as Extract<Expr, { kind: 'Var' }>;
      return {
        varno: v.varno,
        varattno: v.varattno,
        vartype: v.vartype,
        vartypmod: v.vartypmod,
        varcollid: v.varcollid,
        varnosyn: v.varnosyn,
        varattnosyn: v.varattnosyn,
        dontexpand: false,
      };
    }),
  );
  item.relVisible = false;
  return item;
}

interface Arm {
  arg: SetOperationArg;
  /** Representative targets: real expressions at a leaf, typed placeholders above. */
  targets: TargetEntry[];
}

function setOperationTree(p: ParseState, s: SelectStmt, isTop: boolean): Arm {
  const isLeaf =
    s.op === undefined ||
    s.op === 'SETOP_NONE' ||
    s.sortClause !== undefined ||
    s.limitOffset !== undefined ||
    s.limitCount !== undefined ||
    s.lockingClause !== undefined ||
    s.withClause !== undefined;
  if (s.intoClause !== undefined) {
    fail(
      p,
      SQLSTATE.syntaxError,
      'INTO is only allowed on first SELECT of UNION/INTERSECT/EXCEPT',
      s.intoClause.rel?.location ?? 0,
    );
  }
  if (isLeaf) return setOperationLeaf(p, s);

  const op = OPERATIONS[s.op!]!;
  const context = op.toUpperCase();
  const left = setOperationTree(p, s.larg!, false);
  // The non-recursive term tells what columns the recursive one sees.
  if (isTop && p.parentCte?.cterecursive === true) describeCte(p, p.parentCte, left.targets);
  const right = setOperationTree(p, s.rarg!, false);
  if (left.targets.length !== right.targets.length) {
    fail(
      p,
      SQLSTATE.syntaxError,
      `each ${context} query must have the same number of columns`,
      right.targets.length > 0 ? exprLocation(right.targets[0]!.expr) : -1,
    );
  }
  const made: SetOperationStmt = {
    kind: 'SetOperationStmt',
    op,
    all: s.all === true,
    larg: left.arg,
    rarg: right.arg,
    colTypes: [],
    colTypmods: [],
    colCollations: [],
    groupClauses: [],
  };
  const isRecursive = isTop && p.parentCte?.cterecursive === true;
  const targets = left.targets.map((l, i) => unifyColumn(p, made, l, right.targets[i]!, context, isRecursive));
  return { arg: made, targets };
}

function setOperationLeaf(p: ParseState, s: SelectStmt): Arm {
  const query = analyzeSubquery(p, { SelectStmt: s }, null, false);
  // A leaf's WITH recursion belongs to the outer CTE only through names, never through Vars of this level.
  walkQuery(query, (e, level) => {
    if (e.kind === 'Var' && e.varlevelsup === level + 1 && p.namespace.length > 0) {
      fail(
        p,
        SQLSTATE.invalidColumnReference,
        'UNION/INTERSECT/EXCEPT member statement cannot refer to other relations of same query level',
        e.location,
      );
    }
  });
  const targets = query.targetList.filter((t) => !t.resjunk);
  const name = `*SELECT* ${p.rtable.length + 1}`;
  const item = addSubquery(p, query, { kind: 'Alias', aliasname: name, colnames: [] }, false, false);
  return { arg: { kind: 'RangeTblRef', rtindex: item.rtindex }, targets };
}

function unifyColumn(
  p: ParseState,
  stmt: SetOperationStmt,
  l: TargetEntry,
  r: TargetEntry,
  context: string,
  isRecursive: boolean,
): TargetEntry {
  const leftType = exprType(l.expr);
  const rightType = exprType(r.expr);
  const { type, which } = selectCommonType(p, [l.expr, r.expr], context);
  // Constants are settled in place, so that an untyped literal is read as what the column is.
  if (leftType !== TYPE.unknown) coerceToCommonType(p, l.expr, type, context);
  else if (l.expr.kind === 'Const' || l.expr.kind === 'Param') l.expr = coerceToCommonType(p, l.expr, type, context);
  if (rightType !== TYPE.unknown) coerceToCommonType(p, r.expr, type, context);
  else if (r.expr.kind === 'Const' || r.expr.kind === 'Param') r.expr = coerceToCommonType(p, r.expr, type, context);
  const typmod = selectCommonTypmod([l.expr, r.expr], type);
  const collation = selectCommonCollation(p, [l.expr, r.expr], stmt.op === 'union' && stmt.all);
  stmt.colTypes.push(type);
  stmt.colTypmods.push(typmod);
  stmt.colCollations.push(collation);
  if (stmt.op !== 'union' || !stmt.all) {
    const location = exprLocation(which);
    const ops = requireSortOperators(p, type, { equal: true }, location);
    if (isRecursive && !ops.hashable) {
      fail(p, SQLSTATE.featureNotSupported, 'could not implement recursive UNION', undefined, {
        detail: 'All column datatypes must be hashable.',
      });
    }
    stmt.groupClauses.push({
      kind: 'SortGroupClause',
      tleSortGroupRef: 0,
      eqop: ops.equal,
      sortop: ops.less,
      nullsFirst: false,
      hashable: ops.hashable,
    });
  }
  const placeholder: Expr = {
    kind: 'SetToDefault',
    typeId: type,
    typeMod: typmod,
    collation,
    location: exprLocation(which),
  };
  return makeTargetEntry(placeholder, l.resno, l.resname, false);
}

// ---- FOR UPDATE / SHARE

const LOCK_NAMES: Readonly<Record<string, string>> = {
  LCS_FORKEYSHARE: 'FOR KEY SHARE',
  LCS_FORSHARE: 'FOR SHARE',
  LCS_FORNOKEYUPDATE: 'FOR NO KEY UPDATE',
  LCS_FORUPDATE: 'FOR UPDATE',
};
const STRENGTHS: Readonly<Record<string, RowMarkClause['strength']>> = {
  LCS_FORKEYSHARE: 'forkeyshare',
  LCS_FORSHARE: 'forshare',
  LCS_FORNOKEYUPDATE: 'fornokeyupdate',
  LCS_FORUPDATE: 'forupdate',
};
const WAITS: Readonly<Record<string, RowMarkClause['waitPolicy']>> = {
  LockWaitBlock: 'block',
  LockWaitSkip: 'skip',
  LockWaitError: 'error',
};
/** What FOR UPDATE or SHARE covers: known before FROM is worked through, because it decides how relations are locked. */
function lockedNames(s: SelectStmt): readonly string[] | null {
  if (s.lockingClause === undefined) return null;
  const names: string[] = [];
  for (const node of s.lockingClause) {
    const { lockedRels } = bodyOf(node, 'LockingClause');
    if (lockedRels === undefined || lockedRels.length === 0) return [];
    for (const rel of lockedRels) names.push(bodyOf(rel, 'RangeVar').relname ?? '');
  }
  return names;
}
const lockName = (l: LockingClause): string => LOCK_NAMES[l.strength!] ?? 'FOR UPDATE';

/** FOR UPDATE of a sub-select in FROM locks the rows of all its tables. */
function lockSubquery(query: Query, locking: LockingClause): void {
  query.hasForUpdate = true;
  query.rtable.forEach((rte, i) => {
    if (!rte.inFromCl || (rte.rtekind !== 'relation' && rte.rtekind !== 'subquery')) return;
    query.rowMarks.push({
      kind: 'RowMarkClause',
      rti: i + 1,
      strength: STRENGTHS[locking.strength!]!,
      waitPolicy: WAITS[locking.waitPolicy!] ?? 'block',
      pushedDown: true,
    });
    if (rte.rtekind === 'relation') rte.requiredPerms |= ACL_UPDATE;
    else lockSubquery(rte.subquery, locking);
  });
}

function lockingClause(p: ParseState, query: Query, locking: LockingClause, pushedDown: boolean): void {
  const name = lockName(locking);
  const refuse = (what: string): never => fail(p, SQLSTATE.featureNotSupported, `${name} is not allowed with ${what}`);
  if (query.setOperations !== null) refuse('UNION/INTERSECT/EXCEPT');
  if (query.distinctClause.length > 0) refuse('DISTINCT clause');
  if (query.groupClause.length > 0 || query.groupingSets.length > 0) refuse('GROUP BY clause');
  if (query.havingQual !== null) refuse('HAVING clause');
  if (query.hasAggs) refuse('aggregate functions');
  if (query.hasWindowFuncs) refuse('window functions');
  if (query.hasTargetSRFs) refuse('set-returning functions in the target list');
  const mark = (rti: number): void => {
    query.hasForUpdate = true;
    const rte = p.rtable[rti - 1]!;
    if (rte.rtekind === 'subquery') lockSubquery(rte.subquery, locking);
    else rte.requiredPerms |= ACL_UPDATE;
    const strength = STRENGTHS[locking.strength!]!;
    const waitPolicy = WAITS[locking.waitPolicy!] ?? 'block';
    // Of several clauses about one relation the strongest lock counts; NOWAIT is stronger than SKIP LOCKED than waiting.
    const known = query.rowMarks.find((one) => one.rti === rti);
    if (known === undefined) {
      query.rowMarks.push({ kind: 'RowMarkClause', rti, strength, waitPolicy, pushedDown });
      return;
    }
    const order = Object.values(STRENGTHS);
    if (order.indexOf(strength) > order.indexOf(known.strength)) known.strength = strength;
    const policies = Object.values(WAITS);
    if (policies.indexOf(waitPolicy) > policies.indexOf(known.waitPolicy)) known.waitPolicy = waitPolicy;
    known.pushedDown &&= pushedDown;
  };
  const lockable = (rte: RangeTblEntry): boolean => rte.rtekind === 'relation' || rte.rtekind === 'subquery';
  const named = (locking.lockedRels ?? []).map((n) => bodyOf(n, 'RangeVar'));
  if (named.length === 0) {
    p.rtable.forEach((rte, i) => {
      if (rte.inFromCl && lockable(rte)) mark(i + 1);
    });
    return;
  }
  for (const relation of named) {
    const at = relation.location ?? 0;
    if (relation.schemaname !== undefined || relation.catalogname !== undefined) {
      fail(p, SQLSTATE.syntaxError, `${name} must specify unqualified relation names`, at);
    }
    const index = p.rtable.findIndex((rte) => rte.inFromCl && rte.eref.aliasname === relation.relname);
    const rte = p.rtable[index];
    if (rte === undefined) {
      fail(p, SQLSTATE.undefinedTable, `relation "${relation.relname}" in ${name} clause not found in FROM clause`, at);
    }
    const unsuitable: Partial<Record<typeof rte.rtekind, string>> = {
      join: 'a join',
      function: 'a function',
      tablefunc: 'a table function',
      values: 'VALUES',
      cte: 'a WITH query',
      namedtuplestore: 'a named tuplestore',
    };
    const what = unsuitable[rte.rtekind];
    if (what !== undefined) fail(p, SQLSTATE.wrongObjectType, `${name} cannot be applied to ${what}`, at);
    mark(index + 1);
  }
}
