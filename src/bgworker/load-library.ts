/** load-library.ts — loading extension modules: the libraries of shared_preload_libraries, LOAD, workers' own.
 *
 *  A name is a file (absolute, or relative to the data directory or to the folder the server was started in) or an npm
 *  package found from there. Loading is synchronous, because forked children and the postmaster have no event loop:
 *  CommonJS is required as it is; an ES module or TypeScript file is bundled to CommonJS in memory first, which esbuild
 *  does synchronously. A library is loaded once per process; its _PG_init runs then, with the extension interface.
 *  Counterpart: src/backend/utils/fmgr/dfmgr.c, process_shared_preload_libraries() of miscinit.c */
import { type LoadedModule, loadModule, moduleExists } from '#platform/modules.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { gucEnvironment } from '#runtime/guc/hooks.ts';
import { setPreloading } from '#bgworker/registry.ts';

export type { LoadedModule } from '#platform/modules.ts';

const loaded = new Map<string, LoadedModule>();

/** The interface that _PG_init receives; assembled by bgworker/api.ts and those above it. */
let extensionInterface: object = {};
export function setExtensionInterface(api: object): void {
  extensionInterface = api;
}

/** Exports of the library, loaded now if it was not. */
export function loadLibrary(name: string): LoadedModule {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  if (!moduleExists(name))
    report('ERROR', {
      code: SQLSTATE.undefinedFile,
      message: `could not access file "${name}": No such file or directory`,
    });
  let module: LoadedModule;
  try {
    module = loadModule(name);
  } catch (caught) {
    return report('ERROR', {
      code: SQLSTATE.objectNotInPrerequisiteState,
      message: `could not load library "${name}": ${caught instanceof Error ? caught.message : String(caught)}`,
      detailLog: caught instanceof Error ? caught.stack : undefined,
    });
  }
  loaded.set(name, module);
  const init = module['_PG_init'];
  if (typeof init === 'function') (init as (api: object) => void)(extensionInterface);
  report('DEBUG1', { message: `loaded library "${name}"` });
  return module;
}

/** The exported function of a library. */
export function libraryFunction(library: string, name: string): (...args: never[]) => unknown {
  const found = loadLibrary(library)[name];
  if (typeof found !== 'function')
    report('ERROR', {
      code: SQLSTATE.undefinedFunction,
      message: `could not find function "${name}" in file "${library}"`,
    });
  return found as (...args: never[]) => unknown;
}

function splitNames(list: string): string[] {
  return list
    .split(',')
    .map((item) => item.trim().replace(/^"(.*)"$/s, (_, inner: string) => inner.replaceAll('""', '"')))
    .filter((item) => item !== '');
}

/** In the postmaster before shared memory is sized, and again in spawned children. */
export function loadSharedPreloadLibraries(): void {
  setPreloading(true);
  gucEnvironment.loadingSharedPreloadLibraries = () => true;
  try {
    for (const name of splitNames(settings.shared_preload_libraries)) loadLibrary(name);
  } finally {
    setPreloading(false);
    gucEnvironment.loadingSharedPreloadLibraries = () => false;
  }
}
/** At session start. */
export function loadSessionPreloadLibraries(): void {
  for (const name of splitNames(settings.session_preload_libraries)) loadLibrary(name);
  for (const name of splitNames(settings.local_preload_libraries)) loadLibrary(name);
}
