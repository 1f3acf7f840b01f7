/** lock-tag.ts — what is locked: sixteen bytes that name a relation, a page, a transaction, any database object.
 *
 *  In shared memory a tag is {field1 u32, field2 u32, field3 u32, field4 u16, type u8, method u8}. In a process it is one
 *  of these objects; lock.ts copies what it keeps, so callers may reuse theirs.
 *  Counterpart: src/include/storage/lock.h (LOCKTAG), DescribeLockTag() of src/backend/storage/lmgr/lmgr.c */
import { LOCK_METHOD } from '#storage/lmgr/lock-modes.ts';

export const LOCK_TAG = {
  relation: 0,
  relationExtend: 1,
  databaseFrozenIds: 2,
  page: 3,
  tuple: 4,
  transaction: 5,
  virtualTransaction: 6,
  speculativeToken: 7,
  object: 8,
  userLock: 9,
  advisory: 10,
} as const satisfies Record<string, number>;
export const LAST_LOCK_TAG_TYPE = LOCK_TAG.advisory;

/** By type: wait_event of pg_stat_activity and locktype of pg_locks. */
export const LOCK_TAG_TYPE_NAMES = [
  'relation',
  'extend',
  'frozenid',
  'page',
  'tuple',
  'transactionid',
  'virtualxid',
  'spectoken',
  'object',
  'userlock',
  'advisory',
] as const;

export class LockTag {
  field1 = 0;
  field2 = 0;
  field3 = 0;
  field4 = 0;
  type = 0;
  method: number = LOCK_METHOD.default;

  set(type: number, method: number, field1: number, field2: number, field3: number, field4: number): this {
    this.field1 = field1;
    this.field2 = field2;
    this.field3 = field3;
    this.field4 = field4;
    this.type = type;
    this.method = method;
    return this;
  }
  copyFrom(other: LockTag): this {
    return this.set(other.type, other.method, other.field1, other.field2, other.field3, other.field4);
  }
  equals(other: LockTag): boolean {
    return (
      this.field1 === other.field1 &&
      this.field2 === other.field2 &&
      this.field3 === other.field3 &&
      this.field4 === other.field4 &&
      this.type === other.type &&
      this.method === other.method
    );
  }

  setRelation(database: number, relation: number): this {
    return this.set(LOCK_TAG.relation, LOCK_METHOD.default, database, relation, 0, 0);
  }
  setRelationExtend(database: number, relation: number): this {
    return this.set(LOCK_TAG.relationExtend, LOCK_METHOD.default, database, relation, 0, 0);
  }
  setDatabaseFrozenIds(database: number): this {
    return this.set(LOCK_TAG.databaseFrozenIds, LOCK_METHOD.default, database, 0, 0, 0);
  }
  setPage(database: number, relation: number, block: number): this {
    return this.set(LOCK_TAG.page, LOCK_METHOD.default, database, relation, block, 0);
  }
  setTuple(database: number, relation: number, block: number, offset: number): this {
    return this.set(LOCK_TAG.tuple, LOCK_METHOD.default, database, relation, block, offset);
  }
  setTransaction(xid: number): this {
    return this.set(LOCK_TAG.transaction, LOCK_METHOD.default, xid, 0, 0, 0);
  }
  setVirtualTransaction(backendId: number, localTransactionId: number): this {
    return this.set(LOCK_TAG.virtualTransaction, LOCK_METHOD.default, backendId, localTransactionId, 0, 0);
  }
  setSpeculativeInsertion(xid: number, token: number): this {
    return this.set(LOCK_TAG.speculativeToken, LOCK_METHOD.default, xid, token, 0, 0);
  }
  setObject(database: number, classId: number, objectId: number, subId: number): this {
    return this.set(LOCK_TAG.object, LOCK_METHOD.default, database, classId, objectId, subId & 0xffff);
  }
  setAdvisory(database: number, key1: number, key2: number, keyKind: number): this {
    return this.set(LOCK_TAG.advisory, LOCK_METHOD.user, database, key1, key2, keyKind);
  }
}

/** 32-bit hash of a tag, the same in every process: its low bits choose the partition and the fast path's counter. */
export function lockTagHash(f1: number, f2: number, f3: number, f4: number, type: number, method: number): number {
  let h = Math.imul(f1 ^ 0x9e3779b9, 0x85ebca6b);
  h = Math.imul((h ^ (h >>> 15)) + f2, 0xc2b2ae35);
  h = Math.imul((h ^ (h >>> 13)) + f3, 0x27d4eb2f);
  h = Math.imul((h ^ (h >>> 15)) + (f4 | (type << 16) | (method << 24)), 0x165667b1);
  // Signed, so that it stays a small integer.
  return h ^ (h >>> 16);
}

/** As error texts name it. */
export function describeLockTag(tag: LockTag): string {
  const { field1, field2, field3, field4 } = tag;
  switch (tag.type) {
    case LOCK_TAG.relation:
      return `relation ${field2} of database ${field1}`;
    case LOCK_TAG.relationExtend:
      return `extension of relation ${field2} of database ${field1}`;
    case LOCK_TAG.databaseFrozenIds:
      return `pg_database.datfrozenxid of database ${field1}`;
    case LOCK_TAG.page:
      return `page ${field3} of relation ${field2} of database ${field1}`;
    case LOCK_TAG.tuple:
      return `tuple (${field3},${field4}) of relation ${field2} of database ${field1}`;
    case LOCK_TAG.transaction:
      return `transaction ${field1}`;
    case LOCK_TAG.virtualTransaction:
      return `virtual transaction ${field1 | 0}/${field2}`;
    case LOCK_TAG.speculativeToken:
      return `speculative token ${field2} of transaction ${field1}`;
    case LOCK_TAG.object:
      return `object ${field3} of class ${field2} of database ${field1}`;
    case LOCK_TAG.userLock:
      return `user lock [${field1},${field2},${field3}]`;
    case LOCK_TAG.advisory:
      return `advisory lock [${field1},${field2},${field3},${field4}]`;
    default:
      return `unrecognized locktag type ${tag.type}`;
  }
}
export const lockTagTypeName = (type: number): string => LOCK_TAG_TYPE_NAMES[type] ?? '???';
