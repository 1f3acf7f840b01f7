/** alter-relation-check.ts — may this user alter that relation, and is it of the kind that the command names?
 *
 *  Asked before the relation is locked, so that who may not alter it cannot lock it either.
 *  Counterpart: RangeVarCallbackForAlterRelation(), RangeVarCallbackForRenameAttribute() of
 *  src/backend/commands/tablecmds.c */
import type { ObjectType, RangeVar } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import type { RelationName } from '#catalog/namespace.ts';
import { checkNamespaceRight, checkRelationOwner } from '#catalog/object-rights.ts';
import { FIRST_UNPINNED_OID } from '#catalog/oids.ts';
import type { RangeVarCallback } from '#catalog/range-var.ts';
import type { ClassRow } from '#catalog/rows.ts';
import { classRow } from '#catalog/syscache.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';

export const relationName = (relation: RangeVar): RelationName => ({
  name: relation.relname ?? '',
  ...(relation.schemaname === undefined ? {} : { schema: relation.schemaname }),
  ...(relation.catalogname === undefined ? {} : { catalog: relation.catalogname }),
});

const wrongKind = (message: string, hint?: string): never =>
  report('ERROR', { code: SQLSTATE.wrongObjectType, message, ...(hint === undefined ? {} : { hint }) });

function checkOwnerAndSystem(relid: Oid, row: ClassRow): void {
  checkRelationOwner(relid);
  if (relid < FIRST_UNPINNED_OID) {
    report('ERROR', {
      code: SQLSTATE.insufficientPrivilege,
      message: `permission denied: "${row.relname}" is a system catalog`,
    });
  }
}

const WANTED: Readonly<Partial<Record<ObjectType, readonly [kinds: string, what: string]>>> = {
  OBJECT_SEQUENCE: ['S', 'a sequence'],
  OBJECT_VIEW: ['v', 'a view'],
  OBJECT_MATVIEW: ['m', 'a materialized view'],
  OBJECT_FOREIGN_TABLE: ['f', 'a foreign table'],
  OBJECT_TYPE: ['c', 'a composite type'],
};
export type AlterKind = 'rename' | 'setSchema' | 'alter';

/** RangeVarCallbackForAlterRelation(). */
export const forAlterRelation =
  (type: ObjectType, command: AlterKind): RangeVarCallback =>
  (relid) => {
    const row = relid === 0 ? undefined : classRow(relid);
    if (row === undefined) return;
    checkOwnerAndSystem(relid, row);
    if (command === 'rename') checkNamespaceRight(row.relnamespace, 'CREATE');
    const { relname, relkind } = row;
    const wanted = WANTED[type];
    if (wanted !== undefined && !wanted[0].includes(relkind)) wrongKind(`"${relname}" is not ${wanted[1]}`);
    const isIndex = relkind === 'i' || relkind === 'I';
    if (type === 'OBJECT_INDEX' && !isIndex && command !== 'rename') wrongKind(`"${relname}" is not an index`);
    // Composite types have a command of their own, which knows their rows in other tables.
    if (type !== 'OBJECT_TYPE' && relkind === 'c')
      wrongKind(`"${relname}" is a composite type`, 'Use ALTER TYPE instead.');
    if (command !== 'setSchema') return;
    if (isIndex) {
      wrongKind(`cannot change schema of index "${relname}"`, 'Change the schema of the table instead.');
    }
    if (relkind === 'c') wrongKind(`cannot change schema of composite type "${relname}"`, 'Use ALTER TYPE instead.');
    if (relkind === 't') {
      wrongKind(`cannot change schema of TOAST table "${relname}"`, 'Change the schema of the table instead.');
    }
  };

export const NOT_SUPPORTED_FOR: Readonly<Record<string, string>> = {
  r: 'This operation is not supported for tables.',
  p: 'This operation is not supported for partitioned tables.',
  v: 'This operation is not supported for views.',
  m: 'This operation is not supported for materialized views.',
  S: 'This operation is not supported for sequences.',
  i: 'This operation is not supported for indexes.',
  I: 'This operation is not supported for partitioned indexes.',
  t: 'This operation is not supported for TOAST tables.',
  c: 'This operation is not supported for composite types.',
  f: 'This operation is not supported for foreign tables.',
};

/** RangeVarCallbackForRenameAttribute(). */
export const forRenameAttribute: RangeVarCallback = (relid) => {
  const row = relid === 0 ? undefined : classRow(relid);
  if (row === undefined) return;
  if (!'rvmciIfp'.includes(row.relkind)) {
    report('ERROR', {
      code: SQLSTATE.wrongObjectType,
      message: `cannot rename columns of relation "${row.relname}"`,
      ...(NOT_SUPPORTED_FOR[row.relkind] === undefined ? {} : { detail: NOT_SUPPORTED_FOR[row.relkind]! }),
    });
  }
  checkOwnerAndSystem(relid, row);
};
