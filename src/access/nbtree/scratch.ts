/** scratch.ts — memory for the tuples and pages that one operation of nbtree makes.
 *
 *  An operation brackets its work by enterScratch and leaveScratch (in `finally`, so that an error gives it back);
 *  operations may nest, since waiting inside one can run another. */
import { Workspace } from '#shm/private-memory.ts';

const pool: Workspace[] = [];
let current: Workspace | null = null;

/** Returns what leaveScratch wants back. */
export function enterScratch(): Workspace | null {
  const outer = current;
  current = pool.pop() ?? new Workspace();
  return outer;
}
export function leaveScratch(outer: Workspace | null): void {
  const mine = current!;
  mine.reset();
  pool.push(mine);
  current = outer;
}
/** 8-aligned, contents unspecified, until the operation's end. */
export function scratch(bytes: number): number {
  if (current === null) throw new Error('nbtree works outside of an operation');
  return current.alloc(bytes);
}
