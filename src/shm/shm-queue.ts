/** shm-queue.ts — doubly linked rings in shared memory, where a record stands in several lists at once.
 *
 *  A link is eight bytes {next u32, prev u32} of offsets of links. A head is a link that stands in its own ring; an empty
 *  list is a head that points to itself. The record is found by subtracting the link's offset in it.
 *  Counterpart: src/backend/storage/ipc/shmqueue.c */
import { mem } from '#shm/memory.ts';

export const SHM_LINK_SIZE = 8;

/** A head without members, or a link that is in no list. */
export function queueInit(link: number): void {
  mem.view.setUint32(link, link, true);
  mem.view.setUint32(link + 4, link, true);
}
export const queueNext = (link: number): number => mem.view.getUint32(link, true);
export const queuePrev = (link: number): number => mem.view.getUint32(link + 4, true);
export const queueIsEmpty = (head: number): boolean => mem.view.getUint32(head, true) === head;

/** Before a head: at the end of the list. */
export function queueInsertBefore(link: number, member: number): void {
  const { view } = mem;
  const prev = view.getUint32(link + 4, true);
  view.setUint32(member, link, true);
  view.setUint32(member + 4, prev, true);
  view.setUint32(prev, member, true);
  view.setUint32(link + 4, member, true);
}
/** Out of whatever list it is in; it points to itself then, so a second delete is harmless. */
export function queueDelete(member: number): void {
  const { view } = mem;
  const next = view.getUint32(member, true);
  const prev = view.getUint32(member + 4, true);
  view.setUint32(prev, next, true);
  view.setUint32(next + 4, prev, true);
  queueInit(member);
}
