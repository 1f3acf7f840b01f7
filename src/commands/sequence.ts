/** sequence.ts — CREATE SEQUENCE and ALTER SEQUENCE; who owns a sequence.
 *
 *  A sequence's parameters are a row of pg_sequence, its state the one tuple of its file. ALTER gives it a new file, so that
 *  a rollback brings the old state back.
 *  Counterpart: DefineSequence(), AlterSequence(), init_params(), process_owned_by() of
 *  src/backend/commands/sequence.c */
import type { AlterSeqStmt, CreateSeqStmt, DefElem, Node } from '@pgsql/types';
import { type Attribute, type Relation, relationNeedsWal, TupleDesc } from '#access/common/relation-descriptor.ts';
import { fillSequence, readSequenceState, sequenceCache } from '#access/sequence/sequence.ts';
import { canonicalInt8 } from '#adt/datum.ts';
import type { Oid } from '#base/ids.ts';
import { relationCreationPlace } from '#catalog/creation-namespace.ts';
import { formatType } from '#catalog/format-type.ts';
import { columnOfType, heapCreateWithCatalog } from '#catalog/heap.ts';
import { catalogInsert, catalogUpdateColumns, catalogValues } from '#catalog/indexing.ts';
import { relationSetNewRelfilenode } from '#catalog/new-file.ts';
import { objectAddress, type ObjectAddress } from '#catalog/object-address.ts';
import { checkRelationOwner } from '#catalog/object-rights.ts';
import { RELATION, TYPE } from '#catalog/oids.ts';
import { deleteDependencyRecordsForClass, recordDependencyOn } from '#catalog/pg-depend.ts';
import { rangeVarGetRelid } from '#catalog/range-var.ts';
import { relationClose, relationOpen, tableOpen } from '#catalog/relation.ts';
import { type SequenceRow, store } from '#catalog/rows.ts';
import { sessionIdentity } from '#catalog/session-identity.ts';
import { logSmgrCreate } from '#catalog/storage.ts';
import { attributes, classByName, classRow } from '#catalog/syscache.ts';
import { findCatalogTuples } from '#catalog/systable.ts';
import { conflictingOption, defElems, defGetInt64, defGetTypeName } from '#commands/def-elem.ts';
import { chooseTablespace } from '#commands/tablespace-choice.ts';
import { setSequenceReset } from '#commands/truncate.ts';
import { listItems, stringsOf } from '#parser/ast.ts';
import { fail, makeParseState, type ParseState, withPosition } from '#parser/parse-state.ts';
import { resolveTypeName } from '#parser/type-name.ts';
import { report } from '#runtime/error/report.ts';
import { SQLSTATE } from '#runtime/error/sqlstate.ts';
import { LOCK } from '#storage/lmgr/lock-modes.ts';
import { commandCounterIncrement, getTopTransactionId } from '#transam/xact.ts';

const PG_SEQUENCE_INDEX = 5002 as Oid;
const LIMITS: Readonly<Record<number, { readonly min: bigint; readonly max: bigint }>> = {
  [TYPE.int2]: { min: -(2n ** 15n), max: 2n ** 15n - 1n },
  [TYPE.int4]: { min: -(2n ** 31n), max: 2n ** 31n - 1n },
  [TYPE.int8]: { min: -(2n ** 63n), max: 2n ** 63n - 1n },
};

interface Parameters {
  type: Oid;
  start: bigint;
  increment: bigint;
  max: bigint;
  min: bigint;
  cache: bigint;
  cycle: boolean;
}
interface State {
  lastValue: bigint;
  logCount: bigint;
  isCalled: boolean;
}
const invalid = (message: string): never => report('ERROR', { code: SQLSTATE.invalidParameterValue, message });

type OptionName = 'as' | 'increment' | 'start' | 'restart' | 'maxvalue' | 'minvalue' | 'cache' | 'cycle' | 'owned_by';
type Options = Partial<Record<OptionName, DefElem>>;
const NAMES: ReadonlySet<string> = new Set([
  'as',
  'increment',
  'start',
  'restart',
  'maxvalue',
  'minvalue',
  'cache',
  'cycle',
  'owned_by',
]);
function collect(p: ParseState, list: readonly Node[] | undefined): { options: Options; rewrites: boolean } {
  const options: Options = {};
  let rewrites = false;
  for (const option of defElems(list)) {
    const name = option.defname ?? '';
    if (name === 'sequence_name') {
      // Only the elements of an identity column know what to do with it.
      fail(p, SQLSTATE.syntaxError, 'invalid sequence option SEQUENCE NAME', option.location ?? -1);
    }
    if (!NAMES.has(name)) report('ERROR', { message: `option "${name}" not recognized` });
    if (options[name as OptionName] !== undefined) conflictingOption(p, option);
    options[name as OptionName] = option;
    if (name !== 'owned_by') rewrites = true;
  }
  return { options, rewrites };
}

