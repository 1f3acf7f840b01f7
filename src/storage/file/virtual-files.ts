/** virtual-files.ts — more open files than the kernel allows: a least-recently-used ring of real descriptors.
 *
 *  A File is a number of this process; its descriptor may be closed at any time between calls and is opened again by path
 *  when it is needed. Data moves between the file and `mem` (shared or private) without a copy. Calls answer with a
 *  count or `-errno`; who calls reports. An interrupted call is repeated.
 *  Transient files are real descriptors for a short job; the current resource owner closes those that an error left.
 *  Counterpart: src/backend/storage/file/fd.c */
import { assert } from '#base/assert.ts';
import { osError, native } from '#platform/native.ts';
import { waitEnd, waitStart } from '#runtime/activity/wait-report.ts';
import type { Level } from '#runtime/error/report.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { currentResourceOwnerOrNull, type ResourceKind, type ResourceOwner } from '#runtime/resource-owner.ts';
import { segmentId } from '#shm/memory.ts';
import { E, fileFailure } from '#storage/file/file-error.ts';

/** Number of a virtual file, > 0; a negative one is `-errno` of the opening. */
export type File = number;

/** Flags of open(2), the same on x64 and arm64. */
export const O = { RDONLY: 0, WRONLY: 1, RDWR: 2, CREAT: 0o100, EXCL: 0o200, TRUNC: 0o1000, APPEND: 0o2000 } as const;
const REOPEN_WITHOUT = ~(O.CREAT | O.TRUNC | O.EXCL);

interface Vfd {
  /** Real descriptor, -1 while closed. */
  fd: number;
  path: string;
  flags: number;
  mode: number;
  /** Neighbours in the ring, most recently used behind slot 0. */
  moreRecent: number;
  lessRecent: number;
  free: boolean;
  /** Temporary file: removed when closed. */
  deleteAtClose: boolean;
  /** Its size counts for temp_file_limit. */
  countsAsTemporary: boolean;
  temporarySize: number;
  owner: ResourceOwner | null;
}
const emptyVfd = (): Vfd => ({
  fd: -1,
  path: '',
  flags: 0,
  mode: 0,
  moreRecent: 0,
  lessRecent: 0,
  free: true,
  deleteAtClose: false,
  countsAsTemporary: false,
  temporarySize: 0,
  owner: null,
});

/** Slot 0 is the ring's head. */
const files: Vfd[] = [emptyVfd()];
const freeSlots: File[] = [];
let openDescriptors = 0;
let transientDescriptors = 0;
/** Kept for what is opened without asking here: sockets, libraries, the log. */
const RESERVED_DESCRIPTORS = 10;
const FEWEST_DESCRIPTORS = 48;
let maxSafeDescriptors = -1;

/** How many descriptors this module may hold: max_files_per_process, or what the kernel allows. */
export function setMaxSafeDescriptors(): void {
  const wanted = settings.max_files_per_process;
  const limit = native.raiseFileLimit(wanted + 256);
  maxSafeDescriptors = Math.min(wanted, limit - 64) - RESERVED_DESCRIPTORS;
  if (maxSafeDescriptors < FEWEST_DESCRIPTORS)
    report('FATAL', {
      code: SQLSTATE.insufficientResources,
      message: 'insufficient file descriptors available to start server process',
      detail: `System allows ${maxSafeDescriptors + RESERVED_DESCRIPTORS}, server needs at least ${FEWEST_DESCRIPTORS + RESERVED_DESCRIPTORS}.`,
    });
}
/** For tests: a ring of so few descriptors. */
export function limitDescriptors(count: number): void {
  maxSafeDescriptors = count;
}

// ── the ring ───────────────────────────────────────────────────────────────────────────────────────────────────────
function unlinkFromRing(slot: File): void {
  const vfd = files[slot]!;
  files[vfd.lessRecent]!.moreRecent = vfd.moreRecent;
  files[vfd.moreRecent]!.lessRecent = vfd.lessRecent;
}
function linkAsMostRecent(slot: File): void {
  const head = files[0]!;
  const vfd = files[slot]!;
  vfd.moreRecent = 0;
  vfd.lessRecent = head.lessRecent;
  files[head.lessRecent]!.moreRecent = slot;
  head.lessRecent = slot;
}
/** Closes the descriptor; the file stays known. */
function suspend(slot: File): void {
  const vfd = files[slot]!;
  const result = native.closeFd(vfd.fd);
  // The kernel has let go of the descriptor whatever it answers; lost writes matter more for a file that must last.
  if (result < 0)
    fileFailure(vfd.countsAsTemporary ? 'LOG' : dataSyncElevel('LOG'), `could not close file "${vfd.path}"`, result);
  vfd.fd = -1;
  openDescriptors--;
  unlinkFromRing(slot);
}
function closeLeastRecent(): boolean {
  const oldest = files[0]!.moreRecent;
  if (oldest === 0) return false;
  suspend(oldest);
  return true;
}
/** Makes room for one more descriptor. */
function reserveDescriptor(): void {
  if (maxSafeDescriptors < 0) setMaxSafeDescriptors();
  while (openDescriptors + transientDescriptors >= maxSafeDescriptors && closeLeastRecent());
}

