/** recovery-target.ts — where archive recovery is to stop: before or after which record, and what was the reason.
 *  Counterpart: recoveryStopsBefore(), recoveryStopsAfter(), getRecoveryStopReason() of
 *  src/backend/access/transam/xlogrecovery.c */
import { timestamptzIn } from '#adt/timestamp.ts';
import type { Lsn } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { settings } from '#runtime/guc/guc.ts';
import { mem } from '#shm/memory.ts';
import { timestampText } from '#recovery/log-times.ts';
import type { DecodedRecord } from '#wal/reader.ts';
import { replay, setLatestXTime } from '#wal/recovery-state.ts';
import { RM } from '#wal/rmgr-ids.ts';
import { lsnText, parseLsn, XLOG, XLR_INFO_MASK } from '#wal/wal-format.ts';

export type TargetKind = 'none' | 'xid' | 'time' | 'name' | 'lsn' | 'immediate';
interface Target {
  kind: TargetKind;
  xid: number;
  time: number;
  name: string;
  lsn: Lsn;
}
const target: Target = { kind: 'none', xid: 0, time: 0, name: '', lsn: 0 as Lsn };
/** Where it stopped. */
const stop = { after: false, xid: 0, time: 0, name: '', lsn: 0 as Lsn };

export const targetKind = (): TargetKind => target.kind;

/** Reads the settings; at most one of them is set (their checks see to that). */
export function readRecoveryTarget(): void {
  target.kind = 'none';
  const s = settings;
  if (s.recovery_target !== '') target.kind = 'immediate';
  if (s.recovery_target_xid !== '') {
    target.kind = 'xid';
    target.xid = Number(BigInt.asUintN(32, BigInt(s.recovery_target_xid)));
  }
  if (s.recovery_target_time !== '') {
    target.kind = 'time';
    target.time = Number(timestamptzIn(s.recovery_target_time));
  }
  if (s.recovery_target_name !== '') {
    target.kind = 'name';
    target.name = s.recovery_target_name;
  }
  if (s.recovery_target_lsn !== '') {
    target.kind = 'lsn';
    target.lsn = parseLsn(s.recovery_target_lsn) ?? (0 as Lsn);
  }
}

/** The line that says what recovery is about to do. */
export function describeRecoveryTarget(): string {
  switch (target.kind) {
    case 'xid':
      return `starting point-in-time recovery to XID ${target.xid}`;
    case 'time':
      return `starting point-in-time recovery to ${timestampText(target.time)}`;
    case 'name':
      return `starting point-in-time recovery to "${target.name}"`;
    case 'lsn':
      return `starting point-in-time recovery to WAL location (LSN) "${lsnText(target.lsn)}"`;
    case 'immediate':
      return 'starting point-in-time recovery to earliest consistent point';
    default:
      return 'starting archive recovery';
  }
}

// ── transaction ends ───────────────────────────────────────────────────────────────────────────────────────────────
const XACT = {
  opMask: 0x70,
  hasInfo: 0x80,
  commit: 0x00,
  abort: 0x20,
  commitPrepared: 0x30,
  abortPrepared: 0x40,
} as const;
const XINFO = { dbInfo: 1, subxacts: 2, relNodes: 4, invals: 8, twoPhase: 16, droppedStats: 256 } as const;

const rmgrInfo = (record: DecodedRecord): number => record.info & ~XLR_INFO_MASK;
const readTime = (at: number): number => Number(mem.view.getBigInt64(at, true));

/** The xid of a prepared transaction stands behind the lists that its record carries. */
function twoPhaseXid(record: DecodedRecord): number {
  const { view } = mem;
  let at = record.mainAt + 8;
  const xinfo = (record.info & XACT.hasInfo) !== 0 ? view.getUint32(at, true) : 0;
  at += 4;
  if ((xinfo & XINFO.dbInfo) !== 0) at += 8;
  if ((xinfo & XINFO.subxacts) !== 0) at += 4 + 4 * view.getInt32(at, true);
  if ((xinfo & XINFO.relNodes) !== 0) at += 4 + 12 * view.getInt32(at, true);
  if ((xinfo & XINFO.droppedStats) !== 0) at += 4 + 12 * view.getInt32(at, true);
  if ((xinfo & XINFO.invals) !== 0) at += 4 + 16 * view.getInt32(at, true);
  return (xinfo & XINFO.twoPhase) !== 0 ? view.getUint32(at, true) : 0;
}

