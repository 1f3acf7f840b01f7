/** xact.ts — transactions, transaction blocks and savepoints.
 *
 *  Every command runs between startTransactionCommand() and commitTransactionCommand(); an error calls
 *  abortCurrentTransaction() instead. Which transaction that starts or ends follows from the block state: BEGIN, COMMIT
 *  and their kin only move the block state (xact-block.ts), the work is done here at the command's end.
 *  Counterpart: src/backend/access/transam/xact.c */
import type { FullTransactionId, SubTransactionId, TransactionId } from '#base/ids.ts';
import { activityHooks } from '#runtime/activity/activity-hooks.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { atEoxactGuc, atStartGuc, newGucNestLevel } from '#runtime/guc/guc-stack.ts';
import { settings } from '#runtime/guc/guc.ts';
import { holdInterrupts, resumeInterrupts } from '#runtime/interrupts.ts';
import {
  setStatementTimestamp,
  setTransactionTimestamp,
  statementTimestamp,
  transactionStopTimestamp,
  transactionTimestamp,
} from '#transam/timestamps.ts';
import * as callbacks from '#transam/xact-callbacks.ts';
import {
  type Characteristics,
  registerCharacteristicChecks,
  saveCharacteristics,
  setCharacteristics,
  setReadOnly,
} from '#transam/xact-characteristics.ts';
import { BLOCK_STATE, type BlockState, newTransactionState, type TransactionState } from '#transam/xact-state.ts';

export { setStatementTimestamp, statementTimestamp, transactionStopTimestamp, transactionTimestamp };

const topState = newTransactionState(null);
topState.gucNestLevel = 1;
let current = topState;

/** The innermost (sub)transaction; xact-block.ts moves its block state. */
export const currentState = (): TransactionState => current;
export const topLevelState = (): TransactionState => topState;

let currentSubId = 0;
let currentCommandId = 0;
let currentCommandIdUsed = false;
let localTransactionId = 0;
let firstSnapshotSet = false;
let recoveryInProgress: () => boolean = () => false;

/** Facts that commands leave for the end of the transaction. */
export const xactFlags = {
  /** The command cannot be rolled back: an extended-protocol Execute must commit at once. */
  needImmediateCommit: false,
  /** An Execute message was completed without committing: a pipeline runs. */
  pipelining: false,
  accessedTempNamespace: false,
};

export function setRecoveryQuestion(inRecovery: () => boolean): void {
  recoveryInProgress = inRecovery;
}

// ── questions ────────────────────────────────────────────────────────────────────────────────────────────────────

export const isTransactionState = (): boolean => current.state === 'inprogress';
export const isAbortedTransactionBlockState = (): boolean => BLOCK_STATE[current.blockState].aborted;
export const isTransactionOrTransactionBlock = (): boolean => current.blockState !== 'default';
/** Inside BEGIN, or several statements of one simple query. */
export const isTransactionBlock = (): boolean => current.blockState !== 'default' && current.blockState !== 'started';
export const isSubTransaction = (): boolean => current.nestingLevel >= 2;
export const transactionBlockStatus = (): 'I' | 'T' | 'E' => BLOCK_STATE[current.blockState].status;
export const transactionNestLevel = (): number => current.nestingLevel;
export const currentSubTransactionId = (): number => current.subTransactionId;
/** `%v` of log_line_prefix: backend id is the caller's. */
export const currentLocalTransactionId = (): number => (current.state === 'default' ? 0 : localTransactionId);
export const isFirstSnapshotSet = (): boolean => firstSnapshotSet;
/** The transaction has looked at data: its isolation level is fixed from now on. */
export function noteSnapshotTaken(): void {
  firstSnapshotSet = true;
}
export function getCurrentCommandId(used: boolean): number {
  if (used) currentCommandIdUsed = true;
  return currentCommandId;
}
/** Makes what the last command did visible to the next one. */
export function commandCounterIncrement(): void {
  if (!currentCommandIdUsed) return;
  if (currentCommandId === 0xffff_fffe)
    report('ERROR', {
      code: SQLSTATE.programLimitExceeded,
      message: 'cannot have more than 2^32-2 commands in a transaction',
    });
  currentCommandId++;
  currentCommandIdUsed = false;
}

