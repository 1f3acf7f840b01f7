/** page.ts — pages that initdb fills outside of any buffer: a relation is one growing array of them.
 *
 *  Their LSN is the one that PostgreSQL's bootstrap mode hands out for records that it does not write.
 *  Counterpart: PageInit(), PageAddItemExtended() of src/backend/storage/page/bufpage.c */
export const BLCKSZ = 8192;
export const PAGE_HEADER = 24;
const BOOTSTRAP_LSN = 40;
export const PD_ALL_VISIBLE = 4;
const LP_NORMAL = 1;

export const maxAlign = (size: number): number => (size + 7) & ~7;

export class BootstrapPage {
  readonly bytes = new Uint8Array(BLCKSZ);
  readonly view = new DataView(this.bytes.buffer);
  constructor(specialSize: number) {
    const special = BLCKSZ - specialSize;
    this.view.setUint32(4, BOOTSTRAP_LSN, true);
    this.lower = PAGE_HEADER;
    this.upper = special;
    this.view.setUint16(16, special, true);
    this.view.setUint16(18, BLCKSZ | 4, true);
  }
  get lower(): number {
    return this.view.getUint16(12, true);
  }
  set lower(at: number) {
    this.view.setUint16(12, at, true);
  }
  get upper(): number {
    return this.view.getUint16(14, true);
  }
  set upper(at: number) {
    this.view.setUint16(14, at, true);
  }
  get special(): number {
    return this.view.getUint16(16, true);
  }
  set flags(flags: number) {
    this.view.setUint16(10, flags, true);
  }
  get items(): number {
    return (this.lower - PAGE_HEADER) >> 2;
  }
  /** PageGetFreeSpace(): room for an item and its line pointer. */
  get free(): number {
    return Math.max(0, this.upper - this.lower - 4);
  }
  itemWord(offset: number): number {
    return this.view.getUint32(PAGE_HEADER + 4 * (offset - 1), true);
  }
  setItemWord(offset: number, word: number): void {
    this.view.setUint32(PAGE_HEADER + 4 * (offset - 1), word >>> 0, true);
  }
  item(offset: number): Uint8Array {
    const word = this.itemWord(offset);
    const at = word & 0x7fff;
    return this.bytes.subarray(at, at + (word >>> 17));
  }
  /** Places bytes below pd_upper and points line pointer `offset` at them. */
  put(offset: number, item: Uint8Array): void {
    const upper = this.upper - maxAlign(item.length);
    this.bytes.fill(0, upper, this.upper);
    this.bytes.set(item, upper);
    this.upper = upper;
    this.setItemWord(offset, upper | (LP_NORMAL << 15) | (item.length << 17));
  }
  add(item: Uint8Array): number {
    const offset = this.items + 1;
    this.lower += 4;
    this.put(offset, item);
    return offset;
  }
}

export function concatenate(pages: readonly BootstrapPage[]): Uint8Array {
  const all = new Uint8Array(pages.length * BLCKSZ);
  pages.forEach((page, block) => {
    all.set(page.bytes, block * BLCKSZ);
  });
  return all;
}
