/** lock-table.ts — LOCK TABLE: explicit relation locks, held until the transaction ends.
 *
 *  A table takes its children along, unless ONLY; a view takes what it reads along, checked with its owner's rights.
 *  Counterpart: src/backend/commands/lockcmds.c */
import type { LockStmt } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { hasRight } from '#catalog/acl.ts';
import { rangeVarGetRelid } from '#catalog/range-var.ts';
import { isSuperuserOid } from '#catalog/roles.ts';
import { store } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { classRow } from '#catalog/syscache.ts';
import type { Query } from '#nodes/parse-nodes.ts';
import { bodyOf, isTag } from '#parser/ast.ts';
import { viewQuery } from '#rewrite/rewrite.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { conditionalLockRelationOid, lockRelationOid, unlockRelationOid } from '#storage/lmgr/lmgr.ts';
import { lockFacts } from '#storage/lmgr/lock-facts.ts';
import { LOCK, type LockMode } from '#storage/lmgr/lock-modes.ts';
import { xactFlags } from '#transam/xact.ts';
import { requireTransactionBlock } from '#transam/xact-block.ts';

const KIND_PLURAL: Readonly<Record<string, string>> = {
  i: 'indexes',
  S: 'sequences',
  t: 'TOAST tables',
  m: 'materialized views',
  c: 'composite types',
  f: 'foreign tables',
  I: 'partitioned indexes',
};
const isTable = (kind: string): boolean => kind === 'r' || kind === 'p';

export function lockTable(stmt: LockStmt, isTopLevel: boolean): void {
  requireTransactionBlock(isTopLevel, 'LOCK TABLE');
  const mode = (stmt.mode ?? LOCK.accessExclusive) as LockMode;
  const nowait = stmt.nowait === true;
  if (mode > LOCK.rowExclusive && lockFacts.recoveryInProgress())
    report('ERROR', {
      code: SQLSTATE.readOnlySqlTransaction,
      message: 'cannot execute LOCK TABLE during recovery',
    });
  for (const node of stmt.relations ?? []) {
    if (!isTag(node, 'RangeVar')) continue;
    const name = bodyOf(node, 'RangeVar');
    const relid = rangeVarGetRelid(
      { catalog: name.catalogname, schema: name.schemaname, name: name.relname ?? '' },
      mode,
      { nowait },
      (candidate) => checkLockable(candidate, mode),
    );
    if (classRow(relid)?.relkind === 'v') lockView(relid, mode, nowait, []);
    else if (name.inh === true) lockChildren(relid, mode, nowait);
  }
}

/** Before the lock is taken: waiting for what one may not lock would keep others waiting behind. */
function checkLockable(relid: Oid, mode: LockMode): void {
  if (relid === 0) return;
  const row = classRow(relid);
  if (row === undefined) return;
  if (!isTable(row.relkind) && row.relkind !== 'v')
    report('ERROR', {
      code: SQLSTATE.wrongObjectType,
      message: `cannot lock relation "${row.relname}"`,
      detail: `This operation is not supported for ${KIND_PLURAL[row.relkind] ?? 'relations of this kind'}.`,
    });
  if (row.relpersistence === 't') xactFlags.accessedTempNamespace = true;
  checkRights(relid, mode, sessionIdentity.userOid);
}

/** Reading takes the right to read; stronger locks take one of the rights to change. */
function checkRights(relid: Oid, mode: LockMode, role: Oid): void {
  const row = classRow(relid);
  if (row === undefined || isSuperuserOid(role)) return;
  const letters = mode === LOCK.accessShare ? 'r' : mode === LOCK.rowExclusive ? 'awdD' : 'wdD';
  const table = { letter: 'r', owner: row.relowner, acl: row.relacl };
  if ([...letters].some((letter) => hasRight(table, role, letter, false))) return;
  report('ERROR', {
    code: SQLSTATE.insufficientPrivilege,
    message: `permission denied for ${row.relkind === 'v' ? 'view' : 'table'} ${row.relname}`,
  });
}

/** Those below need no rights of their own. */
function lockChildren(relid: Oid, mode: LockMode, nowait: boolean): void {
  for (const { inhrelid: child } of [...store.inherits.by('inhparent', relid)].sort(
    (a, b) => a.inhrelid - b.inhrelid,
  )) {
    lockOne(child, mode, nowait);
    // It may have been dropped while we waited.
    if (classRow(child) === undefined) unlockRelationOid(child, mode);
    else lockChildren(child, mode, nowait);
  }
}
function lockOne(relid: Oid, mode: LockMode, nowait: boolean): void {
  if (!nowait) {
    lockRelationOid(relid, mode);
    return;
  }
  if (conditionalLockRelationOid(relid, mode)) return;
  const row = classRow(relid);
  if (row === undefined) return;
  report('ERROR', {
    code: SQLSTATE.lockNotAvailable,
    message: `could not obtain lock on relation "${row.relname}"`,
  });
}

/** The relations that a view reads, wherever in its query, locked with the rights of its owner. */
function lockView(view: Oid, mode: LockMode, nowait: boolean, ancestors: readonly Oid[]): void {
  const row = classRow(view);
  if (row === undefined) return;
  const owner =
    row.reloptions?.some((option) => /^security_invoker=(true|on|yes|1)$/i.test(String(option))) === true
      ? sessionIdentity.userOid
      : row.relowner;
  for (const relid of relationsOf(viewQuery(view))) {
    const kind = classRow(relid)?.relkind;
    // A view that contains itself is refused when it is used, not here.
    if (relid === view || kind === undefined || ancestors.includes(relid)) continue;
    if (!isTable(kind) && kind !== 'v') continue;
    checkRights(relid, mode, owner);
    lockOne(relid, mode, nowait);
    if (kind === 'v') lockView(relid, mode, nowait, [...ancestors, view]);
    else lockChildren(relid, mode, nowait);
  }
}

/** Relations and views that a query names itself; what lies in an expanded view is that view's. */
function relationsOf(query: Query): Set<Oid> {
  const found = new Set<Oid>();
  const visit = (node: unknown): void => {
    if (node === null || typeof node !== 'object') return;
    if (Array.isArray(node)) {
      for (const one of node) visit(one);
      return;
    }
    const { rtekind, relid } = node as { rtekind?: string; relid?: Oid };
    if ((rtekind === 'relation' || rtekind === 'subquery') && relid !== undefined && relid !== 0) {
      found.add(relid);
      return;
    }
    for (const key in node) visit((node as Record<string, unknown>)[key]);
  };
  visit(query);
  return found;
}
