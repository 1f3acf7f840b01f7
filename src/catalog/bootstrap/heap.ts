/** heap.ts — the rows of a catalog as heap pages, with TOAST, free space map and visibility map, as VACUUM FREEZE leaves
 *  them.
 *
 *  Rows have xmin 1 (BootstrapTransactionId, committed and older than everything), which never needs freezing.
 *  Counterpart: heap_form_tuple(), heap_toast_insert_or_update(), and what lazy vacuum records */
import type { Oid } from '#base/ids.ts';
import type { BootstrapColumn } from '#catalog/bootstrap/facts.ts';
import { BLCKSZ, BootstrapPage, maxAlign, PAGE_HEADER, PD_ALL_VISIBLE } from '#catalog/bootstrap/page.ts';
import { alignmentOf } from '#catalog/bootstrap/values.ts';

/** A row as images of its values; null is null. */
export type Images = (Uint8Array | null)[];

const HAS_NULL = 1;
const HAS_VARWIDTH = 2;
const HAS_EXTERNAL = 4;
const XMIN_COMMITTED = 0x100;
const XMAX_INVALID = 0x800;
const BOOTSTRAP_XID = 1;

const isVarlena = (column: BootstrapColumn): boolean => column.length === -1;
const isExternal = (image: Uint8Array): boolean => image[0] === 1;
const isCompressed = (image: Uint8Array): boolean => (image[0]! & 3) === 2;
/** A four-byte header that may become a one-byte one: uncompressed, short, of a column that is not plain. */
export const canBeShort = (column: Pick<BootstrapColumn, 'storage'>, image: Uint8Array): boolean =>
  column.storage !== 'p' && (image[0]! & 3) === 0 && image.length - 3 <= 127;

const alignUp = (at: number, to: number): number => (at + to - 1) & -to;

/** Size of the data part: heap_compute_data_size(). */
export function dataSize(columns: readonly BootstrapColumn[], images: Images): number {
  let at = 0;
  for (let i = 0; i < columns.length; i++) {
    const image = images[i];
    if (image === null || image === undefined) continue;
    const column = columns[i]!;
    if (isVarlena(column) && isExternal(image)) at += image.length;
    else if (isVarlena(column) && canBeShort(column, image)) at += image.length - 3;
    else at = alignUp(at, alignmentOf(column.align)) + image.length;
  }
  return at;
}
/** heap_fill_tuple(): writes the data part at `start`. */
export function fillData(columns: readonly BootstrapColumn[], images: Images, out: Uint8Array, start: number): void {
  let at = start;
  for (let i = 0; i < columns.length; i++) {
    const image = images[i];
    if (image === null || image === undefined) continue;
    const column = columns[i]!;
    if (isVarlena(column) && isExternal(image)) {
      out.set(image, at);
      at += image.length;
    } else if (isVarlena(column) && canBeShort(column, image)) {
      const length = image.length - 3;
      out[at] = (length << 1) | 1;
      out.set(image.subarray(4), at + 1);
      at += length;
    } else {
      at = start + alignUp(at - start, alignmentOf(column.align));
      out.set(image, at);
      at += image.length;
    }
  }
}

export function formTuple(columns: readonly BootstrapColumn[], images: Images): Uint8Array {
  const hasNull = images.some((image) => image === null);
  const header = maxAlign(23 + (hasNull ? (columns.length + 7) >> 3 : 0));
  const tuple = new Uint8Array(header + dataSize(columns, images));
  const view = new DataView(tuple.buffer);
  let infomask = XMIN_COMMITTED | XMAX_INVALID;
  if (hasNull) {
    infomask |= HAS_NULL;
    images.forEach((image, i) => {
      if (image !== null) tuple[23 + (i >> 3)]! |= 1 << (i & 7);
    });
  }
  images.forEach((image, i) => {
    if (image === null || !isVarlena(columns[i]!)) return;
    infomask |= HAS_VARWIDTH;
    if (isExternal(image)) infomask |= HAS_EXTERNAL;
  });
  view.setUint32(0, BOOTSTRAP_XID, true);
  view.setUint16(18, columns.length, true);
  view.setUint16(20, infomask, true);
  view.setUint8(22, header);
  fillData(columns, images, tuple, header);
  return tuple;
}

/** Tuples in the order of their insertion, page after page. */
export class BootstrapHeap {
  readonly pages: BootstrapPage[] = [];
  tuples = 0;
  /** Returns block and offset. */
  insert(tuple: Uint8Array): { block: number; offset: number } {
    let page = this.pages.at(-1);
    if (page === undefined || page.free < maxAlign(tuple.length)) {
      page = new BootstrapPage(0);
      page.flags = PD_ALL_VISIBLE;
      this.pages.push(page);
    }
    const block = this.pages.length - 1;
    const offset = page.items + 1;
    const view = new DataView(tuple.buffer, tuple.byteOffset);
    view.setUint16(12, block >>> 16, true);
    view.setUint16(14, block & 0xffff, true);
    view.setUint16(16, offset, true);
    page.add(tuple);
    this.tuples++;
    return { block, offset };
  }
}

const TOAST_THRESHOLD = 2032;
const TOAST_POINTER = 18;
const MAX_CHUNK = 1996;
const VARTAG_ONDISK = 18;