/** init_params(): changes `form` and `state` as the options say; `isInit` fills in what they do not. */
function applyOptions(
  p: ParseState,
  options: Options,
  forIdentity: boolean,
  isInit: boolean,
  form: Parameters,
  state: State,
): void {
  let resetMax = false;
  let resetMin = false;
  if (options.as !== undefined) {
    const { type } = resolveTypeName(p, defGetTypeName(options.as));
    if (LIMITS[type] === undefined) {
      invalid(
        forIdentity
          ? 'identity column type must be smallint, integer, or bigint'
          : 'sequence type must be smallint, integer, or bigint',
      );
    }
    if (!isInit) {
      // Bounds that were the old type's become the new type's.
      const old = LIMITS[form.type]!;
      resetMax = form.max === old.max;
      resetMin = form.min === old.min;
    }
    form.type = type;
  } else if (isInit) form.type = TYPE.int8;
  const limits = LIMITS[form.type]!;

  if (options.increment !== undefined) {
    form.increment = defGetInt64(options.increment);
    if (form.increment === 0n) invalid('INCREMENT must not be zero');
    state.logCount = 0n;
  } else if (isInit) form.increment = 1n;
  if (options.cycle !== undefined) {
    const { arg } = options.cycle;
    form.cycle = arg !== undefined && 'Boolean' in arg && arg.Boolean.boolval === true;
    state.logCount = 0n;
  } else if (isInit) form.cycle = false;

  if (options.maxvalue?.arg !== undefined) {
    form.max = defGetInt64(options.maxvalue);
    state.logCount = 0n;
  } else if (isInit || options.maxvalue !== undefined || resetMax) {
    form.max = form.increment > 0n || resetMax ? limits.max : -1n;
    state.logCount = 0n;
  }
  const typeText = (): string => formatType(form.type);
  if (form.max < limits.min || form.max > limits.max) {
    invalid(`MAXVALUE (${form.max}) is out of range for sequence data type ${typeText()}`);
  }
  if (options.minvalue?.arg !== undefined) {
    form.min = defGetInt64(options.minvalue);
    state.logCount = 0n;
  } else if (isInit || options.minvalue !== undefined || resetMin) {
    form.min = form.increment < 0n || resetMin ? limits.min : 1n;
    state.logCount = 0n;
  }
  if (form.min < limits.min || form.min > limits.max) {
    invalid(`MINVALUE (${form.min}) is out of range for sequence data type ${typeText()}`);
  }
  if (form.min >= form.max) invalid(`MINVALUE (${form.min}) must be less than MAXVALUE (${form.max})`);

  if (options.start !== undefined) form.start = defGetInt64(options.start);
  else if (isInit) form.start = form.increment > 0n ? form.min : form.max;
  checkBounds('START', form.start, form);
  if (options.restart !== undefined) {
    state.lastValue = options.restart.arg !== undefined ? defGetInt64(options.restart) : form.start;
    state.isCalled = false;
    state.logCount = 0n;
  } else if (isInit) {
    state.lastValue = form.start;
    state.isCalled = false;
  }
  checkBounds('RESTART', state.lastValue, form);
  if (options.cache !== undefined) {
    form.cache = defGetInt64(options.cache);
    if (form.cache <= 0n) invalid(`CACHE (${form.cache}) must be greater than zero`);
    state.logCount = 0n;
  } else if (isInit) form.cache = 1n;
}
function checkBounds(what: string, value: bigint, form: Parameters): void {
  if (value < form.min) invalid(`${what} value (${value}) cannot be less than MINVALUE (${form.min})`);
  if (value > form.max) invalid(`${what} value (${value}) cannot be greater than MAXVALUE (${form.max})`);
}

const COLUMNS: readonly (readonly [string, Oid])[] = [
  ['last_value', TYPE.int8],
  ['log_cnt', TYPE.int8],
  ['is_called', TYPE.bool],
];
const sequenceColumns = (): Attribute[] =>
  COLUMNS.map(([name, type], i) => columnOfType(name, i + 1, type, -1, 0, { notNull: true }));

