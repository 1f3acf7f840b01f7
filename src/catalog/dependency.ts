/** dependency.ts — dropping objects together with what cannot live without them.
 *
 *  From the object to be dropped the dependencies are followed: parts of bigger objects pull in their owner, dependents
 *  go first. RESTRICT refuses when something depends on it that would not go automatically. How one object is dropped is
 *  known by whoever makes such objects and registers a dropper for their catalog.
 *  Counterpart: src/backend/catalog/dependency.c */
import type { Relation } from '#access/common/relation-descriptor.ts';
import { heapFetch, newHeapFetchResult, releaseHeapFetch } from '#access/heap/heap-fetch.ts';
import type { ItemPointer, Oid } from '#base/ids.ts';
import { catalogDelete } from '#catalog/indexing.ts';
import { isPinnedObject, type ObjectAddress, sameObject } from '#catalog/object-address.ts';
import { objectDescription } from '#catalog/object-description.ts';
import { RELATION } from '#catalog/oids.ts';
import { dependenciesOf, dependentsOf, ownedSequences } from '#catalog/pg-depend.ts';
import { deleteSharedDependencyRecordsFor } from '#catalog/pg-shdepend.ts';
import { deleteComments, deleteInitPrivileges } from '#catalog/object-notes.ts';
import type { RelationData } from '#catalog/relcache.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import {
  lockDatabaseObject,
  lockRelationOid,
  lockSharedObject,
  unlockDatabaseObject,
  unlockRelationOid,
} from '#storage/lmgr/lmgr.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { getCatalogSnapshot } from '#transam/snapshot.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

export type DropBehavior = 'restrict' | 'cascade';
export interface DeletionFlags {
  /** Not the wish of a user: no word about what is dropped besides. */
  readonly internal?: boolean;
  readonly concurrently?: boolean;
  readonly quietly?: boolean;
  /** Only what depends on it, not the object itself. */
  readonly skipOriginal?: boolean;
  readonly skipExtensions?: boolean;
}

/** How an object of a catalog is dropped: its own rows and files; its dependencies are no concern of the dropper. */
export type ObjectDropper = (object: ObjectAddress, flags: DeletionFlags) => void;
const droppers = new Map<Oid, ObjectDropper>();
export function registerObjectDropper(classId: Oid, drop: ObjectDropper): void {
  droppers.set(classId, drop);
}

/** DEPFLAG_*: why an object is on the list. */
const WHY = {
  original: 1,
  normal: 2,
  auto: 4,
  internal: 8,
  partition: 16,
  extension: 32,
  reverse: 64,
  isPart: 128,
  subObject: 256,
} as const;
const AUTOMATIC = WHY.auto | WHY.internal | WHY.partition | WHY.extension;
const FLAG_OF_TYPE: Readonly<Record<string, number>> = {
  n: WHY.normal,
  a: WHY.auto,
  x: WHY.auto,
  i: WHY.internal,
  P: WHY.partition,
  S: WHY.partition,
  e: WHY.extension,
};

interface Target {
  readonly object: ObjectAddress;
  flags: number;
  /** What it depends on, for the message. */
  readonly dependee: ObjectAddress | null;
}
interface StackEntry {
  readonly object: ObjectAddress;
  flags: number;
  readonly next: StackEntry | null;
}

// ── locks ────────────────────────────────────────────────────────────────────────────────────────────────────────

export function acquireDeletionLock(object: ObjectAddress, flags: DeletionFlags = {}): void {
  if (object.classId === RELATION.pgClass) {
    lockRelationOid(object.objectId, flags.concurrently === true ? LOCK.shareUpdateExclusive : LOCK.accessExclusive);
  } else if (object.classId === RELATION.pgAuthMembers) {
    lockSharedObject(object.classId, object.objectId, 0, LOCK.accessExclusive);
  } else lockDatabaseObject(object.classId, object.objectId, 0, LOCK.accessExclusive);
}
function releaseDeletionLock(object: ObjectAddress): void {
  if (object.classId === RELATION.pgClass) unlockRelationOid(object.objectId, LOCK.accessExclusive);
  else unlockDatabaseObject(object.classId, object.objectId, 0, LOCK.accessExclusive);
}
const fetched = newHeapFetchResult();
/** systable_recheck_tuple(): is the row still there, now that we have waited for a lock? */
function stillThere(rel: Relation, tid: ItemPointer): boolean {
  const found = heapFetch(rel, getCatalogSnapshot(rel.oid), tid, false, fetched);
  if (found) releaseHeapFetch(fetched);
  return found;
}

// ── lists ────────────────────────────────────────────────────────────────────────────────────────────────────────

