/** xact.ts — transactions, transaction blocks and savepoints.
 *
 *  Every command runs between startTransactionCommand() and commitTransactionCommand(); an error calls
 *  abortCurrentTransaction() instead. Which transaction that starts or ends follows from the block state: BEGIN, COMMIT
 *  and their kin only move the block state (xact-block.ts), the work is done here at the command's end.
 *
 *  The order of an end is the heart of it: CLOG before ProcArray, so that whoever sees us gone finds the answer; ProcArray
 *  before locks, so that whoever waited for us sees us gone; pins and cached relations before locks, so that nobody
 *  gets a lock on what we still use.
 *  A transaction that writes nothing gets no xid and leaves no trace.
 *  Counterpart: src/backend/access/transam/xact.c */
import { activityHooks } from '#runtime/activity/activity-hooks.ts';
import { waitEnd } from '#runtime/activity/wait-report.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { atEoxactGuc, atStartGuc, newGucNestLevel } from '#runtime/guc/guc-stack.ts';
import { settings } from '#runtime/guc/guc.ts';
import { holdInterrupts, resumeInterrupts } from '#runtime/interrupts.ts';
import { myProcess } from '#runtime/my-process.ts';
import { ResourceOwner, setCurrentResourceOwner } from '#runtime/resource-owner.ts';
import { conditionVariableCancelSleep } from '#shm/condition-variable.ts';
import { lwLockReleaseAll } from '#shm/lwlock.ts';
import { mem } from '#shm/memory.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { procAt } from '#shm/proc.ts';
import { lockTableIsReady } from '#storage/lmgr/lock-table.ts';
import { lockErrorCleanup } from '#storage/lmgr/lock-wait.ts';
import { preCommitCheckForSerializationFailure } from '#storage/lmgr/predicate.ts';
import { virtualXactLockTableInsert } from '#storage/lmgr/virtual-xact.ts';
import '#transam/lock-wiring.ts';
import { nextLocalTransactionId, procArrayEndTransaction } from '#transam/proc-array.ts';
import {
  atEoxactSnapshot,
  atSubAbortSnapshot,
  atSubCommitSnapshot,
  isFirstSnapshotSet as managerTookSnapshot,
  snapshotSetCommandId,
} from '#transam/snapshot.ts';
import { removeExportedSnapshotFile } from '#transam/snapshot-export.ts';
import {
  setStatementTimestamp,
  setTransactionTimestamp,
  statementTimestamp,
  transactionStopTimestamp,
  transactionTimestamp,
} from '#transam/timestamps.ts';
import { atAbortTwoPhase, prepareCurrentTransaction } from '#transam/two-phase.ts';
import { transamAttached } from '#transam/variable-cache.ts';
import * as callbacks from '#transam/xact-callbacks.ts';
import { XACT_RANK } from '#transam/xact-callbacks.ts';
import {
  type Characteristics,
  registerCharacteristicChecks,
  saveCharacteristics,
  setCharacteristics,
  setReadOnly,
} from '#transam/xact-characteristics.ts';
import { recordTransactionAbort, recordTransactionCommit } from '#transam/xact-commit.ts';
import { resetXactFlags, xactFlags } from '#transam/xact-flags.ts';
import { advanceCommandId, topState, xactStack } from '#transam/xact-stack.ts';
import { BLOCK_STATE, type BlockState, newTransactionState, type TransactionState } from '#transam/xact-state.ts';
import { xactLockTableDelete } from '#transam/xact-wait.ts';
import { forgetUnreportedXids, mergeIntoParent } from '#transam/xact-xids.ts';
import { xidOfFull } from '#base/xid.ts';
import type { FullTransactionId, TransactionId } from '#base/ids.ts';
import { xlogResetInsertion } from '#wal/insert.ts';
import { recoveryInProgress } from '#wal/recovery-state.ts';

export { setStatementTimestamp, statementTimestamp, transactionStopTimestamp, transactionTimestamp };
export { xactFlags };
// biome-ignore lint/performance/noBarrelFile: one door for the users of several files of this subject
export { xactLastCommitEnd } from '#transam/xact-commit.ts';
export {
  getCurrentCommandId,
  getCurrentFullTransactionIdIfAny,
  getCurrentSubTransactionId,
  getCurrentTransactionIdIfAny,
  getTopFullTransactionIdIfAny,
  getTopTransactionIdIfAny,
  subTransactionIsActive,
  transactionIdIsCurrentTransactionId,
} from '#transam/xact-stack.ts';
export {
  getCurrentFullTransactionId,
  getCurrentTransactionId,
  getTopFullTransactionId,
  getTopTransactionId,
} from '#transam/xact-xids.ts';

