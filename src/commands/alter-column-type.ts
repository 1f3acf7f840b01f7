/** alter-column-type.ts — ALTER COLUMN … TYPE: the column, its default, and the indexes and constraints over it.
 *
 *  What depends on the column is noted as it stands, dropped, and made again for the new type; then the rows follow.
 *  Counterpart: ATPrepAlterColumnType(), ATExecAlterColumnType(), ATPostAlterTypeCleanup() of
 *  src/backend/commands/tablecmds.c */
import type { AlterTableCmd, ColumnDef, Constraint, IndexElem, Node } from '@pgsql/types';
import type { ArrayDatum } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { checkAttributeType } from '#catalog/attribute-checks.ts';
import { removeAttributeDefault, storeAttributeDefault, updateAttribute } from '#catalog/attribute-default.ts';
import { constraintsOfRelation } from '#catalog/constraints.ts';
import { performMultipleDeletions } from '#catalog/dependency.ts';
import { formatTypeWithTypmod, formatType } from '#catalog/format-type.ts';
import { columnOfType, recordColumnDependencies } from '#catalog/heap.ts';
import { removeStatistics } from '#catalog/heap-drop.ts';
import { catalogDelete } from '#catalog/indexing.ts';
import { indexSetStateFlags } from '#catalog/index.ts';
import { allInheritors, children } from '#catalog/inheritors.ts';
import { objectAddress } from '#catalog/object-address.ts';
import { objectDescription } from '#catalog/object-description.ts';
import { createComment } from '#catalog/object-notes.ts';
import { checkTypeUsage } from '#catalog/object-rights.ts';
import { RELATION } from '#catalog/oids.ts';
import { dependenciesOf, dependentsOf, indexConstraint } from '#catalog/pg-depend.ts';
import type { RelationData } from '#catalog/relcache.ts';
import { indexOpen, relationClose, relationOpen, tableOpen } from '#catalog/relation.ts';
import { type ConstraintRow, store } from '#catalog/rows.ts';
import { attributes, classRow, collationRow, defaultOpclass, namespaceRow, opclassRow } from '#catalog/syscache.ts';
import { checkTableNotInUse } from '#catalog/table-in-use.ts';
import { attributeOf } from '#commands/alter-column.ts';
import { alteredTable, type AlterWork, type Rebuild } from '#commands/alter-work.ts';
import { columnCollation } from '#commands/column-definition.ts';
import { addRelationNewConstraints, stateOverRelation } from '#commands/cook-constraint.ts';
import { defineIndex, type IndexRequest } from '#commands/define-index.ts';
import { addForeignKey } from '#commands/foreign-key.ts';
import { remapVars } from '#commands/inherit.ts';
import { rawExpression } from '#commands/stored-text.ts';
import { exprCollation, exprType } from '#nodes/node-funcs.ts';
import { stringToNode } from '#nodes/node-text.ts';
import type { Expr } from '#nodes/primitives.ts';
import { coerceToTargetType } from '#parser/coerce.ts';
import { assignExprCollations } from '#parser/collate.ts';
import { transformExpr } from '#parser/expr.ts';
import { makeParseState } from '#parser/parse-state.ts';
import { resolveTypeName } from '#parser/type-name.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { lockRelationOid } from '#storage/lmgr/lmgr.ts';
import { commandCounterIncrement } from '#transam/xact.ts';

// ── how old values become new ones ───────────────────────────────────────────────────────────────────────────────