function onStack(object: ObjectAddress, flags: number, stack: StackEntry | null): boolean {
  let found = false;
  for (let entry = stack; entry !== null; entry = entry.next) {
    const { object: other } = entry;
    if (other.classId !== object.classId || other.objectId !== object.objectId) continue;
    if (other.objectSubId === object.objectSubId) {
      entry.flags |= flags;
      found = true;
    } else if (other.objectSubId === 0) found = true;
  }
  return found;
}
function onList(object: ObjectAddress, flags: number, targets: readonly Target[]): boolean {
  let found = false;
  for (let i = targets.length - 1; i >= 0; i--) {
    const target = targets[i]!;
    const { object: other } = target;
    if (other.classId !== object.classId || other.objectId !== object.objectId) continue;
    if (other.objectSubId === object.objectSubId) {
      target.flags |= flags;
      found = true;
    } else if (other.objectSubId === 0) {
      // A column of a table that goes as a whole.
      found = true;
    } else if (object.objectSubId === 0 && flags !== 0) {
      // The whole table, after one of its columns was found: the column needs no mention of its own.
      target.flags |= flags | WHY.subObject;
    }
  }
  return found;
}

// ── finding ──────────────────────────────────────────────────────────────────────────────────────────────────────

const describe = (object: ObjectAddress): string => objectDescription(object) ?? `object ${object.objectId}`;

function refuseBecauseRequired(object: ObjectAddress, owner: ObjectAddress): never {
  const ownerText = describe(owner);
  return report('ERROR', {
    code: SQLSTATE.dependentObjectsStillExist,
    message: `cannot drop ${describe(object)} because ${ownerText} requires it`,
    hint: `You can drop ${ownerText} instead.`,
  });
}

interface Search {
  readonly depend: Relation;
  readonly flags: DeletionFlags;
  readonly targets: Target[];
  /** All objects that the command names, when there are several. */
  readonly pending: readonly ObjectAddress[] | null;
}

function findDependentObjects(
  search: Search,
  object: ObjectAddress,
  givenFlags: number,
  stack: StackEntry | null,
): void {
  const { depend, targets } = search;
  let why = givenFlags;
  if (onStack(object, why, stack) || onList(object, why, targets)) return;
  if (isPinnedObject(object.classId, object.objectId)) {
    report('ERROR', {
      code: SQLSTATE.dependentObjectsStillExist,
      message: `cannot drop ${describe(object)} because it is required by the database system`,
    });
  }
  // What it is a part of.
  let owning: ObjectAddress | null = null;
  let partitionOwner: ObjectAddress | null = null;
  for (const { tid, row } of dependenciesOf(depend, object)) {
    const other = { classId: row.refclassid, objectId: row.refobjid, objectSubId: row.refobjsubid };
    // A column's dependency on its own table says nothing about the table.
    if (other.classId === object.classId && other.objectId === object.objectId && object.objectSubId === 0) continue;
    if (row.deptype === 'e' && search.flags.skipExtensions === true) continue;
    if (row.deptype === 'e' || row.deptype === 'i') {
      if (stack === null) {
        if (search.pending?.some((pending) => sameObject(pending, other)) === true) {
          // The owner goes by the same command, and takes this object along.
          releaseDeletionLock(object);
          return;
        }
        if (owning === null || row.deptype === 'e') owning = other;
        continue;
      }
      if (onStack(other, 0, stack)) continue;
      releaseDeletionLock(object);
      acquireDeletionLock(other);
      if (!stillThere(depend, tid)) {
        releaseDeletionLock(other);
        return;
      }
      findDependentObjects(search, other, WHY.reverse, stack);
      if (!onList(object, why, targets)) {
        report('ERROR', {
          message: `deletion of owning object ${describe(other)} failed to delete ${describe(object)}`,
        });
      }
      return;
    }
    if (row.deptype === 'P') partitionOwner = other;
    if (row.deptype === 'P' || row.deptype === 'S') why |= WHY.isPart;
  }
  if (owning !== null) refuseBecauseRequired(object, partitionOwner ?? owning);

  const dependents: { readonly object: ObjectAddress; readonly flags: number }[] = [];
  for (const { tid, row } of dependentsOf(depend, object)) {
    const other = { classId: row.classid, objectId: row.objid, objectSubId: row.objsubid };
    if (other.classId === object.classId && other.objectId === object.objectId && object.objectSubId === 0) continue;
    acquireDeletionLock(other);
    if (!stillThere(depend, tid)) {
      releaseDeletionLock(other);
      continue;
    }
    const flag = FLAG_OF_TYPE[row.deptype];
    if (flag === undefined) {
      report('ERROR', { message: `unrecognized dependency type '${row.deptype}' for ${describe(object)}` });
    }
    dependents.push({ object: other, flags: flag });
  }
  // Newer objects first: their OIDs are larger, mostly.
  dependents.sort(
    ({ object: a }, { object: b }) =>
      b.objectId - a.objectId || a.classId - b.classId || (a.objectSubId >>> 0) - (b.objectSubId >>> 0),
  );
  const entry: StackEntry = { object, flags: why, next: stack };
  for (const dependent of dependents) findDependentObjects(search, dependent.object, dependent.flags, entry);
  const dependee = (entry.flags & WHY.isPart) !== 0 && partitionOwner !== null ? partitionOwner : stack?.object;
  targets.push({ object, flags: entry.flags, dependee: dependee ?? null });
}

