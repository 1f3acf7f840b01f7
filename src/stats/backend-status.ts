/** backend-status.ts — what each process is doing, for pg_stat_activity: one entry per backend id, read without locks.
 *
 *  B1. The owner makes changeCount odd, writes, makes it even again. A reader copies and accepts only if the count was
 *      even and did not move. Both sides use atomics for the count, which order the plain accesses between them.
 *  Counterpart: src/backend/utils/activity/backend_status.c */
import { array, atomic32, bytes, bool8, cstring, f64, i32, struct, u32 } from '#base/struct.ts';
import { currentTimestamp } from '#platform/clock.ts';
import { settings } from '#runtime/guc/guc.ts';
import { onShmemExit } from '#runtime/exit-callbacks.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';
import { myProcess } from '#runtime/my-process.ts';
import { mem } from '#shm/memory.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import { procSignalSlotCount } from '#storage/ipc/proc-signal.ts';

export const BACKEND_STATES = [
  'undefined',
  'idle',
  'active',
  'idle in transaction',
  'fastpath function call',
  'idle in transaction (aborted)',
  'disabled',
] as const;
export type BackendState = (typeof BACKEND_STATES)[number];

/** Times are TimestampTz as float64, 0 for “not yet”. */
const Entry = struct('BackendStatus', 704, {
  changeCount: atomic32(),
  pid: i32(),
  procNumber: i32(),
  state: i32(),
  startTime: f64(),
  xactTime: f64(),
  queryTime: f64(),
  stateTime: f64(),
  databaseId: u32(),
  userId: u32(),
  leaderPid: i32(),
  clientPort: i32(),
  /** '' none, '[local]' for a Unix socket, else the address. */
  clientAddress: cstring(64),
  clientHostname: cstring(64),
  applicationName: cstring(64),
  backendType: cstring(96),
  ssl: bool8(),
  pad0: bytes(3),
  progressCommand: i32(),
  progressTarget: u32(),
  queryIdLow: u32(),
  queryIdHigh: u32(),
  activityLength: u32(),
  pad1: bytes(8),
  databaseName: cstring(64),
  userName: cstring(64),
  /** Parameters of the command's progress, as float64: exact for every count of blocks, tuples or bytes. */
  progressParams: array(20, 8),
  pad2: bytes(32),
});

let entriesAt = -1;
let activityAt = -1;
let activitySize = 1024;
let mine = -1;
let myActivity = -1;

const entryAt = (id: number): number => entriesAt + (id - 1) * Entry.SIZE;
const activityOf = (id: number): number => activityAt + (id - 1) * activitySize;

export const backendStatusShmem: ShmemSubsystem = {
  name: 'Backend Status Array',
  request() {
    requestShmemSpace(procSignalSlotCount() * Entry.SIZE);
    requestShmemSpace(procSignalSlotCount() * settings.track_activity_query_size);
  },
  init() {
    activitySize = settings.track_activity_query_size;
    entriesAt = shmemInitStruct('Backend Status Array', procSignalSlotCount() * Entry.SIZE).at;
    activityAt = shmemInitStruct('Backend Activity Buffer', procSignalSlotCount() * activitySize).at;
  },
};

function beginWrite(): void {
  Entry.changeCount.add(mem, mine, 1); // [B1]
}
function endWrite(): void {
  Entry.changeCount.add(mem, mine, 1);
}

/** This process appears in pg_stat_activity. */
export function backendStatusInit(): void {
  mine = entryAt(myProcess.backendId);
  lastLength = -1;
  myActivity = activityOf(myProcess.backendId);
  beginWrite();
  mem.u8.fill(0, mine + 4, mine + Entry.SIZE);
  Entry.procNumber.set(mem, mine, myProcess.procNumber);
  Entry.startTime.set(mem, mine, myProcess.startTime);
  Entry.clientPort.set(mem, mine, -1);
  Entry.backendType.set(mem, mine, myProcess.backendType);
  Entry.pid.set(mem, mine, myProcess.pid);
  endWrite();
  onShmemExit(() => {
    beginWrite();
    Entry.pid.set(mem, mine, 0);
    endWrite();
    mine = -1;
  });
}

