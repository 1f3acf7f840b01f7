/** deparse-query.ts — stored queries as SQL text.
 *  Counterpart: get_query_def() and its helpers in src/backend/utils/adt/ruleutils.c */
import type { DeparseContext } from '#catalog/deparse-context.ts';
import { INDENT, levelOf } from '#catalog/deparse-context.ts';
import {
  constText,
  operatorText,
  putExpr,
  putList,
  putTopExpr,
  putVariable,
  relationText,
} from '#catalog/deparse-expr.ts';
import { collationText } from '#catalog/deparse-expr.ts';
import { formatTypeWithTypmod } from '#catalog/format-type.ts';
import { ACCESS_METHOD } from '#catalog/oids.ts';
import { quoteIdentifier } from '#catalog/quote.ts';
import { classRow, defaultOpclass, familyMember, procRow, typeCollation } from '#catalog/syscache.ts';
import { exprType } from '#nodes/node-funcs.ts';
import type {
  FrameBound,
  GroupingSet,
  Query,
  RangeTblEntry,
  SetOperationArg,
  WindowClause,
} from '#nodes/parse-nodes.ts';
import type { Expr, FromNode, JoinExpr, SortGroupClause, TargetEntry } from '#nodes/primitives.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

type Context = DeparseContext;
const { std, join, var: varIndent } = INDENT;

/** get_query_def(): `columns` are the names that the result must have; `visible`: names of columns matter. */
export function deparseQuery(c: Context, query: Query, columns: readonly string[] | null, visible: boolean): void {
  const { levels, prefix, windows, windowTargets, indentLevel } = c;
  c.prefix = levels.length > 0 || query.rtable.length !== 1;
  c.levels = [levelOf(query, levels), ...levels];
  if (query.commandType === 'select') selectText(c, query, columns, visible);
  else {
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: `showing an ${query.commandType} as text is not supported yet`,
    });
  }
  Object.assign(c, { levels, prefix, windows, windowTargets, indentLevel });
}

function selectText(c: Context, query: Query, columns: readonly string[] | null, visible: boolean): void {
  withText(c, query);
  c.windows = query.windowClause;
  c.windowTargets = query.targetList;
  const isSetOperation = query.setOperations !== null;
  if (query.setOperations !== null) setOperationText(c, query.setOperations, query, columns, visible);
  else basicSelect(c, query, columns, visible);
  if (query.sortClause.length > 0) {
    c.keyword(' ORDER BY ', -std, std, 1);
    orderByText(c, query.sortClause, query.targetList, isSetOperation);
  }
  if (query.limitOffset !== null) {
    c.keyword(' OFFSET ', -std, std, 0);
    putExpr(c, query.limitOffset, false);
  }
  const { limitCount } = query;
  if (limitCount !== null) {
    if (query.limitOption === 'with_ties') {
      c.keyword(' FETCH FIRST ', -std, std, 0);
      putExpr(c, limitCount, false);
      c.put(' ROWS WITH TIES');
    } else {
      c.keyword(' LIMIT ', -std, std, 0);
      if (limitCount.kind === 'Const' && limitCount.constisnull) c.put('ALL');
      else putExpr(c, limitCount, false);
    }
  }
  if (!query.hasForUpdate) return;
  for (const mark of query.rowMarks) {
    if (mark.pushedDown) continue;
    const words = { forkeyshare: 'KEY SHARE', forshare: 'SHARE', fornokeyupdate: 'NO KEY UPDATE', forupdate: 'UPDATE' };
    c.keyword(` FOR ${words[mark.strength as keyof typeof words]}`, -std, std, 0);
    c.put(` OF ${quoteIdentifier(c.levels[0]!.names[mark.rti - 1] ?? '')}`);
    if (mark.waitPolicy === 'error') c.put(' NOWAIT');
    else if (mark.waitPolicy === 'skip') c.put(' SKIP LOCKED');
  }
}

