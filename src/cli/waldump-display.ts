/** waldump-display.ts — a WAL record as a line, and sums over many.
 *  Counterpart: XLogDumpDisplayRecord(), XLogDumpDisplayStats() of src/bin/pg_waldump/pg_waldump.c;
 *  XLogRecGetBlockRefInfo() of src/backend/access/rmgrdesc/xlogdesc.c; src/backend/access/transam/xlogstats.c */
import { RMGRS } from '#recovery/rmgr-list.ts';
import type { DecodedBlock, DecodedRecord } from '#wal/decoded-record.ts';
import type { RmgrRow } from '#wal/rmgr.ts';
import { RM } from '#wal/rmgr-ids.ts';
import { BKPIMAGE, BKPIMAGE_COMPRESSED, lsnText } from '#wal/wal-format.ts';

const FORK_NAMES = ['main', 'fsm', 'vm', 'init'];
const BLCKSZ = 8192;
const BUILT_IN = RMGRS.length;

/** A row for ids that extensions use: their names are not known outside their server. */
function customRow(id: number): RmgrRow {
  return { name: `custom${String(id).padStart(3, '0')}`, redo: () => {}, describe: () => '', identify: () => null };
}
const rmgr = (id: number): RmgrRow => RMGRS[id] ?? customRow(id);

const imageBytes = (record: DecodedRecord): number => {
  let sum = 0;
  for (let id = 0; id <= record.maxBlockId; id++) {
    const block = record.blocks[id]!;
    if (block.inUse && block.hasImage) sum += block.imageLength;
  }
  return sum;
};
/** %X/%08X */
const wideLsn = (lsn: number): string => {
  const [high, low = ''] = lsnText(lsn).split('/');
  return `${high}/${low.padStart(8, '0')}`;
};

function imageText(block: DecodedBlock): string {
  const purpose = block.applyImage ? '' : ' for WAL verification';
  const text = ` (FPW${purpose}); hole: offset: ${block.holeOffset}, length: ${block.holeLength}`;
  const { bimgInfo } = block;
  if ((bimgInfo & BKPIMAGE_COMPRESSED) === 0) return text;
  const method = (bimgInfo & BKPIMAGE.pglz) !== 0 ? 'pglz' : (bimgInfo & BKPIMAGE.lz4) !== 0 ? 'lz4' : 'zstd';
  return `${text}, compression saved: ${BLCKSZ - block.holeLength - block.imageLength}, method: ${method}`;
}

function blockReferences(record: DecodedRecord, details: boolean): string {
  let text = details ? '\n' : '';
  for (let id = 0; id <= record.maxBlockId; id++) {
    const block = record.blocks[id]!;
    if (!block.inUse) continue;
    const { spcNode, dbNode, relNode } = block.rnode;
    const relation = `blkref #${id}: rel ${spcNode}/${dbNode}/${relNode}`;
    const fork = details || block.fork !== 0 ? ` fork ${FORK_NAMES[block.fork]}` : '';
    text += `${details ? '\t' : ', '}${relation}${fork} blk ${block.block}`;
    if (details) text += `${block.hasImage ? imageText(block) : ''}\n`;
    else if (block.hasImage) text += block.applyImage ? ' FPW' : ' FPW for WAL verification';
  }
  return details ? text : `${text}\n`;
}

export function recordLine(record: DecodedRecord, details: boolean): string {
  const row = rmgr(record.rmid);
  const length = String(record.totalLength - imageBytes(record)).padStart(6);
  const total = String(record.totalLength).padStart(6);
  const xid = String(record.xid).padStart(10);
  const operation = row.identify(record.info & 0xf0) ?? `UNKNOWN (${(record.info & 0xf0).toString(16)})`;
  return (
    `rmgr: ${row.name.padEnd(11)} len (rec/tot): ${length}/${total}, tx: ${xid}, ` +
    `lsn: ${wideLsn(record.lsn)}, prev ${wideLsn(record.prevLsn)}, desc: ${operation} ${row.describe(record)}` +
    blockReferences(record, details)
  );
}

interface Sum {
  count: number;
  recordBytes: number;
  imageBytes: number;
}
const RECORD_KINDS = 16;

