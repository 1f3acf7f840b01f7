/** check-point.ts — the CheckPoint record as an object.
 *  Counterpart: CheckPoint of src/include/catalog/pg_control.h */
import type { FullTransactionId, Lsn, MultiXactId, Oid, TransactionId } from '#base/ids.ts';
import type { Memory } from '#base/struct.ts';
import { CHECKPOINT_SIZE, CheckPointLayout as L } from '#wal/control-file-layout.ts';

export interface CheckPoint {
  /** Replay begins here. */
  redo: Lsn;
  thisTimeline: number;
  /** Differs from thisTimeline if this record begins a timeline. */
  prevTimeline: number;
  fullPageWrites: boolean;
  nextXid: FullTransactionId;
  nextOid: Oid;
  nextMulti: MultiXactId;
  nextMultiOffset: number;
  oldestXid: TransactionId;
  oldestXidDb: Oid;
  oldestMulti: MultiXactId;
  oldestMultiDb: Oid;
  /** Unix seconds. */
  time: number;
  oldestCommitTsXid: TransactionId;
  newestCommitTsXid: TransactionId;
  /** 0 unless the checkpoint was online with wal_level above minimal. */
  oldestActiveXid: TransactionId;
}

export const emptyCheckPoint = (): CheckPoint => ({
  redo: 0 as Lsn,
  thisTimeline: 0,
  prevTimeline: 0,
  fullPageWrites: false,
  nextXid: 0 as FullTransactionId,
  nextOid: 0 as Oid,
  nextMulti: 0 as MultiXactId,
  nextMultiOffset: 0,
  oldestXid: 0 as TransactionId,
  oldestXidDb: 0 as Oid,
  oldestMulti: 0 as MultiXactId,
  oldestMultiDb: 0 as Oid,
  time: 0,
  oldestCommitTsXid: 0 as TransactionId,
  newestCommitTsXid: 0 as TransactionId,
  oldestActiveXid: 0 as TransactionId,
});

const FIELDS = Object.keys(emptyCheckPoint()) as (keyof CheckPoint)[];

export function readCheckPoint(memory: Memory, at: number): CheckPoint {
  const out = emptyCheckPoint() as unknown as Record<string, number | boolean>;
  for (const name of FIELDS) out[name] = L[name].get(memory, at);
  return out as unknown as CheckPoint;
}
export function writeCheckPoint(memory: Memory, at: number, checkPoint: CheckPoint): void {
  memory.u8.fill(0, at, at + CHECKPOINT_SIZE);
  for (const name of FIELDS) {
    const field = L[name] as { set(memory: Memory, at: number, value: number | boolean): void };
    field.set(memory, at, checkPoint[name]);
  }
}
