/** explain-nodes.ts — what there is to say about each plan node.
 *  Counterpart: ExplainNode() and show_…() of src/backend/commands/explain.c */
import type { Oid } from '#base/ids.ts';
import { quoteIdentifier } from '#catalog/quote.ts';
import { classRow, namespaceRow, procRow } from '#catalog/syscache.ts';
import { type Ancestor, deparse, type DeparseContext, orderSuffix } from '#commands/explain-deparse.ts';
import type { ExplainNode, ExplainOptions, Property } from '#commands/explain-output.ts';
import type { QueryDesc } from '#executor/run.ts';
import type { EState } from '#executor/estate.ts';
import type { ModifyTable, Plan, PlannedStmt, SortColumns } from '#nodes/plan-nodes.ts';
import type { Expr, JoinType, SubPlan } from '#nodes/primitives.ts';
import { explicitAnd } from '#nodes/node-funcs.ts';
import { walkExpr } from '#nodes/visit.ts';
import { forEachPlanExpr } from '#optimizer/set-refs.ts';

interface Job {
  readonly stmt: PlannedStmt;
  readonly estate: EState | null;
  readonly options: ExplainOptions;
  readonly names: string[];
  /** Init plans and CTEs are shown once, where they hang. */
  readonly shown: Set<number>;
}

export function describePlan(query: QueryDesc, options: ExplainOptions): ExplainNode {
  const { plan: stmt } = query;
  const used = new Set<number>();
  collectRelations(stmt.planTree, stmt, used);
  for (const subplan of stmt.subplans) collectRelations(subplan, stmt, used);
  const job: Job = { stmt, estate: query.estate, options, names: uniqueNames(stmt, used), shown: new Set() };
  return describe(stmt.planTree, [], null, null, job);
}

function collectRelations(plan: Plan, stmt: PlannedStmt, used: Set<number>): void {
  if ('scanrelid' in plan) used.add(plan.scanrelid);
  if (plan.kind === 'ModifyTable') {
    used.add(plan.resultRelation);
    if (plan.excludedRelation > 0) used.add(plan.excludedRelation);
  }
  for (const child of childrenOf(plan)) collectRelations(child.plan, stmt, used);
}
/** Alias of each relation in use; a repeated one gets a number. */
function uniqueNames(stmt: PlannedStmt, used: ReadonlySet<number>): string[] {
  const taken = new Map<string, number>();
  return stmt.rtable.map((rte, i) => {
    if (!used.has(i + 1)) return '';
    const base = rte.alias?.aliasname ?? rte.eref.aliasname;
    let name = base;
    let count = taken.get(base);
    if (count !== undefined) {
      do {
        count++;
        name = `${base}_${count}`;
      } while (taken.has(name));
      taken.set(base, count);
    }
    if (!taken.has(name)) taken.set(name, 0);
    return name;
  });
}

interface Child {
  readonly plan: Plan;
  readonly relationship: string;
}
function childrenOf(plan: Plan): Child[] {
  const out: Child[] = [];
  if (plan.lefttree !== null) out.push({ plan: plan.lefttree, relationship: 'Outer' });
  if (plan.righttree !== null) out.push({ plan: plan.righttree, relationship: 'Inner' });
  if (plan.kind === 'Append') out.push(...plan.appendplans.map((child) => ({ plan: child, relationship: 'Member' })));
  if (plan.kind === 'MergeAppend')
    out.push(...plan.mergeplans.map((child) => ({ plan: child, relationship: 'Member' })));
  if (plan.kind === 'BitmapAnd' || plan.kind === 'BitmapOr')
    out.push(...plan.bitmapplans.map((child) => ({ plan: child, relationship: 'Member' })));
  if (plan.kind === 'SubqueryScan') out.push({ plan: plan.subplan, relationship: 'Subquery' });
  return out;
}

const JOIN_NAMES: Readonly<Record<JoinType, string>> = {
  inner: 'Inner',
  left: 'Left',
  full: 'Full',
  right: 'Right',
  semi: 'Semi',
  anti: 'Anti',
  right_anti: 'Right Anti',
};

const OPERATIONS = { insert: 'Insert', update: 'Update', delete: 'Delete' } as const;
const indexName = (oid: Oid): string => quoteIdentifier(classRow(oid)?.relname ?? '');

