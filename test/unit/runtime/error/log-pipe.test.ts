import { describe, expect, it } from 'vitest';
import type { LogDestination } from '#runtime/error/log-pipe.ts';
import {
  ChunkReassembler,
  PIPE_CHUNK_BYTES,
  PIPE_PAYLOAD_BYTES_MAX,
  writePipeChunks,
} from '#runtime/error/log-pipe.ts';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

function chunksOf(text: string, pid: number, destination: LogDestination = 'stderr'): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  writePipeChunks(encode(text), pid, destination, (chunk, length) => chunks.push(chunk.slice(0, length)));
  return chunks;
}
function reader(): { readonly entries: string[]; readonly chunks: ChunkReassembler } {
  const entries: string[] = [];
  return { entries, chunks: new ChunkReassembler((to, bytes) => entries.push(`${to}:${decode(bytes)}`)) };
}
const concat = (parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));

describe('the pipe protocol', () => {
  it('is PostgreSQL’s header of nine bytes', () => {
    expect([...(chunksOf('hi', 0x01020304, 'csvlog')[0] ?? [])]).toEqual([0, 0, 2, 0, 4, 3, 2, 1, 0x21, 104, 105]);
  });
  it('cuts an entry into chunks of PIPE_BUF, only the last one marked', () => {
    const chunks = chunksOf('x'.repeat(PIPE_PAYLOAD_BYTES_MAX * 2 + 1), 7, 'jsonlog');
    expect(chunks.map((chunk) => chunk.length)).toEqual([PIPE_CHUNK_BYTES, PIPE_CHUNK_BYTES, 10]);
    expect(chunks.map((chunk) => chunk[8])).toEqual([0x40, 0x40, 0x41]);
    expect(chunksOf('x'.repeat(PIPE_PAYLOAD_BYTES_MAX), 7).map((chunk) => chunk[8])).toEqual([0x11]);
  });
  it('puts interleaved entries of several processes together', () => {
    const a = chunksOf(`a${'1'.repeat(5000)}`, 11);
    const b = chunksOf(`b${'2'.repeat(9000)}`, 11 + 256, 'csvlog');
    const mixed = [b[0], a[0], b[1], a[1], b[2]].filter((chunk) => chunk !== undefined);
    const { entries, chunks } = reader();
    chunks.feed(concat(mixed));
    expect(entries).toEqual([`stderr:a${'1'.repeat(5000)}`, `csvlog:b${'2'.repeat(9000)}`]);
  });
  it('gives the same entries however the bytes are cut', () => {
    const bytes = concat([
      ...chunksOf('one\n', 1),
      ...chunksOf('z'.repeat(4500), 2, 'jsonlog'),
      ...chunksOf('three\n', 1),
    ]);
    const whole = reader();
    whole.chunks.feed(bytes);
    for (const size of [1, 3, 9, 10, 4096]) {
      const { entries, chunks } = reader();
      for (let at = 0; at < bytes.length; at += size) chunks.feed(bytes.slice(at, at + size));
      expect(entries).toEqual(whole.entries);
    }
    expect(whole.entries).toHaveLength(3);
  });
  it('passes on bytes that are no chunks, up to the next possible header', () => {
    const { entries, chunks } = reader();
    chunks.feed(concat([encode('ld.so: something odd happened\n'), ...chunksOf('entry\n', 5)]));
    expect(entries).toEqual(['stderr:ld.so: something odd happened\n', 'stderr:entry\n']);
  });
  it('shows what is incomplete when the stream ends', () => {
    const { entries, chunks } = reader();
    const cut = chunksOf('c'.repeat(5000), 9, 'csvlog')[0];
    if (cut !== undefined) chunks.feed(cut);
    chunks.feed(encode('tail'));
    expect(entries).toEqual([]);
    chunks.flush();
    expect(entries).toEqual([`csvlog:${'c'.repeat(PIPE_PAYLOAD_BYTES_MAX)}`, 'stderr:tail']);
  });
});
