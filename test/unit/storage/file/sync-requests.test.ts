import { beforeEach, expect, test } from 'vitest';
import type { Oid } from '#base/ids.ts';
import { reportHooks } from '#runtime/error/report.ts';
import {
  type FileTag,
  initSync,
  pendingSyncCount,
  processSyncRequests,
  registerSyncHandler,
  registerSyncRequest,
  setSyncRequestAbsorber,
  SYNC_HANDLER,
  SYNC_REQUEST,
  syncPostCheckpoint,
  syncPreCheckpoint,
} from '#storage/file/sync-requests.ts';

const tag = (relNode: number, dbNode = 5, segment = 0): FileTag => ({
  handler: SYNC_HANDLER.clog,
  fork: 0,
  rnode: { spcNode: 1663 as Oid, dbNode: dbNode as Oid, relNode: relNode as Oid },
  segment,
});
const names = (): string => done.splice(0).join(' ');
let done: string[] = [];
let answer: (name: string) => number = () => 0;
registerSyncHandler(SYNC_HANDLER.clog, {
  syncFile(t) {
    const path = `${t.rnode.relNode}.${t.segment}`;
    const result = answer(path);
    done.push(result === 0 ? path : `${path}!`);
    return { result, path };
  },
  unlinkFile(t) {
    done.push(`unlink ${t.rnode.relNode}`);
    return { result: 0, path: '' };
  },
  matches: (filter, t) => filter.rnode.dbNode === t.rnode.dbNode,
});
const ask = (t: FileTag, type: 0 | 1 | 2 | 3 = SYNC_REQUEST.sync): boolean => registerSyncRequest(t, type, true);

beforeEach(() => {
  initSync();
  answer = () => 0;
  done = [];
});

test('each file once; a request that comes during the round waits for the next', () => {
  ask(tag(1));
  ask(tag(1));
  ask(tag(2));
  answer = (path) => {
    if (path === '1.0') {
      ask(tag(3));
      ask(tag(1));
    }
    return 0;
  };
  expect(processSyncRequests().syncs).toBe(2);
  expect(names()).toBe('1.0 2.0');
  answer = () => 0;
  expect(processSyncRequests().syncs).toBe(1);
  expect(names()).toBe('3.0');
  expect(pendingSyncCount()).toBe(0);
});

test('forgetting one file, filtering a database', () => {
  ask(tag(1));
  ask(tag(2, 6));
  ask(tag(3, 6, 1));
  ask(tag(4));
  ask(tag(1), SYNC_REQUEST.forget);
  ask(tag(0, 6), SYNC_REQUEST.filter);
  ask(tag(3, 6, 1));
  processSyncRequests();
  expect(names()).toBe('3.1 4.0');
});

test('a missing file is asked for once more, after the cancellation had its chance', () => {
  ask(tag(1));
  answer = () => -2;
  setSyncRequestAbsorber(() => {
    if (done.length > 0) ask(tag(1), SYNC_REQUEST.forget);
  });
  expect(processSyncRequests().syncs).toBe(0);
  expect(names()).toBe('1.0!');
  setSyncRequestAbsorber(() => {});
});

test('a failed fsync is PANIC', () => {
  const { abortProcess, emit } = reportHooks;
  reportHooks.emit = (level, fields) => void done.push(`${level}: ${fields.message}`);
  reportHooks.abortProcess = () => {
    throw new Error('aborted');
  };
  ask(tag(1));
  answer = () => -5;
  expect(() => processSyncRequests()).toThrow('aborted');
  expect(names()).toBe('1.0! PANIC: could not fsync file "1.0": Input/output error');
  Object.assign(reportHooks, { abortProcess, emit });
  // What the failed round left is old for the next one.
  answer = () => 0;
  processSyncRequests();
  expect(names()).toBe('1.0');
});

test('files are unlinked after the checkpoint that began after the request', () => {
  syncPreCheckpoint();
  ask(tag(1), SYNC_REQUEST.unlink);
  syncPostCheckpoint();
  expect(names()).toBe('');
  syncPreCheckpoint();
  ask(tag(2), SYNC_REQUEST.unlink);
  ask(tag(3, 9), SYNC_REQUEST.unlink);
  ask(tag(0, 9), SYNC_REQUEST.filter);
  syncPostCheckpoint();
  expect(names()).toBe('unlink 1');
  syncPreCheckpoint();
  syncPostCheckpoint();
  expect(names()).toBe('unlink 2');
});
