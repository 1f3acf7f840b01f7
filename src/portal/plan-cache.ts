/** plan-cache.ts — analysed and planned statements that are used again: prepared statements, and simple statements
 *  whose text comes back.
 *
 *  What an analysis depends on besides the text is stamped with it: the catalogs' epoch, the search path and the role. A
 *  stamp that no longer fits means: analyse again. Generic or custom plan is decided by cost, as in PostgreSQL.
 *  Counterpart: src/backend/utils/cache/plancache.c */
import type { Oid } from '#base/ids.ts';
import { catalogEpoch } from '#catalog/inval.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { procRow, typeRow } from '#catalog/syscache.ts';
import type { BoundParams, ResultColumn } from '#nodes/exec-nodes.ts';
import { exprType, exprTypmod } from '#nodes/node-funcs.ts';
import { makeQuery, type Query } from '#nodes/parse-nodes.ts';
import type { Plan, PlannedStmt } from '#nodes/plan-nodes.ts';
import { planQuery } from '#optimizer/planner.ts';
import { analyze, type ParamContext } from '#parser/analyze.ts';
import type { RawStatement } from '#parser/parse.ts';
import { isOptimizable } from '#portal/command-tags.ts';
import { utilityHooks } from '#portal/utility-hooks.ts';
import {
  acquireRelationLocks,
  type RelationLocks,
  relationLocksOf,
  releaseRelationLocks,
} from '#rewrite/query-locks.ts';
import { rewriteQuery } from '#rewrite/rewrite.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { activeSnapshotSet, getTransactionSnapshot, popActiveSnapshot, pushActiveSnapshot } from '#transam/snapshot.ts';

let epochOffset = 0;
/** DISCARD PLANS: nothing that was planned before is used again. */
export function resetPlanCache(): void {
  epochOffset++;
}

interface Stamp {
  readonly epoch: number;
  readonly searchPath: string;
  readonly user: Oid;
  readonly transformNullEquals: boolean;
}
const currentEpoch = (): number => catalogEpoch() + epochOffset;
const takeStamp = (): Stamp => ({
  epoch: currentEpoch(),
  searchPath: settings.search_path,
  user: sessionIdentity.userOid,
  transformNullEquals: settings.transform_null_equals,
});
const fits = (stamp: Stamp): boolean =>
  stamp.epoch === currentEpoch() &&
  stamp.searchPath === settings.search_path &&
  stamp.user === sessionIdentity.userOid &&
  stamp.transformNullEquals === settings.transform_null_equals;

// ── from a raw statement to plans ────────────────────────────────────────────────────────────────────────────────

export interface Analyzed {
  readonly queries: Query[];
  readonly paramTypes: Oid[];
}

/** Analysis and rewriting. A utility statement is passed through: its command analyses what it contains. */
export function analyzeAndRewrite(raw: RawStatement, text: string, params: ParamContext): Analyzed {
  if (!isOptimizable(raw.node)) return { queries: [utilityQuery(raw)], paramTypes: params.types };
  return withSnapshot(() => analyzeOptimizable(raw, text, params));
}
/** Analysis and planning read catalogs and may run functions that look at data. */
function withSnapshot<T>(work: () => T): T {
  if (activeSnapshotSet()) return work();
  pushActiveSnapshot(getTransactionSnapshot());
  const result = work();
  popActiveSnapshot();
  return result;
}
function analyzeOptimizable(raw: RawStatement, text: string, params: ParamContext): Analyzed {
  const query = analyze(raw, text, params);
  const queries = query.commandType === 'utility' ? [query] : rewriteQuery(query);
  return { queries, paramTypes: params.types };
}
function utilityQuery(raw: RawStatement): Query {
  const query = makeQuery('utility');
  query.utilityStmt = raw.node;
  query.stmtLocation = raw.start;
  query.stmtLen = raw.end - raw.start;
  return query;
}

const NO_PLAN = null as unknown as Plan;
export function utilityPlan(utilityStmt: unknown, location = -1, length = 0): PlannedStmt {
  return {
    kind: 'PlannedStmt',
    commandType: 'utility',
    hasReturning: false,
    hasModifyingCTE: false,
    canSetTag: true,
    transientPlan: false,
    dependsOnRole: false,
    planTree: NO_PLAN,
    rtable: [],
    resultRelations: [],
    subplans: [],
    rewindPlanIds: [],
    rowMarks: [],
    relationOids: [],
    paramExecTypes: [],
    utilityStmt,
    stmtLocation: location,
    stmtLen: length,
  };
}
export function planQueries(queries: readonly Query[], params: BoundParams | null): PlannedStmt[] {
  if (queries.every((query) => query.commandType === 'utility')) return planAll(queries, params);
  return withSnapshot(() => planAll(queries, params));
}
function planAll(queries: readonly Query[], params: BoundParams | null): PlannedStmt[] {
  return queries.map((query) =>
    query.commandType === 'utility'
      ? utilityPlan(query.utilityStmt, query.stmtLocation, query.stmtLen)
      : params === null
        ? planQuery(query)
        : planQuery(query, params),
  );
}

