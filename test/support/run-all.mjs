// run-all.mjs — README's test command: every suite, then one line that counts them all.
//
//   node test/support/run-all.mjs [project …]     tidy unit multi cluster; all of them by default
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'nodegres-test-'));
const projects = process.argv.slice(2);
const totals = { passed: 0, failed: 0, skipped: 0 };
let crashed = false;

function run(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit' });
    child.on('exit', (code, signal) => resolve(signal === null ? code : 1));
  });
}

try {
  for (const project of projects.length > 0 ? projects : ['tidy', 'unit', 'multi', 'cluster']) {
    const report = join(folder, `${project}.json`);
    const code = await run(process.execPath, [
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--config',
      'test/vitest.config.ts',
      '--project',
      project,
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
    ]);
    if (!existsSync(report)) {
      crashed = true;
      process.stderr.write(`suite ${project} ended with ${code} and without a report\n`);
      continue;
    }
    const counts = JSON.parse(readFileSync(report, 'utf8'));
    totals.passed += counts.numPassedTests;
    totals.failed += counts.numFailedTests;
    totals.skipped += counts.numPendingTests + counts.numTodoTests;
    // A file that fails to load has no tests to count, and still must fail the run.
    if (code !== 0 && counts.numFailedTests === 0) totals.failed += 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.stdout.write(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped\n`);
process.exit(crashed || totals.failed > 0 ? 1 : 0);