export interface ClientIdentity {
  readonly address: string;
  readonly port: number;
  readonly hostname: string;
}
export function reportClient(client: ClientIdentity): void {
  if (mine < 0) return;
  beginWrite();
  Entry.clientAddress.set(mem, mine, client.address);
  Entry.clientHostname.set(mem, mine, client.hostname);
  Entry.clientPort.set(mem, mine, client.port);
  endWrite();
}
export function reportSession(session: {
  databaseId: number;
  databaseName: string;
  userId: number;
  userName: string;
}): void {
  if (mine < 0) return;
  beginWrite();
  Entry.databaseId.set(mem, mine, session.databaseId);
  Entry.databaseName.set(mem, mine, session.databaseName);
  Entry.userId.set(mem, mine, session.userId);
  Entry.userName.set(mem, mine, session.userName);
  endWrite();
}
export function reportApplicationName(name: string): void {
  if (mine < 0) return;
  beginWrite();
  Entry.applicationName.set(mem, mine, name);
  endWrite();
}
export function reportXactTimestamp(timestamp: number): void {
  if (mine < 0) return;
  beginWrite();
  Entry.xactTime.set(mem, mine, timestamp);
  endWrite();
}

const encoder = new TextEncoder();
const scratch = new Uint8Array(65_536);
const STATE_INDEX = new Map<BackendState, number>(BACKEND_STATES.map((name, i) => [name, i]));
let lastText = '';
let lastLength = -1;

/** Copies the text into the activity buffer, cut at a character border. The same text again costs nothing. */
function writeActivity(text: string): void {
  if (text === lastText && lastLength >= 0) return;
  const room = Math.min(activitySize - 1, scratch.length);
  const { written } = encoder.encodeInto(text.length > room ? text.slice(0, room) : text, scratch);
  let length = Math.min(written, room);
  if (written > room) while (length > 0 && (scratch[length]! & 0xc0) === 0x80) length--;
  mem.u8.set(scratch.subarray(0, length), myActivity);
  lastText = text;
  lastLength = length;
}

/** `query` null keeps the last one, as PostgreSQL does when a backend goes idle. */
export function reportActivity(state: BackendState, query: string | null, timestamp = currentTimestamp()): void {
  if (mine < 0) return;
  if (!settings.track_activities) {
    if (Entry.state.get(mem, mine) === STATE_INDEX.get('disabled')) return;
    beginWrite();
    Entry.state.set(mem, mine, STATE_INDEX.get('disabled')!);
    Entry.stateTime.set(mem, mine, 0);
    Entry.queryTime.set(mem, mine, 0);
    Entry.activityLength.set(mem, mine, 0);
    endWrite();
    return;
  }
  beginWrite();
  Entry.state.set(mem, mine, STATE_INDEX.get(state)!);
  Entry.stateTime.set(mem, mine, timestamp);
  if (query !== null) {
    writeActivity(query);
    Entry.activityLength.set(mem, mine, lastLength);
    Entry.queryTime.set(mem, mine, timestamp);
  }
  endWrite();
}

export interface BackendStatus {
  readonly backendId: number;
  readonly pid: number;
  readonly procNumber: number;
  readonly state: BackendState;
  readonly startTime: number;
  readonly xactTime: number;
  readonly queryTime: number;
  readonly stateTime: number;
  readonly databaseId: number;
  readonly databaseName: string;
  readonly userId: number;
  readonly userName: string;
  readonly leaderPid: number;
  readonly clientAddress: string;
  readonly clientPort: number;
  readonly clientHostname: string;
  readonly applicationName: string;
  readonly backendType: string;
  readonly ssl: boolean;
  readonly activity: string;
}

function readEntry(id: number): BackendStatus | undefined {
  const at = entryAt(id);
  for (;;) {
    checkForInterrupts();
    const before = Entry.changeCount.load(mem, at);
    const pid = Entry.pid.get(mem, at);
    if (pid === 0) return undefined;
    const textAt = activityOf(id);
    const length = Math.min(Entry.activityLength.get(mem, at), activitySize);
    const copy: BackendStatus = {
      backendId: id,
      pid,
      procNumber: Entry.procNumber.get(mem, at),
      state: BACKEND_STATES[Entry.state.get(mem, at)] ?? 'undefined',
      startTime: Entry.startTime.get(mem, at),
      xactTime: Entry.xactTime.get(mem, at),
      queryTime: Entry.queryTime.get(mem, at),
      stateTime: Entry.stateTime.get(mem, at),
      databaseId: Entry.databaseId.get(mem, at),
      databaseName: Entry.databaseName.get(mem, at),
      userId: Entry.userId.get(mem, at),
      userName: Entry.userName.get(mem, at),
      leaderPid: Entry.leaderPid.get(mem, at),
      clientAddress: Entry.clientAddress.get(mem, at),
      clientPort: Entry.clientPort.get(mem, at),
      clientHostname: Entry.clientHostname.get(mem, at),
      applicationName: Entry.applicationName.get(mem, at),
      backendType: Entry.backendType.get(mem, at),
      ssl: Entry.ssl.get(mem, at),
      activity: Buffer.from(mem.u8.buffer, textAt, length).toString('utf8'),
    };
    if ((before & 1) === 0 && Entry.changeCount.load(mem, at) === before) return copy; // [B1]
  }
}

