/** cook-constraint.ts — defaults and CHECK conditions: from what was written to what is stored.
 *  Counterpart: cookDefault(), cookConstraint(), AddRelationNewConstraints(), StoreRelCheck() of catalog/heap.c */
import type { Node } from '@pgsql/types';
import type { Attribute } from '#access/common/relation-descriptor.ts';
import type { Oid } from '#base/ids.ts';
import { storeAttributeDefault } from '#catalog/attribute-default.ts';
import { formatType } from '#catalog/format-type.ts';
import { catalogUpdateColumns } from '#catalog/indexing.ts';
import { cacheInvalidateRelcache } from '#catalog/inval.ts';
import { chooseConstraintName } from '#catalog/object-name.ts';
import { RELATION } from '#catalog/oids.ts';
import { createConstraintEntry } from '#catalog/pg-constraint.ts';
import type { RelationData } from '#catalog/relcache.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import { classRow } from '#catalog/syscache.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { containsMutable } from '#commands/volatility.ts';
import { equal, exprType } from '#nodes/node-funcs.ts';
import { nodeToString, stringToNode } from '#nodes/node-text.ts';
import type { Expr, Var } from '#nodes/primitives.ts';
import { walkExpr } from '#nodes/visit.ts';
import { coerceToBoolean, coerceToTargetType } from '#parser/coerce.ts';
import { assignExprCollations } from '#parser/collate.ts';
import { transformExpr } from '#parser/expr.ts';
import { fail, makeParseState, type ParseState } from '#parser/parse-state.ts';
import { addRelation } from '#parser/relation.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

/** A parse state in which the columns of one relation can be named. */
export function stateOverRelation(relid: Oid, sourceText: string): ParseState {
  const p = makeParseState(null, sourceText);
  p.namespace.push(addRelation(p, classRow(relid)!, null, false, true));
  return p;
}
export function varsOf(exprs: readonly Expr[]): Var[] {
  const found: Var[] = [];
  for (const expr of exprs) {
    walkExpr(expr, (e) => {
      if (e.kind === 'Var' && e.varlevelsup === 0) found.push(e);
      return undefined;
    });
  }
  return found;
}
const columnsOf = (exprs: readonly Expr[]): number[] => [...new Set(varsOf(exprs).map((v) => v.varattno))];

export function cookDefault(p: ParseState, raw: Node, column: Attribute, desc: readonly Attribute[]): Expr {
  const generated = column.generated !== '';
  const expr = transformExpr(p, raw, generated ? 'generated_column' : 'column_default');
  if (generated) {
    for (const v of varsOf([expr])) {
      if (v.varattno > 0 && desc[v.varattno - 1]!.generated !== '') {
        fail(
          p,
          SQLSTATE.invalidObjectDefinition,
          `cannot use generated column "${desc[v.varattno - 1]!.name}" in column generation expression`,
          v.location,
          { detail: 'A generated column cannot reference another generated column.' },
        );
      }
      if (v.varattno === 0) {
        fail(
          p,
          SQLSTATE.invalidObjectDefinition,
          'cannot use whole-row variable in column generation expression',
          v.location,
          { detail: 'This would cause the generated column to depend on its own value.' },
        );
      }
    }
    if (containsMutable(expr)) {
      report('ERROR', {
        code: SQLSTATE.invalidObjectDefinition,
        message: 'generation expression is not immutable',
      });
    }
  }
  const type = exprType(expr);
  const coerced = coerceToTargetType(p, expr, type, column.typeId, column.typmod, 'assignment', 'implicit_cast', -1);
  if (coerced === null) {
    report('ERROR', {
      code: SQLSTATE.datatypeMismatch,
      message:
        `column "${column.name}" is of type ${formatType(column.typeId)}` +
        ` but default expression is of type ${formatType(type)}`,
      hint: 'You will need to rewrite or cast the expression.',
    });
  }
  assignExprCollations(p, coerced);
  return coerced;
}

export function cookConstraint(p: ParseState, raw: Node, relationName: string): Expr {
  const expr = coerceToBoolean(p, transformExpr(p, raw, 'check_constraint'), 'CHECK');
  assignExprCollations(p, expr);
  if (p.rtable.length !== 1) {
    report('ERROR', {
      code: SQLSTATE.invalidColumnReference,
      message: `only table "${relationName}" can be referenced in check constraint`,
    });
  }
  return expr;
}

export interface RawDefault {
  readonly attnum: number;
  readonly raw: Node;
  readonly generated: boolean;
}
export interface RawCheck {
  readonly name: string | undefined;
  readonly raw: Node | null;
  /** pg_constraint.conbin of an inherited or copied constraint. */
  readonly cooked: string | null;
  readonly skipValidation: boolean;
  readonly initiallyValid: boolean;
  readonly noInherit: boolean;
  /** From a parent table. */
  readonly isInherited?: boolean;
}
export interface AddedDefault {
  readonly attnum: number;
  readonly expr: Expr;
}
export interface AddedCheck {
  readonly oid: Oid;
  readonly name: string;
  readonly expr: Expr;
  readonly skipValidation: boolean;
  readonly initiallyValid: boolean;
  readonly noInherit: boolean;
}

