/** sort-support.ts — from operators to code: comparing rows by sort operators, hashing and comparing them by equality.
 *
 *  A hash key is a JavaScript Map key. Where values that are equal under the operator are the same JavaScript
 *  primitive (integers, C-like text, booleans), the key is exact and equality needs no second look.
 *  Counterpart: src/backend/utils/sort/sortsupport.c, executor/execGrouping.c */
import type { Datum } from '#adt/datum.ts';
import { typeInfo } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { ACCESS_METHOD, BT, COLLATION } from '#catalog/oids.ts';
import {
  amopsOfOperator,
  baseType,
  collationRow,
  familyMember,
  familyProc,
  operatorRow,
  procRow,
} from '#catalog/syscache.ts';
import type { Row } from '#executor/estate.ts';
import { directCall } from '#executor/function-call.ts';
import type { SortColumns } from '#nodes/plan-nodes.ts';

export type Compare = (a: Datum, b: Datum) => number;
export type Equals = (a: Datum, b: Datum) => boolean;
export type RowCompare = (a: Row, b: Row) => number;
export type HashKey = number | string | bigint | boolean | null;

const numeric = (a: Datum, b: Datum): number =>
  (a as number) < (b as number) ? -1 : (a as number) > (b as number) ? 1 : 0;
/** Comparison functions whose arguments compare like JavaScript numbers (and bigints). */
const NUMBER_COMPARISONS = new Set([
  'btint2cmp',
  'btint4cmp',
  'btint8cmp',
  'btoidcmp',
  'btint24cmp',
  'btint28cmp',
  'btint42cmp',
  'btint48cmp',
  'btint82cmp',
  'btint84cmp',
  'date_cmp',
  'timestamp_cmp',
  'time_cmp',
  'cash_cmp',
  'pg_lsn_cmp',
  'btboolcmp',
]);
/** Equality functions under which equal means ===. */
const IDENTITY_EQUALITY = new Set([
  'int2eq',
  'int4eq',
  'int8eq',
  'int24eq',
  'int42eq',
  'int28eq',
  'int82eq',
  'int48eq',
  'int84eq',
  'oideq',
  'booleq',
  'nameeq',
  'chareq',
  'date_eq',
  'timestamp_eq',
  'time_eq',
  'cash_eq',
  'pg_lsn_eq',
  'xideq',
  'xid8eq',
  'cideq',
]);
const TEXT_EQUALITY = new Set(['texteq', 'nameeqtext', 'texteqname', 'bpchareq']);

/** The btree family and direction in which an operator is the < or the >. */
export function orderingOf(sortop: Oid): { family: Oid; type: Oid; reverse: boolean } | undefined {
  for (const row of amopsOfOperator(sortop)) {
    if (row.amopmethod !== ACCESS_METHOD.btree) continue;
    if (row.amopstrategy !== BT.less && row.amopstrategy !== BT.greater) continue;
    return { family: row.amopfamily, type: row.amoplefttype, reverse: row.amopstrategy === BT.greater };
  }
  return undefined;
}

/** Three-way comparison of non-null values in the order of `sortop`. */
export function comparatorFor(sortop: Oid, collation: Oid): Compare {
  const ordering = orderingOf(sortop);
  if (ordering === undefined) throw new Error(`operator ${sortop} is not a valid ordering operator`);
  const compare = familyCompare(ordering.family, ordering.type, ordering.type, collation);
  return ordering.reverse ? (a, b) => compare(b, a) : compare;
}
export function familyCompare(family: Oid, left: Oid, right: Oid, collation: Oid): Compare {
  const proc = familyProc(family, left, right, 1);
  if (NUMBER_COMPARISONS.has(procRow(proc)?.prosrc ?? '')) return numeric;
  const call = directCall(proc, [left, right], 23 as Oid, collation);
  return (a, b) => call(a, b) as number;
}

/** NULLS FIRST/LAST around a comparison. */
export function withNulls(compare: Compare, nullsFirst: boolean): Compare {
  const low = nullsFirst ? -1 : 1;
  return (a, b) => (a === null ? (b === null ? 0 : low) : b === null ? -low : compare(a, b));
}

