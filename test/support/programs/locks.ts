/** locks.ts — heavyweight locks between real processes.
 *
 *  argv: one of the scenario names. Prints one JSON line. */
import { monotonicMs } from '#platform/clock.ts';
import { native, SIGNAL } from '#platform/native.ts';
import { PgError, reportHooks } from '#runtime/error/report.ts';
import { exitProcess, resetExitCallbacks } from '#runtime/exit-callbacks.ts';
import { setConfigOption } from '#runtime/guc/guc.ts';
import { clearInterruptPending, setInterruptHandler, takeSignal, useSignalWords } from '#runtime/interrupts.ts';
import { becomeProcess, myProcess } from '#runtime/my-process.ts';
import { ResourceOwner, setCurrentResourceOwner } from '#runtime/resource-owner.ts';
import { handleTimeouts, initializeTimeouts, registerTimeout, TIMEOUT, timeoutIndicator } from '#runtime/timeouts.ts';
import { forgetLatch } from '#shm/latch.ts';
import { lwLockShmem } from '#shm/lwlock-array.ts';
import { mapSegment, mem } from '#shm/memory.ts';
import { initProcess, procAt, procShmem, setProcCounts, totalProcs } from '#shm/proc.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { initShmemHeader, requestedShmemSize, requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import { initWaiting } from '#shm/wait-event-set.ts';
import { backendStatusShmem } from '#stats/backend-status.ts';
import { backendIdShmem, takeBackendId } from '#storage/ipc/backend-ids.ts';
import { procSignalInit, procSignalShmem } from '#storage/ipc/proc-signal.ts';
import { lockAcquire, lockRelease } from '#storage/lmgr/lock.ts';
import { LOCK_CONFLICTS, type LockMode } from '#storage/lmgr/lock-modes.ts';
import { releaseLocksAtExit } from '#storage/lmgr/lock-release.ts';
import { lockShmem, lockTableUsage } from '#storage/lmgr/lock-table.ts';
import { LockTag } from '#storage/lmgr/lock-tag.ts';
import { lockTransaction } from '#storage/lmgr/lmgr.ts';
import { virtualXactLock, virtualXactLockTableInsert } from '#storage/lmgr/virtual-xact.ts';

const PROCESSES = 6;
const DATABASE = 5;
useSignalWords(new Int32Array(native.signalWords()));
reportHooks.exitProcess = exitProcess;
setProcCounts({ client: PROCESSES, autovacuum: 0, bgworker: 0, walsender: 0, auxiliary: 0 });
const subsystems = [lwLockShmem, procShmem, backendIdShmem, procSignalShmem, backendStatusShmem, lockShmem];
for (const subsystem of subsystems) subsystem.request();
requestShmemSpace(65_536);
const size = requestedShmemSize();
mapSegment(native.createSegment('locks', size), size);
initShmemHeader(size, native.getpid(), 1);
for (const subsystem of subsystems) subsystem.init();
const area = shmemInitStruct('area', 65_536).at;
const word = (i: number): number => (area + 4 * i) >>> 2;
const get = (i: number): number => Atomics.load(mem.i32, word(i));
const add = (i: number, delta = 1): number => Atomics.add(mem.i32, word(i), delta);

function join(): void {
  becomeProcess('test', 'test');
  initWaiting(-1);
  for (const signal of [SIGNAL.ALRM, SIGNAL.USR1, SIGNAL.INT]) native.signalAction(signal, native.SIG_ACTION.WORD);
  native.signalAction(SIGNAL.URG, native.SIG_ACTION.WAKE);
  initializeTimeouts({ now: monotonicMs, setAlarm: (ms) => void native.setAlarm(ms) });
  let lockTimeout = false;
  registerTimeout(TIMEOUT.lock, () => {
    lockTimeout = true;
  });
  setInterruptHandler(() => {
    clearInterruptPending();
    if (takeSignal(SIGNAL.ALRM)) handleTimeouts();
    if (takeSignal(SIGNAL.INT)) throw new PgError('ERROR', { message: 'canceling statement due to user request' });
    if (lockTimeout && timeoutIndicator(TIMEOUT.lock, true)) {
      lockTimeout = false;
      throw new PgError('ERROR', { message: 'canceling statement due to lock timeout' });
    }
  });
  initProcess('client');
  takeBackendId();
  procSignalInit();
  myProcess.databaseId = DATABASE;
  PgProc.databaseId.set(mem, procAt(myProcess.procNumber), DATABASE);
}
/** A child that runs `work` as a process with a PGPROC and leaves cleanly. */
function child(work: () => void): number {
  const pid = native.fork();
  if (pid !== 0) return pid;
  resetExitCallbacks();
  forgetLatch();
  native.parentDeathSignal(SIGNAL.KILL);
  join();
  begin();
  work();
  end(true);
  releaseLocksAtExit();
  return exitProcess(0);
}
function reap(pids: readonly number[]): string[] {
  const out = new Int32Array(2);
  return pids.flatMap((pid) => {
    native.waitpid(pid, true, out);
    return out[1] === 0 ? [] : [`process ${pid} ended with status ${out[1]}`];
  });
}
const pause = new Int32Array(new SharedArrayBuffer(4));
function until(condition: () => boolean): void {
  const deadline = monotonicMs() + 20_000;
  while (!condition()) {
    if (monotonicMs() > deadline) throw new Error('waited for 20 s');
    Atomics.wait(pause, 0, 0, 1);
  }
}