/** The innermost (sub)transaction; xact-block.ts moves its block state. */
export const currentState = (): TransactionState => xactStack.current;
export const topLevelState = (): TransactionState => topState;

let localTransactionId = 0;
let snapshotNoted = false;
/** Of this session, where no shared memory counts them. */
let privateLocalTransactionId = 0;

// ── questions ────────────────────────────────────────────────────────────────────────────────────────────────────

export const isTransactionState = (): boolean => xactStack.current.state === 'inprogress';
export const isAbortedTransactionBlockState = (): boolean => BLOCK_STATE[xactStack.current.blockState].aborted;
export const isTransactionOrTransactionBlock = (): boolean => xactStack.current.blockState !== 'default';
/** Inside BEGIN, or several statements of one simple query. */
export const isTransactionBlock = (): boolean =>
  xactStack.current.blockState !== 'default' && xactStack.current.blockState !== 'started';
export const isSubTransaction = (): boolean => xactStack.current.nestingLevel >= 2;
export const transactionBlockStatus = (): 'I' | 'T' | 'E' => BLOCK_STATE[xactStack.current.blockState].status;
export const transactionNestLevel = (): number => xactStack.current.nestingLevel;
export const currentSubTransactionId = (): number => xactStack.current.subTransactionId;
/** `%v` of log_line_prefix: backend id is the caller's. */
export const currentLocalTransactionId = (): number => (xactStack.current.state === 'default' ? 0 : localTransactionId);
/** Of the running transaction, also while it begins and ends. */
export const myLocalTransactionId = (): number => localTransactionId;
export const isFirstSnapshotSet = (): boolean => snapshotNoted || managerTookSnapshot();
/** The transaction has looked at data: its isolation level is fixed from now on. */
export function noteSnapshotTaken(): void {
  snapshotNoted = true;
}
/** Committed subtransactions of the current level, ascending. */
export const getCommittedChildren = (): readonly TransactionId[] => xactStack.current.childXids;
/** This commit waits for its record to be on disk, whatever the settings say. */
export function forceSyncCommit(): void {
  xactFlags.forceSyncCommit = true;
}
/** Makes what the last command did visible to the next one. */
export function commandCounterIncrement(): void {
  if (!advanceCommandId()) return;
  snapshotSetCommandId(xactStack.commandId);
  callbacks.callAtCommandEnd();
}
const inRecoveryNow = (): boolean => myProcess.procNumber >= 0 && transamAttached() && recoveryInProgress();

registerCharacteristicChecks({
  inTransaction: isTransactionState,
  inSubtransaction: isSubTransaction,
  snapshotTaken: isFirstSnapshotSet,
  inRecovery: inRecoveryNow,
});

// ── one transaction ──────────────────────────────────────────────────────────────────────────────────────────────

/** Gives the transaction its virtual id, which others may wait for. */
function takeVirtualXid(): void {
  const { procNumber } = myProcess;
  localTransactionId = procNumber >= 0 && transamAttached() ? nextLocalTransactionId() : 0;
  if (localTransactionId === 0) {
    privateLocalTransactionId = (privateLocalTransactionId + 1) >>> 0 || 1;
    localTransactionId = privateLocalTransactionId;
    return;
  }
  if (lockTableIsReady()) virtualXactLockTableInsert(localTransactionId);
  PgProc.localTransactionId.set(mem, procAt(procNumber), localTransactionId);
}

function startTransaction(): void {
  const s = topState;
  xactStack.current = s;
  s.state = 'start';
  s.fullXid = 0 as FullTransactionId;
  s.startedInRecovery = inRecoveryNow();
  const readOnly = s.startedInRecovery || settings.default_transaction_read_only;
  setCharacteristics(settings.default_transaction_isolation, readOnly, settings.default_transaction_deferrable);
  snapshotNoted = false;
  s.subTransactionId = 1;
  s.nestingLevel = 1;
  s.gucNestLevel = 1;
  s.savepointLevel = 0;
  s.name = null;
  s.chain = false;
  s.didLogXid = false;
  s.topXidLogged = false;
  if (s.childXids.length > 0) s.childXids = [];
  xactStack.subId = 1;
  xactStack.commandId = 0;
  xactStack.commandIdUsed = false;
  forgetUnreportedXids();
  resetXactFlags();
  s.owner = new ResourceOwner(null, 'TopTransaction');
  setCurrentResourceOwner(s.owner);
  takeVirtualXid();
  setTransactionTimestamp();
  activityHooks.reportXactTimestamp(transactionTimestamp());
  atStartGuc();
  callbacks.callAtStart();
  s.state = 'inprogress';
}