/** Compresses the data of a varlena; undefined if that gains nothing. */
export type Compress = (data: Uint8Array) => Uint8Array | undefined;
export interface ToastTarget {
  readonly toastRelid: Oid;
  readonly columns: readonly BootstrapColumn[];
  readonly heap: BootstrapHeap;
  /** Called with the images of every chunk's row and where it went. */
  added(images: Images, at: { block: number; offset: number }): void;
  nextValueId(): Oid;
  readonly compress: Compress;
}

function compressImage(image: Uint8Array, compress: Compress): Uint8Array | undefined {
  const data = image.subarray(4);
  const packed = compress(data);
  if (packed === undefined || packed.length + 8 >= data.length - 2) return undefined;
  const out = new Uint8Array(8 + packed.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, ((out.length << 2) | 2) >>> 0, true);
  view.setUint32(4, data.length, true);
  out.set(packed, 8);
  return out;
}

/** toast_save_datum(): the value in chunks, and the pointer that stays. */
function externalize(image: Uint8Array, toast: ToastTarget): Uint8Array {
  const stored = image.subarray(4);
  const rawSize = isCompressed(image)
    ? new DataView(image.buffer, image.byteOffset).getUint32(4, true) + 4
    : image.length;
  const valueId = toast.nextValueId();
  for (let sequence = 0, at = 0; at < stored.length; sequence++, at += MAX_CHUNK) {
    const part = stored.subarray(at, at + MAX_CHUNK);
    const chunk = new Uint8Array(4 + part.length);
    new DataView(chunk.buffer).setUint32(0, chunk.length << 2, true);
    chunk.set(part, 4);
    const key = new Uint8Array(8);
    const view = new DataView(key.buffer);
    view.setUint32(0, valueId, true);
    view.setUint32(4, sequence, true);
    const images = [key.slice(0, 4), key.slice(4), chunk];
    toast.added(images, toast.heap.insert(formTuple(toast.columns, images)));
  }
  const pointer = new Uint8Array(TOAST_POINTER);
  const view = new DataView(pointer.buffer);
  pointer[0] = 1;
  pointer[1] = VARTAG_ONDISK;
  view.setInt32(2, rawSize, true);
  view.setUint32(6, stored.length, true);
  view.setUint32(10, valueId, true);
  view.setUint32(14, toast.toastRelid, true);
  return pointer;
}

/** Makes a row fit: the biggest extended values are compressed, then moved out. */
export function toastRow(columns: readonly BootstrapColumn[], given: Images, toast: ToastTarget): Images {
  const images = [...given];
  const header = maxAlign(23 + (images.includes(null) ? (columns.length + 7) >> 3 : 0));
  if (header + dataSize(columns, images) <= TOAST_THRESHOLD) return images;
  const limit = TOAST_THRESHOLD - header;
  const tried = new Set<number>();
  const biggest = (mayUse: (i: number, image: Uint8Array) => boolean): number => {
    let found = -1;
    let size = maxAlign(TOAST_POINTER);
    images.forEach((image, i) => {
      if (image === null || !isVarlena(columns[i]!) || isExternal(image)) return;
      if (columns[i]!.storage !== 'x' && columns[i]!.storage !== 'e') return;
      if (image.length > size && mayUse(i, image)) {
        found = i;
        size = image.length;
      }
    });
    return found;
  };
  while (dataSize(columns, images) > limit) {
    const i = biggest((candidate, image) => !tried.has(candidate) && !isCompressed(image));
    if (i < 0) break;
    tried.add(i);
    if (columns[i]!.storage === 'x') images[i] = compressImage(images[i]!, toast.compress) ?? images[i]!;
    if (images[i]!.length > limit) images[i] = externalize(images[i]!, toast);
  }
  while (dataSize(columns, images) > limit) {
    const i = biggest(() => true);
    if (i < 0) break;
    images[i] = externalize(images[i]!, toast);
  }
  return images;
}

/** One page of the visibility map serves 32672 blocks: every catalog. */
export function visibilityMap(blocks: number): Uint8Array {
  const page = new BootstrapPage(0);
  page.lower = PAGE_HEADER;
  for (let block = 0; block < blocks; block++) page.bytes[PAGE_HEADER + (block >> 2)]! |= 3 << ((block & 3) * 2);
  return page.bytes;
}

const FSM_NODES = 4095;
/** Root, middle and leaf page of the free space map: a tree of maxima over the pages' categories. */
export function freeSpaceMap(pages: readonly BootstrapPage[]): Uint8Array {
  const map = new Uint8Array(3 * BLCKSZ);
  const tree = (page: number, leaves: readonly number[]): number => {
    const at = page * BLCKSZ + PAGE_HEADER + 4;
    map.set(new BootstrapPage(0).bytes, page * BLCKSZ);
    leaves.forEach((category, slot) => {
      let node = FSM_NODES + slot;
      map[at + node] = category;
      while (node > 0) {
        node = (node - 1) >> 1;
        const left = map[at + 2 * node + 1]!;
        const right = 2 * node + 2 < BLCKSZ - PAGE_HEADER - 4 ? map[at + 2 * node + 2]! : 0;
        map[at + node] = Math.max(left, right);
      }
    });
    return map[at]!;
  };
  const root = tree(
    2,
    pages.map((page) => page.free >> 5),
  );
  tree(0, [tree(1, [root])]);
  return map;
}
