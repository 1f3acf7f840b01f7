/** fake-client.ts — a client in the same process: bytes in, the session's bytes out, decoded. */
import '#processes/query-services.ts';
import { Port, type SocketOperations } from '#libpq/port.ts';
import { dropAllPortals } from '#portal/portal.ts';
import { dropAllPreparedStatements } from '#portal/prepared.ts';
import { reportHooks } from '#runtime/error/report.ts';
import { initializeTimeouts } from '#runtime/timeouts.ts';
import { registerSessionTimeouts } from '#tcop/interrupts-backend.ts';
import { runSession, sendErrorToClient, SessionExit, sessionHooks } from '#tcop/session.ts';
import { resetSessionState } from '#tcop/session-state.ts';
import '#tcop/utility.ts';
import { abortOutOfAnyTransaction } from '#transam/xact.ts';

export function message(type: string, ...parts: (string | number[] | Buffer)[]): Buffer {
  const body = Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(`${part}\0`) : Buffer.from(part))),
  );
  const head = Buffer.alloc(5);
  head.write(type, 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}
export const query = (text: string): Buffer => message('Q', text);
export const sync = message('S');

/** One received message, readable: `C SELECT 1`, `D 1|null`, `E 42601 …`, `Z I`. */
function describe(type: string, body: Buffer): string {
  const strings = (): string[] => body.toString('utf8').split('\0');
  switch (type) {
    case 'C':
    case 'S':
      return `${type} ${strings()
        .filter((text) => text !== '')
        .join('=')}`;
    case 'Z':
      return `Z ${body.toString()}`;
    case 'E':
    case 'N': {
      const fields = new Map(strings().map((field) => [field[0], field.slice(1)]));
      return `${type} ${fields.get('C')} ${fields.get('M')}`;
    }
    case 'D': {
      const values: string[] = [];
      for (let i = 0, at = 2; i < body.readInt16BE(0); i++) {
        const length = body.readInt32BE(at);
        at += 4;
        values.push(length < 0 ? 'null' : body.toString('utf8', at, at + length));
        at += Math.max(0, length);
      }
      return `D ${values.join('|')}`;
    }
    case 'T': {
      const names: string[] = [];
      for (let i = 0, at = 2; i < body.readInt16BE(0); i++) {
        const end = body.indexOf(0, at);
        names.push(`${body.toString('utf8', at, end)}:${body.readInt32BE(end + 7)}`);
        at = end + 19;
      }
      return `T ${names.join('|')}`;
    }
    case 't':
      return `t ${Array.from({ length: body.readInt16BE(0) }, (_, i) => body.readInt32BE(2 + 4 * i)).join(',')}`;
    default:
      return type;
  }
}
export function decode(bytes: Buffer): string[] {
  const seen: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readInt32BE(at + 1);
    seen.push(describe(String.fromCharCode(bytes[at]!), bytes.subarray(at + 5, at + 1 + length)));
    at += 1 + length;
  }
  return seen;
}

/** Feeds the messages to a fresh session until it ends (end of input ends it); gives back everything it sent. */
export function converse(...input: Buffer[]): string[] {
  const incoming = Buffer.concat(input);
  const sent: Buffer[] = [];
  let at = 0;
  const socket: SocketOperations = {
    ERRNO: { EAGAIN: 11, EINTR: 4, ECONNRESET: 104, EPIPE: 32 },
    recv(_fd, into, offset, length) {
      const count = Math.min(length, incoming.length - at);
      into.set(incoming.subarray(at, at + count), offset);
      at += count;
      return count;
    },
    send(_fd, from, offset, length) {
      sent.push(Buffer.from(from.subarray(offset, offset + length)));
      return length;
    },
    shutdown: () => 0,
    closeFd: () => 0,
    peerClosed: () => 0,
    errorMessage: String,
  };
  const port = new Port(3, { family: 'unix', address: '', port: 0 }, undefined, socket, {
    waitForSocket: () => 'socket',
    processReadInterrupt() {},
    processWriteInterrupt() {},
  });
  resetSessionState(port);
  initializeTimeouts({ now: () => 0, setAlarm() {} });
  registerSessionTimeouts();
  const leave = (code: number): never => {
    throw new SessionExit(code);
  };
  sessionHooks.exit = leave;
  reportHooks.exitProcess = leave;
  reportHooks.emit = sendErrorToClient;
  try {
    runSession(port);
  } catch (caught) {
    if (!(caught instanceof SessionExit)) throw caught;
  }
  abortOutOfAnyTransaction();
  dropAllPortals();
  dropAllPreparedStatements();
  return decode(Buffer.concat(sent));
}
