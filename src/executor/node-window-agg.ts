/** node-window-agg.ts — window functions over input sorted by partition and order.
 *
 *  A partition is read as a whole before its first row goes out, except where every function of the window looks
 *  backward only (row_number, rank, dense_rank, running aggregates by ROWS): then rows stream through.
 *  An aggregate whose frame only grows goes on from its last state; otherwise it starts over for each row.
 *  Counterpart: src/backend/executor/nodeWindowAgg.c, utils/adt/windowfuncs.c */
import type { Datum } from '#adt/datum.ts';
import { type AggCode, compileWindowAggregate, type State } from '#executor/agg-code.ts';
import type { EState, Eval, ExprContext, Row } from '#executor/estate.ts';
import { compileExpr, compileProjection, compileQual, type CompileScope } from '#executor/expr-compile.ts';
import { needProc, notImplemented } from '#executor/function-call.ts';
import { columnEqualities, rowsEqual } from '#executor/node-limit.ts';
import { compiledFor, PlanState } from '#executor/plan-state.ts';
import { compileRange, Frame, type Partition } from '#executor/window-frame.ts';
import type { WindowAgg } from '#nodes/plan-nodes.ts';
import type { WindowFunc } from '#nodes/primitives.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';

/** Value of one function for row `i`. */
type Compute = (work: WindowWork, i: number) => Datum;
interface WindowWork {
  readonly partition: Partition;
  readonly frame: Frame;
  readonly context: ExprContext;
}
interface FunctionCode {
  readonly agg: AggCode | null;
  /** Made anew for each partition: a function may remember where it was. */
  readonly make: (() => Compute) | null;
  readonly prosrc: string;
}

function argOn(arg: Eval | undefined, work: WindowWork, row: number): Datum {
  const context = work.context;
  const saved = context.outer;
  context.outer = work.partition.rows[row]!;
  const value = arg!(context);
  context.outer = saved;
  return value;
}

/** lag and lead: the value `distance` rows away, else the default. */
function shifted(args: readonly Eval[], direction: number): Compute {
  return (work, i) => {
    let distance: Datum = 1;
    if (args.length > 1) {
      distance = argOn(args[1], work, i);
      if (distance === null) return null;
    }
    const at = i + direction * (distance as number);
    if (at >= 0 && at < work.partition.rows.length) return argOn(args[0], work, at);
    return args.length > 2 ? argOn(args[2], work, i) : null;
  };
}

function ntile(args: readonly Eval[]): Compute {
  let buckets: Datum | undefined;
  return (work, i) => {
    buckets ??= argOn(args[0], work, i);
    if (buckets === null) return null;
    const n = buckets as number;
    if (n <= 0) {
      report('ERROR', {
        code: SQLSTATE.invalidArgumentForNtile,
        message: 'argument of ntile must be greater than zero',
      });
    }
    const total = work.partition.rows.length;
    const size = Math.floor(total / n);
    const larger = total % n;
    const inLarger = larger * (size + 1);
    return i < inLarger ? Math.floor(i / (size + 1)) + 1 : larger + Math.floor((i - inLarger) / Math.max(size, 1)) + 1;
  };
}

/** The n-th row of the frame (1-based), counting from its start; -1 if there is none. */
function nthInFrame(work: WindowWork, i: number, n: number): number {
  const { frame } = work;
  if (frame.plan.frameOptions.exclusion === 'none') {
    const at = frame.start + n - 1;
    return at < frame.end ? at : -1;
  }
  for (let at = frame.start; at < frame.end; at++) if (!frame.excludes(i, at) && --n === 0) return at;
  return -1;
}
function lastInFrame(work: WindowWork, i: number): number {
  for (let at = work.frame.end - 1; at >= work.frame.start; at--) if (!work.frame.excludes(i, at)) return at;
  return -1;
}
function nthValue(args: readonly Eval[]): Compute {
  return (work, i) => {
    const n = argOn(args[1], work, i);
    if (n === null) return null;
    if ((n as number) <= 0) {
      report('ERROR', {
        code: SQLSTATE.invalidArgumentForNthValue,
        message: 'argument of nth_value must be greater than zero',
      });
    }
    const at = nthInFrame(work, i, n as number);
    return at < 0 ? null : argOn(args[0], work, at);
  };
}

