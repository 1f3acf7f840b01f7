/** drop-relation.ts — DROP TABLE, INDEX, SEQUENCE, VIEW, MATERIALIZED VIEW.
 *  Counterpart: RemoveRelations(), DropErrorMsgNonExistent() … of src/backend/commands/tablecmds.c */
import type { DropStmt, Node } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { type DropBehavior, performMultipleDeletions } from '#catalog/dependency.ts';
import { deconstructQualifiedName, lookupNamespace } from '#catalog/namespace.ts';
import { objectAddress, type ObjectAddress } from '#catalog/object-address.ts';
import { mustBeOwner, ownsObject, RELKIND_WORD } from '#catalog/object-rights.ts';
import { RELATION } from '#catalog/oids.ts';
import { rangeVarGetRelid } from '#catalog/range-var.ts';
import { classRow, indexRow, namespaceRow } from '#catalog/syscache.ts';
import '#catalog/heap-drop.ts';
import { stringsOf } from '#parser/ast.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { lockRelationOid, unlockRelationOid } from '#storage/lmgr/lmgr.ts';
import { LOCK, type LockMode } from '#storage/lmgr/lock-modes.ts';

interface Kind {
  readonly relkind: string;
  readonly article: string;
  readonly word: string;
  readonly hint: string;
}
const KINDS: Readonly<Record<string, Kind>> = {
  OBJECT_TABLE: { relkind: 'r', article: 'a', word: 'table', hint: 'Use DROP TABLE to remove a table.' },
  OBJECT_SEQUENCE: { relkind: 'S', article: 'a', word: 'sequence', hint: 'Use DROP SEQUENCE to remove a sequence.' },
  OBJECT_VIEW: { relkind: 'v', article: 'a', word: 'view', hint: 'Use DROP VIEW to remove a view.' },
  OBJECT_MATVIEW: {
    relkind: 'm',
    article: 'a',
    word: 'materialized view',
    hint: 'Use DROP MATERIALIZED VIEW to remove a materialized view.',
  },
  OBJECT_INDEX: { relkind: 'i', article: 'an', word: 'index', hint: 'Use DROP INDEX to remove an index.' },
  OBJECT_FOREIGN_TABLE: {
    relkind: 'f',
    article: 'a',
    word: 'foreign table',
    hint: 'Use DROP FOREIGN TABLE to remove a foreign table.',
  },
};
const HINT_OF_RELKIND: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.values(KINDS).map((kind) => [kind.relkind, kind.hint])),
  p: 'Use DROP TABLE to remove a table.',
  I: 'Use DROP INDEX to remove an index.',
  c: 'Use DROP TYPE to remove a type.',
};
export const isRelationDrop = (type: string | undefined): boolean => type !== undefined && type in KINDS;

const namesOf = (object: Node): string[] => stringsOf('List' in object ? object.List.items : []);

export function dropRelations(stmt: DropStmt, isTopLevel: boolean, preventBlock: (command: string) => void): void {
  const kind = KINDS[stmt.removeType ?? '']!;
  const concurrent = stmt.concurrent === true;
  const behavior: DropBehavior = stmt.behavior === 'DROP_CASCADE' ? 'cascade' : 'restrict';
  if (concurrent) {
    if (isTopLevel) preventBlock('DROP INDEX CONCURRENTLY');
    if ((stmt.objects?.length ?? 0) !== 1) {
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'DROP INDEX CONCURRENTLY does not support dropping multiple objects',
      });
    }
    if (behavior === 'cascade') {
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'DROP INDEX CONCURRENTLY does not support CASCADE',
      });
    }
  }
  const objects: ObjectAddress[] = [];
  let goesConcurrently = false;
  for (const object of stmt.objects ?? []) {
    const { schema, name } = deconstructQualifiedName(namesOf(object));
    const lock: LockMode = concurrent ? LOCK.shareUpdateExclusive : LOCK.accessExclusive;
    const relid = findToDrop(kind, schema, name, lock);
    if (relid === 0) {
      reportMissing(kind, schema, name, stmt.missing_ok === true);
      continue;
    }
    if (concurrent && classRow(relid)?.relpersistence !== 't') goesConcurrently = true;
    objects.push(objectAddress(RELATION.pgClass, relid));
  }
  performMultipleDeletions(objects, behavior, goesConcurrently ? { concurrently: true } : {});
}

/** RangeVarCallbackForDropRelation(): the kind, the owner; an index's table is locked before it. */
function findToDrop(kind: Kind, schema: string | null, name: string, lock: LockMode): Oid {
  let lockedHeap = 0 as Oid;
  return rangeVarGetRelid({ ...(schema === null ? {} : { schema }), name }, lock, { missingOk: true }, (relid, old) => {
    if (relid !== old && lockedHeap !== 0) {
      unlockRelationOid(lockedHeap, lock);
      lockedHeap = 0 as Oid;
    }
    const row = relid === 0 ? undefined : classRow(relid);
    if (row === undefined) return;
    const expected = row.relkind === 'p' ? 'r' : row.relkind === 'I' ? 'i' : row.relkind;
    if (expected !== kind.relkind) {
      report('ERROR', {
        code: SQLSTATE.wrongObjectType,
        message: `"${row.relname}" is not ${kind.article} ${kind.word}`,
        ...(HINT_OF_RELKIND[row.relkind] === undefined ? {} : { hint: HINT_OF_RELKIND[row.relkind]! }),
      });
    }
    const schemaOwner = namespaceRow(row.relnamespace)?.nspowner ?? (0 as Oid);
    if (!ownsObject(row.relowner) && !ownsObject(schemaOwner)) {
      mustBeOwner(RELKIND_WORD[row.relkind] ?? 'relation', name);
    }
    if (row.oid < 16384 && row.relnamespace === 11) {
      report('ERROR', {
        code: SQLSTATE.insufficientPrivilege,
        message: `permission denied: "${row.relname}" is a system catalog`,
      });
    }
    if (expected === 'i' && relid !== old) {
      const heap = indexRow(relid)?.indrelid ?? (0 as Oid);
      if (heap !== 0) lockRelationOid(heap, lock);
      lockedHeap = heap;
    }
  });
}

function reportMissing(kind: Kind, schema: string | null, name: string, missingOk: boolean): void {
  if (schema !== null && lookupNamespace(schema) === 0) {
    if (!missingOk) {
      report('ERROR', { code: SQLSTATE.undefinedSchema, message: `schema "${schema}" does not exist` });
    }
    report('NOTICE', { message: `schema "${schema}" does not exist, skipping` });
    return;
  }
  if (!missingOk) {
    const code = kind.relkind === 'i' ? SQLSTATE.undefinedObject : SQLSTATE.undefinedTable;
    report('ERROR', { code, message: `${kind.word} "${name}" does not exist` });
  }
  report('NOTICE', { message: `${kind.word} "${name}" does not exist, skipping` });
}
