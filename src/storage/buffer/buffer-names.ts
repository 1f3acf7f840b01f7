/** buffer-names.ts — how messages name a buffer's block: by the path of its fork.
 *  Counterpart: relpathperm() in the messages of src/backend/storage/buffer/bufmgr.c */
import type { ForkNumber, RelFileNode } from '#base/ids.ts';
import { mem } from '#shm/memory.ts';
import { relationPath } from '#storage/file/paths.ts';
import { BUF_FLAG_MASK, BufferDesc } from '#storage/buffer/buffer-layout.ts';
import { PERMANENT_BACKEND } from '#base/ids.ts';

export const forkPath = (rnode: RelFileNode, fork: ForkNumber, backend: number = PERMANENT_BACKEND): string =>
  relationPath(rnode, backend, fork);

/** Path of the fork whose block lies in the buffer. */
export const descriptorPath = (desc: number, backend: number = PERMANENT_BACKEND): string =>
  forkPath(
    {
      spcNode: BufferDesc.spcNode.get(mem, desc) as RelFileNode['spcNode'],
      dbNode: BufferDesc.dbNode.get(mem, desc) as RelFileNode['dbNode'],
      relNode: BufferDesc.relNode.get(mem, desc) as RelFileNode['relNode'],
    },
    BufferDesc.fork.get(mem, desc) as ForkNumber,
    backend,
  );

export const describeDescriptor = (desc: number, backend: number = PERMANENT_BACKEND): string =>
  `rel=${descriptorPath(desc, backend)}, blockNum=${BufferDesc.block.get(mem, desc)}, flags=0x${(
    (BufferDesc.state.load(mem, desc) & BUF_FLAG_MASK) >>> 0
  ).toString(16)}`;
