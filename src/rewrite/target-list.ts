/** target-list.ts — what INSERT and UPDATE really store: defaults filled in, generated columns left to the executor.
 *
 *  Assignments to parts of one column (`a[1] = …, a[2] = …`) are nested into one expression. Columns that INSERT does not
 *  name and that have no default stay out: the planner makes them null.
 *  Counterpart: rewriteTargetListIU, rewriteValuesRTE of src/backend/rewrite/rewriteHandler.c */
import type { Attribute, Relation } from '#access/common/relation-descriptor.ts';
import { exprType } from '#nodes/node-funcs.ts';
import type { Query, RangeTblEntry, RteValues } from '#nodes/parse-nodes.ts';
import type { Expr, TargetEntry } from '#nodes/primitives.ts';
import { makeTargetEntry } from '#parser/make-nodes.ts';
import { buildColumnDefault, nullOfColumn } from '#rewrite/column-default.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** The VALUES lists that feed an INSERT, if more than one row is given. */
interface ValuesSource {
  readonly rte: RteValues;
  readonly index: number;
}

export function valuesSource(query: Query): ValuesSource | null {
  for (const item of query.jointree.fromlist) {
    if (item.kind !== 'RangeTblRef') continue;
    const rte = query.rtable[item.rtindex - 1]!;
    if (rte.rtekind === 'values') return { rte, index: item.rtindex };
  }
  return null;
}

/** The query with its target list complete and its VALUES lists free of DEFAULT. */
export function rewriteTargetList(query: Query, relation: Relation): Query {
  const isInsert = query.commandType === 'insert';
  const source = isInsert ? valuesSource(query) : null;
  const targetList = rewriteColumns(query.targetList, query.commandType, query.override, relation, source);
  let out: Query = { ...query, targetList };
  if (query.onConflict?.action === 'update') {
    const onConflictSet = rewriteColumns(query.onConflict.onConflictSet, 'update', 'not_set', relation, null);
    out = { ...out, onConflict: { ...query.onConflict, onConflictSet } };
  }
  if (source === null) return out;
  const rte = rewriteValues(source, query.targetList, relation);
  if (rte === source.rte) return out;
  const rtable: RangeTblEntry[] = out.rtable.slice();
  rtable[source.index - 1] = rte;
  return { ...out, rtable };
}

function rewriteColumns(
  list: readonly TargetEntry[],
  commandType: Query['commandType'],
  override: Query['override'],
  relation: Relation,
  source: ValuesSource | null,
): TargetEntry[] {
  const { attrs } = relation.tupleDesc;
  const byColumn: (TargetEntry | undefined)[] = new Array(attrs.length);
  const junk: TargetEntry[] = [];
  for (const target of list) {
    if (target.resjunk) junk.push(target);
    else byColumn[target.resno - 1] = mergeAssignments(target, byColumn[target.resno - 1], attrs[target.resno - 1]!);
  }
  const out: TargetEntry[] = [];
  attrs.forEach((column, i) => {
    if (column.isDropped) return;
    const made = rewriteColumn(column, byColumn[i], commandType, override, relation, source);
    if (made !== undefined) out.push(made);
  });
  // Junk entries follow all columns, also those that are not there.
  junk.forEach((target, i) => {
    out.push({ ...target, resno: attrs.length + 1 + i });
  });
  return out;
}

function rewriteColumn(
  column: Attribute,
  given: TargetEntry | undefined,
  commandType: Query['commandType'],
  override: Query['override'],
  relation: Relation,
  source: ValuesSource | null,
): TargetEntry | undefined {
  const isInsert = commandType === 'insert';
  let useDefault = given === undefined ? isInsert : given.expr.kind === 'SetToDefault';
  if (isInsert) useDefault = checkInsert(column, given, override, useDefault, source);
  else if (given !== undefined && !useDefault) {
    if (column.identity === 'a') refuseUpdate(column, 'an identity column defined as GENERATED ALWAYS');
    if (column.generated !== '') refuseUpdate(column, 'a generated column');
  }
  // The executor computes it from the new row.
  if (column.generated !== '') return undefined;
  if (!useDefault) return given;
  const expr = buildColumnDefault(relation, column.number);
  if (expr !== null) return makeTargetEntry(expr, column.number, column.name, false);
  if (isInsert) return undefined;
  return makeTargetEntry(
    nullOfColumn(column.typeId, column.typmod, column.collation),
    column.number,
    column.name,
    false,
  );
}

