/** predicate-serial.ts — the log of old committed serializable transactions, when shared memory has no room for them.
 *
 *  It maps an xid to the commit sequence number of the earliest transaction that it conflicted out to. It is an SLRU
 *  (pg_serial), which lies above this layer: transam/serial.ts puts itself in here.
 *  Counterpart: SerialAdd() and around it in src/backend/storage/lmgr/predicate.c */
import { report } from '#runtime/error/report.ts';

export interface SerialLog {
  /** `seqNo` is INVALID_SEQ_NO for a transaction without such a conflict. */
  add(xid: number, seqNo: number): void;
  /** 0 if the transaction is not in the log. */
  minConflictCommitSeqNo(xid: number): number;
  /** Oldest xmin of the active transactions, 0 for none: what is older is of no interest. */
  setActiveXmin(xid: number): void;
}
export let serialLog: SerialLog = {
  add: () => report('ERROR', { message: 'there is no log of serializable transactions' }),
  minConflictCommitSeqNo: () => 0,
  setActiveXmin() {},
};
export function setSerialLog(log: SerialLog): void {
  serialLog = log;
}
