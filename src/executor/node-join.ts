/** node-join.ts — nested loop, hash and merge join.
 *
 *  The join condition proper (joinqual, hash and merge clauses) decides what matches; `qual` filters what comes out,
 *  null-extended rows included. Semi and anti joins look no further than the first match.
 *  Counterpart: src/backend/executor/nodeNestloop.c, nodeHashjoin.c, nodeHash.c, nodeMergejoin.c */
import type { Datum } from '#adt/datum.ts';
import type { EState, Eval, Row } from '#executor/estate.ts';
import { compileExpr, compileProjection, compileQual, type Projection } from '#executor/expr-compile.ts';
import { compiledFor, PlanState } from '#executor/plan-state.ts';
import {
  type Compare,
  type Equals,
  equalityFor,
  familyCompare,
  type HashKey,
  type KeyMaker,
  keyMakerFor,
  mergeOrdering,
} from '#executor/sort-support.ts';
import type { CompileScope } from '#executor/expr-compile.ts';
import type { Hash, HashJoin, MergeJoin, NestLoop } from '#nodes/plan-nodes.ts';
import type { OpExpr } from '#nodes/primitives.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';

interface JoinCode {
  readonly joinqual: Eval | null;
  readonly qual: Eval | null;
  readonly project: Projection | null;
  readonly nullOuter: Row;
  readonly nullInner: Row;
}
function joinCode(plan: NestLoop | HashJoin | MergeJoin, scope: CompileScope): JoinCode {
  return {
    joinqual: compileQual(plan.joinqual, scope),
    qual: compileQual(plan.qual, scope),
    project: compileProjection(plan.targetlist, scope, -1),
    nullOuter: new Array<Datum>(plan.lefttree!.targetlist.length).fill(null),
    nullInner: new Array<Datum>(plan.righttree!.targetlist.length).fill(null),
  };
}

abstract class JoinState<P extends NestLoop | HashJoin | MergeJoin> extends PlanState<P> {
  readonly out: Row;
  #ticks = 0;
  constructor(plan: P, estate: EState) {
    super(plan, estate);
    this.out = new Array<Datum>(plan.targetlist.length).fill(null);
  }
  protected abstract readonly code: JoinCode;

