import { beforeEach, expect, test } from 'vitest';
import {
  disableAllTimeouts,
  disableTimeout,
  enableTimeoutAfter,
  enableTimeoutEvery,
  handleTimeouts,
  initializeTimeouts,
  registerTimeout,
  TIMEOUT,
  timeoutActive,
  timeoutIndicator,
} from '#runtime/timeouts.ts';

let now = 0;
let alarms: number[] = [];
let fired: string[] = [];
beforeEach(() => {
  now = 0;
  alarms = [];
  fired = [];
  initializeTimeouts({ now: () => now, setAlarm: (ms) => void alarms.push(ms) });
  for (const name of ['statement', 'lock', 'idleSession'] as const)
    registerTimeout(TIMEOUT[name], () => void fired.push(name));
});
const advance = (ms: number): void => {
  now += ms;
  handleTimeouts();
};

test('a timeout fires once its time has come', () => {
  enableTimeoutAfter(TIMEOUT.statement, 100);
  advance(99);
  expect(fired).toEqual([]);
  advance(1);
  expect(fired).toEqual(['statement']);
  expect(timeoutActive(TIMEOUT.statement)).toBe(false);
  expect(timeoutIndicator(TIMEOUT.statement, true)).toBe(true);
  expect(timeoutIndicator(TIMEOUT.statement, false)).toBe(false);
});

test('timeouts of the same instant fire in the order of their ids', () => {
  enableTimeoutAfter(TIMEOUT.statement, 10);
  enableTimeoutAfter(TIMEOUT.lock, 10);
  advance(10);
  expect(fired).toEqual(['lock', 'statement']);
});

test('disabling and enabling again leaves the earlier alarm armed', () => {
  enableTimeoutAfter(TIMEOUT.statement, 100);
  disableTimeout(TIMEOUT.statement);
  now = 50;
  enableTimeoutAfter(TIMEOUT.statement, 100);
  expect(alarms).toEqual([100]);
  advance(50);
  expect(fired).toEqual([]);
  expect(alarms).toEqual([100, 50]);
  advance(50);
  expect(fired).toEqual(['statement']);
});

test('an earlier timeout moves the alarm forward', () => {
  enableTimeoutAfter(TIMEOUT.idleSession, 1000);
  enableTimeoutAfter(TIMEOUT.statement, 10);
  expect(alarms).toEqual([1000, 10]);
});

test('a repeating timeout skips intervals that were missed', () => {
  enableTimeoutEvery(TIMEOUT.statement, 10);
  advance(35);
  expect(fired).toEqual(['statement']);
  advance(5);
  expect(fired).toEqual(['statement', 'statement']);
});

test('disabling all forgets what had fired', () => {
  enableTimeoutAfter(TIMEOUT.statement, 1);
  advance(1);
  disableAllTimeouts();
  expect(timeoutIndicator(TIMEOUT.statement, false)).toBe(false);
});

test('user timeouts get free ids', () => {
  const a = registerTimeout(TIMEOUT.firstUser, () => void fired.push('a'));
  const b = registerTimeout(TIMEOUT.firstUser, () => void fired.push('b'));
  expect(b).toBe(a + 1);
  enableTimeoutAfter(b, 1);
  advance(1);
  expect(fired).toEqual(['b']);
});
