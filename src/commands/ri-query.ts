/** ri-query.ts — the SQL by which foreign keys look at tables, prepared once, run with the rights of the table's owner.
 *
 *  Counterpart: ri_PlanCheck(), ri_PerformCheck(), ri_GenerateQual(), ri_ReportViolation() of
 *  src/backend/utils/adt/ri_triggers.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import type { Datum } from '#adt/datum.ts';
import { typeInfo } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import { mayReadRelation } from '#catalog/acl-check.ts';
import { forgetOnChange } from '#catalog/catalog-change.ts';
import { quoteIdentifier } from '#catalog/quote.ts';
import { RELATION } from '#catalog/oids.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { collationRow, namespaceRow, operatorRow, typeRow } from '#catalog/syscache.ts';
import type { ForeignKey } from '#commands/ri-constraint.ts';
import type { Row } from '#executor/estate.ts';
import { createQueryDesc, executorEnd, executorFinish, executorRun, executorStart } from '#executor/run.ts';
import type { BoundParams } from '#nodes/exec-nodes.ts';
import { parseText } from '#parser/parse.ts';
import { commandTag } from '#portal/command-tags.ts';
import { analyzeAndRewrite, CachedPlanSource } from '#portal/plan-cache.ts';
import { withContext } from '#portal/spi.ts';
import { Tuplestore } from '#portal/tuplestore.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import {
  getLatestSnapshot,
  getTransactionSnapshot,
  isolationUsesXactSnapshot,
  popActiveSnapshot,
  pushCopiedSnapshot,
  type Snapshot,
} from '#transam/snapshot.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

// ── text ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export const quoteName = (name: string): string => `"${name.replaceAll('"', '""')}"`;
export const relationText = (rel: Relation): string =>
  `${quoteName(namespaceRow(rel.namespace)?.nspname ?? '')}.${quoteName(rel.name)}`;
/** A partitioned table's rows are its children's. */
export const onlyText = (rel: Relation): string => (rel.kind === 'p' ? '' : 'ONLY ');
export const columnName = (rel: Relation, column: number): string => quoteName(rel.tupleDesc.attrs[column - 1]!.name);
export const columnType = (rel: Relation, column: number): Oid => rel.tupleDesc.attrs[column - 1]!.typeId;
export const columnCollation = (rel: Relation, column: number): Oid => rel.tupleDesc.attrs[column - 1]!.collation;

function castText(type: Oid): string {
  const row = typeRow(type)!;
  return `::${quoteIdentifier(namespaceRow(row.typnamespace)!.nspname)}.${quoteIdentifier(row.typname)}`;
}
/** generate_operator_clause(). */
export function equalityText(left: string, leftType: Oid, operator: Oid, right: string, rightType: Oid): string {
  const row = operatorRow(operator);
  if (row === undefined) report('ERROR', { message: `cache lookup failed for operator ${operator}` });
  const schema = quoteIdentifier(namespaceRow(row.oprnamespace)!.nspname);
  const leftText = left + (leftType !== row.oprleft ? castText(row.oprleft) : '');
  const rightText = right + (rightType !== row.oprright ? castText(row.oprright) : '');
  return `${leftText} OPERATOR(${schema}.${row.oprname}) ${rightText}`;
}
/** ri_GenerateQualCollation(). */
export function collationText(collation: Oid): string {
  if (collation === 0) return '';
  const row = collationRow(collation)!;
  return ` COLLATE ${quoteName(namespaceRow(row.collnamespace)!.nspname)}.${quoteName(row.collname)}`;
}

// ── plans ────────────────────────────────────────────────────────────────────────────────────────────────────────

export type RiQuery =
  | 'lookupPk'
  | 'lookupPkFromPk'
  | 'restrict'
  | 'cascadeDelete'
  | 'cascadeUpdate'
  | 'setNullDelete'
  | 'setNullUpdate'
  | 'setDefaultDelete'
  | 'setDefaultUpdate';

const plans = new Map<string, CachedPlanSource>();
forgetOnChange(
  [
    RELATION.pgConstraint,
    RELATION.pgClass,
    RELATION.pgAttribute,
    RELATION.pgNamespace,
    RELATION.pgType,
    RELATION.pgOperator,
    RELATION.pgIndex,
    RELATION.pgAttrdef,
    RELATION.pgRewrite,
  ],
  () => plans.clear(),
);

function prepare(text: string, types: readonly Oid[]): CachedPlanSource {
  const [raw] = parseText(text);
  const analyzed = analyzeAndRewrite(raw!, text, { types: types.slice(), variable: false });
  return new CachedPlanSource(raw!, text, commandTag(raw!.node), analyzed, types, false);
}

/** What the table's owner may do is what counts, not what the user may whose statement set it off. */
export function asOwnerOf<T>(rel: Relation, work: () => T): T {
  const { userOid } = sessionIdentity;
  sessionIdentity.userOid = rel.owner;
  try {
    return work();
  } finally {
    sessionIdentity.userOid = userOid;
  }
}