/** Text label and node type of the structured formats. */
function titles(plan: Plan): { text: string; type: string } {
  const one = (name: string) => ({ text: name, type: name });
  switch (plan.kind) {
    case 'Result':
    case 'ProjectSet':
    case 'Append':
    case 'Sort':
    case 'Group':
    case 'WindowAgg':
    case 'Unique':
    case 'Limit':
    case 'BitmapAnd':
    case 'BitmapOr':
    case 'Hash':
    case 'LockRows':
    case 'Memoize':
      return one(plan.kind);
    case 'MergeAppend':
      return one('Merge Append');
    case 'RecursiveUnion':
      return one('Recursive Union');
    case 'SeqScan':
      return one('Seq Scan');
    case 'IndexScan':
    case 'IndexOnlyScan': {
      const type = plan.kind === 'IndexScan' ? 'Index Scan' : 'Index Only Scan';
      const direction = plan.indexorderdir === 'backward' ? ' Backward' : '';
      return { text: `${type}${direction} using ${indexName(plan.indexid)}`, type };
    }
    case 'BitmapIndexScan':
      return { text: `Bitmap Index Scan on ${indexName(plan.indexid)}`, type: 'Bitmap Index Scan' };
    case 'BitmapHeapScan':
      return one('Bitmap Heap Scan');
    case 'TidScan':
      return one('Tid Scan');
    case 'ModifyTable':
      return { text: OPERATIONS[plan.operation], type: 'ModifyTable' };
    case 'FunctionScan':
      return one('Function Scan');
    case 'ValuesScan':
      return one('Values Scan');
    case 'SubqueryScan':
      return one('Subquery Scan');
    case 'CteScan':
      return one('CTE Scan');
    case 'WorkTableScan':
      return one('WorkTable Scan');
    case 'Material':
      return one('Materialize');
    case 'IncrementalSort':
      return one('Incremental Sort');
    case 'NestLoop':
      return { text: joinTitle('Nested Loop', plan.jointype), type: 'Nested Loop' };
    case 'HashJoin':
      return { text: joinTitle('Hash', plan.jointype), type: 'Hash Join' };
    case 'MergeJoin':
      return { text: joinTitle('Merge', plan.jointype), type: 'Merge Join' };
    case 'Agg': {
      const names = { plain: 'Aggregate', sorted: 'GroupAggregate', hashed: 'HashAggregate', mixed: 'MixedAggregate' };
      return { text: names[plan.aggstrategy], type: 'Aggregate' };
    }
    case 'SetOp': {
      const command = `${plan.cmd === 'intersect' ? 'Intersect' : 'Except'}${plan.all ? ' All' : ''}`;
      return { text: `${plan.strategy === 'hashed' ? 'HashSetOp' : 'SetOp'} ${command}`, type: 'SetOp' };
    }
    default:
      return one(plan.kind);
  }
}
function joinTitle(name: string, jointype: JoinType): string {
  if (jointype === 'inner') return name === 'Nested Loop' ? name : `${name} Join`;
  return `${name} ${JOIN_NAMES[jointype]} Join`;
}

function describe(
  plan: Plan,
  ancestors: readonly Ancestor[],
  relationship: string | null,
  planName: string | null,
  job: Job,
): ExplainNode {
  const { text, type } = titles(plan);
  const properties: Property[] = [];
  const node: ExplainNode = {
    planName,
    relationship,
    title: text,
    nodeType: type,
    target: scanTarget(plan, job),
    details: structuredDetails(plan),
    plan,
    counters: job.estate?.instrumentation.get(plan) ?? null,
    properties,
    children: [],
  };
  describeProperties(plan, ancestors, job, properties);
  const below = [plan, ...ancestors];
  for (const initPlan of plan.initPlan) addSubPlan(initPlan, 'InitPlan', below, job, node);
  for (const child of childrenOf(plan)) node.children.push(describe(child.plan, below, child.relationship, null, job));
  forEachPlanExpr(plan, (expr) => {
    walkExpr(expr, (inner) => {
      if (inner.kind === 'SubPlan') addSubPlan(inner, 'SubPlan', below, job, node);
      return true;
    });
  });
  return node;
}
function addSubPlan(
  subplan: SubPlan,
  relationship: string,
  below: readonly Ancestor[],
  job: Job,
  node: ExplainNode,
): void {
  if (job.shown.has(subplan.planId)) return;
  job.shown.add(subplan.planId);
  const plan = job.stmt.subplans[subplan.planId - 1]!;
  node.children.push(describe(plan, [subplan, ...below], relationship, subplan.planName, job));
}

