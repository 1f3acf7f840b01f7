/** node-append.ts — UNION ALL, ordered union, recursive union, INTERSECT and EXCEPT.
 *  Counterpart: src/backend/executor/nodeAppend.c, nodeMergeAppend.c, nodeRecursiveunion.c, nodeSetOp.c */
import type { EState, Row, RowSource } from '#executor/estate.ts';
import { columnEqualities, rowsEqual } from '#executor/node-limit.ts';
import { compiledFor, PlanState } from '#executor/plan-state.ts';
import { GroupTable, type Grouping, groupingFor } from '#executor/group-table.ts';
import { type RowCompare, rowComparator } from '#executor/sort-support.ts';
import type { Append, MergeAppend, RecursiveUnion, SetOp } from '#nodes/plan-nodes.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';

export class AppendState extends PlanState<Append> {
  #current = 0;
  constructor(
    plan: Append,
    estate: EState,
    readonly children: readonly PlanState[],
  ) {
    super(plan, estate);
  }
  next(): Row | null {
    while (this.#current < this.children.length) {
      const row = this.children[this.#current]!.next();
      if (row !== null) return row;
      this.#current++;
    }
    return null;
  }
  protected reset(): void {
    this.#current = 0;
    for (const child of this.children) child.rescan();
  }
}

export class MergeAppendState extends PlanState<MergeAppend> {
  readonly #compare: RowCompare;
  readonly #heads: (Row | null)[] = [];
  #last = -1;
  constructor(
    plan: MergeAppend,
    estate: EState,
    readonly children: readonly PlanState[],
  ) {
    super(plan, estate);
    this.#compare = compiledFor(plan, estate, () => rowComparator(plan));
  }
  next(): Row | null {
    if (this.#heads.length === 0) for (const child of this.children) this.#heads.push(child.next());
    else if (this.#last >= 0) this.#heads[this.#last] = this.children[this.#last]!.next();
    let best = -1;
    this.#heads.forEach((row, i) => {
      if (row !== null && (best < 0 || this.#compare(row, this.#heads[best]!) < 0)) best = i;
    });
    this.#last = best;
    return best < 0 ? null : this.#heads[best]!;
  }
  protected reset(): void {
    this.#heads.length = 0;
    this.#last = -1;
    for (const child of this.children) child.rescan();
  }
}

class WorkTable implements RowSource {
  rows: Row[] = [];
  rowAt(index: number): Row | null {
    return this.rows[index] ?? null;
  }
}

/** The left side fills the work table; the right side reads it and fills the next one, until nothing new comes. */
export class RecursiveUnionState extends PlanState<RecursiveUnion> {
  readonly #grouping: Grouping | null;
  readonly #work = new WorkTable();
  #seen: GroupTable<true> | null = null;
  #intermediate: Row[] = [];
  #recursing = false;
  constructor(
    plan: RecursiveUnion,
    estate: EState,
    readonly outer: PlanState,
    readonly inner: PlanState,
  ) {
    super(plan, estate);
    this.#grouping = compiledFor(plan, estate, () =>
      plan.dupColIdx.length === 0 ? null : groupingFor(plan.dupColIdx, plan.dupOperators, plan.dupCollations),
    );
    estate.workTables[plan.wtParam] = this.#work;
    if (this.#grouping !== null) this.#seen = new GroupTable(this.#grouping);
  }
  #isNew(row: Row): boolean {
    return this.#seen === null || this.#seen.add(row, () => true);
  }
  next(): Row | null {
    if (!this.#recursing) {
      for (let row = this.outer.next(); row !== null; row = this.outer.next()) {
        if (!this.#isNew(row)) continue;
        const kept = row.slice();
        this.#work.rows.push(kept);
        return kept;
      }
      this.#recursing = true;
    }
    for (;;) {
      checkForInterrupts();
      const row = this.inner.next();
      if (row !== null) {
        if (!this.#isNew(row)) continue;
        const kept = row.slice();
        this.#intermediate.push(kept);
        return kept;
      }
      if (this.#intermediate.length === 0) return null;
      this.#work.rows = this.#intermediate;
      this.#intermediate = [];
      // Whatever below cached rows of the work table must forget them.
      this.estate.setParam(this.plan.wtParam, null);
      this.inner.rescan();
    }
  }
  protected reset(): void {
    this.#work.rows = [];
    this.#intermediate = [];
    this.#recursing = false;
    if (this.#grouping !== null) this.#seen = new GroupTable(this.#grouping);
    this.outer.rescan();
    this.estate.setParam(this.plan.wtParam, null);
    this.inner.rescan();
  }
}

interface Counts {
  left: number;
  right: number;
}

export class SetOpState extends PlanState<SetOp> {
  readonly #code;
  #rows: Row[] | null = null;
  #position = 0;
  #stamp = 0;
  /** Sorted strategy: the group being given out, and the first row of the next. */
  #pendingRow: Row | null = null;
  #started = false;
  #repeat = 0;
  #current: Row = [];
  constructor(
    plan: SetOp,
    estate: EState,
    readonly outer: PlanState,
  ) {
    super(plan, estate);
    this.#code = compiledFor(plan, estate, () => ({
      grouping: groupingFor(plan.dupColIdx, plan.dupOperators, plan.dupCollations),
      equalities: columnEqualities(plan.dupColIdx, plan.dupOperators, plan.dupCollations),
    }));
  }

  /** How often a group of these counts appears in the result. */
  #copies(counts: Counts): number {
    const { cmd, all } = this.plan;
    if (cmd === 'intersect') {
      if (counts.left === 0 || counts.right === 0) return 0;
      return all ? Math.min(counts.left, counts.right) : 1;
    }
    if (all) return Math.max(0, counts.left - counts.right);
    return counts.left > 0 && counts.right === 0 ? 1 : 0;
  }

  next(): Row | null {
    return this.plan.strategy === 'hashed' ? this.#nextHashed() : this.#nextSorted();
  }

  #nextHashed(): Row | null {
    this.#rows ??= this.#fill();
    return this.#rows[this.#position++] ?? null;
  }
  #fill(): Row[] {
    this.#stamp = this.estate.clock;
    const flag = this.plan.flagColIdx - 1;
    const table = new GroupTable<Counts>(this.#code.grouping);
    for (let row = this.outer.next(); row !== null; row = this.outer.next()) {
      // For EXCEPT only left rows can matter; a right row without a left one needs no entry.
      const right = row[flag] === 1;
      const counts =
        right && this.plan.firstFlag === 0 ? table.find(row) : table.findOrAdd(row, () => ({ left: 0, right: 0 }));
      if (counts === undefined) continue;
      if (right) counts.right++;
      else counts.left++;
    }
    const out: Row[] = [];
    table.forEach((row, counts) => {
      for (let n = this.#copies(counts); n > 0; n--) out.push(row);
    });
    return out;
  }

  #nextSorted(): Row | null {
    if (!this.#started) {
      this.#started = true;
      this.#pendingRow = this.outer.next()?.slice() ?? null;
    }
    const flag = this.plan.flagColIdx - 1;
    while (this.#repeat === 0) {
      if (this.#pendingRow === null) return null;
      this.#current = this.#pendingRow;
      const counts: Counts = { left: 0, right: 0 };
      let row: Row | null = this.#current;
      while (row !== null && rowsEqual(this.#current, row, this.#code.equalities)) {
        if (row[flag] === 1) counts.right++;
        else counts.left++;
        row = this.outer.next();
      }
      this.#pendingRow = row?.slice() ?? null;
      this.#repeat = this.#copies(counts);
    }
    this.#repeat--;
    return this.#current;
  }

  protected reset(): void {
    this.#position = 0;
    if (this.#rows !== null && !this.estate.changedSince(this.plan.allParam, this.#stamp)) return;
    this.#rows = null;
    this.#started = false;
    this.#repeat = 0;
    this.outer.rescan();
  }
}
