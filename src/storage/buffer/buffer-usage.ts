/** buffer-usage.ts — what this process did with buffers: EXPLAIN (BUFFERS) and statistics take differences of these.
 *  Counterpart: pgBufferUsage of src/backend/executor/instrument.c */
export interface BufferUsage {
  sharedHit: number;
  sharedRead: number;
  sharedDirtied: number;
  sharedWritten: number;
  localHit: number;
  localRead: number;
  localDirtied: number;
  localWritten: number;
  tempRead: number;
  tempWritten: number;
  /** Milliseconds, only under track_io_timing. */
  blkReadTimeMs: number;
  blkWriteTimeMs: number;
  tempReadTimeMs: number;
  tempWriteTimeMs: number;
}
export const newBufferUsage = (): BufferUsage => ({
  sharedHit: 0,
  sharedRead: 0,
  sharedDirtied: 0,
  sharedWritten: 0,
  localHit: 0,
  localRead: 0,
  localDirtied: 0,
  localWritten: 0,
  tempRead: 0,
  tempWritten: 0,
  blkReadTimeMs: 0,
  blkWriteTimeMs: 0,
  tempReadTimeMs: 0,
  tempWriteTimeMs: 0,
});
export const bufferUsage: BufferUsage = newBufferUsage();

/** Cost-based delay of VACUUM: what pages cost is added here; who vacuums sets `active` and sleeps when the balance
 *  passes its limit. Counterpart: VacuumCostBalance and friends of src/backend/utils/init/globals.c */
export const vacuumCost = { active: false, balance: 0, pageHit: 0, pageMiss: 0, pageDirty: 0 };
