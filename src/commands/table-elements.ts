/** table-elements.ts — what stands between the parentheses of CREATE TABLE, sorted by what has to be done with it.
 *
 *  Serial and identity columns want a sequence before the table; keys want indexes, foreign keys constraints after it.
 *  Counterpart: transformCreateStmt() and what it calls in src/backend/parser/parse_utilcmd.c */
import type { ColumnDef, Constraint, IndexElem, Node, RangeVar, TableLikeClause } from '@pgsql/types';
import type { Oid } from '#base/ids.ts';
import { chooseRelationName } from '#catalog/object-name.ts';
import type { RawCheck } from '#commands/cook-constraint.ts';
import type { IndexRequest } from '#commands/define-index.ts';
import { namespaceRow } from '#catalog/syscache.ts';
import { isSystemColumnName } from '#catalog/attribute-checks.ts';
import { stringsOf } from '#parser/ast.ts';
import { fail, type ParseState } from '#parser/parse-state.ts';
import { quoteQualified } from '#catalog/quote.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { resolveTypeName } from '#parser/type-name.ts';

/** A node of the grammar, made here. Location -1: nowhere in the text. */
const stringNode = (sval: string): Node => ({ String: { sval } });

export interface TableElements {
  readonly columns: ColumnDef[];
  readonly checks: RawCheck[];
  readonly indexes: IndexRequest[];
  readonly foreignKeys: Constraint[];
  readonly likes: { readonly clause: TableLikeClause; readonly before: number }[];
  /** CREATE SEQUENCE before the table, ALTER SEQUENCE OWNED BY after it. */
  readonly before: Node[];
  readonly after: Node[];
}
interface Work extends TableElements {
  readonly p: ParseState;
  readonly relation: RangeVar;
  readonly namespace: Oid;
  readonly keys: Constraint[];
  readonly isAlter: boolean;
  /** Columns that the table has already, or inherits: name → not null. */
  readonly known: (name: string) => boolean;
}

export function tableElements(
  p: ParseState,
  relation: RangeVar,
  namespace: Oid,
  elements: readonly Node[],
  options: { readonly isAlter: boolean; readonly known: (name: string) => boolean },
): TableElements {
  const work: Work = {
    p,
    relation,
    namespace,
    columns: [],
    checks: [],
    indexes: [],
    foreignKeys: [],
    likes: [],
    before: [],
    after: [],
    keys: [],
    ...options,
  };
  for (const element of elements) {
    if ('ColumnDef' in element) transformColumn(work, { ...element.ColumnDef });
    else if ('Constraint' in element) transformTableConstraint(work, element.Constraint);
    else if ('TableLikeClause' in element) {
      work.likes.push({ clause: element.TableLikeClause, before: work.columns.length });
    }
  }
  return work;
}
/** After LIKE and INHERITS have added their columns: which indexes the keys want. */
export function finishKeys(elements: TableElements): void {
  const work = elements as Work;
  work.indexes.push(...transformKeys(work));
}

// ── columns ──────────────────────────────────────────────────────────────────────────────────────────────────────

const SERIALS: Readonly<Record<string, string>> = {
  smallserial: 'int2',
  serial2: 'int2',
  serial: 'int4',
  serial4: 'int4',
  bigserial: 'int8',
  serial8: 'int8',
};
const tableName = (work: Work): string => work.relation.relname ?? '';

