/** keyed-sort.ts — sorting items by a number per item, with a comparison for items whose numbers are equal.
 *
 *  The numbers are leading keys or abbreviations of them (key-compare.ts), so that nearly all comparisons are one
 *  subtraction on a typed array. Algorithm and order of equal items are those of pg-qsort.ts.
 *  Counterpart: qsort_tuple and its specialisations in src/backend/utils/sort/tuplesort.c */

/** Order of two items (by id) whose numbers are equal. */
export type TieBreaker = (a: number, b: number) => number;

class KeyedSort {
  constructor(
    readonly keys: Float64Array,
    readonly ids: Uint32Array,
    readonly tie: TieBreaker | null,
  ) {}
  compare(i: number, j: number): number {
    const { keys } = this;
    const a = keys[i]!;
    const b = keys[j]!;
    if (a < b) return -1;
    if (a > b) return 1;
    return this.tie === null ? 0 : this.tie(this.ids[i]!, this.ids[j]!);
  }
  swap(i: number, j: number): void {
    const { keys, ids } = this;
    const key = keys[i]!;
    keys[i] = keys[j]!;
    keys[j] = key;
    const id = ids[i]!;
    ids[i] = ids[j]!;
    ids[j] = id;
  }
  swapRange(a: number, b: number, count: number): void {
    for (let i = 0; i < count; i++) this.swap(a + i, b + i);
  }
  median3(a: number, b: number, c: number): number {
    if (this.compare(a, b) < 0) return this.compare(b, c) < 0 ? b : this.compare(a, c) < 0 ? c : a;
    return this.compare(b, c) > 0 ? b : this.compare(a, c) < 0 ? a : c;
  }
  /** The same steps as pgQsort(), which cannot be shared: a call through an interface per comparison costs half. */
  sort(from: number, length: number): void {
    let a = from;
    let n = length;
    for (;;) {
      if (n < 7) {
        for (let m = a + 1; m < a + n; m++)
          for (let l = m; l > a && this.compare(l - 1, l) > 0; l--) this.swap(l, l - 1);
        return;
      }
      let sorted = true;
      for (let m = a + 1; m < a + n; m++)
        if (this.compare(m - 1, m) > 0) {
          sorted = false;
          break;
        }
      if (sorted) return;
      let middle = a + (n >>> 1);
      if (n > 7) {
        let left = a;
        let right = a + n - 1;
        if (n > 40) {
          const d = n >>> 3;
          left = this.median3(left, left + d, left + 2 * d);
          middle = this.median3(middle - d, middle, middle + d);
          right = this.median3(right - 2 * d, right - d, right);
        }
        middle = this.median3(left, middle, right);
      }
      this.swap(a, middle);
      let pa = a + 1;
      let pb = pa;
      let pc = a + n - 1;
      let pd = pc;
      for (;;) {
        let order: number;
        while (pb <= pc && (order = this.compare(pb, a)) <= 0) {
          if (order === 0) {
            this.swap(pa, pb);
            pa++;
          }
          pb++;
        }
        while (pb <= pc && (order = this.compare(pc, a)) >= 0) {
          if (order === 0) {
            this.swap(pc, pd);
            pd--;
          }
          pc--;
        }
        if (pb > pc) break;
        this.swap(pb, pc);
        pb++;
        pc--;
      }
      const end = a + n;
      const equalLeft = Math.min(pa - a, pb - pa);
      this.swapRange(a, pb - equalLeft, equalLeft);
      const equalRight = Math.min(pd - pc, end - pd - 1);
      this.swapRange(pb, end - equalRight, equalRight);
      const less = pb - pa;
      const greater = pd - pc;
      if (less <= greater) {
        if (less > 1) this.sort(a, less);
        if (greater <= 1) return;
        a = end - greater;
        n = greater;
      } else {
        if (greater > 1) this.sort(end - greater, greater);
        if (less <= 1) return;
        n = less;
      }
    }
  }
}

/** Sorts the first `count` of `ids` along with their `keys`. `tie` null: equal numbers are equal items. */
export function sortByKeys(keys: Float64Array, ids: Uint32Array, count: number, tie: TieBreaker | null): void {
  new KeyedSort(keys, ids, tie).sort(0, count);
}

/** A growing pair of arrays for sortByKeys. */
export class KeyedItems {
  keys = new Float64Array(1024);
  ids = new Uint32Array(1024);
  count = 0;
  push(key: number, id: number): void {
    if (this.count === this.keys.length) this.grow();
    this.keys[this.count] = key;
    this.ids[this.count++] = id;
  }
  private grow(): void {
    const keys = new Float64Array(this.keys.length * 2);
    keys.set(this.keys);
    this.keys = keys;
    const ids = new Uint32Array(this.ids.length * 2);
    ids.set(this.ids);
    this.ids = ids;
  }
}
