/** log-pipe.ts — entries of many processes through one pipe to the logger, without mixing.
 *
 *  A write of at most PIPE_BUF bytes into a pipe is atomic, so every entry is cut into chunks of that size, each with a
 *  header of 9 bytes, and the logger puts the chunks of a pid together again:
 *
 *      0 nul  1 nul  2 u16 payload length  4 i32 pid  8 flags (1 last chunk, 0x10 stderr, 0x20 csvlog, 0x40 jsonlog)
 *
 *  Bytes that are no chunk – a library's or a shell's message on standard error – are passed on as they are. An entry
 *  cut off by its writer's death is passed on at the end of the stream.
 *  Counterpart: src/include/postmaster/syslogger.h, write_pipe_chunks() of elog.c, process_pipe_input() of syslogger.c */

export const PIPE_CHUNK_BYTES = 4096;
const HEADER_BYTES = 9;
export const PIPE_PAYLOAD_BYTES_MAX = PIPE_CHUNK_BYTES - HEADER_BYTES;
const IS_LAST = 0x01;

/** Where an entry is to go; the values are the flags on the wire. */
export const LOG_DESTINATION = { stderr: 0x10, csvlog: 0x20, jsonlog: 0x40 } as const satisfies Record<string, number>;
export type LogDestination = keyof typeof LOG_DESTINATION;
export const LOG_DESTINATIONS = Object.keys(LOG_DESTINATION) as readonly LogDestination[];
const DESTINATION_MASK = 0x70;

let destinationsFrom = '';
let destinations: ReadonlySet<string> = new Set(['stderr']);
/** log_destination as a set; kept until the setting changes. */
export function logDestinations(setting: string): ReadonlySet<string> {
  if (setting !== destinationsFrom) {
    destinations = new Set(setting.split(',').map((name) => name.trim().replaceAll('"', '').toLowerCase()));
    destinationsFrom = setting;
  }
  return destinations;
}

function destinationOf(flags: number): LogDestination | undefined {
  const wanted = flags & DESTINATION_MASK;
  return LOG_DESTINATIONS.find((name) => LOG_DESTINATION[name] === wanted);
}

/** Calls `write` once per chunk. The buffer is reused for the next one. */
export function writePipeChunks(
  entry: Uint8Array,
  pid: number,
  destination: LogDestination,
  write: (chunk: Uint8Array, length: number) => void,
): void {
  const chunk = new Uint8Array(Math.min(entry.length, PIPE_PAYLOAD_BYTES_MAX) + HEADER_BYTES);
  const view = new DataView(chunk.buffer);
  view.setInt32(4, pid, true);
  let at = 0;
  do {
    const length = Math.min(entry.length - at, PIPE_PAYLOAD_BYTES_MAX);
    const last = at + length === entry.length;
    view.setUint16(2, length, true);
    chunk[8] = LOG_DESTINATION[destination] | (last ? IS_LAST : 0);
    chunk.set(entry.subarray(at, at + length), HEADER_BYTES);
    write(chunk, HEADER_BYTES + length);
    at += length;
  } while (at < entry.length);
}

export type EntrySink = (destination: LogDestination, bytes: Uint8Array) => void;

interface Partial {
  destination: LogDestination;
  readonly pieces: Uint8Array[];
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const only = pieces[0];
  if (pieces.length === 1 && only !== undefined) return only;
  const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}

/** The reading end: bytes as they arrive in, whole entries out. */
export class ChunkReassembler {
  private rest = new Uint8Array(0);
  private readonly partials = new Map<number, Partial>();
  constructor(private readonly sink: EntrySink) {}

  feed(bytes: Uint8Array): void {
    const input = this.rest.length === 0 ? bytes : joined([this.rest, bytes]);
    const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
    let at = 0;
    // One byte of payload at least, so that a header is never judged before it is complete.
    while (input.length - at >= HEADER_BYTES + 1) {
      const length = view.getUint16(at + 2, true);
      const pid = view.getInt32(at + 4, true);
      const flags = view.getUint8(at + 8);
      const destination = destinationOf(flags);
      const isChunk = view.getUint16(at, true) === 0 && length > 0 && length <= PIPE_PAYLOAD_BYTES_MAX && pid !== 0;
      if (isChunk && destination !== undefined) {
        if (input.length - at < HEADER_BYTES + length) break;
        const start = at + HEADER_BYTES;
        this.take(pid, destination, (flags & IS_LAST) !== 0, input.subarray(start, start + length));
        at = start + length;
      } else {
        const nul = input.indexOf(0, at + 1);
        const end = nul < 0 ? input.length : nul;
        this.sink('stderr', input.slice(at, end));
        at = end;
      }
    }
    this.rest = input.slice(at);
  }

  /** End of the stream: what is incomplete is better shown than lost. */
  flush(): void {
    for (const { destination, pieces } of this.partials.values()) this.sink(destination, joined(pieces));
    this.partials.clear();
    if (this.rest.length > 0) this.sink('stderr', this.rest);
    this.rest = new Uint8Array(0);
  }

  private take(pid: number, destination: LogDestination, last: boolean, payload: Uint8Array): void {
    const partial = this.partials.get(pid);
    if (last) {
      this.partials.delete(pid);
      this.sink(destination, partial === undefined ? payload : joined([...partial.pieces, payload]));
    } else if (partial === undefined) {
      this.partials.set(pid, { destination, pieces: [payload.slice()] });
    } else {
      partial.pieces.push(payload.slice());
    }
  }
}
