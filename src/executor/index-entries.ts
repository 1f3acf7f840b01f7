/** index-entries.ts — the index entries of a row: making them, checking uniqueness, finding what ON CONFLICT hits.
 *
 *  Counterpart: src/backend/executor/execIndexing.c, FormIndexDatum() of catalog/index.c */
import { indexBeginScan, indexEndScan, indexGetNext, indexInsert } from '#access/common/index-access.ts';
import { type IndexInfo, UNIQUE_CHECK } from '#access/common/index-am.ts';
import type { Relation, TupleDesc } from '#access/common/relation-descriptor.ts';
import { heapDeform } from '#access/common/heap-tuple.ts';
import { makeScanKey, SK, type ScanKey } from '#access/common/scan-key.ts';
import type { Datum } from '#adt/datum.ts';
import { typeInfo } from '#adt/fmgr.ts';
import { INVALID_TID, type ItemPointer, type Oid } from '#base/ids.ts';
import { INVALID_XID } from '#base/xid.ts';
import { relationClose, relationOpen } from '#catalog/relation.ts';
import { relationGetIndexList } from '#catalog/relcache.ts';
import { namespaceRow } from '#catalog/syscache.ts';
import { type ConflictOperator, exclusionOperators, uniqueOperators } from '#executor/index-operators.ts';
import { type Eval, type EState, ExprContext, type Row } from '#executor/estate.ts';
import { compileOver, markStoredColumns } from '#executor/stored-expr.ts';
import { stringToNode } from '#nodes/node-text.ts';
import { explicitAnd } from '#nodes/node-funcs.ts';
import type { Expr } from '#nodes/primitives.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { initDirtySnapshot } from '#transam/snapshot.ts';
import { speculativeInsertionWait, xactLockTableWait } from '#transam/xact-wait.ts';

/** RowExclusiveLock, AccessShareLock. */
const ROW_EXCLUSIVE = 3;

/** How to make one index's entries of rows of its table. */
export interface IndexMaker {
  readonly index: Relation;
  readonly info: IndexInfo;
  /** Fills `out` with the entry's columns. */
  values(row: Row, context: ExprContext, out: Datum[]): void;
  readonly predicate: Eval | null;
  /** 1 for each column of the table that the entries or the predicate read. */
  readonly reads: Uint8Array;
  /** Per key column: the operator function of an exclusion constraint; null for other indexes. */
  readonly exclusion: readonly ConflictOperator[] | null;
}

const makers = new WeakMap<TupleDesc, Map<Oid, Omit<IndexMaker, 'index'>>>();

export function indexMaker(heap: Relation, index: Relation): IndexMaker {
  let byIndex = makers.get(heap.tupleDesc);
  if (byIndex === undefined) {
    byIndex = new Map();
    makers.set(heap.tupleDesc, byIndex);
  }
  let made = byIndex.get(index.oid);
  if (made === undefined) {
    made = makeMaker(heap, index);
    byIndex.set(index.oid, made);
  }
  return { index, ...made };
}

function makeMaker(heap: Relation, index: Relation): Omit<IndexMaker, 'index'> {
  const desc = index.index!;
  const expressions = desc.exprsText === null ? [] : (stringToNode(desc.exprsText) as Expr[]);
  let nextExpression = 0;
  const sources = desc.keys.map((column): number | Eval =>
    column !== 0 ? column - 1 : compileOver(heap, expressions[nextExpression++]!),
  );
  const reads = new Uint8Array(heap.tupleDesc.natts);
  for (const column of desc.keys) if (column > 0) reads[column - 1] = 1;
  if (desc.exprsText !== null) markStoredColumns(desc.exprsText, reads);
  if (desc.predText !== null) markStoredColumns(desc.predText, reads);
  const predicates = desc.predText === null ? [] : (stringToNode(desc.predText) as Expr[]);
  const predicateExpr = Array.isArray(predicates) ? explicitAnd(predicates) : (predicates as unknown as Expr);
  const predicate = predicateExpr === null ? null : compileOver(heap, predicateExpr);
  const values = (row: Row, context: ExprContext, out: Datum[]): void => {
    for (let i = 0; i < sources.length; i++) {
      const source = sources[i]!;
      if (typeof source === 'number') out[i] = row[source]!;
      else {
        context.scan = row;
        out[i] = source(context);
      }
    }
  };
  // An index build makes its entries without a statement of its own.
  const own = new ExprContext(null as unknown as EState);
  const info: IndexInfo = {
    numAttrs: desc.nAtts,
    numKeyAttrs: desc.nKeyAtts,
    attrNumbers: desc.keys,
    unique: desc.unique,
    nullsNotDistinct: desc.nullsNotDistinct,
    readyForInserts: desc.ready,
    concurrent: false,
    brokenHotChain: false,
    ...(expressions.length > 0 ? { formDatum: (row: Datum[], out: Datum[]) => values(row, own, out) } : {}),
    ...(predicate !== null
      ? {
          predicate: (row: Datum[]) => {
            own.scan = row;
            return predicate(own) === true;
          },
        }
      : {}),
  };
  return {
    info,
    values,
    predicate,
    reads,
    exclusion: desc.exclusion ? exclusionOperators(index) : null,
  };
}

