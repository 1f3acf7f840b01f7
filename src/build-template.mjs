/** build-template.mjs — makes the files of a fresh database once, so that initdb only copies them. */
import { build } from 'esbuild';
import { createRequire } from 'node:module';
import { rmSync } from 'node:fs';
import { join } from 'node:path';

export async function buildTemplate(root) {
  const outfile = join(root, 'dist/template-builder.cjs');
  await build({
    absWorkingDir: root,
    entryPoints: ['src/cli/catalog-template.ts'],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    logLevel: 'warning',
    external: ['*.node'],
  });
  try {
    createRequire(import.meta.url)(outfile).writeTemplate(root);
  } finally {
    rmSync(outfile);
  }
}
