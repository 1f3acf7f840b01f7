/** spi.ts — SQL for code inside the server: background workers, extensions, functions.
 *
 *  A statement runs in the caller's transaction and its rows come back as arrays. `readOnly` refuses statements that could
 *  change something. Transaction statements are refused always: they would end the caller's own transaction.
 *  Counterpart: src/backend/executor/spi.c */
import type { Datum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { type BoundParams, discardReceiver, type ResultColumn } from '#nodes/exec-nodes.ts';
import type { PlannedStmt } from '#nodes/plan-nodes.ts';
import { parseText } from '#parser/parse.ts';
import { commandTag, isTransactionStatement, plannedTag, type QueryCompletion } from '#portal/command-tags.ts';
import { analyzeAndRewrite, CachedPlanSource } from '#portal/plan-cache.ts';
import { runQuery } from '#portal/portal-run.ts';
import { Tuplestore } from '#portal/tuplestore.ts';
import { utilityHooks } from '#portal/utility-hooks.ts';
import { PgError, report, toPgError } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { commandCounterIncrement, isTransactionState } from '#transam/xact.ts';

export interface SpiResult {
  /** Tag of the last statement. */
  readonly tag: string;
  /** Rows given or changed by it. */
  readonly processed: number;
  readonly columns: readonly ResultColumn[];
  readonly rows: readonly (readonly Datum[])[];
}

/** A statement list that was analysed once. */
export class SpiPlan {
  readonly #sources: readonly CachedPlanSource[];
  constructor(
    readonly text: string,
    readonly types: readonly Oid[],
  ) {
    this.#sources = withContext(text, () =>
      parseText(text).map((raw) => {
        const analyzed = analyzeAndRewrite(raw, text, { types: types.slice(), variable: false });
        return new CachedPlanSource(raw, text, commandTag(raw.node), analyzed, types, false);
      }),
    );
  }

  /** `limit` 0 means all rows. */
  execute(values: readonly Datum[] = [], readOnly = false, limit = 0): SpiResult {
    if (!isTransactionState())
      report('ERROR', { code: SQLSTATE.noActiveSqlTransaction, message: 'SPI needs a running transaction' });
    const params: BoundParams | null = this.types.length === 0 ? null : { types: this.types, values };
    return withContext(this.text, () => {
      let result: SpiResult = { tag: '', processed: 0, columns: [], rows: [] };
      for (const source of this.#sources) {
        if (source.raw !== null && isTransactionStatement(source.raw.node))
          report('ERROR', {
            code: SQLSTATE.invalidTransactionTermination,
            message: `${source.tag} cannot be executed from a function`,
          });
        for (const stmt of source.getPlan(params)) {
          checkForInterrupts();
          const one = runStatement(stmt, source.text, params, readOnly, limit);
          if (stmt.canSetTag) result = one;
          if (!readOnly) commandCounterIncrement();
        }
      }
      return result;
    });
  }
}

/** Runs SQL text once. */
export function spiExecute(text: string, readOnly = false, limit = 0): SpiResult {
  return new SpiPlan(text, []).execute([], readOnly, limit);
}
/** Runs SQL text with values for $1 … */
export function spiExecuteWithArgs(
  text: string,
  types: readonly Oid[],
  values: readonly Datum[],
  readOnly = false,
  limit = 0,
): SpiResult {
  return new SpiPlan(text, types).execute(values, readOnly, limit);
}
export const spiPrepare = (text: string, types: readonly Oid[] = []): SpiPlan => new SpiPlan(text, types);

class LimitedStore extends Tuplestore {
  constructor(readonly limit: number) {
    super();
  }
  override receive(values: readonly Datum[]): boolean {
    super.receive(values);
    return this.limit === 0 || this.rows.length < this.limit;
  }
}

function runStatement(
  stmt: PlannedStmt,
  text: string,
  params: BoundParams | null,
  readOnly: boolean,
  limit: number,
): SpiResult {
  const tag = plannedTag(stmt);
  if (readOnly && stmt.commandType !== 'select' && !READ_ONLY_UTILITIES.has(tag))
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: `${tag} is not allowed in a non-volatile function`,
    });
  const store = new LimitedStore(limit);
  if (stmt.commandType === 'utility') {
    const completion: QueryCompletion = { tag: '???', rows: 0 };
    const hasRows = utilityHooks.resultColumns(stmt.utilityStmt) !== null;
    utilityHooks.process(stmt, text, 'query', params, hasRows ? store : discardReceiver, completion);
    return { tag, processed: store.rows.length, columns: store.columns ?? [], rows: store.rows };
  }
  const processed = runQuery(stmt, params, store);
  return { tag, processed, columns: store.columns ?? [], rows: store.rows };
}
const READ_ONLY_UTILITIES: ReadonlySet<string> = new Set(['SHOW', 'EXPLAIN', 'FETCH', 'MOVE']);

/** Says in which statement an error arose; its position is one in that text, not in the client's. */
export function withContext<T>(text: string, work: () => T): T {
  try {
    return work();
  } catch (caught) {
    const error = toPgError(caught);
    if (error.level !== 'ERROR') throw caught;
    const { position, context, ...fields } = error.fields;
    const line = `SQL statement "${text}"`;
    throw new PgError('ERROR', {
      ...fields,
      ...(position === undefined
        ? { context: context === undefined ? line : `${context}\n${line}` }
        : { internalQuery: text, internalPosition: position, context }),
    });
  }
}
