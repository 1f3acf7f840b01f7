/** relation-descriptor.ts — what a relation is for code that reads and writes its pages.
 *
 *  The relation cache (catalog/relcache.ts) makes these objects; everything below it only reads them. A TupleDesc
 *  carries the codecs of its columns and a deform plan, so that reading a tuple never asks the catalog.
 *  Counterpart: src/include/utils/rel.h, src/backend/access/common/tupdesc.c */

import type { DatumCodec } from '#access/common/datum-codec.ts';
import { codecFor } from '#access/common/datum-codec.ts';
import type { Datum } from '#adt/datum.ts';
import type { BlockNumber, Buffer, ForkNumber, Oid, RelFileNode, TransactionId } from '#base/ids.ts';
import { INVALID_OID } from '#base/ids.ts';
import { RBM, type ReadBufferMode } from '#storage/buffer/buffer-layout.ts';
import { relationNblocks as bufferRelationNblocks, readBuffer } from '#storage/buffer/read-buffer.ts';
import type { AccessStrategy } from '#storage/buffer/ring-strategy.ts';
import { setFsmExtensionLock } from '#storage/freespace/free-space-map.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { type LockableRelation, lockRelationForExtension, unlockRelationForExtension } from '#storage/lmgr/lmgr.ts';
import type { SmgrRelation } from '#storage/smgr/smgr.ts';
import { smgrOpen, smgrSetOwner } from '#storage/smgr/smgr.ts';
import { xlogIsNeeded, xlogLogicalInfoActive } from '#wal/insert.ts';

export type AttAlign = 'c' | 's' | 'i' | 'd';
export type AttStorage = 'p' | 'e' | 'm' | 'x';
export type AttCompression = '' | 'p' | 'l';

export interface Attribute {
  readonly name: string;
  readonly typeId: Oid;
  /** attlen: >0 bytes, -1 varlena, -2 cstring. */
  readonly length: number;
  /** attnum, from 1. */
  readonly number: number;
  readonly byValue: boolean;
  readonly align: AttAlign;
  readonly storage: AttStorage;
  readonly compression: AttCompression;
  readonly notNull: boolean;
  readonly hasDef: boolean;
  readonly hasMissing: boolean;
  readonly identity: '' | 'a' | 'd';
  readonly generated: '' | 's';
  readonly isDropped: boolean;
  readonly isLocal: boolean;
  readonly inhCount: number;
  readonly collation: Oid;
  readonly typmod: number;
  readonly ndims: number;
  /** What tuples made before ALTER TABLE ADD COLUMN … DEFAULT have here. */
  readonly missingValue?: Datum;
}

/** What a TupleDesc needs at least of a column; the rest has defaults. */
export type AttributeInit = Pick<Attribute, 'typeId' | 'length' | 'byValue' | 'align'> & Partial<Attribute>;

export const attribute = (init: AttributeInit, number: number): Attribute => ({
  name: '',
  number,
  storage: init.length === -1 ? 'x' : 'p',
  compression: '',
  notNull: false,
  hasDef: false,
  hasMissing: false,
  identity: '',
  generated: '',
  isDropped: false,
  isLocal: true,
  inhCount: 0,
  collation: INVALID_OID,
  typmod: -1,
  ndims: 0,
  ...init,
});

/** How deform reads a column: its own reading for the common types, the codec for the rest. */
export const DEFORM = {
  codec: 0,
  int4: 1,
  int2: 2,
  int8: 3,
  bool: 4,
  float8: 5,
  float4: 6,
  oid: 7,
  text: 8,
  char: 9,
} as const;

const DEFORM_OF_TYPE: Readonly<Record<number, number>> = {
  16: DEFORM.bool,
  18: DEFORM.char,
  20: DEFORM.int8,
  21: DEFORM.int2,
  23: DEFORM.int4,
  1082: DEFORM.int4,
  26: DEFORM.oid,
  28: DEFORM.oid,
  29: DEFORM.oid,
  700: DEFORM.float4,
  701: DEFORM.float8,
  1083: DEFORM.int8,
  1114: DEFORM.int8,
  1184: DEFORM.int8,
  790: DEFORM.int8,
  25: DEFORM.text,
  1043: DEFORM.text,
  1042: DEFORM.text,
  114: DEFORM.text,
  142: DEFORM.text,
  194: DEFORM.text,
};

