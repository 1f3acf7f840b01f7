/** build.mjs — compiles the addon for the Node that runs this script: lib/native_shm-<abi>-<arch>.node.
 *
 *  Runs on `npm install`, offline as well where Node brings its headers along. Several Node versions may share a
 *  checkout: each has its own file in lib/. Nothing is done while that file is newer than the sources; nothing is printed
 *  unless the compiler fails (or --verbose is given). */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, realpathSync, renameSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const name = `native_shm-${process.versions.modules}-${process.arch}`;
const target = join(here, 'lib', `${name}.node`);

function newestSource() {
  const sources = readdirSync(join(here, 'src')).map((file) => join(here, 'src', file));
  return Math.max(...[...sources, join(here, 'binding.gyp')].map((file) => statSync(file).mtimeMs));
}

/** The node-gyp that an npm brings along. */
function nodeGypOf(npm) {
  try {
    return createRequire(realpathSync(npm)).resolve('node-gyp/bin/node-gyp.js');
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

/** [program, first arguments] that runs node-gyp: that of the npm which runs us, of the npm beside this Node, of any npm
 *  in the path, or node-gyp itself. */
function nodeGyp() {
  const folders = [dirname(process.execPath), ...(process.env.PATH ?? '').split(delimiter)];
  const given = process.env.npm_config_node_gyp;
  if (given && existsSync(given)) return [process.execPath, [given]];
  for (const folder of folders) {
    const script = nodeGypOf(join(folder, 'npm'));
    if (script) return [process.execPath, [script]];
  }
  return ['node-gyp', []];
}

function build() {
  const prefix = dirname(dirname(process.execPath));
  const [program, first] = nodeGyp();
  const headers = existsSync(join(prefix, 'include/node/node.h')) ? [`--nodedir=${prefix}`] : [];
  const args = [...first, 'rebuild', '--release', '--jobs=2', ...headers];
  const result = spawnSync(program, args, { cwd: here, encoding: 'utf8', maxBuffer: 64 << 20 });
  if (result.status !== 0) {
    process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
    const why = result.error ? `: ${result.error.message}` : '';
    process.stderr.write(`native-shm could not be compiled for Node ${process.version}${why}\n`);
    process.exit(1);
  }
  if (process.argv.includes('--verbose')) process.stderr.write(`${result.stdout}${result.stderr}`);
  mkdirSync(join(here, 'lib'), { recursive: true });
  // By rename: a process that has the old file loaded keeps it, and none ever sees half a file.
  copyFileSync(join(here, 'build/Release/native_shm.node'), `${target}.new`);
  renameSync(`${target}.new`, target);
}

if (process.platform !== 'linux') {
  process.stderr.write('native-shm runs on Linux only\n');
  process.exit(1);
}
if (!existsSync(target) || statSync(target).mtimeMs < newestSource()) build();