/** open(2) that closes least recently used files while the kernel has no descriptor left. */
function basicOpen(path: string, flags: number, mode: number): number {
  for (;;) {
    const fd = native.openFile(path, flags, mode);
    if (fd >= 0) return fd;
    if (fd === -E.INTR) continue;
    if (fd !== -E.MFILE && fd !== -E.NFILE) return fd;
    report('LOG', {
      code: SQLSTATE.insufficientResources,
      message: `out of file descriptors: ${osError(fd)}; release and retry`,
    });
    if (!closeLeastRecent()) return fd;
  }
}

/** Real descriptor of a file, opened again if need be; or -errno. */
function descriptorOf(slot: File): number {
  const vfd = files[slot]!;
  if (vfd.fd >= 0) {
    if (files[0]!.lessRecent !== slot) {
      unlinkFromRing(slot);
      linkAsMostRecent(slot);
    }
    return vfd.fd;
  }
  assert(!vfd.free, 'a file is used while it is open');
  reserveDescriptor();
  const fd = basicOpen(vfd.path, vfd.flags, vfd.mode);
  if (fd < 0) return fd;
  vfd.fd = fd;
  openDescriptors++;
  linkAsMostRecent(slot);
  return fd;
}

// ── files ──────────────────────────────────────────────────────────────────────────────────────────────────────────
/** Opens a file by path; it stays open across transactions until fileClose. Counterpart: PathNameOpenFilePerm() */
export function fileOpen(path: string, flags: number, mode = 0o600): File {
  reserveDescriptor();
  const fd = basicOpen(path, flags, mode);
  if (fd < 0) return fd;
  let slot = freeSlots.pop();
  if (slot === undefined) slot = files.push(emptyVfd()) - 1;
  const vfd = files[slot]!;
  vfd.fd = fd;
  vfd.path = path;
  // Opening it again must neither make nor empty it.
  vfd.flags = flags & REOPEN_WITHOUT;
  vfd.mode = mode;
  vfd.free = false;
  openDescriptors++;
  linkAsMostRecent(slot);
  return slot;
}

/** What temp-files.ts does when a file of its own is closed. */
let temporaryFileClosed: (path: string, size: number) => void = () => {};
export function setTemporaryFileClosed(callback: (path: string, size: number) => void): void {
  temporaryFileClosed = callback;
}
/** Bytes in temporary files of this process. */
let temporaryBytes = 0;
export const temporaryFilesSize = (): number => temporaryBytes;

/** Marks a file as temporary: it is removed when closed and counts for temp_file_limit; `owner` closes it at its end. */
export function markTemporary(file: File, deleteAtClose: boolean, owner: ResourceOwner | null): void {
  const vfd = files[file]!;
  vfd.deleteAtClose = deleteAtClose;
  vfd.countsAsTemporary = true;
  vfd.temporarySize = 0;
  vfd.owner = owner;
  if (owner !== null) owner.remember(FILE_KIND, file);
}

export function fileClose(file: File): void {
  const vfd = files[file]!;
  assert(!vfd.free, 'a file is closed once');
  if (vfd.owner !== null) {
    vfd.owner.forget(FILE_KIND, file);
    vfd.owner = null;
  }
  closeOwned(file);
}

function closeOwned(file: File): void {
  const vfd = files[file]!;
  if (vfd.fd >= 0) suspend(file);
  const { path, deleteAtClose } = vfd;
  temporaryBytes -= vfd.temporarySize;
  const fresh = emptyVfd();
  files[file] = fresh;
  freeSlots.push(file);
  if (!deleteAtClose) return;
  // The size is looked up before the file is gone, and reported after.
  const size = sizeByPath(path);
  const result = native.unlinkFile(path);
  if (result < 0) fileFailure('LOG', `could not delete file "${path}"`, result);
  if (size >= 0) temporaryFileClosed(path, size);
  else fileFailure('LOG', `could not stat file "${path}"`, size);
}