export function transformColumn(work: Work, column: ColumnDef): void {
  work.columns.push(column);
  const { p } = work;
  const name = column.colname ?? '';
  let isSerial = false;
  const typeNames = stringsOf(column.typeName?.names);
  const serialType = typeNames.length === 1 && column.typeName!.pct_type !== true ? SERIALS[typeNames[0]!] : undefined;
  if (serialType !== undefined) {
    isSerial = true;
    if ((column.typeName!.arrayBounds?.length ?? 0) > 0) {
      fail(p, SQLSTATE.featureNotSupported, 'array of serial is not implemented', column.typeName!.location);
    }
    column.typeName = { ...column.typeName!, names: [stringNode('pg_catalog'), stringNode(serialType)] };
  }
  const constraints = withAttributes(
    work,
    (column.constraints ?? []).flatMap((n) => ('Constraint' in n ? [n.Constraint] : [])),
  );
  let sawNullable = false;
  let sawDefault = isSerial;
  let sawIdentity = false;
  let sawGenerated = false;
  if (isSerial) {
    const sequence = makeSequence(work, column, [], serialType!, false);
    column.raw_default = nextvalOf(sequence);
    column.is_not_null = true;
    sawNullable = true;
  }
  const conflict = (location: number | undefined): never =>
    fail(
      p,
      SQLSTATE.syntaxError,
      `conflicting NULL/NOT NULL declarations for column "${name}" of table "${tableName(work)}"`,
      location,
    );
  for (const constraint of constraints) {
    switch (constraint.contype) {
      case 'CONSTR_NULL':
        if (sawNullable && column.is_not_null === true) conflict(constraint.location);
        column.is_not_null = false;
        sawNullable = true;
        break;
      case 'CONSTR_NOTNULL':
        if (sawNullable && column.is_not_null !== true) conflict(constraint.location);
        column.is_not_null = true;
        sawNullable = true;
        break;
      case 'CONSTR_DEFAULT':
        if (sawDefault) {
          fail(
            p,
            SQLSTATE.syntaxError,
            `multiple default values specified for column "${name}" of table "${tableName(work)}"`,
            constraint.location,
          );
        }
        column.raw_default = constraint.raw_expr!;
        sawDefault = true;
        break;
      case 'CONSTR_IDENTITY': {
        if (sawIdentity) {
          fail(
            p,
            SQLSTATE.syntaxError,
            `multiple identity specifications for column "${name}" of table "${tableName(work)}"`,
            constraint.location,
          );
        }
        const { type } = resolveTypeName(p, column.typeName!);
        makeSequence(work, column, constraint.options ?? [], identityType(type), true);
        column.identity = constraint.generated_when ?? 'd';
        sawIdentity = true;
        if (sawNullable && column.is_not_null !== true) conflict(constraint.location);
        column.is_not_null = true;
        sawNullable = true;
        break;
      }
      case 'CONSTR_GENERATED':
        if (sawGenerated) {
          fail(
            p,
            SQLSTATE.syntaxError,
            `multiple generation clauses specified for column "${name}" of table "${tableName(work)}"`,
            constraint.location,
          );
        }
        column.generated = 's';
        column.raw_default = constraint.raw_expr!;
        sawGenerated = true;
        break;
      case 'CONSTR_CHECK':
        work.checks.push(rawCheck(constraint, work.isAlter));
        break;
      case 'CONSTR_PRIMARY':
      case 'CONSTR_UNIQUE':
        work.keys.push((constraint.keys?.length ?? 0) > 0 ? constraint : { ...constraint, keys: [stringNode(name)] });
        break;
      case 'CONSTR_FOREIGN':
        work.foreignKeys.push({ ...constraint, fk_attrs: [stringNode(name)] });
        break;
      default:
    }
    const both = (a: string, b: string): never =>
      fail(
        p,
        SQLSTATE.syntaxError,
        `both ${a} and ${b} specified for column "${name}" of table "${tableName(work)}"`,
        constraint.location,
      );
    if (sawDefault && sawIdentity) both('default', 'identity');
    if (sawDefault && sawGenerated) both('default', 'generation expression');
    if (sawIdentity && sawGenerated) both('identity', 'generation expression');
  }
}
const identityType = (type: Oid): string =>
  type === 21 ? 'int2' : type === 23 ? 'int4' : type === 20 ? 'int8' : 'bad';

