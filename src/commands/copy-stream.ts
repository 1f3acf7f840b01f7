/** copy-stream.ts — where COPY's bytes come from or go to: the client, a file, or a program.
 *  Counterpart: CopyGetData(), CopySendEndOfRow() of src/backend/commands/copyfromparse.c, copyto.c */
import { BACKEND, FRONTEND } from '#libpq/messages.ts';
import type { Port } from '#libpq/port.ts';
import { environment } from '#platform/environment.ts';
import { native } from '#platform/native.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { checkForInterrupts } from '#runtime/interrupts.ts';

/** Gives the next bytes, null at the end. The buffer is valid until the next call. */
export interface CopySource {
  read(): Uint8Array | null;
  close(): void;
}
export interface CopySink {
  /** One row, or another piece that must not be cut. */
  write(bytes: Uint8Array, length: number): void;
  close(): void;
}

const COPY_DATA_LIMIT = 0x3fff_ffff;

/** Tells the client of the columns: COPY goes into or out of it from now on. */
export function beginClientCopy(port: Port, direction: 'in' | 'out', columns: number, binary: boolean): void {
  const { writer } = port;
  const format = binary ? 1 : 0;
  writer.begin(direction === 'in' ? BACKEND.copyInResponse : BACKEND.copyOutResponse);
  writer.int8(format);
  writer.int16(columns);
  for (let i = 0; i < columns; i++) writer.int16(format);
  writer.end();
  if (direction === 'in') port.flush();
}

