/** join-search.ts — the FROM clause as a plan: base relations, the order of inner joins, methods of joining.
 *
 *  Inner joins of one FROM level are ordered by dynamic programming over subsets (greedily beyond ten items). An outer,
 *  semi or anti join is one item of the level it stands in: its sides are planned by themselves.
 *  Counterpart: src/backend/optimizer/plan/initsplan.c, path/joinrels.c, path/joinpath.c */
import type { Oid } from '#base/ids.ts';
import { BT } from '#catalog/oids.ts';
import { familyMember, hashOpclass, operatorRow } from '#catalog/syscache.ts';
import { mergeOrdering } from '#executor/sort-support.ts';
import { equal, exprType, implicitAnd, makeTargetEntry } from '#nodes/node-funcs.ts';
import type { Plan } from '#nodes/plan-nodes.ts';
import type { Expr, FromNode, JoinExpr, JoinType, OpExpr, TargetEntry, Var } from '#nodes/primitives.ts';
import { BaseRelation, type RelPath } from '#optimizer/base-rel.ts';
import { clampRows, cpuOperatorCost, cpuTupleCost, exprCost } from '#optimizer/cost.ts';
import { baseFields, makeMaterial, makeSort, orderOf, setOrder } from '#optimizer/plan-make.ts';
import { type PlannerInfo, type PlanParam, targetsWidth } from '#optimizer/planner-info.ts';
import { relidsOfFrom } from '#optimizer/prep.ts';
import { clauseListSelectivity, distinctValues, joinSelectivity, type RelStats } from '#optimizer/selectivity.ts';
import { bit, containsVolatile, isSubset, pullVars, relidsOf } from '#optimizer/volatility.ts';
import { settings } from '#runtime/guc/guc.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

interface VarUse {
  readonly variable: Var;
  /** Relations that the using conditions are evaluated over. */
  users: bigint[];
  top: boolean;
}

/** Relations at which a condition can be evaluated: a nullable side pulls in its whole outer join. */
function placement(node: FromNode, relids: bigint): bigint {
  let current = relids;
  const visit = (child: FromNode): void => {
    if (child.kind === 'RangeTblRef') return;
    if (child.kind === 'FromExpr') {
      child.fromlist.forEach(visit);
      return;
    }
    visit(child.larg);
    visit(child.rarg);
    if (child.jointype === 'inner') return;
    const right = relidsOfFrom(child.rarg);
    const nullable = child.jointype === 'full' ? right | relidsOfFrom(child.larg) : right;
    if ((current & nullable) !== 0n) current |= right | relidsOfFrom(child.larg);
  };
  let before: bigint;
  do {
    before = current;
    visit(node);
  } while (current !== before);
  return current;
}

export class JoinPlanner {
  readonly #uses = new Map<string, VarUse>();
  readonly #bases = new Map<number, BaseRelation>();
  constructor(
    readonly root: PlannerInfo,
    readonly tree: FromNode,
    topExprs: readonly Expr[],
  ) {
    for (const expr of topExprs) for (const v of pullVars(expr)) this.#use(v, null);
    this.#noteQuals(tree);
    this.#noteBases(tree);
  }

  readonly stats = (v: Var): RelStats | undefined => this.#bases.get(v.varno)?.stats(v);

