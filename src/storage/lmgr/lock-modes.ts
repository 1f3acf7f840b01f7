/** lock-modes.ts — the eight modes of heavyweight locks and which exclude which.
 *
 *  A mask has bit m set for mode m, so bit 0 is never used. Both lock methods (default: the server's own locks; user:
 *  advisory locks) have the same modes and the same table.
 *  Counterpart: LockConflicts[] of src/backend/storage/lmgr/lock.c, src/include/storage/lockdefs.h */
export const LOCK = {
  none: 0,
  accessShare: 1,
  rowShare: 2,
  rowExclusive: 3,
  shareUpdateExclusive: 4,
  share: 5,
  shareRowExclusive: 6,
  exclusive: 7,
  accessExclusive: 8,
} as const satisfies Record<string, number>;
export type LockMode = (typeof LOCK)[keyof typeof LOCK];
export const MAX_LOCK_MODE = 8;

/** Names as pg_locks and messages show them. */
export const LOCK_MODE_NAMES = [
  'INVALID',
  'AccessShareLock',
  'RowShareLock',
  'RowExclusiveLock',
  'ShareUpdateExclusiveLock',
  'ShareLock',
  'ShareRowExclusiveLock',
  'ExclusiveLock',
  'AccessExclusiveLock',
] as const;
export const lockModeName = (mode: number): string => LOCK_MODE_NAMES[mode] ?? 'INVALID';

const bits = (...modes: readonly number[]): number => modes.reduce((mask, mode) => mask | (1 << mode), 0);

/** By mode: the modes that exclude it. Symmetric. */
export const LOCK_CONFLICTS: readonly number[] = [
  0,
  bits(8),
  bits(7, 8),
  bits(5, 6, 7, 8),
  bits(4, 5, 6, 7, 8),
  bits(3, 4, 6, 7, 8),
  bits(3, 4, 5, 6, 7, 8),
  bits(2, 3, 4, 5, 6, 7, 8),
  bits(1, 2, 3, 4, 5, 6, 7, 8),
];
export const lockBit = (mode: number): number => 1 << mode;
export const lockModesConflict = (one: number, other: number): boolean => (LOCK_CONFLICTS[one]! & (1 << other)) !== 0;

/** Lock method ids: the last byte of a tag. */
export const LOCK_METHOD = { default: 1, user: 2 } as const;
export type LockMethod = (typeof LOCK_METHOD)[keyof typeof LOCK_METHOD];
