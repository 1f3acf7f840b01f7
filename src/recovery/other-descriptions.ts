/** other-descriptions.ts — the words of WAL records of replication origins, generic WAL and logical messages.
 *  Counterpart: replorigindesc.c, genericdesc.c, logicalmsgdesc.c of src/backend/access/rmgrdesc */
import type { RecordWords } from '#recovery/index-descriptions.ts';
import { mem } from '#shm/memory.ts';
import { lsnText } from '#wal/wal-format.ts';

const u16 = (at: number): number => mem.view.getUint16(at, true);
/** As 64 bits that fit a Number: an LSN, a size. */
const u64 = (at: number): number => Number(mem.view.getBigUint64(at, true));

const ORIGIN = { set: 0x00, drop: 0x10 } as const;
export const ORIGIN_WORDS: RecordWords = {
  describe(record) {
    const at = record.mainAt;
    switch (record.info & 0xf0) {
      case ORIGIN.set:
        return `set ${u16(at + 8)}; lsn ${lsnText(u64(at))}; force: ${mem.view.getUint8(at + 10)}`;
      case ORIGIN.drop:
        return `drop ${u16(at)}`;
      default:
        return '';
    }
  },
  identify: (info) => ({ [ORIGIN.set]: 'SET', [ORIGIN.drop]: 'DROP' })[info & 0xf0] ?? null,
};

export const GENERIC_WORDS: RecordWords = {
  describe(record) {
    const changes: string[] = [];
    const end = record.mainAt + record.mainLength;
    for (let at = record.mainAt; at < end; ) {
      const length = u16(at + 2);
      changes.push(`offset ${u16(at)}, length ${length}`);
      at += 4 + length;
    }
    return changes.join('; ');
  },
  identify: () => 'Generic',
};

export const MESSAGE_WORDS: RecordWords = {
  describe(record) {
    if ((record.info & 0xf0) !== 0) return '';
    const at = record.mainAt;
    const kind = mem.view.getUint8(at + 4) !== 0 ? 'transactional' : 'non-transactional';
    const prefixSize = u64(at + 8);
    const size = u64(at + 16);
    const bytes = Buffer.from(mem.u8.slice(at + 24, at + 24 + prefixSize + size));
    // The size of the prefix counts its final zero.
    const prefix = bytes.subarray(0, prefixSize - 1).toString('utf8');
    const payload = [...bytes.subarray(prefixSize)].map((byte) => byte.toString(16).toUpperCase().padStart(2, '0'));
    return `${kind}, prefix "${prefix}"; payload (${size} bytes): ${payload.join(' ')}`;
  },
  identify: (info) => ((info & 0xf0) === 0 ? 'MESSAGE' : null),
};
