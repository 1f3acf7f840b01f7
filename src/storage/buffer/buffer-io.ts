/** buffer-io.ts — one process at a time reads or writes a buffer's page; others wait for it.
 *
 *  BM_IO_IN_PROGRESS is the lock, the buffer's condition variable the way to wait for it. This process's own I/O is a
 *  resource of its owner: after an error it is given up (with BM_IO_ERROR), and a waiter tries in its place.
 *  Counterpart: StartBufferIO(), WaitIO(), TerminateBufferIO(), AbortBufferIO() of bufmgr.c */
import { assert } from '#base/assert.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { currentResourceOwner, type ResourceKind } from '#runtime/resource-owner.ts';
import {
  conditionVariableBroadcast,
  conditionVariableCancelSleep,
  conditionVariablePrepareToSleep,
  conditionVariableSleep,
} from '#shm/condition-variable.ts';
import { mem } from '#shm/memory.ts';
import { descriptorAt, ioConditionVariable } from '#storage/buffer/buffer-pool.ts';
import {
  BM_CHECKPOINT_NEEDED,
  BM_DIRTY,
  BM_IO_ERROR,
  BM_IO_IN_PROGRESS,
  BM_JUST_DIRTIED,
  BM_VALID,
  BufferDesc,
} from '#storage/buffer/buffer-layout.ts';
import { lockHeader, unlockHeader } from '#storage/buffer/buffer-header.ts';
import { descriptorPath } from '#storage/buffer/buffer-names.ts';

/** Priority 100: before the pin (200), because a buffer under I/O must be pinned. */
const BUFFER_IO: ResourceKind = {
  name: 'buffer io',
  phase: 'beforeLocks',
  priority: 100,
  release: abortBufferIO,
  describeLeak: (id) => `lost track of buffer IO on buffer ${id + 1}`,
};

/** The only I/O of this process: id and direction, -1 for none. */
let inProgress = -1;
let isForInput = false;

/** Waits until nobody reads or writes the buffer. */
export function waitIO(id: number): void {
  const desc = descriptorAt(id);
  const cv = ioConditionVariable(id);
  conditionVariablePrepareToSleep(cv);
  for (;;) {
    // The header lock, and not only a load: the flag must be seen together with what it announces.
    const state = lockHeader(desc);
    unlockHeader(desc, state);
    if ((state & BM_IO_IN_PROGRESS) === 0) break;
    conditionVariableSleep(cv, WAIT_EVENT.BufferIO);
  }
  conditionVariableCancelSleep();
}

/** Begins to read (forInput) or write the page. False if somebody else did it meanwhile. The buffer is pinned. */
export function startBufferIO(id: number, forInput: boolean): boolean {
  assert(inProgress < 0, 'one I/O at a time');
  const desc = descriptorAt(id);
  let state = lockHeader(desc);
  while ((state & BM_IO_IN_PROGRESS) !== 0) {
    unlockHeader(desc, state);
    waitIO(id);
    state = lockHeader(desc);
  }
  if (forInput ? (state & BM_VALID) !== 0 : (state & BM_DIRTY) === 0) {
    unlockHeader(desc, state);
    return false;
  }
  unlockHeader(desc, state | BM_IO_IN_PROGRESS);
  inProgress = id;
  isForInput = forInput;
  currentResourceOwner().remember(BUFFER_IO, id);
  return true;
}

/** Ends our I/O. clearDirty: the page was written, and is clean unless it was dirtied again meanwhile. */
export function terminateBufferIO(id: number, clearDirty: boolean, setFlags: number): void {
  currentResourceOwner().forget(BUFFER_IO, id);
  finish(id, clearDirty, setFlags);
}

function finish(id: number, clearDirty: boolean, setFlags: number): void {
  assert(inProgress === id, 'the I/O that ends is the one in progress');
  const desc = descriptorAt(id);
  let state = lockHeader(desc);
  assert((state & BM_IO_IN_PROGRESS) !== 0, 'I/O is in progress');
  state &= ~(BM_IO_IN_PROGRESS | BM_IO_ERROR);
  if (clearDirty && (state & BM_JUST_DIRTIED) === 0) state &= ~(BM_DIRTY | BM_CHECKPOINT_NEEDED);
  unlockHeader(desc, state | setFlags);
  inProgress = -1;
  conditionVariableBroadcast(ioConditionVariable(id));
}

/** After an error: the page is as it was before, not valid or still dirty. */
function abortBufferIO(id: number): void {
  const desc = descriptorAt(id);
  const state = lockHeader(desc);
  unlockHeader(desc, state);
  if (isForInput) assert((state & (BM_DIRTY | BM_VALID)) === 0, 'a page that could not be read is not valid');
  else {
    assert((state & BM_DIRTY) !== 0, 'a page that could not be written is dirty');
    if ((state & BM_IO_ERROR) !== 0)
      report('WARNING', {
        code: SQLSTATE.ioError,
        message: `could not write block ${BufferDesc.block.get(mem, desc)} of ${descriptorPath(desc)}`,
        detail: 'Multiple failures --- write error might be permanent.',
      });
  }
  finish(id, false, BM_IO_ERROR);
}
