/** scan-keys.ts — the conditions of a scan: put in order, freed of redundancy, and tested against tuples.
 *
 *  After preprocessing, a key is “required” for a direction if its failing means that no later tuple can match. Strategies
 *  are those of the index's order: on a DESC column < has become >. Array keys (column = ANY) are expanded from outside:
 *  one scan per combination of elements, in index order.
 *  Counterpart: _bt_preprocess_keys() … _bt_checkkeys(), array keys, of src/backend/access/nbtree/nbtutils.c */
import { indexAttribute } from '#access/common/index-attribute.ts';
import { compareArguments, compareKey, type KeyArgument } from '#access/common/key-compare.ts';
import { pgQsortArray } from '#access/common/pg-qsort.ts';
import { BT_STRATEGY, type ScanKey, SK } from '#access/common/scan-key.ts';
import type { BtIndexState } from '#access/nbtree/index-state.ts';
import { columnArgument } from '#access/nbtree/insert-key.ts';
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';

const { less, lessEqual, equal, greaterEqual, greater } = BT_STRATEGY;
const MAX_STRATEGY = 5;
const commute = (strategy: number): number => MAX_STRATEGY + 1 - strategy;
const INDOPTION_DESC = 1;
const INDOPTION_NULLS_FIRST = 2;

/** One condition, prepared. */
export class BtKey {
  flags: number;
  /** In the index's order. */
  strategy: number;
  /** As the operator says. */
  readonly operator: number;
  readonly attno: number;
  readonly subtype: Oid;
  value: Datum = null;
  readonly arg: KeyArgument;
  /** Members of a row comparison. */
  members: BtKey[] | null = null;
  constructor(state: BtIndexState, key: ScanKey) {
    this.flags = key.flags & ~(SK.btRequiredForward | SK.btRequiredBackward | SK.btDesc | SK.btNullsFirst);
    this.attno = key.attno;
    this.strategy = key.strategy;
    this.operator = key.strategy;
    this.subtype = key.subtype;
    this.arg = columnArgument(state, key.attno - 1);
    if ((key.flags & SK.rowHeader) !== 0) {
      this.members = (key.argument as ScanKey[]).map((member) => new BtKey(state, member));
      this.members[this.members.length - 1]!.flags |= SK.rowEnd;
    } else if ((key.flags & SK.searchArray) === 0) this.setValue(key.argument as Datum);
    else this.value = key.argument as Datum;
  }
  setValue(value: Datum): void {
    this.value = value;
    if (value === null) {
      this.flags |= SK.isNull;
      this.arg.setNull();
    } else this.arg.setDatum(value, this.subtype);
  }
  release(): void {
    this.arg.release();
    if (this.members !== null) for (const member of this.members) member.release();
  }
}

/** The operator's answer for a column that compares as `order` with the argument. */
function satisfies(operator: number, order: number): boolean {
  switch (operator) {
    case less:
      return order < 0;
    case lessEqual:
      return order <= 0;
    case equal:
      return order === 0;
    case greaterEqual:
      return order >= 0;
    default:
      return order > 0;
  }
}

/** “left op right” for two keys' arguments; null if their types have no comparison in the family. */
function compareKeys(op: BtKey, left: BtKey, right: BtKey): boolean | null {
  if (((left.flags | right.flags) & SK.isNull) !== 0) {
    const leftNull = (left.flags & SK.isNull) !== 0 ? 1 : 0;
    const rightNull = (right.flags & SK.isNull) !== 0 ? 1 : 0;
    const strategy = (op.flags & SK.btNullsFirst) !== 0 ? commute(op.strategy) : op.strategy;
    return satisfies(strategy, leftNull - rightNull);
  }
  const order = compareArguments(left.arg, left.value, left.subtype, right.arg, right.value, right.subtype);
  return order === null ? null : satisfies(op.operator, order);
}

