// load.cjs: the bundle of a program, or a word on how to make it.
//
// The server's bundle comes with a code cache: the bytecode of everything that a served connection runs, written by
// `npm run build` (src/build-code-cache.mjs). It spares each start, and each forked child, compiling it again. V8 checks
// that the cache fits this source, version and flags, and is told to go on without it when it does not.
// The build leaves nothing but ASCII in a bundle, so its text can be kept with one byte a character.
const { existsSync, readFileSync, writeFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { dirname, join } = require('node:path');
const vm = require('node:vm');
const root = join(__dirname, '..');

function loadCached(path) {
  const cachePath = `${path}.${process.versions.modules}.cache`;
  const source = `(function (exports, require, module, __filename, __dirname) {${readFileSync(path, 'latin1')}\n})`;
  const cachedData = existsSync(cachePath) ? readFileSync(cachePath) : undefined;
  const script = new vm.Script(source, { filename: path, cachedData });
  if (process.env.NODEGRES_WRITE_CODE_CACHE === '1')
    globalThis[Symbol.for('nodegres.writeCodeCache')] = () => writeFileSync(cachePath, script.createCachedData());
  const module = { exports: {} };
  script.runInThisContext()(module.exports, createRequire(path), module, path, dirname(path));
  return module.exports;
}

module.exports = (name) => {
  const missing = ['native-shm/index.cjs', `dist/${name}.cjs`].find((path) => !existsSync(join(root, path)));
  const path = join(root, 'dist', `${name}.cjs`);
  if (missing === undefined) return name === 'postgres' ? loadCached(path) : require(path);
  process.stderr.write(`nodegres: ${missing} is missing: run "npm install" (or "npm run build") in ${root}\n`);
  return process.exit(1);
};
