/** explain-deparse.ts — plan expressions as SQL text, the way EXPLAIN shows them.
 *
 *  A reference to a child's output is followed down to what the child computes; what is no plain column there gets
 *  parentheses. A parameter that a nested loop or a sub-plan call passes in is shown as the expression passed.
 *  Counterpart: src/backend/utils/adt/ruleutils.c (deparse_expression, get_rule_expr, resolve_special_varno) */
import { typeInfo } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { formatTypeWithTypmod } from '#catalog/format-type.ts';
import { NAMESPACE, TYPE } from '#catalog/oids.ts';
import { quoteIdentifier, quoteLiteral } from '#catalog/quote.ts';
import { attributes, namespaceRow, operatorRow, procRow, typeRelid } from '#catalog/syscache.ts';
import { exprType, lengthCoercionTypmod } from '#nodes/node-funcs.ts';
import type { RangeTblEntry } from '#nodes/parse-nodes.ts';
import type { Plan, PlannedStmt } from '#nodes/plan-nodes.ts';
import { anyExpr } from '#nodes/visit.ts';
import type * as nodes from '#nodes/primitives.ts';
import { type Expr, INDEX_VAR, INNER_VAR, OUTER_VAR, type Var } from '#nodes/primitives.ts';

/** Where an expression stands: its node, the nodes above it (nearest first), and how columns are written. */
export interface DeparseContext {
  readonly stmt: PlannedStmt;
  readonly names: readonly string[];
  readonly plan: Plan;
  readonly ancestors: readonly Ancestor[];
  readonly prefix: boolean;
}
/** A node above, or the SubPlan expression through which a sub-plan is called. */
export type Ancestor = Plan | nodes.SubPlan;

function childOf(plan: Plan, side: 'outer' | 'inner', stmt: PlannedStmt): Plan | null {
  if (side === 'inner') return plan.kind === 'SubqueryScan' ? plan.subplan : plan.righttree;
  switch (plan.kind) {
    case 'Append':
      return plan.appendplans[0] ?? null;
    case 'MergeAppend':
      return plan.mergeplans[0] ?? null;
    case 'CteScan':
      return stmt.subplans[plan.ctePlanId - 1] ?? null;
    default:
      return plan.lefttree;
  }
}