/** Refuses a value for what is always generated. True if the default is to be taken after all. */
function checkInsert(
  column: Attribute,
  given: TargetEntry | undefined,
  override: Query['override'],
  useDefault: boolean,
  source: ValuesSource | null,
): boolean {
  const onlyDefaults = !useDefault && given !== undefined && source !== null && isOnlyDefaults(given.expr, source);
  if (column.identity === 'a' && !useDefault) {
    if (override === 'user_value') return true;
    if (override !== 'system_value') {
      if (!onlyDefaults) refuseInsert(column, 'an identity column defined as GENERATED ALWAYS', true);
      return true;
    }
  }
  if (column.identity === 'd' && override === 'user_value') return true;
  if (column.generated !== '' && !useDefault) {
    if (!onlyDefaults) refuseInsert(column, 'a generated column', false);
    return true;
  }
  return useDefault;
}

/** All rows of VALUES say DEFAULT for the column. */
function isOnlyDefaults(expr: Expr, source: ValuesSource): boolean {
  if (expr.kind !== 'Var' || expr.varno !== source.index) return false;
  return source.rte.valuesLists.every((row) => row[expr.varattno - 1]!.kind === 'SetToDefault');
}

function refuseInsert(column: Attribute, what: string, canOverride: boolean): never {
  report('ERROR', {
    code: SQLSTATE.generatedAlways,
    message: `cannot insert a non-DEFAULT value into column "${column.name}"`,
    detail: `Column "${column.name}" is ${what}.`,
    ...(canOverride ? { hint: 'Use OVERRIDING SYSTEM VALUE to override.' } : {}),
  });
}
function refuseUpdate(column: Attribute, what: string): never {
  report('ERROR', {
    code: SQLSTATE.generatedAlways,
    message: `column "${column.name}" can only be updated to DEFAULT`,
    detail: `Column "${column.name}" is ${what}.`,
  });
}

// ── several assignments to one column ────────────────────────────────────────────────────────────────────────────

/** What a partial assignment starts from, and what changes if it starts from something else. */
function partialBase(expr: Expr): Expr | null {
  if (expr.kind === 'FieldStore') return expr.arg;
  if (expr.kind === 'SubscriptingRef' && expr.refassgnexpr !== null) return expr.refexpr;
  if (expr.kind === 'CoerceToDomain') return partialBase(expr.arg);
  return null;
}
function withBase(expr: Expr, base: Expr): Expr {
  if (expr.kind === 'FieldStore') return { ...expr, arg: base };
  if (expr.kind === 'SubscriptingRef') return { ...expr, refexpr: base };
  if (expr.kind === 'CoerceToDomain') return { ...expr, arg: withBase(expr.arg, base) };
  throw new Error('no partial assignment');
}

function mergeAssignments(target: TargetEntry, prior: TargetEntry | undefined, column: Attribute): TargetEntry {
  if (prior === undefined) return target;
  const base = partialBase(target.expr);
  const priorBase = partialBase(prior.expr);
  if (base === null || priorBase === null || exprType(target.expr) !== exprType(prior.expr)) {
    report('ERROR', {
      code: SQLSTATE.syntaxError,
      message: `multiple assignments to same column "${column.name}"`,
    });
  }
  let inner: Expr = prior.expr;
  // The domain is checked once, when all parts are there.
  if (inner.kind === 'CoerceToDomain') inner = inner.arg;
  const outer = target.expr;
  if (inner.kind === 'FieldStore' && outer.kind === 'FieldStore') {
    const merged: Expr = {
      ...inner,
      newvals: [...inner.newvals, ...outer.newvals],
      fieldnums: [...inner.fieldnums, ...outer.fieldnums],
    };
    return { ...target, expr: merged };
  }
  return { ...target, expr: withBase(outer, inner) };
}

// ── VALUES lists ─────────────────────────────────────────────────────────────────────────────────────────────────

function rewriteValues(source: ValuesSource, targets: readonly TargetEntry[], relation: Relation): RteValues {
  const { rte, index } = source;
  if (!rte.valuesLists.some((row) => row.some((e) => e.kind === 'SetToDefault'))) return rte;
  /** Column of the table by column of the lists. */
  const columns: (Attribute | undefined)[] = [];
  for (const target of targets) {
    const { expr } = target;
    if (expr.kind === 'Var' && expr.varno === index)
      columns[expr.varattno - 1] = relation.tupleDesc.attrs[target.resno - 1]!;
  }
  const valuesLists = rte.valuesLists.map((row) =>
    row.map((expr, i) => {
      if (expr.kind !== 'SetToDefault') return expr;
      const column = columns[i];
      if (column === undefined) return nullOfColumn(expr.typeId, expr.typeMod, expr.collation);
      const found = column.generated !== '' ? null : buildColumnDefault(relation, column.number);
      return found ?? nullOfColumn(column.typeId, column.typmod, column.collation);
    }),
  );
  return { ...rte, valuesLists };
}
