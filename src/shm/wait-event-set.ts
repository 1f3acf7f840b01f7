/** wait-event-set.ts — the only place where a process sleeps (futexes of locks aside), and every sleep has a name.
 *
 *  One epoll set per process holds its wake-up descriptor (native-shm's, poked by signal handlers), the read end of the
 *  postmaster's death pipe and the sockets that were added. A sleep ends when the latch is set, a socket is ready, the
 *  timeout is over or the postmaster died; by default the last one ends the process with exit code 1.
 *  Cost: a sleep that finds its latch set makes no system call.
 *  Counterpart: src/backend/storage/ipc/latch.c */
import { native, type Fd } from '#platform/native.ts';
import { monotonicMs } from '#platform/clock.ts';
import { waitEnd, waitStart } from '#runtime/activity/wait-report.ts';
import { exitProcess } from '#runtime/exit-callbacks.ts';
import { myLatch } from '#shm/latch.ts';
import { mem } from '#shm/memory.ts';
import { Latch } from '#shm/proc-layout.ts';

/** Bits of a wait's result. */
export const WL = {
  LATCH_SET: 1,
  SOCKET_READABLE: 2,
  SOCKET_WRITEABLE: 4,
  TIMEOUT: 8,
  POSTMASTER_DEATH: 16,
  SOCKET_CLOSED: 128,
} as const;

const { IN, OUT, RDHUP, HUP, ERR } = native.EPOLL;
const DEATH_TOKEN = 0xffff_fffe | 0;
const events = new Int32Array(2 * 64);

let epoll: Fd = -1;
let deathPipe: Fd = -1;
/** What the kernel watches for each added socket. */
const watched = new Map<Fd, number>();

export interface WaitOptions {
  /** Milliseconds; absent or negative waits for ever. */
  readonly timeoutMs?: number;
  /** 'exit' (default) ends this process; 'report' returns WL.POSTMASTER_DEATH. */
  readonly postmasterDeath?: 'exit' | 'report';
}

/** Once per process, after the fork: the sets of a parent are not a child's. */
export function initWaiting(postmasterDeathPipe: Fd): void {
  if (epoll >= 0) native.closeFd(epoll);
  epoll = native.epollCreate();
  if (epoll < 0) throw new Error(`could not create epoll set: ${native.errorMessage(-epoll)}`);
  watched.clear();
  deathPipe = postmasterDeathPipe;
  if (deathPipe >= 0) native.epollAdd(epoll, deathPipe, IN, DEATH_TOKEN);
}

function watch(fd: Fd, wanted: number): void {
  const now = watched.get(fd);
  if (now === wanted) return;
  const result = now === undefined ? native.epollAdd(epoll, fd, wanted, fd) : native.epollModify(epoll, fd, wanted, fd);
  if (result < 0) throw new Error(`epoll_ctl failed: ${native.errorMessage(-result)}`);
  watched.set(fd, wanted);
}
/** Stops watching a socket; before its descriptor is closed. */
export function unwatch(fd: Fd): void {
  if (watched.delete(fd)) native.epollDelete(epoll, fd);
}

function postmasterIsDead(options: WaitOptions | undefined): boolean {
  if (options?.postmasterDeath === 'report') return true;
  waitEnd();
  return exitProcess(1);
}

/** Sleeps until one of `wanted` (SOCKET_* bits for `fd`, none for fd -1), the latch or the timeout. Sockets that earlier
 *  waits added stay known to the kernel with an empty mask. */
export function waitLatchOrSocket(fd: Fd, wanted: number, options: WaitOptions | undefined, waitEvent: number): number {
  let mask = 0;
  if (fd >= 0) {
    if (wanted & WL.SOCKET_READABLE) mask |= IN;
    if (wanted & WL.SOCKET_WRITEABLE) mask |= OUT;
    if (wanted & WL.SOCKET_CLOSED) mask |= RDHUP;
    watch(fd, mask);
  }
  const timeoutMs = options?.timeoutMs ?? -1;
  const deadline = timeoutMs >= 0 ? monotonicMs() + timeoutMs : 0;
  let left = timeoutMs;
  let result = 0;
  waitStart(waitEvent);
  for (;;) {
    if (myLatch >= 0) {
      if (Latch.isSet.load(mem, myLatch) === 0) Latch.maybeSleeping.store(mem, myLatch, 1); // [latch L2]
      if (Latch.isSet.load(mem, myLatch) !== 0) {
        Latch.maybeSleeping.store(mem, myLatch, 0);
        result |= WL.LATCH_SET;
        break;
      }
    }
    const count = native.epollWait(epoll, left, events);
    if (myLatch >= 0) Latch.maybeSleeping.store(mem, myLatch, 0);
    for (let i = 0; i < count; i++) {
      const token = events[2 * i]!;
      const seen = events[2 * i + 1]!;
      if (token === DEATH_TOKEN) {
        if (postmasterIsDead(options)) result |= WL.POSTMASTER_DEATH;
      } else if (token === fd) {
        if (wanted & WL.SOCKET_READABLE && seen & (IN | HUP | ERR)) result |= WL.SOCKET_READABLE;
        if (wanted & WL.SOCKET_WRITEABLE && seen & (OUT | HUP | ERR)) result |= WL.SOCKET_WRITEABLE;
        if (wanted & WL.SOCKET_CLOSED && seen & (RDHUP | HUP | ERR)) result |= WL.SOCKET_CLOSED;
      }
    }
    if (myLatch >= 0 && Latch.isSet.load(mem, myLatch) !== 0) result |= WL.LATCH_SET;
    // Without a latch in shared memory every wake-up counts as one: the caller looks at its signal words.
    if (myLatch < 0 && count <= 0) {
      if (timeoutMs < 0 || monotonicMs() < deadline) result |= WL.LATCH_SET;
    }
    if (result !== 0) break;
    if (timeoutMs >= 0) {
      left = deadline - monotonicMs();
      if (left <= 0) {
        result = WL.TIMEOUT;
        break;
      }
    }
  }
  waitEnd();
  // A level-triggered socket left armed would end every later sleep at once.
  if (fd >= 0 && wanted !== WL.SOCKET_READABLE) watch(fd, 0);
  return result;
}

/** Sleeps for the latch alone. Sockets left readable by waitLatchOrSocket must not end this sleep. */
export function waitLatch(options: WaitOptions | undefined, waitEvent: number): number {
  for (const [fd, mask] of watched) if (mask !== 0) watch(fd, 0);
  return waitLatchOrSocket(-1, 0, options, waitEvent);
}

/** For the postmaster: waits on listening sockets that stay watched; returns the ready descriptors. */
export function waitSockets(timeoutMs: number, ready: Fd[]): void {
  ready.length = 0;
  const count = native.epollWait(epoll, timeoutMs, events);
  for (let i = 0; i < count; i++) ready.push(events[2 * i]!);
}
export function watchReadable(fd: Fd): void {
  watch(fd, IN);
}