export function deparse(node: Expr, context: DeparseContext): string {
  const d = (expr: Expr): string => deparse(expr, context);
  const list = (exprs: readonly Expr[]): string => exprs.map(d).join(', ');
  switch (node.kind) {
    case 'Var':
      return deparseVar(node, context);
    case 'Const':
      return deparseConst(node, 0);
    case 'Param':
      return deparseParam(node, context);
    case 'Aggref':
      return deparseAggregate(node, context);
    case 'InferenceElem':
      return d(node.expr);
    case 'GroupingFunc':
      return `GROUPING(${list(node.args)})`;
    case 'WindowFunc': {
      const args = node.winstar ? '*' : list(node.args);
      const filter = node.aggfilter === null ? '' : ` FILTER (WHERE ${d(node.aggfilter)})`;
      return `${functionName(node.winfnoid)}(${args})${filter} OVER (?)`;
    }
    case 'FuncExpr':
      return deparseFunction(node, context);
    case 'NamedArgExpr':
      // The planner marks grouping columns with a nameless one.
      if (node.name === '') return d(node.arg);
      return `${quoteIdentifier(node.name)} => ${d(node.arg)}`;
    case 'OpExpr': {
      const name = operatorName(node.opno);
      return node.args.length === 1
        ? `(${name} ${d(node.args[0]!)})`
        : `(${d(node.args[0]!)} ${name} ${d(node.args[1]!)})`;
    }
    case 'DistinctExpr':
      return `(${d(node.args[0]!)} IS DISTINCT FROM ${d(node.args[1]!)})`;
    case 'NullIfExpr':
      return `NULLIF(${list(node.args)})`;
    case 'ScalarArrayOpExpr':
      return `(${d(node.args[0]!)} ${operatorName(node.opno)} ${node.useOr ? 'ANY' : 'ALL'} (${d(node.args[1]!)}))`;
    case 'BoolExpr':
      if (node.boolop === 'not') return `(NOT ${d(node.args[0]!)})`;
      return `(${node.args.map(d).join(node.boolop === 'and' ? ' AND ' : ' OR ')})`;
    case 'SubPlan':
      return node.useHashTable ? `(hashed ${node.planName})` : `(${node.planName})`;
    case 'AlternativeSubPlan':
      return `(alternatives: ${node.subplans.map((plan) => plan.planName).join(' or ')})`;
    case 'SubscriptingRef':
      return deparseSubscript(node, context);
    case 'FieldSelect':
      return deparseFieldSelect(node, context);
    case 'FieldStore':
      return d(node.arg);
    case 'RelabelType':
      return coercion(node.relabelformat, node.arg, node.resulttype, node.resulttypmod, context);
    case 'CoerceViaIO':
      return coercion(node.coerceformat, node.arg, node.resulttype, -1, context);
    case 'ArrayCoerceExpr':
      return coercion(node.coerceformat, node.arg, node.resulttype, node.resulttypmod, context);
    case 'ConvertRowtypeExpr':
      return coercion(node.convertformat, node.arg, node.resulttype, -1, context);
    case 'CoerceToDomain':
      return coercion(node.coercionformat, node.arg, node.resulttype, node.resulttypmod, context);
    case 'CollateExpr':
      return d(node.arg);
    case 'CaseExpr':
      return deparseCase(node, context);
    case 'CaseTestExpr':
      return 'CASE_TEST_EXPR';
    case 'ArrayExpr': {
      const text = `ARRAY[${list(node.elements)}]`;
      return node.elements.length === 0 ? `${text}::${formatTypeWithTypmod(node.arrayTypeid, -1)}` : text;
    }
    case 'RowExpr': {
      const cast = node.rowFormat === 'explicit_cast' ? `::${formatTypeWithTypmod(node.rowTypeid, -1)}` : '';
      return `ROW(${list(node.args)})${cast}`;
    }
    case 'RowCompareExpr': {
      const left = node.largs.length === 1 ? d(node.largs[0]!) : `ROW(${list(node.largs)})`;
      return `(${left} ${operatorName(node.opnos[0]!)} ROW(${list(node.rargs)}))`;
    }
    case 'CoalesceExpr':
      return `COALESCE(${list(node.args)})`;
    case 'MinMaxExpr':
      return `${node.op === 'greatest' ? 'GREATEST' : 'LEAST'}(${list(node.args)})`;
    case 'SQLValueFunction':
      return sqlValueFunction(node);
    case 'XmlExpr':
      return `XML${node.op.toUpperCase()}(${list(node.args)})`;
    case 'NullTest': {
      const row = !node.argisrow && typeRelid(exprType(node.arg)) !== 0;
      const test =
        node.nulltesttype === 'is_null'
          ? row
            ? 'IS NOT DISTINCT FROM NULL'
            : 'IS NULL'
          : row
            ? 'IS DISTINCT FROM NULL'
            : 'IS NOT NULL';
      return `(${d(node.arg)} ${test})`;
    }
    case 'BooleanTest':
      return `(${d(node.arg)} ${node.booltesttype.toUpperCase().replaceAll('_', ' ')})`;
    case 'CoerceToDomainValue':
      return 'VALUE';
    case 'SetToDefault':
      return 'DEFAULT';
    case 'CurrentOfExpr':
      return `CURRENT OF ${quoteIdentifier(node.cursorName ?? '')}`;
    case 'NextValueExpr':
      return `nextval(${node.seqid}::regclass)`;
    case 'SubLink':
      throw new Error('a SubLink is left in a plan');
  }
}

// ---------------------------------------------------------------- columns