export class ClientSource implements CopySource {
  #ended = false;
  readonly #port: Port;
  constructor(port: Port) {
    this.#port = port;
  }
  read(): Uint8Array | null {
    if (this.#ended) return null;
    const { reader } = this.#port;
    for (;;) {
      checkForInterrupts();
      const type = reader.readByte();
      if (type < 0) this.#lost();
      reader.startMessage();
      if (!reader.readMessage(COPY_DATA_LIMIT)) this.#lost();
      switch (type) {
        case FRONTEND.copyData:
          return reader.getRest();
        case FRONTEND.copyDone:
          this.#ended = true;
          return null;
        case FRONTEND.copyFail:
          this.#ended = true;
          report('ERROR', {
            code: SQLSTATE.queryCanceled,
            message: `COPY from stdin failed: ${reader.getString()}`,
          });
          break;
        case FRONTEND.flush:
        case FRONTEND.sync:
          // A client that cannot know whether COPY is over sends these; they mean nothing here.
          continue;
        default:
          report('ERROR', {
            code: SQLSTATE.protocolViolation,
            message: `unexpected message type 0x${type.toString(16).toUpperCase().padStart(2, '0')} during COPY from stdin`,
          });
      }
    }
  }
  #lost(): never {
    report('ERROR', {
      code: SQLSTATE.connectionFailure,
      message: 'unexpected EOF on client connection with an open transaction',
    });
  }
  /** Reads on until the client has said that it is done. */
  close(): void {
    while (!this.#ended) this.read();
  }
}

export class ClientSink implements CopySink {
  readonly #port: Port;
  constructor(port: Port) {
    this.#port = port;
  }
  write(bytes: Uint8Array, length: number): void {
    const { writer } = this.#port;
    writer.begin(BACKEND.copyData);
    writer.bytes(length === bytes.length ? bytes : bytes.subarray(0, length));
    writer.end();
    this.#port.flushIfLarge();
  }
  close(): void {
    this.#port.writer.empty(BACKEND.copyDone);
  }
}

// ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────

const CHUNK_BYTES = 65_536;
const O_RDONLY = 0;
/** O_WRONLY | O_CREAT | O_TRUNC */
const O_REPLACE = 0o1101;
/** World-readable, as PostgreSQL's COPY leaves its files. */
const FILE_MODE = 0o644;

const HINTS = {
  from: "COPY FROM instructs the PostgreSQL server process to read a file. You may want a client-side facility such as psql's \\copy.",
  to: "COPY TO instructs the PostgreSQL server process to write a file. You may want a client-side facility such as psql's \\copy.",
} as const;
function refuseFile(path: string, errno: number, direction: 'from' | 'to'): never {
  const isMissing = errno === native.ERRNO.ENOENT || errno === native.ERRNO.EACCES;
  report('ERROR', {
    code: errno === native.ERRNO.EACCES ? SQLSTATE.insufficientPrivilege : SQLSTATE.undefinedFile,
    message: `could not open file "${path}" for ${direction === 'from' ? 'reading' : 'writing'}: ${native.errorMessage(errno)}`,
    ...(isMissing ? { hint: HINTS[direction] } : {}),
  });
}

export class FileSource implements CopySource {
  readonly #buffer = new Uint8Array(CHUNK_BYTES);
  #fd: number;
  constructor(
    fd: number,
    readonly what: string,
    readonly onClose: (() => void) | null,
  ) {
    this.#fd = fd;
  }
  read(): Uint8Array | null {
    checkForInterrupts();
    const count = native.readBytes(this.#fd, this.#buffer, 0, CHUNK_BYTES);
    if (count < 0) report('ERROR', { message: `could not read from ${this.what}: ${native.errorMessage(-count)}` });
    return count === 0 ? null : this.#buffer.subarray(0, count);
  }
  close(): void {
    if (this.#fd < 0) return;
    native.closeFd(this.#fd);
    this.#fd = -1;
    this.onClose?.();
  }
}
export class FileSink implements CopySink {
  readonly #buffer = new Uint8Array(CHUNK_BYTES);
  #used = 0;
  #fd: number;
  constructor(
    fd: number,
    readonly what: string,
    readonly onClose: (() => void) | null,
  ) {
    this.#fd = fd;
  }
  write(bytes: Uint8Array, length: number): void {
    if (this.#used + length > CHUNK_BYTES) this.#flush();
    if (length > CHUNK_BYTES) {
      this.#send(bytes, length);
      return;
    }
    this.#buffer.set(length === bytes.length ? bytes : bytes.subarray(0, length), this.#used);
    this.#used += length;
  }
  #flush(): void {
    this.#send(this.#buffer, this.#used);
    this.#used = 0;
  }
  #send(bytes: Uint8Array, length: number): void {
    for (let sent = 0; sent < length; ) {
      const count = native.writeBytes(this.#fd, bytes, sent, length - sent);
      if (count < 0) report('ERROR', { message: `could not write to ${this.what}: ${native.errorMessage(-count)}` });
      sent += count;
    }
  }
  close(): void {
    if (this.#fd < 0) return;
    this.#flush();
    native.closeFd(this.#fd);
    this.#fd = -1;
    this.onClose?.();
  }
}

export function openCopyFile(path: string, direction: 'from' | 'to'): number {
  const fd = direction === 'from' ? native.openFile(path, O_RDONLY, 0) : native.openFile(path, O_REPLACE, FILE_MODE);
  if (fd < 0) refuseFile(path, -fd, direction);
  return fd;
}

/** Runs a shell command with one end of a pipe. Closing waits for it; a failure of its own is an error. */
export function openCopyProgram(command: string, direction: 'from' | 'to'): { fd: number; wait: () => void } {
  const made = native.pipe(false);
  if (typeof made === 'number')
    report('ERROR', { message: `could not execute command "${command}": ${native.errorMessage(-made)}` });
  const [readEnd, writeEnd] = made as readonly [number, number];
  const theirs = direction === 'from' ? writeEnd : readEnd;
  const ours = direction === 'from' ? readEnd : writeEnd;
  const nothing = native.openFile('/dev/null', 2, 0);
  const fds: [number, number][] =
    direction === 'from'
      ? [
          [nothing, 0],
          [theirs, 1],
          [2, 2],
        ]
      : [
          [theirs, 0],
          [nothing, 1],
          [2, 2],
        ];
  const pid = native.spawnProcess('/bin/sh', ['sh', '-c', command], environment(), fds);
  native.closeFd(theirs);
  native.closeFd(nothing);
  if (pid < 0) {
    native.closeFd(ours);
    report('ERROR', { message: `could not execute command "${command}": ${native.errorMessage(-pid)}` });
  }
  return { fd: ours, wait: () => waitForProgram(pid, command) };
}
function waitForProgram(pid: number, command: string): void {
  const out = new Int32Array(2);
  while (native.waitpid(pid, true, out) === -native.ERRNO.EINTR) checkForInterrupts();
  const status = out[1]!;
  if (status === 0) return;
  const signal = status & 0x7f;
  report('ERROR', {
    code: SQLSTATE.externalRoutineException,
    message: `program "${command}" failed`,
    detail:
      signal === 0
        ? `child process exited with exit code ${status >> 8}`
        : `child process was terminated by signal ${signal}`,
  });
}
