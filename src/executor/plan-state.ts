/** plan-state.ts — one plan node at work.
 *
 *  next() returns the next row or null; the row belongs to the node and is overwritten by the following call, so
 *  whoever keeps rows copies them. rescan() starts over; a node that keeps results reuses them unless a parameter they
 *  depend on has changed meanwhile.
 *  Counterpart: PlanState of execnodes.h, ExecProcNode() of src/backend/executor/execProcnode.c, execAmi.c */
import { type EState, ExprContext, type Instrumentation, type Row } from '#executor/estate.ts';
import type { CompileScope } from '#executor/expr-compile.ts';
import { armInitPlan } from '#executor/expr-subplan.ts';
import type { Plan } from '#nodes/plan-nodes.ts';

export interface InitFlags {
  /** The node will be asked to start over: keep what would be dear or wrong to compute twice. */
  readonly rewind: boolean;
}
export const FORWARD: InitFlags = { rewind: false };
export const REWIND: InitFlags = { rewind: true };

export abstract class PlanState<P extends Plan = Plan> {
  readonly context: ExprContext;
  constructor(
    readonly plan: P,
    readonly estate: EState,
  ) {
    this.context = new ExprContext(estate);
    for (const initPlan of plan.initPlan) armInitPlan(initPlan, estate);
  }

  abstract next(): Row | null;
  /** Start over: own state first, then children. */
  protected abstract reset(): void;

  rescan(): void {
    for (const initPlan of this.plan.initPlan) {
      const runner = this.estate.subplan(initPlan.planId);
      if (this.estate.changedSince(runner.allParam, runner.hashStamp)) armInitPlan(initPlan, this.estate);
    }
    this.reset();
  }
  /** Give back what the garbage collector cannot: nothing for most nodes. */
  end(): void {}

  get instrumentation(): Instrumentation | undefined {
    return this.estate.instrumentation.get(this.plan);
  }
}

const compiled = new WeakMap<Plan, unknown>();
/** What a node compiles of its plan, once for all executions of that plan. */
export function compiledFor<T>(plan: Plan, estate: EState, make: (scope: CompileScope) => T): T {
  let code = compiled.get(plan) as T | undefined;
  if (code === undefined) {
    code = make({ rtable: estate.stmt.rtable });
    compiled.set(plan, code);
  }
  return code;
}
