/** sql-language.ts — functions and domain checks whose body is SQL: analysed, planned and run.
 *
 *  installQueryServices() fills the hooks that the executor and the planner keep for this, because each needs a layer
 *  above its own: the executor a parser, the planner a rewriter.
 *  Counterpart: src/backend/executor/functions.c, optimizer/util/clauses.c, catalog/pg_proc.c */
import type { Datum, RecordDatum } from '#adt/datum.ts';
import { type CallInfo, type SetIterator, typeInfo } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { withSearchPath } from '#catalog/namespace.ts';
import { catalogEpoch } from '#catalog/inval.ts';
import { forgetOnChange } from '#catalog/catalog-change.ts';
import { cacheRegisterRelcacheCallback } from '#catalog/inval.ts';
import { NAMESPACE, RELATION, TYPE } from '#catalog/oids.ts';
import type { ProcRow } from '#catalog/rows.ts';
import {
  baseType,
  domainConstraints,
  domainConstraintText,
  isBinaryCoercible,
  namespaceByName,
  procRow,
  sqlFunctionBody,
  typeRow,
} from '#catalog/syscache.ts';
import { EState, type Eval, ExprContext } from '#executor/estate.ts';
import { compileExpr, type DomainRules, setDomainRules } from '#executor/expr-compile.ts';
import { setSqlFunctionExecutor } from '#executor/function-call.ts';
import {
  createQueryDesc,
  executorEnd,
  executorFinish,
  executorRun,
  executorStart,
  type QueryDesc,
} from '#executor/run.ts';
import { type DestReceiver, discardReceiver } from '#nodes/exec-nodes.ts';
import { exprType } from '#nodes/node-funcs.ts';
import type { Query } from '#nodes/parse-nodes.ts';
import type { PlannedStmt } from '#nodes/plan-nodes.ts';
import { stringToNode } from '#nodes/node-text.ts';
import type { Expr } from '#nodes/primitives.ts';
import { rewriteExpr } from '#nodes/visit.ts';
import { setDomainIsFree } from '#optimizer/const-fold.ts';
import { setFunctionBodyAnalyzer } from '#optimizer/inline-function.ts';
import { planQuery } from '#optimizer/planner.ts';
import { analyzeFunctionBody } from '#parser/analyze.ts';
import { parseText } from '#parser/parse.ts';

type Rewriter = (query: Query) => Query[];
let rewrite: Rewriter = (query) => [query];

/** A body's statements as plain SQL, also when it was written in SQL-standard style. */
function bodyText(proc: ProcRow): string {
  const standard = sqlFunctionBody(proc.oid);
  if (standard === undefined) return proc.prosrc;
  const atomic = /^BEGIN ATOMIC\s([\s\S]*)END$/.exec(standard);
  if (atomic !== null) return atomic[1]!;
  return standard.replace(/^RETURN /, 'SELECT ');
}

function searchPath(proc: ProcRow): Oid[] {
  const path = [NAMESPACE.pgCatalog];
  if (proc.pronamespace !== NAMESPACE.pgCatalog) path.push(proc.pronamespace);
  return path;
}

const bodies = new Map<string, Query[]>();
forgetOnChange([RELATION.pgProc, RELATION.pgType, RELATION.pgOperator], () => {
  bodies.clear();
  plans.clear();
});
cacheRegisterRelcacheCallback(() => {
  bodies.clear();
  plans.clear();
});
function analyzeBody(proc: ProcRow, argTypes: readonly Oid[]): Query[] {
  const key = `${proc.oid}:${argTypes.join(',')}`;
  let queries = bodies.get(key);
  if (queries === undefined) {
    const text = bodyText(proc);
    const names = proc.proargnames ?? [];
    queries = withSearchPath(searchPath(proc), () =>
      parseText(text).flatMap((raw) => rewrite(analyzeFunctionBody(raw.node, text, [...argTypes], names))),
    );
    queries = queries.map((query, i) => (i === queries!.length - 1 ? coerceResult(query, proc) : query));
    bodies.set(key, queries);
  }
  return queries;
}

