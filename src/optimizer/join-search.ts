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
import { BaseRelation } from '#optimizer/base-rel.ts';
import { addPath, cheapestOf, type Rel, type RelPath, relidsOfParams } from '#optimizer/path.ts';
import { clampRows, cpuOperatorCost, cpuTupleCost, exprCost, roundEven } from '#optimizer/cost.ts';
import { withImpliedConstants } from '#optimizer/implied-constants.ts';
import {
  baseFields,
  makeMaterial,
  makeSort,
  orderOf,
  satisfies,
  sameKey,
  setOrder,
  type SortKey,
} from '#optimizer/plan-make.ts';
import { exprWidth, type PlannerInfo, type PlanParam } from '#optimizer/planner-info.ts';
import { relidsOfFrom } from '#optimizer/prep.ts';
import { clauseListSelectivity, distinctValues, joinSelectivity, type RelStats } from '#optimizer/selectivity.ts';
import { STATISTIC_KIND, statisticSlot } from '#optimizer/statistics.ts';
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
  /** With the orders by which merge joins could be made. */
  #wanted: (readonly SortKey[])[];
  #totalPages = 0;
  constructor(
    readonly root: PlannerInfo,
    readonly tree: FromNode,
    topExprs: readonly Expr[],
    /** Orders that the query has a use for. */
    wanted: readonly (readonly SortKey[])[] = [],
    /** Will perhaps only some of the rows be read? */
    readonly startupMatters = false,
  ) {
    this.#wanted = wanted.filter((keys) => keys.length > 0);
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

  #width(targets: readonly TargetEntry[]): number {
    return targets.reduce((sum, { expr }) => {
      const known = expr.kind === 'Var' ? this.#bases.get(expr.varno)?.columnWidth(expr.varattno) : undefined;
      return sum + (known ?? exprWidth(expr));
    }, 0);
  }

  plan(): { rel: Rel; constantQuals: Expr[] } {
    const constantQuals: Expr[] = [];
    const node = this.#planNode(this.tree, [], [], constantQuals);
    return { rel: node, constantQuals };
  }

  readonly #rowsOf = (relids: bigint): number => {
    let least = Infinity;
    for (const [rtindex, base] of this.#bases) if ((relids & bit(rtindex)) !== 0n) least = Math.min(least, base.rows);
    return least === Infinity ? 1 : least;
  };

  /** `quals` come from above and may be evaluated at this node or below; `outer` are conditions with relations outside of
   *  this node, whose values an inner side of a nested loop may use. */
  #planNode(node: FromNode, quals: Expr[], outer: readonly Expr[], constants: Expr[]): Rel {
    switch (node.kind) {
      case 'RangeTblRef': {
        const base = this.#bases.get(node.rtindex)!;
        base.prepare(quals, this.stats);
        return this.#baseRel(base, outer);
      }
      case 'FromExpr':
        return this.#planLevel(node, quals, outer, constants);
      case 'JoinExpr':
        return node.jointype === 'inner'
          ? this.#planLevel(node, quals, outer, constants)
          : this.#planOuterJoin(node, quals, outer);
    }
  }

  #baseRel(base: BaseRelation, joinQuals: readonly Expr[]): Rel {
    this.#totalPages += base.pages;
    const own = bit(base.rtindex);
    const paths = base.paths({
      targets: this.targetsFor(own),
      stats: this.stats,
      joinQuals: joinQuals.filter((qual) => (relidsOf(qual) & own) !== 0n),
      totalPages: this.#totalPages,
      wanted: this.#wanted,
      startupMatters: this.startupMatters,
      rowsOf: this.#rowsOf,
    });
    return { relids: own, rows: base.rows, paths };
  }

  #planLevel(node: FromNode, pushed: Expr[], outside: readonly Expr[], constants: Expr[]): Rel {
    const items: FromNode[] = [];
    const quals = pushed.slice();
    flattenLevel(node, items, quals);
    const perItem: Expr[][] = items.map(() => []);
    const clauses: Expr[] = [];
    const itemRelids = items.map(relidsOfFrom);
    for (const qual of items.length > 1 ? withImpliedConstants(quals) : quals) {
      const relids = relidsOf(qual);
      const home = relids === 0n ? -1 : itemRelids.findIndex((set) => isSubset(relids, set));
      if (relids === 0n && !containsVolatile(qual)) constants.push(qual);
      else if (home >= 0) perItem[home]!.push(qual);
      else if (relids === 0n) perItem[perItem.length - 1]!.push(qual);
      else clauses.push(qual);
    }
    const outer = outside.length === 0 ? clauses : [...clauses, ...outside];
    if (items.length > 1) this.#noteMergeOrders(clauses);
    // How often a lookup is repeated depends on the sizes of the others: these come first.
    const bases = items.map((item, i) => {
      if (item.kind !== 'RangeTblRef') return null;
      const base = this.#bases.get(item.rtindex)!;
      base.prepare(perItem[i]!, this.stats);
      return base;
    });
    const rels = items.map((item, i) => {
      const base = bases[i]!;
      return base === null ? this.#planNode(item, perItem[i]!, outer, constants) : this.#baseRel(base, outer);
    });
    return rels.length === 1 ? rels[0]! : this.#orderJoins(rels, clauses);
  }

  #noteMergeOrders(clauses: readonly Expr[]): void {
    for (const clause of clauses) {
      if (clause.kind !== 'OpExpr' || clause.args.length !== 2) continue;
      const [left, right] = clause.args as [Expr, Expr];
      const key = joinKey(clause, relidsOf(left), relidsOf(right));
      if (key === null || !isMergeable(key)) continue;
      this.#wanted.push([mergeSortKey(key, 'outer')], [mergeSortKey(key, 'inner')]);
    }
  }

  #planOuterJoin(node: JoinExpr, pushed: Expr[], outside: readonly Expr[]): Rel {
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
    this.#noteMergeOrders(joinQuals);
    const leftConstants: Expr[] = [];
    const rightConstants: Expr[] = [];
    // Conditions from outside reach the side that is kept as it is; the join's own ones the other.
    const forLeft = node.jointype === 'full' ? [] : outside.filter((qual) => (relidsOf(qual) & right) === 0n);
    const outer = gateRel(this.#planNode(node.larg, leftQuals, forLeft, leftConstants), leftConstants);
    const forRight = node.jointype === 'full' ? [] : joinQuals;
    const inner = gateRel(this.#planNode(node.rarg, rightQuals, forRight, rightConstants), rightConstants);
    const rel: Rel = {
      relids: outer.relids | inner.relids,
      rows: this.#joinRows(outer.rows, inner.rows, outer.relids, node.jointype, joinQuals, filters),
      paths: [],
    };
    this.#joinPaths(rel, outer, inner, node.jointype, joinQuals, filters);
    if (rel.paths.length === 0) {
      return report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'FULL JOIN is only supported with merge-joinable or hash-joinable join conditions',
      });
    }
    return rel;
  }

  #orderJoins(items: Rel[], clauses: Expr[]): Rel {
    if (items.length > 10) return this.#greedy(items, clauses);
    const best = new Map<bigint, Rel>();
    const levels: Rel[][] = [items];
    for (const item of items) best.set(item.relids, item);
    const all = items.reduce((set, item) => set | item.relids, 0n);
    for (let level = 2; level <= items.length; level++) {
      const made = this.#joinLevel(levels, best, clauses, level, false);
      levels.push(made.length > 0 ? made : this.#joinLevel(levels, best, clauses, level, true));
    }
    const result = best.get(all);
    if (result === undefined) {
      return report('ERROR', { code: SQLSTATE.internalError, message: 'failed to build any join of all relations' });
    }
    return result;
  }

  #joinLevel(levels: Rel[][], best: Map<bigint, Rel>, clauses: Expr[], level: number, cartesian: boolean): Rel[] {
    const made = new Set<Rel>();
    for (let small = 1; small <= level - small; small++) {
      const others = levels[small - 1]!;
      for (const a of levels[level - small - 1]!) {
        for (const b of others) {
          if ((a.relids & b.relids) !== 0n) continue;
          // Of two sets of the same size each pair is met twice.
          if (small === level - small && a.relids > b.relids) continue;
          if (!cartesian && !this.#connected(a, b, clauses) && this.#hasPartner(a, b, levels[0]!, clauses)) continue;
          const rel = this.#consider(best, a, b, clauses);
          if (rel !== null) made.add(rel);
        }
      }
    }
    return [...made];
  }
  #consider(best: Map<bigint, Rel>, a: Rel, b: Rel, clauses: Expr[]): Rel | null {
    const relids = a.relids | b.relids;
    const usable = clauses.filter((clause) => {
      const needs = relidsOf(clause);
      return isSubset(needs, relids) && !isSubset(needs, a.relids) && !isSubset(needs, b.relids);
    });
    let rel = best.get(relids);
    rel ??= { relids, rows: this.#joinRows(a.rows, b.rows, a.relids, 'inner', usable, []), paths: [] };
    this.#joinPaths(rel, a, b, 'inner', usable, []);
    this.#joinPaths(rel, b, a, 'inner', usable, []);
    if (rel.paths.length === 0) return null;
    best.set(relids, rel);
    return rel;
  }
  #connected(a: Rel, b: Rel, clauses: Expr[]): boolean {
    const both = a.relids | b.relids;
    const linked = clauses.some((clause) => {
      const needs = relidsOf(clause);
      return (needs & a.relids) !== 0n && (needs & b.relids) !== 0n && isSubset(needs, both);
    });
    return linked || wants(a, b) || wants(b, a);
  }
  /** A cross product is only worth a look if one of the sides is linked to nothing. */
  #hasPartner(a: Rel, b: Rel, items: Rel[], clauses: Expr[]): boolean {
    const linked = (x: Rel): boolean =>
      items.some((item) => (item.relids & x.relids) === 0n && this.#connected(x, item, clauses)) ||
      clauses.some((clause) => {
        const needs = relidsOf(clause);
        return (needs & x.relids) !== 0n && !isSubset(needs, x.relids);
      });
    return linked(a) || linked(b);
  }

  #greedy(items: Rel[], clauses: Expr[]): Rel {
    let pool = items.slice();
    while (pool.length > 1) {
      let chosen: { rel: Rel; a: Rel; b: Rel; total: number } | null = null;
      for (const strict of [true, false]) {
        for (let i = 0; i < pool.length; i++) {
          for (let j = i + 1; j < pool.length; j++) {
            const a = pool[i]!;
            const b = pool[j]!;
            if (strict && !this.#connected(a, b, clauses)) continue;
            const rel = this.#consider(new Map(), a, b, clauses);
            if (rel === null) continue;
            const total = cheapestOf(rel.paths)!.total;
            if (chosen === null || total < chosen.total) chosen = { rel, a, b, total };
          }
        }
        if (chosen !== null) break;
      }
      if (chosen === null) {
        return report('ERROR', { code: SQLSTATE.internalError, message: 'failed to build any join of all relations' });
      }
      const { rel, a, b } = chosen;
      pool = [...pool.filter((item) => item !== a && item !== b), rel];
    }
    return pool[0]!;
  }

  // ------------------------------------------------------------ one join

  /** Adds the ways to join two sets in this order. */
  #joinPaths(rel: Rel, outer: Rel, inner: Rel, jointype: JoinType, joinQuals: Expr[], filters: Expr[]): void {
    const outers = outer.paths.filter((path) => (path.requiredRelids & inner.relids) === 0n);
    if (outers.length === 0) return;
    const add = (path: RelPath): void => addPath(rel.paths, path, this.startupMatters);
    const targets = this.targetsFor(rel.relids);
    const unique = this.#isUnique(outer.relids, inner.relids, jointype, joinQuals);
    const job = (a: RelPath, b: RelPath): JoinJob => ({
      outer: a,
      inner: b,
      jointype,
      joinQuals: b.enforced.length === 0 ? joinQuals : joinQuals.filter((qual) => !b.enforced.includes(qual)),
      filters,
      rows: this.#pathRows(rel, a, b, jointype, joinQuals, filters),
      relids: rel.relids,
      targets,
      allQuals: joinQuals,
      innerRows: inner.rows,
      params: b.required.filter((param) => (relidsOf(param.item) & a.relids) !== 0n),
      unique,
    });
    const plainInner = cheapestOf(inner.paths, outer.relids);
    const plainOuter = cheapestOf(outers)!;
    if (jointype !== 'full') {
      for (const a of outers) {
        if (plainInner !== null) this.#nestLoops(job(a, plainInner), false).forEach(add);
        for (const b of inner.paths) {
          if ((b.requiredRelids & a.relids) !== 0n) this.#nestLoops(job(a, b), true).forEach(add);
        }
      }
    }
    if (plainInner === null) return;
    const plain = job(plainOuter, plainInner);
    this.#hashJoins(plain).forEach(add);
    if (jointype === 'left') this.#hashJoins(turned(plain)).forEach(add);
    this.#mergeJoins(plain).forEach(add);
    for (const a of outers) {
      if (a !== plainOuter && a.order.length > 0) this.#mergeJoins(job(a, plainInner)).forEach(add);
    }
    for (const b of inner.paths) {
      if (b === plainInner || b.order.length === 0 || (b.requiredRelids & outer.relids) !== 0n) continue;
      this.#mergeJoins(job(plainOuter, b)).forEach(add);
      for (const a of outers) {
        if (a !== plainOuter && a.order.length > 0) this.#mergeJoins(job(a, b)).forEach(add);
      }
    }
  }

  /** Can at most one inner row match an outer one? */
  #isUnique(outer: bigint, inner: bigint, jointype: JoinType, joinQuals: readonly Expr[]): boolean {
    if (jointype !== 'inner' && jointype !== 'left') return false;
    const base = this.#bases.get(soleMember(inner));
    if (base === undefined) return false;
    const columns = new Set<number>();
    for (const qual of joinQuals) {
      const key = joinKey(qual, outer, inner);
      if (key === null || operatorRow(key.operator)?.oprcanmerge !== true) continue;
      let expr = key.innerExpr;
      while (expr.kind === 'RelabelType') expr = expr.arg;
      if (expr.kind === 'Var') columns.add(expr.varattno);
    }
    return columns.size > 0 && base.isUniqueOver(columns);
  }

  /** Rows of a join of these paths: fewer than the relation's if values from outside restrict them. */
  #pathRows(rel: Rel, a: RelPath, b: RelPath, jointype: JoinType, joinQuals: Expr[], filters: Expr[]): number {
    const outside = (a.requiredRelids | b.requiredRelids) & ~rel.relids;
    if (outside === 0n) return rel.rows;
    const rows = this.#joinRows(
      a.rows,
      b.rows,
      a.relids,
      jointype,
      joinQuals.filter((q) => !b.enforced.includes(q)),
      filters,
    );
    return Math.min(rel.rows, rows);
  }

  #joinRows(
    outerRows: number,
    innerRows: number,
    outerRelids: bigint,
    jointype: JoinType,
    joinQuals: Expr[],
    filters: Expr[],
  ): number {
    const js = joinSelectivity(joinQuals, jointype, this.stats, outerRelids);
    const fs = clauseListSelectivity(filters, this.stats);
    const product = outerRows * innerRows * js;
    switch (jointype) {
      case 'left':
        return clampRows(Math.max(product, outerRows) * fs);
      case 'full':
        return clampRows(Math.max(product, outerRows, innerRows) * fs);
      case 'semi':
        return clampRows(outerRows * js * fs);
      case 'anti':
        return clampRows(outerRows * (1 - js) * fs);
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
    if (!parameterised && inner.requiredRelids === 0n && !inner.keepsRows && settings.enable_material) {
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
      const innerRows = Math.max(inner.rows, 1);
      let startup = outer.startup + variant.startup;
      let run = outer.total - outer.startup;
      const innerRun = variant.total - variant.startup;
      const againRun = variant.again.total - variant.again.startup;
      if (outerRows > 1) run += (outerRows - 1) * variant.again.startup;
      let tuples: number;
      if (job.jointype === 'semi' || job.jointype === 'anti' || job.unique) {
        // The inner side is left at its first match.
        const { matchFraction, matches } = this.#matchFactors(job);
        let found = roundEven(outerRows * matchFraction);
        let unmatched = outerRows - found;
        const fraction = 2 / (matches + 1);
        tuples = found * innerRows * fraction;
        if (parameterised && job.joinQuals.length === 0 && inner.enforced.length > 0) {
          // A lookup that finds nothing is over at once.
          run += innerRun * fraction;
          if (found > 1) run += (found - 1) * againRun * fraction;
          run += (unmatched * againRun) / innerRows;
        } else {
          tuples += unmatched * innerRows;
          run += innerRun;
          if (unmatched >= 1) unmatched--;
          else found--;
          if (found > 0) run += found * againRun * fraction;
          if (unmatched > 0) run += unmatched * againRun;
        }
      } else {
        run += innerRun;
        if (outerRows > 1) run += (outerRows - 1) * againRun;
        tuples = outerRows * innerRows;
      }
      startup += quals.startup;
      run += (cpuTupleCost() + quals.perTuple) * tuples;
      if (!settings.enable_nestloop) startup += 1e10;
      return this.#joinPath(job, startup, startup + run, outer.order, () => {
        const outerPlan = outer.make('any');
        let innerPlan = inner.make('any');
        if (variant.materialize) innerPlan = makeMaterial(inner.make('small'));
        const plan: Plan = {
          kind: 'NestLoop',
          ...baseFields(job.targets, outerPlan, innerPlan),
          jointype: job.jointype,
          innerUnique: job.unique,
          joinqual: job.joinQuals,
          qual: job.filters,
          nestParams: job.params.map((param) => ({ paramno: param.paramId, paramval: param.item })),
        };
        return setOrder(plan, orderOf(outerPlan));
      });
    });
  }

  /** The share of outer rows that have a match, and how many matches these have. */
  #matchFactors(job: JoinJob): { matchFraction: number; matches: number } {
    const semi = job.jointype === 'anti' ? 'anti' : 'semi';
    const matchFraction = joinSelectivity(job.allQuals, semi, this.stats, job.outer.relids);
    const each = joinSelectivity(job.allQuals, 'inner', this.stats, job.outer.relids);
    const matches = matchFraction > 0 ? Math.max(1, (each * job.innerRows) / matchFraction) : 1;
    return { matchFraction, matches };
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
    if (job.jointype === 'semi' || job.jointype === 'anti' || job.unique) {
      const factors = this.#matchFactors(job);
      const found = roundEven(outer.rows * factors.matchFraction);
      const fraction = 2 / (factors.matches + 1);
      const buckets = hashBuckets(inner.rows);
      run += hashCost.perTuple * found * clampRows(inner.rows * bucket * fraction) * 0.5;
      run += hashCost.perTuple * (outer.rows - found) * clampRows(inner.rows / buckets) * 0.05;
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
      this.#joinPath(job, startup, startup + run, [], () => {
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
          innerUnique: job.unique,
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
  /** The share of the inner rows that the average outer row meets in its bucket. */
  #bucketSize(expr: Expr, inner: RelPath): number {
    const distinct = distinctValues(expr, this.stats);
    if (distinct.guessed) return 0.1;
    let bare = expr;
    while (bare.kind === 'RelabelType') bare = bare.arg;
    const known = bare.kind === 'Var' ? this.stats(bare) : undefined;
    let { count } = distinct;
    const nulls = known?.column?.nullFraction ?? 0;
    const average = (1 - nulls) / count;
    // Conditions leave only some of the values.
    const base = bare.kind === 'Var' ? this.#bases.get(bare.varno) : undefined;
    if (base !== undefined && known !== undefined && known.tuples > 0)
      count = clampRows((count * base.rows) / known.tuples);
    const buckets = hashBuckets(inner.rows);
    let share = count > buckets ? 1 / buckets : 1 / count;
    const most = known?.column === undefined ? undefined : statisticSlot(known.column, STATISTIC_KIND.mcv)?.numbers[0];
    if (average > 0 && most !== undefined && most > average) share *= most / average;
    return Math.max(1.0e-6, Math.min(1, share));
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
    orderMergeKeys(keys, outer.order, inner.order);
    const op = cpuOperatorCost();
    const sorted = (path: RelPath, side: 'outer' | 'inner') => {
      const wanted = keys.map((key) => mergeSortKey(key, side));
      const cost = satisfies(path.order, wanted) ? { startup: path.startup, total: path.total } : path.sorted(wanted);
      return { wanted, cost };
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
    const order = job.jointype === 'full' ? [] : left.wanted;
    return [
      this.#joinPath(job, startup, startup + run, order, () => {
        const outerPlan = makeSort(outer.make('small'), left.wanted);
        let innerPlan = makeSort(inner.make('small'), right.wanted);
        if (materialize) innerPlan = makeMaterial(innerPlan);
        const plan: Plan = {
          kind: 'MergeJoin',
          ...baseFields(job.targets, outerPlan, innerPlan),
          jointype: job.jointype,
          innerUnique: job.unique,
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

  #joinPath(job: JoinJob, startup: number, total: number, order: readonly SortKey[], make: () => Plan): RelPath {
    const width = this.#width(job.targets);
    const { targets } = job;
    const provided = new Set<PlanParam>(job.params);
    const required = [...job.outer.required, ...job.inner.required.filter((param) => !provided.has(param))];
    const finish = (): Plan => {
      const plan = make();
      plan.startupCost = startup;
      plan.totalCost = total;
      plan.planRows = job.rows;
      plan.planWidth = width;
      return plan;
    };
    return {
      relids: job.relids,
      rows: job.rows,
      width,
      startup,
      total,
      order,
      required,
      requiredRelids: relidsOfParams(required),
      enforced: [...job.outer.enforced, ...job.inner.enforced],
      keepsRows: false,
      make: finish,
      rescan: () => ({ startup, total }),
      sorted: (keys) => {
        const probe: Plan = { kind: 'Result', ...baseFields(targets), resconstantqual: [] };
        Object.assign(probe, { startupCost: startup, totalCost: total, planRows: job.rows });
        setOrder(probe, order);
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
  /** With those that the inner path has checked already. */
  readonly allQuals: Expr[];
  /** Of the inner relation as a whole. */
  readonly innerRows: number;
  /** At most one inner row can match an outer one. */
  readonly unique: boolean;
}
/** A left join seen from its other side: hash the preserved side. */
const turned = (job: JoinJob): JoinJob => ({
  ...job,
  outer: job.inner,
  inner: job.outer,
  jointype: 'right',
  unique: false,
});

const order = (entry: TargetEntry): number => (entry.expr as Var).varno;
/** Does every way to compute `a` need values of `b`? */
const wants = (a: Rel, b: Rel): boolean => a.paths.every((path) => (path.requiredRelids & b.relids) !== 0n);

/** Number of the only member of a set, or -1. */
function soleMember(relids: bigint): number {
  if (relids === 0n || (relids & (relids - 1n)) !== 0n) return -1;
  return relids.toString(2).length - 1;
}

/** Puts the keys by which one side is sorted already first, in its order. */
function orderMergeKeys(keys: JoinKey[], outer: readonly SortKey[], inner: readonly SortKey[]): void {
  if (keys.length < 2) return;
  for (const [side, order] of [
    ['outer', outer],
    ['inner', inner],
  ] as const) {
    if (order.length === 0) continue;
    const rank = (key: JoinKey): number => {
      const at = order.findIndex((have) => sameKey(have, mergeSortKey(key, side)));
      return at < 0 ? Infinity : at;
    };
    if (!keys.some((key) => rank(key) === 0)) continue;
    keys.sort((a, b) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)));
    return;
  }
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
const gateRel = (rel: Rel, constants: Expr[]): Rel =>
  constants.length === 0 ? rel : { ...rel, paths: rel.paths.map((path) => gatePath(path, constants)) };
function gatePath(path: RelPath, constants: Expr[]): RelPath {
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

/** Buckets of a hash table, without batches. */
const hashBuckets = (rows: number): number => Math.max(1024, 2 ** Math.ceil(Math.log2(Math.max(1, rows))));

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
