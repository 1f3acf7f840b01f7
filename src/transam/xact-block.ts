/** xact-block.ts — what BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE and ROLLBACK TO do: move the block state.
 *
 *  None of these does work itself; commitTransactionCommand() at the end of the command acts on the new state.
 *  Counterpart: the *TransactionBlock() and *Savepoint() functions of src/backend/access/transam/xact.c */
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { setPrepareGid } from '#transam/two-phase.ts';
import {
  currentState,
  isSubTransaction,
  isTransactionBlock,
  pushTransaction,
  topLevelState,
  xactFlags,
} from '#transam/xact.ts';
import type { TransactionState } from '#transam/xact-state.ts';

const unexpected = (where: string, s: TransactionState): never =>
  report('FATAL', { message: `${where}: unexpected state ${s.blockState}` });

/** For commands that cannot be rolled back (VACUUM, CREATE DATABASE, ALTER SYSTEM). */
export function preventInTransactionBlock(isTopLevel: boolean, command: string): void {
  const refuse = (message: string): never => report('ERROR', { code: SQLSTATE.activeSqlTransaction, message });
  if (isTransactionBlock()) refuse(`${command} cannot run inside a transaction block`);
  if (isSubTransaction()) refuse(`${command} cannot run inside a subtransaction`);
  if (xactFlags.pipelining) refuse(`${command} cannot be executed within a pipeline`);
  if (!isTopLevel) refuse(`${command} cannot be executed from a function`);
  const { blockState } = currentState();
  if (blockState !== 'default' && blockState !== 'started')
    report('FATAL', { message: 'cannot prevent transaction chain' });
  xactFlags.needImmediateCommit = true;
}
/** Whether a command's effect outlives the command: a block, a subtransaction, a function or a pipeline is around. */
export const isInTransactionBlock = (isTopLevel: boolean): boolean =>
  isTransactionBlock() || isSubTransaction() || xactFlags.pipelining || !isTopLevel;

/** For commands that make sense only inside a block (SAVEPOINT, LOCK TABLE, DECLARE CURSOR). */
export function requireTransactionBlock(isTopLevel: boolean, command: string): void {
  checkTransactionBlock(isTopLevel, 'ERROR', command);
}
/** For commands that have no effect outside one (SET LOCAL). */
export function warnNoTransactionBlock(isTopLevel: boolean, command: string): void {
  checkTransactionBlock(isTopLevel, 'WARNING', command);
}
function checkTransactionBlock(isTopLevel: boolean, level: 'ERROR' | 'WARNING', command: string): void {
  if (isTransactionBlock() || isSubTransaction() || !isTopLevel) return;
  onlyInBlock(level, command);
}
function onlyInBlock(level: 'ERROR' | 'WARNING', command: string): void {
  report(level, {
    code: SQLSTATE.noActiveSqlTransaction,
    message: `${command} can only be used in transaction blocks`,
  });
}
const warnNoTransaction = (): void =>
  report('WARNING', { code: SQLSTATE.noActiveSqlTransaction, message: 'there is no transaction in progress' });

export function beginTransactionBlock(): void {
  const s = currentState();
  switch (s.blockState) {
    case 'started':
    case 'implicitInprogress':
      s.blockState = 'begin';
      return;
    case 'inprogress':
    case 'parallelInprogress':
    case 'subinprogress':
    case 'abort':
    case 'subabort':
      report('WARNING', {
        code: SQLSTATE.activeSqlTransaction,
        message: 'there is already a transaction in progress',
      });
      return;
    default:
      unexpected('BeginTransactionBlock', s);
  }
}

/** The statements of one simple Query message share a transaction without a BEGIN. */
export function beginImplicitTransactionBlock(): void {
  const s = currentState();
  if (s.blockState === 'started') s.blockState = 'implicitInprogress';
}
export function endImplicitTransactionBlock(): void {
  const s = currentState();
  if (s.blockState === 'implicitInprogress') s.blockState = 'started';
}

/** COMMIT. True if the transaction will commit, false if it was already doomed (the answer is then ROLLBACK). */
export function endTransactionBlock(chain: boolean): boolean {
  let s = currentState();
  let result = false;
  switch (s.blockState) {
    case 'inprogress':
      s.blockState = 'end';
      result = true;
      break;
    case 'implicitInprogress':
      if (chain) onlyInBlock('ERROR', 'COMMIT AND CHAIN');
      else warnNoTransaction();
      s.blockState = 'end';
      result = true;
      break;
    case 'abort':
      s.blockState = 'abortEnd';
      break;
    case 'subinprogress':
      for (; s.parent !== null; s = s.parent) {
        if (s.blockState !== 'subinprogress') unexpected('EndTransactionBlock', s);
        s.blockState = 'subcommit';
      }
      if (s.blockState !== 'inprogress') unexpected('EndTransactionBlock', s);
      s.blockState = 'end';
      result = true;
      break;
    case 'subabort':
      s = abandonLevels(s, 'EndTransactionBlock');
      break;
    case 'started':
      if (chain) onlyInBlock('ERROR', 'COMMIT AND CHAIN');
      else warnNoTransaction();
      result = true;
      break;
    case 'parallelInprogress':
      report('FATAL', {
        code: SQLSTATE.invalidTransactionState,
        message: 'cannot commit during a parallel operation',
      });
      break;
    default:
      unexpected('EndTransactionBlock', s);
  }
  s.chain = chain;
  return result;
}