  #use(v: Var, users: bigint | null): void {
    const key = `${v.varno}.${v.varattno}`;
    let use = this.#uses.get(key);
    if (use === undefined) {
      use = { variable: v, users: [], top: false };
      this.#uses.set(key, use);
    }
    if (users === null) use.top = true;
    else use.users.push(users);
  }
  #noteQuals(node: FromNode): void {
    if (node.kind === 'RangeTblRef') return;
    for (const qual of implicitAnd(node.quals)) {
      const place = placement(node, relidsOf(qual));
      // A condition of an outer join is evaluated by the join itself.
      const own = node.kind === 'JoinExpr' && node.jointype !== 'inner' && !isSubset(place, relidsOfFrom(node.rarg));
      const users = own ? place | relidsOfFrom(node) : place;
      for (const v of pullVars(qual)) this.#use(v, users);
    }
    if (node.kind === 'FromExpr') {
      for (const child of node.fromlist) this.#noteQuals(child);
    } else {
      this.#noteQuals(node.larg);
      this.#noteQuals(node.rarg);
    }
  }
  #noteBases(node: FromNode): void {
    if (node.kind === 'FromExpr') {
      for (const child of node.fromlist) this.#noteBases(child);
      return;
    }
    if (node.kind === 'JoinExpr') {
      this.#noteBases(node.larg);
      this.#noteBases(node.rarg);
      return;
    }
    const base = new BaseRelation(this.root, node.rtindex);
    this.#bases.set(node.rtindex, base);
    for (const v of base.lateralVars()) this.#use(v, bit(node.rtindex) | bit(v.varno));
  }

  /** Variables of `relids` that something outside of these relations, or the top, wants. */
  targetsFor(relids: bigint): TargetEntry[] {
    const out: TargetEntry[] = [];
    for (const { variable, users, top } of this.#uses.values()) {
      if ((relids & bit(variable.varno)) === 0n) continue;
      if (top || users.some((user) => !isSubset(user, relids)))
        out.push(makeTargetEntry(variable, out.length + 1, null));
    }
    return out.sort((a, b) => order(a) - order(b)).map((entry, i) => ({ ...entry, resno: i + 1 }));
  }

  plan(): { path: RelPath; constantQuals: Expr[] } {
    const constantQuals: Expr[] = [];
    const path = this.#planNode(this.tree, [], constantQuals);
    return { path, constantQuals };
  }

  /** `quals` come from above and may be evaluated at this node or below. */
  #planNode(node: FromNode, quals: Expr[], constants: Expr[]): RelPath {
    switch (node.kind) {
      case 'RangeTblRef': {
        const base = this.#bases.get(node.rtindex)!;
        return base.path(quals, this.targetsFor(bit(node.rtindex)), this.stats);
      }
      case 'FromExpr':
        return this.#planLevel(node, quals, constants);
      case 'JoinExpr':
        return node.jointype === 'inner' ? this.#planLevel(node, quals, constants) : this.#planOuterJoin(node, quals);
    }
  }

  #planLevel(node: FromNode, pushed: Expr[], constants: Expr[]): RelPath {
    const items: FromNode[] = [];
    const quals = pushed.slice();
    flattenLevel(node, items, quals);
    const perItem: Expr[][] = items.map(() => []);
    const clauses: Expr[] = [];
    const itemRelids = items.map(relidsOfFrom);
    for (const qual of quals) {
      const relids = relidsOf(qual);
      const home = relids === 0n ? -1 : itemRelids.findIndex((set) => isSubset(relids, set));
      if (relids === 0n && !containsVolatile(qual)) constants.push(qual);
      else if (home >= 0) perItem[home]!.push(qual);
      else if (relids === 0n) perItem[perItem.length - 1]!.push(qual);
      else clauses.push(qual);
    }
    const paths = items.map((item, i) => this.#planNode(item, perItem[i]!, constants));
    return paths.length === 1 ? paths[0]! : this.#orderJoins(paths, clauses);
  }

  #planOuterJoin(node: JoinExpr, pushed: Expr[]): RelPath {
    const left = relidsOfFrom(node.larg);
    const right = relidsOfFrom(node.rarg);
    const leftQuals: Expr[] = [];
    const rightQuals: Expr[] = [];
    const filters: Expr[] = [];
    const joinQuals: Expr[] = [];
    for (const qual of pushed) {
      if (node.jointype !== 'full' && isSubset(relidsOf(qual), left)) leftQuals.push(qual);
      else filters.push(qual);
    }
    for (const qual of implicitAnd(node.quals)) {
      const relids = relidsOf(qual);
      if (node.jointype === 'semi' && relids !== 0n && isSubset(relids, left)) leftQuals.push(qual);
      else if (node.jointype !== 'full' && relids !== 0n && isSubset(relids, right)) rightQuals.push(qual);
      else joinQuals.push(qual);
    }
    const leftConstants: Expr[] = [];
    const rightConstants: Expr[] = [];
    const outer = gatePath(this.#planNode(node.larg, leftQuals, leftConstants), leftConstants);
    const inner = gatePath(this.#planNode(node.rarg, rightQuals, rightConstants), rightConstants);
    const joined = this.#bestJoin(outer, inner, node.jointype, joinQuals, filters);
    if (joined === null) {
      return report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'FULL JOIN is only supported with merge-joinable or hash-joinable join conditions',
      });
    }
    return joined;
  }

  #orderJoins(items: RelPath[], clauses: Expr[]): RelPath {
    if (items.length > 10) return this.#greedy(items, clauses);
    const best = new Map<bigint, RelPath>();
    const levels: RelPath[][] = [items];
    for (const item of items) best.set(item.relids, item);
    const all = items.reduce((set, item) => set | item.relids, 0n);
    const itemSets = items.map((item) => item.relids);
    const size = (relids: bigint): number => itemSets.filter((set) => isSubset(set, relids)).length;
    for (let level = 2; level <= items.length; level++) {
      this.#joinLevel(levels, best, clauses, level, size, false);
      const made = [...best.values()].filter((path) => size(path.relids) === level);
      if (made.length === 0) this.#joinLevel(levels, best, clauses, level, size, true);
      levels.push([...best.values()].filter((path) => size(path.relids) === level));
    }
    const result = best.get(all);
    if (result === undefined) {
      return report('ERROR', { code: SQLSTATE.internalError, message: 'failed to build any join of all relations' });
    }
    return result;
  }

  #joinLevel(
    levels: RelPath[][],
    best: Map<bigint, RelPath>,
    clauses: Expr[],
    level: number,
    size: (relids: bigint) => number,
    cartesian: boolean,
  ): void {
    for (let small = 1; small <= level - small; small++) {
      for (const a of levels[level - small - 1]!) {
        for (const b of levels[small - 1]!) {
          if ((a.relids & b.relids) !== 0n || size(a.relids | b.relids) !== level) continue;
          if (!cartesian && !this.#connected(a, b, clauses) && this.#hasPartner(a, b, levels[0]!, clauses)) continue;
          this.#consider(best, a, b, clauses);
        }
      }
    }
  }
  #consider(best: Map<bigint, RelPath>, a: RelPath, b: RelPath, clauses: Expr[]): void {
    const relids = a.relids | b.relids;
    const usable = clauses.filter((clause) => {
      const needs = relidsOf(clause);
      return isSubset(needs, relids) && !isSubset(needs, a.relids) && !isSubset(needs, b.relids);
    });
    for (const [outer, inner] of [
      [a, b],
      [b, a],
    ] as const) {
      const path = this.#bestJoin(outer, inner, 'inner', usable, []);
      if (path === null) continue;
      const known = best.get(relids);
      if (known === undefined || cheaper(path, known)) best.set(relids, path);
    }
  }
  #connected(a: RelPath, b: RelPath, clauses: Expr[]): boolean {
    const both = a.relids | b.relids;
    const linked = clauses.some((clause) => {
      const needs = relidsOf(clause);
      return (needs & a.relids) !== 0n && (needs & b.relids) !== 0n && isSubset(needs, both);
    });
    return linked || wants(a, b) || wants(b, a);
  }
  /** A cross product is only worth a look if one of the sides is linked to nothing. */
  #hasPartner(a: RelPath, b: RelPath, items: RelPath[], clauses: Expr[]): boolean {
    const linked = (x: RelPath): boolean =>
      items.some((item) => (item.relids & x.relids) === 0n && this.#connected(x, item, clauses)) ||
      clauses.some((clause) => {
        const needs = relidsOf(clause);
        return (needs & x.relids) !== 0n && !isSubset(needs, x.relids);
      });
    return linked(a) || linked(b);
  }

  #greedy(items: RelPath[], clauses: Expr[]): RelPath {
    let pool = items.slice();
    while (pool.length > 1) {
      let chosen: { path: RelPath; a: RelPath; b: RelPath } | null = null;
      for (const strict of [true, false]) {
        for (let i = 0; i < pool.length; i++) {
          for (let j = i + 1; j < pool.length; j++) {
            const a = pool[i]!;
            const b = pool[j]!;
            if (strict && !this.#connected(a, b, clauses)) continue;
            const best = new Map<bigint, RelPath>();
            this.#consider(best, a, b, clauses);
            const path = best.get(a.relids | b.relids);
            if (path !== undefined && (chosen === null || path.total < chosen.path.total)) chosen = { path, a, b };
          }
        }
        if (chosen !== null) break;
      }
      if (chosen === null) {
        return report('ERROR', { code: SQLSTATE.internalError, message: 'failed to build any join of all relations' });
      }
      const { path, a, b } = chosen;
      pool = [...pool.filter((item) => item !== a && item !== b), path];
    }
    return pool[0]!;
  }

  // ------------------------------------------------------------ one join

  /** The cheapest way to join; null if this order or type is impossible. */
  #bestJoin(outer: RelPath, inner: RelPath, jointype: JoinType, joinQuals: Expr[], filters: Expr[]): RelPath | null {
    if (outer.required.some((param) => (relidsOf(param.item) & inner.relids) !== 0n)) return null;
    const parameterised = inner.required.some((param) => (relidsOf(param.item) & outer.relids) !== 0n);
    const rows = this.#joinRows(outer, inner, jointype, joinQuals, filters);
    const job: JoinJob = {
      outer,
      inner,
      jointype,
      joinQuals,
      filters,
      rows,
      relids: outer.relids | inner.relids,
      targets: this.targetsFor(outer.relids | inner.relids),
      params: inner.required.filter((param) => (relidsOf(param.item) & outer.relids) !== 0n),
    };
    const candidates: RelPath[] = [];
    if (jointype !== 'full') candidates.push(...this.#nestLoops(job, parameterised));
    if (!parameterised) {
      candidates.push(...this.#hashJoins(job));
      if (jointype === 'left') candidates.push(...this.#hashJoins(turned(job)));
      candidates.push(...this.#mergeJoins(job));
    }
    let best: RelPath | null = null;
    for (const candidate of candidates) if (best === null || cheaper(candidate, best)) best = candidate;
    return best;
  }

  #joinRows(outer: RelPath, inner: RelPath, jointype: JoinType, joinQuals: Expr[], filters: Expr[]): number {
    const js = joinSelectivity(joinQuals, jointype, this.stats, outer.relids);
    const fs = clauseListSelectivity(filters, this.stats);
    const product = outer.rows * inner.rows * js;
    switch (jointype) {
      case 'left':
        return clampRows(Math.max(product, outer.rows) * fs);
      case 'full':
        return clampRows(Math.max(product, outer.rows, inner.rows) * fs);
      case 'semi':
        return clampRows(outer.rows * js * fs);
      case 'anti':
        return clampRows(outer.rows * (1 - js) * fs);
      default:
        return clampRows(product * fs);
    }
  }

  #nestLoops(job: JoinJob, parameterised: boolean): RelPath[] {
    const { outer, inner } = job;
    const variants: {
      materialize: boolean;
      startup: number;
      total: number;
      again: { startup: number; total: number };
    }[] = [];
    variants.push({ materialize: false, startup: inner.startup, total: inner.total, again: inner.rescan() });
    if (!parameterised && inner.required.length === 0 && !inner.keepsRows && settings.enable_material) {
      const total = inner.total + 2 * cpuOperatorCost() * inner.rows;
      variants.push({
        materialize: true,
        startup: inner.startup,
        total,
        again: { startup: 0, total: cpuOperatorCost() * inner.rows },
      });
    }
    return variants.map((variant) => {
      const quals = exprCost([...job.joinQuals, ...job.filters]);
      const outerRows = Math.max(outer.rows, 1);
      let startup = outer.startup + variant.startup;
      let run = outer.total - outer.startup;
      const innerRun = variant.total - variant.startup;
      const againRun = variant.again.total - variant.again.startup;
      if (outerRows > 1) run += (outerRows - 1) * variant.again.startup;
      let tuples: number;
      if (job.jointype === 'semi' || job.jointype === 'anti') {
        const matched = job.jointype === 'semi' ? job.rows : outerRows - job.rows;
        const found = Math.max(0, Math.min(outerRows, matched));
        const perMatch = Math.max(
          1,
          (inner.rows * joinSelectivity(job.joinQuals, 'inner', this.stats, outer.relids)) /
            Math.max(1e-9, found / outerRows),
        );
        const fraction = 2 / (perMatch + 1);
        const unmatched = outerRows - found;
        run += innerRun * (unmatched > 0 ? 1 : fraction);
        if (outerRows > 1) {
          run += Math.max(0, found - 1) * againRun * fraction + Math.max(0, unmatched) * againRun;
        }
        tuples = found * inner.rows * fraction + unmatched * inner.rows;
      } else {
        run += innerRun;
        if (outerRows > 1) run += (outerRows - 1) * againRun;
        tuples = outerRows * Math.max(inner.rows, 1);
      }
      startup += quals.startup;
      run += (cpuTupleCost() + quals.perTuple) * tuples;
      if (!settings.enable_nestloop) startup += 1e10;
      return this.#joinPath(job, startup, startup + run, () => {
        const outerPlan = outer.make('any');
        let innerPlan = inner.make('any');
        if (variant.materialize) innerPlan = makeMaterial(inner.make('small'));
        const plan: Plan = {
          kind: 'NestLoop',
          ...baseFields(job.targets, outerPlan, innerPlan),
          jointype: job.jointype,
          innerUnique: false,
          joinqual: job.joinQuals,
          qual: job.filters,
          nestParams: job.params.map((param) => ({ paramno: param.paramId, paramval: param.item })),
        };
        return setOrder(plan, orderOf(outerPlan));
      });
    });
  }

  #hashJoins(job: JoinJob): RelPath[] {
    if (!settings.enable_hashjoin && job.jointype !== 'full') return [];
    const { outer, inner } = job;
    const keys: JoinKey[] = [];
    const rest: Expr[] = [];
    for (const qual of job.joinQuals) {
      const key = joinKey(qual, outer.relids, inner.relids);
      if (key !== null && isHashable(key)) keys.push(key);
      else rest.push(qual);
    }
    if (keys.length === 0) return [];
    const op = cpuOperatorCost();
    let startup = outer.startup + inner.total + (op * keys.length + cpuTupleCost()) * inner.rows;
    let run = outer.total - outer.startup + op * keys.length * outer.rows;
    const hashCost = exprCost(keys.map((key) => key.clause));
    const restCost = exprCost([...rest, ...job.filters]);
    let bucket = 1;
    for (const key of keys) bucket = Math.min(bucket, this.#bucketSize(key.innerExpr, inner));
    startup += hashCost.startup + restCost.startup;
    let matches: number;
    if (job.jointype === 'semi' || job.jointype === 'anti') {
      const found = Math.max(0, Math.min(outer.rows, job.jointype === 'semi' ? job.rows : outer.rows - job.rows));
      const bucketRows = clampRows(inner.rows * bucket);
      run += hashCost.perTuple * found * clampRows(bucketRows * 0.5) * 0.5;
      run += hashCost.perTuple * (outer.rows - found) * clampRows(inner.rows / Math.max(1024, inner.rows)) * 0.05;
      matches = job.jointype === 'anti' ? outer.rows - found : found;
    } else {
      run += hashCost.perTuple * outer.rows * clampRows(inner.rows * bucket) * 0.5;
      matches = clampRows(
        outer.rows *
          inner.rows *
          joinSelectivity(
            keys.map((key) => key.clause),
            'inner',
            this.stats,
            outer.relids,
          ),
      );
    }
    run += (cpuTupleCost() + restCost.perTuple) * matches;
    return [
      this.#joinPath(job, startup, startup + run, () => {
        const outerPlan = outer.make('any');
        const innerPlan = inner.make('small');
        const hash: Plan = {
          kind: 'Hash',
          ...baseFields(
            innerPlan.targetlist.map((entry) => ({ ...entry })),
            innerPlan,
          ),
          startupCost: innerPlan.totalCost,
          planWidth: innerPlan.planWidth,
          hashkeys: keys.map((key) => key.innerExpr),
          rowsTotal: innerPlan.planRows,
        };
        return {
          kind: 'HashJoin',
          ...baseFields(job.targets, outerPlan, hash),
          jointype: job.jointype,
          innerUnique: false,
          joinqual: rest,
          qual: job.filters,
          hashclauses: keys.map((key) => key.clause),
          hashoperators: keys.map((key) => key.operator),
          hashcollations: keys.map((key) => key.collation),
          hashkeys: keys.map((key) => key.outerExpr),
        };
      }),
    ];
  }
  #bucketSize(expr: Expr, inner: RelPath): number {
    const distinct = distinctValues(expr, this.stats);
    if (distinct.guessed) return 0.1;
    const buckets = Math.max(1024, 2 ** Math.ceil(Math.log2(Math.max(1, inner.rows))));
    return distinct.count > buckets ? 1 / buckets : 1 / distinct.count;
  }

  #mergeJoins(job: JoinJob): RelPath[] {
    if (!settings.enable_mergejoin && job.jointype !== 'full') return [];
    const { outer, inner } = job;
    const keys: JoinKey[] = [];
    const rest: Expr[] = [];
    for (const qual of job.joinQuals) {
      const key = joinKey(qual, outer.relids, inner.relids);
      const known = keys.some((other) => key !== null && equal(other.outerExpr, key.outerExpr));
      if (key !== null && !known && isMergeable(key)) keys.push(key);
      else rest.push(qual);
    }
    // An outer join's leftover conditions cannot be checked after the fact in a full join.
    if (keys.length === 0 || (job.jointype === 'full' && rest.length > 0)) return [];
    const op = cpuOperatorCost();
    const sorted = (path: RelPath, side: 'outer' | 'inner') => {
      const wanted = keys.map((key) => mergeSortKey(key, side));
      return { wanted, cost: path.sorted(wanted) };
    };
    const left = sorted(outer, 'outer');
    const right = sorted(inner, 'inner');
    const mergeCost = exprCost(keys.map((key) => key.clause));
    const restCost = exprCost([...rest, ...job.filters]);
    const tuples = clampRows(
      outer.rows *
        inner.rows *
        joinSelectivity(
          keys.map((key) => key.clause),
          'inner',
          this.stats,
          outer.relids,
        ),
    );
    const rescanned = Math.max(0, tuples - inner.rows);
    const ratio = 1 + rescanned / Math.max(1, inner.rows);
    const innerRun = right.cost.total - right.cost.startup;
    const bare = innerRun * ratio;
    const materialized = innerRun + op * inner.rows * ratio;
    const materialize = settings.enable_material && materialized < bare;
    const startup = left.cost.startup + right.cost.startup + mergeCost.startup + restCost.startup;
    let run = left.cost.total - left.cost.startup + (materialize ? materialized : bare);
    run += mergeCost.perTuple * (outer.rows + inner.rows * ratio) + (cpuTupleCost() + restCost.perTuple) * tuples;
    return [
      this.#joinPath(job, startup, startup + run, () => {
        const outerPlan = makeSort(outer.make('small'), left.wanted);
        let innerPlan = makeSort(inner.make('small'), right.wanted);
        if (materialize) innerPlan = makeMaterial(innerPlan);
        const plan: Plan = {
          kind: 'MergeJoin',
          ...baseFields(job.targets, outerPlan, innerPlan),
          jointype: job.jointype,
          innerUnique: false,
          joinqual: rest,
          qual: job.filters,
          mergeclauses: keys.map((key) => key.clause),
          mergeOperators: left.wanted.map((key) => key.sortop),
          mergeCollations: keys.map((key) => key.collation),
          mergeNullsFirst: keys.map(() => false),
        };
        return job.jointype === 'full' ? plan : setOrder(plan, left.wanted);
      }),
    ];
  }

  #joinPath(job: JoinJob, startup: number, total: number, make: () => Plan): RelPath {
    const targets = job.targets;
    const provided = new Set<PlanParam>(job.params);
    const required = [...job.outer.required, ...job.inner.required.filter((param) => !provided.has(param))];
    const finish = (): Plan => {
      const plan = make();
      plan.startupCost = startup;
      plan.totalCost = total;
      plan.planRows = job.rows;
      plan.planWidth = targetsWidth(targets);
      return plan;
    };
    return {
      relids: job.relids,
      rows: job.rows,
      width: targetsWidth(targets),
      startup,
      total,
      required,
      keepsRows: false,
      make: finish,
      rescan: () => ({ startup, total }),
      sorted: (keys) => {
        const probe: Plan = { kind: 'Result', ...baseFields(targets), resconstantqual: [] };
        Object.assign(probe, { startupCost: startup, totalCost: total, planRows: job.rows });
        const plan = makeSort(probe, keys);
        return { startup: plan.startupCost, total: plan.totalCost };
      },
    };
  }
}

