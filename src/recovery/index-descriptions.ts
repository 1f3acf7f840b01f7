/** index-descriptions.ts — the words of WAL records of index methods that are replayed elsewhere: hash, GIN, GiST, SP-GiST,
 *  BRIN. They serve whoever reads the log of a PostgreSQL server.
 *  Counterpart: hashdesc.c, gindesc.c, gistdesc.c, spgdesc.c, brindesc.c of src/backend/access/rmgrdesc */
import { mem } from '#shm/memory.ts';
import type { DecodedRecord } from '#wal/decoded-record.ts';

/** `identify` and `describe` of a resource manager. */
export interface RecordWords {
  describe(record: DecodedRecord): string;
  identify(info: number): string | null;
}

const u8 = (at: number): number => mem.view.getUint8(at);
const u16 = (at: number): number => mem.view.getUint16(at, true);
const u32 = (at: number): number => mem.view.getUint32(at, true);
const letter = (flag: boolean | number): string => (flag ? 'T' : 'F');
const opOf = (record: DecodedRecord): number => record.info & 0xf0;
/** A number by %g. */
function general(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value < 0 ? '-inf' : 'inf';
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const [digits = '', power = '0'] = value.toExponential(5).split('e');
  const exponent = Number(power);
  const trim = (text: string): string => (text.includes('.') ? text.replace(/\.?0+$/, '') : text);
  if (exponent >= -4 && exponent < 6) return trim(value.toFixed(5 - exponent));
  return `${trim(digits)}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}
/** Block 0 comes as an image: that says all there is. */
const imageNote = (record: DecodedRecord): string | null => {
  const block = record.blocks[0];
  if (record.maxBlockId < 0 || block === undefined || !block.inUse || !block.hasImage) return null;
  return block.applyImage ? ' (full page image)' : ' (full page image, for WAL verification)';
};

// ── hash ───────────────────────────────────────────────────────────────────────────────────────────────────────────
const HASH_NAMES: Readonly<Record<number, string>> = {
  0: 'INIT_META_PAGE',
  16: 'INIT_BITMAP_PAGE',
  32: 'INSERT',
  48: 'ADD_OVFL_PAGE',
  64: 'SPLIT_ALLOCATE_PAGE',
  80: 'SPLIT_PAGE',
  96: 'SPLIT_COMPLETE',
  112: 'MOVE_PAGE_CONTENTS',
  128: 'SQUEEZE_PAGE',
  144: 'DELETE',
  160: 'SPLIT_CLEANUP',
  176: 'UPDATE_META_PAGE',
  192: 'VACUUM_ONE_PAGE',
};
function describeHash(record: DecodedRecord): string {
  const at = record.mainAt;
  switch (opOf(record)) {
    case 0x00:
      return `num_tuples ${general(mem.view.getFloat64(at, true))}, fillfactor ${u16(at + 12)}`;
    case 0x10:
      return `bmsize ${u16(at)}`;
    case 0x20:
      return `off ${u16(at)}`;
    case 0x30:
      return `bmsize ${u16(at)}, bmpage_found ${letter(u8(at + 2))}`;
    case 0x40: {
      const flags = u8(at + 8);
      return `new_bucket ${u32(at)}, meta_page_masks_updated ${letter(flags & 1)}, issplitpoint_changed ${letter(flags & 2)}`;
    }
    case 0x60:
      return `old_bucket_flag ${u16(at)}, new_bucket_flag ${u16(at + 2)}`;
    case 0x70:
      return `ntups ${u16(at)}, is_primary ${letter(u8(at + 2))}`;
    case 0x80:
      return `prevblkno ${u32(at)}, nextblkno ${u32(at + 4)}, ntups ${u16(at + 8)}, is_primary ${letter(u8(at + 10))}`;
    case 0x90:
      return `clear_dead_marking ${letter(u8(at))}, is_primary ${letter(u8(at + 1))}`;
    case 0xb0:
      return `ntuples ${general(mem.view.getFloat64(at, true))}`;
    case 0xc0:
      return `ntuples ${mem.view.getInt32(at + 4, true)}, latestRemovedXid ${u32(at)}`;
    default:
      return '';
  }
}
export const HASH_WORDS: RecordWords = { describe: describeHash, identify: (info) => HASH_NAMES[info & 0xf0] ?? null };

// ── GIN ────────────────────────────────────────────────────────────────────────────────────────────────────────────
const GIN_NAMES: Readonly<Record<number, string>> = {
  16: 'CREATE_PTREE',
  32: 'INSERT',
  48: 'SPLIT',
  64: 'VACUUM_PAGE',
  80: 'DELETE_PAGE',
  96: 'UPDATE_META_PAGE',
  112: 'INSERT_LISTPAGE',
  128: 'DELETE_LISTPAGE',
  144: 'VACUUM_DATA_LEAF_PAGE',
};
const GIN_FLAG = { isData: 1, isLeaf: 2, splitRoot: 4 } as const;
const blockIdAt = (at: number): number => u16(at) * 0x10000 + u16(at + 2);
const ginKind = (flags: number): string =>
  ` isdata: ${letter(flags & GIN_FLAG.isData)} isleaf: ${letter(flags & GIN_FLAG.isLeaf)}`;

/** The actions on the segments of a posting tree's leaf. */
function describeRecompression(start: number): string {
  const actions = u16(start);
  let text = ` ${actions} segments:`;
  let at = start + 2;
  for (let i = 0; i < actions; i++) {
    const segment = u8(at);
    const action = u8(at + 1);
    at += 2;
    switch (action) {
      case 1:
        text += ` ${segment} (delete)`;
        break;
      case 2:
      case 3: {
        text += action === 2 ? ` ${segment} (insert)` : ` ${segment} (replace)`;
        // First item pointer, length, bytes; even.
        const bytes = u16(at + 6);
        at += 8 + bytes + (bytes & 1);
        break;
      }
      case 4: {
        const items = u16(at);
        text += ` ${segment} (add ${items} items)`;
        at += 2 + items * 6;
        break;
      }
      default:
        // How long it is, nobody knows: what follows cannot be read.
        return `${text} ${segment} unknown action ${action} ???`;
    }
  }
  return text;
}
function describeGin(record: DecodedRecord): string {
  const at = record.mainAt;
  const data = record.blocks[0]?.dataAt ?? 0;
  switch (opOf(record)) {
    case 0x20: {
      const flags = u16(at);
      let text = ginKind(flags).slice(1);
      if ((flags & GIN_FLAG.isLeaf) === 0) text += ` children: ${blockIdAt(at + 2)}/${blockIdAt(at + 6)}`;
      const image = imageNote(record);
      if (image !== null) return text + image;
      if ((flags & GIN_FLAG.isData) === 0) return `${text} isdelete: ${letter(u8(data + 2))}`;
      if ((flags & GIN_FLAG.isLeaf) !== 0) return text + describeRecompression(data);
      return `${text} pitem: ${blockIdAt(data + 2)}-${blockIdAt(data + 6)}/${u16(data + 10)}`;
    }
    case 0x30: {
      const flags = u16(at + 24);
      return `isrootsplit: ${letter(flags & GIN_FLAG.splitRoot)}${ginKind(flags)}`;
    }
    case 0x80:
      return `ndeleted: ${mem.view.getInt32(at + ginDeleteCount, true)}`;
    case 0x90:
      return imageNote(record) ?? describeRecompression(data);
    default:
      return '';
  }
}
/** ginxlogDeleteListPages: the index's new metapage comes first. */
const ginDeleteCount = 56;
export const GIN_WORDS: RecordWords = { describe: describeGin, identify: (info) => GIN_NAMES[info & 0xf0] ?? null };

// ── GiST ───────────────────────────────────────────────────────────────────────────────────────────────────────────
const GIST_NAMES: Readonly<Record<number, string>> = {
  0: 'PAGE_UPDATE',
  16: 'DELETE',
  32: 'PAGE_REUSE',
  48: 'PAGE_SPLIT',
  96: 'PAGE_DELETE',
  112: 'ASSIGN_LSN',
};
function describeGist(record: DecodedRecord): string {
  const at = record.mainAt;
  switch (opOf(record)) {
    case 0x10:
      return `delete: latestRemovedXid ${u32(at)}, nitems: ${u16(at + 4)}`;
    case 0x20: {
      const xid = `latestRemovedXid ${u32(at + 20)}:${u32(at + 16)}`;
      return `rel ${u32(at)}/${u32(at + 4)}/${u32(at + 8)}; blk ${u32(at + 12)}; ${xid}`;
    }
    case 0x30:
      return `page_split: splits to ${u16(at + 18)} pages`;
    case 0x60:
      return `deleteXid ${u32(at + 4)}:${u32(at)}; downlink ${u16(at + 8)}`;
    default:
      return '';
  }
}
export const GIST_WORDS: RecordWords = { describe: describeGist, identify: (info) => GIST_NAMES[info & 0xf0] ?? null };

// ── SP-GiST ────────────────────────────────────────────────────────────────────────────────────────────────────────
const SPGIST_NAMES: Readonly<Record<number, string>> = {
  16: 'ADD_LEAF',
  32: 'MOVE_LEAFS',
  48: 'ADD_NODE',
  64: 'SPLIT_TUPLE',
  80: 'PICKSPLIT',
  96: 'VACUUM_LEAF',
  112: 'VACUUM_ROOT',
  128: 'VACUUM_REDIRECT',
};
function describeSpgist(record: DecodedRecord): string {
  const at = record.mainAt;
  const note = (offset: number, text: string): string => (u8(at + offset) !== 0 ? ` (${text})` : '');
  switch (opOf(record)) {
    case 0x10:
      return (
        `off: ${u16(at + 2)}, headoff: ${u16(at + 4)}, parentoff: ${u16(at + 6)}, nodeI: ${u16(at + 8)}` +
        note(0, 'newpage') +
        note(1, 'nulls')
      );
    case 0x20:
      return (
        `nmoves: ${u16(at)}, parentoff: ${u16(at + 6)}, nodeI: ${u16(at + 8)}` +
        note(2, 'newpage') +
        note(3, 'replacedead') +
        note(4, 'nulls')
      );
    case 0x30: {
      const parent = `parentBlk: ${mem.view.getInt8(at + 5)}, parentoff: ${u16(at + 6)}, nodeI: ${u16(at + 8)}`;
      return `off: ${u16(at)}, newoff: ${u16(at + 2)}, ${parent}${note(4, 'newpage')}`;
    }
    case 0x40:
      return `prefixoff: ${u16(at)}, postfixoff: ${u16(at + 2)}${note(4, 'newpage')}${note(5, 'same')}`;
    case 0x50:
      return (
        `ndelete: ${u16(at + 2)}, ninsert: ${u16(at + 4)}, inneroff: ${u16(at + 8)}, ` +
        `parentoff: ${u16(at + 14)}, nodeI: ${u16(at + 16)}` +
        note(12, 'innerIsParent') +
        note(11, 'nulls') +
        note(0, 'isRootSplit')
      );
    case 0x60:
      return `ndead: ${u16(at)}, nplaceholder: ${u16(at + 2)}, nmove: ${u16(at + 4)}, nchain: ${u16(at + 6)}`;
    case 0x70:
      return `ndelete: ${u16(at)}`;
    case 0x80:
      return `ntoplaceholder: ${u16(at)}, firstplaceholder: ${u16(at + 2)}, newestredirectxid: ${u32(at + 4)}`;
    default:
      return '';
  }
}
export const SPGIST_WORDS: RecordWords = {
  describe: describeSpgist,
  identify: (info) => SPGIST_NAMES[info & 0xf0] ?? null,
};

// ── BRIN ───────────────────────────────────────────────────────────────────────────────────────────────────────────
const BRIN_INIT_PAGE = 0x80;
const BRIN_NAMES: Readonly<Record<number, string>> = {
  0: 'CREATE_INDEX',
  16: 'INSERT',
  144: 'INSERT+INIT',
  32: 'UPDATE',
  160: 'UPDATE+INIT',
  48: 'SAMEPAGE_UPDATE',
  64: 'REVMAP_EXTEND',
  80: 'DESUMMARIZE',
};
function describeBrin(record: DecodedRecord): string {
  const at = record.mainAt;
  switch (opOf(record) & ~BRIN_INIT_PAGE) {
    case 0x00:
      return `v${u16(at + 4)} pagesPerRange ${u32(at)}`;
    case 0x10:
      return `heapBlk ${u32(at)} pagesPerRange ${u32(at + 4)} offnum ${u16(at + 8)}`;
    case 0x20: {
      const range = `heapBlk ${u32(at + 4)} pagesPerRange ${u32(at + 8)}`;
      return `${range} old offnum ${u16(at)}, new offnum ${u16(at + 12)}`;
    }
    case 0x30:
      return `offnum ${u16(at)}`;
    case 0x40:
      return `targetBlk ${u32(at)}`;
    case 0x50:
      return `pagesPerRange ${u32(at)}, heapBlk ${u32(at + 4)}, page offset ${u16(at + 8)}`;
    default:
      return '';
  }
}
export const BRIN_WORDS: RecordWords = { describe: describeBrin, identify: (info) => BRIN_NAMES[info & 0xf0] ?? null };