const VARCHAR_LENGTH = 669 as Oid;
const NUMERIC_LENGTH = 1703 as Oid;
const VARBIT_LENGTH = 1687 as Oid;
/** A length coercion that cannot change any value of the column: the new limit is no tighter than the old one. */
function isWidening(expr: Extract<Expr, { kind: 'FuncExpr' }>): boolean {
  const [arg, limit] = expr.args;
  if (arg === undefined || limit?.kind !== 'Const' || typeof limit.constvalue !== 'number') return false;
  let inner = arg;
  while (inner.kind === 'RelabelType') inner = inner.arg;
  if (inner.kind !== 'Var') return false;
  const from = inner.vartypmod;
  const to = limit.constvalue;
  if (expr.funcid === VARCHAR_LENGTH || expr.funcid === VARBIT_LENGTH) return to < 0 || (from >= 0 && from <= to);
  if (expr.funcid !== NUMERIC_LENGTH || from < 0) return false;
  const scale = (typmod: number): number => (typmod - 4) & 0x7ff;
  const precision = (typmod: number): number => ((typmod - 4) >> 16) & 0xffff;
  return scale(from) === scale(to) && precision(from) <= precision(to);
}
/** ATColumnChangeRequiresRewrite(): false if the stored bytes are the new value already. */
function requiresRewrite(expr: Expr, attnum: number): boolean {
  let node = expr;
  for (;;) {
    if (node.kind === 'Var' && node.varattno === attnum) return false;
    if (node.kind === 'RelabelType') node = node.arg;
    else if (node.kind === 'CoerceToDomain') {
      if (store.constraint.by('contypid', node.resulttype).length > 0) return true;
      node = node.arg;
    } else if (node.kind === 'FuncExpr' && isWidening(node)) node = node.args[0]!;
    else return true;
  }
}

/** ATPrepAlterColumnType(): permission, the conversion, and the same for all children. */
export function prepareColumnType(
  work: AlterWork,
  rel: RelationData,
  command: AlterTableCmd,
  recurse: boolean,
  recursing: boolean,
  transform: Expr | null = null,
): void {
  const name = command.name ?? '';
  const def = (command.def as { ColumnDef: ColumnDef }).ColumnDef;
  if (rel.ofType !== 0 && !recursing) {
    report('ERROR', { code: SQLSTATE.wrongObjectType, message: 'cannot alter column type of typed table' });
  }
  const p = stateOverRelation(rel.oid, work.sourceText);
  let using = transform;
  if (using === null && def.raw_default !== undefined) using = transformExpr(p, def.raw_default, 'alter_col_transform');
  const attnum = attributeOf(rel, name);
  const column = rel.tupleDesc.attrs[attnum - 1]!;
  if (column.inhCount > 0 && !recursing) {
    report('ERROR', { code: SQLSTATE.invalidTableDefinition, message: `cannot alter inherited column "${name}"` });
  }
  const { type, typmod } = resolveTypeName(p, def.typeName!);
  checkTypeUsage(type);
  checkAttributeType(name, type, columnCollation(p, def, type), []);
  const table = alteredTable(work, rel.oid);
  if (table.changedColumns.has(attnum)) {
    report('ERROR', { code: SQLSTATE.featureNotSupported, message: `cannot alter type of column "${name}" twice` });
  }
  const source: Expr = using ?? {
    kind: 'Var',
    varno: 1,
    varattno: attnum,
    vartype: column.typeId,
    vartypmod: column.typmod,
    varcollid: column.collation,
    varlevelsup: 0,
    varnosyn: 1,
    varattnosyn: attnum,
    location: -1,
  };
  const coerced = coerceToTargetType(p, source, exprType(source), type, typmod, 'assignment', 'implicit_cast', -1);
  if (coerced === null) refuseConversion(name, type, typmod, using !== null);
  assignExprCollations(p, coerced);
  if (requiresRewrite(coerced, attnum)) table.rewrite = true;
  table.newValues.push({ attnum, expr: coerced, generated: false });
  table.changedColumns.add(attnum);
  if (!recurse) {
    if (!recursing && children(rel.oid, LOCK.none).length > 0) {
      report('ERROR', {
        code: SQLSTATE.invalidTableDefinition,
        message: `type of inherited column "${name}" must be changed in child tables too`,
      });
    }
    return;
  }
  for (const child of allInheritors(rel.oid, work.lock)) {
    const childRel = relationOpen(child, LOCK.none);
    checkTableNotInUse(childRel, 'ALTER TABLE');
    const numbers = new Map<number, number>();
    for (const parentColumn of rel.tupleDesc.attrs) {
      if (!parentColumn.isDropped) {
        numbers.set(parentColumn.number, childRel.tupleDesc.attributeIndex(parentColumn.name) + 1);
      }
    }
    prepareColumnType(work, childRel, command, false, true, using === null ? null : remapVars(using, numbers));
    relationClose(childRel, LOCK.none);
    const again = relationOpen(child, LOCK.none);
    changeColumnType(work, again, command);
    relationClose(again, LOCK.none);
  }
}
function refuseConversion(name: string, type: Oid, typmod: number, hasUsing: boolean): never {
  const shown = formatTypeWithTypmod(type, typmod);
  return report('ERROR', {
    code: SQLSTATE.datatypeMismatch,
    message: hasUsing
      ? `result of USING clause for column "${name}" cannot be cast automatically to type ${formatType(type)}`
      : `column "${name}" cannot be cast automatically to type ${formatType(type)}`,
    hint: hasUsing
      ? 'You might need to add an explicit cast.'
      : `You might need to specify "USING ${/^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name}"`}::${shown}".`,
  });
}

