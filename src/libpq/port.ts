/** port.ts — one client connection: its socket, who is behind it, and the two buffers of its byte stream.
 *
 *  The socket never blocks: when it is not ready, the process sleeps on socket and latch together (`waitForSocket`), and
 *  what the latch brought (cancel, termination, timeouts) is looked at before trying again. A turn that fits costs one
 *  recv and one send. A lost client is noticed once: output is dropped from then on, and the next interrupt check ends
 *  the session.
 *  Counterpart: src/backend/libpq/pqcomm.c, be-secure.c, src/include/libpq/libpq-be.h */
import { MessageReader } from '#libpq/message-reader.ts';
import { MessageWriter } from '#libpq/message-writer.ts';
import type { ClientCodec } from '#libpq/text-encoding.ts';
import type { Fd, PeerInfo } from '#platform/native.ts';
import { report } from '#runtime/error/report.ts';
import { raiseInterrupt } from '#runtime/interrupts.ts';

/** PostgreSQL's send buffer: output beyond it leaves at once, even without a flush. */
export const SEND_BUFFER_SIZE = 8192;

/** What a port needs of the operating system: native-shm's functions, or a test's. Negative results are -errno. */
export interface SocketOperations {
  recv(fd: Fd, into: Uint8Array, offset: number, length: number): number;
  send(fd: Fd, from: Uint8Array, offset: number, length: number): number;
  shutdown(fd: Fd, how: 'read' | 'write' | 'both'): number;
  closeFd(fd: Fd): number;
  peerClosed(fd: Fd): number;
  errorMessage(errno: number): string;
  readonly ERRNO: Readonly<Record<'EAGAIN' | 'EINTR' | 'ECONNRESET' | 'EPIPE', number>>;
}

export type SocketDirection = 'read' | 'write';
export type SocketWaitEvent = 'ClientRead' | 'ClientWrite';
/** Sleeps until the socket is ready or the latch is set (then the latch has been reset). Does not return when the
 *  postmaster died. */
export type WaitForSocket = (fd: Fd, direction: SocketDirection, waitEvent: SocketWaitEvent) => 'socket' | 'latch';

export interface PortHooks {
  waitForSocket: WaitForSocket;
  /** Called when a read had to wait or was interrupted: may end the process, may throw while a command is awaited. */
  processReadInterrupt(blocked: boolean): void;
  processWriteInterrupt(blocked: boolean): void;
}

export class Port {
  readonly writer = new MessageWriter();
  readonly reader: MessageReader;
  /** The client is gone: nothing can be sent, the session is to end. */
  connectionLost = false;
  /** Reads give what is there and never wait (COPY, walsender). */
  nonblocking = false;
  user = '';
  database = '';
  applicationName = '';
  remoteHost = '';
  remotePort = '';
  remoteHostname = '';
  /** -2 not looked up, -1 does not resolve back, 0 unknown, 1 matches. */
  remoteHostnameResolve = -2;
  /** From the startup packet. */
  commandLineOptions: string | null = null;
  gucOptions: [name: string, value: string][] = [];
  isWalSender = false;
  isDatabaseWalSender = false;
  /** TimestampTz when the connection was accepted. */
  sessionStart = 0;
  /** Identity that authentication proved, and how, for logs. */
  authenticatedIdentity: string | null = null;
  authenticationMethod = '';
  /** fd -1 marks a port whose socket was closed. */
  #hooks: PortHooks;
  /** The last read took all there was: trying again before waiting would be a wasted system call. */
  #drained = false;
  #sent = 0;
  #lastSendError = 0;
  #sending = false;