/** printf's %.02f: exact ties go to the even digit. */
export function twoDigits(value: number): string {
  const hundredths = value * 100;
  const isTie = Number.isInteger(value * 8) && !Number.isInteger(value * 4);
  if (!isTie) return value.toFixed(2);
  const below = Math.floor(hundredths);
  return ((below + (below % 2)) / 100).toFixed(2);
}
const share = (part: number, whole: number): string => twoDigits(whole === 0 ? 0 : (100 * part) / whole);

export class WalStats {
  private readonly sums = new Map<number, Sum>();
  private readonly total: Sum = { count: 0, recordBytes: 0, imageBytes: 0 };
  start = 0;
  end = 0;
  constructor(private readonly perRecord: boolean) {}

  add(record: DecodedRecord): void {
    let kind = this.perRecord ? record.info >>> 4 : 0;
    // A flag of transactions' records shares these bits.
    if (record.rmid === RM.xact) kind &= 0x07;
    const key = record.rmid * RECORD_KINDS + kind;
    let sum = this.sums.get(key);
    if (sum === undefined) this.sums.set(key, (sum = { count: 0, recordBytes: 0, imageBytes: 0 }));
    const images = imageBytes(record);
    for (const one of [sum, this.total]) {
      one.count++;
      one.recordBytes += record.totalLength - images;
      one.imageBytes += images;
    }
    this.end = record.endLsn;
  }

  private row(name: string, sum: Sum): string {
    const { total } = this;
    const column = (value: number, whole: number): string =>
      ` ${String(value).padStart(20)} (${share(value, whole).padStart(6)})`;
    return (
      name.padEnd(27) +
      column(sum.count, total.count) +
      column(sum.recordBytes, total.recordBytes) +
      column(sum.imageBytes, total.imageBytes) +
      `${column(sum.recordBytes + sum.imageBytes, total.recordBytes + total.imageBytes)}\n`
    );
  }

  text(): string {
    const heading = (words: readonly string[]): string =>
      `${words.map((word, at) => (at === 0 ? word.padEnd(27) : word.padStart(at % 2 === 1 ? 20 : 8))).join(' ')}\n`;
    const percent = '(%)';
    let text =
      `WAL statistics between ${lsnText(this.start)} and ${lsnText(this.end)}:\n` +
      heading(['Type', 'N', percent, 'Record size', percent, 'FPI size', percent, 'Combined size', percent]) +
      heading(['----', '-', '---', '-----------', '---', '--------', '---', '-------------', '---']);
    const none: Sum = { count: 0, recordBytes: 0, imageBytes: 0 };
    for (let id = 0; id < 256; id++) {
      const { name, identify } = rmgr(id);
      if (!this.perRecord) {
        const sum = this.sums.get(id * RECORD_KINDS);
        if (id < BUILT_IN || sum !== undefined) text += this.row(name, sum ?? none);
        continue;
      }
      for (let kind = 0; kind < RECORD_KINDS; kind++) {
        const sum = this.sums.get(id * RECORD_KINDS + kind);
        if (sum === undefined) continue;
        text += this.row(`${name}/${identify(kind << 4) ?? `UNKNOWN (${(kind << 4).toString(16)})`}`, sum);
      }
    }
    const { count, recordBytes, imageBytes: images } = this.total;
    const all = recordBytes + images;
    const dashes = '--------';
    const amount = (value: number, note: string, width: number): string =>
      ` ${String(value).padStart(20)} ${note.padEnd(width)}`;
    text += `${''.padEnd(27)}${[dashes, '', dashes, '', dashes, '', dashes].map((word, at) => ` ${word.padStart(at % 2 === 0 ? 20 : 8)}`).join('')}\n`;
    const gapless = (value: number, note: string, width: number): string => amount(value, note, width).slice(1);
    return (
      `${text}${'Total'.padEnd(27)}${amount(count, '', 9)}` +
      gapless(recordBytes, `[${share(recordBytes, all)}%]`, 9) +
      gapless(images, `[${share(images, all)}%]`, 9) +
      `${gapless(all, '[100%]', 6)}\n`
    );
  }
}