/** Of a commit or abort record: its transaction; undefined for every other record. */
function endedTransaction(record: DecodedRecord): { xid: number; isCommit: boolean; time: number } | undefined {
  if (record.rmid !== RM.xact) return undefined;
  const time = record.mainLength >= 8 ? readTime(record.mainAt) : 0;
  switch (record.info & XACT.opMask) {
    case XACT.commit:
      return { xid: record.xid, isCommit: true, time };
    case XACT.abort:
      return { xid: record.xid, isCommit: false, time };
    case XACT.commitPrepared:
      return { xid: twoPhaseXid(record), isCommit: true, time };
    case XACT.abortPrepared:
      return { xid: twoPhaseXid(record), isCommit: false, time };
    default:
      return undefined;
  }
}

function remember(after: boolean, what: { xid?: number; time?: number; name?: string; lsn?: Lsn }): true {
  stop.after = after;
  stop.xid = what.xid ?? 0;
  stop.time = what.time ?? 0;
  stop.name = what.name ?? '';
  stop.lsn = what.lsn ?? (0 as Lsn);
  return true;
}
function stopAtConsistency(): true {
  report('LOG', { message: 'recovery stopping after reaching consistency' });
  return remember(false, {});
}

/** Is the target reached, so that this record is not to be applied any more? */
export function recoveryStopsBefore(record: DecodedRecord): boolean {
  if (!replay.archiveRecoveryRequested) return false;
  if (target.kind === 'immediate' && replay.reachedConsistency) return stopAtConsistency();
  const inclusive = settings.recovery_target_inclusive;
  if (target.kind === 'lsn' && !inclusive && record.lsn >= target.lsn) {
    report('LOG', { message: `recovery stopping before WAL location (LSN) "${lsnText(record.lsn)}"` });
    return remember(false, { lsn: record.lsn });
  }
  const ended = endedTransaction(record);
  if (ended === undefined) return false;
  let stops = false;
  // Transactions end in another order than they begin: only this one counts.
  if (target.kind === 'xid' && !inclusive) stops = ended.xid === target.xid;
  // Several may end at the same microsecond: inclusive means all of them.
  if (target.kind === 'time') stops = inclusive ? ended.time > target.time : ended.time >= target.time;
  if (!stops) return false;
  const verb = ended.isCommit ? 'commit' : 'abort';
  report('LOG', {
    message: `recovery stopping before ${verb} of transaction ${ended.xid}, time ${timestampText(ended.time)}`,
  });
  return remember(false, { xid: ended.xid, time: ended.time });
}

/** The same for a record that has been applied. */
export function recoveryStopsAfter(record: DecodedRecord): boolean {
  if (!replay.archiveRecoveryRequested) return false;
  const inclusive = settings.recovery_target_inclusive;
  if (target.kind === 'name' && record.rmid === RM.xlog && rmgrInfo(record) === XLOG.restorePoint) {
    const bytes = Buffer.from(mem.u8.slice(record.mainAt + 8, record.mainAt + 72));
    const name = bytes.subarray(0, bytes.indexOf(0) < 0 ? 64 : bytes.indexOf(0)).toString('utf8');
    if (name === target.name) {
      const time = readTime(record.mainAt);
      report('LOG', { message: `recovery stopping at restore point "${name}", time ${timestampText(time)}` });
      return remember(true, { time, name });
    }
  }
  if (target.kind === 'lsn' && inclusive && record.lsn >= target.lsn) {
    report('LOG', { message: `recovery stopping after WAL location (LSN) "${lsnText(record.lsn)}"` });
    return remember(true, { lsn: record.lsn });
  }
  const ended = endedTransaction(record);
  if (ended !== undefined) {
    setLatestXTime(ended.time);
    if (target.kind === 'xid' && inclusive && ended.xid === target.xid) {
      const verb = ended.isCommit ? 'commit' : 'abort';
      report('LOG', {
        message: `recovery stopping after ${verb} of transaction ${ended.xid}, time ${timestampText(ended.time)}`,
      });
      return remember(true, { xid: ended.xid, time: ended.time });
    }
  }
  if (target.kind === 'immediate' && replay.reachedConsistency) return stopAtConsistency();
  return false;
}

/** For the history file of the new timeline. */
export function recoveryStopReason(): string {
  const side = stop.after ? 'after' : 'before';
  switch (target.kind) {
    case 'xid':
      return `${side} transaction ${stop.xid}`;
    case 'time':
      return `${side} ${timestampText(stop.time)}`;
    case 'lsn':
      return `${side} LSN ${lsnText(stop.lsn)}`;
    case 'name':
      return `at restore point "${stop.name}"`;
    case 'immediate':
      return 'reached consistency';
    default:
      return 'no recovery target specified';
  }
}