/** transformConstraintAttrs(): DEFERRABLE and its like belong to the constraint before them. */
function withAttributes(work: Work, constraints: readonly Constraint[]): Constraint[] {
  const out: Constraint[] = [];
  let sawDeferrability = false;
  let sawInitially = false;
  const { p } = work;
  const supports = (c: Constraint | undefined): boolean =>
    c !== undefined && ['CONSTR_PRIMARY', 'CONSTR_UNIQUE', 'CONSTR_EXCLUSION', 'CONSTR_FOREIGN'].includes(c.contype!);
  const misplaced = (text: string, location: number | undefined): never =>
    fail(p, SQLSTATE.syntaxError, text, location);
  for (const constraint of constraints) {
    const last = out[out.length - 1];
    const { location } = constraint;
    switch (constraint.contype) {
      case 'CONSTR_ATTR_DEFERRABLE':
        if (!supports(last)) misplaced('misplaced DEFERRABLE clause', location);
        if (sawDeferrability) misplaced('multiple DEFERRABLE/NOT DEFERRABLE clauses not allowed', location);
        sawDeferrability = true;
        last!.deferrable = true;
        break;
      case 'CONSTR_ATTR_NOT_DEFERRABLE':
        if (!supports(last)) misplaced('misplaced NOT DEFERRABLE clause', location);
        if (sawDeferrability) misplaced('multiple DEFERRABLE/NOT DEFERRABLE clauses not allowed', location);
        sawDeferrability = true;
        last!.deferrable = false;
        if (sawInitially && last!.initdeferred === true) {
          misplaced('constraint declared INITIALLY DEFERRED must be DEFERRABLE', location);
        }
        break;
      case 'CONSTR_ATTR_DEFERRED':
        if (!supports(last)) misplaced('misplaced INITIALLY DEFERRED clause', location);
        if (sawInitially) misplaced('multiple INITIALLY IMMEDIATE/DEFERRED clauses not allowed', location);
        sawInitially = true;
        last!.initdeferred = true;
        if (!sawDeferrability) last!.deferrable = true;
        else if (last!.deferrable !== true) {
          misplaced('constraint declared INITIALLY DEFERRED must be DEFERRABLE', location);
        }
        break;
      case 'CONSTR_ATTR_IMMEDIATE':
        if (!supports(last)) misplaced('misplaced INITIALLY IMMEDIATE clause', location);
        if (sawInitially) misplaced('multiple INITIALLY IMMEDIATE/DEFERRED clauses not allowed', location);
        sawInitially = true;
        last!.initdeferred = false;
        break;
      default:
        sawDeferrability = false;
        sawInitially = false;
        out.push({ ...constraint });
    }
  }
  return out;
}

// ── sequences ────────────────────────────────────────────────────────────────────────────────────────────────────

interface SequenceName {
  readonly schema: string;
  readonly name: string;
}
/** generateSerialExtraStmts(). */
function makeSequence(
  work: Work,
  column: ColumnDef,
  options: readonly Node[],
  typeName: string,
  forIdentity: boolean,
): SequenceName {
  if (typeName === 'bad') {
    report('ERROR', {
      code: SQLSTATE.invalidParameterValue,
      message: 'identity column type must be smallint, integer, or bigint',
    });
  }
  const schema = namespaceRow(work.namespace)?.nspname ?? '';
  const name = chooseRelationName(tableName(work), column.colname ?? '', 'seq', work.namespace, false);
  report('DEBUG1', {
    message: `${forIdentity ? 'CREATE TABLE' : work.isAlter ? 'ALTER TABLE' : 'CREATE TABLE'} will create implicit sequence "${name}" for serial column "${tableName(work)}.${column.colname ?? ''}"`,
  });
  const named = options.find((node) => 'DefElem' in node && node.DefElem.defname === 'sequence_name');
  let place: SequenceName = { schema, name };
  if (named !== undefined && 'DefElem' in named) {
    const parts = stringsOf((named.DefElem.arg as { List?: { items?: Node[] } } | undefined)?.List?.items);
    place = parts.length > 1 ? { schema: parts[0]!, name: parts[1]! } : { schema, name: parts[0] ?? name };
  }
  const sequence: RangeVar = {
    schemaname: place.schema,
    relname: place.name,
    inh: true,
    relpersistence: work.relation.relpersistence ?? 'p',
    location: -1,
  };
  const asType: Node = {
    DefElem: {
      defname: 'as',
      arg: {
        TypeName: { names: [stringNode('pg_catalog'), stringNode(typeName)], typemod: -1, location: -1 },
      },
      defaction: 'DEFELEM_UNSPEC',
      location: -1,
    },
  };
  work.before.push({
    CreateSeqStmt: {
      sequence,
      options: [asType, ...options.filter((node) => node !== named)],
      for_identity: forIdentity,
    },
  });
  const owner = [schema, tableName(work), column.colname ?? ''].map(stringNode);
  work.after.push({
    AlterSeqStmt: {
      sequence,
      options: [
        {
          DefElem: {
            defname: 'owned_by',
            arg: { List: { items: owner } },
            defaction: 'DEFELEM_UNSPEC',
            location: -1,
          },
        },
      ],
      for_identity: forIdentity,
    },
  });
  column.identitySequence = sequence;
  return place;
}
function nextvalOf(sequence: SequenceName): Node {
  const literal: Node = { A_Const: { sval: { sval: quoteQualified(sequence.schema, sequence.name) }, location: -1 } };
  const argument: Node = {
    TypeCast: {
      arg: literal,
      typeName: { names: [stringNode('pg_catalog'), stringNode('regclass')], typemod: -1, location: -1 },
      location: -1,
    },
  };
  return {
    FuncCall: {
      funcname: [stringNode('pg_catalog'), stringNode('nextval')],
      args: [argument],
      funcformat: 'COERCE_EXPLICIT_CALL',
      location: -1,
    },
  };
}