// ── the catalogs ─────────────────────────────────────────────────────────────────────────────────────────────────

function stripImplicitCoercions(expr: Expr): Expr {
  if (expr.kind === 'FuncExpr' && expr.funcformat === 'implicit_cast') return stripImplicitCoercions(expr.args[0]!);
  if (expr.kind === 'RelabelType' && expr.relabelformat === 'implicit_cast') return stripImplicitCoercions(expr.arg);
  if (expr.kind === 'CoerceViaIO' && expr.coerceformat === 'implicit_cast') return stripImplicitCoercions(expr.arg);
  if (expr.kind === 'ArrayCoerceExpr' && expr.coerceformat === 'implicit_cast') return stripImplicitCoercions(expr.arg);
  if (expr.kind === 'CoerceToDomain' && expr.coercionformat === 'implicit_cast')
    return stripImplicitCoercions(expr.arg);
  return expr;
}

/** ATExecAlterColumnType(). */
export function changeColumnType(work: AlterWork, rel: RelationData, command: AlterTableCmd): void {
  const name = command.name ?? '';
  const def = (command.def as { ColumnDef: ColumnDef }).ColumnDef;
  const attnum = attributeOf(rel, name);
  const column = rel.tupleDesc.attrs[attnum - 1]!;
  const table = alteredTable(work, rel.oid);
  const p = makeParseState(null, work.sourceText);
  const { type, typmod } = resolveTypeName(p, def.typeName!);
  const collation = columnCollation(p, def, type);
  let defaultExpr: Expr | null = null;
  const storedDefault = constraintsOfRelation(rel).defaults.get(attnum);
  if (column.hasDef && storedDefault !== undefined) {
    const bare = stripImplicitCoercions(stringToNode(storedDefault) as Expr);
    defaultExpr = coerceToTargetType(null, bare, exprType(bare), type, typmod, 'assignment', 'implicit_cast', -1);
    if (defaultExpr === null) {
      const what = column.generated !== '' ? 'generation expression' : 'default';
      report('ERROR', {
        code: SQLSTATE.datatypeMismatch,
        message: `${what} for column "${name}" cannot be cast automatically to type ${formatType(type)}`,
      });
    }
  }
  rememberDependents(work, rel, attnum, name);
  forgetTypeDependencies(rel.oid, attnum);
  const made = columnOfType(name, attnum, type, typmod, def.typeName!.arrayBounds?.length ?? 0, { collation });
  const missing: ArrayDatum | null =
    column.hasMissing && !table.rewrite
      ? { kind: 'array', elementType: type, dims: [1], lowerBounds: [1], elements: [column.missingValue ?? null] }
      : null;
  updateAttribute(rel.oid, attnum, {
    atttypid: type,
    attlen: made.length,
    attcollation: collation,
    attndims: made.ndims,
    atttypmod: typmod,
    attbyval: made.byValue,
    attalign: made.align,
    attstorage: made.storage,
    attcompression: '',
    ...(missing !== null ? { attmissingval: missing } : {}),
    // Every row is about to have a value of its own.
    ...(column.hasMissing && table.rewrite ? { atthasmissing: false, attmissingval: null } : {}),
  });
  recordColumnDependencies(rel.oid, made);
  removeStatistics(rel.oid, attnum);
  if (defaultExpr !== null) {
    commandCounterIncrement();
    const generated = column.generated !== '';
    removeAttributeDefault(rel.oid, attnum, 'restrict', true);
    commandCounterIncrement();
    storeAttributeDefault(rel.oid, attnum, defaultExpr, generated);
  }
  commandCounterIncrement();
}
/** A column has normal dependencies on its type and collation only. */
function forgetTypeDependencies(relid: Oid, attnum: number): void {
  const depend = tableOpen(RELATION.pgDepend, LOCK.rowExclusive);
  for (const { tid, row } of dependenciesOf(depend, objectAddress(RELATION.pgClass, relid, attnum))) {
    if (row.refclassid === RELATION.pgType || row.refclassid === RELATION.pgCollation) catalogDelete(depend, tid);
  }
  relationClose(depend, LOCK.rowExclusive);
}

