/** window.ts — WINDOW definitions and OVER clauses: partitioning, order and frame.
 *  Counterpart: transformWindowDefinitions of src/backend/parser/parse_clause.c */
import type { Node } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { formatType } from '#catalog/format-type.ts';
import { TYPE } from '#catalog/oids.ts';
import { store } from '#catalog/rows.ts';
import { typeRow } from '#catalog/syscache.ts';
import { exprCollation, exprLocation, exprType } from '#nodes/node-funcs.ts';
import { frameFromBits } from '#nodes/frame-options.ts';
import type { WindowClause } from '#nodes/parse-nodes.ts';
import type { Expr, SortGroupClause, TargetEntry } from '#nodes/primitives.ts';
import { addToGroupList, findTarget99, refuseVars, transformSort } from '#parser/clause.ts';
import { canCoerceType, coerceToSpecificType, coerceType } from '#parser/coerce.ts';
import { assignExprCollations } from '#parser/collate.ts';
import { transformExpr } from '#parser/expr.ts';
import { orderingOperator } from '#parser/oper.ts';
import { fail, type ParseState, type WindowDefinition } from '#parser/parse-state.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const INVALID = 0 as Oid;

export function transformWindows(
  p: ParseState,
  definitions: readonly WindowDefinition[],
  targets: TargetEntry[],
): WindowClause[] {
  const out: WindowClause[] = [];
  definitions.forEach((definition, i) => {
    out.push(transformWindow(p, definition, i + 1, out, targets));
  });
  return out;
}

function transformWindow(
  p: ParseState,
  d: WindowDefinition,
  winref: number,
  earlier: readonly WindowClause[],
  targets: TargetEntry[],
): WindowClause {
  const location = d.location ?? 0;
  if (d.name !== undefined && earlier.some((w) => w.name === d.name)) {
    fail(p, SQLSTATE.windowingError, `window "${d.name}" is already defined`, location);
  }
  let base: WindowClause | undefined;
  if (d.refname !== undefined) {
    base = earlier.find((w) => w.name === d.refname);
    if (base === undefined) fail(p, SQLSTATE.undefinedObject, `window "${d.refname}" does not exist`, location);
  }
  let orderClause = transformSort(p, d.orderClause, targets, 'window_order', true);
  const partition = groupList(p, d.partitionClause ?? [], targets);
  const frame = frameFromBits(d.frameOptions ?? 0);
  let partitionClause = partition;
  let copiedOrder = false;
  if (base !== undefined) {
    if (partition.length > 0)
      fail(p, SQLSTATE.windowingError, `cannot override PARTITION BY clause of window "${d.refname}"`, location);
    partitionClause = base.partitionClause.map((c) => ({ ...c }));
    if (orderClause.length > 0 && base.orderClause.length > 0) {
      fail(p, SQLSTATE.windowingError, `cannot override ORDER BY clause of window "${d.refname}"`, location);
    }
    if (orderClause.length === 0) {
      orderClause = base.orderClause.map((c) => ({ ...c }));
      copiedOrder = true;
    }
    if (base.frameOptions.nondefault) {
      const plain = d.name === undefined && d.orderClause === undefined && !frame.nondefault;
      fail(
        p,
        SQLSTATE.windowingError,
        `cannot copy window "${d.refname}" because it has a frame clause`,
        location,
        plain ? { hint: 'Omit the parentheses in this OVER clause.' } : undefined,
      );
    }
  }
  const made: WindowClause = {
    kind: 'WindowClause',
    name: d.name ?? null,
    refname: d.refname ?? null,
    partitionClause,
    orderClause,
    frameOptions: frame,
    startOffset: null,
    endOffset: null,
    startInRangeFunc: INVALID,
    endInRangeFunc: INVALID,
    inRangeColl: INVALID,
    inRangeAsc: false,
    inRangeNullsFirst: false,
    winref,
    copiedOrder,
  };
  frameOffsets(p, d, made, targets, location);
  return made;
}

function groupList(p: ParseState, list: readonly Node[], targets: TargetEntry[]): SortGroupClause[] {
  const out: SortGroupClause[] = [];
  for (const node of list) addToGroupList(p, findTarget99(p, node, targets, 'window_partition'), out, targets, -1);
  return out;
}

