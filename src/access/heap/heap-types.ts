/** heap-types.ts — words that the heap and its callers share.
 *  Counterpart: src/include/access/tableam.h, heapam.h, nodes/lockoptions.h */
import { INVALID_TID, type ItemPointer, type TransactionId, type CommandId, INVALID_COMMAND_ID } from '#base/ids.ts';
import { INVALID_XID } from '#base/xid.ts';

export type TMResult = 'ok' | 'invisible' | 'selfModified' | 'updated' | 'deleted' | 'beingModified' | 'wouldBlock';

/** Why a tuple could not be changed or locked. */
export interface TMFailureData {
  /** The next version, or the tuple itself. */
  ctid: ItemPointer;
  xmax: TransactionId;
  /** Only for 'selfModified'. */
  cmax: CommandId;
  /** heapLockTuple had to follow the update chain. */
  traversed: boolean;
}
/** Reused: describes the last heapDelete, heapUpdate or heapLockTuple that did not return 'ok'. */
export const tmf: TMFailureData = {
  ctid: INVALID_TID,
  xmax: INVALID_XID,
  cmax: INVALID_COMMAND_ID,
  traversed: false,
};

export type LockTupleMode = 'keyShare' | 'share' | 'noKeyExclusive' | 'exclusive';
export type LockWaitPolicy = 'block' | 'skip' | 'error';

/** Options of heapInsert and heapMultiInsert. */
export const HEAP_INSERT = { skipFsm: 0x0002, frozen: 0x0004, noLogical: 0x0008, speculative: 0x0010 } as const;

/** HTSV_Result. */
export const HTSV = { dead: 0, live: 1, recentlyDead: 2, insertInProgress: 3, deleteInProgress: 4 } as const;
export type HtsvResult = (typeof HTSV)[keyof typeof HTSV];
