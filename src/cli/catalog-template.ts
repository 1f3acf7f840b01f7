/** catalog-template.ts — the files of a fresh template1 and of global/, made by the build and unpacked by initdb.
 *
 *  One deflated stream: length of the index, the index as JSON (path and size of each file), the files.
 *  Counterpart: none; PostgreSQL's initdb does the work anew each time */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync, deflateRawSync, inflateRawSync } from 'node:zlib';
import type { Oid } from '#base/ids.ts';
import { bootstrapFiles, type Files } from '#catalog/bootstrap/bootstrap.ts';
import { parseBootstrapFacts } from '#catalog/bootstrap/facts.ts';
import { relationMap } from '#catalog/bootstrap/xlog.ts';
import { store } from '#catalog/rows.ts';

/** Relations with a file but without its number in pg_class. */
function mapped(shared: boolean): (readonly [Oid, number])[] {
  return store.class
    .all()
    .filter((c) => c.relfilenode === 0 && c.relisshared === shared && ['r', 'i', 't'].includes(c.relkind))
    .map((c) => [c.oid, c.oid] as const);
}

export function makeTemplate(factsFile: string): Files {
  const files = bootstrapFiles(parseBootstrapFacts(brotliDecompressSync(readFileSync(factsFile)).toString('utf8')));
  files.set('base/1/pg_filenode.map', relationMap(mapped(false)));
  files.set('global/pg_filenode.map', relationMap(mapped(true)));
  return files;
}

export function packTemplate(files: Files): Buffer {
  const index = Buffer.from(JSON.stringify([...files].map(([path, bytes]) => [path, bytes.length])), 'utf8');
  const length = Buffer.alloc(4);
  length.writeUInt32LE(index.length);
  return deflateRawSync(Buffer.concat([length, index, ...files.values()]), { level: 9 });
}
export function unpackTemplate(packed: Uint8Array): Files {
  const all = inflateRawSync(packed);
  const start = 4 + all.readUInt32LE(0);
  const files: Files = new Map();
  let at = start;
  for (const [path, size] of JSON.parse(all.toString('utf8', 4, start)) as [string, number][]) {
    files.set(path, all.subarray(at, at + size));
    at += size;
  }
  return files;
}

const FACTS = 'src/catalog/data/bootstrap-facts.br';
const TEMPLATE = 'dist/template.bin';
/** Called by the build. */
export function writeTemplate(packageFolder: string): void {
  writeFileSync(join(packageFolder, TEMPLATE), packTemplate(makeTemplate(join(packageFolder, FACTS))));
}
/** The build's template, or one made now when the package was not built (tests that run from the source). */
export function readTemplate(packageFolder: string): Files {
  const path = join(packageFolder, TEMPLATE);
  return existsSync(path) ? unpackTemplate(readFileSync(path)) : makeTemplate(join(packageFolder, FACTS));
}
