/** layers.ts — who may import whom.
 *
 *  A unit (a folder under src/, or one of the deeper folders named here) imports itself and any unit of a smaller
 *  rank; never a peer of its own rank, never a larger one. `test/tidy/layers.test.ts` enforces this without exceptions.
 *  A need that points upward is met by pushing the fact down, registering a callback, a mailbox in shared memory, or
 *  passing the thing in (ARCHITECTURE.md lists every instance). */
export const LAYERS = {
  base: 0,
  platform: 1,
  runtime: 2,
  shm: 3,
  'storage/page': 4,
  'storage/ipc': 4,
  libpq: 4,
  nodes: 5,
  adt: 4,
  stats: 5,
  bgworker: 5,
  'storage/file': 6,
  wal: 7,
  'storage/smgr': 8,
  'storage/slru': 8,
  'storage/buffer': 9,
  'storage/freespace': 10,
  'storage/lmgr': 11,
  transam: 12,
  'access/common': 13,
  'access/heap': 14,
  'access/nbtree': 14,
  'access/sequence': 14,
  catalog: 15,
  executor: 16,
  parser: 16,
  optimizer: 17,
  rewrite: 17,
  portal: 18,
  functions: 19,
  commands: 20,
  backup: 20,
  replication: 21,
  recovery: 22,
  tcop: 23,
  processes: 24,
  postmaster: 25,
  cli: 26,
} as const satisfies Record<string, number>;

export type Unit = keyof typeof LAYERS;