function withText(c: Context, query: Query): void {
  if (query.cteList.length === 0) return;
  if (c.prettyIndent) {
    c.indentLevel += std;
    c.put(' ');
  }
  query.cteList.forEach((cte, i) => {
    c.put(i > 0 ? ', ' : query.hasRecursive ? 'WITH RECURSIVE ' : 'WITH ');
    c.put(quoteIdentifier(cte.ctename));
    if (cte.aliascolnames.length > 0) c.put(`(${cte.aliascolnames.map(quoteIdentifier).join(', ')})`);
    c.put(' AS ');
    if (cte.ctematerialized !== 'default')
      c.put(cte.ctematerialized === 'always' ? 'MATERIALIZED ' : 'NOT MATERIALIZED ');
    c.put('(');
    if (c.prettyIndent) c.keyword('', 0, 0, 0);
    deparseQuery(c, cte.ctequery, null, true);
    if (c.prettyIndent) c.keyword('', 0, 0, 0);
    c.put(')');
    const { searchClause, cycleClause } = cte;
    if (searchClause !== null) {
      const order = searchClause.searchBreadthFirst ? 'BREADTH' : 'DEPTH';
      const by = searchClause.searchColList.map(quoteIdentifier).join(', ');
      c.put(` SEARCH ${order} FIRST BY ${by} SET ${quoteIdentifier(searchClause.searchSeqColumn)}`);
    }
    if (cycleClause !== null) {
      const list = cycleClause.cycleColList.map(quoteIdentifier).join(', ');
      c.put(` CYCLE ${list} SET ${quoteIdentifier(cycleClause.cycleMarkColumn)}`);
      const isBoolean = (e: Expr, value: boolean): boolean =>
        e.kind === 'Const' && e.consttype === 16 && e.constvalue === value;
      if (!isBoolean(cycleClause.cycleMarkValue, true) || !isBoolean(cycleClause.cycleMarkDefault, false)) {
        c.put(' TO ');
        putExpr(c, cycleClause.cycleMarkValue, false);
        c.put(' DEFAULT ');
        putExpr(c, cycleClause.cycleMarkDefault, false);
      }
      c.put(` USING ${quoteIdentifier(cycleClause.cyclePathColumn)}`);
    }
  });
  if (c.prettyIndent) {
    c.indentLevel -= std;
    c.keyword('', 0, 0, 0);
  } else c.put(' ');
}

/** VALUES lists by themselves: a select of all columns of one VALUES entry. */
function simpleValues(query: Query, columns: readonly string[] | null): (RangeTblEntry & { rtekind: 'values' }) | null {
  let found: (RangeTblEntry & { rtekind: 'values' }) | null = null;
  for (const rte of query.rtable) {
    if (rte.rtekind === 'values' && rte.inFromCl) {
      if (found !== null) return null;
      found = rte;
    } else if (rte.rtekind !== 'relation' || rte.inFromCl) return null;
  }
  if (found === null) return null;
  const names = found.eref.colnames;
  if (query.targetList.length !== names.length) return null;
  for (let i = 0; i < names.length; i++) {
    const target = query.targetList[i]!;
    if (target.resjunk) return null;
    const wanted = columns?.[i] ?? target.resname;
    if (wanted !== null && wanted !== names[i]) return null;
  }
  return found;
}
function valuesText(c: Context, lists: readonly (readonly Expr[])[]): void {
  c.put('VALUES ');
  lists.forEach((row, i) => {
    c.put(i > 0 ? ', (' : '(');
    row.forEach((value, k) => {
      if (k > 0) c.put(',');
      putTopExpr(c, value, false);
    });
    c.put(')');
  });
}

