import { expect, test } from 'vitest';
import type { FullTransactionId, TransactionId } from '#base/ids.ts';
import { INVALID_TID, makeTid, tidBlock, tidIsValid, tidOffset } from '#base/ids.ts';
import {
  epochOfFull,
  fullXid,
  fullXidAdvance,
  xidAdvance,
  xidFollows,
  xidLatest,
  xidOfFull,
  xidPrecedes,
  xidPrecedesOrEquals,
  xidRetreat,
  xidShift,
} from '#base/xid.ts';

const x = (n: number): TransactionId => n as TransactionId;

test('normal xids compare modulo 2^32, permanent ones are older than all', () => {
  expect(xidPrecedes(x(100), x(101))).toBe(true);
  expect(xidPrecedes(x(0xffff_fff0), x(5))).toBe(true);
  expect(xidPrecedes(x(5), x(0xffff_fff0))).toBe(false);
  expect(xidFollows(x(5), x(0xffff_fff0))).toBe(true);
  expect(xidPrecedes(x(2), x(0xffff_fff0))).toBe(true);
  expect(xidPrecedesOrEquals(x(7), x(7))).toBe(true);
  expect(xidLatest(x(0), x(9))).toBe(9);
  expect(xidLatest(x(0xffff_fff0), x(9))).toBe(9);
});

test('stepping skips the permanent ones', () => {
  expect(xidAdvance(x(0xffff_ffff))).toBe(3);
  expect(xidRetreat(x(3))).toBe(0xffff_ffff);
  expect(xidShift(x(10), -20)).toBe(0xffff_fff6);
  expect(xidShift(x(10), -9)).toBe(0xffff_ffff);
  expect(xidShift(x(0xffff_fffe), 3)).toBe(3);
});

test('full xids', () => {
  const full = fullXid(2, x(0xffff_ffff));
  expect([epochOfFull(full), xidOfFull(full)]).toEqual([2, 0xffff_ffff]);
  expect(fullXidAdvance(full)).toBe(3 * 2 ** 32 + 3);
  expect(fullXidAdvance(700 as FullTransactionId)).toBe(701);
});

test('item pointers pack block and offset', () => {
  const tid = makeTid(0xffff_fffe, 0xfffd);
  expect([tidBlock(tid), tidOffset(tid)]).toEqual([0xffff_fffe, 0xfffd]);
  expect(tidIsValid(INVALID_TID)).toBe(false);
});