registerCharacteristicChecks({
  inTransaction: isTransactionState,
  inSubtransaction: isSubTransaction,
  snapshotTaken: isFirstSnapshotSet,
  inRecovery: () => recoveryInProgress(),
});

// ── one transaction ──────────────────────────────────────────────────────────────────────────────────────────────

function startTransaction(): void {
  const s = topState;
  current = s;
  s.state = 'start';
  const readOnly = recoveryInProgress() || settings.default_transaction_read_only;
  setCharacteristics(settings.default_transaction_isolation, readOnly, settings.default_transaction_deferrable);
  firstSnapshotSet = false;
  s.subTransactionId = 1;
  s.nestingLevel = 1;
  s.gucNestLevel = 1;
  s.savepointLevel = 0;
  s.name = null;
  s.chain = false;
  currentSubId = 1;
  currentCommandId = 0;
  currentCommandIdUsed = false;
  xactFlags.needImmediateCommit = false;
  xactFlags.pipelining = false;
  xactFlags.accessedTempNamespace = false;
  localTransactionId = (localTransactionId + 1) >>> 0 || 1;
  setTransactionTimestamp();
  activityHooks.reportXactTimestamp(transactionTimestamp());
  atStartGuc();
  callbacks.callAtStart();
  s.state = 'inprogress';
}

function forgetTransaction(): void {
  topState.subTransactionId = 0;
  topState.nestingLevel = 0;
  topState.gucNestLevel = 0;
  topState.name = null;
  topState.parent = null;
  topState.state = 'default';
}

function commitTransaction(): void {
  const s = current;
  if (s.state !== 'inprogress') report('WARNING', { message: `CommitTransaction while in ${s.state} state` });
  callbacks.callPreCommit(false);
  holdInterrupts();
  s.state = 'commit';
  transactionStopTimestamp();
  callbacks.callAtCommit();
  atEoxactGuc(true, 1);
  activityHooks.reportXactTimestamp(0);
  forgetTransaction();
  resumeInterrupts();
}

function abortTransaction(): void {
  const s = current;
  holdInterrupts();
  if (s.state !== 'inprogress' && s.state !== 'prepare')
    report('WARNING', { message: `AbortTransaction while in ${s.state} state` });
  s.state = 'abort';
  transactionStopTimestamp();
  callbacks.callAtAbort();
  atEoxactGuc(false, 1);
  activityHooks.reportXactTimestamp(0);
  resumeInterrupts();
}

function cleanupTransaction(): void {
  if (current.state !== 'abort') report('FATAL', { message: `CleanupTransaction: unexpected state ${current.state}` });
  callbacks.callAtCleanup();
  forgetTransaction();
}

// ── one subtransaction ───────────────────────────────────────────────────────────────────────────────────────────

/** Adds a level; its work starts with the next command (state subbegin). */
export function pushTransaction(): TransactionState {
  if (currentSubId === 0xffff_ffff)
    report('ERROR', {
      code: SQLSTATE.programLimitExceeded,
      message: 'cannot have more than 2^32-1 subtransactions in a transaction',
    });
  const parent = current;
  const s = newTransactionState(parent);
  s.subTransactionId = ++currentSubId;
  s.gucNestLevel = newGucNestLevel();
  s.previousReadOnly = settings.transaction_read_only;
  current = s;
  return s;
}
function popTransaction(): void {
  if (current.state !== 'default') report('WARNING', { message: `PopTransaction while in ${current.state} state` });
  if (current.parent === null) report('FATAL', { message: 'PopTransaction with no parent' });
  current = current.parent!;
}

