/** relation-data.ts — an entry of the relation cache: the descriptor that everybody sees, and what the cache keeps.
 *  Counterpart: RelationData of src/include/utils/rel.h */
import type { IndexInfoDesc, Relation, TupleDesc } from '#access/common/relation-descriptor.ts';
import type { Oid, RelFileNode, TransactionId } from '#base/ids.ts';
import type { SmgrRelation } from '#storage/smgr/smgr.ts';

export class RelationData implements Relation {
  name = '';
  namespace = 0 as Oid;
  kind: Relation['kind'] = 'r';
  persistence: Relation['persistence'] = 'p';
  owner = 0 as Oid;
  amOid = 0 as Oid;
  rnode: RelFileNode = { spcNode: 0 as Oid, dbNode: 0 as Oid, relNode: 0 as Oid };
  backend = -1;
  isShared = false;
  isMapped = false;
  isSystem = false;
  toastRelid = 0 as Oid;
  hasIndex = false;
  hasTriggers = false;
  hasRules = false;
  rowSecurity = false;
  forceRowSecurity = false;
  hasSubclass = false;
  isPartition = false;
  isPopulated = true;
  pages = 0;
  tuples = -1;
  allVisible = 0;
  frozenXid = 0 as TransactionId;
  minMxid = 0;
  options: Readonly<Record<string, unknown>> = {};
  index: IndexInfoDesc | null = null;
  createSubid = 0;
  newRelfilenodeSubid = 0;
  firstRelfilenodeSubid = 0;
  droppedSubid = 0;
  isLocalTemp = false;
  smgr: SmgrRelation | null = null;
  replicaIdentity: Relation['replicaIdentity'] = 'd';
  amCache: unknown = null;
  /** Row type, tablespace and file number as pg_class has them (0: the database's; mapped). */
  typeId = 0 as Oid;
  ofType = 0 as Oid;
  tablespace = 0 as Oid;
  relfilenode = 0 as Oid;
  checks = 0;

  // What the cache keeps.
  refCount = 0;
  isValid = true;
  /** Needed to read anything else: never leaves the cache. */
  isNailed = false;
  /** Made without reading pg_class: its sizes and the like are still to be read. */
  isProvisional = false;
  /** OIDs of live indexes, in order; null until asked for. */
  indexOids: readonly Oid[] | null = null;
  primaryKeyIndex = 0 as Oid;
  replicaIndex = 0 as Oid;
  /** What callers remember about this version of the relation (rules, triggers, foreign keys …). */
  readonly memo = new Map<string, unknown>();

  constructor(
    readonly oid: Oid,
    public tupleDesc: TupleDesc,
  ) {}

  /** Takes over everything from a newer description; whoever holds this object sees the change. */
  assign(from: RelationData): void {
    const { refCount, isNailed, createSubid, newRelfilenodeSubid, firstRelfilenodeSubid, droppedSubid, smgr } = this;
    const memo = this.memo;
    const sameFile =
      this.rnode.relNode === from.rnode.relNode &&
      this.rnode.dbNode === from.rnode.dbNode &&
      this.rnode.spcNode === from.rnode.spcNode &&
      this.backend === from.backend;
    const desc = sameColumns(this.tupleDesc, from.tupleDesc) ? this.tupleDesc : from.tupleDesc;
    Object.assign(this, from);
    this.tupleDesc = desc;
    this.refCount = refCount;
    this.isNailed = isNailed;
    this.createSubid = createSubid;
    this.newRelfilenodeSubid = newRelfilenodeSubid;
    this.firstRelfilenodeSubid = firstRelfilenodeSubid;
    this.droppedSubid = droppedSubid;
    this.smgr = sameFile ? smgr : null;
    memo.clear();
    (this as { memo: Map<string, unknown> }).memo = memo;
    this.amCache = null;
    this.isValid = true;
  }
}

/** equalTupleDescs(): may the old descriptor stay, so that running plans keep what they compiled for it? */
function sameColumns(a: TupleDesc, b: TupleDesc): boolean {
  if (a === b) return true;
  if (a.natts !== b.natts || a.typeId !== b.typeId) return false;
  for (let i = 0; i < a.natts; i++) {
    const left = a.attrs[i]! as unknown as Record<string, unknown>;
    const right = b.attrs[i]! as unknown as Record<string, unknown>;
    for (const key of Object.keys(right)) {
      if (key === 'missingValue' ? asText(left[key]) !== asText(right[key]) : left[key] !== right[key]) return false;
    }
    if (Object.keys(left).length !== Object.keys(right).length) return false;
  }
  return asText(plain(a.constraints)) === asText(plain(b.constraints));
}
const asText = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part)) ?? '';
/** Maps do not show themselves to JSON. */
function plain(constraints: unknown): unknown {
  const { defaults, checks } = (constraints ?? {}) as { defaults?: ReadonlyMap<number, string>; checks?: unknown };
  return { defaults: defaults === undefined ? [] : [...defaults], checks: checks ?? [] };
}
