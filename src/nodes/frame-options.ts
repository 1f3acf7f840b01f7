/** frame-options.ts — a window frame as the bits that the grammar gives and stored trees hold, and back.
 *  Counterpart: FRAMEOPTION_… of src/include/nodes/parsenodes.h */
import type { FrameBound, FrameOptions } from '#nodes/parse-nodes.ts';

const FRAME = {
  nondefault: 0x1,
  range: 0x2,
  rows: 0x4,
  groups: 0x8,
  between: 0x10,
  excludeCurrentRow: 0x8000,
  excludeGroup: 0x10000,
  excludeTies: 0x20000,
} as const;
/** [start, end] bits. */
const BOUND_BITS: Readonly<Record<FrameBound, readonly [number, number]>> = {
  unbounded_preceding: [0x20, 0x40],
  unbounded_following: [0x80, 0x100],
  current_row: [0x200, 0x400],
  offset_preceding: [0x800, 0x1000],
  offset_following: [0x2000, 0x4000],
};
const EXCLUSIONS = {
  none: 0,
  current_row: FRAME.excludeCurrentRow,
  group: FRAME.excludeGroup,
  ties: FRAME.excludeTies,
} as const;

export function frameBits(frame: FrameOptions): number {
  return (
    (frame.nondefault ? FRAME.nondefault : 0) |
    FRAME[frame.mode] |
    (frame.between ? FRAME.between : 0) |
    BOUND_BITS[frame.start][0] |
    BOUND_BITS[frame.end][1] |
    EXCLUSIONS[frame.exclusion]
  );
}
export function frameFromBits(bits: number): FrameOptions {
  const bound = (which: 0 | 1): FrameBound =>
    (Object.keys(BOUND_BITS) as FrameBound[]).find((name) => (bits & BOUND_BITS[name][which]) !== 0) ?? 'current_row';
  return {
    nondefault: (bits & FRAME.nondefault) !== 0,
    mode: (bits & FRAME.rows) !== 0 ? 'rows' : (bits & FRAME.groups) !== 0 ? 'groups' : 'range',
    between: (bits & FRAME.between) !== 0,
    start: bound(0),
    end: bound(1),
    exclusion:
      (bits & FRAME.excludeCurrentRow) !== 0
        ? 'current_row'
        : (bits & FRAME.excludeGroup) !== 0
          ? 'group'
          : (bits & FRAME.excludeTies) !== 0
            ? 'ties'
            : 'none',
  };
}
