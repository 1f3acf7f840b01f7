/** alter-options.ts — ALTER TABLE of what is neither a column nor a constraint: parameters, clustering, replica identity,
 *  triggers, row security, columns' parameters.
 *  Counterpart: ATExecSetRelOptions(), ATExecClusterOn(), ATExecReplicaIdentity(), EnableDisableTrigger() … */
import type { AlterTableCmd, Node, ReplicaIdentityStmt } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { attributeTuple, updateAttribute } from '#catalog/attribute-default.ts';
import { catalogUpdateColumns } from '#catalog/indexing.ts';
import { cacheInvalidateRelcache } from '#catalog/inval.ts';
import { RELATION } from '#catalog/oids.ts';
import type { RelationData } from '#catalog/relcache.ts';
import { indexOpen, relationClose, tableOpen } from '#catalog/relation.ts';
import { isSuperuser } from '#catalog/roles.ts';
import { store } from '#catalog/rows.ts';
import { classByName, indexesOf } from '#catalog/syscache.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { attributeOf } from '#commands/alter-column.ts';
import { textArray } from '#commands/heap-swap.ts';
import { transformRelOptions, validateRelOptions } from '#commands/rel-options.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE, type SqlState } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

const fail = (code: SqlState, message: string): never => report('ERROR', { code, message });
const itemsOf = (def: Node | undefined): Node[] =>
  (def as { List?: { items?: Node[] } } | undefined)?.List?.items ?? [];

export function updateClass(relid: Oid, changes: Parameters<typeof catalogUpdateColumns>[2]): void {
  const pgClass = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.class, pgClass, 2662 as Oid, [{ attnum: 1, value: relid }]);
  if (found === undefined) report('ERROR', { message: `cache lookup failed for relation ${relid}` });
  catalogUpdateColumns(pgClass, found.tid, changes);
  relationClose(pgClass, LOCK.rowExclusive);
}

type Family = Parameters<typeof validateRelOptions>[0];
export function setOptions(rel: RelationData, command: AlterTableCmd): void {
  const items = itemsOf(command.def);
  const isReset = command.subtype === 'AT_ResetRelOptions';
  const change = (relid: Oid, namespace: string | null, family: Family): void => {
    const old = store.class.byOid(relid)?.reloptions ?? null;
    const options = transformRelOptions(
      old,
      items,
      namespace,
      family === 'heap' || family === 'toast' ? ['toast'] : [],
      isReset,
    );
    validateRelOptions(family, options);
    updateClass(relid, { reloptions: textArray(options) });
  };
  const family: Family = rel.kind === 'v' ? 'view' : rel.kind === 'i' || rel.kind === 'I' ? 'btree' : 'heap';
  change(rel.oid, null, family);
  if (rel.toastRelid !== 0) change(rel.toastRelid, 'toast', 'toast');
}

/** SET (n_distinct = …) of a column. */
export function setColumnOptions(rel: RelationData, command: AlterTableCmd): void {
  const attnum = attributeOf(rel, command.name ?? '');
  const pgAttribute = tableOpen(RELATION.pgAttribute, LOCK.rowExclusive);
  const { row } = attributeTuple(pgAttribute, rel.oid, attnum);
  relationClose(pgAttribute, LOCK.rowExclusive);
  const isReset = command.subtype === 'AT_ResetOptions';
  const options = transformRelOptions(row.attoptions, itemsOf(command.def), null, [], isReset);
  for (const option of options ?? []) {
    const name = option.slice(0, option.indexOf('='));
    if (name !== 'n_distinct' && name !== 'n_distinct_inherited') {
      fail(SQLSTATE.invalidParameterValue, `unrecognized parameter "${name}"`);
    }
  }
  updateAttribute(rel.oid, attnum, { attoptions: textArray(options) });
}

// ── one index of several ─────────────────────────────────────────────────────────────────────────────────────────

function markIndexes(rel: RelationData, column: 'indisclustered' | 'indisreplident', chosen: Oid): void {
  const pgIndex = tableOpen(RELATION.pgIndex, LOCK.rowExclusive);
  for (const { indexrelid } of indexesOf(rel.oid)) {
    const [found] = findCatalogTuples(store.index, pgIndex, 2679 as Oid, [{ attnum: 1, value: indexrelid }]);
    if (found === undefined) continue;
    const wanted = indexrelid === chosen;
    if (found.row[column] !== wanted) {
      catalogUpdateColumns(pgIndex, found.tid, { [column]: wanted });
      cacheInvalidateRelcache(rel.oid);
    }
  }
  relationClose(pgIndex, LOCK.rowExclusive);
}

