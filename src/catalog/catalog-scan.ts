/** catalog-scan.ts — reading rows of a catalog through an index or, when indexes may not be trusted, through the table.
 *
 *  The relation cache itself reads this way, so relations are passed in open; systable.ts opens them by number.
 *  Keys name columns of the table. Every scan uses a catalog snapshot unless another is given.
 *  Counterpart: systable_beginscan() of src/backend/access/index/genam.c */
import { heapDeform, heapGetAttr } from '#access/common/heap-tuple.ts';
import { indexBeginScan, indexEndScan, indexGetNext } from '#access/common/index-access.ts';
import type { IndexScanState } from '#access/common/index-scan.ts';
import type { Relation } from '#access/common/relation-descriptor.ts';
import { BT_STRATEGY, makeScanKey, type ScanKey } from '#access/common/scan-key.ts';
import { heapBeginScan, type HeapScan } from '#access/heap/heap-scan.ts';
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import type { ItemPointer, Oid } from '#base/ids.ts';
import { COLLATION, TYPE } from '#catalog/oids.ts';
import { assert } from '#base/assert.ts';
import { getCatalogSnapshot, registerSnapshot, type Snapshot, unregisterSnapshot } from '#transam/snapshot.ts';

/** A condition on a column of the table, `=` unless said otherwise. */
export interface CatalogKey {
  readonly attnum: number;
  readonly value: Datum;
  /** B-tree strategy. */
  readonly strategy?: number;
}

/** Equality function and collation of a column type that catalogs have in indexes. */
const EQUALITY: Readonly<Record<number, number>> = {
  [TYPE.oid]: 184,
  [TYPE.regproc]: 184,
  [TYPE.int2]: 63,
  [TYPE.int4]: 65,
  [TYPE.int8]: 467,
  [TYPE.char]: 61,
  [TYPE.bool]: 60,
  [TYPE.name]: 62,
  [TYPE.text]: 67,
  [TYPE.float4]: 287,
  [TYPE.oidvector]: 679,
};
/** Functions of other strategies, where catalogs are scanned by them (attnum > 0, ranges of TOAST chunks). */
const INT_PROCS: Readonly<Record<number, Readonly<Record<number, number>>>> = {
  [TYPE.int2]: { 1: 64, 2: 148, 4: 151, 5: 146 },
  [TYPE.int4]: { 1: 66, 2: 149, 4: 150, 5: 147 },
  [TYPE.oid]: { 1: 716, 2: 717, 4: 1639, 5: 1638 },
};

function compareValues(a: Datum, b: Datum): number {
  if (typeof a === 'object' && a !== null && 'kind' in a && a.kind === 'array') {
    const left = a.elements as number[];
    const right = (b as ArrayDatum).elements as number[];
    if (left.length !== right.length) return left.length - right.length;
    for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return left[i]! - right[i]!;
    return 0;
  }
  return a === b ? 0 : (a as number) < (b as number) ? -1 : 1;
}
const TESTS: Readonly<Record<number, (value: Datum, argument: Datum) => boolean>> = {
  1: (a, b) => compareValues(a, b) < 0,
  2: (a, b) => compareValues(a, b) <= 0,
  3: (a, b) => compareValues(a, b) === 0,
  4: (a, b) => compareValues(a, b) >= 0,
  5: (a, b) => compareValues(a, b) > 0,
};

/** The key as access methods want it, for column `attno` of what is scanned. */
function scanKey(rel: Relation, key: CatalogKey, attno: number): ScanKey {
  const type = rel.tupleDesc.attrs[key.attnum - 1]!.typeId;
  const strategy = key.strategy ?? BT_STRATEGY.equal;
  const proc = strategy === BT_STRATEGY.equal ? EQUALITY[type] : INT_PROCS[type]?.[strategy];
  assert(proc !== undefined, `a catalog cannot be scanned by type ${type}`);
  return makeScanKey(attno, strategy, proc as Oid, key.value, {
    collation: type === TYPE.name || type === TYPE.text ? COLLATION.c : (0 as Oid),
    test: TESTS[strategy]!,
  });
}

export class CatalogScan {
  readonly #heapScan: HeapScan | null;
  readonly #indexScan: IndexScanState | null;
  readonly #snapshot: Snapshot | null;
  /** The row found last, valid until the next call. */
  tupleAt = 0;
  tupleLen = 0;
  tid = 0 as ItemPointer;

  /** `index`: null to read the table from its first page to its last. */
  constructor(
    readonly rel: Relation,
    index: Relation | null,
    keys: readonly CatalogKey[],
    given: Snapshot | null = null,
  ) {
    this.#snapshot = given === null ? registerSnapshot(getCatalogSnapshot(rel.oid)) : null;
    const snapshot = given ?? this.#snapshot!;
    if (index === null) {
      const heapKeys = keys.map((key) => scanKey(rel, key, key.attnum));
      this.#heapScan = heapBeginScan(rel, snapshot, heapKeys, {
        allowStrat: true,
        allowSync: false,
        allowPagemode: true,
      });
      this.#indexScan = null;
      return;
    }
    const columns = index.index!.keys;
    const indexKeys = keys
      .map((key) => {
        const attno = columns.indexOf(key.attnum) + 1;
        assert(attno > 0, `column ${key.attnum} is not in index ${index.name}`);
        return scanKey(rel, key, attno);
      })
      .sort((a, b) => a.attno - b.attno);
    this.#heapScan = null;
    this.#indexScan = indexBeginScan(rel, index, snapshot, indexKeys);
  }

  next(direction: 1 | -1 = 1): boolean {
    if (this.#heapScan !== null) {
      if (!this.#heapScan.next(direction)) return false;
      this.tupleAt = this.#heapScan.tupleAt;
      this.tupleLen = this.#heapScan.tupleLen;
      this.tid = this.#heapScan.tid;
      return true;
    }
    const scan = this.#indexScan!;
    if (!indexGetNext(scan, direction)) return false;
    const fetch = scan.fetch!;
    this.tupleAt = fetch.tupleAt;
    this.tupleLen = fetch.tupleLen;
    this.tid = fetch.tid;
    return true;
  }
  /** All columns of the row, or those with a 1 in `needed`. */
  values(out: Datum[] = [], needed: Uint8Array | null = null): Datum[] {
    heapDeform(this.rel.tupleDesc, this.tupleAt, this.rel.tupleDesc.natts, out, needed);
    return out;
  }
  /** One column (from 1). */
  value(attnum: number): Datum {
    return heapGetAttr(this.rel.tupleDesc, this.tupleAt, attnum);
  }
  end(): void {
    this.#heapScan?.end();
    if (this.#indexScan !== null) indexEndScan(this.#indexScan);
    if (this.#snapshot !== null) unregisterSnapshot(this.#snapshot);
  }
}
