/** backup-label.ts — backup_label and tablespace_map: a data directory that is a copy says where its replay must begin.
 *  Counterpart: read_backup_label(), read_tablespace_map() of src/backend/access/transam/xlogrecovery.c */
import { existsPath, readWholeFile, rmdirPath, symlinkPath, unlinkPath } from '#platform/raw-files.ts';
import { linkStatusIfExists } from '#platform/file-system.ts';
import type { Lsn } from '#base/ids.ts';
import { native } from '#platform/native.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { durableRenamePath, fileError } from '#wal/wal-io.ts';

export const BACKUP_LABEL = 'backup_label';
const BACKUP_LABEL_OLD = 'backup_label.old';
const TABLESPACE_MAP = 'tablespace_map';
const TABLESPACE_MAP_OLD = 'tablespace_map.old';

export interface BackupLabel {
  /** Where replay must begin, and the checkpoint that says so. */
  readonly redoStart: Lsn;
  readonly redoStartTimeline: number;
  readonly checkPoint: Lsn;
  readonly checkPointTimeline: number;
  /** Replay must come to the end of the backup before the copy is consistent. */
  readonly backupEndRequired: boolean;
  readonly fromStandby: boolean;
}

const invalidData = (file: string, detail?: string): never =>
  report('FATAL', {
    code: SQLSTATE.objectNotInPrerequisiteState,
    message: `invalid data in file "${file}"`,
    detail,
  });

const position = (high: string, low: string): Lsn =>
  (Number.parseInt(high, 16) * 0x1_0000_0000 + Number.parseInt(low, 16)) as Lsn;

/** null when there is no such file. */
export function readBackupLabel(): BackupLabel | null {
  const contents = readWholeFile(BACKUP_LABEL);
  if (typeof contents === 'number') {
    if (contents !== -native.ERRNO.ENOENT) fileError('FATAL', `could not read file "${BACKUP_LABEL}"`, contents);
    return null;
  }
  return parseBackupLabel(contents.toString('utf8'));
}

export function parseBackupLabel(text: string): BackupLabel {
  const lines = text.split('\n');
  let next = 0;
  /** The optional lines may be absent, but not out of order. */
  const take = (pattern: RegExp): RegExpExecArray | null => {
    const match = pattern.exec(lines[next] ?? '');
    if (match !== null) next++;
    return match;
  };
  const start =
    take(/^START WAL LOCATION: ([0-9A-Fa-f]+)\/([0-9A-Fa-f]+) \(file ([0-9A-Fa-f]{8})[0-9A-Fa-f]{16}\)$/) ??
    invalidData(BACKUP_LABEL);
  const checkpoint = take(/^CHECKPOINT LOCATION: ([0-9A-Fa-f]+)\/([0-9A-Fa-f]+)$/) ?? invalidData(BACKUP_LABEL);
  const timeline = Number.parseInt(start[3]!, 16);
  const method = take(/^BACKUP METHOD: (\S+)/)?.[1];
  const from = take(/^BACKUP FROM: (\S+)/)?.[1];
  const time = take(/^START TIME: (.*)$/)?.[1];
  if (time !== undefined) report('DEBUG1', { message: `backup time ${time} in file "${BACKUP_LABEL}"` });
  const label = take(/^LABEL: (.*)$/)?.[1];
  if (label !== undefined) report('DEBUG1', { message: `backup label ${label} in file "${BACKUP_LABEL}"` });
  const stated = take(/^START TIMELINE: (\d+)/)?.[1];
  if (stated !== undefined && Number(stated) !== timeline)
    invalidData(BACKUP_LABEL, `Timeline ID parsed is ${stated}, but expected ${timeline}.`);
  return {
    redoStart: position(start[1]!, start[2]!),
    redoStartTimeline: timeline,
    checkPoint: position(checkpoint[1]!, checkpoint[2]!),
    checkPointTimeline: timeline,
    backupEndRequired: method === 'streamed',
    fromStandby: from === 'standby',
  };
}

/** Makes the links to tablespaces that the backup lists. True if there was such a list. */
export function restoreTablespaceLinks(): boolean {
  const contents = readWholeFile(TABLESPACE_MAP);
  if (typeof contents === 'number') {
    if (contents !== -native.ERRNO.ENOENT) fileError('FATAL', `could not read file "${TABLESPACE_MAP}"`, contents);
    return false;
  }
  for (const [oid, path] of parseTablespaceMap(contents.toString('utf8'))) {
    const link = `pg_tblspc/${oid}`;
    const old = linkStatusIfExists(link);
    if (old?.isDirectory === true) rmdirPath(link);
    else if (old !== undefined) unlinkPath(link);
    const failed = symlinkPath(path, link);
    if (failed < 0) fileError('ERROR', `could not create symbolic link "${link}"`, failed);
  }
  return true;
}

/** Lines `oid path`; newline, carriage return and backslash in a path stand behind a backslash. */
export function parseTablespaceMap(text: string): [string, string][] {
  const entries: [string, string][] = [];
  let line = '';
  const flush = (): void => {
    if (line === '') return;
    const match = /^(\d+) ([\s\S]*)$/.exec(line) ?? invalidData(TABLESPACE_MAP);
    entries.push([match[1]!, match[2]!]);
    line = '';
  };
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (char === '\\') line += text[++i] ?? '';
    else if (char === '\n' || char === '\r') flush();
    else line += char;
  }
  if (line !== '') invalidData(TABLESPACE_MAP);
  return entries;
}

/** pg_control has taken over what the files said; a crash from here on goes on from pg_control. */
export function retireBackupFiles(hasLabel: boolean, hasMap: boolean): void {
  if (hasLabel) {
    unlinkPath(BACKUP_LABEL_OLD);
    durableRenamePath(BACKUP_LABEL, BACKUP_LABEL_OLD, 'FATAL');
  }
  if (hasMap) {
    unlinkPath(TABLESPACE_MAP_OLD);
    durableRenamePath(TABLESPACE_MAP, TABLESPACE_MAP_OLD, 'FATAL');
  }
}
/** A map without a label belongs to a backup that was not finished here. */
export function ignoreLonelyTablespaceMap(): void {
  if (!existsPath(TABLESPACE_MAP)) return;
  unlinkPath(TABLESPACE_MAP_OLD);
  const renamed = durableRenamePath(TABLESPACE_MAP, TABLESPACE_MAP_OLD, 'DEBUG1');
  report('LOG', {
    message: `ignoring file "${TABLESPACE_MAP}" because no file "${BACKUP_LABEL}" exists`,
    detail: renamed
      ? `File "${TABLESPACE_MAP}" was renamed to "${TABLESPACE_MAP_OLD}".`
      : `Could not rename file "${TABLESPACE_MAP}" to "${TABLESPACE_MAP_OLD}".`,
  });
}