function structuredDetails(plan: Plan): [string, string | boolean][] {
  switch (plan.kind) {
    case 'Agg': {
      const strategy = { plain: 'Plain', sorted: 'Sorted', hashed: 'Hashed', mixed: 'Mixed' }[plan.aggstrategy];
      return [
        ['Strategy', strategy],
        ['Partial Mode', 'Simple'],
      ];
    }
    case 'ModifyTable':
      return [['Operation', OPERATIONS[plan.operation]]];
    case 'IndexScan':
    case 'IndexOnlyScan':
      return [
        ['Scan Direction', plan.indexorderdir === 'backward' ? 'Backward' : 'Forward'],
        ['Index Name', classRow(plan.indexid)?.relname ?? ''],
      ];
    case 'BitmapIndexScan':
      return [['Index Name', classRow(plan.indexid)?.relname ?? '']];
    case 'NestLoop':
    case 'HashJoin':
    case 'MergeJoin':
      return [['Join Type', JOIN_NAMES[plan.jointype]]];
    case 'SetOp':
      return [
        ['Strategy', plan.strategy === 'hashed' ? 'Hashed' : 'Sorted'],
        ['Command', `${plan.cmd === 'intersect' ? 'Intersect' : 'Except'}${plan.all ? ' All' : ''}`],
      ];
    default:
      return [];
  }
}

function scanTarget(plan: Plan, job: Job): ExplainNode['target'] {
  const rti = plan.kind === 'ModifyTable' ? plan.resultRelation : 'scanrelid' in plan ? plan.scanrelid : 0;
  if (rti === 0 || plan.kind === 'BitmapIndexScan') return null;
  const rte = job.stmt.rtable[rti - 1]!;
  const alias = job.names[rti - 1] ?? '';
  switch (rte.rtekind) {
    case 'relation': {
      const row = classRow(rte.relid);
      const schema = row === undefined ? '' : (namespaceRow(row.relnamespace)?.nspname ?? '');
      return { label: 'Relation Name', name: row?.relname ?? '', schema, alias };
    }
    case 'function': {
      const fn = rte.functions.length === 1 && plan.kind === 'FunctionScan' ? plan.functions[0]!.funcexpr : null;
      if (fn?.kind !== 'FuncExpr') return { label: 'Function Name', name: null, schema: '', alias };
      const proc = procRow(fn.funcid);
      const schema = proc === undefined ? 'pg_catalog' : (namespaceRow(proc.pronamespace)?.nspname ?? '');
      return { label: 'Function Name', name: proc?.proname ?? null, schema, alias };
    }
    case 'cte':
      return { label: 'CTE Name', name: rte.ctename, schema: '', alias };
    default:
      return { label: '', name: null, schema: '', alias };
  }
}

// ---------------------------------------------------------------- properties

