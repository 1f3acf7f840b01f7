/** advisory-locks.ts — locks that mean whatever the application wants: pg_advisory_lock() and its kin.
 *
 *  A key is one bigint or two integers; the two kinds never meet. Session locks survive the transaction and are counted;
 *  transaction locks go with it.
 *  Counterpart: src/backend/utils/adt/lockfuncs.c */
import { type BuiltinFunction, registerBuiltins } from '#adt/fmgr.ts';
import { myProcess } from '#runtime/my-process.ts';
import { lockAcquire, lockRelease } from '#storage/lmgr/lock.ts';
import { LOCK, LOCK_METHOD, type LockMode } from '#storage/lmgr/lock-modes.ts';
import { lockReleaseSession } from '#storage/lmgr/lock-release.ts';
import { LockTag } from '#storage/lmgr/lock-tag.ts';

/** The text form of void. */
const VOID = '';
const KEY_KIND = { int8: 1, int4: 2 } as const;

function int8Tag(key: number | bigint): LockTag {
  const bits = BigInt.asUintN(64, BigInt(key));
  return new LockTag().setAdvisory(
    myProcess.databaseId,
    Number(bits >> 32n),
    Number(bits & 0xffff_ffffn),
    KEY_KIND.int8,
  );
}
const int4Tag = (key1: number, key2: number): LockTag =>
  new LockTag().setAdvisory(myProcess.databaseId, key1 >>> 0, key2 >>> 0, KEY_KIND.int4);

const lock = (mode: LockMode, session: boolean) => (tag: LockTag) => {
  lockAcquire(tag, mode, session, false);
  return VOID;
};
const tryLock = (mode: LockMode, session: boolean) => (tag: LockTag) =>
  lockAcquire(tag, mode, session, true) !== 'notAvail';
const unlock = (mode: LockMode) => (tag: LockTag) => lockRelease(tag, mode, true);

const FUNCTIONS = {
  pg_advisory_lock: lock(LOCK.exclusive, true),
  pg_advisory_xact_lock: lock(LOCK.exclusive, false),
  pg_advisory_lock_shared: lock(LOCK.share, true),
  pg_advisory_xact_lock_shared: lock(LOCK.share, false),
  pg_try_advisory_lock: tryLock(LOCK.exclusive, true),
  pg_try_advisory_xact_lock: tryLock(LOCK.exclusive, false),
  pg_try_advisory_lock_shared: tryLock(LOCK.share, true),
  pg_try_advisory_xact_lock_shared: tryLock(LOCK.share, false),
  pg_advisory_unlock: unlock(LOCK.exclusive),
  pg_advisory_unlock_shared: unlock(LOCK.share),
} as const;

const table: Record<string, BuiltinFunction> = {
  pg_advisory_unlock_all: () => {
    lockReleaseSession(LOCK_METHOD.user);
    return VOID;
  },
};
for (const [name, work] of Object.entries(FUNCTIONS)) {
  table[`${name}_int8`] = (key: number | bigint) => work(int8Tag(key));
  table[`${name}_int4`] = (key1: number, key2: number) => work(int4Tag(key1, key2));
}
registerBuiltins(table);