interface JoinJob {
  readonly outer: RelPath;
  readonly inner: RelPath;
  readonly jointype: JoinType;
  readonly joinQuals: Expr[];
  readonly filters: Expr[];
  readonly rows: number;
  readonly relids: bigint;
  readonly targets: TargetEntry[];
  readonly params: PlanParam[];
}
/** A left join seen from its other side: hash the preserved side. */
const turned = (job: JoinJob): JoinJob => ({ ...job, outer: job.inner, inner: job.outer, jointype: 'right' });

const order = (entry: TargetEntry): number => (entry.expr as Var).varno;
const wants = (a: RelPath, b: RelPath): boolean => a.required.some((param) => (relidsOf(param.item) & b.relids) !== 0n);

/** PostgreSQL takes costs within one per cent as equal and then looks at the startup cost. */
function cheaper(a: RelPath, b: RelPath): boolean {
  if (a.total < b.total * 0.99) return true;
  if (a.total > b.total * 1.01) return false;
  if (a.startup !== b.startup) return a.startup < b.startup;
  return a.total < b.total;
}

function flattenLevel(node: FromNode, items: FromNode[], quals: Expr[]): void {
  if (node.kind === 'FromExpr') {
    for (const child of node.fromlist) flattenLevel(child, items, quals);
    quals.push(...implicitAnd(node.quals));
  } else if (node.kind === 'JoinExpr' && node.jointype === 'inner') {
    flattenLevel(node.larg, items, quals);
    flattenLevel(node.rarg, items, quals);
    quals.push(...implicitAnd(node.quals));
  } else items.push(node);
}