/** The last statement's single column as the declared type, where that is a mere relabelling. */
function coerceResult(query: Query, proc: ProcRow): Query {
  const entry = query.targetList[0];
  const visible = query.targetList.filter((target) => !target.resjunk);
  if (entry === undefined || visible.length !== 1) return query;
  const type = exprType(entry.expr);
  const wanted = proc.prorettype;
  if (type === wanted || typeRow(wanted)?.typtype === 'p' || !isBinaryCoercible(type, wanted)) return query;
  const expr: Expr = {
    kind: 'RelabelType',
    arg: entry.expr,
    resulttype: wanted,
    resulttypmod: -1,
    resultcollid: typeRow(wanted)?.typcollation ?? (0 as Oid),
    relabelformat: 'implicit_cast',
    location: -1,
  };
  return { ...query, targetList: query.targetList.map((target) => (target === entry ? { ...entry, expr } : target)) };
}

const plans = new Map<string, PlannedStmt[]>();
/** Each call site has one CallInfo: the quick way to its plans. */
let plansOfCall = new WeakMap<CallInfo, PlannedStmt[]>();
let plansVersion = -1;
function plansOf(info: CallInfo): PlannedStmt[] {
  if (plansVersion !== catalogEpoch()) {
    // Whatever changed may have been what a body was planned for.
    plansVersion = catalogEpoch();
    plansOfCall = new WeakMap();
    plans.clear();
  }
  let list = plansOfCall.get(info);
  if (list === undefined) {
    list = findPlans(info);
    plansOfCall.set(info, list);
  }
  return list;
}
function findPlans(info: CallInfo): PlannedStmt[] {
  const key = `${info.functionOid}:${info.argTypes.join(',')}`;
  let list = plans.get(key);
  if (list === undefined) {
    list = analyzeBody(procRow(info.functionOid)!, info.argTypes).map((query) => planQuery(query));
    plans.set(key, list);
  }
  return list;
}

/** Receives one row and stops. */
class FirstRow implements DestReceiver {
  row: Datum[] | null = null;
  start(): void {}
  receive(values: readonly Datum[]): boolean {
    this.row = values.slice();
    return false;
  }
  finish(): void {}
}

function open(plan: PlannedStmt, info: CallInfo, args: readonly Datum[], dest: DestReceiver): QueryDesc {
  const query = createQueryDesc(plan, { types: info.argTypes, values: args }, dest);
  executorStart(query);
  return query;
}
function close(query: QueryDesc): void {
  executorFinish(query);
  executorEnd(query);
}

/** Runs all but the last statement for their effects. */
function runLeading(list: readonly PlannedStmt[], info: CallInfo, args: readonly Datum[]): void {
  for (const plan of list.slice(0, -1)) {
    const query = open(plan, info, args, discardReceiver);
    executorRun(query, 0);
    close(query);
  }
}

/** One result row as the function's value: a record if it has several columns. */
function rowValue(row: readonly Datum[], query: QueryDesc): Datum {
  if (row.length === 1) return row[0]!;
  const { columns } = query;
  const record: RecordDatum = {
    kind: 'record',
    types: columns.map((column) => column.type),
    typmods: columns.map((column) => column.typmod),
    names: columns.map((column) => column.name),
    values: row.slice(),
  };
  return record;
}

/** Bodies that are one expression over the arguments need no executor run. */
const simpleBodies = new WeakMap<PlannedStmt[], { plan: PlannedStmt; evaluate: Eval } | null>();
function simpleBody(list: PlannedStmt[]): { plan: PlannedStmt; evaluate: Eval } | null {
  let simple = simpleBodies.get(list);
  if (simple === undefined) {
    const plan = list[0]!;
    const tree = plan.planTree;
    const bare =
      list.length === 1 &&
      tree.kind === 'Result' &&
      tree.lefttree === null &&
      tree.qual.length === 0 &&
      tree.resconstantqual.length === 0 &&
      tree.targetlist.length === 1 &&
      plan.subplans.length === 0;
    simple = bare ? { plan, evaluate: compileExpr(tree.targetlist[0]!.expr, { rtable: [] }) } : null;
    simpleBodies.set(list, simple);
  }
  return simple;
}

