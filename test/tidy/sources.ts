/** sources.ts — the files that the tidy tests look at, as git would list them, without generated data. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Source {
  /** Relative to the package. */
  readonly path: string;
  readonly text: string;
}

const CODE = /\.(ts|mjs|cjs|js|cc|h|gyp|sh|py)$/;
/** What is built or recorded is not written by hand. */
const NOT_OURS = new Set(['native-shm/build', 'native-shm/lib', 'test/golden', 'test/conformance/expected']);

function below(folder: string, out: Source[]): void {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (NOT_OURS.has(path)) continue;
    if (entry.isDirectory()) below(path, out);
    else if (entry.isFile() && (CODE.test(entry.name) || folder === 'bin') && !path.endsWith('.generated.ts'))
      out.push({ path, text: readFileSync(join(root, path), 'utf8') });
  }
}
export function sourcesOf(...folders: readonly string[]): readonly Source[] {
  const out: Source[] = [];
  for (const folder of folders) below(folder, out);
  return out.sort((a, b) => (a.path < b.path ? -1 : 1));
}
export const readText = (path: string): string => readFileSync(join(root, path), 'utf8');