/** A side of an outer join under a condition without variables. */
function gatePath(path: RelPath, constants: Expr[]): RelPath {
  if (constants.length === 0) return path;
  return {
    ...path,
    make: (flags) => {
      const plan = path.make(flags);
      const result: Plan = {
        kind: 'Result',
        ...baseFields(
          plan.targetlist.map((entry) => ({ ...entry })),
          plan,
        ),
        planWidth: plan.planWidth,
        resconstantqual: constants,
      };
      return setOrder(result, orderOf(plan));
    },
  };
}

interface JoinKey {
  /** outer op inner */
  readonly clause: OpExpr;
  readonly outerExpr: Expr;
  readonly innerExpr: Expr;
  readonly operator: Oid;
  readonly collation: Oid;
}
function joinKey(qual: Expr, outer: bigint, inner: bigint): JoinKey | null {
  if (qual.kind !== 'OpExpr' || qual.args.length !== 2 || containsVolatile(qual)) return null;
  const [a, b] = qual.args as [Expr, Expr];
  const aRelids = relidsOf(a);
  const bRelids = relidsOf(b);
  if (aRelids === 0n || bRelids === 0n) return null;
  const operator = operatorRow(qual.opno);
  if (operator === undefined) return null;
  if (isSubset(aRelids, outer) && isSubset(bRelids, inner)) {
    return { clause: qual, outerExpr: a, innerExpr: b, operator: qual.opno, collation: qual.inputcollid };
  }
  if (!isSubset(aRelids, inner) || !isSubset(bRelids, outer) || operator.oprcom === 0) return null;
  const opno = operator.oprcom;
  const clause: OpExpr = { ...qual, opno, opfuncid: operatorRow(opno)!.oprcode, args: [b, a] };
  return { clause, outerExpr: b, innerExpr: a, operator: opno, collation: qual.inputcollid };
}
function isHashable(key: JoinKey): boolean {
  if (operatorRow(key.operator)?.oprcanhash !== true) return false;
  return hashOpclass(exprType(key.outerExpr)) !== undefined || hashOpclass(exprType(key.innerExpr)) !== undefined;
}
/** Sorting by an expression would need a column of its own: variables only. */
const isMergeable = (key: JoinKey): boolean =>
  key.outerExpr.kind === 'Var' &&
  key.innerExpr.kind === 'Var' &&
  operatorRow(key.operator)?.oprcanmerge === true &&
  mergeOrdering(key.operator) !== undefined;

function mergeSortKey(key: JoinKey, side: 'outer' | 'inner') {
  const ordering = mergeOrdering(key.operator)!;
  const expr = side === 'outer' ? key.outerExpr : key.innerExpr;
  const type = side === 'outer' ? ordering.left : ordering.right;
  return { expr, sortop: lessOperator(ordering.family, type), nullsFirst: false };
}
const lessOperator = (family: Oid, type: Oid): Oid => familyMember(family, type, type, BT.less);