function describeProperties(plan: Plan, ancestors: readonly Ancestor[], job: Job, out: Property[]): void {
  const { options, stmt } = job;
  const several = stmt.rtable.length > 1;
  const context = (prefix: boolean): DeparseContext => ({ stmt, names: job.names, plan, ancestors, prefix });
  const upper = context(several || options.verbose);
  const scan = context(plan.kind === 'SubqueryScan' || options.verbose);
  const qual = (label: string, quals: readonly Expr[], where: DeparseContext): void => {
    const expr = explicitAnd([...quals]);
    if (expr !== null) out.push({ label, value: deparse(expr, where) });
  };
  const counters = job.estate?.instrumentation.get(plan);
  const removed = (label: string, count: number | undefined, quals: readonly Expr[]): void => {
    if (!options.analyze || counters === undefined || quals.length === 0) return;
    const loops = Math.max(1, counters.loops);
    if ((count ?? 0) > 0 || options.format !== 'text') out.push({ label, value: Math.round((count ?? 0) / loops) });
  };
  if (options.verbose && showsTargets(plan)) {
    const list = plan.targetlist.map((entry) => deparse(entry.expr, context(several)));
    if (list.length > 0) out.push({ label: 'Output', value: list });
  }
  const keys = (label: string, columns: readonly number[], sort: SortColumns | null): void => {
    const child = plan.lefttree ?? null;
    const source = plan.kind === 'MergeAppend' ? plan : child;
    if (columns.length === 0 || source === null) return;
    const below = sort === null && plan.kind !== 'MergeAppend';
    const where: DeparseContext = below ? { ...upper, plan: source, ancestors: [plan, ...ancestors] } : upper;
    const list = columns.map((column, i) => {
      const entry = (below ? source : plan).targetlist[column - 1]!;
      const text = deparse(entry.expr, where);
      return sort === null ? text : `${text}${orderSuffix(sort.sortOperators[i]!, sort.nullsFirst[i]!)}`;
    });
    out.push({ label, value: list });
  };
  switch (plan.kind) {
    case 'FunctionScan':
      if (options.verbose) {
        out.push({ label: 'Function Call', value: plan.functions.map((fn) => deparse(fn.funcexpr, upper)).join(', ') });
      }
      qual('Filter', plan.qual, scan);
      removed('Rows Removed by Filter', counters?.filtered, plan.qual);
      break;
    case 'IndexScan':
    case 'IndexOnlyScan':
      qual('Index Cond', plan.kind === 'IndexScan' ? plan.indexqualorig : plan.indexqual, scan);
      qual('Filter', plan.qual, scan);
      removed('Rows Removed by Filter', counters?.filtered, plan.qual);
      break;
    case 'BitmapIndexScan':
      qual('Index Cond', plan.indexqualorig, scan);
      break;
    case 'BitmapHeapScan':
      qual('Recheck Cond', plan.bitmapqualorig, scan);
      qual('Filter', plan.qual, scan);
      removed('Rows Removed by Filter', counters?.filtered, plan.qual);
      break;
    case 'TidScan':
      qual('TID Cond', plan.tidquals, scan);
      qual('Filter', plan.qual, scan);
      removed('Rows Removed by Filter', counters?.filtered, plan.qual);
      break;
    case 'ModifyTable':
      describeConflict(plan, upper, out);
      break;
    case 'SeqScan':
    case 'ValuesScan':
    case 'CteScan':
    case 'WorkTableScan':
    case 'SubqueryScan':
      qual('Filter', plan.qual, scan);
      removed('Rows Removed by Filter', counters?.filtered, plan.qual);
      break;
    case 'NestLoop':
    case 'HashJoin':
    case 'MergeJoin':
      if (options.verbose || options.format !== 'text') {
        if (plan.innerUnique || options.format !== 'text') out.push({ label: 'Inner Unique', value: plan.innerUnique });
      }
      if (plan.kind === 'HashJoin') qual('Hash Cond', plan.hashclauses, upper);
      if (plan.kind === 'MergeJoin') qual('Merge Cond', plan.mergeclauses, upper);
      qual('Join Filter', plan.joinqual, upper);
      removed('Rows Removed by Join Filter', counters?.joinFiltered, plan.joinqual);
      qual('Filter', plan.qual, upper);
      removed('Rows Removed by Filter', counters?.filtered, plan.qual);
      break;
    case 'Agg':
      if (plan.groupingSets === null) keys('Group Key', plan.grpColIdx, null);
      else describeGroupingSets(plan, { ...upper, plan: plan.lefttree!, ancestors: [plan, ...ancestors] }, out);
      qual('Filter', plan.qual, upper);
      removed('Rows Removed by Filter', counters?.filtered, plan.qual);
      break;
    case 'Group':
      keys('Group Key', plan.grpColIdx, null);
      qual('Filter', plan.qual, upper);
      break;
    case 'Sort':
    case 'MergeAppend':
      keys('Sort Key', plan.sortColIdx, plan);
      break;
    case 'Result':
      qual('One-Time Filter', plan.resconstantqual, upper);
      qual('Filter', plan.qual, upper);
      break;
    default:
      qual('Filter', plan.qual, upper);
  }
  for (const [label, value] of counters?.details ?? []) out.push({ label, value });
}

function describeConflict(plan: ModifyTable, context: DeparseContext, out: Property[]): void {
  if (plan.onConflictAction === 'none') return;
  out.push({ label: 'Conflict Resolution', value: plan.onConflictAction === 'nothing' ? 'NOTHING' : 'UPDATE' });
  if (plan.arbiterIndexes.length > 0)
    out.push({ label: 'Conflict Arbiter Indexes', value: plan.arbiterIndexes.map(indexName) });
  const filter = explicitAnd([...plan.onConflictWhere]);
  if (filter !== null) out.push({ label: 'Conflict Filter', value: deparse(filter, context) });
}

/** Sets without a column read from below have nothing to list; Append and its kin only pass on. */
function showsTargets(plan: Plan): boolean {
  return (
    plan.targetlist.length > 0 &&
    plan.kind !== 'Append' &&
    plan.kind !== 'MergeAppend' &&
    plan.kind !== 'RecursiveUnion'
  );
}

function describeGroupingSets(plan: Extract<Plan, { kind: 'Agg' }>, below: DeparseContext, out: Property[]): void {
  const sets = plan.groupingSets!;
  const text = (set: number[]): string[] =>
    set.map((position) => deparse(below.plan.targetlist[plan.grpColIdx[position]! - 1]!.expr, below));
  for (const set of sets.filter((item) => item.length > 0)) out.push({ label: 'Hash Key', value: text(set) });
  const empty = sets.filter((item) => item.length === 0).length;
  for (let i = 0; i < empty; i++) out.push({ label: 'Group Key', value: '()' });
}