function rememberDependents(work: AlterWork, rel: RelationData, attnum: number, name: string): void {
  const depend = tableOpen(RELATION.pgDepend, LOCK.rowExclusive);
  const found = dependentsOf(depend, objectAddress(RELATION.pgClass, rel.oid, attnum));
  relationClose(depend, LOCK.rowExclusive);
  for (const { row } of found) {
    const object = { classId: row.classid, objectId: row.objid, objectSubId: row.objsubid };
    const refuse = (message: string): never =>
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message,
        detail: `${objectDescription(object) ?? ''} depends on column "${name}"`,
      });
    switch (row.classid) {
      case RELATION.pgClass: {
        const kind = classRow(row.objid)?.relkind;
        // A sequence that belongs to the column does not care about its type.
        if (kind === 'i' || kind === 'I') rememberIndex(work, rel, row.objid);
        break;
      }
      case RELATION.pgConstraint:
        rememberConstraint(work, row.objid);
        break;
      case RELATION.pgRewrite:
        refuse('cannot alter type of a column used by a view or rule');
        break;
      case RELATION.pgTrigger:
        refuse('cannot alter type of a column used in a trigger definition');
        break;
      case RELATION.pgAttrdef: {
        const owner = store.attrdef.byOid(row.objid);
        if (owner === undefined || (owner.adrelid === rel.oid && owner.adnum === attnum)) break;
        const other = attributes(owner.adrelid).find((one) => one.attnum === owner.adnum)?.attname ?? '';
        report('ERROR', {
          code: SQLSTATE.syntaxError,
          message: 'cannot alter type of a column used by a generated column',
          detail: `Column "${name}" is used by generated column "${other}".`,
        });
        break;
      }
      default:
        report('ERROR', {
          code: SQLSTATE.featureNotSupported,
          message: `changing the type of a column that ${objectDescription(object) ?? 'an object'} uses is not supported yet`,
        });
    }
  }
}
const commentOf = (classId: Oid, objectId: Oid): string | null =>
  store.description.by('objoid', objectId).find((row) => row.classoid === classId && row.objsubid === 0)?.description ??
  null;
const stringNode = (sval: string): Node => ({ String: { sval } });

/** RememberIndexForRebuilding(): an index that does a constraint's work comes back with the constraint. */
function rememberIndex(work: AlterWork, rel: RelationData, indexId: Oid): void {
  const constraint = indexConstraint(indexId);
  if (constraint !== 0) rememberConstraint(work, constraint);
  else if (!work.rebuilds.has(indexId)) {
    work.rebuilds.set(indexId, {
      relid: rel.oid,
      classId: RELATION.pgClass,
      objectId: indexId,
      comment: commentOf(RELATION.pgClass, indexId),
      ...indexDefinition(rel, indexId),
    });
  }
}
function rememberConstraint(work: AlterWork, oid: Oid): void {
  if (work.rebuilds.has(oid)) return;
  const row = store.constraint.byOid(oid)!;
  const common = {
    relid: row.conrelid,
    classId: RELATION.pgConstraint,
    objectId: oid,
    comment: commentOf(RELATION.pgConstraint, oid),
    validated: row.convalidated,
  };
  const rel = relationOpen(row.conrelid, LOCK.none);
  let made: Rebuild;
  if (row.contype === 'c') {
    made = {
      ...common,
      // An inherited one comes back by its parent's.
      ...(row.conislocal
        ? {
            check: {
              name: row.conname,
              raw: rawExpression(rel, stringToNode(row.conbin!) as Expr),
              cooked: null,
              skipValidation: !row.convalidated,
              initiallyValid: row.convalidated,
              noInherit: row.connoinherit,
            },
          }
        : {}),
    };
  } else if (row.contype === 'f') made = { ...common, foreignKey: foreignKeyDefinition(row) };
  else made = { ...common, ...indexDefinition(rel, row.conindid, row) };
  work.rebuilds.set(oid, made);
  relationClose(rel, LOCK.none);
  // Foreign keys that refer to a key are noted by their own dependency on its columns.
}

