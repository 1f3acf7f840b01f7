/** checkpoint-buffers.ts — the write phase of a checkpoint: BufferSync. */
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
const later = (): never =>
  report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'the buffer manager is being built' });
/** flags: CHECKPOINT of storage/ipc/checkpoint-mailbox.ts. */
export function checkpointBuffers(_flags: number): void {
  later();
}
/** Called after each buffer with the share that is done: the checkpointer paces itself here. */
export function setCheckpointWriteDelay(_delay: (flags: number, progress: number) => void): void {}