/** Applies the column's order to the key's strategy. False: the condition can never hold (a comparison with NULL). */
function fixStrategy(state: BtIndexState, key: BtKey): boolean {
  const option = state.index.options[key.attno - 1] ?? 0;
  const added =
    ((option & INDOPTION_DESC) !== 0 ? SK.btDesc : 0) | ((option & INDOPTION_NULLS_FIRST) !== 0 ? SK.btNullsFirst : 0);
  if ((key.flags & SK.isNull) !== 0) {
    key.flags |= added;
    if ((key.flags & SK.searchNull) !== 0) key.strategy = equal;
    else if ((key.flags & SK.searchNotNull) !== 0) key.strategy = (added & SK.btNullsFirst) !== 0 ? greater : less;
    else return false;
    return true;
  }
  if ((added & SK.btDesc) !== 0 && (key.flags & SK.btDesc) === 0) key.strategy = commute(key.strategy);
  key.flags |= added;
  if (key.members !== null)
    for (const member of key.members) {
      const memberOption = state.index.options[member.attno - 1] ?? 0;
      if ((memberOption & INDOPTION_DESC) !== 0 && (member.flags & SK.btDesc) === 0) {
        member.strategy = commute(member.strategy);
        member.flags |= SK.btDesc;
      }
      if ((memberOption & INDOPTION_NULLS_FIRST) !== 0) member.flags |= SK.btNullsFirst;
    }
  return true;
}

function markRequired(key: BtKey): void {
  let added = SK.btRequiredForward | SK.btRequiredBackward;
  if (key.strategy < equal) added = SK.btRequiredForward;
  else if (key.strategy > equal) added = SK.btRequiredBackward;
  key.flags |= added;
  // Of a row comparison the first column has this property, the others only together with it.
  if (key.members !== null) key.members[0]!.flags |= added;
}

/** Result of checkTuple beside its value: later tuples in this direction may match. */
let continueScan = true;
export const scanMayContinue = (): boolean => continueScan;

/** An array key of which the scan takes one element at a time. */
interface ArrayKey {
  readonly key: BtKey;
  readonly elements: readonly Datum[];
  current: number;
  marked: number;
}

export class ScanQuals {
  /** Prepared keys in order of columns; those that preprocessing found redundant are not among them. */
  keys: BtKey[] = [];
  satisfiable = true;
  /** Some array has no element: nothing can match. */
  arraysEmpty = false;
  arrays: ArrayKey[] = [];
  private input: BtKey[];
  constructor(
    readonly state: BtIndexState,
    keys: readonly ScanKey[],
  ) {
    this.input = keys.map((key) => new BtKey(state, key));
    this.prepareArrays();
  }
  release(): void {
    for (const key of this.input) key.release();
  }

