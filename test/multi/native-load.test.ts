import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { nativeShmPath } from '../support/native-script.ts';

const folder = dirname(nativeShmPath);

test('index.cjs exports exactly what index.d.ts declares', () => {
  const declarations = readFileSync(join(folder, 'index.d.ts'), 'utf8');
  const declared = [...declarations.matchAll(/^export (?:function|const) (\w+)/gm)].map((match) => match[1]);
  const exports = createRequire(import.meta.url)(nativeShmPath) as Record<string, unknown>;
  expect(Object.keys(exports).sort()).toEqual(declared.sort());
  expect(Object.values(exports)).not.toContain(undefined);
});

test('every export can be imported by name', () => {
  const source = `import { fork, ERRNO, futexWait } from ${JSON.stringify(pathToFileURL(nativeShmPath).href)};
    console.log(typeof fork, ERRNO.EINTR, typeof futexWait);`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', source], { encoding: 'utf8' });
  expect(output.trim()).toBe('function 4 function');
});

test('without a compiled file the error says what to run, and for which Node', () => {
  const copy = mkdtempSync(join(tmpdir(), 'native-'));
  cpSync(nativeShmPath, join(copy, 'index.cjs'));
  const result = spawnSync(process.execPath, ['-e', `require(${JSON.stringify(join(copy, 'index.cjs'))})`]);
  rmSync(copy, { recursive: true });
  expect(result.status).toBe(1);
  expect(String(result.stderr)).toContain(`native-shm is not compiled for Node ${process.version}`);
  expect(String(result.stderr)).toContain('npm rebuild');
});

test('the build script says and does nothing when the compiled file is up to date', () => {
  const before = Date.now();
  const result = spawnSync(process.execPath, [join(folder, 'build.mjs')], { encoding: 'utf8' });
  expect(result).toMatchObject({ status: 0, stdout: '', stderr: '' });
  expect(Date.now() - before).toBeLessThan(5000);
});