function basicSelect(c: Context, query: Query, columns: readonly string[] | null, visible: boolean): void {
  if (c.prettyIndent) {
    c.indentLevel += std;
    c.put(' ');
  }
  const values = simpleValues(query, columns);
  if (values !== null) {
    valuesText(c, values.valuesLists);
    return;
  }
  c.put(query.isReturn ? 'RETURN' : 'SELECT');
  if (query.distinctClause.length > 0) {
    if (query.hasDistinctOn) {
      c.put(' DISTINCT ON (');
      query.distinctClause.forEach((clause, i) => {
        if (i > 0) c.put(', ');
        sortGroupText(c, clause.tleSortGroupRef, query.targetList, false);
      });
      c.put(')');
    } else c.put(' DISTINCT');
  }
  targetListText(c, query.targetList, columns, visible);
  fromText(c, query, ' FROM ');
  if (query.jointree.quals !== null) {
    c.keyword(' WHERE ', -std, std, 1);
    putExpr(c, query.jointree.quals, false);
  }
  if (query.groupClause.length > 0 || query.groupingSets.length > 0) {
    c.keyword(' GROUP BY ', -std, std, 1);
    if (query.groupDistinct) c.put('DISTINCT ');
    if (query.groupingSets.length === 0) {
      query.groupClause.forEach((clause, i) => {
        if (i > 0) c.put(', ');
        sortGroupText(c, clause.tleSortGroupRef, query.targetList, false);
      });
    } else {
      query.groupingSets.forEach((set, i) => {
        if (i > 0) c.put(', ');
        groupingSetText(c, set, query.targetList, true);
      });
    }
  }
  if (query.havingQual !== null) {
    c.keyword(' HAVING ', -std, std, 0);
    putExpr(c, query.havingQual, false);
  }
  let first = true;
  for (const window of query.windowClause) {
    if (window.name === null) continue;
    if (first) c.keyword(' WINDOW ', -std, std, 1);
    else c.put(', ');
    first = false;
    c.put(`${quoteIdentifier(window.name)} AS `);
    windowText(c, window, query.targetList);
  }
}

function targetListText(
  c: Context,
  targets: readonly TargetEntry[],
  columns: readonly string[] | null,
  visible: boolean,
): void {
  let count = 0;
  let lastWasLong = false;
  for (const target of targets) {
    if (target.resjunk) continue;
    c.put(count === 0 ? ' ' : ', ');
    count++;
    const text = c.collect(() => {
      let written: string | null;
      if (target.expr.kind === 'Var') written = putVariable(c, target.expr, 0, true);
      else {
        putExpr(c, target.expr, true);
        // What an expression is called by itself; where nobody sees the name, it need not be given.
        written = visible ? null : '?column?';
      }
      const wanted = columns?.[count - 1] ?? target.resname;
      if (wanted !== null && wanted !== written) c.put(` AS ${quoteIdentifier(wanted)}`);
    });
    if (c.prettyIndent) {
      if (text.startsWith('\n')) c.trimSpaces();
      else if (count > 1) c.keyword('', -std, std, varIndent);
      lastWasLong = text.includes('\n');
    }
    c.put(text);
  }
  void lastWasLong;
}

function setOperationText(
  c: Context,
  arg: SetOperationArg,
  query: Query,
  columns: readonly string[] | null,
  visible: boolean,
): void {
  if (arg.kind === 'RangeTblRef') {
    const rte = query.rtable[arg.rtindex - 1]!;
    if (rte.rtekind !== 'subquery') return;
    const sub = rte.subquery;
    const parens =
      sub.cteList.length > 0 ||
      sub.sortClause.length > 0 ||
      sub.rowMarks.length > 0 ||
      sub.limitOffset !== null ||
      sub.limitCount !== null;
    if (parens) c.put('(');
    deparseQuery(c, sub, columns, visible);
    if (parens) c.put(')');
    return;
  }
  const { larg, rarg } = arg;
  const leftParens = larg.kind === 'SetOperationStmt' && (larg.op !== arg.op || larg.all !== arg.all);
  let indent = 0;
  if (leftParens) {
    c.put('(');
    indent = std;
    c.keyword('', indent, 0, 0);
  }
  setOperationText(c, larg, query, columns, visible);
  if (leftParens) c.keyword(') ', -indent, 0, 0);
  else if (c.prettyIndent) c.keyword('', -indent, 0, 0);
  else c.put(' ');
  c.put(`${arg.op.toUpperCase()} ${arg.all ? 'ALL ' : ''}`);
  const rightParens = rarg.kind === 'SetOperationStmt';
  indent = 0;
  if (rightParens) {
    c.put('(');
    indent = std;
  }
  c.keyword('', indent, 0, 0);
  setOperationText(c, rarg, query, columns, false);
  if (c.prettyIndent) c.indentLevel -= indent;
  if (rightParens) c.keyword(')', 0, 0, 0);
}

