/** index-state.ts — what nbtree remembers of an index while the relation cache keeps its entry.
 *
 *  Columns with their comparisons, and a copy of the meta page's root fields (rd_amcache of PostgreSQL): valid as long as
 *  the page it names still is what it says, which whoever uses it checks. Kept in Relation.amCache; the relation cache
 *  throws it away with the entry. */
import { KeyColumn } from '#access/common/key-compare.ts';
import type { IndexInfoDesc, Relation, TupleDesc } from '#access/common/relation-descriptor.ts';
import { collationIsDeterministic, supportFunction } from '#access/common/support-functions.ts';
import type { MetaPage } from '#access/nbtree/nbtree-layout.ts';
import type { BlockNumber, Oid } from '#base/ids.ts';
import { assert } from '#base/assert.ts';

export class BtIndexState {
  readonly desc: TupleDesc;
  readonly index: IndexInfoDesc;
  readonly natts: number;
  readonly nkeyatts: number;
  readonly columns: readonly KeyColumn[];
  /** What the meta page said when it was last read; null if it must be read. */
  meta: MetaPage | null = null;
  /** Leaf that was rightmost at this process's last insertion into it; -1 none. */
  targetBlock: BlockNumber = -1;
  constructor(readonly rel: Relation) {
    assert(rel.index !== null, 'nbtree works on indexes');
    const index = rel.index;
    this.desc = rel.tupleDesc;
    this.index = index;
    this.natts = index.nAtts;
    this.nkeyatts = index.nKeyAtts;
    this.columns = Array.from(
      { length: index.nKeyAtts },
      (_, i) =>
        new KeyColumn(
          index.opfamilies[i]!,
          index.opcInTypes[i]!,
          index.collations[i]!,
          rel.tupleDesc.attrs[i]!,
          rel.tupleDesc.codecs[i]!,
        ),
    );
  }
}

/** The state, made when first asked for after the relation was (re)built. */
export function btState(rel: Relation): BtIndexState {
  const cached = rel.amCache;
  if (cached instanceof BtIndexState) return cached;
  const state = new BtIndexState(rel);
  rel.amCache = state;
  return state;
}

/** Families whose support function 4 is btequalimage: equal values have equal bytes. */
const EQUAL_IMAGE = new Set([
  423, 424, 428, 429, 434, 1974, 1976, 1984, 1989, 1991, 1996, 2000, 2002, 2095, 2097, 2099, 2789, 2968, 3253, 3371,
  3522, 5067,
]);
/** Families whose support function 4 is btvarstrequalimage: so if the collation is deterministic. */
const EQUAL_IMAGE_TEXT = new Set([426, 1994]);
/** Built-in families without support function 4. */
const NO_EQUAL_IMAGE = new Set([397, 1970, 1982, 1988, 2994, 3194, 3626, 3683, 3901, 4033, 4199]);

/** May the index replace equal tuples by one (deduplication)? Only if all of its columns are keys and equality of
 *  keys is equality of their bytes. (_bt_allequalimage) */
export function indexAllEqualImage(rel: Relation): boolean {
  const index = rel.index!;
  // Columns of INCLUDE are never compared, so they are never equal.
  if (index.nAtts !== index.nKeyAtts) return false;
  for (let i = 0; i < index.nKeyAtts; i++) {
    const family = index.opfamilies[i]!;
    const collation = index.collations[i]!;
    if (EQUAL_IMAGE.has(family)) continue;
    if (EQUAL_IMAGE_TEXT.has(family)) {
      if (!collationIsDeterministic(collation)) return false;
      continue;
    }
    if (NO_EQUAL_IMAGE.has(family)) return false;
    const type = index.opcInTypes[i]!;
    const support = supportFunction(family, type, type, 4);
    if (support === null || support.call(type as Oid, null, collation) !== true) return false;
  }
  return true;
}
