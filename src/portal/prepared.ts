/** prepared.ts — a session's named prepared statements, of PREPARE and of the protocol's Parse.
 *  Counterpart: src/backend/commands/prepare.c (the table) */
import type { CachedPlanSource } from '#portal/plan-cache.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export interface PreparedStatement {
  readonly name: string;
  readonly source: CachedPlanSource;
  /** Made by PREPARE, not by the protocol. */
  readonly fromSql: boolean;
  /** TimestampTz. */
  readonly prepareTime: number;
}
const statements = new Map<string, PreparedStatement>();

export const allPreparedStatements = (): IterableIterator<PreparedStatement> => statements.values();

export function storePreparedStatement(statement: PreparedStatement): void {
  if (statements.has(statement.name))
    report('ERROR', {
      code: SQLSTATE.duplicatePstatement,
      message: `prepared statement "${statement.name}" already exists`,
    });
  statements.set(statement.name, statement);
}
export const findPreparedStatement = (name: string): PreparedStatement | undefined => statements.get(name);
export function fetchPreparedStatement(name: string): PreparedStatement {
  const found = statements.get(name);
  if (found === undefined)
    return report('ERROR', {
      code: SQLSTATE.undefinedPstatement,
      message: `prepared statement "${name}" does not exist`,
    });
  return found;
}
/** False if there was none. */
export const dropPreparedStatement = (name: string): boolean => statements.delete(name);
export const dropAllPreparedStatements = (): void => statements.clear();