/** Comparison of whole rows by the sort columns. */
export function rowComparator(sort: SortColumns): RowCompare {
  const columns = sort.sortColIdx.map((column) => column - 1);
  const compares = sort.sortColIdx.map((_, i) =>
    withNulls(comparatorFor(sort.sortOperators[i]!, sort.collations[i]!), sort.nullsFirst[i]!),
  );
  if (columns.length === 1) {
    const column = columns[0]!;
    const compare = compares[0]!;
    return (a, b) => compare(a[column]!, b[column]!);
  }
  const count = columns.length;
  return (a, b) => {
    for (let i = 0; i < count; i++) {
      const order = compares[i]!(a[columns[i]!]!, b[columns[i]!]!);
      if (order !== 0) return order;
    }
    return 0;
  };
}

/** Equality of non-null values under an = operator. */
export function equalityFor(eqop: Oid, collation: Oid): Equals {
  const operator = operatorRow(eqop);
  if (operator === undefined) throw new Error(`operator ${eqop} does not exist`);
  if (isExact(eqop, collation)) return (a, b) => a === b;
  const call = directCall(operator.oprcode, [operator.oprleft, operator.oprright], 16 as Oid, collation);
  return (a, b) => call(a, b) === true;
}
export function equalityForProc(proc: Oid, types: readonly Oid[], collation: Oid): Equals {
  const call = directCall(proc, types, 16 as Oid, collation);
  return (a, b) => call(a, b) === true;
}

function isDeterministic(collation: Oid): boolean {
  return collation === 0 || collation === COLLATION.default || (collationRow(collation)?.collisdeterministic ?? true);
}
/** Is equality under this operator the === of Datums? */
export function isExact(eqop: Oid, collation: Oid): boolean {
  const prosrc = procRow(operatorRow(eqop)?.oprcode ?? (0 as Oid))?.prosrc ?? '';
  if (IDENTITY_EQUALITY.has(prosrc)) return true;
  return prosrc !== 'bpchareq' && TEXT_EQUALITY.has(prosrc) && isDeterministic(collation);
}

/** Key of one value for a hash table over `eqop`; `exact` says whether equal keys prove equal values. */
export interface KeyMaker {
  readonly exact: boolean;
  key(value: Datum): HashKey;
}
export function keyMakerFor(eqop: Oid, collation: Oid, right = false): KeyMaker {
  if (isExact(eqop, collation)) return { exact: true, key: (value) => value as HashKey };
  const operator = operatorRow(eqop)!;
  const type = baseType(right ? operator.oprright : operator.oprleft);
  const polymorphic = type === 2277 || type === 3831 || type === 4537 || type === 3500 || type === 2249;
  if (polymorphic) return { exact: false, key: genericKey };
  const info = typeInfo(type);
  const hash = info.hash;
  if (hash !== undefined) return { exact: false, key: (value) => (value === null ? null : hash(value, collation)) };
  return { exact: false, key: () => 0 };
}
/** For values whose type only the value knows: coarse, but equal values always meet. */
function genericKey(value: Datum): HashKey {
  if (value === null || typeof value !== 'object') return value;
  if ('kind' in value) {
    if (value.kind === 'array') return `a${value.dims.join(',')}`;
    if (value.kind === 'record') return value.values.length;
  }
  return 0;
}

/** The < operator's family comparison for an equality operator that can merge; undefined otherwise. */
export function mergeOrdering(eqop: Oid): { family: Oid; left: Oid; right: Oid; lessOperator: Oid } | undefined {
  for (const row of amopsOfOperator(eqop)) {
    if (row.amopmethod !== ACCESS_METHOD.btree || row.amopstrategy !== BT.equal) continue;
    const lessOperator = familyMember(row.amopfamily, row.amoplefttype, row.amoplefttype, BT.less);
    if (lessOperator === 0) continue;
    return { family: row.amopfamily, left: row.amoplefttype, right: row.amoprighttype, lessOperator };
  }
  return undefined;
}
