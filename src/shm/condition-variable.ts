/** condition-variable.ts — sleep until somebody says that a condition may have changed.
 *
 *  C1. prepare (or the first sleep) joins the list BEFORE the caller tests its condition again, so no signal is lost.
 *  C2. a sleep that finds itself off the list was signalled: it joins again and returns, and the caller tests.
 *  C3. cancel passes on a signal that arrived for a sleeper that no longer needs it.
 *  Counterpart: src/backend/storage/lmgr/condition_variable.c */
import { atomic32, bytes, i32, struct } from '#base/struct.ts';
import { monotonicMs } from '#platform/clock.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { myProcess } from '#runtime/my-process.ts';
import { resetLatch, setLatch } from '#shm/latch.ts';
import { mem } from '#shm/memory.ts';
import { latchAt, procAt } from '#shm/proc.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { spinAcquire, spinRelease } from '#shm/spinlock.ts';
import { waitLatch } from '#shm/wait-event-set.ts';

export const ConditionVariable = struct('ConditionVariable', 16, {
  mutex: atomic32(),
  head: i32(),
  tail: i32(),
  pad: bytes(4),
});

let target = -1;

export function initConditionVariable(cv: number): void {
  ConditionVariable.mutex.store(mem, cv, 0);
  ConditionVariable.head.set(mem, cv, -1);
  ConditionVariable.tail.set(mem, cv, -1);
}

function push(cv: number, proc: number): void {
  const at = procAt(proc);
  const tail = ConditionVariable.tail.get(mem, cv);
  PgProc.cvWaitNext.set(mem, at, -1);
  PgProc.cvWaitPrev.set(mem, at, tail);
  if (tail < 0) ConditionVariable.head.set(mem, cv, proc);
  else PgProc.cvWaitNext.set(mem, procAt(tail), proc);
  ConditionVariable.tail.set(mem, cv, proc);
  PgProc.cvWaiting.set(mem, at, 1);
}
function remove(cv: number, proc: number): void {
  const at = procAt(proc);
  const next = PgProc.cvWaitNext.get(mem, at);
  const prev = PgProc.cvWaitPrev.get(mem, at);
  if (prev < 0) ConditionVariable.head.set(mem, cv, next);
  else PgProc.cvWaitNext.set(mem, procAt(prev), next);
  if (next < 0) ConditionVariable.tail.set(mem, cv, prev);
  else PgProc.cvWaitPrev.set(mem, procAt(next), prev);
  PgProc.cvWaiting.set(mem, at, 0);
}
function locked<T>(cv: number, work: () => T): T {
  spinAcquire(cv + ConditionVariable.mutex.offset);
  const result = work();
  spinRelease(cv + ConditionVariable.mutex.offset);
  return result;
}

export function conditionVariablePrepareToSleep(cv: number): void {
  if (target >= 0) conditionVariableCancelSleep();
  target = cv;
  locked(cv, () => push(cv, myProcess.procNumber));
}

/** Returns true when the timeout is over. Callers loop: while (!condition) conditionVariableSleep(…). */
export function conditionVariableTimedSleep(cv: number, timeoutMs: number, waitEvent: number): boolean {
  if (target !== cv) {
    conditionVariablePrepareToSleep(cv); // [C1] the caller tests its condition again now that we are on the list
    return false;
  }
  const deadline = timeoutMs >= 0 ? monotonicMs() + timeoutMs : -1;
  for (;;) {
    waitLatch(deadline >= 0 ? { timeoutMs: Math.max(0, deadline - monotonicMs()) } : undefined, waitEvent);
    resetLatch();
    const signalled = locked(cv, () => {
      if (PgProc.cvWaiting.get(mem, procAt(myProcess.procNumber)) !== 0) return false;
      push(cv, myProcess.procNumber); // [C2]
      return true;
    });
    checkForInterrupts();
    if (signalled) return false;
    if (deadline >= 0 && monotonicMs() >= deadline) return true;
  }
}
export function conditionVariableSleep(cv: number, waitEvent: number): void {
  conditionVariableTimedSleep(cv, -1, waitEvent);
}

/** Always after the loop, and after an error. */
export function conditionVariableCancelSleep(): void {
  if (target < 0) return;
  const cv = target;
  target = -1;
  const consumed = locked(cv, () => {
    if (PgProc.cvWaiting.get(mem, procAt(myProcess.procNumber)) === 0) return true;
    remove(cv, myProcess.procNumber);
    return false;
  });
  if (consumed) conditionVariableSignal(cv); // [C3]
}

function pop(cv: number): number {
  return locked(cv, () => {
    const proc = ConditionVariable.head.get(mem, cv);
    if (proc >= 0) remove(cv, proc);
    return proc;
  });
}
export function conditionVariableSignal(cv: number): void {
  const proc = pop(cv);
  if (proc >= 0) setLatch(latchAt(proc));
}
/** Wakes everybody who was on the list when it began; those who join meanwhile are not waited for. */
export function conditionVariableBroadcast(cv: number): void {
  const woken = locked(cv, () => {
    const procs: number[] = [];
    for (let proc = ConditionVariable.head.get(mem, cv); proc >= 0; proc = ConditionVariable.head.get(mem, cv)) {
      remove(cv, proc);
      procs.push(proc);
    }
    return procs;
  });
  for (const proc of woken) setLatch(latchAt(proc));
}
