/** build-program.ts — bundles a small program that uses src/ into one CommonJS file, for tests with real processes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSync } from 'esbuild';

const root = new URL('../..', import.meta.url).pathname;
/** Flags under which a process may fork. */
export const FORK_FLAGS = ['--single-threaded', '--v8-pool-size=0', '--liftoff-only', '--no-warnings'];

export interface Program {
  readonly path: string;
  remove(): void;
}
export function buildProgram(source: string): Program {
  const folder = mkdtempSync(join(tmpdir(), 'nodegres-program-'));
  const path = join(folder, 'program.cjs');
  buildSync({
    absWorkingDir: root,
    entryPoints: [join('test/support/programs', source)],
    outfile: path,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    logLevel: 'error',
    define: { 'import.meta.url': '__bundleUrl' },
    // The addon is looked for from the package, not from the temporary folder.
    banner: { js: `const __bundleUrl = ${JSON.stringify(`file://${root}dist/program.cjs`)};` },
  });
  return { path, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
