/** xact-state.ts — the states of a transaction block, and what COMMIT, ROLLBACK and errors make of each.
 *
 *  Two machines run side by side. The low-level state says what the transaction itself does now; the block state says
 *  what the user has asked for and what is to be done at the end of the command.
 *  Counterpart: the enums of src/backend/access/transam/xact.c */

import type { FullTransactionId, TransactionId } from '#base/ids.ts';
import type { ResourceOwner } from '#runtime/resource-owner.ts';

/** Low-level state of one (sub)transaction. */
export type TransState = 'default' | 'start' | 'inprogress' | 'commit' | 'abort' | 'prepare';

interface BlockStateFacts {
  /** Byte of ReadyForQuery. */
  readonly status: 'I' | 'T' | 'E';
  /** Belongs to a subtransaction. */
  readonly sub: boolean;
  /** Only ROLLBACK, COMMIT and ROLLBACK TO are accepted. */
  readonly aborted: boolean;
}

export const BLOCK_STATE = {
  /** No transaction. */
  default: { status: 'I', sub: false, aborted: false },
  /** A single command runs in its own transaction. */
  started: { status: 'I', sub: false, aborted: false },
  /** BEGIN was just run. */
  begin: { status: 'T', sub: false, aborted: false },
  inprogress: { status: 'T', sub: false, aborted: false },
  /** Several statements in one simple Query message. */
  implicitInprogress: { status: 'T', sub: false, aborted: false },
  parallelInprogress: { status: 'T', sub: false, aborted: false },
  /** COMMIT was run. */
  end: { status: 'T', sub: false, aborted: false },
  /** Failed, waiting for ROLLBACK. */
  abort: { status: 'E', sub: false, aborted: true },
  /** Failed, ROLLBACK was run. */
  abortEnd: { status: 'E', sub: false, aborted: false },
  /** Live, ROLLBACK was run. */
  abortPending: { status: 'E', sub: false, aborted: false },
  prepare: { status: 'T', sub: false, aborted: false },
  subbegin: { status: 'T', sub: true, aborted: false },
  subinprogress: { status: 'T', sub: true, aborted: false },
  /** RELEASE was run. */
  subrelease: { status: 'T', sub: true, aborted: false },
  /** COMMIT was run while in a subtransaction. */
  subcommit: { status: 'T', sub: true, aborted: false },
  subabort: { status: 'E', sub: true, aborted: true },
  subabortEnd: { status: 'E', sub: true, aborted: false },
  subabortPending: { status: 'E', sub: true, aborted: false },
  /** Live, ROLLBACK TO was run. */
  subrestart: { status: 'T', sub: true, aborted: false },
  /** Failed, ROLLBACK TO was run. */
  subabortRestart: { status: 'E', sub: true, aborted: false },
} as const satisfies Record<string, BlockStateFacts>;
export type BlockState = keyof typeof BLOCK_STATE;

export type IsolationLevel = 'read uncommitted' | 'read committed' | 'repeatable read' | 'serializable';

export interface TransactionState {
  /** Id within the top transaction; 1 is the top itself. */
  subTransactionId: number;
  name: string | null;
  savepointLevel: number;
  state: TransState;
  blockState: BlockState;
  /** 1 for the top. */
  nestingLevel: number;
  gucNestLevel: number;
  /** 0 until it writes something. */
  fullXid: FullTransactionId;
  /** Committed subtransactions, ascending. */
  childXids: TransactionId[];
  /** What this level holds; null before it has started. */
  owner: ResourceOwner | null;
  /** A record with this xid is in the WAL. */
  didLogXid: boolean;
  /** Its top xid stands in a record of its own (wal_level logical). */
  topXidLogged: boolean;
  startedInRecovery: boolean;
  /** transaction_read_only of the parent, to be restored. */
  previousReadOnly: boolean;
  /** COMMIT or ROLLBACK AND CHAIN. */
  chain: boolean;
  parent: TransactionState | null;
}

export function newTransactionState(parent: TransactionState | null): TransactionState {
  return {
    subTransactionId: 0,
    name: null,
    savepointLevel: parent?.savepointLevel ?? 0,
    state: 'default',
    blockState: parent === null ? 'default' : 'subbegin',
    nestingLevel: (parent?.nestingLevel ?? -1) + 1,
    gucNestLevel: 0,
    fullXid: 0 as FullTransactionId,
    childXids: [],
    owner: null,
    didLogXid: false,
    topXidLogged: false,
    startedInRecovery: parent?.startedInRecovery ?? false,
    previousReadOnly: false,
    chain: false,
    parent,
  };
}
