/** xact-characteristics.ts — isolation level, read-only and deferrable: reset by every transaction, changed by
 *  SET TRANSACTION, which must come before the transaction's first snapshot.
 *
 *  The values are the parameters transaction_isolation, transaction_read_only and transaction_deferrable; the defaults
 *  are written past the stack of SET, because a transaction's end has nothing to undo there.
 *  Counterpart: check_XactReadOnly() and friends of src/backend/commands/variable.c */
import type { SqlState } from '#runtime/error/sqlstate.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import type { CheckContext } from '#runtime/guc/hooks.ts';
import { record, registerGucHooks, storeValue } from '#runtime/guc/records.ts';
import type { IsolationLevel } from '#transam/xact-state.ts';

/** What the checks must know of the running transaction. */
export interface TransactionFacts {
  inTransaction(): boolean;
  inSubtransaction(): boolean;
  snapshotTaken(): boolean;
  inRecovery(): boolean;
}

export interface Characteristics {
  isolation: IsolationLevel;
  readOnly: boolean;
  deferrable: boolean;
}

const isolationRecord = record('transaction_isolation');
const readOnlyRecord = record('transaction_read_only');
const deferrableRecord = record('transaction_deferrable');

export function setCharacteristics(isolation: string, readOnly: boolean, deferrable: boolean): void {
  if (settings.transaction_isolation !== isolation) storeValue(isolationRecord, isolation, undefined);
  if (settings.transaction_read_only !== readOnly) storeValue(readOnlyRecord, readOnly, undefined);
  if (settings.transaction_deferrable !== deferrable) storeValue(deferrableRecord, deferrable, undefined);
}
/** Subtransactions may become read-only and fall back at their end. */
export function setReadOnly(readOnly: boolean): void {
  if (settings.transaction_read_only !== readOnly) storeValue(readOnlyRecord, readOnly, undefined);
}
export const saveCharacteristics = (): Characteristics => ({
  isolation: settings.transaction_isolation as IsolationLevel,
  readOnly: settings.transaction_read_only,
  deferrable: settings.transaction_deferrable,
});

const refuse = (context: CheckContext, code: SqlState, message: string, hint?: string): never =>
  context.fail({ code, message, hint });

export function registerCharacteristicChecks(facts: TransactionFacts): void {
  registerGucHooks('transaction_read_only', {
    check(value, context) {
      if (value || !settings.transaction_read_only || !facts.inTransaction()) return value;
      if (facts.inSubtransaction())
        refuse(
          context,
          SQLSTATE.activeSqlTransaction,
          'cannot set transaction read-write mode inside a read-only transaction',
        );
      if (facts.snapshotTaken())
        refuse(context, SQLSTATE.activeSqlTransaction, 'transaction read-write mode must be set before any query');
      if (facts.inRecovery())
        refuse(context, SQLSTATE.featureNotSupported, 'cannot set transaction read-write mode during recovery');
      return value;
    },
  });
  registerGucHooks('transaction_isolation', {
    check(value, context) {
      if (value === settings.transaction_isolation || !facts.inTransaction()) return value;
      const problem = facts.snapshotTaken()
        ? 'SET TRANSACTION ISOLATION LEVEL must be called before any query'
        : facts.inSubtransaction()
          ? 'SET TRANSACTION ISOLATION LEVEL must not be called in a subtransaction'
          : undefined;
      if (problem !== undefined) refuse(context, SQLSTATE.activeSqlTransaction, problem);
      if (value === 'serializable' && facts.inRecovery())
        refuse(
          context,
          SQLSTATE.featureNotSupported,
          'cannot use serializable mode in a hot standby',
          'You can use REPEATABLE READ instead.',
        );
      return value;
    },
  });
  registerGucHooks('transaction_deferrable', {
    check(value, context) {
      if (!facts.inTransaction()) return value;
      const when = facts.inSubtransaction()
        ? 'must not be called within a subtransaction'
        : facts.snapshotTaken()
          ? 'must be called before any query'
          : undefined;
      if (when !== undefined)
        refuse(context, SQLSTATE.activeSqlTransaction, `SET TRANSACTION [NOT] DEFERRABLE ${when}`);
      return value;
    },
  });
}
