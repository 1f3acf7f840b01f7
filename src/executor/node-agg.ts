/** node-agg.ts — aggregation: plain, over sorted groups, by hash table, and over grouping sets.
 *
 *  Grouping sets keep one hash table per set and give the sets out one after the other, the empty set first, as
 *  PostgreSQL's MixedAggregate does.
 *  Counterpart: src/backend/executor/nodeAgg.c */
import type { Datum } from '#adt/datum.ts';
import { type AggCode, compileAggref, type State } from '#executor/agg-code.ts';
import type { EState, Row } from '#executor/estate.ts';
import { compileProjection, compileQual } from '#executor/expr-compile.ts';
import { type Grouping, groupingFor, GroupTable } from '#executor/group-table.ts';
import { columnEqualities, rowsEqual } from '#executor/node-limit.ts';
import { compiledFor, PlanState } from '#executor/plan-state.ts';
import type { Agg } from '#nodes/plan-nodes.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';

/** States of one group, and the inputs kept for those aggregates that sort them. */
interface GroupStates {
  readonly states: State[];
  readonly kept: (Row[] | null)[];
}

interface GroupSet {
  /** Columns of the input (1-based) this set groups by. */
  readonly columns: ReadonlySet<number>;
  readonly grouping: Grouping | null;
  /** Columns (0-based) that are null in this set's results. */
  readonly nulled: readonly number[];
}

export class AggState extends PlanState<Agg> {
  readonly #code;
  readonly #out: Row;
  readonly #values: Datum[];
  /** Finished groups being given out: per set. */
  #tables: { set: GroupSet; table: GroupTable<GroupStates> | null; plain: GroupStates | null }[] | null = null;
  #set = 0;
  #index = 0;
  #stamp = 0;
  #pending: Row | null = null;
  #started = false;
  #done = false;
  constructor(
    plan: Agg,
    estate: EState,
    readonly outer: PlanState,
  ) {
    super(plan, estate);
    this.#code = compiledFor(plan, estate, (scope) => ({
      aggs: plan.aggs.map((agg) => compileAggref(agg, scope)),
      qual: compileQual(plan.qual, scope),
      project: compileProjection(plan.targetlist, scope, -1)!,
      equalities: columnEqualities(plan.grpColIdx, plan.grpOperators, plan.grpCollations),
      sets: groupSets(plan),
    }));
    this.#out = new Array<Datum>(plan.targetlist.length).fill(null);
    this.#values = new Array<Datum>(plan.aggs.length).fill(null);
    this.context.aggValues = this.#values;
  }

  next(): Row | null {
    if (this.#done) return null;
    const { aggstrategy } = this.plan;
    if (this.plan.groupingSets !== null) return this.#nextFromTables();
    if (aggstrategy === 'hashed') return this.#nextFromTables();
    return aggstrategy === 'plain' ? this.#nextPlain() : this.#nextSorted();
  }

  #newStates(): GroupStates {
    const aggs = this.#code.aggs;
    const states: State[] = new Array(aggs.length);
    const kept: (Row[] | null)[] = new Array(aggs.length);
    for (let i = 0; i < aggs.length; i++) {
      states[i] = aggs[i]!.init();
      kept[i] = aggs[i]!.sort === null ? null : [];
    }
    return { states, kept };
  }

  /** Feeds the row in the context to every aggregate of a group. */
  #advance(group: GroupStates): void {
    const aggs = this.#code.aggs;
    const context = this.context;
    for (let i = 0; i < aggs.length; i++) {
      const agg = aggs[i]!;
      if (agg.filter !== null && agg.filter(context) !== true) continue;
      if (agg.sort === null) group.states[i] = agg.advance(group.states[i], context);
      else keepInput(agg, group.kept[i]!, context);
    }
  }

  /** Output row of a finished group, or null if HAVING rejects it. */
  #emit(group: GroupStates, representative: Row, set: GroupSet): Row | null {
    const { aggs, qual, project } = this.#code;
    const context = this.context;
    context.outer = representative;
    context.grouped = set.columns;
    for (let i = 0; i < aggs.length; i++) {
      const agg = aggs[i]!;
      this.#values[i] =
        agg.sort === null ? agg.finalize(group.states[i], context) : finishSorted(agg, group, i, context);
    }
    if (qual !== null && qual(context) !== true) {
      if (this.estate.instrument) this.instrumentation!.filtered++;
      return null;
    }
    project(context, this.#out);
    return this.#out;
  }

  #nextPlain(): Row | null {
    this.#done = true;
    const group = this.#newStates();
    const context = this.context;
    const aggs = this.#code.aggs;
    const only = aggs.length === 1 && aggs[0]!.sort === null && aggs[0]!.filter === null ? aggs[0]! : null;
    if (only !== null) {
      let state = group.states[0];
      for (let row = this.outer.next(); row !== null; row = this.outer.next()) {
        context.outer = row;
        state = only.advance(state, context);
      }
      group.states[0] = state;
    } else {
      for (let row = this.outer.next(); row !== null; row = this.outer.next()) {
        context.outer = row;
        this.#advance(group);
      }
    }
    return this.#emit(group, new Array<Datum>(this.plan.lefttree!.targetlist.length).fill(null), this.#code.sets[0]!);
  }

  #nextSorted(): Row | null {
    if (!this.#started) {
      this.#started = true;
      this.#pending = this.outer.next()?.slice() ?? null;
    }
    for (;;) {
      const first = this.#pending;
      if (first === null) {
        this.#done = true;
        return null;
      }
      const group = this.#newStates();
      this.context.outer = first;
      this.#advance(group);
      this.#pending = null;
      for (let row = this.outer.next(); row !== null; row = this.outer.next()) {
        if (!rowsEqual(first, row, this.#code.equalities)) {
          this.#pending = row.slice();
          break;
        }
        this.context.outer = row;
        this.#advance(group);
      }
      const out = this.#emit(group, first, this.#code.sets[0]!);
      if (out !== null) return out;
    }
  }

  #fill(): void {
    this.#stamp = this.estate.clock;
    const tables = this.#code.sets.map((set) => ({
      set,
      table: set.grouping === null ? null : new GroupTable<GroupStates>(set.grouping),
      plain: set.grouping === null ? this.#newStates() : null,
    }));
    const make = (): GroupStates => this.#newStates();
    const context = this.context;
    let ticks = 0;
    for (let row = this.outer.next(); row !== null; row = this.outer.next()) {
      if ((++ticks & 255) === 0) checkForInterrupts();
      context.outer = row;
      for (let i = 0; i < tables.length; i++) {
        const { table, plain } = tables[i]!;
        this.#advance(table === null ? plain! : table.findOrAdd(row, make));
      }
    }
    this.#tables = tables;
    this.#set = 0;
    this.#index = 0;
    if (this.estate.instrument) this.instrumentation?.details.set('Batches', '1  Memory Usage: 24kB');
  }

  #nextFromTables(): Row | null {
    if (this.#tables === null) this.#fill();
    for (;;) {
      const current = this.#tables![this.#set];
      if (current === undefined) {
        this.#done = true;
        return null;
      }
      const { set, table, plain } = current;
      const entry =
        table === null
          ? this.#index === 0
            ? { row: new Array<Datum>(this.plan.lefttree!.targetlist.length).fill(null), value: plain! }
            : undefined
          : table.at(this.#index);
      if (entry === undefined) {
        this.#set++;
        this.#index = 0;
        continue;
      }
      this.#index++;
      let representative = entry.row;
      if (set.nulled.length > 0) {
        representative = representative.slice();
        for (const column of set.nulled) representative[column] = null;
      }
      const out = this.#emit(entry.value, representative, set);
      if (out !== null) return out;
    }
  }

  protected reset(): void {
    this.#done = false;
    this.#started = false;
    this.#pending = null;
    this.#set = 0;
    this.#index = 0;
    const reusable = this.#tables !== null && !this.estate.changedSince(this.plan.allParam, this.#stamp);
    // Final functions may have consumed states that are objects; only sums and counts can be given out twice.
    if (reusable && this.#code.aggs.every((agg) => agg.sort === null && typeof agg.init() !== 'object')) {
      if (!this.#hasObjectStates()) return;
    }
    this.#tables = null;
    this.outer.rescan();
  }
  #hasObjectStates(): boolean {
    return this.#tables!.some(({ table, plain }) => {
      const sample = plain ?? table?.at(0)?.value;
      return sample !== undefined && sample.states.some((state) => typeof state === 'object' && state !== null);
    });
  }
}

