/** sort-runs.ts — sorted runs of an external sort: written one after the other to a temporary file, merged at the end.
 *
 *  A run is a sequence of records {u32 length, bytes}. Merging keeps one record per run in memory and takes the smallest;
 *  records that compare equal come out in the order of their runs, so merging changes no order that a run had.
 *  Counterpart: the tapes of src/backend/utils/sort/tuplesort.c (balanced merge, one pass) and logtape.c */
import { mem } from '#shm/memory.ts';
import { privateAlloc, privateFree } from '#shm/private-memory.ts';
import { BufFile } from '#storage/file/buf-file.ts';

/** One run being read back: its current record is at `at`. */
export interface RunReader {
  at: number;
  length: number;
  /** What the sort keeps of the current record to compare it. */
  key: number;
  readonly run: number;
}

export class SortRuns {
  private readonly files: BufFile[] = [];
  private file: BufFile | null = null;
  private readonly header = privateAlloc(8);
  private readers: (RunReader & { file: BufFile; size: number })[] = [];
  get count(): number {
    return this.files.length;
  }

  beginRun(): void {
    this.file = new BufFile(false);
    this.files.push(this.file);
  }
  write(at: number, length: number): void {
    mem.view.setUint32(this.header, length, true);
    this.file!.write(this.header, 4);
    this.file!.write(at, length);
  }
  endRun(): void {
    this.file = null;
  }

  /** Opens all runs at their beginnings; each has its first record. */
  startMerge(): RunReader[] {
    this.freeReaders();
    this.readers = this.files.map((file, run) => {
      file.seek(0);
      return { file, at: 0, size: 0, length: 0, key: 0, run };
    });
    return this.readers.filter((reader) => this.advance(reader));
  }
  /** The reader's next record; false at its run's end. */
  advance(of: RunReader): boolean {
    const reader = of as RunReader & { file: BufFile; size: number };
    if (reader.file.read(this.header, 4) < 4) return false;
    const length = mem.view.getUint32(this.header, true);
    if (length > reader.size) {
      if (reader.at !== 0) privateFree(reader.at);
      reader.size = Math.max(256, length * 2);
      reader.at = privateAlloc(reader.size);
    }
    reader.file.read(reader.at, length);
    reader.length = length;
    return true;
  }
  private freeReaders(): void {
    for (const reader of this.readers) if (reader.at !== 0) privateFree(reader.at);
    this.readers = [];
  }
  end(): void {
    this.freeReaders();
    for (const file of this.files) file.close();
    this.files.length = 0;
    privateFree(this.header);
  }
}

/** A binary heap of readers, smallest record first. */
export class MergeHeap {
  private readonly heap: RunReader[] = [];
  constructor(private readonly compare: (a: RunReader, b: RunReader) => number) {}
  get size(): number {
    return this.heap.length;
  }
  get first(): RunReader {
    return this.heap[0]!;
  }
  private before(a: RunReader, b: RunReader): boolean {
    const order = this.compare(a, b);
    return order < 0 || (order === 0 && a.run < b.run);
  }
  push(reader: RunReader): void {
    const { heap } = this;
    let i = heap.length;
    heap.push(reader);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.before(reader, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = reader;
  }
  /** The first reader has a new record, or (`gone`) is at its end. */
  update(gone: boolean): void {
    const { heap } = this;
    let reader = heap[0]!;
    if (gone) {
      reader = heap.pop()!;
      if (heap.length === 0) return;
    }
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.before(heap[child + 1]!, heap[child]!)) child++;
      if (!this.before(heap[child]!, reader)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = reader;
  }
}
