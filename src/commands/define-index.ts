/** define-index.ts — CREATE INDEX, and the indexes of keys: what they are over, what they are called.
 *  Counterpart: DefineIndex() of src/backend/commands/indexcmds.c, transformIndexStmt() of parser/parse_utilcmd.c */
import type { IndexElem, IndexStmt, Node } from '@pgsql/types';
import { indexAm } from '#access/common/index-am.ts';
import type { Oid } from '#base/ids.ts';
import { createInternalTrigger, TRIGGER_TYPE } from '#catalog/internal-trigger.ts';
import { type CreatedIndex, indexCreate, type NewIndexColumn, setIndexInfoMaker } from '#catalog/index.ts';
import { formatType } from '#catalog/format-type.ts';
import { opclassOid } from '#catalog/namespace.ts';
import { chooseRelationName, clipName } from '#catalog/object-name.ts';
import { checkNamespaceRight, checkRelationOwner } from '#catalog/object-rights.ts';
import { rangeVarGetRelid } from '#catalog/range-var.ts';
import type { RelationData } from '#catalog/relcache.ts';
import { relationClose, tableOpen } from '#catalog/relation.ts';
import { store } from '#catalog/rows.ts';
import {
  classByName,
  classRow,
  defaultOpclass,
  indexesOf,
  isBinaryCoercible,
  opclassRow,
  typeCollation,
} from '#catalog/syscache.ts';
import { checkTableNotInUse } from '#catalog/table-in-use.ts';
import { isSystemColumnName } from '#catalog/attribute-checks.ts';
import { stateOverRelation } from '#commands/cook-constraint.ts';
import { finishConcurrentIndex } from '#commands/index-concurrently.ts';
import { transformRelOptions, validateRelOptions } from '#commands/rel-options.ts';
import { chooseTablespace } from '#commands/tablespace-choice.ts';
import { containsMutable } from '#commands/volatility.ts';
import { indexMaker } from '#executor/index-entries.ts';
import { exprCollation, exprType, implicitAnd } from '#nodes/node-funcs.ts';
import type { Expr } from '#nodes/primitives.ts';
import { stringsOf } from '#parser/ast.ts';
import { transformWhere } from '#parser/clause.ts';
import { assignExprCollations } from '#parser/collate.ts';
import { transformExpr } from '#parser/expr.ts';
import { fail, type ParseState } from '#parser/parse-state.ts';
import { columnName } from '#parser/target.ts';
import { resolveCollation } from '#parser/type-name.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK, type LockMode } from '#storage/lmgr/lock-modes.ts';
import { preventInTransactionBlock } from '#transam/xact-block.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

const UNIQUE_KEY_RECHECK = 1250 as Oid;
const NO_OID = 0 as Oid;

setIndexInfoMaker((heap, index) => indexMaker(heap, index).info);

export interface IndexRequest {
  readonly name: string | undefined;
  readonly accessMethod: string;
  readonly params: readonly IndexElem[];
  readonly including: readonly IndexElem[];
  readonly where: Node | undefined;
  readonly options: readonly Node[] | undefined;
  readonly tablespace: string | undefined;
  readonly unique: boolean;
  readonly nullsNotDistinct: boolean;
  readonly primary: boolean;
  readonly isConstraint: boolean;
  readonly deferrable: boolean;
  readonly initiallyDeferred: boolean;
  readonly ifNotExists?: boolean;
  readonly concurrent?: boolean;
  /** By ALTER TABLE, which must not be surprised by its own session's queries. */
  readonly isAlterTable?: boolean;
  readonly position?: number;
  /** The table is about to be rewritten, and its indexes built then. */
  readonly skipBuild?: boolean;
  /** It was there before: nobody asks for rights again. */
  readonly isRebuild?: boolean;
}

const requestOf = (stmt: IndexStmt): IndexRequest => ({
  name: stmt.idxname,
  accessMethod: stmt.accessMethod ?? 'btree',
  params: elements(stmt.indexParams),
  including: elements(stmt.indexIncludingParams),
  where: stmt.whereClause,
  options: stmt.options,
  tablespace: stmt.tableSpace,
  unique: stmt.unique === true,
  nullsNotDistinct: stmt.nulls_not_distinct === true,
  primary: stmt.primary === true,
  isConstraint: stmt.isconstraint === true,
  deferrable: stmt.deferrable === true,
  initiallyDeferred: stmt.initdeferred === true,
  ifNotExists: stmt.if_not_exists === true,
  concurrent: stmt.concurrent === true,
});
const elements = (nodes: readonly Node[] | undefined): IndexElem[] =>
  (nodes ?? []).flatMap((node) => ('IndexElem' in node ? [node.IndexElem] : []));

