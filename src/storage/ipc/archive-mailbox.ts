/** archive-mailbox.ts — how others tell the archiver that there is something new in archive_status.
 *  Counterpart: PgArchData of src/backend/postmaster/pgarch.c */
import { atomic32, bytes, struct } from '#base/struct.ts';
import { setLatch } from '#shm/latch.ts';
import { mem } from '#shm/memory.ts';
import { roleLatch } from '#shm/proc.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';

const Mailbox = struct('ArchiverData', 16, { forceDirectoryScan: atomic32(), pad: bytes(12) });
let at = -1;
export const archiverShmem: ShmemSubsystem = {
  name: 'Archiver Data',
  request: () => requestShmemSpace(Mailbox.SIZE),
  init() {
    at = shmemInitStruct('Archiver Data', Mailbox.SIZE).at;
  },
};

export function wakeArchiver(): void {
  const latch = roleLatch('archiverProc');
  if (latch >= 0) setLatch(latch);
}
/** A history file became ready: it goes before the files that the archiver has already lined up. */
export const forceArchiveDirectoryScan = (): void => Mailbox.forceDirectoryScan.store(mem, at, 1);
export const takeForcedDirectoryScan = (): boolean => Mailbox.forceDirectoryScan.exchange(mem, at, 0) !== 0;