function foreignKeyDefinition(row: ConstraintRow): Constraint {
  const names = (relid: Oid, numbers: readonly number[] | null): Node[] =>
    (numbers ?? []).map((number) => stringNode(attributes(relid).find((one) => one.attnum === number)!.attname));
  const target = classRow(row.confrelid)!;
  return {
    contype: 'CONSTR_FOREIGN',
    conname: row.conname,
    deferrable: row.condeferrable,
    initdeferred: row.condeferred,
    pktable: {
      schemaname: namespaceRow(target.relnamespace)!.nspname,
      relname: target.relname,
      inh: true,
      relpersistence: 'p',
      location: -1,
    },
    fk_attrs: names(row.conrelid, row.conkey),
    pk_attrs: names(row.confrelid, row.confkey),
    fk_matchtype: row.confmatchtype,
    fk_upd_action: row.confupdtype,
    fk_del_action: row.confdeltype,
    fk_del_set_cols: names(row.conrelid, row.confdelsetcols),
    skip_validation: !row.convalidated,
    initially_valid: row.convalidated,
  };
}

type IndexDefinition = Pick<Rebuild, 'index' | 'clustered' | 'replicaIdentity'>;
/** pg_get_indexdef_command(), as what CREATE INDEX works on. */
export function indexDefinition(rel: RelationData, indexId: Oid, constraint?: ConstraintRow): IndexDefinition {
  const index = indexOpen(indexId, LOCK.accessShare);
  const desc = index.index!;
  const row = classRow(indexId)!;
  const exprs = desc.exprsText === null ? [] : (stringToNode(desc.exprsText) as unknown as Expr[]);
  let next = 0;
  const element = (attnum: number, i: number): IndexElem => {
    const expr = attnum === 0 ? exprs[next++]! : null;
    const source = attnum === 0 ? null : rel.tupleDesc.attrs[attnum - 1]!;
    const made: IndexElem =
      expr === null
        ? { name: source!.name, ordering: 'SORTBY_DEFAULT', nulls_ordering: 'SORTBY_NULLS_DEFAULT' }
        : {
            expr: rawExpression(rel, expr),
            indexcolname: index.tupleDesc.attrs[i]!.name,
            ordering: 'SORTBY_DEFAULT',
            nulls_ordering: 'SORTBY_NULLS_DEFAULT',
          };
    if (i >= desc.nKeyAtts) return made;
    const type = source?.typeId ?? exprType(expr!);
    const collation = source?.collation ?? exprCollation(expr!);
    const indexCollation = desc.collations[i]!;
    if (indexCollation !== 0 && indexCollation !== collation) {
      const found = collationRow(indexCollation)!;
      made.collation = [stringNode(namespaceRow(found.collnamespace)!.nspname), stringNode(found.collname)];
    }
    const opclass = opclassRow(desc.opclasses[i]!)!;
    if (defaultOpclass(type, row.relam)?.oid !== opclass.oid) {
      made.opclass = [stringNode(namespaceRow(opclass.opcnamespace)!.nspname), stringNode(opclass.opcname)];
    }
    const option = desc.options[i] ?? 0;
    made.ordering = (option & 1) !== 0 ? 'SORTBY_DESC' : 'SORTBY_ASC';
    made.nulls_ordering = (option & 2) !== 0 ? 'SORTBY_NULLS_FIRST' : 'SORTBY_NULLS_LAST';
    return made;
  };
  const columns = desc.keys.map(element);
  const predicate = desc.predText === null ? null : stringToNode(desc.predText);
  const request: IndexRequest = {
    name: row.relname,
    accessMethod: store.am.byOid(row.relam)!.amname,
    params: columns.slice(0, desc.nKeyAtts),
    including: columns.slice(desc.nKeyAtts),
    where: predicate === null ? undefined : rawExpression(rel, predicate as Expr),
    options: (row.reloptions ?? []).map((text): Node => {
      const at = text.indexOf('=');
      return {
        DefElem: {
          defname: text.slice(0, at),
          arg: stringNode(text.slice(at + 1)),
          defaction: 'DEFELEM_UNSPEC',
          location: -1,
        },
      };
    }),
    tablespace: row.reltablespace === 0 ? undefined : store.tablespace.byOid(row.reltablespace)!.spcname,
    unique: desc.unique,
    nullsNotDistinct: desc.nullsNotDistinct,
    primary: desc.primary,
    isConstraint: constraint !== undefined,
    deferrable: constraint?.condeferrable === true,
    initiallyDeferred: constraint?.condeferred === true,
  };
  const { isClustered: clustered, isReplIdent: replicaIdentity } = desc;
  relationClose(index, LOCK.accessShare);
  return { index: request, clustered, replicaIdentity };
}

