/** like-clause.ts — CREATE TABLE … (LIKE other INCLUDING …): columns at once, the rest when the table exists.
 *  Counterpart: transformTableLikeClause(), expandTableLikeClause() of src/backend/parser/parse_utilcmd.c */
import type { ColumnDef, TableLikeClause } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { storeAttributeDefault } from '#catalog/attribute-default.ts';
import { constraintsOfRelation } from '#catalog/constraints.ts';
import { hasRight } from '#catalog/acl.ts';
import { RELATION } from '#catalog/oids.ts';
import { objectAddress } from '#catalog/object-address.ts';
import { permissionDenied, RELKIND_WORD } from '#catalog/object-rights.ts';
import { createComment } from '#catalog/object-notes.ts';
import { rangeVarGetRelid } from '#catalog/range-var.ts';
import type { RelationData } from '#catalog/relcache.ts';
import { relationClose, relationOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { classRow } from '#catalog/syscache.ts';
import { addRelationNewConstraints, type RawCheck, setCheckCount } from '#commands/cook-constraint.ts';
import { remapVars } from '#commands/inherit.ts';
import type { TableElements } from '#commands/table-elements.ts';
import { nodeToString, stringToNode } from '#nodes/node-text.ts';
import type { Expr } from '#nodes/primitives.ts';
import { type ParseState, positionOf } from '#parser/parse-state.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';

const LIKE = {
  comments: 1,
  compression: 2,
  constraints: 4,
  defaults: 8,
  generated: 16,
  identity: 32,
  indexes: 64,
  statistics: 128,
  storage: 256,
} as const;

interface LikeSource {
  readonly relid: Oid;
  readonly options: number;
}
const sources = new WeakMap<TableElements, LikeSource[]>();

export function copyLikeColumns(p: ParseState, elements: TableElements): void {
  let shift = 0;
  const found: LikeSource[] = [];
  for (const { clause, before } of elements.likes) {
    const source = openSource(p, clause);
    const options = clause.options ?? 0;
    if ((options & LIKE.identity) !== 0 && source.tupleDesc.attrs.some((column) => column.identity !== '')) {
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'LIKE INCLUDING IDENTITY is not supported yet',
      });
    }
    if ((options & LIKE.indexes) !== 0 && source.hasIndex) {
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'LIKE INCLUDING INDEXES is not supported yet',
      });
    }
    const columns = source.tupleDesc.attrs
      .filter((column) => !column.isDropped)
      .map((column): ColumnDef => {
        const typeRow = store.type.byOid(column.typeId)!;
        return {
          colname: column.name,
          typeName: {
            names: [
              { String: { sval: store.namespace.byOid(typeRow.typnamespace)?.nspname ?? '' } },
              { String: { sval: typeRow.typname } },
            ],
            typemod: column.typmod,
            location: -1,
          },
          is_local: true,
          is_not_null: column.notNull,
          collOid: column.collation,
          ...((options & LIKE.generated) !== 0 && column.generated !== '' ? { generated: column.generated } : {}),
          ...((options & LIKE.storage) !== 0 ? { storage: column.storage } : {}),
          ...((options & LIKE.compression) !== 0 && column.compression !== ''
            ? { compression: column.compression === 'p' ? 'pglz' : 'lz4' }
            : {}),
          location: -1,
        };
      });
    elements.columns.splice(before + shift, 0, ...columns);
    shift += columns.length;
    found.push({ relid: source.oid, options });
    relationClose(source, LOCK.none);
  }
  sources.set(elements, found);
}

function openSource(p: ParseState, clause: TableLikeClause): RelationData {
  const { catalogname, schemaname, relname, location } = clause.relation!;
  const relid = rangeVarGetRelid({ catalog: catalogname, schema: schemaname, name: relname! }, LOCK.accessShare, {
    position: positionOf(p, location ?? 0),
  });
  const rel = relationOpen(relid, LOCK.none);
  if (!'rvmcfp'.includes(rel.kind)) {
    report('ERROR', {
      code: SQLSTATE.wrongObjectType,
      message: `relation "${rel.name}" is invalid in LIKE clause`,
      position: positionOf(p, location ?? 0),
    });
  }
  const row = classRow(relid)!;
  const allowed =
    row.relkind === 'c' ||
    hasRight({ letter: 'r', owner: row.relowner, acl: row.relacl }, sessionIdentity.userOid, 'r', false);
  if (!allowed) permissionDenied(RELKIND_WORD[row.relkind] ?? 'table', row.relname);
  return rel;
}

/** Defaults, generation expressions, constraints and comments. */
export function finishLike(relid: Oid, elements: TableElements, sourceText: string): void {
  for (const { relid: sourceOid, options } of sources.get(elements) ?? []) {
    const source = relationOpen(sourceOid, LOCK.none);
    const rel = relationOpen(relid, LOCK.none);
    const numbers = new Map<number, number>();
    for (const column of source.tupleDesc.attrs) {
      if (!column.isDropped) numbers.set(column.number, rel.tupleDesc.attributeIndex(column.name) + 1);
    }
    const constraints = constraintsOfRelation(source);
    let stored = 0;
    for (const [attnum, text] of constraints.defaults) {
      const generated = source.tupleDesc.attrs[attnum - 1]!.generated !== '';
      if ((options & (generated ? LIKE.generated : LIKE.defaults)) === 0) continue;
      storeAttributeDefault(relid, numbers.get(attnum)!, remapVars(stringToNode(text) as Expr, numbers), generated);
      stored++;
    }
    if (stored > 0) setCheckCount(rel, rel.checks);
    if ((options & LIKE.constraints) !== 0 && constraints.checks.length > 0) {
      const checks = constraints.checks.map(
        (check): RawCheck => ({
          name: check.name,
          raw: null,
          cooked: nodeToString(remapVars(stringToNode(check.text) as Expr, numbers)),
          skipValidation: true,
          initiallyValid: true,
          noInherit: check.noInherit,
        }),
      );
      addRelationNewConstraints(rel, [], checks, { allowMerge: true, isLocal: true }, sourceText);
    }
    if ((options & LIKE.comments) !== 0) {
      for (const row of store.description.by('objoid', sourceOid)) {
        if (row.classoid !== RELATION.pgClass || row.objsubid === 0) continue;
        const to = numbers.get(row.objsubid);
        if (to !== undefined) createComment(objectAddress(RELATION.pgClass, relid, to), row.description);
      }
    }
    relationClose(rel, LOCK.none);
    relationClose(source, LOCK.none);
  }
}
