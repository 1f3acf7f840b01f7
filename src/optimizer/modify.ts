/** modify.ts — planning what changes rows: the target list that the change needs, and the node on top.
 *
 *  INSERT's rows have all columns of the table; UPDATE's have the new values, DELETE's nothing, both followed by the ctid
 *  of the row. Every other relation adds what is needed to find its row again, should the target have changed meanwhile.
 *  Counterpart: src/backend/optimizer/prep/preptlist.c, preprocess_rowmarks() of plan/planner.c, util/appendinfo.c */
import type { Oid } from '#base/ids.ts';
import { TYPE } from '#catalog/oids.ts';
import { attributes, classRow, typeRow } from '#catalog/syscache.ts';
import { equal, implicitAnd, makeConst, makeTargetEntry, makeVar } from '#nodes/node-funcs.ts';
import type { Query, RangeTblEntry } from '#nodes/parse-nodes.ts';
import type { ModifyTable, Plan, PlanRowMark } from '#nodes/plan-nodes.ts';
import type { Expr, FromNode, TargetEntry } from '#nodes/primitives.ts';
import { inferArbiterIndexes } from '#optimizer/arbiter-indexes.ts';
import { baseFields } from '#optimizer/plan-make.ts';
import type { PlannerInfo } from '#optimizer/planner-info.ts';
import { pullVars } from '#optimizer/volatility.ts';
import { coerceToDomain } from '#parser/coerce.ts';

const INVALID = 0 as Oid;
const CTID_ATTNO = -1;

/** Adds to a query, whose sub-selects are pulled up already, the columns that row identity needs. */
export function addRowIdentity(root: PlannerInfo): void {
  const { query } = root;
  const locks = query.rowMarks.length > 0;
  switch (query.commandType) {
    case 'insert':
      root.query = { ...query, targetList: insertTargets(query) };
      return;
    case 'update': {
      const assigned = query.targetList.filter((entry) => !entry.resjunk);
      root.updateColnos = assigned.map((entry) => entry.resno);
      const targets = assigned.map((entry, i) => ({ ...entry, resno: i + 1 }));
      identify(root, [...targets, ...query.targetList.filter((entry) => entry.resjunk)]);
      return;
    }
    case 'delete':
      identify(root, []);
      return;
    default:
      if (locks) identify(root, query.targetList);
  }
}

/** All columns of the target in order; what the statement leaves out is null. */
function insertTargets(query: Query): TargetEntry[] {
  const rte = query.rtable[query.resultRelation - 1]!;
  if (rte.rtekind !== 'relation') throw new Error('the target of INSERT is no relation');
  const targets = attributes(rte.relid).map((column, i) => {
    const given = query.targetList.find((entry) => !entry.resjunk && entry.resno === column.attnum);
    if (given !== undefined) return given;
    return makeTargetEntry(nullColumn(column), i + 1, column.attname);
  });
  const junk = query.targetList.filter((entry) => entry.resjunk);
  return [...targets, ...junk.map((entry, i) => ({ ...entry, resno: targets.length + i + 1 }))];
}
function nullColumn(column: ReturnType<typeof attributes>[number]): Expr {
  if (column.attisdropped) return makeConst(TYPE.int4, -1, INVALID, null);
  const type = typeRow(column.atttypid)!;
  if (type.typtype !== 'd') return makeConst(column.atttypid, -1, column.attcollation, null);
  // A domain may refuse null.
  const base = makeConst(type.typbasetype, type.typtypmod, column.attcollation, null);
  return coerceToDomain(
    base,
    type.typbasetype,
    type.typtypmod,
    column.atttypid,
    'implicit',
    'implicit_cast',
    -1,
    false,
  );
}

/** Range table indexes that a FROM tree scans. */
function scanned(node: FromNode, out: number[]): number[] {
  if (node.kind === 'RangeTblRef') out.push(node.rtindex);
  else if (node.kind === 'FromExpr') for (const item of node.fromlist) scanned(item, out);
  else {
    scanned(node.larg, out);
    scanned(node.rarg, out);
  }
  return out;
}
const STRENGTH = {
  none: 'reference',
  forkeyshare: 'keyShare',
  forshare: 'share',
  fornokeyupdate: 'noKeyExclusive',
  forupdate: 'exclusive',
} as const;

function identify(root: PlannerInfo, given: TargetEntry[]): void {
  const { query } = root;
  const targets = [...given];
  const append = (expr: Expr, name: string): number => {
    targets.push({ ...makeTargetEntry(expr, targets.length + 1, name), resjunk: true });
    return targets.length - 1;
  };
  const ctidOf = (rti: number): Expr => makeVar(rti, CTID_ATTNO, TYPE.tid, -1, INVALID);
  root.rowMarks = [];
  root.ctidColumn = query.resultRelation > 0 ? append(ctidOf(query.resultRelation), 'ctid') : -1;
  for (const rti of scanned(query.jointree, [])) {
    if (rti === query.resultRelation) continue;
    const rte = query.rtable[rti - 1]!;
    const wanted = query.rowMarks.find((mark) => mark.rti === rti);
    const mark: PlanRowMark = {
      kind: 'PlanRowMark',
      rti,
      markType: wanted !== undefined ? STRENGTH[wanted.strength] : isTable(rte) ? 'reference' : 'copy',
      waitPolicy: wanted?.waitPolicy ?? 'block',
      junkColumn: 0,
    };
    if (isTable(rte)) mark.junkColumn = append(ctidOf(rti), `ctid${rti}`);
    else {
      mark.markType = 'copy';
      mark.junkColumn = append(makeVar(rti, 0, TYPE.record, -1, INVALID), `wholerow${rti}`);
    }
    root.rowMarks.push(mark);
  }
  // What RETURNING takes from the other relations comes up with the row.
  for (const found of query.returningList.flatMap((entry) => pullVars(entry.expr))) {
    if (found.varno === query.resultRelation) continue;
    if (!targets.some((entry) => equal(entry.expr, found))) append(found, '');
  }
  root.query = { ...query, targetList: targets };
}
const isTable = (rte: RangeTblEntry): boolean =>
  rte.rtekind === 'relation' && 'rmtp'.includes(classRow(rte.relid)?.relkind ?? '');

/** The node that changes the rows which `plan` finds. */
export function makeModifyTable(root: PlannerInfo, plan: Plan): ModifyTable {
  const { query } = root;
  const operation = query.commandType as ModifyTable['operation'];
  const conflict = query.onConflict;
  const returning = query.returningList;
  return {
    kind: 'ModifyTable',
    ...baseFields(returning, plan),
    // Without RETURNING nothing comes out.
    planRows: returning.length > 0 ? plan.planRows : 0,
    planWidth: returning.length > 0 ? plan.planWidth : 0,
    operation,
    canSetTag: query.canSetTag,
    resultRelation: query.resultRelation,
    updateColnos: root.updateColnos,
    ctidColumn: root.ctidColumn,
    returningList: returning,
    rowMarks: root.rowMarks,
    onConflictAction: conflict === null ? 'none' : conflict.action,
    arbiterIndexes: conflict === null ? [] : inferArbiterIndexes(root),
    onConflictSet: conflict === null ? [] : conflict.onConflictSet.map((entry, i) => ({ ...entry, resno: i + 1 })),
    onConflictCols: conflict === null ? [] : conflict.onConflictSet.map((entry) => entry.resno),
    onConflictWhere: conflict === null ? [] : implicitAnd(conflict.onConflictWhere),
    excludedRelation: conflict?.exclRelIndex ?? 0,
    withCheckOptions: query.withCheckOptions,
  };
}
