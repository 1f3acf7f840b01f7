/** warm-up.ts — runs a few statements against nobody, in the postmaster, before anything is forked.
 *
 *  What a first query costs is compiling, filling inline caches and looking facts of the catalog up; done here it is done
 *  once for all children, which share the pages. The statements read constants and the server's own facts only. The
 *  connection is one whose bytes go nowhere; afterwards no trace of a session is left.
 *  Counterpart: none; a forked V8 profits from what its parent has run (architecture D2) */
import { writeErrorMessage } from '#libpq/error-message.ts';
import { native } from '#platform/native.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { databaseByName } from '#catalog/syscache.ts';
import { sendBackendKeyData, sendInitialParameters } from '#tcop/session.ts';
import { makePort } from '#tcop/startup.ts';
import { roleByName } from '#catalog/roles.ts';
import { BACKEND } from '#libpq/messages.ts';
import { Port, type SocketOperations } from '#libpq/port.ts';
import { dropUnnamedStatement, execBind, execDescribe, execExecute, execParse } from '#tcop/extended-query.ts';
import { resetSessionState } from '#tcop/session-state.ts';
import { execSimpleQuery } from '#tcop/simple-query.ts';
import { parseStartupPacket } from '#tcop/startup-packet.ts';
import { muteStatementLog } from '#tcop/statement-log.ts';
import '#tcop/utility.ts';
import { finishXactCommand } from '#tcop/xact-command.ts';
import { initializeTimeouts } from '#runtime/timeouts.ts';
import { monotonicMs } from '#platform/clock.ts';

const STATEMENTS = [
  'select 1',
  "select 1 + 2 as three, 'a' || 'b', now(), current_user",
  'begin',
  'commit',
  'show server_version',
  'select n from generate_series(1, 3) as g (n) where n > 1 order by n limit 1',
] as const;
const ROUNDS = 3;

const frontend = (...parts: readonly (string | readonly number[])[]): Buffer =>
  Buffer.concat(parts.map((part) => Buffer.from(part as string)));
/** Bodies of Parse, Bind, Describe and Execute for one statement with a parameter. */
const EXTENDED = [
  [execParse, frontend('\0', 'select $1::int + 1\0', [0, 0])],
  [execBind, frontend('\0\0', [0, 0, 0, 1, 0, 0, 0, 2], '41', [0, 0])],
  [execDescribe, frontend('P\0')],
  [execExecute, frontend('\0', [0, 0, 0, 0])],
] as const;

/** Swallows what is sent; hands out one message body at a time. */
class Nowhere implements SocketOperations {
  readonly ERRNO = { EAGAIN: 11, EINTR: 4, ECONNRESET: 104, EPIPE: 32 };
  input = Buffer.alloc(0);
  recv(_fd: number, into: Uint8Array, offset: number, length: number): number {
    const count = Math.min(length, this.input.length);
    into.set(this.input.subarray(0, count), offset);
    this.input = this.input.subarray(count);
    return count;
  }
  send(_fd: number, _from: Uint8Array, _offset: number, length: number): number {
    return length;
  }
  shutdown(): number {
    return 0;
  }
  closeFd(): number {
    return 0;
  }
  peerClosed(): number {
    return 0;
  }
  errorMessage(errno: number): string {
    return `error ${errno}`;
  }
}

export function warmUp(): void {
  const nowhere = new Nowhere();
  const hooks = { waitForSocket: () => 'socket' as const, processReadInterrupt() {}, processWriteInterrupt() {} };
  const port = new Port(0, { family: 'unix', address: '', port: 0 }, undefined, nowhere, hooks);
  parseStartupPacket(frontend([0, 3, 0, 0], 'user\0postgres\0database\0postgres\0\0'));
  resetSessionState(port);
  muteStatementLog(true);
  initializeTimeouts({ now: monotonicMs, setAlarm() {} });
  for (let round = 0; round < ROUNDS; round++) {
    for (const text of STATEMENTS) {
      execSimpleQuery(port, text);
      port.flush();
    }
    for (const [handle, body] of EXTENDED) {
      const head = Buffer.alloc(5);
      head[0] = BACKEND.authentication;
      head.writeInt32BE(body.length + 4, 1);
      nowhere.input = Buffer.concat([head, body]);
      port.reader.readByte();
      port.reader.startMessage();
      port.reader.readMessage(10_000);
      handle(port, port.reader);
    }
    finishXactCommand();
    port.flush();
    dropUnnamedStatement();
  }
  muteStatementLog(false);
  greet(port);
  resetSessionState(null);
}

/** What comes before a session's first query: the way in, without the parts that change the process. */
function greet(port: Port): void {
  const pair = native.socketPair('stream');
  if (typeof pair === 'number') return;
  makePort(pair[0]);
  for (const fd of pair) native.closeFd(fd);
  for (let round = 0; round < ROUNDS; round++) {
    roleByName('postgres');
    databaseByName('postgres');
    sendInitialParameters(port);
    sendBackendKeyData(port, 1, 1);
    writeErrorMessage(port.writer, 'WARNING', { code: SQLSTATE.crashShutdown, message: 'warm', detail: 'warm' });
    port.flush();
  }
}