function sizeByPath(path: string): number {
  const fd = native.openFile(path, O.RDONLY, 0);
  if (fd < 0) return fd;
  const size = native.fileLength(fd);
  native.closeFd(fd);
  return size;
}

/** All temporary files that nobody closed, at the end of the process. */
export function closeTemporaryFiles(): void {
  for (let slot = 1; slot < files.length; slot++) {
    const vfd = files[slot]!;
    if (!vfd.free && vfd.deleteAtClose) {
      vfd.owner = null;
      closeOwned(slot);
    }
  }
}

const FILE_KIND: ResourceKind = {
  name: 'temporary file',
  phase: 'afterLocks',
  priority: 500,
  release(file) {
    files[file]!.owner = null;
    closeOwned(file);
  },
  describeLeak: (file) => `temporary file leak: File ${file} still referenced`,
};

/** Reads up to `length` bytes into `mem`; fewer at the end of the file. */
export function fileRead(file: File, at: number, length: number, position: number, waitEvent: number): number {
  const fd = descriptorOf(file);
  if (fd < 0) return fd;
  for (;;) {
    waitStart(waitEvent);
    const done = native.preadSegment(fd, segmentId, at, length, position);
    waitEnd();
    if (done !== -E.INTR) return done;
  }
}

/** Writes from `mem`; a short write means a full disk unless -errno says otherwise. */
export function fileWrite(file: File, at: number, length: number, position: number, waitEvent: number): number {
  const fd = descriptorOf(file);
  if (fd < 0) return fd;
  const vfd = files[file]!;
  if (vfd.countsAsTemporary) checkTemporaryLimit(vfd, position + length);
  for (;;) {
    waitStart(waitEvent);
    const done = native.pwriteSegment(fd, segmentId, at, length, position);
    waitEnd();
    if (done === -E.INTR) continue;
    if (done >= 0 && vfd.countsAsTemporary && position + done > vfd.temporarySize) {
      temporaryBytes += position + done - vfd.temporarySize;
      vfd.temporarySize = position + done;
    }
    return done;
  }
}

function checkTemporaryLimit(vfd: Vfd, end: number): void {
  const limit = settings.temp_file_limit;
  if (limit < 0 || end <= vfd.temporarySize) return;
  if (temporaryBytes + end - vfd.temporarySize > limit * 1024)
    report('ERROR', {
      code: SQLSTATE.configurationLimitExceeded,
      message: `temporary file size exceeds temp_file_limit (${limit}kB)`,
    });
}

/** Asks the kernel to read ahead. */
export function filePrefetch(file: File, position: number, length: number, waitEvent: number): number {
  const fd = descriptorOf(file);
  if (fd < 0) return fd;
  waitStart(waitEvent);
  const result = native.posixFadviseWillNeed(fd, position, length);
  waitEnd();
  return result;
}

/** Asks the kernel to begin writing what it holds of this range. A hint: failures are told once and matter to nobody. */
export function fileWriteback(file: File, position: number, length: number, waitEvent: number): void {
  if (length <= 0 || !settings.fsync) return;
  const fd = descriptorOf(file);
  if (fd < 0) return;
  waitStart(waitEvent);
  const result = native.syncFileRange(fd, position, length);
  waitEnd();
  if (result < 0) fileFailure(dataSyncElevel('WARNING'), 'could not flush dirty data', result);
}

/** fsync: 0 or -errno. Nothing happens with `fsync = off`. */
export function fileSync(file: File, waitEvent: number): number {
  const fd = descriptorOf(file);
  if (fd < 0) return fd;
  waitStart(waitEvent);
  const result = syncDescriptor(fd);
  waitEnd();
  return result;
}
export const fileSize = (file: File): number => {
  const fd = descriptorOf(file);
  return fd < 0 ? fd : native.fileLength(fd);
};
export function fileTruncate(file: File, length: number, waitEvent: number): number {
  const fd = descriptorOf(file);
  if (fd < 0) return fd;
  waitStart(waitEvent);
  let result = native.truncateFile(fd, length);
  while (result === -E.INTR) result = native.truncateFile(fd, length);
  waitEnd();
  const vfd = files[file]!;
  if (result === 0 && vfd.temporarySize > length) {
    temporaryBytes -= vfd.temporarySize - length;
    vfd.temporarySize = length;
  }
  return result;
}
export const filePath = (file: File): string => files[file]!.path;
/** The real descriptor, good until the next call of this module. */
export const fileDescriptor = (file: File): number => descriptorOf(file);
/** Closes all real descriptors (a tablespace's folder is to be removed, a crash cycle begins). */
export function closeAllDescriptors(): void {
  while (closeLeastRecent());
}