const rowValues = (form: Parameters): Record<string, number | bigint | boolean> => ({
  seqtypid: form.type,
  seqstart: canonicalInt8(form.start),
  seqincrement: canonicalInt8(form.increment),
  seqmax: canonicalInt8(form.max),
  seqmin: canonicalInt8(form.min),
  seqcache: canonicalInt8(form.cache),
  seqcycle: form.cycle,
});
const parametersOf = (row: SequenceRow): Parameters => ({
  type: row.seqtypid,
  start: row.seqstart,
  increment: row.seqincrement,
  max: row.seqmax,
  min: row.seqmin,
  cache: row.seqcache,
  cycle: row.seqcycle,
});

/** CREATE SEQUENCE; null if it exists and that is no error. */
export function defineSequence(stmt: CreateSeqStmt, sourceText: string): ObjectAddress | null {
  const sequence = stmt.sequence!;
  const name = sequence.relname!;
  const p = makeParseState(null, sourceText);
  const forIdentity = stmt.for_identity === true;
  const place = withPosition(p, sequence.location ?? 0, () => relationCreationPlace(sequence));
  if (stmt.if_not_exists === true && classByName(name, place.namespace) !== undefined) {
    report('NOTICE', { code: SQLSTATE.duplicateTable, message: `relation "${name}" already exists, skipping` });
    return null;
  }
  const { options } = collect(p, stmt.options);
  const form: Parameters = { type: TYPE.int8, start: 1n, increment: 1n, max: 0n, min: 0n, cache: 1n, cycle: false };
  const state: State = { lastValue: 1n, logCount: 0n, isCalled: false };
  applyOptions(p, options, forIdentity, true, form, state);

  const { oid } = heapCreateWithCatalog({
    name,
    namespace: place.namespace,
    tablespace: chooseTablespace(undefined, place.persistence),
    kind: 'S',
    persistence: place.persistence,
    accessMethod: 0 as Oid,
    desc: new TupleDesc(sequenceColumns()),
    owner: ((stmt.ownerId ?? 0) as Oid) || sessionIdentity.userOid,
    useUserAcl: true,
  });
  commandCounterIncrement();
  const rel = relationOpen(oid, LOCK.accessExclusive);
  fillSequence(rel, state.lastValue, state.logCount, state.isCalled, logSmgrCreate);
  if (options.owned_by !== undefined) processOwnedBy(rel, listItems(options.owned_by.arg), forIdentity, p);
  relationClose(rel, LOCK.none);

  const pgSequence = tableOpen(RELATION.pgSequence, LOCK.rowExclusive);
  catalogInsert(pgSequence, catalogValues(pgSequence, { seqrelid: oid, ...rowValues(form) }));
  relationClose(pgSequence, LOCK.rowExclusive);
  return objectAddress(RELATION.pgClass, oid);
}

/** ALTER SEQUENCE. */
export function alterSequence(stmt: AlterSeqStmt, sourceText: string): ObjectAddress | null {
  const sequence = stmt.sequence!;
  const name = { catalog: sequence.catalogname, schema: sequence.schemaname, name: sequence.relname! };
  const p = makeParseState(null, sourceText);
  const missingOk = stmt.missing_ok === true;
  const relid = withPosition(p, -1, () =>
    rangeVarGetRelid(name, LOCK.shareRowExclusive, { missingOk }, (found) => {
      if (found === 0) return;
      checkRelationOwner(found);
      const row = classRow(found)!;
      if (found < 16384 && row.relnamespace === 11) {
        report('ERROR', {
          code: SQLSTATE.insufficientPrivilege,
          message: `permission denied: "${row.relname}" is a system catalog`,
        });
      }
    }),
  );
  if (relid === 0) {
    report('NOTICE', { message: `relation "${name.name}" does not exist, skipping` });
    return null;
  }
  const rel = relationOpen(relid, LOCK.none);
  if (rel.kind !== 'S') {
    report('ERROR', { code: SQLSTATE.wrongObjectType, message: `"${rel.name}" is not a sequence` });
  }
  const pgSequence = tableOpen(RELATION.pgSequence, LOCK.rowExclusive);
  const [found] = findCatalogTuples(store.sequence, pgSequence, PG_SEQUENCE_INDEX, [{ attnum: 1, value: relid }]);
  if (found === undefined) report('ERROR', { message: `cache lookup failed for sequence ${relid}` });
  const { options, rewrites } = collect(p, stmt.options);
  const form = parametersOf(found.row);
  const state: State = { ...readSequenceState(rel) };
  applyOptions(p, options, stmt.for_identity === true, false, form, state);
  if (rewrites) {
    // Values that the new file gives out must not be given again after a crash.
    if (relationNeedsWal(rel)) getTopTransactionId();
    relationSetNewRelfilenode(rel);
    fillSequence(rel, state.lastValue, state.logCount, state.isCalled, logSmgrCreate);
  }
  const cache = sequenceCache(relid);
  cache.cached = cache.last;
  if (options.owned_by !== undefined)
    processOwnedBy(rel, listItems(options.owned_by.arg), stmt.for_identity === true, p);
  catalogUpdateColumns(pgSequence, found.tid, rowValues(form));
  relationClose(pgSequence, LOCK.rowExclusive);
  relationClose(rel, LOCK.none);
  return objectAddress(RELATION.pgClass, relid);
}