function deparseVar(node: Var, context: DeparseContext): string {
  const { stmt, plan } = context;
  if (node.varno === OUTER_VAR || (node.varno === INNER_VAR && plan.kind !== 'ModifyTable')) {
    const child = childOf(plan, node.varno === OUTER_VAR ? 'outer' : 'inner', stmt);
    const entry = child?.targetlist[node.varattno - 1];
    if (child == null || entry === undefined) throw new Error('bogus varno in plan');
    const below = { ...context, plan: child, ancestors: [plan, ...context.ancestors] };
    const text = deparse(entry.expr, below);
    return entry.expr.kind === 'Var' ? text : `(${text})`;
  }
  if (node.varno === INDEX_VAR && plan.kind === 'IndexOnlyScan') {
    const { expr } = plan.indextlist[node.varattno - 1]!;
    const text = deparse(expr, context);
    return expr.kind === 'Var' ? text : `(${text})`;
  }
  if (node.varno === INNER_VAR && plan.kind === 'ModifyTable')
    return deparseVar({ ...node, varno: plan.excludedRelation }, { ...context, prefix: true });
  const rte = stmt.rtable[node.varno - 1];
  if (rte === undefined) throw new Error(`bogus varno: ${node.varno}`);
  const refname = context.names[node.varno - 1] ?? '';
  const column = node.varattno === 0 ? '*' : columnName(rte, node.varattno);
  if (node.varattno === 0) return `${quoteIdentifier(refname)}.*`;
  return context.prefix && refname !== ''
    ? `${quoteIdentifier(refname)}.${quoteIdentifier(column)}`
    : quoteIdentifier(column);
}
const SYSTEM_COLUMNS = ['', 'ctid', 'xmin', 'cmin', 'xmax', 'cmax', 'tableoid'];
function columnName(rte: RangeTblEntry, attno: number): string {
  if (attno < 0) return SYSTEM_COLUMNS[-attno] ?? '';
  return rte.eref.colnames[attno - 1] ?? `column${attno}`;
}

function deparseParam(node: nodes.Param, context: DeparseContext): string {
  if (node.paramkind === 'exec') {
    const found = paramReferent(node.paramid, context);
    if (found !== null) {
      const text = deparse(found.expr, { ...found.context, prefix: true });
      const simple = ['Var', 'Aggref', 'Param', 'FuncExpr', 'GroupingFunc'].includes(found.expr.kind);
      return simple || text.startsWith('(') ? text : `(${text})`;
    }
  }
  return `$${node.paramid}`;
}
/** What the enclosing nested loop or sub-plan call passes for a param. */
function paramReferent(id: number, context: DeparseContext): { expr: Expr; context: DeparseContext } | null {
  let inSubPlan = false;
  for (let i = 0; i < context.ancestors.length; i++) {
    const ancestor = context.ancestors[i]!;
    const above = context.ancestors.slice(i + 1);
    if (ancestor.kind === 'SubPlan') {
      const at = ancestor.parParam.indexOf(id);
      const caller = above.find((item): item is Plan => item.kind !== 'SubPlan');
      if (at >= 0 && caller !== undefined) {
        const rest = above.slice(above.indexOf(caller) + 1);
        return { expr: ancestor.args[at]!, context: { ...context, plan: caller, ancestors: rest } };
      }
      inSubPlan = true;
      continue;
    }
    if (ancestor.kind === 'NestLoop' && !inSubPlan) {
      const param = ancestor.nestParams.find((item) => item.paramno === id);
      if (param !== undefined)
        return { expr: param.paramval, context: { ...context, plan: ancestor, ancestors: above } };
    }
    inSubPlan = false;
  }
  return null;
}

// ---------------------------------------------------------------- constants and calls

