/** set-constraints.ts — SET CONSTRAINTS: from now on at the end of each statement, or only at commit.
 *  Counterpart: AfterTriggerSetState() of src/backend/commands/trigger.c */
import type { ConstraintsSetStmt, RangeVar } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { namespaceOid, searchPath } from '#catalog/namespace.ts';
import { store } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { constraintModesForChange, fireImmediate } from '#commands/trigger-events.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { warnNoTransactionBlock } from '#transam/xact-block.ts';

export function setConstraints(stmt: ConstraintsSetStmt, isTopLevel: boolean): void {
  warnNoTransactionBlock(isTopLevel, 'SET CONSTRAINTS');
  const deferred = stmt.deferred === true;
  if (stmt.constraints === undefined || stmt.constraints.length === 0) {
    const modes = constraintModesForChange();
    modes.all = deferred;
    modes.byTrigger.clear();
  } else {
    const constraints = stmt.constraints.flatMap((node) => ('RangeVar' in node ? named(node.RangeVar, deferred) : []));
    const triggers = constraints.flatMap((oid) =>
      store.trigger.by('tgconstraint', oid).filter((row) => row.tgdeferrable),
    );
    const modes = constraintModesForChange();
    for (const { oid } of triggers) modes.byTrigger.set(oid, deferred);
  }
  if (!deferred) fireImmediate();
}

/** The constraints of that name in the first schema of the search path that has some. */
function named(of: RangeVar, deferred: boolean): Oid[] {
  const name = of.relname ?? '';
  if (of.catalogname !== undefined && of.catalogname !== '' && of.catalogname !== sessionIdentity.databaseName) {
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: `cross-database references are not implemented: "${of.catalogname}.${of.schemaname}.${name}"`,
    });
  }
  const hasSchema = of.schemaname !== undefined && of.schemaname !== '';
  const schemas = hasSchema ? [namespaceOid(of.schemaname!)] : searchPath();
  const rows = store.constraint.by('conname', name);
  for (const schema of schemas) {
    const found = rows.filter((row) => row.connamespace === schema);
    for (const row of found) {
      if (!row.condeferrable && deferred) {
        report('ERROR', { code: SQLSTATE.wrongObjectType, message: `constraint "${name}" is not deferrable` });
      }
    }
    if (found.length > 0) return found.filter((row) => row.condeferrable).flatMap((row) => withChildren(row.oid));
  }
  return report('ERROR', { code: SQLSTATE.undefinedObject, message: `constraint "${name}" does not exist` });
}
/** A partitioned table's constraint and those of its partitions. */
function withChildren(oid: Oid): Oid[] {
  return [oid, ...store.constraint.by('conparentid', oid).flatMap((row) => withChildren(row.oid))];
}