/** PREPARE TRANSACTION. True if the transaction will be prepared at the end of the command; otherwise it is over. */
export function prepareTransactionBlock(gid: string): boolean {
  if (!endTransactionBlock(false)) return false;
  const top = topLevelState();
  // Outside a block there is nothing to prepare, and the warning has been given.
  if (top.blockState !== 'end') return false;
  setPrepareGid(gid);
  top.blockState = 'prepare';
  return true;
}

/** Marks every level for rollback and returns the top. */
function abandonLevels(from: TransactionState, where: string): TransactionState {
  let s = from;
  for (; s.parent !== null; s = s.parent) {
    if (s.blockState === 'subinprogress') s.blockState = 'subabortPending';
    else if (s.blockState === 'subabort') s.blockState = 'subabortEnd';
    else unexpected(where, s);
  }
  if (s.blockState === 'inprogress') s.blockState = 'abortPending';
  else if (s.blockState === 'abort') s.blockState = 'abortEnd';
  else unexpected(where, s);
  return s;
}

/** ROLLBACK. */
export function userAbortTransactionBlock(chain: boolean): void {
  let s = currentState();
  switch (s.blockState) {
    case 'inprogress':
      s.blockState = 'abortPending';
      break;
    case 'abort':
      s.blockState = 'abortEnd';
      break;
    case 'subinprogress':
    case 'subabort':
      s = abandonLevels(s, 'UserAbortTransactionBlock');
      break;
    case 'started':
    case 'implicitInprogress':
      if (chain) onlyInBlock('ERROR', 'ROLLBACK AND CHAIN');
      else warnNoTransaction();
      s.blockState = 'abortPending';
      break;
    case 'parallelInprogress':
      report('FATAL', {
        code: SQLSTATE.invalidTransactionState,
        message: 'cannot abort during a parallel operation',
      });
      break;
    default:
      unexpected('UserAbortTransactionBlock', s);
  }
  s.chain = chain;
}

export function defineSavepoint(name: string): void {
  const s = currentState();
  switch (s.blockState) {
    case 'inprogress':
    case 'subinprogress':
      pushTransaction().name = name;
      return;
    case 'implicitInprogress':
      onlyInBlock('ERROR', 'SAVEPOINT');
      return;
    default:
      unexpected('DefineSavepoint', s);
  }
}

const noSavepoint = (name: string, within = ''): never =>
  report('ERROR', {
    code: SQLSTATE.sEInvalidSpecification,
    message: `savepoint "${name}" does not exist${within}`,
  });

/** The innermost level of that name. */
function findSavepoint(from: TransactionState, name: string): TransactionState {
  let target: TransactionState | null = from;
  while (target !== null && target.name !== name) target = target.parent;
  if (target === null) return noSavepoint(name);
  if (target.savepointLevel !== from.savepointLevel) noSavepoint(name, ' within current savepoint level');
  return target;
}

export function releaseSavepoint(name: string): void {
  let s = currentState();
  switch (s.blockState) {
    case 'inprogress':
      noSavepoint(name);
      break;
    case 'implicitInprogress':
      onlyInBlock('ERROR', 'RELEASE SAVEPOINT');
      break;
    case 'subinprogress':
      break;
    default:
      unexpected('ReleaseSavepoint', s);
  }
  const target = findSavepoint(s, name);
  for (; ; s = s.parent!) {
    s.blockState = 'subrelease';
    if (s === target) return;
  }
}

export function rollbackToSavepoint(name: string): void {
  let s = currentState();
  switch (s.blockState) {
    case 'inprogress':
    case 'abort':
      noSavepoint(name);
      break;
    case 'implicitInprogress':
      onlyInBlock('ERROR', 'ROLLBACK TO SAVEPOINT');
      break;
    case 'subinprogress':
    case 'subabort':
      break;
    default:
      unexpected('RollbackToSavepoint', s);
  }
  const target = findSavepoint(s, name);
  for (; s !== target; s = s.parent!) {
    if (s.blockState === 'subinprogress') s.blockState = 'subabortPending';
    else if (s.blockState === 'subabort') s.blockState = 'subabortEnd';
    else unexpected('RollbackToSavepoint', s);
  }
  if (s.blockState === 'subinprogress') s.blockState = 'subrestart';
  else if (s.blockState === 'subabort') s.blockState = 'subabortRestart';
  else unexpected('RollbackToSavepoint', s);
}