/** `showType`: -1 never, 0 where needed, 1 always. */
function deparseConst(node: nodes.Const, showType: number): string {
  const type = formatTypeWithTypmod(node.consttype, node.consttypmod);
  if (node.constisnull) return showType < 0 ? 'NULL' : `NULL::${type}`;
  const text = typeInfo(node.consttype).output(node.constvalue);
  let body: string;
  let needsLabel = false;
  switch (node.consttype) {
    case TYPE.int4:
      needsLabel = text.startsWith('-');
      body = needsLabel ? `'${text}'` : text;
      break;
    case TYPE.numeric: {
      const plain = /^[0-9+.eE]+$/.test(text) || /^[0-9][-0-9+.eE]*$/.test(text);
      body = plain ? text : `'${text}'`;
      needsLabel = !plain || !/[eE.]/.test(text) || node.consttypmod >= 0;
      break;
    }
    case TYPE.bool:
      body = text === 't' ? 'true' : 'false';
      break;
    default:
      body = quoteLiteral(text).trimStart();
      needsLabel = node.consttype !== TYPE.unknown;
  }
  if (showType < 0) return body;
  return showType > 0 || needsLabel ? `${body}::${type}` : body;
}

function functionName(oid: Oid): string {
  const proc = procRow(oid);
  if (proc === undefined) return `function ${oid}`;
  const name = quoteIdentifier(proc.proname);
  if (proc.pronamespace === NAMESPACE.pgCatalog) return name;
  return `${quoteIdentifier(namespaceRow(proc.pronamespace)?.nspname ?? '')}.${name}`;
}
export function operatorName(oid: Oid): string {
  const row = operatorRow(oid);
  if (row === undefined) return `operator ${oid}`;
  if (row.oprnamespace === NAMESPACE.pgCatalog) return row.oprname;
  return `OPERATOR(${quoteIdentifier(namespaceRow(row.oprnamespace)?.nspname ?? '')}.${row.oprname})`;
}

function coercion(format: nodes.CoercionForm, arg: Expr, type: Oid, typmod: number, context: DeparseContext): string {
  if (format === 'implicit_cast') return deparse(arg, context);
  const target = formatTypeWithTypmod(type, typmod);
  if (arg.kind === 'Const' && arg.consttype === type && arg.consttypmod === -1) {
    return `${deparseConst(arg, -1)}::${target}`;
  }
  return `(${deparse(arg, context)})::${target}`;
}

function deparseFunction(node: nodes.FuncExpr, context: DeparseContext): string {
  if (node.funcformat === 'implicit_cast') return deparse(node.args[0]!, context);
  if (node.funcformat === 'explicit_cast') {
    return coercion('explicit_cast', node.args[0]!, node.funcresulttype, lengthCoercionTypmod(node), context);
  }
  if (node.funcformat === 'sql_syntax') {
    const special = sqlSyntax(node, context);
    if (special !== null) return special;
  }
  const args = node.args.map((arg, i) => {
    const text = deparse(arg, context);
    return node.funcvariadic && i === node.args.length - 1 ? `VARIADIC ${text}` : text;
  });
  return `${functionName(node.funcid)}(${args.join(', ')})`;
}
/** Functions that have a grammar of their own. */
function sqlSyntax(node: nodes.FuncExpr, context: DeparseContext): string | null {
  const args = node.args.map((arg) => deparse(arg, context));
  const name = procRow(node.funcid)?.proname ?? '';
  switch (name) {
    case 'extract': {
      const field = node.args[0]!;
      return field.kind === 'Const' ? `EXTRACT(${String(field.constvalue)} FROM ${args[1]})` : null;
    }
    case 'timezone':
      return `(${args[1]} AT TIME ZONE ${args[0]})`;
    case 'overlaps':
      return `((${args[0]}, ${args[1]}) OVERLAPS (${args[2]}, ${args[3]}))`;
    case 'position':
      return `POSITION((${args[1]}) IN (${args[0]}))`;
    case 'substring':
      return `SUBSTRING(${args[0]} FROM ${args[1]}${args.length > 2 ? ` FOR ${args[2]}` : ''})`;
    case 'overlay':
      return `OVERLAY(${args[0]} PLACING ${args[1]} FROM ${args[2]}${args.length > 3 ? ` FOR ${args[3]}` : ''})`;
    case 'btrim':
    case 'ltrim':
    case 'rtrim': {
      const side = { btrim: 'BOTH', ltrim: 'LEADING', rtrim: 'TRAILING' }[name];
      return `TRIM(${side} ${args.length > 1 ? `${args[1]} ` : ''}FROM ${args[0]})`;
    }
    default:
      return null;
  }
}

