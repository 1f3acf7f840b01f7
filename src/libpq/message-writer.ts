/** message-writer.ts — messages are built where they will be sent from: one growing buffer, lengths patched afterwards.
 *
 *  Cost: a message writes its own bytes and nothing else; no object, string or buffer is made per message once the
 *  buffer has its size. A message that fails half-way (an output function raised ERROR) is abandoned with one assignment.
 *  Counterpart: src/backend/libpq/pqformat.c, the output half of pqcomm.c */
import { UTF8_CODEC, type ClientCodec } from '#libpq/text-encoding.ts';

const INITIAL_SIZE = 16_384;
/** A buffer that grew past this for one big message is given back after it was sent. */
const KEEP_SIZE_MAX = 262_144;
/** Up to here an ASCII string is copied character by character, which beats a call into V8's encoder. */
const SHORT_STRING_MAX = 48;

const DIGIT_ZERO = 48;
const MINUS = 45;

export class MessageWriter {
  buffer: Buffer = Buffer.allocUnsafeSlow(INITIAL_SIZE);
  /** End of what has been written. */
  length = 0;
  codec: ClientCodec = UTF8_CODEC;
  #messageAt = -1;

  /** End of the last finished message: everything before may be sent. */
  get finished(): number {
    return this.#messageAt < 0 ? this.length : this.#messageAt;
  }
  get inMessage(): boolean {
    return this.#messageAt >= 0;
  }

  begin(type: number): void {
    this.reserve(5);
    this.#messageAt = this.length;
    this.buffer[this.length] = type;
    this.length += 5;
  }
  end(): void {
    this.patchInt32(this.#messageAt + 1, this.length - this.#messageAt - 1);
    this.#messageAt = -1;
  }
  /** Forgets a message that was begun and not ended. */
  abandon(): void {
    if (this.#messageAt < 0) return;
    this.length = this.#messageAt;
    this.#messageAt = -1;
  }
  /** Takes a half-written message out, so that another one can go before it; `reattach` puts it back. */
  detach(): Uint8Array | null {
    if (this.#messageAt < 0) return null;
    const partial = Buffer.from(this.buffer.subarray(this.#messageAt, this.length));
    this.abandon();
    return partial;
  }
  reattach(partial: Uint8Array): void {
    this.#messageAt = this.length;
    this.bytes(partial);
  }
  /** A message without a body. */
  empty(type: number): void {
    this.begin(type);
    this.end();
  }
  /** After everything finished was sent (an unfinished message moves to the front). */
  clear(): void {
    const from = this.finished;
    if (from === this.length) {
      this.length = 0;
      if (this.buffer.length > KEEP_SIZE_MAX) this.buffer = Buffer.allocUnsafeSlow(INITIAL_SIZE);
      return;
    }
    this.buffer.copyWithin(0, from, this.length);
    this.length -= from;
    this.#messageAt = 0;
  }

  reserve(bytes: number): void {
    const need = this.length + bytes;
    if (need <= this.buffer.length) return;
    let size = this.buffer.length * 2;
    while (size < need) size *= 2;
    const grown = Buffer.allocUnsafeSlow(size);
    this.buffer.copy(grown, 0, 0, this.length);
    this.buffer = grown;
  }

  int8(value: number): void {
    this.reserve(1);
    this.buffer[this.length++] = value;
  }
  int16(value: number): void {
    this.reserve(2);
    const at = this.length;
    this.buffer[at] = value >>> 8;
    this.buffer[at + 1] = value;
    this.length = at + 2;
  }
  int32(value: number): void {
    this.reserve(4);
    this.patchInt32(this.length, value);
    this.length += 4;
  }
  /** Signed 64 bits from a canonical int8. */
  int64(value: number | bigint): void {
    this.reserve(8);
    if (typeof value === 'number') {
      this.patchInt32(this.length, Math.floor(value / 0x1_0000_0000));
      this.patchInt32(this.length + 4, value >>> 0);
    } else this.buffer.writeBigInt64BE(value, this.length);
    this.length += 8;
  }
  float32(value: number): void {
    this.reserve(4);
    this.length = this.buffer.writeFloatBE(value, this.length);
  }
  float64(value: number): void {
    this.reserve(8);
    this.length = this.buffer.writeDoubleBE(value, this.length);
  }
  patchInt32(at: number, value: number): void {
    const buffer = this.buffer;
    buffer[at] = value >>> 24;
    buffer[at + 1] = value >>> 16;
    buffer[at + 2] = value >>> 8;
    buffer[at + 3] = value;
  }
  patchInt16(at: number, value: number): void {
    this.buffer[at] = value >>> 8;
    this.buffer[at + 1] = value;
  }
  bytes(from: Uint8Array): void {
    this.reserve(from.length);
    this.buffer.set(from, this.length);
    this.length += from.length;
  }
  /** Text in the client's encoding, without a terminator. */
  text(value: string): void {
    const length = value.length;
    if (length <= SHORT_STRING_MAX) {
      this.reserve(length);
      const buffer = this.buffer;
      let at = this.length;
      let i = 0;
      for (; i < length; i++) {
        const code = value.charCodeAt(i);
        if (code > 0x7f) break;
        buffer[at++] = code;
      }
      if (i === length) {
        this.length = at;
        return;
      }
    }
    if (!this.codec.passThrough) {
      this.bytes(this.codec.encode(value));
      return;
    }
    this.reserve(length * 3);
    this.length += this.buffer.write(value, this.length, 'utf8');
  }
  /** Text with its terminating NUL. */
  cstring(value: string): void {
    this.text(value);
    this.int8(0);
  }
  /** Int32 byte length, then the text. */
  countedText(value: string): void {
    const at = this.length;
    this.int32(0);
    this.text(value);
    this.patchInt32(at, this.length - at - 4);
  }
  countedBytes(from: Uint8Array): void {
    this.int32(from.length);
    this.bytes(from);
  }
  /** Int32 byte length, then the decimal digits of a safe integer, without making a string. */
  countedInteger(value: number): void {
    this.reserve(24);
    const buffer = this.buffer;
    const start = this.length + 4;
    let at = start;
    let rest = value;
    if (rest < 0) {
      buffer[at++] = MINUS;
      rest = -rest;
    }
    let digits = 1;
    for (let bound = 10; bound <= rest; bound *= 10) digits++;
    let last = at + digits - 1;
    while (last >= at) {
      const next = rest < 0x8000_0000 ? (rest / 10) | 0 : Math.floor(rest / 10);
      buffer[last--] = DIGIT_ZERO + (rest - next * 10);
      rest = next;
    }
    at += digits;
    this.patchInt32(start - 4, at - start);
    this.length = at;
  }
}
