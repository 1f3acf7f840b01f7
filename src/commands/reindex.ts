/** reindex.ts — the statement REINDEX: an index, a table, a schema, the catalogs, the database.
 *  Counterpart: ExecReindex(), ReindexIndex(), ReindexTable(), ReindexMultipleTables() of
 *  src/backend/commands/indexcmds.c */
import type { ReindexStmt } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { checkRelationOwner, mustBeOwner, ownsObject } from '#catalog/object-rights.ts';
import { RELATION } from '#catalog/oids.ts';
import { rangeVarGetRelid } from '#catalog/range-var.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { classRow, databaseRow, indexRow, namespaceByName, namespaceRow } from '#catalog/syscache.ts';
import { systableBeginScan } from '#catalog/systable.ts';
import { ownsTable } from '#commands/cluster.ts';
import { defElems, defGetBoolean } from '#commands/def-elem.ts';
import { reindexIndex, reindexRelation } from '#commands/reindex-rel.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { lockRelationOid, unlockRelationOid } from '#storage/lmgr/lmgr.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { activeSnapshotSet, getTransactionSnapshot, popActiveSnapshot, pushActiveSnapshot } from '#transam/snapshot.ts';
import { commitTransactionCommand, startTransactionCommand } from '#transam/xact.ts';
import { preventInTransactionBlock } from '#transam/xact-block.ts';

const FIRST_UNPINNED_OID = 12000;

interface Params {
  verbose: boolean;
  concurrently: boolean;
}
function parseParams(stmt: ReindexStmt): Params {
  const params: Params = { verbose: false, concurrently: false };
  for (const option of defElems(stmt.params)) {
    if (option.defname === 'verbose') params.verbose = defGetBoolean(option);
    else if (option.defname === 'concurrently') params.concurrently = defGetBoolean(option);
    else if (option.defname === 'tablespace') {
      report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'REINDEX (TABLESPACE) is not supported yet' });
    } else {
      report('ERROR', {
        code: SQLSTATE.syntaxError,
        message: `unrecognized REINDEX option "${option.defname}"`,
        ...(option.location !== undefined ? { position: option.location + 1 } : {}),
      });
    }
  }
  return params;
}

export function reindexStatement(stmt: ReindexStmt, isTopLevel: boolean): void {
  const params = parseParams(stmt);
  if (params.concurrently) {
    preventInTransactionBlock(isTopLevel, 'REINDEX CONCURRENTLY');
    report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'REINDEX CONCURRENTLY is not supported yet' });
  }
  if (stmt.kind === 'REINDEX_OBJECT_INDEX') reindexOneIndex(stmt, params);
  else if (stmt.kind === 'REINDEX_OBJECT_TABLE') reindexOneTable(stmt, params);
  else reindexMany(stmt, params, isTopLevel);
}

function nameOf(stmt: ReindexStmt): { catalog?: string | undefined; schema?: string | undefined; name: string } {
  const { catalogname, schemaname, relname } = stmt.relation!;
  return { catalog: catalogname, schema: schemaname, name: relname! };
}
const refusePartitioned = (): never =>
  report('ERROR', {
    code: SQLSTATE.featureNotSupported,
    message: 'REINDEX of partitioned relations is not supported yet',
  });

/** ReindexIndex(): the table is locked before its index, as everybody does. */
function reindexOneIndex(stmt: ReindexStmt, params: Params): void {
  let heap = 0 as Oid;
  const relid = rangeVarGetRelid(nameOf(stmt), LOCK.accessExclusive, {}, (candidate, old) => {
    if (candidate !== old && old !== 0 && heap !== 0) {
      unlockRelationOid(heap, LOCK.share);
      heap = 0 as Oid;
    }
    const row = candidate === 0 ? undefined : classRow(candidate);
    if (row === undefined) return;
    if (row.relkind !== 'i' && row.relkind !== 'I') {
      report('ERROR', { code: SQLSTATE.wrongObjectType, message: `"${row.relname}" is not an index` });
    }
    checkRelationOwner(candidate, 'index');
    if (candidate === old) return;
    const table = indexRow(candidate)?.indrelid;
    if (table !== undefined) {
      lockRelationOid(table, LOCK.share);
      heap = table;
    }
  });
  const row = classRow(relid)!;
  if (row.relkind === 'I') refusePartitioned();
  reindexIndex(relid, row.relpersistence as 'p' | 'u' | 't', params);
}