// ── telling ──────────────────────────────────────────────────────────────────────────────────────────────────────

const MAX_REPORTED = 100;

function reportDependentObjects(
  targets: readonly Target[],
  behavior: DropBehavior,
  flags: DeletionFlags,
  original: ObjectAddress | null,
): void {
  for (const { object, flags: why, dependee } of targets) {
    if ((why & WHY.isPart) !== 0 && (why & WHY.partition) === 0 && dependee !== null) {
      refuseBecauseRequired(object, dependee);
    }
  }
  const lines: string[] = [];
  let ok = true;
  // Back to front, from what was asked for outwards.
  for (let i = targets.length - 1; i >= 0; i--) {
    const { object, flags: why, dependee } = targets[i]!;
    if ((why & (WHY.original | WHY.subObject)) !== 0) continue;
    const text = objectDescription(object);
    if (text === null) continue;
    if ((why & AUTOMATIC) !== 0) {
      report('DEBUG2', { message: `drop auto-cascades to ${text}` });
    } else if (behavior === 'restrict') {
      const other = dependee === null ? null : objectDescription(dependee);
      lines.push(other === null ? text : `${text} depends on ${other}`);
      ok = false;
    } else lines.push(`drop cascades to ${text}`);
  }
  const hidden = lines.length - MAX_REPORTED;
  const more =
    hidden > 0 ? `\nand ${hidden} other ${hidden === 1 ? 'object' : 'objects'} (see server log for list)` : '';
  const detail = lines.slice(0, MAX_REPORTED).join('\n') + more;
  const detailLog = lines.join('\n');
  if (!ok) {
    report('ERROR', {
      code: SQLSTATE.dependentObjectsStillExist,
      message:
        original === null
          ? 'cannot drop desired object(s) because other objects depend on them'
          : `cannot drop ${describe(original)} because other objects depend on it`,
      detail,
      detailLog,
      hint: 'Use DROP ... CASCADE to drop the dependent objects too.',
    });
  }
  const level = flags.quietly === true ? 'DEBUG2' : 'NOTICE';
  if (lines.length > 1) {
    report(level, { message: `drop cascades to ${lines.length} other objects`, detail, detailLog });
  } else if (lines.length === 1) report(level, { message: detail });
}

// ── deleting ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** Returns pg_depend, opened anew if the dropper committed on its way. */
function deleteOneObject(object: ObjectAddress, given: RelationData, flags: DeletionFlags): RelationData {
  let depend = given;
  const drop = droppers.get(object.classId);
  if (drop === undefined) {
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: `dropping ${describe(object)} is not supported`,
    });
  }
  if (flags.concurrently === true) relationClose(depend, LOCK.rowExclusive);
  drop(object, flags);
  if (flags.concurrently === true) depend = tableOpen(RELATION.pgDepend, LOCK.rowExclusive);
  for (const { tid } of dependenciesOf(depend, object)) catalogDelete(depend, tid);
  deleteSharedDependencyRecordsFor(object.classId, object.objectId, object.objectSubId);
  deleteComments(object);
  deleteInitPrivileges(object);
  // The next object must find this one gone.
  commandCounterIncrement();
  return depend;
}
function deleteAll(targets: readonly Target[], given: RelationData, flags: DeletionFlags): void {
  let depend = given;
  for (const { object, flags: why } of targets) {
    if (flags.skipOriginal === true && (why & WHY.original) !== 0) continue;
    depend = deleteOneObject(object, depend, flags);
  }
  relationClose(depend, LOCK.rowExclusive);
}

/** DROP of one object. The caller has checked the user's right to drop it. */
export function performDeletion(object: ObjectAddress, behavior: DropBehavior, flags: DeletionFlags = {}): void {
  const depend = tableOpen(RELATION.pgDepend, LOCK.rowExclusive);
  acquireDeletionLock(object, flags);
  const search: Search = { depend, flags, targets: [], pending: null };
  findDependentObjects(search, object, WHY.original, null);
  reportDependentObjects(search.targets, behavior, flags, object);
  deleteAll(search.targets, depend, flags);
}
/** DROP of several objects at once: what depends on one of them may be another. */
export function performMultipleDeletions(
  objects: readonly ObjectAddress[],
  behavior: DropBehavior,
  flags: DeletionFlags = {},
): void {
  if (objects.length === 0) return;
  const depend = tableOpen(RELATION.pgDepend, LOCK.rowExclusive);
  const search: Search = { depend, flags, targets: [], pending: objects };
  for (const object of objects) {
    acquireDeletionLock(object, flags);
    findDependentObjects(search, object, WHY.original, null);
  }
  reportDependentObjects(search.targets, behavior, flags, objects.length === 1 ? objects[0]! : null);
  deleteAll(search.targets, depend, flags);
}

/** The sequence of an identity column. */
export function identitySequence(relid: Oid, attnum: number): Oid {
  const found = ownedSequences(relid, attnum, 'i');
  if (found.length > 1) report('ERROR', { message: 'more than one owned sequence found' });
  return found[0] ?? report('ERROR', { message: 'no owned sequence found' });
}