// ── constraints ──────────────────────────────────────────────────────────────────────────────────────────────────

export const rawCheck = (constraint: Constraint, isAlter: boolean): RawCheck => ({
  name: constraint.conname,
  raw: constraint.raw_expr ?? null,
  cooked: null,
  // In a table that is being made there is nothing to look at.
  skipValidation: isAlter ? constraint.skip_validation === true : true,
  initiallyValid: isAlter ? constraint.skip_validation !== true : true,
  noInherit: constraint.is_no_inherit === true,
});
function transformTableConstraint(work: Work, constraint: Constraint): void {
  switch (constraint.contype) {
    case 'CONSTR_PRIMARY':
    case 'CONSTR_UNIQUE':
      work.keys.push(constraint);
      return;
    case 'CONSTR_EXCLUSION':
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'exclusion constraints are not supported yet',
      });
      return;
    case 'CONSTR_CHECK':
      work.checks.push(rawCheck(constraint, work.isAlter));
      return;
    case 'CONSTR_FOREIGN':
      work.foreignKeys.push(constraint);
      return;
    default:
  }
}

/** transformIndexConstraints(): the primary key first, keys that say the same thing only once. */
function transformKeys(work: Work): IndexRequest[] {
  const requests = work.keys.map((constraint) => transformKey(work, constraint));
  const primary = requests.filter((request) => request.primary);
  if (primary.length > 1) {
    fail(
      work.p,
      SQLSTATE.invalidTableDefinition,
      `multiple primary keys for table "${tableName(work)}" are not allowed`,
      work.keys.filter((key) => key.contype === 'CONSTR_PRIMARY')[1]?.location,
    );
  }
  const out: IndexRequest[] = [...primary];
  const keyText = (request: IndexRequest): string =>
    JSON.stringify([
      request.params.map((e) => e.name),
      request.including.map((e) => e.name),
      request.nullsNotDistinct,
      request.deferrable,
      request.initiallyDeferred,
    ]);
  for (const request of requests) {
    if (request.primary) continue;
    const same = out.findIndex((other) => keyText(other) === keyText(request));
    if (same < 0) out.push(request);
    else if (out[same]!.name === undefined) out[same] = { ...out[same]!, name: request.name };
  }
  return out;
}

function transformKey(work: Work, constraint: Constraint): IndexRequest {
  const isPrimary = constraint.contype === 'CONSTR_PRIMARY';
  if ((constraint.indexname ?? '') !== '') {
    report('ERROR', {
      code: SQLSTATE.featureNotSupported,
      message: 'adding a constraint that uses an existing index is not supported yet',
    });
  }
  const keys = stringsOf(constraint.keys);
  const element = (name: string): IndexElem => ({
    name,
    ordering: 'SORTBY_DEFAULT',
    nulls_ordering: 'SORTBY_NULLS_DEFAULT',
  });
  const { p } = work;
  keys.forEach((key, i) => {
    findKeyColumn(work, key, constraint, isPrimary);
    if (keys.indexOf(key) < i) {
      fail(
        p,
        SQLSTATE.duplicateColumn,
        isPrimary
          ? `column "${key}" appears twice in primary key constraint`
          : `column "${key}" appears twice in unique constraint`,
        constraint.location,
      );
    }
  });
  const including = stringsOf(constraint.including);
  for (const key of including) findKeyColumn(work, key, constraint, false);
  return {
    name: constraint.conname,
    accessMethod: constraint.access_method ?? 'btree',
    params: keys.map(element),
    including: including.map(element),
    where: constraint.where_clause,
    options: constraint.options,
    tablespace: constraint.indexspace,
    unique: true,
    nullsNotDistinct: constraint.nulls_not_distinct === true,
    primary: isPrimary,
    isConstraint: true,
    deferrable: constraint.deferrable === true,
    initiallyDeferred: constraint.initdeferred === true,
  };
}
/** A key's column must exist; a primary key's becomes NOT NULL. */
function findKeyColumn(work: Work, name: string, constraint: Constraint, isPrimary: boolean): void {
  const column = work.columns.find((one) => one.colname === name);
  if (column !== undefined) {
    if (isPrimary) column.is_not_null = true;
    return;
  }
  if (work.known(name)) return;
  if (isSystemColumnName(name)) return;
  fail(work.p, SQLSTATE.undefinedColumn, `column "${name}" named in key does not exist`, constraint.location);
}
