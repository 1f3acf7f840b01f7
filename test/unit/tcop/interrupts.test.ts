/** What a session does about signals, in which order. */
import { beforeEach, expect, test } from 'vitest';
import { SIGNAL } from '#platform/native.ts';
import { reportHooks } from '#runtime/error/report.ts';
import {
  checkForInterrupts,
  holdInterrupts,
  raiseInterrupt,
  resetInterruptHoldoffs,
  signalWords,
} from '#runtime/interrupts.ts';
import { enableTimeoutAfter, initializeTimeouts, TIMEOUT } from '#runtime/timeouts.ts';
import { installBackendInterrupts, registerSessionTimeouts } from '#tcop/interrupts-backend.ts';
import { resetSessionState, session } from '#tcop/session-state.ts';

let now = 0;
const ended: string[] = [];
reportHooks.emit = (level, fields) => void ended.push(`${level} ${fields.code} ${fields.message}`);
reportHooks.exitProcess = (code) => {
  throw new Error(`exit ${code}`);
};
const send = (signal: number): void => {
  Atomics.add(signalWords, signal, 1);
  raiseInterrupt();
};

beforeEach(() => {
  now = 0;
  ended.length = 0;
  signalWords.fill(0);
  resetInterruptHoldoffs();
  resetSessionState(null);
  initializeTimeouts({ now: () => now, setAlarm() {} });
  registerSessionTimeouts();
  installBackendInterrupts();
});

test('SIGINT cancels the statement', () => {
  send(SIGNAL.INT);
  expect(() => checkForInterrupts()).toThrow('canceling statement due to user request');
  expect(() => checkForInterrupts()).not.toThrow();
});

test('a cancel that arrives while a command is awaited is forgotten', () => {
  session.doingCommandRead = true;
  send(SIGNAL.INT);
  checkForInterrupts();
  session.doingCommandRead = false;
  expect(() => checkForInterrupts()).not.toThrow();
});

test('SIGTERM trumps a cancel', () => {
  send(SIGNAL.INT);
  send(SIGNAL.TERM);
  expect(() => checkForInterrupts()).toThrow('exit 1');
  expect(ended).toEqual(['FATAL 57P01 terminating connection due to administrator command']);
});

test('held-off interrupts wait', () => {
  holdInterrupts();
  send(SIGNAL.INT);
  expect(() => checkForInterrupts()).not.toThrow();
  resetInterruptHoldoffs();
  expect(() => checkForInterrupts()).toThrow('canceling statement');
});

test('statement_timeout and lock_timeout have their own words; the earlier one is blamed, a tie goes to the lock', () => {
  const fire = (statement: number, lock: number): void => {
    enableTimeoutAfter(TIMEOUT.statement, statement);
    enableTimeoutAfter(TIMEOUT.lock, lock);
    now += 1000;
    send(SIGNAL.ALRM);
    checkForInterrupts();
  };
  expect(() => fire(10, 20)).toThrow('canceling statement due to statement timeout');
  expect(() => fire(20, 10)).toThrow('canceling statement due to lock timeout');
  expect(() => fire(10, 10)).toThrow('canceling statement due to lock timeout');
});

test('a lost client ends the session without a word to it', () => {
  session.sendToClient = true;
  session.port = { connectionLost: true } as never;
  raiseInterrupt();
  expect(() => checkForInterrupts()).toThrow('exit 1');
  expect(session.sendToClient).toBe(false);
  expect(ended).toEqual(['FATAL 08006 connection to client lost']);
});

test('the timer of a statement ends an authentication that takes too long', () => {
  session.clientAuthInProgress = true;
  session.sendToClient = true;
  enableTimeoutAfter(TIMEOUT.statement, 10);
  now = 10;
  send(SIGNAL.ALRM);
  expect(() => checkForInterrupts()).toThrow('exit 1');
  expect(session.sendToClient).toBe(false);
  expect(ended).toEqual(['FATAL 57014 canceling authentication due to timeout']);
});
