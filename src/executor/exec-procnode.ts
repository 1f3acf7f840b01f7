/** exec-procnode.ts — from a plan tree to a tree of working nodes.
 *  Counterpart: ExecInitNode() of src/backend/executor/execProcnode.c, instrument.c */
import type { EState, Instrumentation, Row, SubPlanRunner } from '#executor/estate.ts';
import { AggState } from '#executor/node-agg.ts';
import { AppendState, MergeAppendState, RecursiveUnionState, SetOpState } from '#executor/node-append.ts';
import { GroupState } from '#executor/node-group.ts';
import {
  BitmapAndState,
  BitmapHeapScanState,
  BitmapIndexScanState,
  BitmapOrState,
  type BitmapState,
} from '#executor/node-bitmap-scan.ts';
import { IndexOnlyScanState, IndexScanState } from '#executor/node-index-scan.ts';
import { HashJoinState, HashState, MergeJoinState, NestLoopState } from '#executor/node-join.ts';
import { setPlanStarter } from '#executor/eval-plan-qual.ts';
import { LimitState, UniqueState } from '#executor/node-limit.ts';
import { LockRowsState } from '#executor/node-lock-rows.ts';
import { ModifyTableState } from '#executor/node-modify-table.ts';
import { ProjectSetState, ResultState } from '#executor/node-result.ts';
import {
  CteScanState,
  FunctionScanState,
  SubqueryScanState,
  ValuesScanState,
  WorkTableScanState,
} from '#executor/node-scan.ts';
import { SeqScanState } from '#executor/node-seq-scan.ts';
import { MaterialState, SortState } from '#executor/node-sort.ts';
import { WindowAggState } from '#executor/node-window-agg.ts';
import { FORWARD, type InitFlags, type PlanState, REWIND } from '#executor/plan-state.ts';
import type { Plan } from '#nodes/plan-nodes.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export function initNode(plan: Plan, estate: EState, flags: InitFlags): PlanState {
  const state = makeNode(plan, estate, flags);
  estate.cleanups.push(() => state.end());
  if (estate.instrument) instrument(state, estate);
  return state;
}

function makeNode(plan: Plan, estate: EState, flags: InitFlags): PlanState {
  const child = (node: Plan | null, childFlags: InitFlags = flags): PlanState => initNode(node!, estate, childFlags);
  const bitmaps = (plans: readonly Plan[]): BitmapState[] => plans.map((sub) => child(sub) as BitmapState);
  switch (plan.kind) {
    case 'Result':
      return new ResultState(plan, estate, plan.lefttree === null ? null : child(plan.lefttree));
    case 'ProjectSet':
      return new ProjectSetState(plan, estate, child(plan.lefttree));
    case 'Append':
      return new AppendState(
        plan,
        estate,
        plan.appendplans.map((sub) => child(sub)),
      );
    case 'MergeAppend':
      return new MergeAppendState(
        plan,
        estate,
        plan.mergeplans.map((sub) => child(sub)),
      );
    case 'RecursiveUnion':
      return new RecursiveUnionState(plan, estate, child(plan.lefttree), child(plan.righttree, REWIND));
    case 'SeqScan':
      return new SeqScanState(plan, estate);
    case 'FunctionScan':
      return new FunctionScanState(plan, estate, flags);
    case 'ValuesScan':
      return new ValuesScanState(plan, estate);
    case 'SubqueryScan':
      return new SubqueryScanState(plan, estate, child(plan.subplan));
    case 'CteScan':
      return new CteScanState(plan, estate);
    case 'WorkTableScan':
      return new WorkTableScanState(plan, estate);
    case 'NestLoop':
      return new NestLoopState(plan, estate, child(plan.lefttree), child(plan.righttree, REWIND));
    case 'HashJoin': {
      const outer = child(plan.lefttree);
      const inner = child(plan.righttree) as HashState;
      return new HashJoinState(plan, estate, outer, inner);
    }
    case 'Hash':
      return new HashState(plan, estate, child(plan.lefttree, FORWARD));
    case 'MergeJoin':
      return new MergeJoinState(plan, estate, child(plan.lefttree), child(plan.righttree));
    case 'Material':
      return new MaterialState(plan, estate, child(plan.lefttree, FORWARD));
    case 'Sort':
    case 'IncrementalSort':
      return new SortState(plan, estate, child(plan.lefttree, FORWARD));
    case 'Group':
      return new GroupState(plan, estate, child(plan.lefttree));
    case 'Agg':
      return new AggState(plan, estate, child(plan.lefttree));
    case 'WindowAgg':
      return new WindowAggState(plan, estate, child(plan.lefttree));
    case 'Unique':
      return new UniqueState(plan, estate, child(plan.lefttree));
    case 'SetOp':
      return new SetOpState(plan, estate, child(plan.lefttree));
    case 'LockRows':
      return new LockRowsState(plan, estate, child(plan.lefttree));
    case 'ModifyTable':
      return new ModifyTableState(plan, estate, child(plan.lefttree));
    case 'Limit':
      return new LimitState(plan, estate, child(plan.lefttree));
    case 'IndexScan':
      return new IndexScanState(plan, estate);
    case 'IndexOnlyScan':
      return new IndexOnlyScanState(plan, estate);
    case 'BitmapIndexScan':
      return new BitmapIndexScanState(plan, estate);
    case 'BitmapAnd':
      return new BitmapAndState(plan, estate, bitmaps(plan.bitmapplans));
    case 'BitmapOr':
      return new BitmapOrState(plan, estate, bitmaps(plan.bitmapplans));
    case 'BitmapHeapScan':
      return new BitmapHeapScanState(plan, estate, child(plan.lefttree) as BitmapState);
    case 'SampleScan':
    case 'TidScan':
    case 'TableFuncScan':
    case 'NamedTuplestoreScan':
    case 'Memoize':
      return report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: `plan node ${plan.kind} is not supported`,
      });
  }
}

setPlanStarter((plan, estate) => initNode(plan, estate, FORWARD));

/** Counts and times every call of next(), as EXPLAIN ANALYZE shows them. */
function instrument(state: PlanState, estate: EState): void {
  const counters: Instrumentation = {
    loops: 0,
    rows: 0,
    startup: 0,
    total: 0,
    filtered: 0,
    joinFiltered: 0,
    details: new Map(),
  };
  estate.instrumentation.set(state.plan, counters);
  const next = state.next.bind(state);
  const rescan = state.rescan.bind(state);
  let running = false;
  state.next = (): Row | null => {
    const before = performance.now();
    const row = next();
    const elapsed = performance.now() - before;
    counters.total += elapsed;
    if (!running) {
      running = true;
      counters.loops++;
      counters.startup += elapsed;
    }
    if (row !== null) counters.rows++;
    return row;
  };
  state.rescan = (): void => {
    running = false;
    rescan();
  };
}

/** Makes the runner of a sub-plan when an expression first needs it. */
export function makeSubPlanRunner(estate: EState, planId: number): SubPlanRunner {
  const plan = estate.stmt.subplans[planId - 1]!;
  let state: PlanState | undefined;
  let fresh = true;
  const node = (): PlanState => (state ??= initNode(plan, estate, REWIND));
  return {
    allParam: plan.allParam,
    hashTable: undefined,
    hashStamp: 0,
    rescan() {
      if (fresh) {
        fresh = false;
        node();
      } else node().rescan();
    },
    next() {
      fresh = false;
      return node().next();
    },
  };
}
