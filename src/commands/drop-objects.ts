/** drop-objects.ts — DROP of what is no relation: schemas, types, domains, functions, triggers, rules …
 *  Counterpart: RemoveObjects(), does_not_exist_skipping() of src/backend/commands/dropcmds.c */
import type { DropStmt, Node, ObjectType } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { performMultipleDeletions, registerObjectDropper } from '#catalog/dependency.ts';
import { deleteCatalogRows } from '#catalog/heap-drop.ts';
import { catalogDelete } from '#catalog/indexing.ts';
import { cacheInvalidateRelcache } from '#catalog/inval.ts';
import { lookupNamespace, findRelation, findType } from '#catalog/namespace.ts';
import type { ObjectAddress } from '#catalog/object-address.ts';
import { RELATION } from '#catalog/oids.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { procRow } from '#catalog/syscache.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { checkTableNotInUse } from '#catalog/table-in-use.ts';
import { checkDropOwnership, DROP_LOCK, getObjectAddress, namesOfObject } from '#commands/object-lookup.ts';
import { stringsOf } from '#parser/ast.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';

const DROPPABLE: ReadonlySet<ObjectType> = new Set<ObjectType>([
  'OBJECT_SCHEMA',
  'OBJECT_TYPE',
  'OBJECT_DOMAIN',
  'OBJECT_FUNCTION',
  'OBJECT_PROCEDURE',
  'OBJECT_ROUTINE',
  'OBJECT_AGGREGATE',
  'OBJECT_TRIGGER',
  'OBJECT_RULE',
]);
export const isObjectDrop = (type: ObjectType | undefined): boolean => type !== undefined && DROPPABLE.has(type);

export function dropObjects(stmt: DropStmt): void {
  const type = stmt.removeType!;
  const objects: ObjectAddress[] = [];
  for (const object of stmt.objects ?? []) {
    const found = getObjectAddress(type, object, DROP_LOCK, stmt.missing_ok === true);
    if (found === null) {
      noticeMissing(type, object);
      continue;
    }
    if (type === 'OBJECT_FUNCTION' && procRow(found.objectId)?.prokind === 'a') {
      report('ERROR', {
        code: SQLSTATE.wrongObjectType,
        message: `"${namesOfObject(object).join('.')}" is an aggregate function`,
        hint: 'Use DROP AGGREGATE to drop aggregate functions.',
      });
    }
    checkDropOwnership(found);
    objects.push(found);
  }
  performMultipleDeletions(objects, stmt.behavior === 'DROP_CASCADE' ? 'cascade' : 'restrict');
}

const WORDS: Readonly<Partial<Record<ObjectType, string>>> = {
  OBJECT_SCHEMA: 'schema',
  OBJECT_TYPE: 'type',
  OBJECT_DOMAIN: 'type',
  OBJECT_FUNCTION: 'function',
  OBJECT_PROCEDURE: 'procedure',
  OBJECT_ROUTINE: 'routine',
  OBJECT_AGGREGATE: 'aggregate',
  OBJECT_TRIGGER: 'trigger',
  OBJECT_RULE: 'rule',
};
function noticeMissing(type: ObjectType, object: Node): void {
  const word = WORDS[type] ?? 'object';
  const say = (message: string): void => report('NOTICE', { message: `${message} does not exist, skipping` });
  let names = namesOfObject(object);
  const schemaIsMissing = (qualified: readonly string[]): boolean => {
    if (qualified.length < 2 || lookupNamespace(qualified[qualified.length - 2]!) !== 0) return false;
    say(`schema "${qualified[qualified.length - 2]}"`);
    return true;
  };
  if (type === 'OBJECT_TRIGGER' || type === 'OBJECT_RULE') {
    const name = names[names.length - 1]!;
    names = names.slice(0, -1);
    if (schemaIsMissing(names)) return;
    const relation = names[names.length - 1]!;
    const found = findRelation({ name: relation, ...(names.length > 1 ? { schema: names[names.length - 2]! } : {}) });
    if (found === undefined) say(`relation "${names.join('.')}"`);
    else say(`${word} "${name}" for relation "${names.join('.')}"`);
    return;
  }
  if (type !== 'OBJECT_SCHEMA' && schemaIsMissing(names)) return;
  if ('ObjectWithArgs' in object) {
    const { objargs, args_unspecified } = object.ObjectWithArgs;
    const types: string[] = [];
    for (const node of objargs ?? []) {
      if (!('TypeName' in node)) continue;
      const parts = stringsOf(node.TypeName.names);
      const suffix = (node.TypeName.arrayBounds?.length ?? 0) > 0 ? '[]' : '';
      if (schemaIsMissing(parts)) return;
      if (findType(parts) === undefined) {
        say(`type "${parts.join('.')}${suffix}"`);
        return;
      }
      types.push(parts.join('.') + suffix);
    }
    say(`${word} ${names.join('.')}${args_unspecified === true ? '()' : `(${types.join(',')})`}`);
    return;
  }
  say(`${word} "${names.join('.')}"`);
}

// ── how they are dropped ─────────────────────────────────────────────────────────────────────────────────────────

function dropRow(catalog: Oid, index: Oid, oid: Oid, what: string): void {
  const rows = deleteCatalogRows(catalog, index, [{ attnum: 1, value: oid }]);
  if (rows === 0) report('ERROR', { message: `cache lookup failed for ${what} ${oid}` });
}
registerObjectDropper(RELATION.pgNamespace, ({ objectId }) =>
  dropRow(RELATION.pgNamespace, 2685 as Oid, objectId, 'namespace'),
);
registerObjectDropper(RELATION.pgProc, ({ objectId }) => {
  const isAggregate = procRow(objectId)?.prokind === 'a';
  dropRow(RELATION.pgProc, 2690 as Oid, objectId, 'function');
  if (isAggregate) dropRow(RELATION.pgAggregate, 2650 as Oid, objectId, 'aggregate function');
});
/** RemoveRewriteRuleById(). */
registerObjectDropper(RELATION.pgRewrite, ({ objectId }) => {
  const pgRewrite = tableOpen(RELATION.pgRewrite, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.rewrite, pgRewrite, 2692 as Oid, [{ attnum: 1, value: objectId }]);
  if (found === undefined) report('ERROR', { message: `could not find tuple for rule ${objectId}` });
  const rel = tableOpen(found.row.ev_class, LOCK.accessExclusive);
  checkTableNotInUse(rel, 'DROP RULE');
  catalogDelete(pgRewrite, found.tid);
  relationClose(pgRewrite, LOCK.rowExclusive);
  cacheInvalidateRelcache(rel.oid);
  relationClose(rel, LOCK.none);
});