// ── transient files ────────────────────────────────────────────────────────────────────────────────────────────────
const TRANSIENT_KIND: ResourceKind = {
  name: 'transient file',
  phase: 'afterLocks',
  priority: 501,
  inherited: true,
  release(fd) {
    transientOwners.delete(fd);
    transientDescriptors--;
    native.closeFd(fd);
  },
  describeLeak: () => '1 temporary files and directories not closed at end-of-transaction',
};
const transientOwners = new Map<number, ResourceOwner>();

/** A real descriptor for a short while, or -errno; the current resource owner closes it if an error comes between. */
export function openTransientFile(path: string, flags: number, mode = 0o600): number {
  reserveDescriptor();
  const fd = basicOpen(path, flags, mode);
  if (fd < 0) return fd;
  transientDescriptors++;
  const owner = currentResourceOwnerOrNull();
  if (owner !== null) {
    owner.remember(TRANSIENT_KIND, fd);
    transientOwners.set(fd, owner);
  }
  return fd;
}
/** 0 or -errno. */
export function closeTransientFile(fd: number): number {
  transientOwners.get(fd)?.forget(TRANSIENT_KIND, fd);
  transientOwners.delete(fd);
  transientDescriptors--;
  return native.closeFd(fd);
}

// ── making it last ─────────────────────────────────────────────────────────────────────────────────────────────────
/** After a failed fsync the kernel may have forgotten the data: only WAL can bring them back, so PANIC. */
export function dataSyncElevel<L extends Level>(level: L): L | 'PANIC' {
  return settings.data_sync_retry ? level : 'PANIC';
}
/** fsync(2) unless `fsync = off`. 0 or -errno. */
export function syncDescriptor(fd: number): number {
  if (!settings.fsync) return 0;
  let result = native.fsync(fd);
  while (result === -E.INTR) result = native.fsync(fd);
  return result;
}

/** Opens, fsyncs, closes. 0, or -errno when `level` does not throw. */
export function fsyncFname(
  path: string,
  isDirectory: boolean,
  ignorePermissions = false,
  level: Level = dataSyncElevel('ERROR'),
): number {
  const fd = openTransientFile(path, isDirectory ? O.RDONLY : O.RDWR);
  if (fd < 0) {
    if (isDirectory && (fd === -E.ISDIR || fd === -E.ACCES)) return 0;
    if (ignorePermissions && fd === -E.ACCES) return 0;
    fileFailure(level, `could not open file "${path}"`, fd);
    return fd;
  }
  const result = syncDescriptor(fd);
  closeTransientFile(fd);
  // Some file systems cannot fsync a folder.
  if (result < 0 && !(isDirectory && (result === -9 || result === -E.INVAL))) {
    fileFailure(level, `could not fsync file "${path}"`, result);
    return result;
  }
  return 0;
}
const parentFolder = (path: string): string => (path.includes('/') ? path.slice(0, path.lastIndexOf('/')) || '/' : '.');
/** Makes a folder's entries last. */
export const fsyncParentPath = (path: string, level: Level): number =>
  fsyncFname(parentFolder(path), true, false, level);

/** Renames so that after a crash either the old or the new name is there, with all of the contents. 0 or -errno. */
export function durableRename(from: string, to: string, level: Level): number {
  let result = fsyncFname(from, false, false, level);
  if (result < 0) return result;
  const fd = openTransientFile(to, O.RDWR);
  if (fd < 0) {
    if (fd !== -E.NOENT) {
      fileFailure(level, `could not open file "${to}"`, fd);
      return fd;
    }
  } else {
    result = syncDescriptor(fd);
    closeTransientFile(fd);
    if (result < 0) {
      fileFailure(level, `could not fsync file "${to}"`, result);
      return result;
    }
  }
  result = native.renameFile(from, to);
  if (result < 0) {
    fileFailure(level, `could not rename file "${from}" to "${to}"`, result);
    return result;
  }
  result = fsyncFname(to, false, false, level);
  return result < 0 ? result : fsyncParentPath(to, level);
}

/** Unlinks and makes that last. 0 or -errno. */
export function durableUnlink(path: string, level: Level): number {
  const result = native.unlinkFile(path);
  if (result < 0) {
    fileFailure(level, `could not remove file "${path}"`, result);
    return result;
  }
  return fsyncParentPath(path, level);
}
