/** copy-binary.ts — COPY's binary format: header, rows of counted fields, trailer.
 *  Counterpart: ReceiveCopyBinaryHeader(), CopyReadBinaryAttribute() of src/backend/commands/copyfromparse.c */
import type { CopySource } from '#commands/copy-stream.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');
const FLAG_OIDS = 1 << 16;
const badFormat = (message: string): never => report('ERROR', { code: SQLSTATE.badCopyFileFormat, message });

/** Signature, no flags, no extension. */
export const BINARY_HEADER = Buffer.concat([SIGNATURE, Buffer.alloc(8)]);
export const BINARY_TRAILER = Buffer.from([0xff, 0xff]);

export class BinaryReader {
  #buffer = Buffer.alloc(0);
  #at = 0;
  readonly #source: CopySource;
  constructor(source: CopySource) {
    this.#source = source;
    const signature = this.#take(SIGNATURE.length);
    if (signature === null || !signature.equals(SIGNATURE)) badFormat('COPY file signature not recognized');
    const flags = this.#int32() ?? badFormat('invalid COPY file header (missing flags)');
    if ((flags & FLAG_OIDS) !== 0) badFormat('invalid COPY file header (WITH OIDS)');
    if ((flags & 0xffff_0000) !== 0) badFormat('unrecognized critical flags in COPY file header');
    const extension = this.#int32() ?? -1;
    if (extension < 0) badFormat('invalid COPY file header (missing length)');
    if (this.#take(extension) === null) badFormat('invalid COPY file header (wrong length)');
  }

  /** Number of fields of the next row; -1 at the trailer or the end. */
  rowFields(): number {
    const bytes = this.#take(2);
    return bytes === null ? -1 : bytes.readInt16BE(0);
  }
  /** The next field, null for NULL. Valid until the next call. */
  field(): Buffer | null {
    const length = this.#int32() ?? badFormat('unexpected EOF in COPY data');
    if (length === -1) return null;
    if (length < 0) badFormat('invalid field size');
    return this.#take(length) ?? badFormat('unexpected EOF in COPY data');
  }
  /** Nothing may follow the trailer. */
  end(): void {
    if (this.#at < this.#buffer.length || this.#more(1)) badFormat('received copy data after EOF marker');
  }

  #int32(): number | null {
    const bytes = this.#take(4);
    return bytes === null ? null : bytes.readInt32BE(0);
  }
  #take(length: number): Buffer | null {
    if (this.#buffer.length - this.#at < length && !this.#more(length)) return null;
    const bytes = this.#buffer.subarray(this.#at, this.#at + length);
    this.#at += length;
    return bytes;
  }
  /** Reads until `length` bytes are there. */
  #more(length: number): boolean {
    const parts: Uint8Array[] = [this.#buffer.subarray(this.#at)];
    let have = this.#buffer.length - this.#at;
    while (have < length) {
      const chunk = this.#source.read();
      if (chunk === null) break;
      parts.push(Uint8Array.from(chunk));
      have += chunk.length;
    }
    this.#buffer = Buffer.concat(parts);
    this.#at = 0;
    return have >= length;
  }
}