function reindexOneTable(stmt: ReindexStmt, params: Params): void {
  const relid = rangeVarGetRelid(nameOf(stmt), LOCK.share, {}, ownsTable);
  if (classRow(relid)?.relkind === 'p') refusePartitioned();
  if (!reindexRelation(relid, params, { processToast: true, suppressUse: false })) {
    report('NOTICE', { message: `table "${stmt.relation!.relname}" has no indexes to reindex` });
  }
}

/** Which tables of pg_class are meant. */
function tablesOf(kind: string, namespace: Oid): Oid[] {
  const found: Oid[] = [];
  const pgClass = tableOpen(RELATION.pgClass, LOCK.accessShare);
  const at = (name: string): number => pgClass.tupleDesc.attributeIndex(name) + 1;
  const columns = {
    oid: at('oid'),
    kind: at('relkind'),
    namespace: at('relnamespace'),
    owner: at('relowner'),
    persistence: at('relpersistence'),
    shared: at('relisshared'),
  };
  const scan = systableBeginScan(pgClass, 0, false, []);
  while (scan.next()) {
    const oid = scan.value(columns.oid) as Oid;
    const relkind = scan.value(columns.kind) as string;
    const relnamespace = scan.value(columns.namespace) as Oid;
    if (relkind !== 'r' && relkind !== 'm') continue;
    if (kind === 'REINDEX_OBJECT_SCHEMA' && relnamespace !== namespace) continue;
    const isTemp = scan.value(columns.persistence) === 't';
    if (isTemp && relnamespace !== sessionIdentity.tempNamespace) continue;
    if (kind === 'REINDEX_OBJECT_SYSTEM' && oid >= FIRST_UNPINNED_OID) continue;
    if (scan.value(columns.shared) === true && !ownsObject(scan.value(columns.owner) as Oid)) continue;
    // pg_class first, so that the others are found through an index that is right.
    if (oid === RELATION.pgClass) found.unshift(oid);
    else found.push(oid);
  }
  scan.end();
  relationClose(pgClass, LOCK.accessShare);
  return found;
}

/** ReindexMultipleTables(). */
function reindexMany(stmt: ReindexStmt, params: Params, isTopLevel: boolean): void {
  const kind = stmt.kind ?? '';
  const isSchema = kind === 'REINDEX_OBJECT_SCHEMA';
  const word = isSchema ? 'SCHEMA' : kind === 'REINDEX_OBJECT_SYSTEM' ? 'SYSTEM' : 'DATABASE';
  preventInTransactionBlock(isTopLevel, `REINDEX ${word}`);
  let namespace = 0 as Oid;
  const name = stmt.name ?? '';
  if (isSchema) {
    const row = namespaceByName(name);
    if (row === undefined) {
      report('ERROR', { code: SQLSTATE.undefinedSchema, message: `schema "${name}" does not exist` });
    }
    if (!ownsObject(row.nspowner)) mustBeOwner('schema', name);
    namespace = row.oid;
  } else {
    if (name !== '' && name !== sessionIdentity.databaseName) {
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'can only reindex the currently open database',
      });
    }
    if (!ownsObject(databaseRow(sessionIdentity.databaseOid)!.datdba)) {
      mustBeOwner('database', sessionIdentity.databaseName);
    }
  }
  const tables = tablesOf(kind, namespace);
  if (activeSnapshotSet()) popActiveSnapshot();
  commitTransactionCommand();
  for (const relid of tables) {
    startTransactionCommand();
    pushActiveSnapshot(getTransactionSnapshot());
    lockRelationOid(relid, LOCK.share);
    const row = classRow(relid);
    if (row !== undefined) {
      const done = reindexRelation(relid, params, { processToast: true, suppressUse: false });
      if (done && params.verbose) {
        report('INFO', {
          message: `table "${namespaceRow(row.relnamespace)?.nspname}.${row.relname}" was reindexed`,
        });
      }
    }
    popActiveSnapshot();
    commitTransactionCommand();
  }
  startTransactionCommand();
}