  constructor(
    public fd: Fd,
    readonly remote: PeerInfo,
    readonly local: PeerInfo | undefined,
    readonly socket: SocketOperations,
    hooks: PortHooks,
  ) {
    this.#hooks = hooks;
    this.reader = new MessageReader((into, offset, length) => this.#receive(into, offset, length));
  }

  get isUnixSocket(): boolean {
    return this.remote.family === 'unix';
  }
  set hooks(hooks: PortHooks) {
    this.#hooks = hooks;
  }
  setCodec(codec: ClientCodec): void {
    this.writer.codec = codec;
    this.reader.codec = codec;
  }

  /** Bytes read; 0 when the stream ended or broke. */
  #receive(into: Uint8Array, offset: number, length: number): number {
    for (;;) {
      if (this.fd < 0) return 0;
      if (this.#drained) {
        const reason = this.#hooks.waitForSocket(this.fd, 'read', 'ClientRead');
        this.#hooks.processReadInterrupt(true);
        if (reason === 'latch') continue;
        this.#drained = false;
      }
      const got = this.socket.recv(this.fd, into, offset, length);
      if (got >= 0) {
        this.#drained = got > 0 && got < length;
        this.#hooks.processReadInterrupt(false);
        return got;
      }
      if (-got === this.socket.ERRNO.EAGAIN) {
        this.#hooks.waitForSocket(this.fd, 'read', 'ClientRead');
        this.#hooks.processReadInterrupt(true);
      } else if (-got === this.socket.ERRNO.EINTR) this.#hooks.processReadInterrupt(true);
      else {
        report('LOG_SERVER_ONLY', {
          message: `could not receive data from client: ${this.socket.errorMessage(-got)}`,
        });
        return 0;
      }
    }
  }

  /** True if bytes (or the end of the stream) can be read without waiting. */
  readable(): boolean {
    if (this.reader.buffered > 0) return true;
    return this.socket.peerClosed(this.fd) !== 0;
  }

  /** Sends what has grown past the size of PostgreSQL's buffer; called between messages of a long answer. */
  flushIfLarge(): void {
    if (this.writer.length >= SEND_BUFFER_SIZE) this.flush();
  }

  /** Sends every finished message. False if the client is lost (the output is dropped). */
  flush(): boolean {
    // An error raised while sending (a die interrupt) reports itself to the client, which flushes: the inner call
    // continues where the outer one stood.
    const writer = this.writer;
    if (writer.length === 0) return true;
    this.#sending = true;
    try {
      const end = writer.finished;
      while (this.#sent < end) {
        if (this.connectionLost || this.fd < 0) return false;
        const sent = this.socket.send(this.fd, writer.buffer, this.#sent, end - this.#sent);
        if (sent > 0) {
          this.#lastSendError = 0;
          this.#sent += sent;
        } else if (-sent === this.socket.ERRNO.EAGAIN) {
          this.#hooks.waitForSocket(this.fd, 'write', 'ClientWrite');
          this.#hooks.processWriteInterrupt(true);
        } else if (-sent === this.socket.ERRNO.EINTR) this.#hooks.processWriteInterrupt(true);
        else {
          this.#lose(-sent);
          return false;
        }
      }
      return true;
    } finally {
      this.#sending = false;
      if (this.#sent >= writer.finished || this.connectionLost || this.fd < 0) {
        writer.clear();
        this.#sent = 0;
      }
    }
  }
  get sending(): boolean {
    return this.#sending;
  }

  /** One attempt to send without waiting; true when nothing is left. */
  flushIfWritable(): boolean {
    const writer = this.writer;
    const end = writer.finished;
    while (this.#sent < end) {
      if (this.connectionLost || this.fd < 0) break;
      const sent = this.socket.send(this.fd, writer.buffer, this.#sent, end - this.#sent);
      if (sent > 0) this.#sent += sent;
      else if (-sent === this.socket.ERRNO.EAGAIN) return false;
      else if (-sent !== this.socket.ERRNO.EINTR) this.#lose(-sent);
    }
    writer.clear();
    this.#sent = 0;
    return true;
  }

  #lose(errno: number): void {
    if (errno !== this.#lastSendError) {
      this.#lastSendError = errno;
      report('LOG_SERVER_ONLY', { message: `could not send data to client: ${this.socket.errorMessage(errno)}` });
    }
    this.connectionLost = true;
    raiseInterrupt();
  }

  /** Sends bytes that are no message: the answer to SSLRequest, errors of protocol 2. */
  sendRaw(bytes: Uint8Array): void {
    this.flush();
    this.writer.bytes(bytes);
    this.flush();
  }

  close(): void {
    if (this.fd < 0) return;
    this.socket.closeFd(this.fd);
    this.fd = -1;
  }
}