  // ── arrays ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  private prepareArrays(): void {
    for (const key of this.input) {
      if ((key.flags & SK.searchArray) === 0) continue;
      // A NULL array matches nothing, as do its NULL elements.
      const elements =
        key.value === null ? [] : (key.value as ArrayDatum).elements.filter((element) => element !== null);
      if (elements.length === 0) {
        this.arraysEmpty = true;
        return;
      }
      const descending = ((this.state.index.options[key.attno - 1] ?? 0) & INDOPTION_DESC) !== 0;
      const sorted = this.sortElements(key, elements);
      key.flags &= ~SK.isNull;
      if (key.operator === equal) {
        if (descending) sorted.reverse();
        key.setValue(sorted[0]!);
        this.arrays.push({ key, elements: sorted, current: 0, marked: 0 });
      } else {
        // col < ANY (array) is col < its greatest element.
        key.setValue(key.operator < equal ? sorted[sorted.length - 1]! : sorted[0]!);
      }
    }
  }
  /** Ascending, without duplicates. */
  private sortElements(key: BtKey, elements: readonly Datum[]): Datum[] {
    const a = columnArgument(this.state, key.attno - 1);
    const b = columnArgument(this.state, key.attno - 1);
    const compare = (x: Datum, y: Datum): number => {
      a.setDatum(x, key.subtype);
      b.setDatum(y, key.subtype);
      const order = compareArguments(a, x, key.subtype, b, y, key.subtype);
      if (order === null)
        report('ERROR', {
          message: `missing support function 1(${key.subtype},${key.subtype}) for attribute ${key.attno} of index "${this.state.rel.name}"`,
        });
      return order;
    };
    const sorted = [...elements];
    pgQsortArray(sorted, compare);
    const unique = sorted.filter((element, i) => i === 0 || compare(sorted[i - 1]!, element) !== 0);
    a.release();
    b.release();
    return unique;
  }
  startArrays(forward: boolean): void {
    for (const array of this.arrays) {
      array.current = forward ? 0 : array.elements.length - 1;
      array.key.setValue(array.elements[array.current]!);
    }
  }
  /** The next combination, the last array turning fastest; false if there is none. */
  advanceArrays(forward: boolean): boolean {
    for (let i = this.arrays.length - 1; i >= 0; i--) {
      const array = this.arrays[i]!;
      let next = array.current + (forward ? 1 : -1);
      let wrapped = false;
      if (next < 0 || next >= array.elements.length) {
        next = forward ? 0 : array.elements.length - 1;
        wrapped = true;
      }
      array.current = next;
      array.key.setValue(array.elements[next]!);
      if (!wrapped) return true;
    }
    return false;
  }
  markArrays(): void {
    for (const array of this.arrays) array.marked = array.current;
  }
  /** True if the keys changed: they must be preprocessed again. */
  restoreArrays(): boolean {
    let changed = false;
    for (const array of this.arrays)
      if (array.current !== array.marked) {
        array.current = array.marked;
        array.key.setValue(array.elements[array.marked]!);
        changed = true;
      }
    return changed;
  }

  // ── preprocessing ──────────────────────────────────────────────────────────────────────────────────────────────────

  preprocess(): void {
    const { state, input } = this;
    const out: BtKey[] = [];
    this.satisfiable = true;
    this.keys = out;
    if (input.length === 0) return;
    for (const key of input) {
      key.flags &= ~(SK.btRequiredForward | SK.btRequiredBackward);
      if (key.members !== null)
        for (const member of key.members) member.flags &= ~(SK.btRequiredForward | SK.btRequiredBackward);
    }
    if (input[0]!.attno < 1) report('ERROR', { message: 'btree index keys must be ordered by attribute' });
    if (input.length === 1) {
      const key = input[0]!;
      if (!fixStrategy(state, key)) this.satisfiable = false;
      out.push(key);
      if (key.attno === 1) markRequired(key);
      return;
    }
    let equalColumns = 0;
    let attno = 1;
    /** Best key found of each strategy for the column. */
    const best: (BtKey | null)[] = [null, null, null, null, null, null];
    for (let i = 0; i <= input.length; i++) {
      const key = input[i];
      if (key !== undefined && !fixStrategy(state, key)) {
        this.satisfiable = false;
        return;
      }
      if (key === undefined || key.attno !== attno) {
        if (key !== undefined && key.attno < attno)
          report('ERROR', { message: 'btree index keys must be ordered by attribute' });
        const before = equalColumns;
        if (best[equal]) {
          equalColumns++;
          if (!this.dropBesideEqual(best)) {
            this.satisfiable = false;
            return;
          }
        }
        keepOne(best, less, lessEqual);
        keepOne(best, greater, greaterEqual);
        for (let j = MAX_STRATEGY; j >= 1; j--) {
          const chosen = best[j];
          if (!chosen) continue;
          out.push(chosen);
          if (before === attno - 1) markRequired(chosen);
          best[j] = null;
        }
        if (key === undefined) return;
        attno = key.attno;
      }
      if (key.members !== null) {
        out.push(key);
        if (equalColumns === attno - 1) markRequired(key);
        continue;
      }
      const strategy = key.strategy;
      const old = best[strategy];
      if (!old) {
        best[strategy] = key;
        continue;
      }
      const stricter = compareKeys(key, key, old);
      if (stricter === true) best[strategy] = key;
      else if (stricter === false) {
        // column = a AND column = b
        if (strategy === equal) {
          this.satisfiable = false;
          return;
        }
      } else {
        // Types that cannot be compared with each other: keep both.
        out.push(key);
        if (equalColumns === attno - 1) markRequired(key);
      }
    }
  }
  /** With “=”, other conditions of the column are redundant or contradict it (false). */
  private dropBesideEqual(best: (BtKey | null)[]): boolean {
    const eq = best[equal]!;
    for (let j = MAX_STRATEGY; j >= 1; j--) {
      const other = best[j];
      if (!other || j === equal) continue;
      // IS NULL goes with nothing else.
      if ((eq.flags & SK.searchNull) !== 0) return false;
      const holds = compareKeys(other, eq, other);
      if (holds === false) return false;
      if (holds === true) best[j] = null;
    }
    return true;
  }

  // ── testing ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Does the tuple (with `natts` columns, fewer in a truncated high key) satisfy all keys? Sets scanMayContinue(). */
  checkTuple(tup: number, natts: number, forward: boolean): boolean {
    const { keys, state } = this;
    continueScan = true;
    const required = forward ? SK.btRequiredForward : SK.btRequiredBackward;
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!;
      // A truncated column may be anything on the next page.
      if (key.attno > natts) continue;
      if (key.members !== null) {
        if (checkRow(state, key.members, tup, natts, forward)) continue;
        return false;
      }
      const at = indexAttribute(state.desc, tup, key.attno);
      const flags = key.flags;
      if ((flags & SK.isNull) !== 0) {
        if ((flags & SK.searchNull) !== 0 ? at === 0 : at !== 0) continue;
        if ((flags & required) !== 0) continueScan = false;
        return false;
      }
      if (at === 0) {
        stopAtNull(flags, forward);
        return false;
      }
      if (!satisfies(key.operator, compareKey(key.arg, at))) {
        if ((flags & required) !== 0) continueScan = false;
        return false;
      }
    }
    return true;
  }
}

