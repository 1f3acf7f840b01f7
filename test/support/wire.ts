/** wire.ts — a client that says exactly what a test wants it to say: raw bytes out, messages in. */
import { connect, type Socket } from 'node:net';
import { waitFor } from './cluster.ts';

export interface Message {
  readonly type: string;
  readonly body: Buffer;
}
export const message = (type: string, body: Buffer = Buffer.alloc(0)): Buffer => {
  const head = Buffer.alloc(5);
  head.write(type, 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
};
export const text = (value: string): Buffer => Buffer.from(`${value}\0`);
export function startupPacket(parameters: Readonly<Record<string, string>>): Buffer {
  const body = Buffer.concat([
    ...Object.entries(parameters).flatMap(([key, value]) => [text(key), text(value)]),
    Buffer.from([0]),
  ]);
  const head = Buffer.alloc(8);
  head.writeInt32BE(body.length + 8, 0);
  head.writeInt32BE(196_608, 4);
  return Buffer.concat([head, body]);
}
export function cancelPacket(pid: number, key: number): Buffer {
  const packet = Buffer.alloc(16);
  packet.writeInt32BE(16, 0);
  packet.writeInt32BE(80_877_102, 4);
  packet.writeInt32BE(pid, 8);
  packet.writeInt32BE(key, 12);
  return packet;
}
/** Fields of an ErrorResponse or NoticeResponse by their letters. */
export function errorFields(body: Buffer): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const part of body.toString('utf8').split('\0')) if (part !== '') fields[part[0]!] = part.slice(1);
  return fields;
}

export class WireClient {
  readonly socket: Socket;
  #buffer = Buffer.alloc(0);
  readonly messages: Message[] = [];
  closed = false;
  raw = Buffer.alloc(0);

  /** A port of this machine, or the path of a socket. */
  constructor(port: number | string) {
    this.socket = typeof port === 'string' ? connect(port) : connect(port, '127.0.0.1');
    this.socket.on('data', (chunk) => this.#collect(chunk));
    this.socket.on('close', () => {
      this.closed = true;
    });
    // A reset by the server is an answer, too; the test looks at what came before.
    this.socket.on('error', () => {
      this.closed = true;
    });
  }
  #collect(chunk: Buffer): void {
    this.raw = Buffer.concat([this.raw, chunk]);
    this.#buffer = Buffer.concat([this.#buffer, chunk]);
    while (this.#buffer.length >= 5) {
      const length = this.#buffer.readInt32BE(1) + 1;
      if (length < 5 || this.#buffer.length < length) return;
      this.messages.push({ type: String.fromCharCode(this.#buffer[0]!), body: this.#buffer.subarray(5, length) });
      this.#buffer = this.#buffer.subarray(length);
    }
  }
  static async session(port: number | string, parameters: Readonly<Record<string, string>> = {}): Promise<WireClient> {
    const client = new WireClient(port);
    client.send(startupPacket({ user: 'postgres', database: 'postgres', ...parameters }));
    await client.until('Z');
    return client;
  }
  send(...parts: readonly Buffer[]): void {
    this.socket.write(Buffer.concat([...parts]));
  }
  /** Waits for a message of that type after the first `from`; returns all up to it. */
  async until(type: string, from = 0): Promise<Message[]> {
    let gone = false;
    await waitFor(
      `a message of type ${type}`,
      () => {
        const found = this.messages.slice(from).some((one) => one.type === type);
        if (!found && this.closed) gone = true;
        return found || gone;
      },
      20,
      () => `seen: ${this.messages.map((one) => one.type).join('')}, ${this.closed ? 'closed' : 'open'}`,
    );
    if (gone) throw new Error(`the server closed the connection: ${JSON.stringify(this.error() ?? {})}`);
    const at = this.messages.findIndex((one, i) => i >= from && one.type === type);
    return this.messages.slice(from, at + 1);
  }
  async query(sql: string): Promise<Message[]> {
    const from = this.messages.length;
    this.send(message('Q', text(sql)));
    return this.until('Z', from);
  }
  async ended(): Promise<void> {
    await waitFor('the server to close the connection', () => this.closed);
  }
  /** First error among the messages. */
  error(from = 0): Record<string, string> | undefined {
    const found = this.messages.slice(from).find((one) => one.type === 'E');
    return found === undefined ? undefined : errorFields(found.body);
  }
  notices(): Record<string, string>[] {
    return this.messages.filter((one) => one.type === 'N').map((one) => errorFields(one.body));
  }
  backendKey(): { pid: number; key: number } {
    const found = this.messages.find((one) => one.type === 'K')!;
    return { pid: found.body.readInt32BE(0), key: found.body.readInt32BE(4) };
  }
  close(): void {
    this.socket.destroy();
  }
}
