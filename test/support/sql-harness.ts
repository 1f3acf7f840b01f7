/** sql-harness.ts — SQL text through parser, analyzer, rewriter, planner and executor in this process, without a server.
 *
 *  Tables, catalogs included, can be read once a database is open (openTestDatabase).
 *  `runSql` gives rows as text, NULL as null; `psqlRows` joins them as `psql -At` does. */
import '#adt/load.ts';
import type { Datum } from '#adt/datum.ts';
import { typeInfo } from '#adt/fmgr.ts';
import type { Oid } from '#base/ids.ts';
import '#catalog/catalog-functions.ts';
import '#catalog/privilege-functions.ts';
import '#catalog/reg-types.ts';
import { databaseAccess } from '#catalog/session-identity.ts';
import '#catalog/type-cache.ts';
import { createQueryDesc, executorEnd, executorFinish, executorRun, executorStart } from '#executor/run.ts';
import type { BoundParams, DestReceiver, ResultColumn } from '#nodes/exec-nodes.ts';
import type { PlannedStmt } from '#nodes/plan-nodes.ts';
import { planQuery } from '#optimizer/planner.ts';
import { installQueryServices } from '#optimizer/sql-language.ts';
import { analyze } from '#parser/analyze.ts';
import { parseText } from '#parser/parse.ts';
import { rewriteQuery } from '#rewrite/rewrite.ts';
import { getTransactionSnapshot, popActiveSnapshot, pushActiveSnapshot } from '#transam/snapshot.ts';
import { abortOutOfAnyTransaction, commitTransactionCommand, startTransactionCommand } from '#transam/xact.ts';

installQueryServices(rewriteQuery);

export interface SqlResult {
  readonly columns: readonly ResultColumn[];
  readonly rows: (string | null)[][];
}

export class TextReceiver implements DestReceiver {
  columns: readonly ResultColumn[] = [];
  readonly rows: (string | null)[][] = [];
  start(columns: readonly ResultColumn[]): void {
    this.columns = columns;
  }
  receive(values: readonly Datum[]): boolean {
    this.rows.push(
      this.columns.map((column, i) => {
        const value = values[i] ?? null;
        return value === null ? null : typeInfo(column.type).output(value);
      }),
    );
    return true;
  }
  finish(): void {}
}

export function planSql(text: string, types: Oid[] = []): PlannedStmt {
  const raw = parseText(text)[0]!;
  const [query] = rewriteQuery(analyze(raw, text, { types, variable: types.length > 0 }));
  return planQuery(query!);
}
export function runPlan(plan: PlannedStmt, params: BoundParams | null = null): SqlResult {
  const receiver = new TextReceiver();
  const query = createQueryDesc(plan, params, receiver);
  executorStart(query);
  executorRun(query, 0);
  executorFinish(query);
  executorEnd(query);
  return { columns: query.columns, rows: receiver.rows };
}
/** One statement; with an open database (test-database.ts) as a transaction of its own. */
export function runSql(text: string): SqlResult {
  if (!databaseAccess.database) return runPlan(planSql(text));
  startTransactionCommand();
  try {
    pushActiveSnapshot(getTransactionSnapshot());
    const result = runPlan(planSql(text));
    popActiveSnapshot();
    commitTransactionCommand();
    return result;
  } catch (caught) {
    abortOutOfAnyTransaction();
    throw caught;
  }
}
/** Lines as `psql -At` prints them. */
export function psqlRows(text: string): string[] {
  return runSql(text).rows.map((row) => row.map((value) => value ?? '').join('|'));
}