/** Columns that a list of queries gives to the client; null when it gives no rows. */
export function resultColumns(queries: readonly Query[]): ResultColumn[] | null {
  const primary = queries.find((query) => query.canSetTag);
  if (primary === undefined) return null;
  if (primary.commandType === 'utility') return utilityHooks.resultColumns(primary.utilityStmt);
  const list = primary.commandType === 'select' ? primary.targetList : primary.returningList;
  if (primary.commandType !== 'select' && list.length === 0) return null;
  return list
    .filter((entry) => !entry.resjunk)
    .map((entry) => ({
      name: entry.resname ?? '?column?',
      type: exprType(entry.expr),
      typmod: exprTypmod(entry.expr),
      tableOid: entry.resorigtbl,
      attributeNumber: entry.resorigcol,
    }));
}

// ── prepared statements ──────────────────────────────────────────────────────────────────────────────────────────

/** Custom plans that are made before a generic one is considered. */
const CUSTOM_PLANS_FIRST = 5;

export class CachedPlanSource {
  #queries: Query[];
  #locks: RelationLocks;
  #stamp: Stamp;
  #generic: PlannedStmt[] | null = null;
  #genericStamp: Stamp | null = null;
  #genericCost = -1;
  #totalCustomCost = 0;
  customPlans = 0;
  genericPlans = 0;
  columns: ResultColumn[] | null;

  constructor(
    /** null for an empty query string. */
    readonly raw: RawStatement | null,
    readonly text: string,
    readonly tag: string,
    analyzed: Analyzed,
    readonly paramTypes: readonly Oid[],
    /** The protocol has told the client the columns: they may not change any more. */
    readonly fixedResult: boolean,
  ) {
    this.#queries = analyzed.queries;
    this.#locks = relationLocksOf(analyzed.queries);
    this.#stamp = takeStamp();
    this.columns = resultColumns(analyzed.queries);
  }

