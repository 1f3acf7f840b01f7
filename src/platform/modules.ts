/** modules.ts — finding and loading JavaScript modules of others, synchronously. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire, Module } from 'node:module';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { packageRoot } from '#platform/native.ts';

export type LoadedModule = Readonly<Record<string, unknown>>;

/** Where the server was started: relative names are looked for there, too, after the data directory. */
const startFolder = process.cwd();
const ENDINGS = ['', '.cjs', '.js', '.mjs', '.ts', '/index.cjs', '/index.js'] as const;

function asFile(name: string): string | undefined {
  const folders = isAbsolute(name) ? [''] : [process.cwd(), startFolder, join(packageRoot, 'extension')];
  for (const folder of folders)
    for (const ending of ENDINGS) {
      const path = folder === '' ? name + ending : resolve(folder, name + ending);
      if (existsSync(path) && !path.endsWith('/')) {
        try {
          readFileSync(path);
          return path;
        } catch {
          // A folder, or not ours to read: the next ending may fit.
        }
      }
    }
  return undefined;
}

function asPackage(name: string): string | undefined {
  for (const folder of [process.cwd(), startFolder, packageRoot]) {
    try {
      return createRequire(join(folder, 'noop.js')).resolve(name);
    } catch {
      // Not installed for this folder; the next one may have it.
    }
  }
  return undefined;
}
const find = (name: string): string | undefined => asFile(name) ?? asPackage(name);
export const moduleExists = (name: string): boolean => find(name) !== undefined;

/** ES modules and TypeScript cannot be required on every Node we support, so they are bundled first. Running a program makes
 *  libuv take SIGCHLD for a while: the postmaster installs its handlers after loading. */
function needsBundling(path: string): boolean {
  if (/\.(mjs|ts|mts)$/.test(path)) return true;
  if (path.endsWith('.cjs')) return false;
  return /^\s*(import\s[^(]|export\s)/m.test(readFileSync(path, 'utf8'));
}

/** esbuild's program, not its API: that would leave a thread and a service process behind, and a postmaster has neither. */
function bundle(path: string): string {
  const { resolve: resolveModule } = createRequire(join(packageRoot, 'package.json'));
  const program = resolveModule(`@esbuild/linux-${process.arch}/bin/esbuild`);
  const options = ['--bundle', '--platform=node', '--format=cjs', '--target=node20', '--packages=external'];
  return execFileSync(program, [path, ...options, '--sourcemap=inline', '--log-level=error'], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
}

function requireBundled(path: string): LoadedModule {
  const code = bundle(path);
  const module = new Module(path) as Module & { _compile(code: string, name: string): void; paths: string[] };
  module.filename = path;
  module.paths = createRequire(path).resolve.paths('x') ?? [];
  module._compile(code, path);
  return module.exports as LoadedModule;
}

/** Exports of the module; throws what loading it throws. */
export function loadModule(name: string): LoadedModule {
  const path = find(name);
  if (path === undefined) throw new Error(`module ${name} was not found`);
  if (needsBundling(path)) return requireBundled(path);
  return createRequire(join(dirname(path), 'noop.js'))(path) as LoadedModule;
}
