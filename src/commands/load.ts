/** load.ts — LOAD: a library for this session.
 *  Counterpart: the T_LoadStmt case of src/backend/tcop/utility.c, load_file() of dfmgr.c */
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

/** Loads a module by name or path; installed by whoever resolves shared_preload_libraries. */
export const loadHooks: { loadLibrary: ((name: string) => void) | undefined } = { loadLibrary: undefined };

export function loadStatement(name: string): void {
  if (loadHooks.loadLibrary !== undefined) {
    loadHooks.loadLibrary(name);
    return;
  }
  report('ERROR', {
    code: SQLSTATE.undefinedFile,
    message: `could not access file "${name}": No such file or directory`,
  });
}
