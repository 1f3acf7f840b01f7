/** timeouts.ts — many timeouts over one interval timer.
 *
 *  SIGALRM only raises the interrupt flag; `handleTimeouts()`, called by the interrupt handler, fires what is due. A
 *  timeout that is disabled leaves the armed alarm alone: an early alarm finds nothing due and re-arms for the next one,
 *  which is far cheaper than two system calls per statement.
 *  Counterpart: src/backend/utils/misc/timeout.c */

/** Also the order in which timeouts of the same instant fire. */
export const TIMEOUT = {
  startupPacket: 0,
  deadlock: 1,
  lock: 2,
  statement: 3,
  standbyDeadlock: 4,
  standby: 5,
  standbyLock: 6,
  idleInTransactionSession: 7,
  idleSession: 8,
  idleStatsUpdate: 9,
  clientConnectionCheck: 10,
  startupProgress: 11,
  firstUser: 12,
} as const satisfies Record<string, number>;
const TIMEOUT_COUNT = 22;

/** Clock in milliseconds that never goes backwards, and the alarm. */
export interface TimerDriver {
  now(): number;
  /** One SIGALRM after so many milliseconds. */
  setAlarm(milliseconds: number): void;
}

interface Timeout {
  readonly id: number;
  handler: (() => void) | undefined;
  active: boolean;
  /** Set when it fired, until asked about. */
  indicator: boolean;
  startTime: number;
  finishTime: number;
  /** Repeats with this interval; 0 fires once. */
  interval: number;
}

let driver: TimerDriver | undefined;
const timeouts: Timeout[] = [];
for (let id = 0; id < TIMEOUT_COUNT; id++)
  timeouts.push({ id, handler: undefined, active: false, indicator: false, startTime: 0, finishTime: 0, interval: 0 });
/** Sorted by finish time, then id. */
const active: Timeout[] = [];
/** When the armed alarm comes; Infinity when none is armed. */
let alarmAt = Number.POSITIVE_INFINITY;

/** A new process: forgets its parent's timeouts. */
export function initializeTimeouts(by: TimerDriver): void {
  driver = by;
  active.length = 0;
  alarmAt = Number.POSITIVE_INFINITY;
  for (const timeout of timeouts) {
    timeout.handler = undefined;
    timeout.active = false;
    timeout.indicator = false;
  }
}

/** Registers a predefined timeout, or with `firstUser` the next free one. Returns its id. */
export function registerTimeout(id: number, handler: () => void): number {
  let at = id;
  if (at >= TIMEOUT.firstUser) {
    while (at < TIMEOUT_COUNT && timeouts[at]!.handler !== undefined) at++;
    if (at >= TIMEOUT_COUNT) throw new Error('cannot add more timeout reasons');
  }
  timeouts[at]!.handler = handler;
  return at;
}

function deactivate(timeout: Timeout): void {
  timeout.active = false;
  active.splice(active.indexOf(timeout), 1);
}
function activate(timeout: Timeout): void {
  timeout.active = true;
  let at = active.length;
  while (at > 0) {
    const before = active[at - 1]!;
    if (before.finishTime < timeout.finishTime) break;
    if (before.finishTime === timeout.finishTime && before.id < timeout.id) break;
    at--;
  }
  active.splice(at, 0, timeout);
}
function enable(timeout: Timeout, now: number, finishTime: number, interval: number): void {
  if (timeout.active) deactivate(timeout);
  timeout.indicator = false;
  timeout.startTime = now;
  timeout.finishTime = finishTime;
  timeout.interval = interval;
  activate(timeout);
}

function schedule(now: number): void {
  const next = active[0];
  if (next === undefined || alarmAt <= next.finishTime) return;
  // The timer's resolution is a microsecond, and 0 would disarm it.
  driver!.setAlarm(Math.max(0.001, next.finishTime - now));
  alarmAt = next.finishTime;
}

export function enableTimeoutAfter(id: number, milliseconds: number): void {
  const now = driver!.now();
  enable(timeouts[id]!, now, now + milliseconds, 0);
  schedule(now);
}
/** Fires after each `milliseconds`. */
export function enableTimeoutEvery(id: number, milliseconds: number): void {
  const now = driver!.now();
  enable(timeouts[id]!, now, now + milliseconds, milliseconds);
  schedule(now);
}
/** Several at once, with one look at the clock. */
export function enableTimeouts(list: readonly (readonly [id: number, milliseconds: number])[]): void {
  const now = driver!.now();
  for (const [id, milliseconds] of list) enable(timeouts[id]!, now, now + milliseconds, 0);
  schedule(now);
}
export function disableTimeout(id: number, keepIndicator = false): void {
  const timeout = timeouts[id]!;
  if (timeout.active) deactivate(timeout);
  if (!keepIndicator) timeout.indicator = false;
}
export function disableAllTimeouts(keepIndicators = false): void {
  active.length = 0;
  for (const timeout of timeouts) {
    timeout.active = false;
    if (!keepIndicators) timeout.indicator = false;
  }
}

/** Fires everything that is due. Called after SIGALRM arrived. */
export function handleTimeouts(): void {
  if (driver === undefined) return;
  alarmAt = Number.POSITIVE_INFINITY;
  let now = driver.now();
  for (let next = active[0]; next !== undefined && next.finishTime <= now; next = active[0]) {
    deactivate(next);
    next.indicator = true;
    if (next.interval > 0) {
      // The clock may have passed several intervals while the process was busy: those are lost.
      let finish = next.finishTime + next.interval;
      while (finish <= now) finish += next.interval;
      enable(next, next.startTime, finish, next.interval);
      next.indicator = true;
    }
    next.handler?.();
    now = driver.now();
  }
  schedule(now);
}

export const timeoutActive = (id: number): boolean => timeouts[id]!.active;
export function timeoutIndicator(id: number, reset: boolean): boolean {
  const timeout = timeouts[id]!;
  if (!timeout.indicator) return false;
  if (reset) timeout.indicator = false;
  return true;
}
export const timeoutFinishTime = (id: number): number => timeouts[id]!.finishTime;
export const timeoutStartTime = (id: number): number => timeouts[id]!.startTime;
