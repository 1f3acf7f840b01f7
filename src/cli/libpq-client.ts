/** libpq-client.ts — just enough of a PostgreSQL client to ask a server one question: no TLS, no passwords; a server that
 *  wants to know more than the role's name gets no answer from us. */
import type { Socket } from 'node:net';
import { connect } from 'node:net';

export interface ServerAddress {
  /** A folder of Unix-domain sockets, or a host. */
  readonly host: string;
  readonly port: number;
}
export interface ClientOptions extends ServerAddress {
  readonly user: string;
  readonly database: string;
  readonly timeoutMs: number;
}
export type Row = readonly (string | null)[];

const PROTOCOL_3_0 = 196_608;
const AUTHENTICATION_OK = 0;

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(type.length + 4);
  head.write(type, 0, 'latin1');
  head.writeInt32BE(body.length + 4, type.length);
  return Buffer.concat([head, body]);
}
function startup(user: string, database: string): Buffer {
  const version = Buffer.alloc(4);
  version.writeInt32BE(PROTOCOL_3_0, 0);
  const words = ['user', user, 'database', database, 'application_name', 'nodegres', ''];
  return message('', Buffer.concat([version, ...words.map((word) => Buffer.from(`${word}\0`))]));
}

/** Text of field M of an ErrorResponse. */
function errorText(body: Buffer): string {
  const fields = body.toString('utf8').split('\0');
  return fields.find((field) => field.startsWith('M'))?.slice(1) ?? 'unknown error';
}
function dataRow(body: Buffer): Row {
  const row: (string | null)[] = [];
  let at = 2;
  for (let left = body.readInt16BE(0); left > 0; left--) {
    const length = body.readInt32BE(at);
    at += 4;
    row.push(length < 0 ? null : body.toString('utf8', at, at + length));
    at += Math.max(0, length);
  }
  return row;
}

/** Consumes complete messages of `buffer`; returns what is left. */
function eachMessage(buffer: Buffer, handle: (type: string, body: Buffer) => void): Buffer {
  let rest = buffer;
  while (rest.length >= 5) {
    const length = rest.readInt32BE(1);
    if (rest.length < 1 + length) break;
    handle(rest.toString('latin1', 0, 1), rest.subarray(5, 1 + length));
    rest = rest.subarray(1 + length);
  }
  return rest;
}

const socketOf = ({ host, port }: ServerAddress): Socket =>
  host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);

/** Rows of one query, all values as text. */
export function queryServer(options: ClientOptions, sql: string): Promise<Row[]> {
  return new Promise((resolve, reject) => {
    const socket = socketOf(options);
    const rows: Row[] = [];
    let rest: Buffer = Buffer.alloc(0);
    let asked = false;
    let failure: string | undefined;
    const finish = (error?: string): void => {
      socket.destroy();
      if (error !== undefined) reject(new Error(error));
      else resolve(rows);
    };
    socket.setTimeout(options.timeoutMs, () => finish('the server does not answer'));
    socket.on('error', (error) => finish(error.message));
    socket.on('close', () => finish(failure ?? 'the server closed the connection'));
    socket.on('connect', () => socket.write(startup(options.user, options.database)));
    socket.on('data', (bytes) => {
      rest = eachMessage(Buffer.concat([rest, bytes]), (type, body) => {
        if (type === 'R' && body.readInt32BE(0) !== AUTHENTICATION_OK) finish('the server asks for a password');
        else if (type === 'E') failure = errorText(body);
        else if (type === 'D') rows.push(dataRow(body));
        else if (type === 'Z' && !asked) {
          asked = true;
          socket.write(message('Q', Buffer.from(`${sql}\0`)));
        } else if (type === 'Z') {
          socket.write(message('X', Buffer.alloc(0)));
          finish(failure);
        }
      });
    });
  });
}
