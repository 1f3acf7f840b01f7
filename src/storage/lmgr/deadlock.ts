/** deadlock.ts — cycles among those who wait, and whether another order in the queues would resolve them.
 *
 *  The waits-for graph has hard edges (to who holds a conflicting lock) and soft edges (to who stands ahead in the queue
 *  with a conflicting request). Only cycles through the asking process are looked for: each process asks for itself. A
 *  cycle of hard edges alone is a deadlock and the asking process its victim. A cycle with soft edges may vanish if one of
 *  these is reversed: the search tries constraints “waiter before blocker”, sorts the queues accordingly, and looks again.
 *  Lock groups count as one process. The caller holds all partitions of the lock table exclusively.
 *  Counterpart: src/backend/storage/lmgr/deadlock.c */
import { assert } from '#base/assert.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { mem } from '#shm/memory.ts';
import { maxBackends, procAt } from '#shm/proc.ts';
import { PgProc } from '#shm/proc-layout.ts';
import { currentActivityOfPid } from '#stats/backend-status.ts';
import { lockFacts } from '#storage/lmgr/lock-facts.ts';
import { Lock, ProcLock } from '#storage/lmgr/lock-layout.ts';
import { LOCK_CONFLICTS, lockModeName, MAX_LOCK_MODE } from '#storage/lmgr/lock-modes.ts';
import { procLockWakeup, reorderWaiters, WAIT_STATUS } from '#storage/lmgr/lock-queue.ts';
import { lockTagType, readTag } from '#storage/lmgr/lock-table.ts';
import { describeLockTag, LOCK_TAG, LockTag } from '#storage/lmgr/lock-tag.ts';

export type DeadLockState = 'notYetChecked' | 'noDeadlock' | 'soft' | 'hard' | 'blockedByAutovacuum';

/** A soft edge, or the constraint that reverses it: `waiter` is to stand before `blocker` in the queue of `lock`. Both
 *  are leaders of their lock groups. */
interface Edge {
  waiter: number;
  blocker: number;
  lock: number;
  /** Work space of the topological sort. */
  pred: number;
  link: number;
}
/** A queue in the order that the constraints ask for. */
interface WaitOrder {
  readonly lock: number;
  readonly procs: readonly number[];
}
/** One edge of the cycle that was found, for the report. */
interface Detail {
  readonly tag: LockTag;
  readonly mode: number;
  readonly pid: number;
}

const IS_AUTOVACUUM = 0x01;

let visited: number[] = [];
let constraints: Edge[] = [];
let waitOrders: WaitOrder[] = [];
let details: Detail[] = [];
let blockingAutovacuum = -1;
let self = -1;

const leaderOf = (proc: number): number => PgProc.lockGroupLeader.get(mem, procAt(proc));
const leaderOrSelf = (proc: number): number => {
  const leader = leaderOf(proc);
  return leader < 0 ? proc : leader;
};
const isWaiting = (proc: number): boolean =>
  PgProc.waitQueued.get(mem, procAt(proc)) !== 0 && PgProc.waitStatus.load(mem, procAt(proc)) === WAIT_STATUS.waiting;
function queueOf(lock: number): number[] {
  const procs: number[] = [];
  for (let proc = Lock.waitFirst.get(mem, lock); proc >= 0; proc = PgProc.waitNext.get(mem, procAt(proc)))
    procs.push(proc);
  return procs;
}

/** The worker that blocked the last caller of deadLockCheck(). */
export function blockingAutovacuumProc(): number {
  const proc = blockingAutovacuum;
  blockingAutovacuum = -1;
  return proc;
}

/** Looks for a deadlock that `proc` is part of. One that can be resolved by reordering queues is, at once. */
export function deadLockCheck(proc: number): DeadLockState {
  self = proc;
  constraints = [];
  waitOrders = [];
  blockingAutovacuum = -1;
  if (recurse(proc)) {
    // Not resolvable: find the cycle again, in the queues as they are, for the report.
    waitOrders = [];
    if (findLockCycle(proc) === null) report('FATAL', { message: 'deadlock seems to have disappeared' });
    return 'hard';
  }
  for (const { lock, procs } of waitOrders) {
    reorderWaiters(lock, procs);
    procLockWakeup(lock);
  }
  if (waitOrders.length > 0) return 'soft';
  return blockingAutovacuum >= 0 ? 'blockedByAutovacuum' : 'noDeadlock';
}

