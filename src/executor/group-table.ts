/** group-table.ts — a hash table of rows by some of their columns, nulls being equal to each other.
 *
 *  One exact column is a plain Map lookup. Otherwise a key is built and the bucket compared.
 *  Counterpart: TupleHashTable of src/backend/executor/execGrouping.c */
import type { Oid } from '#base/ids.ts';
import type { Row } from '#executor/estate.ts';
import { type ColumnEquality, columnEqualities, rowsEqual } from '#executor/node-limit.ts';
import { type HashKey, type KeyMaker, keyMakerFor } from '#executor/sort-support.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';

export interface Grouping {
  readonly columns: readonly ColumnEquality[];
  readonly makers: readonly KeyMaker[];
  /** The key of a row decides by itself. */
  readonly exact: boolean;
}
export function groupingFor(columns: number[], operators: Oid[], collations: Oid[]): Grouping {
  const makers = operators.map((operator, i) => keyMakerFor(operator, collations[i]!));
  return {
    columns: columnEqualities(columns, operators, collations),
    makers,
    exact: makers.length === 1 && makers[0]!.exact,
  };
}

interface Entry<V> {
  readonly row: Row;
  value: V;
  next: Entry<V> | null;
}

export class GroupTable<V> {
  readonly #entries = new Map<HashKey, Entry<V>>();
  readonly #order: Entry<V>[] = [];
  #ticks = 0;
  constructor(readonly grouping: Grouping) {}

  get size(): number {
    return this.#order.length;
  }
  #key(row: Row): HashKey {
    const { columns, makers } = this.grouping;
    if (makers.length === 1) return makers[0]!.key(row[columns[0]!.column]!);
    let key = '';
    for (let i = 0; i < makers.length; i++) {
      const part = makers[i]!.key(row[columns[i]!.column]!);
      key += part === null ? '\u0001n' : `\u0001${typeof part === 'string' ? part : `#${part}`}`;
    }
    return key;
  }
  find(row: Row): V | undefined {
    let entry = this.#entries.get(this.#key(row)) ?? null;
    if (this.grouping.exact) return entry?.value;
    while (entry !== null && !rowsEqual(entry.row, row, this.grouping.columns)) entry = entry.next;
    return entry?.value;
  }
  /** The value of the row's group; a new group keeps a copy of the row. */
  findOrAdd(row: Row, make: (row: Row) => V): V {
    if ((++this.#ticks & 255) === 0) checkForInterrupts();
    const key = this.#key(row);
    const head = this.#entries.get(key) ?? null;
    let entry = head;
    if (!this.grouping.exact) {
      while (entry !== null && !rowsEqual(entry.row, row, this.grouping.columns)) entry = entry.next;
    }
    if (entry !== null) return entry.value;
    const kept = row.slice();
    const fresh: Entry<V> = { row: kept, value: make(kept), next: head };
    this.#entries.set(key, fresh);
    this.#order.push(fresh);
    return fresh.value;
  }
  /** Adds a group; false if it was there. */
  add(row: Row, make: () => V): boolean {
    const before = this.#order.length;
    this.findOrAdd(row, make);
    return this.#order.length > before;
  }
  at(index: number): { readonly row: Row; readonly value: V } | undefined {
    return this.#order[index];
  }
  forEach(f: (row: Row, value: V) => void): void {
    for (const entry of this.#order) f(entry.row, entry.value);
  }
}