function keepInput(agg: AggCode, kept: Row[], context: AggState['context']): void {
  const values: Row = new Array(agg.args.length);
  for (let i = 0; i < agg.args.length; i++) {
    const value = agg.args[i]!(context);
    if (value === null && i < agg.strictInputs) return;
    values[i] = value;
  }
  kept.push(values);
}

function finishSorted(agg: AggCode, group: GroupStates, index: number, context: AggState['context']): Datum {
  const sort = agg.sort!;
  const rows = group.kept[index]!;
  rows.sort(sort.compare);
  if (agg.finalSorted !== null) return agg.finalSorted(rows, context);
  let state = group.states[index];
  let last: Row | null = null;
  for (const row of rows) {
    if (sort.same !== null && last !== null && sort.same(last, row)) continue;
    state = agg.advanceRow(state, row);
    last = row;
  }
  return agg.finalize(state, context);
}

function groupSets(plan: Agg): GroupSet[] {
  const all = plan.grpColIdx.map((_, i) => i);
  const sets = plan.groupingSets ?? [all];
  const made = sets.map((positions): GroupSet => {
    const pick = <T>(list: readonly T[]): T[] => positions.map((position) => list[position]!);
    const columns = pick(plan.grpColIdx);
    return {
      columns: new Set(columns),
      grouping: positions.length === 0 ? null : groupingFor(columns, pick(plan.grpOperators), pick(plan.grpCollations)),
      nulled: all.filter((i) => !columns.includes(plan.grpColIdx[i]!)).map((i) => plan.grpColIdx[i]! - 1),
    };
  });
  return [...made.filter((set) => set.grouping === null), ...made.filter((set) => set.grouping !== null)];
}
