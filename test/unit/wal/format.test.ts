import { describe, expect, it } from 'vitest';
import type { Lsn } from '#base/ids.ts';
import { parseTimelineHistory, timelineInHistory, timelineOfPoint, timelineSwitchPoint } from '#wal/timeline.ts';
import {
  bytePosToEndRecPtr,
  bytePosToRecPtr,
  isBackupHistoryFileName,
  lsnText,
  parseLsn,
  recPtrToBytePos,
  segmentFileName,
  segmentOfFileName,
  setWalSegmentSize,
  walUsableInSegment,
} from '#wal/wal-format.ts';

describe('WAL positions', () => {
  it('translate between usable bytes and the log, over page and segment borders', () => {
    for (const size of [1 << 20, 16 << 20, 1 << 30]) {
      setWalSegmentSize(size);
      const usable = walUsableInSegment();
      expect(usable).toBe((size / 8192) * 8168 - 16);
      for (const base of [0, usable, usable * 300_000]) {
        for (const offset of [0, 8, 8144, 8152, 8160, 8152 + 8168, 8152 + 8168 + 8, usable - 8]) {
          const pos = base + offset;
          const start = bytePosToRecPtr(pos);
          const end = bytePosToEndRecPtr(pos);
          expect(recPtrToBytePos(start)).toBe(pos);
          expect(recPtrToBytePos(end)).toBe(pos);
          // They differ only on a page border: by the header.
          const atBorder = end % 8192 === 0;
          expect(start - end).toBe(atBorder ? (end % size === 0 ? 40 : 24) : 0);
        }
      }
    }
    setWalSegmentSize(16 << 20);
    // The first record of a cluster.
    expect(lsnText(bytePosToRecPtr(walUsableInSegment()))).toBe('0/1000028');
  });

  it('name segments', () => {
    setWalSegmentSize(16 << 20);
    expect(segmentFileName(3, 0x1_02)).toBe('000000030000000100000002');
    expect(segmentOfFileName('000000030000000100000002')).toBe(0x102);
    setWalSegmentSize(1 << 20);
    expect(segmentFileName(1, 0x1001)).toBe('000000010000000100000001');
    expect(lsnText(parseLsn('16/B374D848')!)).toBe('16/B374D848');
    expect(parseLsn('16/B374D848x')).toBeUndefined();
    expect(isBackupHistoryFileName('000000010000000000000002.00000028.backup')).toBe(true);
  });
});

describe('timeline histories', () => {
  const text = '1\t0/3000000\tno recovery target specified\n\n# a note\n2\t0/5000148\tbefore transaction 700\n';
  it('are read newest first', () => {
    const history = parseTimelineHistory(text, 4, '00000004.history');
    expect(history.map((e) => [e.timeline, lsnText(e.begin), lsnText(e.end)])).toEqual([
      [4, '0/5000148', '0/0'],
      [2, '0/3000000', '0/5000148'],
      [1, '0/0', '0/3000000'],
    ]);
    expect(timelineOfPoint(parseLsn('0/3000000')!, history)).toBe(2);
    expect(timelineOfPoint(parseLsn('0/2FFFFFF')!, history)).toBe(1);
    expect(timelineOfPoint(parseLsn('9/0')!, history)).toBe(4);
    expect(timelineInHistory(3, history)).toBe(false);
    expect(timelineSwitchPoint(2, history)).toEqual({ point: parseLsn('0/5000148') as Lsn, next: 4 });
  });
});
