/** message-reader.ts — from a stream of bytes to messages, and from a message's body to its fields.
 *
 *  A message that arrived in one piece is read where it lies in the receive buffer. A longer one is collected in a
 *  buffer that grows with the bytes that came, never to the size a length field claims. The body is valid until the next
 *  message is read; `bytes()` returns a view of it, `copy` it to keep it.
 *  Counterpart: src/backend/libpq/pqcomm.c (input half), pqformat.c (pq_getmsg*) */
import { UTF8_CODEC, type ClientCodec } from '#libpq/text-encoding.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** One read from the socket into `into`: bytes read (blocks until at least one), 0 at end of stream or on failure. */
export type FillBuffer = (into: Uint8Array, offset: number, length: number) => number;

export const RECEIVE_BUFFER_SIZE = 8192;

/** A protocol fault without anyone who could be told: logged only. */
const commError = (message: string): void => report('LOG_SERVER_ONLY', { code: SQLSTATE.protocolViolation, message });

export class MessageReader {
  codec: ClientCodec = UTF8_CODEC;
  #fill: FillBuffer;
  #receive: Buffer = Buffer.allocUnsafeSlow(RECEIVE_BUFFER_SIZE);
  #start = 0;
  #end = 0;
  /** True from a message's first byte until its last: an error in between means that we lost our place. */
  #partial = false;
  // The current body.
  #body: Buffer = this.#receive;
  #at = 0;
  #limit = 0;

  constructor(fill: FillBuffer) {
    this.#fill = fill;
  }

  /** Bytes that arrived and were not looked at yet. */
  get buffered(): number {
    return this.#end - this.#start;
  }
  get isReadingMessage(): boolean {
    return this.#partial;
  }
  /** Start of a message whose type byte was just read (or of an untyped packet). */
  startMessage(): void {
    this.#partial = true;
  }
  endMessage(): void {
    this.#partial = false;
  }

  /** Next byte of the stream, -1 at its end. */
  readByte(): number {
    if (this.#start === this.#end && !this.#refill()) return -1;
    return this.#receive[this.#start++]!;
  }
  /** Looks at the next byte without taking it. */
  peekByte(): number {
    if (this.#start === this.#end && !this.#refill()) return -1;
    return this.#receive[this.#start]!;
  }

  /** Fills an empty receive buffer. */
  #refill(): boolean {
    this.#start = 0;
    this.#end = 0;
    const got = this.#fill(this.#receive, 0, this.#receive.length);
    this.#end = got;
    return got > 0;
  }
  /** At least `count` (≤ buffer size) bytes from #start on, or false at the end of the stream. */
  #ensure(count: number): boolean {
    while (this.#end - this.#start < count) {
      if (this.#start === this.#end) {
        this.#start = 0;
        this.#end = 0;
      } else if (this.#receive.length - this.#start < count) {
        this.#receive.copyWithin(0, this.#start, this.#end);
        this.#end -= this.#start;
        this.#start = 0;
      }
      const got = this.#fill(this.#receive, this.#end, this.#receive.length - this.#end);
      if (got <= 0) return false;
      this.#end += got;
    }
    return true;
  }

  /** Reads the length word and the body. False: the connection is of no more use, and the log says why. */
  readMessage(maxLength: number): boolean {
    if (!this.#ensure(4)) {
      commError('unexpected EOF within message length word');
      return false;
    }
    const b = this.#receive;
    const s = this.#start;
    const length = (b[s]! << 24) | (b[s + 1]! << 16) | (b[s + 2]! << 8) | b[s + 3]!;
    this.#start = s + 4;
    const bodyLength = length - 4;
    if (bodyLength < 0 || bodyLength > maxLength) {
      commError('invalid message length');
      return false;
    }
    if (!this.readBody(bodyLength)) {
      commError('incomplete message from client');
      return false;
    }
    this.#partial = false;
    return true;
  }
  /** Makes the next `length` bytes the current body. */
  readBody(length: number): boolean {
    if (length <= this.#receive.length) {
      if (!this.#ensure(length)) return false;
      this.#body = this.#receive;
      this.#at = this.#start;
      this.#start += length;
      this.#limit = this.#start;
      return true;
    }
    return this.#collect(length);
  }
  /** A body larger than the receive buffer, in a buffer of its own. */
  #collect(length: number): boolean {
    let big = Buffer.allocUnsafeSlow(Math.min(length, 4 * RECEIVE_BUFFER_SIZE));
    let have = this.buffered;
    this.#receive.copy(big, 0, this.#start, this.#end);
    this.#start = 0;
    this.#end = 0;
    while (have < length) {
      if (have === big.length) {
        const grown = Buffer.allocUnsafeSlow(Math.min(length, big.length * 2));
        big.copy(grown, 0, 0, have);
        big = grown;
      }
      const got = this.#fill(big, have, big.length - have);
      if (got <= 0) return false;
      have += got;
    }
    this.#body = big;
    this.#at = 0;
    this.#limit = length;
    return true;
  }

  // ── fields of the current body ─────────────────────────────────────────────────────────────────────────────────

  get remaining(): number {
    return this.#limit - this.#at;
  }
  getByte(): number {
    if (this.#at >= this.#limit) violation('no data left in message');
    return this.#body[this.#at++]!;
  }
  getInt16(): number {
    if (this.remaining < 2) violation('insufficient data left in message');
    const at = this.#at;
    this.#at = at + 2;
    return (this.#body[at]! << 8) | this.#body[at + 1]!;
  }
  getInt32(): number {
    if (this.remaining < 4) violation('insufficient data left in message');
    const b = this.#body;
    const at = this.#at;
    this.#at = at + 4;
    return (b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!;
  }
  /** NUL-terminated, verified, in JavaScript's form. */
  getString(): string {
    const end = this.#body.indexOf(0, this.#at);
    if (end < 0 || end >= this.#limit) violation('invalid string in message');
    const start = this.#at;
    this.#at = end + 1;
    return start === end ? '' : this.codec.decode(this.#body, start, end);
  }
  /** NUL-terminated, not verified: names that are looked up only. */
  getRawString(): string {
    const end = this.#body.indexOf(0, this.#at);
    if (end < 0 || end >= this.#limit) violation('invalid string in message');
    const text = this.#body.toString('utf8', this.#at, end);
    this.#at = end + 1;
    return text;
  }
  /** The next `length` bytes as text of the client's encoding. */
  getText(length: number): string {
    if (length < 0 || length > this.remaining) violation('insufficient data left in message');
    const start = this.#at;
    this.#at = start + length;
    return this.codec.decode(this.#body, start, this.#at);
  }
  /** View of the next `length` bytes; valid until the next message. */
  getBytes(length: number): Buffer {
    if (length < 0 || length > this.remaining) violation('insufficient data left in message');
    const start = this.#at;
    this.#at = start + length;
    return this.#body.subarray(start, this.#at);
  }
  /** View of the whole rest. */
  getRest(): Buffer {
    return this.getBytes(this.remaining);
  }
  /** The body must be used up. */
  getEnd(): void {
    if (this.#at !== this.#limit) violation('invalid message format');
  }
}

function violation(message: string): never {
  return report('ERROR', { code: SQLSTATE.protocolViolation, message });
}
