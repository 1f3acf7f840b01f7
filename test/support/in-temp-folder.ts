import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Makes a folder with the given subfolders the working directory; returns how to leave and remove it. */
export function enterTempFolder(...subfolders: string[]): () => void {
  const before = process.cwd();
  const folder = mkdtempSync(join(tmpdir(), 'nodegres-unit-'));
  process.chdir(folder);
  for (const name of subfolders) mkdirSync(name, { recursive: true });
  return () => {
    process.chdir(before);
    rmSync(folder, { recursive: true, force: true });
  };
}
