// client.mjs — the smallest PostgreSQL client: one raw socket, messages in arrival order, a deadline on every wait.
//
// A wait that runs out throws Hang, which names what was awaited and what had come; a lost connection throws Cut, an
// ErrorResponse that ends the session throws Refused with its SQLSTATE. The callers decide which of these they allow.
import { connect } from 'node:net';

export class Hang extends Error {}
export class Cut extends Error {
  /** `code` is errno's name ('ECONNREFUSED', 'ECONNRESET') or 'closed'; `warning` the SQLSTATE of a notice seen before. */
  constructor(code, warning, during) {
    super(`connection ended while ${during}: ${code}${warning ? ` after ${warning}` : ''}`);
    this.code = code;
    this.warning = warning;
  }
}
export class Refused extends Error {
  constructor(fields, during) {
    super(`${fields.S} ${fields.C} while ${during}: ${fields.M}`);
    this.sqlstate = fields.C;
  }
}

const PROTOCOL_3 = 196_608;
function startup(user, database) {
  const body = Buffer.from(`user\0${user}\0database\0${database}\0\0`);
  const head = Buffer.alloc(8);
  head.writeInt32BE(body.length + 8, 0);
  head.writeInt32BE(PROTOCOL_3, 4);
  return Buffer.concat([head, body]);
}
function message(type, text) {
  const body = Buffer.from(text === undefined ? '' : `${text}\0`);
  const head = Buffer.alloc(5);
  head.write(type, 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}
function fieldsOf(body) {
  const fields = {};
  for (const part of body.toString('utf8').split('\0')) if (part !== '') fields[part[0]] = part.slice(1);
  return fields;
}

export class Client {
  #buffer = Buffer.alloc(0);
  #during = 'connecting';
  #ended;
  #waiter;
  #warning;
  #rows = 0;
  #error;
  pid = 0;

  constructor(port, deadlineMs) {
    this.deadlineMs = deadlineMs;
    this.socket = connect(port, '127.0.0.1');
    this.socket.setNoDelay(true);
    this.socket.on('connect', () => this.#settle('connected'));
    this.socket.on('data', (chunk) => this.#collect(chunk));
    this.socket.on('error', (error) => {
      this.#ended ??= error.code ?? String(error);
    });
    this.socket.on('close', () => {
      this.#ended ??= 'closed';
      this.#settle('ended');
    });
  }
  /** Resolves with {rows, error} of the wait for ReadyForQuery; `until` is 'connected', 'ready' or 'ended'. */
  #wait(until, during) {
    this.#during = during;
    this.#rows = 0;
    this.#error = undefined;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiter = undefined;
        this.socket.destroy();
        reject(new Hang(`no answer for ${this.deadlineMs} ms while ${during} (server process ${this.pid})`));
      }, this.deadlineMs);
      this.#waiter = { until, resolve, reject, timer };
      if (this.#ended !== undefined) this.#settle('ended');
    });
  }
  #settle(event) {
    const waiter = this.#waiter;
    if (waiter === undefined || (event !== waiter.until && event !== 'ended')) return;
    this.#waiter = undefined;
    clearTimeout(waiter.timer);
    if (event === waiter.until) waiter.resolve({ rows: this.#rows, error: this.#error });
    else if (this.#error !== undefined) waiter.reject(new Refused(this.#error, this.#during));
    else waiter.reject(new Cut(this.#ended, this.#warning, this.#during));
  }
  #collect(chunk) {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
    let at = 0;
    while (this.#buffer.length - at >= 5) {
      const end = at + this.#buffer.readInt32BE(at + 1) + 1;
      if (end > this.#buffer.length) break;
      const body = this.#buffer.subarray(at + 5, end);
      switch (String.fromCharCode(this.#buffer[at])) {
        case 'K':
          this.pid = body.readInt32BE(0);
          break;
        case 'D':
          this.#rows++;
          break;
        case 'E':
          this.#error = fieldsOf(body);
          break;
        case 'N':
          this.#warning = fieldsOf(body).C;
          break;
        case 'Z':
          this.#settle('ready');
          break;
      }
      at = end;
    }
    this.#buffer = this.#buffer.subarray(at);
  }
  connected() {
    return this.#wait('connected', 'connecting');
  }
  async login(user = 'postgres', database = 'postgres') {
    this.socket.write(startup(user, database));
    return this.#wait('ready', 'logging in');
  }
  query(sql) {
    this.socket.write(message('Q', sql));
    return this.#wait('ready', `running ${sql}`);
  }
  /** Sends a query and does not wait. */
  throwQuery(sql) {
    this.socket.write(message('Q', sql));
  }
  /** Terminate, then waits until the server has closed its side. */
  async close() {
    this.socket.write(message('X'));
    return this.#wait('ended', 'waiting for the server to close the connection');
  }
  /** Waits for the server to end the session. */
  ended() {
    return this.#wait('ended', 'waiting for the server to end the session');
  }
  destroy() {
    this.socket.destroy();
  }
}

/** A session that is ready for queries; its socket is gone if that fails. */
export async function open(port, deadlineMs) {
  const client = new Client(port, deadlineMs);
  try {
    await client.login();
    return client;
  } catch (caught) {
    client.destroy();
    throw caught;
  }
}

/** Connects over and over, a millisecond apart, until `select 1` is answered. */
export async function firstAnswer(port, deadlineMs, what) {
  const deadline = Date.now() + deadlineMs;
  for (let last = 'nothing yet'; ; ) {
    if (Date.now() > deadline) throw new Hang(`waited ${deadlineMs} ms for ${what}; last: ${last}`);
    let client;
    try {
      client = await open(port, deadlineMs);
      await client.query('select 1');
      client.destroy();
      return;
    } catch (caught) {
      client?.destroy();
      if (caught instanceof Hang) throw caught;
      last = caught.message;
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
