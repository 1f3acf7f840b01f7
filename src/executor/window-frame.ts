/** window-frame.ts — which rows of its partition a row's frame holds.
 *
 *  Both ends move forward only as the current row does (the order is the partition's), so each end is a cursor.
 *  Counterpart: update_frameheadpos(), update_frametailpos(), row_is_in_frame() of
 *  src/backend/executor/nodeWindowAgg.c */
import type { Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { TYPE } from '#catalog/oids.ts';
import type { EState, Row } from '#executor/estate.ts';
import { directCall, needProc, type RawCall } from '#executor/function-call.ts';
import type { WindowAgg } from '#nodes/plan-nodes.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** A partition that is complete in memory. */
export interface Partition {
  readonly rows: readonly Row[];
  /** First row of the peer group of each row, and the row after its last. */
  readonly peerStart: readonly number[];
  readonly peerEnd: readonly number[];
  /** Number of the peer group of each row, and where each group starts (with one past the last). */
  readonly group: readonly number[];
  readonly groupStart: readonly number[];
}

export interface RangeCode {
  readonly start: RawCall | null;
  readonly end: RawCall | null;
}
export function compileRange(plan: WindowAgg): RangeCode {
  const make = (proc: Oid): RawCall | null =>
    proc === 0 ? null : directCall(proc, needProc(proc).proargtypes, TYPE.bool, plan.inRangeColl);
  return { start: make(plan.startInRangeFunc), end: make(plan.endInRangeFunc) };
}

export class Frame {
  start = 0;
  end = 0;
  #partition: Partition | null = null;
  /** Where the RANGE searches of the row before ended: the next row's cannot end earlier. */
  #rangeFrom = 0;
  #rangeUntil = 0;
  constructor(
    readonly plan: WindowAgg,
    readonly estate: EState,
    readonly range: RangeCode,
    readonly startOffset: Datum,
    readonly endOffset: Datum,
  ) {
    checkOffset(plan, 'starting', plan.startOffset !== null, startOffset);
    checkOffset(plan, 'ending', plan.endOffset !== null, endOffset);
  }
  enter(partition: Partition): void {
    this.#partition = partition;
    this.start = 0;
    this.end = 0;
    this.#rangeFrom = 0;
    this.#rangeUntil = 0;
  }

  /** Sets start and end for row `i`. */
  moveTo(i: number): void {
    const p = this.#partition!;
    const { mode, start, end } = this.plan.frameOptions;
    const count = p.rows.length;
    const low = this.startOffset;
    const high = this.endOffset;
    if (start === 'unbounded_preceding') this.start = 0;
    else if (start === 'current_row') this.start = mode === 'rows' ? i : p.peerStart[i]!;
    else {
      const sign = start === 'offset_preceding' ? -1 : 1;
      if (mode === 'rows') this.start = clamp(i + sign * Number(low), count);
      else if (mode === 'groups') this.start = this.#groupAt(p.group[i]! + sign * Number(low));
      else this.start = this.#rangeStart(i, sign < 0);
    }
    if (end === 'unbounded_following') this.end = count;
    else if (end === 'current_row') this.end = mode === 'rows' ? i + 1 : p.peerEnd[i]!;
    else {
      const sign = end === 'offset_preceding' ? -1 : 1;
      if (mode === 'rows') this.end = clamp(i + sign * Number(high) + 1, count);
      else if (mode === 'groups') this.end = this.#groupAt(p.group[i]! + sign * Number(high) + 1);
      else this.end = this.#rangeEnd(i, sign < 0);
    }
    if (this.end < this.start) this.end = this.start;
  }
  #groupAt(group: number): number {
    const starts = this.#partition!.groupStart;
    if (group <= 0) return 0;
    return group >= starts.length ? starts[starts.length - 1]! : starts[group]!;
  }

  #rangeStart(i: number, preceding: boolean): number {
    const p = this.#partition!;
    const column = this.plan.ordColIdx[0]! - 1;
    const base = p.rows[i]![column]!;
    if (base === null) return p.peerStart[i]!;
    const { inRangeAsc, inRangeNullsFirst } = this.plan;
    // Descending order: "preceding" values are larger.
    const subtract = inRangeAsc === preceding;
    let at = this.#rangeFrom;
    while (at < p.rows.length) {
      const value = p.rows[at]![column]!;
      if (value === null) {
        if (!inRangeNullsFirst) break;
      } else if (this.range.start!(value, base, this.startOffset, subtract, !inRangeAsc) === true) break;
      at = p.peerEnd[at]!;
    }
    this.#rangeFrom = at;
    return at;
  }
  #rangeEnd(i: number, preceding: boolean): number {
    const p = this.#partition!;
    const column = this.plan.ordColIdx[0]! - 1;
    const base = p.rows[i]![column]!;
    if (base === null) return p.peerEnd[i]!;
    const { inRangeAsc, inRangeNullsFirst } = this.plan;
    const subtract = inRangeAsc === preceding;
    let at = this.#rangeUntil;
    while (at < p.rows.length) {
      const value = p.rows[at]![column]!;
      if (value === null) {
        if (!inRangeNullsFirst) break;
      } else if (this.range.end!(value, base, this.endOffset, subtract, inRangeAsc) !== true) break;
      at = p.peerEnd[at]!;
    }
    this.#rangeUntil = at;
    return at;
  }

  /** Is row `at` of the frame of row `i` left out by EXCLUDE? */
  excludes(i: number, at: number): boolean {
    const p = this.#partition!;
    switch (this.plan.frameOptions.exclusion) {
      case 'none':
        return false;
      case 'current_row':
        return at === i;
      case 'group':
        return p.group[at] === p.group[i];
      case 'ties':
        return at !== i && p.group[at] === p.group[i];
    }
  }
}

const clamp = (at: number, count: number): number => Math.max(0, Math.min(at, count));

function checkOffset(plan: WindowAgg, which: string, present: boolean, value: Datum): void {
  if (!present) return;
  if (value === null) {
    report('ERROR', { code: SQLSTATE.nullValueNotAllowed, message: `frame ${which} offset must not be null` });
  }
  if (plan.frameOptions.mode !== 'range' && (value as number) < 0) {
    report('ERROR', {
      code: SQLSTATE.invalidPrecedingOrFollowingSize,
      message: `frame ${which} offset must not be negative`,
    });
  }
}
