/** scratch.ts — memory for the tuples and pages that one operation of nbtree makes.
 *
 *  An operation brackets its work by enterScratch and leaveScratch (in `finally` at the outermost, so that an error gives
 *  everything back); operations nest, since waiting inside one can run another. */
import { Workspace } from '#shm/private-memory.ts';

const stack: Workspace[] = [];
const pool: Workspace[] = [];

/** Returns what leaveScratch wants back. */
export function enterScratch(): number {
  stack.push(pool.pop() ?? new Workspace());
  return stack.length - 1;
}
/** Ends the operation that began at this depth, and those inside it that an error has left open. */
export function leaveScratch(depth: number): void {
  while (stack.length > depth) {
    const space = stack.pop()!;
    space.reset();
    pool.push(space);
  }
}
/** 8-aligned, contents unspecified, until the operation's end. */
export function scratch(bytes: number): number {
  return stack[stack.length - 1]!.alloc(bytes);
}