function deparseAggregate(node: nodes.Aggref, context: DeparseContext): string {
  const d = (expr: Expr): string => deparse(expr, context);
  const order = node.aggorder.map((clause) => {
    const entry = node.args.find((arg) => arg.ressortgroupref === clause.tleSortGroupRef);
    return entry === undefined ? '' : `${d(entry.expr)}${orderSuffix(clause.sortop, clause.nullsFirst)}`;
  });
  const filter = node.aggfilter === null ? '' : ` FILTER (WHERE ${d(node.aggfilter)})`;
  if (node.aggkind !== 'n') {
    const direct = node.aggdirectargs.map(d).join(', ');
    return `${functionName(node.aggfnoid)}(${direct}) WITHIN GROUP (ORDER BY ${order.join(', ')})${filter}`;
  }
  const args = node.args.filter((entry) => !entry.resjunk).map((entry) => d(entry.expr));
  const inside = node.aggstar ? '*' : `${node.aggdistinct.length > 0 ? 'DISTINCT ' : ''}${args.join(', ')}`;
  const ordered = order.length > 0 ? ` ORDER BY ${order.join(', ')}` : '';
  return `${functionName(node.aggfnoid)}(${inside}${ordered})${filter}`;
}
/** What follows a sort expression: direction and nulls where they are not the default. */
export function orderSuffix(sortop: Oid, nullsFirst: boolean): string {
  const name = operatorRow(sortop)?.oprname ?? '<';
  const reverse = name === '>' || name === '~>~';
  const plain = name === '<' || name === '>';
  const using = plain ? (reverse ? ' DESC' : '') : ` USING ${name}`;
  if (nullsFirst && !reverse) return `${using} NULLS FIRST`;
  return !nullsFirst && reverse ? `${using} NULLS LAST` : using;
}

function deparseSubscript(node: nodes.SubscriptingRef, context: DeparseContext): string {
  const base = deparse(node.refexpr, context);
  const simple = ['Var', 'Param', 'SubscriptingRef'].includes(node.refexpr.kind);
  const index = (expr: Expr | null | undefined): string => (expr == null ? '' : deparse(expr, context));
  const parts = node.refupperindexpr.map((upper, i) =>
    node.reflowerindexpr.length > 0 ? `[${index(node.reflowerindexpr[i])}:${index(upper)}]` : `[${index(upper)}]`,
  );
  return `${simple ? base : `(${base})`}${parts.join('')}`;
}
function deparseFieldSelect(node: nodes.FieldSelect, context: DeparseContext): string {
  const base = deparse(node.arg, context);
  const relid = typeRelid(exprType(node.arg));
  const name =
    relid === 0 ? `f${node.fieldnum}` : (attributes(relid)[node.fieldnum - 1]?.attname ?? `f${node.fieldnum}`);
  const bare = node.arg.kind === 'SubscriptingRef' || node.arg.kind === 'FieldSelect';
  return `${bare ? base : `(${base})`}.${quoteIdentifier(name)}`;
}
function deparseCase(node: nodes.CaseExpr, context: DeparseContext): string {
  const d = (expr: Expr): string => deparse(expr, context);
  const whens = node.args.map((when) => {
    let test = when.expr;
    // CASE x WHEN v: the comparison is implied.
    if (node.arg !== null && test.kind === 'OpExpr' && anyExpr(test.args[0]!, (n) => n.kind === 'CaseTestExpr')) {
      test = test.args[1]!;
    }
    return ` WHEN ${d(test)} THEN ${d(when.result)}`;
  });
  const otherwise = node.defresult === null ? 'NULL::' + formatTypeWithTypmod(node.casetype, -1) : d(node.defresult);
  return `CASE${node.arg === null ? '' : ` ${d(node.arg)}`}${whens.join('')} ELSE ${otherwise} END`;
}
function sqlValueFunction(node: nodes.SQLValueFunction): string {
  const name = node.op.replace(/_n$/, '').toUpperCase();
  return node.op.endsWith('_n') ? `${name}(${node.typmod})` : name;
}
