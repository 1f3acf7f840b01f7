/** cluster.ts — the statement CLUSTER: one table, or all that were clustered before, each in a transaction of its own.
 *  Counterpart: cluster(), get_tables_to_cluster() of src/backend/commands/cluster.c */
import type { ClusterStmt } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { checkRelationOwner, ownsObject } from '#catalog/object-rights.ts';
import { rangeVarGetRelid } from '#catalog/range-var.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { classByName, classRow, indexesOf } from '#catalog/syscache.ts';
import { clusterRelation } from '#commands/cluster-rel.ts';
import { defElems, defGetBoolean } from '#commands/def-elem.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { activeSnapshotSet, getTransactionSnapshot, popActiveSnapshot, pushActiveSnapshot } from '#transam/snapshot.ts';
import { commitTransactionCommand, startTransactionCommand } from '#transam/xact.ts';
import { preventInTransactionBlock } from '#transam/xact-block.ts';

/** RangeVarCallbackOwnsTable(). */
export function ownsTable(relid: Oid): void {
  const row = relid === 0 ? undefined : classRow(relid);
  if (row === undefined) return;
  if (!'rtmp'.includes(row.relkind)) {
    report('ERROR', {
      code: SQLSTATE.wrongObjectType,
      message: `"${row.relname}" is not a table or materialized view`,
    });
  }
  checkRelationOwner(relid, 'table');
}

export function clusterStatement(stmt: ClusterStmt, isTopLevel: boolean): void {
  let verbose = false;
  for (const option of defElems(stmt.params)) {
    if (option.defname === 'verbose') verbose = defGetBoolean(option);
    else {
      report('ERROR', {
        code: SQLSTATE.syntaxError,
        message: `unrecognized CLUSTER option "${option.defname}"`,
        ...(option.location !== undefined ? { position: option.location + 1 } : {}),
      });
    }
  }
  if (stmt.relation !== undefined) {
    const { catalogname, schemaname, relname } = stmt.relation;
    const name = { catalog: catalogname, schema: schemaname, name: relname! };
    const relid = rangeVarGetRelid(name, LOCK.accessExclusive, {}, ownsTable);
    clusterRelation(relid, chosenIndex(relid, stmt.indexname), { verbose, recheck: false });
    return;
  }
  preventInTransactionBlock(isTopLevel, 'CLUSTER');
  const tables = store.index
    .all()
    .filter((row) => row.indisclustered && ownsObject(classRow(row.indrelid)?.relowner ?? (0 as Oid)))
    .map((row) => [row.indrelid, row.indexrelid] as const);
  if (activeSnapshotSet()) popActiveSnapshot();
  commitTransactionCommand();
  for (const [table, index] of tables) {
    startTransactionCommand();
    pushActiveSnapshot(getTransactionSnapshot());
    clusterRelation(table, index, { verbose, recheck: true });
    popActiveSnapshot();
    commitTransactionCommand();
  }
  startTransactionCommand();
}

function chosenIndex(relid: Oid, name: string | undefined): Oid {
  const rel = tableOpen(relid, LOCK.none);
  if (rel.kind === 'p') {
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'CLUSTER of partitioned tables is not supported yet',
    });
  }
  if (rel.persistence === 't' && !rel.isLocalTemp) {
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'cannot cluster temporary tables of other sessions',
    });
  }
  let index: Oid | undefined;
  if (name === undefined || name === '') {
    index = indexesOf(relid).find((row) => row.indisclustered)?.indexrelid;
    if (index === undefined) {
      report('ERROR', {
        code: SQLSTATE.undefinedObject,
        message: `there is no previously clustered index for table "${rel.name}"`,
      });
    }
  } else {
    index = classByName(name, rel.namespace)?.oid;
    if (index === undefined) {
      report('ERROR', {
        code: SQLSTATE.undefinedObject,
        message: `index "${name}" for table "${rel.name}" does not exist`,
      });
    }
  }
  relationClose(rel, LOCK.none);
  return index;
}
