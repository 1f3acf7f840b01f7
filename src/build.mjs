/** build.mjs — bundles src/ into dist/: CommonJS (a forked child has no event loop, so nothing may load
 *  asynchronously), unminified (V8's lazy compilation likes it better), with source maps. Imports written as
 *  `require('./x.ts')` stay lazy inside the bundle: esbuild runs such a module at the first call. */
import { build } from 'esbuild';
import { buildCodeCache } from './build-code-cache.mjs';
import { buildTemplate } from './build-template.mjs';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');
const entries = {
  postgres: 'src/cli/postgres.ts',
  nodegres: 'src/cli/nodegres.ts',
  initdb: 'src/cli/initdb.ts',
  'pg-ctl': 'src/cli/pg-ctl.ts',
  waldump: 'src/cli/waldump.ts',
  controldata: 'src/cli/controldata.ts',
  checksums: 'src/cli/checksums.ts',
  extension: 'src/bgworker/api.ts',
};
const present = Object.fromEntries(Object.entries(entries).filter(([, path]) => existsSync(join(root, path))));
mkdirSync(dist, { recursive: true });
await build({
  absWorkingDir: root,
  entryPoints: present,
  outdir: 'dist',
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  sourcemap: true,
  legalComments: 'none',
  logLevel: 'warning',
  external: ['*.node'],
  define: { 'import.meta.url': '__bundleUrl' },
  banner: { js: "const __bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
  loader: { '.wasm': 'file' },
});
// esbuild escapes strings and identifiers, not comments: one dash there would double the size of the text in memory.
for (const name of Object.keys(present)) {
  const path = join(dist, `${name}.cjs`);
  const text = readFileSync(path, 'utf8');
  writeFileSync(
    path,
    text.replace(/[^\x00-\x7f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`),
  );
}
const require = createRequire(import.meta.url);
const wasm = join(dirname(require.resolve('libpg-query/package.json')), 'wasm/libpg-query.wasm');
copyFileSync(wasm, join(dist, 'libpg-query.wasm'));
await buildTemplate(root);
for (const name of readdirSync(dist)) if (name.endsWith('.cache')) rmSync(join(dist, name));
let cached = 'with a code cache';
try {
  if ('postgres' in present) await buildCodeCache(root);
} catch (caught) {
  cached = `without a code cache (${caught.message})`;
}
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
process.stdout.write(`built nodegres ${version}: ${Object.keys(present).join(' ')}, ${cached}\n`);
