/** estate.ts — what one execution of a plan shares between its nodes, and the context expressions are computed in.
 *
 *  Compiled expressions are pure closures over (plan, ExprContext): all that changes lives in the context or here, so
 *  one compiled plan serves any number of nested executions.
 *  Counterpart: EState, ExprContext of src/include/nodes/execnodes.h, execUtils.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { Datum } from '#adt/datum.ts';
import type { CommandId, ItemPointer } from '#base/ids.ts';
import { relationClose, relationOpen } from '#catalog/relation.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import type { BoundParams } from '#nodes/exec-nodes.ts';
import type { PlannedStmt } from '#nodes/plan-nodes.ts';
import type { Snapshot } from '#transam/snapshot.ts';

/** One row in flight. Belongs to the node that returned it and is valid until that node is asked again. */
export type Row = Datum[];
export const NO_ROW: Row = [];
const EMPTY_SET: ReadonlySet<number> = new Set();

/** Computes one expression. */
export type Eval = (context: ExprContext) => Datum;

/** A sub-plan that sets exec params when one of them is first read. */
export interface PendingParam {
  evaluate(): void;
}
/** Result rows of a CTE or a recursive term, readable by several scans. */
export interface RowSource {
  /** Row number `index` (0-based), or null past the end. */
  rowAt(index: number): Row | null;
}
/** The sub-plan of one SubPlan expression, as expressions see it. */
export interface SubPlanRunner {
  /** Forget what was read; parameters may have changed. */
  rescan(): void;
  next(): Row | null;
  readonly allParam: readonly number[];
  /** Hash table over the sub-select's rows, when the plan asked for one. */
  hashTable: unknown;
  hashStamp: number;
}

/** The stored tuple that a scan row was read from: what system columns are taken of. */
export interface CurrentTuple {
  tupleAt: number;
  tid: ItemPointer;
}
/** While a changed row is evaluated again, its relation gives this one row and nothing else. */
export interface SubstituteRow {
  readonly row: Row | null;
  readonly tuple: CurrentTuple | null;
  given: boolean;
}

export class EState {
  /** What this query sees; set by executorStart. */
  snapshot: Snapshot | null = null;
  /** A second snapshot that must see the rows which the query changes. */
  crosscheck: Snapshot | null = null;
  /** Command id of the versions that the query makes. */
  outputCid = 0 as CommandId;
  /** Rows inserted, updated or deleted by the statement itself. */
  modified = 0;
  /** Rows put in place of scans, by range table index; null in ordinary execution. */
  substitutes: Map<number, SubstituteRow> | null = null;
  readonly #relations: (Relation | undefined)[] = [];
  readonly execParams: Datum[];
  readonly pending: (PendingParam | undefined)[];
  /** Clock reading at which each exec param last changed. */
  readonly paramStamps: number[];
  clock = 1;
  /** By planId - 1, made on first use. */
  readonly subplans: (SubPlanRunner | undefined)[] = [];
  readonly ctes: (RowSource | undefined)[] = [];
  readonly workTables: (RowSource | undefined)[] = [];
  /** EXPLAIN ANALYZE: count and time every node. */
  readonly instrument: boolean;
  /** Plan-node id to its counters. */
  readonly instrumentation = new Map<unknown, Instrumentation>();
  /** Run at the end, last first. */
  readonly cleanups: (() => void)[] = [];
  makeSubPlan: (planId: number) => SubPlanRunner = () => {
    throw new Error('the executor was not started');
  };

  constructor(
    readonly stmt: PlannedStmt,
    readonly params: BoundParams | null,
    instrument = false,
  ) {
    const count = stmt.paramExecTypes.length;
    this.execParams = count === 0 ? NO_ROW : new Array<Datum>(count).fill(null);
    this.pending = count === 0 ? [] : new Array<undefined>(count).fill(undefined);
    this.paramStamps = count === 0 ? [] : new Array<number>(count).fill(0);
    this.instrument = instrument;
  }

  /** The relation of a range table entry, open until the query ends. Its lock was taken by whoever planned. */
  relation(rti: number): Relation {
    const known = this.#relations[rti];
    if (known !== undefined) return known;
    const rte = this.stmt.rtable[rti - 1]!;
    if (rte.rtekind !== 'relation') throw new Error(`range table entry ${rti} is no relation`);
    const relation = relationOpen(rte.relid, 0);
    this.#relations[rti] = relation;
    this.cleanups.unshift(() => relationClose(relation, 0));
    if (relation.kind === 'm' && !relation.isPopulated) {
      report('ERROR', {
        code: SQLSTATE.objectNotInPrerequisiteState,
        message: `materialized view "${relation.name}" has not been populated`,
        hint: 'Use the REFRESH MATERIALIZED VIEW command.',
      });
    }
    return relation;
  }

  setParam(id: number, value: Datum): void {
    this.execParams[id] = value;
    this.pending[id] = undefined;
    this.paramStamps[id] = ++this.clock;
  }
  /** Did one of the params change since `stamp`? */
  changedSince(params: readonly number[], stamp: number): boolean {
    for (let i = 0; i < params.length; i++) if (this.paramStamps[params[i]!]! > stamp) return true;
    return false;
  }
  subplan(planId: number): SubPlanRunner {
    return (this.subplans[planId - 1] ??= this.makeSubPlan(planId));
  }
}

export interface Instrumentation {
  loops: number;
  rows: number;
  startup: number;
  total: number;
  filtered: number;
  joinFiltered: number;
  /** Extra lines of EXPLAIN ANALYZE. */
  details: Map<string, string>;
}

export class ExprContext {
  scan: Row = NO_ROW;
  outer: Row = NO_ROW;
  inner: Row = NO_ROW;
  /** Of the scan row. */
  tuple: CurrentTuple | null = null;
  /** Results of the aggregates and window functions of this node, by aggno / position. */
  aggValues: Datum[] = NO_ROW;
  caseValue: Datum = null;
  domainValue: Datum = null;
  /** Target columns that the current grouping set groups by. */
  grouped: ReadonlySet<number> = EMPTY_SET;
  constructor(readonly estate: EState) {}
}
