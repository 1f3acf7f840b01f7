/** paths.ts — every path inside the data directory, which is the working directory of every process.
 *  Counterpart: src/common/relpath.c, file_utils, the macros of xlog.h and friends */
import { type ForkNumber, INVALID_OID, type Oid, PERMANENT_BACKEND, type RelFileNode } from '#base/ids.ts';

export const DEFAULT_TABLESPACE = 1663 as Oid;
export const GLOBAL_TABLESPACE = 1664 as Oid;
/** Folder of this catalog version in a tablespace. */
export const TABLESPACE_VERSION_DIRECTORY = 'PG_15_202209061';

export const GLOBAL_DIRECTORY = 'global';
export const BASE_DIRECTORY = 'base';
export const TABLESPACE_DIRECTORY = 'pg_tblspc';
export const WAL_DIRECTORY = 'pg_wal';
export const ARCHIVE_STATUS_DIRECTORY = 'pg_wal/archive_status';
export const TWOPHASE_DIRECTORY = 'pg_twophase';
export const SNAPSHOT_EXPORT_DIRECTORY = 'pg_snapshots';
export const REPLICATION_SLOT_DIRECTORY = 'pg_replslot';
export const STAT_DIRECTORY = 'pg_stat';
export const STAT_TEMP_DIRECTORY = 'pg_stat_tmp';
export const LOGICAL_DIRECTORY = 'pg_logical';
export const CONTROL_FILE = 'global/pg_control';
export const BACKUP_LABEL_FILE = 'backup_label';
export const TABLESPACE_MAP_FILE = 'tablespace_map';
export const RECOVERY_SIGNAL_FILE = 'recovery.signal';
export const STANDBY_SIGNAL_FILE = 'standby.signal';
export const PROMOTE_SIGNAL_FILE = 'promote';

/** Folder and file prefix of temporary files. */
export const TEMP_FILES_DIRECTORY = 'pgsql_tmp';
export const TEMP_FILE_PREFIX = 'pgsql_tmp';
export const RELMAP_FILE = 'pg_filenode.map';
export const RELCACHE_INIT_FILE = 'pg_internal.init';
export const VERSION_FILE = 'PG_VERSION';

const FORK_SUFFIX = ['', '_fsm', '_vm', '_init'] as const;
/** Names of forks as SQL functions take them. */
export const FORK_NAMES = ['main', 'fsm', 'vm', 'init'] as const;

/** Folder of a database's files in a tablespace. */
export function databasePath(dbNode: Oid, spcNode: Oid): string {
  if (spcNode === GLOBAL_TABLESPACE) return GLOBAL_DIRECTORY;
  if (spcNode === DEFAULT_TABLESPACE) return `base/${dbNode}`;
  return `pg_tblspc/${spcNode}/${TABLESPACE_VERSION_DIRECTORY}/${dbNode}`;
}
/** First segment of a fork; `backend` -1 for what all may see. */
export function relationPath(rnode: RelFileNode, backend: number, fork: ForkNumber): string {
  const folder = databasePath(rnode.dbNode, rnode.spcNode);
  const owner = backend === PERMANENT_BACKEND ? '' : `t${backend}_`;
  return `${folder}/${owner}${rnode.relNode}${FORK_SUFFIX[fork]}`;
}
export const segmentPath = (rnode: RelFileNode, backend: number, fork: ForkNumber, segment: number): string =>
  segment === 0 ? relationPath(rnode, backend, fork) : `${relationPath(rnode, backend, fork)}.${segment}`;
/** Link to a tablespace's place. */
export const tablespaceLink = (spcNode: Oid): string => `${TABLESPACE_DIRECTORY}/${spcNode}`;
/** Where temporary files of a tablespace go. */
export function temporaryFolder(spcNode: Oid): string {
  if (spcNode === INVALID_OID || spcNode === DEFAULT_TABLESPACE || spcNode === GLOBAL_TABLESPACE)
    return `base/${TEMP_FILES_DIRECTORY}`;
  return `pg_tblspc/${spcNode}/${TABLESPACE_VERSION_DIRECTORY}/${TEMP_FILES_DIRECTORY}`;
}

const RELATION_FILE = /^(\d{1,10})(?:_(fsm|vm|init))?(?:\.([1-9]\d*))?$/;
export interface RelationFileName {
  readonly relNode: Oid;
  readonly fork: ForkNumber;
  readonly segment: number;
}
/** What a file in a database folder is, undefined if no relation's. Counterpart: parse_filename_for_nontemp_relation() */
export function parseRelationFileName(name: string): RelationFileName | undefined {
  const match = RELATION_FILE.exec(name);
  if (match === null) return undefined;
  const fork = match[2] === undefined ? 0 : (FORK_SUFFIX.indexOf(`_${match[2] as 'fsm'}`) as ForkNumber);
  return { relNode: Number(match[1]) as Oid, fork, segment: match[3] === undefined ? 0 : Number(match[3]) };
}
/** Is it the name of a temporary relation's file: t<backend>_<file>[_<fork>][.<segment>]? */
export const isTempRelationFileName = (name: string): boolean => /^t\d+_\d+(?:_(?:fsm|vm|init))?(?:\.\d+)?$/.test(name);
