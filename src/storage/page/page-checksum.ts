/** page-checksum.ts — the checksum a page carries on disk, and whether a page that was read can be true.
 *
 *  32 interleaved FNV-1a sums over the page's words, folded with the block number, so that a page written to the wrong
 *  place is found out, too. Set when a page leaves the buffer pool, checked when it enters; in memory it is stale. Pages
 *  that were never initialised have none.
 *  Counterpart: src/include/storage/checksum_impl.h, PageIsVerifiedExtended(), PageSetChecksum… of bufpage.c */
import { BLCKSZ, type BlockNumber } from '#base/ids.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { settings } from '#runtime/guc/guc.ts';
import { mem, onNewPrivateWindow } from '#shm/memory.ts';
import { privateReserve } from '#shm/private-memory.ts';
import { PD } from '#storage/page/page-layout.ts';
import { pageCopyTo, pageIsNew } from '#storage/page/page.ts';

const LANES = 32;
const PRIME = 16777619;
const OFFSETS = Int32Array.of(
  ...[0x5b1f36e9, 0xb8525960, 0x02ab50aa, 0x1de66d2a, 0x79ff467a, 0x9bb9f8a3, 0x217e7cd2, 0x83e13d2c],
  ...[0xf8d4474f, 0xe39eb970, 0x42c6ae16, 0x993216fa, 0x7b093b5d, 0x98daff3c, 0xf718902a, 0x0b1c9cdb],
  ...[0xe58f764b, 0x187636bc, 0x5d7b3bb1, 0xe73de7de, 0x92bec979, 0xcca6c0b2, 0x304a0979, 0x85aa43d4],
  ...[0x783125bb, 0x6ca8eaa2, 0xe407eac6, 0x4b5cfc3e, 0x9fbf8c76, 0x15ca20be, 0xf2ca9fd3, 0x959bd756],
);

const step = (sum: number, word: number): number => {
  const mixed = sum ^ word;
  return Math.imul(mixed, PRIME) ^ (mixed >>> 17);
};
/** A lane's last two rounds, with zeroes. */
const finish = (sum: number): number => step(step(sum, 0), 0);

/** The checksum of a page's bytes as block `block` of its fork; never 0. The field's present value does not matter. */
export function pageChecksum(page: number, block: BlockNumber): number {
  const words = mem.i32;
  const first = page >>> 2;
  const end = first + BLCKSZ / 4;
  let result = 0;
  // Four lanes at a time: each sum waits for its last multiplication, so four keep the processor busy.
  for (let lane = 0; lane < LANES; lane += 4) {
    let at = first + lane;
    let a = step(OFFSETS[lane]!, words[at]!);
    let b = step(OFFSETS[lane + 1]!, words[at + 1]!);
    // Word 2 of the page holds pd_checksum in its low half, which counts as 0, and pd_flags in its high half.
    let c = step(OFFSETS[lane + 2]!, lane === 0 ? words[at + 2]! & ~0xffff : words[at + 2]!);
    let d = step(OFFSETS[lane + 3]!, words[at + 3]!);
    for (at += LANES; at < end; at += LANES) {
      a = step(a, words[at]!);
      b = step(b, words[at + 1]!);
      c = step(c, words[at + 2]!);
      d = step(d, words[at + 3]!);
    }
    result ^= finish(a) ^ finish(b) ^ finish(c) ^ finish(d);
  }
  return (((result ^ block) >>> 0) % 65535) + 1;
}

let checksumsEnabled: () => boolean = () => false;
let reportFailure: () => void = () => {};
/** Whether this cluster has checksums is written in pg_control, which WAL knows; failures are counted by statistics. */
export function setPageChecksumHooks(hooks: { enabled?: () => boolean; reportFailure?: () => void }): void {
  if (hooks.enabled !== undefined) checksumsEnabled = hooks.enabled;
  if (hooks.reportFailure !== undefined) reportFailure = hooks.reportFailure;
}

/** Sets the checksum of a page that nobody else can change (extension, local buffers, bulk builds). */
export function pageSetChecksum(page: number, block: BlockNumber): void {
  if (pageIsNew(page) || !checksumsEnabled()) return;
  mem.view.setUint16(page + 8, pageChecksum(page, block), true);
}

let scratchPage = -1;
onNewPrivateWindow(() => {
  scratchPage = -1;
});
/** Address of the bytes to write for a shared page: others may set hint bits in it meanwhile, so the checksum is made
 *  over a copy, good until the next call. */
export function pageSetChecksumCopy(page: number, block: BlockNumber): number {
  if (pageIsNew(page) || !checksumsEnabled()) return page;
  if (scratchPage < 0) scratchPage = privateReserve(BLCKSZ);
  pageCopyTo(page, scratchPage);
  mem.view.setUint16(scratchPage + 8, pageChecksum(scratchPage, block), true);
  return scratchPage;
}

/** Flags of pageIsVerified. */
export const PIV = { logWarning: 1, reportStat: 2 } as const;

function headerIsSane(page: number): boolean {
  const { view } = mem;
  const lower = view.getUint16(page + 12, true);
  const upper = view.getUint16(page + 14, true);
  const special = view.getUint16(page + 16, true);
  const unknownFlags = view.getUint16(page + 10, true) & ~PD.validBits;
  return unknownFlags === 0 && lower <= upper && upper <= special && special <= BLCKSZ && special % 8 === 0;
}

function isAllZero(page: number): boolean {
  const words = mem.i32;
  for (let i = page >>> 2, end = (page + BLCKSZ) >>> 2; i < end; i++) if (words[i] !== 0) return false;
  return true;
}

/** Can the page, just read as block `block`, be what was written? */
export function pageIsVerified(page: number, block: BlockNumber, flags: number): boolean {
  let failed = false;
  let sane = false;
  let checksum = 0;
  if (!pageIsNew(page)) {
    if (checksumsEnabled()) {
      checksum = pageChecksum(page, block);
      failed = checksum !== mem.view.getUint16(page + 8, true);
    }
    sane = headerIsSane(page);
    if (sane && !failed) return true;
  }
  if (isAllZero(page)) return true;
  if (!failed) return false;
  if ((flags & PIV.logWarning) !== 0)
    report('WARNING', {
      code: SQLSTATE.dataCorrupted,
      message: `page verification failed, calculated checksum ${checksum} but expected ${mem.view.getUint16(page + 8, true)}`,
    });
  if ((flags & PIV.reportStat) !== 0) reportFailure();
  return sane && settings.ignore_checksum_failure;
}
