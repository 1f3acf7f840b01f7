/** xact-describe.ts — transaction records in words, exactly as pg_waldump prints them.
 *  Counterpart: src/backend/access/rmgrdesc/xactdesc.c, standby_desc_invalidations() of standbydesc.c */
import type { Lsn, RelFileNode } from '#base/ids.ts';
import { mem } from '#shm/memory.ts';
import { relationPath } from '#storage/file/paths.ts';
import { readPrepareRecord } from '#transam/two-phase-record.ts';
import type { CommitInvalidations, DroppedStats } from '#transam/xact-hooks.ts';
import { parseXactRecord, readXids, XACT_OP, XACT_OPMASK, XINFO, type XactRecord } from '#transam/xact-record.ts';
import type { DecodedRecord } from '#wal/decoded-record.ts';
import { formatLogSeconds } from '#runtime/error/log-time.ts';
import { lsnText } from '#wal/wal-format.ts';

/** Microseconds between 1970 and 2000. */
const EPOCH_DIFFERENCE = 946_684_800_000_000;

/** "2024-05-06 07:08:09.012345 UTC", in log_timezone; pg_waldump sets that to the system's zone. */
export function timestampText(time: number): string {
  const micros = time + EPOCH_DIFFERENCE;
  const seconds = Math.floor(micros / 1_000_000);
  const [day, clock, zone] = formatLogSeconds(seconds).split(' ');
  return `${day} ${clock}.${String(micros - seconds * 1_000_000).padStart(6, '0')} ${zone}`;
}

function files(label: string, list: readonly RelFileNode[]): string {
  return list.length === 0 ? '' : `; ${label}: ${list.map((file) => relationPath(file, -1, 0)).join(' ')}`;
}
function subxacts(record: { readonly subxacts: readonly number[] }): string {
  return record.subxacts.length === 0 ? '' : `; subxacts: ${record.subxacts.join(' ')}`;
}
function droppedStats(label: string, stats: readonly DroppedStats[]): string {
  if (stats.length === 0) return '';
  return `; ${label}dropped stats: ${stats.map((one) => `${one.kind}/${one.databaseId}/${one.objectId}`).join(' ')}`;
}
function origin(record: { originLsn: Lsn; originTime: number }, node: number): string {
  return `; origin: node ${node}, lsn ${lsnText(record.originLsn)}, at ${timestampText(record.originTime)}`;
}

export function describeInvalidations(invals: CommitInvalidations, databaseId: number, tablespaceId: number): string {
  if (invals.count <= 0) return '';
  let text = '';
  if (invals.relcacheInitFileInval) text += `; relcache init file inval dbid ${databaseId} tsid ${tablespaceId}`;
  text += '; inval msgs:';
  const view = new DataView(invals.messages.buffer, invals.messages.byteOffset, invals.messages.byteLength);
  for (let at = 0; at < invals.count * 16; at += 16) {
    const id = view.getInt8(at);
    if (id >= 0) text += ` catcache ${id}`;
    else if (id === -1) text += ` catalog ${view.getUint32(at + 8, true)}`;
    else if (id === -2) text += ` relcache ${view.getUint32(at + 8, true)}`;
    else if (id === -3) text += ' smgr';
    else if (id === -4) text += ` relmap db ${view.getUint32(at + 4, true)}`;
    else if (id === -5) text += ` snapshot ${view.getUint32(at + 8, true)}`;
    else text += ` unrecognized id ${id}`;
  }
  return text;
}

const prefix = (parsed: XactRecord): string => (parsed.twoPhaseXid !== 0 ? `${parsed.twoPhaseXid}: ` : '');

function describeCommit(record: DecodedRecord): string {
  const parsed = parseXactRecord(record);
  let text = prefix(parsed) + timestampText(parsed.time);
  text += files('rels', parsed.files) + subxacts(parsed) + droppedStats('', parsed.stats);
  text += describeInvalidations(
    { ...parsed.invals, relcacheInitFileInval: (parsed.xinfo & XINFO.updateRelcacheFile) !== 0 },
    parsed.databaseId,
    parsed.tablespaceId,
  );
  if ((parsed.xinfo & XINFO.forceSync) !== 0) text += '; sync';
  if ((parsed.xinfo & XINFO.origin) !== 0) text += origin(parsed, record.origin);
  return text;
}
function describeAbort(record: DecodedRecord): string {
  const parsed = parseXactRecord(record);
  let text = prefix(parsed) + timestampText(parsed.time) + files('rels', parsed.files) + subxacts(parsed);
  if ((parsed.xinfo & XINFO.origin) !== 0) text += origin(parsed, record.origin);
  return text + droppedStats('', parsed.stats);
}
function describePrepare(record: DecodedRecord): string {
  const parsed = readPrepareRecord(record.mainAt);
  let text = `gid ${parsed.gid}: ${timestampText(parsed.preparedAt)}`;
  text += files('rels(commit)', parsed.commitFiles) + files('rels(abort)', parsed.abortFiles);
  text += droppedStats('commit ', parsed.commitStats) + droppedStats('abort ', parsed.abortStats);
  text += subxacts(parsed) + describeInvalidations(parsed.invals, parsed.databaseId, 0);
  // Told by the position, for a session of an origin has always one.
  if (record.origin !== 0) text += origin(parsed, record.origin);
  return text;
}

export function describeXact(record: DecodedRecord): string {
  switch (record.info & XACT_OPMASK) {
    case XACT_OP.commit:
    case XACT_OP.commitPrepared:
      return describeCommit(record);
    case XACT_OP.abort:
    case XACT_OP.abortPrepared:
      return describeAbort(record);
    case XACT_OP.prepare:
      return describePrepare(record);
    case XACT_OP.assignment: {
      const top = mem.view.getUint32(record.mainAt, true);
      const subs = readXids(record.mainAt + 8, mem.view.getInt32(record.mainAt + 4, true));
      return `xtop ${top}: subxacts: ${subs.join(' ')}`;
    }
    case XACT_OP.invalidations: {
      const count = mem.view.getInt32(record.mainAt, true);
      const messages = mem.u8.slice(record.mainAt + 4, record.mainAt + 4 + 16 * count);
      return describeInvalidations({ count, messages, relcacheInitFileInval: false }, 0, 0);
    }
    default:
      return '';
  }
}
const NAMES: Readonly<Record<number, string>> = {
  [XACT_OP.commit]: 'COMMIT',
  [XACT_OP.prepare]: 'PREPARE',
  [XACT_OP.abort]: 'ABORT',
  [XACT_OP.commitPrepared]: 'COMMIT_PREPARED',
  [XACT_OP.abortPrepared]: 'ABORT_PREPARED',
  [XACT_OP.assignment]: 'ASSIGNMENT',
  [XACT_OP.invalidations]: 'INVALIDATION',
};
export const identifyXact = (info: number): string | null => NAMES[info & XACT_OPMASK] ?? null;