/** AddRelationNewConstraints(). What is stored comes back, so that existing rows can be checked or filled. */
export function addRelationNewConstraints(
  rel: RelationData,
  defaults: readonly RawDefault[],
  checks: readonly RawCheck[],
  options: { readonly allowMerge: boolean; readonly isLocal: boolean },
  sourceText: string,
): { defaults: AddedDefault[]; checks: AddedCheck[] } {
  const p = stateOverRelation(rel.oid, sourceText);
  const addedDefaults: AddedDefault[] = [];
  for (const one of defaults) {
    const column = rel.tupleDesc.attrs[one.attnum - 1]!;
    const expr = cookDefault(p, one.raw, column, rel.tupleDesc.attrs);
    // Not worth a row: it is what a column without default has, except under a domain.
    if (!one.generated && expr.kind === 'Const' && expr.constisnull) continue;
    storeAttributeDefault(rel.oid, one.attnum, expr, one.generated);
    addedDefaults.push({ attnum: one.attnum, expr });
  }
  const added: AddedCheck[] = [];
  const names: string[] = [];
  let count = 0;
  for (const check of checks) {
    const expr = check.cooked !== null ? (stringToNode(check.cooked) as Expr) : cookConstraint(p, check.raw!, rel.name);
    let name = check.name;
    if (name !== undefined && name !== '') {
      if (names.includes(name)) {
        report('ERROR', {
          code: SQLSTATE.duplicateObject,
          message: `check constraint "${name}" already exists`,
        });
      }
      names.push(name);
      if (mergeWithExisting(rel, name, expr, options, check)) continue;
    } else {
      const columns = [...new Set(varsOf([expr]).map((v) => v.varattno))];
      const column = columns.length === 1 && columns[0]! > 0 ? rel.tupleDesc.attrs[columns[0]! - 1]!.name : null;
      name = chooseConstraintName(rel.name, column, 'check', rel.namespace, names);
      names.push(name);
    }
    const isLocal = check.isInherited !== true && options.isLocal;
    const oid = storeCheck(rel, name, expr, check, isLocal, isLocal ? 0 : 1);
    count++;
    added.push({
      oid,
      name,
      expr,
      skipValidation: check.skipValidation,
      initiallyValid: check.initiallyValid,
      noInherit: check.noInherit,
    });
  }
  setCheckCount(rel, rel.checks + count);
  return { defaults: addedDefaults, checks: added };
}

function storeCheck(
  rel: RelationData,
  name: string,
  expr: Expr,
  check: RawCheck,
  isLocal: boolean,
  inheritCount: number,
): Oid {
  if (check.noInherit && rel.kind === 'p') {
    report('ERROR', {
      code: SQLSTATE.invalidTableDefinition,
      message: `cannot add NO INHERIT constraint to partitioned table "${rel.name}"`,
    });
  }
  return createConstraintEntry({
    name,
    namespace: rel.namespace,
    type: 'c',
    validated: check.initiallyValid,
    relid: rel.oid,
    columns: columnsOf([expr]),
    binary: nodeToString(expr),
    isLocal,
    inheritCount,
    noInherit: check.noInherit,
  });
}

/** MergeWithExistingConstraint(): true if the relation has it already, which only inheritance may find. */
function mergeWithExisting(
  rel: RelationData,
  name: string,
  expr: Expr,
  options: { readonly allowMerge: boolean; readonly isLocal: boolean },
  check: RawCheck,
): boolean {
  const pgConstraint = tableOpen(RELATION.pgConstraint, LOCK.rowExclusive);
  const found = findCatalogTuples(store.constraint, pgConstraint, 2665 as Oid, [{ attnum: 8, value: rel.oid }]).find(
    (tuple) => tuple.row.conname === name,
  );
  if (found === undefined) {
    relationClose(pgConstraint, LOCK.rowExclusive);
    return false;
  }
  const { row } = found;
  const same = row.contype === 'c' && row.conbin !== null && equal(stringToNode(row.conbin), expr);
  // A constraint inherited by the same name may still be named locally.
  const mayMerge = same && (!options.isLocal || options.allowMerge) && !(options.isLocal && row.conislocal);
  if (!mayMerge) {
    report('ERROR', {
      code: SQLSTATE.duplicateObject,
      message: `constraint "${name}" for relation "${rel.name}" already exists`,
    });
  }
  if (row.connoinherit) {
    report('ERROR', {
      code: SQLSTATE.invalidObjectDefinition,
      message: `constraint "${name}" conflicts with non-inherited constraint on relation "${rel.name}"`,
    });
  }
  if (row.coninhcount > 0 && check.noInherit) {
    report('ERROR', {
      code: SQLSTATE.invalidObjectDefinition,
      message: `constraint "${name}" conflicts with inherited constraint on relation "${rel.name}"`,
    });
  }
  if (check.initiallyValid && !row.convalidated) {
    report('ERROR', {
      code: SQLSTATE.invalidObjectDefinition,
      message: `constraint "${name}" conflicts with NOT VALID constraint on relation "${rel.name}"`,
    });
  }
  report('NOTICE', { message: `merging constraint "${name}" with inherited definition` });
  const changes = options.isLocal ? { conislocal: true } : { coninhcount: row.coninhcount + 1 };
  catalogUpdateColumns(pgConstraint, found.tid, changes);
  relationClose(pgConstraint, LOCK.rowExclusive);
  return true;
}
/** SetRelationNumChecks(). */
export function setCheckCount(rel: RelationData, count: number): void {
  const pgClass = tableOpen(RELATION.pgClass, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.class, pgClass, 2662 as Oid, [{ attnum: 1, value: rel.oid }]);
  if (found === undefined) report('ERROR', { message: `cache lookup failed for relation ${rel.oid}` });
  if (found.row.relchecks !== count) catalogUpdateColumns(pgClass, found.tid, { relchecks: count });
  // Others must notice in any case: a default may be new.
  else cacheInvalidateRelcache(rel.oid);
  relationClose(pgClass, LOCK.rowExclusive);
  commandCounterIncrement();
}