// ── making again what went ───────────────────────────────────────────────────────────────────────────────────────

/** Definitions come from the catalogs: errors in them have no place in the statement. */
const NO_SOURCE = '';

/** ATPostAlterTypeCleanup(): all at once, as they depend on each other. */
export function dropForRebuild(work: AlterWork): void {
  const all = [...work.rebuilds.values()];
  if (all.length === 0) return;
  for (const { relid } of all) if (!work.tables.has(relid)) lockRelationOid(relid, LOCK.accessExclusive);
  // Foreign keys first: they depend on the indexes of keys.
  const order = [...all].sort((a, b) => Number(a.foreignKey === undefined) - Number(b.foreignKey === undefined));
  performMultipleDeletions(
    order.map(({ classId, objectId }) => objectAddress(classId, objectId)),
    'restrict',
    { internal: true },
  );
  commandCounterIncrement();
}
export function rebuild(work: AlterWork): void {
  const all = [...work.rebuilds.values()];
  for (const one of all) if (one.index !== undefined) rebuildIndex(work, one);
  for (const one of all) {
    if (one.check === undefined) continue;
    addCheckAgain(work, one.relid, one, false);
  }
  for (const one of all) {
    if (one.foreignKey === undefined) continue;
    const rel = tableOpen(one.relid, LOCK.shareRowExclusive);
    const oid = addForeignKey(rel, one.foreignKey, one.validated === true);
    commandCounterIncrement();
    if (one.validated === true) work.validations.push({ relid: one.relid, constraint: oid });
    recomment(RELATION.pgConstraint, oid, one);
    relationClose(rel, LOCK.none);
  }
  work.rebuilds.clear();
}
function recomment(classId: Oid, oid: Oid, one: Rebuild): void {
  if (one.comment !== null) createComment(objectAddress(classId, oid), one.comment);
}
function rebuildIndex(work: AlterWork, one: Rebuild): void {
  const table = alteredTable(work, one.relid);
  const made = defineIndex(one.relid, { ...one.index!, skipBuild: table.rewrite, isRebuild: true }, NO_SOURCE);
  commandCounterIncrement();
  if (made === null) return;
  if (one.clustered === true || one.replicaIdentity === true) {
    indexSetStateFlags(made.oid, {
      ...(one.clustered === true ? { indisclustered: true } : {}),
      ...(one.replicaIdentity === true ? { indisreplident: true } : {}),
    });
    commandCounterIncrement();
  }
  if (one.classId === RELATION.pgConstraint) recomment(RELATION.pgConstraint, made.constraint, one);
  else recomment(RELATION.pgClass, made.oid, one);
}
function addCheckAgain(work: AlterWork, relid: Oid, one: Rebuild, recursing: boolean): void {
  const rel = relationOpen(relid, LOCK.none);
  const { checks } = addRelationNewConstraints(
    rel,
    [],
    [{ ...one.check!, isInherited: recursing }],
    { allowMerge: recursing, isLocal: !recursing },
    NO_SOURCE,
  );
  relationClose(rel, LOCK.none);
  for (const check of checks) {
    if (!check.skipValidation) alteredTable(work, relid).checks.push({ name: check.name, expr: check.expr });
    if (!recursing) recomment(RELATION.pgConstraint, check.oid, one);
  }
  if (checks.length === 0 || one.check!.noInherit) return;
  for (const child of children(relid, LOCK.accessExclusive)) addCheckAgain(work, child, one, true);
}