/** CREATE INDEX. */
export function createIndexStatement(stmt: IndexStmt, sourceText: string, isTopLevel: boolean): void {
  const concurrent = stmt.concurrent === true;
  if (concurrent) preventInTransactionBlock(isTopLevel, 'CREATE INDEX CONCURRENTLY');
  const relation = stmt.relation!;
  const lock: LockMode = concurrent ? LOCK.shareUpdateExclusive : LOCK.share;
  const relid = rangeVarGetRelid(
    { catalog: relation.catalogname, schema: relation.schemaname, name: relation.relname! },
    lock,
    {},
    (found) => {
      if (found !== 0) checkRelationOwner(found);
    },
  );
  const request = requestOf(stmt);
  // Nobody else can write to a temporary table.
  if (!concurrent || classRow(relid)?.relpersistence === 't') {
    defineIndex(relid, { ...request, concurrent: false }, sourceText);
    return;
  }
  const created = defineIndex(relid, request, sourceText);
  if (created === null) return;
  const isSafe = request.where === undefined && request.params.every((element) => element.expr === undefined);
  finishConcurrentIndex(relid, created.oid, isSafe);
}

const KIND_DETAIL: Readonly<Record<string, string>> = {
  v: 'This operation is not supported for views.',
  S: 'This operation is not supported for sequences.',
  i: 'This operation is not supported for indexes.',
  I: 'This operation is not supported for partitioned indexes.',
  t: 'This operation is not supported for TOAST tables.',
  c: 'This operation is not supported for composite types.',
  f: 'This operation is not supported for foreign tables.',
};

function checkRelationKind(rel: RelationData): void {
  if (rel.kind === 'p') {
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'indexes on partitioned tables are not supported yet',
    });
  }
  if (rel.kind !== 'r' && rel.kind !== 'm') {
    report('ERROR', {
      code: SQLSTATE.wrongObjectType,
      message: `cannot create index on relation "${rel.name}"`,
      ...(KIND_DETAIL[rel.kind] === undefined ? {} : { detail: KIND_DETAIL[rel.kind]! }),
    });
  }
  if (rel.persistence === 't' && !rel.isLocalTemp) {
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'cannot create indexes on temporary tables of other sessions',
    });
  }
}

/** DefineIndex() without the phases of CONCURRENTLY. Null: it exists already, and IF NOT EXISTS was said. */
export function defineIndex(relid: Oid, of: IndexRequest, sourceText: string): CreatedIndex | null {
  const keyCount = of.params.length;
  if (keyCount === 0) {
    report('ERROR', { code: SQLSTATE.invalidObjectDefinition, message: 'must specify at least one column' });
  }
  const lock: LockMode = of.concurrent === true ? LOCK.shareUpdateExclusive : LOCK.share;
  const rel = tableOpen(relid, lock);
  checkRelationKind(rel);
  if (of.isAlterTable === true) checkTableNotInUse(rel, 'CREATE INDEX');
  if (of.isAlterTable !== true && of.isRebuild !== true) checkNamespaceRight(rel.namespace, 'CREATE');
  const tablespace = chooseTablespace(of.tablespace, rel.persistence);
  const method = store.am.by('amname', of.accessMethod)[0];
  if (method === undefined || method.amtype !== 'i') {
    report('ERROR', {
      code: SQLSTATE.undefinedObject,
      message: `access method "${of.accessMethod}" does not exist`,
    });
  }
  indexAm(method.oid);
  const p = stateOverRelation(relid, sourceText);
  const predicate = indexPredicate(p, of.where);
  const all = [...of.params, ...of.including];
  const named = all.map((element) => ({
    element,
    name: element.indexcolname ?? element.name ?? guessColumnName(element.expr),
  }));
  const names = uniqueColumnNames(named.map(({ name }) => name));
  const columns = named.map(({ element }, i) =>
    indexColumn(p, rel, element, names[i]!, i < keyCount, of.isConstraint, method.oid, of.accessMethod),
  );
  const name = of.name ?? chooseIndexName(rel, names.slice(0, all.length), of);
  const options = transformRelOptions(null, of.options, null, [], false);
  validateRelOptions('btree', options);
  if (of.primary) checkPrimaryKey(rel, columns);
  for (const column of columns) {
    if (column.attnum < 0) {
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'index creation on system columns is not supported',
      });
    }
  }
  if (of.ifNotExists === true && classByName(name, rel.namespace) !== undefined) {
    report('NOTICE', { code: SQLSTATE.duplicateTable, message: `relation "${name}" already exists, skipping` });
    relationClose(rel, LOCK.none);
    return null;
  }
  const created = indexCreate(rel, {
    name,
    columns,
    keyCount,
    predicate,
    accessMethod: method.oid,
    tablespace,
    options,
    unique: of.unique,
    nullsNotDistinct: of.nullsNotDistinct,
    primary: of.primary,
    ...(of.skipBuild === true ? { skipBuild: true } : {}),
    ...(of.concurrent === true ? { concurrent: true, skipBuild: true } : {}),
    ...(of.isConstraint
      ? { constraint: { deferrable: of.deferrable, deferred: of.initiallyDeferred, noInherit: true } }
      : {}),
  });
  if (of.isConstraint && of.deferrable) makeRecheckTrigger(rel, created, of);
  relationClose(rel, LOCK.none);
  return created;
}