// ── sorting, grouping, windows ───────────────────────────────────────────────────────────────────────────────────

function sortGroupText(c: Context, ref: number, targets: readonly TargetEntry[], byNumber: boolean): Expr {
  const target = targets.find((one) => one.ressortgroupref === ref);
  if (target === undefined) return report('ERROR', { message: 'ORDER/GROUP BY expression not found in targetlist' });
  const { expr } = target;
  if (byNumber) c.put(String(target.resno));
  else if (expr.kind === 'Const') c.put(constText(expr, 1));
  else if (expr.kind === 'Var') putExpr(c, expr, true);
  else {
    // A function's name followed by an argument list could be taken for something else.
    const parens = c.prettyParens || expr.kind === 'FuncExpr' || expr.kind === 'Aggref' || expr.kind === 'WindowFunc';
    if (parens) c.put('(');
    putExpr(c, expr, true);
    if (parens) c.put(')');
  }
  return expr;
}
export function orderByText(
  c: Context,
  clauses: readonly SortGroupClause[],
  targets: readonly TargetEntry[],
  byNumber: boolean,
): void {
  clauses.forEach((clause, i) => {
    if (i > 0) c.put(', ');
    const expr = sortGroupText(c, clause.tleSortGroupRef, targets, byNumber);
    const opclass = defaultOpclass(exprType(expr), ACCESS_METHOD.btree);
    const member = (strategy: number): number =>
      opclass === undefined ? 0 : familyMember(opclass.opcfamily, opclass.opcintype, opclass.opcintype, strategy);
    if (clause.sortop === member(1)) {
      if (clause.nullsFirst) c.put(' NULLS FIRST');
    } else if (clause.sortop === member(5)) {
      c.put(' DESC');
      if (!clause.nullsFirst) c.put(' NULLS LAST');
    } else c.put(` USING ${operatorText(clause.sortop)}${clause.nullsFirst ? ' NULLS FIRST' : ' NULLS LAST'}`);
  });
}
function groupingSetText(c: Context, set: GroupingSet, targets: readonly TargetEntry[], omitParens: boolean): void {
  if (set.setKind === 'empty') {
    c.put('()');
    return;
  }
  if (set.setKind === 'simple') {
    const parens = !omitParens || set.refs.length !== 1;
    if (parens) c.put('(');
    set.refs.forEach((ref, i) => {
      if (i > 0) c.put(', ');
      sortGroupText(c, ref, targets, false);
    });
    if (parens) c.put(')');
    return;
  }
  c.put({ rollup: 'ROLLUP(', cube: 'CUBE(', sets: 'GROUPING SETS (' }[set.setKind]);
  set.content.forEach((one, i) => {
    if (i > 0) c.put(', ');
    groupingSetText(c, one, targets, set.setKind !== 'sets');
  });
  c.put(')');
}
const BOUNDS: Readonly<Record<FrameBound, string>> = {
  unbounded_preceding: 'UNBOUNDED PRECEDING',
  offset_preceding: 'PRECEDING',
  current_row: 'CURRENT ROW',
  offset_following: 'FOLLOWING',
  unbounded_following: 'UNBOUNDED FOLLOWING',
};
const EXCLUSIONS = { none: '', current_row: 'EXCLUDE CURRENT ROW ', group: 'EXCLUDE GROUP ', ties: 'EXCLUDE TIES ' };
/** get_rule_windowspec(). */
export function windowText(c: Context, window: WindowClause, targets: readonly TargetEntry[]): void {
  c.put('(');
  let space = false;
  const part = (work: () => void): void => {
    if (space) c.put(' ');
    work();
    space = true;
  };
  if (window.refname !== null) part(() => c.put(quoteIdentifier(window.refname!)));
  // What the window that it refers to says is not said again.
  if (window.partitionClause.length > 0 && window.refname === null) {
    part(() => {
      c.put('PARTITION BY ');
      window.partitionClause.forEach((clause, i) => {
        if (i > 0) c.put(', ');
        sortGroupText(c, clause.tleSortGroupRef, targets, false);
      });
    });
  }
  if (window.orderClause.length > 0 && !window.copiedOrder) {
    part(() => {
      c.put('ORDER BY ');
      orderByText(c, window.orderClause, targets, false);
    });
  }
  const frame = window.frameOptions;
  if (frame.nondefault) {
    part(() => {
      const bound = (which: FrameBound, offset: Expr | null): void => {
        if (offset !== null && which.startsWith('offset')) {
          putExpr(c, offset, false);
          c.put(' ');
        }
        c.put(BOUNDS[which]);
      };
      c.put(`${frame.mode.toUpperCase()} `);
      if (frame.between) c.put('BETWEEN ');
      bound(frame.start, window.startOffset);
      if (frame.between) {
        c.put(' AND ');
        bound(frame.end, window.endOffset);
      }
      const exclusion = EXCLUSIONS[frame.exclusion].trimEnd();
      if (exclusion !== '') c.put(` ${exclusion}`);
    });
  }
  c.put(')');
}