function callFunction(info: CallInfo, args: readonly Datum[]): Datum {
  const list = plansOf(info);
  const simple = simpleBody(list);
  if (simple !== null && info.resultType !== TYPE.void) {
    return simple.evaluate(new ExprContext(new EState(simple.plan, { types: info.argTypes, values: args })));
  }
  runLeading(list, info, args);
  const first = new FirstRow();
  const query = open(list[list.length - 1]!, info, args, first);
  executorRun(query, 1);
  close(query);
  if (info.resultType === TYPE.void || first.row === null) return null;
  return rowValue(first.row, query);
}

function openSet(info: CallInfo, args: readonly Datum[]): SetIterator {
  const list = plansOf(info);
  runLeading(list, info, args);
  const first = new FirstRow();
  const query = open(list[list.length - 1]!, info, args, first);
  return {
    value: null,
    next() {
      first.row = null;
      executorRun(query, 1);
      if (first.row === null) {
        close(query);
        return false;
      }
      const row: Datum[] = first.row;
      this.value = row.length === 1 ? row[0]! : row;
      return true;
    },
  };
}

const domains = new Map<Oid, DomainRules>();
forgetOnChange([RELATION.pgType, RELATION.pgConstraint], () => domains.clear());
function domainRules(type: Oid): DomainRules {
  let rules = domains.get(type);
  if (rules === undefined) {
    const checks: DomainRules['checks'][number][] = [];
    let notNull = false;
    for (let row = typeRow(type); row !== undefined && row.typtype === 'd'; row = typeRow(row.typbasetype)) {
      notNull ||= row.typnotnull;
      const own = domainConstraints(row.oid).flatMap((constraint) => {
        const name = constraint.conname;
        const text = domainConstraintText(constraint.oid);
        if (text !== undefined) return [{ name, expr: checkExpr(text, row!.oid) }];
        if (constraint.contype !== 'c' || constraint.conbin === null) return [];
        return [{ name, expr: stringToNode(constraint.conbin) as Expr }];
      });
      // A domain's checks run in the order of their names.
      own.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
      checks.unshift(...own);
    }
    rules = { typeName: typeRow(type)?.typname ?? typeInfo(type).name, notNull, checks };
    domains.set(type, rules);
  }
  return rules;
}

/** `CHECK (… VALUE …)` as an expression over the value being checked. */
function checkExpr(text: string, domain: Oid): Expr {
  const sql = `SELECT ${text.replace(/^CHECK /, '')}`;
  const base = baseType(domain);
  const path = [NAMESPACE.pgCatalog, namespaceByName('information_schema')?.oid ?? NAMESPACE.pgCatalog];
  const query = withSearchPath(path, () => analyzeFunctionBody(parseText(sql)[0]!.node, sql, [base], ['value']));
  return rewriteExpr(query.targetList[0]!.expr, (node) =>
    node.kind === 'Param'
      ? {
          kind: 'CoerceToDomainValue',
          typeId: base,
          typeMod: -1,
          collation: typeRow(base)?.typcollation ?? (0 as Oid),
          location: -1,
        }
      : node,
  );
}

/** To be called once per process, before the first query, by a layer that sees the rewriter. */
export function installQueryServices(rewriter: Rewriter): void {
  rewrite = rewriter;
  setFunctionBodyAnalyzer((proc, argTypes) => analyzeBody(proc, argTypes));
  setSqlFunctionExecutor({ call: callFunction, open: openSet });
  setDomainRules(domainRules);
  setDomainIsFree((type) => {
    const rules = domainRules(type);
    return !rules.notNull && rules.checks.length === 0;
  });
}
