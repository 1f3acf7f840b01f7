/** pg-qsort.ts — PostgreSQL's own quicksort, so that items that compare equal come out in PostgreSQL's order.
 *
 *  Bentley and McIlroy's three-way partitioning with a check for sorted input. It is not stable; which of several equal
 *  items is first depends on the algorithm's steps, and with it where a B-tree page is split or in which order rows of
 *  equal sort keys are shown.
 *  Counterpart: src/include/lib/sort_template.h */

/** An array seen as positions: compare and swap are all that the algorithm needs. */
export interface Sortable {
  /** Order of the items at two positions. */
  compare(i: number, j: number): number;
  swap(i: number, j: number): void;
}

function median3(s: Sortable, a: number, b: number, c: number): number {
  if (s.compare(a, b) < 0) return s.compare(b, c) < 0 ? b : s.compare(a, c) < 0 ? c : a;
  return s.compare(b, c) > 0 ? b : s.compare(a, c) < 0 ? a : c;
}
function swapRange(s: Sortable, a: number, b: number, count: number): void {
  for (let i = 0; i < count; i++) s.swap(a + i, b + i);
}

/** Sorts positions [from, from + length). */
export function pgQsort(s: Sortable, from: number, length: number): void {
  let a = from;
  let n = length;
  for (;;) {
    if (n < 7) {
      for (let m = a + 1; m < a + n; m++) for (let l = m; l > a && s.compare(l - 1, l) > 0; l--) s.swap(l, l - 1);
      return;
    }
    let sorted = true;
    for (let m = a + 1; m < a + n; m++)
      if (s.compare(m - 1, m) > 0) {
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
        left = median3(s, left, left + d, left + 2 * d);
        middle = median3(s, middle - d, middle, middle + d);
        right = median3(s, right - 2 * d, right - d, right);
      }
      middle = median3(s, left, middle, right);
    }
    s.swap(a, middle);
    // a..pa and pd..end collect what equals the pivot, pa..pb is less, pc..pd greater.
    let pa = a + 1;
    let pb = pa;
    let pc = a + n - 1;
    let pd = pc;
    for (;;) {
      let order: number;
      while (pb <= pc && (order = s.compare(pb, a)) <= 0) {
        if (order === 0) {
          s.swap(pa, pb);
          pa++;
        }
        pb++;
      }
      while (pb <= pc && (order = s.compare(pc, a)) >= 0) {
        if (order === 0) {
          s.swap(pc, pd);
          pd--;
        }
        pc--;
      }
      if (pb > pc) break;
      s.swap(pb, pc);
      pb++;
      pc--;
    }
    const end = a + n;
    const equalLeft = Math.min(pa - a, pb - pa);
    swapRange(s, a, pb - equalLeft, equalLeft);
    const equalRight = Math.min(pd - pc, end - pd - 1);
    swapRange(s, pb, end - equalRight, equalRight);
    const less = pb - pa;
    const greater = pd - pc;
    // Recursion into the smaller part, so that its depth stays logarithmic.
    if (less <= greater) {
      if (less > 1) pgQsort(s, a, less);
      if (greater <= 1) return;
      a = end - greater;
      n = greater;
    } else {
      if (greater > 1) pgQsort(s, end - greater, greater);
      if (less <= 1) return;
      n = less;
    }
  }
}

/** Sorts an array of objects in place. */
export function pgQsortArray<T>(items: T[], compare: (a: T, b: T) => number): void {
  pgQsort(
    {
      compare: (i, j) => compare(items[i]!, items[j]!),
      swap: (i, j) => {
        const held = items[i]!;
        items[i] = items[j]!;
        items[j] = held;
      },
    },
    0,
    items.length,
  );
}
