/** copy-lines.ts — the input of COPY FROM cut into lines, and lines into fields, as bytes.
 *
 *  A line and its fields are ranges of one buffer; a string is made only of what must become one. Backslashes and quotes
 *  are ASCII in every encoding that arrives here (others are converted line by line first).
 *  Counterpart: CopyReadLineText(), CopyReadAttributesText/CSV() of src/backend/commands/copyfromparse.c */
import type { CopyOptions } from '#commands/copy-options.ts';
import type { CopySource } from '#commands/copy-stream.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const NL = 10;
const CR = 13;
const BACKSLASH = 92;
const DOT = 46;

const badCopy = (message: string, hint?: string): never =>
  report('ERROR', { code: SQLSTATE.badCopyFileFormat, message, hint });

export class LineReader {
  /** The line's bytes are buffer[start, end). */
  buffer = Buffer.allocUnsafeSlow(65_536);
  start = 0;
  end = 0;
  /** Number of the line, from 1. */
  line = 0;
  #next = 0;
  #filled = 0;
  #atEnd = false;
  #ended = false;
  /** How lines end, found out at the first one. */
  #eol: 'nl' | 'cr' | 'crnl' | null = null;
  readonly #isCsv: boolean;
  readonly #quote: number;
  readonly #escape: number;

  constructor(
    readonly source: CopySource,
    options: CopyOptions,
  ) {
    this.#isCsv = options.format === 'csv';
    this.#quote = options.quote.charCodeAt(0);
    // A quote that is its own escape needs no look: two of them toggle twice.
    this.#escape = options.escape === options.quote ? -1 : options.escape.charCodeAt(0);
  }

  /** Makes at least one more byte available behind what is there; false at the end of the input. */
  #fill(): boolean {
    if (this.#atEnd) return false;
    const chunk = this.source.read();
    if (chunk === null) {
      this.#atEnd = true;
      return false;
    }
    const kept = this.#filled - this.start;
    if (this.#filled + chunk.length > this.buffer.length) {
      // What belongs to the line moves to the front of this buffer, or of a larger one.
      const needed = kept + chunk.length;
      const target =
        needed > this.buffer.length ? Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2)) : this.buffer;
      this.buffer.copy(target, 0, this.start, this.#filled);
      this.#next -= this.start;
      this.buffer = target;
      this.start = 0;
      this.#filled = kept;
    }
    this.buffer.set(chunk, this.#filled);
    this.#filled += chunk.length;
    return true;
  }

