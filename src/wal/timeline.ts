/** timeline.ts — histories: which timeline forked off which, and where.
 *
 *  A history is newest first; entry i covers [begin, end), 0 meaning unlimited. Timeline 1 has no file.
 *  Counterpart: src/backend/access/transam/timeline.c */
import { OPEN, existsPath, openFd, readWholeFile, unlinkPath, writeAt } from '#platform/raw-files.ts';
import type { Lsn } from '#base/ids.ts';
import { native } from '#platform/native.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { myProcess } from '#runtime/my-process.ts';
import { xlogArchiveNotify } from '#wal/archive-status.ts';
import { historyFileName, historyFilePath, lsnText, WAL_DIRECTORY, xlogArchivingActive } from '#wal/wal-format.ts';
import { durableRenamePath, fileError, fsyncFd } from '#wal/wal-io.ts';

export interface TimelineHistoryEntry {
  readonly timeline: number;
  readonly begin: Lsn;
  readonly end: Lsn;
}
export type TimelineHistory = readonly TimelineHistoryEntry[];
const NONE = 0 as Lsn;

/** Brings a history file from the archive to the path it returns; null when not in archive recovery or not there. */
export type HistoryRestorer = (name: string) => string | null;
let restoreFromArchive: HistoryRestorer = () => null;
let keepRestored: (path: string, name: string) => void = () => {};
export function setHistoryRestorer(restore: HistoryRestorer, keep: (path: string, name: string) => void): void {
  restoreFromArchive = restore;
  keepRestored = keep;
}

const alone = (timeline: number): TimelineHistory => [{ timeline, begin: NONE, end: NONE }];

export function readTimelineHistory(target: number): TimelineHistory {
  if (target === 1) return alone(1);
  const name = historyFileName(target);
  const restored = restoreFromArchive(name);
  const path = restored ?? historyFilePath(target);
  const contents = readWholeFile(path);
  if (typeof contents === 'number') {
    if (contents !== -native.ERRNO.ENOENT) fileError('FATAL', `could not open file "${path}"`, contents);
    return alone(target);
  }
  const history = parseTimelineHistory(contents.toString('utf8'), target, path);
  if (restored !== null) keepRestored(restored, name);
  return history;
}

export function parseTimelineHistory(text: string, target: number, path: string): TimelineHistory {
  const history: TimelineHistoryEntry[] = [];
  let begin = NONE;
  let last = 0;
  const refuse = (message: string, hint: string): never => report('FATAL', { message, hint });
  for (const line of text.split('\n')) {
    const content = line.trimStart();
    if (content === '' || content.startsWith('#')) continue;
    const match = /^(\d+)(?:\s+([0-9A-Fa-f]+)\/([0-9A-Fa-f]+))?/.exec(content);
    if (match === null) return refuse(`syntax error in history file: ${line}`, 'Expected a numeric timeline ID.');
    if (match[2] === undefined)
      return refuse(`syntax error in history file: ${line}`, 'Expected a write-ahead log switchpoint location.');
    const timeline = Number(match[1]);
    if (history.length > 0 && timeline <= last)
      return refuse(`invalid data in history file: ${line}`, 'Timeline IDs must be in increasing sequence.');
    const end = (Number.parseInt(match[2], 16) * 0x1_0000_0000 + Number.parseInt(match[3]!, 16)) as Lsn;
    history.unshift({ timeline, begin, end });
    begin = end;
    last = timeline;
  }
  if (history.length > 0 && target <= last)
    return refuse(`invalid data in history file "${path}"`, "Timeline IDs must be less than child timeline's ID.");
  return [{ timeline: target, begin, end: NONE }, ...history];
}

/** Is there a history file for this timeline, here or in the archive? */
export function existsTimelineHistory(timeline: number): boolean {
  if (timeline === 1) return false;
  return restoreFromArchive(historyFileName(timeline)) !== null || existsPath(historyFilePath(timeline));
}
/** Newest timeline that exists from `start` on: new ones are numbered without gaps. */
export function findNewestTimeline(start: number): number {
  let newest = start;
  while (existsTimelineHistory(newest + 1)) newest++;
  return newest;
}
/** History files between two timelines, fetched from the archive so that standbys of this server find them. */
export function restoreTimelineHistoryFiles(begin: number, end: number): void {
  for (let timeline = begin; timeline < end; timeline++) {
    if (timeline === 1) continue;
    const name = historyFileName(timeline);
    const path = restoreFromArchive(name);
    if (path !== null) keepRestored(path, name);
  }
}

/** Makes the file of a timeline that forks off `parent` at `switchPoint`. */
export function writeTimelineHistory(timeline: number, parent: number, switchPoint: Lsn, reason: string): void {
  const temporary = `${WAL_DIRECTORY}/xlogtemp.${myProcess.pid}`;
  unlinkPath(temporary);
  const restored = restoreFromArchive(historyFileName(parent));
  const old = parent === 1 ? -native.ERRNO.ENOENT : readWholeFile(restored ?? historyFilePath(parent));
  if (typeof old === 'number' && old !== -native.ERRNO.ENOENT)
    fileError('ERROR', `could not open file "${historyFilePath(parent)}"`, old);
  // A newline first, should the parent's file not end with one.
  const line = `${typeof old === 'number' ? '' : '\n'}${parent}\t${lsnText(switchPoint)}\t${reason}\n`;
  writeDurably(temporary, Buffer.concat([typeof old === 'number' ? Buffer.alloc(0) : old, Buffer.from(line)]));
  durableRenamePath(temporary, historyFilePath(timeline), 'ERROR');
  if (xlogArchivingActive()) xlogArchiveNotify(historyFileName(timeline));
}
/** A history file that came over the wire. */
export function writeTimelineHistoryFile(timeline: number, contents: Uint8Array): void {
  const temporary = `${WAL_DIRECTORY}/xlogtemp.${myProcess.pid}`;
  unlinkPath(temporary);
  writeDurably(temporary, contents);
  durableRenamePath(temporary, historyFilePath(timeline), 'ERROR');
}
function writeDurably(path: string, contents: Uint8Array): void {
  const fd = openFd(path, OPEN.readWrite | OPEN.create | OPEN.exclusive);
  if (fd < 0) fileError('ERROR', `could not create file "${path}"`, fd);
  const wrote = writeAt(fd, contents, contents.length, 0);
  if (wrote !== contents.length) {
    unlinkPath(path);
    fileError('ERROR', `could not write to file "${path}"`, wrote < 0 ? wrote : native.ERRNO.ENOSPC);
  }
  const synced = fsyncFd(fd, WAIT_EVENT.TimelineHistorySync);
  if (synced < 0) fileError('ERROR', `could not fsync file "${path}"`, synced);
  native.closeFd(fd);
}

export const timelineInHistory = (timeline: number, history: TimelineHistory): boolean =>
  history.some((entry) => entry.timeline === timeline);
/** The timeline that the position belongs to. */
export function timelineOfPoint(point: Lsn, history: TimelineHistory): number {
  for (const { timeline, begin, end } of history)
    if ((begin === 0 || begin <= point) && (end === 0 || point < end)) return timeline;
  return report('ERROR', { message: 'timeline history was not contiguous' });
}
/** Where the history left the timeline (0: not yet), and for which one. */
export function timelineSwitchPoint(timeline: number, history: TimelineHistory): { point: Lsn; next: number } {
  let next = 0;
  for (const entry of history) {
    if (entry.timeline === timeline) return { point: entry.end, next };
    next = entry.timeline;
  }
  return report('ERROR', {
    code: SQLSTATE.internalError,
    message: `requested timeline ${timeline} is not in this server's history`,
  });
}
