/** assert.ts — a failed assertion is our bug: the process dies and the postmaster resets shared memory. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

export function assert(condition: boolean, what = 'assertion failed'): asserts condition {
  if (!condition) throw new AssertionError(what);
}

/** For the default branch of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`);
}