export interface RiResult {
  processed: number;
  rows: readonly (readonly Datum[])[];
}
/** Runs a prepared query; its events belong to the query that set it off. */
export function runPrepared(
  source: CachedPlanSource,
  params: BoundParams | null,
  snapshot: Snapshot,
  crosscheck: Snapshot | null,
  limit: number,
): RiResult {
  return withContext(source.text, () => {
    const [stmt] = source.getPlan(params);
    const store = new Tuplestore();
    pushCopiedSnapshot(snapshot);
    const query = createQueryDesc(stmt!, params, store);
    query.skipTriggers = true;
    query.crosscheck = crosscheck;
    executorStart(query);
    const processed = executorRun(query, limit);
    executorFinish(query);
    executorEnd(query);
    popActiveSnapshot();
    return { processed, rows: store.rows };
  });
}

export interface RiCheck {
  readonly fk: ForeignKey;
  readonly query: RiQuery;
  readonly fkRel: Relation;
  readonly pkRel: Relation;
  /** The query's text, made when there is no plan yet. */
  text(): string;
  readonly types: readonly Oid[];
  readonly values: readonly Datum[];
  /** Rows count that this transaction's snapshot does not see yet. */
  readonly detectNewRows: boolean;
}
const ON_PK: ReadonlySet<RiQuery> = new Set<RiQuery>(['lookupPk', 'lookupPkFromPk']);
const SELECTS: ReadonlySet<RiQuery> = new Set<RiQuery>(['lookupPk', 'lookupPkFromPk', 'restrict']);

/** Number of rows found or changed. */
export function performCheck(of: RiCheck): number {
  const queryRel = ON_PK.has(of.query) ? of.pkRel : of.fkRel;
  return asOwnerOf(queryRel, () => {
    const key = `${of.fk.oid} ${of.query}`;
    let source = plans.get(key);
    if (source === undefined) {
      source = prepare(of.text(), of.types);
      plans.set(key, source);
    }
    // It must see what the statement so far, and other triggers, have done.
    commandCounterIncrement();
    const both = isolationUsesXactSnapshot() && of.detectNewRows;
    const snapshot = both ? getLatestSnapshot() : getTransactionSnapshot();
    const crosscheck = both ? getTransactionSnapshot() : null;
    const limit = SELECTS.has(of.query) ? 1 : 0;
    return runPrepared(source, { types: of.types, values: of.values }, snapshot, crosscheck, limit).processed;
  });
}
/** Runs a text once, reading only, over the newest rows. */
export const runOnce = (text: string, limit: number): RiResult =>
  runPrepared(prepare(text, []), null, getLatestSnapshot(), null, limit);

// ── violations ───────────────────────────────────────────────────────────────────────────────────────────────────

/** ri_ReportViolation(). `row` is a row of the referencing table if `onFk`, of the referenced one otherwise. */
export function reportViolation(fk: ForeignKey, pkRel: Relation, fkRel: Relation, row: Row, onFk: boolean): never {
  const rel = onFk ? fkRel : pkRel;
  const columns = onFk ? fk.fkColumns : fk.pkColumns;
  const mayShow = !rel.rowSecurity && mayReadRelation(rel.oid, sessionIdentity.userOid, columns);
  let key = 'Key';
  if (mayShow) {
    const attrs = columns.map((column) => rel.tupleDesc.attrs[column - 1]!);
    const values = attrs.map((attr) => {
      const value = row[attr.number - 1]!;
      return value === null ? 'null' : typeInfo(attr.typeId).output(value);
    });
    key = `Key (${attrs.map((attr) => attr.name).join(', ')})=(${values.join(', ')})`;
  }
  const where = { schema: namespaceRow(fkRel.namespace)?.nspname, table: fkRel.name, constraint: fk.name };
  if (onFk) {
    report('ERROR', {
      code: SQLSTATE.foreignKeyViolation,
      message: `insert or update on table "${fkRel.name}" violates foreign key constraint "${fk.name}"`,
      detail: `${key} is not present in table "${pkRel.name}".`,
      ...where,
    });
  }
  report('ERROR', {
    code: SQLSTATE.foreignKeyViolation,
    message: `update or delete on table "${pkRel.name}" violates foreign key constraint "${fk.name}" on table "${fkRel.name}"`,
    detail: `${key} is still referenced from table "${fkRel.name}".`,
    ...where,
  });
}
/** MATCH FULL: some columns null, others not. */
export function reportMixedNulls(fk: ForeignKey, fkRel: Relation): never {
  report('ERROR', {
    code: SQLSTATE.foreignKeyViolation,
    message: `insert or update on table "${fkRel.name}" violates foreign key constraint "${fk.name}"`,
    detail: 'MATCH FULL does not allow mixing of null and nonnull key values.',
    schema: namespaceRow(fkRel.namespace)?.nspname,
    table: fkRel.name,
    constraint: fk.name,
  });
}
