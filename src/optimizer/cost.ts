/** cost.ts — PostgreSQL's cost arithmetic.
 *  Counterpart: src/backend/optimizer/path/costsize.c */
import type { ArrayDatum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { procRow } from '#catalog/syscache.ts';
import type { Plan } from '#nodes/plan-nodes.ts';
import type { Aggref, Expr } from '#nodes/primitives.ts';
import { aggregateRow } from '#catalog/syscache.ts';
import { forEachChild } from '#nodes/visit.ts';
import { settings } from '#runtime/guc/guc.ts';

export interface Cost {
  startup: number;
  perTuple: number;
}
const BLOCK = 8192;

export const cpuTupleCost = (): number => settings.cpu_tuple_cost;
export const cpuOperatorCost = (): number => settings.cpu_operator_cost;
export const clampRows = (rows: number): number =>
  rows <= 1 || Number.isNaN(rows) ? 1 : Math.min(1e100, roundEven(rows));
/** rint(): halves go to the even neighbour. */
export function roundEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

const procCost = (oid: Oid): number => procRow(oid)?.procost ?? 1;

/** Cost of evaluating expressions: once, and for each row. */
export function exprCost(exprs: readonly Expr[], subplans: readonly Plan[] = []): Cost {
  const cost: Cost = { startup: 0, perTuple: 0 };
  for (const expr of exprs) addCost(expr, cost, subplans);
  return cost;
}
function addCost(node: Expr, cost: Cost, subplans: readonly Plan[]): void {
  const op = cpuOperatorCost();
  switch (node.kind) {
    case 'FuncExpr':
      cost.perTuple += procCost(node.funcid) * op;
      break;
    case 'OpExpr':
    case 'DistinctExpr':
    case 'NullIfExpr':
      cost.perTuple += procCost(node.opfuncid) * op;
      break;
    case 'ScalarArrayOpExpr': {
      const array = node.args[1]!;
      const length =
        array.kind === 'Const' && array.constvalue !== null
          ? (array.constvalue as ArrayDatum).elements.length
          : array.kind === 'ArrayExpr'
            ? array.elements.length
            : 10;
      cost.perTuple += procCost(node.opfuncid) * op * length * 0.5;
      break;
    }
    case 'Aggref':
    case 'WindowFunc':
      // Charged where they are computed.
      return;
    case 'CoerceViaIO':
      cost.perTuple += 2 * op;
      break;
    case 'ArrayCoerceExpr': {
      const each = exprCost([node.elemexpr]);
      cost.startup += each.startup;
      cost.perTuple += each.perTuple * 10;
      addCost(node.arg, cost, subplans);
      return;
    }
    case 'RowCompareExpr':
      cost.perTuple += node.opnos.length * op;
      break;
    case 'MinMaxExpr':
    case 'SQLValueFunction':
    case 'CoerceToDomain':
    case 'NextValueExpr':
    case 'XmlExpr':
      cost.perTuple += op;
      break;
    case 'SubPlan':
      cost.startup += node.startupCost;
      cost.perTuple += node.perCallCost;
      for (const arg of node.args) addCost(arg, cost, subplans);
      return;
    case 'AlternativeSubPlan':
      addCost(node.subplans[0]!, cost, subplans);
      return;
    default:
  }
  forEachChild(node, (child) => {
    addCost(child, cost, subplans);
  });
}

/** Adds a target list's cost to a plan. */
export function chargeTargets(plan: Plan, exprs: readonly Expr[]): void {
  const cost = exprCost(exprs);
  plan.startupCost += cost.startup;
  plan.totalCost += cost.startup + cost.perTuple * plan.planRows;
}

export const relationBytes = (tuples: number, width: number): number => tuples * (((width + 7) & ~7) + 24);

/** Cost of sorting on top of reading the input. */
export function sortCost(
  inputTotal: number,
  tuples: number,
  width: number,
  limitTuples: number,
): { startup: number; total: number } {
  const op = cpuOperatorCost();
  const comparison = 2 * op;
  const count = Math.max(2, tuples);
  const bytes = relationBytes(count, width);
  const limited = limitTuples > 0 && limitTuples < count;
  const outputTuples = limited ? limitTuples : count;
  const outputBytes = limited ? relationBytes(outputTuples, width) : bytes;
  const memory = settings.work_mem * 1024;
  let startup = inputTotal;
  if (outputBytes > memory) {
    const pages = Math.ceil(bytes / BLOCK);
    const runs = bytes / memory;
    const order = Math.max(6, Math.min(500, Math.floor((memory - BLOCK) / (2 * BLOCK + 32 * BLOCK))));
    const passes = runs > order ? Math.ceil(Math.log(runs) / Math.log(order)) : 1;
    startup +=
      comparison * count * Math.log2(count) +
      2 * pages * passes * (settings.seq_page_cost * 0.75 + settings.random_page_cost * 0.25);
  } else if (count > 2 * outputTuples || bytes > memory) {
    startup += comparison * count * Math.log2(2 * outputTuples);
  } else {
    startup += comparison * count * Math.log2(count);
  }
  // As PostgreSQL does: the run cost is for all tuples; a Limit above scales it down.
  return { startup, total: startup + op * count };
}

/** What the aggregates of a node cost: per input row and per group. */
export function aggregateCosts(aggs: readonly Aggref[]): { trans: Cost; final: Cost } {
  const op = cpuOperatorCost();
  const trans: Cost = { startup: 0, perTuple: 0 };
  const final: Cost = { startup: 0, perTuple: 0 };
  for (const agg of aggs) {
    const row = aggregateRow(agg.aggfnoid);
    if (row === undefined) continue;
    trans.perTuple += procCost(row.aggtransfn) * op;
    if (row.aggfinalfn !== 0) final.perTuple += procCost(row.aggfinalfn) * op;
    const args = exprCost(agg.args.map((entry) => entry.expr));
    trans.startup += args.startup;
    trans.perTuple += args.perTuple;
    if (agg.aggfilter !== null) {
      const filter = exprCost([agg.aggfilter]);
      trans.startup += filter.startup;
      trans.perTuple += filter.perTuple;
    }
    const direct = exprCost(agg.aggdirectargs);
    final.startup += direct.startup;
    final.perTuple += direct.perTuple;
  }
  return { trans, final };
}

/** Cost of reading a node again without recomputing it. */
export function rescanCost(plan: Plan): { startup: number; total: number } {
  switch (plan.kind) {
    case 'FunctionScan':
      // Rows are kept: only reading them costs.
      return { startup: 0, total: plan.totalCost - plan.startupCost };
    case 'HashJoin':
      return { startup: 0, total: plan.totalCost - plan.startupCost };
    case 'CteScan':
    case 'WorkTableScan': {
      const bytes = relationBytes(plan.planRows, plan.planWidth);
      let run = cpuTupleCost() * plan.planRows;
      if (bytes > settings.work_mem * 1024) run += settings.seq_page_cost * Math.ceil(bytes / BLOCK);
      return { startup: 0, total: run };
    }
    case 'Material':
    case 'Sort': {
      const bytes = relationBytes(plan.planRows, plan.planWidth);
      let run = cpuOperatorCost() * plan.planRows;
      if (bytes > settings.work_mem * 1024) run += settings.seq_page_cost * Math.ceil(bytes / BLOCK);
      return { startup: 0, total: run };
    }
    default:
      return { startup: plan.startupCost, total: plan.totalCost };
  }
}
