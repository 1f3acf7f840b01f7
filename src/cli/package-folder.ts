/** package-folder.ts — where this package lives, found by walking up from this code: src/ under the test runner, dist/
 *  when bundled. The command line tools must not need native-shm for it. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NODEGRES_VERSION, SERVER_VERSION } from '#runtime/version.ts';

function find(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) || !existsSync(join(folder, 'conf'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('the package folder was not found above this program');
    folder = parent;
  }
  return folder;
}

export const packageFolder: string = find();
export const programPath = (name: string): string => join(packageFolder, 'bin', name);
/** Text of conf/<name>. */
export const readSample = (name: string): string => readFileSync(join(packageFolder, 'conf', name), 'utf8');

/** The version of PostgreSQL whose data directories and protocol these programs speak. */
export const PG_MAJOR = SERVER_VERSION.split('.')[0] ?? '';
export const versionLine = (program: string): string =>
  `${program} (PostgreSQL) ${SERVER_VERSION} (Nodegres ${NODEGRES_VERSION})`;
