/** slru.ts — small logs of fixed-size entries that are read at random but grow and shrink at their ends: CLOG, SUBTRANS,
 *  multixacts, commit timestamps, NOTIFY's queue, SSI's summary of old transactions.
 *
 *  A handful of page buffers with an LRU list, under one control lock per log. I/O is done without the control lock: the
 *  slot is marked as in progress and its own buffer lock is held exclusively, so that others can wait for it.
 *  Promises: a page with group LSNs goes to disk only after WAL up to the highest of them; a written segment is fsynced
 *  by the next checkpoint. Does not: protect against torn pages (entries never straddle a sector that matters, and the
 *  WAL zeroes and rewrites what was not safe on disk).
 *  Cost: a hit is a scan over the slots' page numbers, ~100 ns for 32 slots.
 *  Counterpart: src/backend/access/transam/slru.c */
import { BLCKSZ, type Lsn, type Oid } from '#base/ids.ts';
import { FileError, listDirectory, removeFile, statIfExists } from '#platform/file-system.ts';
import { native } from '#platform/native.ts';
import { WAIT_EVENT } from '#runtime/activity/wait-events.ts';
import { waitEnd, waitStart } from '#runtime/activity/wait-report.ts';
import { report } from '#runtime/error/report.ts';
import { beginCritical, endCritical } from '#runtime/error/critical-section.ts';
import { settings } from '#runtime/guc/guc.ts';
import { BUILTIN_TRANCHES, type LWLockName } from '#shm/lwlock-list.ts';
import { mainLWLock } from '#shm/lwlock-array.ts';
import { LWLOCK_STRIDE } from '#shm/lwlock-layout.ts';
import {
  initializeLWLock,
  lwLockAcquire,
  lwLockConditionalAcquire,
  lwLockHeldByMe,
  lwLockRelease,
} from '#shm/lwlock.ts';
import { mem, segmentId } from '#shm/memory.ts';
import { requestShmemSpace, shmemInitStruct } from '#shm/shmem.ts';
import type { ShmemSubsystem } from '#shm/subsystem.ts';
import { assert } from '#base/assert.ts';
import {
  type FileTag,
  registerSyncHandler,
  registerSyncRequest,
  SYNC_REQUEST,
  type SyncHandlerId,
} from '#storage/file/sync-requests.ts';
import { E, fileAccessCode } from '#storage/file/file-error.ts';
import { closeTransientFile, dataSyncElevel, fsyncFname, openTransientFile } from '#storage/file/virtual-files.ts';
import { PAGE_STATUS, SLRU_PAGES_PER_SEGMENT, SlruShared } from '#storage/slru/slru-layout.ts';
import { xlogFlush } from '#wal/insert.ts';
import { inRecovery } from '#wal/recovery-state.ts';

export { SLRU_PAGES_PER_SEGMENT };

const O_RDONLY = 0;
const O_RDWR = 2;
const O_CREAT = 0o100;
/** Segments kept open during one writeAll(). */
const MAX_WRITEALL_FILES = 16;

type IoFailure = 'open' | 'read' | 'write' | 'fsync' | 'close';

/** Counters of pg_stat_slru that this process has not yet handed over. */
export interface SlruCounters {
  zeroed: number;
  hit: number;
  read: number;
  written: number;
  exists: number;
  flush: number;
  truncate: number;
}

export interface SlruOptions {
  /** Name in pg_shmem_allocations. */
  readonly name: string;
  /** Name in pg_stat_slru. */
  readonly statName: string;
  readonly slots: () => number;
  readonly lsnGroups: number;
  readonly controlLock: LWLockName;
  readonly bufferTranche: keyof typeof BUILTIN_TRANCHES;
  readonly directory: string;
  /** null: contents need not survive a crash. */
  readonly syncHandler: SyncHandlerId | null;
  /** Is page `a` older than page `b`, in the log's own modulo arithmetic? */
  readonly precedes: (a: number, b: number) => boolean;
}