/** CLUSTER ON, SET WITHOUT CLUSTER (name null). */
export function clusterOn(rel: RelationData, name: string | null): void {
  let chosen = 0 as Oid;
  if (name !== null) {
    const row = classByName(name, rel.namespace);
    if (row === undefined) {
      fail(SQLSTATE.undefinedObject, `index "${name}" for table "${rel.name}" does not exist`);
      return;
    }
    const index = indexOpen(row.oid, LOCK.none);
    if (index.index!.heapRelid !== rel.oid) {
      fail(SQLSTATE.wrongObjectType, `"${name}" is not an index for table "${rel.name}"`);
    }
    if (index.index!.predText !== null) {
      fail(SQLSTATE.featureNotSupported, `cannot cluster on partial index "${name}"`);
    }
    if (!index.index!.valid) fail(SQLSTATE.featureNotSupported, `cannot cluster on invalid index "${name}"`);
    relationClose(index, LOCK.none);
    chosen = row.oid;
  }
  markIndexes(rel, 'indisclustered', chosen);
}

export function replicaIdentity(rel: RelationData, stmt: ReplicaIdentityStmt): void {
  const kind = stmt.identity_type ?? 'd';
  let chosen = 0 as Oid;
  if (kind === 'i') {
    const name = stmt.name ?? '';
    const row = classByName(name, rel.namespace);
    if (row === undefined) {
      fail(SQLSTATE.undefinedObject, `index "${name}" for table "${rel.name}" does not exist`);
      return;
    }
    const index = indexOpen(row.oid, LOCK.share);
    const desc = index.index!;
    if (desc.heapRelid !== rel.oid) {
      fail(SQLSTATE.wrongObjectType, `"${name}" is not an index for table "${rel.name}"`);
    }
    const cannot = (what: string): never =>
      fail(SQLSTATE.wrongObjectType, `cannot use ${what} index "${name}" as replica identity`);
    if (!desc.unique) cannot('non-unique');
    if (!desc.immediate) cannot('non-immediate');
    if (desc.exprsText !== null) cannot('expression');
    if (desc.predText !== null) cannot('partial');
    for (const attnum of desc.keys.slice(0, desc.nKeyAtts)) {
      const column = rel.tupleDesc.attrs[attnum - 1]!;
      if (!column.notNull) {
        fail(
          SQLSTATE.wrongObjectType,
          `index "${name}" cannot be used as replica identity because column "${column.name}" is nullable`,
        );
      }
    }
    relationClose(index, LOCK.none);
    chosen = row.oid;
  }
  if (rel.replicaIdentity !== kind) updateClass(rel.oid, { relreplident: kind });
  commandCounterIncrement();
  markIndexes(rel, 'indisreplident', chosen);
}

// ── triggers, rules, row security ────────────────────────────────────────────────────────────────────────────────

/** EnableDisableTrigger(): one, all (name null), or those of users. */
export function enableTriggers(
  rel: RelationData,
  name: string | null,
  fires: 'O' | 'D' | 'A' | 'R',
  skipSystem: boolean,
): void {
  const pgTrigger = tableOpen(RELATION.pgTrigger, LOCK.rowExclusive);
  let found = 0;
  const tuples = findCatalogTuples(store.trigger, pgTrigger, 2701 as Oid, [{ attnum: 2, value: rel.oid }]);
  for (const { tid, row } of tuples) {
    if (name !== null && row.tgname !== name) continue;
    if (row.tgisinternal) {
      if (skipSystem) continue;
      if (!isSuperuser()) {
        fail(SQLSTATE.insufficientPrivilege, `permission denied: "${row.tgname}" is a system trigger`);
      }
    }
    found++;
    if (row.tgenabled !== fires) catalogUpdateColumns(pgTrigger, tid, { tgenabled: fires });
  }
  relationClose(pgTrigger, LOCK.rowExclusive);
  if (name !== null && found === 0) {
    fail(SQLSTATE.undefinedObject, `trigger "${name}" for table "${rel.name}" does not exist`);
  }
  cacheInvalidateRelcache(rel.oid);
}
export function enableRule(rel: RelationData, name: string, fires: 'O' | 'D' | 'A' | 'R'): void {
  const pgRewrite = tableOpen(RELATION.pgRewrite, LOCK.rowExclusive);
  const found = findCatalogTuples(store.rewrite, pgRewrite, 2693 as Oid, [{ attnum: 3, value: rel.oid }]).find(
    ({ row }) => row.rulename === name,
  );
  if (found === undefined) {
    fail(SQLSTATE.undefinedObject, `rule "${name}" for relation "${rel.name}" does not exist`);
    return;
  }
  catalogUpdateColumns(pgRewrite, found.tid, { ev_enabled: fires });
  relationClose(pgRewrite, LOCK.rowExclusive);
  cacheInvalidateRelcache(rel.oid);
}
