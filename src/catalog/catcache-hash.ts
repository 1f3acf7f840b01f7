/** catcache-hash.ts — the hash by which an invalidation message names one entry of a catalog cache.
 *
 *  The value goes over the wire to standbys and lies in commit records, so it is PostgreSQL's to the bit.
 *  Counterpart: CatalogCacheComputeHashValue(), GetCCHashEqFuncs() of src/backend/utils/cache/catcache.c */
import { heapGetAttr } from '#access/common/heap-tuple.ts';
import type { ArrayDatum, Datum } from '#adt/datum.ts';
import { hashBytes } from '#adt/hash-bytes.ts';
import type { Oid } from '#base/ids.ts';
import { catalogIndexDesc, catalogTupleDesc } from '#catalog/catalog-desc.ts';
import { TYPE } from '#catalog/oids.ts';
import type { SyscacheRef } from '#catalog/syscache-list.ts';

function murmurhash32(key: number): number {
  let h = key;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

function hashOf(type: Oid, value: Datum): number {
  switch (type) {
    case TYPE.name:
    case TYPE.text:
      return hashBytes(Buffer.from(value as string, 'utf8'));
    case TYPE.char: {
      const text = value as string;
      // A C char is signed.
      return murmurhash32(((text === '' ? 0 : text.charCodeAt(0)) << 24) >> 24);
    }
    case TYPE.bool:
      return murmurhash32(value === true ? 1 : 0);
    case TYPE.oidvector: {
      const { elements } = value as ArrayDatum;
      const words = Uint32Array.from(elements as number[]);
      return hashBytes(new Uint8Array(words.buffer));
    }
    default:
      return murmurhash32(Number(value) | 0);
  }
}
const ROTATE = [0, 8, 16, 24];

interface CacheKeys {
  readonly attnums: readonly number[];
  readonly types: readonly Oid[];
}
const keysOf = new Map<number, CacheKeys>();
export function cacheKeys(catalog: Oid, cache: SyscacheRef): CacheKeys {
  let keys = keysOf.get(cache.id);
  if (keys === undefined) {
    const attnums = catalogIndexDesc(cache.index)!.keys;
    const desc = catalogTupleDesc(catalog);
    keys = { attnums, types: attnums.map((attnum) => desc.attrs[attnum - 1]!.typeId) };
    keysOf.set(cache.id, keys);
  }
  return keys;
}
/** Unsigned 32 bits. */
export function catcacheHash(catalog: Oid, cache: SyscacheRef, values: readonly Datum[]): number {
  const { types } = cacheKeys(catalog, cache);
  let hash = 0;
  for (let i = 0; i < types.length; i++) {
    const one = hashOf(types[i]!, values[i]!);
    const by = ROTATE[i]!;
    hash ^= by === 0 ? one : (one << by) | (one >>> (32 - by));
  }
  return hash >>> 0;
}
/** CatalogCacheComputeTupleHashValue(). */
export function catcacheTupleHash(catalog: Oid, cache: SyscacheRef, tupleAt: number): number {
  const desc = catalogTupleDesc(catalog);
  const { attnums } = cacheKeys(catalog, cache);
  return catcacheHash(
    catalog,
    cache,
    attnums.map((attnum) => heapGetAttr(desc, tupleAt, attnum)),
  );
}