function frameOffsets(
  p: ParseState,
  d: WindowDefinition,
  w: WindowClause,
  targets: readonly TargetEntry[],
  location: number,
): void {
  const usesOffset = d.startOffset !== undefined || d.endOffset !== undefined;
  let family = INVALID;
  let inputType = INVALID;
  if (w.frameOptions.mode === 'range' && usesOffset) {
    if (w.orderClause.length !== 1) {
      fail(
        p,
        SQLSTATE.windowingError,
        'RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column',
        location,
      );
    }
    const sort = w.orderClause[0]!;
    const key = targets.find((t) => t.ressortgroupref === sort.tleSortGroupRef)!.expr;
    const ordering = orderingOperator(sort.sortop);
    if (ordering === undefined)
      fail(p, SQLSTATE.internalError, `operator ${sort.sortop} is not a valid ordering operator`);
    family = ordering.family;
    inputType = ordering.type;
    assignExprCollations(p, key);
    w.inRangeColl = exprCollation(key);
    w.inRangeAsc = !ordering.reverse;
    w.inRangeNullsFirst = sort.nullsFirst;
    rangeKeyType = exprType(key);
  }
  if (w.frameOptions.mode === 'groups' && w.orderClause.length === 0) {
    fail(p, SQLSTATE.windowingError, 'GROUPS mode requires an ORDER BY clause', location);
  }
  if (d.startOffset !== undefined) {
    const made = frameOffset(p, w, d.startOffset, family, inputType);
    w.startOffset = made.expr;
    w.startInRangeFunc = made.func;
  }
  if (d.endOffset !== undefined) {
    const made = frameOffset(p, w, d.endOffset, family, inputType);
    w.endOffset = made.expr;
    w.endInRangeFunc = made.func;
  }
}
/** Type of the sort column of the RANGE frame being analysed, for messages. */
let rangeKeyType = INVALID;
const IN_RANGE_PROC = 3;

function frameOffset(
  p: ParseState,
  w: WindowClause,
  node: Node,
  family: Oid,
  inputType: Oid,
): { expr: Expr; func: Oid } {
  const mode = w.frameOptions.mode;
  if (mode !== 'range') {
    const construct = mode.toUpperCase();
    const raw = transformExpr(p, node, mode === 'rows' ? 'window_frame_rows' : 'window_frame_groups');
    const expr = coerceToSpecificType(p, raw, TYPE.int8, construct);
    refuseVars(p, expr, construct);
    return { expr, func: INVALID };
  }
  let expr = transformExpr(p, node, 'window_frame_range');
  const type = exprType(expr);
  const candidates = store.amproc
    .by('amprocfamily', family)
    .filter((r) => r.amprocnum === IN_RANGE_PROC && r.amproclefttype === inputType);
  const preferred = type === TYPE.unknown ? inputType : type;
  const exact = candidates.find((r) => r.amprocrighttype === preferred);
  const coercible =
    exact === undefined ? candidates.filter((r) => canCoerceType(type, r.amprocrighttype, 'implicit')) : [exact];
  const names = `column type ${formatType(rangeKeyType)}`;
  if (candidates.length === 0) {
    fail(
      p,
      SQLSTATE.featureNotSupported,
      `RANGE with offset PRECEDING/FOLLOWING is not supported for ${names}`,
      exprLocation(expr),
    );
  }
  if (coercible.length === 0) {
    fail(
      p,
      SQLSTATE.featureNotSupported,
      `RANGE with offset PRECEDING/FOLLOWING is not supported for ${names} and offset type ${formatType(type)}`,
      exprLocation(expr),
      { hint: 'Cast the offset value to an appropriate type.' },
    );
  }
  let chosen = coercible[0]!;
  if (coercible.length > 1) {
    const best = coercible.filter((r) => typeRow(r.amprocrighttype)!.typispreferred);
    if (best.length !== 1 && exact === undefined) {
      fail(
        p,
        SQLSTATE.featureNotSupported,
        `RANGE with offset PRECEDING/FOLLOWING has multiple interpretations for ${names} and offset type ${formatType(type)}`,
        exprLocation(expr),
        { hint: 'Cast the offset value to the exact intended type.' },
      );
    }
    chosen = best[0] ?? chosen;
  }
  expr = coerceType(p, expr, type, chosen.amprocrighttype, -1, 'implicit', 'implicit_cast', -1);
  refuseVars(p, expr, 'RANGE');
  return { expr, func: chosen.amproc };
}
