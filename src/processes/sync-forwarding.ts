/** sync-forwarding.ts — joins the files' fsync requests (storage/file) with the checkpointer's queue (storage/ipc).
 *
 *  Every process but the checkpointer leaves its requests in the queue; the checkpointer files them in its pendingOps.
 *  Counterpart: ForwardSyncRequest(), AbsorbSyncRequests() of src/backend/postmaster/checkpointer.c */
import type { Oid } from '#base/ids.ts';
import { countBackendWrites } from '#stats/bgwriter-stats.ts';
import { absorbSyncRequests, forwardSyncRequest } from '#storage/ipc/checkpoint-mailbox.ts';
import {
  rememberSyncRequest,
  setSyncRequestAbsorber,
  setSyncRequestForwarder,
  type SyncHandlerId,
  type SyncRequestType,
} from '#storage/file/sync-requests.ts';

setSyncRequestForwarder((tag, type) =>
  forwardSyncRequest(type, tag.handler, tag.fork, tag.rnode.spcNode, tag.rnode.dbNode, tag.rnode.relNode, tag.segment),
);

function take(
  type: number,
  handler: number,
  fork: number,
  spcNode: number,
  dbNode: number,
  relNode: number,
  segment: number,
): void {
  const rnode = { spcNode: spcNode as Oid, dbNode: dbNode as Oid, relNode: relNode as Oid };
  rememberSyncRequest({ handler: handler as SyncHandlerId, fork, rnode, segment }, type as SyncRequestType);
}

/** Checkpointer: takes over what lies in the queue. */
export function absorbRequests(): void {
  absorbSyncRequests(take, countBackendWrites);
}

/** Checkpointer, at its start: sync-requests.ts absorbs between its fsyncs. */
export function installAbsorber(): void {
  setSyncRequestAbsorber(absorbRequests);
}