function startSubTransaction(): void {
  const s = current;
  s.state = 'start';
  s.state = 'inprogress';
  callbacks.callAtSubStart(s.subTransactionId, s.parent!.subTransactionId);
}
function commitSubTransaction(): void {
  const s = current;
  const parent = s.parent!;
  if (s.state !== 'inprogress') report('WARNING', { message: `CommitSubTransaction while in ${s.state} state` });
  callbacks.callPreSubCommit(s.subTransactionId, parent.subTransactionId);
  s.state = 'commit';
  commandCounterIncrement();
  callbacks.callAtSubCommit(s.subTransactionId, parent.subTransactionId, parent.nestingLevel);
  atEoxactGuc(true, s.gucNestLevel);
  setReadOnly(s.previousReadOnly);
  s.state = 'default';
  popTransaction();
}
function abortSubTransaction(): void {
  const s = current;
  const parent = s.parent!;
  holdInterrupts();
  if (s.state !== 'inprogress') report('WARNING', { message: `AbortSubTransaction while in ${s.state} state` });
  s.state = 'abort';
  callbacks.callAtSubAbort(s.subTransactionId, parent.subTransactionId, parent.nestingLevel);
  atEoxactGuc(false, s.gucNestLevel);
  setReadOnly(s.previousReadOnly);
  resumeInterrupts();
}
function cleanupSubTransaction(): void {
  const s = current;
  if (s.state !== 'abort') report('WARNING', { message: `CleanupSubTransaction while in ${s.state} state` });
  callbacks.callAtSubCleanup(s.subTransactionId);
  s.state = 'default';
  popTransaction();
}
/** A savepoint made again under its old name, after ROLLBACK TO. */
function redefineSavepoint(name: string | null, savepointLevel: number): void {
  const s = pushTransaction();
  s.name = name;
  s.savepointLevel = savepointLevel;
  startSubTransaction();
  s.blockState = 'subinprogress';
}

// ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────────

const unexpected = (where: string, blockState: BlockState): never =>
  report('FATAL', { message: `${where}: unexpected state ${blockState}` });

/** Before every command: starts a transaction unless one runs. */
export function startTransactionCommand(): void {
  const s = current;
  switch (s.blockState) {
    case 'default':
      startTransaction();
      s.blockState = 'started';
      return;
    case 'inprogress':
    case 'implicitInprogress':
    case 'subinprogress':
    case 'abort':
    case 'subabort':
      return;
    default:
      unexpected('StartTransactionCommand', s.blockState);
  }
}

function finishTop(saved: Characteristics | undefined, chain: boolean): void {
  topState.blockState = 'default';
  if (!chain) return;
  startTransaction();
  topState.blockState = 'inprogress';
  topState.chain = false;
  setCharacteristics(saved!.isolation, saved!.readOnly, saved!.deferrable);
}

/** After every command that did not fail: does what the block state asks for. */
export function commitTransactionCommand(): void {
  // A transaction's end resets the characteristics; AND CHAIN hands them to the next one.
  const saved = topState.chain ? saveCharacteristics() : undefined;
  // One COMMIT may end several levels: each turn of the loop ends one.
  for (;;) {
    const s = current;
    switch (s.blockState) {
      case 'started':
        commitTransaction();
        s.blockState = 'default';
        return;
      case 'begin':
        s.blockState = 'inprogress';
        return;
      case 'inprogress':
      case 'implicitInprogress':
      case 'subinprogress':
        commandCounterIncrement();
        return;
      case 'end': {
        const chain = s.chain;
        commitTransaction();
        finishTop(saved, chain);
        return;
      }
      case 'abort':
      case 'subabort':
        return;
      case 'abortEnd': {
        const chain = s.chain;
        cleanupTransaction();
        finishTop(saved, chain);
        return;
      }
      case 'abortPending': {
        const chain = s.chain;
        abortTransaction();
        cleanupTransaction();
        finishTop(saved, chain);
        return;
      }
      case 'subbegin':
        startSubTransaction();
        s.blockState = 'subinprogress';
        return;
      case 'subrelease':
        do commitSubTransaction();
        while ((current.blockState as BlockState) === 'subrelease');
        return;
      case 'subcommit':
        do commitSubTransaction();
        while ((current.blockState as BlockState) === 'subcommit');
        break; // the top is now in `end`
      case 'subabortEnd':
        cleanupSubTransaction();
        break;
      case 'subabortPending':
        abortSubTransaction();
        cleanupSubTransaction();
        break;
      case 'subrestart': {
        const { name, savepointLevel } = s;
        abortSubTransaction();
        cleanupSubTransaction();
        redefineSavepoint(name, savepointLevel);
        return;
      }
      case 'subabortRestart': {
        const { name, savepointLevel } = s;
        cleanupSubTransaction();
        redefineSavepoint(name, savepointLevel);
        return;
      }
      default:
        unexpected('CommitTransactionCommand', s.blockState);
    }
  }
}

