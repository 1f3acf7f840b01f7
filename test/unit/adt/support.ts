/** True if `compare` puts the values into the order they are listed in. */
export function charsAreOrdered<T>(values: readonly T[], compare: (a: T, b: T) => number): boolean {
  return values.every((a, i) => values.every((b, j) => Math.sign(compare(a, b)) === Math.sign(i - j)));
}