const WINDOW_FUNCTIONS: Readonly<Record<string, (args: readonly Eval[]) => Compute>> = {
  window_row_number: () => (_work, i) => i + 1,
  window_rank: () => (work, i) => work.partition.peerStart[i]! + 1,
  window_dense_rank: () => (work, i) => work.partition.group[i]! + 1,
  window_percent_rank: () => (work, i) => {
    const total = work.partition.rows.length;
    return total <= 1 ? 0 : work.partition.peerStart[i]! / (total - 1);
  },
  window_cume_dist: () => (work, i) => work.partition.peerEnd[i]! / work.partition.rows.length,
  window_ntile: ntile,
  window_lag: (args) => shifted(args, -1),
  window_lag_with_offset: (args) => shifted(args, -1),
  window_lag_with_offset_and_default: (args) => shifted(args, -1),
  window_lead: (args) => shifted(args, 1),
  window_lead_with_offset: (args) => shifted(args, 1),
  window_lead_with_offset_and_default: (args) => shifted(args, 1),
  window_first_value: (args) => (work, i) => {
    const at = nthInFrame(work, i, 1);
    return at < 0 ? null : argOn(args[0], work, at);
  },
  window_last_value: (args) => (work, i) => {
    const at = lastInFrame(work, i);
    return at < 0 ? null : argOn(args[0], work, at);
  },
  window_nth_value: nthValue,
};

function compileFunction(node: WindowFunc, scope: CompileScope): FunctionCode {
  if (node.winagg) return { agg: compileWindowAggregate(node, scope), make: null, prosrc: '' };
  const proc = needProc(node.winfnoid);
  const maker = WINDOW_FUNCTIONS[proc.prosrc];
  const args = node.args.map((arg) => compileExpr(arg, scope));
  const make = maker === undefined ? () => () => notImplemented(proc) : () => maker(args);
  return { agg: null, make, prosrc: proc.prosrc };
}

/** An aggregate over the frame of each row in turn. */
function frameAggregate(agg: AggCode): Compute {
  let state: State;
  let from = -1;
  let until = 0;
  return (work, i) => {
    const { frame, context, partition } = work;
    const excluding = frame.plan.frameOptions.exclusion !== 'none';
    if (excluding || from !== frame.start || until > frame.end) {
      state = agg.init();
      from = frame.start;
      until = frame.start;
    }
    const saved = context.outer;
    for (; until < frame.end; until++) {
      if ((until & 255) === 0) checkForInterrupts();
      if (excluding && frame.excludes(i, until)) continue;
      context.outer = partition.rows[until]!;
      if (agg.filter !== null && agg.filter(context) !== true) continue;
      state = agg.advance(state, context);
    }
    context.outer = saved;
    return agg.finalize(state, context);
  };
}

const STREAMING = new Set(['window_row_number', 'window_rank', 'window_dense_rank']);

export class WindowAggState extends PlanState<WindowAgg> {
  readonly #code;
  readonly #out: Row;
  readonly #values: Datum[];
  #frame: Frame | null = null;
  #computes: Compute[] = [];
  #work: WindowWork | null = null;
  #index = 0;
  #pending: Row | null = null;
  #started = false;
  // Streaming: counters of the partition that passes by.
  #previous: Row | null = null;
  #position = 0;
  #rank = 0;
  #denseRank = 0;
  #states: State[] = [];

