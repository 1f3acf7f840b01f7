/** node-limit.ts — LIMIT, OFFSET, FETCH … WITH TIES; DISTINCT over sorted rows; row locking.
 *  Counterpart: src/backend/executor/nodeLimit.c, nodeUnique.c */
import type { Datum } from '#adt/datum.ts';
import type { EState, Row } from '#executor/estate.ts';
import { compileExpr } from '#executor/expr-compile.ts';
import { SortState } from '#executor/node-sort.ts';
import { ResultState } from '#executor/node-result.ts';
import { compiledFor, PlanState } from '#executor/plan-state.ts';
import { type Equals, equalityFor } from '#executor/sort-support.ts';
import type { Limit, Unique } from '#nodes/plan-nodes.ts';
import type { Oid } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export interface ColumnEquality {
  readonly column: number;
  readonly equals: Equals;
}
export function columnEqualities(columns: number[], operators: Oid[], collations: Oid[]): ColumnEquality[] {
  return columns.map((column, i) => ({
    column: column - 1,
    equals: equalityFor(operators[i]!, collations[i]!),
  }));
}
/** Nulls are equal to each other here. */
export function rowsEqual(a: Row, b: Row, columns: readonly ColumnEquality[]): boolean {
  for (let i = 0; i < columns.length; i++) {
    const { column, equals } = columns[i]!;
    const x = a[column]!;
    const y = b[column]!;
    if (x === null || y === null) {
      if (x !== y) return false;
    } else if (!equals(x, y)) return false;
  }
  return true;
}

export class LimitState extends PlanState<Limit> {
  readonly #code;
  #started = false;
  #skip = 0;
  /** -1 is no limit. */
  #count = -1;
  #given = 0;
  #done = false;
  #last: Row | null = null;
  constructor(
    plan: Limit,
    estate: EState,
    readonly outer: PlanState,
  ) {
    super(plan, estate);
    this.#code = compiledFor(plan, estate, (scope) => ({
      offset: plan.limitOffset === null ? null : compileExpr(plan.limitOffset, scope),
      count: plan.limitCount === null ? null : compileExpr(plan.limitCount, scope),
      ties: columnEqualities(plan.uniqColIdx, plan.uniqOperators, plan.uniqCollations),
    }));
  }

  next(): Row | null {
    if (!this.#started) this.#start();
    if (this.#done) return null;
    while (this.#skip > 0) {
      this.#skip--;
      if (this.outer.next() === null) return this.#finish();
    }
    if (this.#count < 0) return this.outer.next() ?? this.#finish();
    if (this.#given < this.#count) {
      const row = this.outer.next();
      if (row === null) return this.#finish();
      this.#given++;
      if (this.plan.limitOption === 'with_ties' && this.#given === this.#count) this.#last = row.slice();
      return row;
    }
    if (this.#last === null) return this.#finish();
    const row = this.outer.next();
    return row !== null && rowsEqual(this.#last, row, this.#code.ties) ? row : this.#finish();
  }

  #finish(): null {
    this.#done = true;
    return null;
  }

  #start(): void {
    this.#started = true;
    this.#done = false;
    this.#given = 0;
    this.#last = null;
    const offset = this.#code.offset === null ? null : this.#code.offset(this.context);
    const count = this.#code.count === null ? null : this.#code.count(this.context);
    this.#skip = nonNegative(offset, 0, SQLSTATE.invalidRowCountInResultOffsetClause, 'OFFSET');
    this.#count = nonNegative(count, -1, SQLSTATE.invalidRowCountInLimitClause, 'LIMIT');
    if (this.#count === 0) this.#done = true;
    if (this.#count >= 0 && this.plan.limitOption === 'count') boundSort(this.outer, this.#skip + this.#count);
  }

  protected reset(): void {
    this.#started = false;
    this.outer.rescan();
  }
}

function nonNegative(
  value: Datum,
  absent: number,
  code: (typeof SQLSTATE)[keyof typeof SQLSTATE],
  clause: string,
): number {
  if (value === null) return absent;
  if ((value as number) < 0) report('ERROR', { code, message: `${clause} must not be negative` });
  return Number(value);
}

/** Tells a Sort below how many rows anyone will look at. */
function boundSort(node: PlanState, bound: number): void {
  if (bound > 1_000_000) return;
  if (node instanceof SortState) node.bound = bound;
  else if (node instanceof ResultState && node.outer !== null && node.plan.qual.length === 0)
    boundSort(node.outer, bound);
}

export class UniqueState extends PlanState<Unique> {
  readonly #columns: ColumnEquality[];
  #last: Row | null = null;
  constructor(
    plan: Unique,
    estate: EState,
    readonly outer: PlanState,
  ) {
    super(plan, estate);
    this.#columns = compiledFor(plan, estate, () =>
      columnEqualities(plan.uniqColIdx, plan.uniqOperators, plan.uniqCollations),
    );
  }
  next(): Row | null {
    for (let row = this.outer.next(); row !== null; row = this.outer.next()) {
      if (this.#last !== null && rowsEqual(this.#last, row, this.#columns)) continue;
      this.#last = row.slice();
      return row;
    }
    return null;
  }
  protected reset(): void {
    this.#last = null;
    this.outer.rescan();
  }
}
