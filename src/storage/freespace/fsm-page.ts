/** fsm-page.ts — one page of the free space map: a binary tree of categories whose parents hold their children's maximum.
 *
 *  Behind the header: fp_next_slot (i32), then 8164 nodes of one byte, the first 4095 inner ones, the rest leaves, one per
 *  slot. Children of node i are 2i + 1 and 2i + 2. The page is a hint: it is not logged, a crash may leave parents that
 *  promise what no leaf has, and whoever comes across that builds the page's inner nodes anew.
 *  Counterpart: src/backend/storage/freespace/fsmpage.c */
import { BLCKSZ, type Buffer } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { mem } from '#shm/memory.ts';
import { BUFFER_LOCK } from '#storage/buffer/buffer-layout.ts';
import { lockBuffer } from '#storage/buffer/buffer-lock.ts';
import { bufferBlock, bufferPage, bufferRnode } from '#storage/buffer/buffer-pool.ts';
import { markBufferDirtyHint } from '#storage/buffer/dirty.ts';

const NEXT_SLOT = 24;
const NODES = 28;
const NODES_PER_PAGE = BLCKSZ - NODES;
const INNER_NODES = BLCKSZ / 2 - 1;
/** Leaves of a page. */
export const SLOTS_PER_PAGE = NODES_PER_PAGE - INNER_NODES;

const parentOf = (node: number): number => (node - 1) >> 1;
/** The node to the right on the same level; behind the last the first of the level. */
function rightNeighbour(node: number): number {
  const next = node + 1;
  return ((next + 1) & next) === 0 ? parentOf(next) : next;
}

/** Sets a slot and its ancestors; true if anything changed. The page is locked exclusively. */
export function fsmSetAvail(page: number, slot: number, value: number): boolean {
  const { u8 } = mem;
  const nodes = page + NODES;
  let node = INNER_NODES + slot;
  if (u8[nodes + node] === value && value <= u8[nodes]!) return false;
  u8[nodes + node] = value;
  do {
    node = parentOf(node);
    const left = 2 * node + 1;
    let most = u8[nodes + left]!;
    if (left + 1 < NODES_PER_PAGE && u8[nodes + left + 1]! > most) most = u8[nodes + left + 1]!;
    if (u8[nodes + node] === most) break;
    u8[nodes + node] = most;
  } while (node > 0);
  // Propagation stopped early at a node that lied.
  if (value > u8[nodes]!) fsmRebuildPage(page);
  return true;
}
export const fsmGetAvail = (page: number, slot: number): number => mem.u8[page + NODES + INNER_NODES + slot]!;
/** The root: no slot has more. */
export const fsmGetMaxAvail = (page: number): number => mem.u8[page + NODES]!;
export function fsmResetNextSlot(page: number): void {
  mem.view.setInt32(page + NEXT_SLOT, 0, true);
}

const CORRUPT = -2;
/** A slot with at least `minimum`, -1 if there is none, CORRUPT if the tree contradicts itself. */
function searchTree(page: number, minimum: number): number {
  const { u8 } = mem;
  const nodes = page + NODES;
  if (u8[nodes]! < minimum) return -1;
  // Begin where the last search ended, so that concurrent inserters spread and blocks are used in order.
  let target = mem.view.getInt32(page + NEXT_SLOT, true);
  if (target < 0 || target >= SLOTS_PER_PAGE) target = 0;
  let node = target + INNER_NODES;
  // Climb to the right until a subtree has enough.
  while (node > 0 && u8[nodes + node]! < minimum) node = parentOf(rightNeighbour(node));
  while (node < INNER_NODES) {
    const left = 2 * node + 1;
    if (left < NODES_PER_PAGE && u8[nodes + left]! >= minimum) node = left;
    else if (left + 1 < NODES_PER_PAGE && u8[nodes + left + 1]! >= minimum) node = left + 1;
    else return CORRUPT;
  }
  return node - INNER_NODES;
}

/** Finds a slot with at least `minimum`, or -1. `advance`: the next search begins behind it. The page is locked, shared or
 *  (`exclusive`) exclusively; a shared lock may be exchanged for an exclusive one on the way. */
export function fsmSearchAvail(buffer: Buffer, minimum: number, advance: boolean, exclusive: boolean): number {
  const page = bufferPage(buffer);
  let slot = searchTree(page, minimum);
  while (slot === CORRUPT) {
    const { spcNode, dbNode, relNode } = bufferRnode(buffer);
    report('DEBUG1', {
      message: `fixing corrupt FSM block ${bufferBlock(buffer)}, relation ${spcNode}/${dbNode}/${relNode}`,
    });
    if (!exclusive) {
      lockBuffer(buffer, BUFFER_LOCK.unlock);
      lockBuffer(buffer, BUFFER_LOCK.exclusive);
      exclusive = true;
    }
    fsmRebuildPage(page);
    markBufferDirtyHint(buffer, false);
    slot = searchTree(page, minimum);
  }
  // Even with a shared lock: a garbled hint now and then costs less than exclusive searches would.
  if (slot >= 0) mem.view.setInt32(page + NEXT_SLOT, slot + (advance ? 1 : 0), true);
  return slot;
}

/** Clears the slots from `slots` on; true if any was set. */
export function fsmTruncateAvail(page: number, slots: number): boolean {
  const { u8 } = mem;
  let changed = false;
  for (let at = page + NODES + INNER_NODES + slots, end = page + BLCKSZ; at < end; at++) {
    if (u8[at] === 0) continue;
    u8[at] = 0;
    changed = true;
  }
  if (changed) fsmRebuildPage(page);
  return changed;
}

/** Makes all inner nodes what their children say; true if any was not. */
export function fsmRebuildPage(page: number): boolean {
  const { u8 } = mem;
  const nodes = page + NODES;
  let changed = false;
  for (let node = INNER_NODES - 1; node >= 0; node--) {
    const left = 2 * node + 1;
    let most = left < NODES_PER_PAGE ? u8[nodes + left]! : 0;
    if (left + 1 < NODES_PER_PAGE && u8[nodes + left + 1]! > most) most = u8[nodes + left + 1]!;
    if (u8[nodes + node] === most) continue;
    u8[nodes + node] = most;
    changed = true;
  }
  return changed;
}