/** After an error: rolls back what the failed command ran in, and leaves a block waiting for ROLLBACK. */
export function abortCurrentTransaction(): void {
  for (;;) {
    const s = current;
    switch (s.blockState) {
      case 'default':
        if (s.state === 'default') return;
        // The error came while the transaction was being started.
        if (s.state === 'start') s.state = 'inprogress';
        abortTransaction();
        cleanupTransaction();
        return;
      case 'started':
      case 'implicitInprogress':
      case 'begin':
      case 'end':
      case 'abortPending':
      case 'prepare':
        if (s.state !== 'abort') abortTransaction();
        cleanupTransaction();
        s.blockState = 'default';
        return;
      case 'inprogress':
      case 'parallelInprogress':
        abortTransaction();
        s.blockState = 'abort';
        return;
      case 'abort':
      case 'subabort':
        return;
      case 'abortEnd':
        cleanupTransaction();
        s.blockState = 'default';
        return;
      case 'subinprogress':
        abortSubTransaction();
        s.blockState = 'subabort';
        return;
      case 'subbegin':
      case 'subrelease':
      case 'subcommit':
      case 'subabortPending':
      case 'subrestart':
        if (s.state === 'inprogress') abortSubTransaction();
        else s.state = 'abort';
        cleanupSubTransaction();
        break;
      case 'subabortEnd':
      case 'subabortRestart':
        cleanupSubTransaction();
        break;
      default:
        unexpected('AbortCurrentTransaction', s.blockState);
    }
  }
}

/** Ends everything at once: the session is going away. */
export function abortOutOfAnyTransaction(): void {
  for (;;) {
    const s = current;
    if (s.parent !== null) {
      if (s.state === 'inprogress') abortSubTransaction();
      else if (s.state !== 'abort') s.state = 'abort';
      cleanupSubTransaction();
      continue;
    }
    if (s.blockState === 'default' && s.state === 'default') return;
    if (s.state === 'start') s.state = 'inprogress';
    if (s.state !== 'abort' && s.state !== 'default') abortTransaction();
    if ((s.state as TransactionState['state']) === 'abort') cleanupTransaction();
    s.blockState = 'default';
    return;
  }
}

/** Subtransaction of a procedural language or of a caller that wants to survive an error. */
export function beginInternalSubTransaction(name: string | null): void {
  switch (current.blockState) {
    case 'started':
    case 'inprogress':
    case 'implicitInprogress':
    case 'end':
    case 'prepare':
    case 'subinprogress':
      pushTransaction().name = name;
      break;
    default:
      unexpected('BeginInternalSubTransaction', current.blockState);
  }
  commitTransactionCommand();
  startTransactionCommand();
}
export function releaseCurrentSubTransaction(): void {
  if (current.blockState !== 'subinprogress')
    report('ERROR', { message: `ReleaseCurrentSubTransaction: unexpected state ${current.blockState}` });
  commitSubTransaction();
}
export function rollbackAndReleaseCurrentSubTransaction(): void {
  if (current.blockState === 'subinprogress') abortSubTransaction();
  else if (current.blockState !== 'subabort') unexpected('RollbackAndReleaseCurrentSubTransaction', current.blockState);
  cleanupSubTransaction();
}

// ── ids of this transaction (bodies follow) ──────────────────────────────────────────────────────────────────────

const later = (): never => report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'xids are not there yet' });
export const getCurrentTransactionId = (): TransactionId => later();
export const getCurrentTransactionIdIfAny = (): TransactionId => later();
export const getTopTransactionId = (): TransactionId => later();
export const getTopTransactionIdIfAny = (): TransactionId => later();
export const getTopFullTransactionId = (): FullTransactionId => later();
export const getTopFullTransactionIdIfAny = (): FullTransactionId => later();
export const transactionIdIsCurrentTransactionId = (_xid: TransactionId): boolean => later();
export const getCurrentSubTransactionId = (): SubTransactionId => current.subTransactionId as SubTransactionId;
export const forceSyncCommit = (): void => later();