function forgetTransaction(): void {
  const s = topState;
  setCurrentResourceOwner(null);
  s.owner?.delete();
  s.owner = null;
  s.fullXid = 0 as FullTransactionId;
  if (s.childXids.length > 0) s.childXids = [];
  xactStack.topFullXid = 0 as FullTransactionId;
  s.subTransactionId = 0;
  s.nestingLevel = 0;
  s.gucNestLevel = 0;
  s.name = null;
  s.parent = null;
  s.state = 'default';
}

const { wal, resources, locks, guc } = XACT_RANK;
const LAST = Number.POSITIVE_INFINITY;

/** The steps after the ProcArray, the same for all ends: participants between the phases of the resource owners. */
function releaseEverything(isCommit: boolean, call: (from: number, to: number) => void, from: number): void {
  const { owner } = topState;
  call(from, resources);
  owner?.releasePhase('beforeLocks', isCommit, true);
  call(resources, locks);
  owner?.releasePhase('locks', isCommit, true);
  owner?.releasePhase('afterLocks', isCommit, true);
  call(locks, guc);
  atEoxactGuc(isCommit, 1);
  call(guc, LAST);
}

/** Everything that may fail, before PREPARE as before COMMIT. */
function finishWork(isPrepare: boolean): void {
  callbacks.callPreCommit(isPrepare);
  callbacks.callBeforeCommit(isPrepare);
  preCommitCheckForSerializationFailure();
}

function commitTransaction(): void {
  const s = xactStack.current;
  if (s.state !== 'inprogress') report('WARNING', { message: `CommitTransaction while in ${s.state} state` });
  finishWork(false);
  // From here on no cancel may come between the parts of the commit.
  holdInterrupts();
  callbacks.callLateCommit();
  s.state = 'commit';
  procArrayEndTransaction(recordTransactionCommit());
  setCurrentResourceOwner(s.owner);
  releaseEverything(true, callbacks.callAtCommit, 0);
  atEoxactSnapshot(true, false, removeExportedSnapshotFile);
  activityHooks.reportXactTimestamp(0);
  forgetTransaction();
  resumeInterrupts();
}

/** PREPARE TRANSACTION, at the end of its command. */
function prepareTransaction(): void {
  const s = xactStack.current;
  if (s.state !== 'inprogress') report('WARNING', { message: `PrepareTransaction while in ${s.state} state` });
  finishWork(true);
  if (xactFlags.accessedTempNamespace)
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'cannot PREPARE a transaction that has operated on temporary objects',
    });
  prepareCurrentTransaction(() => {
    s.state = 'prepare';
  });
  setCurrentResourceOwner(s.owner);
  releaseEverything(true, callbacks.callAtPrepare, 0);
  atEoxactSnapshot(true, true, removeExportedSnapshotFile);
  activityHooks.reportXactTimestamp(0);
  forgetTransaction();
  resumeInterrupts();
}

/** What an error may have left half done in this process, before anything else is undone. */
function cleanUpAfterError(): void {
  lwLockReleaseAll();
  waitEnd();
  xlogResetInsertion();
  conditionVariableCancelSleep();
  if (lockTableIsReady()) lockErrorCleanup();
}

function abortTransaction(): void {
  const s = xactStack.current;
  holdInterrupts();
  setCurrentResourceOwner(s.owner);
  cleanUpAfterError();
  if (s.state !== 'inprogress' && s.state !== 'prepare')
    report('WARNING', { message: `AbortTransaction while in ${s.state} state` });
  s.state = 'abort';
  callbacks.callAtAbort(0, wal);
  atAbortTwoPhase();
  procArrayEndTransaction(recordTransactionAbort(false));
  releaseEverything(false, callbacks.callAtAbort, wal);
  activityHooks.reportXactTimestamp(0);
  resumeInterrupts();
}

function cleanupTransaction(): void {
  const s = xactStack.current;
  if (s.state !== 'abort') report('FATAL', { message: `CleanupTransaction: unexpected state ${s.state}` });
  callbacks.callAtCleanup();
  atEoxactSnapshot(false, true, removeExportedSnapshotFile);
  forgetTransaction();
}

// ── one subtransaction ───────────────────────────────────────────────────────────────────────────────────────────

/** Adds a level; its work starts with the next command (state subbegin). */
export function pushTransaction(): TransactionState {
  if (xactStack.subId === 0xffff_ffff)
    report('ERROR', {
      code: SQLSTATE.programLimitExceeded,
      message: 'cannot have more than 2^32-1 subtransactions in a transaction',
    });
  const parent = xactStack.current;
  const s = newTransactionState(parent);
  s.subTransactionId = ++xactStack.subId;
  s.gucNestLevel = newGucNestLevel();
  s.previousReadOnly = settings.transaction_read_only;
  xactStack.current = s;
  return s;
}
function popTransaction(): void {
  const s = xactStack.current;
  if (s.state !== 'default') report('WARNING', { message: `PopTransaction while in ${s.state} state` });
  if (s.parent === null) report('FATAL', { message: 'PopTransaction with no parent' });
  const { owner } = s;
  xactStack.current = s.parent!;
  setCurrentResourceOwner(s.parent!.owner);
  owner?.delete();
  s.owner = null;
}