/** True if no set of constraints that extends the present one leaves the graph without a cycle. */
function recurse(proc: number): boolean {
  const edges = testConfiguration(proc);
  if (edges === null) return true;
  if (edges.length === 0) return false;
  if (constraints.length >= maxBackends()) return true;
  for (const edge of edges) {
    constraints.push(edge);
    if (!recurse(proc)) return false;
    constraints.pop();
  }
  return true;
}

/** Applies the constraints and looks for cycles. Empty: none. Null: one of hard edges only, or constraints that
 *  contradict each other. Otherwise the soft edges of a cycle. */
function testConfiguration(start: number): readonly Edge[] | null {
  if (!expandConstraints()) return null;
  let found: readonly Edge[] = [];
  const look = (from: number): boolean => {
    const edges = findLockCycle(from);
    if (edges === null) return true;
    if (edges.length === 0) return false;
    found = edges;
    return true;
  };
  // Reversing an edge may have made a new cycle through either of its ends.
  for (const { waiter, blocker } of constraints) if (!look(waiter) || !look(blocker)) return null;
  return look(start) ? found : null;
}

/** The soft edges of a cycle through `from`, null if there is no such cycle. */
function findLockCycle(from: number): readonly Edge[] | null {
  visited = [];
  details = [];
  const edges: Edge[] = [];
  return follow(from, 0, edges) ? edges : null;
}

function follow(proc: number, depth: number, edges: Edge[]): boolean {
  const check = leaderOrSelf(proc);
  const seen = visited.indexOf(check);
  // Back at the start: a cycle. Back at another place: one that does not include the start, and no concern of ours.
  if (seen === 0) {
    details.length = depth;
    return true;
  }
  if (seen > 0) return false;
  visited.push(check);
  if (isWaiting(check) && followMember(check, check, depth, edges)) return true;
  let member = PgProc.lockGroupFirst.get(mem, procAt(check));
  while (member >= 0) {
    if (member !== check && isWaiting(member) && followMember(member, check, depth, edges)) return true;
    member = PgProc.lockGroupNext.get(mem, procAt(member));
  }
  return false;
}

function noteDetail(depth: number, proc: number, lock: number): void {
  details[depth] = {
    tag: readTag(lock, new LockTag()),
    mode: PgProc.waitLockMode.get(mem, procAt(proc)),
    pid: PgProc.pid.load(mem, procAt(proc)),
  };
}

function followMember(proc: number, leader: number, depth: number, edges: Edge[]): boolean {
  const at = procAt(proc);
  const lock = PgProc.waitLock.get(mem, at);
  const type = lockTagType(lock);
  // Nobody waits for anything else while holding one of these.
  if (type === LOCK_TAG.relationExtend || type === LOCK_TAG.page) return false;
  const conflicts = LOCK_CONFLICTS[PgProc.waitLockMode.get(mem, at)]!;
  for (let one = Lock.procLockFirst.get(mem, lock); one !== 0; one = ProcLock.lockNext.get(mem, one)) {
    const holder = ProcLock.proc.get(mem, one);
    if (leaderOrSelf(holder) === leader) continue;
    const held = ProcLock.holdMask.get(mem, one);
    for (let mode = 1; mode <= MAX_LOCK_MODE; mode++) {
      if ((held & conflicts & (1 << mode)) === 0) continue;
      if (follow(holder, depth + 1, edges)) {
        noteDetail(depth, proc, lock);
        return true;
      }
      // No deadlock this way; but if the holder is an autovacuum worker it could be asked to give way.
      if (proc === self && (PgProc.statusFlags.get(mem, procAt(holder)) & IS_AUTOVACUUM) !== 0)
        blockingAutovacuum = holder;
      break;
    }
  }
  return followQueue(proc, leader, lock, conflicts, depth, edges);
}

/** Soft edges: those ahead of `proc`, in the order under test if the queue has one. */
function followQueue(
  proc: number,
  leader: number,
  lock: number,
  conflicts: number,
  depth: number,
  edges: Edge[],
): boolean {
  const order = waitOrders.find((one) => one.lock === lock);
  const queue = order?.procs ?? queueOf(lock);
  let end: number;
  if (order !== undefined) end = queue.findIndex((one) => leaderOrSelf(one) === leader);
  else if (leaderOf(proc) < 0) end = queue.indexOf(proc);
  else {
    // Behind the last waiter of the group nobody can matter.
    end = queue.length - 1;
    while (end >= 0 && leaderOf(queue[end]!) !== leaderOf(proc)) end--;
  }
  assert(end >= 0, 'a waiter stands in its queue');
  for (let i = 0; i < end; i++) {
    const ahead = queue[i]!;
    const aheadLeader = leaderOrSelf(ahead);
    if (aheadLeader === leader) continue;
    if ((conflicts & (1 << PgProc.waitLockMode.get(mem, procAt(ahead)))) === 0) continue;
    if (!follow(ahead, depth + 1, edges)) continue;
    noteDetail(depth, proc, lock);
    edges.push({ waiter: leader, blocker: aheadLeader, lock, pred: -1, link: 0 });
    return true;
  }
  return false;
}