let owner: ResourceOwner | null = null;
function begin(): void {
  owner = new ResourceOwner(null, 'TopTransaction');
  setCurrentResourceOwner(owner);
}
function end(isCommit: boolean): void {
  owner!.releasePhase('locks', isCommit, true);
}

const relation = (oid: number): LockTag => new LockTag().setRelation(DATABASE, oid);
const advisory = (key: number): LockTag => new LockTag().setAdvisory(DATABASE, 0, key, 1);
const waitingProcs = (): number => {
  let count = 0;
  for (let i = 0; i < totalProcs(); i++) if (PgProc.waitQueued.get(mem, procAt(i)) !== 0) count++;
  return count;
};
const errorOf = (work: () => void): PgError | undefined => {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof PgError) return error;
    throw error;
  }
};
function share(text: string, slot: number): void {
  const at = area + 4096 + slot * 2048;
  const encoded = Buffer.from(text);
  mem.u8.set(encoded, at);
  mem.u8[at + encoded.length] = 0;
}
function shared(slot: number): string {
  const at = area + 4096 + slot * 2048;
  return Buffer.from(mem.u8.slice(at, mem.u8.indexOf(0, at))).toString();
}

const scenarios: Record<string, () => object> = {
  /** Random modes on a few relations and advisory keys; a book per object says who is inside. */
  torture() {
    const rounds = Number(process.argv[3] ?? 3000);
    setConfigOption('deadlock_timeout', '10', 'postmaster', 'commandLine');
    const OBJECTS = 3;
    const book = (object: number, mode: number): number => 16 + object * 16 + mode;
    const work = (seed: number): void => {
      let state = seed;
      const random = (below: number): number => {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        return Math.floor((state / 0x1_0000_0000) * below);
      };
      for (let round = 0; round < rounds; round++) {
        const object = random(OBJECTS);
        // Weak modes are the frequent ones, so that the fast path is used and taken away.
        const mode = (random(3) > 0 ? 1 + random(3) : 1 + random(8)) as LockMode;
        const tag = object === 2 ? advisory(object) : relation(1000 + object);
        if (lockAcquire(tag, mode, false, random(4) === 0) === 'notAvail') {
          add(1);
          continue;
        }
        add(book(object, mode));
        for (let other = 1; other <= 8; other++) {
          const inside = get(book(object, other)) - (other === mode ? 1 : 0);
          if (inside > 0 && (LOCK_CONFLICTS[mode]! & (1 << other)) !== 0) add(0);
        }
        add(book(object, mode), -1);
        if (random(3) === 0) {
          end(random(2) === 0);
          begin();
        } else lockRelease(tag, mode, false);
        add(2);
      }
    };
    const failures = reap(Array.from({ length: PROCESSES }, (_, i) => child(() => work(77 + i * 7919))));
    return { failures, violations: get(0), done: get(1) + get(2), usage: lockTableUsage() };
  },

  /** Two processes, two locks, opposite order: one of them is told. */
  deadlock2() {
    return deadlock(2);
  },
  deadlock3() {
    return deadlock(3);
  },

  /** Two share holders that both want more: seen when the second one queues, without waiting for the timeout. */
  upgradeDeadlock() {
    setConfigOption('deadlock_timeout', '60s', 'postmaster', 'commandLine');
    const work = (): void => {
      lockAcquire(relation(1), 5, false, false);
      add(0);
      until(() => get(0) === 2);
      const error = errorOf(() => lockAcquire(relation(1), 8, false, false));
      if (error !== undefined) {
        add(1);
        share(`${error.message}|${error.fields.detail}`, 0);
        end(false);
        begin();
      } else add(2);
    };
    const failures = reap([child(work), child(work)]);
    return {
      failures,
      victims: get(1),
      winners: get(2),
      text: shared(0).replace(/\d{2,}/g, 'N'),
      usage: lockTableUsage(),
    };
  },

  /** A waits behind B's request though nothing that is held excludes it: reordering the queue helps all. */
  softDeadlock() {
    setConfigOption('deadlock_timeout', '50', 'postmaster', 'commandLine');
    // 1 holds T1 accessShare. 2 waits for T1 exclusive (8). 3 holds T2 (8) and waits for T1 accessShare behind 2.
    // 1 then waits for T2: cycle 1 → 3 → (soft) 2 → 1, broken by letting 3 go before 2.
    const one = child(() => {
      lockAcquire(relation(1), 1, false, false);
      add(0);
      until(() => waitingProcs() === 2);
      lockAcquire(relation(2), 1, false, false);
      add(1);
    });
    const two = child(() => {
      until(() => get(0) === 2);
      lockAcquire(relation(1), 8, false, false);
      add(1);
    });
    const three = child(() => {
      lockAcquire(relation(2), 8, false, false);
      add(0);
      until(() => waitingProcs() === 1);
      lockAcquire(relation(1), 1, false, false);
      add(1);
    });
    return { failures: reap([one, two, three]), granted: get(1), usage: lockTableUsage() };
  },

  /** A weak lock noted in a slot is moved by whoever needs the strong one, and waited for. */
  fastPathTransfer() {
    const holder = child(() => {
      lockAcquire(relation(9), 1, false, false);
      add(0);
      until(() => waitingProcs() === 1);
      add(1);
      lockRelease(relation(9), 1, false);
    });
    const taker = child(() => {
      until(() => get(0) === 1);
      const atOnce = lockAcquire(relation(9), 8, false, true) !== 'notAvail';
      lockAcquire(relation(9), 8, false, false);
      add(2, get(1) === 1 && !atOnce ? 1 : 0);
    });
    return { failures: reap([holder, taker]), waited: get(2), usage: lockTableUsage() };
  },

  /** lock_timeout ends a wait; afterwards the queue is as it was. */
  lockTimeout() {
    const holder = child(() => {
      lockAcquire(relation(9), 8, false, false);
      add(0);
      until(() => get(1) === 1);
    });
    const waiter = child(() => {
      until(() => get(0) === 1);
      setConfigOption('lock_timeout', '30', 'user', 'session');
      const error = errorOf(() => lockAcquire(relation(9), 1, false, false));
      share(error?.message ?? '', 0);
      add(2, waitingProcs());
      add(1);
      end(false);
      begin();
    });
    return { failures: reap([holder, waiter]), text: shared(0), stillWaiting: get(2), usage: lockTableUsage() };
  },

  /** Waiters are granted in the order in which they came. */
  order() {
    const holder = child(() => {
      lockAcquire(advisory(1), 7, false, false);
      add(0);
      until(() => waitingProcs() === 4);
    });
    const waiters = [0, 1, 2, 3].map((i) =>
      child(() => {
        until(() => get(0) === 1 && waitingProcs() === i);
        lockAcquire(advisory(1), 7, false, false);
        Atomics.store(mem.i32, word(10 + add(1)), i);
        lockRelease(advisory(1), 7, false);
      }),
    );
    return {
      failures: reap([holder, ...waiters]),
      order: [0, 1, 2, 3].map((i) => get(10 + i)),
      usage: lockTableUsage(),
    };
  },

  /** Who waits for a virtual transaction goes on when it is over. */
  virtualXid() {
    const owner = child(() => {
      virtualXactLockTableInsert(17);
      Atomics.store(mem.i32, word(5), myProcess.backendId);
      until(() => waitingProcs() === 1);
      add(1);
    });
    const waiter = child(() => {
      until(() => get(5) !== 0);
      const vxid = { backendId: get(5), localTransactionId: 17 };
      const over = virtualXactLock(vxid, false);
      virtualXactLock(vxid, true);
      add(2, !over && get(1) === 1 ? 1 : 0);
      add(3, virtualXactLock({ backendId: get(5), localTransactionId: 18 }, false) ? 1 : 0);
    });
    return { failures: reap([owner, waiter]), waited: get(2), otherIsOver: get(3), usage: lockTableUsage() };
  },

  /** Nanoseconds of a warm acquire and release. */
  speed() {
    const measure = (tag: LockTag, mode: LockMode): number => {
      const rounds = 200_000;
      for (let i = 0; i < 50_000; i++) {
        lockAcquire(tag, mode, false, false);
        lockRelease(tag, mode, false);
      }
      const start = native.monotonicNs();
      for (let i = 0; i < rounds; i++) {
        lockAcquire(tag, mode, false, false);
        lockRelease(tag, mode, false);
      }
      return Math.round((native.monotonicNs() - start) / rounds);
    };
    const one = child(() => {
      share(
        JSON.stringify({
          fastPath: measure(relation(1), 1),
          table: measure(relation(1), 4),
          strong: measure(relation(1), 8),
        }),
        0,
      );
    });
    return { failures: reap([one]), ...(JSON.parse(shared(0)) as object) };
  },
};

function deadlock(count: number): object {
  setConfigOption('deadlock_timeout', '50', 'postmaster', 'commandLine');
  const work = (me: number): void => {
    lockTransaction(100 + me, 7);
    add(0);
    until(() => get(0) === count);
    const error = errorOf(() => lockTransaction(100 + ((me + 1) % count), 5));
    if (error !== undefined) {
      add(1);
      share([error.code, error.message, error.fields.detail, error.fields.hint].join('|'), 0);
      share(error.fields.detailLog ?? '', 1);
      end(false);
      begin();
    } else add(2);
  };
  const pids = Array.from({ length: count }, (_, i) => child(() => work(i)));
  const failures = reap(pids);
  let text = shared(0);
  let log = shared(1);
  pids.forEach((pid, i) => {
    text = text.replaceAll(`rocess ${pid}`, `rocess P${i}`);
    log = log.replaceAll(`rocess ${pid}`, `rocess P${i}`);
  });
  return { failures, victims: get(1), winners: get(2), text, log, usage: lockTableUsage() };
}

console.log(JSON.stringify(scenarios[process.argv[2]!]!()));