function startSubTransaction(): void {
  const s = xactStack.current;
  const parent = s.parent!;
  s.state = 'start';
  s.owner = new ResourceOwner(parent.owner, 'SubTransaction');
  setCurrentResourceOwner(s.owner);
  s.state = 'inprogress';
  callbacks.callAtSubStart(s.subTransactionId, parent.subTransactionId);
}
function commitSubTransaction(): void {
  const s = xactStack.current;
  const parent = s.parent!;
  if (s.state !== 'inprogress') report('WARNING', { message: `CommitSubTransaction while in ${s.state} state` });
  callbacks.callPreSubCommit(s.subTransactionId, parent.subTransactionId);
  s.state = 'commit';
  commandCounterIncrement();
  // No record: whether it is committed depends on the top.
  if (s.fullXid !== 0) mergeIntoParent(s);
  const call = (from: number, to: number): void =>
    callbacks.callAtSubCommit(s.subTransactionId, parent.subTransactionId, parent.nestingLevel, from, to);
  call(0, resources);
  s.owner?.releasePhase('beforeLocks', true, false);
  call(resources, locks);
  // Locks go to the parent, but for the one on our own xid: who waits for that shall wait for the parent's.
  setCurrentResourceOwner(s.owner);
  if (s.fullXid !== 0) xactLockTableDelete(xidOfFull(s.fullXid));
  s.owner?.releasePhase('locks', true, false);
  s.owner?.releasePhase('afterLocks', true, false);
  call(locks, guc);
  atEoxactGuc(true, s.gucNestLevel);
  call(guc, LAST);
  atSubCommitSnapshot(s.nestingLevel);
  setReadOnly(s.previousReadOnly);
  s.state = 'default';
  popTransaction();
}
function abortSubTransaction(): void {
  const s = xactStack.current;
  const parent = s.parent!;
  holdInterrupts();
  setCurrentResourceOwner(s.owner);
  cleanUpAfterError();
  if (s.state !== 'inprogress') report('WARNING', { message: `AbortSubTransaction while in ${s.state} state` });
  s.state = 'abort';
  // Not yet started, it has nothing to undo.
  if (s.owner !== null) {
    const call = (from: number, to: number): void =>
      callbacks.callAtSubAbort(s.subTransactionId, parent.subTransactionId, parent.nestingLevel, from, to);
    call(0, wal);
    recordTransactionAbort(true);
    if (s.fullXid !== 0) s.childXids = [];
    call(wal, resources);
    s.owner.releasePhase('beforeLocks', false, false);
    call(resources, locks);
    s.owner.releasePhase('locks', false, false);
    s.owner.releasePhase('afterLocks', false, false);
    call(locks, guc);
    atEoxactGuc(false, s.gucNestLevel);
    call(guc, LAST);
    atSubAbortSnapshot(s.nestingLevel);
  }
  setReadOnly(s.previousReadOnly);
  resumeInterrupts();
}
function cleanupSubTransaction(): void {
  const s = xactStack.current;
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
  const s = xactStack.current;
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
    const s = xactStack.current;
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
      case 'prepare':
        prepareTransaction();
        s.blockState = 'default';
        return;
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
        while ((xactStack.current.blockState as BlockState) === 'subrelease');
        return;
      case 'subcommit':
        do commitSubTransaction();
        while ((xactStack.current.blockState as BlockState) === 'subcommit');
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
    const s = xactStack.current;
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
    const s = xactStack.current;
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
  switch (xactStack.current.blockState) {
    case 'started':
    case 'inprogress':
    case 'implicitInprogress':
    case 'end':
    case 'prepare':
    case 'subinprogress':
      pushTransaction().name = name;
      break;
    default:
      unexpected('BeginInternalSubTransaction', xactStack.current.blockState);
  }
  commitTransactionCommand();
  startTransactionCommand();
}
export function releaseCurrentSubTransaction(): void {
  if (xactStack.current.blockState !== 'subinprogress')
    report('ERROR', { message: `ReleaseCurrentSubTransaction: unexpected state ${xactStack.current.blockState}` });
  commitSubTransaction();
}
export function rollbackAndReleaseCurrentSubTransaction(): void {
  if (xactStack.current.blockState === 'subinprogress') abortSubTransaction();
  else if (xactStack.current.blockState !== 'subabort')
    unexpected('RollbackAndReleaseCurrentSubTransaction', xactStack.current.blockState);
  cleanupSubTransaction();
}