/** Sorts each queue that a constraint speaks of. False if the constraints contradict each other. */
function expandConstraints(): boolean {
  waitOrders = [];
  for (let i = constraints.length; --i >= 0; ) {
    const { lock } = constraints[i]!;
    if (waitOrders.some((one) => one.lock === lock)) continue;
    const procs = topoSort(lock, i + 1);
    if (procs === null) return false;
    waitOrders.push({ lock, procs });
  }
  return true;
}

/** The queue of `lock` in an order that satisfies the first `count` constraints and otherwise changes as little as
 *  possible: filled from the end, always with the last waiter before whom nobody has to stand. */
function topoSort(lock: number, count: number): number[] | null {
  const procs: (number | null)[] = queueOf(lock);
  const size = procs.length;
  /** How many must still be placed behind it; -1 for those that follow their group's last member. */
  const before = new Int32Array(size);
  /** First constraint (1-based) whose blocker stands here. */
  const after = new Int32Array(size);
  for (let i = 0; i < count; i++) {
    const constraint = constraints[i]!;
    const waiterAt = lastOfGroup(procs, constraint.waiter, before);
    if (constraint.lock !== lock || waiterAt < 0) continue;
    const blockerAt = lastOfGroup(procs, constraint.blocker, before);
    if (blockerAt < 0) continue;
    before[waiterAt]!++;
    constraint.pred = waiterAt;
    constraint.link = after[blockerAt]!;
    after[blockerAt] = i + 1;
  }
  const order = new Array<number>(size);
  let last = size - 1;
  for (let i = size - 1; i >= 0; ) {
    while (procs[last] === null) last--;
    let chosen = last;
    while (chosen >= 0 && (procs[chosen] === null || before[chosen] !== 0)) chosen--;
    if (chosen < 0) return null;
    // The whole group moves together, in its own order.
    const leader = leaderOrSelf(procs[chosen]!);
    let placed = 0;
    for (let c = last; c >= 0; c--) {
      const one = procs[c]!;
      if (procs[c] === null || leaderOrSelf(one) !== leader) continue;
      order[i - placed++] = one;
      procs[c] = null;
    }
    i -= placed;
    for (let k = after[chosen]!; k > 0; k = constraints[k - 1]!.link) before[constraints[k - 1]!.pred]!--;
  }
  return order;
}
/** Place of the group's last waiter; its others are marked to go with it. -1 if none waits here. */
function lastOfGroup(procs: readonly (number | null)[], leader: number, before: Int32Array): number {
  let last = -1;
  for (let i = procs.length; --i >= 0; ) {
    const one = procs[i]!;
    if (procs[i] === null || leaderOrSelf(one) !== leader) continue;
    if (last < 0) last = i;
    else before[i] = -1;
  }
  return last;
}

// ── reports ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Two processes wait for each other on one lock: seen without a search, when the second one comes. */
export function rememberSimpleDeadLock(me: number, mode: number, lock: number, other: number): void {
  const otherAt = procAt(other);
  details = [
    { tag: readTag(lock, new LockTag()), mode, pid: PgProc.pid.load(mem, procAt(me)) },
    {
      tag: readTag(PgProc.waitLock.get(mem, otherAt), new LockTag()),
      mode: PgProc.waitLockMode.get(mem, otherAt),
      pid: PgProc.pid.load(mem, otherAt),
    },
  ];
}

/** Ends the victim's command. The client learns of locks only; other sessions' queries go to the log. */
export function deadLockReport(): never {
  const waits = details
    .map((one, i) => {
      const next = details[(i + 1) % details.length]!;
      return `Process ${one.pid} waits for ${lockModeName(one.mode)} on ${describeLockTag(one.tag)}; blocked by process ${next.pid}.`;
    })
    .join('\n');
  const activities = details.map((one) => `\nProcess ${one.pid}: ${currentActivityOfPid(one.pid)}`).join('');
  lockFacts.pgstatReportDeadlock();
  return report('ERROR', {
    code: SQLSTATE.tRDeadlockDetected,
    message: 'deadlock detected',
    detail: waits,
    detailLog: waits + activities,
    hint: 'See server log for query details.',
  });
}