  /** Still what a fresh analysis would give, and fit to be shared by statements of the same text. */
  get isCurrent(): boolean {
    return fits(this.#stamp);
  }
  get mayBeShared(): boolean {
    return this.raw !== null && !this.isUtility && !containsVolatileLiteral(this.#queries);
  }
  get queries(): readonly Query[] {
    return this.#queries;
  }
  get isUtility(): boolean {
    return this.#queries[0]?.commandType === 'utility';
  }

  /** Locks what the query uses; analyses again if what the analysis saw has changed. */
  revalidate(): void {
    if (this.raw === null) return;
    if (fits(this.#stamp) && !this.isUtility) {
      acquireRelationLocks(this.#locks);
      // The locks' last holders may have changed something: we know of it now.
      if (fits(this.#stamp)) return;
      releaseRelationLocks(this.#locks);
    }
    const stamp = takeStamp();
    const types = this.paramTypes.slice();
    const { queries } = analyzeAndRewrite(this.raw, this.text, { types, variable: false });
    const columns = resultColumns(queries);
    if (!sameColumns(columns, this.columns)) {
      if (this.fixedResult)
        report('ERROR', {
          code: SQLSTATE.featureNotSupported,
          message: 'cached plan must not change result type',
        });
      this.columns = columns;
    }
    this.#queries = queries;
    this.#locks = relationLocksOf(queries);
    this.#stamp = stamp;
    this.#generic = null;
  }

  /** Plans ready to run with these parameters. */
  getPlan(params: BoundParams | null): readonly PlannedStmt[] {
    this.revalidate();
    let custom = this.#choosesCustom(params);
    if (!custom) {
      const generic = this.#genericPlan();
      // Its cost is known only now: it may turn out not to be worth it.
      custom = this.#choosesCustom(params);
      if (!custom) {
        this.genericPlans++;
        return generic;
      }
    }
    const plans = planQueries(this.#queries, params);
    this.#totalCustomCost += costOf(plans, true);
    this.customPlans++;
    return plans;
  }

  #genericPlan(): readonly PlannedStmt[] {
    if (this.#generic !== null && this.#genericStamp !== null && fits(this.#genericStamp)) return this.#generic;
    const stamp = takeStamp();
    const plans = planQueries(this.#queries, null);
    this.#genericCost = costOf(plans, false);
    if (!plans.some((plan) => plan.transientPlan)) {
      this.#generic = plans;
      this.#genericStamp = stamp;
    }
    return plans;
  }

  #choosesCustom(params: BoundParams | null): boolean {
    if (params === null || params.types.length === 0) return false;
    if (this.isUtility) return false;
    if (settings.plan_cache_mode === 'force_generic_plan') return false;
    if (settings.plan_cache_mode === 'force_custom_plan') return true;
    if (this.customPlans < CUSTOM_PLANS_FIRST) return true;
    return this.#genericCost >= this.#totalCustomCost / this.customPlans;
  }
}

/** Planning is charged to custom plans, roughly by the number of relations. */
function costOf(plans: readonly PlannedStmt[], includePlanning: boolean): number {
  let cost = 0;
  for (const plan of plans) {
    if (plan.commandType === 'utility') continue;
    cost += plan.planTree.totalCost;
    if (includePlanning) cost += 1000 * settings.cpu_operator_cost * (plan.rtable.length + 1);
  }
  return cost;
}

function sameColumns(a: readonly ResultColumn[] | null, b: readonly ResultColumn[] | null): boolean {
  if (a === null || b === null) return a === b;
  return (
    a.length === b.length &&
    a.every((column, i) => {
      const other = b[i]!;
      return column.name === other.name && column.type === other.type && column.typmod === other.typmod;
    })
  );
}

// ── unnamed statements of the extended protocol ──────────────────────────────────────────────────────────────────

interface SharedSource {
  readonly declared: string;
  readonly source: CachedPlanSource | null;
}
const sharedSources = new WeakMap<RawStatement, SharedSource>();

/** The plan source of a text that is parsed as the unnamed statement again and again: the same as last time while what it
 *  depends on is the same. `declared` are the parameter types that the client gave. */
export function shareUnnamedSource(
  raw: RawStatement,
  declared: readonly Oid[],
  make: () => CachedPlanSource,
): CachedPlanSource {
  const key = declared.join();
  const known = sharedSources.get(raw);
  if (known?.declared === key && known.source?.isCurrent === true) return known.source;
  const source = make();
  // As with simple statements, only a text that came back is worth remembering.
  sharedSources.set(raw, { declared: key, source: known !== undefined && source.mayBeShared ? source : null });
  return source;
}

// ── simple statements ────────────────────────────────────────────────────────────────────────────────────────────

export interface SimplePlan {
  readonly stamp: Stamp;
  readonly plans: readonly PlannedStmt[];
  readonly locks: RelationLocks;
  /** The session keeps its row writer here. */
  resultWriter: unknown;
  readonly formats: null;
}
/** parseText() answers a repeated text with the same statement objects, so these are keys by text. */
const simplePlans = new WeakMap<RawStatement, SimplePlan | 'seen' | 'never'>();

/** Plans a statement of the simple protocol, or gives the plans that an earlier identical text got. The first encounter
 *  is only noted: most texts never come back. */
export function planSimple(raw: RawStatement, text: string): SimplePlan {
  const known = simplePlans.get(raw);
  if (typeof known === 'object' && fits(known.stamp)) {
    acquireRelationLocks(known.locks);
    if (fits(known.stamp)) return known;
    releaseRelationLocks(known.locks);
  }
  const stamp = takeStamp();
  const { queries } = analyzeAndRewrite(raw, text, NO_PARAMS());
  const plan: SimplePlan = {
    stamp,
    plans: planQueries(queries, null),
    locks: NO_LOCKS,
    resultWriter: null,
    formats: null,
  };
  if (known === undefined) simplePlans.set(raw, 'seen');
  else if (known !== 'never')
    simplePlans.set(raw, mayKeep(queries, plan.plans) ? { ...plan, locks: relationLocksOf(queries) } : 'never');
  return plan;
}
const NO_LOCKS: RelationLocks = { relids: [], modes: [] };
const NO_PARAMS = (): ParamContext => ({ types: [], variable: false });

/** A literal that was read by a function that is not immutable ('now'::timestamptz, 'pg_class'::regclass) has the value
 *  of that moment: such a statement is analysed each time. */
function mayKeep(queries: readonly Query[], plans: readonly PlannedStmt[]): boolean {
  if (queries.some((query) => query.commandType === 'utility')) return false;
  if (plans.some((plan) => plan.transientPlan)) return false;
  return !containsVolatileLiteral(queries);
}
function containsVolatileLiteral(node: unknown): boolean {
  if (node === null || typeof node !== 'object') return false;
  if (Array.isArray(node)) return node.some(containsVolatileLiteral);
  const { kind } = node as { kind?: string };
  if (kind === 'Const') {
    const { consttype, constisnull } = node as { consttype: Oid; constisnull: boolean };
    return !constisnull && !inputIsImmutable(consttype);
  }
  for (const key in node) if (containsVolatileLiteral((node as Record<string, unknown>)[key])) return true;
  return false;
}
const immutableInputs = new Map<Oid, boolean>();
function inputIsImmutable(type: Oid): boolean {
  let known = immutableInputs.get(type);
  if (known === undefined) {
    const row = typeRow(type);
    known = row !== undefined && procRow(row.typinput)?.provolatile === 'i';
    immutableInputs.set(type, known);
  }
  return known;
}
