/** standby.ts — replaying what a primary wrote for standbys that answer queries.
 *
 *  Without hot standby the records concern nobody.
 *  Counterpart: standby_redo() of src/backend/storage/ipc/standby.c, src/backend/access/rmgrdesc/standbydesc.c */
import type { Oid, TransactionId } from '#base/ids.ts';
import { assert } from '#base/assert.ts';
import { mem } from '#shm/memory.ts';
import { procArrayApplyRecoveryInfo, type RunningTransactions } from '#transam/known-assigned-xids.ts';
import { RUNNING_XACTS_HEADER, STANDBY_OP } from '#transam/standby-log.ts';
import { isPreparedXid } from '#transam/two-phase-state.ts';
import { describeInvalidations } from '#transam/xact-describe.ts';
import { type CommitInvalidations, xactHooks } from '#transam/xact-hooks.ts';
import { readXids } from '#transam/xact-record.ts';
import type { DecodedRecord } from '#wal/decoded-record.ts';
import { replay, STANDBY } from '#wal/recovery-state.ts';
import type { RmgrRow } from '#wal/rmgr.ts';

const u32 = (at: number): number => mem.view.getUint32(at, true);

function readRunning(at: number): RunningTransactions {
  const xcnt = mem.view.getInt32(at, true);
  const subxcnt = mem.view.getInt32(at + 4, true);
  return {
    xcnt,
    subxcnt,
    subxidOverflow: mem.u8[at + 8] !== 0,
    nextXid: u32(at + 12) as TransactionId,
    oldestRunningXid: u32(at + 16) as TransactionId,
    latestCompletedXid: u32(at + 20) as TransactionId,
    xids: readXids(at + RUNNING_XACTS_HEADER, xcnt + subxcnt),
  };
}
function readInvalidations(at: number): CommitInvalidations & { databaseId: Oid; tablespaceId: Oid } {
  const count = mem.view.getInt32(at + 12, true);
  return {
    databaseId: u32(at) as Oid,
    tablespaceId: u32(at + 4) as Oid,
    relcacheInitFileInval: mem.u8[at + 8] !== 0,
    count,
    messages: mem.u8.slice(at + 16, at + 16 + 16 * count),
  };
}

export const standbyRmgr: RmgrRow = {
  name: 'Standby',
  redo(record: DecodedRecord) {
    if (replay.standbyState === STANDBY.disabled) return;
    const at = record.mainAt;
    switch (record.info & 0xf0) {
      case STANDBY_OP.lock: {
        const count = mem.view.getInt32(at, true);
        for (let one = at + 4; one < at + 4 + 12 * count; one += 12)
          xactHooks.standbyAcquireLock(u32(one) as TransactionId, u32(one + 4) as Oid, u32(one + 8) as Oid);
        return;
      }
      case STANDBY_OP.runningXacts: {
        const running = readRunning(at);
        xactHooks.standbyReleaseOldLocks(running.oldestRunningXid);
        procArrayApplyRecoveryInfo(running, isPreparedXid);
        return;
      }
      case STANDBY_OP.invalidations: {
        const invals = readInvalidations(at);
        xactHooks.processCommittedInvalidations(invals, invals.databaseId, invals.tablespaceId);
        return;
      }
      default:
        assert(false, 'standby_redo: unknown op code');
    }
  },
  describe(record: DecodedRecord) {
    const at = record.mainAt;
    switch (record.info & 0xf0) {
      case STANDBY_OP.lock: {
        let text = '';
        const count = mem.view.getInt32(at, true);
        for (let one = at + 4; one < at + 4 + 12 * count; one += 12)
          text += `xid ${u32(one)} db ${u32(one + 4)} rel ${u32(one + 8)} `;
        return text;
      }
      case STANDBY_OP.runningXacts: {
        const running = readRunning(at);
        let text = `nextXid ${running.nextXid} latestCompletedXid ${running.latestCompletedXid} oldestRunningXid ${running.oldestRunningXid}`;
        if (running.xcnt > 0) text += `; ${running.xcnt} xacts: ${running.xids.slice(0, running.xcnt).join(' ')}`;
        if (running.subxidOverflow) text += '; subxid ovf';
        return text;
      }
      default: {
        const invals = readInvalidations(at);
        return describeInvalidations(invals, invals.databaseId, invals.tablespaceId);
      }
    }
  },
  identify: (info) =>
    ({
      [STANDBY_OP.lock]: 'LOCK',
      [STANDBY_OP.runningXacts]: 'RUNNING_XACTS',
      [STANDBY_OP.invalidations]: 'INVALIDATIONS',
    })[info & 0xf0] ?? null,
};