  protected tick(): void {
    if ((++this.#ticks & 127) === 0) checkForInterrupts();
  }
  protected matches(): boolean {
    const joinqual = this.code.joinqual;
    if (joinqual === null || joinqual(this.context) === true) return true;
    if (this.estate.instrument) this.instrumentation!.joinFiltered++;
    return false;
  }
  /** The output row for the rows in the context, or null if `qual` rejects it. */
  protected emit(): Row | null {
    const { qual, project } = this.code;
    if (qual !== null && qual(this.context) !== true) {
      if (this.estate.instrument) this.instrumentation!.filtered++;
      return null;
    }
    project!(this.context, this.out);
    return this.out;
  }
}

export class NestLoopState extends JoinState<NestLoop> {
  protected readonly code;
  #needOuter = true;
  #matched = false;
  constructor(
    plan: NestLoop,
    estate: EState,
    readonly outer: PlanState,
    readonly inner: PlanState,
  ) {
    super(plan, estate);
    this.code = compiledFor(plan, estate, (scope) => ({
      ...joinCode(plan, scope),
      params: plan.nestParams.map((param) => ({ id: param.paramno, value: compileExpr(param.paramval, scope) })),
    }));
  }

  next(): Row | null {
    const context = this.context;
    const jointype = this.plan.jointype;
    for (;;) {
      this.tick();
      if (this.#needOuter) {
        const row = this.outer.next();
        if (row === null) return null;
        context.outer = row;
        this.#needOuter = false;
        this.#matched = false;
        for (const { id, value } of this.code.params) this.estate.setParam(id, value(context));
        this.inner.rescan();
      }
      const inner = this.inner.next();
      if (inner === null) {
        this.#needOuter = true;
        if (!this.#matched && (jointype === 'left' || jointype === 'anti')) {
          context.inner = this.code.nullInner;
          const row = this.emit();
          if (row !== null) return row;
        }
        continue;
      }
      context.inner = inner;
      if (!this.matches()) continue;
      this.#matched = true;
      if (jointype === 'anti') {
        this.#needOuter = true;
        continue;
      }
      if (jointype === 'semi' || this.plan.innerUnique) this.#needOuter = true;
      const row = this.emit();
      if (row !== null) return row;
    }
  }
  protected reset(): void {
    this.#needOuter = true;
    this.outer.rescan();
  }
}

/** An inner row in the hash table. */
interface Bucket {
  readonly row: Row;
  matched: boolean;
  next: Bucket | null;
}

/** Holds the clauses only; the HashJoin above builds and owns the table. */
export class HashState extends PlanState<Hash> {
  constructor(
    plan: Hash,
    estate: EState,
    readonly outer: PlanState,
  ) {
    super(plan, estate);
  }
  next(): Row | null {
    return this.outer.next();
  }
  protected reset(): void {
    this.outer.rescan();
  }
}

interface HashClause {
  readonly outer: Eval;
  readonly inner: Eval;
  readonly outerKey: KeyMaker;
  readonly innerKey: KeyMaker;
  readonly equals: Equals;
}

export class HashJoinState extends JoinState<HashJoin> {
  protected readonly code;
  #table: Map<HashKey, Bucket> | null = null;
  #all: Bucket[] = [];
  #stamp = 0;
  #bucket: Bucket | null = null;
  #needOuter = true;
  #matched = false;
  /** Position in #all while giving out inner rows without a match; -1 before that. */
  #unmatched = -1;
  readonly #keys: Datum[] = [];
  constructor(
    plan: HashJoin,
    estate: EState,
    readonly outer: PlanState,
    readonly inner: HashState,
  ) {
    super(plan, estate);
    this.code = compiledFor(plan, estate, (scope) => ({
      ...joinCode(plan, scope),
      clauses: plan.hashkeys.map((key, i): HashClause => {
        const operator = plan.hashoperators[i]!;
        const collation = plan.hashcollations[i]!;
        return {
          outer: compileExpr(key, scope),
          inner: compileExpr(inner.plan.hashkeys[i]!, scope),
          outerKey: keyMakerFor(operator, collation),
          innerKey: keyMakerFor(operator, collation, true),
          equals: equalityFor(operator, collation),
        };
      }),
    }));
  }

  #build(): Map<HashKey, Bucket> {
    const table = new Map<HashKey, Bucket>();
    const { clauses } = this.code;
    const context = this.inner.context;
    const keepNulls =
      this.plan.jointype === 'right' || this.plan.jointype === 'full' || this.plan.jointype === 'right_anti';
    this.#all = [];
    this.#stamp = this.estate.clock;
    for (let row = this.inner.next(); row !== null; row = this.inner.next()) {
      this.tick();
      // Inner keys are over the Hash node's own input.
      context.outer = row;
      const key = this.#innerKey(clauses, context);
      if (key === undefined) {
        if (keepNulls) this.#all.push({ row: row.slice(), matched: false, next: null });
        continue;
      }
      const bucket: Bucket = { row: row.slice(), matched: false, next: table.get(key) ?? null };
      table.set(key, bucket);
      if (keepNulls) this.#all.push(bucket);
    }
    return table;
  }
  #innerKey(clauses: readonly HashClause[], context: Parameters<Eval>[0]): HashKey | undefined {
    if (clauses.length === 1) {
      const value = clauses[0]!.inner(context);
      return value === null ? undefined : clauses[0]!.innerKey.key(value);
    }
    let key = '';
    for (const clause of clauses) {
      const value = clause.inner(context);
      if (value === null) return undefined;
      key += `\u0001${clause.innerKey.key(value)}`;
    }
    return key;
  }
  #outerKey(clauses: readonly HashClause[]): HashKey | undefined {
    const context = this.context;
    let key: HashKey = '';
    for (let i = 0; i < clauses.length; i++) {
      const value = clauses[i]!.outer(context);
      if (value === null) return undefined;
      this.#keys[i] = value;
      const part = clauses[i]!.outerKey.key(value);
      key = clauses.length === 1 ? part : `${key}\u0001${part}`;
    }
    return key;
  }

  next(): Row | null {
    const context = this.context;
    const jointype = this.plan.jointype;
    const { clauses } = this.code;
    this.#table ??= this.#build();
    const table = this.#table;
    const fillsOuter = jointype === 'left' || jointype === 'full' || jointype === 'anti';
    for (;;) {
      if (this.#unmatched >= 0) return this.#nextUnmatched();
      this.tick();
      if (this.#needOuter) {
        const row = this.outer.next();
        if (row === null) {
          if (jointype !== 'right' && jointype !== 'full' && jointype !== 'right_anti') return null;
          this.#unmatched = 0;
          continue;
        }
        context.outer = row;
        const key = this.#outerKey(clauses);
        this.#bucket = key === undefined ? null : (table.get(key) ?? null);
        this.#needOuter = false;
        this.#matched = false;
      }
      const bucket = this.#bucket;
      if (bucket === null) {
        this.#needOuter = true;
        if (!this.#matched && fillsOuter) {
          context.inner = this.code.nullInner;
          const row = this.emit();
          if (row !== null) return row;
        }
        continue;
      }
      this.#bucket = bucket.next;
      context.inner = bucket.row;
      if (!this.#hashMatches(clauses) || !this.matches()) continue;
      this.#matched = true;
      bucket.matched = true;
      if (jointype === 'right_anti') continue;
      if (jointype === 'anti') {
        this.#needOuter = true;
        continue;
      }
      if (jointype === 'semi' || this.plan.innerUnique) this.#bucket = null;
      if (jointype === 'semi') this.#needOuter = true;
      const row = this.emit();
      if (row !== null) return row;
    }
  }
  #hashMatches(clauses: readonly HashClause[]): boolean {
    // One exact key: the Map lookup was the comparison.
    if (clauses.length === 1 && clauses[0]!.outerKey.exact) return true;
    for (let i = 0; i < clauses.length; i++) {
      const clause = clauses[i]!;
      this.inner.context.outer = this.context.inner;
      if (!clause.equals(this.#keys[i]!, clause.inner(this.inner.context))) return false;
    }
    return true;
  }
  #nextUnmatched(): Row | null {
    this.context.outer = this.code.nullOuter;
    while (this.#unmatched < this.#all.length) {
      const bucket = this.#all[this.#unmatched++]!;
      if (bucket.matched) continue;
      this.context.inner = bucket.row;
      const row = this.emit();
      if (row !== null) return row;
    }
    return null;
  }

  protected reset(): void {
    this.#needOuter = true;
    this.#bucket = null;
    this.#unmatched = -1;
    if (this.#table !== null && this.estate.changedSince(this.inner.plan.allParam, this.#stamp)) {
      this.#table = null;
      this.inner.rescan();
    } else {
      for (const bucket of this.#all) bucket.matched = false;
    }
    this.outer.rescan();
  }
}

interface MergeClause {
  readonly outer: Eval;
  readonly inner: Eval;
  readonly compare: Compare;
}
interface Keyed {
  readonly row: Row;
  readonly keys: Datum[];
  matched: boolean;
}

/** Both inputs are sorted by the merge clauses, nulls last: groups of equal keys meet. A group of the inner side is
 *  kept in memory while the outer rows of the same keys pass by. */
export class MergeJoinState extends JoinState<MergeJoin> {
  protected readonly code;
  #group: Keyed[] = [];
  #groupKeys: Datum[] | null = null;
  #innerAhead: Keyed | null = null;
  #innerDone = false;
  #position = 0;
  #needOuter = true;
  #outerMatched = false;
  #unmatched: Keyed[] = [];
  #outerDone = false;
  constructor(
    plan: MergeJoin,
    estate: EState,
    readonly outer: PlanState,
    readonly inner: PlanState,
  ) {
    super(plan, estate);
    this.code = compiledFor(plan, estate, (scope) => ({
      ...joinCode(plan, scope),
      clauses: plan.mergeclauses.map((node, i): MergeClause => {
        const op = node as OpExpr;
        const ordering = mergeOrdering(op.opno)!;
        return {
          outer: compileExpr(op.args[0]!, scope),
          inner: compileExpr(op.args[1]!, scope),
          compare: familyCompare(ordering.family, ordering.left, ordering.right, plan.mergeCollations[i]!),
        };
      }),
    }));
  }

  #fillsInner(): boolean {
    return this.plan.jointype === 'right' || this.plan.jointype === 'full';
  }
  #readInner(): Keyed | null {
    if (this.#innerDone) return null;
    const row = this.inner.next();
    if (row === null) {
      this.#innerDone = true;
      return null;
    }
    this.tick();
    const kept = row.slice();
    this.context.inner = kept;
    return { row: kept, keys: this.code.clauses.map((clause) => clause.inner(this.context)), matched: false };
  }
  /** Order of outer keys against inner keys; null keys sort last and match nothing. */
  #compareKeys(outer: Datum[], inner: Datum[]): number {
    for (let i = 0; i < outer.length; i++) {
      const a = outer[i]!;
      const b = inner[i]!;
      if (a === null) return b === null ? -1 : 1;
      if (b === null) return -1;
      const order = this.code.clauses[i]!.compare(a, b);
      if (order !== 0) return order;
    }
    return 0;
  }
  /** Makes #group the inner rows of the outer keys; leaves smaller inner rows behind. */
  #advanceTo(keys: Datum[]): void {
    if (this.#groupKeys !== null && this.#compareKeys(keys, this.#groupKeys) === 0) return;
    this.#retire();
    for (;;) {
      this.#innerAhead ??= this.#readInner();
      const head = this.#innerAhead;
      if (head === null) return;
      const order = this.#compareKeys(keys, head.keys);
      if (order < 0) return;
      this.#innerAhead = null;
      if (order > 0) {
        if (this.#fillsInner()) this.#unmatched.push(head);
        continue;
      }
      this.#group = [head];
      this.#groupKeys = keys;
      for (let row = this.#readInner(); row !== null; row = this.#readInner()) {
        if (this.#compareKeys(keys, row.keys) !== 0) {
          this.#innerAhead = row;
          return;
        }
        this.#group.push(row);
      }
      return;
    }
  }
  #retire(): void {
    if (this.#fillsInner()) for (const row of this.#group) if (!row.matched) this.#unmatched.push(row);
    this.#group = [];
    this.#groupKeys = null;
  }

  next(): Row | null {
    const context = this.context;
    const jointype = this.plan.jointype;
    for (;;) {
      this.tick();
      if (this.#needOuter) {
        const pending = this.#giveUnmatched();
        if (pending !== null) return pending;
        if (this.#outerDone) return null;
        const row = this.outer.next();
        if (row === null) {
          this.#finishOuter();
          continue;
        }
        context.outer = row;
        const keys = this.code.clauses.map((clause) => clause.outer(context));
        if (keys.includes(null)) this.#position = this.#group.length;
        else {
          this.#advanceTo(keys);
          this.#position = 0;
        }
        if (this.#groupKeys === null || keys.includes(null)) this.#position = this.#group.length;
        this.#needOuter = false;
        this.#outerMatched = false;
      }
      const inner = this.#group[this.#position++];
      if (inner === undefined) {
        this.#needOuter = true;
        if (!this.#outerMatched && (jointype === 'left' || jointype === 'full' || jointype === 'anti')) {
          context.inner = this.code.nullInner;
          const row = this.emit();
          if (row !== null) return row;
        }
        continue;
      }
      context.inner = inner.row;
      if (!this.matches()) continue;
      this.#outerMatched = true;
      inner.matched = true;
      if (jointype === 'anti') {
        this.#needOuter = true;
        continue;
      }
      if (jointype === 'semi') this.#needOuter = true;
      const row = this.emit();
      if (row !== null) return row;
    }
  }

  #finishOuter(): void {
    this.#outerDone = true;
    this.#retire();
    if (!this.#fillsInner()) return;
    if (this.#innerAhead !== null) this.#unmatched.push(this.#innerAhead);
    this.#innerAhead = null;
    for (let row = this.#readInner(); row !== null; row = this.#readInner()) this.#unmatched.push(row);
  }
  #giveUnmatched(): Row | null {
    while (this.#unmatched.length > 0) {
      const outer = this.context.outer;
      this.context.outer = this.code.nullOuter;
      this.context.inner = this.#unmatched.shift()!.row;
      const row = this.emit();
      this.context.outer = outer;
      if (row !== null) return row;
    }
    return null;
  }

  protected reset(): void {
    this.#group = [];
    this.#groupKeys = null;
    this.#innerAhead = null;
    this.#innerDone = false;
    this.#needOuter = true;
    this.#outerDone = false;
    this.#unmatched = [];
    this.outer.rescan();
    this.inner.rescan();
  }
}