  constructor(
    plan: WindowAgg,
    estate: EState,
    readonly outer: PlanState,
  ) {
    super(plan, estate);
    this.#code = compiledFor(plan, estate, (outerScope) => {
      const scope = { ...outerScope, windowFuncs: plan.windowFuncs };
      const functions = plan.windowFuncs.map((node) => compileFunction(node, scope));
      const { mode, start, end, exclusion } = plan.frameOptions;
      const runningRows =
        mode === 'rows' && start === 'unbounded_preceding' && end === 'current_row' && exclusion === 'none';
      return {
        functions,
        streaming: functions.every((fn) => (fn.agg !== null ? runningRows : STREAMING.has(fn.prosrc))),
        qual: compileQual(plan.qual, scope),
        project: compileProjection(plan.targetlist, scope, -1)!,
        partition: columnEqualities(plan.partColIdx, plan.partOperators, plan.partCollations),
        peers: columnEqualities(plan.ordColIdx, plan.ordOperators, plan.ordCollations),
        range: compileRange(plan),
        startOffset: plan.startOffset === null ? null : compileExpr(plan.startOffset, scope),
        endOffset: plan.endOffset === null ? null : compileExpr(plan.endOffset, scope),
        runCondition: compileQual(plan.runCondition, scope),
      };
    });
    this.#out = new Array<Datum>(plan.targetlist.length).fill(null);
    this.#values = new Array<Datum>(plan.windowFuncs.length).fill(null);
    this.context.aggValues = this.#values;
  }

  next(): Row | null {
    const { streaming, qual, project } = this.#code;
    for (;;) {
      const found = streaming ? this.#stream() : this.#nextBuffered();
      if (!found) return null;
      if (qual !== null && qual(this.context) !== true) continue;
      project(this.context, this.#out);
      return this.#out;
    }
  }

  #stream(): boolean {
    const row = this.outer.next();
    if (row === null) return false;
    const { functions, partition, peers } = this.#code;
    const previous = this.#previous;
    const context = this.context;
    if (previous === null || !rowsEqual(previous, row, partition)) {
      this.#position = 0;
      this.#rank = 0;
      this.#denseRank = 0;
      this.#states = functions.map((fn) => fn.agg?.init());
    }
    this.#position++;
    // Without ORDER BY all rows of a partition are peers.
    if (this.#position === 1 || !rowsEqual(previous!, row, peers)) {
      this.#rank = this.#position;
      this.#denseRank++;
    }
    context.outer = row;
    for (let i = 0; i < functions.length; i++) {
      const { agg, prosrc } = functions[i]!;
      if (agg !== null) {
        if (agg.filter === null || agg.filter(context) === true)
          this.#states[i] = agg.advance(this.#states[i], context);
        this.#values[i] = agg.finalize(this.#states[i], context);
      } else if (prosrc === 'window_row_number') this.#values[i] = this.#position;
      else this.#values[i] = prosrc === 'window_rank' ? this.#rank : this.#denseRank;
    }
    this.#previous = partition.length > 0 || peers.length > 0 ? row.slice() : row;
    return true;
  }

  #nextBuffered(): boolean {
    while (this.#work === null || this.#index >= this.#work.partition.rows.length) {
      const partition = this.#readPartition();
      if (partition === null) return false;
      this.#frame ??= this.#makeFrame();
      this.#frame.enter(partition);
      this.#work = { partition, frame: this.#frame, context: this.context };
      this.#computes = this.#code.functions.map((fn) => (fn.agg !== null ? frameAggregate(fn.agg) : fn.make!()));
      this.#index = 0;
    }
    const i = this.#index++;
    this.context.outer = this.#work.partition.rows[i]!;
    this.#work.frame.moveTo(i);
    for (let f = 0; f < this.#computes.length; f++) this.#values[f] = this.#computes[f]!(this.#work, i);
    return true;
  }

  #makeFrame(): Frame {
    const { startOffset, endOffset, range } = this.#code;
    return new Frame(
      this.plan,
      this.estate,
      range,
      startOffset === null ? null : startOffset(this.context),
      endOffset === null ? null : endOffset(this.context),
    );
  }

  #readPartition(): Partition | null {
    if (!this.#started) {
      this.#started = true;
      this.#pending = this.outer.next()?.slice() ?? null;
    }
    if (this.#pending === null) return null;
    const rows: Row[] = [this.#pending];
    const first = this.#pending;
    this.#pending = null;
    for (let row = this.outer.next(); row !== null; row = this.outer.next()) {
      if ((rows.length & 255) === 0) checkForInterrupts();
      const kept = row.slice();
      if (!rowsEqual(first, kept, this.#code.partition)) {
        this.#pending = kept;
        break;
      }
      rows.push(kept);
    }
    return this.#describe(rows);
  }

  #describe(rows: Row[]): Partition {
    const { peers } = this.#code;
    const group: number[] = new Array(rows.length);
    const groupStart: number[] = [];
    for (let i = 0; i < rows.length; i++) {
      if (i === 0 || !rowsEqual(rows[i - 1]!, rows[i]!, peers)) groupStart.push(i);
      group[i] = groupStart.length - 1;
    }
    groupStart.push(rows.length);
    return {
      rows,
      group,
      groupStart,
      peerStart: group.map((g) => groupStart[g]!),
      peerEnd: group.map((g) => groupStart[g + 1]!),
    };
  }

  protected reset(): void {
    this.#frame = null;
    this.#work = null;
    this.#pending = null;
    this.#started = false;
    this.#previous = null;
    this.outer.rescan();
  }
}