// ── FROM ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function fromText(c: Context, query: Query, word: string): void {
  let first = true;
  for (const item of query.jointree.fromlist) {
    if (item.kind === 'RangeTblRef' && !query.rtable[item.rtindex - 1]!.inFromCl) continue;
    if (first) {
      c.keyword(word, -std, std, 2);
      first = false;
      fromItem(c, item, query);
      continue;
    }
    c.put(', ');
    const text = c.collect(() => fromItem(c, item, query));
    if (c.prettyIndent) {
      if (text.startsWith('\n')) c.trimSpaces();
      else c.keyword('', -std, std, varIndent);
    }
    c.put(text);
  }
}
function fromItem(c: Context, item: FromNode, query: Query): void {
  if (item.kind === 'JoinExpr') joinText(c, item, query);
  else if (item.kind === 'RangeTblRef') entryText(c, item.rtindex, query.rtable[item.rtindex - 1]!);
}
const columnList = (names: readonly string[]): string =>
  `(${names
    .filter((name) => name !== '' && name !== '?dropped?column?')
    .map(quoteIdentifier)
    .join(', ')})`;

function entryText(c: Context, rtindex: number, rte: RangeTblEntry): void {
  const level = c.levels[0]!;
  const name = level.names[rtindex - 1] ?? '';
  const printsColumns = level.printsColumns[rtindex - 1] === true;
  if (rte.lateral) c.put('LATERAL ');
  let needsAlias = rte.alias !== null || printsColumns;
  switch (rte.rtekind) {
    case 'relation':
      c.put(`${rte.inh ? '' : 'ONLY '}${relationText(c, rte.relid)}`);
      if (classRow(rte.relid)?.relname !== name) needsAlias = true;
      break;
    case 'subquery':
      c.put('(');
      deparseQuery(c, rte.subquery, null, true);
      c.put(')');
      break;
    case 'function': {
      const [only] = rte.functions;
      if (rte.functions.length === 1 && (only!.funccolnames.length === 0 || !rte.funcordinality)) {
        functionItem(c, only!.funcexpr);
      } else {
        c.put('ROWS FROM(');
        rte.functions.forEach((fn, i) => {
          if (i > 0) c.put(', ');
          functionItem(c, fn.funcexpr);
          if (fn.funccolnames.length > 0) c.put(` AS ${definitionList(fn)}`);
        });
        c.put(')');
      }
      if (rte.funcordinality) c.put(' WITH ORDINALITY');
      needsAlias = true;
      break;
    }
    case 'values':
      c.put('(');
      valuesText(c, rte.valuesLists);
      c.put(')');
      break;
    case 'cte':
      c.put(quoteIdentifier(rte.ctename));
      if (name !== rte.ctename) needsAlias = true;
      break;
    default:
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: `showing a range table entry of kind ${rte.rtekind} is not supported yet`,
      });
  }
  if (needsAlias) c.put(` ${quoteIdentifier(name)}`);
  if (rte.rtekind === 'function' && rte.functions.length === 1 && rte.functions[0]!.funccolnames.length > 0) {
    if (!rte.funcordinality) {
      c.put(definitionList(rte.functions[0]!));
      return;
    }
  }
  if (printsColumns) c.put(columnList(level.columns[rtindex - 1]!));
  if (rte.rtekind === 'relation' && rte.tablesample !== null) {
    const { tsmhandler, args, repeatable } = rte.tablesample;
    c.put(` TABLESAMPLE ${quoteIdentifier(procRow(tsmhandler)?.proname ?? '')} (`);
    putList(c, args, false);
    c.put(')');
    if (repeatable !== null) {
      c.put(' REPEATABLE (');
      putExpr(c, repeatable, false);
      c.put(')');
    }
  }
}
/** What is no function call after all gets a CAST around it. */
function functionItem(c: Context, expr: Expr): void {
  const looksLikeCall =
    (expr.kind === 'FuncExpr' && (expr.funcformat === 'explicit_call' || expr.funcformat === 'sql_syntax')) ||
    expr.kind === 'CoalesceExpr' ||
    expr.kind === 'MinMaxExpr' ||
    expr.kind === 'SQLValueFunction' ||
    expr.kind === 'NullIfExpr' ||
    expr.kind === 'XmlExpr';
  if (looksLikeCall) putExpr(c, expr, true);
  else {
    c.put('CAST(');
    putExpr(c, expr, false);
    c.put(` AS ${formatTypeWithTypmod(exprType(expr), -1)})`);
  }
}
function definitionList(fn: {
  readonly funccolnames: readonly string[];
  readonly funccoltypes: readonly number[];
  readonly funccoltypmods: readonly number[];
  readonly funccolcollations: readonly number[];
}): string {
  const columns = fn.funccolnames.map((name, i) => {
    const type = fn.funccoltypes[i]! as never;
    const collation = fn.funccolcollations[i]! as never;
    const text = `${quoteIdentifier(name)} ${formatTypeWithTypmod(type, fn.funccoltypmods[i]!)}`;
    return collation !== 0 && collation !== typeCollation(type) ? `${text} COLLATE ${collationText(collation)}` : text;
  });
  return `(${columns.join(', ')})`;
}
const JOIN_WORDS: Readonly<Record<string, string>> = {
  left: ' LEFT JOIN ',
  full: ' FULL JOIN ',
  right: ' RIGHT JOIN ',
};
function joinText(c: Context, node: JoinExpr, query: Query): void {
  const parens = !c.prettyParens || node.alias !== null;
  const { rarg } = node;
  const parensOnRight =
    c.prettyParens && rarg.kind !== 'RangeTblRef' && !(rarg.kind === 'JoinExpr' && rarg.alias !== null);
  if (parens) c.put('(');
  fromItem(c, node.larg, query);
  const word =
    node.jointype === 'inner' ? (node.quals !== null ? ' JOIN ' : ' CROSS JOIN ') : JOIN_WORDS[node.jointype];
  if (word === undefined) report('ERROR', { message: `unrecognized join type: ${node.jointype}` });
  c.keyword(word, -std, std, join);
  if (parensOnRight) c.put('(');
  fromItem(c, rarg, query);
  if (parensOnRight) c.put(')');
  if (node.usingClause.length > 0) {
    c.put(` USING (${node.usingClause.map(quoteIdentifier).join(', ')})`);
    if (node.joinUsingAlias !== null) c.put(` AS ${quoteIdentifier(node.joinUsingAlias.aliasname)}`);
  } else if (node.quals !== null) {
    c.put(' ON ');
    if (!c.prettyParens) c.put('(');
    putExpr(c, node.quals, false);
    if (!c.prettyParens) c.put(')');
  } else if (node.jointype !== 'inner') c.put(' ON TRUE');
  if (parens) c.put(')');
  if (node.alias !== null) {
    const level = c.levels[0]!;
    c.put(` ${quoteIdentifier(level.names[node.rtindex - 1] ?? '')}`);
    if (level.printsColumns[node.rtindex - 1] === true) c.put(columnList(level.columns[node.rtindex - 1]!));
  }
}