interface OpenSegment {
  readonly segment: number;
  readonly fd: number;
}

const ALL: Slru[] = [];
/** Every SLRU of this program, for statistics. */
export const allSlrus = (): readonly Slru[] => ALL;

export class Slru {
  readonly counters: SlruCounters = { zeroed: 0, hit: 0, read: 0, written: 0, exists: 0, flush: 0, truncate: 0 };
  readonly shmem: ShmemSubsystem;
  #at = -1;
  #slots = 0;
  #statusAt = 0;
  #numberAt = 0;
  #lruAt = 0;
  #dirtyAt = 0;
  #lsnAt = 0;
  #locksAt = 0;
  #pagesAt = 0;
  #failure: IoFailure = 'open';
  #errno = 0;

  constructor(readonly options: SlruOptions) {
    ALL.push(this);
    this.shmem = {
      name: options.name,
      request: () => requestShmemSpace(this.#size(options.slots())),
      init: () => this.#init(),
    };
  }

  #size(slots: number): number {
    const lsns = slots * this.options.lsnGroups * 8;
    return SlruShared.SIZE + align128(slots * 13) + align128(lsns) + slots * LWLOCK_STRIDE + slots * BLCKSZ;
  }

  #init(): void {
    const slots = this.options.slots();
    const found = shmemInitStruct(this.options.name, this.#size(slots));
    this.#at = found.at;
    this.#slots = slots;
    this.#statusAt = found.at + SlruShared.SIZE;
    this.#numberAt = this.#statusAt + 4 * slots;
    this.#lruAt = this.#numberAt + 4 * slots;
    this.#dirtyAt = this.#lruAt + 4 * slots;
    this.#lsnAt = this.#statusAt + align128(slots * 13);
    this.#locksAt = this.#lsnAt + align128(slots * this.options.lsnGroups * 8);
    this.#pagesAt = this.#locksAt + slots * LWLOCK_STRIDE;
    const { syncHandler } = this.options;
    if (syncHandler !== null) registerSyncHandler(syncHandler, { syncFile: (tag) => this.#syncFile(tag) });
    if (found.found) return;
    SlruShared.slotCount.set(mem, found.at, slots);
    SlruShared.lsnGroupsPerPage.set(mem, found.at, this.options.lsnGroups);
    SlruShared.latestPage.store(mem, found.at, 0);
    for (let slot = 0; slot < slots; slot++)
      initializeLWLock(this.#bufferLock(slot), BUILTIN_TRANCHES[this.options.bufferTranche]);
  }

  get lock(): number {
    return mainLWLock(this.options.controlLock);
  }
  /** Address of the page in a slot. */
  pageAt(slot: number): number {
    return this.#pagesAt + slot * BLCKSZ;
  }
  #bufferLock(slot: number): number {
    return this.#locksAt + slot * LWLOCK_STRIDE;
  }
  #status(slot: number): number {
    return mem.i32[(this.#statusAt + 4 * slot) >>> 2]!;
  }
  #setStatus(slot: number, status: number): void {
    mem.i32[(this.#statusAt + 4 * slot) >>> 2] = status;
  }
  pageNumber(slot: number): number {
    return mem.i32[(this.#numberAt + 4 * slot) >>> 2]!;
  }
  isDirty(slot: number): boolean {
    return mem.u8[this.#dirtyAt + slot] !== 0;
  }
  /** Caller holds the control lock exclusively. */
  markDirty(slot: number): void {
    mem.u8[this.#dirtyAt + slot] = 1;
  }
  get latestPage(): number {
    return SlruShared.latestPage.load(mem, this.#at);
  }
  set latestPage(page: number) {
    SlruShared.latestPage.store(mem, this.#at, page);
  }

  // ── group LSNs ───────────────────────────────────────────────────────────────────────────────────────────────────

  #lsnAddress(slot: number, group: number): number {
    return this.#lsnAt + (slot * this.options.lsnGroups + group) * 8;
  }
  groupLsn(slot: number, group: number): Lsn {
    const at = this.#lsnAddress(slot, group);
    return (mem.view.getUint32(at + 4, true) * 0x1_0000_0000 + mem.view.getUint32(at, true)) as Lsn;
  }
  raiseGroupLsn(slot: number, group: number, lsn: Lsn): void {
    if (this.groupLsn(slot, group) >= lsn) return;
    const at = this.#lsnAddress(slot, group);
    mem.view.setUint32(at, lsn >>> 0, true);
    mem.view.setUint32(at + 4, Math.floor(lsn / 0x1_0000_0000), true);
  }
  #zeroLsns(slot: number): void {
    const at = this.#lsnAddress(slot, 0);
    mem.u8.fill(0, at, at + this.options.lsnGroups * 8);
  }

  // ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Makes a page of zeroes in a slot, dirty; nothing is written yet. Control lock: exclusive. */
  zeroPage(page: number): number {
    const slot = this.#selectLru(page);
    const status = this.#status(slot);
    assert(
      status === PAGE_STATUS.empty ||
        (status === PAGE_STATUS.valid && !this.isDirty(slot)) ||
        this.pageNumber(slot) === page,
    );
    mem.i32[(this.#numberAt + 4 * slot) >>> 2] = page;
    this.#setStatus(slot, PAGE_STATUS.valid);
    this.markDirty(slot);
    this.#recentlyUsed(slot);
    const at = this.pageAt(slot);
    mem.u8.fill(0, at, at + BLCKSZ);
    this.#zeroLsns(slot);
    this.latestPage = page;
    this.counters.zeroed++;
    return slot;
  }

  /** The slot that holds the page. Control lock: exclusive, and given up while it reads. `writeOk`: a page that is being
   *  written may be returned. `xid` is for the error message. */
  readPage(page: number, writeOk: boolean, xid: number): number {
    for (;;) {
      const slot = this.#selectLru(page);
      const status = this.#status(slot);
      if (this.pageNumber(slot) === page && status !== PAGE_STATUS.empty) {
        if (status === PAGE_STATUS.readInProgress || (status === PAGE_STATUS.writeInProgress && !writeOk)) {
          this.#waitIo(slot);
          continue;
        }
        this.#recentlyUsed(slot);
        this.counters.hit++;
        return slot;
      }
      assert(
        status === PAGE_STATUS.empty || (status === PAGE_STATUS.valid && !this.isDirty(slot)),
        'a victim is clean',
      );
      mem.i32[(this.#numberAt + 4 * slot) >>> 2] = page;
      this.#setStatus(slot, PAGE_STATUS.readInProgress);
      mem.u8[this.#dirtyAt + slot] = 0;
      lwLockAcquire(this.#bufferLock(slot), 'exclusive');
      lwLockRelease(this.lock);
      const ok = this.#physicalRead(page, slot);
      this.#zeroLsns(slot);
      lwLockAcquire(this.lock, 'exclusive');
      this.#setStatus(slot, ok ? PAGE_STATUS.valid : PAGE_STATUS.empty);
      lwLockRelease(this.#bufferLock(slot));
      if (!ok) this.#reportIoError(page, xid);
      this.#recentlyUsed(slot);
      this.counters.read++;
      return slot;
    }
  }

  /** Takes the control lock itself, shared if the page is there; the caller releases it. */
  readPageReadOnly(page: number, xid: number): number {
    lwLockAcquire(this.lock, 'shared');
    const slots = this.#slots;
    const words = mem.i32;
    const first = this.#numberAt >>> 2;
    for (let slot = 0; slot < slots; slot++) {
      if (words[first + slot] !== page) continue;
      const status = this.#status(slot);
      if (status === PAGE_STATUS.empty || status === PAGE_STATUS.readInProgress) continue;
      this.#recentlyUsed(slot);
      this.counters.hit++;
      return slot;
    }
    lwLockRelease(this.lock);
    lwLockAcquire(this.lock, 'exclusive');
    return this.readPage(page, true, xid);
  }

  #waitIo(slot: number): void {
    lwLockRelease(this.lock);
    lwLockAcquire(this.#bufferLock(slot), 'shared');
    lwLockRelease(this.#bufferLock(slot));
    lwLockAcquire(this.lock, 'exclusive');
    const status = this.#status(slot);
    if (status !== PAGE_STATUS.readInProgress && status !== PAGE_STATUS.writeInProgress) return;
    // In progress, but nobody holds the buffer lock: whoever did the I/O failed. Otherwise somebody began another one.
    if (!lwLockConditionalAcquire(this.#bufferLock(slot), 'shared')) return;
    if (status === PAGE_STATUS.readInProgress) this.#setStatus(slot, PAGE_STATUS.empty);
    else {
      this.#setStatus(slot, PAGE_STATUS.valid);
      this.markDirty(slot);
    }
    lwLockRelease(this.#bufferLock(slot));
  }

  /** Races of shared holders here cost at most a wrong guess about age. */
  #recentlyUsed(slot: number): void {
    const counter = SlruShared.lruCounter.get(mem, this.#at);
    const word = (this.#lruAt + 4 * slot) >>> 2;
    if (counter === mem.i32[word]) return;
    const next = (counter + 1) | 0;
    SlruShared.lruCounter.set(mem, this.#at, next);
    mem.i32[word] = next;
  }

  /** The slot of `page`, or a free or clean one for it. Control lock: exclusive; may be given up for I/O. */
  #selectLru(page: number): number {
    for (;;) {
      for (let slot = 0; slot < this.#slots; slot++)
        if (this.pageNumber(slot) === page && this.#status(slot) !== PAGE_STATUS.empty) return slot;
      const now = SlruShared.lruCounter.get(mem, this.#at);
      SlruShared.lruCounter.set(mem, this.#at, (now + 1) | 0);
      let bestSlot = -1;
      let bestAge = -1;
      let busySlot = -1;
      let busyAge = -1;
      const latest = this.latestPage;
      for (let slot = 0; slot < this.#slots; slot++) {
        const status = this.#status(slot);
        if (status === PAGE_STATUS.empty) return slot;
        const word = (this.#lruAt + 4 * slot) >>> 2;
        let age = (now - mem.i32[word]!) | 0;
        if (age < 0) {
          // A counter from before a wrap, or a racing update: the page is as good as new.
          mem.i32[word] = now;
          age = 0;
        }
        const number = this.pageNumber(slot);
        if (number === latest) continue;
        if (status === PAGE_STATUS.valid) {
          if (age > bestAge || (age === bestAge && this.options.precedes(number, this.pageNumber(bestSlot)))) {
            bestSlot = slot;
            bestAge = age;
          }
        } else if (age > busyAge || (age === busyAge && this.options.precedes(number, this.pageNumber(busySlot)))) {
          busySlot = slot;
          busyAge = age;
        }
      }
      if (bestSlot < 0) {
        // All others are in the middle of I/O: wait for the one that was used least lately.
        this.#waitIo(busySlot);
        continue;
      }
      if (!this.isDirty(bestSlot)) return bestSlot;
      this.#internalWrite(bestSlot, null);
    }
  }

  // ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Writes the slot's page if it is dirty. Control lock: exclusive, given up during the I/O. */
  writePage(slot: number): void {
    this.#internalWrite(slot, null);
  }

  #internalWrite(slot: number, open: OpenSegment[] | null): void {
    const page = this.pageNumber(slot);
    while (this.#status(slot) === PAGE_STATUS.writeInProgress && this.pageNumber(slot) === page) this.#waitIo(slot);
    if (!this.isDirty(slot) || this.#status(slot) !== PAGE_STATUS.valid || this.pageNumber(slot) !== page) return;
    this.#setStatus(slot, PAGE_STATUS.writeInProgress);
    // Cleared before the write: whoever changes the page while it is written makes it dirty again.
    mem.u8[this.#dirtyAt + slot] = 0;
    lwLockAcquire(this.#bufferLock(slot), 'exclusive');
    lwLockRelease(this.lock);
    const ok = this.#physicalWrite(page, slot, open);
    if (!ok && open !== null) for (const { fd } of open.splice(0)) closeTransientFile(fd);
    lwLockAcquire(this.lock, 'exclusive');
    if (!ok) this.markDirty(slot);
    this.#setStatus(slot, PAGE_STATUS.valid);
    lwLockRelease(this.#bufferLock(slot));
    if (!ok) this.#reportIoError(page, 0);
  }

  /** Writes all dirty pages, for checkpoints; `allowRedirtied`: others may work on meanwhile. */
  writeAll(allowRedirtied: boolean): void {
    this.counters.flush++;
    const open: OpenSegment[] = [];
    lwLockAcquire(this.lock, 'exclusive');
    for (let slot = 0; slot < this.#slots; slot++) {
      this.#internalWrite(slot, open);
      const status = this.#status(slot);
      assert(
        allowRedirtied || status === PAGE_STATUS.empty || (status === PAGE_STATUS.valid && !this.isDirty(slot)),
        'nobody else writes now',
      );
    }
    lwLockRelease(this.lock);
    let failedPage = -1;
    for (const { fd, segment } of open) {
      const result = closeTransientFile(fd);
      if (result === 0) continue;
      this.#failure = 'close';
      this.#errno = result;
      failedPage = segment * SLRU_PAGES_PER_SEGMENT;
    }
    if (failedPage >= 0) this.#reportIoError(failedPage, 0);
    if (this.options.syncHandler !== null) fsyncFname(this.options.directory, true);
  }

  // ── truncation ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Removes all segments whose pages are all before `cutoff`. */
  truncate(cutoff: number): void {
    this.counters.truncate++;
    lwLockAcquire(this.lock, 'exclusive');
    restart: for (;;) {
      // The truncation point must be behind the end of the log, or the log has wrapped around.
      if (this.options.precedes(this.latestPage, cutoff)) {
        lwLockRelease(this.lock);
        report('LOG', { message: `could not truncate directory "${this.options.directory}": apparent wraparound` });
        return;
      }
      for (let slot = 0; slot < this.#slots; slot++) {
        if (this.#status(slot) === PAGE_STATUS.empty) continue;
        if (!this.options.precedes(this.pageNumber(slot), cutoff)) continue;
        if (this.#dropClean(slot)) continue;
        continue restart;
      }
      break;
    }
    lwLockRelease(this.lock);
    this.scanDirectory((segment, firstPage) => {
      if (this.#mayDelete(firstPage, cutoff)) this.#unlinkSegment(segment);
      return false;
    });
  }
  /** Empties a slot that needs no write; else writes or waits, and says false: look again at everything. */
  #dropClean(slot: number): boolean {
    const status = this.#status(slot);
    if (status === PAGE_STATUS.valid && !this.isDirty(slot)) {
      this.#setStatus(slot, PAGE_STATUS.empty);
      return true;
    }
    if (status === PAGE_STATUS.valid) this.#internalWrite(slot, null);
    else this.#waitIo(slot);
    return false;
  }
  /** Both ends must be old: a segment may straddle the wrap-around horizon. */
  #mayDelete(firstPage: number, cutoff: number): boolean {
    const { precedes } = this.options;
    return precedes(firstPage, cutoff) && precedes(firstPage + SLRU_PAGES_PER_SEGMENT - 1, cutoff);
  }

  /** Removes one segment whatever is in it. */
  deleteSegment(segment: number): void {
    lwLockAcquire(this.lock, 'exclusive');
    restart: for (;;) {
      for (let slot = 0; slot < this.#slots; slot++) {
        if (this.#status(slot) === PAGE_STATUS.empty) continue;
        if (Math.floor(this.pageNumber(slot) / SLRU_PAGES_PER_SEGMENT) !== segment) continue;
        if (this.#dropClean(slot)) continue;
        continue restart;
      }
      break;
    }
    this.#unlinkSegment(segment);
    lwLockRelease(this.lock);
  }
  #unlinkSegment(segment: number): void {
    // A pending fsync of a file that is about to go is dropped first, or the checkpointer would miss the file.
    if (this.options.syncHandler !== null) registerSyncRequest(this.#tag(segment), SYNC_REQUEST.forget, true);
    const path = this.#path(segment);
    report('DEBUG2', { message: `removing file "${path}"` });
    try {
      removeFile(path);
    } catch (caught) {
      // As PostgreSQL: a segment that cannot be removed is met again by the next truncation.
      if (!(caught instanceof FileError)) throw caught;
    }
  }

  /** Calls back for each segment file until one call says true; says whether one did. */
  scanDirectory(each: (segment: number, firstPage: number) => boolean): boolean {
    for (const name of listDirectory(this.options.directory)) {
      if (!/^[0-9A-F]{4,6}$/.test(name)) continue;
      const segment = Number.parseInt(name, 16);
      if (each(segment, segment * SLRU_PAGES_PER_SEGMENT)) return true;
    }
    return false;
  }
  /** Would a truncation at `cutoff` remove anything? */
  hasSegmentsBefore(cutoff: number): boolean {
    return this.scanDirectory((_segment, firstPage) => this.#mayDelete(firstPage, cutoff));
  }
  deleteAllSegments(): void {
    this.scanDirectory((segment) => {
      this.#unlinkSegment(segment);
      return false;
    });
  }

  // ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #path(segment: number): string {
    return `${this.options.directory}/${segment.toString(16).toUpperCase().padStart(4, '0')}`;
  }
  #tag(segment: number): FileTag {
    const zero = 0 as Oid;
    return {
      handler: this.options.syncHandler!,
      fork: 0,
      rnode: { spcNode: zero, dbNode: zero, relNode: zero },
      segment,
    };
  }
  #syncFile(tag: FileTag): { result: number; path: string } {
    const path = this.#path(tag.segment);
    const fd = openTransientFile(path, O_RDWR);
    if (fd < 0) return { result: fd, path };
    waitStart(WAIT_EVENT.SLRUFlushSync);
    const result = native.fsync(fd);
    waitEnd();
    closeTransientFile(fd);
    return { result, path };
  }

  /** Is the page within an existing segment file of sufficient length? */
  doesPhysicalPageExist(page: number): boolean {
    this.counters.exists++;
    const status = statIfExists(this.#path(Math.floor(page / SLRU_PAGES_PER_SEGMENT)));
    return status !== undefined && status.size >= ((page % SLRU_PAGES_PER_SEGMENT) + 1) * BLCKSZ;
  }

  #failed(failure: IoFailure, errno: number): false {
    this.#failure = failure;
    this.#errno = errno;
    return false;
  }
  #physicalRead(page: number, slot: number): boolean {
    const path = this.#path(Math.floor(page / SLRU_PAGES_PER_SEGMENT));
    const at = this.pageAt(slot);
    const fd = openTransientFile(path, O_RDONLY);
    if (fd < 0) {
      // The WAL that is replayed will truncate or zero what is gone.
      if (-fd !== E.NOENT || !inRecovery()) return this.#failed('open', fd);
      report('LOG', { message: `file "${path}" doesn't exist, reading as zeroes` });
      mem.u8.fill(0, at, at + BLCKSZ);
      return true;
    }
    waitStart(WAIT_EVENT.SLRURead);
    const got = native.preadSegment(fd, segmentId, at, BLCKSZ, (page % SLRU_PAGES_PER_SEGMENT) * BLCKSZ);
    waitEnd();
    if (got !== BLCKSZ) {
      closeTransientFile(fd);
      return this.#failed('read', Math.min(got, 0));
    }
    const closed = closeTransientFile(fd);
    return closed === 0 || this.#failed('close', closed);
  }

  #physicalWrite(page: number, slot: number, open: OpenSegment[] | null): boolean {
    this.counters.written++;
    this.#flushWalFor(slot);
    const segment = Math.floor(page / SLRU_PAGES_PER_SEGMENT);
    let fd = open?.find((one) => one.segment === segment)?.fd ?? -1;
    let keep = fd >= 0;
    if (fd < 0) {
      // A segment may be written for the first time, and in recovery even one that an earlier truncation removed.
      fd = openTransientFile(this.#path(segment), O_RDWR | O_CREAT);
      if (fd < 0) return this.#failed('open', fd);
      if (open !== null && open.length < MAX_WRITEALL_FILES) {
        open.push({ segment, fd });
        keep = true;
      }
    }
    waitStart(WAIT_EVENT.SLRUWrite);
    const offset = (page % SLRU_PAGES_PER_SEGMENT) * BLCKSZ;
    const put = native.pwriteSegment(fd, segmentId, this.pageAt(slot), BLCKSZ, offset);
    waitEnd();
    if (put !== BLCKSZ) {
      if (!keep) closeTransientFile(fd);
      // A short write without an error is taken for a full disk.
      return this.#failed('write', put < 0 ? put : -E.NOSPC);
    }
    if (this.options.syncHandler !== null && !registerSyncRequest(this.#tag(segment), SYNC_REQUEST.sync, false)) {
      // The checkpointer's queue is full: do it ourselves.
      waitStart(WAIT_EVENT.SLRUSync);
      const synced = settings.fsync ? native.fsync(fd) : 0;
      waitEnd();
      if (synced !== 0) {
        if (!keep) closeTransientFile(fd);
        return this.#failed('fsync', synced);
      }
    }
    if (keep) return true;
    const closed = closeTransientFile(fd);
    return closed === 0 || this.#failed('close', closed);
  }

  /** WAL before data: the highest LSN among the page's groups must be on disk first. */
  #flushWalFor(slot: number): void {
    let highest = 0 as Lsn;
    for (let group = 0; group < this.options.lsnGroups; group++) {
      const lsn = this.groupLsn(slot, group);
      if (lsn > highest) highest = lsn;
    }
    if (highest === 0) return;
    // The slot is marked as being written: an ERROR here would leave it so.
    beginCritical();
    xlogFlush(highest);
    endCritical();
  }

  #reportIoError(page: number, xid: number): never {
    const path = this.#path(Math.floor(page / SLRU_PAGES_PER_SEGMENT));
    const offset = (page % SLRU_PAGES_PER_SEGMENT) * BLCKSZ;
    const why = native.errorMessage(Math.abs(this.#errno));
    const detail = {
      open: `Could not open file "${path}": ${why}.`,
      read:
        this.#errno !== 0
          ? `Could not read from file "${path}" at offset ${offset}: ${why}.`
          : `Could not read from file "${path}" at offset ${offset}: read too few bytes.`,
      write: `Could not write to file "${path}" at offset ${offset}: ${why}.`,
      fsync: `Could not fsync file "${path}": ${why}.`,
      close: `Could not close file "${path}": ${why}.`,
    }[this.#failure];
    const fields = {
      code: fileAccessCode(Math.abs(this.#errno)),
      message: `could not access status of transaction ${xid}`,
      detail,
    };
    if (this.#failure === 'fsync') report(dataSyncElevel('ERROR'), fields);
    return report('ERROR', fields);
  }

  /** For assertions of the logs built on this. */
  assertLocked(): void {
    assert(lwLockHeldByMe(this.lock, 'exclusive'), 'the control lock is held exclusively');
  }
}

const align128 = (size: number): number => Math.ceil(size / 128) * 128;