/** Of < and <=, or > and >=, only the stricter one. */
function keepOne(best: (BtKey | null)[], strict: number, loose: number): void {
  const first = best[strict];
  const second = best[loose];
  if (!first || !second) return;
  const holds = compareKeys(second, first, second);
  if (holds === true) best[loose] = null;
  else if (holds === false) best[strict] = null;
}

/** A NULL matches no comparison. All NULLs are together at one end: coming to them from inside, the range is over. */
function stopAtNull(flags: number, forward: boolean): void {
  if ((flags & (SK.btRequiredForward | SK.btRequiredBackward)) === 0) return;
  if (((flags & SK.btNullsFirst) !== 0) !== forward) continueScan = false;
}

function checkRow(
  state: BtIndexState,
  members: readonly BtKey[],
  tup: number,
  natts: number,
  forward: boolean,
): boolean {
  const required = forward ? SK.btRequiredForward : SK.btRequiredBackward;
  let order = 0;
  let decider = members[0]!;
  for (let i = 0; i < members.length; i++) {
    decider = members[i]!;
    if (decider.attno > natts) {
      order = 0;
      continue;
    }
    const at = indexAttribute(state.desc, tup, decider.attno);
    if (at === 0) {
      stopAtNull(decider.flags, forward);
      return false;
    }
    if ((decider.flags & SK.isNull) !== 0) {
      // Never true; if the columns before are required, for nothing that follows either.
      const before = members[i > 0 ? i - 1 : 0]!;
      if ((before.flags & required) !== 0) continueScan = false;
      return false;
    }
    order = compareKey(decider.arg, at);
    if ((decider.flags & SK.btDesc) !== 0) order = -order;
    if (order !== 0) break;
  }
  if (satisfies(decider.strategy, order)) return true;
  if ((decider.flags & required) !== 0) continueScan = false;
  return false;
}
