// micro.mjs — bundles a *.bench.ts of test/bench/micro with the parts of src/ that it measures, and runs it.
import { buildSync } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, serverFlags } from '../soak/processes.mjs';

export const MICRO_BENCHES = [
  'shm/lwlock',
  'shm/latch',
  'storage/buffer',
  'storage/lock',
  'transam/snapshot',
  'wal/insert',
];

/** The list of {name, value, unit, note} that it printed. Runs under the server's own flags. */
export function runMicro(name, more = []) {
  const folder = mkdtempSync(join(tmpdir(), 'nodegres-bench-'));
  try {
    const outfile = join(folder, 'bench.cjs');
    buildSync({
      absWorkingDir: root,
      entryPoints: [`test/bench/micro/${name}.bench.ts`],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'cjs',
      target: 'node20',
      logLevel: 'error',
      define: { 'import.meta.url': '__bundleUrl' },
      // The addon is looked for from the package, not from the temporary folder.
      banner: { js: `const __bundleUrl = ${JSON.stringify(`file://${root}dist/bench.cjs`)};` },
    });
    const output = execFileSync(process.execPath, [...serverFlags(), outfile, ...more], {
      encoding: 'utf8',
      timeout: 120_000,
      killSignal: 'SIGKILL',
    });
    return JSON.parse(output);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
