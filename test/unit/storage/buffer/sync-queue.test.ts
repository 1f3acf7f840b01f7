/** The checkpointer's queue of fsync requests: filling, compacting, emptying. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { myProcess } from '#runtime/my-process.ts';
import { advertiseRole, withdrawRole } from '#shm/proc.ts';
import { absorbSyncRequests, forwardSyncRequest } from '#storage/ipc/checkpoint-mailbox.ts';
import { endOwner, enterDataDirectory, makeLocalPool } from '../../../support/pool-fixture.ts';

const QUEUE = 32;
let leave: () => void;
beforeEach(() => {
  leave = enterDataDirectory();
  makeLocalPool(QUEUE);
  myProcess.kind = 'backend';
});
afterEach(() => {
  endOwner(false);
  leave();
});

const send = (relNode: number, type = 0): boolean => forwardSyncRequest(type, 0, -1, 1663, 5, relNode, 0);
function absorb(): { requests: number[][]; writes: number; fsyncs: number } {
  const requests: number[][] = [];
  let counts = { writes: -1, fsyncs: -1 };
  absorbSyncRequests(
    (...request) => requests.push(request),
    (writes, fsyncs) => {
      counts = { writes, fsyncs };
    },
  );
  return { requests, ...counts };
}

test('without a checkpointer nothing is taken, and the fsync is counted', () => {
  expect(send(1)).toBe(false);
  expect(absorb()).toEqual({ requests: [], writes: 1, fsyncs: 1 });
});

test('requests arrive in order and complete', () => {
  advertiseRole('checkpointerProc');
  for (let i = 0; i < 5; i++) expect(send(100 + i, i % 4)).toBe(true);
  const { requests, writes, fsyncs } = absorb();
  expect(requests).toEqual([0, 1, 2, 3, 4].map((i) => [i % 4, 0, -1, 1663, 5, 100 + i, 0]));
  expect([writes, fsyncs]).toEqual([5, 0]);
  expect(absorb().requests).toEqual([]);
  withdrawRole('checkpointerProc');
});

test('a full queue drops duplicates, keeping the last; full of different ones it refuses', () => {
  advertiseRole('checkpointerProc');
  for (let i = 0; i < QUEUE; i++) expect(send(i % 4)).toBe(true);
  expect(send(77)).toBe(true);
  for (let i = 0; i < QUEUE - 5; i++) expect(send(1000 + i)).toBe(true);
  expect(send(5000)).toBe(false);
  const { requests, fsyncs } = absorb();
  expect(requests.map((request) => request[5]).slice(0, 5)).toEqual([0, 1, 2, 3, 77]);
  expect(requests).toHaveLength(QUEUE);
  expect(fsyncs).toBe(1);
  withdrawRole('checkpointerProc');
});

test('what the background writer does itself is not counted as a backend write', () => {
  myProcess.kind = 'background-writer';
  expect(send(1)).toBe(false);
  expect(absorb()).toEqual({ requests: [], writes: 0, fsyncs: 0 });
});