  /** The next line; false when there is none. */
  next(): boolean {
    if (this.#ended) return false;
    this.start = this.#next;
    this.line++;
    const found = this.#isCsv ? this.#scanCsv() : this.#scanText();
    if (!found) this.#ended = true;
    return found;
  }
  /** Whatever follows the end mark is read and thrown away. */
  drain(): void {
    this.#ended = true;
    this.source.close();
  }

  /** Handles the end of a line at position `at` (NL or CR). True if it is one. */
  #endLine(at: number): boolean {
    const isCr = this.buffer[at] === CR;
    if (this.#eol === null) {
      if (!isCr) this.#eol = 'nl';
      else {
        // A carriage return alone, or with a newline behind it.
        const offset = at - this.start;
        if (at + 1 >= this.#filled && !this.#fill()) this.#eol = 'cr';
        else this.#eol = this.buffer[this.start + offset + 1] === NL ? 'crnl' : 'cr';
        at = this.start + offset;
      }
    }
    this.end = at;
    if (this.#eol === 'nl') {
      if (isCr) this.#badCharacter('carriage return');
      this.#next = at + 1;
      return true;
    }
    if (!isCr) this.#badCharacter('newline');
    if (this.#eol === 'crnl') {
      const offset = at - this.start;
      if (at + 1 >= this.#filled) this.#fill();
      this.end = this.start + offset;
      if (this.buffer[this.end + 1] !== NL || this.end + 1 >= this.#filled) this.#badCharacter('carriage return');
      this.#next = this.end + 2;
      return true;
    }
    this.#next = at + 1;
    return true;
  }
  #badCharacter(which: 'newline' | 'carriage return'): never {
    const written = which === 'newline' ? '\\n' : '\\r';
    return this.#isCsv
      ? badCopy(`unquoted ${which} found in data`, `Use quoted CSV field to represent ${which}.`)
      : badCopy(`literal ${which} found in data`, `Use "${written}" to represent ${which}.`);
  }

  #scanText(): boolean {
    let at = this.start;
    for (;;) {
      if (at >= this.#filled) {
        const offset = at - this.start;
        if (!this.#fill()) return this.#lastLine(offset);
        at = this.start + offset;
      }
      const c = this.buffer[at]!;
      if (c === NL || c === CR) return this.#endLine(at);
      if (c === BACKSLASH) {
        const offset = at - this.start;
        if (at + 1 >= this.#filled && !this.#fill()) return this.#lastLine(offset + 1);
        at = this.start + offset;
        // The end mark stands alone on its line; anywhere else a backslash hides the next byte.
        if (this.buffer[at + 1] === DOT) {
          if (offset !== 0) badCopy('end-of-copy marker corrupt');
          return this.#endMark();
        }
        at += 2;
        continue;
      }
      at++;
    }
  }
  #scanCsv(): boolean {
    let at = this.start;
    let inQuotes = false;
    let escaped = false;
    for (;;) {
      if (at >= this.#filled) {
        const offset = at - this.start;
        if (!this.#fill()) return this.#lastLine(offset);
        at = this.start + offset;
      }
      const c = this.buffer[at]!;
      if (inQuotes && c === this.#escape) escaped = !escaped;
      if (c === this.#quote && !escaped) inQuotes = !inQuotes;
      if (c !== this.#escape) escaped = false;
      if (!inQuotes && (c === NL || c === CR)) return this.#endLine(at);
      if (at === this.start && c === BACKSLASH) {
        if (at + 1 >= this.#filled) this.#fill();
        at = this.start;
        if (at + 1 < this.#filled && this.buffer[at + 1] === DOT && this.#isEndMarkLine()) return this.#endMark();
      }
      at++;
    }
  }
  /** CSV: is `\.` all there is on this line? */
  #isEndMarkLine(): boolean {
    if (this.start + 2 >= this.#filled && !this.#fill()) return true;
    const c = this.buffer[this.start + 2];
    return c === NL || c === CR;
  }
  /** `\.` and the end of its line. */
  #endMark(): boolean {
    if (this.start + 2 >= this.#filled) this.#fill();
    if (this.start + 2 < this.#filled) {
      const c = this.buffer[this.start + 2]!;
      if (c !== NL && c !== CR) badCopy('end-of-copy marker corrupt');
    }
    return false;
  }
  /** What stands behind the last line end. */
  #lastLine(length: number): boolean {
    if (length === 0) return false;
    this.end = this.start + length;
    this.#next = this.end;
    return true;
  }
}

/** The fields of one line. */
export class FieldList {
  count = 0;
  /** Bytes of field i are bytes[starts[i], ends[i]); ends[i] is -1 for a null. */
  starts: Int32Array = new Int32Array(64);
  ends: Int32Array = new Int32Array(64);
  bytes: Buffer = Buffer.alloc(0);
  /** Fields whose text was changed by escapes or quotes live here. */
  #scratch = Buffer.allocUnsafeSlow(4096);
  readonly #delimiter: number;
  readonly #quote: number;
  readonly #escape: number;
  readonly #nullText: Buffer;

  constructor(options: CopyOptions) {
    this.#delimiter = options.delimiter.charCodeAt(0);
    this.#quote = options.quote.charCodeAt(0);
    this.#escape = options.escape.charCodeAt(0);
    this.#nullText = Buffer.from(options.nullText);
  }

  #add(start: number, end: number): void {
    if (this.count === this.starts.length) {
      const grow = (old: Int32Array): Int32Array => {
        const larger = new Int32Array(old.length * 2);
        larger.set(old);
        return larger;
      };
      this.starts = grow(this.starts);
      this.ends = grow(this.ends);
    }
    this.starts[this.count] = start;
    this.ends[this.count++] = end;
  }
  #isNull(buffer: Buffer, start: number, end: number): boolean {
    const wanted = this.#nullText;
    if (end - start !== wanted.length) return false;
    for (let i = 0; i < wanted.length; i++) if (buffer[start + i] !== wanted[i]) return false;
    return true;
  }

  splitText(buffer: Buffer, start: number, end: number): void {
    this.count = 0;
    this.bytes = buffer;
    const delimiter = this.#delimiter;
    let from = start;
    for (let at = start; at < end; at++) {
      const c = buffer[at]!;
      if (c === delimiter) {
        this.#add(from, this.#isNull(buffer, from, at) ? -1 : at);
        from = at + 1;
      } else if (c === BACKSLASH) {
        this.#splitEscaped(buffer, start, end);
        return;
      }
    }
    this.#add(from, this.#isNull(buffer, from, end) ? -1 : end);
  }
  /** A line with backslashes: fields are copied without them. */
  #splitEscaped(buffer: Buffer, start: number, end: number): void {
    this.count = 0;
    if (this.#scratch.length < end - start) this.#scratch = Buffer.allocUnsafeSlow((end - start) * 2);
    const out = this.#scratch;
    this.bytes = out;
    const delimiter = this.#delimiter;
    let to = 0;
    let at = start;
    for (;;) {
      const rawStart = at;
      const fieldStart = to;
      while (at < end && buffer[at] !== delimiter) {
        const c = buffer[at++]!;
        if (c !== BACKSLASH || at >= end) {
          out[to++] = c;
          continue;
        }
        const e = buffer[at++]!;
        const plain = SIMPLE_ESCAPES[e] ?? -1;
        if (plain >= 0) out[to++] = plain;
        else if (e >= 48 && e <= 55) {
          let value = e - 48;
          for (let i = 0; i < 2 && at < end && buffer[at]! >= 48 && buffer[at]! <= 55; i++)
            value = value * 8 + buffer[at++]! - 48;
          out[to++] = value & 0xff;
        } else if (e === 120 && at < end && hexDigit(buffer[at]!) >= 0) {
          let value = hexDigit(buffer[at++]!);
          if (at < end && hexDigit(buffer[at]!) >= 0) value = value * 16 + hexDigit(buffer[at++]!);
          out[to++] = value;
        } else out[to++] = e;
      }
      // The null text is compared as it was written.
      if (this.#isNull(buffer, rawStart, at)) {
        to = fieldStart;
        this.#add(fieldStart, -1);
      } else this.#add(fieldStart, to);
      if (at >= end) return;
      at++;
    }
  }

  /** `keepsNull`: a quoted field is no null, unless FORCE_NULL names its column. */
  splitCsv(buffer: Buffer, start: number, end: number, forceNotNull: Uint8Array, forceNull: Uint8Array): void {
    this.count = 0;
    if (this.#scratch.length < end - start) this.#scratch = Buffer.allocUnsafeSlow((end - start) * 2);
    const out = this.#scratch;
    this.bytes = out;
    let to = 0;
    let at = start;
    for (;;) {
      const fieldStart = to;
      let quoted = false;
      let inQuotes = false;
      for (;;) {
        if (at >= end) {
          if (inQuotes) badCopy('unterminated CSV quoted field');
          break;
        }
        const c = buffer[at++]!;
        if (inQuotes) {
          if (c === this.#escape && at < end && (buffer[at] === this.#escape || buffer[at] === this.#quote)) {
            out[to++] = buffer[at++]!;
          } else if (c === this.#quote) inQuotes = false;
          else out[to++] = c;
        } else if (c === this.#delimiter) {
          at--;
          break;
        } else if (c === this.#quote) {
          quoted = true;
          inQuotes = true;
        } else out[to++] = c;
      }
      const column = this.count;
      const matches = this.#isNull(out, fieldStart, to);
      const isNull = matches && (quoted ? forceNull[column] === 1 : forceNotNull[column] !== 1);
      if (isNull) {
        to = fieldStart;
        this.#add(fieldStart, -1);
      } else this.#add(fieldStart, to);
      if (at >= end) return;
      at++;
    }
  }
}

const SIMPLE_ESCAPES: Readonly<Record<number, number>> = { 98: 8, 102: 12, 110: 10, 114: 13, 116: 9, 118: 11 };
function hexDigit(c: number): number {
  if (c >= 48 && c <= 57) return c - 48;
  const lower = c | 0x20;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}