/** ResetSequence(): TRUNCATE … RESTART IDENTITY; a new file, so that a rollback undoes it. */
function resetSequence(relid: Oid): void {
  const rel = relationOpen(relid, LOCK.shareRowExclusive);
  const row = store.sequence.byOid(relid, 'seqrelid');
  if (row === undefined) report('ERROR', { message: `cache lookup failed for sequence ${relid}` });
  relationSetNewRelfilenode(rel);
  fillSequence(rel, row.seqstart, 0n, false, logSmgrCreate);
  const cache = sequenceCache(relid);
  cache.cached = cache.last;
  relationClose(rel, LOCK.none);
}

setSequenceReset(resetSequence);

const OWNING_KINDS = 'rfvp';
const NOT_SUPPORTED_FOR: Readonly<Record<string, string>> = {
  i: 'indexes',
  S: 'sequences',
  t: 'TOAST tables',
  m: 'materialized views',
  c: 'composite types',
  I: 'partitioned indexes',
};

/** OWNED BY: the sequence goes with the column; BY NONE frees it. */
function processOwnedBy(sequence: Relation, ownedBy: readonly Node[], forIdentity: boolean, p: ParseState): void {
  const names = stringsOf(ownedBy);
  const type = forIdentity ? 'i' : 'a';
  let column: ObjectAddress | null = null;
  if (names.length === 1) {
    if (names[0] !== 'none') {
      report('ERROR', {
        code: SQLSTATE.syntaxError,
        message: 'invalid OWNED BY option',
        hint: 'Specify OWNED BY table.column or OWNED BY NONE.',
      });
    }
  } else column = owningColumn(sequence, names, p);
  if (!forIdentity) {
    const identity = store.depend
      .by('objid', sequence.oid)
      .find(
        (d) =>
          d.classid === RELATION.pgClass &&
          d.objsubid === 0 &&
          d.refclassid === RELATION.pgClass &&
          d.refobjsubid !== 0 &&
          d.deptype === 'i',
      );
    if (identity !== undefined) {
      report('ERROR', {
        code: SQLSTATE.featureNotSupported,
        message: 'cannot change ownership of identity sequence',
        detail: `Sequence "${sequence.name}" is linked to table "${classRow(identity.refobjid)?.relname ?? ''}".`,
      });
    }
  }
  deleteDependencyRecordsForClass(RELATION.pgClass, sequence.oid, RELATION.pgClass, type);
  if (column !== null) recordDependencyOn(objectAddress(RELATION.pgClass, sequence.oid), column, type);
}
function owningColumn(sequence: Relation, names: readonly string[], p: ParseState): ObjectAddress {
  const columnName = names[names.length - 1]!;
  const path = names.slice(0, -1);
  const name = {
    name: path[path.length - 1]!,
    ...(path.length > 1 ? { schema: path[path.length - 2]! } : {}),
    ...(path.length > 2 ? { catalog: path[path.length - 3]! } : {}),
  };
  const relid = withPosition(p, -1, () => rangeVarGetRelid(name, LOCK.accessShare));
  const table = relationOpen(relid, LOCK.none);
  if (!OWNING_KINDS.includes(table.kind)) {
    report('ERROR', {
      code: SQLSTATE.wrongObjectType,
      message: `sequence cannot be owned by relation "${table.name}"`,
      detail: `This operation is not supported for ${NOT_SUPPORTED_FOR[table.kind] ?? 'relations'}.`,
    });
  }
  const refuse = (message: string): never => report('ERROR', { code: SQLSTATE.objectNotInPrerequisiteState, message });
  if (table.owner !== sequence.owner) refuse('sequence must have same owner as table it is linked to');
  if (table.namespace !== sequence.namespace) refuse('sequence must be in same schema as table it is linked to');
  const attnum = attributes(relid).find((column) => column.attname === columnName && !column.attisdropped)?.attnum ?? 0;
  if (attnum === 0) {
    report('ERROR', {
      code: SQLSTATE.undefinedColumn,
      message: `column "${columnName}" of relation "${table.name}" does not exist`,
    });
  }
  relationClose(table, LOCK.none);
  return objectAddress(RELATION.pgClass, relid, attnum);
}