const ALIGN_BYTES: Readonly<Record<AttAlign, number>> = { c: 1, s: 2, i: 4, d: 8 };

export class TupleDesc {
  readonly natts: number;
  readonly codecs: readonly DatumCodec[];
  readonly hasNotNull: boolean;
  readonly hasGeneratedStored: boolean;
  readonly hasMissing: boolean;
  /** Deform plan: one typed array per question, indexed by column. */
  readonly lengths: Int16Array;
  readonly aligns: Uint8Array;
  readonly kinds: Uint8Array;
  /** 1 where a varlena may be stored with a 1-byte header (storage is not plain). */
  readonly packable: Uint8Array;
  /** Offset of the column's value from the tuple's data start, -1 where it depends on values before it. */
  readonly cachedOffsets: Int32Array;
  /** How many leading columns have a cached offset. */
  readonly cachedCount: number;

  constructor(
    readonly attrs: readonly Attribute[],
    /** Row type (2249 for an anonymous record). */
    readonly typeId: Oid = 2249 as Oid,
    readonly typmod: number = -1,
    /** CHECK constraints and defaults, as the relation cache reads them. */
    readonly constraints: unknown = null,
  ) {
    const natts = attrs.length;
    this.natts = natts;
    this.codecs = attrs.map((a) => codecFor(a.typeId, a.length, a.byValue, a.align));
    this.hasNotNull = attrs.some((a) => a.notNull && !a.isDropped);
    this.hasGeneratedStored = attrs.some((a) => a.generated === 's');
    this.hasMissing = attrs.some((a) => a.hasMissing);
    this.lengths = Int16Array.from(attrs, (a) => a.length);
    this.aligns = Uint8Array.from(attrs, (a) => ALIGN_BYTES[a.align]);
    this.kinds = Uint8Array.from(attrs, (a) =>
      a.isDropped ? DEFORM.codec : (DEFORM_OF_TYPE[a.typeId] ?? DEFORM.codec),
    );
    this.packable = Uint8Array.from(attrs, (a) => (a.length === -1 && a.storage !== 'p' ? 1 : 0));
    this.cachedOffsets = new Int32Array(natts).fill(-1);
    let offset = 0;
    let i = 0;
    for (; i < natts; i++) {
      const length = this.lengths[i]!;
      const align = this.aligns[i]!;
      // A varlena's place is known only if no padding byte could stand before it.
      if (length < 0 && (offset & (align - 1)) !== 0) break;
      offset = (offset + align - 1) & -align;
      this.cachedOffsets[i] = offset;
      if (length < 0) {
        i++;
        break;
      }
      offset += length;
    }
    this.cachedCount = i;
  }

  /** Index of a live column by name, -1 if there is none. */
  attributeIndex(name: string): number {
    return this.attrs.findIndex((a) => !a.isDropped && a.name === name);
  }
}

/** The pg_index row of an index. */
export interface IndexInfoDesc {
  readonly indexRelid: Oid;
  readonly heapRelid: Oid;
  readonly nAtts: number;
  readonly nKeyAtts: number;
  readonly unique: boolean;
  readonly nullsNotDistinct: boolean;
  readonly primary: boolean;
  readonly exclusion: boolean;
  readonly immediate: boolean;
  readonly valid: boolean;
  readonly ready: boolean;
  readonly live: boolean;
  readonly checkXmin: boolean;
  readonly isClustered: boolean;
  readonly isReplIdent: boolean;
  /** indkey: attribute numbers of the table, 0 for an expression. */
  readonly keys: readonly number[];
  readonly collations: readonly Oid[];
  readonly opclasses: readonly Oid[];
  readonly opfamilies: readonly Oid[];
  readonly opcInTypes: readonly Oid[];
  /** indoption: 1 DESC, 2 NULLS FIRST. */
  readonly options: readonly number[];
  readonly exprsText: string | null;
  readonly predText: string | null;
}