/** A deferrable key is checked again when its transaction says so. */
export function makeRecheckTrigger(
  rel: RelationData,
  created: CreatedIndex,
  of: Pick<IndexRequest, 'primary' | 'initiallyDeferred'>,
): void {
  createInternalTrigger({
    relid: rel.oid,
    name: of.primary ? 'PK_ConstraintTrigger' : 'Unique_ConstraintTrigger',
    constraint: created.constraint,
    index: created.oid,
    otherRelid: NO_OID,
    func: UNIQUE_KEY_RECHECK,
    type: TRIGGER_TYPE.row | TRIGGER_TYPE.insert | TRIGGER_TYPE.update,
    deferrable: true,
    initiallyDeferred: of.initiallyDeferred,
  });
  commandCounterIncrement();
}

/** index_check_primary_key(): the columns have been made NOT NULL by the caller. */
function checkPrimaryKey(rel: RelationData, columns: readonly NewIndexColumn[]): void {
  refuseSecondPrimaryKey(rel);
  if (columns.some((column) => column.expr !== null)) {
    report('ERROR', { code: SQLSTATE.featureNotSupported, message: 'primary keys cannot be expressions' });
  }
}
export function refuseSecondPrimaryKey(rel: RelationData): void {
  if (indexesOf(rel.oid).some((row) => row.indisprimary)) {
    report('ERROR', {
      code: SQLSTATE.invalidTableDefinition,
      message: `multiple primary keys for table "${rel.name}" are not allowed`,
    });
  }
}

// ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────

function guessColumnName(expr: Node | undefined): string {
  const name = expr === undefined ? '?column?' : columnName(expr);
  return name === '?column?' ? 'expr' : name;
}
/** ChooseIndexColumnNames(). */
function uniqueColumnNames(names: readonly string[]): string[] {
  const out: string[] = [];
  for (const original of names) {
    let name = original;
    for (let i = 1; out.includes(name); i++) {
      const digits = String(i);
      name = clipName(original, 63 - digits.length) + digits;
    }
    out.push(name);
  }
  return out;
}
function chooseIndexName(rel: RelationData, names: readonly string[], of: IndexRequest): string {
  if (of.primary) return chooseRelationName(rel.name, null, 'pkey', rel.namespace, true);
  const addition = clipName(names.join('_'), 126);
  return of.isConstraint
    ? chooseRelationName(rel.name, addition, 'key', rel.namespace, true)
    : chooseRelationName(rel.name, addition, 'idx', rel.namespace, false);
}

