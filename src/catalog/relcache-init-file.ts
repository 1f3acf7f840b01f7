/** relcache-init-file.ts — pg_internal.init, in which PostgreSQL keeps descriptors between backends.
 *
 *  Nodegres needs no such file, as what it would say are facts; but a directory that PostgreSQL used may have some, and
 *  PostgreSQL believes them. So they are removed when the server starts, and when what they describe changes.
 *  Counterpart: RelationCacheInitFileRemove(), …PreInvalidate() of src/backend/utils/cache/relcache.c */
import type { Oid } from '#base/ids.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { listEntries, removeFileIfExists } from '#platform/file-system.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { lwLockAcquire, lwLockRelease } from '#shm/lwlock.ts';
import {
  BASE_DIRECTORY,
  databasePath,
  GLOBAL_DIRECTORY,
  RELCACHE_INIT_FILE,
  TABLESPACE_DIRECTORY,
  TABLESPACE_VERSION_DIRECTORY,
} from '#storage/file/paths.ts';

/** A transaction that changed a described relation is about to tell the others. */
export function relationCacheInitFilePreInvalidate(
  database: Oid = sessionIdentity.databaseOid,
  tablespace: Oid = sessionIdentity.databaseTablespace,
): void {
  lwLockAcquire(mainLWLock('RelCacheInit'), 'exclusive');
  if (database !== 0) removeFileIfExists(`${databasePath(database, tablespace)}/${RELCACHE_INIT_FILE}`);
  removeFileIfExists(`${GLOBAL_DIRECTORY}/${RELCACHE_INIT_FILE}`);
}
export function relationCacheInitFilePostInvalidate(): void {
  lwLockRelease(mainLWLock('RelCacheInit'));
}

function removeBelow(folder: string): void {
  for (const entry of listEntries(folder)) {
    if (/^\d+$/.test(entry.name)) removeFileIfExists(`${folder}/${entry.name}/${RELCACHE_INIT_FILE}`);
  }
}
/** Server start, before anybody could read one. */
export function relationCacheInitFileRemove(): void {
  removeFileIfExists(`${GLOBAL_DIRECTORY}/${RELCACHE_INIT_FILE}`);
  removeBelow(BASE_DIRECTORY);
  for (const entry of listEntries(TABLESPACE_DIRECTORY)) {
    if (/^\d+$/.test(entry.name)) removeBelow(`${TABLESPACE_DIRECTORY}/${entry.name}/${TABLESPACE_VERSION_DIRECTORY}`);
  }
}