export interface Relation {
  readonly oid: Oid;
  name: string;
  namespace: Oid;
  kind: 'r' | 'i' | 'S' | 't' | 'v' | 'm' | 'c' | 'f' | 'p' | 'I';
  persistence: 'p' | 'u' | 't';
  owner: Oid;
  amOid: Oid;
  rnode: RelFileNode;
  /** Backend whose temporary relation it is, -1 otherwise. */
  backend: number;
  isShared: boolean;
  isMapped: boolean;
  /** A catalog (its OID is below FirstUnpinnedObjectId's range of catalogs). */
  isSystem: boolean;
  toastRelid: Oid;
  hasIndex: boolean;
  hasTriggers: boolean;
  hasRules: boolean;
  rowSecurity: boolean;
  pages: number;
  tuples: number;
  allVisible: number;
  frozenXid: TransactionId;
  minMxid: number;
  options: Readonly<Record<string, unknown>>;
  tupleDesc: TupleDesc;
  index: IndexInfoDesc | null;
  createSubid: number;
  newRelfilenodeSubid: number;
  firstRelfilenodeSubid: number;
  isLocalTemp: boolean;
  smgr: SmgrRelation | null;
  /** relreplident: d default, n nothing, f full, i index. */
  replicaIdentity: 'd' | 'n' | 'f' | 'i';
  amCache: unknown;
}

export const relationSmgr = (rel: Relation): SmgrRelation => rel.smgr ?? openSmgr(rel);
function openSmgr(rel: Relation): SmgrRelation {
  const smgr = smgrOpen(rel.rnode, rel.backend);
  smgrSetOwner(rel, smgr);
  smgr.unlogged = rel.persistence === 'u';
  smgr.relationOid = rel.oid;
  return smgr;
}
const lockable = (smgr: SmgrRelation): LockableRelation => ({
  oid: smgr.relationOid,
  isShared: smgr.rnode.dbNode === INVALID_OID,
});
setFsmExtensionLock({
  lock: (smgr) => lockRelationForExtension(lockable(smgr), LOCK.exclusive),
  unlock: (smgr) => unlockRelationForExtension(lockable(smgr), LOCK.exclusive),
});
/** RelationIsPermanent() and, with wal_level = minimal, not a file made in this very transaction. */
export function relationNeedsWal(rel: Relation): boolean {
  return rel.persistence === 'p' && (xlogIsNeeded() || (rel.createSubid === 0 && rel.firstRelfilenodeSubid === 0));
}
export function relationFillFactor(rel: Relation, ofDefault: number): number {
  const value = rel.options['fillfactor'];
  return typeof value === 'number' ? value : ofDefault;
}
/** Bytes that stay free on each page for later updates. */
export function relationTargetPageFreeSpace(rel: Relation, ofDefault: number): number {
  return Math.trunc((8192 * (100 - relationFillFactor(rel, ofDefault))) / 100);
}
export const relationUsesLocalBuffers = (rel: Relation): boolean => rel.persistence === 't';
export const isCatalogRelation = (rel: Relation): boolean => rel.isSystem;
/** RelationIsAccessibleInLogicalDecoding(). */
export const relationIsAccessibleInLogicalDecoding = (rel: Relation): boolean =>
  xlogLogicalInfoActive() && relationNeedsWal(rel) && (rel.isSystem || rel.options['user_catalog_table'] === true);
/** RelationIsLogicallyLogged(). */
export const relationIsLogicallyLogged = (rel: Relation): boolean =>
  xlogLogicalInfoActive() && relationNeedsWal(rel) && rel.kind !== 'f' && !rel.isSystem;

export function relationNblocks(rel: Relation, fork: ForkNumber = 0): BlockNumber {
  return bufferRelationNblocks(relationSmgr(rel), fork);
}
/** readBuffer() of a relation's block; INVALID_BLOCK (P_NEW) extends. */
export function relReadBuffer(
  rel: Relation,
  block: BlockNumber,
  mode: ReadBufferMode = RBM.normal,
  strategy: AccessStrategy | null = null,
  fork: ForkNumber = 0,
): Buffer {
  return readBuffer(relationSmgr(rel), rel.persistence, fork, block, mode, strategy);
}