/** The open indexes of a table that a statement modifies. */
export class IndexSet {
  readonly makers: readonly IndexMaker[];
  readonly #values: Datum[] = [];
  readonly #recheck: Oid[] = [];
  /** Where the last ON CONFLICT check met another row. */
  conflictTid: ItemPointer = INVALID_TID;

  constructor(
    readonly heap: Relation,
    readonly context: ExprContext,
  ) {
    this.makers = heap.hasIndex
      ? relationGetIndexList(heap)
          .map((oid) => relationOpen(oid, ROW_EXCLUSIVE))
          .map((index) => indexMaker(heap, index))
      : [];
  }
  close(): void {
    // Locks stay until the transaction ends.
    for (const maker of this.makers) relationClose(maker.index, 0);
  }

  /** Adds the row's entries. `noDuplicateError`: violations are reported instead of raised (speculative insertion), for
   *  the arbiters, or all unique indexes if there are none. Returns the indexes whose constraint must be checked again. */
  insert(row: Row, tid: ItemPointer, isUpdate: boolean, noDuplicateError: boolean, arbiters: readonly Oid[]): Oid[] {
    this.#recheck.length = 0;
    for (const maker of this.makers) {
      const desc = maker.index.index!;
      if (!desc.ready) continue;
      if (maker.predicate !== null) {
        this.context.scan = row;
        if (maker.predicate(this.context) !== true) continue;
      }
      maker.values(row, this.context, this.#values);
      const asArbiter = noDuplicateError && (arbiters.length === 0 || arbiters.includes(maker.index.oid));
      const check = !desc.unique
        ? UNIQUE_CHECK.no
        : asArbiter || !desc.immediate
          ? UNIQUE_CHECK.partial
          : UNIQUE_CHECK.yes;
      let satisfied = indexInsert(maker.index, this.#values, tid, this.heap, check, isUpdate, maker.info);
      if (maker.exclusion !== null) {
        const wait = asArbiter ? 'livelockPrevention' : desc.immediate ? 'wait' : 'noWait';
        satisfied = this.#checkConflict(maker, this.#values, tid, wait, !asArbiter && desc.immediate);
      }
      if ((check === UNIQUE_CHECK.partial || maker.exclusion !== null) && !satisfied) {
        this.#recheck.push(maker.index.oid);
        if (asArbiter && desc.immediate) continue;
      }
    }
    return this.#recheck;
  }

  /** Is there no row that would conflict with this one in the arbiter indexes? `conflictTid` has the first found. */
  noConflict(row: Row, arbiters: readonly Oid[]): boolean {
    this.conflictTid = INVALID_TID;
    for (const maker of this.makers) {
      const desc = maker.index.index!;
      if ((!desc.unique && maker.exclusion === null) || !desc.ready) continue;
      if (arbiters.length > 0 && !arbiters.includes(maker.index.oid)) continue;
      if (!desc.immediate) {
        report('ERROR', {
          code: SQLSTATE.objectNotInPrerequisiteState,
          message: 'ON CONFLICT does not support deferrable unique constraints/exclusion constraints as arbiters',
          schema: namespaceRow(this.heap.namespace)?.nspname,
          table: this.heap.name,
          constraint: maker.index.name,
        });
      }
      if (maker.predicate !== null) {
        this.context.scan = row;
        if (maker.predicate(this.context) !== true) continue;
      }
      maker.values(row, this.context, this.#values);
      if (!this.#checkConflict(maker, this.#values, INVALID_TID, 'wait', false)) return false;
    }
    return true;
  }

  #checkConflict(
    maker: IndexMaker,
    values: readonly Datum[],
    own: ItemPointer,
    wait: 'wait' | 'noWait' | 'livelockPrevention',
    raise: boolean,
  ): boolean {
    this.conflictTid = findConflict(this.heap, this.context, maker, values, own, wait, raise);
    return this.conflictTid === INVALID_TID;
  }
}

/** check_exclusion_constraint(): raises if another row conflicts with the one at `tid`. */
export function recheckExclusion(
  heap: Relation,
  maker: IndexMaker,
  values: readonly Datum[],
  tid: ItemPointer,
  context: ExprContext,
): void {
  findConflict(heap, context, maker, values, tid, 'wait', true);
}

/** Looks for live rows with conflicting keys other than `own`: the place of the first, or none. Waits for rows in
 *  progress. */
function findConflict(
  heap: Relation,
  context: ExprContext,
  maker: IndexMaker,
  values: readonly Datum[],
  own: ItemPointer,
  wait: 'wait' | 'noWait' | 'livelockPrevention',
  raise: boolean,
): ItemPointer {
  const { index } = maker;
  const desc = index.index!;
  const operators = maker.exclusion ?? uniqueOperators(index);
  const keys: ScanKey[] = [];
  for (let i = 0; i < desc.nKeyAtts; i++) {
    // Nulls conflict with nothing, unless the index says that they are equal.
    if (values[i] === null && !desc.nullsNotDistinct) return INVALID_TID;
    const operator = operators[i]!;
    keys.push(
      makeScanKey(i + 1, operator.strategy, operator.procOid, values[i]!, {
        flags: values[i] === null ? SK.isNull | SK.searchNull : 0,
        subtype: operator.subtype,
        collation: desc.collations[i]!,
      }),
    );
  }
  const existing: Row = new Array<Datum>(heap.tupleDesc.natts).fill(null);
  const found: Datum[] = [];
  for (;;) {
    const snapshot = initDirtySnapshot();
    const scan = indexBeginScan(heap, index, snapshot, keys);
    let waitFor = INVALID_XID;
    let speculative = 0;
    let conflict = INVALID_TID;
    try {
      while (indexGetNext(scan, 1)) {
        const fetch = scan.fetch!;
        if (fetch.tid === own) continue;
        heapDeform(heap.tupleDesc, fetch.tupleAt, existing.length, existing);
        maker.values(existing, context, found);
        if (scan.recheck && !conflicts(operators, found, values)) continue;
        const busy = snapshot.xmin !== 0 ? snapshot.xmin : snapshot.xmax;
        if (busy !== 0 && wait !== 'noWait') {
          waitFor = busy;
          speculative = snapshot.xmin !== 0 ? snapshot.speculativeToken : 0;
          break;
        }
        conflict = fetch.tid;
        if (raise) refuseExclusion(maker, found, values);
        break;
      }
    } finally {
      indexEndScan(scan);
    }
    if (waitFor !== INVALID_XID) {
      if (speculative !== 0) speculativeInsertionWait(waitFor, speculative);
      else xactLockTableWait(waitFor, heap.name, INVALID_TID, 'recheckExclusionConstr');
      continue;
    }
    return conflict;
  }
}

function conflicts(
  operators: readonly ConflictOperator[],
  existing: readonly Datum[],
  fresh: readonly Datum[],
): boolean {
  for (let i = 0; i < operators.length; i++) {
    const a = existing[i]!;
    const b = fresh[i]!;
    if (a === null || b === null) return false;
    if (!operators[i]!.test(a, b)) return false;
  }
  return true;
}

function refuseExclusion(maker: IndexMaker, existing: readonly Datum[], fresh: readonly Datum[]): never {
  const { index } = maker;
  report('ERROR', {
    code: SQLSTATE.exclusionViolation,
    message: `conflicting key value violates exclusion constraint "${index.name}"`,
    detail: `Key ${keyText(index, fresh)} conflicts with existing key ${keyText(index, existing)}.`,
    constraint: index.name,
  });
}
/** "(a, b)=(1, 2)". */
export function keyText(index: Relation, values: readonly Datum[]): string {
  const columns = index.tupleDesc.attrs.slice(0, index.index!.nKeyAtts);
  const texts = columns.map((column, i) => (values[i] === null ? 'null' : typeInfo(column.typeId).output(values[i]!)));
  return `(${columns.map((column) => column.name).join(', ')})=(${texts.join(', ')})`;
}
