/** ids.ts — branded numbers: an Lsn is no TransactionId, though both are numbers.
 *  64-bit positions are plain Numbers below 2^53 (8 PiB of WAL); 32-bit ids are unsigned Numbers. */
export type Brand<T, B extends string> = T & { readonly __brand: B };

export type Oid = Brand<number, 'Oid'>;
export type TransactionId = Brand<number, 'TransactionId'>;
export type Lsn = Brand<number, 'Lsn'>;
/** Index into the PGPROC array. */
export type ProcNumber = Brand<number, 'ProcNumber'>;
/** 1-based slot of a process in the activity array and ProcSignal; auxiliary processes follow MaxBackends. */
export type BackendId = Brand<number, 'BackendId'>;
/** Byte offset into the shared segment. */
export type ShmemOffset = Brand<number, 'ShmemOffset'>;

export const INVALID_OID = 0 as Oid;
export const INVALID_PROC_NUMBER = -1 as ProcNumber;