// ── columns ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** ComputeIndexAttrs() of one column. */
function indexColumn(
  p: ParseState,
  rel: RelationData,
  element: IndexElem,
  name: string,
  isKey: boolean,
  isConstraint: boolean,
  method: Oid,
  methodName: string,
): NewIndexColumn {
  let attnum = 0;
  let expr: Expr | null = null;
  let type: Oid;
  let collation: Oid;
  if (element.name !== undefined && element.name !== '') {
    const at = rel.tupleDesc.attributeIndex(element.name);
    if (at < 0) {
      if (isSystemColumnName(element.name)) {
        report('ERROR', {
          code: SQLSTATE.featureNotSupported,
          message: 'index creation on system columns is not supported',
        });
      }
      report('ERROR', {
        code: SQLSTATE.undefinedColumn,
        message: isConstraint
          ? `column "${element.name}" named in key does not exist`
          : `column "${element.name}" does not exist`,
      });
    }
    const column = rel.tupleDesc.attrs[at]!;
    attnum = at + 1;
    type = column.typeId;
    collation = column.collation;
  } else {
    if (!isKey) {
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'expressions are not supported in included columns',
      });
    }
    expr = transformExpr(p, element.expr!, 'index_expression');
    assignExprCollations(p, expr);
    type = exprType(expr);
    collation = exprCollation(expr);
    // A COLLATE clause on top only said which collation the index has.
    while (expr.kind === 'CollateExpr') expr = expr.arg;
    if (expr.kind === 'Var' && expr.varattno !== 0) {
      attnum = expr.varattno;
      expr = null;
    } else if (containsMutable(expr)) {
      report('ERROR', {
        code: SQLSTATE.invalidObjectDefinition,
        message: 'functions in index expression must be marked IMMUTABLE',
      });
    }
  }
  if (!isKey) {
    refuseIncludedOptions(element);
    return { name, attnum, expr, collation: NO_OID, opclass: NO_OID, option: 0 };
  }
  if ((element.collation ?? []).length > 0) collation = resolveCollation(p, stringsOf(element.collation), -1);
  if (typeCollation(type) !== 0) {
    if (collation === 0) {
      report('ERROR', {
        code: SQLSTATE.indeterminateCollation,
        message: 'could not determine which collation to use for index expression',
        hint: 'Use the COLLATE clause to set the collation explicitly.',
      });
    }
  } else if (collation !== 0) {
    report('ERROR', {
      code: SQLSTATE.datatypeMismatch,
      message: `collations are not supported by type ${formatType(type)}`,
    });
  }
  return {
    name,
    attnum,
    expr,
    collation,
    opclass: resolveOpclass(stringsOf(element.opclass), type, method, methodName),
    option: sortOption(element),
  };
}
function refuseIncludedOptions(element: IndexElem): void {
  const refuse = (what: string): never =>
    report('ERROR', {
      code: SQLSTATE.invalidObjectDefinition,
      message: `including column does not support ${what}`,
    });
  if ((element.collation ?? []).length > 0) refuse('a collation');
  if ((element.opclass ?? []).length > 0) refuse('an operator class');
  if (element.ordering !== undefined && element.ordering !== 'SORTBY_DEFAULT') refuse('ASC/DESC options');
  if (element.nulls_ordering !== undefined && element.nulls_ordering !== 'SORTBY_NULLS_DEFAULT') {
    refuse('NULLS FIRST/LAST options');
  }
}
const INDOPTION_DESC = 1;
const INDOPTION_NULLS_FIRST = 2;
function sortOption(element: IndexElem): number {
  const isDescending = element.ordering === 'SORTBY_DESC';
  const nulls = element.nulls_ordering ?? 'SORTBY_NULLS_DEFAULT';
  const nullsFirst = nulls === 'SORTBY_NULLS_DEFAULT' ? isDescending : nulls === 'SORTBY_NULLS_FIRST';
  return (isDescending ? INDOPTION_DESC : 0) | (nullsFirst ? INDOPTION_NULLS_FIRST : 0);
}
/** ResolveOpClass(). */
function resolveOpclass(names: readonly string[], type: Oid, method: Oid, methodName: string): Oid {
  if (names.length === 0) {
    const found = defaultOpclass(type, method);
    if (found === undefined) {
      report('ERROR', {
        code: SQLSTATE.undefinedObject,
        message: `data type ${formatType(type)} has no default operator class for access method "${methodName}"`,
        hint: 'You must specify an operator class for the index or define a default operator class for the data type.',
      });
    }
    return found.oid;
  }
  const oid = opclassOid(method, names);
  if (!isBinaryCoercible(type, opclassRow(oid)!.opcintype)) {
    report('ERROR', {
      code: SQLSTATE.datatypeMismatch,
      message: `operator class "${names.join('.')}" does not accept data type ${formatType(type)}`,
    });
  }
  return oid;
}

function indexPredicate(p: ParseState, where: Node | undefined): Expr[] {
  const expr = transformWhere(p, where, 'index_predicate', 'WHERE');
  if (expr === null) return [];
  assignExprCollations(p, expr);
  if (p.rtable.length !== 1) {
    fail(
      p,
      SQLSTATE.invalidColumnReference,
      'index expressions and predicates can refer only to the table being indexed',
    );
  }
  if (containsMutable(expr)) {
    report('ERROR', {
      code: SQLSTATE.invalidObjectDefinition,
      message: 'functions in index predicate must be marked IMMUTABLE',
    });
  }
  return implicitAnd(expr);
}
