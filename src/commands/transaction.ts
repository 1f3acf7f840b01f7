/** transaction.ts — BEGIN, COMMIT, ROLLBACK, savepoints: from the statement to the block state.
 *  Counterpart: the T_TransactionStmt case of src/backend/tcop/utility.c */
import type { Node } from '@pgsql/types';
import { type Body, isTag } from '#parser/ast.ts';
import type { QueryCompletion } from '#portal/command-tags.ts';
import { setConfigOptionExt } from '#runtime/guc/guc.ts';
import { finishPreparedTransaction } from '#transam/two-phase.ts';
import {
  beginTransactionBlock,
  defineSavepoint,
  endTransactionBlock,
  prepareTransactionBlock,
  preventInTransactionBlock,
  releaseSavepoint,
  requireTransactionBlock,
  rollbackToSavepoint,
  userAbortTransactionBlock,
} from '#transam/xact-block.ts';

/** The value of an option of BEGIN as the parameter of the same name takes it. */
function optionText(arg: Node | undefined): string {
  if (!isTag(arg, 'A_Const')) return '';
  const { sval, ival } = arg.A_Const as { sval?: { sval?: string }; ival?: { ival?: number } };
  return sval !== undefined ? (sval.sval ?? '') : String(ival?.ival ?? 0);
}
function applyOptions(options: readonly Node[] | undefined): void {
  for (const option of options ?? []) {
    if (!isTag(option, 'DefElem')) continue;
    const { defname, arg } = option.DefElem;
    setConfigOptionExt(defname ?? '', optionText(arg), 'user', 'session', { action: 'local' });
  }
}

export function runTransactionStatement(
  stmt: Body<'TransactionStmt'>,
  isTopLevel: boolean,
  completion: QueryCompletion | null,
): void {
  const name = stmt.savepoint_name ?? '';
  const chain = stmt.chain === true;
  switch (stmt.kind ?? 'TRANS_STMT_BEGIN') {
    case 'TRANS_STMT_BEGIN':
    case 'TRANS_STMT_START':
      beginTransactionBlock();
      applyOptions(stmt.options);
      return;
    case 'TRANS_STMT_COMMIT':
      if (!endTransactionBlock(chain) && completion !== null) {
        completion.tag = 'ROLLBACK';
        completion.rows = 0;
      }
      return;
    case 'TRANS_STMT_ROLLBACK':
      userAbortTransactionBlock(chain);
      return;
    case 'TRANS_STMT_SAVEPOINT':
      requireTransactionBlock(isTopLevel, 'SAVEPOINT');
      defineSavepoint(name);
      return;
    case 'TRANS_STMT_RELEASE':
      requireTransactionBlock(isTopLevel, 'RELEASE SAVEPOINT');
      releaseSavepoint(name);
      return;
    case 'TRANS_STMT_ROLLBACK_TO':
      requireTransactionBlock(isTopLevel, 'ROLLBACK TO SAVEPOINT');
      rollbackToSavepoint(name);
      return;
    case 'TRANS_STMT_PREPARE':
      if (!prepareTransactionBlock(stmt.gid ?? '') && completion !== null) {
        completion.tag = 'ROLLBACK';
        completion.rows = 0;
      }
      return;
    case 'TRANS_STMT_COMMIT_PREPARED':
      preventInTransactionBlock(isTopLevel, 'COMMIT PREPARED');
      finishPreparedTransaction(stmt.gid ?? '', true);
      return;
    case 'TRANS_STMT_ROLLBACK_PREPARED':
      preventInTransactionBlock(isTopLevel, 'ROLLBACK PREPARED');
      finishPreparedTransaction(stmt.gid ?? '', false);
      return;
  }
}