/** All processes that have an entry, by backend id. */
export function readBackendStatuses(): BackendStatus[] {
  const all: BackendStatus[] = [];
  for (let id = 1; id <= procSignalSlotCount(); id++) {
    const one = readEntry(id);
    if (one !== undefined) all.push(one);
  }
  return all;
}
export const readBackendStatus = (id: number): BackendStatus | undefined =>
  id >= 1 && id <= procSignalSlotCount() ? readEntry(id) : undefined;

/** What another process runs right now, as a deadlock's log entry shows it.
 *  Counterpart: pgstat_get_backend_current_activity() */
export function currentActivityOfPid(pid: number): string {
  const one = readBackendStatuses().find((status) => status.pid === pid);
  if (one === undefined) return '<backend information not available>';
  return one.activity === '' ? '<command string not enabled>' : one.activity;
}

/** What a process that just crashed was doing. Its entry may be half-written, so this reads bytes and trusts nothing;
 *  '' when there is nothing printable to tell. For the postmaster, which takes no lock and must not loop. */
export function readActivityOfPid(pid: number): string {
  for (let id = 1; id <= procSignalSlotCount(); id++) {
    const at = entryAt(id);
    if (Entry.pid.get(mem, at) !== pid) continue;
    const length = Math.min(Entry.activityLength.get(mem, at), activitySize);
    const text = Buffer.from(mem.u8.buffer, activityOf(id), length).toString('latin1');
    return text.replace(/[^\x20-\x7e\n\t]/g, '?');
  }
  return '';
}

// ── progress of commands ─────────────────────────────────────────────────────────────────────────────────────────
// Counterpart: src/backend/utils/activity/backend_progress.c

/** ProgressCommandType. */
export const PROGRESS_COMMAND = {
  invalid: 0,
  vacuum: 1,
  analyze: 2,
  cluster: 3,
  createIndex: 4,
  basebackup: 5,
  copy: 6,
} as const;
export type ProgressCommand = (typeof PROGRESS_COMMAND)[keyof typeof PROGRESS_COMMAND];
const PROGRESS_PARAMS = 20;
const paramAt = (entry: number, i: number): number => Entry.progressParams.at(entry, i);

export function pgstatProgressStartCommand(command: ProgressCommand, relid: number): void {
  if (mine < 0 || !settings.track_activities) return;
  beginWrite();
  Entry.progressCommand.set(mem, mine, command);
  Entry.progressTarget.set(mem, mine, relid);
  for (let i = 0; i < PROGRESS_PARAMS; i++) mem.view.setFloat64(paramAt(mine, i), 0, true);
  endWrite();
}
export function pgstatProgressUpdateParam(index: number, value: number): void {
  if (mine < 0 || !settings.track_activities) return;
  beginWrite();
  mem.view.setFloat64(paramAt(mine, index), value, true);
  endWrite();
}
export function pgstatProgressEndCommand(): void {
  if (mine < 0 || Entry.progressCommand.get(mem, mine) === PROGRESS_COMMAND.invalid) return;
  beginWrite();
  Entry.progressCommand.set(mem, mine, PROGRESS_COMMAND.invalid);
  Entry.progressTarget.set(mem, mine, 0);
  endWrite();
}

export interface BackendProgress {
  readonly pid: number;
  readonly databaseId: number;
  readonly userId: number;
  readonly target: number;
  readonly params: readonly number[];
}
/** All processes that run such a command. */
export function readProgress(command: ProgressCommand): BackendProgress[] {
  const all: BackendProgress[] = [];
  for (let id = 1; id <= procSignalSlotCount(); id++) {
    const at = entryAt(id);
    for (;;) {
      checkForInterrupts();
      const before = Entry.changeCount.load(mem, at);
      const isRunning = Entry.pid.get(mem, at) !== 0 && Entry.progressCommand.get(mem, at) === command;
      const copy: BackendProgress = {
        pid: Entry.pid.get(mem, at),
        databaseId: Entry.databaseId.get(mem, at),
        userId: Entry.userId.get(mem, at),
        target: Entry.progressTarget.get(mem, at),
        params: Array.from({ length: PROGRESS_PARAMS }, (_, i) => mem.view.getFloat64(paramAt(at, i), true)),
      };
      if ((before & 1) !== 0 || Entry.changeCount.load(mem, at) !== before) continue; // [B1]
      if (isRunning) all.push(copy);
      break;
    }
  }
  return all;
}
