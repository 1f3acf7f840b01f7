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

// ── storage: plain numbers, because they are computed with everywhere ──────────────────────────────────────────────
export const BLCKSZ = 8192;
/** Block of a relation fork, unsigned 32 bits. */
export type BlockNumber = number;
export const INVALID_BLOCK: BlockNumber = 0xffff_ffff;
export const MAX_BLOCK_NUMBER: BlockNumber = 0xffff_fffe;
/** 1-based index of a line pointer in a page. */
export type OffsetNumber = number;
export const INVALID_OFFSET: OffsetNumber = 0;
export const FIRST_OFFSET: OffsetNumber = 1;
export const MAX_OFFSET_NUMBER: OffsetNumber = BLCKSZ / 4;
/** 0 none, > 0 a shared buffer, < 0 a local one. */
export type Buffer = number;
export const INVALID_BUFFER: Buffer = 0;
/** Number of a command in its transaction, unsigned 32 bits. */
export type CommandId = number;
export const FIRST_COMMAND_ID: CommandId = 0;
export const INVALID_COMMAND_ID: CommandId = 0xffff_ffff;
export type SubTransactionId = number;
export const INVALID_SUBTRANSACTION_ID: SubTransactionId = 0;
export const TOP_SUBTRANSACTION_ID: SubTransactionId = 1;
export type MultiXactId = Brand<number, 'MultiXactId'>;
/** epoch * 2^32 + xid. */
export type FullTransactionId = Brand<number, 'FullTransactionId'>;

export type ForkNumber = 0 | 1 | 2 | 3;
export const FORK = { main: 0, fsm: 1, vm: 2, init: 3 } as const satisfies Record<string, ForkNumber>;
export const MAX_FORK: ForkNumber = 3;
export const ALL_FORKS: readonly ForkNumber[] = [0, 1, 2, 3];

/** Where a relation's files are: tablespace, database (0 for shared relations), file number. */
export interface RelFileNode {
  readonly spcNode: Oid;
  readonly dbNode: Oid;
  readonly relNode: Oid;
}
export const sameRelFileNode = (a: RelFileNode, b: RelFileNode): boolean =>
  a.relNode === b.relNode && a.dbNode === b.dbNode && a.spcNode === b.spcNode;
/** The owner of files that all backends see: no temporary relation of anybody. */
export const PERMANENT_BACKEND = -1;

/** A row's place, block * 65536 + offset in one Number. */
export type ItemPointer = number;
export const INVALID_TID: ItemPointer = 0xffff_ffff * 65536;
export const makeTid = (block: BlockNumber, offset: OffsetNumber): ItemPointer => block * 65536 + offset;
export const tidBlock = (tid: ItemPointer): BlockNumber => Math.floor(tid / 65536);
export const tidOffset = (tid: ItemPointer): OffsetNumber => tid % 65536;
/** Whether it can name a row at all. */
export const tidIsValid = (tid: ItemPointer): boolean => tid % 65536 !== 0;
